//! `pinhole catalog`: the port catalog.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::save;
use super::table::{Table, WIDTH};
use crate::catalog::{
    ByDesign, Catalog, CatalogError, Confined, Document, Initiator, Listener, Need, Product, Requirement,
    export,
};
use crate::report::columns::wrap;
use crate::spelling::nearest;

/// Arguments of `pinhole catalog`.
#[derive(Args, Debug)]
pub(super) struct CatalogArgs {
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR", global = true)]
    catalogs: Vec<PathBuf>,
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Subcommand, Debug)]
enum CatalogCommand {
    /// List the products
    List {
        /// Only the products of this vendor or project
        #[arg(long, value_name = "NAME")]
        vendor: Option<String>,
    },
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
    /// List the documents that the rows are taken from, with revision and date
    Sources {
        /// Only those of this product
        #[arg(value_name = "PRODUCT")]
        product: Option<String>,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = TableFormat::Human)]
        format: TableFormat,
    },
    /// Print every row of the catalog for other programs
    Export {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
    /// Write a page for each product into a folder, in Markdown
    Pages {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print the security modes of the products
    Modes {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = TableFormat::Human)]
        format: TableFormat,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// One JSON array
    Json,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum TableFormat {
    /// A table
    Human,
    /// One JSON array
    Json,
}

/// Why `pinhole catalog` could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogFailure {
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
    /// No product has that vendor.
    #[error("there is no product of `{name}`; {hint}")]
    UnknownVendor {
        /// As given.
        name: String,
        /// Where to look.
        hint: String,
    },
    /// A page could not be written.
    #[error("{0}")]
    Page(String),
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

/// Runs `pinhole catalog`.
pub(super) fn run(args: &CatalogArgs, out: &mut impl Write) -> Result<(), CatalogFailure> {
    let catalog = Catalog::with(&args.catalogs)?;
    match &args.command {
        CatalogCommand::List { vendor } => list(&catalog, vendor.as_deref(), out)?,
        CatalogCommand::Show { product, notes } => show(&catalog, find(&catalog, product)?, *notes, out)?,
        CatalogCommand::Search { port } => search(&catalog, *port, out)?,
        CatalogCommand::Sources { product, format } => {
            let product = product.as_ref().map(|name| find(&catalog, name)).transpose()?;
            let mut sources = export::sources(&catalog);
            sources.retain(|source| product.is_none_or(|product| source.product == product.name));
            match format {
                TableFormat::Json => json(&sources, out)?,
                TableFormat::Human => documents(&sources, out)?,
            }
        }
        CatalogCommand::Pages { dir } => pages(&catalog, dir)?,
        CatalogCommand::Export { format: Format::Json } => json(&export::rows(&catalog), out)?,
        CatalogCommand::Modes { format: TableFormat::Json } => json(&export::modes(&catalog), out)?,
        CatalogCommand::Modes { format: TableFormat::Human } => modes(catalog.products(), out)?,
    }
    Ok(())
}

/// The product that a name or alias means.
pub(super) fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Product, CatalogFailure> {
    catalog.product(name).ok_or_else(|| unknown(catalog, name))
}

fn unknown(catalog: &Catalog, name: &str) -> CatalogFailure {
    let hint = match catalog.nearest_product(name) {
        Some(nearest) => format!("the nearest is `{nearest}`"),
        None => "`pinhole catalog list` shows all".to_string(),
    };
    CatalogFailure::UnknownProduct { name: name.to_string(), hint }
}

/// Writes an array with one item a line.
pub(super) fn json(items: &[impl serde::Serialize], out: &mut impl Write) -> io::Result<()> {
    let mut before = "[\n";
    for item in items {
        write!(out, "{before}")?;
        crate::report::json(item, out)?;
        before = ",\n";
    }
    writeln!(out, "{}", if items.is_empty() { "[]" } else { "\n]" })
}

fn list(catalog: &Catalog, vendor: Option<&str>, out: &mut impl Write) -> Result<(), CatalogFailure> {
    let vendor = vendor.map(|name| catalog.vendor(name).ok_or_else(|| unknown_vendor(catalog, name)));
    let vendor = vendor.transpose()?;
    let listed = catalog
        .products()
        .iter()
        .filter(|product| vendor.is_none_or(|name| product.vendor.as_deref() == Some(name)));
    let mut table = Table::new(&["PRODUCT", "VENDOR", "ROWS", "MODES", "TITLE", "ALSO CALLED"]);
    let (mut products, mut rows) = (0, 0);
    for product in listed {
        products += 1;
        rows += product.requirements.len();
        table.row([
            product.name.clone(),
            product.vendor.clone().unwrap_or_default(),
            product.requirements.len().to_string(),
            product.modes.len().to_string(),
            product.title.clone(),
            product.aliases.join(", "),
        ]);
    }
    table.print(out)?;
    writeln!(out, "\n{}, {}", count(products, "product"), count(rows, "row"))?;
    Ok(())
}

fn unknown_vendor(catalog: &Catalog, name: &str) -> CatalogFailure {
    let hint = match nearest(name, catalog.vendors()) {
        Some(nearest) => format!("the nearest vendor is `{nearest}`"),
        None => "`pinhole catalog list` shows all".to_string(),
    };
    CatalogFailure::UnknownVendor { name: name.to_string(), hint }
}

/// A number and what is counted.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn documents(sources: &[export::ExportedSource<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["PRODUCT", "ROWS", "REVISION", "DATE", "DOCUMENT"]);
    for source in sources {
        let kind = if source.secondary { " (secondary)" } else { "" };
        table.row([
            source.product.to_string(),
            source.rows.to_string(),
            source.revision.unwrap_or("-").to_string(),
            source.date.unwrap_or("-").to_string(),
            format!("{}: {}{kind}", source.id, source.document),
        ]);
    }
    table.print(out)
}

