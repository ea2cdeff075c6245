//! Rules that miss what translation made of a packet, or the way back.

use rustc_hash::FxHashSet;

use crate::finding::Finding;
use crate::packet::proto;
use crate::rule::{PH520, PH521, PH522, PH523};
use crate::source::Span;

use super::super::ast::{Action, Direction, Port, PortOp, StateKind, TranslateKind};
use super::super::expand::{Flat, FlatPort, Where};
use super::super::lower::ports;
use super::super::tree::Node;
use super::compare::{hosts_meet, is_everyone, opposite, ports_meet};

/// A redirection and where it stands among the nodes.
struct Redirection<'a> {
    flat: &'a Flat<'a>,
    at: usize,
    /// Translation rules of FreeBSD come before all filter rules; `match` rules before those after them.
    before_all: bool,
}

/// How many pairs of rules are held against each other at most: a lint is not worth more.
const MOST_PAIRS: usize = 1_000_000;
/// The most redirections that rules are held against.
const MOST_REDIRECTIONS: usize = 500;

/// PH520: a filter rule that names the address or port that a redirection has replaced before it.
pub(super) fn untranslated<'a>(nodes: &'a [Node<'a>], rules: &[&'a Flat<'a>], findings: &mut Vec<Finding>) {
    let mut redirections = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let Node::Rule(flat, _) = node else { continue };
        let before_all = match flat.rule.action {
            Action::Translate { kind: TranslateKind::Rdr, no: false, pass: false } => true,
            Action::Match if flat.rdr.is_some() => false,
            _ => continue,
        };
        redirections.push(Redirection { flat, at, before_all });
    }
    redirections.truncate(MOST_REDIRECTIONS);
    if redirections.is_empty() {
        return;
    }
    let mut said: FxHashSet<Span> = FxHashSet::default();
    for (at, node) in nodes.iter().enumerate() {
        let Node::Rule(rule, _) = node else { continue };
        if rule.rule.action != Action::Pass {
            continue;
        }
        let way = rule.direction.unwrap_or(Direction::In);
        let stale = redirections.iter().find(|redirection| {
            (redirection.before_all || redirection.at < at || way == Direction::Out)
                && (way == Direction::In || is_elsewhere(rule, redirection.flat))
                && names_the_outside(rule, redirection.flat)
        });
        if let Some(redirection) = stale
            && !rules.iter().any(|other| passes_the_inside(other, redirection.flat, way))
            && said.insert(rule.rule.span)
        {
            findings.push(stale_rule(rule, redirection.flat));
        }
    }
}

/// Whether a rule is for another interface than a redirection: by that one redirected packets do not leave.
fn is_elsewhere(rule: &Flat, redirection: &Flat) -> bool {
    match (rule.interface, redirection.interface) {
        (Some((false, own)), Some((false, other))) => own != other,
        _ => false,
    }
}

/// Whether a pass rule is about the very address and port that a redirection replaces.
fn names_the_outside(rule: &Flat, redirection: &Flat) -> bool {
    let Some(pool) = &redirection.rdr else { return false };
    let protocol = |flat: &Flat| flat.protocol.and_then(|protocol| protocol.number);
    if rule.protocol.is_none() || protocol(rule) != protocol(redirection) || rule.dst_port.is_none() {
        return false;
    }
    let same_port = rule.dst_port == redirection.dst_port;
    let new_address = pool.hosts.first().is_some_and(|host| host.place != rule.dst.place);
    let names_address = !is_everyone(&rule.dst) && rule.dst.place == redirection.dst.place && new_address;
    let new_port = match (&pool.port, redirection.dst_port) {
        (FlatPort::One(port), Some(PortOp::Eq(Port::Number(old)))) => port != old,
        (FlatPort::One(_), Some(_)) => true,
        _ => false,
    };
    same_port && (names_address || new_port)
}

/// Whether a pass rule lets in, or out again, what a redirection makes of its packets.
fn passes_the_inside(rule: &Flat, redirection: &Flat, way: Direction) -> bool {
    if rule.rule.action != Action::Pass || rule.direction.is_some_and(|own| own != way) {
        return false;
    }
    let Some(pool) = &redirection.rdr else { return false };
    let new = match &pool.port {
        FlatPort::One(port) => Some(PortOp::Eq(Port::Number(*port))),
        FlatPort::Range(a, b) => Some(PortOp::Range(Port::Number(*a), Port::Number(*b))),
        _ => redirection.dst_port.cloned(),
    };
    let protocol = rule.protocol.is_none()
        || rule.protocol.and_then(|p| p.number) == redirection.protocol.and_then(|p| p.number);
    let interface = way == Direction::Out
        || rule.interface.is_none()
        || redirection.interface.is_none()
        || rule.interface == redirection.interface;
    let uncertain = matches!(rule.dst.place, Where::Table(_) | Where::Dynamic { .. } | Where::Unknown { .. });
    protocol
        && interface
        && ports_meet(rule.dst_port, new.as_ref())
        && (uncertain || pool.hosts.iter().any(|host| hosts_meet(&rule.dst, host)))
}

