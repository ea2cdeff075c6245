//! What helpers read of products whose rows do not say it themselves.

use serde::Deserialize;

use super::{Helper, Requirement};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signalling: Vec<Signalling>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signalling {
    service: String,
    helper: Helper,
    announces: Vec<String>,
}

fn known() -> Result<File, toml::de::Error> {
    toml::from_str(include_str!("../../rules/signalling.toml"))
}

/// The rows of a product with what is usual for their services, where no row of it says anything.
pub(super) fn filled_in(mut rows: Vec<Requirement>) -> Vec<Requirement> {
    let told = rows.iter().any(|row| row.helper.is_some() || !row.announced_by.is_empty());
    // The list is part of the program; a test reads it.
    let known = known().map(|file| file.signalling).unwrap_or_default();
    let is_there = |known: &Signalling| rows.iter().any(|row| row.service == known.service);
    let there: Vec<Signalling> = known.into_iter().filter(|known| !told && is_there(known)).collect();
    for row in rows.iter_mut().filter(|_| !there.is_empty()) {
        row.helper = there.iter().find(|known| known.service == row.service).map(|known| known.helper);
        let by = there.iter().filter(|known| known.announces.contains(&row.service));
        row.announced_by = by.map(|known| known.service.clone()).collect();
    }
    rows
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_can_be_read() {
        assert!(!super::known().unwrap().signalling.is_empty());
    }
}
