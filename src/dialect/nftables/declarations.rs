//! The syntax tree of commands and of what they declare: tables, chains, sets, objects.

use std::rc::Rc;

use super::syntax::{Elem, Expr, Name, Rule, TableFamily, TableRef};
use crate::model::Idle;
use crate::source::Span;

/// Kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum ObjectKind {
    Counter,
    Quota,
    Limit,
    CtHelper,
    CtTimeout,
    CtExpectation,
    Secmark,
    Synproxy,
    Flowtable,
}

impl ObjectKind {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            ObjectKind::Counter => "counter",
            ObjectKind::Quota => "quota",
            ObjectKind::Limit => "limit",
            ObjectKind::CtHelper => "ct helper",
            ObjectKind::CtTimeout => "ct timeout",
            ObjectKind::CtExpectation => "ct expectation",
            ObjectKind::Secmark => "secmark",
            ObjectKind::Synproxy => "synproxy",
            ObjectKind::Flowtable => "flowtable",
        }
    }
}

/// What a `ct timeout` says of established TCP connections, or of UDP that was answered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Forgets {
    /// Of which.
    pub of: Idle,
    /// After how many seconds.
    pub seconds: u32,
    /// Where that stands.
    pub span: Span,
}

impl Forgets {
    /// The timeout of a state of a connection; `None` of states that end by themselves.
    pub(super) fn new(state: &str, seconds: u32, span: Span) -> Option<Forgets> {
        let of = match state {
            "established" => Idle::Tcp,
            "replied" => Idle::Udp,
            _ => return None,
        };
        Some(Forgets { of, seconds, span })
    }
}

/// A named object.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// For a helper: its type, and the protocol.
    pub helper: Option<(Name, Box<str>)>,
    /// For a helper: the layer 3 protocol, where written.
    pub l3proto: Option<TableFamily>,
    /// For a limit or quota: whether it matches what is over it.
    pub over: bool,
    /// For a timeout: of connections that have seen packets both ways, in seconds.
    pub idle: Option<Forgets>,
}

/// `type T hook H device D priority P`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct HookSpec {
    /// `filter`, `nat` or `route`.
    pub kind: Name,
    /// The hook.
    pub hook: Name,
    /// The devices.
    pub devices: Vec<Name>,
    /// The priority.
    pub priority: Priority,
    /// Where it is written.
    pub span: Span,
}

/// A priority: a number, or a name and a number to add.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Priority {
    /// The name, where there is one.
    pub name: Option<Name>,
    /// The number.
    pub offset: i64,
    /// Where it is written.
    pub span: Span,
}

/// What stands in a chain's block.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct ChainBody {
    /// The hook, for a base chain.
    pub hook: Option<HookSpec>,
    /// The policy: true is accept.
    pub policy: Option<(bool, Span)>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What of a base chain could not be read.
    pub lost: Lost,
}

/// What of a base chain was written, and could not be read.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Lost {
    /// Where it hangs.
    pub hook: bool,
    /// Its policy.
    pub policy: bool,
}

impl Lost {
    /// What either lost.
    pub(super) fn or(self, other: Lost) -> Lost {
        Lost { hook: self.hook || other.hook, policy: self.policy || other.policy }
    }
}

/// What a map maps to.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum MapData {
    /// Verdicts.
    Verdict,
    /// Values of types by name, or as the expressions have (`typeof`).
    Value(KeyType),
    /// Named objects.
    Object(ObjectKind),
}

/// The type of a key or of data.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum KeyType {
    /// `type a . b`
    Named(Vec<Name>),
    /// `typeof a . b`
    Of(Box<Expr>),
}

/// What stands in the block of a set or map.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct SetBody {
    /// The type of its keys.
    pub key: Option<KeyType>,
    /// What it maps to; `None` for a set.
    pub data: Option<MapData>,
    /// Whether it was declared as a map.
    pub map: bool,
    /// `flags interval`
    pub interval: bool,
    /// `flags dynamic`
    pub dynamic: bool,
    /// `flags timeout`, or `timeout`
    pub timeout: bool,
    /// `auto-merge`
    pub auto_merge: bool,
    /// The elements, one list for each `elements =`.
    pub elements: Vec<Rc<Vec<Elem>>>,
}

/// What stands in a table's block, or after `add` and the like.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Item {
    /// A chain.
    Chain(Name, Box<ChainBody>),
    /// A set or map.
    Set(Name, Box<SetBody>),
    /// An object or flowtable.
    Object(Object),
}

/// Verbs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// `add`, or none.
    Add,
    /// `create`: fails where it is there already.
    Create,
    /// `insert`: a rule, in front.
    Insert,
    /// `replace`: a rule, by its handle.
    Replace,
    /// `delete`
    Delete,
    /// `destroy`: does not fail where it is not there.
    Destroy,
    /// `flush`: what it holds.
    Flush,
}

/// Where a rule goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Position {
    /// At the end, or in front with `insert`.
    None,
    /// `index N`, from 0.
    Index(u64),
    /// `handle N`, `position N`.
    Handle(u64),
}

/// A command.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Command {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub object: CommandObject,
    /// Where it is written.
    pub span: Span,
}

/// What a command is about.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum CommandObject {
    /// `ruleset`, of one family where written.
    Ruleset(Option<TableFamily>),
    /// `table`, with its block.
    Table {
        /// Which.
        table: TableRef,
        /// Whether it sleeps (`flags dormant`).
        dormant: bool,
        /// What is in its block.
        items: Vec<Item>,
    },
    /// `chain`, `set`, `map`, an object or a flowtable, with its block.
    Item(TableRef, Item),
    /// `rename chain`: the chain and its new name.
    Rename(TableRef, Name, Name),
    /// `rule`
    Rule {
        /// The table.
        table: TableRef,
        /// The chain.
        chain: Name,
        /// Where in it.
        position: Position,
        /// The rule; `None` for `delete`.
        rule: Option<Rule>,
    },
    /// `element`
    Elements {
        /// The table.
        table: TableRef,
        /// The set.
        set: Name,
        /// The elements.
        elements: Rc<Vec<Elem>>,
    },
    /// Reads and changes nothing: `list`, `get`, `reset`, `monitor` …
    Read,
    /// Something named by its handle, which only the kernel knows.
    ByHandle,
}

impl Command {
    /// How many rules it holds as written.
    pub(super) fn rules(&self) -> usize {
        let of = |item: &Item| if let Item::Chain(_, body) = item { body.rules.len() } else { 0 };
        match &self.object {
            CommandObject::Table { items, .. } => items.iter().map(of).sum(),
            CommandObject::Item(_, item) => of(item),
            CommandObject::Rule { rule: Some(_), .. } => 1,
            _ => 0,
        }
    }
}
