//! Filter rules: as a decision list where they allow it, in their order where they do not.

use std::rc::Rc;

use crate::model::{Builder, ChainId, Condition, Effect, MarkOp, Verdict};
use crate::source::Span;

use super::super::ast::{Action, Direction, Flavour, Rule, StateKind};
use super::super::expand::{Flat, Where};
use super::super::tree::{AnchorNode, Node, Scope};
use super::condition::limits;
use super::decide::{Ending, Passing, beyond_the_model, reply, undefined};
use super::{Lowering, mark, marked};

/// The longest decision list; beyond it, anchors are walked in their place.
const MOST_ENTRIES: usize = 1_000_000;

/// Conditions of a rule, those of the anchors around it first.
type Rows<'a> = Vec<(&'a Flat<'a>, Scope)>;

/// A line of the decision list.
struct Entry<'a> {
    anchors: Rc<Rows<'a>>,
    what: What<'a>,
}

enum What<'a> {
    Rule(&'a Flat<'a>, Scope),
    Unknown(Span, &'a str),
}

impl<'a> Lowering<'a> {
    /// The filter rules of one way.
    pub(super) fn filter(&mut self, b: &mut Builder, chain: ChainId, way: Direction) {
        let nodes = &self.tree.nodes;
        let fits = size(nodes) <= MOST_ENTRIES;
        if fits && !self.keeps_order(nodes, way) {
            return self.decision_list(b, chain, way);
        }
        if fits && self.matches_first(nodes, way) {
            for node in nodes {
                if let Node::Rule(flat, scope) = node
                    && flat.rule.action == Action::Match
                    && goes(flat, way)
                {
                    self.match_rule(b, chain, flat, *scope, way);
                }
            }
            return self.decision_list(b, chain, way);
        }
        self.in_order(b, chain, nodes, way, Inside::default());
    }

    /// Whether the rules cannot be put into a decision list: one that does not end the walk changes what later
    /// ones see.
    fn keeps_order(&self, nodes: &[Node], way: Direction) -> bool {
        nodes.iter().any(|node| match node {
            Node::Rule(flat, _) if !goes(flat, way) => false,
            Node::Rule(flat, _) => match flat.rule.action {
                Action::Match => self.match_matters(flat),
                Action::Pass | Action::Block(_) => flat.rule.quick.is_none() && self.tag_matters(flat),
                _ => false,
            },
            Node::Anchor(anchor) if anchor.kind.is_some() || !goes_at_all(anchor.rule, way) => false,
            Node::Anchor(anchor) => {
                (anchor.quick && self.tree.flavour == Flavour::OpenBsd && has_anchors(anchor))
                    || (self.reads_tags && anchor.rule.options.rare().tag.is_some())
                    || anchor.body.as_ref().is_some_and(|body| self.keeps_order(body, way))
            }
            Node::Unknown { .. } => false,
        })
    }

    fn tag_matters(&self, flat: &Flat) -> bool {
        self.reads_tags && flat.extras().tag.is_some()
    }

    /// Whether a `match` rule does anything that verdicts depend on.
    fn match_matters(&self, flat: &Flat) -> bool {
        self.tag_matters(flat) || flat.nat.is_some() || flat.rdr.is_some() || flat.rule.quick.is_some()
    }

