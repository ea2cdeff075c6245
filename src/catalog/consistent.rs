//! What rows must not say: names that nothing has, and contradictions.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use toml::Spanned;

use super::file::{Source, did_you_mean};
use super::{
    CatalogError, Confined, Document, Initiator, Listener, Need, Parity, Requirement, Sizing, Uninspected,
};
use crate::spelling::nearest;

/// Checks the rows of a product.
pub(super) fn check(
    file: &Source,
    rows: &[Spanned<Requirement>],
    documents: &[Document],
    roles: &BTreeSet<String>,
) -> Result<(), CatalogError> {
    let mut services: HashMap<&str, u32> = HashMap::new();
    for row in rows {
        *services.entry(&row.get_ref().service).or_default() += 1;
    }
    let mut names = HashSet::new();
    for spanned in rows {
        let row = spanned.get_ref();
        let wrong = name(row, &services, &mut names)
            .or_else(|| unknown(row, documents, roles))
            .or_else(|| contradiction(row).map(|(key, message)| (key, message.to_string())));
        if let Some((key, message)) = wrong {
            return Err(file.fault(&file.key(&spanned.span(), key), message));
        }
    }
    for spanned in rows {
        let row = spanned.get_ref();
        let named = |word: &str| services.contains_key(word) || names.contains(word);
        let words = || services.keys().copied().chain(names.iter().copied());
        let wrong = row
            .announced_by
            .iter()
            .find(|word| !services.contains_key(word.as_str()))
            .map(|word| ("announced-by", word, nearest(word, services.keys().copied())))
            .or_else(|| {
                let word = row.fallback.iter().find(|word| !named(word))?;
                Some(("fallback", word, nearest(word, words())))
            });
        if let Some((key, word, near)) = wrong {
            let message = format!("no row of this product is called `{word}`{}", did_you_mean(near));
            return Err(file.fault(&file.key(&spanned.span(), key), message));
        }
    }
    Ok(())
}

/// Checks what firewalls must not read.
pub(super) fn check_uninspected(
    file: &Source,
    uninspected: Option<&Spanned<Uninspected>>,
    documents: &[Document],
) -> Result<(), CatalogError> {
    let Some(spanned) = uninspected else { return Ok(()) };
    let Uninspected { source, helpers } = spanned.get_ref();
    let empty = |key, there: bool| (!there).then(|| (key, format!("`{key}` is empty")));
    let wrong = empty("source", !source.is_empty())
        .or_else(|| empty("helpers", !helpers.is_empty()))
        .or_else(|| uncited(source.iter().map(|id| ("source", id)), documents));
    wrong.map_or(Ok(()), |(key, message)| Err(file.fault(&file.key(&spanned.span(), key), message)))
}

/// Checks what a product counts for its ports.
pub(super) fn check_sizings(
    file: &Source,
    sizings: &[Spanned<Sizing>],
    rows: &[Spanned<Requirement>],
    documents: &[Document],
) -> Result<(), CatalogError> {
    let mut counted = HashSet::new();
    for spanned in sizings {
        let sizing = spanned.get_ref();
        let wrong = uncountable(sizing, rows, documents).or_else(|| {
            let twice = sizing.rows.iter().find(|name| !counted.insert(name.as_str()))?;
            Some(("rows", format!("the ports of `{twice}` are counted twice")))
        });
        if let Some((key, message)) = wrong {
            return Err(file.fault(&file.key(&spanned.span(), key), message));
        }
    }
    Ok(())
}

/// What is wrong with one count: the key to look at, and why.
fn uncountable(
    sizing: &Sizing,
    rows: &[Spanned<Requirement>],
    documents: &[Document],
) -> Option<(&'static str, String)> {
    if sizing.source.is_empty() && (sizing.table.is_empty() || documents.len() != 1) {
        let message = "it has to name its `source`, or its `table` where the product has one source";
        return Some(("per", message.to_string()));
    }
    if let Some(wrong) = uncited(sizing.source.iter().map(|id| ("source", id)), documents) {
        return Some(wrong);
    }
    if sizing.rows.is_empty() {
        return Some(("rows", "it counts the ports of no row".to_string()));
    }
    if sizing.most_recordings.is_some() && sizing.recording.is_none() {
        return Some(("most-recordings", "`most-recordings` needs `recording`".to_string()));
    }
    let mut meant: Vec<&Requirement> = Vec::new();
    for name in &sizing.rows {
        let names = || rows.iter().map(|row| row.get_ref().name());
        let Some(row) = rows.iter().map(Spanned::get_ref).find(|row| row.name() == name) else {
            let hint = did_you_mean(nearest(name, names()));
            return Some(("rows", format!("no row of this product is called `{name}`{hint}")));
        };
        meant.push(row);
    }
    let first = meant.first()?;
    let alike = |row: &&Requirement| row.ports == first.ports && row.transports == first.transports;
    (!meant.iter().all(alike)).then(|| ("rows", "the ports of these rows are not one range".to_string()))
}

