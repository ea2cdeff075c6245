//! `pinhole catalog`: the port catalog.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::table::Table;
use crate::catalog::{Catalog, CatalogError, Initiator, Listener, Product, Requirement, export};

/// Arguments of `pinhole catalog`.
#[derive(Args, Debug)]
pub struct CatalogArgs {
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR", global = true)]
    catalogs: Vec<PathBuf>,
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Subcommand, Debug)]
enum CatalogCommand {
    /// List the products
    List,
    /// Show the ports that a product needs
    Show {
        /// A product's name or alias
        #[arg(value_name = "PRODUCT")]
        product: String,
        /// Print the notes on the rows as well
        #[arg(long)]
        notes: bool,
    },
    /// Tell who uses a port, and what breaks when it is blocked
    Search {
        /// A port, 1 to 65535
        #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
    /// Print every row of the catalog for other programs
    Export {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
    /// Print the security modes of the products
    Modes {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = ModesFormat::Human)]
        format: ModesFormat,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// One JSON array
    Json,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum ModesFormat {
    /// A table
    Human,
    /// One JSON array
    Json,
}

/// Why `pinhole catalog` could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CatalogFailure {
    /// A catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// No product has that name.
    #[error("there is no product `{name}`; {hint}")]
    UnknownProduct {
        /// As given.
        name: String,
        /// Where to look.
        hint: String,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

/// Runs `pinhole catalog`.
pub fn run(args: &CatalogArgs, out: &mut impl Write) -> Result<(), CatalogFailure> {
    let mut catalog = Catalog::bundled()?;
    for dir in &args.catalogs {
        catalog = catalog.load_dir(dir)?;
    }
    match &args.command {
        CatalogCommand::List => list(&catalog, out)?,
        CatalogCommand::Show { product, notes } => {
            let found = catalog.product(product).ok_or_else(|| unknown(&catalog, product))?;
            show(found, *notes, out)?;
        }
        CatalogCommand::Search { port } => search(&catalog, *port, out)?,
        CatalogCommand::Export { format: Format::Json } => json(&export::rows(&catalog), out)?,
        CatalogCommand::Modes { format: ModesFormat::Json } => json(&export::modes(&catalog), out)?,
        CatalogCommand::Modes { format: ModesFormat::Human } => modes(catalog.products(), out)?,
    }
    Ok(())
}

fn unknown(catalog: &Catalog, name: &str) -> CatalogFailure {
    let hint = match catalog.nearest_product(name) {
        Some(nearest) => format!("the nearest is `{nearest}`"),
        None => "`pinhole catalog list` shows all".to_string(),
    };
    CatalogFailure::UnknownProduct { name: name.to_string(), hint }
}

/// Writes an array with one item a line.
fn json(items: &[impl serde::Serialize], out: &mut impl Write) -> io::Result<()> {
    let mut before = "[\n";
    for item in items {
        write!(out, "{before}")?;
        crate::report::json(item, out)?;
        before = ",\n";
    }
    writeln!(out, "{}", if items.is_empty() { "[]" } else { "\n]" })
}

fn list(catalog: &Catalog, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["PRODUCT", "ROWS", "MODES", "TITLE", "ALSO CALLED"]);
    for product in catalog.products() {
        table.row([
            product.name.clone(),
            product.requirements.len().to_string(),
            product.modes.len().to_string(),
            product.title.clone(),
            product.aliases.join(", "),
        ]);
    }
    table.print(out)?;
    let rows: usize = catalog.products().iter().map(|product| product.requirements.len()).sum();
    writeln!(out, "\n{} products, {rows} rows", catalog.products().len())
}

fn show(product: &Product, notes: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} ({})", product.title, product.name)?;
    if !product.aliases.is_empty() {
        writeln!(out, "also called {}", product.aliases.join(", "))?;
    }
    let guide = product.guide.as_ref().map_or(String::new(), |guide| format!("port guide {guide}, "));
    let tables = product.tables();
    writeln!(out, "{guide}table{} {}", if tables.len() == 1 { "" } else { "s" }, tables.join(", "))?;
    if let Some(text) = &product.notes {
        writeln!(out, "{text}")?;
    }
    writeln!(out)?;
    let mut table = Table::new(&["PORTS", "TRANSPORT", "SERVICE", "OPENED BY", "SEVERITY", "WHAT BREAKS"]);
    for row in &product.requirements {
        table.row(cells(row));
    }
    table.print(out)?;
    legend(product.requirements.iter(), out)?;
    if !product.modes.is_empty() {
        writeln!(out, "\nSecurity modes")?;
        modes(std::slice::from_ref(product), out)?;
    }
    if notes {
        writeln!(out, "\nNotes")?;
        for row in &product.requirements {
            if let Some(text) = &row.notes {
                writeln!(out, "  {} {} (table {}): {text}", row.ports_text(), row.name(), row.table)?;
            }
        }
    }
    Ok(())
}

fn search(catalog: &Catalog, port: u16, out: &mut impl Write) -> io::Result<()> {
    let uses = catalog.search(port);
    if uses.is_empty() {
        return writeln!(out, "no product of the catalog uses port {port}");
    }
    let mut table =
        Table::new(&["PRODUCT", "PORTS", "TRANSPORT", "SERVICE", "OPENED BY", "SEVERITY", "WHAT BREAKS"]);
    for usage in &uses {
        let [ports, transport, service, opened, severity, breaks] = cells(usage.requirement);
        table.row([usage.product.name.clone(), ports, transport, service, opened, severity, breaks]);
    }
    table.print(out)?;
    legend(uses.iter().map(|usage| usage.requirement), out)?;
    let mut products: Vec<&str> = uses.iter().map(|usage| usage.product.name.as_str()).collect();
    products.sort_unstable();
    products.dedup();
    writeln!(out, "\nport {port}: {} rows of {} products", uses.len(), products.len())
}

fn modes(products: &[Product], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["PRODUCT", "MODE", "TELNET", "FTP", "SNMP", "ICMP"]);
    let word = |on: bool| if on { "on" } else { "off" }.to_string();
    for product in products {
        for mode in &product.modes {
            let name = product.name.clone();
            let [telnet, ftp, snmp, icmp] = [mode.telnet, mode.ftp, mode.snmp, mode.icmp].map(word);
            table.row([name, mode.name.clone(), telnet, ftp, snmp, icmp]);
        }
    }
    table.print(out)
}

