//! Rules: what they test, and what they do.

use super::{ChainId, CondId, HelperId, MapId, NatId, Origin, SetId, TuplesId};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

/// The values that a test compares with: a small interval in place, or a set by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Values {
    /// A closed interval of values below 2^32.
    Range(u32, u32),
    /// A set of [`Ruleset::sets`].
    Set(SetId),
}

/// A condition on a packet.
///
/// A test on a field that the packet does not have fails, negated or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Test {
    /// The field's value is among the values, or, negated, is not.
    In {
        /// What is looked at.
        field: Field,
        /// What it is compared with.
        values: Values,
        /// Turns the answer round.
        negate: bool,
    },
    /// `value & mask` is among the values: for address masks that are no prefix, and for marks.
    Masked {
        /// What is looked at.
        field: Field,
        /// The mask, one value of [`Ruleset::masks`].
        mask: u32,
        /// What the masked value is compared with.
        values: Values,
        /// Turns the answer round.
        negate: bool,
    },
    /// The packet is in one of several products of field sets, or, negated, in none of them.
    Tuple {
        /// The products.
        tuples: TuplesId,
        /// Turns the answer round.
        negate: bool,
    },
    /// Something that the file does not tell: may hold or not.
    Unknown {
        /// What.
        cond: CondId,
        /// Turns the answer round.
        negate: bool,
    },
    /// Never holds.
    Never,
}

/// A union of products over a few fields: concatenations of nftables, service groups of the ASA,
/// `multiport --ports` of iptables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tuples {
    /// The fields, in the order of the sides.
    pub fields: Vec<Field>,
    /// The products: for each field its values, `None` where any value does and even absence.
    pub boxes: Vec<Vec<Option<Set>>>,
}

/// A lookup table: the first entry whose key holds the packet has its effect.
///
/// A packet in no entry ends the rule, as a failed test does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// The fields of the keys.
    pub fields: Vec<Field>,
    /// The entries in order. Where there is one field, the keys are disjoint.
    pub entries: Vec<MapEntry>,
    /// For a single field: intervals of keys, sorted, each with the index of its entry.
    pub index: Vec<(u128, u128, u32)>,
}

/// One entry of a [`Map`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapEntry {
    /// For each field its values; `None` where any value does.
    pub key: Vec<Option<Set>>,
    /// What happens on a hit.
    pub effect: Effect,
    /// Where the entry is written.
    pub span: Span,
}

/// What a refused sender gets to see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// A TCP reset.
    TcpReset,
    /// An ICMP or ICMPv6 error of this type and code.
    Icmp {
        /// ICMP type (3, 11) or ICMPv6 type (1, 3).
        kind: u8,
        /// The code.
        code: u8,
    },
    /// A reset for TCP, a port unreachable for the rest.
    ResetOrUnreachable,
}

impl Reply {
    /// What a router says of a packet whose source is not to leave its link ([`Family::beyond_scope`]).
    pub const BEYOND_SCOPE: Reply = Reply::Icmp { kind: 1, code: 2 };

    /// What a router says of a packet whose TTL is at its end (RFC 792, RFC 4443 section 3.3).
    pub fn time_exceeded(family: Family) -> Reply {
        Reply::Icmp { kind: if family == Family::V4 { 11 } else { 3 }, code: 0 }
    }
}

/// Where a stage's walk, or the whole way, ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// On to the next stage.
    Accept,
    /// Gone without a word.
    Drop,
    /// Gone, and the sender is told.
    Reject(Reply),
}

/// A new mark: `(old & !clear) ^ flip`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MarkOp {
    /// Bits that are cleared first.
    pub clear: u32,
    /// Bits that are turned over then.
    pub flip: u32,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Ends the stage.
    Verdict(Verdict),
    /// Walks another chain; where that falls off its end or returns, the next rule here is next.
    Jump(ChainId),
    /// Walks another chain and does not come back here, but to the chain that last jumped.
    Goto(ChainId),
    /// Back to the chain that jumped; in a stage's own chain, to its policy.
    Return,
    /// Ends this rule without a decision (nft `continue`).
    NextRule,
    /// Remembers a verdict for when the stage's chain falls off its end, in place of its policy:
    /// the pending decision of last-match languages where order matters. Does not end the rule.
    Pend(Verdict),
    /// Ends the stage with the pending verdict, or its policy where none is pending (pf `quick` on an anchor).
    Settle,
    /// Changes the packet mark.
    Mark(MarkOp),
    /// Changes the connection mark.
    CtMark(MarkOp),
    /// The packet mark's bits of the mask go into the connection mark.
    SaveMark(u32),
    /// The connection mark's bits of the mask go into the packet mark.
    RestoreMark(u32),
    /// A field gets a value that the file does not tell.
    Forget(Field),
    /// The packet gets a tag of pf.
    Tag(u32),
    /// A field gets a value: TTL, DSCP and the like.
    Set(Field, u32),
    /// The connection is exempt from tracking: its state is untracked from here on.
    NoTrack,
    /// The connection gets a helper that opens what its signalling announces.
    Helper(HelperId),
    /// The packet is translated. Does not end the stage: dialects where it does add an accept.
    Nat(NatId),
    /// Replies to this packet's connection pass without rules on the side where it is said (pf `keep state`), or do
    /// not (`no state`): where the packet comes in, or where it goes out.
    KeepState(bool),
    /// Nobody knows what happens: the target is not in the file, or is not understood. The packet may
    /// be accepted, dropped, or go on with the next rule.
    Undefined(CondId),
}

/// One step of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// Goes on only if it holds.
    Test(Test),
    /// Happens.
    Effect(Effect),
    /// Has the effect of the entry that the packet is in; ends the rule where it is in none.
    Lookup(MapId),
}

/// One rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// First of [`Ruleset::steps`].
    pub(crate) first: u32,
    /// One past the last.
    pub(crate) last: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// What it does besides its steps, and no verdict hangs on (queues, priorities, copies), by number: rules of one
    /// number do the same. 0 where that is nothing.
    pub beside: u32,
}

impl Rule {
    /// What to point at: the rule as it is written, or that from which it follows.
    pub fn span(&self) -> Span {
        self.origin.span()
    }
}

/// Names one rule of a ruleset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RuleId {
    /// The chain.
    pub chain: ChainId,
    /// Its place in the chain, from 0.
    pub index: u32,
}
