//! What a running-config says about traffic, as it is written: references are names, not yet resolved.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::source::Span;

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

/// What an entry does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Lets pass, or selects.
    Permit,
    /// Stops, or leaves out.
    Deny,
}

/// Something in an entry that the file does not decide: who the user is, what tag a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity<'a> {
    /// The keyword, such as `user-group`.
    pub kind: &'static str,
    /// Its argument.
    pub name: Named<'a>,
}

/// An entry of an extended or IPv6 access-list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ace<'a> {
    /// The whole line.
    pub span: Span,
    /// Permit or deny.
    pub action: Action,
    /// Protocol and ports.
    pub service: Service<'a>,
    /// Source.
    pub source: Address<'a>,
    /// Destination.
    pub destination: Address<'a>,
    /// Users, user groups and security groups.
    pub identities: Vec<Identity<'a>>,
    /// `time-range`.
    pub time_range: Option<Named<'a>>,
    /// `inactive`.
    pub inactive: bool,
    /// `log`, and not `log disable`.
    pub log: bool,
    /// Printed by `show access-list`, not part of a running-config.
    pub shown: bool,
    /// The elements that `show access-list` expands the entry into.
    pub elements: Vec<Ace<'a>>,
}

/// One line of an access-list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry<'a> {
    /// Of an extended or IPv6 list.
    Extended(Box<Ace<'a>>),
    /// Of a standard list: an action and an address.
    Standard(Span, Action, Address<'a>),
    /// `remark`.
    Remark(Span),
    /// Of an EtherType or webtype list, or one that could not be read.
    Other(Span),
}

impl Entry<'_> {
    /// The whole line.
    pub fn span(&self) -> Span {
        match self {
            Entry::Extended(ace) => ace.span,
            Entry::Standard(span, ..) | Entry::Remark(span) | Entry::Other(span) => *span,
        }
    }
}

/// What an access-list is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AclKind {
    /// `extended`.
    Extended,
    /// `standard`.
    Standard,
    /// `ethertype`.
    EtherType,
    /// `webtype`.
    WebType,
    /// The old `ipv6 access-list`.
    V6,
}

/// An access-list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acl<'a> {
    /// Its name, where it is first used.
    pub name: Named<'a>,
    /// Its kind; `None` while there are only remarks.
    pub kind: Option<AclKind>,
    /// The lines, in order.
    pub entries: Vec<Entry<'a>>,
    /// Some lines could not be read: what the list does is not known where they would stand.
    pub damaged: bool,
}

/// `object network`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkObject<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// Host, subnet, range or domain name; `None` where none is written or it could not be read.
    pub address: Option<Address<'a>>,
    /// Its own translation.
    pub nat: Option<ObjectNat<'a>>,
}

/// `object service`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceObject<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// What it stands for; `None` where none is written or it could not be read.
    pub service: Option<Service<'a>>,
}

/// What an object-group is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupKind {
    /// `network`.
    Network,
    /// `service`, with protocols in its elements.
    Service,
    /// `service NAME tcp`, `udp` or `tcp-udp`: ports only.
    Ports,
    /// `protocol`.
    Protocol,
    /// `icmp-type`.
    Icmp,
    /// `user`.
    User,
    /// `security`.
    Security,
    /// One that this program does not know, or that could not be read.
    Other,
}

/// One element of an object-group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Member<'a> {
    /// `network-object`.
    Address(Address<'a>),
    /// `service-object`, `protocol-object`, `icmp-object`, and `service-object object`.
    Service(Service<'a>),
    /// `port-object`.
    Ports(Ports<'a>),
    /// `group-object`.
    Group(Named<'a>),
    /// Users, security groups: never decided by the file.
    Identity,
}

/// `object-group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// Its kind.
    pub kind: GroupKind,
    /// Its elements with their lines.
    pub members: Vec<(Span, Member<'a>)>,
    /// Some elements could not be read.
    pub damaged: bool,
}

/// Which way an access-list is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Into the box.
    In,
    /// Out of the box.
    Out,
    /// To the box itself.
    ControlPlane,
}

/// `access-group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessGroup<'a> {
    /// The whole line.
    pub span: Span,
    /// The access-list.
    pub acl: Named<'a>,
    /// Which way.
    pub direction: Direction,
    /// Where; `None` is everywhere (`global`).
    pub interface: Option<Named<'a>>,
    /// `per-user-override`.
    pub per_user_override: bool,
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

/// The new source of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapped<'a> {
    /// An object, object-group or address.
    Address(Address<'a>),
    /// The address of the mapped interface.
    Interface,
    /// `pat-pool`, or another pool of many.
    Pool(Address<'a>),
}

/// `nat` within `object network`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectNat<'a> {
    /// The whole line.
    pub span: Span,
    /// Real and mapped interface; `None` is any.
    pub interfaces: (Option<Named<'a>>, Option<Named<'a>>),
    /// `dynamic`, not `static`.
    pub dynamic: bool,
    /// The mapped source.
    pub mapped: Mapped<'a>,
    /// `service` protocol, real port, mapped port.
    pub service: Option<(u8, u16, u16)>,
}

/// Twice NAT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TwiceNat<'a> {
    /// The whole line.
    pub span: Span,
    /// Real and mapped interface; `None` is any.
    pub interfaces: (Option<Named<'a>>, Option<Named<'a>>),
    /// `after-auto`: section 3.
    pub after_auto: bool,
    /// `dynamic`, not `static`.
    pub dynamic: bool,
    /// Real source.
    pub real: Address<'a>,
    /// Mapped source.
    pub mapped: Mapped<'a>,
    /// Mapped and real destination.
    pub destination: Option<(Mapped<'a>, Address<'a>)>,
    /// Service objects, as written; `any` is none.
    pub services: Option<(Option<Named<'a>>, Option<Named<'a>>)>,
    /// `unidirectional`.
    pub unidirectional: bool,
    /// `inactive`.
    pub inactive: bool,
}

/// `nat`, `global` and `static` of versions before 8.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OldNat<'a> {
    /// `nat (interface) id …`
    Nat {
        /// The whole line.
        span: Span,
        /// The real interface.
        interface: Named<'a>,
        /// The pool number; 0 is no translation.
        id: u32,
        /// Real addresses, or the access-list that selects the traffic.
        what: Result<Address<'a>, Named<'a>>,
    },
    /// `global (interface) id …`
    Global {
        /// The whole line.
        span: Span,
        /// The mapped interface.
        interface: Named<'a>,
        /// The pool number.
        id: u32,
        /// The pool.
        pool: Mapped<'a>,
    },
    /// `static (real,mapped) …`
    Static {
        /// The whole line.
        span: Span,
        /// Real and mapped interface.
        interfaces: (Named<'a>, Named<'a>),
        /// The mapped address.
        mapped: Mapped<'a>,
        /// The real address, or the access-list that tells it.
        real: Result<Host<'a>, Named<'a>>,
        /// The mask of both.
        mask: u32,
        /// Protocol, mapped port, real port.
        service: Option<(u8, u16, u16)>,
    },
}

