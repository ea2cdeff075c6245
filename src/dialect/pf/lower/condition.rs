//! What pf.conf does not tell, as conditions of the model, by name.

use rustc_hash::FxHashMap;

use crate::model::{About, Builder, CondId, Condition, Nature, Test};
use crate::packet::Field;

use super::super::ast::{Action, Direction, IdMatch, Modifiers};
use super::super::expand::{Flat, Resolved, Where, is_interface};
use super::super::names::owner_name;
use super::super::tree::{Node, Tree};
use super::filter::goes;

/// Adds the test of a condition.
pub(super) fn unknown(b: &mut Builder, condition: Condition, negate: bool) {
    let cond = b.condition(condition);
    b.test(Test::Unknown { cond, negate });
}

/// A table that is not all in the files. One that nothing but `overload` fills is empty for all who stay within
/// the rates of the rules that fill it (pf.conf(5), `max-src-conn-rate`).
pub(super) fn table(tree: &Tree, name: &str, contents: bool, field: Field) -> Condition {
    let mut condition = Condition::of(format!("table <{name}>"), [field]);
    if tree.overloaded.contains(name) && !contents {
        condition.nature = Nature::Rate { within: false };
    }
    condition
}

/// A host of which the files do not tell the addresses, compared with an address field. `on` is the field of the
/// interface that the packet goes through.
///
/// `no-route` and `urpf-failed` are looked up by the address (pf.c, `pf_routable`); for an honest sender there is
/// a route, and it leads back through the interface that the packet came in by.
pub(super) fn host(host: &Resolved, field: Field, on: Field) -> Option<Condition> {
    let honest = |name: &str, fields: Vec<Field>| Condition {
        name: name.to_string(),
        about: About::Fields(fields),
        nature: Nature::Forgery { honest: false },
    };
    Some(match host.place {
        Where::NoRoute => honest("no-route", vec![field]),
        Where::UrpfFailed => honest("urpf-failed", vec![field, on]),
        Where::RouteLabel(label) => Condition::of(format!("route label {label}"), [field]),
        Where::Dynamic { name, modifiers, prefix } => {
            Condition::of(addresses_of(name, modifiers, prefix), [field])
        }
        // Written out when the rules are loaded, `! em0` is a rule for each address: two of them match everything.
        Where::Unknown { name, modifiers, prefix } if host.negated => {
            let name = name_of(name, modifiers, prefix);
            Condition::of(format!("each of ! {name}"), [field])
        }
        Where::Unknown { name, modifiers, prefix } => {
            Condition::of(name_of(name, modifiers, prefix), [field])
        }
        Where::Any | Where::Net(_) | Where::Range(_) | Where::Table(_) => return None,
    })
}

/// Whether the condition of a host has its negation in itself.
pub(super) fn has_own_negation(host: &Resolved) -> bool {
    matches!(host.place, Where::Unknown { .. })
}

/// A bare name is that of an interface, of a group, or of a host.
fn name_of(name: &str, modifiers: Modifiers, prefix: Option<u8>) -> String {
    if is_interface(name) || modifiers != Modifiers::default() {
        return addresses_of(name, modifiers, prefix);
    }
    match prefix {
        Some(prefix) => format!("fqdn {name}/{prefix}"),
        None => format!("fqdn {name}"),
    }
}

fn addresses_of(name: &str, modifiers: Modifiers, prefix: Option<u8>) -> String {
    let mut text = format!("addresses of {name}");
    for (on, word) in [
        (modifiers.network, ":network"),
        (modifiers.broadcast, ":broadcast"),
        (modifiers.peer, ":peer"),
        (modifiers.no_alias, ":0"),
    ] {
        if on {
            text.push_str(word);
        }
    }
    if let Some(prefix) = prefix {
        text.push_str(&format!("/{prefix}"));
    }
    text
}

/// The owner of a socket: the same for every rule that looks at the packet (pf.c, `pf_socket_lookup`), so that
/// `user != root` is the opposite of `user root`. Gives the condition and whether it is negated.
pub(super) fn owner(word: &str, id: &IdMatch) -> (Condition, bool) {
    let (op, negate) = match id.op {
        "!=" => ("=", true),
        op => (op, false),
    };
    let named = |number| owner_name(number, word == "group");
    let name = match &id.second {
        Some(second) => format!("{word} {} {op} {}", named(&id.first), named(second)),
        None => format!("{word} {op} {}", named(&id.first)),
    };
    (Condition::elsewhere(name), negate)
}

