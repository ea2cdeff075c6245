//! `{"src_ip": "203.0.113.9", "dest_ip": "10.1.2.10", "ip.protocol": 6, "dest_port": 1720, "oob.in": "eth0", …}`, as
//! ulogd2's JSON output prints it; the older names `ip.saddr`, `tcp.dport` and the like are read as well.

use serde_json::Value as Json;

use super::{Dropped, Line};

/// Reads a line.
pub(super) fn read(line: &str) -> Line {
    let Ok(Json::Object(object)) = serde_json::from_str::<Json>(line.trim()) else { return Line::Unknown };
    let get = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
    let text = |names: &[&str]| get(names).and_then(Json::as_str);
    let number = |names: &[&str]| {
        let value = get(names)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let address = |names: &[&str]| text(names).and_then(|text| text.parse().ok());
    let (Some(src), Some(dst)) =
        (address(&["src_ip", "ip.saddr.str", "ip.saddr"]), address(&["dest_ip", "ip.daddr.str", "ip.daddr"]))
    else {
        return Line::Unknown;
    };
    let Some(protocol) = number(&["ip.protocol", "ip6.nexthdr"]).and_then(|number| u8::try_from(number).ok())
    else {
        return Line::Unknown;
    };
    let port = |names: &[&str]| number(names).and_then(|port| u16::try_from(port).ok());
    let name = |names: &[&str]| text(names).filter(|name| !name.is_empty()).map(str::to_string);
    let bit = |name: &str, bit: u8| match object.get(name) {
        Some(Json::Bool(true)) => bit,
        Some(value) if value.as_u64() == Some(1) => bit,
        _ => 0,
    };
    let flags = bit("tcp.syn", 2) | bit("tcp.ack", 16) | bit("tcp.fin", 1) | bit("tcp.rst", 4);
    Line::Dropped(Dropped {
        src,
        dst,
        protocol,
        sport: port(&["src_port", "tcp.sport", "udp.sport"]),
        dport: port(&["dest_port", "tcp.dport", "udp.dport", "icmp.type"]),
        iif: name(&["oob.in"]),
        oif: name(&["oob.out"]),
        flags: (protocol == 6 && flags != 0).then_some(flags),
        times: 1,
    })
}
