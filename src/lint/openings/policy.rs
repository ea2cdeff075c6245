//! PH203: what the policy alone lets through.

use std::cmp::Reverse;

use rustc_hash::FxHashSet;

use super::measure::{decided, surely, unless_any};
use super::message;
use super::sides::MANGLE;
use super::unasked::{self, Unasked};
use super::{LIMIT, Lens};
use crate::analysis::Decider;
use crate::analysis::flow::{Pass, Watch};
use crate::finding::Finding;
use crate::model::{
    ChainId, Effect, Hook, Rule, RuleId, Ruleset, Stage, StageKind, Step, Test, Verdict, Way,
};
use crate::packet::{Family, Field, Set, Space, Spaces};
use crate::rule::{PH203, Severity};

/// Tables of nftables that programs keep for themselves, beside the filter.
const PROGRAMS: [&str; 10] = [
    " docker-bridges",
    " kube-proxy",
    " libvirt_network",
    " netavark",
    " cni_hostport",
    " cni_plugins_masquerade",
    " f2b-table",
    " crowdsec",
    " crowdsec6",
    " incus",
];
/// Rules of which one may show that something passes on an interface that the rules name.
const SHOWN: usize = 16;
/// Rules that refuse single hosts, from which on they are first left out.
const MANY: usize = 64;

/// What becomes of packets of new connections.
struct ByPolicy {
    /// Those that the policy lets through for certain.
    certain: Space,
    /// Those that the policy lets through for some values of the unknowns.
    through: Space,
    /// Those that pass, whoever lets them.
    passed: Space,
    /// Who lets them pass, at each stage.
    passes: Vec<Pass>,
}

impl Lens<'_, '_> {
    /// PH203: what no rule speaks of is let through.
    pub(super) fn default_accept(&self, close: &str) -> Vec<Finding> {
        let mut all: Vec<Finding> = Vec::new();
        for (hook, way) in [(Hook::Forward, Way::Forward), (Hook::Input, Way::Input)] {
            let found = [Family::V4, Family::V6].map(|family| self.falls_through((family, hook, way), close));
            all.extend(found.into_iter().flatten());
        }
        all.sort_by_key(|found| (Reverse(found.severity), !found.depends_on.is_empty()));
        let mut findings: Vec<Finding> = Vec::new();
        for found in all {
            if findings.iter().all(|known| known.span != found.span) {
                findings.push(found);
            }
        }
        findings
    }

    /// Whether some packet of a new connection reaches an accepting policy for certain, whatever is unknown.
    fn falls_through(&self, (family, hook, way): (Family, Hook, Way), close: &str) -> Option<Finding> {
        let rules = &self.firewall.rules;
        // Where there is one filter, every packet meets it on its way in, whatever its way.
        let one = self.firewall.dialect.language().one_filter;
        let hook = if one { Hook::Prerouting } else { hook };
        let is_filter = |stage: &&Stage| stage.kind == StageKind::Filter && stage.sees(family);
        let filters: Vec<&Stage> = rules.stages(hook).iter().filter(is_filter).collect();
        if !self.firewall.speaks(family) || filters.iter().any(|s| s.policy != Verdict::Accept) {
            return None;
        }
        let filters = filters.into_iter().filter(|stage| self.is_filter_proper(stage));
        let stage = filters.min_by_key(|stage| stage.priority.abs())?;
        match self.told_by_one(family, hook, way).or_else(|| self.told_by_all(family, way)) {
            Some(true) => Some(self.let_through(stage, way, close)),
            Some(false) => {
                let lists = self.told_but_for_conditions(family, way)?;
                let mut finding = self.let_through(stage, way, close);
                message::doubt(&mut finding, &lists);
                Some(finding)
            }
            None => Some(not_told(stage, way)),
        }
    }

    /// Whether a stage is there to filter: it is none of the chains in which packets are marked, counted or translated
    /// for a program, and its file says something of its policy or decides about packets.
    pub(super) fn is_filter_proper(&self, stage: &Stage) -> bool {
        let rules = &self.firewall.rules;
        let language = self.firewall.dialect.language();
        let chain = rules.chain(stage.chain);
        let table = chain.name.rsplit_once(' ').map_or("", |(table, _)| table);
        let of_program = PROGRAMS.iter().any(|name| table.ends_with(name));
        if of_program || !language.one_filter && stage.priority <= MANGLE {
            return false;
        }
        // The files of a site are all that there is.
        if !self.judge.site.is_made_up() {
            return true;
        }
        if rules.written == 0 && !stage.policy_origin.is_written() {
            return false;
        }
        let written = stage.policy_origin.is_written() || !language.keeps_policies;
        let reached = rules.reached([stage.chain]);
        let all = reached.iter().flat_map(|chain| &rules.chain(*chain).rules);
        let (mut decides, mut changes) = (false, false);
        for effect in all.flat_map(|rule| rules.effects(rules.steps_of(rule))) {
            decides |= matches!(effect, Effect::Verdict(_) | Effect::Pend(_) | Effect::Undefined(_));
            changes |= matches!(
                effect,
                Effect::Set(..)
                    | Effect::Forget(_)
                    | Effect::Mark(_)
                    | Effect::CtMark(_)
                    | Effect::SaveMark(_)
                    | Effect::RestoreMark(_)
                    | Effect::NoTrack
                    | Effect::Nat(_)
            );
        }
        decides || !changes && !language.one_filter && (written || !chain.rules.is_empty())
    }

