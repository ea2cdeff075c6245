//! `-m conntrack` and `-m state`: each instance looks at one connection, or finds that there is none.
//!
//! Source: `conntrack_mt` in `xt_conntrack.c` of Linux 6.x. Where the packet has no connection, the instance
//! says yes if it was asked for the state and the state is right, and no if it was not asked for the state;
//! whatever else it is asked for it passes over.

use super::{Lowering, Ways, numbers};
use crate::dialect::iptables::ast::{CtEnd, Match, MatchKind, Net, state};
use crate::model::{Test, Tuples, Values};
use crate::packet::{Family, Field, Set, proto};

/// Bits of `enum ip_conntrack_status` as [`MatchKind::CtStatus`] has them.
const EXPECTED: u8 = 1;
const SEEN_REPLY: u8 = 2;
const ASSURED: u8 = 4;
const CONFIRMED: u8 = 8;

/// The states of packets that have a connection, and of those that have none.
const TRACKED: u8 = state::NEW | state::RELATED | state::ESTABLISHED;
const NONE: u8 = state::INVALID | state::UNTRACKED;
const LATER: u8 = state::RELATED | state::ESTABLISHED;

/// Protocols of which tracking knows the ports; DCCP up to Linux 6.15 only.
const PORTS: [u8; 4] = [proto::TCP, proto::UDP, proto::SCTP, proto::UDPLITE];
const GRE: u8 = 47;

