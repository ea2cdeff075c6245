//! `pinhole size`: how many ports a product takes for what it carries at once.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::Failure;
use super::catalog::{find, json};
use super::table::WIDTH;
use crate::catalog::{Catalog, Product, Requirement, Sizing, narrowest};
use crate::ports::list_text;
use crate::report::columns::wrap;

/// Arguments of `pinhole size`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pinhole size scopia-desktop
  pinhole size scopia-desktop --connections 100 --recordings 5
  pinhole size polycom-hdx --connections 4 --from 40000

Exit code: 0, or 1 where no range of the product holds so many ports.")]
pub(super) struct SizeArgs {
    /// A product's name or alias, as `pinhole catalog list` prints it
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// How many connections or calls it is to carry at once; without it, what is counted is printed alone
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Option<u32>,
    /// How many recordings it makes at once
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    recordings: Option<u32>,
    /// The port that the range begins with at the earliest
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    from: Option<u16>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR")]
    catalogs: Vec<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default)]
enum Format {
    /// For people
    #[default]
    Human,
    /// One JSON array with an object for each range
    Json,
}

/// One range of a product, as `--format json` writes it. The names of the fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Sized<'a> {
    product: &'a str,
    rows: &'a [String],
    transports: Vec<&'static str>,
    within: Vec<(u16, u16)>,
    per: &'a str,
    ports: u32,
    recording: Option<u32>,
    most_recordings: Option<u32>,
    connections: Option<u32>,
    recordings: Option<u32>,
    needed: Option<u64>,
    range: Option<(u16, u16)>,
    room: u64,
    setting: Option<&'a str>,
    document: String,
    notes: Option<&'a str>,
}

/// Runs `pinhole size`.
pub(super) fn run(args: &SizeArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let catalog = Catalog::with(&args.catalogs)?;
    let product = find(&catalog, &args.product)?;
    fits(args, &catalog, product)?;
    let ranges: Vec<Sized<'_>> =
        product.sizings.iter().filter_map(|sizing| sized(args, product, sizing)).collect();
    let written = match args.format {
        Format::Json => json(&ranges, out),
        Format::Human => human(product, &ranges, out),
    };
    Failure::unless_closed(written)?;
    Ok(u8::from(ranges.iter().any(|range| range.needed.is_some() && range.range.is_none())))
}

/// Refuses what the product's documents do not count.
fn fits(args: &SizeArgs, catalog: &Catalog, product: &Product) -> Result<(), Failure> {
    if product.sizings.is_empty() {
        let counted = catalog.products().iter().filter(|product| !product.sizings.is_empty());
        let names: Vec<String> = counted.map(|product| format!("`{}`", product.name)).collect();
        return Err(Failure::usage(format!(
            "no document of the catalog tells how many ports `{}` takes; of these one does: {}",
            product.name,
            names.join(", ")
        )));
    }
    let Some(recordings) = args.recordings else { return Ok(()) };
    let Some(counted) = product.sizings.iter().find(|sizing| sizing.recording.is_some()) else {
        return Err(Failure::usage(format!(
            "--recordings: no document tells of ports that `{}` takes for recordings",
            product.name
        )));
    };
    match counted.most_recordings.filter(|most| recordings > *most) {
        Some(most) => Err(Failure::usage(format!(
            "--recordings: `{}` makes at most {most} at once ({})",
            product.name,
            counted.document(product)
        ))),
        None => Ok(()),
    }
}

