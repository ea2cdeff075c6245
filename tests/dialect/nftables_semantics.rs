//! What an nftables ruleset means, packet by packet: each test is a sentence of nft(8) or a fact of the kernel.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use pinhole::analysis::{Outcome, Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{OwnAddress, Reply, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, State, interface, proto};
use pinhole::source::SourceMap;

fn environment() -> Environment {
    let own = |interface: &str, address: &str, prefix| {
        let (family, address) = Family::of(address.parse().unwrap());
        OwnAddress { interface: interface.into(), family, address, prefix }
    };
    let own = vec![own("eth0", "198.51.100.1", 24), own("eth1", "10.1.2.1", 24)];
    Environment { own, ..Environment::default() }
}

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &environment())
}

/// A ruleset of one base chain of the family `inet`, with more of the table in front.
fn chain(hook: &str, policy: &str, before: &str, rules: &str) -> Loaded {
    let loaded = read(&format!(
        "table inet t {{\n{before}\nchain c {{\ntype filter hook {hook} priority 0; policy {policy};\n{rules}\n}}\n}}\n"
    ));
    let wrong: Vec<_> = loaded.findings.iter().filter(|f| f.code() < "PH1" && f.code() != "PH002").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    loaded
}

/// A packet through the box, from eth0 to eth1.
fn packet(protocol: u8, src: &str, dst: &str, dport: u16) -> Packet {
    let (family, src) = Family::of(src.parse().unwrap());
    let (_, dst) = Family::of(dst.parse().unwrap());
    let mut packet = Packet::new(family, protocol);
    for (field, value) in [
        (Field::src(family), src),
        (Field::dst(family), dst),
        (Field::Iif, interface("eth0")),
        (Field::Oif, interface("eth1")),
        (Field::Sport, 40000),
        (Field::Dport, dport.into()),
        (Field::TcpFlags, 2),
        (Field::Ttl, 64),
        (Field::Dscp, 0),
        (Field::Length, 60),
        (Field::Ext, 128),
    ] {
        packet.set(field, value);
    }
    packet
}

fn tcp(dport: u16) -> Packet {
    packet(proto::TCP, "203.0.113.5", "10.1.2.10", dport)
}

fn udp(dport: u16) -> Packet {
    packet(proto::UDP, "203.0.113.5", "10.1.2.10", dport)
}

fn tcp6(dport: u16) -> Packet {
    packet(proto::TCP, "2001:db8::5", "2001:db8:1::10", dport)
}

fn ping() -> Packet {
    let mut packet = packet(proto::ICMP, "203.0.113.5", "10.1.2.10", 0);
    packet.set(Field::IcmpType, 8);
    packet.set(Field::IcmpCode, 0);
    packet
}

fn with(mut packet: Packet, field: Field, value: u128) -> Packet {
    packet.set(field, value);
    packet
}

fn ends(loaded: &Loaded, packet: &Packet, way: Way) -> Vec<Outcome> {
    let trip = Trip { packet: packet.clone(), way, fwd_oif: None, loopback: false };
    interpret(&loaded.ruleset, &trip, &mut ())
}

/// `accept`, `drop`, `reject`, or `depends`.
fn verdict(loaded: &Loaded, packet: Packet, way: Way) -> &'static str {
    let word = |outcome: &Outcome| match outcome.verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject(_) => "reject",
    };
    let ends = ends(loaded, &packet, way);
    let first = word(&ends[0]);
    if ends.iter().all(|end| word(end) == first) { first } else { "depends" }
}

/// Holds each packet against the verdict that it gets in the forward chain.
fn forward(before: &str, rules: &str, policy: &str, cases: &[(Packet, &str)]) {
    let loaded = chain("forward", policy, before, rules);
    for (packet, want) in cases {
        assert_eq!(verdict(&loaded, packet.clone(), Way::Forward), *want, "{rules}: {packet:?}");
    }
}

#[test]
fn accept_ends_its_own_base_chain_only() {
    let two = |policy: &str| {
        read(&format!(
            "table inet a {{ chain c {{ type filter hook forward priority -10; tcp dport 80 accept; }}; }}
             table inet b {{ chain c {{ type filter hook forward priority 0; policy {policy}; }}; }}"
        ))
    };
    assert_eq!(verdict(&two("drop"), tcp(80), Way::Forward), "drop");
    assert_eq!(verdict(&two("accept"), tcp(80), Way::Forward), "accept");
}

