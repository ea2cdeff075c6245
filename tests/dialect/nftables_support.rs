//! The support table of `src/dialect/nftables/README.md` is true: each row has an example, and what is said of it
//! holds.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::support;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Condition, Effect, Nature, OwnAddress, Ruleset, Step};
use pinhole::packet::Family;
use pinhole::source::SourceMap;
use support::{Table, faults, told};

/// What the table says of a construct.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Support {
    /// Nothing is left unknown.
    Modelled,
    /// Some condition is.
    Condition,
    /// All conditions count traffic.
    Rate,
    /// All conditions find what no honest sender makes.
    Forgery,
    /// The same as without it: the rule after `without`.
    NoEffect(&'static str),
    /// Nobody knows what becomes of the packet.
    Undefined,
    /// With this code.
    Finding(&'static str),
}

use Support::{Condition as Cond, Finding, Forgery, Modelled, NoEffect, Rate, Undefined};

impl Support {
    /// The word that the table has for it, and what an example shows besides.
    fn words(self, rules: &Ruleset) -> Vec<&'static str> {
        match self {
            Modelled => vec!["modelled"],
            Cond => vec!["condition"],
            Rate => vec!["rate"],
            Forgery => vec!["forgery"],
            NoEffect(_) => vec!["no effect"],
            Undefined => vec!["nobody knows"],
            Finding(code) => {
                let mut words = vec![code];
                words.extend((!rules.conditions.is_empty()).then_some("condition"));
                words.extend(is_undefined(rules).then_some("nobody knows"));
                words
            }
        }
    }
}

/// Whether nobody knows what becomes of some packets.
fn is_undefined(rules: &Ruleset) -> bool {
    rules.steps.iter().any(|step| matches!(step, Step::Effect(Effect::Undefined(_))))
}

