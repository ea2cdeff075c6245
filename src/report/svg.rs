//! An explained call as a picture: the ladder.

use std::io::{self, Write};

use super::ladder::{Group, groups, ports, tail};
use super::markup::html;
use crate::explain::Works;
use crate::explain::told::{Told, ToldStage};

/// Distances, in pixels.
const LEFT: usize = 190;
const COLUMN: usize = 220;
const ROW: usize = 34;
const HEAD: usize = 64;
/// The width of a letter, amply.
const LETTER: usize = 9;
/// Characters of a remark beside a row.
const REMARK: usize = 90;

/// Writes an explanation as an SVG document.
pub(crate) fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let groups = groups(&told.stages);
    let columns = groups.iter().map(|group| group.path.len() + 1).max().unwrap_or(1);
    let remarks = told.stages.iter().map(|stage| tail(stage).chars().count().min(REMARK)).max().unwrap_or(0);
    let width =
        (LEFT + columns * COLUMN + 32 + remarks * LETTER).max(32 + told.summary.chars().count() * LETTER);
    let height: usize = 60 + groups.iter().map(|group| HEAD + group.stages.len() * ROW + 24).sum::<usize>();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">"
    )?;
    writeln!(out, "<title>{}</title>", html(&told.summary))?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>")?;
    words(out, (16, 30), &told.summary, "start", "#222222", true)?;
    let mut top = 60;
    for group in &groups {
        ladder(group, top, out)?;
        top += HEAD + group.stages.len() * ROW + 24;
    }
    writeln!(out, "</svg>")
}

/// The colour of an answer.
fn color(works: Works) -> &'static str {
    match works {
        Works::Yes => "#1a7f37",
        Works::Depends => "#9a6700",
        Works::No => "#cf222e",
    }
}

fn ladder(group: &Group<'_>, top: usize, out: &mut impl Write) -> io::Result<()> {
    let mut names: Vec<&str> = vec![group.left];
    names.extend(group.path.iter().map(String::as_str));
    names.push(group.right);
    let bottom = top + HEAD + group.stages.len() * ROW;
    let place = |at: usize| LEFT + at * COLUMN;
    for (at, name) in names.iter().enumerate() {
        let is_end = at == 0 || at + 1 == names.len();
        let dash = if is_end { "" } else { " stroke-dasharray=\"5 4\"" };
        words(out, (place(at), top + 24), name, "middle", "#222222", is_end)?;
        writeln!(
            out,
            "<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{bottom}\" stroke=\"#8c959f\"{dash}/>",
            place(at),
            top + 34
        )?;
    }
    for (at, stage) in group.stages.iter().enumerate() {
        rung(group, stage, &names, top + HEAD + at * ROW, out)?;
    }
    Ok(())
}

/// One way of a stage: an arrow up to whoever stops it.
fn rung(
    group: &Group<'_>,
    stage: &ToldStage,
    names: &[&str],
    y: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let shade = color(stage.works);
    let faint = if stage.reached { "" } else { " opacity=\"0.55\"" };
    let last = names.len() - 1;
    let forth = stage.from == group.left;
    let (start, end) = if forth { (0, last) } else { (last, 0) };
    let stopper = stage.firewall.as_deref().filter(|_| stage.works != Works::Yes && !stage.reply);
    let stopper = stopper.and_then(|name| names.iter().position(|known| *known == name));
    let tip = stopper.unwrap_or(end);
    let place = |at: usize| LEFT + at * COLUMN;
    let (x1, x2) = (place(start), place(tip));
    writeln!(out, "<g{faint}>")?;
    words(out, (16, y + 4), &stage.stage, "start", shade, true)?;
    writeln!(
        out,
        "<line x1=\"{x1}\" y1=\"{y}\" x2=\"{x2}\" y2=\"{y}\" stroke=\"{shade}\" stroke-width=\"2\"/>"
    )?;
    match stopper {
        Some(_) if stage.works == Works::No => writeln!(
            out,
            "<path d=\"M{0} {1}L{2} {3}M{0} {3}L{2} {1}\" stroke=\"{shade}\" stroke-width=\"3\"/>",
            x2 - 7,
            y - 7,
            x2 + 7,
            y + 7
        )?,
        Some(_) => {
            writeln!(out, "<circle cx=\"{x2}\" cy=\"{y}\" r=\"9\" fill=\"#ffffff\" stroke=\"{shade}\"/>")?;
            words(out, (x2, y + 5), "?", "middle", shade, true)?;
        }
        None => {
            let back = if forth { x2 - 9 } else { x2 + 9 };
            writeln!(out, "<path d=\"M{x2} {y}L{back} {}L{back} {}Z\" fill=\"{shade}\"/>", y - 5, y + 5)?;
        }
    }
    let middle = (place(0) + place(1)) / 2;
    words(out, (middle, y - 6), &ports(stage), "middle", shade, false)?;
    let remark = tail(stage);
    let short: String = remark.chars().take(REMARK).collect();
    let cut = if short.len() < remark.len() { "…" } else { "" };
    words(out, (place(last) + 16, y + 4), &format!("{short}{cut}"), "start", "#444444", false)?;
    writeln!(out, "</g>")
}

fn words(
    out: &mut impl Write,
    (x, y): (usize, usize),
    text: &str,
    anchor: &str,
    fill: &str,
    bold: bool,
) -> io::Result<()> {
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{fill}\"{weight}>{}</text>",
        html(text)
    )
}