/// A question that has its own answer wherever it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Ask {
    /// `probability`
    Probability,
    /// `once`: whether the rule has matched before.
    Once,
    /// `max-pkt-rate`: a rule above its rate does not match (pf.conf(5)).
    PacketRate,
    /// Whether a limiter has room.
    Limiter,
    /// Whether a limiter turns packets away.
    LimiterBlocks,
    /// One of the limits of a rule's states, by its place: once reached, packets are dropped.
    StateLimit(usize),
    /// Whether a pool gives its address of this place, where none before it is given.
    Pool(usize, bool),
    /// Whether a packet is routed by the interface that it goes through anyway.
    Route,
}

/// The questions of one way and their answers.
#[derive(Default)]
pub(super) struct Questions {
    /// The names of questions that were not asked yet, numbered in the order of the file.
    names: FxHashMap<(u32, Ask), String>,
    /// What rules have asked: one that is written out as several asks it once.
    asked: FxHashMap<u32, Vec<(Ask, CondId)>>,
    way: &'static str,
}

impl Questions {
    /// Numbers the questions of rules in the order of the file, which lowering does not keep.
    pub(super) fn of(b: &mut Builder, nodes: &[Node], way: Direction) -> Self {
        let word = if way == Direction::In { "in" } else { "out" };
        let mut questions = Questions { way: word, ..Questions::default() };
        questions.number(b, nodes, way);
        questions
    }

    fn number(&mut self, b: &mut Builder, nodes: &[Node], way: Direction) {
        for node in nodes {
            match node {
                Node::Rule(flat, _) => self.number_rule(b, flat, way),
                Node::Anchor(anchor) => {
                    anchor.flats.iter().for_each(|flat| self.number_rule(b, flat, way));
                    self.number(b, anchor.body.as_deref().unwrap_or_default(), way);
                }
                Node::Unknown { .. } => {}
            }
        }
    }

    fn number_rule(&mut self, b: &mut Builder, flat: &Flat, way: Direction) {
        if goes(flat, way) {
            for (ask, text) in asks(flat).into_iter().chain(limits(flat)) {
                let name = b.numbered(kind(ask), self.way, &text);
                self.names.insert((flat.id, ask), name);
            }
        }
    }

    /// A rule is looked at anew: it asks again.
    pub(super) fn again(&mut self, flat: &Flat) {
        self.asked.remove(&flat.id);
    }

    /// The condition of a question of a rule.
    pub(super) fn ask(&mut self, b: &mut Builder, flat: &Flat, ask: Ask, text: &str) -> CondId {
        let asked = self.asked.entry(flat.id).or_default();
        if let Some((_, cond)) = asked.iter().find(|(known, _)| *known == ask) {
            return *cond;
        }
        let name = self.names.remove(&(flat.id, ask));
        let name = name.unwrap_or_else(|| b.numbered(kind(ask), self.way, text));
        let condition = match ask {
            Ask::Probability | Ask::Once | Ask::Pool(..) | Ask::Route => Condition::chance(name),
            Ask::PacketRate | Ask::Limiter => Condition::rate(name, true),
            Ask::LimiterBlocks | Ask::StateLimit(_) => Condition::rate(name, false),
        };
        let cond = b.condition(condition);
        asked.push((ask, cond));
        cond
    }
}

fn kind(ask: Ask) -> &'static str {
    match ask {
        Ask::Probability => "probability",
        Ask::Once => "once",
        Ask::PacketRate => "max-pkt-rate",
        Ask::Limiter => "limiter",
        Ask::LimiterBlocks => "limiter full",
        Ask::StateLimit(_) => "state limit",
        Ask::Pool(..) => "pool",
        Ask::Route => "route-to",
    }
}

/// What a rule asks before it matches, with the text that it is asked with.
pub(super) fn asks(flat: &Flat) -> Vec<(Ask, String)> {
    let rare = flat.rule.options.rare();
    let once = rare.once.then(|| match flat.rule.action {
        Action::Block(_) => "block".to_string(),
        _ => "pass".to_string(),
    });
    [
        (Ask::Probability, rare.probability.clone()),
        (Ask::PacketRate, rare.max_packet_rate.clone()),
        (Ask::Limiter, rare.limiter.clone()),
        (Ask::Once, once),
    ]
    .into_iter()
    .filter_map(|(ask, text)| text.map(|text| (ask, text)))
    .collect()
}

/// What drops packets although the rule passes them: limits of its states, and limiters, which turn packets away
/// or leave them to other rules.
pub(super) fn limits(flat: &Flat) -> Vec<(Ask, String)> {
    let limits = flat.rule.options.state.as_ref().map_or(&[][..], |state| state.limits());
    let own = limits.iter().enumerate().map(|(at, text)| (Ask::StateLimit(at), text.clone()));
    let limiter = flat.rule.options.rare().limiter.iter().map(|name| (Ask::LimiterBlocks, name.clone()));
    own.chain(limiter).collect()
}