#[test]
fn of_one_priority_the_chain_made_last_runs_first() {
    let loaded = read(
        "table inet a {
            chain first { type filter hook forward priority 0; meta mark 1 drop; meta mark set 2; }
            chain second { type filter hook forward priority 0; meta mark 2 drop; meta mark set 1; }
        }",
    );
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "drop");
    let rule = ends(&loaded, &tcp(80), Way::Forward)[0].decider;
    let chain = &loaded.ruleset.chains[0];
    assert_eq!(rule.span(&loaded.ruleset), Some(chain.rules[0].span()), "the first chain drops");
}

#[test]
fn a_chain_without_a_hook_is_not_traversed() {
    let loaded = read("table inet t { chain c { drop; }; }");
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "accept");
}

#[test]
fn without_a_policy_what_no_rule_decides_is_accepted() {
    let loaded =
        read("table inet t { chain c { type filter hook forward priority 0; tcp dport 81 drop; }; }");
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "accept");
    let loaded = read("table inet t { chain c { type filter hook forward priority 0\npolicy drop\n}; }");
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "drop");
}

#[test]
fn return_and_goto_end_at_the_policy_and_jump_comes_back() {
    let sub = "chain s { tcp dport 81 accept; }";
    forward(sub, "jump s\naccept", "drop", &[(tcp(80), "accept")]);
    forward(sub, "goto s\naccept", "drop", &[(tcp(80), "drop"), (tcp(81), "accept")]);
    forward("", "return\naccept", "drop", &[(tcp(80), "drop")]);
    forward("chain s { return; drop; }", "jump s\naccept", "drop", &[(tcp(80), "accept")]);
}

#[test]
fn a_negated_list_of_states_holds_always_and_a_set_does_not() {
    let established = with(tcp(80), Field::State, State::Established as u128);
    forward("", "ct state != established,related drop", "accept", &[(established.clone(), "drop")]);
    forward("", "ct state != { established, related } drop", "accept", &[(established.clone(), "accept")]);
    for rule in ["ct state established,related accept", "ct state { established, related } accept"] {
        forward("", rule, "drop", &[(established.clone(), "accept"), (tcp(80), "drop")]);
    }
}

#[test]
fn tcp_flags_are_a_bit_test_without_an_operator_and_exact_with_one() {
    let syn_ack = with(tcp(80), Field::TcpFlags, 0x12);
    let fin = with(tcp(80), Field::TcpFlags, 0x11);
    for (rule, want) in [
        ("tcp flags syn drop", ["drop", "drop", "accept"]),
        ("tcp flags == syn drop", ["drop", "accept", "accept"]),
        ("tcp flags { syn } drop", ["drop", "accept", "accept"]),
        ("tcp flags & (fin|syn|rst|ack) == syn drop", ["drop", "accept", "accept"]),
        ("tcp flags syn / syn,ack drop", ["drop", "accept", "accept"]),
        ("tcp flags syn,fin drop", ["drop", "drop", "drop"]),
        ("tcp flags ! syn drop", ["accept", "accept", "drop"]),
        ("tcp flags != syn drop", ["accept", "drop", "drop"]),
    ] {
        forward(
            "",
            rule,
            "accept",
            &[(tcp(80), want[0]), (syn_ack.clone(), want[1]), (fin.clone(), want[2])],
        );
    }
}

#[test]
fn a_port_of_tcp_says_nothing_of_udp_even_negated() {
    forward(
        "",
        "tcp dport != { 80 } drop",
        "accept",
        &[(tcp(81), "drop"), (tcp(80), "accept"), (udp(81), "accept")],
    );
}

#[test]
fn th_reads_the_bytes_of_every_protocol() {
    forward("", "th dport 0-65535 drop", "accept", &[(tcp(80), "drop"), (ping(), "drop")]);
    forward("", "th dport 53 drop", "accept", &[(udp(53), "drop"), (udp(54), "accept"), (ping(), "depends")]);
    forward(
        "",
        "meta l4proto { tcp, udp } th dport 53 drop",
        "accept",
        &[(udp(53), "drop"), (ping(), "accept")],
    );
}