impl Lowering<'_> {
    /// States alone.
    pub(super) fn states(&mut self, bits: u8, negated: bool) {
        let (mut ways, without) = self.state_ways(bits, negated);
        if bits & !(TRACKED | NONE) == 0 {
            let wanted = if negated { !bits & (TRACKED | NONE) } else { bits };
            ways = vec![vec![self.state_test(wanted)]];
        } else {
            ways.push(vec![self.state_test(without)]);
        }
        self.add_ways(ways);
    }

    /// One instance with all that it asks for.
    pub(super) fn connection(&mut self, index: u32) {
        let config = self.config;
        let connection = &config.connections[index as usize];
        let (with, without) = match connection.states {
            Some((bits, negated)) => self.state_ways(bits, negated),
            None => (vec![vec![self.state_test(TRACKED)]], 0),
        };
        let mut parts = vec![with];
        for part in &connection.parts {
            parts.push(self.connection_part(part));
        }
        if without == 0 {
            return parts.into_iter().for_each(|ways| self.add_ways(ways));
        }
        let mut all = vec![vec![self.state_test(without)]];
        all.extend(self.product(&parts));
        self.add_ways(all);
    }

    /// How a state can be one of some, where there is a connection; and the states without one that do too.
    ///
    /// `SNAT` and `DNAT` are states of a connection besides its own.
    fn state_ways(&mut self, bits: u8, negated: bool) -> (Ways, u8) {
        let plain = bits & (TRACKED | NONE);
        let wanted = if negated { !plain & (TRACKED | NONE) } else { plain };
        let fields: Vec<Field> = [(state::SNAT, Field::Snat), (state::DNAT, Field::Dnat)]
            .into_iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, field)| field)
            .collect();
        let is =
            |field: Field, value: u32| Test::In { field, values: Values::Range(value, value), negate: false };
        let mut first = vec![self.state_test(wanted & TRACKED)];
        if negated {
            first.extend(fields.iter().map(|field| is(*field, 0)));
            return (vec![first], wanted & NONE);
        }
        let mut ways = vec![first];
        let mut before = vec![self.state_test(TRACKED & !plain)];
        for field in fields {
            ways.push(before.iter().copied().chain([is(field, 1)]).collect());
            before.push(is(field, 0));
        }
        (ways, wanted & NONE)
    }

    /// How a condition on a connection that is there can hold.
    fn connection_part(&mut self, part: &Match) -> Ways {
        let Match { negated, kind } = *part;
        match kind {
            MatchKind::CtProto(number) => {
                let values = Values::Range(number.into(), number.into());
                vec![vec![Test::In { field: Field::Proto, values, negate: negated }]]
            }
            MatchKind::CtDirection(reply) => {
                let values = Values::Range(reply.into(), reply.into());
                vec![vec![Test::In { field: Field::Direction, values, negate: negated }]]
            }
            MatchKind::CtAddress(end, net) => self.ct_address(end, net, negated),
            MatchKind::CtPort(end, lo, hi) => self.ct_port(end, (lo, hi), negated),
            MatchKind::CtStatus(bits) => self.ct_status(bits, negated),
            MatchKind::Open(index) => vec![self.open(index, negated).into_iter().collect()],
            // Nothing else is of a connection but a range that holds nothing.
            _ if negated => vec![Vec::new()],
            _ => Ways::new(),
        }
    }

    fn ct_address(&mut self, end: CtEnd, net: Net, negate: bool) -> Ways {
        let v4 = self.family == Family::V4;
        let field = match (end, v4) {
            (CtEnd::OrigSrc, true) => Field::OrigSrc4,
            (CtEnd::OrigSrc, false) => Field::OrigSrc6,
            (CtEnd::OrigDst, true) => Field::OrigDst4,
            (CtEnd::OrigDst, false) => Field::OrigDst6,
            // Replies to a first packet come from where it goes to by now, and go where it comes from.
            (CtEnd::ReplSrc, _) => Field::dst(self.family),
            (CtEnd::ReplDst, _) => Field::src(self.family),
        };
        let test = self.net_test(field, net, negate);
        if matches!(end, CtEnd::OrigSrc | CtEnd::OrigDst) {
            return vec![test.into_iter().collect()];
        }
        let mut new = vec![self.state_test(state::NEW)];
        new.extend(test);
        let mut later = vec![self.state_test(LATER)];
        let option = if end == CtEnd::ReplSrc { "source" } else { "destination" };
        let (address, mask, family) = self.address_and_mask(net);
        let text = format!("{option} of the replies {}/{}", family.address(address), mask.count_ones());
        later.extend(self.chance("conntrack", &text, negate));
        vec![new, later]
    }

    /// The ports of a connection; in protocols without ports it is some other number, or zero
    /// (`nf_ct_get_tuple` and the protocols' own `pkt_to_tuple`).
    fn ct_port(&mut self, end: CtEnd, (lo, hi): (u16, u16), negate: bool) -> Ways {
        let icmp = if self.family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
        let odd = [icmp, GRE, proto::DCCP];
        let known = numbers(&PORTS).or(&numbers(&odd));
        let with = self.set_test(Field::Proto, numbers(&PORTS), false);
        let values = Values::Range(lo.into(), hi.into());
        let option = match end {
            CtEnd::OrigSrc => "source port of the connection",
            CtEnd::OrigDst => "destination port of the connection",
            CtEnd::ReplSrc => "source port of the replies",
            CtEnd::ReplDst => "destination port of the replies",
        };
        let unknown = self.chance("conntrack", &format!("{option} {lo}:{hi}"), negate);
        let mut ways = Ways::new();
        match end {
            CtEnd::OrigSrc => ways.push(vec![with, Test::In { field: Field::OrigSport, values, negate }]),
            CtEnd::OrigDst => ways.push(vec![with, Test::In { field: Field::OrigDport, values, negate }]),
            CtEnd::ReplSrc | CtEnd::ReplDst => {
                let field = if end == CtEnd::ReplDst { Field::Sport } else { Field::Dport };
                ways.push(vec![self.state_test(state::NEW), with, Test::In { field, values, negate }]);
                let later = [self.state_test(LATER), with];
                ways.push(later.into_iter().chain(unknown).collect());
            }
        }
        let mut open = numbers(&[GRE, proto::DCCP]);
        if end == CtEnd::OrigDst {
            let ping = self.set_test(Field::Proto, numbers(&[icmp]), false);
            let kind = self.type_and_code(lo, hi, negate);
            ways.push(vec![ping, self.state_test(state::NEW), kind]);
            let later = [ping, self.state_test(LATER)];
            ways.push(later.into_iter().chain(unknown).collect());
        } else {
            // The number is the identifier of an ICMP query.
            open = open.or(&numbers(&[icmp]));
        }
        let open = self.set_test(Field::Proto, open, false);
        ways.push([open].into_iter().chain(unknown).collect());
        if (lo == 0) != negate {
            ways.push(vec![self.set_test(Field::Proto, known, true)]);
        }
        ways
    }

    /// Type and code of ICMP as one number: `type << 8 | code`.
    fn type_and_code(&mut self, lo: u16, hi: u16, negate: bool) -> Test {
        let ((first, from), (last, to)) = ((lo >> 8, lo & 255), (hi >> 8, hi & 255));
        let row = |types: (u16, u16), codes: (u16, u16)| {
            let set = |(lo, hi): (u16, u16)| Some(Set::range(lo.into(), hi.into()));
            vec![set(types), set(codes)]
        };
        let boxes = if first == last {
            vec![row((first, first), (from, to))]
        } else {
            let between = (last - first > 1).then(|| row((first + 1, last - 1), (0, 255)));
            let ends = [row((first, first), (from, 255)), row((last, last), (0, to))];
            ends.into_iter().chain(between).collect()
        };
        let tuples = self.out.tuples(Tuples { fields: vec![Field::IcmpType, Field::IcmpCode], boxes });
        Test::Tuple { tuples, negate }
    }

    /// A first packet's connection has none of the statuses but `CONFIRMED`, which a repeated one has.
    fn ct_status(&mut self, bits: u8, negate: bool) -> Ways {
        if bits == 0 {
            // `NONE` is no bit, and no connection has it.
            return if negate { vec![Vec::new()] } else { Ways::new() };
        }
        let unknown =
            self.chance("conntrack", &format!("status of the connection {}", names_of(bits)), negate);
        let mut ways = Ways::new();
        let new = self.state_test(state::NEW);
        match (bits & CONFIRMED != 0, negate) {
            (true, _) => ways.push([new].into_iter().chain(unknown).collect()),
            (false, true) => ways.push(vec![new]),
            (false, false) => {}
        }
        if bits & SEEN_REPLY != 0 {
            // Established means that a reply was seen.
            if !negate {
                ways.push(vec![self.state_test(state::ESTABLISHED)]);
            }
            ways.push([self.state_test(state::RELATED)].into_iter().chain(unknown).collect());
        } else {
            ways.push([self.state_test(LATER)].into_iter().chain(unknown).collect());
        }
        ways
    }
}

/// The names of the bits of `--ctstatus`.
fn names_of(bits: u8) -> String {
    let named =
        [(EXPECTED, "EXPECTED"), (SEEN_REPLY, "SEEN_REPLY"), (ASSURED, "ASSURED"), (CONFIRMED, "CONFIRMED")];
    let names = named.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name);
    names.collect::<Vec<_>>().join(",")
}
