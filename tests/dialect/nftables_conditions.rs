//! What an nftables ruleset does not tell: the names, natures and polarity of its conditions.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{About, Condition, Effect, Nature, Step, Test};
use pinhole::packet::Field;
use pinhole::source::SourceMap;

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

const OBJECTS: &str = "set s { type ipv4_addr; flags timeout; }
    set pairs { type ipv4_addr . inet_service; flags timeout; }
    set free { type ipv4_addr; flags dynamic; }
    map m { type ipv4_addr : verdict; flags timeout; }
    limit slow { rate 5/second; }
    limit fast { rate over 90/second; }
    quota half { over 500 mbytes }";

fn chain(rules: &str) -> Loaded {
    read(&format!(
        "table inet t {{\n{OBJECTS}\nchain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}\n}}\n"
    ))
}

/// The conditions of the chain's rules, in order, with a `!` in front where they are turned round.
fn asked(loaded: &Loaded) -> Vec<(String, Condition)> {
    let mut found = Vec::new();
    for chain in &loaded.ruleset.chains {
        for step in chain.rules.iter().flat_map(|rule| loaded.ruleset.steps_of(rule)) {
            let (cond, negate) = match step {
                Step::Test(Test::Unknown { cond, negate }) => (*cond, *negate),
                Step::Effect(Effect::Undefined(cond)) => (*cond, false),
                _ => continue,
            };
            let condition = loaded.ruleset.condition(cond).clone();
            let sign = if negate { "!" } else { "" };
            found.push((format!("{sign}{}", condition.name), condition));
        }
    }
    found
}

fn names(rules: &str) -> Vec<String> {
    asked(&chain(rules)).into_iter().map(|(name, _)| name).collect()
}

fn only(rule: &str) -> Condition {
    let mut found = asked(&chain(rule));
    assert_eq!(found.len(), 1, "{rule}: {found:?}");
    found.pop().unwrap().1
}

#[test]
fn a_set_of_run_time_is_one_condition_with_its_opposite() {
    assert_eq!(names("ip saddr @s accept\nip saddr != @s drop"), ["set s", "!set s"]);
    let set = only("ip saddr @s accept");
    assert_eq!(set, Condition::of("set s", [Field::Src4]));
    let loaded = chain("ip saddr @s accept\nip saddr != @s drop\nip daddr @s drop");
    assert_eq!(loaded.ruleset.conditions.len(), 2, "looked up by the destination it is another question");
    assert_eq!(
        only("ip saddr . tcp dport @pairs accept").about,
        About::Fields(vec![Field::Src4, Field::Dport])
    );
    assert_eq!(only("ip daddr vmap @m"), Condition::of("map m", [Field::Dst4]));
    // Another key asks another question, whatever the field is.
    assert_eq!(only("ip saddr & 255.255.255.0 @s accept").nature, Nature::Chance);
}

#[test]
fn a_set_that_rules_fill_is_steady_where_they_fill_it_later() {
    let nature = |rules: &str| {
        let found = asked(&chain(rules));
        found.iter().find(|(name, _)| name.ends_with("set free")).unwrap().1.nature
    };
    assert_eq!(nature("ip saddr @free drop\ntcp dport 22 add @free { ip saddr } accept"), Nature::Stable);
    assert_eq!(
        nature("tcp dport 22 add @free { ip saddr } counter drop\nip saddr @free drop"),
        Nature::Stable
    );
    assert_eq!(nature("tcp dport 22 add @free { ip saddr }\nip saddr @free accept"), Nature::Chance);
    let limited = "tcp dport 22 add @free { ip saddr limit rate over 3/minute } drop\nip saddr @free accept";
    assert_eq!(nature(limited), Nature::Chance, "the key is there, whether the limit holds or not");
}

#[test]
fn sets_of_one_name_are_told_apart() {
    let text = |second: &str| {
        format!(
            "table ip a {{\nset s {{ type ipv4_addr; flags timeout; }}\nchain c {{ ip saddr @s accept; }}\n}}\n\
             table {second} b {{\nset s {{ type {}; flags timeout; }}\nchain c {{ {} saddr @s accept; }}\n}}\n",
            if second == "ip6" { "ipv6_addr" } else { "ipv4_addr" },
            if second == "ip6" { "ip6" } else { "ip" },
        )
    };
    let names = |second| asked(&read(&text(second))).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names("ip6"), ["set s", "set s"], "of another family: no packet asks both");
    assert_eq!(names("inet"), ["set ip a s", "set inet b s"]);
}