/// What a class-map selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match<'a> {
    /// `any`.
    Any,
    /// `default-inspection-traffic`.
    Default,
    /// `access-list`.
    Acl(Named<'a>),
    /// `port tcp` or `udp`.
    Port(u8, Ports<'a>),
    /// Something that this program does not decide.
    Other(Span),
}

/// `class-map`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassMap<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// What it selects: all of these.
    pub matches: Vec<Match<'a>>,
}

/// One `inspect` line of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inspect<'a> {
    /// The whole line.
    pub span: Span,
    /// The engine: `h323 h225`, `sip` and so on.
    pub engine: &'a str,
    /// `no inspect`.
    pub negated: bool,
    /// The inspection policy-map.
    pub map: Option<Named<'a>>,
}

/// One class of a policy-map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyClass<'a> {
    /// The class-map.
    pub name: Named<'a>,
    /// Its inspections.
    pub inspects: Vec<Inspect<'a>>,
    /// `set connection advanced-options tcp-state-bypass`.
    pub tcp_state_bypass: Option<Span>,
}

/// `policy-map`, of layers 3 and 4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyMap<'a> {
    /// Its name.
    pub name: Named<'a>,
    /// Its classes, in order.
    pub classes: Vec<PolicyClass<'a>>,
}

/// `service-policy`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServicePolicy<'a> {
    /// The whole line.
    pub span: Span,
    /// The policy-map.
    pub policy: Named<'a>,
    /// Where; `None` is everywhere.
    pub interface: Option<Named<'a>>,
}

/// A service of the box itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BoxService {
    /// `telnet`.
    Telnet,
    /// `ssh`.
    Ssh,
    /// `http`: ASDM and the REST interface.
    Http,
    /// `snmp-server host` that may poll.
    Snmp,
}

impl BoxService {
    /// The command.
    pub fn command(self) -> &'static str {
        match self {
            BoxService::Telnet => "telnet",
            BoxService::Ssh => "ssh",
            BoxService::Http => "http",
            BoxService::Snmp => "snmp-server host",
        }
    }
}

/// A line that lets clients reach a service of the box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access<'a> {
    /// The whole line.
    pub span: Span,
    /// The service.
    pub service: BoxService,
    /// From where.
    pub from: Address<'a>,
    /// On which interface.
    pub interface: Named<'a>,
}

/// `icmp` and `ipv6 icmp`: ICMP to the box itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpRule<'a> {
    /// The whole line.
    pub span: Span,
    /// Permit or deny.
    pub action: Action,
    /// Whether it is `ipv6 icmp`.
    pub v6: bool,
    /// From where.
    pub from: Address<'a>,
    /// Type.
    pub icmp: Icmp<'a>,
    /// On which interface.
    pub interface: Named<'a>,
}

/// A listener of the box that the file switches on without saying for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener<'a> {
    /// The whole line.
    pub span: Span,
    /// What it is, as people say it.
    pub what: &'static str,
    /// On which interface; `None` is all.
    pub interface: Option<Named<'a>>,
    /// Protocol and destination ports; ports `(0, 65535)` where there are none.
    pub traffic: (u8, u16, u16),
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
    /// The system configuration of multiple context mode: traffic is decided in the contexts.
    pub system: bool,
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
    /// Twice NAT.
    pub nats: Vec<TwiceNat<'a>>,
    /// NAT of versions before 8.3.
    pub old_nats: Vec<OldNat<'a>>,
    /// `nat-control`.
    pub nat_control: Option<Span>,
    /// `same-security-traffic permit inter-interface`.
    pub inter_interface: Option<Span>,
    /// `same-security-traffic permit intra-interface`.
    pub intra_interface: Option<Span>,
    /// `no sysopt connection permit-vpn`.
    pub no_permit_vpn: Option<Span>,
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
    /// `established`.
    pub established: Vec<Span>,
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
