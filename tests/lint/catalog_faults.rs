//! Every bundled product behind firewalls in the four languages: what they stop, open for the wrong transport, leave
//! open of what is to stay closed or for administrators alone, and carry on of what is over, is found, and the finding
//! names the product's row.
//!
//! Which products have such rows, their own files say. Each has something that can be blocked. What has nothing to stay
//! closed, nothing that is over, no administration of its own and no use for a port over one transport alone, is accused
//! of none of these.

use crate::{behind, common};

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use behind::{LANGUAGES, Policy, Ports};
use common::{Finding, Report, Scratch, check};
use pinhole::catalog::{Catalog, Initiator, Listener, Need, Product, Requirement, Transport};

/// A row, over one of its transports.
type Wanted<'c> = (&'c Requirement, Transport);

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

fn other(transport: Transport) -> Transport {
    match transport {
        Transport::Tcp => Transport::Udp,
        Transport::Udp => Transport::Tcp,
    }
}

/// Rows of a product, over each of their transports, whose ports are known.
fn rows<'c>(product: &'c Product, wanted: impl Fn(&Requirement) -> bool) -> Vec<Wanted<'c>> {
    let rows =
        product.requirements.iter().filter(|row| !row.ports.is_empty() && row.host.is_none() && wanted(row));
    rows.flat_map(|row| row.transports.iter().map(move |transport| (row, *transport))).collect()
}

/// Whether a row's ports meet those of another over a transport, at the same end.
fn meets(row: &Requirement, other: &Requirement) -> bool {
    let meet = |one: &(u16, u16), two: &(u16, u16)| one.0 <= two.1 && two.0 <= one.1;
    (row.listener == Listener::Peer) == (other.listener == Listener::Peer)
        && row.ports.iter().any(|one| other.ports.iter().any(|two| meet(one, two)))
}

/// Rows of which no port is one of a row that counts.
fn apart<'c>(
    product: &Product,
    wanted: Vec<Wanted<'c>>,
    counts: impl Fn(&Requirement) -> bool,
) -> Vec<Wanted<'c>> {
    let used = |row: &Requirement, transport: Transport| {
        product.requirements.iter().filter(|other| !std::ptr::eq(*other, row) && counts(other)).any(|other| {
            (other.transports.is_empty() || other.transports.contains(&transport)) && meets(row, other)
        })
    };
    wanted.into_iter().filter(|(row, transport)| !used(row, *transport)).collect()
}

fn ports<'p>(rows: &[Wanted<'_>], transport: impl Fn(Transport) -> &'p str) -> Vec<Ports<'p>> {
    let ports = |(row, over): &Wanted<'_>| {
        let over = transport(*over);
        row.ports.iter().map(move |(lo, hi)| (over, [*lo, *hi])).collect::<Vec<_>>()
    };
    rows.iter().flat_map(ports).collect()
}

/// All roles that rows of a product name.
fn roles(product: &Product) -> Vec<&str> {
    let mut roles: Vec<&str> = product
        .requirements
        .iter()
        .flat_map(|row| row.peer.iter().chain(&row.host))
        .map(String::as_str)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// What a run of `check` on a product behind such firewalls fails to say of rows, in one of the languages.
fn unsaid(
    scratch: &Scratch,
    product: &Product,
    (code, everybody): (&str, bool),
    policy: Policy<'_>,
    rows: &[Wanted<'_>],
) -> Vec<String> {
    let roles = if everybody { roles(product) } else { Vec::new() };
    behind::site(scratch, &[&product.name], roles, None, policy);
    let report: Report = check(&scratch.0, &["--select", code]);
    let says = |finding: &Finding, language: &str, (row, transport): &Wanted<'_>| {
        let device = format!("{}-{language}", product.name);
        let here = finding.file.as_deref() == Some(language);
        finding.depends_on.is_empty()
            && finding.requirements.iter().any(|said| {
                (said.device == device || here && !said.device.starts_with(&product.name))
                    && (&said.product, &said.service, &said.row) == (&product.name, &row.service, &row.row)
                    && said.transport == word(*transport)
            })
    };
    let mut unsaid = Vec::new();
    for row in rows {
        for language in LANGUAGES {
            if !report.of(code).any(|finding| says(finding, language, row)) {
                let name = format!("{} {} {}", row.0.name(), word(row.1), row.0.ports_text());
                unsaid.push(format!(
                    "{}: {language}: no {code} about {name}\n{}",
                    product.name,
                    report.told()
                ));
            }
        }
    }
    unsaid
}

/// The first row that is needed most, with which a product is blocked.
fn needed(product: &Product) -> Option<Wanted<'_>> {
    let asked =
        |row: &Requirement| row.is_in(None) && row.multicast.is_none() && row.severity != Need::Internal;
    let mut rows = rows(product, asked);
    rows.sort_by_key(|(row, _)| (row.condition.is_some(), row.severity));
    rows.first().copied()
}

