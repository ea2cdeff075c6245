//! A packet's trip through a ruleset: what goes in, what comes out, and who watches.

use super::{Cond, Conds};
use crate::model::{Hook, Origin, RuleId, Ruleset, Stage, Verdict, Way};
use crate::packet::{Field, Packet};
use crate::source::Span;

/// One packet and the way that it takes before any translation.
#[derive(Clone, Debug)]
pub struct Trip {
    /// The packet; its interfaces are those of the whole way.
    pub packet: Packet,
    /// The way.
    pub way: Way,
    /// The output interface should translation turn a packet for the box into a forwarded one.
    pub fwd_oif: Option<u128>,
    /// Whether the box sends the packet to itself.
    pub loopback: bool,
}

/// What decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decider {
    /// A rule.
    Rule(RuleId),
    /// A policy: hook and place of the stage.
    Policy(Hook, u32),
    /// The end of the way: no stage refused.
    End,
}

impl Decider {
    /// Where it comes from; `None` for the end of the way.
    pub fn origin(self, rules: &Ruleset) -> Option<Origin> {
        match self {
            Decider::Rule(id) => Some(rules.rule(id).origin),
            Decider::Policy(hook, at) => Some(rules.stages(hook)[at as usize].policy_origin),
            Decider::End => None,
        }
    }

    /// What to point at; `None` for the end of the way.
    pub fn span(self, rules: &Ruleset) -> Option<Span> {
        self.origin(rules).map(Origin::span)
    }

    /// How well it names why a packet was accepted: what the forward, input or output hook says counts most,
    /// then what was said on the way in; a rule says more than a policy.
    pub fn weight(self, hook: Hook) -> u8 {
        let place = match hook {
            Hook::Forward | Hook::Input | Hook::Output => 3,
            Hook::Prerouting => 2,
            Hook::Postrouting => 1,
        };
        match self {
            Decider::Rule(_) => 2 * place + 1,
            Decider::Policy(..) => 2 * place,
            Decider::End => 0,
        }
    }
}

/// One possible end of a trip.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Accepted, dropped or rejected.
    pub verdict: Verdict,
    /// What decided: for an accepted packet, the last rule or policy that accepted it, of a stage
    /// that can refuse where there is one.
    pub decider: Decider,
    /// What had to hold or not to hold on the way here; empty where it happens in any case.
    pub conds: Conds,
    /// The packet as it leaves.
    pub packet: Packet,
    /// The way that it took in the end.
    pub way: Way,
    /// The helper that its connection got, as an index of [`Ruleset::helpers`].
    pub helper: Option<u32>,
    /// Whether replies pass without rules.
    pub keeps_state: bool,
}

/// Why a rule passed a packet over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// The rule.
    pub rule: RuleId,
    /// The field that did not match; `None` where the rule does not decide.
    pub field: Option<Field>,
}

/// Watches a trip.
pub trait Trace {
    /// A stage begins.
    fn stage(&mut self, _hook: Hook, _stage: &Stage) {}
    /// A rule passed the packet over, or did something and did not decide.
    fn passed(&mut self, _passed: Passed) {}
    /// A rule's tests held (or may hold, where `depends`).
    fn matched(&mut self, _rule: RuleId, _depends: Option<Cond>) {}
}

impl Trace for () {}
