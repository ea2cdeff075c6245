//! The normalized rules of pf against a walk that reads like the manual: every rule from the top, the last match
//! decides.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write;

use pinhole::analysis::{Trip, interpret};
use pinhole::dialect::{Dialect, Environment, load};
use pinhole::model::{OwnAddress, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, interface, proto};
use pinhole::source::SourceMap;
use proptest::prelude::*;

const HOSTS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "192.0.2.1", "192.0.2.2"];
const NETS: [(&str, [bool; 4]); 4] = [
    ("10.0.0.0/24", [true, true, false, false]),
    ("192.0.2.0/24", [false, false, true, true]),
    ("10.0.0.1", [true, false, false, false]),
    ("<odd>", [true, false, true, false]),
];
const PORTS: [(&str, [bool; 3]); 4] = [
    ("port 80", [true, false, false]),
    ("port 80:81", [true, true, false]),
    ("port != 81", [true, false, true]),
    ("port { 81 82 }", [false, true, true]),
];
const INTERFACES: [&str; 2] = ["em0", "em1"];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Action {
    Pass,
    Block,
    Match,
}

#[derive(Clone, Debug, Default)]
struct Conditions {
    incoming: Option<bool>,
    interface: Option<(bool, usize)>,
    src: Option<(bool, usize)>,
    dst: Option<(bool, usize)>,
    port: Option<usize>,
    tagged: Option<(bool, usize)>,
}

#[derive(Clone, Debug)]
struct Rule {
    action: Action,
    quick: bool,
    on: Conditions,
    tag: Option<usize>,
    /// The host that the source (out) or the destination (in) becomes.
    translates: Option<usize>,
    stateless: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Rule(Rule),
    Anchor(bool, Conditions, Vec<Node>),
}

/// A packet as the walk sees it: indices into the tables above.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Probe {
    src: usize,
    dst: usize,
    port: usize,
    tag: usize,
}

impl Conditions {
    fn hold(&self, probe: &Probe, incoming: bool, interface: usize) -> bool {
        self.incoming.is_none_or(|way| way == incoming)
            && self.interface.is_none_or(|(not, on)| (on == interface) != not)
            && self.src.is_none_or(|(not, net)| NETS[net].1[probe.src] != not)
            && self.dst.is_none_or(|(not, net)| NETS[net].1[probe.dst] != not)
            && self.port.is_none_or(|port| PORTS[port].1[probe.port])
            && self.tagged.is_none_or(|(not, tag)| (probe.tag == tag + 1) != not)
    }

    fn text(&self, out: &mut String, anchor: bool) {
        let host = |host: Option<(bool, usize)>| match host {
            Some((not, net)) => format!("{}{}", if not { "! " } else { "" }, NETS[net].0),
            None => "any".into(),
        };
        if let Some((not, on)) = self.interface {
            write!(out, " on {}{}", if not { "! " } else { "" }, INTERFACES[on]).unwrap();
        }
        write!(out, " proto tcp from {} to {}", host(self.src), host(self.dst)).unwrap();
        if let Some(port) = self.port {
            write!(out, " {}", PORTS[port].0).unwrap();
        }
        if let (Some((not, tag)), false) = (self.tagged, anchor) {
            write!(out, "{} tagged T{tag}", if not { " !" } else { "" }).unwrap();
        }
    }
}

fn way(incoming: Option<bool>) -> &'static str {
    match incoming {
        None => "",
        Some(true) => " in",
        Some(false) => " out",
    }
}

fn text(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match node {
            Node::Rule(rule) => {
                out.push_str(match rule.action {
                    Action::Pass => "pass",
                    Action::Block => "block",
                    Action::Match => "match",
                });
                write!(out, "{}{}", way(rule.on.incoming), if rule.quick { " quick" } else { "" }).unwrap();
                rule.on.text(out, false);
                if rule.stateless && rule.action == Action::Pass {
                    out.push_str(" no state");
                }
                if let Some(tag) = rule.tag {
                    write!(out, " tag T{tag}").unwrap();
                }
                if let Some(host) = rule.translates {
                    let word = if rule.on.incoming == Some(true) { "rdr-to" } else { "nat-to" };
                    write!(out, " {word} {}", HOSTS[host]).unwrap();
                }
                out.push('\n');
            }
            Node::Anchor(quick, on, body) => {
                write!(out, "anchor{}{}", way(on.incoming), if *quick { " quick" } else { "" }).unwrap();
                on.text(out, true);
                out.push_str(" {\n");
                text(body, out);
                out.push_str("}\n");
            }
        }
    }
}

