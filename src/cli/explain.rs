//! `pinhole explain`: why a call works or does not, and what a change request needs.

mod request;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::color::ColorChoice;
use super::whole::{Whole, WholeArgs};
use super::{Failure, redact};
use crate::calls::Call;
use crate::explain::logs::hear;
use crate::explain::matrix::{Filter, matrix};
use crate::explain::told::{Teller, Told};
use crate::explain::{End, Works, explain, sensible, whole_calls};
use crate::judge::Judge;
use crate::report::{self, MatrixFormat, Redact};
use crate::source::SourceMap;

/// Arguments of `pinhole explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Who is at an end: a device, a zone or a named peer of the site, an address, a network, `role:ROLE`, `role:ROLE@ZONE`, or
`anybody`.

With TRAFFIC it is a change request that is answered: whether all of it gets through, by which rules, and if not, which
lines on which firewall let it through. The lines were tried: put in, read again and judged again.

Examples:
  pinhole explain --from internet --to mcu-1 --call h323
  pinhole explain --from anybody --to meet-1 --call webrtc
  pinhole explain --from role:sip-phone@office --to pbx-1 --hops
  pinhole explain --to mcu-1
  pinhole explain --from 203.0.113.0/24 --to mcu-1 tcp/1720
  pinhole explain --from office --to pbx-1 tcp/5061 udp/10000-20000 --mend
  journalctl -k | pinhole explain --log -

Exit code: 0 the call works or the traffic is open, 1 not or that depends on something, 2 the question could not be
answered.")]
pub(super) struct ExplainArgs {
    /// What a change request is about, in place of a call: `tcp/1720`, `udp/20000-20600`, `tcp/80,443`, `icmp`, `any`, or
    /// a service of the device that is called, such as `q931`
    #[arg(value_name = "TRAFFIC", requires = "from", conflicts_with_all = ["log", "call"])]
    traffic: Vec<String>,
    /// Who calls; without it, everybody who should reach the other end, as a matrix
    #[arg(long, value_name = "END", requires = "to")]
    from: Option<String>,
    /// Who is called
    #[arg(long, value_name = "END", required_unless_present = "log")]
    to: Option<String>,
    /// Read a log of dropped packets back as calls: lines of the Linux kernel, of an ASA, of pflog as tcpdump prints it,
    /// or JSON of ulogd; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "call", "mend", "hops"])]
    log: Option<PathBuf>,
    /// The kind of call: h323, h323-direct, h323-routed, h460, sip, sip-udp, sip-tcp, sip-tls, sip-registered, webrtc,
    /// desktop, management, or one of your own; else the first that makes sense between both ends
    #[arg(long, value_name = "CALL")]
    call: Option<String>,
    /// Print what to change for every stage that fails, not for the first alone; of a request, also as a unified diff,
    /// which `patch` takes
    #[arg(long)]
    mend: bool,
    /// Print the way of one packet of each stage, firewall by firewall
    #[arg(long)]
    hops: bool,
    /// Put stand-ins in the place of addresses and of the names of hosts and devices, for an answer that others read
    #[arg(long, conflicts_with = "log")]
    redact: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: ExplainFormat,
    #[command(flatten)]
    site: WholeArgs,
}

/// Forms of the answer.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Default)]
enum ExplainFormat {
    /// A ladder: both ends, the firewalls between, and each stage
    #[default]
    Human,
    /// One JSON object, version 1
    Json,
    /// Markdown, for tickets
    Markdown,
    /// The ladder as a picture
    Svg,
}

impl ExplainArgs {
    /// Whether the output has colours.
    pub(super) fn colors(&self) -> bool {
        self.format == ExplainFormat::Human
    }
}

/// Runs `pinhole explain`.
pub(super) fn run(args: &ExplainArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    let mut sources = SourceMap::new();
    let whole = args.site.load(&mut sources)?;
    let (from, to) = match (&args.log, &args.from, &args.to) {
        (Some(path), ..) => return log(args, path, &whole, &sources, out),
        (None, Some(from), Some(to)) => (from, to),
        (None, None, Some(to)) => return everybody(args, to, &whole, &sources, color, out),
        (None, _, None) => return Ok(2),
    };
    if !args.traffic.is_empty() {
        return request::run(args, (from, to), &whole, &sources, color, out);
    }
    let mut told = tell(args, (from, to), &whole, &sources)?;
    if args.redact {
        told.redact(&mut redact::of(&whole, &sources));
    }
    match args.format {
        ExplainFormat::Human => {
            Failure::unless_closed(report::ladder(&told, color.on(&std::io::stdout()), args.hops, out))?
        }
        ExplainFormat::Json => {
            report::json(&told, out)?;
            writeln!(out)?;
        }
        ExplainFormat::Markdown => Failure::unless_closed(report::ticket(&told, out))?,
        ExplainFormat::Svg => Failure::unless_closed(report::svg(&told, out))?,
    }
    Ok(u8::from(told.works != Works::Yes))
}

