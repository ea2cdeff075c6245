//! Header fields, raw payload, and parts that a header may have.

use std::rc::Rc;

use super::{ETHERTYPE, Lens, VERSION, View, hidden, unmodelled};
use crate::dialect::nftables::eval::{Eval, Fault};
use crate::dialect::nftables::headers::{Header, HeaderField, Seen};
use crate::dialect::nftables::lower::Lower;
use crate::dialect::nftables::lower::conditions::{Hidden, On};
use crate::dialect::nftables::lower::context::Context;
use crate::dialect::nftables::syntax::{Expr, RawBase, TableFamily};
use crate::dialect::nftables::types::Type;
use crate::model::{Test, Values};
use crate::packet::{Family, Field, Set, interface};

impl Lower<'_> {
    pub(super) fn header(&mut self, cx: &mut Context, field: &HeaderField, expr: &Expr) -> Eval<Lens> {
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
            Seen::RestLength => View::RestLength,
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
            let lo = self.builder.values(Set::of([(0, 0), (interface("lo"), interface("lo"))]));
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
    pub(in crate::dialect::nftables::lower) fn extension(&mut self, bits: u128, absent: bool) -> Test {
        let mask = self.builder.mask(bits);
        Test::Masked { field: Field::Ext, mask, values: Values::Range(0, 0), negate: !absent }
    }

    pub(super) fn require_header(&mut self, cx: &mut Context, header: Header, expr: &Expr) -> Eval<()> {
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

    /// Raw payload, where it is a field that the model has.
    pub(super) fn raw(&mut self, cx: &mut Context, base: RawBase, offset: u32, len: u32) -> Lens {
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

    /// Whether a part of a header is there: where the packet has no such header, it is not.
    pub(super) fn part_of(&mut self, cx: &Context, header: Header, name: String) -> Lens {
        let on = if header == Header::Ip { On::Honest(0) } else { On::Settable };
        let part = Hidden { on, ..Hidden::unmodelled(name) };
        let view = match header.protocol() {
            Some(protocol) if !cx.is_protocol(protocol) => View::PartOf(protocol, Rc::new(part)),
            _ => hidden(part),
        };
        Lens::new(view, Type::Boolean, 1)
    }
}