/// What a walk over the rules of one way has found so far.
struct Walk<'r> {
    probe: Probe,
    last: Option<&'r Rule>,
    /// The rules among which the last one stands.
    last_among: Option<*const Node>,
    /// Whether a `match` translated.
    moved: bool,
}

/// Walks the rules; true where a quick rule ended it.
fn walk<'r>(nodes: &'r [Node], incoming: bool, interface: usize, state: &mut Walk<'r>) -> bool {
    for node in nodes {
        match node {
            Node::Rule(rule) => {
                if !rule.on.hold(&state.probe, incoming, interface) {
                    continue;
                }
                if let Some(tag) = rule.tag {
                    state.probe.tag = tag + 1;
                }
                if rule.action == Action::Match {
                    translate(rule, incoming, &mut state.probe);
                    state.moved |= rule.translates.is_some();
                } else {
                    state.last = Some(rule);
                    state.last_among = Some(nodes.as_ptr());
                }
                if rule.quick {
                    return true;
                }
            }
            Node::Anchor(quick, on, body) => {
                let on = Conditions { tagged: None, ..on.clone() };
                if !on.hold(&state.probe, incoming, interface) {
                    continue;
                }
                let ended = walk(body, incoming, interface, state);
                let own = !body.is_empty() && state.last_among == Some(body.as_ptr());
                if ended || (*quick && own) {
                    return true;
                }
            }
        }
    }
    false
}

fn translate(rule: &Rule, incoming: bool, probe: &mut Probe) {
    if let Some(host) = rule.translates {
        *(if incoming { &mut probe.dst } else { &mut probe.src }) = host;
    }
}

/// A packet that `match` translated and that no state is kept for goes on as it came: what the rules make of it is
/// not told.
struct Untold;

/// The packet as it leaves and whether both ways keep state; nothing where it is blocked.
fn manual(nodes: &[Node], probe: Probe) -> Result<Option<(Probe, bool)>, Untold> {
    let (mut probe, mut keeps) = (probe, true);
    for (incoming, interface) in [(true, 0), (false, 1)] {
        let mut state = Walk { probe, last: None, last_among: None, moved: false };
        walk(nodes, incoming, interface, &mut state);
        probe = state.probe;
        if state.moved && state.last.is_none_or(|rule| rule.action == Action::Pass && rule.stateless) {
            return Err(Untold);
        }
        match state.last {
            Some(rule) if rule.action == Action::Block => return Ok(None),
            Some(rule) => {
                translate(rule, incoming, &mut probe);
                keeps &= !rule.stateless;
            }
            None => keeps = false,
        }
    }
    Ok(Some((probe, keeps)))
}

fn environment() -> Environment {
    let own = |interface: &str, address: u128| OwnAddress {
        interface: interface.into(),
        family: Family::V4,
        address,
        prefix: 24,
    };
    Environment { own: vec![own("em0", 0xc000_02fe), own("em1", 0x0a00_00fe)], ..Environment::default() }
}

fn normalized(text: &str, probe: Probe) -> Option<(Probe, bool)> {
    let mut sources = SourceMap::new();
    let id = sources.add("pf.conf", text.as_bytes().to_vec()).unwrap();
    let loaded = load(Dialect::Pf, &mut sources, &[id], &environment());
    assert!(loaded.findings.iter().all(|f| !f.code().starts_with("PH0")), "{text}\n{:?}", loaded.findings);
    let mut packet = Packet::new(Family::V4, proto::TCP);
    packet.set(Field::Iif, interface("em0"));
    packet.set(Field::Oif, interface("em1"));
    packet.set(Field::Src4, number(HOSTS[probe.src]));
    packet.set(Field::Dst4, number(HOSTS[probe.dst]));
    packet.set(Field::Sport, 5000);
    packet.set(Field::Dport, 80 + probe.port as u128);
    packet.set(Field::TcpFlags, 2);
    let trip = Trip { packet, way: Way::Forward, fwd_oif: Some(interface("em1")), loopback: false };
    let outcomes = interpret(&loaded.ruleset, &trip, &mut ());
    assert_eq!(outcomes.len(), 1, "{text}\n{outcomes:?}");
    let outcome = &outcomes[0];
    let host = |field: Field| {
        let address = outcome.packet.get(field).known().unwrap();
        HOSTS.iter().position(|host| number(host) == address).unwrap()
    };
    (outcome.verdict == Verdict::Accept).then(|| {
        let tag = outcome.packet.get(Field::Tag).known().unwrap() as usize;
        let name = tag.checked_sub(1).map(|tag| loaded.ruleset.tags[tag].clone());
        let tag = name.map_or(0, |name| name[1..].parse::<usize>().unwrap() + 1);
        let end = Probe { src: host(Field::Src4), dst: host(Field::Dst4), port: probe.port, tag };
        (end, outcome.keeps_state)
    })
}

