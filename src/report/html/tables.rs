//! Who reaches whom for what: parties down, functions across.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::explain::told::ToldEntry;
use crate::ports;
use crate::report::markup::html;

/// Writes the matrix; nothing where there is none.
pub(super) fn matrix(entries: &[ToldEntry], of: &str, out: &mut impl Write) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let functions: BTreeSet<&str> = entries.iter().map(|entry| entry.service.as_str()).collect();
    let mut parties: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&ToldEntry>>> = BTreeMap::new();
    for entry in entries {
        let row = parties.entry((&entry.from, &entry.to)).or_default();
        row.entry(&entry.service).or_default().push(entry);
    }
    writeln!(out, "<section><h2>Who reaches whom{of}</h2>\n<table><thead><tr><th>from</th><th>to</th>")?;
    functions.iter().try_for_each(|function| write!(out, "<th>{}</th>", html(function)))?;
    writeln!(out, "</tr></thead><tbody>")?;
    for ((from, to), row) in parties {
        write!(out, "<tr><th scope=\"row\">{}</th><th>{}</th>", html(from), html(to))?;
        for function in &functions {
            match row.get(function) {
                None => write!(out, "<td></td>")?,
                Some(entries) => cell(entries, out)?,
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></section>")
}

/// What is worst among the rows of one function.
fn cell(entries: &[&ToldEntry], out: &mut impl Write) -> io::Result<()> {
    let has = |state: &str| entries.iter().any(|entry| entry.state == state);
    let state = ["blocked", "depends"].into_iter().find(|state| has(state)).unwrap_or("open");
    let title: Vec<String> = entries
        .iter()
        .map(|entry| {
            let by = if entry.by.is_empty() { String::new() } else { format!(", {}", entry.by) };
            format!("{} {}: {}{by}", entry.transport, ports(&entry.ports), entry.state)
        })
        .collect();
    let ports: BTreeSet<String> =
        entries.iter().map(|entry| format!("{} {}", entry.transport, ports(&entry.ports))).collect();
    let ports = ports.into_iter().collect::<Vec<_>>().join("; ");
    write!(
        out,
        "<td class=\"{state}\" title=\"{}\">{state}<br><small>{}</small></td>",
        html(&title.join("; ")),
        html(&ports)
    )
}

fn ports(ports: &[[u16; 2]]) -> String {
    ports::list_text(ports.iter().map(|[low, high]| (low, high)))
}
