//! What pf.conf does not tell: the names of the conditions, what of a packet they look at, how their answers behave.

use super::pf_probe;

use pinhole::dialect::Environment;
use pinhole::model::{About, Effect, Nature, Step, Test};

use pf_probe::{read, tcp};

/// The conditions that the rules of a text test or leave everything to, each as `name about nature`, with `!`
/// before those that are negated.
fn asked(text: &str) -> Vec<String> {
    let rules = read(text, &Environment::default()).ruleset;
    let mut found: Vec<String> = rules
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Test(Test::Unknown { cond, negate }) => Some((*cond, *negate)),
            Step::Effect(Effect::Undefined(cond)) => Some((*cond, false)),
            _ => None,
        })
        .map(|(cond, negate)| {
            let condition = rules.condition(cond);
            let about = match &condition.about {
                About::Nothing => "nothing".to_string(),
                About::Everything => "everything".to_string(),
                About::Fields(fields) => format!("{fields:?}"),
            };
            let nature = match condition.nature {
                Nature::Stable => "stable".to_string(),
                Nature::Chance => "chance".to_string(),
                Nature::Rate { within } => format!("rate {within}"),
                Nature::Forgery { honest } => format!("forgery {honest}"),
            };
            format!("{}{} {about} {nature}", if negate { "! " } else { "" }, condition.name)
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn a_table_is_about_the_address_that_it_is_compared_with() {
    let text = "table <friends> persist\nblock in\npass in inet from <friends>\npass in inet from ! <friends> to any\n";
    assert_eq!(asked(text), ["! table <friends> [Src4] stable", "table <friends> [Src4] stable"]);
    assert_eq!(
        asked("table <t> persist\npass in to <t>\n"),
        ["table <t> [Dst4] stable", "table <t> [Dst6] stable"]
    );
    let known = "table <t> { 10.0.0.0/8, !10.1.0.0/16 }\npass in from ! <t>\n";
    assert!(asked(known).is_empty());
}

#[test]
fn a_table_that_only_overload_fills_is_empty_within_the_rates() {
    let text = "table <bad> persist\nblock in quick inet from <bad>\n\
        pass in inet proto tcp keep state (max-src-conn 20, overload <bad> flush)\n";
    assert_eq!(
        asked(text),
        ["state limit in \"max-src-conn 20\" 1 everything rate false", "table <bad> [Src4] rate false"]
    );
    let partly = text.replace("<bad> persist", "<bad> { 192.0.2.1 }");
    assert!(asked(&partly).contains(&"table <bad> [Src4] stable".to_string()), "{:?}", asked(&partly));
}

#[test]
fn addresses_that_nobody_gave_are_one_condition_by_name() {
    let text = "pass in inet from (em0) to ! (em0)\npass in inet from em0:network\npass out inet to mail.example.org\n";
    assert_eq!(
        asked(text),
        [
            "! addresses of em0 [Dst4] stable",
            "addresses of em0 [Src4] stable",
            "addresses of em0:network [Src4] stable",
            "fqdn mail.example.org [Dst4] stable",
        ]
    );
    // `! em0` is a rule for each address of the interface: of two, they match everything
    assert_eq!(asked("pass in inet from ! em0\n"), ["each of ! addresses of em0 [Src4] stable"]);
}

#[test]
fn interfaces_that_nobody_gave_are_about_the_interface() {
    assert_eq!(asked("pass in on uplinks\n"), ["interface group uplinks [Iif] stable"]);
    assert_eq!(asked("pass out on ! uplinks\n"), ["! interface group uplinks [Oif] stable"]);
    assert_eq!(asked("pass in on rdomain 2\n"), ["rdomain 2 [Iif] stable"]);
    assert_eq!(asked("pass out received-on uplinks\n"), ["interface group uplinks [Iif] stable"]);
}

#[test]
fn an_owner_has_one_answer_for_all_rules_and_both_ways_of_asking() {
    let text =
        "pass out proto tcp user root\nblock out proto tcp user != root\npass out proto udp group 10 >< 20\n";
    assert_eq!(
        asked(text),
        [
            "! user = root everything stable",
            "group 10 >< 20 everything stable",
            "user = root everything stable",
        ]
    );
    assert_eq!(asked("pass in proto tcp from any os \"Linux\"\n"), ["os Linux everything stable"]);
}

#[test]
fn chances_are_numbered_in_the_order_of_the_file() {
    let text = "pass in probability 50%\npass in proto udp probability 50%\nblock in once\n";
    assert_eq!(
        asked(text),
        [
            "once in \"block\" 1 everything chance",
            "probability in \"50%\" 1 everything chance",
            "probability in \"50%\" 2 everything chance",
        ]
    );
}

#[test]
fn a_rule_that_is_written_out_as_several_asks_once() {
    let text = "pass in proto tcp from (em0) to any probability 50% rdr-to { 10.0.0.1, 10.0.0.9 }\n";
    let chances: Vec<String> = asked(text).into_iter().filter(|text| text.contains("probability")).collect();
    assert_eq!(chances, ["probability in \"50%\" 1 everything chance"]);
    let many: String =
        (0..48).map(|n| format!("pass out proto tcp to port {} user {}\n", 1000 + n, n % 8)).collect();
    assert_eq!(asked(&many).len(), 8);
}

#[test]
fn rates_and_forgeries_know_what_honest_senders_get() {
    assert_eq!(asked("pass in max-pkt-rate 100/10\n"), ["max-pkt-rate in \"100/10\" 1 everything rate true"]);
    assert_eq!(
        asked("block in inet from urpf-failed\nblock in inet from no-route\npass in inet from ! no-route\n"),
        [
            "! no-route [Src4] forgery false",
            "no-route [Src4] forgery false",
            "urpf-failed [Src4, Iif] forgery false",
        ]
    );
}

#[test]
fn anchors_are_named_by_their_paths() {
    assert_eq!(asked("anchor \"ftp-proxy/*\"\n"), ["anchor ftp-proxy/* everything stable"]);
    assert_eq!(asked("anchor outer {\n anchor inner\n}\n"), ["anchor outer/inner everything stable"]);
    assert_eq!(asked("anchor outer {\n anchor \"/top\"\n}\n"), ["anchor top everything stable"]);
    let translation = asked("rdr-anchor \"r\"\nanchor \"r\"\n");
    assert_eq!(
        translation,
        [
            "anchor r everything stable",
            "rdr-anchor r everything stable",
            "rdr-anchor r passes everything stable",
            "TCP checks without scrub nothing stable",
        ]
        .map(str::to_string)
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
}

#[test]
fn which_address_a_pool_gives_is_a_chance_of_its_place() {
    let text = "pass in on em0 inet proto tcp to any port 80 rdr-to { 10.0.0.1, 10.0.0.9, 10.0.0.17 }\n";
    assert_eq!(
        asked(text),
        ["pool in \"10.0.0.1\" 1 everything chance", "pool in \"10.0.0.9\" 1 everything chance"]
    );
}

#[test]
fn a_source_that_translation_made_the_interface_is_that_of_the_interface() {
    // nobody gave the addresses of em3, and yet this is certain
    let call = tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em3");
    let rules = "block all\npass in on em1\npass out on em3 inet proto tcp from (em3) port > 1023 to any\n";
    assert_eq!(call.verdict(&format!("nat on em3 inet from 10.0.0.0/8 to any -> (em3)\n{rules}")), "pass");
    assert_eq!(
        call.verdict(&format!("{rules}match out on em3 inet nat-to (em3)\n")),
        "depends",
        "the rule before `match` sees the source as it was"
    );
    assert_eq!(call.verdict(&format!("match out on em3 inet nat-to (em3)\n{rules}")), "pass");
    assert_eq!(call.verdict(rules), "depends");
}
