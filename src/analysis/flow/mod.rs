//! Sets of packets through a ruleset: the same answers as the interpreter, for all packets at once.
//!
//! Packets go through in [`Class`]es. What a rule tests becomes a [`Space`] over the packets as they came to the
//! first firewall; what nobody knows is a variable in it, so that nothing is assumed and nothing is sampled.

mod apart;
mod arrive;
mod change;
mod class;
mod read;
mod reply;
mod route;
mod walk;
mod watch;

use rustc_hash::{FxHashMap, FxHashSet};

pub use class::{Class, Classes, Ctrl, Expr};
pub(crate) use read::NO_MSS;
pub use reply::{Known, answers};
pub use watch::{Marks, Noted, Watch};

use super::Decider;
use super::index::Index;
use crate::model::{
    About, Effect, HelperId, Hook, RuleId, Ruleset, StageKind, Step, Test, TuplesId, Verdict, Way,
};
use crate::packet::{Field, Level, Set, Side, Space, Spaces, State, interface};
use apart::Asked;
use read::View;

/// Rule visits after which a run is given up.
const VISIT_LIMIT: usize = 8_000_000;
/// What a visit costs besides the sets that it makes, in steps of [`Spaces::work`].
const VISIT_STEPS: u64 = 8;
/// Chains that are open at once, after which a run is given up; nftables itself allows sixteen.
const DEPTH_LIMIT: usize = 200;

/// The flow engine over one ruleset. Can be used by several threads.
pub struct Flow<'a> {
    rules: &'a Ruleset,
    /// Tells its unknown conditions from those of other firewalls.
    number: u64,
    /// Packets are those of honest senders, within all rates.
    honest: bool,
    /// For each condition, which it is of those with its name.
    ordinals: Vec<u32>,
    /// What rules look at.
    reads: FxHashSet<Field>,
    /// Rules say for which packets answers are remembered (pf); else they are for all that are tracked.
    keeps_by_rule: bool,
    /// No rule gives packets another destination.
    keeps_destinations: bool,
    /// What marks packets come with.
    marks: Marks,
    index: Index,
    asked: Asked,
}

/// The limit of work was hit: nothing is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMuch;

/// How packets cross a firewall.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Which firewall of the path it is, from 0.
    pub number: usize,
    /// The way before any translation.
    pub way: Way,
    /// What is addressed to the box itself goes to the box, whatever `way` says of the others.
    pub by_address: bool,
    /// The box sends them to itself.
    pub loopback: bool,
    /// The interfaces by which they may come in; `None` where the packets themselves say.
    pub iif: Option<Set>,
    /// The interfaces by which they may leave, likewise.
    pub oif: Option<Set>,
    /// The output interfaces should translation turn them from the box into the network behind it.
    pub fwd_oif: Option<Set>,
    /// What connection tracking says of them; `None` where the packets themselves say.
    pub state: Option<State>,
    /// They answer packets that came before: what the firewall remembers of those.
    pub known: Option<Known>,
}

impl Hop {
    /// A crossing of the first firewall by packets that say everything themselves.
    pub fn first(way: Way) -> Self {
        Hop {
            number: 0,
            way,
            by_address: false,
            loopback: false,
            iif: None,
            oif: None,
            fwd_oif: None,
            state: None,
            known: None,
        }
    }
}

/// Who let packets pass at one of the stages, and how well that names the answer, [`Decider::weight`].
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The rule or policy.
    pub by: Decider,
    /// How well it names why they pass.
    pub weight: u8,
    /// The place of the stage on the way.
    pub at: u32,
    /// The packets.
    pub space: Space,
}

/// What became of packets at a firewall. All spaces are over the packets as they came to the first one.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Those that were refused, by whom and how: apart from each other and from those that passed.
    pub refused: Vec<(Decider, Verdict, Space)>,
    /// Those that passed, and what was done to them.
    pub passed: Classes,
    /// Who let them pass, at each stage: what names it best comes first.
    pub passes: Vec<Pass>,
    /// Which rules translated destinations (`true`) or sources.
    pub translations: Vec<(RuleId, bool, Space)>,
    /// The helpers that connections got.
    pub helpers: Vec<(HelperId, Space)>,
    /// What the firewall will know of their answers.
    pub known: Option<Known>,
}

