//! Port intervals as catalog files write them.

use std::borrow::Cow;
use std::fmt::Write;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use crate::ports;

/// Reads `"80"`, `"1024-1324"` or `"139, 445"`. The result is sorted; its intervals neither overlap nor hold
/// port 0.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u16, u16)>, D::Error> {
    ports::list(&String::deserialize(deserializer)?).map_err(Error::custom)
}

/// How catalog files write them, for the schema.
pub(super) struct Text;

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Ports and ranges, such as `80`, `1024-1324` or `139, 445`",
            "type": "string",
            "pattern": "^ *[0-9]{1,5}( *- *[0-9]{1,5})?( *, *[0-9]{1,5}( *- *[0-9]{1,5})?)* *$",
        })
    }
}

/// The intervals as people write them: `12000-13200, 16384-16984`.
pub(super) fn show(ports: &[(u16, u16)]) -> String {
    let mut text = String::new();
    for (low, high) in ports {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = if low == high { write!(text, "{comma}{low}") } else { write!(text, "{comma}{low}-{high}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        for text in ["80", "1024-1324", "139, 445", "12000-13200, 16384-16984", "1-65535"] {
            assert_eq!(show(&ports::list(text).unwrap()), text);
        }
    }
}
