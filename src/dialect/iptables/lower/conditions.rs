//! Conditions of rules as tests of the model.

use super::{Lowering, Ways, of_connection};
use crate::dialect::iptables::ast::{CtEnd, Header, Match, MatchKind, Net, Order, state};
use crate::dialect::iptables::values::prefix_len;
use crate::model::{Test, Tuples, Values};
use crate::packet::{Family, Field, Set, ext, interface, interface_prefix, proto};

/// Bits of `enum ip_conntrack_status` as [`MatchKind::CtStatus`] has them.
const SEEN_REPLY: u8 = 2;
const CONFIRMED: u8 = 8;

impl Lowering<'_> {
    /// Adds a condition to the rule.
    pub(super) fn condition(&mut self, one: &Match) {
        let Match { negated, kind } = *one;
        if of_connection(kind) {
            return self.connection_condition(negated, kind);
        }
        match kind {
            MatchKind::Source(net) => self.net(Field::src(self.family), net, negated),
            MatchKind::Destination(net) => self.net(Field::dst(self.family), net, negated),
            MatchKind::Protocol(number) => self.range(Field::Proto, number.into(), number.into(), negated),
            MatchKind::InInterface(name, wild) => self.interface(Field::Iif, name, wild, negated),
            MatchKind::OutInterface(name, wild) => self.interface(Field::Oif, name, wild, negated),
            MatchKind::SourcePort(lo, hi) => self.port(Field::Sport, lo, hi, negated),
            MatchKind::DestinationPort(lo, hi) => self.port(Field::Dport, lo, hi, negated),
            MatchKind::Multiport { first, count, source, destination } => {
                let ports = &self.config.ports[first as usize..first as usize + count as usize];
                let ports = Set::of(ports.iter().map(|(lo, hi)| (u128::from(*lo), u128::from(*hi))));
                self.multiport(ports, source, destination, negated);
            }
            MatchKind::TcpFlags(mask, comp) => {
                self.masked(Field::TcpFlags, mask.into(), comp.into(), negated)
            }
            MatchKind::Icmp(kind, lo, hi) => self.icmp(kind, lo, hi, negated),
            MatchKind::Spi(lo, hi) => self.range(Field::Spi, lo, hi, negated),
            MatchKind::IpRange(source, index) => {
                let (lo, hi) = self.config.ip_ranges[index as usize];
                let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
                self.set(field, Set::range(lo, hi), negated);
            }
            MatchKind::State(bits) => self.states(bits, negated),
            MatchKind::Mark(value, mask) => self.masked(Field::Mark, mask.into(), value.into(), negated),
            MatchKind::ConnMark(value, mask) => {
                self.masked(Field::CtMark, mask.into(), value.into(), negated)
            }
            MatchKind::Mac(mac) => {
                // Of Ethernet interfaces only, and the loopback interface is none.
                let ethernet = self.set_test(Field::Iif, Set::one(interface("lo")), true);
                self.tests.push(ethernet);
                let mac = mac.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
                self.set(Field::SrcMac, Set::one(mac), negated);
            }
            MatchKind::PktType(kind) => self.range(Field::PktType, kind.into(), kind.into(), negated),
            MatchKind::Length(lo, hi) => self.range(Field::Length, lo.into(), hi.into(), negated),
            MatchKind::Dscp(value) => self.range(Field::Dscp, value.into(), value.into(), negated),
            MatchKind::Ttl(order, value) => {
                let value = u32::from(value);
                match order {
                    Order::Eq => self.range(Field::Ttl, value, value, negated),
                    Order::Gt => self.set(Field::Ttl, Set::range(u128::from(value) + 1, 255), negated),
                    Order::Lt => self.set(
                        Field::Ttl,
                        Set::of((value > 0).then(|| (0, u128::from(value) - 1))),
                        negated,
                    ),
                }
            }
            MatchKind::Set(index) => self.ipset(index, negated),
            MatchKind::AddrType(destination, types, limit) => {
                self.address_type(destination, types, limit, negated);
            }
            _ => self.rare(negated, kind),
        }
    }

    fn rare(&mut self, negated: bool, kind: MatchKind) {
        match kind {
            // Conntrack puts fragments together before any table sees them; a packet here is whole.
            // Likewise, only routed packets are followed: none is bridged.
            MatchKind::Fragment | MatchKind::IsBridged if negated => {}
            MatchKind::Fragment | MatchKind::IsBridged | MatchKind::Never => self.tests.push(Test::Never),
            MatchKind::Tos(value, mask) => self.tos(value, mask, negated),
            MatchKind::EcnIp(value) => self.range(Field::Ecn, value.into(), value.into(), negated),
            MatchKind::EcnTcp(bit) => self.masked(Field::TcpFlags, bit.into(), bit.into(), negated),
            MatchKind::TcpOption(2) if !negated => self.range(Field::TcpMss, 0, 0xffff, false),
            MatchKind::TcpOption(option) => {
                let test = self.unknown(&format!("TCP option {option}"));
                self.tests.push(test);
            }
            MatchKind::TcpMss(lo, hi) if !negated => self.range(Field::TcpMss, lo.into(), hi.into(), false),
            // A packet without the option matches too, and which those are no test can say.
            MatchKind::TcpMss(..) => {
                let test = self.unknown("! tcpmss");
                self.tests.push(test);
            }
            MatchKind::Ipv6Header(bits, soft) => self.ipv6_header(bits, soft, negated),
            MatchKind::HasHeader(Header::Frag, _) if self.whole => self.tests.push(Test::Never),
            MatchKind::HasHeader(header, asks) => {
                let (bit, name) = match header {
                    Header::Frag => (ext::FRAG, "fragment header"),
                    Header::Route => (ext::ROUTE, "routing header"),
                    Header::HopByHop => (ext::HOP, "hop-by-hop header"),
                    Header::Destination => (ext::DST, "destination options header"),
                    Header::Auth => (ext::AUTH, "authentication header"),
                };
                self.masked(Field::Ext, bit, bit, false);
                if asks {
                    let test = self.unknown(name);
                    self.tests.push(test);
                }
            }
            MatchKind::Helper(name) => {
                // Only a connection that another one announced has a helper's master.
                let name = format!("helper {}", self.config.names.text(name));
                let may = vec![self.state_test(state::ESTABLISHED | state::RELATED), self.unknown(&name)];
                let mut ways = vec![may];
                if negated {
                    ways.push(vec![self.state_test(state::NEW | state::INVALID | state::UNTRACKED)]);
                }
                self.ways.push(ways);
            }
            MatchKind::Owner(name) => {
                // Only packets that the box itself sends have an owner; they have no input interface.
                let unknown = self.unknown(self.config.names.text(name));
                let mine = vec![self.no_input(false), unknown];
                let mut ways = vec![mine];
                if negated {
                    ways.push(vec![self.no_input(true)]);
                }
                self.ways.push(ways);
            }
            MatchKind::Unknown(name) => {
                let test = self.unknown(self.config.names.text(name));
                self.tests.push(test);
            }
            _ => {}
        }
    }

    /// `--soft`: all headers of the list are there, or, negated, none is. Else: exactly these.
    fn ipv6_header(&mut self, bits: u8, soft: bool, negated: bool) {
        let gone = if self.whole { ext::FRAG as u8 } else { 0 };
        if bits & gone != 0 && !(soft && negated) {
            if !negated {
                self.tests.push(Test::Never);
            }
            return;
        }
        let mask = if soft { bits } else { u8::MAX } & !gone;
        let value = if soft && negated { 0 } else { bits };
        self.masked(Field::Ext, mask.into(), value.into(), negated && !soft);
    }

    /// Whether the packet comes from the box itself.
    pub(super) fn no_input(&self, negate: bool) -> Test {
        Test::In { field: Field::Iif, values: Values::Range(0, 0), negate }
    }

    /// A port. Behind `! -p tcp`, the nftables back end reads the bytes of any protocol as ports.
    fn port(&mut self, field: Field, lo: u16, hi: u16, negate: bool) {
        if !self.any_protocol {
            return self.range(field, lo.into(), hi.into(), negate);
        }
        let ports = Set::of(proto::WITH_PORTS.map(|p| (u128::from(p), u128::from(p))));
        let with = self.set_test(Field::Proto, ports.clone(), false);
        let without = self.set_test(Field::Proto, ports, true);
        let values = Values::Range(lo.into(), hi.into());
        let unknown = self.unknown("bytes of a protocol without ports");
        self.ways.push(vec![vec![with, Test::In { field, values, negate }], vec![without, unknown]]);
    }

    pub(super) fn range(&mut self, field: Field, lo: u32, hi: u32, negate: bool) {
        self.tests.push(Test::In { field, values: Values::Range(lo, hi), negate });
    }

    /// A test of a field against a set; an empty set holds nothing.
    fn set(&mut self, field: Field, set: Set, negate: bool) {
        let test = self.set_test(field, set, negate);
        self.tests.push(test);
    }

    pub(super) fn set_test(&mut self, field: Field, set: Set, negate: bool) -> Test {
        if set.is_empty() && !negate {
            return Test::Never;
        }
        let values = self.out.values(set);
        Test::In { field, values, negate }
    }

    fn masked(&mut self, field: Field, mask: u128, value: u128, negate: bool) {
        let test = self.masked_test(field, mask, value, negate);
        self.tests.push(test);
    }

    fn masked_test(&mut self, field: Field, mask: u128, value: u128, negate: bool) -> Test {
        let values = self.out.range(value, value);
        if mask == field.last() {
            return Test::In { field, values, negate };
        }
        let mask = self.out.mask(mask);
        Test::Masked { field, mask, values, negate }
    }

    fn net(&mut self, field: Field, net: Net, negated: bool) {
        if let Some(test) = self.net_test(field, net, negated) {
            self.tests.push(test);
        }
    }

    /// A test of an address; `None` where every address does.
    fn net_test(&mut self, field: Field, net: Net, negate: bool) -> Option<Test> {
        let (address, mask, family) = match net {
            Net::V4(address, mask) => (address.into(), mask.into(), Family::V4),
            Net::V6(index) => {
                let (address, mask) = self.config.nets6[index as usize];
                (address, mask, Family::V6)
            }
        };
        if mask == 0 {
            return negate.then_some(Test::Never);
        }
        Some(match prefix_len(mask, family) {
            Some(len) => {
                let (lo, hi) = family.prefix(address, len);
                let values = self.out.range(lo, hi);
                Test::In { field, values, negate }
            }
            None => self.masked_test(field, mask, address, negate),
        })
    }

    fn interface(
        &mut self,
        field: Field,
        name: crate::dialect::iptables::ast::Name,
        wild: bool,
        negate: bool,
    ) {
        let text = self.config.names.text(name);
        let out = &mut self.out;
        let values = *self.interfaces.entry((name, wild)).or_insert_with(|| {
            let (lo, hi) = match wild {
                true => interface_prefix(text),
                false => (interface(text), interface(text)),
            };
            out.values(Set::range(lo, hi))
        });
        self.tests.push(Test::In { field, values, negate });
    }

    fn multiport(&mut self, ports: Set, source: bool, destination: bool, negate: bool) {
        if !(source && destination) {
            let field = if source { Field::Sport } else { Field::Dport };
            return self.set(field, ports, negate);
        }
        let boxes = vec![vec![Some(ports.clone()), None], vec![None, Some(ports)]];
        let tuples = self.out.tuples(Tuples { fields: vec![Field::Sport, Field::Dport], boxes });
        self.tests.push(Test::Tuple { tuples, negate });
    }

    fn icmp(&mut self, kind: u8, lo: u8, hi: u8, negated: bool) {
        if kind == 255 && self.family == Family::V4 {
            if negated {
                self.tests.push(Test::Never);
            }
            return;
        }
        if (lo, hi) == (0, 255) {
            return self.range(Field::IcmpType, kind.into(), kind.into(), negated);
        }
        if !negated {
            self.range(Field::IcmpType, kind.into(), kind.into(), false);
            return self.range(Field::IcmpCode, lo.into(), hi.into(), false);
        }
        let sides = vec![Some(Set::one(kind.into())), Some(Set::range(lo.into(), hi.into()))];
        let tuples =
            self.out.tuples(Tuples { fields: vec![Field::IcmpType, Field::IcmpCode], boxes: vec![sides] });
        self.tests.push(Test::Tuple { tuples, negate: true });
    }

    /// `--ctstate`, with the virtual states SNAT and DNAT, which only a connection has.
    fn states(&mut self, bits: u8, negated: bool) {
        let plain = bits & 0b1_1111;
        if bits & (state::SNAT | state::DNAT) == 0 {
            let wanted = if negated { !plain & 0b1_1111 } else { plain };
            self.states = Some(self.states.map_or(wanted, |before| before & wanted));
            let test = self.state_test(wanted);
            return self.tests.push(test);
        }
        let fields: Vec<Field> = [(state::SNAT, Field::Snat), (state::DNAT, Field::Dnat)]
            .into_iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, field)| field)
            .collect();
        let tracked = state::NEW | state::RELATED | state::ESTABLISHED;
        let none = plain & !tracked;
        if negated {
            // In none of the states, and not translated; without a connection, only the state counts.
            let mut with = vec![self.state_test(tracked & !plain)];
            with.extend(fields.iter().map(|f| Test::In {
                field: *f,
                values: Values::Range(0, 0),
                negate: false,
            }));
            let without = self.state_test(!tracked & !plain & 0b1_1111);
            return self.ways.push(vec![with, vec![without]]);
        }
        let mut ways: Ways = vec![vec![self.state_test(plain & tracked | none)]];
        let mut before = vec![self.state_test(tracked & !plain)];
        for field in fields {
            let mut way = before.clone();
            way.push(Test::In { field, values: Values::Range(1, 1), negate: false });
            ways.push(way);
            before.push(Test::In { field, values: Values::Range(0, 0), negate: false });
        }
        self.ways.push(ways);
    }

    fn connection_condition(&mut self, negate: bool, kind: MatchKind) {
        match kind {
            MatchKind::CtProto(number) => {
                let values = Values::Range(number.into(), number.into());
                let tracked = self.state_test(state::NEW | state::RELATED | state::ESTABLISHED);
                self.connection.push(tracked);
                self.connection.push(Test::In { field: Field::Proto, values, negate });
            }
            MatchKind::CtDirection(reply) => {
                let value = u32::from(reply);
                let values = Values::Range(value, value);
                self.connection.push(Test::In { field: Field::Direction, values, negate });
            }
            MatchKind::CtAddress(end, net) => self.ct_address(end, net, negate),
            MatchKind::CtPort(end, lo, hi) => self.ct_port(end, lo, hi, negate),
            MatchKind::CtStatus(bits) => self.ct_status(bits, negate),
            _ => {}
        }
    }

    fn ct_address(&mut self, end: CtEnd, net: Net, negate: bool) {
        let v4 = self.family == Family::V4;
        match end {
            CtEnd::OrigSrc | CtEnd::OrigDst => {
                let field = match (end == CtEnd::OrigSrc, v4) {
                    (true, true) => Field::OrigSrc4,
                    (true, false) => Field::OrigSrc6,
                    (false, true) => Field::OrigDst4,
                    (false, false) => Field::OrigDst6,
                };
                let test = self.net_test(field, net, negate);
                self.connection.extend(test);
            }
            // Replies to a first packet come from where it goes to by now, and go where it comes from.
            CtEnd::ReplSrc | CtEnd::ReplDst => {
                let source = end == CtEnd::ReplDst;
                let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
                let test = self.net_test(field, net, negate);
                self.reply_ways(test, "reply address of the connection");
            }
        }
    }

    /// A condition that a new connection answers by the packet, and no other.
    fn reply_ways(&mut self, test: Option<Test>, name: &str) {
        let mut new = vec![self.state_test(state::NEW)];
        new.extend(test);
        let other = vec![self.state_test(state::ESTABLISHED | state::RELATED), self.unknown(name)];
        self.ways.push(vec![new, other]);
    }

    fn ct_port(&mut self, end: CtEnd, lo: u16, hi: u16, negate: bool) {
        let values = Values::Range(lo.into(), hi.into());
        let ports = Set::of(proto::WITH_PORTS.map(|p| (u128::from(p), u128::from(p))));
        let with = self.set_test(Field::Proto, ports.clone(), false);
        // In other protocols the number is an ICMP id or a GRE key, which the model has not.
        let without = self.set_test(Field::Proto, ports, true);
        let tracked = self.state_test(state::NEW | state::RELATED | state::ESTABLISHED);
        let unknown = self.unknown("port of the connection");
        let other = vec![tracked, without, unknown];
        match end {
            CtEnd::OrigSrc | CtEnd::OrigDst => {
                let field = if end == CtEnd::OrigSrc { Field::OrigSport } else { Field::OrigDport };
                self.ways.push(vec![vec![with, Test::In { field, values, negate }], other]);
            }
            CtEnd::ReplSrc | CtEnd::ReplDst => {
                let field = if end == CtEnd::ReplDst { Field::Sport } else { Field::Dport };
                let new = vec![self.state_test(state::NEW), with, Test::In { field, values, negate }];
                let old = vec![self.state_test(state::ESTABLISHED | state::RELATED), with, unknown];
                self.ways.push(vec![new, old, other]);
            }
        }
    }

    /// A first packet's connection has none of the statuses but `CONFIRMED`, which a repeated one has.
    fn ct_status(&mut self, bits: u8, negate: bool) {
        let unknown = self.unknown("status of the connection");
        let mut ways: Ways = Vec::new();
        let new = self.state_test(state::NEW);
        if bits == 0 {
            // `NONE` is no bit, and no connection has it.
            if negate {
                ways.push(vec![self.state_test(state::NEW | state::ESTABLISHED | state::RELATED)]);
            }
            return self.ways.push(ways);
        }
        match (bits & CONFIRMED != 0, negate) {
            (true, _) => ways.push(vec![new, unknown]),
            (false, true) => ways.push(vec![new]),
            (false, false) => {}
        }
        if bits & SEEN_REPLY != 0 {
            // Established means that a reply was seen.
            if !negate {
                ways.push(vec![self.state_test(state::ESTABLISHED)]);
            }
            ways.push(vec![self.state_test(state::RELATED), unknown]);
        } else {
            ways.push(vec![self.state_test(state::ESTABLISHED | state::RELATED), unknown]);
        }
        self.ways.push(ways);
    }

    fn tos(&mut self, value: u8, mask: u8, negated: bool) {
        if value & !mask != 0 {
            if !negated {
                self.tests.push(Test::Never);
            }
            return;
        }
        let code_point = (mask >> 2 != 0)
            .then(|| self.masked_test(Field::Dscp, u128::from(mask >> 2), u128::from(value >> 2), negated));
        let ecn = (mask & 3 != 0)
            .then(|| self.masked_test(Field::Ecn, u128::from(mask & 3), u128::from(value & 3), negated));
        match (code_point, ecn, negated) {
            (Some(code_point), Some(ecn), true) => {
                let same =
                    self.masked_test(Field::Dscp, u128::from(mask >> 2), u128::from(value >> 2), false);
                self.ways.push(vec![vec![code_point], vec![same, ecn]]);
            }
            (None, None, true) => self.tests.push(Test::Never),
            _ => self.tests.extend(code_point.into_iter().chain(ecn)),
        }
    }
}
