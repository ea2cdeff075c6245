//! The modular policy framework: `class-map`, `policy-map`, `service-policy`.
//!
//! Source: *Cisco ASA Series Firewall CLI Configuration Guide*, "Service Policy Using the Modular
//! Policy Framework".

use super::super::ast::{ClassMap, Inspect, Match, PolicyClass, PolicyMap, ServicePolicy};
use super::super::words::{Parsed, Words};
use super::{Block, Parser, Sub};

/// Actions of a class that change no verdict.
const ACTIONS: &[&str] = &[
    "csc",
    "cxsc",
    "flow-export",
    "ips",
    "police",
    "priority",
    "set",
    "sfr",
    "shape",
    "user-statistics",
    "no",
    "parameters",
    "service-policy",
    "quota",
];

impl<'a> Parser<'a> {
    /// `class-map`, the word taken; false for those that select within an inspected protocol.
    pub(super) fn class_map(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        if w.eat("type") && !matches!(w.peek(), Some("management")) {
            return Ok(false);
        }
        w.eat("management");
        let mut name = w.name("the name of a class-map")?;
        if matches!(name.text, "match-all" | "match-any")
            && let Some(next) = w.take()
        {
            name = next;
        }
        let maps = &mut self.config.class_maps;
        let at = *self.class_maps.entry(name.text).or_insert_with(|| {
            maps.push(ClassMap { name, matches: Vec::new() });
            maps.len() - 1
        });
        self.open(Block::Class(at));
        Ok(true)
    }

    /// A line of a class-map.
    pub(super) fn class_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let line = w.line;
        let mark = w.mark();
        if !w.eat("match") {
            return Ok(Sub::NotMine);
        }
        let what = match w.take().map(|word| word.text) {
            Some("any") => Match::Any,
            Some("default-inspection-traffic") => Match::Default,
            Some("access-list") => Match::Acl(w.name("the name of an access-list")?),
            Some("port") => {
                let protocol = self.protocol(w)?;
                let number = match protocol {
                    super::super::ast::Protocol::Number(number) => number,
                    _ => return w.expected("`tcp`, `udp` or `sctp`"),
                };
                Match::Port(number, self.ports(w)?)
            }
            Some(_) => {
                w.reset(mark);
                self.mention(w);
                Match::Other(line)
            }
            None => return w.expected("what to match"),
        };
        self.config.class_maps[at].matches.push(what);
        Ok(Sub::Done)
    }

    /// `policy-map`, the word taken; false for those of an inspection's parameters.
    pub(super) fn policy_map(&mut self, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        if w.peek() == Some("type") {
            return Ok(false);
        }
        let name = w.name("the name of a policy-map")?;
        let maps = &mut self.config.policy_maps;
        let at = *self.policy_maps.entry(name.text).or_insert_with(|| {
            maps.push(PolicyMap { name, classes: Vec::new() });
            maps.len() - 1
        });
        self.open(Block::Policy(at));
        Ok(true)
    }

    /// A line of a policy-map.
    pub(super) fn policy_line(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let span = w.line;
        if w.eat("class") {
            let name = w.name("the name of a class-map")?;
            let classes = &mut self.config.policy_maps[at].classes;
            self.open_class = *self.classes.entry((at, name.text)).or_insert_with(|| {
                classes.push(PolicyClass { name, inspects: Vec::new(), tcp_state_bypass: None });
                classes.len() - 1
            });
            return Ok(Sub::Done);
        }
        let Some(class) = self.config.policy_maps[at].classes.get_mut(self.open_class) else {
            return Ok(Sub::NotMine);
        };
        // Within a class `service-policy` names a queue; with these words it is a command of the top level.
        if w.peek() == Some("service-policy") && matches!(w.peek_at(2), Some("global" | "interface")) {
            return Ok(Sub::NotMine);
        }
        let negated = w.eat("no");
        if w.eat("inspect") {
            let engine = w.name("an inspection engine")?;
            let engine = match (engine.text, w.peek()) {
                ("h323", Some("h225")) => (w.take(), "h323 h225").1,
                ("h323", Some("ras")) => (w.take(), "h323 ras").1,
                ("icmp", Some("error")) => (w.take(), "icmp error").1,
                (engine, _) => engine,
            };
            class.inspects.push(Inspect { span, engine, negated, map: w.take() });
            return Ok(Sub::Done);
        }
        if w.peek() == Some("set") && w.peek_at(3) == Some("tcp-state-bypass") {
            class.tcp_state_bypass = (!negated).then_some(span);
            return Ok(Sub::Done);
        }
        if negated || w.peek().is_some_and(|word| ACTIONS.contains(&word)) {
            return Ok(Sub::Done);
        }
        Ok(Sub::NotMine)
    }

    /// `service-policy`, the word taken.
    pub(super) fn service_policy(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let span = w.line;
        let policy = w.name("the name of a policy-map")?;
        let interface = if w.eat("interface") {
            Some(w.name("the name of an interface")?)
        } else {
            w.keyword("global").or_else(|_| w.expected("`global` or `interface`"))?;
            None
        };
        w.eat("fail-close");
        w.end()?;
        self.config.service_policies.push(ServicePolicy { span, policy, interface });
        Ok(())
    }
}
