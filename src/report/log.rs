//! A log of dropped packets, read back as calls, for people.

use std::io::{self, Write};

use super::{clean, counted};
use crate::explain::told_log::ToldLog;

/// Groups that are printed.
const MOST: usize = 50;

/// Writes what a log comes to.
pub(crate) fn write(log: &ToldLog, out: &mut impl Write) -> io::Result<()> {
    for group in log.groups.iter().take(MOST) {
        writeln!(out, "{}", clean(&group.summary))?;
        if let Some(rule) = &group.rule {
            writeln!(out, "  rule: {}", clean(&rule.text))?;
        }
        if !group.symptom.is_empty() {
            writeln!(out, "  people notice: {}", clean(&group.symptom))?;
        }
    }
    if log.groups.len() > MOST {
        writeln!(out, "and {}, none more frequent", counted(log.groups.len() - MOST, "more group"))?;
    }
    let lines = |count: u64, one: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), one);
    writeln!(
        out,
        "{}, {}: {} of no device's ports (scans, broadcast, other machines); {} about other things, {} not understood",
        lines(log.lines, "line"),
        lines(log.drops, "drop"),
        log.noise,
        log.others,
        log.unread
    )
}
