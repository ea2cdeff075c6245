//! What a selector looks at, as the model has it.

use super::Lower;
use super::context::Context;
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::{Eval, Fault, Spec};
use crate::dialect::nftables::headers::{Header, HeaderField, Seen};
use crate::dialect::nftables::syntax::{
    BinOp, CtDir, CtKey, Expr, ExprKind, MetaKey, RawBase, Selector, TableFamily,
};
use crate::dialect::nftables::types::Type;
use crate::model::{Test, Values};
use crate::packet::{Family, Field, State, interface};

/// Where a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum View {
    /// A field of the model.
    Field(Field),
    /// A field of the model under other numbers: pairs of nft's number and the model's.
    Coded(Field, &'static [(u128, u128)]),
    /// A field that is larger by this much.
    Plus(Field, u128),
    /// Zero, but for the bits of the mask, which are open.
    Whole(u128),
    /// The first next-header number of IPv6.
    FirstNextHeader,
    /// Bits of [`Field::Ext`]: 1 where any of them is set, else 0.
    Extension(u128),
    /// The status of the connection.
    Status,
    /// The kind of an address: source or destination.
    AddressType(bool),
    /// Nothing that the model has: the name of the condition, and whether it is one that no file
    /// tells, rather than one that the model has no field for.
    Unknown(String, bool),
}

/// A selector with what has to hold before it is read.
#[derive(Clone, PartialEq, Debug)]
pub struct Lens {
    /// Tests that the packet has the field at all, beyond those of the context.
    pub presence: Vec<Test>,
    /// Where the value is.
    pub view: View,
    /// Its type and width.
    pub spec: Spec,
    /// Bits that are kept.
    pub mask: u128,
    /// Bits that are turned over then.
    pub flip: u128,
    /// Places that the value is moved to the right then; to the left where negative.
    pub shift: i32,
}

impl Lens {
    fn new(view: View, kind: Type, bits: u32) -> Lens {
        let spec = Spec { kind, bits };
        Lens { presence: Vec::new(), view, spec, mask: spec.last(), flip: 0, shift: 0 }
    }

    /// Whether the value is looked at as it is.
    pub fn is_plain(&self) -> bool {
        self.mask == self.spec.last() && self.flip == 0 && self.shift == 0
    }
}

/// `ct state` bits and the model's states.
pub const STATES: &[(u128, u128)] = &[
    (1, State::Invalid as u128),
    (2, State::Established as u128),
    (4, State::Related as u128),
    (8, State::New as u128),
    (64, State::Untracked as u128),
];
const NFPROTO: &[(u128, u128)] = &[(2, 4), (10, 6)];
const ETHERTYPE: &[(u128, u128)] = &[(0x0800, 4), (0x86dd, 6)];
const VERSION: &[(u128, u128)] = &[(4, 4), (6, 6)];
const PKTTYPE: &[(u128, u128)] = &[(0, 0), (1, 1), (2, 2)];

/// A condition that the model has no field for.
fn unmodelled(name: impl Into<String>) -> View {
    View::Unknown(name.into(), false)
}

