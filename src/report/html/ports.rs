//! The ports of each device, on a drawn axis: what is needed, what of it is open, and what is open beyond that.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::explain::told::ToldEntry;
use crate::finding::Finding;
use crate::report::SiteView;
use crate::report::markup::html;

/// Distances, in pixels.
const LEFT: f64 = 130.0;
const WIDTH: f64 = 860.0;
const LANE: f64 = 22.0;
/// The port at which the axis begins.
const LOWEST: u32 = 16;
/// Ports at which the axis has a mark.
const MARKS: [u16; 8] = [22, 80, 443, 1720, 5060, 10_000, 30_000, 65_535];

/// What is drawn in one lane.
struct Bar<'a> {
    ports: &'a [[u16; 2]],
    class: &'a str,
    title: String,
}

/// Writes the map of each device.
pub(super) fn write(view: &SiteView, findings: &[Finding], of: &str, out: &mut impl Write) -> io::Result<()> {
    if view.devices.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section class=\"ports\"><h2>Ports of devices{of}</h2>\n<p class=\"key\"><b></b>needed<b class=\"k-open\"></b>open\
         <b class=\"k-blocked\"></b>blocked<b class=\"k-depends\"></b>depends<b class=\"k-wide\"></b>open, and not needed</p>"
    )?;
    for device in &view.devices {
        let mut lanes: BTreeMap<&str, Vec<Bar<'_>>> = BTreeMap::new();
        for entry in view.matrix.iter().filter(|entry| entry.to == *device) {
            needed(entry, lanes.entry(entry.transport).or_default());
        }
        // What is open to everything inside is open to each device.
        let concerns = |finding: &&Finding| finding.devices.is_empty() || finding.devices.contains(device);
        for finding in findings.iter().filter(concerns) {
            for opens in &finding.opens {
                let title = format!("{}: {}", finding.code(), finding.message);
                lanes.entry(opens.transport).or_default().push(Bar {
                    ports: &opens.ports,
                    class: "wide",
                    title,
                });
            }
        }
        lanes.retain(|_, bars| bars.iter().any(|bar| !bar.ports.is_empty()));
        map(device, &lanes, out)?;
    }
    writeln!(out, "</section>")
}

fn needed<'a>(entry: &'a ToldEntry, bars: &mut Vec<Bar<'a>>) {
    let title = format!("{} from {} ({}): {}", entry.function, entry.from, entry.need, entry.state);
    let whole = entry.state != "open" && entry.blocked.is_empty();
    let class = if whole { entry.state } else { "open" };
    bars.push(Bar { ports: &entry.ports, class, title: title.clone() });
    if entry.state != "open" && !whole {
        bars.push(Bar { ports: &entry.blocked, class: entry.state, title: title.clone() });
    }
    bars.push(Bar { ports: &entry.ports, class: "needed", title });
}

/// Where a port is on the axis: the low ones have as much room as the high ones, but for the very lowest.
fn place(port: u32) -> f64 {
    let along = |port: u32| f64::from(port.max(LOWEST)).ln() - f64::from(LOWEST).ln();
    LEFT + WIDTH * along(port) / along(65_536)
}

fn map(device: &str, lanes: &BTreeMap<&str, Vec<Bar<'_>>>, out: &mut impl Write) -> io::Result<()> {
    let height = 34.0 + LANE * lanes.len() as f64;
    let name = html(device);
    writeln!(
        out,
        "<figure><svg width=\"{}\" height=\"{height}\" role=\"img\" aria-label=\"Ports of {name}\">\
         <defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"currentColor\"/></pattern></defs>\
         <text x=\"0\" y=\"12\" font-weight=\"bold\">{name}</text>",
        LEFT + WIDTH + 40.0
    )?;
    for mark in MARKS {
        let x = place(mark.into());
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"16\" x2=\"{x:.1}\" y2=\"{}\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>",
            height - 16.0,
            height - 4.0
        )?;
    }
    for (at, (transport, bars)) in lanes.iter().enumerate() {
        let y = 18.0 + LANE * at as f64;
        writeln!(out, "<text x=\"40\" y=\"{:.1}\">{}</text>", y + 12.0, html(transport))?;
        for bar in bars {
            for [low, high] in bar.ports {
                let (x, end) = (place((*low).into()), place(u32::from(*high) + 1));
                let (top, tall) = match bar.class {
                    "wide" => (y + 11.0, 5.0),
                    "needed" => (y + 1.0, 15.0),
                    _ => (y + 2.0, 9.0),
                };
                writeln!(
                    out,
                    "<rect class=\"{}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{tall}\"><title>{} {low}-{high}: {}</title></rect>",
                    bar.class,
                    (end - x).max(2.5),
                    html(transport),
                    html(&bar.title)
                )?;
            }
        }
    }
    writeln!(out, "</svg></figure>")
}
