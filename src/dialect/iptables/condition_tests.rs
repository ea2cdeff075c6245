//! What the file does not tell: the names of conditions, what they are about, and how they answer.

use super::tests::{filter, load_text, table};
use super::*;
use crate::model::{About, Condition, Effect, Nature, Ruleset, Step, Test};
use crate::packet::{Family, Field};

/// The conditions of the rules in order, with their polarity.
fn asked(rules: &Ruleset) -> Vec<(Condition, bool)> {
    let of = |step: &Step| match step {
        Step::Test(Test::Unknown { cond, negate }) => Some((rules.condition(*cond).clone(), *negate)),
        Step::Effect(Effect::Undefined(cond)) => Some((rules.condition(*cond).clone(), false)),
        _ => None,
    };
    rules.steps.iter().filter_map(of).collect()
}

fn of(rule: &str) -> (Condition, bool) {
    let found = asked(&filter(&format!("-A INPUT {rule}")));
    assert_eq!(found.len(), 1, "{rule}");
    found[0].clone()
}

#[test]
fn what_counts_traffic_says_what_it_answers_within_the_rate() {
    for (rule, within, negate) in [
        ("-m limit --limit 5/min -j ACCEPT", true, false),
        ("-m hashlimit --hashlimit-upto 5/s --hashlimit-name a -j ACCEPT", true, false),
        ("-m hashlimit --hashlimit 5/s --hashlimit-name a -j ACCEPT", true, false),
        ("-m hashlimit --hashlimit-above 5/s --hashlimit-name a -j DROP", false, false),
        ("-m hashlimit ! --hashlimit-upto 5/s --hashlimit-name a -j DROP", true, true),
        ("-m connlimit --connlimit-upto 5 -j ACCEPT", true, false),
        ("-m connlimit --connlimit-above 5 -j DROP", false, false),
        ("-m quota --quota 1000 -j ACCEPT", true, false),
        ("-m quota ! --quota 1000 -j DROP", true, true),
        ("-m recent --update --seconds 60 --hitcount 4 --name s -j DROP", false, false),
        ("-m recent ! --rcheck --seconds 60 --hitcount 4 --name s -j ACCEPT", false, true),
        (
            "-m connbytes --connbytes 100000: --connbytes-dir both --connbytes-mode bytes -j DROP",
            false,
            false,
        ),
        ("-m connbytes --connbytes 0:5 --connbytes-dir both --connbytes-mode packets -j ACCEPT", true, false),
    ] {
        let (condition, negated) = of(rule);
        assert_eq!((condition.nature, negated), (Nature::Rate { within }, negate), "{rule}");
    }
}

#[test]
fn places_that_answer_for_themselves_are_numbered_by_chain_and_text() {
    let rules = filter(
        ":calls - [0:0]\n-A INPUT -m limit --limit 5/min -j ACCEPT\n-A INPUT -m limit --limit 5/min -j DROP\n\
         -A calls -m limit --limit 5/min -j DROP\n-A INPUT -m statistic --mode random ! --probability 0.5 -j DROP",
    );
    let names: Vec<String> = rules.conditions.iter().map(|condition| condition.name.clone()).collect();
    assert_eq!(
        names,
        [
            "limit filter INPUT \"-m limit --limit 5/min\" 1",
            "limit filter INPUT \"-m limit --limit 5/min\" 2",
            "statistic filter INPUT \"-m statistic --mode random --probability 0.5\" 1",
            "limit filter calls \"-m limit --limit 5/min\" 1",
        ]
    );
    assert_eq!(asked(&rules)[2].0.nature, Nature::Chance);
    assert!(asked(&rules)[2].1, "`!` turns it round");
}

#[test]
fn what_guards_nothing_leaves_no_condition() {
    let rules = filter(
        "-A INPUT -m limit --limit 5/min -j LOG\n-A INPUT -m recent --name x --rcheck\n\
         -A INPUT -m string --algo bm --string x -j NFLOG",
    );
    assert_eq!(rules.conditions, []);
    assert_eq!(rules.rules(), 3);
}