#[test]
fn addresses_imply_their_family() {
    forward("", "ip saddr != 10.0.0.0/8 drop", "accept", &[(tcp(80), "drop"), (tcp6(80), "accept")]);
    forward("", "ip6 saddr 2001:db8::/32 drop", "accept", &[(tcp(80), "accept"), (tcp6(80), "drop")]);
    forward("", "icmp type echo-request drop", "accept", &[(ping(), "drop"), (tcp(80), "accept")]);
    let six = read("table ip6 t { chain c { type filter hook forward priority 0; policy drop; }; }");
    assert_eq!(verdict(&six, tcp(80), Way::Forward), "accept", "a table of ip6 never sees IPv4");
}

#[test]
fn nexthdr_is_the_first_header_and_l4proto_the_last() {
    let options = with(tcp6(80), Field::Ext, 128 | 1);
    forward("", "ip6 nexthdr tcp drop", "accept", &[(tcp6(80), "drop"), (options.clone(), "accept")]);
    forward("", "meta l4proto tcp drop", "accept", &[(tcp6(80), "drop"), (options.clone(), "drop")]);
    forward(
        "",
        "exthdr hbh exists drop",
        "accept",
        &[(tcp6(80), "accept"), (options, "drop"), (tcp(80), "accept")],
    );
}

#[test]
fn a_verdict_map_without_a_hit_goes_on_and_a_hit_ends_the_rule() {
    let rules = "tcp dport vmap { 80 : accept, 81-90 : drop, 91 : jump s }\ntcp dport { 79, 91 } accept";
    let cases =
        [(tcp(80), "accept"), (tcp(85), "drop"), (tcp(79), "accept"), (tcp(91), "reject"), (tcp(92), "drop")];
    forward("chain s { reject; }", rules, "drop", &cases);
    let rest = "ip saddr vmap { 203.0.113.0/24 : accept, * : drop }";
    forward(
        "",
        rest,
        "accept",
        &[(tcp(80), "accept"), (packet(proto::TCP, "192.0.2.1", "10.1.2.10", 1), "drop")],
    );
}

#[test]
fn a_rule_ends_where_the_packet_lacks_the_field() {
    forward(
        "",
        "ct mark != 5 drop",
        "accept",
        &[(with(tcp(80), Field::State, State::Invalid as u128), "accept")],
    );
    forward("", "tcp option maxseg size != 1400 drop", "accept", &[(udp(80), "accept")]);
    forward("", "icmp code != 3 drop", "accept", &[(tcp(80), "accept"), (ping(), "drop")]);
}

#[test]
fn sets_and_concatenations_are_exact() {
    let sets = "set a { type ipv4_addr; flags interval; elements = { 203.0.113.0/25, 192.0.2.1-192.0.2.9 }; }
                set s { type ipv4_addr . inet_service; flags interval; elements = { 203.0.113.0/24 . 80-90 }; }";
    forward(sets, "ip saddr @a drop", "accept", &[(tcp(1), "drop")]);
    forward(sets, "ip saddr != @a drop", "accept", &[(tcp(1), "accept"), (tcp6(1), "accept")]);
    let cases = [(tcp(85), "drop"), (tcp(91), "accept"), (udp(85), "accept"), (tcp6(85), "accept")];
    forward(sets, "ip saddr . tcp dport @s drop", "accept", &cases);
    let cases = [(tcp(85), "accept"), (tcp(91), "drop"), (udp(91), "accept"), (tcp6(91), "accept")];
    forward(sets, "ip saddr . tcp dport != @s drop", "accept", &cases);
}

#[test]
fn sets_that_change_at_run_time_are_open() {
    for flags in ["flags dynamic;", "flags timeout;"] {
        let set = format!("set s {{ type ipv4_addr; {flags} }}");
        forward(&set, "ip saddr @s drop", "accept", &[(tcp(80), "depends"), (tcp6(80), "accept")]);
    }
    let updated = "set s { type ipv4_addr; size 100; }\nchain fill { add @s { ip saddr }; }";
    forward(updated, "ip saddr @s drop", "accept", &[(tcp(80), "depends")]);
    forward("set s { type ipv4_addr; }", "ip saddr @s drop", "accept", &[(tcp(80), "accept")]);
}

