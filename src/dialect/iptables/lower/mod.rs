//! From the syntax tree to the normalized model.
//!
//! A rule becomes one rule of the model, or several with disjoint conditions where one condition has
//! alternatives: an option of `conntrack` that a new connection answers and an established one does not.

mod addrtype;
mod conditions;
mod interface;
mod sets;
mod targets;

use rustc_hash::FxHashMap;

use super::ast::{Config, Hook, Match, MatchKind, Policy, Rule, TableName, Target, builtin};
use super::ipset::Ipsets;
use crate::finding::Finding;
use crate::model::{Builder, ChainId, Effect, OwnAddress, Ruleset, Stage, StageKind, Test, Values, Verdict};
use crate::packet::{Family, Field, State};

/// Ways in which one condition can hold: rows of tests, disjoint.
type Ways = Vec<Vec<Test>>;

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
pub fn lower(config: &Config, sets: &Ipsets, own: &[OwnAddress], findings: &mut Vec<Finding>) -> Ruleset {
    let mut lowering = Lowering {
        config,
        sets,
        own,
        out: Builder::new(),
        findings,
        family: Family::V4,
        chains: Vec::new(),
        reach: Vec::new(),
        tests: Vec::new(),
        connection: Vec::new(),
        states: None,
        whole: false,
        any_protocol: false,
        ways: Vec::new(),
        interfaces: FxHashMap::default(),
        set_tests: FxHashMap::default(),
        noted: FxHashMap::default(),
    };
    lowering.out.ruleset().own = own.to_vec();
    let tables: Vec<Vec<ChainId>> = (0..config.tables.len()).map(|table| lowering.table(table)).collect();
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
    /// Conditions of the rule that is being lowered, one way each.
    tests: Vec<Test>,
    /// Those of the connection: the kernel passes them over where there is none and a state is asked for.
    connection: Vec<Test>,
    /// The states that are asked for.
    states: Option<u8>,
    /// Connection tracking puts fragments together before any table sees them.
    whole: bool,
    /// The rule excludes a protocol, and so is open for all others.
    any_protocol: bool,
    /// Conditions with several ways.
    ways: Vec<Ways>,
    interfaces: FxHashMap<(super::ast::Name, bool), Values>,
    /// How the sets were lowered, by use.
    set_tests: FxHashMap<sets::Key, sets::Lowered>,
    /// Sets that were spoken of.
    noted: FxHashMap<super::ast::Name, ()>,
}

impl Lowering<'_> {
    fn table(&mut self, at: usize) -> Vec<ChainId> {
        let config = self.config;
        let table = &config.tables[at];
        self.family = table.family;
        self.whole = tracks(config, table.family);
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
            for rule in &chain.rules {
                self.rule(index, &config.rules[*rule as usize]);
            }
            if chain.policy == Policy::Unknown {
                let policy = self.out.condition("a policy that does not load");
                let span = chain.policy_span.unwrap_or(chain.span);
                self.out.effect(Effect::Undefined(policy));
                self.out.rule(self.chains[index], span, span);
            }
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
                policy_span: chain.policy_span.unwrap_or(chain.span),
                policy_written: chain.policy_span.is_some(),
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

    fn rule(&mut self, chain: usize, rule: &Rule) {
        self.tests.clear();
        self.connection.clear();
        self.ways.clear();
        self.states = None;
        let negated = |one: &Match| one.negated && matches!(one.kind, MatchKind::Protocol(_));
        self.any_protocol = self.config.matches_of(rule).iter().any(negated);
        for one in self.config.matches_of(rule) {
            self.condition(one);
        }
        self.finish_connection();
        match rule.target {
            Target::None | Target::Continue => self.emit(chain, rule, &[]),
            Target::Accept => self.emit(chain, rule, &[Effect::Verdict(Verdict::Accept)]),
            Target::Drop => self.emit(chain, rule, &[Effect::Verdict(Verdict::Drop)]),
            Target::Return => self.emit(chain, rule, &[Effect::Return]),
            Target::Jump(to) => self.emit(chain, rule, &[Effect::Jump(self.chains[to as usize])]),
            Target::Goto(to) => self.emit(chain, rule, &[Effect::Goto(self.chains[to as usize])]),
            _ => self.special(chain, rule),
        }
    }

    /// Adds the rule with its effects, once for each way in which its conditions can hold.
    fn emit(&mut self, chain: usize, rule: &Rule, effects: &[Effect]) {
        self.emit_with(chain, rule, &[], effects);
    }

    /// The same with more conditions.
    fn emit_with(&mut self, chain: usize, rule: &Rule, more: &[Test], effects: &[Effect]) {
        let chain = self.chains[chain];
        let mut pick = vec![0; self.ways.len()];
        if self.ways.iter().any(Vec::is_empty) {
            // A condition that holds in no way: the rule stays, and never matches.
            self.out.test(Test::Never);
            effects.iter().for_each(|effect| self.out.effect(*effect));
            return self.out.rule(chain, rule.span, rule.span);
        }
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
            self.out.rule(chain, rule.span, rule.span);
            let Some(next) = (0..pick.len()).find(|at| pick[*at] + 1 < self.ways[*at].len()) else { return };
            pick[next] += 1;
            pick[..next].fill(0);
        }
    }

    /// Adds the conditions on the connection. Where there is no connection, `xt_conntrack` looks at the
    /// state alone: it says yes if the state was asked for, and no else (`conntrack_mt` of the kernel).
    fn finish_connection(&mut self) {
        const NONE: u8 = super::ast::state::INVALID | super::ast::state::UNTRACKED;
        let connection = std::mem::take(&mut self.connection);
        if connection.is_empty() {
            return;
        }
        match self.states {
            Some(states) if states & NONE != 0 => {
                let without = self.state_test(states & NONE);
                let mut with = vec![self.state_test(states & 0b1_1111 & !NONE)];
                with.extend(connection.iter().copied());
                self.ways.push(vec![vec![without], with]);
            }
            _ => {
                // The fields are absent without a connection, and so their tests fail.
                self.tests.extend(connection.iter().copied());
            }
        }
        self.connection = connection;
        self.connection.clear();
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

    fn unknown(&mut self, name: &str) -> Test {
        Test::Unknown { cond: self.out.condition(name), negate: false }
    }
}

/// Whether the rules of a family make the kernel track connections.
fn tracks(config: &Config, family: Family) -> bool {
    let tracking = |rule: &Rule| {
        let target = matches!(
            rule.target,
            Target::NoTrack | Target::Helper(_) | Target::ConnMark(_) | Target::Dnat(_) | Target::Snat(_)
        );
        let state =
            |kind| matches!(kind, MatchKind::State(_) | MatchKind::ConnMark(..) | MatchKind::Helper(_));
        target || config.matches_of(rule).iter().any(|one| state(one.kind) || of_connection(one.kind))
    };
    let mut tables = config.tables.iter().filter(|table| table.family == family && !table.replaced);
    config.table(family, TableName::Nat).is_some()
        || tables.any(|table| {
            let mut rules = table.chains.iter().flat_map(|chain| &chain.rules);
            rules.any(|rule| tracking(&config.rules[*rule as usize]))
        })
}

/// Whether a match is about the connection beside its state.
fn of_connection(kind: MatchKind) -> bool {
    matches!(
        kind,
        MatchKind::CtProto(_)
            | MatchKind::CtAddress(..)
            | MatchKind::CtPort(..)
            | MatchKind::CtStatus(_)
            | MatchKind::CtDirection(_)
    )
}
