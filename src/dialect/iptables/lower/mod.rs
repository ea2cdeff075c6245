//! From the syntax tree to the normalized model.
//!
//! A rule becomes one rule of the model, or several with disjoint conditions where one condition has
//! alternatives: an option of `conntrack` that a new connection answers and an established one does not.

mod addrtype;
mod conditions;
mod connection;
mod sets;
mod targets;

use rustc_hash::FxHashMap;

use super::ast::{
    Answer, Config, Hook, Match, MatchKind, Policy, PolicyIf, Rule, TableName, Target, builtin,
};
use super::ipset::Ipsets;
use crate::finding::Finding;
use crate::model::{
    Builder, ChainId, Condition, Effect, Origin, OwnAddress, Ruleset, Stage, StageKind, Test, Values,
    Verdict, Why,
};
use crate::packet::{Family, Field, Set, State};
use crate::rule::PH002;

/// Ways in which one condition can hold: rows of tests, disjoint.
type Ways = Vec<Vec<Test>>;

/// Into how many rules of the model one rule may be taken apart.
const MOST_WAYS: usize = 512;

/// The stages of each hook: table, priority, kind (`enum nf_ip_hook_priorities`).
const STAGES: [(Hook, TableName, i32, StageKind); 17] = [
    (Hook::Prerouting, TableName::Raw, -300, StageKind::Filter),
    (Hook::Prerouting, TableName::Mangle, -150, StageKind::Filter),
    (Hook::Prerouting, TableName::Nat, -100, StageKind::DstNat),
    (Hook::Input, TableName::Mangle, -150, StageKind::Filter),
    (Hook::Input, TableName::Filter, 0, StageKind::Filter),
    (Hook::Input, TableName::Security, 50, StageKind::Filter),
    (Hook::Input, TableName::Nat, 100, StageKind::SrcNat),
    (Hook::Forward, TableName::Mangle, -150, StageKind::Filter),
    (Hook::Forward, TableName::Filter, 0, StageKind::Filter),
    (Hook::Forward, TableName::Security, 50, StageKind::Filter),
    (Hook::Output, TableName::Raw, -300, StageKind::Filter),
    (Hook::Output, TableName::Mangle, -150, StageKind::Filter),
    (Hook::Output, TableName::Nat, -100, StageKind::DstNat),
    (Hook::Output, TableName::Filter, 0, StageKind::Filter),
    (Hook::Output, TableName::Security, 50, StageKind::Filter),
    (Hook::Postrouting, TableName::Mangle, -150, StageKind::Filter),
    (Hook::Postrouting, TableName::Nat, 100, StageKind::SrcNat),
];

/// Lowers a tree; `own` are the box's own addresses.
pub(super) fn lower(
    config: &Config,
    sets: &Ipsets,
    own: &[OwnAddress],
    findings: &mut Vec<Finding>,
) -> Ruleset {
    let mut lowering = Lowering {
        config,
        sets,
        own,
        out: Builder::new(),
        findings,
        family: Family::V4,
        chains: Vec::new(),
        reach: Vec::new(),
        chain: String::new(),
        idle: false,
        reached: 0,
        tests: Vec::new(),
        whole: false,
        too_many: false,
        any_protocol: false,
        ways: Vec::new(),
        interfaces: FxHashMap::default(),
        set_tests: FxHashMap::default(),
        noted: FxHashMap::default(),
    };
    lowering.out.ruleset().own = own.to_vec();
    lowering.out.ruleset().answers_for_routers = true;
    lowering.out.ruleset().forwards_v6 = config.forwards_v6;
    for timeout in &config.timeouts {
        lowering.out.ruleset().set_timeout(timeout.clone());
    }
    let whole = [Family::V4, Family::V6].map(|family| tracks(config, family));
    let tables: Vec<Vec<ChainId>> =
        (0..config.tables.len()).map(|table| lowering.table(table, whole)).collect();
    for family in [Family::V4, Family::V6] {
        for (hook, name, priority, kind) in STAGES {
            lowering.stage(&tables, family, hook, name, priority, kind);
        }
    }
    lowering.out.finish()
}

