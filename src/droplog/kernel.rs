//! `IN=eth0 OUT=eth1 SRC=203.0.113.9 DST=10.1.2.10 … PROTO=TCP SPT=50000 DPT=1720 … SYN`.

use super::{Dropped, flag, protocol};

/// Reads a line; what an ICMP error quotes in brackets is passed over.
pub(super) fn read(line: &str) -> Option<Dropped> {
    let start = line.find("IN=")?;
    let fields = line[start..].split('[').next()?;
    let (mut src, mut dst, mut proto) = (None, None, None);
    let (mut sport, mut dport, mut flags) = (None, None, 0);
    let (mut iif, mut oif) = (None, None);
    for word in fields.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("IN", name)) => iif = some(name),
            Some(("OUT", name)) => oif = some(name),
            Some(("SRC", address)) => src = address.parse().ok(),
            Some(("DST", address)) => dst = address.parse().ok(),
            Some(("PROTO", name)) => proto = protocol(name),
            Some(("SPT", port)) => sport = port.parse().ok(),
            Some(("DPT", port)) => dport = port.parse().ok(),
            Some(("TYPE", kind)) => dport = kind.parse().ok(),
            Some(_) => {}
            None => flags |= flag(word),
        }
    }
    let protocol = proto?;
    Some(Dropped {
        src: src?,
        dst: dst?,
        protocol,
        sport,
        dport,
        iif,
        oif,
        flags: (protocol == 6).then_some(flags),
        times: 1,
    })
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_string())
}
