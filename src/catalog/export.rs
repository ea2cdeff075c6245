//! The catalog for other programs: the stable JSON forms of `pinhole catalog export` and `pinhole catalog modes`.

use serde::Serialize;

use super::{Catalog, Direction, Initiator, Need, Parity, Product, Transport};

/// One row, as `pinhole catalog export --format json` writes it. The names of the fields are stable.
#[derive(Serialize, Debug)]
pub struct ExportedRow<'a> {
    product: &'a str,
    table: &'a str,
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
    external: bool,
    future_use: bool,
    internal_only: bool,
}

/// One security mode, as `pinhole catalog modes --format json` writes it. The names of the fields are stable.
#[derive(Serialize, Debug)]
pub struct ExportedMode<'a> {
    product: &'a str,
    table: &'a str,
    mode: &'a str,
    telnet: bool,
    ftp: bool,
    snmp: bool,
    icmp: bool,
}

/// Every row of every product.
pub fn rows(catalog: &Catalog) -> Vec<ExportedRow<'_>> {
    catalog.products().iter().flat_map(rows_of).collect()
}

fn rows_of(product: &Product) -> impl Iterator<Item = ExportedRow<'_>> {
    product.requirements.iter().map(|row| ExportedRow {
        product: &product.name,
        table: &row.table,
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
            table: &mode.table,
            mode: &mode.name,
            telnet: mode.telnet,
            ftp: mode.ftp,
            snmp: mode.snmp,
            icmp: mode.icmp,
        })
        .collect()
}
