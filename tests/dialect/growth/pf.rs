//! What a pf.conf can hold many of.

use super::{Kind, address, joined, lines};

fn list(n: usize, of: impl Fn(usize) -> String) -> String {
    format!("{{ {} }}", joined(n, " ", of))
}

fn port(at: usize) -> usize {
    at % 60_000 + 1
}

pub(super) const UNREAD: &[Kind] = &[
    ("a word that is no word", 5000, |n| "pass inn\n".repeat(n)),
    ("quotes that open", 3000, |n| "a = \"\n".repeat(n)),
    ("quotes of both kinds", 3000, |n| {
        lines(n, |at| if at % 3 == 0 { "a = \"" } else { "b = '" }.to_string())
    }),
    ("macros that nothing defines", 3000, |n| "pass in on $nope\n".repeat(n)),
    ("rules that pfctl refuses", 3000, |n| "block in keep state\n".repeat(n)),
    ("services that nobody knows", 500, |n| lines(n, |at| format!("pass in proto tcp to port s{at}"))),
];

pub(super) const UNKNOWN: &[Kind] = &[
    ("owners and chances", 300, |n| {
        lines(n, |at| {
            format!(
                "pass out proto tcp to port {0} user u{1}\npass in proto tcp to port {0} probability 10%",
                port(at),
                at % 8
            )
        })
    }),
    ("a mixture", 150, |n| {
        lines(n, |at| match at % 4 {
            0 => format!("pass in from (lo{at}) to no-route"),
            1 => format!("pass in from <t{at}> to (em{at})"),
            2 => "block in from urpf-failed".to_string(),
            _ => format!("pass in from ! <t{at}> to em{at}:network"),
        })
    }),
    ("state limits", 500, |n| {
        lines(n, |at| format!("pass in proto tcp to port {} keep state (max 10)", port(at)))
    }),
    ("anchors that are elsewhere", 300, |n| lines(n, |at| format!("anchor \"a{at}\" from (em0) to <t>"))),
    ("a translation anchor of many ports", 30, |n| {
        let ports = list(n, |at| (10 * at + 1).to_string());
        format!(
            "nat-anchor \"n/*\" proto tcp from (em0) port {ports} to (em1) port {ports}\n\
             rdr-anchor \"r/*\" proto tcp from (em0) to (em1) port {ports}\npass in\n"
        )
    }),
    ("translation anchors", 200, |n| {
        lines(n, |at| {
            format!("nat-anchor \"n\" proto tcp from (em0) port {} to (em1) port {}", at + 1, at + 2)
        }) + &lines(n, |at| format!("rdr-anchor \"r\" proto tcp from (em0) to (em1) port {}", at + 1))
    }),
];

pub(super) const LISTS: &[Kind] = &[
    ("a list", 2000, |n| format!("pass in from {} to any\n", list(n, address))),
    ("a product", 40, |n| {
        format!("pass in from {} to {}\n", list(n, address), list(60, |at| address(at + 99_999)))
    }),
    ("a product that is too large", 4000, |n| {
        format!("pass in from {} to {}\n", list(n, address), list(n, address))
    }),
    ("negated elements", 1000, |n| {
        format!("pass in from {} to any\n", list(n, |at| format!("!{}", address(at))))
    }),
    ("names of services in a product", 30, |n| {
        format!(
            "pass in proto tcp from any port {} to any port {}\n",
            list(n, |at| format!("s{at}")),
            list(60, |at| format!("t{at}"))
        )
    }),
    ("a table", 3000, |n| format!("table <t> {}\npass in from <t>\n", list(n, address))),
    ("a table with exceptions", 1000, |n| {
        let element = |at: usize| {
            format!("{}{}/{}", if at.is_multiple_of(2) { "" } else { "!" }, address(at * 7), 8 + at % 25)
        };
        format!("table <t> {}\npass in from <t>\n", list(n, element))
    }),
    ("tables", 500, |n| lines(n, |at| format!("table <t{at}> {{ {} }}\npass in from <t{at}>", address(at)))),
    ("one table, many rules", 100, |n| {
        format!("table <t> {}\n{}", list(n, address), "pass in from <t>\n".repeat(n))
    }),
    ("antispoof", 200, |n| format!("antispoof for {}\n", list(n, |at| format!("em{at}")))),
    ("antispoof, one by one", 200, |n| lines(n, |at| format!("antispoof for em{at}"))),
    ("skipped interfaces", 1000, |n| format!("set skip on {}\n", list(n, |at| format!("em{at}")))),
];

