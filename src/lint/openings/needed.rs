//! PH208, PH525 and PH526: a family that nothing filters, and filters that refuse what every host needs.

use super::{LIMIT, Lens};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, Passage};
use crate::dialect::Answers;
use crate::finding::Finding;
use crate::judge::Witness;
use crate::lint::witness;
use crate::model::{Hook, Stage, StageKind, Verdict, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State, proto};
use crate::rule::{PH208, PH525, PH526};
use crate::site::unicast;

/// Types of ICMPv6 without which a host loses its neighbours (RFC 4890, 4.4.1): solicitation and advertisement.
const NEIGHBOURS: (u128, u128) = (135, 136);
/// `packet too big` (RFC 4890, 4.3.1).
const TOO_BIG: u128 = 2;

impl Lens<'_, '_> {
    /// All of them.
    pub(super) fn needed(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.firewall.dialect.language().lines.of_interfaces {
            return findings;
        }
        let selection = &self.judge.site.settings.selection;
        if selection.has(&PH208) {
            findings.extend(self.unfiltered());
        }
        if !self.judge.site.is_made_up() {
            return findings;
        }
        if selection.has(&PH525) {
            findings.extend(self.without_neighbours());
        }
        if selection.has(&PH526) {
            findings.extend(self.without_answers());
        }
        findings
    }

    /// PH208: IPv4 is filtered at a hook, and nothing looks at IPv6 there. A dump of one family tells nothing of the
    /// other, unless the box is known to speak that.
    fn unfiltered(&self) -> Option<Finding> {
        let rules = &self.firewall.rules;
        let untold = !self.firewall.speaks(Family::V6);
        let has_addresses = rules.own.iter().any(|own| own.family == Family::V6);
        let known = has_addresses || rules.forwards_v6;
        // Of a site it is told which families it has.
        let asked = known || !untold && (self.judge.site.is_made_up() || self.judge.site.has_v6());
        if !asked || !self.firewall.speaks(Family::V4) {
            return None;
        }
        let filters = |hook: Hook| {
            rules
                .stages(hook)
                .iter()
                .filter(|stage| stage.kind == StageKind::Filter && self.is_filter_proper(stage))
        };
        for (hook, what) in
            [(Hook::Input, "traffic to the firewall itself"), (Hook::Forward, "forwarded traffic")]
        {
            if filters(hook).any(|stage| stage.v6) {
                continue;
            }
            let refuses = |stage: &&Stage| stage.v4 && stage.policy != Verdict::Accept;
            if let Some(stage) = filters(hook).find(refuses) {
                let message = match untold {
                    true if has_addresses => {
                        format!("no rule filters {what} over IPv6, of which the box has addresses")
                    }
                    true => format!("no rule filters {what} over IPv6, which the box forwards"),
                    false => format!("{what} over IPv6 is not filtered, and over IPv4 it is"),
                };
                return Some(
                    Finding::of(&PH208, stage.policy_origin.span(), message)
                        .label("sees packets of IPv4 alone")
                        .notice(
                            "Whoever reaches the box over IPv6 reaches everything that is closed over IPv4.",
                        )
                        .help(match untold {
                            true => {
                                "Give the rules for IPv6 as well, the output of `ip6tables-save`. Where there are \
                                 none, write them."
                            }
                            false => {
                                "Put the rules into a table of the family `inet`, or make one of `ip6` as well."
                            }
                        }),
                );
            }
        }
        None
    }

    /// PH525: packets of IPv6 are let in, and those that they depend on are refused.
    fn without_neighbours(&self) -> Option<Finding> {
        if !self.firewall.speaks(Family::V6) {
            return None;
        }
        let mut spaces = self.store(Family::V6, LIMIT);
        let found = self.refused_control(&mut spaces);
        self.charge(&spaces, 0);
        found
    }

    fn refused_control(&self, spaces: &mut Spaces) -> Option<Finding> {
        let strangers = self.strangers(spaces, Way::Input);
        let some = self.go(spaces, strangers, Way::Input, State::New)?;
        if self.may_pass(spaces, &some).is_none() {
            return None;
        }
        // Neighbour discovery belongs to no connection (nf_conntrack_proto_icmpv6.c, `noct_valid_new`).
        let tracked = self.firewall.dialect.language().lines.answers == Answers::ByState;
        let state = if tracked { State::Untracked } else { State::New };
        let discovery = self.icmpv6(spaces, Set::range(NEIGHBOURS.0, NEIGHBOURS.1), true);
        let mut refused = Vec::new();
        let mut by = None;
        let passage = self.go(spaces, discovery, Way::Input, state)?;
        if self.may_pass(spaces, &passage).is_none() {
            refused.push("neighbour discovery");
            by = self.refuser(spaces, &passage);
        }
        // A stateful filter of pf takes errors for parts of their connections.
        if tracked {
            let errors = self.icmpv6(spaces, Set::one(TOO_BIG), false);
            let passage = self.go(spaces, errors, Way::Input, State::Related)?;
            if self.may_pass(spaces, &passage).is_none() {
                refused.push("`packet too big`");
                by = by.or(self.refuser(spaces, &passage));
            }
        }
        let (by, space) = by.filter(|_| !spaces.exhausted())?;
        let are = if refused.len() == 1 { "is" } else { "are" };
        let message = format!("IPv6 is let in, and {} for it {are} refused", refused.join(" and "));
        let span = by.span(&self.firewall.rules)?;
        let mut finding = Finding::of(&PH525, span, message)
            .label("refuses it")
            .notice(match refused.as_slice() {
                ["`packet too big`"] => "Connections stand still as soon as large packets are sent.",
                _ => "Hosts on the same link do not find the box: IPv6 stops working after a while, or at once.",
            })
            .help(
                "Accept ICMPv6 of the types 1 to 4 and 133 to 136 (RFC 4890), the latter whatever their state is, before \
                 everything is refused.",
            );
        let witness =
            spaces.witness(space).map(|packet| Witness { firewall: self.at, way: Way::Input, packet });
        witness::show(&mut finding, witness.as_ref(), Some(self.at));
        Some(finding)
    }

