//! The lines that let a flow through or translate it, in the language of the firewall.

use std::net::{IpAddr, Ipv4Addr};

use crate::packet::{Family, Set, proto};
use crate::site::Prefix;

/// A flow to let through.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The family.
    pub family: Family,
    /// Source: a host or a network; `None` for any.
    pub src: Option<Prefix>,
    /// Destination, likewise.
    pub dst: Option<Prefix>,
    /// The interface that it comes in by; `None` for any.
    pub iif: Option<String>,
    /// The interface that it leaves by, likewise.
    pub oif: Option<String>,
    /// TCP or UDP.
    pub protocol: u8,
}

impl Wanted {
    /// Source, destination and their interfaces; the other way round for answers.
    fn sides(&self, back: bool) -> (Option<Prefix>, Option<Prefix>, Option<&String>, Option<&String>) {
        let (iif, oif) = (self.iif.as_ref(), self.oif.as_ref());
        if back { (self.dst, self.src, oif, iif) } else { (self.src, self.dst, iif, oif) }
    }
}

/// What a line is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Goal {
    /// New connections pass.
    Pass,
    /// The answers to the flow pass.
    Answer,
    /// The destination becomes this one.
    Translate(IpAddr),
}

fn word(wanted: &Wanted) -> &'static str {
    if wanted.protocol == proto::TCP { "tcp" } else { "udp" }
}

/// The ports as a list of `lo SEP hi`.
fn ports(set: &Set, sep: &str) -> Vec<String> {
    let one = |(lo, hi): &(u128, u128)| if lo == hi { lo.to_string() } else { format!("{lo}{sep}{hi}") };
    set.ranges().iter().map(one).collect()
}

/// The ports in one word: a list in braces where there are several intervals.
fn braced(set: &Set, sep: &str) -> String {
    let ports = ports(set, sep);
    if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) }
}

/// An address, or a network with its length.
fn place(prefix: Prefix) -> String {
    if is_host(prefix) { prefix.address.to_string() } else { prefix.to_string() }
}

fn is_host(prefix: Prefix) -> bool {
    u32::from(prefix.length) == Family::of(prefix.address).0.bits()
}

/// Rules of iptables behind `-A CHAIN`.
pub fn iptables(wanted: &Wanted, set: &Set, goal: Goal) -> Vec<String> {
    let back = goal == Goal::Answer;
    let (src, dst, iif, oif) = wanted.sides(back);
    let mut ends = String::new();
    for (flag, name) in [("-i", iif), ("-o", oif)] {
        if let Some(name) = name {
            ends += &format!(" {flag} {name}");
        }
    }
    for (flag, address) in [("-s", src), ("-d", dst)] {
        if let Some(address) = address.map(place) {
            ends += &format!(" {flag} {address}");
        }
    }
    let proto = word(wanted);
    let port = if back { "--sport" } else { "--dport" };
    let end = match goal {
        Goal::Pass => "-j ACCEPT".to_string(),
        Goal::Answer => "-m conntrack --ctstate ESTABLISHED -j ACCEPT".to_string(),
        Goal::Translate(IpAddr::V4(to)) => format!("-j DNAT --to-destination {to}"),
        Goal::Translate(IpAddr::V6(to)) => format!("-j DNAT --to-destination {to}"),
    };
    let rule =
        |ports: &String| format!("{ends} -p {proto} -m {proto} {port} {ports} {end}").trim().to_string();
    ports(set, ":").iter().map(rule).collect()
}

/// A rule of nftables; `both` says that its table holds both families.
pub fn nftables(wanted: &Wanted, set: &Set, goal: Goal, both: bool) -> String {
    let back = goal == Goal::Answer;
    let (src, dst, iif, oif) = wanted.sides(back);
    let ip = if wanted.family == Family::V4 { "ip" } else { "ip6" };
    let mut rule = String::new();
    for (field, name) in [("iifname", iif), ("oifname", oif)] {
        if let Some(name) = name {
            rule += &format!("{field} \"{name}\" ");
        }
    }
    if both && src.is_none() && dst.is_none() {
        let version = if wanted.family == Family::V4 { "ipv4" } else { "ipv6" };
        rule += &format!("meta nfproto {version} ");
    }
    for (field, address) in [("saddr", src), ("daddr", dst)] {
        if let Some(address) = address.map(place) {
            rule += &format!("{ip} {field} {address} ");
        }
    }
    let of = if both { format!("{ip} ") } else { String::new() };
    let port = if back { "sport" } else { "dport" };
    let end = match goal {
        Goal::Pass => "accept".to_string(),
        Goal::Answer => "ct state established accept".to_string(),
        Goal::Translate(to) => format!("dnat {of}to {to}"),
    };
    format!("{rule}{} {port} {} {end}", word(wanted), braced(set, "-"))
}

