//! Conditions of rules as tests of the model.

use super::Lowering;
use crate::dialect::iptables::ast::{Header, Match, MatchKind, Net, state};
use crate::dialect::iptables::values::prefix_len;
use crate::model::{Test, Tuples, Values};
use crate::packet::{Family, Field, Set, ext, interface, interface_prefix, proto};

impl Lowering<'_> {
    /// Adds a condition to the rule.
    pub(super) fn condition(&mut self, one: &Match) {
        let Match { negated, kind } = *one;
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
                let ports = Set::of_ports(ports);
                self.multiport(ports, source, destination, negated);
            }
            MatchKind::TcpFlags(mask, comp) => {
                self.masked(Field::TcpFlags, mask.into(), comp.into(), negated)
            }
            MatchKind::Icmp(kind, lo, hi) => self.icmp(kind, lo, hi, negated),
            MatchKind::Within(field, lo, hi) if lo <= hi => self.range(field, lo, hi, negated),
            MatchKind::Within(field, ..) => self.set(field, Set::empty(), negated),
            MatchKind::IpRange(source, index) => {
                let (lo, hi) = self.config.ip_ranges[index as usize];
                let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
                self.set(field, Set::range(lo, hi), negated);
            }
            MatchKind::State(bits) => self.states(bits, negated),
            MatchKind::Connection(index) => self.connection(index),
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
            MatchKind::Length(lo, hi) => self.length(lo.into(), hi.into(), negated),
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
            MatchKind::EcnTcp(bit) => self.masked(Field::TcpFlags, bit.into(), bit.into(), negated),
            MatchKind::TcpOption(2) if !negated => self.range(Field::TcpMss, 0, 0xffff, false),
            MatchKind::TcpOption(option) => {
                let test = self.chance("tcp", &format!("-m tcp --tcp-option {option}"), negated);
                self.tests.extend(test);
            }
            MatchKind::TcpMss(lo, hi) if !negated => self.range(Field::TcpMss, lo.into(), hi.into(), false),
            // A packet without the option matches too, and which those are no test can say.
            MatchKind::TcpMss(lo, hi) => {
                let text = format!("-m tcpmss --mss {lo}:{hi}");
                let test = self.chance("tcpmss", &text, true);
                self.tests.extend(test);
            }
            MatchKind::Ipv6Header(bits, soft) => self.ipv6_header(bits, soft, negated),
            MatchKind::HasHeader(Header::Frag) if self.whole => self.tests.push(Test::Never),
            MatchKind::HasHeader(header) => {
                let bit = match header {
                    Header::Frag => ext::FRAG,
                    Header::Route => ext::ROUTE,
                    Header::HopByHop => ext::HOP,
                    Header::Destination => ext::DST,
                    Header::Auth => ext::AUTH,
                };
                self.masked(Field::Ext, bit, bit, false);
            }
            MatchKind::Helper(name) => {
                // Only a connection that another one announced has a helper's master.
                let text = format!("-m helper --helper {}", self.config.names.text(name));
                let mut may = vec![self.state_test(state::ESTABLISHED | state::RELATED)];
                may.extend(self.chance("helper", &text, negated));
                let mut ways = vec![may];
                if negated {
                    ways.push(vec![self.state_test(state::NEW | state::INVALID | state::UNTRACKED)]);
                }
                self.add_ways(ways);
            }
            MatchKind::Owner(index) => {
                // Only packets that the box itself sends have an owner; they have no input interface.
                let mut mine = vec![self.no_input(false)];
                mine.extend(self.open(index, negated));
                let mut ways = vec![mine];
                if negated {
                    ways.push(vec![self.no_input(true)]);
                }
                self.add_ways(ways);
            }
            MatchKind::Open(index) => {
                let test = self.open(index, negated);
                self.tests.extend(test);
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
        let mut other = vec![without];
        other.extend(self.chance("port", "bytes of a protocol without ports", negate));
        self.add_ways(vec![vec![with, Test::In { field, values, negate }], other]);
    }

    /// The length that the match sees: connection tracking takes the header of an IPv6 fragment that is whole
    /// off (RFC 6946) before any table, and the packet is 8 bytes shorter.
    fn length(&mut self, lo: u32, hi: u32, negate: bool) {
        if !(self.whole && self.family == Family::V6) {
            return self.range(Field::Length, lo, hi, negate);
        }
        let bit = self.out.mask(ext::FRAG);
        let fragment = |negate| Test::Masked {
            field: Field::Ext,
            mask: bit,
            values: Values::Range(ext::FRAG as u32, ext::FRAG as u32),
            negate,
        };
        let length =
            |more| Test::In { field: Field::Length, values: Values::Range(lo + more, hi + more), negate };
        self.add_ways(vec![vec![fragment(false), length(8)], vec![fragment(true), length(0)]]);
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

    pub(super) fn address_and_mask(&self, net: Net) -> (u128, u128, Family) {
        match net {
            Net::V4(address, mask) => (address.into(), mask.into(), Family::V4),
            Net::V6(index) => {
                let (address, mask) = self.config.nets6[index as usize];
                (address, mask, Family::V6)
            }
        }
    }

    /// A test of an address; `None` where every address does.
    pub(super) fn net_test(&mut self, field: Field, net: Net, negate: bool) -> Option<Test> {
        let (address, mask, family) = self.address_and_mask(net);
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
                self.add_ways(vec![vec![code_point], vec![same, ecn]]);
            }
            (None, None, true) => self.tests.push(Test::Never),
            _ => self.tests.extend(code_point.into_iter().chain(ecn)),
        }
    }
}