/// What is wrong with a row's name: the key to look at, and why.
fn name<'a>(
    row: &'a Requirement,
    services: &HashMap<&str, u32>,
    names: &mut HashSet<&'a str>,
) -> Option<(&'static str, String)> {
    match &row.row {
        None if services.get(row.service.as_str()).is_some_and(|count| *count > 1) => {
            let message =
                format!("several rows have the service `{}`, so each needs a `row` name", row.service);
            Some(("service", message))
        }
        Some(name) if services.contains_key(name.as_str()) => {
            Some(("row", format!("`{name}` is the name of a service of this product, so no row can have it")))
        }
        Some(name) if !names.insert(name) => Some(("row", format!("two rows are called `{name}`"))),
        _ => None,
    }
}

/// What of a row names a role or document that is not there.
fn unknown(
    row: &Requirement,
    documents: &[Document],
    roles: &BTreeSet<String>,
) -> Option<(&'static str, String)> {
    for (key, role) in [("peer", &row.peer), ("host", &row.host)] {
        if let Some(role) = role
            && !roles.contains(role)
        {
            let hint = did_you_mean(nearest(role, roles.iter().map(String::as_str)));
            return Some((key, format!("there is no role `{role}`{hint}")));
        }
    }
    let cited = row.source.iter().map(|id| ("source", id));
    uncited(cited.chain(row.symmetric.iter().map(|id| ("symmetric", id))), documents)
}

/// The first name of a document that is not there.
fn uncited<'c>(
    mut cited: impl Iterator<Item = (&'static str, &'c String)>,
    documents: &[Document],
) -> Option<(&'static str, String)> {
    let (key, id) = cited.find(|(_, id)| !documents.iter().any(|document| document.id == **id))?;
    let hint = did_you_mean(nearest(id, documents.iter().map(|document| document.id.as_str())));
    Some((key, format!("the product has no source `{id}`{hint}")))
}

/// What in a row contradicts the rest of it: the key to look at, and why.
fn contradiction(row: &Requirement) -> Option<(&'static str, &'static str)> {
    let wrong_end = |port: u16| match row.parity {
        None => false,
        Some(Parity::Even) => !port.is_multiple_of(2),
        Some(Parity::Odd) => port.is_multiple_of(2),
    };
    let listener_fits = match row.initiator {
        Initiator::Peer => row.listener == Listener::Device,
        Initiator::Device => row.listener != Listener::Device,
        Initiator::Either => row.listener != Listener::Peer,
    };
    let mut transports = row.transports.clone();
    transports.sort_unstable();
    transports.dedup();
    let checks = [
        (
            row.source.is_empty() && row.table.is_empty(),
            "ports",
            "the row has to name its `source`, or its `table` where the product has one source",
        ),
        (row.ports.is_empty() && !row.dynamic, "table", "a row without `ports` has to be `dynamic`"),
        (
            row.ports.iter().any(|(low, high)| wrong_end(*low) || wrong_end(*high)),
            "parity",
            "the range ends on a port of the other parity",
        ),
        (
            !listener_fits,
            "listener",
            "who opens the connection and where the ports are contradict each other",
        ),
        (
            row.inbound.iter().any(|ports| !row.ports.contains(ports)),
            "inbound",
            "these are not among the row's `ports`",
        ),
        (
            !row.inbound.is_empty() && row.listener != Listener::Peer,
            "inbound",
            "only a row whose ports are the peer's can have `inbound` ones",
        ),
        (transports.len() != row.transports.len(), "transports", "a transport is listed twice"),
        (
            row.transport_inferred && row.transports.is_empty(),
            "transport-inferred",
            "there is no transport that was inferred",
        ),
        (
            row.stated_severity == Some(Need::Internal),
            "stated-severity",
            "a guide states mandatory, recommended or optional",
        ),
        (
            row.internal_only != (row.severity == Need::Internal),
            "severity",
            "`internal` and `internal-only` go together",
        ),
        (
            row.external && row.listener != Listener::Peer,
            "external",
            "the ports of an external server are the peer's",
        ),
        (
            row.confined == Some(Confined::Box) && row.severity != Need::Internal,
            "confined",
            "a row that is confined to the box is `internal`",
        ),
        (
            row.confined == Some(Confined::Cluster) && row.peer.is_none(),
            "confined",
            "a row that is confined to the cluster needs the role of the other parts as its `peer`",
        ),
        (
            row.unicast && row.multicast.is_none(),
            "unicast",
            "only a row with a `multicast` group says that its peer answers by unicast too",
        ),
        (
            row.confined.is_some() && row.by_design.is_some(),
            "by-design",
            "a row cannot be confined and open by design",
        ),
        (
            row.since.as_ref().zip(row.until.as_ref()).is_some_and(|(since, until)| {
                since.compare(until).is_none_or(|order| order != Ordering::Less)
            }),
            "until",
            "`until` has to be a later version than `since`, numbered in the same way",
        ),
        (row.doubtful && row.notes.is_none(), "doubtful", "`notes` have to say what is doubtful"),
    ];
    checks.into_iter().find(|(wrong, ..)| *wrong).map(|(_, key, message)| (key, message))
}
