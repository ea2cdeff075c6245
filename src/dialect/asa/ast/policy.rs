//! Inspections, and services of the box itself.

use super::{Action, Address, Icmp, Named, Ports};
use crate::source::Span;

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
    /// Who comes has to prove who he is, and nobody reads along: SNMP of version 3.
    pub secure: bool,
}

/// What lets others read along when the box is managed, or get in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClearText {
    /// `ssh version 1`
    FirstSsh,
    /// `snmp-server community public`, or `private`.
    KnownCommunity,
}

impl ClearText {
    /// The command that says so.
    pub fn command(self) -> &'static str {
        match self {
            ClearText::FirstSsh => "ssh",
            ClearText::KnownCommunity => "snmp-server",
        }
    }
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