/// Reads a log back as calls; the exit code is 1 where it has drops of a device's own ports.
fn log(
    args: &ExplainArgs,
    path: &Path,
    whole: &Whole,
    sources: &SourceMap,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let judge = whole.session.judge();
    let mut input = super::open(path)?;
    let heard = hear(&judge, &whole.calls, &mut input)
        .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", path.display())))?;
    let told = Teller { judge: &judge, sources }.log(&heard);
    match args.format {
        ExplainFormat::Human => Failure::unless_closed(report::log(&told, out))?,
        ExplainFormat::Json => {
            report::json(&told, out)?;
            writeln!(out)?;
        }
        ExplainFormat::Markdown | ExplainFormat::Svg => {
            return Err(Failure::usage("with `--log`, the formats are `human` and `json`"));
        }
    }
    Ok(u8::from(!told.groups.is_empty()))
}

/// Everybody who should reach an end; the exit code is 1 where somebody does not.
fn everybody(
    args: &ExplainArgs,
    to: &str,
    whole: &Whole,
    sources: &SourceMap,
    color: ColorChoice,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let judge = whole.session.judge();
    let to = End::find(judge.site, judge.catalog, to, None)
        .map_err(|error| Failure::usage(format!("--to: {error}")))?;
    let filter = Filter { to: Some(to), ..Filter::default() };
    let teller = Teller { judge: &judge, sources };
    let mut entries: Vec<_> = matrix(&judge, &filter).iter().map(|entry| teller.entry(entry)).collect();
    if args.redact {
        entries.redact(&mut redact::of(whole, sources));
    }
    let format = match args.format {
        ExplainFormat::Human => MatrixFormat::Human,
        ExplainFormat::Json => MatrixFormat::Json,
        ExplainFormat::Markdown => MatrixFormat::Markdown,
        ExplainFormat::Svg => return Err(Failure::usage("a picture needs both `--from` and `--to`")),
    };
    Failure::unless_closed(report::matrix(&entries, format, color.on(&std::io::stdout()), out))?;
    Ok(u8::from(entries.iter().any(|entry| entry.state != "open")))
}

fn tell(
    args: &ExplainArgs,
    (from, to): (&str, &str),
    whole: &Whole,
    sources: &SourceMap,
) -> Result<Told, Failure> {
    let judge = whole.session.judge();
    let (from, to) = ends(&judge, from, to)?;
    let (call, others) = call(args, whole, &judge, (&from, &to))?;
    let mut explanation =
        explain(&judge, call, &from, &to).map_err(|error| Failure::usage(error.to_string()))?;
    if !others.is_empty() {
        let names = others.iter().map(|name| format!("`--call {name}`")).collect::<Vec<_>>().join(", ");
        explanation.notes.push(format!("Other calls make sense between these ends as well: {names}."));
    }
    let teller = Teller { judge: &judge, sources };
    let mut told = teller.tell(&explanation);
    told.mend = teller.mend(&explanation, &whole.session.workshop(sources), args.mend);
    Ok(told)
}

/// Both ends.
pub(super) fn ends(judge: &Judge<'_>, from: &str, to: &str) -> Result<(End, End), Failure> {
    let (site, catalog) = (judge.site, judge.catalog);
    let find = |key: &str, word: &str, other: Option<&End>| {
        End::find(site, catalog, word, other).map_err(|error| Failure::usage(format!("{key}: {error}")))
    };
    // Who is anybody depends on who is at the other end.
    if from == "anybody" {
        let to = find("--to", to, None)?;
        return Ok((find("--from", from, Some(&to))?, to));
    }
    let from = find("--from", from, None)?;
    let to = find("--to", to, Some(&from))?;
    Ok((from, to))
}

/// The call that is meant, and others that make sense where nobody named one.
fn call<'w>(
    args: &ExplainArgs,
    whole: &'w Whole,
    judge: &Judge<'_>,
    (from, to): (&End, &End),
) -> Result<(&'w Call, Vec<&'w str>), Failure> {
    let calls = &whole.calls;
    if let Some(name) = &args.call {
        let with = calls.all().iter().filter(|call| call.named(name).next().is_some());
        let of_stage: Vec<String> = with.map(|call| format!("`{}`", call.name)).collect();
        return match calls.call(name) {
            Some(call) => Ok((call, Vec::new())),
            None => Err(Failure::usage(match calls.nearest(name) {
                _ if !of_stage.is_empty() => {
                    format!("--call: there is no call `{name}`; it is a stage of {}", of_stage.join(", "))
                }
                Some(near) => format!("--call: there is no call `{name}`; did you mean `{near}`?"),
                None => {
                    let known: Vec<&str> = calls.all().iter().map(|call| call.name.as_str()).collect();
                    format!("--call: there is no call `{name}`; these are known: {}", known.join(", "))
                }
            })),
        };
    }
    let sensible = sensible(judge, calls, from, to);
    let Some(first) = sensible.first().copied() else {
        let senseless = crate::explain::Senseless::NoCall { from: from.name.clone(), to: to.name.clone() };
        return Err(Failure::usage(senseless.to_string()));
    };
    let names = whole_calls(&sensible).into_iter().map(|call| call.name.as_str());
    Ok((first, names.filter(|name| *name != first.name).collect()))
}
