//! What a ruleset does to packets.
//!
//! Two engines give the same answers: [`interpret`] takes one packet and reads like the manual, it is
//! the specification; [`flow`] takes a set of packets and answers for all of them at once. Property
//! tests hold them together.

pub mod anomaly;
pub mod compare;
mod conds;
pub mod flow;
mod index;
mod interpret;
mod rewrite;
mod trip;
mod walk;

pub use conds::Conds;
pub use flow::Flow;
pub use interpret::interpret;
pub use trip::{Decider, Outcome, Passed, Trace, Trip};

use rustc_hash::FxHasher;

use crate::model::{CondId, Ruleset};
use crate::packet::{Field, Set};

/// For numbers by which values are told apart without a look at them. From 0 on, zeros would leave no trace, and others
/// would come out alike.
fn hasher() -> FxHasher {
    FxHasher::with_seed(0x9e37_79b9_7f4a_7c15_u64 as usize)
}

/// Something that an answer depends on and that the files do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Cond {
    /// A named condition of the ruleset.
    Named(CondId),
    /// The value of a field that nobody gave.
    Field(Field),
    /// Whether a translated destination is an address of the box itself.
    OwnAddresses,
    /// The analysis gave up: too many cases.
    Limit,
}

impl Cond {
    /// The name that reports print.
    pub fn name(self, rules: &Ruleset) -> String {
        match self {
            Cond::Named(id) => rules.condition(id).name.clone(),
            Cond::Field(field) => field.name().to_string(),
            Cond::OwnAddresses => "the firewall's own addresses".to_string(),
            Cond::Limit => "more cases than the analysis follows".to_string(),
        }
    }
}

/// An answer of three values.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Truth {
    Yes,
    No,
    Maybe(Question),
}

/// Something that is not known about one packet, and what is learnt when it is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Question {
    cond: Cond,
    learns: Learns,
}

/// What is known after an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Learns {
    /// Nothing that could be asked again.
    Nothing,
    /// The answer to a condition, by a number for it: the same whenever it is asked again.
    Answer(u64),
    /// Where a field's value lies: among these values, or not.
    Value(Field, Set),
}

impl From<Cond> for Question {
    fn from(cond: Cond) -> Self {
        Question { cond, learns: Learns::Nothing }
    }
}

impl Truth {
    fn of(answer: bool) -> Truth {
        if answer { Truth::Yes } else { Truth::No }
    }

    fn negated_if(self, negate: bool) -> Truth {
        match (self, negate) {
            (Truth::Yes, true) => Truth::No,
            (Truth::No, true) => Truth::Yes,
            (other, _) => other,
        }
    }
}