#[test]
fn a_set_is_one_condition_for_each_list_of_sides() {
    let rule =
        |not: &str, sides: &str| format!("-A INPUT -m set {not} --match-set friends {sides} -j ACCEPT\n");
    let text = rule("", "src") + &rule("!", "src") + &rule("", "dst") + &rule("", "src,dst");
    let loaded = load_text(&format!("*filter\n{text}COMMIT\n"), &Environment::default());
    let found = asked(&loaded.ruleset);
    let names: Vec<&str> = found.iter().map(|(condition, _)| condition.name.as_str()).collect();
    assert_eq!(names, ["set friends"; 4]);
    assert_eq!(found[0].0, found[1].0);
    assert_eq!((found[0].1, found[1].1), (false, true));
    assert_ne!(found[0].0, found[2].0);
    let about = |fields: &[Field]| About::Fields(fields.to_vec());
    assert_eq!(found[0].0.about, about(&[Field::Src4, Field::Proto, Field::Sport]));
    let both = [Field::Oif, Field::Src4, Field::Dst4, Field::Proto, Field::Sport, Field::Dport];
    assert_eq!(found[3].0.about, about(&both));
    assert_eq!(found[3].0.nature, Nature::Stable);
}

#[test]
fn a_set_whose_type_is_known_is_about_its_parts() {
    let mut sources = SourceMap::new();
    let rules = "*filter\n-A INPUT -m set --match-set far src,src -j DROP\n-A INPUT -j SET --add-set far src,src\nCOMMIT\n";
    let file = sources.add("edge.rules", rules.as_bytes().to_vec()).unwrap();
    let saved = sources.add("sets", b"create far hash:net,iface\n".to_vec()).unwrap();
    let loaded = load(&mut sources, &[file], &Environment { ipsets: vec![saved], ..Environment::default() });
    let found = asked(&loaded.ruleset);
    assert_eq!(found[0].0, Condition::of("set far", [Field::Iif, Field::Src4]), "rules change it");
}

#[test]
fn time_and_forgery() {
    let (time, negated) = of("-m time --timestart 08:00 --timestop 18:00 ! --weekdays Sat,Sun -j ACCEPT");
    assert_eq!(time, Condition::global("time --timestart 08:00 --timestop 18:00 ! --weekdays Sat,Sun"));
    assert!(!negated);
    let path = |rule: &str| asked(&table("raw", &format!("-A PREROUTING {rule}"))).remove(0);
    assert_eq!(path("-m rpfilter -j ACCEPT"), (Condition::forgery("rpfilter", true), false));
    let loose = Condition::forgery("rpfilter --loose", true);
    assert_eq!(path("-m rpfilter --loose --invert -j DROP"), (loose, true));
    let options = of("-m ipv4options --flags record-route -j DROP");
    assert_eq!(options, (Condition::forgery("ipv4options --flags record-route", false), false));
    let six = Environment { family: Some(Family::V6), ..Environment::default() };
    let rules = load_text("*filter\n-A INPUT -m rt --rt-type 0 -j DROP\nCOMMIT\n", &six).ruleset;
    assert_eq!(asked(&rules), [(Condition::forgery("rt --rt-type 0", false), false)]);
}

#[test]
fn host_names_are_conditions_of_their_own() {
    let rules =
        "*filter\n-A INPUT -s gw.example.net -j ACCEPT\n-A INPUT ! -d gw.example.net -j DROP\nCOMMIT\n";
    let loaded = load_text(rules, &Environment::default());
    let found = asked(&loaded.ruleset);
    assert_eq!(found[0], (Condition::of("fqdn gw.example.net", [Field::Src4]), false));
    assert_eq!(found[1], (Condition::of("fqdn gw.example.net", [Field::Dst4]), true));
}

#[test]
fn one_rule_asks_one_condition_once() {
    let rules = filter("-A INPUT -m limit --limit 1/s -j NFQUEUE --queue-num 1");
    assert_eq!(rules.rules(), 2);
    assert_eq!(rules.conditions.len(), 2, "the limit, and the program that reads the queue");
}