    /// Whether all `match` rules may as well run before all others: no rule before one of them looks at what it
    /// changes, or lets packets pass without coming to it; and nothing else changes what rules see.
    fn matches_first(&self, nodes: &[Node], way: Direction) -> bool {
        let (mut sees_tag, mut sees_src, mut sees_dst, mut leaves) = (false, false, false, false);
        for node in nodes {
            let flat = match node {
                Node::Rule(flat, _) if goes(flat, way) => flat,
                Node::Rule(..) => continue,
                Node::Anchor(anchor) if anchor.kind.is_some() || !goes_at_all(anchor.rule, way) => continue,
                Node::Anchor(_) | Node::Unknown { kind: None, .. } => {
                    leaves = true;
                    if self.keeps_order(std::slice::from_ref(node), way) {
                        return false;
                    }
                    continue;
                }
                Node::Unknown { .. } => continue,
            };
            match flat.rule.action {
                Action::Match if self.match_matters(flat) => {
                    let blocked = flat.rule.quick.is_some()
                        || leaves
                        || (self.tag_matters(flat) && sees_tag)
                        || (flat.nat.is_some() && sees_src)
                        || (flat.rdr.is_some() && sees_dst);
                    if blocked {
                        return false;
                    }
                }
                Action::Pass | Action::Block(_) => {
                    if flat.rule.quick.is_none() && self.tag_matters(flat) {
                        return false;
                    }
                    sees_tag |= flat.extras().tagged.is_some();
                    sees_src |= flat.src.place != Where::Any || flat.src_port.is_some();
                    sees_dst |= flat.dst.place != Where::Any || flat.dst_port.is_some();
                    leaves |= flat.rule.quick.is_some() && flat.rule.action == Action::Pass;
                }
                _ => {}
            }
        }
        true
    }

    /// Last match as first match: the quick rules in order, then the others from the last to the first.
    fn decision_list(&mut self, b: &mut Builder, chain: ChainId, way: Direction) {
        let (mut quick, mut slow) = (Vec::new(), Vec::new());
        flatten(&self.tree.nodes, way, &Rc::new(Vec::new()), &mut quick, &mut slow);
        quick.extend(slow.into_iter().rev());
        for entry in quick {
            match entry.what {
                What::Rule(flat, scope) if entry.anchors.is_empty() => {
                    self.rule(b, chain, &[(flat, scope)], way);
                }
                What::Rule(flat, scope) => {
                    let mut rows = entry.anchors.as_ref().clone();
                    rows.push((flat, scope));
                    self.rule(b, chain, &rows, way);
                }
                What::Unknown(span, what) => {
                    for form in self.forms(&entry.anchors, way) {
                        for (flat, scope) in entry.anchors.iter() {
                            self.conditions(b, flat, *scope, form, way);
                        }
                        undefined(b, chain, span, what);
                    }
                }
            }
        }
    }

    /// A rule whose verdict is final.
    fn rule(&mut self, b: &mut Builder, chain: ChainId, rows: &[(&'a Flat<'a>, Scope)], way: Direction) {
        let Some((flat, scope)) = rows.last().copied() else { return };
        b.beside(&beside(flat.rule));
        self.questions.again(flat);
        for form in self.forms(rows, way) {
            let mut tests = |this: &mut Self, b: &mut Builder| {
                for (flat, scope) in rows {
                    this.conditions(b, flat, *scope, form, way);
                }
            };
            if flat.rule.action == Action::Pass {
                let passing = Passing { flat, scope, family: form.family };
                self.pass(b, chain, passing, way, Ending::Verdict, &mut tests);
            } else {
                tests(self, b);
                self.tag(b, flat);
                self.refuse(b, reply(flat), Effect::Verdict);
                b.rule(chain, flat.origin());
            }
        }
        b.beside("");
    }

    /// A `match` rule: its effects happen at once.
    fn match_rule(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        flat: &'a Flat<'a>,
        scope: Scope,
        way: Direction,
    ) {
        if !self.match_matters(flat) {
            return;
        }
        let quick = flat.rule.quick.is_some();
        b.beside(&beside(flat.rule));
        self.questions.again(flat);
        for form in self.forms(&[(flat, scope)], way) {
            let translates = flat.nat.is_some() || flat.rdr.is_some();
            let inner = translates.then(|| self.match_translation(b, flat, scope, form.family, quick));
            self.conditions(b, flat, scope, form, way);
            self.tag(b, flat);
            if let Some(inner) = inner {
                b.effect(Effect::Jump(inner));
            } else if quick {
                b.effect(Effect::Settle);
            }
            b.rule(chain, flat.origin());
        }
        b.beside("");
    }