/// The work of [`lower`].
struct Lowering<'a> {
    config: &'a Config,
    sets: &'a Ipsets,
    /// The box's own addresses.
    own: &'a [OwnAddress],
    out: Builder,
    findings: &'a mut Vec<Finding>,
    family: Family,
    /// The chains of the table that is being lowered.
    chains: Vec<ChainId>,
    /// The hooks that each of them is reached from.
    reach: Vec<u8>,
    /// The name of the chain that is being lowered, with its table.
    chain: String,
    /// The rule that is being lowered does nothing to packets: what it does not know does not matter.
    idle: bool,
    /// The hooks that the rule that is being lowered is reached from.
    reached: u8,
    /// Conditions of the rule that is being lowered, one way each.
    tests: Vec<Test>,
    /// Connection tracking puts fragments together before any table sees them.
    whole: bool,
    /// The rule excludes a protocol, and so is open for all others.
    any_protocol: bool,
    /// Conditions with several ways.
    ways: Vec<Ways>,
    /// The rule would be taken apart into more rules than are made of one.
    too_many: bool,
    interfaces: FxHashMap<(super::ast::Name, bool), Values>,
    /// How the sets were lowered, by use.
    set_tests: FxHashMap<sets::Key, sets::Lowered>,
    /// Sets that were spoken of.
    noted: FxHashMap<super::ast::Name, ()>,
}

