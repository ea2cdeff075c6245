//! Each row of each bundled product that a firewall can block, blocked alone, is found, and nothing is found where
//! nothing is blocked: in all four languages.
//!
//! The rows are those that the catalog exports. A run has one device of the product behind a firewall in each
//! language; whoever it needs is in the internet, in an office behind an open firewall of its own, and beside the device.
//! `PINHOLE_ALL_ROWS=1` takes all rows in place of an eighth.

use crate::{behind, common};

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use behind::{LANGUAGES, Policy, Ports};
use common::{CatalogRow, Finding, Report, Scratch, catalog, check};

/// Checks devices of products behind firewalls that drop some ports, with everybody whom their rows speak of: far away,
/// and beside the devices, where some of them are what a row is about.
fn judge(
    scratch: &Scratch,
    rows: &[CatalogRow],
    products: &[&str],
    version: Option<&str>,
    dropped: &[Ports<'_>],
) -> Report {
    behind::site(scratch, products, roles(rows, products), version, Policy::Without(dropped));
    check(&scratch.0, &["--select", "PH1"])
}

/// A version that has a row which the newest has no longer: the one that brought it, or one before all others.
fn version_with(row: &CatalogRow) -> Option<String> {
    let until = row.until.as_ref()?;
    let word: String = until.chars().take_while(|c| !c.is_ascii_digit()).collect();
    Some(row.since.clone().unwrap_or(word + "0"))
}

/// All roles that rows of products name.
fn roles<'a>(rows: &'a [CatalogRow], products: &[&str]) -> BTreeSet<&'a str> {
    rows.iter()
        .filter(|row| products.contains(&row.product.as_str()))
        .flat_map(|row| [row.peer.as_deref(), row.direction["from"].as_str(), row.direction["to"].as_str()])
        .flatten()
        .collect()
}

/// The ports of intervals, one by one.
fn ports(intervals: &[[u16; 2]]) -> BTreeSet<u16> {
    intervals.iter().flat_map(|[lo, hi]| *lo..=*hi).collect()
}

/// The ports of a row that are used.
fn used(row: &CatalogRow) -> BTreeSet<u16> {
    let odd = row.parity.as_deref().map(|parity| u16::from(parity == "odd"));
    ports(&row.ports).into_iter().filter(|port| odd.is_none_or(|odd| port % 2 == odd)).collect()
}

/// The ports of other services of the product that are named one by one: no range of it is given these.
fn named_by_others(rows: &[CatalogRow], row: &CatalogRow) -> BTreeSet<u16> {
    let others = rows.iter().filter(|other| {
        let speaks =
            !row.transports.is_empty() && row.transports.iter().all(|t| other.transports.contains(t));
        other.product == row.product && other.service != row.service && other.initiator != "device" && speaks
    });
    let single = others.filter(|other| other.ports.iter().all(|[lo, hi]| lo == hi));
    let ranges = row.initiator != "device" && row.ports.iter().any(|[lo, hi]| lo != hi);
    single.filter(|_| ranges).flat_map(|other| ports(&other.ports)).collect()
}

/// The transports that a row is about; where nobody says which, both are dropped, and one finding is enough.
fn transports(row: &CatalogRow) -> Vec<&str> {
    match row.transports.as_slice() {
        [] => vec!["tcp", "udp"],
        some => some.iter().map(String::as_str).collect(),
    }
}

/// What a report fails to say of a row that is blocked in a language.
fn missing(rows: &[CatalogRow], row: &CatalogRow, language: &str, report: &Report) -> Option<String> {
    let device = format!("{}-{language}", row.product);
    let here = |f: &&Finding| f.file.as_deref() == Some(language) && f.depends_on.is_empty();
    let table = |table: &Option<String>| table.clone().unwrap_or_default();
    let told = |transport: &str| {
        let named = report.findings.iter().filter(here).flat_map(|f| &f.requirements).filter(|said| {
            (said.device == device || !said.device.starts_with(&row.product))
                && (&said.product, &said.row) == (&row.product, &row.row)
                && table(&said.table) == table(&row.table)
                && (&said.service, said.transport.as_str()) == (&row.service, transport)
        });
        named.flat_map(|said| ports(&said.blocked)).collect::<BTreeSet<u16>>()
    };
    let wanted: BTreeSet<u16> = used(row).difference(&named_by_others(rows, row)).copied().collect();
    let silent: Vec<&str> = transports(row).into_iter().filter(|t| !told(t).is_superset(&wanted)).collect();
    let enough = if row.transports.is_empty() { silent.len() < 2 } else { silent.is_empty() };
    let told_in_part = || transports(row).iter().any(|t| !told(t).is_empty());
    (!enough).then(|| {
        format!("{} of it said nothing{}", silent.join(", "), if told_in_part() { ", in part" } else { "" })
    })
}

/// Rows that have ports, and whose packets firewalls see today: not those that are for a multicast group alone.
fn blockable(rows: &[CatalogRow]) -> Vec<&CatalogRow> {
    let group_alone = |row: &&CatalogRow| row.multicast.is_some() && !row.unicast;
    let seen = |row: &&CatalogRow| !row.internal_only && !row.future_use && !row.ports.is_empty();
    rows.iter().filter(seen).filter(|row| !group_alone(row)).collect()
}

#[test]
fn a_row_that_is_blocked_alone_is_found() {
    let rows = catalog();
    // All of them take minutes: a run takes every eighth, from another one on each time.
    let start =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos() as usize;
    let step = if std::env::var_os("PINHOLE_ALL_ROWS").is_some() { 1 } else { 8 };
    let asked: Vec<&CatalogRow> = blockable(&rows).into_iter().skip(start % step).step_by(step).collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (rows, asked, next, faults) = (&rows, &asked, &next, &faults);
            scope.spawn(move || {
                let scratch = Scratch::new(&format!("row-{worker}"));
                while let Some(row) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let transports = transports(row).into_iter();
                    let dropped: Vec<Ports<'_>> =
                        transports.flat_map(|t| row.ports.iter().map(move |ports| (t, *ports))).collect();
                    let report =
                        judge(&scratch, rows, &[&row.product], version_with(row).as_deref(), &dropped);
                    for language in LANGUAGES {
                        if let Some(fault) = missing(rows, row, language, &report) {
                            let name = row.row.as_deref().unwrap_or(&row.service);
                            let what = format!(
                                "{} {} {name} {:?}",
                                row.product,
                                row.table.as_deref().unwrap_or("-"),
                                row.ports
                            );
                            faults
                                .lock()
                                .unwrap()
                                .push(format!("{what}, {}: {language}: {fault}", row.severity));
                        }
                    }
                }
            });
        }
    });
    let mut faults = faults.into_inner().unwrap();
    faults.sort();
    assert!(
        faults.is_empty(),
        "of {} rows in {} languages:\n{}",
        asked.len(),
        LANGUAGES.len(),
        faults.join("\n")
    );
}

#[test]
fn an_open_site_gives_no_finding() {
    let rows = catalog();
    let products: BTreeSet<&str> = rows.iter().map(|row| row.product.as_str()).collect();
    let products: Vec<&str> = products.into_iter().collect();
    let report = judge(&Scratch::new("open"), &rows, &products, None, &[]);
    report.silent("PH1");
}
