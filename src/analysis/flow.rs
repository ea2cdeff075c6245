//! A set of packets through a ruleset: the same answers as the interpreter, for all packets at once.
//!
//! The set is cut into pieces along the tests of the rules. Where an answer is unknown, a piece goes
//! both ways, so that a packet may end in several entries; one whose entries all say the same is
//! certain.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::piece::{Piece, View};
use super::{Cond, Decider, Engine};
use crate::model::{
    ChainId, Effect, Hook, MapId, Rule, RuleId, Ruleset, Stage, StageKind, Step, Test, Values, Verdict, Way,
};
use crate::packet::{Dim, Field, Region, State, states};

/// Rule visits after which a query is given up.
const VISIT_LIMIT: usize = 4_000_000;
/// Chains that are open at once, after which a query is given up; nftables itself allows sixteen.
const DEPTH_LIMIT: usize = 200;
/// So many pieces are not worth joining.
const FEW: usize = 16;
/// Pieces at one rule after which a query is given up.
const PIECE_LIMIT: usize = 20_000;

/// A set of packets that end alike.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The packets as they came.
    pub region: Region,
    /// The packets as they leave.
    pub leaves: Region,
    /// Accepted, dropped or rejected.
    pub verdict: Verdict,
    /// What decided, as in [`super::Outcome::decider`].
    pub decider: Decider,
    /// What had to hold or not to hold; empty where it happens in any case.
    pub conds: Vec<Cond>,
    /// The way that they took in the end.
    pub way: Way,
    /// The helper that their connection got.
    pub helper: Option<u32>,
    /// Whether replies pass without rules.
    pub keeps_state: bool,
}

impl Entry {
    /// Whether the packets pass.
    pub fn accepted(&self) -> bool {
        self.verdict == Verdict::Accept
    }
}

/// The flow engine over the part of a ruleset that concerns one region.
///
/// Queries inside the region look only at rules that can match in it.
pub struct Scope<'a> {
    engine: Rc<Engine<'a>>,
    rules: &'a Ruleset,
    region: Region,
    lists: RefCell<FxHashMap<ChainId, Rc<[u32]>>>,
}

impl<'a> Scope<'a> {
    /// The engine for queries inside `region`.
    pub fn new(engine: &Rc<Engine<'a>>, region: Region) -> Self {
        Scope { engine: engine.clone(), rules: engine.rules(), region, lists: RefCell::default() }
    }

    /// The rules that it looks at.
    pub fn rules(&self) -> &'a Ruleset {
        self.rules
    }

    /// What becomes of all packets of `region`; `fwd_oif` as in [`super::Trip`].
    pub fn run(&self, region: &Region, way: Way, fwd_oif: Option<u128>) -> Vec<Entry> {
        let mut run =
            Run { scope: self, entries: Vec::new(), visits: 0, depth: 0, inside: self.region.covers(region) };
        let start = Piece::start(region.clone(), way, fwd_oif);
        if run.follow(vec![start.clone()]).is_err() {
            run.give_up(start);
        }
        run.entries
    }

    /// The first rule of a chain, from one on, that can do something to a packet of the region.
    fn next(&self, chain: ChainId, from: u32) -> u32 {
        let list = self.list(chain);
        list.get(list.partition_point(|index| *index < from)).copied().unwrap_or(u32::MAX)
    }

    /// The rules of a chain that can do something to a packet of the region.
    fn list(&self, chain: ChainId) -> Rc<[u32]> {
        if let Some(list) = self.lists.borrow().get(&chain) {
            return list.clone();
        }
        let rules = &self.rules.chain(chain).rules;
        let concerns = |index: &u32| self.concerns(&rules[*index as usize]);
        let list: Rc<[u32]> = match self.engine.candidates(chain, &self.region) {
            Some(candidates) => candidates.into_iter().filter(concerns).collect(),
            None => (0..rules.len() as u32).filter(concerns).collect(),
        };
        self.lists.borrow_mut().insert(chain, list.clone());
        list
    }

    fn concerns(&self, rule: &Rule) -> bool {
        let steps = self.rules.steps_of(rule);
        if steps.iter().all(|step| matches!(step, Step::Test(_))) {
            return false;
        }
        // Once something has happened, a later test that fails does not undo it.
        steps
            .iter()
            .map_while(|step| match step {
                Step::Test(test) => Some(test),
                _ => None,
            })
            .all(|test| can_hold(self.rules, &self.region, test))
    }
}

