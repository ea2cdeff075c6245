//! Tables of text with aligned columns.

use std::io::{self, Write};

use crate::report::columns::{columns, padded, wrap};

/// The width that a table keeps to where its first columns leave room: its last column is broken into lines.
pub(super) const WIDTH: usize = 120;
/// The widest that another column gets.
const COLUMN: usize = 40;
/// The narrowest that the last column gets.
const LAST: usize = 32;
/// Blanks between columns.
const GAP: usize = 2;

/// A table under way: a head, and rows of as many cells.
pub(super) struct Table<const N: usize> {
    head: [String; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with this head and no rows.
    pub(super) fn new(head: &[&str; N]) -> Self {
        Table { head: head.map(str::to_string), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Writes the table.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in std::iter::once(&self.head).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                let widest = wrap(cell, COLUMN).iter().map(|line| columns(line)).max();
                *width = (*width).max(widest.unwrap_or(0));
            }
        }
        let indent: usize = widths.iter().take(N.saturating_sub(1)).map(|width| width + GAP).sum();
        if let Some(last) = widths.last_mut() {
            *last = WIDTH.saturating_sub(indent).max(LAST);
        }
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let cells: Vec<Vec<String>> =
                row.iter().zip(widths).map(|(cell, width)| wrap(cell, width)).collect();
            let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..lines {
                let parts = cells.iter().zip(widths).map(|(cell, width)| {
                    let part = cell.get(line).map_or("", String::as_str);
                    padded(part, width + GAP)
                });
                writeln!(out, "{}", parts.collect::<String>().trim_end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_and_breaks() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["éé".to_string(), "x ".repeat(70)]);
        table.row(["long cell".to_string(), String::new()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "A          B");
        assert!(lines[1].starts_with("éé         x x"));
        assert_eq!(lines[1].chars().count(), WIDTH);
        assert!(lines[2].starts_with("           x"));
        assert_eq!(lines[3], "long cell");
    }
}
