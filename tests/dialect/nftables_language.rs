//! Reading nftables: both forms, scripts, and what nft refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Ruleset, Step};
use pinhole::rule::Severity;
use pinhole::source::{SourceMap, Span};

use crate::common::Scratch;

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

fn codes(text: &str) -> Vec<&'static str> {
    read(text).findings.iter().map(|f| f.code()).filter(|code| *code < "PH1" && *code != "PH002").collect()
}

/// Rules in a base chain of the family `inet`, with more of the table in front.
fn chain(before: &str, rules: &str) -> String {
    format!(
        "table inet t {{\n{before}\nchain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}\n}}\n"
    )
}

/// The rules of a chain by name, as numbers of steps.
fn lengths(loaded: &Loaded, name: &str) -> Vec<usize> {
    let chain = loaded.ruleset.chains.iter().find(|chain| chain.name == name).unwrap();
    chain.rules.iter().map(|rule| loaded.ruleset.steps_of(rule).len()).collect()
}

/// A ruleset without its spans.
fn without_spans(mut rules: Ruleset) -> String {
    let none = Span::default();
    for chain in &mut rules.chains {
        chain.span = none;
        chain.rules.iter_mut().for_each(|rule| rule.origin = none.into());
    }
    rules.hooks.iter_mut().flatten().for_each(|stage| stage.policy_origin = none.into());
    rules.maps.iter_mut().flat_map(|map| &mut map.entries).for_each(|entry| entry.span = none);
    let mut out = String::new();
    write!(out, "{rules:?}").unwrap();
    out
}

#[test]
fn text_and_json_of_one_ruleset_give_one_model() {
    let text = include_str!("../../fixtures/nftables/office.nft");
    let json = include_str!("../../fixtures/nftables/office.json");
    let (text, json) = (read(text), read(json));
    assert_eq!(
        text.findings.iter().map(|f| f.code()).collect::<Vec<_>>(),
        json.findings.iter().map(|f| f.code()).collect::<Vec<_>>()
    );
    assert!(without_spans(text.ruleset) == without_spans(json.ruleset));
}

#[test]
fn commands_are_applied_in_order() {
    let loaded = read(
        "add table inet t
         add chain inet t c
         add rule inet t c accept
         insert rule inet t c counter drop
         add rule inet t c index 0 counter counter accept
         flush chain inet t c
         add rule inet t c tcp dport 80 accept
         insert rule inet t c drop",
    );
    assert_eq!(lengths(&loaded, "inet t c"), [1, 3]);
    let loaded = read(&format!("{}flush ruleset\n{}", chain("", "accept"), chain("", "drop\naccept")));
    assert_eq!(lengths(&loaded, "inet t c").len(), 2);
    let loaded = read(&format!("{0}{0}", chain("", "accept")));
    assert_eq!(lengths(&loaded, "inet t c").len(), 2, "loading adds");
}

#[test]
fn variables_stand_in_every_place() {
    let text = "define if = eth0\ndefine ports = { 80, 443 }\ndefine net = 10.0.0.0/8\ndefine prio = filter\n\
        define target = s\ndefine list = established, related\n\
        table inet t {\nset a { type ipv4_addr; flags interval; elements = { $net, 192.0.2.1 }; }\nchain s { }\n\
        chain c {\ntype filter hook forward priority $prio; policy drop;\niifname $if tcp dport $ports accept\n\
        ip saddr { $net, 192.0.2.0/24 } jump $target\nct state $list accept\nip saddr $net drop\n}\n}\n";
    assert_eq!(codes(text), Vec::<&str>::new());
    assert_eq!(codes(&chain("", "tcp dport $nothing accept")), ["PH003"]);
    assert_eq!(codes("define a = 1\ndefine a = 2\n"), ["PH004"]);
    assert_eq!(codes("define a = 1\nredefine a = 2\nundefine a\n"), Vec::<&str>::new());
    // The dash belongs to the name.
    assert_eq!(
        codes(&format!("define LO = 1\ndefine HI = 2\n{}", chain("", "tcp dport $LO-$HI accept"))),
        ["PH003", "PH001"]
    );
}

