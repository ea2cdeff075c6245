//! Ports as people write them in catalog and site files: `80`, `1024-1324`, `139, 445`.

use std::fmt::Display;

use nom::bytes::complete::tag;
use nom::character::complete::{digit1, space0};
use nom::combinator::{all_consuming, map_res, opt};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// Why a text is no list of ports.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum PortsError {
    /// Neither ports nor ranges.
    #[error("`{0}` is no port and no range; write `80`, `1024-1324` or several, parted by commas")]
    Unreadable(String),
    /// A range whose first port is larger than its last.
    #[error("the range `{0}-{1}` ends before it starts")]
    Backwards(u16, u16),
    /// Two intervals overlap at this port.
    #[error("port {0} is listed twice")]
    Twice(u16),
}

impl PortsError {
    /// What is wrong in a few words, for a place that shows the text.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            PortsError::Unreadable(_) => "no port or range of ports",
            PortsError::Backwards(..) => "the range ends before it starts",
            PortsError::Twice(_) => "a port is listed twice",
        }
    }
}

/// Reads a list of ports from 1 to 65535: closed intervals, sorted, none overlapping another.
pub(crate) fn list(text: &str) -> Result<Vec<(u16, u16)>, PortsError> {
    let (_, mut ports) = all_consuming(separated_list1(tag(","), delimited(space0, interval, space0)))
        .parse(text)
        .map_err(|_| PortsError::Unreadable(text.to_string()))?;
    if let Some((low, high)) = ports.iter().find(|(low, high)| low > high) {
        return Err(PortsError::Backwards(*low, *high));
    }
    ports.sort_unstable();
    match ports.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
        Some(pair) => Err(PortsError::Twice(pair[1].0)),
        None => Ok(ports),
    }
}

fn interval(text: &str) -> IResult<&str, (u16, u16)> {
    let (rest, low) = port(text)?;
    let (rest, high) = opt(preceded(delimited(space0, tag("-"), space0), port)).parse(rest)?;
    Ok((rest, (low, high.unwrap_or(low))))
}

fn port(text: &str) -> IResult<&str, u16> {
    map_res(digit1, |digits: &str| digits.parse().ok().filter(|port: &u16| *port > 0).ok_or(())).parse(text)
}

/// A closed interval as people write it: `80`, `1024-1324`.
pub(crate) fn interval_text<T: Display + PartialEq>(low: T, high: T) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

/// Several, in their order.
pub(crate) fn list_text<T: Display + PartialEq>(intervals: impl IntoIterator<Item = (T, T)>) -> String {
    let texts = intervals.into_iter().map(|(low, high)| interval_text(low, high));
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_intervals() {
        assert_eq!(list("445,139"), Ok(vec![(139, 139), (445, 445)]));
        assert_eq!(list(" 1024 - 1324 , 80"), Ok(vec![(80, 80), (1024, 1324)]));
        assert_eq!(list("1-65535"), Ok(vec![(1, 65535)]));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in ["", "0", "65536", "80-", "-80", "80,,90", "80;90", "0x50", "+80", "8 0", "http"] {
            assert!(matches!(list(text), Err(PortsError::Unreadable(_))), "{text}");
        }
        assert_eq!(list("90-80"), Err(PortsError::Backwards(90, 80)));
        assert_eq!(list("80-90, 85"), Err(PortsError::Twice(85)));
    }
}
