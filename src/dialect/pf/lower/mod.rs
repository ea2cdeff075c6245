//! The tree of rules into the normalized model.
//!
//! Every packet crosses the rules once for each interface: in (the model's prerouting), out (postrouting), or
//! both where it is forwarded. Each time it passes up to three stages: the translation rules of FreeBSD and
//! macOS, the filter rules, and what a filter rule that was not `quick` puts off until it is known to be the
//! last one that matches.
//!
//! Filter rules are normalized into a decision list, first match: the quick rules in order, then the others
//! from the last to the first. Where rules change what later rules see (`tag`, `match … nat-to`), the order
//! stays, and rules that are not quick leave a pending verdict.
//!
//! The mark of the model, which pf does not have, carries what has to be remembered from rule to rule.

mod choice;
mod condition;
mod decide;
mod filter;
mod matching;
mod system;
mod translate;

pub use matching::ports;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::dialect::Environment;
use crate::model::{
    Builder, ChainId, Effect, Hook, Idle, MapId, MarkOp, Origin, Ruleset, Stage, StageKind, Test, Timeout,
    Values, Verdict,
};
use crate::packet::{Field, State, states};
use crate::source::Span;

use self::condition::Questions;
use super::ast::{Action, Direction, Flavour, Reply, TranslateKind};
use super::expand::Flat;
use super::tree::{Node, Tree};

/// Bits of the mark.
mod mark {
    /// What a rule puts off, as a number from 1.
    pub(super) const DEFERRED: u32 = 0x0003_ffff;
    /// A `match` rule translated.
    pub(super) const MOVED: u32 = 1 << 18;
    /// The rule that decides keeps state.
    pub(super) const KEPT: u32 = 1 << 19;
    /// A translation rule said `pass`.
    pub(super) const PASSED: u32 = 1 << 20;
    /// A translation rule translated: state is kept in any case.
    pub(super) const TRANSLATED: u32 = 1 << 21;
    /// Translation made the source an address of the interface that the packet leaves by.
    pub(super) const OWN_SOURCE: u32 = 1 << 22;
    /// The bits that tell that a rule inside a quick anchor matched.
    pub(super) const QUICK_ANCHORS: u32 = 0xff00_0000;
    /// The first of the bits that tell that a rule inside a quick anchor matched.
    pub(super) const FIRST_QUICK_ANCHOR: u32 = 1 << 24;
}

/// Lowers the rules of one firewall.
pub fn lower(tree: &Tree, env: &Environment) -> Ruleset {
    let mut b = Builder::new();
    let mut lowering = Lowering {
        env,
        tree,
        reads_tags: reads_tags(&tree.nodes),
        flag_tests: FxHashMap::default(),
        interfaces: FxHashMap::default(),
        deferred: Vec::new(),
        questions: Questions::default(),
        given: given(&tree.nodes),
        moves: tree.flavour == Flavour::OpenBsd && has_moves(&tree.nodes),
        fin_map: None,
        reply_maps: FxHashMap::default(),
    };
    let translates = has_translation(&tree.nodes);
    for way in [Direction::In, Direction::Out] {
        lowering.way(&mut b, way, translates);
    }
    let rules = b.ruleset();
    rules.stateful = true;
    rules.v4 = true;
    rules.v6 = true;
    rules.own = env.own.clone();
    rules.written = tree.written;
    for (name, seconds, span) in &tree.timeouts {
        // pf.conf(5): states that have seen packets from both ends
        let of = match name.as_str() {
            "tcp.established" => Idle::Tcp,
            "udp.multiple" => Idle::Udp,
            _ => continue,
        };
        rules.set_timeout(Timeout { of, ports: None, besides: &[], seconds: *seconds, span: *span });
    }
    b.finish()
}

/// The state of lowering.
struct Lowering<'a> {
    env: &'a Environment,
    tree: &'a Tree<'a>,
    /// Whether any rule asks for a tag: if none does, tags are left out.
    reads_tags: bool,
    /// The tests of TCP flags made so far, for rules about TCP only and for others.
    flag_tests: FxHashMap<matching::FlagTest, Test>,
    /// The interfaces that names stand for; `None` for groups whose members nobody tells.
    interfaces: FxHashMap<String, Option<Values>>,
    /// What rules of this way put off; number `n` of the mark is `deferred[n - 1]`.
    deferred: Vec<decide::Passing<'a>>,
    /// What the rules of this way ask.
    questions: Questions,
    /// Interfaces whose own address translation gives to what leaves by them.
    given: FxHashSet<&'a str>,
    /// Whether `match` rules translate, which comes to nothing where no state is kept (OpenBSD).
    moves: bool,
    /// Takes FIN away beside SYN.
    fin_map: Option<MapId>,
    /// What blocked packets are answered: for each reply, final or pending.
    reply_maps: FxHashMap<(Reply, Effect), MapId>,
}