#[test]
fn what_counts_traffic_says_how_it_answers_within_the_rate() {
    let cases = [
        ("limit rate 5/second burst 5 packets accept", "limit inet t c \"5/second\" 1", true),
        ("limit rate over 10 mbytes/second drop", "limit inet t c \"over 10 mbytes/second\" 1", false),
        ("quota over 500 mbytes drop", "quota inet t c \"over 500 mbytes\" 1", false),
        ("quota until 1 gbytes accept", "quota inet t c \"1 gbytes\" 1", true),
        ("ct count 20 accept", "ct count inet t c \"20\" 1", true),
        ("ct count over 20 drop", "ct count inet t c \"over 20\" 1", false),
        ("meter f { ip saddr limit rate 9/minute } accept", "limit inet t c \"9/minute\" 1", true),
        ("update @free { ip saddr ct count over 4 } drop", "ct count inet t c \"over 4\" 1", false),
        ("limit name \"slow\" accept", "limit slow", true),
        ("limit name \"fast\" drop", "limit fast", false),
        ("quota name \"half\" drop", "quota half", false),
        ("ct bytes > 100000 drop", "ct bytes inet t c \">= 100001\" 1", false),
    ];
    for (rule, name, within) in cases {
        let found = only(rule);
        assert_eq!((&*found.name, found.nature), (name, Nature::Rate { within }), "{rule}");
    }
    let twice = names("limit rate 5/second tcp dport 22 accept\nlimit rate 5/second accept");
    assert_eq!(twice, ["limit inet t c \"5/second\" 1", "limit inet t c \"5/second\" 2"]);
    // One bucket, but what the first place takes the second one lacks.
    let loaded = chain("limit name \"slow\" tcp dport 22 accept\nlimit name \"slow\" accept");
    assert_eq!(loaded.ruleset.conditions.len(), 2);
}

#[test]
fn json_and_text_name_limits_alike() {
    let text = r#"{"nftables": [{"table": {"family": "inet", "name": "t"}},
        {"chain": {"family": "inet", "table": "t", "name": "c"}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [
            {"limit": {"rate": 5, "burst": 5, "per": "second"}}, {"accept": null}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [
            {"limit": {"rate": 10, "burst": 20, "burst_unit": "mbytes", "per": "second", "rate_unit": "mbytes",
             "inv": true}}, {"drop": null}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [
            {"quota": {"val": 25, "val_unit": "mbytes", "used": 0, "used_unit": "bytes", "inv": true}},
            {"ct count": {"val": 2, "inv": true}}, {"drop": null}]}}]}"#;
    let json: Vec<_> = asked(&read(text)).into_iter().map(|(name, _)| name).collect();
    let rules = "limit rate 5/second accept\nlimit rate over 10 mbytes/second burst 20 mbytes drop\n\
        quota over 25 mbytes ct count over 2 drop";
    assert_eq!(json, names(rules));
}

#[test]
fn what_only_guards_a_log_leaves_nothing_behind() {
    for rule in [
        "limit rate 5/minute log prefix \"x\"",
        "meta hour \"08:00\"-\"10:00\" counter",
        "limit name \"slow\" counter",
        "ip saddr @s log",
        "tcp dport 22 meter f { ip saddr limit rate 5/second } counter",
    ] {
        assert!(chain(rule).ruleset.conditions.is_empty(), "{rule}");
    }
}

#[test]
fn the_clock_is_the_same_for_all_packets() {
    assert_eq!(only("meta hour \"09:00\"-\"17:30\" accept"), Condition::global("meta hour 09:00-17:30"));
    assert_eq!(
        names("meta hour \"09:00\"-\"17:30\" accept\nmeta hour != \"09:00\"-\"17:30\" drop"),
        ["meta hour 09:00-17:30", "!meta hour 09:00-17:30"]
    );
    assert_eq!(only("meta day { \"Monday\", \"Friday\" } drop"), Condition::global("meta day monday,friday"));
}

#[test]
fn forged_packets_are_told_by_their_way_back_and_their_options() {
    for (rule, name, honest) in [
        ("fib saddr . iif oif missing drop", "fib saddr . iif oif missing", false),
        ("fib saddr . iif oif 0 drop", "fib saddr . iif oif missing", false),
        ("fib saddr . iif oif exists accept", "!fib saddr . iif oif missing", false),
        ("fib saddr oif missing drop", "fib saddr oif missing", false),
        ("fib saddr . iif check missing drop", "!fib saddr . iif check exists", true),
        ("ip option lsrr exists drop", "ip option lsrr exists", false),
        ("ip option lsrr missing accept", "!ip option lsrr exists", false),
        ("rt type 0 drop", "rt type 0", false),
        ("exthdr mh exists drop", "exthdr mh exists", false),
    ] {
        let found = asked(&chain(rule));
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert_eq!((&*found[0].0, found[0].1.nature), (name, Nature::Forgery { honest }), "{rule}");
    }
    let way = only("fib saddr . iif oifname \"eth7\" accept");
    assert_eq!(way.about, About::Fields(vec![Field::Src4, Field::Src6, Field::Iif]));
    assert_eq!(way.nature, Nature::Stable);
}