fn stale_rule(rule: &Flat, redirection: &Flat) -> Finding {
    Finding::of(&PH520, rule.rule.span, "the rule names what the packet was before it was redirected")
    .label("sees the packet after the redirection")
    .related(redirection.rule.span, "redirects these packets first")
    .notice("The redirected connections are not let through by this rule.")
    .help("Name the address and port that the packet is redirected to, or redirect in the pass rule itself (`rdr pass`, `pass … rdr-to`).")
}

/// PH521: a rule that passes without state, where nothing lets the replies back.
pub(super) fn no_way_back(rules: &[&Flat], findings: &mut Vec<Finding>) {
    let (mut blocks, mut passes) = (Vec::new(), Vec::new());
    for flat in rules {
        match flat.rule.action {
            Action::Block(_) if is_everyone(&flat.src) && is_everyone(&flat.dst) => blocks.push(flat),
            Action::Pass => passes.push(flat),
            _ => {}
        }
    }
    let mut said: FxHashSet<Span> = FxHashSet::default();
    let mut pairs = 0;
    for rule in passes.iter().filter(|flat| flat.state == Some(StateKind::No)) {
        pairs += blocks.len() + passes.len();
        if pairs > MOST_PAIRS {
            return;
        }
        // A rule without a direction lets its own mirror image through where its addresses do.
        let back = |other: &Flat| answers(other, rule);
        let blocked = blocks.iter().any(|block| is_default(block, rule));
        if blocked && !passes.iter().any(|other| back(other)) && said.insert(rule.rule.span) {
            findings.push(one_way(rule));
        }
    }
}

/// Whether a block rule takes everything the other way.
fn is_default(block: &Flat, rule: &Flat) -> bool {
    let way = opposite(rule.direction);
    let direction = block.direction.is_none() || (way.is_some() && block.direction == way);
    let interface = block.interface.is_none() || block.interface == rule.interface;
    direction && interface && is_everyone(&block.src) && is_everyone(&block.dst) && block.protocol.is_none()
}

/// Whether a pass rule may match the replies to what another rule passes.
fn answers(other: &Flat, rule: &Flat) -> bool {
    let way = opposite(rule.direction);
    let direction = way.is_none() || other.direction.is_none() || other.direction == way;
    let interface =
        other.interface.is_none() || rule.interface.is_none() || other.interface == rule.interface;
    let number = |flat: &Flat| flat.protocol.and_then(|protocol| protocol.number);
    let protocol = other.protocol.is_none() || rule.protocol.is_none() || number(other) == number(rule);
    // `flags S/SA` matches no reply of TCP
    let flags = other.flags.is_none_or(|flags| flags.set & 0x12 != 0x02);
    let unknown = |flat: &Flat| {
        [&flat.src, &flat.dst].iter().any(|host| !matches!(host.place, Where::Net(_) | Where::Any))
    };
    let hosts = unknown(other)
        || unknown(rule)
        || (hosts_meet(&other.src, &rule.dst) && hosts_meet(&other.dst, &rule.src));
    direction
        && interface
        && protocol
        && flags
        && hosts
        && ports_meet(other.src_port, rule.dst_port)
        && ports_meet(other.dst_port, rule.src_port)
}

fn one_way(rule: &Flat) -> Finding {
    Finding::of(&PH521, rule.rule.span, "the rule keeps no state, and no rule lets the replies back")
    .label("passes one way only")
    .notice("Connections do not come about: the first packet passes, its answer is blocked.")
    .help("Leave `no state` out, or add a rule for the replies, with the addresses and ports the other way round.")
}