impl<'a> Flow<'a> {
    /// An engine. `number` is another one for each firewall whose conditions are not those of another.
    pub fn new(rules: &'a Ruleset, number: u64, honest: bool) -> Self {
        let mut counts: FxHashMap<&str, u32> = FxHashMap::default();
        let ordinals = rules.conditions.iter().map(|condition| {
            let count = counts.entry(&condition.name).or_default();
            *count += 1;
            *count - 1
        });
        let ordinals = ordinals.collect();
        let keeps_by_rule = rules.all_effects().any(|effect| matches!(effect, Effect::KeepState(_)));
        Flow {
            rules,
            number,
            honest,
            ordinals,
            reads: reads(rules),
            keeps_by_rule,
            keeps_destinations: !changes_destinations(rules),
            marks: Marks::None,
            index: Index::default(),
            asked: Asked::default(),
        }
    }

    /// The ruleset.
    pub fn rules(&self) -> &'a Ruleset {
        self.rules
    }

    /// Whether some rule looks at a field.
    pub fn reads(&self, field: Field) -> bool {
        self.reads.contains(&field)
    }

    /// Whether packets leave with the destination address that they came with, whatever the rules do.
    pub fn keeps_destinations(&self) -> bool {
        self.keeps_destinations
    }

    /// All sets of interface names that the rules ask for.
    pub fn names(rules: &Ruleset) -> Vec<Set> {
        let mut names = vec![Set::one(interface("lo"))];
        let is_name = |field: &Field| matches!(field, Field::Iif | Field::Oif);
        for step in &rules.steps {
            if let Step::Test(Test::In { field, values, .. }) = step
                && is_name(field)
            {
                names.push(rules.values(*values));
            }
        }
        let tuples =
            rules.tuples.iter().flat_map(|tuples| tuples.boxes.iter().map(|sides| (&tuples.fields, sides)));
        let maps =
            rules.maps.iter().flat_map(|map| map.entries.iter().map(|entry| (&map.fields, &entry.key)));
        for (fields, sides) in tuples.chain(maps) {
            for (field, side) in fields.iter().zip(sides) {
                names.extend(side.iter().filter(|_| is_name(field)).cloned());
            }
        }
        names.extend(rules.own.iter().map(|own| Set::one(interface(&own.interface))));
        names.extend(rules.outward.iter().flat_map(|(from, to)| [from.clone(), to.clone()]));
        names.push(rules.interfaces.clone());
        let mut known = FxHashSet::default();
        names.retain(|set| known.insert(set.clone()));
        names
    }

    /// What becomes of packets.
    ///
    /// # Errors
    /// Where the limits on work are hit: nothing is known of any of the packets then.
    pub fn run(&self, spaces: &mut Spaces, packets: &Classes, hop: &Hop) -> Result<Passage, TooMuch> {
        self.run_watched(spaces, packets, hop, &mut Watch::default())
    }

    /// What becomes of packets, and what of it somebody wants to see.
    ///
    /// # Errors
    /// As [`Flow::run`].
    pub fn run_watched(
        &self,
        spaces: &mut Spaces,
        packets: &Classes,
        hop: &Hop,
        watch: &mut Watch<'_>,
    ) -> Result<Passage, TooMuch> {
        let mut run = Run {
            flow: self,
            spaces,
            hop,
            passage: Passage::default(),
            refusals: FxHashMap::default(),
            accepts: FxHashMap::default(),
            stages: 0,
            tuples: FxHashMap::default(),
            lists: FxHashMap::default(),
            hulls: FxHashMap::default(),
            visits: 0,
            depth: 0,
            apart: 0,
            kept: [Space::NONE; 2],
            of_box: Vec::new(),
            translated: false,
            moved: [Space::NONE; 2],
            watch,
        };
        let classes = run.arrive(packets)?;
        run.follow(classes)?;
        run.finish()
    }
}

/// Whether some rule gives packets another destination address.
fn changes_destinations(rules: &Ruleset) -> bool {
    let is_destination = |field| matches!(field, Field::Dst4 | Field::Dst6);
    let changes = |effect| rules.rewritten(effect).any(is_destination);
    rules.all_effects().any(changes)
}

/// What the rules look at: what nobody looks at need not be followed.
fn reads(rules: &Ruleset) -> FxHashSet<Field> {
    let mut reads = FxHashSet::default();
    for step in &rules.steps {
        if let Step::Test(Test::In { field, .. } | Test::Masked { field, .. }) = step {
            reads.insert(*field);
        }
    }
    // Entries of maps have effects, too.
    for effect in rules.all_effects() {
        match effect {
            Effect::SaveMark(_) => reads.insert(Field::Mark),
            Effect::RestoreMark(_) => reads.insert(Field::CtMark),
            _ => false,
        };
    }
    reads.extend(rules.tuples.iter().flat_map(|tuples| tuples.fields.iter().copied()));
    reads.extend(rules.maps.iter().flat_map(|map| map.fields.iter().copied()));
    for condition in &rules.conditions {
        if let About::Fields(fields) = &condition.about {
            reads.extend(fields.iter().copied());
        }
    }
    reads
}