fn number(address: &str) -> u128 {
    Family::of(address.parse().unwrap()).1
}

fn conditions() -> impl Strategy<Value = Conditions> {
    use proptest::option::weighted;
    (
        weighted(0.6, any::<bool>()),
        weighted(0.3, (any::<bool>(), 0..2usize)),
        weighted(0.4, (any::<bool>(), 0..4usize)),
        weighted(0.4, (any::<bool>(), 0..4usize)),
        weighted(0.3, 0..4usize),
        weighted(0.2, (any::<bool>(), 0..2usize)),
    )
        .prop_map(|(incoming, interface, src, dst, port, tagged)| Conditions {
            incoming,
            interface,
            src,
            dst,
            port,
            tagged,
        })
}

fn rule(flows: bool) -> impl Strategy<Value = Rule> {
    use proptest::option::weighted;
    let action = prop_oneof![3 => Just(Action::Pass), 3 => Just(Action::Block), 2 => Just(Action::Match)];
    let some = if flows { 0.3 } else { f64::MIN_POSITIVE };
    (
        action,
        proptest::bool::weighted(0.2),
        conditions(),
        weighted(some, 0..2usize),
        weighted(some, 0..4usize),
        proptest::bool::weighted(0.2),
    )
        .prop_map(move |(action, quick, on, tag, translates, stateless)| {
            let (tag, translates) = if flows { (tag, translates) } else { (None, None) };
            let translates = translates.filter(|_| action != Action::Block && on.incoming.is_some());
            let action = if action == Action::Match && !flows { Action::Pass } else { action };
            Rule {
                action,
                quick,
                on,
                tag,
                translates,
                stateless: stateless && translates.is_none() && action == Action::Pass,
            }
        })
}

fn nodes(flows: bool) -> impl Strategy<Value = Vec<Node>> {
    let leaf = rule(flows).prop_map(Node::Rule);
    let node = leaf.prop_recursive(2, 8, 4, |inner| {
        (any::<bool>(), conditions(), prop::collection::vec(inner, 0..4))
            .prop_map(|(quick, on, body)| Node::Anchor(quick, on, body))
    });
    prop::collection::vec(node, 0..9)
}

fn probe() -> impl Strategy<Value = Probe> {
    (0..4usize, 0..4usize, 0..3usize).prop_map(|(src, dst, port)| Probe { src, dst, port, tag: 0 })
}

fn check(nodes: &[Node], probe: Probe) -> Result<(), TestCaseError> {
    let mut file = String::from("table <odd> const { 10.0.0.1, 192.0.2.1 }\n");
    text(nodes, &mut file);
    let Ok(mut expected) = manual(nodes, probe) else { return Ok(()) };
    let mut found = normalized(&file, probe);
    if !file.contains("tagged") {
        // nobody reads tags, so they are left out
        for end in [&mut expected, &mut found] {
            end.iter_mut().for_each(|(probe, _)| probe.tag = 0);
        }
    }
    prop_assert_eq!(expected, found, "{}\n{:?}", file, probe);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_list_says_what_the_last_match_says(nodes in nodes(false), probe in probe()) {
        check(&nodes, probe)?;
    }

    #[test]
    fn rules_that_change_the_packet_keep_their_order(nodes in nodes(true), probe in probe()) {
        check(&nodes, probe)?;
    }
}