/// Under which heading a row is shown; the headings stand in this order.
fn heading(row: &Requirement) -> &'static str {
    match (&row.until, row.severity) {
        (Some(_), _) => HEADINGS[2],
        (None, Need::Internal) => HEADINGS[1],
        (None, Need::Mandatory | Need::Recommended | Need::Optional) => HEADINGS[0],
    }
}

const HEADINGS: [&str; 3] = [
    "What it needs",
    "Internal: to be reached on the box alone, or by the other parts of the installation",
    "What newer versions no longer use",
];

fn show(catalog: &Catalog, product: &Product, notes: bool, out: &mut impl Write) -> io::Result<()> {
    head(catalog, product, out)?;
    let under = |wanted| product.requirements.iter().filter(move |row| heading(row) == wanted);
    let several = HEADINGS.iter().filter(|wanted| under(**wanted).next().is_some()).count() > 1;
    for wanted in HEADINGS {
        if under(wanted).next().is_none() {
            continue;
        }
        writeln!(out)?;
        if several {
            writeln!(out, "{wanted}")?;
        }
        let mut table =
            Table::new(&["PORTS", "TRANSPORT", "SERVICE", "OPENED BY", "SEVERITY", "WHAT BREAKS"]);
        for row in under(wanted) {
            table.row(cells(row));
        }
        table.print(out)?;
    }
    legend(product.requirements.iter(), out)?;
    settings(product, out)?;
    if !product.modes.is_empty() {
        writeln!(out, "\nSecurity modes")?;
        modes(std::slice::from_ref(product), out)?;
    }
    if notes {
        writeln!(out, "\nNotes")?;
        for mode in &product.modes {
            if let Some(text) = &mode.notes {
                paragraph(&format!("  mode {}: ", mode.name), text, out)?;
            }
        }
        for row in &product.requirements {
            let said = row.notes.as_deref().map(str::to_string).into_iter().chain(facts(row));
            let said: Vec<String> = said.collect();
            if !said.is_empty() {
                let first = format!("  {} {} ({}): ", row.ports_text(), row.name(), place(row));
                paragraph(&first, &said.join(" "), out)?;
            }
        }
    }
    sources(product, out)
}

/// Writes a page for each product.
fn pages(catalog: &Catalog, folder: &Path) -> Result<(), CatalogFailure> {
    for product in catalog.products() {
        let mut shown = Vec::new();
        show(catalog, product, true, &mut shown)?;
        let path = folder.join(format!("{}.md", product.name));
        save::whole(&path, |file| {
            write!(file, "# {}\n\n```text\n", product.title)?;
            file.write_all(&shown)?;
            writeln!(file, "```")
        })
        .map_err(|failure| CatalogFailure::Page(failure.to_string()))?;
    }
    Ok(())
}

/// What the product is.
fn head(catalog: &Catalog, product: &Product, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} ({})", product.title, product.name)?;
    if !product.aliases.is_empty() {
        writeln!(out, "also called {}", product.aliases.join(", "))?;
    }
    if let Some(whole) = &product.part_of {
        writeln!(out, "part of {whole}")?;
    }
    let parts: Vec<&str> = catalog.components(product).map(|part| part.name.as_str()).collect();
    if !parts.is_empty() {
        writeln!(out, "parts that can stand on hosts of their own: {}", parts.join(", "))?;
    }
    if let [document] = product.documents.as_slice() {
        let tables = product.tables();
        let s = if tables.len() == 1 { "" } else { "s" };
        let tables = match tables.as_slice() {
            [] => String::new(),
            tables => format!(", table{s} {}", tables.join(", ")),
        };
        writeln!(out, "from {}{tables}", cited(document))?;
    }
    paragraph("", product.notes.as_deref().unwrap_or(""), out)
}

/// A document with its revision and date.
fn cited(document: &Document) -> String {
    let marks = document.revision.iter().chain(&document.date);
    let text = marks.fold(document.document.clone(), |text, mark| text + ", " + mark);
    text + if document.secondary { " (secondary)" } else { "" }
}

