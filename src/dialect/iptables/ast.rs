//! The syntax tree: tables, chains and rules as they stand after all commands of the files.
//!
//! Made for dumps of a million rules: a rule is a slice of one array of matches, numbers are parsed,
//! names are interned, and nothing borrows from the text.

mod rule;

pub(super) use self::rule::*;

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::Timeout;
use crate::packet::Family;
use crate::source::Span;

/// A name of the files: a chain, an interface, a set, a helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(pub u32);

/// Interned names.
#[derive(Debug, Default)]
pub struct Names {
    ids: FxHashMap<Box<str>, Name>,
    texts: Vec<Box<str>>,
}

impl Names {
    /// The id of a name.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = Name(self.texts.len() as u32);
        self.texts.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    /// The id of a name, where it has one.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }
}

/// The tables, in the order in which a hook passes them, translation apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum TableName {
    /// Before connection tracking.
    Raw,
    /// Changes packets.
    Mangle,
    /// Translates addresses.
    Nat,
    /// Lets packets pass or not.
    Filter,
    /// Mandatory access control.
    Security,
}

impl TableName {
    /// All tables.
    pub const ALL: [TableName; 5] =
        [TableName::Raw, TableName::Mangle, TableName::Nat, TableName::Filter, TableName::Security];

    /// The name in files.
    pub fn text(self) -> &'static str {
        match self {
            TableName::Raw => "raw",
            TableName::Mangle => "mangle",
            TableName::Nat => "nat",
            TableName::Filter => "filter",
            TableName::Security => "security",
        }
    }

    /// The table of a name.
    pub fn of(text: &str) -> Option<TableName> {
        TableName::ALL.into_iter().find(|table| table.text() == text)
    }

    /// The bit of the table in [`super::modules::Module::tables`].
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The hooks at which the table has a built-in chain.
    pub fn hooks(self) -> &'static [Hook] {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        match self {
            TableName::Raw => &[Prerouting, Output],
            TableName::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
            TableName::Nat => &[Prerouting, Input, Output, Postrouting],
            TableName::Filter | TableName::Security => &[Input, Forward, Output],
        }
    }
}

pub(super) use crate::model::Hook;

/// The name of the built-in chain of a hook.
pub(super) fn builtin(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Input => "INPUT",
        Hook::Forward => "FORWARD",
        Hook::Output => "OUTPUT",
        Hook::Postrouting => "POSTROUTING",
    }
}

/// What becomes of packets that fall off the end of a built-in chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// On to the next table.
    Accept,
    /// Gone.
    Drop,
    /// The name of no policy was given: the file does not load.
    Unknown,
}

/// A policy that is set under conditions of the shell, each turned round or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyIf {
    /// The conditions, which all have to hold.
    pub conditions: Vec<(Name, bool)>,
    /// The policy.
    pub policy: Policy,
    /// Where it is written.
    pub span: Span,
}

/// Names a chain of a [`Table`].
pub(super) type ChainIx = u32;

/// One table of one family.
#[derive(Debug)]
pub struct Table {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Which table.
    pub name: TableName,
    /// The `*table` line, or the command that named it first.
    pub span: Span,
    /// The chains, built-in ones first.
    pub chains: Vec<Chain>,
    /// Chains by name; deleted ones are not in it.
    pub index: FxHashMap<Name, ChainIx>,
    /// The chains that got a rule since the table was last emptied; some may be empty again.
    pub filled: Vec<usize>,
    /// A later restore of the same table flushed it: its rules are not in force.
    pub replaced: bool,
}

/// One chain.
#[derive(Debug)]
pub struct Chain {
    /// Its name.
    pub name: Name,
    /// Where it is declared; for a built-in chain that is not, the table.
    pub span: Span,
    /// The hook of a built-in chain.
    pub hook: Option<Hook>,
    /// The policy of a built-in chain.
    pub policy: Policy,
    /// Where the policy is written.
    pub policy_span: Option<Span>,
    /// Policies that a script sets under conditions, in order, since the one above.
    pub policies: Vec<PolicyIf>,
    /// The rules, as indices of [`Config::rules`].
    pub rules: VecDeque<u32>,
    /// Deleted with `-X`.
    pub deleted: bool,
    /// The rules by what they say ([`super::equal::print`]), where that was asked for since they were cleared.
    pub prints: Option<FxHashMap<u64, VecDeque<u32>>>,
    /// Rules were put in before others since then: those that say the same are in no order.
    pub mixed: bool,
    /// Rules that were deleted and are still among `rules`.
    pub dead: FxHashSet<u32>,
}