/// Whether a test can hold for an untranslated packet of the region; true where in doubt.
fn can_hold(rules: &Ruleset, region: &Region, test: &Test) -> bool {
    match *test {
        Test::Never => false,
        Test::In { field, values, negate } => {
            if field.family().is_some_and(|family| family != region.family()) {
                return false;
            }
            let side = match Dim::of(field) {
                // What these read as depends on the stage.
                None | Some(Dim::State | Dim::Iif | Dim::Oif) => return true,
                Some(dim) => region.side(dim),
            };
            let Some(side) = side else { return true };
            match (values, negate) {
                (Values::Range(lo, hi), false) => side.meets_range(lo.into(), hi.into()),
                (Values::Range(lo, hi), true) => {
                    side.ranges().iter().any(|(from, to)| *from < u128::from(lo) || u128::from(hi) < *to)
                }
                (Values::Set(id), false) => side.meets(rules.set(id)),
                (Values::Set(id), true) => !rules.set(id).covers(side),
            }
        }
        _ => true,
    }
}

/// The work could not be finished within its limits.
struct TooMuch;

struct Run<'a, 'b> {
    scope: &'b Scope<'a>,
    entries: Vec<Entry>,
    visits: usize,
    depth: usize,
    inside: bool,
}

/// A stage that is being walked.
struct Walking<'s> {
    view: View<'s>,
    accepted: Vec<Piece>,
    settled: Vec<Piece>,
}

