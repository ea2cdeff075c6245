//! What a selector looks at, as the model has it.

use std::fmt::Write as _;
use std::rc::Rc;

use super::Lower;
use super::conditions::{Hidden, On, address_fields};
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
    /// Nothing that the model has.
    Hidden(Rc<Hidden>),
    /// Whether packets of a protocol have a part that is hidden: 1, else and for other protocols 0.
    PartOf(u8, Rc<Hidden>),
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

    /// A value of a type, as it is.
    pub fn of_type(kind: Type) -> Lens {
        Lens::new(View::Whole(u128::MAX), kind, kind.bits())
    }

    /// Whether the value is looked at as it is.
    pub fn is_plain(&self) -> bool {
        self.mask == self.spec.last() && self.flip == 0 && self.shift == 0
    }

    /// What is shown of a value.
    pub fn shows(&self, value: u128) -> u128 {
        shift((value & self.mask) ^ self.flip, self.shift)
    }

    /// The operators between the value and what is shown, as they are written; nothing where there are none.
    pub fn transform(&self) -> String {
        let mut text = String::new();
        if self.mask != self.spec.last() {
            let _ = write!(text, " & {:#x}", self.mask);
        }
        if self.flip != 0 {
            let _ = write!(text, " ^ {:#x}", self.flip);
        }
        match self.shift {
            0 => {}
            n if n > 0 => drop(write!(text, " >> {n}")),
            n => drop(write!(text, " << {}", n.unsigned_abs())),
        }
        text
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

/// A part of a packet that the model has no field for.
fn unmodelled(name: impl Into<String>) -> View {
    hidden(Hidden::unmodelled(name))
}

fn hidden(hidden: Hidden) -> View {
    View::Hidden(Rc::new(hidden))
}

/// Moves a value to the right, or to the left where negative.
pub fn shift(value: u128, places: i32) -> u128 {
    match places {
        n if n >= 0 => value.checked_shr(n as u32).unwrap_or(0),
        n => value.checked_shl(n.unsigned_abs()).unwrap_or(0),
    }
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
            Seen::EtherType => View::Coded(Field::Version, ETHERTYPE),
            Seen::FirstNextHeader => View::FirstNextHeader,
            Seen::AnyPort(port) => {
                if cx.has_ports() {
                    View::Field(port)
                } else {
                    cx.split_ports();
                    if cx.without_ports() {
                        hidden(Hidden { outside: true, ..Hidden::unmodelled(name) })
                    } else {
                        View::Field(port)
                    }
                }
            }
            Seen::Whole(mask) => View::Whole(mask.into()),
            // No honest sender makes what has these headers.
            Seen::Not if field.header.extension().is_some() || field.header == Header::Mh => {
                hidden(Hidden { on: On::Forged, ..Hidden::unmodelled(name) })
            }
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
            key => return self.hidden_meta(key),
        };
        Lens::new(view, kind, bits)
    }

    /// What the model has no field for.
    fn hidden_meta(&mut self, key: MetaKey) -> Lens {
        let (kind, bits) = match key {
            MetaKey::IifType | MetaKey::OifType => (Type::IfType, 16),
            MetaKey::SkUid => (Type::Uid, 32),
            MetaKey::SkGid => (Type::Gid, 32),
            MetaKey::Time => (Type::Time, 64),
            MetaKey::Day => (Type::Day, 8),
            MetaKey::Hour => (Type::Hour, 32),
            MetaKey::IifGroup | MetaKey::OifGroup => (Type::DevGroup, 32),
            MetaKey::IpSec | MetaKey::SecPath => (Type::Boolean, 1),
            MetaKey::Broute => (Type::Boolean, 1),
            MetaKey::Priority => (Type::ClassId, 32),
            MetaKey::RtClassId => (Type::Realm, 32),
            MetaKey::BriIif
            | MetaKey::BriOif
            | MetaKey::BriIifName
            | MetaKey::BriOifName
            | MetaKey::SdifName
            | MetaKey::IifKind
            | MetaKey::OifKind => (Type::IfName, 128),
            MetaKey::Sdif => (Type::IfIndex, 128),
            MetaKey::BriIifVproto => (Type::EtherType, 16),
            MetaKey::BriHwAddr => (Type::EtherAddr, 48),
            _ => (Type::Integer, 32),
        };
        let name = if key == MetaKey::SecPath { "ipsec" } else { key.name() };
        let seen = Hidden::new(format!("meta {name}"), On::Packet);
        let door = match key {
            MetaKey::IifType | MetaKey::IifGroup | MetaKey::IifKind => Some(Field::Iif),
            MetaKey::OifType | MetaKey::OifGroup | MetaKey::OifKind => Some(Field::Oif),
            _ => None,
        };
        let seen = match key {
            MetaKey::IifKind | MetaKey::OifKind => Hidden { on: On::Packet, ..seen }.or_absent(),
            MetaKey::IifType | MetaKey::IifGroup => Hidden { on: On::Fields(vec![Field::Iif]), ..seen },
            MetaKey::OifType | MetaKey::OifGroup => Hidden { on: On::Fields(vec![Field::Oif]), ..seen },
            MetaKey::Time | MetaKey::Day | MetaKey::Hour => Hidden { on: On::Clock, ..seen },
            MetaKey::Random | MetaKey::Cpu => Hidden { on: On::Chance, ..seen },
            MetaKey::NfTrace | MetaKey::Secmark => Hidden { on: On::Settable, ..seen },
            MetaKey::SkUid | MetaKey::SkGid | MetaKey::Cgroup => seen.or_absent(),
            MetaKey::IpSec | MetaKey::SecPath => seen,
            MetaKey::Priority | MetaKey::Broute => Hidden { outside: false, on: On::Settable, ..seen },
            _ => Hidden { outside: false, ..seen }.or_absent(),
        };
        let mut lens = Lens::new(hidden(seen), kind, bits);
        // Where there is no interface, nothing of it is read (`nft_meta_get_eval`).
        lens.presence.extend(door.map(|field| Test::In { field, values: Values::Range(0, 0), negate: true }));
        lens
    }

    fn ct(&mut self, cx: &mut Context, key: CtKey, dir: CtDir, expr: &Expr) -> Eval<Lens> {
        let tracked = Test::In { field: Field::Direction, values: Values::Range(0, 1), negate: false };
        let first = dir == CtDir::Original;
        let side = match dir {
            CtDir::None => "",
            CtDir::Original => "original ",
            CtDir::Reply => "reply ",
        };
        let name = format!("ct {side}{}", key.name());
        let on = |on: On| hidden(Hidden::new(name.clone(), on));
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
                (if first && has_ports { View::Field(port) } else { on(On::Packet) }, Type::Service, 16)
            }
            CtKey::Helper => {
                // Only a connection that another one announced has a master whose helper is looked at.
                let new = self.builder.range(State::New as u128, State::New as u128);
                let helper = hidden(Hidden::new(name, On::Packet).or_absent());
                let mut lens = Lens::new(helper, Type::Str, 0);
                lens.presence.push(Test::In { field: Field::State, values: new, negate: true });
                lens.presence.push(tracked);
                return Ok(lens);
            }
            CtKey::Label => (on(On::Settable), Type::CtLabel, 128),
            CtKey::Event => (on(On::Settable), Type::CtEvent, 32),
            CtKey::Expiration => (on(On::Chance), Type::Time, 64),
            CtKey::Zone => (on(On::Settable), Type::Integer, 16),
            CtKey::Secmark => (on(On::Settable), Type::Integer, 32),
            CtKey::Id => (on(On::Packet), Type::Integer, 32),
            CtKey::Bytes | CtKey::Packets | CtKey::AvgPkt => (on(On::Traffic), Type::Integer, 64),
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
            hidden(Hidden::new(format!("ct reply {}", key.name()), On::Packet))
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
                    None => hidden(Hidden { on: On::Honest(0), ..Hidden::unmodelled("exthdr mh") }),
                };
                Lens::new(view, Type::Boolean, 1)
            }
            Selector::TcpOption { option, field } => {
                // Whether there is one can be asked of every packet: only TCP has some (`nft_exthdr_tcp_eval`).
                let name = format!("tcp option {option}");
                let Some(field) = field.as_deref() else { return Ok(self.part_of(cx, Header::Tcp, name)) };
                self.require_header(cx, Header::Tcp, expr)?;
                match (&**option, field) {
                    ("maxseg", "size") => Lens::new(View::Field(Field::TcpMss), Type::Integer, 16),
                    _ => {
                        let part = Hidden::unmodelled(format!("{name} {field}")).or_absent();
                        Lens::new(hidden(part), Type::Integer, 0)
                    }
                }
            }
            Selector::HeaderOption { kind, name, field } => {
                let header = match *kind {
                    "ip option" => Header::Ip,
                    "sctp chunk" => Header::Sctp,
                    _ => Header::Dccp,
                };
                let name = format!("{kind} {name}");
                if header == Header::Ip || field.is_some() {
                    self.require_header(cx, header, expr)?;
                }
                let Some(field) = field else { return Ok(self.part_of(cx, header, name)) };
                let part = Hidden::unmodelled(format!("{name} {field}")).or_absent();
                let on = if header == Header::Ip { On::Forged } else { On::Settable };
                Lens::new(hidden(Hidden { on, ..part }), Type::Integer, 0)
            }
            Selector::Inner { tunnel, field } => {
                let (spec, inside) = match &plain(field).kind {
                    ExprKind::Header(field) => {
                        ((field.kind, field.bits), format!(" {} {}", field.header.name(), field.name))
                    }
                    _ => ((Type::Integer, 0), String::new()),
                };
                let protocol = if matches!(*tunnel, "vxlan" | "geneve") { 17 } else { 47 };
                cx.require_protocol(protocol);
                let part = Hidden::unmodelled(format!("what is inside {tunnel}{inside}")).or_absent();
                let on = if inside.is_empty() { On::Chance } else { On::Settable };
                Lens::new(hidden(Hidden { on, ..part }), spec.0, spec.1)
            }
            Selector::Fib { flags, result } => self.fib(cx, flags, result),
            Selector::Route { key, family } => {
                let (kind, bits) = match (*key, family.or(Some(cx.family))) {
                    ("classid", _) => (Type::Realm, 32),
                    ("mtu", _) => (Type::Integer, 16),
                    ("ipsec", _) => (Type::Boolean, 1),
                    (_, Some(TableFamily::Ip6)) => (Type::Ipv6Addr, 128),
                    _ => (Type::Ipv4Addr, 32),
                };
                let side = family.map_or(String::new(), |family| format!("{} ", family.name()));
                let route = Hidden::new(format!("rt {side}{key}"), On::Packet);
                // Before the route is looked up there is none (`nft_rt_get_eval`).
                Lens::new(hidden(route.or_absent()), kind, bits)
            }
            Selector::Socket(key) => {
                let (kind, bits) = match *key {
                    "mark" => (Type::Mark, 32),
                    "cgroupv2" => (Type::CgroupV2, 64),
                    _ => (Type::Integer, 8),
                };
                Lens::new(self.outside(expr, "socket"), kind, bits)
            }
            Selector::Osf => Lens::new(self.outside(expr, "osf"), Type::Str, 0),
            Selector::Ipsec(key) => {
                let (kind, bits) = match *key {
                    "spi" | "reqid" => (Type::Integer, 32),
                    "ip6 saddr" | "ip6 daddr" => (Type::Ipv6Addr, 128),
                    "ip saddr" | "ip daddr" => (Type::Ipv4Addr, 32),
                    _ if cx.version() == Some(Family::V6) => (Type::Ipv6Addr, 128),
                    _ => (Type::Ipv4Addr, 32),
                };
                Lens::new(self.outside(expr, "ipsec"), kind, bits)
            }
            Selector::Numgen { .. } => {
                Lens::new(hidden(Hidden::new("numgen", On::Chance)), Type::Integer, 32)
            }
            Selector::Hash { .. } => Lens::new(hidden(Hidden::new("hash", On::Chance)), Type::Integer, 32),
        })
    }

    /// Whether a part of a header is there: where the packet has no such header, it is not.
    fn part_of(&mut self, cx: &Context, header: Header, name: String) -> Lens {
        let on = if header == Header::Ip { On::Honest(0) } else { On::Settable };
        let part = Hidden { on, ..Hidden::unmodelled(name) };
        let view = match header.protocol() {
            Some(protocol) if !cx.is_protocol(protocol) => View::PartOf(protocol, Rc::new(part)),
            _ => hidden(part),
        };
        Lens::new(view, Type::Boolean, 1)
    }

    /// Something that a packet may have beside what is in it. Its name is what is written.
    fn outside(&self, expr: &Expr, word: &str) -> View {
        let words: Vec<_> = self.sources.text(expr.span).split_whitespace().collect();
        let text = words.join(" ");
        // In JSON the words are no name.
        let named = text.starts_with(word);
        let on = if named { On::Packet } else { On::Chance };
        hidden(Hidden::new(if named { text } else { word.to_string() }, on).or_absent())
    }

    fn fib(&mut self, cx: &Context, flags: &[&'static str], result: &str) -> Lens {
        let source = flags.contains(&"saddr");
        if let ("type", [_]) = (result, flags)
            && (source || flags.contains(&"daddr"))
        {
            return Lens::new(View::AddressType(source), Type::FibType, 32);
        }
        let mut fields = address_fields(cx, source);
        for (flag, field) in [("iif", Field::Iif), ("oif", Field::Oif), ("mark", Field::Mark)] {
            if flags.contains(&flag) {
                fields.push(field);
            }
        }
        let (kind, bits) = match result {
            "type" => (Type::FibType, 32),
            "oif" => (Type::IfIndex, 128),
            "check" => (Type::Boolean, 1),
            _ => (Type::IfName, 128),
        };
        let on = match result {
            "check" if source => On::Honest(1),
            "oif" | "oifname" if source => On::WayBack(fields),
            _ => On::Fields(fields),
        };
        Lens::new(hidden(Hidden::new(format!("fib {} {result}", flags.join(" . ")), on)), kind, bits)
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
        let name = || format!("@{},{offset},{len}", base.name());
        let view = known.map_or_else(|| hidden(Hidden::unmodelled(name()).or_absent()), View::Field);
        Lens::new(view, Type::Integer, len)
    }
}

/// Whether an expression looks at the packet anywhere. Variables hold constants.
pub fn is_selector(expr: &Expr) -> bool {
    match &expr.kind {
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