#[test]
fn a_syntax_error_costs_one_statement() {
    let loaded =
        read(&chain("", "tcp dport accept accept\ntcp dport { 22, 80\ntcp dport 443 accept\naccept"));
    assert_eq!(loaded.findings.iter().filter(|f| f.code() == "PH001").count(), 2);
    // The two stay, and nobody knows what they do.
    assert_eq!(lengths(&loaded, "inet t c"), [1, 1, 3, 1]);
    let loaded = read(&format!(
        "table inet x {{\nbogus words {{ a b }}\nchain d {{\naccept\n}}\n}}\n{}",
        chain("", "drop")
    ));
    assert_eq!(lengths(&loaded, "inet x d"), [1]);
    assert_eq!(lengths(&loaded, "inet t c"), [1]);
}

#[test]
fn statements_and_blocks_need_an_end() {
    assert_eq!(codes("table inet t { chain c { accept } }\n"), ["PH001", "PH001"]);
    assert_eq!(codes("table inet t { chain c { accept; }; }\n"), Vec::<&str>::new());
    assert_eq!(codes("table inet t { chain c { accept; }; } table inet u { }\n"), ["PH001"]);
    assert_eq!(codes("table inet t {\nchain c {\naccept\n"), ["PH001", "PH001"]);
}

#[test]
fn what_nft_refuses() {
    let cases = [
        ("", "tcp dport 65535-1024 accept"),
        ("", "tcp dport 70000 accept"),
        ("", "ip saddr 10.0.0.0/33 accept"),
        ("", "ip saddr 1.2.3.4 ip6 saddr ::1 accept"),
        ("", "tcp dport 1 udp dport 2 accept"),
        ("", "accept counter"),
        ("", "ct state broken accept"),
        ("", "dnat ip to 10.0.0.1"),
        ("", "ip saddr . tcp dport { 10.0.0.1 } accept"),
        ("", "iifname \"averyverylongname\" accept"),
        ("", "tcp dport 80,81 accept"),
        ("", "iifname & 1 == 1 accept"),
        ("set s { type ipv6_addr; }", "ip saddr @s accept"),
        (
            "set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 10.1.0.0/16 }; }",
            "ip saddr @s accept",
        ),
        ("set s { elements = { 1 }; }", "accept"),
        ("chain l { jump l; }", "jump l"),
        ("chain b { type filter hook input priority 0; }", "jump b"),
    ];
    for (before, rule) in cases {
        assert_eq!(codes(&chain(before, rule)), ["PH004"], "{before} {rule}");
    }
    // The machine that loads the file may know the name.
    let named = read(&chain("", "tcp dport h323hostcall accept"));
    let said: Vec<_> = named.findings.iter().map(|finding| (finding.code(), finding.severity)).collect();
    assert!(said.contains(&("PH003", Severity::Info)), "{said:?}");
    for (before, rule) in [
        (
            "set s { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 10.1.0.0/16 }; }",
            "ip saddr @s accept",
        ),
        ("", "ip saddr { 10.0.0.0/8, 10.1.0.0/16 } accept"),
        ("", "tcp dport h323 accept"),
        ("chain l { jump l; }", "accept"),
    ] {
        let found = codes(&chain(before, rule));
        assert!(
            !found.contains(&"PH001") && (rule.contains("h323") || found.is_empty()),
            "{before} {rule}: {found:?}"
        );
    }
    let base = |hook: &str| codes(&format!("table inet t {{\nchain c {{\n{hook}\n}}\n}}\n"));
    assert_eq!(base("type nat hook prerouting priority -200;"), ["PH004"]);
    assert_eq!(base("type nat hook forward priority 0;"), ["PH004"]);
    assert_eq!(base("type filter hook nowhere priority 0;"), ["PH004"]);
    assert_eq!(base("type filter hook input priority dstnat;"), ["PH004"]);
    assert_eq!(codes(&chain("", "jump nowhere")), ["PH003"]);
    assert_eq!(codes(&chain("", "ip saddr @nothing accept")), ["PH003"]);
}

#[test]
fn jumps_nest_sixteen_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let mut text = String::new();
        for at in (0..depth).rev() {
            let jump = if at + 1 == depth { "accept".to_string() } else { format!("jump s{}", at + 1) };
            writeln!(text, "chain s{at} {{\n{jump}\n}}").unwrap();
        }
        codes(&chain(&text, "jump s0"))
    };
    assert_eq!(nested(15), Vec::<&str>::new());
    assert_eq!(nested(16), ["PH004"]);
}

