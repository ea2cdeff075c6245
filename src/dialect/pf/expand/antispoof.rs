//! `antispoof`, written out as the rules that it stands for.

use super::super::ast::{
    Address, Antispoof, Host, Interface, InterfaceName, Modifiers, Peer, Rule,
};

/// The rules that `antispoof` stands for: for each interface one that blocks its networks on every other
/// interface and, unless it is a loopback interface, one that blocks its own addresses (pf.conf(5),
/// BLOCKING SPOOFED TRAFFIC).
pub fn rules(antispoof: &Antispoof) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (interface, dynamic) in &antispoof.interfaces {
        let InterfaceName::Named(name) = &interface.name else { continue };
        let network = Modifiers { network: true, ..Modifiers::default() };
        let mut elsewhere = antispoof.rule.clone();
        elsewhere.interfaces = vec![Interface { negated: true, ..interface.clone() }];
        elsewhere.from = source(interface, name, network, *dynamic);
        rules.push(elsewhere);
        if !is_loopback(name) {
            let mut own = antispoof.rule.clone();
            own.from = source(interface, name, Modifiers::default(), *dynamic);
            rules.push(own);
        }
    }
    rules
}

fn source(interface: &Interface, name: &str, modifiers: Modifiers, dynamic: bool) -> Peer {
    let name = name.to_string();
    let address = if dynamic {
        Address::Dynamic { name, modifiers, prefix: None }
    } else {
        Address::Name { name, modifiers, prefix: None }
    };
    Peer { hosts: vec![Host { span: interface.span, negated: false, address }], ports: Vec::new() }
}

/// Loopback interfaces are called `lo` and a number.
pub fn is_loopback(name: &str) -> bool {
    name.strip_prefix("lo").is_some_and(|unit| unit.bytes().all(|b| b.is_ascii_digit()))
}
