//! Who learns that TCP was denied: by default those who connect to a lower level get a reset.
//!
//! *Command Reference*, `service`: `resetoutbound` is on unless taken back, `resetinbound` and
//! `resetoutside` are off unless written; between equal levels both count. *Understand RST Packets Sent by
//! Secure Firewall*: what access-lists deny.

use rustc_hash::FxHashMap;

use super::super::ast::Direction;
use super::levels::Towards;
use super::{Lower, Use};
use crate::model::{ChainId, Effect, Origin, Reply, Step, Test, Tuples, TuplesId, Values, Verdict};
use crate::packet::{Field, Set, proto};

/// Bridge-groups up to which it is told what is denied within them.
const GROUPS: usize = 64;

/// What interfaces have in common whose denied TCP is answered towards the same others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Rank {
    group: Option<u16>,
    level: Option<u8>,
    inbound: bool,
    outbound: bool,
}

/// Where the denied packets of a chain are answered.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    Nowhere,
    /// Where the other interface is one of these.
    By(Field, Set),
    /// Where the pair of interfaces is one of these.
    Pairs(TuplesId),
}

impl<'c, 'a> Lower<'c, 'a> {
    /// Drops the packets of the rule that is being made, with a reset where one is due.
    pub(super) fn deny(&mut self, chain: ChainId, origin: Origin) {
        self.reset(chain, origin);
        self.verdict(chain, Verdict::Drop, origin);
    }

    /// Adds a rule that answers TCP before the one that is being made, which is to drop.
    pub(super) fn reset(&mut self, chain: ChainId, origin: Origin) {
        let answered = match self.resets.get(&chain) {
            Some(answered) => answered.clone(),
            None => self.all_pairs().map_or(Answered::Nowhere, Answered::Pairs),
        };
        if matches!(answered, Answered::Nowhere) || !self.b.pending().iter().all(may_be_tcp) {
            return;
        }
        let tests = self.b.pending().to_vec();
        self.b.is(Field::Proto, proto::TCP.into());
        match answered {
            Answered::Nowhere => {}
            Answered::By(field, set) => self.within(field, set),
            Answered::Pairs(tuples) => self.b.test(Test::Tuple { tuples, negate: false }),
        }
        self.step(Effect::Verdict(Verdict::Reject(Reply::TcpReset)));
        self.b.rule(chain, origin);
        tests.into_iter().for_each(|step| self.b.step(step));
    }

    /// Where a list's denies are answered: usually it is bound to one interface.
    pub(super) fn answers(&mut self, name: &str, usage: Use, chain: ChainId) {
        let direction = match usage {
            Use::Filter | Use::FilterOriginal => Direction::In,
            Use::Egress => Direction::Out,
            Use::ControlPlane | Use::Inspect(_) | Use::Tunnel(_) | Use::VpnFilter => return,
        };
        let bound = self.bindings.get(&(name, direction)).map_or(&[][..], Vec::as_slice);
        let answered = match *bound {
            [] => Answered::Nowhere,
            [Some(interface)] if direction == Direction::In => {
                let set = self.answered_from(interface);
                if set.is_empty() { Answered::Nowhere } else { Answered::By(Field::Oif, set) }
            }
            _ => self.all_pairs().map_or(Answered::Nowhere, Answered::Pairs),
        };
        self.resets.insert(chain, answered);
    }

    /// The interfaces towards which denied TCP from an interface is answered.
    fn answered_from(&mut self, name: &str) -> Set {
        let Some(at) = self.ranks.places.get(name).copied() else { return Set::empty() };
        self.answered(at)
    }