#[test]
fn damage_is_said_and_never_hangs() {
    let deep = format!("{}tcp dport {}80", "table inet t {\nchain c {\n", "(".repeat(100_000));
    let sets = format!("define a = {}", "{ ".repeat(100_000));
    let operators = chain("", &format!("meta mark {}1 accept", "1 | ".repeat(100_000)));
    let line = format!("table inet t {{\nchain c {{\n{}\n}}\n}}\n", "a".repeat(10_000_000));
    let quotes = "\"".repeat(100_001);
    let doubling: String = (0..60).fold("define v0 = { 1, 2 }\n".to_string(), |text, at| {
        format!("{text}define v{} = {{ $v{at}, $v{at} }}\n", at + 1)
    });
    let doubling = format!("{doubling}{}", chain("", "tcp dport $v60 accept"));
    let blocks = format!("table inet t {{\nchain c {{\n{}", "jump {\n".repeat(100_000));
    let json = format!("{{\"nftables\": {}", "[".repeat(100_000));
    for text in [
        deep,
        sets,
        operators,
        line,
        quotes,
        blocks,
        json,
        "table inet t { \0 }".to_string(),
        "}}}}".to_string(),
        chain("", "ip saddr { 10.0.0.1 ct state new } accept"),
        chain("set s {\ntype ipv4_addr\nflags dynamic\n}", "add @s { ip saddr ct state new }"),
    ] {
        assert!(codes(&text).contains(&"PH001"), "{}", &text[..text.len().min(60)]);
    }
    read(&doubling);
}

#[test]
fn files_that_include_each_other_are_found_out() {
    let folder = Scratch::new("include");
    folder
        .write("main.nft", "include \"parts/*.nft\"\ninclude \"missing.nft\"\ninclude \"main.nft\"\n")
        .write("parts/a.nft", "define port = 80\ntable inet t {\ninclude \"../chains.inc\"\n}\n")
        .write("chains.inc", "chain c {\ntcp dport $port accept\n}\n");
    let mut sources = SourceMap::new();
    let path = folder.0.join("main.nft");
    let id = sources.read(&path, &path).unwrap();
    let loaded = load(Dialect::Nftables, &mut sources, &[id], &Environment::default());
    let found: Vec<_> = loaded.findings.iter().map(|f| f.code()).filter(|code| *code < "PH1").collect();
    assert_eq!(found, ["PH003", "PH004"]);
    assert_eq!(lengths(&loaded, "inet t c"), [3]);
    assert_eq!(loaded.rules, [(id, 1)]);
}

#[test]
fn a_broken_command_in_json_costs_that_command() {
    let loaded = read(
        r#"{"nftables": [
            {"add": {"table": {"family": "inet", "name": "t"}}},
            {"add": {"chain": {"family": "inet", "table": "t", "name": "c"}}},
            {"add": {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [{"nonsense": null}]}}},
            {"add": {"rule": {"family": "inet", "table": "t", "chain": "c" "expr": []}}},
            {"add": {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [{"accept": null}]}}}
        ]}"#,
    );
    assert_eq!(loaded.findings.iter().filter(|f| f.code() == "PH001").count(), 2);
    assert_eq!(lengths(&loaded, "inet t c"), [1, 1]);
    for text in [r#"{"rules": []}"#, "{}"] {
        assert_eq!(codes(text), ["PH001"], "{text}");
    }
}

