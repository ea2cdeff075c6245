//! How many ports a product takes for what it carries at once.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Product, Requirement};

/// What a document counts for the rows whose ports are taken from one range.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sizing {
    /// The document's table; empty where the document has none.
    #[serde(default)]
    pub table: String,
    /// The documents that it stands in.
    #[serde(default)]
    pub source: Vec<String>,
    /// The rows, by row name, or by service where no other row has it.
    pub rows: Vec<String>,
    /// What is counted, one of it: `licensed connection`, `H.323 call`.
    pub per: String,
    /// The ports for each of these.
    pub ports: NonZeroU32,
    /// The ports for each recording on top, where the product records.
    pub recording: Option<NonZeroU32>,
    /// The most recordings at once.
    pub most_recordings: Option<u32>,
    /// The product's own name of the setting that moves the range, where the document tells it.
    pub setting: Option<String>,
    /// What else the document counts, in whole sentences.
    pub notes: Option<String>,
}

impl Sizing {
    /// How many ports are taken at once: those of more recordings than there can be are never taken.
    pub fn needed(&self, connections: u32, recordings: u32) -> u64 {
        let recordings = self.most_recordings.map_or(recordings, |most| recordings.min(most));
        let each = self.recording.map_or(0, NonZeroU32::get);
        u64::from(connections) * u64::from(self.ports.get()) + u64::from(recordings) * u64::from(each)
    }

    /// How many of what is counted have room in so many ports.
    pub fn room(&self, ports: u64) -> u64 {
        ports / u64::from(self.ports.get())
    }

    /// Where it stands: `Port Security Reference Guide, table 1-26`.
    pub fn document(&self, product: &Product) -> String {
        let title = product.titled(&self.source);
        if self.table.is_empty() { title.to_string() } else { format!("{title}, table {}", self.table) }
    }

    /// Whether a row's ports are taken from the range.
    pub fn is_of(&self, row: &Requirement) -> bool {
        self.rows.iter().any(|name| name == row.name())
    }
}

/// The narrowest range, from `from` on, that has so many of the ports; the first of several. It begins with an even port, as
/// pairs of RTP and RTCP do (RFC 3550, section 11).
pub fn narrowest(ports: &[(u16, u16)], needed: u64, from: u16) -> Option<(u16, u16)> {
    let even = |port: u16| port.checked_add(port % 2);
    let starts = ports.iter().filter_map(|(low, high)| even((*low).max(from)).filter(|start| start <= high));
    let ending = |start: u16| {
        let mut rest = needed;
        for (low, high) in ports {
            let low = (*low).max(start);
            let count = (u64::from(*high) + 1).saturating_sub(u64::from(low));
            if count >= rest {
                return u16::try_from(u64::from(low) + rest - 1).ok();
            }
            rest -= count;
        }
        None
    };
    let ranges = starts.filter_map(|start| Some((start, ending(start)?)));
    ranges.min_by_key(|(start, end)| end.saturating_sub(*start))
}

#[cfg(test)]
mod tests {
    use super::narrowest;

    #[test]
    fn the_narrowest_range_has_all_ports_and_begins_even() {
        assert_eq!(narrowest(&[(10000, 65535)], 1100, 0), Some((10000, 11099)));
        assert_eq!(narrowest(&[(10001, 65535)], 10, 0), Some((10002, 10011)));
        assert_eq!(narrowest(&[(10000, 65535)], 10, 20001), Some((20002, 20011)));
        assert_eq!(narrowest(&[(1000, 1009), (1020, 1099)], 20, 0), Some((1020, 1039)));
        assert_eq!(narrowest(&[(1000, 1009), (1012, 1019)], 18, 0), Some((1000, 1019)));
        assert_eq!(narrowest(&[(65530, 65535)], 6, 0), Some((65530, 65535)));
        assert_eq!(narrowest(&[(65530, 65535)], 7, 0), None);
        assert_eq!(narrowest(&[], 1, 0), None);
    }
}
