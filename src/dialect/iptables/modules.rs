//! The matches and targets of iptables-extensions(8), version 1.8.9, with their options.
//!
//! The table says for each option how many words it takes, so that words are never mistaken for
//! options or the reverse, and what its value means ([`Val`]); options whose value does not matter
//! are [`Val::Skip`].

mod list;

pub(super) use self::list::ALL;

use super::ast::{ANY_HOOK, Hook, TableName};
use crate::dialect::names::proto;
use crate::packet::{Family, Field};

/// What the value of an option is. The parser of values is in [`super::matches`] and [`super::targets`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Val {
    /// Read over.
    Skip,
    /// A zone of connection tracking.
    Zone,
    /// Asks for something that the model has not.
    Beyond,
    /// One number of a field that the model has.
    Number(Field),
    /// A number, or a range of them, of a field that the model has.
    Range(Field),
    Sport,
    Dport,
    TcpFlags,
    Syn,
    TcpOption,
    Mss,
    Icmp,
    SourcePorts,
    DestinationPorts,
    EitherPorts,
    SrcRange,
    DstRange,
    State,
    CtState,
    CtProto,
    CtOrigSrc,
    CtOrigDst,
    CtReplSrc,
    CtReplDst,
    CtOrigSrcPort,
    CtOrigDstPort,
    CtReplSrcPort,
    CtReplDstPort,
    CtStatus,
    CtExpire,
    CtDir,
    Mark,
    ConnMark,
    MatchSet,
    ReturnNomatch,
    SetCounter,
    Mac,
    IsBridged,
    SrcType,
    DstType,
    LimitIn,
    /// `--connbytes FROM:TO`.
    ConnBytes,
    /// `--hitcount`.
    HitCount,
    /// Turns the module's answer round.
    Invert,
    /// Holds within the rate.
    Upto,
    /// Holds beyond the rate.
    Above,
    /// IP options that are there, or with `!` not.
    IpOptions,
    /// No source routing.
    NoIpOptions,
    LimitOut,
    PktType,
    Length,
    TtlLt,
    TtlGt,
    DscpClass,
    Tos,
    EcnCwr,
    EcnEce,
    Header,
    Soft,
    Helper,
    Owner,
    RecentSet,
    PolicyDir,
    LogLevel,
    ClampMss,
    EcnRemove,
    RejectWith,
    ToDestination,
    ToSource,
    ToPorts,
    Random,
    Netmap,
    SetXmark,
    SetMark,
    AndMark,
    OrMark,
    XorMark,
    SaveMark,
    RestoreMark,
    MarkMask,
    NfMask,
    CtMask,
    NoTrack,
    CtHelper,
    TproxyPort,
    TproxyIp,
    TproxyMark,
    SetTtl,
    SetDscp,
    SetDscpClass,
    AddSet,
    MapSet,
    MapMark,
}

/// One option of a module.
#[derive(Debug)]
pub(super) struct Opt {
    /// The name without its dashes.
    pub name: &'static str,
    /// How many words follow.
    pub args: u8,
    /// `!` may stand before it.
    pub negatable: bool,
    /// It may be given more than once.
    pub repeats: bool,
    /// What its value is.
    pub val: Val,
}

/// A match or a target.
#[derive(Debug)]
pub(super) struct Module {
    /// The name after `-m` or `-j`.
    pub name: &'static str,
    /// A target if true.
    pub target: bool,
    /// The family that has it; `None` for both.
    pub family: Option<Family>,
    /// The protocols of which `-p` must name one; empty where any does.
    pub protocols: &'static [u8],
    /// Tables in which the kernel takes it, one bit each.
    pub tables: u8,
    /// Hooks at which the kernel takes it, one bit each.
    pub hooks: u8,
    /// The options.
    pub options: &'static [Opt],
    /// At least one option has to be given.
    pub needs_option: bool,
    /// The option that has to be given; empty where none has.
    pub must: &'static str,
    /// Options of which one has to be given.
    pub one_of: &'static [&'static str],
    /// And of which no two may be.
    pub exclusive: bool,
    /// What it does besides its options.
    pub kind: Kind,
}

/// What a module does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// All is said by the options.
    Options,
    /// Says nothing about the packet.
    Nothing,
    /// A condition that the file does not answer.
    Open(Openness),
    /// Address types.
    AddrType,
    /// `ipv6header`.
    Ipv6Header,
    /// The presence of an IPv6 header.
    Header(super::ast::Header),
    /// `conntrack`.
    Connection,
    /// `owner`.
    Owner,
    /// `set`.
    Set,
    /// `physdev`.
    Physdev,
    /// `REJECT`.
    Reject,
    /// `NFQUEUE`, `QUEUE`.
    Queue,
    /// `DNAT`.
    Dnat,
    /// `SNAT`.
    Snat,
    /// `MASQUERADE`.
    Masquerade,
    /// `REDIRECT`.
    Redirect,
    /// `NETMAP`.
    Netmap,
    /// `MARK`.
    Mark,
    /// `CONNMARK`.
    ConnMark,
    /// `CT`.
    Ct,
    /// `NOTRACK`.
    NoTrack,
    /// `TPROXY`.
    Tproxy,
    /// `TTL`, `HL`.
    Ttl,
    /// `DSCP`, `TOS`.
    Dscp,
    /// `HMARK`.
    Hmark,
    /// `TCPMSS`.
    TcpMss,
    /// `DNPT`, `SNPT`: destination if true.
    Npt(bool),
    /// `SET`.
    SetTarget,
    /// A target that is not modelled.
    Undefined,
}

