//! The support table of `src/dialect/pf/README.md` is true: each row has an example, and what is said of it holds.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use super::pf_probe;
use crate::support;

use pinhole::dialect::{Environment, Loaded};

use pf_probe::{environment, read};
use support::{Table, faults, told};

/// What the table says of a construct.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Support {
    /// Nothing is left unknown.
    Modelled,
    /// Some condition is.
    Unknown,
    /// The same as without it: the text after `without`.
    NoEffect(&'static str),
    /// With this code.
    Finding(&'static str),
}

use Support::{Finding, Modelled, NoEffect, Unknown};

impl Support {
    /// The word that the table has for it, and what an example shows besides.
    fn words(self, loaded: &Loaded) -> Vec<&'static str> {
        match self {
            Modelled => vec!["modelled"],
            Unknown => vec!["unknown"],
            NoEffect(_) => vec!["no effect"],
            Finding(code) if loaded.ruleset.conditions.is_empty() => vec![code],
            Finding(code) => vec![code, "unknown"],
        }
    }
}

/// How a row begins, and examples with a blank line between them.
const ROWS: &[(&str, Support, &str)] = &[
    ("macros", Modelled, "if = \"em0\"\nb = \"{\" $if \"em1 }\"\npass in on $b from $if:network\n"),
    ("`include`", Modelled, "include \"fixtures/pf/included.rules\"\n"),
    ("`include`", Finding("PH003"), "include \"/elsewhere/rules\"\n"),
    ("`load anchor", Modelled, "load anchor \"a\" from \"fixtures/pf/included.rules\"\nanchor \"a\"\n"),
    ("`load anchor", Unknown, "load anchor \"a\" from \"/elsewhere/rules\"\nanchor \"a\"\n"),
    (
        "`set block-policy`",
        Modelled,
        "set block-policy return\nset state-defaults no-sync\nset skip on lo0\nblock\n\n\
         set require-order no\nscrub in\npass\n",
    ),
    (
        "`set state-policy`",
        NoEffect("pass\n"),
        "set state-policy if-bound\npass\n\nset reassemble yes no-df\npass\n\nset timeout interval 20\npass\n\n\
         set limit states 20000\npass\n\nset optimization aggressive\npass\n\nset debug notice\npass\n",
    ),
    (
        "`table`: addresses",
        Modelled,
        "table <t> { 10.0.0.0/8, !10.1.0.0/16, em0 }\npass in from <t>\npass out to ! <t>\n",
    ),
    ("`table … file`", Modelled, "table <t> file \"fixtures/pf/addresses.table\"\npass in from <t>\n"),
    ("`table … file`", Unknown, "table <t> file \"/elsewhere/addresses\"\npass in from <t>\n"),
    ("`table … persist`", Unknown, "table <t> persist\npass in from <t>\n\npass in from <u>\n"),
    (
        "tables that `overload` fills",
        Unknown,
        "table <t> persist\npass in proto tcp keep state (max-src-conn 5, overload <t>)\nblock in from <t>\n",
    ),
    (
        "`pass`, `block`",
        Modelled,
        "block return-rst in log quick on em0 proto tcp\nblock return-icmp\nblock return-icmp6 (1)\nblock drop\npass out\n",
    ),
    (
        "`match`",
        Modelled,
        "match in tag A\nmatch out on em0 nat-to (em0)\nmatch in quick on em1 rdr-to 10.1.2.10\npass tagged A\n",
    ),
    ("`match`", NoEffect("pass\n"), "match in log on em0\npass\n\nmatch out set prio 5\npass\n"),
    (
        "`on` interface",
        Modelled,
        "pass in on em0\npass out on egress\npass on lo\npass on ! any\npass on tun\npass on vlan\n",
    ),
    ("`on` interface", Unknown, "pass in on video\n"),
    ("`on rdomain`", Unknown, "pass in on rdomain 2\n\npass in prio 3\n\npass in tos 0x03\n"),
    (
        "`inet`, `inet6`",
        Modelled,
        "pass in inet6 proto tcp to port 1 >< 5\npass in inet proto icmp icmp-type echoreq code 0\n\
         pass in inet6 proto icmp6 icmp6-type echoreq\npass in proto tcp from port != 80 flags S/SAFR\n\
         pass in proto { tcp udp } from port { <= 5, >= 60000 } to port { < 5, > 60000, 7:9, 20 <> 30, = 50 }\n",
    ),
    (
        "addresses, networks",
        Modelled,
        "pass in from { 10.0.0.1 - 10.0.0.9, { 192.0.2.0/24 } } to ! 10.1.0.0/16\n",
    ),
    (
        "`em0`, `(em0)`",
        Modelled,
        "pass in from em0:network to (em0)\npass out from self\npass in to em0:broadcast\npass in to em0:0\n\n\
         scrub in\nnat on em0 from 10.0.0.0/8 to any -> (em0)\npass out on em0 from (em0)\n",
    ),
    ("`em0`, `(em0)`", Unknown, "pass in from (em9:network)\n"),
    (
        "`:peer`",
        Unknown,
        "pass in from (em0:peer)\n\npass in from host.example\n\npass in from route \"x\"\n",
    ),
    ("`no-route`", Unknown, "block in from no-route\n\nblock in from urpf-failed\n"),
    (
        "`keep state`",
        Modelled,
        "pass in proto tcp modulate state\npass out proto tcp synproxy state\npass in proto udp no state\n\
         pass out proto udp keep state\n",
    ),
    (
        "`max`, `max-src-*`",
        Unknown,
        "pass in keep state (max 100)\n\npass in keep state (max-src-states 10)\n\n\
         pass in proto tcp keep state (max-src-conn-rate 5/10)\n\npass in state limiter \"a\"\n",
    ),
    ("`tag`, `tagged`", Modelled, "pass in tag A\npass out tagged A received-on em0\nblock out ! tagged A\n"),
    (
        "`user`, `group`",
        Unknown,
        "pass out proto tcp user root\npass out proto tcp user != root\n\npass out proto udp group wheel\n\n\
         block in proto tcp os \"Windows\"\n",
    ),
    ("`probability`", Unknown, "pass in probability 20%\n\npass in once\n"),
    ("`max-pkt-rate`", Unknown, "pass in max-pkt-rate 100/10\n"),
    ("`max-pkt-size`", Unknown, "pass in max-pkt-size 1000\n"),
    ("`fragment`", NoEffect("pass\n"), "pass\nblock fragment\n"),
    ("`allow-opts`", NoEffect("pass\n"), "pass allow-opts\n"),
    (
        "`nat-to`, `rdr-to`",
        Modelled,
        "match out on em0 inet nat-to 198.51.100.1\npass in on em0 inet proto tcp to port 80 rdr-to 10.1.2.10\n\
         pass on em0 inet from 10.1.2.10 binat-to 198.51.100.7\n",
    ),
    (
        "`nat`, `rdr`",
        Modelled,
        "scrub in\nno nat on em0 from 10.1.2.9 to any\nnat on em0 inet from 10.0.0.0/8 to any -> (em0)\n\
         rdr pass on em0 inet proto tcp to port 80 -> 10.1.2.10\nbinat on em0 from 10.1.2.4 to any -> 198.51.100.4\n",
    ),
    (
        "`nat`, `rdr`",
        Unknown,
        "nat-anchor \"a\"\npass\n\nrdr-anchor \"a/*\"\npass\n\nbinat-anchor \"a\"\npass\n",
    ),
    ("pools of addresses", Unknown, "pass in inet proto tcp to port 80 rdr-to { 10.0.0.1, 10.0.0.9 }\n"),
    (
        "pools of addresses",
        Modelled,
        "pass out on em0 inet from 10.0.0.0/24 nat-to 198.51.100.0/24 bitmask static-port\n",
    ),
    (
        "the port of a source",
        Modelled,
        "pass out on em0 inet nat-to 198.51.100.1 port 1024:2047\n\npass out on em0 inet nat-to 198.51.100.1 static-port\n",
    ),
    ("TCP flags that no sender", Unknown, "no rdr on lo0\npass\n"),
    ("TCP flags that no sender", Modelled, "scrub in\nno rdr on lo0\npass\n"),
    ("ICMP replies", Modelled, "block\npass\n"),
    ("answers to blocked", Modelled, "block return\n"),
    ("`match … nat-to` without", Modelled, "match out on em0 inet nat-to 198.51.100.1\npass no state\n"),
    (
        "`af-to`",
        Unknown,
        "pass in inet6 af-to inet from 198.51.100.1\n\npass in inet proto tcp divert-to 127.0.0.1 port 80\n\n\
         pass in inet divert-packet port 700\n",
    ),
    ("`route-to`", Modelled, "pass in on em1 route-to 192.0.2.1\n"),
    (
        "`reply-to`",
        NoEffect("pass in on em0 inet\n"),
        "pass in on em0 inet reply-to 192.0.2.1\n\npass in on em0 inet dup-to 192.0.2.1\n",
    ),
    ("`rtable`", NoEffect("pass out on em0 inet\n"), "pass out on em0 inet rtable 1\n"),
    (
        "`anchor` with rules",
        Modelled,
        "anchor quick on em0 {\n anchor {\n  pass\n }\n pass in\n}\n\n\
         load anchor \"a/b\" from \"fixtures/pf/included.rules\"\nanchor \"a/*\"\n",
    ),
    ("`anchor` whose rules", Unknown, "anchor \"ftp-proxy/*\"\n\nanchor \"late\"\n"),
    ("`antispoof`", Modelled, "antispoof quick for em0\n"),
    (
        "queues of OpenBSD",
        Finding("PH004"),
        "queue a on em0 bandwidth 1M\nqueue b parent c bandwidth 1K default\n",
    ),
    (
        "`scrub`, `queue`",
        NoEffect("pass\n"),
        "pass set prio 3\n\npass set (prio 3, tos lowdelay)\n\npass label \"x\"\n\npass scrub (no-df)\n\npass log (all, to pflog1)\n\n\
         queue main on em0 bandwidth 1M default\npass set queue main\n",
    ),
    (
        "`scrub`, `queue`",
        NoEffect("no rdr on lo0\npass\n"),
        "altq on em0 cbq bandwidth 1Mb queue { q }\nqueue q bandwidth 1Mb cbq(default)\nno rdr on lo0\npass queue q\n\n\
         no rdr on lo0\npass dnpipe 1\n\nno rdr on lo0\npass ridentifier 5\n",
    ),
    (
        "`ether` rules",
        NoEffect("no rdr on lo0\npass\n"),
        "ether pass in\nno rdr on lo0\npass\n\nscrub-anchor \"a\"\nno rdr on lo0\npass\n\n\
         dummynet-anchor \"a\"\nno rdr on lo0\npass\n",
    ),
    ("`ether` rules", NoEffect("pass\n"), "state limiter \"a\" id 1 limit 100\npass\n"),
    ("a statement that cannot", Finding("PH001"), "pass bananas\n"),
    ("a statement that cannot", Finding("PH002"), "TOO MANY UNREAD"),
    ("lists and macros that come to more", Finding("PH006"), "TOO MANY"),
    ("`set timeout`", NoEffect("pass\n"), "set timeout { tcp.established 600, udp.multiple 30 }\npass\n"),
];

