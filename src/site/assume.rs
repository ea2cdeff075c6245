//! `[firewall.assume]`: what is so of that which the firewall's files do not tell.

use std::net::IpAddr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Prefix;
use super::reader::{Problems, Table, text, wrong_type};
use super::value::network;
use crate::model::{Assumed, Assumption};
use crate::packet::{Family, Set};

const WANTED: &str = "`\"empty\"`, true, false or a list of addresses";

/// The entries: the name of a condition, and what is so, with or without a reason.
pub(super) fn read(entries: &DeTable, problems: &mut Problems) -> Vec<Assumption> {
    let mut assumptions = Vec::new();
    for (name, value) in entries.iter() {
        let word = name.get_ref();
        let (answer, reason) = match value.get_ref() {
            DeValue::Table(table) => {
                let table = Table::new(table, value.span(), "an assumption", &["is", "reason"], problems);
                let reason = table.optional("reason", problems).map(|reason| reason.value);
                let Some(is) = table.get("is") else {
                    table.missing("is", problems);
                    continue;
                };
                (answer(is, "is", problems), reason)
            }
            _ => (answer(value, word, problems), None),
        };
        if let Some(answer) = answer {
            let span = Some(problems.span(&name.span()));
            assumptions.push(Assumption { name: word.to_string(), answer, reason, span });
        }
    }
    assumptions.sort_by_key(|assumption| assumption.span);
    assumptions
}

fn answer(value: &Spanned<DeValue>, key: &str, problems: &mut Problems) -> Option<Assumed> {
    match value.get_ref() {
        DeValue::Boolean(holds) => Some(Assumed::Holds(*holds)),
        DeValue::String(word) if word == "empty" => Some(Assumed::Empty),
        DeValue::Array(items) => {
            let networks: Option<Vec<Prefix>> =
                items.iter().map(|item| network(&text(item, key, problems)?, problems)).collect();
            networks.map(|networks| addresses(&networks))
        }
        DeValue::String(word) => {
            let one = word.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
            let help = match one {
                true => format!("Write a list: `[\"{word}\"]`."),
                false => format!("Write {WANTED}."),
            };
            problems.add(&value.span(), format!("`{key}` takes {WANTED}"), "none of them", help);
            None
        }
        other => {
            wrong_type(&value.span(), key, WANTED, other, problems);
            None
        }
    }
}

fn addresses(networks: &[Prefix]) -> Assumed {
    let of = |family: Family| {
        let ranges = networks.iter().filter_map(|network| {
            let (its, number) = Family::of(network.address);
            (its == family).then(|| family.prefix(number, network.length.into()))
        });
        Set::of(ranges)
    };
    Assumed::Addresses { v4: of(Family::V4), v6: of(Family::V6) }
}