/// One range; `None` where the catalog has no row for it.
fn sized<'a>(args: &SizeArgs, product: &'a Product, sizing: &'a Sizing) -> Option<Sized<'a>> {
    let row: &Requirement = product.requirements.iter().find(|row| sizing.is_of(row))?;
    let within = row.places(args.from);
    let asked = args.connections.is_some() || args.recordings.is_some();
    let needed = sizing.needed(args.connections.unwrap_or(0), args.recordings.unwrap_or(0));
    let needed = (asked && needed > 0).then_some(needed);
    let has: u64 = within.iter().map(|(low, high)| u64::from(high - low) + 1).sum();
    Some(Sized {
        product: &product.name,
        rows: &sizing.rows,
        transports: row.transports.iter().map(|transport| transport.name()).collect(),
        range: needed.and_then(|needed| narrowest(&within, needed, args.from.unwrap_or(0))),
        within,
        per: &sizing.per,
        ports: sizing.ports.get(),
        recording: sizing.recording.map(u32::from),
        most_recordings: sizing.most_recordings,
        connections: args.connections,
        recordings: args.recordings.filter(|_| sizing.recording.is_some()),
        needed,
        room: sizing.room(has),
        setting: sizing.setting.as_deref(),
        document: sizing.document(product),
        notes: sizing.notes.as_deref(),
    })
}

fn human(product: &Product, ranges: &[Sized<'_>], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} ({})", product.title, product.name)?;
    for range in ranges {
        writeln!(
            out,
            "\n{} {} for {}",
            range.transports.join(" and "),
            list_text(range.within.iter().copied()),
            range.rows.join(", ")
        )?;
        arithmetic(range, out)?;
        if let Some(setting) = range.setting {
            writeln!(out, "  setting: {setting}")?;
        }
        writeln!(out, "  counted by: {}", range.document)?;
        for line in wrap(range.notes.unwrap_or(""), WIDTH - 2).iter().filter(|line| !line.is_empty()) {
            writeln!(out, "  {line}")?;
        }
    }
    site_file(ranges, out)
}

/// How many ports there have to be, as a sum.
fn arithmetic(range: &Sized<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut parts = vec![(range.connections, range.per, range.ports)];
    parts.extend(range.recording.map(|each| (range.recordings, "recording", each)));
    let Some(needed) = range.needed else {
        for (_, what, each) in parts {
            writeln!(out, "  {each:>5} ports for each {what}")?;
        }
        if let Some(most) = range.most_recordings {
            writeln!(out, "  at most {most} recordings at once")?;
        }
        return writeln!(out, "  room for {} {}s", range.room, range.per);
    };
    let mut lines = Vec::new();
    for (count, what, each) in parts {
        let Some(count) = count else { continue };
        let s = if count == 1 { "" } else { "s" };
        lines.push((
            format!("{count:>7} {what}{s}"),
            format!("x {each:>2} ports"),
            u64::from(count) * u64::from(each),
        ));
    }
    let width = lines.iter().map(|(what, ..)| what.len()).max().unwrap_or(0);
    for (what, each, product) in &lines {
        writeln!(out, "{what:width$}  {each}  {product:>7}")?;
    }
    let rule = width + "  x 11 ports  ".len();
    writeln!(out, "  {:-<1$}", "", rule + 5)?;
    writeln!(out, "{:<rule$}{needed:>7}", "  ports needed")?;
    match range.range {
        Some((low, high)) => writeln!(out, "  narrowest range: {low}-{high}"),
        None => writeln!(out, "  no range within {} holds so many", list_text(range.within.iter().copied())),
    }
}

/// What the site file is to say.
fn site_file(ranges: &[Sized<'_>], out: &mut impl Write) -> io::Result<()> {
    let moved = ranges.iter().filter_map(|range| Some((range.rows, range.range?)));
    let moved: Vec<String> = moved
        .flat_map(|(rows, (low, high))| rows.iter().map(move |row| format!("{row} = \"{low}-{high}\"")))
        .collect();
    let Some(first) = ranges.first().filter(|_| !moved.is_empty()) else { return Ok(()) };
    writeln!(out, "\nIn the site file, once the device is set to it:")?;
    writeln!(out, "  ports = {{ {} }}", moved.join(", "))?;
    for (key, count) in [("connections", first.connections), ("recordings", first.recordings)] {
        if let Some(count) = count {
            writeln!(out, "  {key} = {count}")?;
        }
    }
    writeln!(out, "`pinhole check` then says where a firewall does not open it.")
}
