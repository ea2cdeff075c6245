//! What has a word of its own in nftables: options, routes, sockets, numbers.

use super::{Lens, View, hidden};
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::Eval;
use crate::dialect::nftables::headers::Header;
use crate::dialect::nftables::lower::Lower;
use crate::dialect::nftables::lower::conditions::{Hidden, On, address_fields};
use crate::dialect::nftables::lower::context::Context;
use crate::dialect::nftables::syntax::{Expr, ExprKind, Selector, TableFamily};
use crate::dialect::nftables::types::Type;
use crate::packet::{Family, Field};

impl Lower<'_> {
    pub(super) fn selector(&mut self, cx: &mut Context, selector: &Selector, expr: &Expr) -> Eval<Lens> {
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
}
