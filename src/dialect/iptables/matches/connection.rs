//! The options of `conntrack` and `state`.

use crate::dialect::iptables::ast::{Answer, CtEnd, Match, MatchKind, Net, state};
use crate::dialect::iptables::command::{Given, Parser};
use crate::dialect::iptables::modules::Val;
use crate::dialect::iptables::values::{self, RangeError};
use crate::dialect::names;
use crate::packet::Field;

impl Parser<'_, '_> {
    /// The options of `conntrack`.
    pub(super) fn connection_option(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        match given.val {
            Val::CtProto => {
                let lower = text.to_ascii_lowercase();
                match values::number(text, 255).map(|n| n as u8).or_else(|| names::protocol(&lower)) {
                    Some(number) => self.of_connection(given, MatchKind::CtProto(number)),
                    None => self.bad(given, "is no protocol"),
                }
            }
            Val::CtOrigSrc => self.ct_address(given, CtEnd::OrigSrc),
            Val::CtOrigDst => self.ct_address(given, CtEnd::OrigDst),
            Val::CtReplSrc => self.ct_address(given, CtEnd::ReplSrc),
            Val::CtReplDst => self.ct_address(given, CtEnd::ReplDst),
            Val::CtOrigSrcPort => self.ct_port(given, CtEnd::OrigSrc),
            Val::CtOrigDstPort => self.ct_port(given, CtEnd::OrigDst),
            Val::CtReplSrcPort => self.ct_port(given, CtEnd::ReplSrc),
            Val::CtReplDstPort => self.ct_port(given, CtEnd::ReplDst),
            Val::CtStatus => self.ct_status(given),
            Val::CtDir if "ORIGINAL".eq_ignore_ascii_case(text) => {
                self.of_connection(given, MatchKind::CtDirection(false));
            }
            Val::CtDir if "REPLY".eq_ignore_ascii_case(text) => {
                self.of_connection(given, MatchKind::CtDirection(true));
            }
            Val::CtDir => self.bad(given, "is no direction"),
            Val::CtExpire => {
                let text = format!("-m conntrack --ctexpire {text}");
                let index = self.keep_open("conntrack", &text, Answer::Chance);
                self.of_connection(given, MatchKind::Open(index));
            }
            _ => self.part_option(given),
        }
    }

    /// A condition on the connection, beside its state.
    pub(super) fn of_connection(&mut self, given: &Given<'_>, kind: MatchKind) {
        let one = Match { negated: given.negated, kind };
        self.parts(given).connection.parts.push(one);
    }

    pub(super) fn states(&mut self, given: &Given<'_>) {
        const STATES: [(&str, u8); 7] = [
            ("ESTABLISHED", state::ESTABLISHED),
            ("NEW", state::NEW),
            ("RELATED", state::RELATED),
            ("INVALID", state::INVALID),
            ("UNTRACKED", state::UNTRACKED),
            ("SNAT", state::SNAT),
            ("DNAT", state::DNAT),
        ];
        let known = if given.val == Val::State { &STATES[..5] } else { &STATES[..] };
        let one = |word: &str| {
            let starts = |name: &str| name.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
            known.iter().find(|(name, _)| !word.is_empty() && starts(name)).map(|(_, bit)| *bit)
        };
        match given.args[0].split(',').try_fold(0, |bits, word| Some(bits | one(word)?)) {
            Some(bits) => self.parts(given).connection.states = Some((bits, given.negated)),
            None => self.bad(given, "are no connection states"),
        }
    }

    fn ct_address(&mut self, given: &Given<'_>, end: CtEnd) {
        match values::net(given.args[0], self.family) {
            Ok((address, mask)) => {
                let net: Net = self.keep_net(address, mask);
                self.of_connection(given, MatchKind::CtAddress(end, net));
            }
            Err(error) => {
                self.bad_net(error, given.args[0], given.span);
                let source = matches!(end, CtEnd::OrigSrc | CtEnd::ReplDst);
                let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
                self.no_net(given.negated, error, given.args[0], field);
            }
        }
    }

    fn ct_port(&mut self, given: &Given<'_>, end: CtEnd) {
        match values::port_range(given.args[0], self.transport()) {
            Ok((lo, hi)) => self.of_connection(given, MatchKind::CtPort(end, lo, hi)),
            Err(RangeError::Reversed) => self.of_connection(given, MatchKind::Never),
            Err(_) => self.bad(given, "is no port range"),
        }
    }

    fn ct_status(&mut self, given: &Given<'_>) {
        let one = |word: &str| {
            Some(match word.to_ascii_uppercase().as_str() {
                "NONE" => 0,
                "EXPECTED" => 1,
                "SEEN_REPLY" => 2,
                "ASSURED" => 4,
                "CONFIRMED" => 8,
                _ => return None,
            })
        };
        match given.args[0].split(',').try_fold(0, |bits, word| Some(bits | one(word)?)) {
            Some(bits) => self.of_connection(given, MatchKind::CtStatus(bits)),
            None => self.bad(given, "are no connection statuses"),
        }
    }
}