/// What a box remembers of connections.
const OF_CONNECTION: [Field; 3] = [Field::CtMark, Field::Dnat, Field::Snat];

/// What a test on several fields was worked out for.
type TuplesKey = (TuplesId, bool, Hook, bool, bool, u64);

/// One crossing at work.
struct Run<'a, 's, 'w> {
    flow: &'s Flow<'a>,
    watch: &'s mut Watch<'w>,
    spaces: &'s mut Spaces,
    hop: &'s Hop,
    passage: Passage,
    refusals: FxHashMap<(Decider, Verdict), usize>,
    accepts: FxHashMap<(Decider, u32), usize>,
    /// The stages that were walked so far.
    stages: u32,
    tuples: FxHashMap<TuplesKey, Space>,
    lists: FxHashMap<walk::ListKey, std::sync::Arc<[u32]>>,
    /// The values that packets can have at a level, at the most; and how often that grew.
    hulls: FxHashMap<Level, (Set, u32)>,
    visits: usize,
    depth: usize,
    /// Chains that are open for more packets than there are.
    apart: usize,
    /// Packets whose answers pass without rules where they come in and where they go out again: pf.
    kept: [Space; 2],
    /// Where marks and the like stand that rules read.
    of_box: Vec<Level>,
    /// Some address or port was rewritten.
    translated: bool,
    /// Packets whose destination and source became another one for certain.
    moved: [Space; 2],
}

