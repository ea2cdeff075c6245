//! The rule that would let a flow through, in the language of the firewall.

use crate::dialect::Dialect;
use crate::packet::{Family, Set, proto};

/// A flow to let through.
pub struct Wanted<'a> {
    /// The family.
    pub family: Family,
    /// Source addresses; `None` for a peer that is not one host.
    pub src: Option<u128>,
    /// Destination address, likewise.
    pub dst: Option<u128>,
    /// TCP or UDP.
    pub protocol: u8,
    /// Destination ports.
    pub ports: &'a Set,
    /// The chain or access list that decides, as its name stands in the file.
    pub chain: &'a str,
}

/// The rules, one a line.
pub fn rules(dialect: Dialect, wanted: &Wanted<'_>) -> Vec<String> {
    match dialect {
        Dialect::Iptables => iptables(wanted),
        Dialect::Nftables => vec![nftables(wanted)],
        Dialect::Pf => vec![pf(wanted)],
        Dialect::Asa => asa(wanted),
    }
}

fn word(wanted: &Wanted<'_>) -> &'static str {
    if wanted.protocol == proto::TCP { "tcp" } else { "udp" }
}

/// The ports as a list of `lo SEP hi`.
fn ports(set: &Set, sep: &str) -> Vec<String> {
    let one = |(lo, hi): &(u128, u128)| if lo == hi { lo.to_string() } else { format!("{lo}{sep}{hi}") };
    set.ranges().iter().map(one).collect()
}

fn host(wanted: &Wanted<'_>, address: Option<u128>) -> Option<String> {
    address.map(|number| wanted.family.address(number).to_string())
}

fn iptables(wanted: &Wanted<'_>) -> Vec<String> {
    let chain = wanted.chain.rsplit(' ').next().unwrap_or(wanted.chain);
    let mut ends = String::new();
    for (flag, address) in [("-s", wanted.src), ("-d", wanted.dst)] {
        if let Some(address) = host(wanted, address) {
            ends += &format!(" {flag} {address}");
        }
    }
    let proto = word(wanted);
    let rule = |port: &String| format!("-A {chain}{ends} -p {proto} -m {proto} --dport {port} -j ACCEPT");
    ports(wanted.ports, ":").iter().map(rule).collect()
}

fn nftables(wanted: &Wanted<'_>) -> String {
    let ip = if wanted.family == Family::V4 { "ip" } else { "ip6" };
    let mut rule = String::new();
    for (field, address) in [("saddr", wanted.src), ("daddr", wanted.dst)] {
        if let Some(address) = host(wanted, address) {
            rule += &format!("{ip} {field} {address} ");
        }
    }
    let ports = ports(wanted.ports, "-");
    let ports =
        if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) };
    format!("{rule}{} dport {ports} accept", word(wanted))
}

fn pf(wanted: &Wanted<'_>) -> String {
    let end = |address| host(wanted, address).unwrap_or("any".to_string());
    let ports = ports(wanted.ports, ":");
    let ports =
        if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) };
    format!("pass proto {} from {} to {} port {ports}", word(wanted), end(wanted.src), end(wanted.dst))
}

fn asa(wanted: &Wanted<'_>) -> Vec<String> {
    let any = if wanted.family == Family::V4 { "any4" } else { "any6" };
    let end = |address| host(wanted, address).map_or(any.to_string(), |host| format!("host {host}"));
    let port =
        |(lo, hi): &(u128, u128)| if lo == hi { format!("eq {lo}") } else { format!("range {lo} {hi}") };
    let rule = |range: &(u128, u128)| {
        let (src, dst) = (end(wanted.src), end(wanted.dst));
        format!("access-list {} extended permit {} {src} {dst} {}", wanted.chain, word(wanted), port(range))
    };
    wanted.ports.ranges().iter().map(rule).collect()
}