/// The documents of a product that has several.
fn sources(product: &Product, out: &mut impl Write) -> io::Result<()> {
    if product.documents.len() > 1 {
        writeln!(out, "\nSources")?;
        for document in &product.documents {
            paragraph(&format!("  {}: ", document.id), &cited(document), out)?;
        }
    }
    Ok(())
}

/// Text in lines; those after the first are indented.
fn paragraph(first: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    let text = format!("{first}{text}");
    let mut indent = first.len() - first.trim_start().len();
    let mut start = " ".repeat(indent);
    for line in wrap(&text, WIDTH - 4).iter().filter(|line| !line.is_empty()) {
        writeln!(out, "{start}{line}")?;
        if indent > 0 {
            indent = 4;
        }
        start = " ".repeat(indent);
    }
    Ok(())
}

/// Where a row stands: its table, else its documents.
fn place(row: &Requirement) -> String {
    if row.table.is_empty() { row.source.join(", ") } else { format!("table {}", row.table) }
}

/// What moves the ports or turns them on.
fn settings(product: &Product, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<&Requirement> =
        product.requirements.iter().filter(|row| row.setting.is_some() && row.until.is_none()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nSettings")?;
    let mut table = Table::new(&["ROW", "PORTS", "SETTING"]);
    for row in rows {
        table.row([row.name().to_string(), row.ports_text(), row.setting.clone().unwrap_or_default()]);
    }
    table.print(out)
}

/// What else a row says, in sentences.
fn facts(row: &Requirement) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(since) = &row.since {
        said.push(format!("There since {since}."));
    }
    if row.confined == Some(Confined::Cluster) {
        said.push("Only the other parts of the installation should reach it.".to_string());
    }
    if row.no_login {
        said.push("Whoever reaches it is served without a login.".to_string());
    }
    if row.by_design == Some(ByDesign::World) {
        said.push("Open to everybody by design.".to_string());
    }
    if !row.fallback.is_empty() {
        said.push(format!("Where it is blocked, {} may carry the traffic.", row.fallback.join(", then ")));
    }
    if !row.networks.is_empty() {
        let networks: Vec<String> = row.networks.iter().map(ToString::to_string).collect();
        said.push(format!("The vendor publishes these networks: {}.", networks.join(", ")));
    }
    said
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
    writeln!(out, "\nport {port}: {} of {}", count(uses.len(), "row"), count(products.len(), "product"))
}

fn modes(products: &[Product], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["PRODUCT", "MODE", "TELNET", "FTP", "SNMP", "ICMP", "OTHERS"]);
    let word = |on: Option<bool>| on.map_or("-", |on| if on { "on" } else { "off" }).to_string();
    for product in products {
        for mode in &product.modes {
            let name = product.name.clone();
            let [telnet, ftp, snmp, icmp] = [mode.telnet, mode.ftp, mode.snmp, mode.icmp].map(word);
            let others = [("on", &mode.on), ("off", &mode.off)];
            let others = others.iter().filter(|(_, services)| !services.is_empty());
            let others = others.map(|(word, services)| format!("{} {word}", services.join(", ")));
            let others = others.collect::<Vec<_>>().join("; ");
            table.row([name, mode.name.clone(), telnet, ftp, snmp, icmp, others]);
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
    if let Some(until) = &row.until {
        text = format!("nothing from {until} on; before, {text}");
    }
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
        (inferred, "? the transport is not printed in the document but inferred"),
        (
            doubtful,
            "! the document is doubtful here: see the notes of `pinhole catalog show PRODUCT --notes`",
        ),
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
        assert!(text.lines().last().unwrap().starts_with("port 2946: "), "{text}");
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
            Err("there is no product `scopia-elite-5300`; the nearest is `scopia-elite-5100`".to_string())
        );
        assert_eq!(
            output("show xyzzy"),
            Err("there is no product `xyzzy`; `pinhole catalog list` shows all".to_string())
        );
    }

    #[test]
    fn list_and_export_hold_everything() {
        assert!(output("list --vendor radvision").unwrap().ends_with("\n22 products, 274 rows\n"));
        assert_eq!(
            output("list --vendor radvisoin"),
            Err("there is no product of `radvisoin`; the nearest vendor is `RADVISION`".to_string())
        );
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&output("export --format json").unwrap()).unwrap();
        let catalog = Catalog::bundled().unwrap();
        let all = || catalog.products().iter();
        assert_eq!(rows.len(), all().map(|product| product.requirements.len()).sum::<usize>());
        let modes: Vec<serde_json::Value> =
            serde_json::from_str(&output("modes --format json").unwrap()).unwrap();
        assert_eq!(modes.len(), all().map(|product| product.modes.len()).sum::<usize>());
        assert_eq!(output("modes").unwrap().lines().count(), modes.len() + 1);
    }
}