    /// The rules in their order: those that are not quick leave a pending verdict. `inside` are the mark bits of
    /// the quick anchors around.
    fn in_order(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        nodes: &'a [Node<'a>],
        way: Direction,
        inside: Inside,
    ) {
        for node in nodes {
            match node {
                Node::Rule(flat, scope) if goes(flat, way) => match flat.rule.action {
                    Action::Match => self.match_rule(b, chain, flat, *scope, way),
                    Action::Pass | Action::Block(_) if flat.rule.quick.is_some() => {
                        self.rule(b, chain, &[(&**flat, *scope)], way);
                    }
                    Action::Pass | Action::Block(_) => self.pending(b, chain, flat, *scope, way, inside),
                    _ => {}
                },
                Node::Anchor(anchor) if anchor.kind.is_none() && goes_at_all(anchor.rule, way) => {
                    self.anchor(b, chain, anchor, way, inside);
                }
                Node::Unknown { span, what, kind: None, .. } => undefined(b, chain, *span, what),
                _ => {}
            }
        }
    }

    /// A rule that is not quick: its verdict stands unless a later rule matches.
    fn pending(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        flat: &'a Flat<'a>,
        scope: Scope,
        way: Direction,
        inside: Inside,
    ) {
        let puts_off = flat.rule.action == Action::Pass
            && (flat.nat.is_some()
                || flat.rdr.is_some()
                || !limits(flat).is_empty()
                || beyond_the_model(flat).is_some()
                || flat.rule.options.rare().max_packet_size.is_some()
                || self.leaves_elsewhere(flat, way).is_some());
        b.beside(&beside(flat.rule));
        self.questions.again(flat);
        for form in self.forms(&[(flat, scope)], way) {
            self.conditions(b, flat, scope, form, way);
            self.tag(b, flat);
            let mut number = 0;
            if puts_off {
                self.deferred.push(Passing { flat, scope, family: form.family });
                number = self.deferred.len() as u32;
            }
            if number > mark::DEFERRED {
                undefined(b, chain, flat.rule.span, "more rules than can be followed");
                continue;
            }
            let clear = mark::DEFERRED | inside.cleared(self.tree.flavour);
            b.effect(Effect::Mark(MarkOp { clear, flip: number | inside.bits }));
            if flat.rule.action == Action::Pass {
                self.keep_state(b, flat);
                b.effect(Effect::Pend(Verdict::Accept));
            } else {
                self.refuse(b, reply(flat), Effect::Pend);
            }
            b.rule(chain, flat.origin());
        }
        b.beside("");
    }

    fn anchor(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        anchor: &'a AnchorNode<'a>,
        way: Direction,
        inside: Inside,
    ) {
        let rule = anchor.rule;
        let quick = anchor.quick;
        let bit = if quick { mark::FIRST_QUICK_ANCHOR.checked_shl(inside.quick).unwrap_or(0) } else { 0 };
        let within = Inside {
            quick: inside.quick + u32::from(quick),
            bits: if self.tree.flavour == Flavour::OpenBsd { bit } else { inside.bits | bit },
        };
        let known = anchor.body.as_ref().filter(|_| !quick || bit != 0);
        let target = known.map(|body| {
            let target = b.chain(anchor.what.clone(), rule.span);
            self.in_order(b, target, body, way, within);
            target
        });
        for flat in &anchor.flats {
            for form in self.forms(&[(flat, anchor.scope)], way) {
                self.conditions(b, flat, anchor.scope, form, way);
                self.tag(b, flat);
                match target {
                    Some(target) => b.effect(Effect::Jump(target)),
                    None => {
                        let cond = b.condition(Condition::elsewhere(&anchor.what));
                        b.effect(Effect::Undefined(cond));
                    }
                }
                b.rule(chain, flat.origin());
            }
            if quick && target.is_some() {
                marked(b, bit, bit);
                b.effect(Effect::Settle);
                b.rule(chain, flat.origin());
            }
        }
    }
}

/// The anchors around a rule.
#[derive(Clone, Copy, Default)]
struct Inside {
    /// How many of them are quick.
    quick: u32,
    /// The mark bits by which they are told that a rule inside matched.
    bits: u32,
}

impl Inside {
    /// The bits that a match takes away or sets. On OpenBSD a quick anchor ends the walk only where the last rule
    /// that matched stands in it and not in an anchor within (pf.c, `pf_step_into_anchor`).
    fn cleared(self, flavour: Flavour) -> u32 {
        match flavour {
            Flavour::OpenBsd => mark::QUICK_ANCHORS,
            Flavour::FreeBsd => self.bits,
        }
    }
}