impl Chain {
    /// Takes all rules out.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.dead.clear();
        self.prints = None;
    }

    /// Takes the deleted rules out for good.
    pub fn settle(&mut self) {
        if !self.dead.is_empty() {
            let dead = std::mem::take(&mut self.dead);
            self.rules.retain(|rule| !dead.contains(rule));
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule as it is written.
    pub span: Span,
    /// The target's name as it is written; the rule where it has none.
    pub target_span: Span,
    /// First of [`Config::matches`].
    pub first: u32,
    /// Number of matches.
    pub count: u32,
    /// What it does.
    pub target: Target,
    /// The hooks, one bit each, at which its matches and target work.
    pub hooks: u8,
    /// The module that limits the hooks, as an index of [`super::modules::ALL`].
    pub limiter: u8,
    /// The rule as it is written, where it does more than its verdict tells: notes addresses, logs, classifies.
    pub beside: Option<Name>,
}

/// What the files of one firewall say, all commands done.
#[derive(Debug, Default)]
pub struct Config {
    /// All names.
    pub names: Names,
    /// The tables in order of their first mention; replaced ones stay.
    pub tables: Vec<Table>,
    /// All rules, in the order of the files; deleted ones stay, no chain names them.
    pub rules: Vec<Rule>,
    /// The conditions of all rules.
    pub matches: Vec<Match>,
    /// IPv6 addresses and masks.
    pub nets6: Vec<(u128, u128)>,
    /// Ranges of `-m multiport`.
    pub ports: Vec<(u16, u16)>,
    /// Ranges of `-m iprange`.
    pub ip_ranges: Vec<(u128, u128)>,
    /// Uses of sets.
    pub set_uses: Vec<SetUse>,
    /// Uses of `conntrack`.
    pub connections: Vec<Connection>,
    /// Conditions that the file does not answer.
    pub opens: Vec<Open>,
    /// Sets that rules change (`-j SET`): their contents are not told.
    pub changed_sets: FxHashSet<Name>,
    /// Translations.
    pub nats: Vec<NatSpec>,
    /// Networks of `NETMAP`.
    pub netmaps: Vec<Netmap>,
    /// Changes of marks.
    pub marks: Vec<MarkChange>,
    /// Timeouts that scripts set by `sysctl`.
    pub timeouts: Vec<Timeout>,
    /// A script turns on that the box forwards IPv6.
    pub forwards_v6: bool,
    /// The tables in force, by family and name, as indices of `tables`.
    current: [[Option<u32>; 5]; 2],
}

impl Config {
    /// The conditions of a rule.
    pub fn matches_of(&self, rule: &Rule) -> &[Match] {
        &self.matches[rule.first as usize..(rule.first + rule.count) as usize]
    }

    /// The index of the table in force of a family and name.
    pub fn table(&self, family: Family, name: TableName) -> Option<usize> {
        self.current[family as usize][name as usize].map(|at| at as usize)
    }

    /// The table of a family and name in force; made empty where there is none.
    pub fn table_or_new(&mut self, family: Family, name: TableName, span: Span) -> usize {
        if let Some(at) = self.table(family, name) {
            return at;
        }
        let mut table = Table {
            family,
            name,
            span,
            chains: Vec::new(),
            index: FxHashMap::default(),
            filled: Vec::new(),
            replaced: false,
        };
        for hook in name.hooks() {
            let chain = self.names.intern(builtin(*hook));
            table.add(chain, span, Some(*hook));
        }
        self.tables.push(table);
        let at = self.tables.len() - 1;
        self.current[family as usize][name as usize] = Some(at as u32);
        at
    }

    /// A table that no packet crosses: for rules of a table that does not exist.
    pub fn dead_table(&mut self, family: Family, span: Span) -> usize {
        let kept = self.current[family as usize][TableName::Filter as usize].take();
        let at = self.table_or_new(family, TableName::Filter, span);
        self.tables[at].replaced = true;
        self.current[family as usize][TableName::Filter as usize] = kept;
        at
    }

    /// Flushes a table, as a restore without `--noflush` does: what was in it is replaced. The span of
    /// the replaced table, where it held a rule.
    pub fn flush(&mut self, family: Family, name: TableName) -> Option<Span> {
        let at = self.current[family as usize][name as usize].take()? as usize;
        let table = &mut self.tables[at];
        table.replaced = true;
        table.chains.iter().any(|chain| !chain.rules.is_empty()).then_some(table.span)
    }
}

impl Table {
    /// Adds a chain.
    pub fn add(&mut self, name: Name, span: Span, hook: Option<Hook>) -> ChainIx {
        let at = self.chains.len() as ChainIx;
        self.chains.push(Chain {
            name,
            span,
            hook,
            policy: Policy::Accept,
            policy_span: None,
            policies: Vec::new(),
            rules: VecDeque::new(),
            deleted: false,
            prints: None,
            mixed: false,
            dead: FxHashSet::default(),
        });
        self.index.insert(name, at);
        at
    }
}