/// How a row begins, and examples with a blank line between them: whole scripts where they begin with a command, else
/// rules.
const ROWS: &[(&str, Support, &str)] = &[
    (
        "`add`, `create`",
        Modelled,
        "add table t\nadd chain t c { type filter hook input priority 0; }\nadd rule t c accept\n\
         insert rule t c drop\nflush chain t c\ncreate chain t d\nrename chain t d e\ndelete chain t e\n\
         destroy chain t f\n\n\
         table ip t { chain c { type filter hook input priority 0; tcp dport 22 drop # handle 4\n }\n}\n\
         replace rule ip t c handle 4 tcp dport 23 drop\n",
    ),
    (
        "`list`, `get`",
        NoEffect(""),
        "list ruleset\nadd table inet t\n\nadd table inet t\nget element inet t s { 192.0.2.1 }\n\n\
         reset counters\nadd table inet t\n\nmonitor\nadd table inet t\n\nexport vm json\nadd table inet t\n",
    ),
    (
        "`delete element`",
        Cond,
        "add table t\nadd set t s { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }\n\
         add chain t c { type filter hook input priority 0; }\nadd rule t c ip saddr @s drop\n\
         delete element t s { 192.0.2.1 }\n",
    ),
    (
        "`include`, `define`",
        Modelled,
        "define p = 22\nredefine p = { 23, 24 }\n\
         table t { chain c { type filter hook input priority 0; tcp dport $p drop; }; }\nundefine p\n\n\
         include \"fixtures/kernel/nftables/01-accept-ends-one-chain.nft\"\n",
    ),
    ("`include`, `define`", Finding("PH003"), "include \"/elsewhere/rules.nft\"\n"),
    (
        "tables of `ip`",
        Modelled,
        "table ip6 t { flags dormant; chain c { type filter hook input priority 0; accept; }; }\n\
         table ip v { chain c { type filter hook input priority 0; ip saddr 192.0.2.1 accept; }; }\n\
         table inet u { chain c { type filter hook input priority 0; ip saddr 192.0.2.1 accept; }; }\n",
    ),
    (
        "tables of `netdev`",
        Modelled,
        "table netdev t { chain c { type filter hook ingress device \"eth0\" priority 0; tcp dport 22 drop; }; }\n\n\
         table netdev t { chain c { type filter hook egress device \"eth0\" priority 0; tcp dport 22 drop; }; }\n\n\
         table inet t { chain c { type filter hook ingress device \"eth0\" priority 0; tcp dport 22 drop; }; }\n",
    ),
    (
        "tables of `netdev`",
        Cond,
        "table netdev t { chain c { type filter hook ingress priority 0; tcp dport 22 drop; }; }\n",
    ),
    (
        "tables of `bridge`",
        NoEffect(""),
        "table bridge t { chain c { type filter hook forward priority 0; drop; }; }\nadd table inet t\n\n\
         table arp t { chain c { type filter hook input priority 0; drop; }; }\nadd table inet t\n",
    ),
    (
        "chains by priority",
        Modelled,
        "table t { chain a { type filter hook input priority raw; ct state new drop; }\n\
         chain b { type nat hook postrouting priority srcnat; masquerade; }; }\n",
    ),
    (
        "`jump`, `goto`",
        Modelled,
        "tcp dport 22 jump { ip saddr 192.0.2.1 return; goto other; }\n\ntcp dport 22 continue",
    ),
    (
        "`jump`, `goto`",
        Finding("PH004"),
        "table t { chain a { jump b; }\nchain b { jump a; }\nchain c { type filter hook input priority 0; jump a; }; }\n",
    ),
    ("`jump`, `goto`", Finding("PH003"), "tcp dport 22 jump nowhere"),
    ("a rule that cannot", Finding("PH001"), "tcp dport { 22, ( ] accept"),
    (
        "a base chain whose",
        Finding("PH001"),
        "table t { chain c { type filter hook input; policy drop; }; }\n\n\
         table t { chain c { type filter hook input priority 0; policy drpo; }; }\n",
    ),
    (
        "a base chain whose",
        Finding("PH004"),
        "table t { chain c { type filtre hook input priority 0; policy drop; }; }\n\n\
         table t { chain c { type filter hook inward priority 0; policy drop; }; }\n\n\
         table t { chain c { type filter hook input priority early; policy drop; }; }\n",
    ),
    (
        "rules of which",
        Finding("PH001"),
        "add rule inet t { accept; }\n\ntable everywhere t { chain c { accept; }; }\n",
    ),
    (
        "`vmap`, maps",
        Modelled,
        "ip saddr . tcp dport vmap { 192.0.2.1 . 22 : drop, 192.0.2.0/24 . 1-5 : continue, * : accept }\n\n\
         table t { set s { typeof ip saddr; elements = { 192.0.2.1 }; }\n\
         chain c { type filter hook input priority 0; ip saddr @s drop; }; }\n",
    ),
    (
        "sets and maps with",
        Cond,
        "ip saddr vmap @moved\n\n\
         table t { set s { type ipv4_addr; flags timeout; }\n\
         chain c { type filter hook input priority 0; ip saddr @s drop; }; }\n\n\
         table t { set s { type ipv4_addr; flags dynamic; }\n\
         chain c { type filter hook input priority 0; ip saddr @s drop; add @s { ip daddr }; }; }\n",
    ),
    (
        "`limit`, `quota`",
        Rate,
        "limit rate over 5/second drop\n\nquota over 10 mbytes drop\n\nct count over 3 drop\n\nlimit name \"slow\" drop\n\n\
         quota name \"much\" drop\n\nmeter m { ip saddr limit rate over 5/second } drop\n\n\
         tcp dport 22 add @free { ip saddr ct count over 3 } reject\n\n\
         update @free { ip saddr limit rate over 5/second } drop",
    ),
    ("`limit`, `quota`", NoEffect("log"), "limit rate 5/second log\n\nquota over 10 mbytes counter"),
    (
        "header fields of",
        Modelled,
        "ip ttl < 5 ip protocol tcp drop\n\nip6 hoplimit < 5 icmpv6 type echo-request drop\n\nicmp type echo-request drop\n\n\
         tcp flags & (syn | ack) == syn tcp option maxseg size 500-1000 drop\n\nesp spi 5 drop\n\nah spi 5 drop",
    ),
    ("`udp length`", Modelled, "ip version 4 udp length > 100 drop"),
    ("`udp length`", Cond, "ip6 version 6 udp length > 100 drop"),
    ("`ether type`", Modelled, "ether type ip6 drop"),
    ("`th dport`", Cond, "th dport 53 drop\n\nth sport 53 drop"),
    (
        "`th dport`",
        Modelled,
        "meta l4proto { tcp, udp } th dport 53 drop\n\nmeta l4proto { tcp, udp } th sport 53 drop",
    ),
    ("`ip frag-off`", Modelled, "ip frag-off & 0x1fff != 0 drop\n\nfrag more-fragments 1 drop"),
    ("`ip6 nexthdr`", Modelled, "exthdr hbh exists ip6 nexthdr tcp drop"),
    (
        "`tcp option X exists`",
        Cond,
        "tcp option sack-perm exists drop\n\ntcp option sack-perm missing drop\n\nsctp chunk init exists drop\n\n\
         sctp chunk init missing drop",
    ),
    (
        "`ip option`",
        Forgery,
        "ip option rr exists drop\n\nhbh hdrlength 0 drop\n\nrt type 0 drop\n\nsrh tag 0 drop\n\ndst hdrlength 0 drop\n\n\
         mh type 1 drop",
    ),
    (
        "other header fields",
        Cond,
        "tcp window < 100 drop\n\ntcp option window count 7 drop\n\nvlan id 5 drop",
    ),
    (
        "`@nh`, `@th`",
        Modelled,
        "ip version 4 @nh,96,32 0xc0000201 drop\n\nmeta l4proto tcp @th,16,16 53 drop",
    ),
    ("`@nh`, `@th`", Cond, "@nh,8,8 & 0xfc == 0xb8 drop\n\nmeta l4proto tcp @th,112,16 0 drop"),
    (
        "`meta` mark",
        Modelled,
        "meta mark 5 iifname \"eth*\" oifname \"eth1\" meta l4proto udp meta length < 100 meta pkttype host drop",
    ),
    (
        "`meta` hour",
        Cond,
        "meta hour \"08:00\"-\"18:00\" accept\n\nmeta day \"Monday\" accept\n\nmeta time < \"2030-01-01\" accept",
    ),
    (
        "`meta` users",
        Cond,
        "meta skuid 0 drop\n\nmeta skgid 0 drop\n\nmeta cgroup 1 drop\n\nmeta priority 1:10 drop\n\nmeta iiftype ether drop\n\n\
         meta iifgroup 1 drop",
    ),
    (
        "`ct` state",
        Modelled,
        "ct state { new, invalid } ct mark & 1 == 1 ct direction original ct original ip daddr 192.0.2.1 \
         meta l4proto tcp ct original proto-dst 53 ct status dnat drop\n\nct status snat drop",
    ),
    ("other bits of `ct status`", Cond, "ct status assured drop"),
    (
        "`ct bytes`",
        Rate,
        "ct bytes > 1000000 drop\n\nct packets > 1000 drop\n\nct avgpkt > 1000 drop\n\nct original packets > 1000 drop",
    ),
    ("other keys of `ct`", Cond, "ct zone 1 drop\n\nct expiration 10s drop"),
    (
        "`fib saddr type`",
        Modelled,
        "table ip t { chain c { type filter hook input priority 0; fib daddr type local accept; }; }\n\n\
         table ip t { chain c { type filter hook input priority 0; fib saddr type local accept; }; }\n",
    ),
    (
        "`fib saddr … oif",
        Forgery,
        "fib saddr . iif oif missing drop\n\nfib saddr . iif oif exists accept\n\nfib saddr . iif oif 0 drop\n\n\
         fib saddr . iif check missing drop",
    ),
    (
        "other `fib`",
        Cond,
        "fib daddr oif \"eth0\" drop\n\nrt nexthop 192.0.2.1 drop\n\nsocket transparent 1 drop\n\nosf name \"Linux\" drop\n\n\
         ipsec in reqid 1 drop",
    ),
    ("`numgen`", Cond, "numgen random mod 2 0 drop\n\njhash ip saddr mod 2 0 drop\n\nsymhash mod 2 0 drop"),
    (
        "bit operators",
        Modelled,
        "meta mark & 0xff ^ 0x3 << 1 == 0x2 ip saddr & 255.0.0.1 != 10.0.0.1 drop\n\ntcp flags ! syn drop",
    ),
    ("`!=` twice", Cond, "tcp sport != 22 tcp dport != 23 drop"),
    ("`meta mark set`", Modelled, "meta mark set ct mark & 0xff ct mark set 0x5 accept"),
    ("other fields set", Modelled, "ip dscp set ef ip ttl set 5\n\n@th,16,16 set 53"),
    (
        "`reject`",
        Modelled,
        "reject with icmpx admin-prohibited\n\n\
         table netdev t { chain c { type filter hook ingress device \"lo\" priority 0; reject; }; }\n",
    ),
    (
        "`snat`, `dnat`",
        Modelled,
        "table ip t { chain c { type nat hook prerouting priority dstnat; tcp dport 80 dnat to 192.0.2.1:8080; \
         dnat to ip saddr map { 192.0.2.7 : 192.0.2.8 }; redirect; }; }\n\n\
         table ip t { chain c { type nat hook postrouting priority srcnat; tcp dport 80 snat to 192.0.2.1-192.0.2.9; \
         masquerade random; }; }\n",
    ),
    (
        "`ct helper set`",
        Modelled,
        "table t { ct helper h { type \"sip\" protocol udp; }\n\
         chain c { type filter hook prerouting priority 0; udp dport 5060 ct helper set \"h\"; }; }\n",
    ),
    (
        "`ct helper set`",
        NoEffect(
            "table t { chain c { type filter hook prerouting priority raw; udp dport 5060 counter; }; }\n",
        ),
        "table t { ct helper h { type \"sip\" protocol udp; }\n\
         chain c { type filter hook prerouting priority raw; udp dport 5060 ct helper set \"h\"; }; }\n",
    ),
    (
        "`notrack`",
        Modelled,
        "table t { chain c { type filter hook prerouting priority raw; udp dport 53 notrack; }; }\n",
    ),
    (
        "`queue`",
        Undefined,
        "tcp dport 22 queue num 1\n\ntcp dport 22 synproxy mss 1460\n\n\
         table netdev t { chain c { type filter hook ingress device \"eth0\" priority 0; fwd to \"eth1\"; }; }\n",
    ),
    (
        "`tproxy`",
        Cond,
        "table ip t { chain c { type filter hook prerouting priority mangle; tcp dport 80 tproxy to :8080 accept; }; }\n",
    ),
    (
        "`flow add`",
        Cond,
        "table t { flowtable f { hook ingress priority 0; devices = { eth0 }; }\n\
         chain c { type filter hook forward priority 0; flow add @f drop; }; }\n",
    ),
    (
        "`counter`, `log`",
        NoEffect("tcp dport 22 accept"),
        "tcp dport 22 counter log prefix \"x\" accept\n\ntcp dport 22 last accept\n\ntcp dport 22 dup to 192.0.2.9 accept\n\n\
         tcp dport 22 meta secmark set \"guarded\" accept\n\n\
         tcp dport 22 ct expectation set \"awaited\" accept",
    ),
    (
        "`ct timeout`",
        NoEffect("table t { chain c { type filter hook forward priority 0; udp dport 5060 accept; }; }\n"),
        "table t { ct timeout u { protocol udp; policy = { unreplied : 10, replied : 30 }; }\n\
         ct timeout e { protocol tcp; policy = { established : 60 }; }\n\
         chain c { type filter hook forward priority 0; udp dport 5060 ct timeout set \"u\" accept; }; }\n",
    ),
    (
        "`xt`",
        Cond,
        "{\"nftables\": [{\"table\": {\"family\": \"ip\", \"name\": \"t\"}}, \
         {\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\", \"type\": \"filter\", \
         \"hook\": \"input\", \"prio\": 0, \"policy\": \"drop\"}}, \
         {\"rule\": {\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \
         \"expr\": [{\"xt\": {\"type\": \"match\", \"name\": \"conntrack\"}}, {\"accept\": null}]}}]}",
    ),
];