/// What a rule does with packets and states that no verdict hangs on.
fn beside(rule: &Rule) -> String {
    let options = &rule.options;
    let rare = options.rare();
    let mut words: Vec<String> = rare.packet.clone();
    words.extend(rare.queue.as_ref().map(|queue| format!("queue {queue}")));
    words.extend(rare.tag.as_ref().map(|tag| format!("tag {tag}")));
    words.extend(rare.rtable.map(|table| format!("rtable {table}")));
    words.extend(rare.divert.as_ref().map(|divert| format!("{divert:?}")));
    words.extend(rare.route.as_ref().map(|route| {
        let hosts: Vec<String> = route.hosts.iter().map(|host| format!("{:?}", host.address)).collect();
        let (kind, interfaces, options) = (route.kind, &route.interfaces, &route.options);
        format!("{kind:?} {interfaces:?} {hosts:?} {options:?}")
    }));
    words.extend(rare.once.then(|| "once".to_string()));
    if let Some(state) = options.state.as_ref().filter(|state| state.kind != StateKind::No) {
        let plain = state.kind == StateKind::Keep && state.options.is_none();
        words.extend((!plain).then(|| format!("{:?} {:?}", state.kind, state.options)));
    }
    words.join(", ")
}

/// Whether a rule is for packets of this way.
pub(super) fn goes(flat: &Flat, way: Direction) -> bool {
    flat.direction.is_none_or(|direction| direction == way)
}

/// The same for a rule as written.
pub(super) fn goes_at_all(rule: &Rule, way: Direction) -> bool {
    rule.direction.is_none_or(|direction| direction == way)
}

/// How long the decision list gets: rules in anchors count once for each of the anchors' conditions.
fn size(nodes: &[Node]) -> usize {
    nodes.iter().fold(0, |all: usize, node| {
        all.saturating_add(match node {
            Node::Anchor(anchor) => {
                let body = anchor.body.as_ref().map_or(1, |body| size(body));
                anchor.flats.len().saturating_mul(body)
            }
            _ => 1,
        })
    })
}

/// Sorts rules into those that end the walk and those that do not, conditions of anchors on them.
fn flatten<'a>(
    nodes: &'a [Node<'a>],
    way: Direction,
    anchors: &Rc<Rows<'a>>,
    quick: &mut Vec<Entry<'a>>,
    slow: &mut Vec<Entry<'a>>,
) {
    for node in nodes {
        match node {
            Node::Rule(flat, scope) => {
                if !goes(flat, way) || !matches!(flat.rule.action, Action::Pass | Action::Block(_)) {
                    continue;
                }
                let list = if flat.rule.quick.is_some() { &mut *quick } else { &mut *slow };
                list.push(Entry { anchors: Rc::clone(anchors), what: What::Rule(flat, *scope) });
            }
            Node::Unknown { span, what, kind: None, .. } => {
                quick.push(Entry { anchors: Rc::clone(anchors), what: What::Unknown(*span, what) });
            }
            Node::Anchor(anchor) if anchor.kind.is_none() && goes_at_all(anchor.rule, way) => {
                for flat in &anchor.flats {
                    let mut rows = anchors.as_ref().clone();
                    rows.push((flat, anchor.scope));
                    let rows = Rc::new(rows);
                    match &anchor.body {
                        None => quick.push(Entry {
                            anchors: rows,
                            what: What::Unknown(anchor.rule.span, &anchor.what),
                        }),
                        Some(body) if anchor.quick => {
                            let mut inner = Vec::new();
                            flatten(body, way, &rows, quick, &mut inner);
                            quick.extend(inner.into_iter().rev());
                        }
                        Some(body) => flatten(body, way, &rows, quick, slow),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether an anchor has others inside.
fn has_anchors(anchor: &AnchorNode) -> bool {
    anchor.body.iter().flatten().any(|node| matches!(node, Node::Anchor(inner) if inner.kind.is_none()))
}