/// Ports, transport, service, who opens, severity, what breaks.
fn cells(row: &Requirement) -> [String; 6] {
    let configurable = if row.configurable { "*" } else { "" };
    let doubtful = if row.doubtful { " !" } else { "" };
    [
        row.ports_text() + configurable,
        transport(row),
        row.row.as_ref().map_or_else(|| row.service.clone(), |name| format!("{} ({name})", row.service)),
        opened_by(row),
        row.severity.name().to_string() + doubtful,
        breaks(row),
    ]
}

fn transport(row: &Requirement) -> String {
    if row.transports.is_empty() {
        return "unknown".to_string();
    }
    let names: Vec<&str> = row.transports.iter().map(|transport| transport.name()).collect();
    names.join("/") + if row.transport_inferred { "?" } else { "" }
}

/// Who opens the connection, and to whom where it is the device: the ports are then the far end's.
fn opened_by(row: &Requirement) -> String {
    let device = row.host.as_deref().unwrap_or("device");
    let peer = row.peer.as_deref().unwrap_or("peer");
    let opened = match row.initiator {
        Initiator::Peer => peer.to_string(),
        Initiator::Device => format!("{device}, to {peer}"),
        Initiator::Either => format!("{device} or {peer}"),
    };
    match row.listener {
        Listener::Unknown => opened + ", at either end",
        Listener::Device | Listener::Peer => opened,
    }
}

fn breaks(row: &Requirement) -> String {
    let mut text = match (&row.blocked, &row.notice) {
        (Some(blocked), _) => blocked.clone(),
        (None, Some(notice)) => notice.clone(),
        (None, None) => "not known".to_string(),
    };
    if row.future_use {
        text = format!("nothing today, for future use: {text}");
    }
    if let Some(condition) = &row.condition {
        text = format!("{} (where {condition})", text.trim_end_matches('.'));
    }
    text
}

/// Explains the marks that stand in a table.
fn legend<'a>(rows: impl Iterator<Item = &'a Requirement>, out: &mut impl Write) -> io::Result<()> {
    let (mut configurable, mut inferred, mut doubtful) = (false, false, false);
    for row in rows {
        configurable |= row.configurable;
        inferred |= row.transport_inferred;
        doubtful |= row.doubtful;
    }
    let marks = [
        (configurable, "* configurable"),
        (inferred, "? the transport is not printed in the guide but inferred"),
        (doubtful, "! the guide is doubtful here: see the notes of `pinhole catalog show PRODUCT --notes`"),
    ];
    for (_, text) in marks.iter().filter(|(there, _)| *there) {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CatalogArgs,
    }

    fn output(words: &str) -> Result<String, String> {
        let line = Line::try_parse_from(std::iter::once("pinhole").chain(words.split(' ')));
        let line = line.map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(&line.args, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn search_says_who_uses_a_port_and_what_breaks() {
        let text = output("search 2946").unwrap();
        let line = text.lines().find(|line| line.starts_with("scopia-mcu-mvp ")).unwrap();
        for word in ["2946", "tcp", "device, to mcu", "mandatory", "the processor cannot connect"] {
            assert!(line.contains(word), "{line}");
        }
        assert!(text.ends_with("\nport 2946: 16 rows of 12 products\n"), "{text}");
        assert_eq!(output("search 1").unwrap(), "no product of the catalog uses port 1\n");
        assert!(output("search 0").is_err() && output("search 65536").is_err());
    }

    #[test]
    fn show_has_every_row_and_explains_its_marks() {
        let text = output("show scopia-elite-5215 --notes").unwrap();
        assert!(text.starts_with("SCOPIA Elite 5100 Series MCU (scopia-elite-5100)\n"), "{text}");
        assert!(text.contains("\n12000-13200, 16384-16984*  udp"), "{text}");
        assert!(
            text.contains("\n* configurable\n") && !text.contains("\n? ") && !text.contains("\n! "),
            "{text}"
        );
        assert!(
            text.contains("\nNotes\n") && text.contains("12000-13200, 16384-16984 rtp (table 1-4): "),
            "{text}"
        );
        let modes = output("show scopia-gateway").unwrap();
        assert!(modes.contains("\nSecurity modes\n") && modes.contains("7223-7421 odd"), "{modes}");
        assert_eq!(
            output("show scopia-elite-5300"),
            Err("there is no product `scopia-elite-5300`; the nearest is `scopia-elite-5200`".to_string())
        );
        assert_eq!(
            output("show xyzzy"),
            Err("there is no product `xyzzy`; `pinhole catalog list` shows all".to_string())
        );
    }

    #[test]
    fn list_and_export_hold_everything() {
        assert!(output("list").unwrap().ends_with("\n22 products, 274 rows\n"));
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&output("export --format json").unwrap()).unwrap();
        assert_eq!(rows.len(), 274);
        let modes: Vec<serde_json::Value> =
            serde_json::from_str(&output("modes --format json").unwrap()).unwrap();
        assert_eq!(modes.len(), 9);
        assert_eq!(output("modes").unwrap().lines().count(), 10);
    }
}
