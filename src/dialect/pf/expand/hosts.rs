//! Hosts of a rule, looked up as far as the environment tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dialect::Environment;
use crate::model::OwnAddress;
use crate::source::Span;

use super::super::ast::{Address, Af, Host, InterfaceName, List, Modifiers, Net};

/// A host of a rule without lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved<'a> {
    /// `! host`
    pub negated: bool,
    /// Its family, where it has one.
    pub af: Option<Af>,
    /// The place.
    pub place: Where<'a>,
    /// The interface of a link-local address.
    pub scope: Option<&'a InterfaceName>,
    /// Where the host is written.
    pub span: Span,
}

impl Resolved<'_> {
    /// Any host.
    pub fn any() -> Self {
        Resolved { negated: false, af: None, place: Where::Any, scope: None, span: Span::default() }
    }
}

/// What a host comes down to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Where<'a> {
    /// Any address.
    Any,
    /// A network or one address.
    Net(Net),
    /// First and last address.
    Range(&'a (IpAddr, IpAddr)),
    /// Addresses of an interface at the time of the packet.
    Dynamic {
        /// Interface or group.
        name: &'a str,
        /// `:network`, …
        modifiers: Modifiers,
        /// `/n`
        prefix: Option<u8>,
    },
    /// A table.
    Table(&'a str),
    /// No route to it.
    NoRoute,
    /// Fails the reverse-path check.
    UrpfFailed,
    /// A route's label.
    RouteLabel(&'a str),
    /// A host or interface whose addresses are not known.
    Unknown {
        /// Its name.
        name: &'a str,
        /// `:network`, …
        modifiers: Modifiers,
        /// `/n`
        prefix: Option<u8>,
    },
}

/// Why a list cannot be resolved.
pub(super) type Problem = (Span, String);

/// Resolves a list; an empty one is any host, and so is one that holds `any`.
pub(super) fn resolve_all<'a>(hosts: &'a [Host], env: &Environment) -> Result<List<Resolved<'a>>, Problem> {
    if hosts.is_empty() || hosts.iter().any(|host| host.address == Address::Any) {
        return Ok(List::One(Resolved::any()));
    }
    if let [Host { address: Address::Net(net), .. }] = hosts {
        return Ok(List::One(at(&hosts[0], Some(net.af()), Where::Net(*net))));
    }
    let mut resolved = Vec::with_capacity(hosts.len());
    for host in hosts {
        resolve(host, env, &mut resolved)?;
    }
    Ok(resolved.into())
}

/// A host that comes down to one place.
fn at<'a>(host: &'a Host, af: Option<Af>, place: Where<'a>) -> Resolved<'a> {
    Resolved { negated: host.negated, af, place, scope: host.scope.as_deref(), span: host.span }
}

/// Resolves one host, to several where it names an interface with several addresses.
pub(super) fn resolve<'a>(
    host: &'a Host,
    env: &Environment,
    out: &mut Vec<Resolved<'a>>,
) -> Result<(), Problem> {
    let push = |out: &mut Vec<Resolved<'a>>, af, place| out.push(at(host, af, place));
    match &host.address {
        Address::Any => push(out, None, Where::Any),
        Address::Net(net) => push(out, Some(net.af()), Where::Net(*net)),
        Address::Range(ends) => push(out, Some(Af::of(ends.0)), Where::Range(ends)),
        Address::Dynamic { name, modifiers, prefix } => {
            push(out, None, Where::Dynamic { name, modifiers: *modifiers, prefix: *prefix });
        }
        Address::Table(name) => push(out, None, Where::Table(name)),
        Address::NoRoute => push(out, None, Where::NoRoute),
        Address::UrpfFailed => push(out, None, Where::UrpfFailed),
        Address::RouteLabel(label) => push(out, None, Where::RouteLabel(label)),
        Address::Name { name, modifiers, prefix } => match addresses(name, *modifiers, *prefix, env) {
            Some(nets) if nets.is_empty() => {
                return Err((host.span, format!("`{name}` has no such address")));
            }
            Some(nets) => {
                for net in nets {
                    push(out, Some(net.af()), Where::Net(net));
                }
            }
            None => push(out, None, Where::Unknown { name, modifiers: *modifiers, prefix: *prefix }),
        },
    }
    Ok(())
}