#[test]
fn json_holds_text_where_nft_has_no_json() {
    let rule = |expr: &str| {
        read(&format!(
            r#"{{"nftables": [{{"table": {{"family": "inet", "name": "t"}}}},
                {{"chain": {{"family": "inet", "table": "t", "name": "c"}}}},
                {{"rule": {{"family": "inet", "table": "t", "chain": "c", "expr": [{expr}]}}}}]}}"#
        ))
    };
    let port = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 5061}}"#;
    let loaded = rule(&format!(
        r#"{port}, "jump {{\n\t\tip saddr 192.0.2.0/24 iifname \"wan0\" drop\n\t\tudp dport 53 accept\n\t}}""#
    ));
    assert!(loaded.findings.iter().all(|f| f.code() == "PH413"), "{:?}", loaded.findings);
    assert_eq!(lengths(&loaded, "inet t c"), [3]);
    assert_eq!(lengths(&loaded, "inet t c (block)"), [4, 3]);
    let loaded = rule(&format!(r#"{port}, "notrack""#));
    assert_eq!(lengths(&loaded, "inet t c"), [3]);
    // What is not understood stays, and it is open what it does.
    let loaded = rule(&format!(r#"{port}, "jump {{\u0041}}", {{"accept": null}}"#));
    assert_eq!(loaded.findings.iter().filter(|f| f.code() == "PH001").count(), 1);
    assert_eq!(lengths(&loaded, "inet t c"), [4]);
}

#[test]
fn what_nft_takes_is_taken() {
    for rule in [
        "meta priority none accept",
        "meta priority root accept",
        "meta priority 1:10 accept",
        "meta priority \"1:10\" accept",
        "ipsec in ip6 saddr 2001:db8::1 accept",
        "ipsec out ip daddr 192.0.2.1 accept",
        "@nh,8,8 set (@nh,8,8 & 0xfc) >> 2 accept",
        "@nh,8,8 & 0xfc >> 2 == 5 accept",
        "meta hour \"08:30\"-\"17:00\" accept",
        "meta hour \"22:00\"-\"06:00\" accept",
        "ether type ip6 udp dport 53 accept",
    ] {
        let refused: Vec<_> = codes(&chain("", rule)).into_iter().filter(|code| *code != "PH002").collect();
        assert!(refused.is_empty(), "{rule}: {refused:?}");
    }
    assert_eq!(codes(&chain("", "meta priority high accept")), ["PH004"]);
    assert_eq!(codes(&chain("", "limit 10/second accept")), ["PH001"]);
}

#[test]
fn every_rule_counts_and_an_unknown_one_stays() {
    let loaded = read(&chain("", "tcp window 5 accept\nudp dport 5060 accept"));
    assert_eq!(loaded.ruleset.written, 2);
    assert_eq!(loaded.findings.iter().filter(|f| f.code() == "PH002").count(), 1);
    let chain = loaded.ruleset.chains.iter().find(|chain| chain.name == "inet t c").unwrap();
    let open = |step: &Step| matches!(step, Step::Test(pinhole::model::Test::Unknown { .. }));
    assert!(loaded.ruleset.steps_of(&chain.rules[0]).iter().any(open));
}

#[test]
fn a_chain_that_is_listed_alone_has_its_table() {
    let chain = r#"{"chain": {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}"#;
    let rule = r#"{"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [{"accept": null}]}}"#;
    let listed = read(&format!(r#"{{"nftables": [{{"metainfo": {{}}}}, {chain}, {rule}]}}"#));
    assert_eq!(lengths(&listed, "inet t c"), [1]);
    assert!(listed.findings.iter().all(|finding| finding.code() != "PH003"), "{:?}", listed.findings);
    // What is to be loaded has to make its table.
    let loaded = read(&format!(r#"{{"nftables": [{chain}, {rule}]}}"#));
    assert!(loaded.findings.iter().any(|finding| finding.code() == "PH003"));
}

#[test]
fn of_very_many_errors_each_line_counts() {
    let text = format!("table ip t {{ chain c {{\n{}}}\n}}\n", "ip frob 5 drop\n".repeat(3000));
    let (mut sources, env) = (SourceMap::new(), Environment::default());
    let id = sources.add("rules.nft", text.into_bytes()).unwrap();
    let loaded = load(Dialect::Nftables, &mut sources, &[id], &env);
    assert!(loaded.findings.len() < 2000, "places alone are kept");
    let errors = loaded.findings.iter().filter(|finding| finding.code() == "PH001");
    assert_eq!(errors.map(|finding| finding.places().count()).sum::<usize>(), 3000);
    let whole = pinhole::dialect::unread(Dialect::Nftables, &sources, &[id], &env, &loaded);
    assert!(whole[0].message.starts_with("3000 of "), "{}", whole[0].message);
}