fn example(text: &str) -> String {
    match text {
        "TOO MANY" => {
            let ports: Vec<String> = (1..400).map(|port| port.to_string()).collect();
            let list = format!("{{ {} }}", ports.join(" "));
            format!("pass in proto tcp from any port {list} to any port {list}\n")
        }
        "TOO MANY UNREAD" => "pass bananas\npass in\n".repeat(1001),
        _ => text.to_string(),
    }
}

#[test]
fn each_row_has_an_example_and_is_true() {
    let table = Table::of("pf");
    let starts: Vec<&str> = ROWS.iter().map(|(start, ..)| *start).collect();
    table.is_covered_by(&starts);
    let (mut shown, mut words) = (Vec::new(), Vec::new());
    for (start, support, text) in ROWS {
        table.said_of(start);
        for text in text.split("\n\n") {
            let text = example(text);
            holds(start, *support, &text);
            let loaded = read(&text, &environment());
            words.push((*start, support.words(&loaded)));
            shown.push((*start, told(&text, &loaded)));
        }
    }
    table.is_shown_by(&shown);
    table.says_what_is_shown(&["modelled", "unknown", "no effect"], &words);
}

fn holds(row: &str, support: Support, text: &str) {
    let loaded = read(text, &environment());
    let faults = faults(&loaded);
    if let Finding(code) = support {
        let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code()).collect();
        return assert!(codes.contains(&code), "{row}: {codes:?}");
    }
    assert!(faults.is_empty(), "{row}: {:?}", loaded.findings);
    match support {
        Modelled => assert!(loaded.ruleset.conditions.is_empty(), "{row}: {:?}", loaded.ruleset.conditions),
        Unknown => assert!(!loaded.ruleset.conditions.is_empty(), "{row}"),
        NoEffect(without) => {
            let without = read(without, &Environment { ..environment() }).ruleset;
            let decides = |rules: &pinhole::model::Ruleset| {
                let never = |step: &pinhole::model::Step| {
                    *step == pinhole::model::Step::Test(pinhole::model::Test::Never)
                };
                let chains = rules.chains.iter().flat_map(|chain| &chain.rules);
                chains
                    .map(|rule| rules.steps_of(rule).to_vec())
                    .filter(|steps| !steps.iter().any(never))
                    .collect::<Vec<_>>()
            };
            assert_eq!(decides(&loaded.ruleset), decides(&without), "{row}");
        }
        Finding(_) => {}
    }
}
