//! What a ruleset does to packets.
//!
//! Two engines give the same answers: [`interpret`] takes one packet and reads like the manual, it is
//! the specification; [`flow`] takes a set of packets and answers for all of them at once. Property
//! tests hold them together.

mod flow;
mod index;
mod interpret;
mod piece;
mod reach;
mod rewrite;
mod trip;
mod walk;

pub use flow::{Entry, Scope};
pub use index::Engine;
pub use interpret::interpret;
pub use reach::{Query, Reach, Share, Target};
pub use trip::{Decider, Outcome, Passed, Trace, Trip};

use crate::model::{CondId, Ruleset};
use crate::packet::Field;

/// Something that an answer depends on and that the files do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Cond {
    /// A named condition of the ruleset.
    Named(CondId),
    /// The value of a field that nobody gave.
    Field(Field),
    /// Whether a translated destination is an address of the box itself.
    OwnAddresses,
    /// To which of several addresses translation leads.
    Translation,
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
            Cond::Translation => "the address that translation gives".to_string(),
            Cond::Limit => "more cases than the analysis follows".to_string(),
        }
    }
}

/// An answer of three values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Truth {
    Yes,
    No,
    Maybe(Cond),
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