impl Run<'_, '_> {
    fn follow(&mut self, pieces: Vec<Piece>) -> Result<(), TooMuch> {
        let Some(first) = pieces.first() else { return Ok(()) };
        if first.ctrl.way == Way::Output {
            let pieces = self.hook(Hook::Output, pieces, false)?;
            let pieces = self.route(pieces, |piece, own| {
                if own {
                    piece.loop_back();
                }
            });
            let pieces = self.hook(Hook::Postrouting, pieces, false)?;
            let (looping, gone): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|p| p.ctrl.looping);
            self.end_all(gone);
            let back = self.hook(Hook::Prerouting, looping, true)?;
            let back = self.hook(Hook::Input, back, true)?;
            self.end_all(back);
            return Ok(());
        }
        let pieces = self.hook(Hook::Prerouting, pieces, false)?;
        let pieces = self.route(pieces, |piece, own| piece.turn(if own { Way::Input } else { Way::Forward }));
        let (forward, input): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|p| p.ctrl.way == Way::Forward);
        let forward = self.forwardable(forward);
        let input = self.hook(Hook::Input, input, false)?;
        self.end_all(input);
        let forward = self.hook(Hook::Forward, forward, false)?;
        let forward = self.hook(Hook::Postrouting, forward, false)?;
        self.end_all(forward);
        Ok(())
    }

    fn give_up(&mut self, start: Piece) {
        self.entries.clear();
        for verdict in [Verdict::Accept, Verdict::Drop] {
            let mut piece = start.clone();
            piece.assume(Cond::Limit);
            self.end(piece, verdict);
        }
    }

    /// The pieces that pass all stages of a hook.
    fn hook(&mut self, hook: Hook, mut pieces: Vec<Piece>, returned: bool) -> Result<Vec<Piece>, TooMuch> {
        let rules = self.scope.rules;
        for (at, stage) in rules.stages(hook).iter().enumerate() {
            if pieces.is_empty() {
                break;
            }
            let view = View { rules, hook, stage, returned };
            let (entering, mut past) = enter(&view, pieces);
            past.extend(self.stage(view, Decider::Policy(hook, at as u32), entering)?);
            pieces = compact(past);
        }
        let side = match hook {
            Hook::Prerouting | Hook::Output => Some(0),
            Hook::Input | Hook::Postrouting => Some(1),
            Hook::Forward => None,
        };
        if let Some(side) = side {
            pieces.iter_mut().for_each(|piece| piece.ctrl.tried[side] = true);
        }
        Ok(pieces)
    }

    /// The pieces that a stage accepts.
    fn stage(&mut self, view: View<'_>, policy: Decider, pieces: Vec<Piece>) -> Result<Vec<Piece>, TooMuch> {
        let stage = view.stage;
        let mut walking = Walking { view, accepted: Vec::new(), settled: Vec::new() };
        let fell = self.chain(&mut walking, stage.chain, pieces)?;
        let settled = std::mem::take(&mut walking.settled);
        for mut piece in fell.into_iter().chain(settled) {
            match piece.ctrl.pending.take() {
                Some((verdict, rule)) => self.decide(&mut walking, piece, verdict, Decider::Rule(rule)),
                None => self.decide(&mut walking, piece, stage.policy, policy),
            }
        }
        Ok(walking.accepted)
    }

    /// Walks a chain; gives back the pieces that fall off its end or return.
    fn chain(
        &mut self,
        walking: &mut Walking<'_>,
        id: ChainId,
        mut pieces: Vec<Piece>,
    ) -> Result<Vec<Piece>, TooMuch> {
        let chain = self.scope.rules.chain(id);
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(TooMuch);
        }
        let mut returned = Vec::new();
        let mut from = 0;
        let mut crowd = FEW;
        while !pieces.is_empty() {
            // The scope's list holds for packets as they came; a translation can bring other rules in.
            let plain = self.inside && pieces.iter().all(Piece::untranslated);
            let index = if plain { self.scope.next(id, from) } else { from };
            let Some(rule) = chain.rules.get(index as usize) else { break };
            from = index + 1;
            self.visits += pieces.len();
            if !pieces.iter().any(|piece| can_match(&walking.view, piece, rule)) {
                if self.visits > VISIT_LIMIT {
                    return Err(TooMuch);
                }
                continue;
            }
            let mut next = Vec::with_capacity(pieces.len());
            for piece in pieces {
                if can_match(&walking.view, &piece, rule) {
                    let rule = RuleId { chain: id, index };
                    self.rule(walking, rule, piece, &mut next, &mut returned)?;
                } else {
                    next.push(piece);
                }
            }
            if self.visits > VISIT_LIMIT || next.len() + self.entries.len() > PIECE_LIMIT {
                return Err(TooMuch);
            }
            pieces = next;
            if pieces.len() > crowd {
                pieces = Piece::join(pieces);
                crowd = FEW.max(2 * pieces.len());
            }
        }
        self.depth -= 1;
        returned.extend(pieces);
        Ok(compact(returned))
    }

    /// Runs a rule on a piece: what it passes over goes to `next`, what leaves the chain to `returned`.
    fn rule(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        piece: Piece,
        next: &mut Vec<Piece>,
        returned: &mut Vec<Piece>,
    ) -> Result<(), TooMuch> {
        let rules = self.scope.rules;
        let steps = rules.steps_of(rules.rule(id));
        let untouched = piece.clone();
        let mut passed = Vec::new();
        let mut live = vec![(piece, false)];
        for (at, step) in steps.iter().enumerate() {
            let mut still = Vec::new();
            for (piece, maybe) in live {
                match *step {
                    Step::Test(_) if steps[at..].iter().all(|s| matches!(s, Step::Test(_))) => {
                        passed.push(piece)
                    }
                    Step::Test(test) => {
                        let split = piece.split(&walking.view, test);
                        passed.extend(split.no);
                        still.extend(split.yes.into_iter().map(|piece| (piece, maybe)));
                        for (mut piece, cond) in split.maybe {
                            piece.assume(cond);
                            passed.push(piece.clone());
                            still.push((piece, true));
                        }
                    }
                    Step::Effect(effect) => {
                        let done = self.effect(
                            walking,
                            id,
                            effect,
                            piece,
                            maybe.then_some(&untouched),
                            &mut passed,
                            returned,
                        )?;
                        still.extend(done.into_iter().map(|piece| (piece, maybe)));
                    }
                    Step::Lookup(map) => {
                        self.lookup(
                            walking,
                            (id, map),
                            (piece, maybe),
                            &untouched,
                            &mut passed,
                            returned,
                            &mut still,
                        )?;
                    }
                }
            }
            live = still;
            if live.is_empty() {
                break;
            }
        }
        passed.extend(live.into_iter().map(|(piece, _)| piece));
        // A rule that did nothing leaves the piece in one part.
        if passed.iter().all(|p| p.ctrl == untouched.ctrl && p.conds == untouched.conds)
            && passed.len() > 1
            && covers_alone(&untouched, &passed)
        {
            next.push(untouched);
        } else {
            next.extend(passed);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn lookup(
        &mut self,
        walking: &mut Walking<'_>,
        (id, map): (RuleId, MapId),
        (piece, maybe): (Piece, bool),
        untouched: &Piece,
        passed: &mut Vec<Piece>,
        returned: &mut Vec<Piece>,
        still: &mut Vec<(Piece, bool)>,
    ) -> Result<(), TooMuch> {
        let map = self.scope.rules.map(map);
        let mut rest = vec![piece];
        for entry in &map.entries {
            let mut left = Vec::with_capacity(rest.len());
            for piece in rest {
                self.visits += 1;
                let split = piece.split_product(&walking.view, &map.fields, &entry.key);
                left.extend(split.no);
                let uncertain = split.maybe.into_iter().map(|(mut piece, cond)| {
                    piece.assume(cond);
                    (piece, true)
                });
                let uncertain: Vec<_> = uncertain.collect();
                left.extend(uncertain.iter().map(|(piece, _)| piece.clone()));
                for (piece, unsure) in split.yes.into_iter().map(|piece| (piece, maybe)).chain(uncertain) {
                    let done = self.effect(
                        walking,
                        id,
                        entry.effect,
                        piece,
                        unsure.then_some(untouched),
                        passed,
                        returned,
                    )?;
                    still.extend(done.into_iter().map(|piece| (piece, unsure)));
                }
            }
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        passed.extend(rest);
        Ok(())
    }

    /// Does an effect; gives back the pieces with which the rule goes on.
    #[allow(clippy::too_many_arguments)]
    fn effect(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        effect: Effect,
        mut piece: Piece,
        twin: Option<&Piece>,
        passed: &mut Vec<Piece>,
        returned: &mut Vec<Piece>,
    ) -> Result<Vec<Piece>, TooMuch> {
        match effect {
            Effect::Verdict(verdict) => self.decide(walking, piece, verdict, Decider::Rule(id)),
            Effect::Jump(chain) => {
                let back = self.chain(walking, chain, vec![piece])?;
                // The twin that did not jump stands for those that come back as they came to the rule.
                let changed = |p: &Piece| twin.is_none_or(|twin| p.ctrl != twin.ctrl || !p.same_links(twin));
                passed.extend(back.into_iter().filter(changed));
            }
            Effect::Goto(chain) => returned.extend(self.chain(walking, chain, vec![piece])?),
            Effect::Return => returned.push(piece),
            Effect::NextRule => passed.push(piece),
            Effect::Settle => walking.settled.push(piece),
            Effect::Undefined(cond) => {
                piece.assume(Cond::Named(cond));
                for verdict in [Verdict::Accept, Verdict::Drop] {
                    self.decide(walking, piece.clone(), verdict, Decider::Rule(id));
                }
                passed.push(piece);
            }
            Effect::Pend(verdict) => {
                piece.ctrl.pending = Some((verdict, id));
                return Ok(vec![piece]);
            }
            _ => return Ok(piece.change(&walking.view, effect)),
        }
        Ok(Vec::new())
    }

    fn decide(&mut self, walking: &mut Walking<'_>, mut piece: Piece, verdict: Verdict, decider: Decider) {
        piece.ctrl.pending = None;
        if verdict != Verdict::Accept {
            piece.decider = decider;
            self.end(piece, verdict);
            return;
        }
        let weight = decider.weight(walking.view.hook);
        if walking.view.stage.kind == StageKind::Filter && weight >= piece.weight {
            (piece.decider, piece.weight) = (decider, weight);
        }
        walking.accepted.push(piece);
    }

    fn end(&mut self, piece: Piece, verdict: Verdict) {
        self.entries.push(Entry {
            region: piece.original(),
            verdict,
            decider: piece.decider,
            way: piece.ctrl.way,
            helper: piece.ctrl.helper,
            keeps_state: piece.ctrl.keeps_state,
            conds: piece.conds,
            leaves: piece.region,
        });
    }

    fn end_all(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            self.end(piece, Verdict::Accept);
        }
    }

    /// The pieces without the sources that no router passes on.
    fn forwardable(&mut self, pieces: Vec<Piece>) -> Vec<Piece> {
        let mut out = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let family = piece.region.family();
            let (stay, go) = piece.by_source(&family.unforwardable());
            for mut piece in stay {
                piece.decider = Decider::End;
                self.end(piece, Verdict::Drop);
            }
            out.extend(go);
        }
        out
    }

    /// The routing decision for pieces whose destination was translated: `send` puts a piece on the way that
    /// leads to the box itself, or past it.
    fn route(&mut self, pieces: Vec<Piece>, send: impl Fn(&mut Piece, bool)) -> Vec<Piece> {
        let mut out = Vec::with_capacity(pieces.len());
        for mut piece in pieces {
            if !piece.ctrl.mapped[0] {
                out.push(piece);
                continue;
            }
            for (mut part, own) in piece.by_owner(self.scope.rules) {
                if own.is_none() {
                    part.assume(Cond::OwnAddresses);
                }
                for here in [true, false].into_iter().filter(|here| own.is_none_or(|own| own == *here)) {
                    let mut part = part.clone();
                    send(&mut part, here);
                    out.push(part);
                }
            }
        }
        out
    }
}