/// The addresses that a name stands for when rules are loaded; `None` where nobody tells.
pub fn addresses(
    name: &str,
    modifiers: Modifiers,
    prefix: Option<u8>,
    env: &Environment,
) -> Option<Vec<Net>> {
    let own = own_addresses(name, env);
    if own.is_empty() {
        if name != "localhost" {
            return None;
        }
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Some(loopback.into_iter().filter_map(|address| with_prefix(address, prefix)).collect());
    }
    Some(own_nets(&own, modifiers, prefix))
}

/// Interfaces that come in numbered units belong to a group of their driver's name (ifconfig(8), `group`).
pub const DRIVER_GROUPS: &[&str] = &[
    "lo", "tun", "tap", "vlan", "svlan", "bridge", "carp", "enc", "gif", "gre", "egre", "nvgre", "pair",
    "pflog", "pfsync", "pppoe", "ppp", "trunk", "lagg", "aggr", "tpmr", "veb", "vether", "vport", "vxlan",
    "wg", "etherip", "mpe", "mpw", "switch", "stf", "ipsec", "utun", "epair", "ovpns", "ovpnc",
];

/// Whether a name is that of an interface or of a group that every system has, and not of a host: a driver and
/// its unit, maybe with a VLAN.
pub fn is_interface(name: &str) -> bool {
    let (name, vlan) = name.split_once('.').unwrap_or((name, "0"));
    let driver = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let unit = driver.len() < name.len() && !driver.is_empty();
    matches!(name, "self" | "egress" | "all")
        || DRIVER_GROUPS.contains(&name)
        || (unit
            && driver.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
            && vlan.bytes().all(|b| b.is_ascii_digit()))
}

/// The box's addresses on an interface, a group, or all (`self`).
pub fn own_addresses<'e>(name: &str, env: &'e Environment) -> Vec<&'e OwnAddress> {
    let members = env.groups.iter().find(|(group, _)| group == name).map(|(_, members)| members);
    let wanted = |interface: &str| {
        name == "self"
            || interface == name
            || members.is_some_and(|members| members.iter().any(|member| member == interface))
    };
    env.own.iter().filter(|own| wanted(&own.interface)).collect()
}

/// The networks that addresses come down to under modifiers and a prefix length.
pub fn own_nets(own: &[&OwnAddress], modifiers: Modifiers, prefix: Option<u8>) -> Vec<Net> {
    let mut seen: Vec<(&str, Af)> = Vec::new();
    let mut nets = Vec::new();
    for own in own {
        let address = own.family.address(own.address);
        let af = Af::of(address);
        if modifiers.no_alias {
            if seen.contains(&(own.interface.as_str(), af)) {
                continue;
            }
            seen.push((&own.interface, af));
        }
        let net = Net::new(address, u8::try_from(own.prefix).unwrap_or(af.bits()));
        let link_local = af == Af::V6 && own.address >> 118 == 0x3fa;
        let found = if modifiers.network {
            Some(net).filter(|_| !link_local)
        } else if modifiers.broadcast {
            (af == Af::V4).then(|| Net::host(net.last()))
        } else if modifiers.peer {
            None
        } else {
            with_prefix(address, prefix)
        };
        nets.extend(found.filter(|net| !nets.contains(net)));
    }
    nets
}

fn with_prefix(address: IpAddr, prefix: Option<u8>) -> Option<Net> {
    match prefix {
        None => Some(Net::host(address)),
        Some(prefix) => (prefix <= Af::of(address).bits()).then(|| Net::new(address, prefix)),
    }
}
