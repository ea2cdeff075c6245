//! `pinhole matrix`: who must reach whom on which ports, and whether they can.

use std::io::Write;

use clap::Args;

use super::color::ColorChoice;
use super::whole::WholeArgs;
use super::{Failure, redact};
use crate::explain::End;
use crate::explain::matrix::{Filter, matrix};
use crate::explain::told::Teller;
use crate::judge::Judge;
use crate::report::{self, MatrixFormat, Redact};
use crate::source::SourceMap;
use crate::spelling::nearest;

/// Arguments of `pinhole matrix`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pinhole matrix
  pinhole matrix --to mcu-1 --needed-only
  pinhole matrix --firewall edge --format csv > edge.csv")]
pub(super) struct MatrixArgs {
    /// Only what these open: a device, a zone, a named peer, an address or `role:ROLE`
    #[arg(long, value_name = "END")]
    from: Option<String>,
    /// Only what is opened to these
    #[arg(long, value_name = "END")]
    to: Option<String>,
    /// Only what goes through this firewall
    #[arg(long, value_name = "NAME")]
    firewall: Option<String>,
    /// Leave out what is optional, or needed only under a condition that the site does not tell
    #[arg(long)]
    needed_only: bool,
    /// Print as well what no firewall keeps apart
    #[arg(long)]
    all: bool,
    /// Put stand-ins in the place of addresses and of the names of hosts and devices, for a matrix that others read
    #[arg(long)]
    redact: bool,
    /// Form of the matrix
    #[arg(long, value_enum, default_value_t)]
    format: MatrixFormat,
    #[command(flatten)]
    site: WholeArgs,
}

impl MatrixArgs {
    /// Whether the output has colours.
    pub(super) fn colors(&self) -> bool {
        self.format == MatrixFormat::Human
    }

    fn filter(&self, judge: &Judge<'_>) -> Result<Filter, Failure> {
        let end = |key: &str, word: &Option<String>| {
            let found = word.as_ref().map(|word| End::find(judge.site, judge.catalog, word, None));
            found.transpose().map_err(|error| Failure::usage(format!("{key}: {error}")))
        };
        let firewall = |name: &String| {
            let names = || judge.site.firewalls.iter().map(|firewall| firewall.name.as_str());
            names().position(|known| known == name).ok_or_else(|| {
                let hint =
                    nearest(name, names()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                Failure::usage(format!("--firewall: the site has no firewall `{name}`{hint}"))
            })
        };
        Ok(Filter {
            from: end("--from", &self.from)?,
            to: end("--to", &self.to)?,
            firewall: self.firewall.as_ref().map(firewall).transpose()?,
            needed_only: self.needed_only,
            all: self.all,
        })
    }
}

/// Runs `pinhole matrix`.
pub(super) fn run(args: &MatrixArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    let mut sources = SourceMap::new();
    let whole = args.site.load(&mut sources)?;
    let judge = whole.session.judge();
    let filter = args.filter(&judge)?;
    let teller = Teller { judge: &judge, sources: &sources };
    let mut entries: Vec<_> = matrix(&judge, &filter).iter().map(|entry| teller.entry(entry)).collect();
    if args.redact {
        entries.redact(&mut redact::of(&whole, &sources));
    }
    let written = report::matrix(&entries, args.format, color.on(&std::io::stdout()), out);
    Failure::unless_closed(written)?;
    Ok(0)
}