const OBJECTS: &str = "set late { type ipv4_addr; flags timeout; }\nset free { type ipv4_addr; flags dynamic; }\n\
                       map moved { type ipv4_addr : verdict; flags timeout; }\nlimit slow { rate 5/second; }\n\
                       quota much { over 10 mbytes; }\nsecmark guarded { \"x\"; }\n\
                       ct expectation awaited { protocol udp; dport 9876; timeout 1m; size 12; }\nchain other { accept; }";

fn read(text: &str) -> Loaded {
    let whole = ["table ", "add ", "list ", "reset ", "monitor\n", "export ", "define ", "include ", "{"]
        .iter()
        .any(|word| text.starts_with(word));
    let text = match whole {
        true => text.to_string(),
        false => format!(
            "table inet t {{\n{OBJECTS}\nchain c {{\ntype filter hook forward priority 0; policy drop;\n{text}\n}}\n}}\n"
        ),
    };
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.into_bytes()).unwrap();
    let own = OwnAddress { interface: "eth0".into(), family: Family::V4, address: 0xc000_0201, prefix: 32 };
    load(Dialect::Nftables, &mut sources, &[id], &Environment { own: vec![own], ..Environment::default() })
}

#[test]
fn each_row_has_an_example_and_is_true() {
    let table = Table::of("nftables");
    let starts: Vec<&str> = ROWS.iter().map(|(start, ..)| *start).collect();
    table.is_covered_by(&starts);
    let (mut shown, mut words) = (Vec::new(), Vec::new());
    for (start, support, text) in ROWS {
        table.said_of(start);
        for text in text.split("\n\n") {
            holds(start, *support, text);
            let loaded = read(text);
            words.push((*start, support.words(&loaded.ruleset)));
            shown.push((*start, told(text, &loaded)));
        }
    }
    table.is_shown_by(&shown);
    let vocabulary = ["modelled", "condition", "rate", "forgery", "no effect", "nobody knows"];
    table.says_what_is_shown(&vocabulary, &words);
}