#[test]
fn what_a_packet_may_lack_matches_neither_way() {
    assert_eq!(names("meta skuid 7 accept"), ["meta skuid 7"]);
    assert_eq!(names("meta skuid != 7 accept"), ["meta skuid", "!meta skuid 7"]);
    assert_eq!(names("meta iifgroup != 3 accept"), ["!meta iifgroup 3"]);
    assert_eq!(only("meta iifgroup 3 accept").about, About::Fields(vec![Field::Iif]));
}

#[test]
fn a_drawn_number_is_drawn_for_each_entry() {
    let loaded = chain("numgen random mod 3 vmap { 0 : accept, 1 : drop, 2 : return }");
    let found = asked(&loaded);
    assert_eq!(found.len(), 2, "one of three it is in any case");
    assert_ne!(found[0].1, found[1].1);
    assert!(found.iter().all(|(_, condition)| condition.nature == Nature::Chance));
    assert_eq!(names("meta skuid vmap { 0 : accept, 7 : drop }"), ["meta skuid root", "meta skuid 7"]);
}

#[test]
fn what_the_loading_machine_knows_has_a_name() {
    assert_eq!(
        names("ip saddr media.example.org accept\nip saddr != media.example.org drop"),
        ["fqdn media.example.org", "!fqdn media.example.org"]
    );
    assert_eq!(only("iif 5 accept"), Condition::of("interface index 5", [Field::Iif]));
    assert_eq!(only("jump nowhere").name, "chain nowhere");
}

#[test]
fn a_rule_of_two_ways_has_one_limit() {
    let loaded = chain("fib daddr type local limit rate 5/second accept");
    let limits: Vec<_> = loaded.ruleset.conditions.iter().filter(|c| c.name.starts_with("limit")).collect();
    assert_eq!(limits.len(), 1, "{limits:?}");
}

