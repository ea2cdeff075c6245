//! What pf does without being told: TCP flags that no sender sets, answers that are never given.

use crate::model::{
    Builder, ChainId, Condition, Effect, MapEntry, Origin, Reply as ModelReply, Step, Verdict,
};
use crate::packet::{Field, Set, proto};
use crate::source::Span;

use super::super::ast::{Action, Direction, Flavour, Reply, StateKind};
use super::super::expand::Flat;
use super::super::tree::{Node, Scope};
use super::Lowering;
use super::condition::unknown;
use super::filter::goes;

const FIN: u128 = 0x01;
const SYN: u128 = 0x02;
const RST: u128 = 0x04;
const PSH: u128 = 0x08;
const ACK: u128 = 0x10;
const URG: u128 = 0x20;

/// ICMP and ICMPv6 types that answer another: pf.c, `pf_icmp_mapping`, those with the direction `PF_OUT`.
pub(super) const ICMP_REPLIES: &[u8] = &[0, 9, 14, 16, 18, 34, 36];
/// The same of ICMPv6. Neighbour advertisements keep no state, and are passed by any rule.
pub(super) const ICMP6_REPLIES: &[u8] = &[129, 140, 200];

/// ICMP types that are no errors: ip_icmp.h, `ICMP_INFOTYPE`.
const ICMP_QUERIES: &[(u128, u128)] = &[(0, 0), (8, 10), (13, 18)];
/// ICMPv6 types that are none: from the echo request on, but for redirects (pf.c, `pf_test_rule`).
const ICMP6_QUERIES: &[(u128, u128)] = &[(128, 136), (138, 255)];

/// Types of ICMP messages that belong to another connection: no state is kept for them (pf.c,
/// `pf_icmp_mapping`, those that give 1).
pub(super) fn icmp_errors(v6: bool) -> Set {
    if v6 { Set::of([(1, 4), (136, 136)]) } else { Set::of([(3, 5), (11, 12)]) }
}

/// Flags that no sender sets: SYN with RST, none of SYN, ACK and RST, and FIN, PSH or URG without ACK
/// (pf_norm.c, `pf_normalize_tcp`; a FIN beside SYN is taken away and not counted).
fn is_odd(flags: u128) -> bool {
    let syn = flags & SYN != 0;
    let rest = if syn { flags & !FIN } else { flags };
    (syn && flags & RST != 0)
        || (!syn && flags & (ACK | RST) == 0)
        || (flags & ACK == 0 && rest & (FIN | PSH | URG) != 0)
}

/// The values of the flags for which something holds.
fn flags_that(holds: impl Fn(u128) -> bool) -> Set {
    Set::of((0..=255u128).filter(|flags| holds(*flags)).map(|flags| (flags, flags)))
}

impl<'a> Lowering<'a> {
    /// The checks of TCP flags. OpenBSD makes them before all rules; FreeBSD and macOS where a `scrub` rule
    /// matches, and FreeBSD since 14 also where there is none at all (pf_norm.c).
    pub(super) fn tcp_checks(&mut self, b: &mut Builder, chain: ChainId, way: Direction, start: Span) {
        let odd = b.values(flags_that(is_odd));
        if self.tree.flavour == Flavour::OpenBsd {
            b.field(Field::TcpFlags, odd, false);
            b.effect(Effect::Verdict(Verdict::Drop));
            b.rule(chain, Origin::system(start));
            self.without_fin(b, chain, Origin::system(start));
            return;
        }
        let scrubs: Vec<_> = self.tree.nodes.iter().filter_map(scrub).collect();
        if scrubs.is_empty() {
            b.field(Field::TcpFlags, odd, false);
            unknown(b, Condition::global("TCP checks without scrub"), false);
            b.effect(Effect::Verdict(Verdict::Drop));
            return b.rule(chain, Origin::system(start));
        }
        let inner = b.chain("pf scrub", start);
        let checked = b.values(flags_that(|flags| is_odd(flags) || flags & (SYN | FIN) == SYN | FIN));
        b.field(Field::TcpFlags, checked, false);
        b.effect(Effect::Jump(inner));
        b.rule(chain, Origin::system(start));
        for (flat, scope, no) in scrubs {
            if !goes(flat, way) {
                continue;
            }
            for form in self.forms(&[(flat, scope)], way) {
                self.conditions(b, flat, scope, form, way);
                if no {
                    b.effect(Effect::Return);
                    b.rule(inner, flat.origin());
                    continue;
                }
                let of_rule = b.chain("pf scrub", flat.rule.span);
                b.effect(Effect::Goto(of_rule));
                b.rule(inner, flat.origin());
                b.field(Field::TcpFlags, odd, false);
                b.effect(Effect::Verdict(Verdict::Drop));
                b.rule(of_rule, flat.origin());
                self.without_fin(b, of_rule, flat.rule.span.into());
            }
        }
    }