    fn let_through(&self, stage: &Stage, way: Way, close: &str) -> Finding {
        let language = self.firewall.dialect.language();
        let traffic = if language.one_filter { "traffic" } else { traffic(way) };
        let (unless, severity) = match stage.policy_origin.is_written() || !language.keeps_policies {
            true => ("", Severity::Warning),
            false => (", unless a policy is set elsewhere", Severity::Info),
        };
        let message = format!("{traffic} that no rule speaks of is let through{unless}");
        let label = match stage.policy_origin.is_written() {
            true => "the policy accepts",
            false => "without a policy, what no rule decides is accepted",
        };
        Finding::of(&PH203, stage.policy_origin.span(), message)
            .severity(severity)
            .label(label)
            .notice("Calls work, and every service that somebody starts later is open from its first minute.")
            .help(close)
    }

    /// The answer of packets with one source, destination and port that no rule asks for, where it is that of all
    /// others: rules that ask for one can only take packets away from the policy, and the rest treats all alike.
    fn told_by_one(&self, family: Family, hook: Hook, way: Way) -> Option<bool> {
        let mut spaces = self.store(family, LIMIT);
        let all = self.anybody(&mut spaces, way);
        let (one, accepting) = self.unasked(&mut spaces, all)?;
        let told = self.by_policy(&mut spaces, one, way, None).and_then(|told| {
            if told.certain.is_none() {
                return self.none_falls(&mut spaces, &told, hook, &accepting).then_some(false);
            }
            (self.passes_named(&mut spaces, told.passed) || self.some_rule_passes_named(&mut spaces, way))
                .then_some(true)
        });
        self.charge(&spaces, 0);
        told
    }

    /// The conditions without which packets that no rule asks for would come to the policy for certain: one may hold for
    /// all of them, but few do. `None` where it is not so.
    fn told_but_for_conditions(&self, family: Family, way: Way) -> Option<Vec<String>> {
        let mut spaces = self.store(family, LIMIT / 16);
        let all = self.anybody(&mut spaces, way);
        let one = self.unasked(&mut spaces, all).map_or(all, |(one, _)| one);
        let lists = self.by_policy(&mut spaces, one, way, None).and_then(|told| {
            let usual = spaces.usually(told.through);
            let (certain, lists) = unless_any(&mut spaces, one, usual);
            let falls = !certain.is_none() && self.passes_named(&mut spaces, told.passed);
            (falls && !spaces.exhausted()).then_some(lists)
        });
        self.charge(&spaces, 0);
        lists
    }

    /// Of some packets those with one source, destination and port that no rule asks for, and the chains that let
    /// others through.
    fn unasked(&self, spaces: &mut Spaces, all: Space) -> Option<(Space, FxHashSet<ChainId>)> {
        let family = spaces.family();
        let Unasked { values: [src, dst, port], accepting } = unasked::find(&self.firewall.rules, family)?;
        let mut one = all;
        for (field, value) in [(Field::src(family), src), (Field::dst(family), dst), (Field::Dport, port)] {
            let here = spaces.test(field, &Set::one(value));
            one = spaces.and(one, here);
        }
        Some((one, accepting))
    }

