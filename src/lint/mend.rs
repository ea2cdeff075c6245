//! The rule that would let a flow through, in the language of the firewall.

use super::words;
use crate::dialect::Dialect;
use crate::packet::{Family, Set, proto};
use crate::site::Prefix;

/// A flow to let through.
pub struct Wanted<'a> {
    /// The family.
    pub family: Family,
    /// Source: a host or a network; `None` for any.
    pub src: Option<Prefix>,
    /// Destination, likewise.
    pub dst: Option<Prefix>,
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

/// The rules that would translate the destination to `target`, where the language has a line for it that needs
/// nothing else: on the ASA it takes an object as well.
pub fn translations(dialect: Dialect, wanted: &Wanted<'_>, target: std::net::IpAddr) -> Vec<String> {
    let Some(public) = wanted.dst.map(place) else { return Vec::new() };
    let (proto, family) = (word(wanted), wanted.family);
    let each = |sep: &str, line: &dyn Fn(&str) -> String| -> Vec<String> {
        ports(wanted.ports, sep).iter().map(|port| line(port)).collect()
    };
    match dialect {
        Dialect::Iptables => each(":", &|port| {
            format!(
                "-t nat -A PREROUTING -d {public} -p {proto} -m {proto} --dport {port} -j DNAT --to-destination {target}"
            )
        }),
        Dialect::Nftables => {
            let ip = if family == Family::V4 { "ip" } else { "ip6" };
            each("-", &|port| format!("{ip} daddr {public} {proto} dport {port} dnat to {target}"))
        }
        Dialect::Pf => {
            let inet = if family == Family::V4 { "inet" } else { "inet6" };
            each(":", &|port| format!("pass in {inet} proto {proto} to {public} port {port} rdr-to {target}"))
        }
        Dialect::Asa => Vec::new(),
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

/// An address, or a network with its length.
fn place(prefix: Prefix) -> String {
    if is_host(prefix) { prefix.address.to_string() } else { prefix.to_string() }
}

fn is_host(prefix: Prefix) -> bool {
    u32::from(prefix.length) == Family::of(prefix.address).0.bits()
}

fn iptables(wanted: &Wanted<'_>) -> Vec<String> {
    let chain = words::last_word(wanted.chain);
    let mut ends = String::new();
    for (flag, address) in [("-s", wanted.src), ("-d", wanted.dst)] {
        if let Some(address) = address.map(place) {
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
        if let Some(address) = address.map(place) {
            rule += &format!("{ip} {field} {address} ");
        }
    }
    let ports = ports(wanted.ports, "-");
    let ports =
        if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) };
    format!("{rule}{} dport {ports} accept", word(wanted))
}

fn pf(wanted: &Wanted<'_>) -> String {
    let end = |address: Option<Prefix>| address.map_or("any".to_string(), place);
    let family = if wanted.family == Family::V4 { "inet" } else { "inet6" };
    let ports = ports(wanted.ports, ":");
    let ports =
        if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) };
    format!(
        "pass {family} proto {} from {} to {} port {ports}",
        word(wanted),
        end(wanted.src),
        end(wanted.dst)
    )
}

fn asa(wanted: &Wanted<'_>) -> Vec<String> {
    let list = Some(words::last_word(wanted.chain)).filter(|name| !name.is_empty()).unwrap_or("LIST");
    // `any4` came with version 9.0, where `any` still does beside IPv4 addresses.
    let any = if wanted.family == Family::V4 { "any" } else { "any6" };
    let end = |address: Option<Prefix>| match address {
        None => any.to_string(),
        Some(host) if is_host(host) => format!("host {}", host.address),
        Some(net) => network(net),
    };
    let port =
        |(lo, hi): &(u128, u128)| if lo == hi { format!("eq {lo}") } else { format!("range {lo} {hi}") };
    let rule = |range: &(u128, u128)| {
        let (src, dst) = (end(wanted.src), end(wanted.dst));
        format!("access-list {list} extended permit {} {src} {dst} {}", word(wanted), port(range))
    };
    wanted.ports.ranges().iter().map(rule).collect()
}

/// IPv4 networks have a mask, IPv6 networks a length.
fn network(net: Prefix) -> String {
    match net.address {
        std::net::IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(net.length)).unwrap_or(0);
            format!("{address} {}", std::net::Ipv4Addr::from(mask))
        }
        std::net::IpAddr::V6(_) => net.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(dialect: Dialect, src: Option<&str>, dst: &str, ports: &[(u128, u128)]) -> Vec<String> {
        let prefix = |text: &str| crate::site::parse_prefix(text).unwrap();
        let dst = prefix(dst);
        let wanted = Wanted {
            family: Family::of(dst.address).0,
            src: src.map(prefix),
            dst: Some(dst),
            protocol: proto::TCP,
            ports: &Set::of(ports.iter().copied()),
            chain: if dialect == Dialect::Asa { "access-list video" } else { "filter video" },
        };
        rules(dialect, &wanted)
    }

    #[test]
    fn each_language_has_its_own_form() {
        let ports = [(1720, 1720), (1024, 1324)];
        let rules = |dialect| lines(dialect, Some("10.9.0.0/16"), "10.1.2.10/32", &ports);
        assert_eq!(
            rules(Dialect::Iptables),
            [
                "-A video -s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1024:1324 -j ACCEPT",
                "-A video -s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT",
            ]
        );
        assert_eq!(
            rules(Dialect::Nftables),
            ["ip saddr 10.9.0.0/16 ip daddr 10.1.2.10 tcp dport { 1024-1324, 1720 } accept"]
        );
        assert_eq!(
            rules(Dialect::Pf),
            ["pass inet proto tcp from 10.9.0.0/16 to 10.1.2.10 port { 1024:1324, 1720 }"]
        );
        assert_eq!(
            rules(Dialect::Asa),
            [
                "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 range 1024 1324",
                "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 eq 1720",
            ]
        );
    }

    #[test]
    fn from_anywhere_and_in_ipv6() {
        let rules = |dialect| lines(dialect, None, "2001:db8:2::/64", &[(22, 22)]);
        assert_eq!(
            rules(Dialect::Iptables),
            ["-A video -d 2001:db8:2::/64 -p tcp -m tcp --dport 22 -j ACCEPT"]
        );
        assert_eq!(rules(Dialect::Nftables), ["ip6 daddr 2001:db8:2::/64 tcp dport 22 accept"]);
        assert_eq!(rules(Dialect::Pf), ["pass inet6 proto tcp from any to 2001:db8:2::/64 port 22"]);
        assert_eq!(rules(Dialect::Asa), ["access-list video extended permit tcp any6 2001:db8:2::/64 eq 22"]);
    }
}