#[test]
fn history_is_open_both_ways() {
    for rule in ["limit rate 10/second accept", "quota over 10 mbytes accept", "ct count over 3 accept"] {
        forward("", rule, "drop", &[(tcp(80), "depends")]);
    }
    forward("", "limit rate 10/second accept", "accept", &[(tcp(80), "accept")]);
}

#[test]
fn interface_names_end_in_a_wildcard() {
    forward("", "iifname \"eth*\" drop", "accept", &[(tcp(80), "drop")]);
    forward("", "iifname \"eth\" drop", "accept", &[(tcp(80), "accept")]);
    forward("", "oifname != { eth1, lo } drop", "accept", &[(tcp(80), "accept")]);
}

#[test]
fn masks_need_not_be_prefixes() {
    let rule = "ip saddr & 255.0.0.255 == 203.0.0.5 drop";
    forward(
        "",
        rule,
        "accept",
        &[(tcp(80), "drop"), (packet(proto::TCP, "203.0.113.6", "10.1.2.10", 1), "accept")],
    );
}

#[test]
fn ranges_hold_their_ends() {
    let cases = [(tcp(1023), "accept"), (tcp(1024), "drop"), (tcp(65535), "drop")];
    forward("", "tcp dport 1024-65535 drop", "accept", &cases);
    forward(
        "",
        "tcp dport >= 1024 tcp dport <= 2000 drop",
        "accept",
        &[(tcp(2000), "drop"), (tcp(2001), "accept")],
    );
}

#[test]
fn marks_go_from_rule_to_rule_and_into_the_connection() {
    let rules = "meta mark set 0x10\nmeta mark set meta mark or 0x3\nct mark set meta mark & 0x11\nct mark 0x11 meta mark & 0xf == 3 drop";
    forward("", rules, "accept", &[(tcp(80), "drop")]);
    let map = "meta mark set tcp dport map { 80 : 1, 81 : 2 }\nmeta mark 2 drop";
    forward("", map, "accept", &[(tcp(80), "accept"), (tcp(81), "drop"), (tcp(82), "accept")]);
}

#[test]
fn untracked_packets_have_their_own_state() {
    let loaded = read(
        "table inet t {
            chain early { type filter hook prerouting priority raw; udp dport 5060 notrack; }
            chain f { type filter hook forward priority 0; policy accept; ct state untracked drop; }
        }",
    );
    assert_eq!(verdict(&loaded, udp(5060), Way::Forward), "drop");
    assert_eq!(verdict(&loaded, udp(5061), Way::Forward), "accept");
}

#[test]
fn there_is_no_state_before_connection_tracking() {
    let early = |priority: i32| {
        read(&format!(
            "table inet t {{ chain c {{ type filter hook prerouting priority {priority}; ct state new drop; }}; }}"
        ))
    };
    assert_eq!(verdict(&early(-201), tcp(80), Way::Forward), "accept");
    // At its very priority, what was there last runs first: connection tracking comes with the first
    // rule that needs it.
    assert_eq!(verdict(&early(-200), tcp(80), Way::Forward), "drop");
    let late = read(
        "table inet a { chain c { type filter hook forward priority 0; ct state established accept; }; }
         table inet t { chain c { type filter hook prerouting priority -200; ct state new drop; }; }",
    );
    assert_eq!(verdict(&late, tcp(80), Way::Forward), "accept");
    assert_eq!(verdict(&early(-199), tcp(80), Way::Forward), "drop");
}

#[test]
fn translation_comes_at_its_own_place_and_filters_see_what_it_made() {
    let loaded = read(
        "table ip t {
            chain nat { type nat hook prerouting priority 300; tcp dport 80 dnat to 10.1.2.20:8080; }
            chain early { type filter hook prerouting priority -101; tcp dport 8080 drop; }
            chain late { type filter hook forward priority 0; policy drop; ip daddr 10.1.2.20 tcp dport 8080 accept; }
        }",
    );
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "accept");
    assert_eq!(verdict(&loaded, tcp(8080), Way::Forward), "drop");
    let end = &ends(&loaded, &tcp(80), Way::Forward)[0];
    assert_eq!(end.packet.get(Field::Dport).known(), Some(8080));
}