/// Rows that are to stay closed, but for ports that others may reach as well.
fn confined(product: &Product) -> Vec<Wanted<'_>> {
    let closed = |row: &Requirement| row.confined.is_some() || row.no_login || row.internal_only;
    let rows = rows(product, |row| closed(row) && row.listener != Listener::Peer && row.is_in(None));
    apart(product, rows, |other| !closed(other) && other.is_in(None))
}

/// Rows that are over, but for ports that are still in use.
fn stale(product: &Product) -> Vec<Wanted<'_>> {
    let rows = rows(product, |row| row.until.is_some() && row.multicast.is_none());
    apart(product, rows, |other| other.is_in(None))
}

/// Rows that a product cannot do without, over one transport, while it has no use for the ports over the other; few
/// enough that one rule opens half of them.
fn one_transport(product: &Product) -> Vec<Wanted<'_>> {
    let rows = rows(product, |row| {
        let alone = row.transports.len() == 1 && row.condition.is_none() && row.confined.is_none();
        let whole = row.parity.is_none() && row.ports.len() <= 2 && row.inbound.is_empty();
        let told = row.listener == Listener::Device || row.initiator == Initiator::Device;
        alone && whole && told && row.severity == Need::Mandatory && row.is_in(None)
    });
    let wrong: Vec<Wanted<'_>> = rows.iter().map(|(row, transport)| (*row, other(*transport))).collect();
    let free = apart(product, wrong, |other| other.is_in(None));
    free.into_iter().map(|(row, wrong)| (row, other(wrong))).collect()
}

/// Rows by which a device is administered.
fn managed(product: &Product) -> Vec<Wanted<'_>> {
    let rows = rows(product, |row| {
        let administrator =
            row.peer.as_deref().is_some_and(|role| ["web-client", "ssh-client"].contains(&role));
        administrator
            && row.initiator == Initiator::Peer
            && row.confined.is_none()
            && row.severity == Need::Recommended
            && row.listener == Listener::Device
            && row.is_in(None)
    });
    apart(product, rows, |other| other.by_design.is_some())
}

fn faults(scratch: &Scratch, product: &Product) -> Vec<String> {
    let own = |transport| word(transport);
    let mut faults = Vec::new();
    match needed(product) {
        Some(row) => {
            let dropped = ports(&[row], own);
            faults.extend(unsaid(scratch, product, ("PH1", true), Policy::Without(&dropped), &[row]));
        }
        None => faults.push(format!("{}: nothing can be blocked", product.name)),
    }
    let slips = one_transport(product);
    let open = [
        ("PH204", false, confined(product)),
        ("PH205", false, managed(product)),
        ("PH206", false, stale(product)),
        ("PH107", true, slips),
    ];
    for (code, everybody, rows) in open.iter().filter(|(.., rows)| !rows.is_empty()) {
        let opened = match *code {
            "PH107" => ports(rows, |transport| word(other(transport))),
            _ => ports(rows, own),
        };
        faults.extend(unsaid(scratch, product, (code, *everybody), Policy::Only(&opened), rows));
    }
    // Whose file has no such row is not accused of any.
    if open.iter().all(|(.., rows)| rows.is_empty()) {
        behind::site(scratch, &[&product.name], [], None, Policy::Without(&[]));
        let report = check(&scratch.0, &["--select", "PH204,PH205,PH206,PH107"]);
        if !report.findings.is_empty() {
            faults.push(format!("{}: nothing could be exposed\n{}", product.name, report.told()));
        }
    }
    faults
}

#[test]
fn each_product_blocked_exposed_or_stale_is_found() {
    let catalog = Catalog::bundled().unwrap();
    let (next, faulty) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (products, next, faulty) = (catalog.products(), &next, &faulty);
            scope.spawn(move || {
                let scratch = Scratch::new(&format!("product-{worker}"));
                while let Some(product) = products.get(next.fetch_add(1, Ordering::Relaxed)) {
                    faulty.lock().unwrap().extend(faults(&scratch, product));
                }
            });
        }
    });
    let mut faulty = faulty.into_inner().unwrap();
    faulty.sort();
    assert!(
        faulty.is_empty(),
        "{} faults of {} products:\n{}",
        faulty.len(),
        catalog.products().len(),
        faulty.join("\n")
    );
}