/// How a rule of pf is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PfForm {
    /// It ends the walk.
    pub quick: bool,
    /// `in` or `out`; `None` for both.
    pub direction: Option<&'static str>,
    /// Translation has rules of its own (`rdr`), as on FreeBSD.
    pub rdr: bool,
}

/// A rule of pf.
pub fn pf(wanted: &Wanted, set: &Set, goal: Goal, form: PfForm) -> String {
    let end = |address: Option<Prefix>| address.map_or("any".to_string(), place);
    let family = if wanted.family == Family::V4 { "inet" } else { "inet6" };
    let name = match form.direction {
        Some("out") => wanted.oif.as_ref(),
        Some(_) => wanted.iif.as_ref(),
        None => None,
    };
    let on = name.map_or(String::new(), |name| format!("on {name} "));
    let ends = format!(
        "{family} proto {} from {} to {} port {}",
        word(wanted),
        end(wanted.src),
        end(wanted.dst),
        braced(set, ":")
    );
    let direction = form.direction.map_or(String::new(), |word| format!("{word} "));
    let quick = if form.quick { "quick " } else { "" };
    match goal {
        Goal::Translate(to) if form.rdr => format!("rdr {on}{ends} -> {to}"),
        Goal::Translate(to) => format!("pass {direction}{quick}{on}{ends} rdr-to {to}"),
        Goal::Pass | Goal::Answer => format!("pass {direction}{quick}{on}{ends}"),
    }
}

/// Entries of an access list of the ASA.
pub fn asa(wanted: &Wanted, set: &Set, list: &str) -> Vec<String> {
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
    set.ranges().iter().map(rule).collect()
}

/// IPv4 networks have a mask, IPv6 networks a length.
fn network(net: Prefix) -> String {
    match net.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(net.length)).unwrap_or(0);
            format!("{address} {}", Ipv4Addr::from(mask))
        }
        IpAddr::V6(_) => net.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(src: Option<&str>, dst: &str) -> Wanted {
        let prefix = |text: &str| crate::site::parse_prefix(text).unwrap();
        let (src, dst) = (src.map(prefix), prefix(dst));
        let family = Family::of(dst.address).0;
        Wanted { family, src, dst: Some(dst), iif: None, oif: None, protocol: proto::TCP }
    }

    #[test]
    fn each_language_has_its_own_form() {
        let ports = Set::of([(1720, 1720), (1024, 1324)]);
        let wanted = wanted(Some("10.9.0.0/16"), "10.1.2.10/32");
        assert_eq!(
            iptables(&wanted, &ports, Goal::Pass),
            [
                "-s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1024:1324 -j ACCEPT",
                "-s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT",
            ]
        );
        assert_eq!(
            nftables(&wanted, &ports, Goal::Pass, true),
            "ip saddr 10.9.0.0/16 ip daddr 10.1.2.10 tcp dport { 1024-1324, 1720 } accept"
        );
        assert_eq!(
            pf(&wanted, &ports, Goal::Pass, PfForm::default()),
            "pass inet proto tcp from 10.9.0.0/16 to 10.1.2.10 port { 1024:1324, 1720 }"
        );
        assert_eq!(
            asa(&wanted, &ports, "video"),
            [
                "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 range 1024 1324",
                "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 eq 1720",
            ]
        );
    }

    #[test]
    fn from_anywhere_and_in_ipv6() {
        let wanted = Wanted { iif: Some("e0".to_string()), ..wanted(None, "2001:db8:2::/64") };
        let ports = Set::one(22);
        assert_eq!(
            iptables(&wanted, &ports, Goal::Answer),
            [
                "-o e0 -s 2001:db8:2::/64 -p tcp -m tcp --sport 22 -m conntrack --ctstate ESTABLISHED -j ACCEPT"
            ]
        );
        assert_eq!(
            nftables(&wanted, &ports, Goal::Pass, true),
            "iifname \"e0\" ip6 daddr 2001:db8:2::/64 tcp dport 22 accept"
        );
        let form = PfForm { quick: true, direction: Some("in"), rdr: false };
        assert_eq!(
            pf(&wanted, &ports, Goal::Pass, form),
            "pass in quick on e0 inet6 proto tcp from any to 2001:db8:2::/64 port 22"
        );
        assert_eq!(
            asa(&wanted, &ports, "video"),
            ["access-list video extended permit tcp any6 2001:db8:2::/64 eq 22"]
        );
    }
}