#[test]
fn a_map_gives_the_address_and_a_miss_goes_on() {
    let loaded = read(
        "table ip t { chain n { type nat hook prerouting priority dstnat;
            dnat to tcp dport map { 80 : 10.1.2.20, 443 : 10.1.2.21 }; }; }",
    );
    let leaves = |port| ends(&loaded, &tcp(port), Way::Forward)[0].packet.get(Field::Dst4).known().unwrap();
    assert_eq!(leaves(443), 0x0a01_0215);
    assert_eq!(leaves(22), 0x0a01_020a);
}

#[test]
fn a_translation_of_the_other_family_does_nothing_and_does_not_end_the_chain() {
    let loaded = read(
        "table inet t { chain n { type nat hook prerouting priority dstnat;
            dnat ip to 10.1.2.20; tcp dport 80 drop; }; }",
    );
    assert_eq!(verdict(&loaded, tcp6(80), Way::Forward), "drop");
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "accept");
}

#[test]
fn reject_answers_in_the_family_of_the_packet() {
    let reply = |rules: &str, packet: Packet| {
        let loaded = chain("forward", "accept", "", rules);
        match ends(&loaded, &packet, Way::Forward)[0].verdict {
            Verdict::Reject(reply) => reply,
            other => panic_on(other),
        }
    };
    assert_eq!(reply("reject", tcp(80)), Reply::Icmp { kind: 3, code: 3 });
    assert_eq!(reply("reject", tcp6(80)), Reply::Icmp { kind: 1, code: 4 });
    assert_eq!(reply("reject with icmpx host-unreachable", tcp6(80)), Reply::Icmp { kind: 1, code: 3 });
    assert_eq!(reply("reject with icmp admin-prohibited", tcp(80)), Reply::Icmp { kind: 3, code: 13 });
    assert_eq!(reply("reject with tcp reset", tcp(80)), Reply::TcpReset);
}

#[expect(clippy::panic, reason = "a test fails by a panic")]
fn panic_on(verdict: Verdict) -> Reply {
    panic!("not rejected: {verdict:?}")
}

#[test]
fn a_helper_as_a_match_is_about_connections_that_it_announced() {
    forward("", "ct helper \"sip\" accept", "drop", &[(udp(5060), "drop")]);
    let related = with(udp(20000), Field::State, State::Related as u128);
    forward("", "ct helper \"sip\" accept", "drop", &[(with(related, Field::Direction, 0), "depends")]);
}

#[test]
fn what_is_local_follows_from_the_addresses_of_the_box() {
    let loaded = chain("input", "drop", "", "fib daddr type local accept");
    let to = |dst: &str| packet(proto::TCP, "203.0.113.5", dst, 22);
    assert_eq!(verdict(&loaded, to("10.1.2.1"), Way::Input), "accept");
    assert_eq!(verdict(&loaded, to("192.0.2.1"), Way::Input), "drop");
    assert_eq!(verdict(&loaded, to("224.0.1.41"), Way::Input), "drop");
}

#[test]
fn frames_of_a_device_pass_ingress_first() {
    let loaded = read(
        "table netdev d { chain i { type filter hook ingress device \"eth0\" priority 0; policy drop;
            tcp dport 80 accept; }; }",
    );
    assert_eq!(verdict(&loaded, tcp(80), Way::Forward), "accept");
    assert_eq!(verdict(&loaded, tcp(81), Way::Forward), "drop");
    assert_eq!(verdict(&loaded, with(tcp(81), Field::Iif, interface("eth1")), Way::Forward), "accept");
}