impl Lowering<'_> {
    fn table(&mut self, at: usize, whole: [bool; 2]) -> Vec<ChainId> {
        let config = self.config;
        let table = &config.tables[at];
        self.family = table.family;
        self.whole = whole[table.family as usize];
        self.reach = super::check::reach(config, at);
        let replaced = if table.replaced { " (replaced)" } else { "" };
        self.chains = table
            .chains
            .iter()
            .map(|chain| {
                let name = format!("{} {}{replaced}", table.name.text(), config.names.text(chain.name));
                self.out.chain(name, chain.span)
            })
            .collect();
        for (index, chain) in table.chains.iter().enumerate() {
            self.chain = format!("{} {}", table.name.text(), config.names.text(chain.name));
            for rule in &chain.rules {
                self.rule(index, &config.rules[*rule as usize]);
            }
            self.policies(index, chain);
        }
        std::mem::take(&mut self.chains)
    }

    fn stage(
        &mut self,
        tables: &[Vec<ChainId>],
        family: Family,
        hook: Hook,
        name: TableName,
        priority: i32,
        kind: StageKind,
    ) {
        let Some(at) = self.config.table(family, name) else { return };
        let table = &self.config.tables[at];
        let Some(index) = table.chains.iter().position(|chain| chain.hook == Some(hook)) else { return };
        let chain = &table.chains[index];
        debug_assert_eq!(self.config.names.text(chain.name), builtin(hook));
        let policy = if chain.policy == Policy::Accept { Verdict::Accept } else { Verdict::Drop };
        self.out.stage(
            hook,
            Stage {
                chain: tables[at][index],
                kind,
                v4: family == Family::V4,
                v6: family == Family::V6,
                policy,
                policy_origin: chain
                    .policy_span
                    .map_or(Origin::Implied { by: chain.span, why: Why::Policy }, Origin::Written),
                priority,
                before_tracking: name == TableName::Raw,
            },
        );
        let ruleset = self.out.ruleset();
        match family {
            Family::V4 => ruleset.v4 = true,
            Family::V6 => ruleset.v6 = true,
        }
    }

    /// Policies that may be in force, at the end of a chain: the last that was set is asked first.
    fn policies(&mut self, index: usize, chain: &super::ast::Chain) {
        self.out.beside("");
        for PolicyIf { conditions, policy, span } in chain.policies.iter().rev() {
            for (text, negate) in conditions {
                let cond = self.out.condition(Condition::global(self.config.names.text(*text)));
                self.out.test(Test::Unknown { cond, negate: *negate });
            }
            let verdict = if *policy == Policy::Drop { Verdict::Drop } else { Verdict::Accept };
            self.out.effect(Effect::Verdict(verdict));
            self.out.rule(self.chains[index], Origin::Implied { by: *span, why: Why::Policy });
        }
        if chain.policy == Policy::Unknown {
            let span = chain.policy_span.unwrap_or(chain.span);
            let policy = self.out.condition(Condition::global(format!("policy {}", self.chain)));
            self.out.effect(Effect::Undefined(policy));
            self.out.rule(self.chains[index], Origin::Implied { by: span, why: Why::Policy });
        }
    }

    fn rule(&mut self, chain: usize, rule: &Rule) {
        self.tests.clear();
        self.ways.clear();
        self.too_many = false;
        self.reached = self.reach[chain];
        self.idle = matches!(rule.target, Target::None | Target::Continue);
        let negated = |one: &Match| one.negated && matches!(one.kind, MatchKind::Protocol(_));
        self.any_protocol = self.config.matches_of(rule).iter().any(negated);
        self.out.beside(rule.beside.map_or("", |text| self.config.names.text(text)));
        for one in self.config.matches_of(rule) {
            self.condition(one);
        }
        let product = self.ways.iter().try_fold(1, |all: usize, ways| all.checked_mul(ways.len()));
        if self.too_many || product.is_none_or(|product| product > MOST_WAYS) {
            return self.give_up(chain, rule);
        }
        match rule.target {
            Target::None | Target::Continue => self.emit(chain, rule, &[]),
            Target::Accept => self.emit(chain, rule, &[Effect::Verdict(Verdict::Accept)]),
            Target::Drop => self.emit(chain, rule, &[Effect::Verdict(Verdict::Drop)]),
            Target::Return => self.emit(chain, rule, &[Effect::Return]),
            Target::Jump(to) => self.emit(chain, rule, &[Effect::Jump(self.chains[to as usize])]),
            Target::Goto(to) => self.emit(chain, rule, &[Effect::Goto(self.chains[to as usize])]),
            _ => self.extension(chain, rule),
        }
    }

    /// A rule whose conditions can hold in too many ways: what it does is not followed.
    fn give_up(&mut self, chain: usize, rule: &Rule) {
        self.findings.push(
            Finding::of(&PH002, rule.span, "the matches of this rule can hold in too many ways")
                .label("stays as an unknown condition")
                .help("Split the rule: put some of its matches into a chain of their own, and jump to it."),
        );
        self.ways.clear();
        let cond = self.out.numbered("rule", &self.chain, "with too many ways");
        let cond = self.out.condition(Condition::chance(cond));
        self.emit(chain, rule, &[Effect::Undefined(cond)]);
    }

    /// Adds the rule with its effects, once for each way in which its conditions can hold.
    fn emit(&mut self, chain: usize, rule: &Rule, effects: &[Effect]) {
        self.emit_with(chain, rule, &[], effects);
    }

    /// The same with more conditions.
    fn emit_with(&mut self, chain: usize, rule: &Rule, more: &[Test], effects: &[Effect]) {
        let chain = self.chains[chain];
        let mut pick = vec![0; self.ways.len()];
        loop {
            // What is known is asked first: where it fails, nothing depends on the rest.
            for unknown in [false, true] {
                let picked = self.ways.iter().zip(&pick).flat_map(|(ways, at)| &ways[*at]);
                for test in self.tests.iter().chain(more).chain(picked) {
                    if matches!(test, Test::Unknown { .. }) == unknown {
                        self.out.test(*test);
                    }
                }
            }
            effects.iter().for_each(|effect| self.out.effect(*effect));
            self.out.rule(chain, rule.span);
            let Some(next) = (0..pick.len()).find(|at| pick[*at] + 1 < self.ways[*at].len()) else { return };
            pick[next] += 1;
            pick[..next].fill(0);
        }
    }

    /// Adds a condition that can hold in some ways. One that can hold in none never does; the rule stays.
    fn add_ways(&mut self, mut ways: Ways) {
        ways.retain(|way| !way.contains(&Test::Never));
        match ways.len() {
            0 => self.tests.push(Test::Never),
            1 => self.tests.extend(ways.swap_remove(0)),
            _ => self.ways.push(ways),
        }
    }

    /// The ways in which all of some conditions can hold.
    fn product(&mut self, parts: &[Ways]) -> Ways {
        let mut all: Ways = vec![Vec::new()];
        for ways in parts {
            if all.len() * ways.len() > MOST_WAYS {
                self.too_many = true;
                return Ways::new();
            }
            let join = |way: &Vec<Test>| -> Ways {
                ways.iter().map(|more| way.iter().chain(more).copied().collect()).collect()
            };
            all = all.iter().flat_map(join).collect();
        }
        all
    }

    /// A test for states, as bits of [`super::ast::state`].
    fn state_test(&mut self, bits: u8) -> Test {
        let states: Vec<State> =
            State::ALL.into_iter().filter(|state| bits & 1 << *state as u8 != 0).collect();
        if states.is_empty() {
            return Test::Never;
        }
        let values = self.out.values(crate::packet::states(&states));
        Test::In { field: Field::State, values, negate: false }
    }

    /// A condition that the file does not answer; none where the rule does nothing anyway.
    fn open(&mut self, index: u32, negate: bool) -> Option<Test> {
        let open = self.config.opens[index as usize];
        self.ask(self.config.names.text(open.kind), self.config.names.text(open.text), open.answer, negate)
    }

    /// The same for one of which nothing is known.
    fn chance(&mut self, kind: &str, text: &str, negate: bool) -> Option<Test> {
        self.ask(kind, text, Answer::Chance, negate)
    }

    fn ask(&mut self, kind: &str, text: &str, answer: Answer, negate: bool) -> Option<Test> {
        if self.idle {
            return None;
        }
        let plain = || [kind, text].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let condition = match answer {
            Answer::Chance => Condition::chance(self.out.numbered(kind, &self.chain, text)),
            Answer::Rate(within) => Condition::rate(self.out.numbered(kind, &self.chain, text), within),
            Answer::Forgery(honest) => Condition::forgery(plain(), honest),
            Answer::Global => Condition::global(plain()),
            Answer::Of(field) => Condition::of(plain(), [field]),
            Answer::Elsewhere => Condition::elsewhere(plain()),
        };
        Some(Test::Unknown { cond: self.out.condition(condition), negate })
    }
}

/// A set of small numbers: protocols.
fn numbers(numbers: &[u8]) -> Set {
    Set::of(numbers.iter().map(|n| (u128::from(*n), u128::from(*n))))
}

/// Whether the rules of a family make the kernel track connections.
fn tracks(config: &Config, family: Family) -> bool {
    let tracking = |rule: &Rule| {
        let target = matches!(
            rule.target,
            Target::NoTrack | Target::Helper(_) | Target::ConnMark(_) | Target::Dnat(_) | Target::Snat(_)
        );
        let state = |one: &Match| {
            matches!(
                one.kind,
                MatchKind::State(_)
                    | MatchKind::Connection(_)
                    | MatchKind::ConnMark(..)
                    | MatchKind::Helper(_)
            )
        };
        target || config.matches_of(rule).iter().any(state)
    };
    let mut tables = config.tables.iter().filter(|table| table.family == family && !table.replaced);
    config.table(family, TableName::Nat).is_some()
        || tables.any(|table| {
            let mut rules = table.chains.iter().flat_map(|chain| &chain.rules);
            rules.any(|rule| tracking(&config.rules[*rule as usize]))
        })
}
