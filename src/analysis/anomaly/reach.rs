//! From where the chains of a ruleset are walked, and what their rules change in packets.

use super::steps::ends;
use crate::model::{ChainId, Effect, Hook, RuleId, Ruleset, StageKind, Way};
use crate::packet::{FIELDS, Family, Field, Fields};

/// A way through the box, and whether it goes from the box to itself.
pub(super) type Course = (Way, bool);

/// All of them.
pub(super) const COURSES: [Course; 4] =
    [(Way::Forward, false), (Way::Input, false), (Way::Output, false), (Way::Output, true)];

/// One chain, as it is walked.
#[derive(Clone, Default, Debug)]
pub(super) struct Walked {
    /// The stages whose walk comes here, by hook and place.
    pub stages: Vec<(Hook, u32)>,
    /// The rules that lead here.
    pub callers: Vec<RuleId>,
    /// What can be another value after a rule of this chain, or of one that it leads to.
    pub changes: Fields,
    /// For each of these from which rule on none of this chain can change it.
    pub settled: Vec<(Field, u32)>,
    /// What can be another value than packets came with when they are looked at here.
    pub changed: Fields,
    /// The same for those that went out of the box and round to it again.
    pub changed_round: Fields,
    /// Whether packets of a family come here.
    pub families: [bool; 2],
    /// Whether no packet comes back from it.
    pub ends: bool,
    /// Whether some stage runs before connection tracking.
    pub early: bool,
}

impl Walked {
    /// Whether nothing leads here.
    pub(super) fn is_apart(&self) -> bool {
        self.stages.is_empty()
    }

    pub(super) fn sees(&self, family: Family) -> bool {
        self.families[family as usize]
    }

    /// The ways by which packets may come here.
    pub(super) fn courses(&self, translates: bool) -> impl Iterator<Item = Course> + '_ {
        COURSES.into_iter().filter(move |(way, loopback)| {
            self.stages.iter().any(|(hook, _)| comes_by(*hook, *way, *loopback, translates))
        })
    }
}

/// Whether packets of a way cross a hook; where destinations are translated, those to the box may be forwarded, and
/// the reverse.
fn comes_by(hook: Hook, way: Way, loopback: bool, translates: bool) -> bool {
    let turned = translates && way != Way::Output;
    let looped = way == Way::Output && (loopback || translates);
    match hook {
        Hook::Prerouting => way != Way::Output || looped,
        Hook::Input => way == Way::Input || looped || turned,
        Hook::Forward => way == Way::Forward || turned,
        Hook::Output => way == Way::Output,
        Hook::Postrouting => way != Way::Input || turned,
    }
}

/// All chains of a ruleset.
pub(super) struct Reach {
    chains: Vec<Walked>,
    order: Vec<ChainId>,
    /// Whether destinations are translated.
    pub translates: bool,
}

impl Reach {
    pub(super) fn new(rules: &Ruleset) -> Reach {
        let mut chains: Vec<Walked> = rules.chains.iter().map(|_| Walked::default()).collect();
        let order = sorted(rules, &mut chains);
        for hook in HOOKS {
            for (at, stage) in rules.stages(hook).iter().enumerate() {
                let walked = &mut chains[stage.chain.0 as usize];
                walked.stages.push((hook, at as u32));
                walked.families = [walked.families[0] || stage.v4, walked.families[1] || stage.v6];
                walked.early |= stage.before_tracking;
            }
        }
        // Callers stand before what they call.
        for chain in &order {
            let from = chains[chain.0 as usize].clone();
            for target in targets(rules, *chain) {
                let to = &mut chains[target.0 as usize];
                let new = from.stages.iter().filter(|stage| !to.stages.contains(stage));
                let new: Vec<(Hook, u32)> = new.copied().collect();
                to.stages.extend(new);
                to.families = [to.families[0] || from.families[0], to.families[1] || from.families[1]];
                to.early |= from.early;
            }
        }
        for chain in order.iter().rev() {
            let settled = settled(rules, *chain, &chains);
            let walked = &mut chains[chain.0 as usize];
            settled.iter().for_each(|(field, _)| walked.changes.add(*field));
            walked.settled = settled;
            let ends = ends(rules, *chain, &|to| chains[to.0 as usize].ends);
            chains[chain.0 as usize].ends = ends;
        }
        let stages = stages(rules);
        let mut before = Vec::with_capacity(stages.len());
        let mut so_far = Fields::default();
        for (hook, at, chain) in &stages {
            so_far.extend(chains[chain.0 as usize].changes);
            before.push((*hook, *at, so_far));
        }
        for walked in &mut chains {
            for (hook, at, changed) in &before {
                if walked.stages.contains(&(*hook, *at)) {
                    // What goes round to the box itself has been through all of them.
                    let round = matches!(hook, Hook::Prerouting | Hook::Input);
                    walked.changed.extend(*changed);
                    walked.changed_round.extend(if round { so_far } else { *changed });
                }
            }
        }
        let translates = rules.hooks.iter().flatten().any(|stage| stage.kind == StageKind::DstNat)
            || rules.nats.iter().any(|nat| nat.destination);
        Reach { chains, order, translates }
    }