#[test]
fn a_helper_is_given_to_connections_alone() {
    let helped = |chains: &str| {
        let text = format!("table inet t {{ ct helper phones {{ type \"sip\" protocol udp; }}; {chains}; }}");
        let end = ends(&read(&text), &udp(5060), Way::Forward).remove(0);
        end.helper.is_some()
    };
    let early = "chain e { type filter hook prerouting priority -300;";
    let late = "chain l { type filter hook prerouting priority -150;";
    let more = "chain m { udp dport 5060 ct helper set \"phones\"; }";
    assert!(!helped(&format!("{early} udp dport 5060 ct helper set \"phones\"; }}")));
    assert!(helped(&format!("{late} udp dport 5060 ct helper set \"phones\"; }}")));
    assert!(!helped(&format!("{more}; {early} jump m; }}")));
    assert!(helped(&format!("{more}; {late} jump m; }}")));
    assert!(!helped(&format!("{early} ct helper set udp dport map {{ 5060 : \"phones\" }}; }}")));
}

#[test]
fn neighbouring_inequalities_mean_what_the_version_of_nft_says() {
    for rule in
        ["tcp sport != 40000 tcp dport != 80 drop", "tcp dport != { 80 } counter tcp sport != 40000 drop"]
    {
        let loaded = chain("forward", "accept", "", rule);
        let told = |sport: u128, dport| verdict(&loaded, with(tcp(dport), Field::Sport, sport), Way::Forward);
        assert_eq!(told(40000, 80), "accept", "{rule}");
        assert_eq!(told(40001, 81), "drop", "{rule}");
        assert_eq!([told(40001, 80), told(40000, 81)], ["depends"; 2], "{rule}");
    }
    for rule in [
        "tcp sport != 40000 tcp dport { 0-79, 81-65535 } drop",
        "tcp sport != 40000-40001 tcp dport != 80 drop",
        "tcp sport != 40000 ip ttl != 3 tcp dport 1-79 drop",
    ] {
        let loaded = chain("forward", "accept", "", rule);
        assert_eq!(verdict(&loaded, with(tcp(81), Field::Sport, 40000), Way::Forward), "accept", "{rule}");
    }
}

#[test]
fn what_netdev_rejects_on_lo_in_ipv4_is_not_answered() {
    let local = |packet: Packet| with(packet, Field::Iif, interface("lo"));
    let told = |rule: &str, packet: Packet| {
        let loaded = read(&format!(
            "table netdev d {{ chain i {{ type filter hook ingress devices = {{ \"lo\", \"eth0\" }} priority 0;
                jump more; }}; chain more {{ {rule}; }}; }}"
        ));
        verdict(&loaded, packet, Way::Input)
    };
    for rule in ["reject", "tcp dport 80 reject with tcp reset", "reject with icmpx type no-route"] {
        assert_eq!(told(rule, local(tcp(80))), "drop", "{rule}");
        assert_eq!(told(rule, tcp(80)), "reject", "{rule}");
        assert_eq!(told(rule, local(tcp6(80))), "reject", "{rule}");
    }
    assert_eq!(told("tcp dport 80 reject with tcp reset", local(tcp(81))), "accept");
    // The hook of `inet` answers by way of the routes.
    let loaded = read(
        "table inet d { chain i { type filter hook ingress device \"lo\" priority 0; tcp dport 80 reject; }; }",
    );
    assert_eq!(verdict(&loaded, local(tcp(80)), Way::Input), "reject");
}

#[test]
fn tables_of_bridges_and_arp_filter_no_routed_packet() {
    for family in ["bridge", "arp"] {
        let text =
            format!("table {family} t {{ chain c {{ type filter hook input priority 0; policy drop; }}; }}");
        let loaded = read(&text);
        assert_eq!(verdict(&loaded, tcp(80), Way::Input), "accept");
        assert!(loaded.findings.iter().any(|f| f.code() == "PH002"));
    }
}

#[test]
fn a_large_set_is_one_rule() {
    let elements: Vec<String> =
        (0..100_000u32).map(|i| format!("10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255)).collect();
    let set = format!("set s {{ type ipv4_addr; elements = {{ {} }}; }}", elements.join(", "));
    let loaded = chain("forward", "drop", &set, "ip saddr @s accept");
    assert_eq!(loaded.ruleset.rules(), 1);
    assert_eq!(verdict(&loaded, packet(proto::TCP, "10.0.200.7", "10.1.2.10", 1), Way::Forward), "accept");
    assert_eq!(verdict(&loaded, packet(proto::TCP, "10.2.0.1", "10.1.2.10", 1), Way::Forward), "drop");
}
