//! Access-lists, objects and object-groups.

use super::{Address, Named, ObjectNat, Ports, Service};
use crate::source::Span;

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
    /// Whether it is about the destination, and not the source.
    pub destination: bool,
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
    /// `ifc` before source and destination (FTD): the interfaces.
    pub ways: (Option<Named<'a>>, Option<Named<'a>>),
    /// The `rule-id` of a permit of FTD: Snort may still block what it lets pass.
    pub snort: Option<Named<'a>>,
    /// Users, user groups and security groups.
    pub identities: Vec<Identity<'a>>,
    /// `time-range`.
    pub time_range: Option<Named<'a>>,
    /// `inactive`.
    pub inactive: bool,
    /// A `no` of it that is written otherwise behind the ports: no document tells whether that takes it out.
    pub taken_back: Option<Named<'a>>,
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
    /// Of an EtherType list: an action, and whether it is about IPv4 and about IPv6.
    EtherType(Span, Action, (bool, bool)),
    /// Of a webtype list.
    WebType(Span),
    /// One that could not be read, with its text.
    Unread(Named<'a>),
}

impl Entry<'_> {
    /// The whole line.
    pub fn span(&self) -> Span {
        match self {
            Entry::Extended(ace) => ace.span,
            Entry::Standard(span, ..)
            | Entry::Remark(span)
            | Entry::EtherType(span, ..)
            | Entry::WebType(span) => *span,
            Entry::Unread(line) => line.span,
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