    fn icmpv6(&self, spaces: &mut Spaces, types: Set, on_link: bool) -> Space {
        let link = Set::range(0xfe80 << 112, (0xfe80 << 112) | ((1 << 64) - 1));
        let from = if on_link { link.clone() } else { unicast(Family::V6) };
        let fields = [
            (Field::Src6, from),
            (Field::Dst6, if on_link { link } else { unicast(Family::V6) }),
            (Field::Iif, self.real_interfaces(Field::Iif)),
            (Field::Proto, Set::one(proto::ICMPV6.into())),
            (Field::IcmpType, types),
            (Field::IcmpCode, Set::one(0)),
        ];
        within(spaces, &fields)
    }

    /// PH526: the box may open connections, and no answer to them is let in.
    fn without_answers(&self) -> Option<Finding> {
        if self.firewall.dialect.language().lines.answers != Answers::ByState {
            return None;
        }
        [Family::V4, Family::V6].into_iter().filter(|family| self.firewall.speaks(*family)).find_map(
            |family| {
                let mut spaces = self.store(family, LIMIT);
                let found = self.refused_answers(&mut spaces);
                self.charge(&spaces, 0);
                found
            },
        )
    }

    fn refused_answers(&self, spaces: &mut Spaces) -> Option<Finding> {
        let family = spaces.family();
        let both = |spaces: &mut Spaces, more: &[(Field, Set)]| {
            let ends = [
                (Field::src(family), unicast(family)),
                (Field::dst(family), unicast(family)),
                (Field::Proto, Set::one(proto::TCP.into())),
            ];
            let ends = within(spaces, &ends);
            let more = within(spaces, more);
            spaces.and(ends, more)
        };
        let (server, own) = (Set::one(443), Set::range(32768, 60999));
        let asks = [
            (Field::Oif, self.real_interfaces(Field::Oif)),
            (Field::Dport, server.clone()),
            (Field::Sport, own.clone()),
            (Field::TcpFlags, Set::one(2)),
        ];
        let asks = both(spaces, &asks);
        let asked = self.go(spaces, asks, Way::Output, State::New)?;
        if self.may_pass(spaces, &asked).is_none() {
            return None;
        }
        let answers = [
            (Field::Iif, self.real_interfaces(Field::Iif)),
            (Field::Sport, server),
            (Field::Dport, own),
            (Field::TcpFlags, Set::one(0x12)),
        ];
        let answers = both(spaces, &answers);
        let passage = self.go(spaces, answers, Way::Input, State::Established)?;
        if !self.may_pass(spaces, &passage).is_none() {
            return None;
        }
        let (by, space) = self.refuser(spaces, &passage).filter(|_| !spaces.exhausted())?;
        let rules = &self.firewall.rules;
        // A chain without a rule is closed on purpose.
        if let Decider::Policy(hook, at) = by
            && rules.chain(rules.stages(hook).get(at as usize)?.chain).rules.is_empty()
        {
            return None;
        }
        let span = by.span(rules)?;
        let mut finding =
            Finding::of(&PH526, span, "answers to the connections of the firewall itself are refused")
                .label("refuses packets of connections that are established")
                .notice("Nothing that the box opens works: names are not resolved, updates are not fetched.")
                .help("Accept established and related connections before everything else is refused.");
        let witness =
            spaces.witness(space).map(|packet| Witness { firewall: self.at, way: Way::Input, packet });
        witness::show(&mut finding, witness.as_ref(), Some(self.at));
        Some(finding)
    }

    fn go(&self, spaces: &mut Spaces, all: Space, way: Way, state: State) -> Option<Passage> {
        let flow = self.judge.flow(self.at)?;
        let state_of = spaces.test(Field::State, &Set::one(state as u128));
        let all = spaces.and(all, state_of);
        let packets = Classes::one(Class { space: all, ctrl: Ctrl::new(way) });
        flow.run(spaces, &packets, &Hop { state: Some(state), ..Hop::first(way) }).ok()
    }

    /// The packets that get through for some outcome of the unknowns.
    fn may_pass(&self, spaces: &mut Spaces, passage: &Passage) -> Space {
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        spaces.possibly(passed)
    }

    /// Who refuses most.
    fn refuser(&self, spaces: &Spaces, passage: &Passage) -> Option<(Decider, Space)> {
        let shares = passage.refused.iter().map(|(by, _, space)| (*by, *space, spaces.share(*space)));
        shares.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(by, space, _)| (by, space))
    }
}

fn within(spaces: &mut Spaces, fields: &[(Field, Set)]) -> Space {
    fields.iter().fold(Space::ALL, |all, (field, set)| {
        let side = spaces.test(*field, set);
        spaces.and(all, side)
    })
}
