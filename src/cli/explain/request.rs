//! `pinhole explain` with traffic: a change request.

use std::io::Write;
use std::net::IpAddr;

use super::super::color::ColorChoice;
use super::super::whole::Whole;
use super::super::{Failure, fix, redact};
use super::{ExplainArgs, ExplainFormat, ends};
use crate::explain::request::{State, inquire, wanted};
use crate::explain::told::Teller;
use crate::explain::told_request::ToldRequest;
use crate::finding::{Edit, applied};
use crate::lint::requested::{Grant, grant, objections};
use crate::report::{self, Redact};
use crate::source::{SourceId, SourceMap};

/// Answers a change request.
pub(super) fn run(
    args: &ExplainArgs,
    (from, to): (&str, &str),
    whole: &Whole,
    sources: &SourceMap,
    color: ColorChoice,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let mut told = tell(args, (from, to), whole, sources)?;
    if args.redact {
        told.redact(&mut redact::of(whole, sources));
    }
    match args.format {
        ExplainFormat::Human => {
            Failure::unless_closed(report::request(&told, color.on(&std::io::stdout()), args.hops, out))?
        }
        ExplainFormat::Json => {
            report::json(&told, out)?;
            writeln!(out)?;
        }
        ExplainFormat::Markdown => Failure::unless_closed(report::request_ticket(&told, out))?,
        ExplainFormat::Svg => return Err(Failure::usage("a request has no picture: it is no call")),
    }
    Ok(u8::from(told.state != State::Open))
}

fn tell(
    args: &ExplainArgs,
    (from, to): (&str, &str),
    whole: &Whole,
    sources: &SourceMap,
) -> Result<ToldRequest, Failure> {
    let usage = |error: crate::explain::request::Wrong| Failure::usage(error.to_string());
    let judge = whole.session.judge();
    let dialled = to.parse::<IpAddr>().ok();
    let (from, to) = ends(&judge, from, to)?;
    let wanted = wanted(&judge, &to, &args.traffic).map_err(usage)?;
    let inquiry = inquire(&judge, from, to, wanted, dialled).map_err(usage)?;
    let lacking = inquiry.lacking();
    let workshop = whole.session.workshop(sources);
    let found = (!lacking.is_empty()).then(|| grant(&judge, &workshop, &lacking));
    let against = objections(&judge, &inquiry.requests());
    let mut told = Teller { judge: &judge, sources }.request(&inquiry, &against, found.as_ref());
    if let (Some(change), Some(Grant::Found(found)), true) = (&mut told.change, &found, args.mend) {
        change.diff = diff(sources, &found.edits);
    }
    Ok(told)
}

/// Changes as `patch` takes them.
fn diff(sources: &SourceMap, edits: &[Edit]) -> String {
    let mut texts: Vec<_> = applied(sources, edits).into_iter().flatten().collect();
    texts.sort_by_key(|(id, _)| *id);
    let one =
        |(id, text): (SourceId, String)| fix::unified(&sources.file(id).path, &sources.file(id).text, &text);
    texts.into_iter().map(one).collect()
}