impl<'a> Lowering<'a> {
    /// All stages of one way.
    fn way(&mut self, b: &mut Builder, way: Direction, translates: bool) {
        let (hook, word) = match way {
            Direction::In => (Hook::Prerouting, "in"),
            Direction::Out => (Hook::Postrouting, "out"),
        };
        let start = Span::new(self.tree.first.start, self.tree.first.start);
        self.deferred.clear();
        self.questions = Questions::of(b, &self.tree.nodes, way);
        if translates {
            let chain = b.chain(format!("pf translation {word}"), start);
            self.preamble(b, chain, way, Effect::Settle, true);
            self.translation(b, chain, way);
            b.stage(hook, self.stage(chain));
        }
        let chain = b.chain(format!("pf filter {word}"), start);
        self.preamble(b, chain, way, Effect::Verdict(Verdict::Accept), !translates);
        if translates {
            after_translation(b, chain, start);
        }
        self.filter(b, chain, way);
        b.stage(hook, self.stage(chain));
        if translates || self.moves || !self.deferred.is_empty() {
            let chain = b.chain(format!("pf state {word}"), start);
            self.put_off(b, chain, way, translates, start);
            b.stage(hook, self.stage(chain));
        }
    }

    fn stage(&self, chain: ChainId) -> Stage {
        Stage {
            chain,
            kind: StageKind::Filter,
            v4: true,
            v6: true,
            policy: Verdict::Accept,
            policy_origin: Origin::system(self.tree.first_filter),
            priority: 0,
            before_tracking: false,
        }
    }

    /// What comes before all rules: skipped interfaces and packets of known states end the chain, and the
    /// first chain of a way cleans the mark.
    fn preamble(&mut self, b: &mut Builder, chain: ChainId, way: Direction, ends: Effect, first: bool) {
        let start = Span::new(self.tree.first.start, self.tree.first.start);
        let field = if way == Direction::In { Field::Iif } else { Field::Oif };
        let tree = self.tree;
        for interface in &tree.skipped {
            self.interface(b, &interface.name, false, field);
            b.effect(Effect::KeepState(true));
            b.effect(ends);
            b.rule(chain, Origin::setting(interface.span));
        }
        if first {
            self.tcp_checks(b, chain, way, start);
        }
        let known = b.values(states(&[State::Established, State::Related]));
        b.field(Field::State, known, false);
        b.effect(Effect::Settle);
        b.rule(chain, Origin::system(start));
        if first {
            b.effect(Effect::Mark(MarkOp { clear: u32::MAX, flip: 0 }));
            b.effect(Effect::KeepState(false));
            b.rule(chain, Origin::system(start));
        }
    }
}

/// What `rdr pass` and its kin have accepted goes past the filter rules.
fn after_translation(b: &mut Builder, chain: ChainId, start: Span) {
    marked(b, mark::PASSED, mark::PASSED);
    b.effect(Effect::Settle);
    b.rule(chain, Origin::system(start));
}

/// Tests bits of the mark.
fn marked(b: &mut Builder, mask: u32, value: u32) {
    let mask = b.mask(mask.into());
    b.test(Test::Masked { field: Field::Mark, mask, values: Values::Range(value, value), negate: false });
}

/// Whether any rule asks for a tag, or may, because its text is not known.
fn reads_tags(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Rule(flat, _) => flat.extras().tagged.is_some(),
        Node::Anchor(anchor) => {
            anchor.rule.options.rare().tagged.is_some()
                || anchor.body.as_ref().is_none_or(|body| reads_tags(body))
        }
        Node::Unknown { kind, .. } => kind.is_none(),
    })
}

/// Whether there is any translation rule of FreeBSD and macOS.
fn has_translation(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| translate_kind(node).is_some())
}

/// The kind of translation that a node is about.
fn translate_kind(node: &Node) -> Option<TranslateKind> {
    match node {
        Node::Rule(flat, _) => match flat.rule.action {
            Action::Translate { kind, .. } => Some(kind),
            _ => None,
        },
        Node::Anchor(anchor) => anchor.kind,
        Node::Unknown { kind, .. } => *kind,
    }
}

/// The interfaces whose own address some rule gives to what leaves by them.
fn given<'a>(nodes: &'a [Node<'a>]) -> FxHashSet<&'a str> {
    let mut names = FxHashSet::default();
    each_rule(nodes, &mut |flat| names.extend(choice::own_interface(flat)));
    names
}

/// Whether any `match` rule translates.
fn has_moves(nodes: &[Node]) -> bool {
    let mut found = false;
    each_rule(nodes, &mut |flat| {
        found |= flat.rule.action == Action::Match && (flat.nat.is_some() || flat.rdr.is_some());
    });
    found
}

fn each_rule<'a>(nodes: &'a [Node<'a>], see: &mut dyn FnMut(&'a Flat<'a>)) {
    for node in nodes {
        match node {
            Node::Rule(flat, _) => see(flat),
            Node::Anchor(anchor) => each_rule(anchor.body.as_deref().unwrap_or_default(), see),
            Node::Unknown { .. } => {}
        }
    }
}