impl Lower<'_> {
    /// The lens of an expression; needs of protocol and family go into the context.
    pub(super) fn lens(&mut self, cx: &mut Context, expr: &Expr) -> Eval<Lens> {
        let expr = plain(expr);
        match &expr.kind {
            ExprKind::Header(field) => self.header(cx, field, expr),
            ExprKind::Meta(MetaKey::NfProto) if matches!(cx.family, TableFamily::Ip | TableFamily::Ip6) => {
                let message = format!("`meta nfproto` in a table of the family `{}`", cx.family.name());
                Err(Fault::Refused(expr.span, message))
            }
            ExprKind::Meta(key) => Ok(self.meta(*key)),
            ExprKind::Ct(key, dir) => self.ct(cx, *key, *dir, expr),
            ExprKind::Other(selector) => self.selector(cx, selector, expr),
            ExprKind::Binary(op, sides) => self.masked(cx, *op, &sides.0, &sides.1),
            ExprKind::Map(_) => Ok(Lens::new(unmodelled("a value from a map"), Type::Integer, 0)),
            _ => Err(Fault::Refused(expr.span, "expected something that a packet has".to_string())),
        }
    }

    /// The lenses of a key. Beside what a packet has, a key of several parts may hold constants.
    pub(super) fn key_lenses(&mut self, cx: &mut Context, key: &Expr) -> Eval<Vec<Lens>> {
        let parts = match &key.kind {
            ExprKind::Concat(parts) => &parts[..],
            _ => std::slice::from_ref(key),
        };
        let constant = || Lens::new(unmodelled("a constant in a key"), Type::Integer, 0);
        let several = parts.len() > 1;
        parts
            .iter()
            .map(|part| if several && !is_selector(part) { Ok(constant()) } else { self.lens(cx, part) })
            .collect()
    }

    fn masked(&mut self, cx: &mut Context, op: BinOp, left: &Expr, right: &Expr) -> Eval<Lens> {
        let mut lens = self.lens(cx, left)?;
        if matches!(lens.spec.kind, Type::IfName | Type::Str) {
            return Err(Fault::Refused(left.span, "a bit operator on text".to_string()));
        }
        let spec = if matches!(op, BinOp::Shl | BinOp::Shr) {
            Spec { kind: Type::Integer, bits: 0 }
        } else {
            lens.spec
        };
        let value = match self.values.exact(right, spec) {
            Ok(value) => value,
            Err(Fault::Refused(..)) if is_selector(right) => {
                self.lens(cx, right)?;
                lens.view = unmodelled("bits of two fields");
                return Ok(lens);
            }
            Err(fault) => return Err(fault),
        };
        let moved = |value: u128| match lens.shift {
            n if n >= 0 => value.checked_shl(n as u32).unwrap_or(0) & spec.last(),
            n => value.checked_shr(n.unsigned_abs()).unwrap_or(0),
        };
        match op {
            BinOp::And => {
                lens.mask &= moved(value);
                lens.flip &= moved(value);
            }
            BinOp::Or => {
                lens.mask &= !moved(value);
                lens.flip = (lens.flip & !moved(value)) | moved(value);
            }
            BinOp::Xor => lens.flip ^= moved(value),
            BinOp::Shr => lens.shift += value.min(128) as i32,
            BinOp::Shl => {
                lens.shift -= value.min(128) as i32;
                let kept = lens.spec.last().checked_shr(value.min(128) as u32).unwrap_or(0);
                lens.mask &= kept;
                lens.flip &= kept;
            }
        }
        Ok(lens)
    }

    fn header(&mut self, cx: &mut Context, field: &HeaderField, expr: &Expr) -> Eval<Lens> {
        self.require_header(cx, field.header, expr)?;
        let name = format!("{} {}", field.header.name(), field.name);
        let view = match field.seen {
            Seen::As(field) => View::Field(field),
            Seen::Plus(field, more) => View::Plus(field, more.into()),
            Seen::Version => View::Coded(Field::Version, VERSION),
            Seen::FirstNextHeader => View::FirstNextHeader,
            Seen::AnyPort(port) => {
                if cx.has_ports() {
                    View::Field(port)
                } else {
                    cx.split_ports();
                    if cx.without_ports() { View::Unknown(name, true) } else { View::Field(port) }
                }
            }
            Seen::Whole(mask) => View::Whole(mask.into()),
            Seen::Not => unmodelled(name),
        };
        let mut lens = Lens::new(view, field.kind, field.bits);
        if field.header == Header::Ether {
            // The link-layer header is there where a frame came in by something other than loopback.
            let lo =
                self.builder.values(crate::packet::Set::of([(0, 0), (interface("lo"), interface("lo"))]));
            lens.presence.push(Test::In { field: Field::Iif, values: lo, negate: true });
        }
        match field.header.extension() {
            Some(_) if field.header == Header::Frag && self.whole => lens.presence.push(Test::Never),
            Some(bits) => lens.presence.push(self.extension(bits, false)),
            None => {}
        }
        Ok(lens)
    }

    /// Whether one of the extension headers is there.
    pub(super) fn extension(&mut self, bits: u128, absent: bool) -> Test {
        let mask = self.builder.mask(bits);
        Test::Masked { field: Field::Ext, mask, values: Values::Range(0, 0), negate: !absent }
    }

    fn require_header(&mut self, cx: &mut Context, header: Header, expr: &Expr) -> Eval<()> {
        let conflict = |what: &str| {
            let message = format!("`{}` in a rule that is about {what}", header.name());
            Err(Fault::Refused(expr.span, message))
        };
        let version = match header {
            Header::Ip => Some(Family::V4),
            Header::Ip6 => Some(Family::V6),
            Header::Icmp if cx.version().is_none() => Some(Family::V4),
            Header::Icmp6 if cx.version().is_none() => Some(Family::V6),
            _ if header.extension().is_some() || header == Header::Mh => Some(Family::V6),
            Header::Arp
                if !matches!(cx.family, TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev) =>
            {
                return conflict("IP packets");
            }
            _ => None,
        };
        if let Some(version) = version
            && !cx.require_version(version)
        {
            return conflict(if version == Family::V4 { "IPv6 packets" } else { "IPv4 packets" });
        }
        if let Some(protocol) = header.protocol()
            && !cx.require_protocol(protocol)
        {
            return conflict("another protocol");
        }
        Ok(())
    }

    fn meta(&mut self, key: MetaKey) -> Lens {
        let (view, kind, bits) = match key {
            MetaKey::Length => (View::Field(Field::Length), Type::Integer, 32),
            MetaKey::Protocol => (View::Coded(Field::Version, ETHERTYPE), Type::EtherType, 16),
            MetaKey::NfProto => (View::Coded(Field::Version, NFPROTO), Type::NfProto, 8),
            MetaKey::L4Proto => (View::Field(Field::Proto), Type::Proto, 8),
            MetaKey::Mark => (View::Field(Field::Mark), Type::Mark, 32),
            MetaKey::Iif => (View::Field(Field::Iif), Type::IfIndex, 128),
            MetaKey::Oif => (View::Field(Field::Oif), Type::IfIndex, 128),
            MetaKey::IifName => (View::Field(Field::Iif), Type::IfName, 128),
            MetaKey::OifName => (View::Field(Field::Oif), Type::IfName, 128),
            MetaKey::PktType => (View::Coded(Field::PktType, PKTTYPE), Type::PktType, 8),
            MetaKey::IifType | MetaKey::OifType => {
                (View::Unknown("the kind of an interface".into(), true), Type::IfType, 16)
            }
            MetaKey::SkUid => (View::Unknown("the user of a socket".into(), true), Type::Uid, 32),
            MetaKey::SkGid => (View::Unknown("the group of a socket".into(), true), Type::Gid, 32),
            MetaKey::Time => (View::Unknown("time".into(), true), Type::Time, 64),
            MetaKey::Day => (View::Unknown("time".into(), true), Type::Day, 8),
            MetaKey::Hour => (View::Unknown("time".into(), true), Type::Hour, 32),
            MetaKey::IifGroup | MetaKey::OifGroup => {
                (View::Unknown("the group of an interface".into(), true), Type::DevGroup, 32)
            }
            MetaKey::IpSec | MetaKey::SecPath => (View::Unknown("ipsec".into(), true), Type::Boolean, 8),
            MetaKey::Broute => (unmodelled("meta broute"), Type::Boolean, 1),
            MetaKey::Priority => (unmodelled("meta priority"), Type::ClassId, 32),
            MetaKey::RtClassId => (unmodelled("meta rtclassid"), Type::Realm, 32),
            MetaKey::Secmark => (unmodelled("meta secmark"), Type::Integer, 32),
            MetaKey::BriIif
            | MetaKey::BriOif
            | MetaKey::BriIifName
            | MetaKey::BriOifName
            | MetaKey::SdifName
            | MetaKey::IifKind
            | MetaKey::OifKind => (unmodelled(format!("meta {}", key.name())), Type::IfName, 128),
            MetaKey::Sdif => (unmodelled("meta sdif"), Type::IfIndex, 128),
            MetaKey::BriIifVproto => (unmodelled("meta ibrvproto"), Type::EtherType, 16),
            MetaKey::BriHwAddr => (unmodelled("meta ibrhwaddr"), Type::EtherAddr, 48),
            MetaKey::Random | MetaKey::NfTrace | MetaKey::Cpu | MetaKey::Cgroup | MetaKey::BriIifPvid => {
                (View::Unknown(format!("meta {}", key.name()), true), Type::Integer, 32)
            }
        };
        Lens::new(view, kind, bits)
    }

    fn ct(&mut self, cx: &mut Context, key: CtKey, dir: CtDir, expr: &Expr) -> Eval<Lens> {
        let tracked = Test::In { field: Field::Direction, values: Values::Range(0, 1), negate: false };
        let first = dir == CtDir::Original;
        let other = || View::Unknown(format!("ct {}", key.name()), true);
        let (view, kind, bits) = match key {
            CtKey::State => return Ok(Lens::new(View::Coded(Field::State, STATES), Type::CtState, 32)),
            CtKey::Mark => return Ok(Lens::new(View::Field(Field::CtMark), Type::Mark, 32)),
            CtKey::Direction => (View::Field(Field::Direction), Type::CtDir, 8),
            CtKey::Status => (View::Status, Type::CtStatus, 32),
            CtKey::L3Proto => (View::Coded(Field::Version, NFPROTO), Type::NfProto, 8),
            CtKey::Protocol => (View::Field(Field::Proto), Type::Proto, 8),
            CtKey::Saddr
            | CtKey::Daddr
            | CtKey::IpSaddr
            | CtKey::IpDaddr
            | CtKey::Ip6Saddr
            | CtKey::Ip6Daddr => {
                return self.ct_address(cx, key, dir, expr, tracked);
            }
            CtKey::ProtoSrc | CtKey::ProtoDst => {
                let port = if key == CtKey::ProtoSrc { Field::OrigSport } else { Field::OrigDport };
                let has_ports = cx.has_ports() || {
                    cx.split_ports();
                    !cx.without_ports()
                };
                (if first && has_ports { View::Field(port) } else { other() }, Type::Service, 16)
            }
            CtKey::Helper => {
                // Only a connection that another one announced has a master whose helper is looked at.
                let new = self.builder.range(State::New as u128, State::New as u128);
                let mut lens = Lens::new(View::Unknown("ct helper".into(), true), Type::Str, 0);
                lens.presence.push(Test::In { field: Field::State, values: new, negate: true });
                lens.presence.push(tracked);
                return Ok(lens);
            }
            CtKey::Label => (other(), Type::CtLabel, 128),
            CtKey::Event => (other(), Type::CtEvent, 32),
            CtKey::Expiration => (other(), Type::Time, 64),
            CtKey::Zone => (other(), Type::Integer, 16),
            CtKey::Id | CtKey::Secmark => (other(), Type::Integer, 32),
            CtKey::Bytes | CtKey::Packets | CtKey::AvgPkt => {
                (View::Unknown("traffic of a connection".into(), true), Type::Integer, 64)
            }
        };
        let mut lens = Lens::new(view, kind, bits);
        lens.presence.push(tracked);
        Ok(lens)
    }

    fn ct_address(
        &mut self,
        cx: &mut Context,
        key: CtKey,
        dir: CtDir,
        expr: &Expr,
        tracked: Test,
    ) -> Eval<Lens> {
        let refuse = |message: &str| Err(Fault::Refused(expr.span, message.to_string()));
        if dir == CtDir::None {
            return refuse("addresses of a connection need `original` or `reply`");
        }
        let version = match key {
            CtKey::IpSaddr | CtKey::IpDaddr => Family::V4,
            CtKey::Ip6Saddr | CtKey::Ip6Daddr => Family::V6,
            _ => match cx.version() {
                Some(version) => version,
                None => return refuse("say `ip` or `ip6` for the address of a connection"),
            },
        };
        if !cx.require_version(version) {
            return refuse("the address of a connection of another family");
        }
        let source = matches!(key, CtKey::Saddr | CtKey::IpSaddr | CtKey::Ip6Saddr);
        let field = match (version, source) {
            (Family::V4, true) => Field::OrigSrc4,
            (Family::V4, false) => Field::OrigDst4,
            (Family::V6, true) => Field::OrigSrc6,
            (Family::V6, false) => Field::OrigDst6,
        };
        let kind = if version == Family::V4 { Type::Ipv4Addr } else { Type::Ipv6Addr };
        let view = if dir == CtDir::Original {
            View::Field(field)
        } else {
            View::Unknown("ct reply address".into(), true)
        };
        let mut lens = Lens::new(view, kind, version.bits());
        lens.presence.push(tracked);
        Ok(lens)
    }

    fn selector(&mut self, cx: &mut Context, selector: &Selector, expr: &Expr) -> Eval<Lens> {
        Ok(match selector {
            Selector::Raw { base, offset, len } => self.raw(cx, *base, *offset, *len),
            Selector::ExtHeader(field) => {
                self.require_header(cx, field.header, expr)?;
                let view = match field.header.extension() {
                    Some(_) if field.header == Header::Frag && self.whole => View::Whole(0),
                    Some(bits) => View::Extension(bits),
                    None => unmodelled("exthdr mh"),
                };
                Lens::new(view, Type::Boolean, 1)
            }
            Selector::TcpOption { option, field } => {
                self.require_header(cx, Header::Tcp, expr)?;
                match (&**option, field.as_deref()) {
                    ("maxseg", Some("size")) => Lens::new(View::Field(Field::TcpMss), Type::Integer, 16),
                    (_, None) => Lens::new(unmodelled(format!("tcp option {option}")), Type::Boolean, 1),
                    (_, Some(field)) => {
                        Lens::new(unmodelled(format!("tcp option {option} {field}")), Type::Integer, 0)
                    }
                }
            }
            Selector::HeaderOption { kind, name, field } => {
                let header = match *kind {
                    "ip option" => Header::Ip,
                    "sctp chunk" => Header::Sctp,
                    _ => Header::Dccp,
                };
                self.require_header(cx, header, expr)?;
                match field {
                    None => Lens::new(unmodelled(format!("{kind} {name}")), Type::Boolean, 1),
                    Some(field) => Lens::new(unmodelled(format!("{kind} {name} {field}")), Type::Integer, 0),
                }
            }
            Selector::Inner { tunnel, field } => {
                let spec = match &plain(field).kind {
                    ExprKind::Header(field) => (field.kind, field.bits),
                    _ => (Type::Integer, 0),
                };
                let protocol = if matches!(*tunnel, "vxlan" | "geneve") { 17 } else { 47 };
                cx.require_protocol(protocol);
                Lens::new(unmodelled(format!("what is inside {tunnel}")), spec.0, spec.1)
            }
            Selector::Fib { flags, result } => self.fib(flags, result),
            Selector::Route { key, family } => {
                let (kind, bits) = match (*key, family.or(Some(cx.family))) {
                    ("classid", _) => (Type::Realm, 32),
                    ("mtu", _) => (Type::Integer, 16),
                    ("ipsec", _) => (Type::Boolean, 8),
                    (_, Some(TableFamily::Ip6)) => (Type::Ipv6Addr, 128),
                    _ => (Type::Ipv4Addr, 32),
                };
                let name = if *key == "ipsec" { "ipsec" } else { "the route" };
                Lens::new(View::Unknown(name.into(), true), kind, bits)
            }
            Selector::Socket(key) => {
                let (kind, bits) = match *key {
                    "mark" => (Type::Mark, 32),
                    "cgroupv2" => (Type::CgroupV2, 64),
                    _ => (Type::Integer, 8),
                };
                Lens::new(View::Unknown("the socket of a packet".into(), true), kind, bits)
            }
            Selector::Osf => {
                Lens::new(View::Unknown("the sender's operating system".into(), true), Type::Str, 0)
            }
            Selector::Ipsec(key) => {
                let (kind, bits) = match *key {
                    "spi" | "reqid" => (Type::Integer, 32),
                    _ if cx.version() == Some(Family::V6) => (Type::Ipv6Addr, 128),
                    _ => (Type::Ipv4Addr, 32),
                };
                Lens::new(View::Unknown("ipsec".into(), true), kind, bits)
            }
            Selector::Numgen { .. } => {
                Lens::new(View::Unknown("a number that counts or is drawn".into(), true), Type::Integer, 32)
            }
            Selector::Hash { .. } => Lens::new(View::Unknown("a hash".into(), true), Type::Integer, 32),
        })
    }

    fn fib(&mut self, flags: &[&'static str], result: &str) -> Lens {
        if result == "type" {
            return match flags {
                ["saddr"] => Lens::new(View::AddressType(true), Type::FibType, 32),
                ["daddr"] => Lens::new(View::AddressType(false), Type::FibType, 32),
                _ => Lens::new(
                    View::Unknown("the type of an address on an interface".into(), true),
                    Type::FibType,
                    32,
                ),
            };
        }
        let name = if flags.contains(&"saddr") { "the way back to the source" } else { "the route" };
        let kind = match result {
            "oif" => Type::IfIndex,
            "check" => Type::Boolean,
            _ => Type::IfName,
        };
        Lens::new(View::Unknown(name.into(), true), kind, 128)
    }

    /// Raw payload, where it is a field that the model has.
    fn raw(&mut self, cx: &mut Context, base: RawBase, offset: u32, len: u32) -> Lens {
        let known = match (base, cx.version(), offset, len) {
            (RawBase::Network, Some(Family::V4), 64, 8) => Some(Field::Ttl),
            (RawBase::Network, Some(Family::V4), 72, 8) => Some(Field::Proto),
            (RawBase::Network, Some(Family::V4), 96, 32) => Some(Field::Src4),
            (RawBase::Network, Some(Family::V4), 128, 32) => Some(Field::Dst4),
            (RawBase::Network, Some(Family::V6), 56, 8) => Some(Field::Ttl),
            (RawBase::Network, Some(Family::V6), 64, 128) => Some(Field::Src6),
            (RawBase::Network, Some(Family::V6), 192, 128) => Some(Field::Dst6),
            (RawBase::Transport, _, 0, 16) if cx.has_ports() => Some(Field::Sport),
            (RawBase::Transport, _, 16, 16) if cx.has_ports() => Some(Field::Dport),
            (RawBase::Transport, _, 104, 8) if cx.is_protocol(6) => Some(Field::TcpFlags),
            (RawBase::Transport, _, 0, 8) if cx.is_protocol(1) || cx.is_protocol(58) => Some(Field::IcmpType),
            (RawBase::Transport, _, 8, 8) if cx.is_protocol(1) || cx.is_protocol(58) => Some(Field::IcmpCode),
            _ => None,
        };
        let view = known.map_or_else(|| unmodelled("raw payload"), View::Field);
        Lens::new(view, Type::Integer, len)
    }
}

/// Whether an expression looks at the packet anywhere.
pub fn is_selector(expr: &Expr) -> bool {
    match &plain(expr).kind {
        ExprKind::Header(_)
        | ExprKind::Meta(_)
        | ExprKind::Ct(..)
        | ExprKind::Other(_)
        | ExprKind::Map(_) => true,
        ExprKind::Binary(_, sides) => is_selector(&sides.0) || is_selector(&sides.1),
        ExprKind::Concat(parts) => parts.iter().any(is_selector),
        _ => false,
    }
}