/// Parts the pieces into those that a stage sees and the others.
fn enter(view: &View<'_>, pieces: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    let stage: &Stage = view.stage;
    let side = match stage.kind {
        StageKind::Filter => None,
        StageKind::DstNat => Some(0),
        StageKind::SrcNat => Some(1),
    };
    let (mut entering, mut past) = (Vec::new(), Vec::new());
    for piece in pieces {
        let barred = side.is_some_and(|side: usize| piece.ctrl.tried[side] || piece.ctrl.mapped[side]);
        if !stage.sees(piece.region.family()) || barred {
            past.push(piece);
        } else if side.is_none() {
            entering.push(piece);
        } else {
            let split = piece.split_set(view, Field::State, &states(&[State::New]), false);
            entering.extend(split.yes);
            past.extend(split.no);
            // A state that is not known: the connection may be running already.
            for (mut piece, cond) in split.maybe {
                piece.assume(cond);
                past.push(piece.clone());
                entering.push(piece);
            }
        }
    }
    (entering, past)
}

fn can_match(view: &View<'_>, piece: &Piece, rule: &Rule) -> bool {
    let steps = view.rules.steps_of(rule);
    if !piece.untranslated() {
        return true;
    }
    steps
        .iter()
        .map_while(|step| match step {
            Step::Test(test) => Some(test),
            _ => None,
        })
        .all(|test| can_hold(view.rules, &piece.region, test))
}

/// Whether disjoint parts of a piece make up the whole of it again.
fn covers_alone(whole: &Piece, parts: &[Piece]) -> bool {
    if !whole.untranslated() || parts.len() > 16 {
        return false;
    }
    let mut rest = vec![whole.region.clone()];
    for part in parts {
        rest = rest.iter().flat_map(|region| region.minus(&part.region)).collect();
        if rest.len() > 32 {
            return false;
        }
    }
    rest.is_empty()
}

/// Drops pieces that another one in the same state holds: their packets end no other way.
fn compact(mut pieces: Vec<Piece>) -> Vec<Piece> {
    if pieces.len() > FEW {
        pieces = Piece::join(pieces);
    }
    if pieces.len() < 2 || pieces.len() > 256 || pieces.iter().all(|p| p.conds.is_empty()) {
        return pieces;
    }
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if kept.iter().any(|other| other.stands_for(&piece)) {
            continue;
        }
        kept.retain(|other| !piece.stands_for(other));
        kept.push(piece);
    }
    kept
}