    /// The chains, callers before what they call.
    pub(super) fn order(&self) -> &[ChainId] {
        &self.order
    }

    /// For each chain its place in that order.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(place, chain)| places[chain.0 as usize] = place);
        places
    }

    pub(super) fn of(&self, chain: ChainId) -> &Walked {
        &self.chains[chain.0 as usize]
    }
}

const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

/// All stages: hook, place, chain, each after those that may come before it, but for the way of what the box sends
/// to itself.
fn stages(rules: &Ruleset) -> Vec<(Hook, u32, ChainId)> {
    let of =
        |hook: Hook| rules.stages(hook).iter().enumerate().map(move |(at, s)| (hook, at as u32, s.chain));
    HOOKS.into_iter().flat_map(of).collect()
}

/// The chains, callers before what they call; notes the callers. Jumps make no circle.
fn sorted(rules: &Ruleset, chains: &mut [Walked]) -> Vec<ChainId> {
    let mut open = vec![0usize; rules.chains.len()];
    for (at, chain) in rules.chains.iter().enumerate() {
        for (index, rule) in chain.rules.iter().enumerate() {
            let id = RuleId { chain: ChainId(at as u32), index: index as u32 };
            let mut seen: Vec<ChainId> = Vec::new();
            for to in rules.led_to(rule) {
                if !seen.contains(&to) {
                    seen.push(to);
                    chains[to.0 as usize].callers.push(id);
                }
            }
        }
        for to in targets(rules, ChainId(at as u32)) {
            open[to.0 as usize] += 1;
        }
    }
    let mut order: Vec<ChainId> = Vec::with_capacity(open.len());
    order.extend((0..open.len() as u32).map(ChainId).filter(|chain| open[chain.0 as usize] == 0));
    let mut at = 0;
    while let Some(chain) = order.get(at).copied() {
        at += 1;
        for to in targets(rules, chain) {
            open[to.0 as usize] -= 1;
            if open[to.0 as usize] == 0 {
                order.push(to);
            }
        }
    }
    order
}

/// The chains that rules of a chain lead to, each once.
fn targets(rules: &Ruleset, chain: ChainId) -> Vec<ChainId> {
    let rules_of = &rules.chain(chain).rules;
    let mut targets: Vec<ChainId> = rules_of.iter().flat_map(|rule| rules.led_to(rule)).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// For each field that rules of a chain change, or chains that they lead to, from which rule on none does. Marks and
/// what called chains do count as changed to the end: only what is overwritten is lost to scouts, and none takes the
/// value before for the one after.
fn settled(rules: &Ruleset, chain: ChainId, chains: &[Walked]) -> Vec<(Field, u32)> {
    let mut from = [0; FIELDS];
    for (index, rule) in rules.chain(chain).rules.iter().enumerate() {
        for effect in rules.effects(rules.steps_of(rule)) {
            let place = if matches!(effect, Effect::Set(..)) { index as u32 + 1 } else { u32::MAX };
            changed(rules, effect).iter().for_each(|field| raise(&mut from, field, place));
        }
        for to in rules.led_to(rule) {
            chains[to.0 as usize].changes.iter().for_each(|field| raise(&mut from, field, u32::MAX));
        }
    }
    Field::ALL.into_iter().zip(from).filter(|(_, place)| *place > 0).collect()
}

fn raise(from: &mut [u32; FIELDS], field: Field, place: u32) {
    let known = &mut from[field as usize];
    *known = place.max(*known);
}

/// What can read as another value after an effect.
fn changed(rules: &Ruleset, effect: Effect) -> Fields {
    // Untracked packets have no connection to look at.
    if effect == Effect::NoTrack {
        return Fields::of(&OF_CONNECTION);
    }
    let mut changed = Fields::default();
    rules.rewritten(effect).for_each(|field| changed.add(field));
    changed
}

/// What is there only with a connection, and what connection tracking says.
pub(super) const OF_CONNECTION: [Field; 11] = [
    Field::State,
    Field::Dnat,
    Field::Snat,
    Field::Direction,
    Field::CtMark,
    Field::OrigSrc4,
    Field::OrigSrc6,
    Field::OrigDst4,
    Field::OrigDst6,
    Field::OrigSport,
    Field::OrigDport,
];

/// What reads as something else than packets of a course came with, whatever the rules do: interfaces that a hook has
/// not, states before connection tracking, and all that hangs on the connection.
pub(super) fn seen_otherwise((way, loopback): Course, walked: &Walked) -> Fields {
    let mut fields = Fields::of(&OF_CONNECTION[1..]);
    fields.extend(Fields::of(&[Field::Version, Field::Ttl, Field::TcpMss, Field::SrcMac]));
    if walked.early {
        fields.add(Field::State);
    }
    let no_oif = |(hook, _): &(Hook, u32)| matches!(hook, Hook::Prerouting | Hook::Input);
    if way == Way::Output || loopback {
        fields.add(Field::Iif);
    }
    if way == Way::Input || loopback || walked.stages.iter().any(no_oif) {
        fields.add(Field::Oif);
    }
    fields
}