#[test]
fn a_device_that_json_does_not_name_is_open() {
    let text = |dev: &str| {
        read(&format!(
            r#"{{"nftables": [{{"table": {{"family": "netdev", "name": "t"}}}},
            {{"chain": {{"family": "netdev", "table": "t", "name": "c", "type": "filter", "hook": "ingress",
              "prio": 0, "policy": "drop"{dev}}}}}]}}"#
        ))
    };
    let open = asked(&text(""));
    assert_eq!(open[0].1, Condition::of("devices of netdev t c", [Field::Iif]));
    assert!(asked(&text(r#", "dev": "eth0""#)).is_empty());
}

/// Whether a rule brings a condition, and of which kind: the words of the table in the README of the dialect.
fn support(rule: &str) -> &'static str {
    let found = asked(&chain(rule));
    let Some((_, condition)) = found.last() else { return "modelled" };
    match condition.nature {
        Nature::Rate { .. } => "rate",
        Nature::Forgery { .. } => "forgery",
        Nature::Stable | Nature::Chance => "condition",
    }
}

#[test]
fn the_table_of_support_is_true() {
    let table = include_str!("../../src/dialect/nftables/README.md");
    for (row, rules) in [
        (
            "| `limit`, `quota`, `ct count`",
            &["limit rate 1/day drop", "meter m { ip saddr ct count over 2 } drop"][..],
        ),
        ("| header fields of `ip`", &["ip ttl 5 drop", "tcp option maxseg size 500 drop", "esp spi 7 drop"]),
        ("| `ether type` |", &["ether type ip drop"]),
        ("| `ip6 nexthdr`, `exthdr` |", &["ip6 nexthdr 6 drop", "exthdr hbh exists drop"]),
        (
            "| `tcp option X exists`",
            &["tcp option sack-permitted missing drop", "sctp chunk init exists drop"],
        ),
        (
            "| `ip option`",
            &["ip option rr exists drop", "rt type 2 drop", "hbh hdrlength 1 drop", "mh type 1 drop"],
        ),
        ("| other header fields", &["tcp window 5 drop", "tcp option timestamp tsval 1 drop"]),
        (
            "| `meta` mark",
            &["meta mark 5 drop", "iifname eth0 drop", "meta length 60 drop", "meta pkttype host drop"],
        ),
        ("| `meta` hour", &["meta hour 1-2 drop", "meta day 1 drop", "meta time \"2030-01-01\" drop"]),
        ("| `meta` users", &["meta skuid 5 drop", "meta cgroup 5 drop", "meta iiftype ether drop"]),
        (
            "| `ct` state",
            &["ct state new drop", "ct status dnat drop", "meta l4proto tcp ct original proto-dst 5 drop"],
        ),
        ("| `ct bytes`", &["ct bytes > 5 drop", "ct original packets < 9 drop"]),
        ("| other keys of `ct`", &["ct zone 5 drop", "ct helper \"sip\" drop"]),
        ("| `fib saddr … oif missing`", &["fib saddr . iif oif missing drop", "fib saddr oif 0 drop"]),
        (
            "| other `fib`",
            &["fib daddr oif eth0 drop", "rt mtu 5 drop", "socket transparent 1 drop", "osf name \"x\" drop"],
        ),
        ("| `numgen`", &["numgen inc mod 2 == 0 drop", "jhash ip saddr mod 2 == 0 drop"]),
        ("| `reject` |", &["reject", "reject with tcp reset"]),
        ("| `tproxy` |", &["tcp dport 5 tproxy to :8080 accept"]),
        ("| `flow add` |", &["flow add @f accept"]),
        ("| `counter`, `log`", &["counter log last accept"]),
    ] {
        let line = table.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{row}"));
        let says = line.split(" | ").nth(1).unwrap();
        let word =
            ["condition", "rate", "forgery", "modelled"].into_iter().find(|word| says.starts_with(word));
        for rule in rules {
            assert_eq!(support(rule), word.unwrap_or("modelled"), "{row}: {rule}");
        }
    }
}

/// The names of the conditions that a text leaves, each once.
fn left_open(text: &str) -> Vec<String> {
    let mut names: Vec<String> =
        read(text).ruleset.conditions.iter().map(|condition| condition.name.to_string()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn what_cannot_be_read_of_a_base_chain_stays_open() {
    let chain = |head: &str| format!("table inet t {{ chain c {{ {head} tcp dport 22 accept; }}; }}\n");
    assert_eq!(left_open(&chain("type filter hook forward priority 0; policy drop;")), [""; 0]);
    let broken = "type filter hook forward priority 0; policy drpo;";
    assert_eq!(left_open(&chain(broken)), ["policy of inet t c"]);
    for head in [
        "type filter hook forward priority ninety; policy drop;",
        "type filter hook forward; policy drop;",
        "type filtre hook forward priority 0; policy drop;",
        "type filter hook forwards priority 0; policy drop;",
        "type nat hook forward priority 0; policy drop;",
    ] {
        assert_eq!(left_open(&chain(head)), ["base chain inet t c"], "{head}");
    }
    let json = |chain: &str| {
        format!(
            "{{\"nftables\": [{{\"table\": {{\"family\": \"inet\", \"name\": \"t\"}}}}, {{\"chain\": {{\"family\": \"inet\", \
             \"table\": \"t\", \"name\": \"c\", {chain}}}}}]}}"
        )
    };
    let policy = "\"type\": \"filter\", \"hook\": \"forward\", \"prio\": 0, \"policy\": \"drpo\"";
    assert_eq!(left_open(&json(policy)), ["policy of inet t c"]);
    let priority = "\"type\": \"filter\", \"hook\": \"forward\", \"prio\": \"late\", \"policy\": \"drop\"";
    assert_eq!(left_open(&json(priority)), ["base chain inet t c"]);
}

#[test]
fn rules_that_cannot_be_read_may_stand_anywhere() {
    let before = "table inet t { chain c { type filter hook forward priority 0; policy drop; }; }\n";
    let json = |command: &str| format!("{{\"nftables\": [{{\"table\": {{\"name\": \"t\"}}}}, {command}]}}");
    for text in [
        format!("{before}add rule inet t {{ accept; }}\n"),
        format!("{before}table everywhere u {{ chain d {{ accept; }}; }}\n"),
        format!("{before}add chain inet {{ accept; }}\n"),
        json("{\"rule\": {\"table\": \"t\", \"chain\": \"c\"}}"),
        json("{\"add\": {\"rule\": {\"table\": 5, \"chain\": \"c\", \"expr\": []}}}"),
        json("{\"rule\": {\"table\" \"t\"}}"),
    ] {
        assert_eq!(left_open(&text), ["what was not read"], "{text}");
    }
    // Of what is no rule, nothing hangs on it.
    assert_eq!(left_open(&format!("{before}define x = {{ 22\nobey\n")), [""; 0]);
    assert_eq!(left_open(&json("{\"flowtable\": {\"table\": \"t\"}}")), [""; 0]);
}