    /// Takes the FIN away that stands beside SYN.
    fn without_fin(&mut self, b: &mut Builder, chain: ChainId, origin: Origin) {
        let map = *self.fin_map.get_or_insert_with(|| {
            let both = (0..=255u32).filter(|flags| u128::from(*flags) & (SYN | FIN) == SYN | FIN);
            let entries = both
                .filter(|flags| !is_odd((*flags).into()))
                .map(|flags| MapEntry {
                    key: vec![Some(Set::one(flags.into()))],
                    effect: Effect::Set(Field::TcpFlags, flags & !(FIN as u32)),
                    span: origin.span(),
                })
                .collect();
            b.map(vec![Field::TcpFlags], entries)
        });
        b.step(Step::Lookup(map));
        b.rule(chain, origin);
    }

    /// Whether a rule passes over ICMP packets that answer others: those that keep state do, on OpenBSD, unless
    /// they are sloppy (pf.c, `pf_match_rule`).
    pub(super) fn skips_replies(&self, flat: &Flat) -> bool {
        let sloppy = flat.rule.options.state.as_ref().is_some_and(|state| state.is_sloppy());
        self.tree.flavour == Flavour::OpenBsd
            && !sloppy
            && flat.state.is_some_and(|state| state != StateKind::No)
    }

    /// Adds the end of a block rule: its verdict, which hangs on what is blocked. ICMP errors get no answer, on
    /// FreeBSD no ICMP does; a TCP reset is not answered by one, but `return` tells its sender by ICMP (pf.c,
    /// `pf_test_rule`).
    pub(super) fn refuse(&mut self, b: &mut Builder, reply: Reply, effect: fn(Verdict) -> Effect) {
        let (key, v4, v6) = match reply {
            Reply::Drop => return b.effect(effect(Verdict::Drop)),
            Reply::Return => (reply, 3, 4),
            Reply::Reset(_) => (Reply::Reset(None), 3, 4),
            Reply::Icmp { v4, v6 } => (reply, v4, v6),
        };
        let key = (key, effect(Verdict::Drop));
        let map = match self.reply_maps.get(&key) {
            Some(map) => *map,
            None => {
                let fields = vec![Field::Version, Field::Proto, Field::IcmpType, Field::TcpFlags];
                let map = b.map(fields, self.replies(reply, v4, v6, effect));
                self.reply_maps.insert(key, map);
                map
            }
        };
        b.step(Step::Lookup(map));
    }

    fn replies(&self, reply: Reply, v4: u8, v6: u8, effect: fn(Verdict) -> Effect) -> Vec<MapEntry> {
        let entry = |key: [Option<Set>; 4], verdict: Verdict| MapEntry {
            key: key.into(),
            effect: effect(verdict),
            span: Span::default(),
        };
        let one = |value: u8| Some(Set::one(value.into()));
        let every = self.tree.flavour == Flavour::FreeBsd;
        let unanswered = |queries: &[(u128, u128)]| {
            let all = Set::range(0, 255);
            Some(if every { all } else { all.minus(&Set::of(queries.iter().copied())) })
        };
        let to_v4 = Verdict::Reject(ModelReply::Icmp { kind: 3, code: v4 });
        let to_v6 = Verdict::Reject(ModelReply::Icmp { kind: 1, code: v6 });
        let mut entries = vec![
            entry([None, one(proto::ICMP), unanswered(ICMP_QUERIES), None], Verdict::Drop),
            entry([None, one(proto::ICMPV6), unanswered(ICMP6_QUERIES), None], Verdict::Drop),
        ];
        let tcp = one(proto::TCP);
        let resets = Some(flags_that(|flags| flags & RST != 0));
        match reply {
            Reply::Drop => {}
            Reply::Return => {
                entries.push(entry([one(4), tcp.clone(), None, resets.clone()], to_v4));
                entries.push(entry([one(6), tcp, None, resets], to_v6));
                entries
                    .push(entry([None, None, None, None], Verdict::Reject(ModelReply::ResetOrUnreachable)));
            }
            Reply::Reset(_) => {
                entries.push(entry([None, tcp.clone(), None, resets], Verdict::Drop));
                entries.push(entry([None, tcp, None, None], Verdict::Reject(ModelReply::TcpReset)));
                entries.push(entry([None, None, None, None], Verdict::Drop));
            }
            Reply::Icmp { .. } => {
                entries.push(entry([one(4), None, None, None], to_v4));
                entries.push(entry([one(6), None, None, None], to_v6));
            }
        }
        entries
    }
}

/// A `scrub` rule, and whether it is `no scrub`.
fn scrub<'a, 'n>(node: &'n Node<'a>) -> Option<(&'n Flat<'a>, Scope, bool)> {
    match node {
        Node::Rule(flat, scope) => match flat.rule.action {
            Action::Scrub { no } => Some((&**flat, *scope, no)),
            _ => None,
        },
        Node::Anchor(_) | Node::Unknown { .. } => None,
    }
}