/// What is known of a module's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Openness {
    /// Nothing; `!` before its option turns all of it round.
    Chance,
    /// Nothing; each option has a `!` of its own.
    Options,
    /// It is the same for all packets (`time`).
    Global,
    /// What it says as long as the rate is kept, unless its options say otherwise.
    Rate(bool),
    /// `recent`.
    Recent,
    /// What it says of packets of honest senders, unless its options say otherwise.
    Forgery(bool),
}

const ANY: u8 = 0b1_1111;
const MANGLE: u8 = 1 << TableName::Mangle as u8;
const RAW: u8 = 1 << TableName::Raw as u8;
const NAT: u8 = 1 << TableName::Nat as u8;
pub(super) const FILTER: u8 = 1 << TableName::Filter as u8;
const SECURITY: u8 = 1 << TableName::Security as u8;

pub(super) const PRE: u8 = 1 << Hook::Prerouting as u8;
pub(super) const IN: u8 = 1 << Hook::Input as u8;
pub(super) const FWD: u8 = 1 << Hook::Forward as u8;
pub(super) const OUT: u8 = 1 << Hook::Output as u8;
pub(super) const POST: u8 = 1 << Hook::Postrouting as u8;

const PORTS: &[u8] = &[proto::TCP, proto::UDP, proto::UDPLITE, proto::SCTP, proto::DCCP];

/// An option that takes `!`.
const fn n(name: &'static str, args: u8, val: Val) -> Opt {
    Opt { name, args, negatable: true, repeats: false, val }
}

/// An option that takes no `!`.
const fn o(name: &'static str, args: u8, val: Val) -> Opt {
    Opt { name, args, negatable: false, repeats: false, val }
}

/// An option that may be repeated.
const fn r(name: &'static str, args: u8, val: Val) -> Opt {
    Opt { name, args, negatable: true, repeats: true, val }
}

const fn module(name: &'static str, target: bool, options: &'static [Opt], kind: Kind) -> Module {
    Module {
        name,
        target,
        family: None,
        protocols: &[],
        tables: ANY,
        hooks: ANY_HOOK,
        options,
        needs_option: false,
        must: "",
        one_of: &[],
        exclusive: false,
        kind,
    }
}

const fn m(name: &'static str, options: &'static [Opt], kind: Kind) -> Module {
    module(name, false, options, kind)
}

const fn t(name: &'static str, options: &'static [Opt], kind: Kind) -> Module {
    module(name, true, options, kind)
}

impl Module {
    const fn v4(mut self) -> Self {
        self.family = Some(Family::V4);
        self
    }
    const fn v6(mut self) -> Self {
        self.family = Some(Family::V6);
        self
    }
    const fn proto(mut self, protocols: &'static [u8]) -> Self {
        self.protocols = protocols;
        self
    }
    const fn tables(mut self, tables: u8) -> Self {
        self.tables = tables;
        self
    }
    const fn hooks(mut self, hooks: u8) -> Self {
        self.hooks = hooks;
        self
    }
    const fn any_of(mut self, options: &'static [&'static str]) -> Self {
        self.one_of = options;
        self
    }
    const fn one_of(mut self, options: &'static [&'static str]) -> Self {
        self.one_of = options;
        self.exclusive = true;
        self
    }
    const fn must(mut self, option: &'static str) -> Self {
        self.must = option;
        self
    }
    const fn needs(mut self) -> Self {
        self.needs_option = true;
        self
    }
}

/// The index in [`ALL`] of a match or target of a family.
pub(super) fn find(name: &str, target: bool, family: Family) -> Option<u8> {
    // The common ones of big dumps stand first.
    ALL.iter()
        .position(|m| {
            m.name.len() == name.len()
                && m.name == name
                && m.target == target
                && m.family.is_none_or(|f| f == family)
        })
        .map(|at| at as u8)
}

/// The match that `-p` brings in when an option is not known otherwise.
pub(super) fn of_protocol(protocol: u8, family: Family) -> Option<u8> {
    let name = match protocol {
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::ICMP => "icmp",
        proto::ICMPV6 => "icmp6",
        proto::SCTP => "sctp",
        proto::DCCP => "dccp",
        proto::ESP => "esp",
        proto::AH => "ah",
        proto::MH => "mh",
        _ => return None,
    };
    find(name, false, family)
}
