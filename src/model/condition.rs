//! What the files do not tell, by name.

use crate::packet::Field;

/// Something that the files do not tell, and that decides about packets.
///
/// Conditions of one name, about the same fields, are one: whatever the answer is, it is the same wherever
/// the condition stands, and its negation is the opposite.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Condition {
    /// The name that reports print and the site file's assumptions use: `set friends`, `time-range night`.
    pub name: String,
    /// On what of a packet the answer hangs.
    pub about: About,
    /// What is known of the answer.
    pub nature: Nature,
}

/// On what of a packet the answer to a condition hangs: two packets that are alike in it get the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum About {
    /// On nothing: it holds for all packets or for none (a time range).
    Nothing,
    /// On these fields as they are where the condition stands (a set that is looked up by source address).
    Fields(Vec<Field>),
    /// On the whole packet and the hook that it is at (rules that are loaded later).
    Everything,
}

/// What is known of a condition's answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Nature {
    /// It stays as it is until somebody changes it: a set, a time range, an anchor.
    Stable,
    /// It can come out differently each time, and where it stands twice these are two: `statistic`, `string`,
    /// and all of which nothing better is known.
    Chance,
    /// It counts traffic: `limit`, `hashlimit`, `connlimit`, meters. For traffic that stays within the rate the
    /// answer is `within`.
    Rate {
        /// Whether it holds as long as the rate is kept.
        within: bool,
    },
    /// It finds out packets that no honest sender makes, or that come in where they do not belong: `rpfilter`,
    /// `urpf-failed`, `no-route`, IP options. For the others the answer is `honest`.
    Forgery {
        /// Whether it holds for packets of an honest sender.
        honest: bool,
    },
}

impl Condition {
    /// A condition of which nothing is known but the name: each place where it stands answers for itself.
    pub fn chance(name: impl Into<String>) -> Self {
        Condition { name: name.into(), about: About::Everything, nature: Nature::Chance }
    }

    /// A condition that holds for all packets or for none, as long as nobody changes it.
    pub fn global(name: impl Into<String>) -> Self {
        Condition { name: name.into(), about: About::Nothing, nature: Nature::Stable }
    }

    /// A condition about some fields of a packet, as long as nobody changes it.
    pub fn of(name: impl Into<String>, fields: impl IntoIterator<Item = Field>) -> Self {
        let about = About::Fields(fields.into_iter().collect());
        Condition { name: name.into(), about, nature: Nature::Stable }
    }

    /// Rules or the like that are not in the files, as long as nobody changes them.
    pub fn elsewhere(name: impl Into<String>) -> Self {
        Condition { name: name.into(), about: About::Everything, nature: Nature::Stable }
    }

    /// A condition that counts traffic.
    pub fn rate(name: impl Into<String>, within: bool) -> Self {
        Condition { name: name.into(), about: About::Everything, nature: Nature::Rate { within } }
    }

    /// A condition that finds out forged or odd packets.
    pub fn forgery(name: impl Into<String>, honest: bool) -> Self {
        Condition { name: name.into(), about: About::Everything, nature: Nature::Forgery { honest } }
    }

    /// Whether each place where it stands answers for itself.
    pub fn each_its_own(&self) -> bool {
        matches!(self.nature, Nature::Chance | Nature::Rate { .. })
    }
}

impl From<&str> for Condition {
    fn from(name: &str) -> Self {
        Condition::chance(name)
    }
}

impl From<&String> for Condition {
    fn from(name: &String) -> Self {
        Condition::chance(name)
    }
}

impl From<String> for Condition {
    fn from(name: String) -> Self {
        Condition::chance(name)
    }
}