impl Run<'_, '_, '_> {
    fn follow(&mut self, classes: Classes) -> Result<(), TooMuch> {
        if self.hop.way == Way::Output {
            let classes = self.hook(Hook::Output, classes, false)?;
            let own = self.flow.rules.own_set(self.spaces.family());
            let classes = self.route(classes, &own, |ctrl, own| {
                // Translated to somebody else's address, it leaves the box after all.
                ctrl.looping = own;
                if own {
                    ctrl.set(Field::Oif, Expr::Const(interface("lo")));
                }
            });
            let classes = self.hook(Hook::Postrouting, classes, false)?;
            let (mut gone, mut looping) = (Classes::default(), Classes::default());
            for class in classes {
                let to = if class.ctrl.looping { &mut looping } else { &mut gone };
                to.add(self.spaces, class);
            }
            self.end(gone);
            let back = self.hook(Hook::Prerouting, looping, true)?;
            let back = self.hook(Hook::Input, back, true)?;
            self.end(back);
            return Ok(());
        }
        let classes = self.hook(Hook::Prerouting, classes, false)?;
        let fwd_oif = self.forward_oif()?;
        let own = self.flow.rules.turned_here(self.spaces.family());
        let classes = self.route(classes, &own, |ctrl, own| {
            let way = if own { Way::Input } else { Way::Forward };
            if way != ctrl.way && way == Way::Forward {
                ctrl.set(Field::Oif, fwd_oif.0);
            }
            ctrl.way = way;
        });
        let (mut forward, mut input) = (Classes::default(), Classes::default());
        for mut class in classes {
            if class.ctrl.way == Way::Forward {
                if class.ctrl.expr(self.spaces, Field::Oif) == Some(fwd_oif.0) {
                    class.space = self.spaces.and(class.space, fwd_oif.1);
                }
                self.forwardable(class, &mut forward);
            } else {
                input.add(self.spaces, class);
            }
        }
        let input = self.hook(Hook::Input, input, false)?;
        self.end(input);
        let forward = self.hook(Hook::Forward, forward, false)?;
        let forward = self.hook(Hook::Postrouting, forward, false)?;
        self.end(forward);
        Ok(())
    }

    /// By which interface packets leave that translation turns from the box into the network behind it.
    fn forward_oif(&mut self) -> Result<(Expr, Space), TooMuch> {
        let number = self.hop.number;
        let level = if number == 0 {
            self.spaces.level(Field::Oif)
        } else {
            self.spaces.rewritten(Side::Oif, number - 1)
        };
        let level = level.ok_or(TooMuch)?;
        Ok(match &self.hop.fwd_oif {
            Some(names) => match names.single() {
                Some(name) => (Expr::Const(name), Space::ALL),
                None => (Expr::At(level, 0), self.spaces.within(level, names)),
            },
            None => (Expr::At(level, 0), Space::ALL),
        })
    }

    /// The packets that pass all stages of a hook.
    fn hook(&mut self, hook: Hook, classes: Classes, returned: bool) -> Result<Classes, TooMuch> {
        let mut classes = if self.hop.known.is_some() { self.known_at(hook, classes) } else { classes };
        for (at, stage) in self.flow.rules.stages(hook).iter().enumerate() {
            if classes.is_empty() {
                break;
            }
            let view = View { hook, stage, returned, reply: self.hop.known.is_some() };
            let (entering, mut past) = self.enter(&view, classes);
            self.visit(entering.len())?;
            let through = self.stage(view, Decider::Policy(hook, at as u32), entering)?;
            past.join(self.spaces, through);
            classes = past;
        }
        Ok(classes)
    }

    /// Parts packets into those that a stage looks at and the others.
    fn enter(&mut self, view: &View<'_>, classes: Classes) -> (Classes, Classes) {
        let side = match view.stage.kind {
            StageKind::Filter => None,
            StageKind::DstNat => Some(0),
            StageKind::SrcNat => Some(1),
        };
        let seen = view.stage.sees(self.spaces.family());
        // What goes round to the box itself has had its translations on the way out.
        let tried = view.returned && side.is_some();
        if !seen || tried {
            return (Classes::default(), classes);
        }
        let Some(side) = side else { return (classes, Classes::default()) };
        let (mut entering, mut past) = (Classes::default(), Classes::default());
        for class in classes {
            if class.ctrl.mapped[side] {
                past.add(self.spaces, class);
                continue;
            }
            let new = self.among(view, &class.ctrl, Field::State, &Set::one(State::New as u128), false);
            let space = self.spaces.and(class.space, new);
            entering.add(self.spaces, Class { space, ctrl: class.ctrl.clone() });
            let space = self.spaces.minus(class.space, new);
            past.add(self.spaces, Class { space, ctrl: class.ctrl });
        }
        (entering, past)
    }

    fn refuse(&mut self, by: Decider, verdict: Verdict, space: Space) {
        if space.is_none() {
            return;
        }
        let by = self.watch.told(by);
        let space = self.lasting(space);
        match self.refusals.entry((by, verdict)) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let known = &mut self.passage.refused[*at.get()].2;
                *known = self.spaces.or(*known, space);
            }
            std::collections::hash_map::Entry::Vacant(at) => {
                at.insert(self.passage.refused.len());
                self.passage.refused.push((by, verdict, space));
            }
        }
    }

    fn pass(&mut self, by: Decider, weight: u8, space: Space) {
        let by = self.watch.told(by);
        let space = self.lasting(space);
        let at_stage = self.stages;
        match self.accepts.entry((by, at_stage)) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let known = &mut self.passage.passes[*at.get()].space;
                *known = self.spaces.or(*known, space);
            }
            std::collections::hash_map::Entry::Vacant(at) => {
                at.insert(self.passage.passes.len());
                self.passage.passes.push(Pass { by, weight, at: at_stage, space });
            }
        }
    }

    fn end(&mut self, classes: Classes) {
        self.passage.passed.extend(self.spaces, classes);
    }

    /// What was the box's own business is over: marks, tags, what it remembers of the connection.
    fn finish(mut self) -> Result<Passage, TooMuch> {
        let known = self.remembered();
        let mut passage = std::mem::take(&mut self.passage);
        passage.passes.sort_by_key(|pass| std::cmp::Reverse((pass.weight, pass.at)));
        passage.known = Some(known);
        if self.flow.marks != Marks::None && !self.flow.rules.stateful {
            // Whoever asks for marks sees those that packets leave with.
            self.of_box.retain(|level| {
                ![Field::Mark, Field::CtMark].iter().any(|field| self.spaces.level(*field) == Some(*level))
            });
        }
        if !self.of_box.is_empty() {
            let mut passed = Classes::default();
            for class in passage.passed {
                let space = self.spaces.without(class.space, &self.of_box);
                passed.add(self.spaces, Class { space, ctrl: class.ctrl });
            }
            passage.passed = passed;
        }
        if self.spaces.exhausted() { Err(TooMuch) } else { Ok(passage) }
    }

    /// The packets without what rules change in them on the way, so that it still tells which they are later.
    fn lasting(&mut self, space: Space) -> Space {
        // Nothing is final before it is known which packets it is about.
        if self.apart > 0 {
            return space;
        }
        let space = if self.of_box.is_empty() { space } else { self.spaces.without(space, &self.of_box) };
        if self.translated { self.spaces.as_came(space) } else { space }
    }

    /// How many rule visits, and so much more.
    fn visit(&mut self, classes: usize) -> Result<(), TooMuch> {
        self.visits += classes;
        self.spaces.spend(VISIT_STEPS * classes as u64);
        if self.visits > VISIT_LIMIT || self.spaces.exhausted() { Err(TooMuch) } else { Ok(()) }
    }
}