    /// Whether no other packets come to the policy where those that no rule asks for do not. Rules that let some pass
    /// before it can bring them there; behind it they matter where the others come to the policy, and are stopped.
    fn none_falls(
        &self,
        spaces: &mut Spaces,
        told: &ByPolicy,
        hook: Hook,
        accepting: &FxHashSet<ChainId>,
    ) -> bool {
        let rules = &self.firewall.rules;
        let all = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Postrouting];
        let accept = |hooks: &dyn Fn(Hook) -> bool| {
            let stages = all.into_iter().filter(|at| hooks(*at)).flat_map(|at| rules.stages(at));
            !rules.reached(stages.map(|stage| stage.chain)).is_disjoint(accepting)
        };
        let before = |at: Hook| at == Hook::Prerouting && hook != Hook::Prerouting;
        if accept(&before) {
            return false;
        }
        let by_rule = Decider::Rule(RuleId { chain: ChainId(0), index: 0 }).weight(hook);
        let at_rule = told.passes.iter().filter(|pass| pass.weight == by_rule).map(|pass| pass.space);
        let at_rule = spaces.union(at_rule);
        let of_policy = |pass: &&Pass| matches!(pass.by, Decider::Policy(at, _) if at == hook);
        let at_policy = spaces.union(told.passes.iter().filter(of_policy).map(|pass| pass.space));
        let come = spaces.minus(at_policy, at_rule);
        come.is_none() || !accept(&|at| at != hook && !before(at))
    }

    /// The answer of all packets.
    fn told_by_all(&self, family: Family, way: Way) -> Option<bool> {
        let mut spaces = self.store(family, LIMIT);
        let all = self.anybody(&mut spaces, way);
        let told = if self.none_with_more(&mut spaces, all, way) {
            Some(false)
        } else {
            let told = self.by_policy(&mut spaces, all, way, None);
            told.map(|told| !told.certain.is_none() && self.passes_named(&mut spaces, told.passed))
        };
        let told = told.filter(|_| !spaces.exhausted());
        self.charge(&spaces, 0);
        told
    }

    /// Whether none comes to the policy for certain even where the rules that refuse single hosts are left out, which
    /// can only bring more there.
    fn none_with_more(&self, spaces: &mut Spaces, all: Space, way: Way) -> bool {
        let rules = &self.firewall.rules;
        let refuses = |rule: &Rule| match rules.steps_of(rule) {
            [tests @ .., Step::Effect(Effect::Verdict(verdict))] => {
                *verdict != Verdict::Accept && tests.iter().any(|test| names_a_host(rules, test))
            }
            _ => false,
        };
        let refusing: FxHashSet<RuleId> =
            self.each_rule().filter(|(_, rule)| refuses(rule)).map(|(id, _)| id).collect();
        if refusing.len() < MANY {
            return false;
        }
        let told = self.by_policy(spaces, all, way, Some(&refusing));
        told.is_some_and(|told| told.certain.is_none())
    }

    /// What becomes of packets, maybe without some rules; nothing where there are more cases than are followed.
    fn by_policy(
        &self,
        spaces: &mut Spaces,
        all: Space,
        way: Way,
        without: Option<&FxHashSet<RuleId>>,
    ) -> Option<ByPolicy> {
        // Rules matter here as what is no policy.
        let named = FxHashSet::default();
        let watch = Watch { named: Some(&named), without, ..Watch::default() };
        let passage = self.run(spaces, all, way, watch)?;
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let by_policy: Vec<Space> = decided(spaces, &passage, passed)
            .into_iter()
            .filter(|(by, _)| !matches!(by, Decider::Rule(_)))
            .map(|(_, space)| space)
            .collect();
        let through = spaces.union(by_policy);
        let certain = surely(spaces, all, through);
        (!spaces.exhausted()).then_some(ByPolicy { certain, through, passed, passes: passage.passes })
    }

    /// Whether anything passes on the interfaces that the rules name, where they name any: a file that blocks
    /// everything there leaves nothing open.
    fn passes_named(&self, spaces: &mut Spaces, passed: Space) -> bool {
        let on = spaces.test(Field::Iif, &self.named);
        self.named.is_empty() || spaces.meets(passed, on)
    }

    /// The same, told by one of the first rules that accept.
    fn some_rule_passes_named(&self, spaces: &mut Spaces, way: Way) -> bool {
        let all = self.anybody(spaces, way);
        let rules: Vec<RuleId> = self.accepting().take(SHOWN).collect();
        rules.into_iter().any(|rule| {
            let looked_for = self.looked_for(spaces, rule, &FxHashSet::default());
            let looked_for = spaces.and(all, looked_for);
            let passed = self.by_policy(spaces, looked_for, way, None);
            passed.is_some_and(|told| self.passes_named(spaces, told.passed))
        })
    }

    /// All rules.
    pub(super) fn each_rule(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.firewall.rules.chains.iter().enumerate().flat_map(|(chain, listed)| {
            let id = move |index: usize| RuleId { chain: ChainId(chain as u32), index: index as u32 };
            listed.rules.iter().enumerate().map(move |(index, rule)| (id(index), rule))
        })
    }

    /// The rules that accept new connections from elsewhere.
    fn accepting(&self) -> impl Iterator<Item = RuleId> {
        let rules = &self.firewall.rules;
        self.each_rule()
            .filter(|(_, rule)| {
                let steps = rules.steps_of(rule);
                steps.contains(&Step::Effect(Effect::Verdict(Verdict::Accept))) && !self.is_for_known(steps)
            })
            .map(|(id, _)| id)
    }
}

/// Whether a test is for one source.
fn names_a_host(rules: &Ruleset, test: &Step) -> bool {
    matches!(*test, Step::Test(Test::In { field: Field::Src4 | Field::Src6, values, negate: false })
        if rules.values(values).count() == 1)
}

fn traffic(way: Way) -> &'static str {
    if way == Way::Forward { "forwarded traffic" } else { "traffic to the firewall itself" }
}

/// What is said where nothing is known.
fn not_told(stage: &Stage, way: Way) -> Finding {
    let message = format!(
        "whether {} that no rule speaks of is let through was not worked out: the rules have more cases than the \
         analysis follows",
        traffic(way)
    );
    Finding::of(&PH203, stage.policy_origin.span(), message)
        .severity(Severity::Info)
        .label("not judged")
        .help("Ask for one packet with `pinhole trace`, which follows any ruleset.")
}