fn holds(row: &str, support: Support, text: &str) {
    let loaded = read(text);
    let faults = faults(&loaded);
    if let Finding(code) = support {
        return assert!(faults.contains(&code), "{row}: {faults:?}");
    }
    assert!(faults.is_empty(), "{row}: {:?}", loaded.findings);
    let conditions = &loaded.ruleset.conditions;
    let all = |of: fn(&Condition) -> bool| {
        assert!(!conditions.is_empty() && conditions.iter().all(of), "{row}: {conditions:?}");
    };
    match support {
        Modelled => assert!(conditions.is_empty(), "{row}: {conditions:?}"),
        Cond => all(|condition| !matches!(condition.nature, Nature::Rate { .. } | Nature::Forgery { .. })),
        Rate => all(|condition| matches!(condition.nature, Nature::Rate { .. })),
        Forgery => all(|condition| matches!(condition.nature, Nature::Forgery { .. })),
        Undefined => assert!(is_undefined(&loaded.ruleset), "{row}"),
        NoEffect(without) => {
            let rules = |rules: &Ruleset| -> Vec<Vec<Step>> {
                let chains = rules.chains.iter().flat_map(|chain| &chain.rules);
                chains.map(|rule| rules.steps_of(rule).to_vec()).collect()
            };
            let without = if without.is_empty() { read("add table inet t\n") } else { read(without) };
            assert_eq!(rules(&loaded.ruleset), rules(&without.ruleset), "{row}");
        }
        Finding(_) => {}
    }
}