    /// What tells the interfaces apart towards which denied TCP is answered.
    fn rank_of(&self, at: usize) -> Rank {
        let from = &self.levels[at];
        let is = |list: &[Option<&str>]| list.iter().any(|of| of.is_none_or(|of| of == from.name));
        let resets = &self.config.resets;
        let (inbound, outbound) = (is(&resets.inbound), !is(&resets.no_outbound));
        // With many bridge-groups what is denied within one counts as dropped.
        let group = from.group.filter(|_| self.ranks.groups.len() <= GROUPS);
        let level = if group.is_some() { Some(from.level) } else { from.routed };
        Rank { group, level, inbound, outbound }
    }

    fn answered(&mut self, at: usize) -> Set {
        let rank = self.rank_of(at);
        if let Some(known) = self.answered.get(&rank) {
            return known.clone();
        }
        let mut out = Set::empty();
        if rank.outbound {
            out = out.or(&self.reached(at, &rank, Towards::Lower));
        }
        if rank.outbound || rank.inbound {
            out = out.or(&self.reached(at, &rank, Towards::Equal));
        }
        if rank.inbound {
            let lower = self.reached(at, &rank, Towards::Lower);
            let not_higher = lower.or(&self.reached(at, &rank, Towards::Equal));
            out = out.or(&self.ranks.all.minus(&not_higher));
        }
        self.answered.insert(rank, out.clone());
        out
    }

    fn reached(&self, at: usize, rank: &Rank, towards: Towards) -> Set {
        let mut out = Set::empty();
        for part in self.towards(at, towards) {
            // The part within a bridge-group has no other to be apart from.
            if rank.group.is_none() && self.levels[at].group.is_some() && part.but.is_none() {
                continue;
            }
            out = out.or(&part
                .but
                .filter(|_| rank.group.is_some())
                .map_or_else(|| part.set.clone(), |but| part.set.minus(&but)));
        }
        out
    }

    /// All pairs of interfaces between which denied TCP is answered.
    fn all_pairs(&mut self) -> Option<TuplesId> {
        if let Some(known) = self.all_resets {
            return known;
        }
        let mut boxes: Vec<(Vec<(u128, u128)>, Set)> = Vec::new();
        let mut places = FxHashMap::default();
        for at in 0..self.levels.len() {
            let own = self.interface_set(self.levels[at].name);
            let to = self.answered(at);
            let place = *places.entry(self.rank_of(at)).or_insert_with(|| {
                boxes.push((Vec::new(), to));
                boxes.len() - 1
            });
            boxes[place].0.extend_from_slice(own.ranges());
        }
        let boxes: Vec<_> = boxes
            .into_iter()
            .filter(|(_, to)| !to.is_empty())
            .map(|(from, to)| vec![Some(Set::of(from)), Some(to)])
            .collect();
        let fields = vec![Field::Iif, Field::Oif];
        let pairs = (!boxes.is_empty()).then(|| self.b.tuples(Tuples { fields, boxes }));
        self.all_resets = Some(pairs);
        pairs
    }

    /// TCP to the box that nothing lets in is answered on the lowest interface where `resetoutside` says
    /// so, and where `resetinbound` does.
    pub(super) fn box_resets(&mut self, chain: ChainId) {
        let lowest = self.levels.iter().map(|known| known.level).min();
        for at in 0..self.levels.len() {
            let from = self.levels[at];
            let inbound = self.config.resets.inbound.iter().any(|of| of.is_none_or(|of| of == from.name));
            let outside = self.config.resets.outside.filter(|_| Some(from.level) == lowest);
            let Some(span) = outside.or(inbound.then_some(from.span)) else { continue };
            self.on(Field::Iif, from.name);
            self.b.is(Field::Proto, proto::TCP.into());
            self.verdict(chain, Verdict::Reject(Reply::TcpReset), Origin::setting(span));
        }
    }
}

/// Whether a test lets TCP through.
fn may_be_tcp(step: &Step) -> bool {
    match step {
        Step::Test(Test::In { field: Field::Proto, values: Values::Range(lo, hi), negate: false }) => {
            (*lo..=*hi).contains(&u32::from(proto::TCP))
        }
        Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => true,
    }
}
