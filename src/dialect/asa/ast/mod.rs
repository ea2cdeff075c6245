//! What a running-config says about traffic, as it is written: references are names, not yet resolved.

mod lists;
mod nat;
mod policy;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::source::Span;

pub use lists::{
    AccessGroup, Ace, Acl, AclKind, Action, Direction, Entry, Group, GroupKind, Identity, Member,
    NetworkObject, ServiceObject,
};
pub use nat::{Mapped, ObjectNat, OldNat, TwiceNat};
pub use policy::{
    Access, BoxService, ClassMap, ClearText, IcmpRule, Inspect, Listener, Match, PolicyClass, PolicyMap,
    ServicePolicy,
};

/// A word of the file, with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named<'a> {
    /// The word.
    pub text: &'a str,
    /// Where it stands.
    pub span: Span,
}

/// An address, or a name that the `name` command gives to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// IPv4.
    V4(u32),
    /// IPv6.
    V6(u128),
    /// A name.
    Name(Named<'a>),
}

/// What an access-list entry, an object or a group says of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address<'a> {
    /// `any`: both families from 9.0 on, before that the family of the list.
    Any,
    /// `any4`.
    Any4,
    /// `any6`.
    Any6,
    /// One address.
    Host(Host<'a>),
    /// Address and mask, IPv4. The mask is a network mask and may have holes.
    Net(Host<'a>, u32),
    /// A prefix, IPv6.
    Prefix(u128, u8),
    /// From one address to another, both included.
    Range(Host<'a>, Host<'a>),
    /// The addresses of one of the box's interfaces.
    Interface(Named<'a>),
    /// `object`.
    Object(Named<'a>),
    /// `object-group`.
    Group(Named<'a>),
    /// A domain name: an `fqdn` of an object, or an expanded element of `show access-list`.
    Fqdn(Named<'a>, Families),
}

/// The families of a domain name's addresses that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Families {
    /// Both.
    Both,
    /// `v4`.
    V4,
    /// `v6`.
    V6,
}

/// A condition on ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ports<'a> {
    /// None.
    Any,
    /// `eq`.
    Eq(u16),
    /// `neq`.
    Neq(u16),
    /// `lt`: below, the number itself not included.
    Lt(u16),
    /// `gt`: above, the number itself not included.
    Gt(u16),
    /// `range`, both ends included.
    Range(u16, u16),
    /// `object-group` of ports.
    Group(Named<'a>),
    /// A port name that is not one of the ASA's.
    Unknown(Named<'a>),
}

/// The protocol of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol<'a> {
    /// `ip`: all.
    Ip,
    /// By number.
    Number(u8),
    /// TCP and UDP, in service objects.
    TcpUdp,
    /// `object` of a service.
    Object(Named<'a>),
    /// `object-group` of protocols or services.
    Group(Named<'a>),
    /// A protocol name that is not one of the ASA's.
    Unknown(Named<'a>),
}

/// A condition on ICMP type and code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Icmp<'a> {
    /// None.
    Any,
    /// A type, and perhaps a code.
    Type(u8, Option<u8>),
    /// `object-group` of ICMP types.
    Group(Named<'a>),
    /// A type name that is not one of the ASA's.
    Unknown(Named<'a>),
}

/// Protocol, ports and ICMP type together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service<'a> {
    /// The protocol.
    pub protocol: Protocol<'a>,
    /// Source ports.
    pub source: Ports<'a>,
    /// Destination ports.
    pub destination: Ports<'a>,
    /// ICMP type and code.
    pub icmp: Icmp<'a>,
}

impl Service<'_> {
    /// All of a protocol.
    pub fn of(protocol: Protocol<'_>) -> Service<'_> {
        Service { protocol, source: Ports::Any, destination: Ports::Any, icmp: Icmp::Any }
    }
}

/// `interface`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface<'a> {
    /// The hardware name.
    pub hardware: Named<'a>,
    /// `nameif`.
    pub name: Option<Named<'a>>,
    /// `security-level`, with its line.
    pub level: Option<(u8, Span)>,
    /// `ip address` with its mask; `None` where there is none or it is not in the file.
    pub v4: Option<(Host<'a>, u32)>,
    /// `ipv6 address` with prefix length.
    pub v6: Vec<(u128, u8)>,
    /// The address comes from DHCP, PPPoE or autoconfiguration.
    pub dynamic_address: bool,
    /// `management-only`.
    pub management_only: bool,
    /// `shutdown`.
    pub shutdown: bool,
    /// `bridge-group`.
    pub bridge_group: Option<u16>,
}

/// `route` and `ipv6 route`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// The whole line.
    pub span: Span,
    /// The interface.
    pub interface: Named<'a>,
    /// The destination.
    pub to: Address<'a>,
}

/// `time-range`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeRange<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// `absolute … end`, in minutes since 1970, with its line.
    pub end: Option<(i64, Span)>,
}

/// A way past the access-lists: a crypto map or remote-access service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Vpn<'a> {
    /// `crypto map NAME seq match address ACL`.
    Match {
        /// Crypto map.
        map: &'a str,
        /// Access-list.
        acl: Named<'a>,
    },
    /// `crypto map NAME seq ipsec-isakmp dynamic …`.
    Dynamic {
        /// Crypto map.
        map: &'a str,
    },
    /// `crypto map NAME interface …`.
    Interface {
        /// Crypto map.
        map: &'a str,
        /// Interface.
        interface: Named<'a>,
    },
    /// Remote access on an interface (`webvpn` with `enable`).
    Remote {
        /// Interface.
        interface: Named<'a>,
    },
    /// `ip local pool` and `ipv6 local pool`: addresses of remote-access clients.
    Pool {
        /// The addresses.
        addresses: Address<'a>,
    },
}

/// `vpn-filter` of a group-policy or a user: the list that traffic of the tunnel has to pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VpnFilter<'a> {
    /// The whole line.
    pub span: Span,
    /// The group-policy or user.
    pub policy: &'a str,
    /// The access-list.
    pub acl: Named<'a>,
}

/// To whom TCP resets are sent, and not silence.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resets<'a> {
    /// `service resetinbound`; `None` inside is for all interfaces.
    pub inbound: Vec<Option<&'a str>>,
    /// `no service resetoutbound`, likewise.
    pub no_outbound: Vec<Option<&'a str>>,
    /// `service resetoutside`.
    pub outside: Option<Span>,
}

/// How far this program goes with a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Support {
    /// Read, and in the model as far as it decides about traffic.
    Modelled,
    /// Says nothing about which traffic passes.
    Irrelevant,
    /// May decide about traffic, and is not in the model.
    NotModelled,
    /// Not in the table.
    Unknown,
}

/// A top-level command that is not in the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other<'a> {
    /// The whole line.
    pub span: Span,
    /// The command as far as the table knows it, else its first word.
    pub command: &'a str,
    /// How far it is supported.
    pub support: Support,
}

