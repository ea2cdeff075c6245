//! The port matrix: for people, for tables and for programs.

use std::io::{self, Write};

use super::columns::{columns, padded};
use super::ladder::intervals;
use super::{clean, counted, json, markup};
use crate::explain::told::ToldEntry;
use crate::ports::interval_text;

/// The forms of a port matrix.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum MatrixFormat {
    /// A table for each pair of zones
    #[default]
    Human,
    /// Comma-separated values, with a head
    Csv,
    /// A JSON list of rows
    Json,
    /// Markdown tables
    Markdown,
    /// A page of its own
    Html,
}

/// The head of tables.
const HEAD: [&str; 9] = ["state", "from", "to", "function", "protocol", "ports", "need", "source", "by"];

/// Writes a matrix.
pub(crate) fn write(
    entries: &[ToldEntry],
    format: MatrixFormat,
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        MatrixFormat::Human => human(entries, color, out),
        MatrixFormat::Csv => csv(entries, out),
        MatrixFormat::Json => {
            json(&entries, out)?;
            writeln!(out)
        }
        MatrixFormat::Markdown => markdown(entries, out),
        MatrixFormat::Html => html(entries, out),
    }
}

/// The entries of each pair of zones.
fn pairs(entries: &[ToldEntry]) -> impl Iterator<Item = &[ToldEntry]> {
    entries.chunk_by(|one, two| (&one.from_zone, &one.to_zone) == (&two.from_zone, &two.to_zone))
}

fn title(pair: &[ToldEntry]) -> String {
    let Some(first) = pair.first() else { return String::new() };
    let through = match first.path.as_slice() {
        [] => ", no firewall between".to_string(),
        path => format!(", through {}", path.join(", ")),
    };
    format!("from {} to {}{through}", first.from_zone, first.to_zone)
}

/// The cells of an entry, in the order of [`HEAD`].
fn cells(entry: &ToldEntry) -> [String; 9] {
    let any = if entry.any_port { "one of " } else { "" };
    let state = match entry.reply {
        true => format!("{}, answers", entry.state),
        false if entry.blocked.is_empty() || entry.blocked == entry.ports => entry.state.to_string(),
        false => format!("{} for {}", entry.state, intervals(&entry.blocked)),
    };
    let by = match entry.depends_on.as_slice() {
        [] => entry.by.clone(),
        on => format!("{} depends on {}", entry.by, on.join(", ")).trim_start().to_string(),
    };
    let need = match entry.condition.as_str() {
        "" => entry.need.to_string(),
        condition => format!("{} where {condition}", entry.need),
    };
    [
        state,
        entry.from.clone(),
        entry.to.clone(),
        entry.function.clone(),
        entry.protocol.clone(),
        format!("{any}{} {}", entry.transport, intervals(&entry.ports)),
        need,
        entry.source.clone(),
        by,
    ]
}

fn human(entries: &[ToldEntry], color: bool, out: &mut impl Write) -> io::Result<()> {
    for pair in pairs(entries) {
        writeln!(out, "{}", clean(&title(pair)))?;
        let rows: Vec<[String; 7]> = pair
            .iter()
            .map(|entry| {
                let [state, from, to, _, protocol, ports, need, _, by] = cells(entry);
                [state, from, to, format!("{protocol}, {ports}"), entry.service.clone(), need, by]
                    .map(|cell| clean(&cell))
            })
            .collect();
        let widest = |at: usize| rows.iter().map(|row| columns(&row[at])).max().unwrap_or(0).min(44);
        let widths: [usize; 7] = std::array::from_fn(widest);
        for (row, entry) in rows.iter().zip(pair) {
            let mut line = String::from("  ");
            for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
                let padded = padded(cell, width);
                let shade = match entry.state {
                    "open" => "32",
                    "blocked" => "31",
                    _ => "33",
                };
                match at == 0 && color {
                    true => line += &format!("\u{1b}[{shade}m{padded}\u{1b}[0m"),
                    false => line += &padded,
                }
                line += "  ";
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    let of = |state: &str| entries.iter().filter(|entry| entry.state == state).count();
    let rows = counted(entries.len(), "row");
    writeln!(out, "{rows}: {} open, {} blocked, {} that depend", of("open"), of("blocked"), of("depends"))
}

fn csv(entries: &[ToldEntry], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "from,to,from_zone,to_zone,service,function,transport,ports,need,source,state,by,depends_on"
    )?;
    for entry in entries {
        let cells = [
            entry.from.as_str(),
            &entry.to,
            &entry.from_zone,
            &entry.to_zone,
            &entry.service,
            &entry.function,
            entry.transport,
            &all(&entry.ports),
            entry.need,
            &entry.source,
            entry.state,
            &entry.by,
            &entry.depends_on.join("; "),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// All intervals.
fn all(ports: &[[u16; 2]]) -> String {
    ports.iter().map(|[low, high]| interval_text(low, high)).collect::<Vec<_>>().join(" ")
}

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula is text.
pub(super) fn quoted(cell: &str) -> String {
    let cell = clean(cell);
    let formula = cell.starts_with(['=', '+', '-', '@', '\t']);
    let cell = if formula { format!("'{cell}") } else { cell };
    match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

fn markdown(entries: &[ToldEntry], out: &mut impl Write) -> io::Result<()> {
    for pair in pairs(entries) {
        writeln!(out, "## {}\n", markup::markdown(&title(pair)))?;
        writeln!(out, "| {} |", HEAD.join(" | "))?;
        writeln!(out, "|{}", " --- |".repeat(HEAD.len()))?;
        for entry in pair {
            let cells: Vec<String> = cells(entry).iter().map(|cell| markup::markdown(cell)).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The look of the page.
const STYLE: &str = "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:2em}\
th,td{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}th{background:#f3f3f3}\
.open{color:#176117}.blocked{color:#a31515;font-weight:bold}.depends{color:#8a5a00}";

fn html(entries: &[ToldEntry], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(
        out,
        "<title>Port matrix</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Port matrix</h1>"
    )?;
    for pair in pairs(entries) {
        writeln!(out, "<h2>{}</h2>\n<table>\n<tr>", markup::html(&title(pair)))?;
        HEAD.iter().try_for_each(|cell| write!(out, "<th>{cell}</th>"))?;
        writeln!(out, "</tr>")?;
        for entry in pair {
            write!(out, "<tr class=\"{}\">", entry.state)?;
            cells(entry).iter().try_for_each(|cell| write!(out, "<td>{}</td>", markup::html(cell)))?;
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</table>")?;
    }
    writeln!(out, "</body>\n</html>")
}
