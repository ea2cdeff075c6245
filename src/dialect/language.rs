//! What the rest of the crate has to know of a language, in one place for each.

use super::hangs::Said;
use super::mentions::Mention;
use super::write::{Job, Less, Spot};
use super::{Environment, Loaded, asa, iptables, nftables, pf};
use crate::source::{SourceId, SourceMap};

/// A firewall language.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// `iptables-save` and `ip6tables-save` dumps and scripts.
    Iptables,
    /// nftables, as text and as JSON.
    Nftables,
    /// pf.conf.
    Pf,
    /// Cisco ASA running-configs.
    Asa,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::Iptables, Dialect::Nftables, Dialect::Pf, Dialect::Asa];

    /// What there is to know of it.
    pub fn language(self) -> &'static Language {
        match self {
            Dialect::Iptables => &iptables::LANGUAGE,
            Dialect::Nftables => &nftables::LANGUAGE,
            Dialect::Pf => &pf::LANGUAGE,
            Dialect::Asa => &asa::LANGUAGE,
        }
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        self.language().name
    }
}

/// What there is to know of a language.
pub struct Language {
    /// The name on the command line and in reports.
    pub name: &'static str,
    /// Reads the files of one firewall.
    pub load: fn(&mut SourceMap, &[SourceId], &Environment) -> Loaded,
    /// The names in a text.
    pub mentions: fn(&str) -> Vec<Mention>,
    /// What a text says of that on which conditions hang.
    pub hangs: fn(&str) -> Vec<Said>,
    /// What it is told by.
    pub marks: Marks,
    /// What comments begin with: anywhere in a line where blocks have braces, else at its beginning alone.
    pub comments: &'static [char],
    /// Words before the comment of a rule.
    pub remarks: &'static [&'static str],
    /// How the lines of a block are told.
    pub block: Block,
    /// Commands that are not known are passed over, and may have said anything: their lines were not understood.
    pub passes_over_commands: bool,
    /// What a whole config is, for people.
    pub whole: &'static str,
    /// How a filter whose policy accepts is closed, in whole sentences; `None` where filters have no policy.
    pub close: Option<&'static str>,
    /// A file that says nothing of a policy leaves the one that is in force.
    pub keeps_policies: bool,
    /// A file that a config names is a part of it: an include, an anchor. What a script runs may be a whole config, and the
    /// script may run it or not.
    pub names_parts: bool,
    /// Rules do not say which way they are for: the same filter judges what is for the box and what goes through it.
    pub one_filter: bool,
    /// What one of its rules is called, and several.
    pub rule: (&'static str, &'static str),
    /// What stands where a rule looks into a set by its name.
    pub names_sets: &'static [&'static str],
    /// Rules stand in chains, to which others jump and hooks lead.
    pub has_chains: bool,
    /// Its helpers open ports at an address only where signalling comes from that address
    /// (`set_expected_rtp_rtcp` of `nf_conntrack_sip.c`, `process_olc` of `nf_conntrack_h323_main.c`); of others that is
    /// not known.
    pub helpers_follow_sender: bool,
    /// Its own lints speak of chains to which nothing leads.
    pub tells_idle_chains: bool,
    /// How lines are written.
    pub lines: Lines,
}

/// How the lines of a block are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Block {
    /// Braces stand around them; a statement may go on behind a backslash.
    Braces,
    /// They are indented.
    Indent,
}

/// What tells a language: how its lines begin, and how its files are named.
///
/// A pattern is a row of words with which a line begins: `_` is any word, `a|b` one of several, a word that ends in `~`
/// is the beginning of one, and `$` is the end of the line. A pattern that starts with `!` is of no other language,
/// whatever else is in the text.
pub struct Marks {
    /// Lines that surely are of it.
    pub sure: &'static [&'static str],
    /// Lines that may be of it.
    pub hints: &'static [&'static str],
    /// Extensions of its files, which no other uses.
    pub extensions: &'static [&'static str],
    /// Names of its files; a `*` stands for any beginning.
    pub names: &'static [&'static str],
}

/// How lines that let through or translate are written in a language.
pub struct Lines {
    /// The lines of a job with their places; none where there is no place.
    pub spots: fn(&Job<'_>) -> Vec<Spot>,
    /// A rule that lets less through, in its own words: one, or several in its place.
    pub less: fn(&str, &Less<'_>) -> Option<Vec<String>>,
    /// What lets answers through.
    pub answers: Answers,
    /// Translations are rules of the filter itself, so that none of it stands before them.
    pub filter_translates: bool,
    /// Lines belong to interfaces, whose access-lists may name addresses as they come, and a translation is of a whole
    /// address.
    pub of_interfaces: bool,
}

/// What lets answers through, where they are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answers {
    /// A rule of their own, which looks at the state.
    ByState,
    /// A rule as for the first packet, which remembers the connection.
    ByRule,
    /// No line: the box remembers all connections itself.
    OfItself,
}