pub(super) const RULES: &[Kind] = &[
    ("overlapping ranges", 300, |n| {
        lines(n, |at| format!("pass in proto tcp to port {}:{}", at % 30_000 + 1, at % 30_000 + 20_000))
    }),
    ("ranges that are blocked and passed", 300, |n| {
        lines(n, |at| format!("block in proto tcp from {} to port {}:{}", address(at), at + 1, at + 20_000))
            + &lines(n, |at| format!("pass in proto tcp to port {}:{}", at + 1, at + 20_000))
    }),
    ("tags", 200, |n| {
        lines(n, |at| format!("pass in proto tcp to port {} tag t{at}\npass out tagged t{at}", port(at)))
    }),
    ("redirections", 300, |n| {
        lines(n, |at| {
            format!("rdr on em0 proto tcp from any to 192.0.2.1 port {} -> {}", at + 1, address(at))
        }) + &lines(n, |at| format!("pass in proto tcp to 192.0.2.1 port {}", at + 1))
    }),
    ("rules without state", 500, |n| {
        "block all\n".to_string() + &lines(n, |at| format!("pass in proto udp to port {} no state", at + 1))
    }),
    ("wide rules", 300, |n| {
        lines(n, |at| if at % 2 == 0 { "block in".to_string() } else { format!("pass in on em{at}") })
    }),
];

/// Queues, anchors and macros.
pub(super) const NAMES: &[Kind] = &[
    ("queues", 1000, |n| {
        "queue root on em0 bandwidth 1G\nqueue std parent root bandwidth 1M default\n".to_string()
            + &lines(n, |at| format!("queue q{at} parent root bandwidth 1M"))
    }),
    ("a chain of queues", 1000, |n| {
        "queue q0 on em0 bandwidth 1G\n".to_string()
            + &lines(n, |at| format!("queue q{} parent q{at} bandwidth 1M default", at + 1))
    }),
    ("altq", 1000, |n| {
        format!("altq on em0 cbq bandwidth 1Gb queue {}\n", list(n, |at| format!("q{at}")))
            + &lines(n, |at| format!("queue q{at} bandwidth 1%"))
    }),
    ("altq in circles", 1000, |n| {
        "altq on em0 cbq bandwidth 1Gb queue { q0 }\n".to_string()
            + &lines(n, |at| {
                format!("queue q{at} bandwidth 1% {{ q{} q{} }}", (at + 1) % n, (7 * at + 3) % n)
            })
    }),
    ("anchors side by side", 300, |n| lines(n, |at| format!("anchor a{at} on em{at} {{\n pass in\n}}"))),
    ("loaded anchors that are not there", 1000, |n| {
        lines(n, |at| format!("load anchor \"a/{at}\" from \"nowhere/{at}\"")) + "anchor \"a/*\"\n"
    }),
    ("macros", 300, |n| lines(n, |at| format!("m{at} = \"em{at}\"\npass in on $m{at}"))),
    ("a macro that is defined anew", 3000, |n| "m = \"em0 em1\"\n".repeat(n)),
    ("macros that double", 100, |n| "a = \"x x x x x x x x\"\n".to_string() + &"a = $a $a\n".repeat(n)),
    ("a long macro that is used often", 300, |n| {
        format!("m = \"{}\"\n", list(n, address)) + &"pass in from $m\n".repeat(n)
    }),
];
