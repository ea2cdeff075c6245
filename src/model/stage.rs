//! Chains, and the stages of a packet's way on which they are walked.

use super::{ChainId, Origin, Rule, Verdict};
use crate::packet::Family;
use crate::source::Span;

/// What the rules of a chain are, where the language has kinds that people tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ChainKind {
    /// A chain as the file has it, or a part of the way through the box.
    #[default]
    Plain,
    /// The entries of an access-list.
    AccessList,
    /// The end that a bound access-list has without an entry: one rule for each reply.
    ImpliedDeny,
    /// What the security levels of interfaces let pass and stop.
    SecurityLevels,
    /// Translations, and what has to hold for them.
    Translation,
    /// What the box does beside these without being told, and in which order it asks them.
    BuiltIn,
}

impl ChainKind {
    /// Whether nobody wrote the rules as rules: they follow from other lines, or from the box itself.
    pub fn is_of_the_box(self) -> bool {
        match self {
            ChainKind::Plain | ChainKind::AccessList | ChainKind::ImpliedDeny => false,
            ChainKind::SecurityLevels | ChainKind::Translation | ChainKind::BuiltIn => true,
        }
    }

    /// Whether it decides like a policy: what nobody wrote a rule for.
    pub fn is_policy(self) -> bool {
        matches!(self, ChainKind::ImpliedDeny | ChainKind::SecurityLevels)
    }
}

/// A chain: rules from the top.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// What its rules are.
    pub kind: ChainKind,
    /// Its name, with the table where the dialect has tables: `filter INPUT`.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// The name that people use: without the table; of an access-list, the list's own.
    pub fn short_name(&self) -> &str {
        let name = self.name.as_str();
        let found = match self.kind {
            ChainKind::AccessList | ChainKind::ImpliedDeny => {
                name.trim_start_matches("access-list ").split(' ').next()
            }
            _ => name.rsplit(' ').next(),
        };
        found.unwrap_or(name)
    }
}

/// The points that a packet crosses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Hook {
    /// Before the routing decision; there is no output interface yet.
    Prerouting,
    /// To the box itself.
    Input,
    /// Through the box.
    Forward,
    /// From the box itself; there is no input interface.
    Output,
    /// On the way out.
    Postrouting,
}

/// The ways through a box.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From one interface to another: prerouting, forward, postrouting.
    Forward,
    /// To the box itself: prerouting, input.
    Input,
    /// From the box itself: output, postrouting.
    Output,
}

impl Way {
    /// The hooks of the way, in order.
    pub fn hooks(self) -> &'static [Hook] {
        match self {
            Way::Forward => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
            Way::Input => &[Hook::Prerouting, Hook::Input],
            Way::Output => &[Hook::Output, Hook::Postrouting],
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Forward => "forward",
            Way::Input => "input",
            Way::Output => "output",
        }
    }
}

/// What a stage is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StageKind {
    /// Lets packets pass or not.
    Filter,
    /// Translates destinations: only packets that start a connection enter, and none whose
    /// destination an earlier stage of this kind translated.
    DstNat,
    /// Translates sources, likewise.
    SrcNat,
}

/// One walk of a chain at a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The chain that is walked.
    pub chain: ChainId,
    /// What it is for.
    pub kind: StageKind,
    /// Whether IPv4 packets enter.
    pub v4: bool,
    /// Whether IPv6 packets enter.
    pub v6: bool,
    /// What becomes of packets that fall off the end.
    pub policy: Verdict,
    /// Where the policy comes from.
    pub policy_origin: Origin,
    /// The place in the order of the hook, as the dialect counts (netfilter priorities).
    pub priority: i32,
    /// Whether the stage runs before connection tracking: there every packet's state reads as
    /// invalid (untracked after [`Effect::NoTrack`]), and fields of the connection are absent.
    pub before_tracking: bool,
}

impl Stage {
    /// Whether packets of a family enter.
    pub fn sees(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}
