//! The packet that shows a finding.

use crate::finding::{Finding, Witness};
use crate::judge;
use crate::packet::{Family, Field, Packet, interface_name, proto};

/// Gives a finding its packet; `at` is the firewall that the finding points at.
pub(super) fn show(finding: &mut Finding, witness: Option<&judge::Witness>, at: Option<usize>) {
    let Some(witness) = witness else { return };
    finding.witness = words(witness);
    finding.witness_here = at == Some(witness.firewall);
}

fn words(witness: &judge::Witness) -> Option<Witness> {
    let packet = &witness.packet;
    let family = packet.family();
    let address = |field: Field| packet.get(field).known().map(|number| family.address(number).to_string());
    let number = |field: Field| packet.get(field).known();
    let port = |field: Field| number(field).map(|port| port as u16);
    let name =
        |field: Field| number(field).filter(|name| *name != 0).map(interface_name).filter(|name| plain(name));
    Some(Witness {
        hook: witness.way.name(),
        iif: name(Field::Iif),
        oif: name(Field::Oif),
        src: address(Field::src(family))?,
        dst: address(Field::dst(family))?,
        proto: protocol(packet, family),
        sport: port(Field::Sport),
        dport: port(Field::Dport),
        icmp_type: number(Field::IcmpType).map(|kind| kind as u8),
        icmp_code: number(Field::IcmpCode).map(|code| code as u8),
    })
}

/// Whether a name is one that an interface can have: not the border of an interval that stands for all others.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic())
}

fn protocol(packet: &Packet, family: Family) -> String {
    match packet.protocol() {
        proto::TCP => "tcp".to_string(),
        proto::UDP => "udp".to_string(),
        proto::ICMP if family == Family::V4 => "icmp".to_string(),
        proto::ICMPV6 => "icmpv6".to_string(),
        other => other.to_string(),
    }
}
