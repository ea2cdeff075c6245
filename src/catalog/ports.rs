//! Port intervals as catalog files write them.

use std::fmt::Write;

use serde::de::{Deserialize, Deserializer, Error};

/// Reads `"80"`, `"1024-1324"` or `"139, 445"`. The result is sorted; its intervals neither overlap nor hold
/// port 0.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u16, u16)>, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(Error::custom)
}

fn parse(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let mut ports = text.split(',').map(|part| interval(part.trim())).collect::<Result<Vec<_>, _>>()?;
    ports.sort_unstable();
    match ports.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
        Some(pair) => Err(format!("port {} is listed twice", pair[1].0)),
        None => Ok(ports),
    }
}

fn interval(text: &str) -> Result<(u16, u16), String> {
    let port = |word: &str| {
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { word.parse::<u16>().ok() } else { None };
        number.filter(|port| *port > 0).ok_or_else(|| {
            format!("`{text}` is no port and no range; write `80`, `1024-1324` or several, parted by commas")
        })
    };
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (port(low)?, port(high)?),
        None => (port(text)?, port(text)?),
    };
    if low > high {
        return Err(format!("the range `{text}` ends before it starts"));
    }
    Ok((low, high))
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
            assert_eq!(show(&parse(text).unwrap()), text);
        }
        assert_eq!(parse("445,139").unwrap(), [(139, 139), (445, 445)]);
    }

    #[test]
    fn refuses_what_is_no_port() {
        for text in
            ["", "0", "65536", "80,", "+80", "24-", "-24", "20-10", "80, 70-90", "a", "1-2-3", "80 81"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