/// PH522: translation rules with `pass`, where there are block rules that their packets go past.
pub(super) fn past_the_filter(nodes: &[Node], rules: &[&Flat], findings: &mut Vec<Finding>) {
    let blocks = |way: Direction| {
        rules.iter().find(|flat| {
            matches!(flat.rule.action, Action::Block(_)) && flat.direction.is_none_or(|own| own == way)
        })
    };
    let (blocks_in, blocks_out) = (blocks(Direction::In), blocks(Direction::Out));
    let mut said: FxHashSet<Span> = FxHashSet::default();
    for node in nodes {
        let Node::Rule(flat, _) = node else { continue };
        let Action::Translate { kind, pass: true, .. } = flat.rule.action else { continue };
        let block = if kind == TranslateKind::Nat { blocks_out } else { blocks_in };
        if let Some(block) = block
            && said.insert(flat.rule.span)
        {
            findings.push(
                Finding::of(&PH522, flat.rule.span, "the translated packets go past the block rules")
                .label("`pass` lets them through without the filter rules")
                .related(block.rule.span, "does not see these packets")
                .help("Leave `pass` out, and pass with a filter rule what the translation makes of the packets."),
            );
        }
    }
}

/// Services that announce the port that they send from, and what it is for.
const ANNOUNCED: [(u16, &str); 2] = [(5060, "SIP"), (1719, "RAS")];
/// A rule for more ports than this is about no service.
const FEW_PORTS: u128 = 100;

/// PH523: a translation that gives calls of devices behind it another source port than they announce.
pub(super) fn announced_ports<'a>(nodes: &'a [Node<'a>], findings: &mut Vec<Finding>) {
    let udp = |flat: &Flat| flat.protocol.is_none_or(|protocol| protocol.number == Some(proto::UDP));
    let mut translations: Vec<&Flat> = Vec::new();
    let mut calls: Vec<(&Flat, &str)> = Vec::new();
    for flat in each_rule(nodes) {
        let passes = matches!(flat.rule.action, Action::Pass | Action::Match);
        let translates =
            matches!(flat.rule.action, Action::Translate { kind: TranslateKind::Nat, no: false, .. });
        if (translates || passes && flat.nat.is_some()) && udp(flat) {
            translations.push(flat);
        }
        if passes && flat.protocol.is_some() && udp(flat) {
            calls.extend(announced(flat).map(|what| (flat, what)));
        }
    }
    translations.truncate(MOST_REDIRECTIONS);
    calls.truncate(MOST_REDIRECTIONS);
    let mut said: FxHashSet<Span> = FxHashSet::default();
    for (at, nat) in translations.iter().enumerate() {
        let changes = nat.nat.as_ref().is_some_and(|pool| pool.port == FlatPort::Default);
        let call = calls.iter().find(|(call, _)| {
            let first = translations[..at].iter().any(|other| sees(other, call));
            // The first translation decides; calls that come in have the devices as their destination.
            changes && sees(nat, call) && !first && call.rdr.is_none()
        });
        if let Some((call, what)) = call
            && said.insert(nat.rule.span)
        {
            findings.push(changed_port(nat, call, what));
        }
    }
}

/// The service that a rule names the port of.
fn announced(flat: &Flat) -> Option<&'static str> {
    let ports = ports(flat.dst_port?).ok().filter(|ports| ports.count() <= FEW_PORTS)?;
    ANNOUNCED.iter().find(|(port, _)| ports.contains((*port).into())).map(|(_, what)| *what)
}

/// Whether a translation is for packets of a rule. Only where the rule says from where they come: a rule for
/// everybody may be about what comes from outside.
fn sees(nat: &Flat, call: &Flat) -> bool {
    let from_inside = !is_everyone(&call.src) || call.direction == Some(Direction::Out);
    from_inside
        && hosts_meet(&nat.src, &call.src)
        && hosts_meet(&nat.dst, &call.dst)
        && ports_meet(nat.dst_port, call.dst_port)
        && ports_meet(nat.src_port, call.src_port)
}

fn changed_port(nat: &Flat, call: &Flat, what: &str) -> Finding {
    let message = format!("the translation gives {what} and media another source port");
    Finding::of(&PH523, nat.rule.span, message)
        .label("translates the port as well")
        .related(call.rule.span, format!("passes {what}"))
        .notice(
            "Devices announce the port that they send from. Far ends that send to it, and not to where packets came \
             from, are not heard.",
        )
        .help("Put a translation with `static-port` for the devices before this one.")
}

/// All rules, those in anchors too.
fn each_rule<'a>(nodes: &'a [Node<'a>]) -> impl Iterator<Item = &'a Flat<'a>> {
    let mut open: Vec<std::slice::Iter<'a, Node<'a>>> = vec![nodes.iter()];
    std::iter::from_fn(move || {
        while let Some(nodes) = open.last_mut() {
            match nodes.next() {
                None => {
                    open.pop();
                }
                Some(Node::Rule(flat, _)) => return Some(&**flat),
                Some(Node::Anchor(anchor)) => open.push(anchor.body.as_deref().unwrap_or_default().iter()),
                Some(Node::Unknown { .. }) => {}
            }
        }
        None
    })
}
