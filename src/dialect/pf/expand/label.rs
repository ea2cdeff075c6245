//! `$if`, `$srcaddr` and the rest, in labels and tags (pf.conf(5), `label`).

use super::super::ast::{Af, InterfaceName, Port, PortOp};
use super::super::names;
use super::{Flat, Resolved, Where};

/// Fills the macros of a rule's labels and tags in. `number` is the rule's number in its ruleset.
pub(super) fn fill(flat: &mut Flat, number: usize) {
    let Some(mut extras) = flat.extras.take() else { return };
    let tagged = extras.tagged.as_mut().map(|(_, tag)| tag);
    for text in extras.labels.iter_mut().chain(&mut extras.tag).chain(tagged) {
        filled(text, flat, number);
    }
    extras.labels.retain(|text| !text.is_empty());
    flat.extras = Some(extras);
}

fn filled(text: &mut String, flat: &Flat, number: usize) {
    if !text.contains('$') {
        return;
    }
    let interface = match flat.interface {
        Some((_, InterfaceName::Named(name))) => name.as_str(),
        _ => "any",
    };
    let protocol = match flat.protocol {
        None => "ip".to_string(),
        Some(protocol) => match protocol.number {
            Some(number) => names::protocol_name(number).map_or_else(|| number.to_string(), str::to_string),
            None => protocol.text.to_string(),
        },
    };
    for (macro_name, value) in [
        ("$if", interface.to_string()),
        ("$srcaddr", address(&flat.src, flat.af)),
        ("$dstaddr", address(&flat.dst, flat.af)),
        ("$srcport", port(flat.src_port)),
        ("$dstport", port(flat.dst_port)),
        ("$proto", protocol),
        ("$nr", number.to_string()),
    ] {
        if text.contains(macro_name) {
            *text = text.replace(macro_name, &value);
        }
    }
}

fn address(host: &Resolved, af: Option<Af>) -> String {
    let text = match &host.place {
        Where::Any => "any".to_string(),
        Where::Net(net) if net.is_everything() || af.is_none() => "any".to_string(),
        Where::Net(net) if net.prefix == net.af().bits() => net.address.to_string(),
        Where::Net(net) => format!("{}/{}", net.address, net.prefix),
        Where::Dynamic { name, .. } => format!("({name})"),
        Where::Table(name) => format!("<{name}>"),
        Where::NoRoute => "no-route".to_string(),
        Where::UrpfFailed => "urpf-failed".to_string(),
        Where::Range(..) | Where::RouteLabel(_) | Where::Unknown { .. } => "?".to_string(),
    };
    if host.negated { format!("! {text}") } else { text }
}

fn port(op: Option<&PortOp>) -> String {
    let text = |port: &Port| match port {
        Port::Number(number) => number.to_string(),
        Port::Unknown(name) => name.to_string(),
    };
    match op {
        None | Some(PortOp::Range(..)) => String::new(),
        Some(PortOp::Eq(a)) => text(a),
        Some(PortOp::Ne(a)) => format!("!={}", text(a)),
        Some(PortOp::Lt(a)) => format!("<{}", text(a)),
        Some(PortOp::Le(a)) => format!("<={}", text(a)),
        Some(PortOp::Gt(a)) => format!(">{}", text(a)),
        Some(PortOp::Ge(a)) => format!(">={}", text(a)),
        Some(PortOp::Inside(a, b)) => format!("{}><{}", text(a), text(b)),
        Some(PortOp::Outside(a, b)) => format!("{}<>{}", text(a), text(b)),
    }
}