/// A software version: `9.6(3)8` is 9, 6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    /// Before the point.
    pub major: u16,
    /// After the point.
    pub minor: u16,
}

/// Everything that the files say about traffic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config<'a> {
    /// `ASA Version`, with its line.
    pub version: Option<(Version, Span)>,
    /// `firewall transparent`.
    pub transparent: bool,
    /// `name`: what names stand for.
    pub names: FxHashMap<&'a str, (Host<'a>, Span)>,
    /// Interfaces.
    pub interfaces: Vec<Interface<'a>>,
    /// `object network`.
    pub objects: Vec<NetworkObject<'a>>,
    /// `object service`.
    pub services: Vec<ServiceObject<'a>>,
    /// Object-groups.
    pub groups: Vec<Group<'a>>,
    /// Access-lists.
    pub acls: Vec<Acl<'a>>,
    /// `access-group`.
    pub access_groups: Vec<AccessGroup<'a>>,
    /// `no access-group` of bindings that are not in the files: what is bound there instead is not known.
    pub unbound: Vec<AccessGroup<'a>>,
    /// Names of rules by their `rule-id`, as remarks of FTD tell them.
    pub rule_names: FxHashMap<&'a str, &'a str>,
    /// Twice NAT.
    pub nats: Vec<TwiceNat<'a>>,
    /// NAT of versions before 8.3.
    pub old_nats: Vec<OldNat<'a>>,
    /// `nat-control`.
    pub nat_control: Option<Span>,
    /// What lets others read along when the box is managed.
    pub clear_text: Vec<(Span, ClearText)>,
    /// `same-security-traffic permit inter-interface`.
    pub inter_interface: Option<Span>,
    /// `same-security-traffic permit intra-interface`.
    pub intra_interface: Option<Span>,
    /// `no sysopt connection permit-vpn`.
    pub no_permit_vpn: Option<Span>,
    /// `timeout`: what it is about, in seconds; 0 is never.
    pub timeouts: Vec<(&'a str, u32, Span)>,
    /// Class-maps.
    pub class_maps: Vec<ClassMap<'a>>,
    /// Policy-maps.
    pub policy_maps: Vec<PolicyMap<'a>>,
    /// Service policies.
    pub service_policies: Vec<ServicePolicy<'a>>,
    /// Services of the box.
    pub accesses: Vec<Access<'a>>,
    /// Port of `http server enable`; `None` where the server is off.
    pub http_server: Option<(u16, Span)>,
    /// `no snmp-server enable`.
    pub no_snmp: bool,
    /// ICMP to the box.
    pub icmp_rules: Vec<IcmpRule<'a>>,
    /// Other listeners of the box.
    pub listeners: Vec<Listener<'a>>,
    /// `management-access`.
    pub management_access: Option<Named<'a>>,
    /// Routes.
    pub routes: Vec<Route<'a>>,
    /// Time ranges.
    pub time_ranges: Vec<TimeRange<'a>>,
    /// VPN.
    pub vpns: Vec<Vpn<'a>>,
    /// `established`, the whole lines.
    pub established: Vec<Named<'a>>,
    /// `ip verify reverse-path interface`, with its line.
    pub reverse_path: Vec<(Named<'a>, Span)>,
    /// `service reset…`.
    pub resets: Resets<'a>,
    /// `vpn-filter`.
    pub vpn_filters: Vec<VpnFilter<'a>>,
    /// A line that says that the rest is in a language that is not read.
    pub foreign: Option<Named<'a>>,
    /// The first line about translation, or about where a list is bound, that could not be read.
    pub unread: Option<Named<'a>>,
    /// `multicast-routing`.
    pub multicast: Option<Span>,
    /// `aaa authentication match`, `include` and `listener`: users log in, and may get lists of their own.
    pub cut_through: Option<Span>,
    /// The words of all lines that are not in the tree: what they name is in use.
    pub mentions: FxHashSet<&'a str>,
    /// Commands that are not in the tree.
    pub others: Vec<Other<'a>>,
    /// Number of lines that are rules: entries of access-lists, and translations.
    pub rules: usize,
}
