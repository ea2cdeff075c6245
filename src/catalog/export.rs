//! The catalog for other programs: the stable JSON forms of `pinhole catalog export` and `pinhole catalog modes`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{ByDesign, Catalog, Confined, Direction, Helper, Initiator, Need, Parity, Product, Transport};

/// One row, as `pinhole catalog export --format json` writes it. The names of the fields are stable.
#[derive(Serialize, JsonSchema, Debug)]
pub struct ExportedRow<'a> {
    product: &'a str,
    table: Option<&'a str>,
    source: &'a [String],
    row: Option<&'a str>,
    ports: &'a [(u16, u16)],
    parity: Option<Parity>,
    transports: &'a [Transport],
    transport_inferred: bool,
    direction: Option<&'a Direction>,
    initiator: Initiator,
    configurable: bool,
    stated_severity: Option<Need>,
    severity: Need,
    service: &'a str,
    peer: Option<&'a str>,
    blocked: Option<&'a str>,
    setting: Option<&'a str>,
    since: Option<String>,
    until: Option<String>,
    helper: Option<Helper>,
    announced_by: &'a [String],
    fallback: &'a [String],
    symmetric: Option<&'a str>,
    by_design: Option<ByDesign>,
    confined: Option<Confined>,
    no_login: bool,
    networks: Vec<String>,
    multicast: Option<String>,
    unicast: bool,
    external: bool,
    future_use: bool,
    internal_only: bool,
}

/// One security mode, as `pinhole catalog modes --format json` writes it. The names of the fields are stable.
#[derive(Serialize, JsonSchema, Debug)]
pub struct ExportedMode<'a> {
    product: &'a str,
    table: Option<&'a str>,
    mode: &'a str,
    telnet: Option<bool>,
    ftp: Option<bool>,
    snmp: Option<bool>,
    icmp: Option<bool>,
    on: &'a [String],
    off: &'a [String],
}

/// One document of a product, as `pinhole catalog sources --format json` writes it. The names of the fields are
/// stable.
#[derive(Serialize, JsonSchema, Debug)]
pub struct ExportedSource<'a> {
    /// The product.
    pub product: &'a str,
    /// The name by which its rows mean it.
    pub id: &'a str,
    /// Its title.
    pub document: &'a str,
    /// Version, commit or edition.
    pub revision: Option<&'a str>,
    /// The day of the revision.
    pub date: Option<&'a str>,
    /// It is not the vendor's or project's own word.
    pub secondary: bool,
    /// How many rows of the product stand in it.
    pub rows: usize,
}

/// Every row of every product.
pub fn rows(catalog: &Catalog) -> Vec<ExportedRow<'_>> {
    catalog.products().iter().flat_map(rows_of).collect()
}

fn rows_of(product: &Product) -> impl Iterator<Item = ExportedRow<'_>> {
    product.requirements.iter().map(|row| ExportedRow {
        product: &product.name,
        table: named(&row.table),
        source: &row.source,
        row: row.row.as_deref(),
        ports: &row.ports,
        parity: row.parity,
        transports: &row.transports,
        transport_inferred: row.transport_inferred,
        direction: row.direction.as_ref(),
        initiator: row.initiator,
        configurable: row.configurable,
        stated_severity: row.stated_severity,
        severity: row.severity,
        service: &row.service,
        peer: row.peer.as_deref(),
        blocked: row.blocked.as_deref(),
        setting: row.setting.as_deref(),
        since: row.since.as_ref().map(ToString::to_string),
        until: row.until.as_ref().map(ToString::to_string),
        helper: row.helper,
        announced_by: &row.announced_by,
        fallback: &row.fallback,
        symmetric: row.symmetric.as_deref(),
        by_design: row.by_design,
        confined: row.confined,
        no_login: row.no_login,
        networks: row.networks.iter().map(ToString::to_string).collect(),
        multicast: row.multicast.map(|group| group.to_string()),
        unicast: row.unicast,
        external: row.external,
        future_use: row.future_use,
        internal_only: row.internal_only,
    })
}

/// Every security mode of every product.
pub fn modes(catalog: &Catalog) -> Vec<ExportedMode<'_>> {
    catalog
        .products()
        .iter()
        .flat_map(|product| product.modes.iter().map(move |mode| (product, mode)))
        .map(|(product, mode)| ExportedMode {
            product: &product.name,
            table: named(&mode.table),
            mode: &mode.name,
            telnet: mode.telnet,
            ftp: mode.ftp,
            snmp: mode.snmp,
            icmp: mode.icmp,
            on: &mode.on,
            off: &mode.off,
        })
        .collect()
}

/// Every document of every product, with the number of rows that stand in it.
pub fn sources(catalog: &Catalog) -> Vec<ExportedSource<'_>> {
    catalog
        .products()
        .iter()
        .flat_map(|product| product.documents.iter().map(move |document| (product, document)))
        .map(|(product, document)| ExportedSource {
            product: &product.name,
            id: &document.id,
            document: &document.document,
            revision: document.revision.as_deref(),
            date: document.date.as_deref(),
            secondary: document.secondary,
            rows: product.requirements.iter().filter(|row| row.source.contains(&document.id)).count(),
        })
        .collect()
}

/// A table that has a name.
fn named(table: &str) -> Option<&str> {
    (!table.is_empty()).then_some(table)
}
