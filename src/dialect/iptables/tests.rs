//! The pitfalls of the language, each as a config and what becomes of packets.

use super::*;
use crate::analysis::{Trip, interpret};
use crate::model::{Effect, NatAddr, OwnAddress, Reply, Ruleset, Step, Verdict, Way};
use crate::packet::{Field, Packet, State, Value, interface, proto};

pub(super) fn load_text(text: &str, env: &Environment) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("edge.rules", text.as_bytes().to_vec()).unwrap();
    load(&mut sources, &[id], env)
}

/// Reads rules of `*filter` that have to be without fault.
pub(super) fn filter(rules: &str) -> Ruleset {
    table("filter", rules)
}

pub(super) fn table(name: &str, rules: &str) -> Ruleset {
    let loaded = load_text(&format!("*{name}\n{rules}\nCOMMIT\n"), &Environment::default());
    assert_eq!(loaded.findings, [], "{rules}");
    loaded.ruleset
}

/// The codes and messages of the findings about some rules of a table.
pub(super) fn findings_in(name: &str, rules: &str) -> Vec<(&'static str, String)> {
    let loaded = load_text(&format!("*{name}\n{rules}\nCOMMIT\n"), &Environment::default());
    loaded.findings.into_iter().map(|f| (f.code(), f.message)).collect()
}

pub(super) fn codes(name: &str, rules: &str) -> Vec<&'static str> {
    findings_in(name, rules).into_iter().map(|(code, _)| code).collect()
}

/// A packet from 192.0.2.1 to 10.1.2.10, from eth0 to eth1.
pub(super) fn packet(protocol: u8, dport: u16) -> Packet {
    let mut packet = Packet::new(Family::V4, protocol);
    packet.set(Field::Src4, 0xc000_0201);
    packet.set(Field::Dst4, 0x0a01_020a);
    packet.set(Field::Iif, interface("eth0"));
    packet.set(Field::Oif, interface("eth1"));
    packet.set(Field::Sport, 40000);
    packet.set(Field::Dport, dport.into());
    packet.set(Field::TcpFlags, 2);
    packet.set(Field::Ttl, 64);
    packet.set(Field::Ecn, 0);
    packet.set(Field::Dscp, 0);
    packet
}

pub(super) fn tcp(dport: u16) -> Packet {
    packet(proto::TCP, dport)
}

pub(super) fn with(mut packet: Packet, field: Field, value: u128) -> Packet {
    packet.set(field, value);
    packet
}

/// What becomes of a packet: `accept`, `drop`, `reject`, or `depends` with the names of the conditions.
pub(super) fn verdict(rules: &Ruleset, way: Way, packet: Packet) -> String {
    let trip = Trip { packet, way, fwd_oif: None, loopback: false };
    let ends = interpret(rules, &trip, &mut ());
    let word = |verdict| match verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject(_) => "reject",
    };
    let first = word(ends[0].verdict);
    if ends.iter().all(|end| word(end.verdict) == first) {
        return first.to_string();
    }
    let mut names: Vec<String> =
        ends.iter().flat_map(|end| end.conds.iter()).map(|cond| cond.name(rules)).collect();
    names.sort_unstable();
    names.dedup();
    format!("depends: {}", names.join(", "))
}

pub(super) fn input(rules: &str, packet: Packet) -> String {
    verdict(&filter(rules), Way::Input, packet)
}

#[test]
fn user_chains_return_and_built_in_ones_fall_to_the_policy() {
    let rules =
        ":INPUT DROP [0:0]\n:C - [0:0]\n-A INPUT -j C\n-A INPUT -p tcp -j ACCEPT\n-A C -p udp -j RETURN";
    assert_eq!(input(rules, tcp(80)), "accept");
    assert_eq!(input(":INPUT DROP [0:0]\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT", tcp(80)), "drop");
    let goto = ":INPUT DROP [0:0]\n:C - [0:0]\n-A INPUT -g C\n-A INPUT -j ACCEPT";
    assert_eq!(input(goto, tcp(80)), "drop", "a goto does not come back");
}

#[test]
fn a_rule_without_target_and_log_and_mark_decide_nothing() {
    let rules = ":INPUT DROP [0:0]\n-A INPUT -p tcp\n-A INPUT -j LOG --log-prefix \"x -j DROP\"\n-A INPUT -j MARK --set-mark 1\n-A INPUT -m mark --mark 1 -j ACCEPT";
    assert_eq!(input(rules, tcp(80)), "accept");
}

#[test]
fn raw_and_mangle_come_before_filter() {
    let text = "*raw\n-A PREROUTING -p tcp --dport 80 -j DROP\nCOMMIT\n*filter\n-A INPUT -j ACCEPT\nCOMMIT\n";
    let rules = load_text(text, &Environment::default()).ruleset;
    assert_eq!(verdict(&rules, Way::Input, tcp(80)), "drop");
    assert_eq!(verdict(&rules, Way::Input, tcp(81)), "accept");
}

#[test]
fn filter_sees_the_translated_port() {
    let text = "*nat\n-A PREROUTING -p tcp --dport 11999 -j REDIRECT --to-ports 12999\nCOMMIT\n\
                *filter\n-A INPUT -p tcp --dport 11999 -j DROP\n-A FORWARD -j DROP\nCOMMIT\n";
    let rules = load_text(text, &Environment::default()).ruleset;
    assert_eq!(verdict(&rules, Way::Forward, tcp(11999)), "accept", "it goes to the box now");
    assert_eq!(verdict(&rules, Way::Forward, tcp(12000)), "drop");
}

#[test]
fn redirect_goes_to_loopback_from_the_box_itself() {
    let rules = table("nat", ":X - [0:0]\n-A PREROUTING -j X\n-A OUTPUT -j X\n-A X -p tcp -j REDIRECT");
    let trip = Trip { packet: tcp(80), way: Way::Output, fwd_oif: None, loopback: false };
    let ends = interpret(&rules, &trip, &mut ());
    assert!(ends.iter().all(|end| end.packet.get(Field::Dst4) == Value::Known(0x7f00_0001)));
}

#[test]
fn a_negated_port_says_nothing_of_other_protocols() {
    let rules = "-A INPUT -p tcp -m tcp ! --dport 80 -j DROP";
    assert_eq!(input(rules, tcp(81)), "drop");
    assert_eq!(input(rules, tcp(80)), "accept");
    assert_eq!(input(rules, packet(proto::UDP, 81)), "accept");
    let found = findings_in("filter", "-A INPUT ! -p tcp -m tcp --dport 80 -j DROP");
    assert_eq!(found[0].0, "PH004");
    let other =
        load_text("*filter\n-A INPUT ! -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n", &Environment::default());
    assert_eq!(verdict(&other.ruleset, Way::Input, packet(proto::UDP, 80)), "drop");
    assert_eq!(verdict(&other.ruleset, Way::Input, tcp(80)), "accept");
    let never = "-A INPUT -p tcp -m tcp ! --dport 0:65535 -j DROP";
    assert_eq!(codes("filter", never), ["PH002"], "the back ends read it in two ways");
    let esp = packet(proto::ESP, 0);
    assert_eq!(
        verdict(&other.ruleset, Way::Input, esp),
        r#"depends: port filter INPUT "bytes of a protocol without ports" 1"#
    );
    let all = ":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp -j ACCEPT";
    assert_eq!(input(all, tcp(5)), "accept", "no port is all ports");
}

#[test]
fn multiport_ports_matches_either_end_and_has_fifteen_slots() {
    let rules = ":INPUT DROP [0:0]\n-A INPUT -p tcp -m multiport --ports 80,1000:2000 -j ACCEPT";
    assert_eq!(input(rules, tcp(80)), "accept");
    assert_eq!(input(rules, with(tcp(5), Field::Sport, 1500)), "accept");
    assert_eq!(input(rules, tcp(5)), "drop");
    let fit = "-A INPUT -p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15 -j DROP";
    assert_eq!(codes("filter", fit), [""; 0]);
    let wide = "-A INPUT -p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16 -j DROP";
    assert_eq!(
        findings_in("filter", wide)[0].1,
        "16 slots, and `multiport` has 15: a port takes one, a range two"
    );
    let ports = "-A INPUT -p tcp -m multiport --dports 5: -j DROP";
    assert_eq!(codes("filter", ports), ["PH004"], "no open ranges here");
}

#[test]
fn numbers_and_ranges_of_ports() {
    let open =
        ":INPUT DROP [0:0]\n-A INPUT -p tcp --dport 1024: -j ACCEPT\n-A INPUT -p tcp --dport 010 -j ACCEPT";
    assert_eq!(input(open, tcp(65535)), "accept");
    assert_eq!(input(open, tcp(1023)), "drop");
    assert_eq!(input(open, tcp(8)), "accept", "octal");
    let turned = findings_in("filter", "-A INPUT -p tcp --dport 65535:1024 -j ACCEPT");
    assert_eq!(turned, [("PH004", "port range `65535:1024` runs from high to low".to_string())]);
    assert_eq!(
        codes("filter", "-A INPUT -p tcp --dport h323hostcall -j ACCEPT"),
        ["PH003"],
        "the machine that loads it may know the name"
    );
    assert_eq!(input(":INPUT DROP [0:0]\n-A INPUT -p tcp --dport https -j ACCEPT", tcp(443)), "accept");
}

#[test]
fn icmp_any_and_protocol_all_match_everything() {
    let ping = with(packet(proto::ICMP, 0), Field::IcmpType, 8);
    let ping = with(ping, Field::IcmpCode, 0);
    assert_eq!(
        input(":INPUT DROP [0:0]\n-A INPUT -p icmp --icmp-type any -j ACCEPT", ping.clone()),
        "accept"
    );
    assert_eq!(input(":INPUT DROP [0:0]\n-A INPUT -p all -j ACCEPT", ping.clone()), "accept");
    assert_eq!(input("-A INPUT -p icmp -m icmp ! --icmp-type 8/1 -j DROP", ping.clone()), "drop");
    assert_eq!(input("-A INPUT -p icmp -m icmp ! --icmp-type 8/0 -j DROP", ping), "accept");
    assert_eq!(
        input(":INPUT DROP [0:0]\n-A INPUT -p 17 --dport 5 -j ACCEPT", packet(proto::UDP, 5)),
        "accept"
    );
}

#[test]
fn host_bits_are_masked_and_odd_masks_are_legal() {
    let rules = "-A INPUT -s 192.5.5.5/8 -d 10.0.0.10/255.0.0.255 -j DROP";
    assert_eq!(input(rules, tcp(80)), "drop");
    assert_eq!(input(rules, with(tcp(80), Field::Dst4, 0x0a01_020b)), "accept");
}

#[test]
fn interface_wildcards_are_prefixes() {
    let rules = "-A FORWARD -i eth+ -o eth1+ -j DROP";
    let rules = filter(rules);
    assert_eq!(verdict(&rules, Way::Forward, with(tcp(1), Field::Oif, interface("eth10"))), "drop");
    assert_eq!(verdict(&rules, Way::Forward, with(tcp(1), Field::Oif, interface("eth2"))), "accept");
    assert_eq!(codes("filter", "-A INPUT -o eth0 -j DROP"), ["PH004"]);
    assert_eq!(codes("nat", "-A POSTROUTING -i eth0 -j ACCEPT"), ["PH004"]);
    assert_eq!(codes("filter", "-A FORWARD -i eth012345678901 -j DROP"), [""; 0]);
    assert_eq!(codes("filter", "-A FORWARD -i eth0123456789012 -j DROP"), ["PH004"]);
}

#[test]
fn syn_looks_at_four_flags() {
    let rules = "-A INPUT -p tcp --syn -j DROP\n-A INPUT -p tcp --tcp-flags ALL NONE -j DROP";
    for (flags, word) in [(2, "drop"), (2 | 32, "drop"), (18, "accept"), (0, "drop"), (16, "accept")] {
        assert_eq!(input(rules, with(tcp(1), Field::TcpFlags, flags)), word, "{flags}");
    }
}

#[test]
fn comments_may_hold_anything() {
    let rules = r#"-A INPUT -p tcp -m comment --comment "-j ACCEPT -p udp \"q\" \\ it\'s" -j DROP"#;
    assert_eq!(input(rules, tcp(1)), "drop");
    assert_eq!(
        input(":-A-p - [0:0]\n-A INPUT -j DROP".trim_start_matches(":-A-p - [0:0]\n"), tcp(1)),
        "drop"
    );
}

#[test]
fn old_negation_is_refused_and_understood() {
    let text = "*filter\n-A INPUT -s ! 192.0.2.0/24 -j DROP\nCOMMIT\n";
    let loaded = load_text(text, &Environment::default());
    assert_eq!(loaded.findings[0].code(), "PH004");
    assert_eq!(loaded.findings[0].help, "Write `! -s 192.0.2.0/24`.");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(1)), "accept");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, with(tcp(1), Field::Src4, 1)), "drop");
}

#[test]
fn a_list_of_addresses_is_several_rules() {
    let loaded = load_text(
        "*filter\n-A INPUT -s 192.0.2.1,192.0.2.9 -d 10.1.2.10,10.1.2.11 -j DROP\nCOMMIT\n",
        &Environment::default(),
    );
    assert_eq!(loaded.ruleset.written, 1);
    assert_eq!(loaded.ruleset.rules(), 4);
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(1)), "drop");
}

#[test]
fn what_does_not_exist_is_said_and_stays_open() {
    let text = "*filter\n-A INPUT -j NOSUCH\n-A NOCHAIN -j DROP\n-A INPUT -m set --match-set bad src -j DROP\nCOMMIT\n";
    let loaded = load_text(text, &Environment::default());
    let codes: Vec<_> = loaded.findings.iter().map(|f| f.code()).collect();
    assert_eq!(codes, ["PH003", "PH003", "PH002"]);
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(1)), "depends: chain NOSUCH, set bad");
}

#[test]
fn limits_and_the_like_are_named() {
    let rules = "-A INPUT -m limit --limit 5/min -j RETURN\n-A INPUT -m recent --name x --rcheck -j DROP";
    let names = "depends: limit filter INPUT \"-m limit --limit 5/min\" 1, recent filter INPUT \"-m recent --name x --rcheck\" 1";
    assert_eq!(input(rules, tcp(1)), names);
    assert_eq!(input("-A INPUT -m recent --name x --set -j DROP", tcp(1)), "drop", "`--set` always holds");
}

#[test]
fn established_first_leaves_new_for_the_rest() {
    let rules = ":INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -m state ! --state INVALID -j RETURN\n-A INPUT -j ACCEPT";
    for (state, word) in [(State::Established, "accept"), (State::New, "drop"), (State::Invalid, "accept")] {
        assert_eq!(input(rules, with(tcp(1), Field::State, state as u128)), word);
    }
    let text = "*raw\n-A PREROUTING -p tcp -j NOTRACK\nCOMMIT\n*filter\n-A INPUT -m state --state NEW,INVALID -j DROP\n-A INPUT -m conntrack --ctstate UNTRACKED -j REJECT\nCOMMIT\n";
    let rules = load_text(text, &Environment::default()).ruleset;
    assert_eq!(verdict(&rules, Way::Input, tcp(1)), "reject", "untracked is neither");
}

#[test]
fn helpers_have_exact_names() {
    let good = "-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931\n-A PREROUTING -p udp --dport 1719 -j CT --helper RAS\n-A PREROUTING -p udp --dport 5060 -j CT --helper sip";
    assert_eq!(table("raw", good).helpers, ["Q.931", "RAS", "sip"]);
    for bad in [
        "-p tcp -j CT --helper h323",
        "-p udp -j CT --helper Q.931",
        "-j CT --helper sip",
        "-p tcp -j CT --helper SIP",
    ] {
        assert_eq!(codes("raw", &format!("-A PREROUTING {bad}")), ["PH004"], "{bad}");
    }
    assert_eq!(codes("filter", "-A INPUT -j CT --notrack"), ["PH004"]);
}

#[test]
fn the_helper_match_is_of_related_flows() {
    let rules = "-A INPUT -m helper --helper sip -j DROP";
    assert_eq!(input(rules, tcp(5060)), "accept", "the signalling itself has no helper's master");
    let related = with(packet(proto::UDP, 20000), Field::State, State::Related as u128);
    assert_eq!(input(rules, related), r#"depends: helper filter INPUT "-m helper --helper sip" 1"#);
}

#[test]
fn a_dump_of_one_family_says_nothing_of_the_other() {
    let four = filter("-A INPUT -j DROP");
    assert_eq!((four.v4, four.v6), (true, false));
    let six = load_text(
        "# Generated by ip6tables-save v1.8.9 on x\n*filter\n-A INPUT -j DROP\nCOMMIT\n",
        &Environment::default(),
    );
    assert_eq!((six.ruleset.v4, six.ruleset.v6), (false, true));
    let forced = Environment { family: Some(Family::V6), ..Environment::default() };
    assert!(load_text("*filter\n-A INPUT -j DROP\nCOMMIT\n", &forced).ruleset.v6);
}

#[test]
fn fragments_are_put_together_before() {
    assert_eq!(input("-A INPUT -f -j DROP", tcp(1)), "accept");
    assert_eq!(input("-A INPUT ! -f -j DROP", tcp(1)), "drop");
}

#[test]
fn tracking_leaves_no_fragment_header() {
    let read = |more: &str| {
        let text = format!("*filter\n-A INPUT -m frag -j DROP\n{more}\nCOMMIT\n");
        load_text(&text, &Environment { family: Some(Family::V6), ..Environment::default() }).ruleset
    };
    let mut packet = Packet::new(Family::V6, proto::UDP);
    packet.set(Field::Ext, crate::packet::ext::FRAG | crate::packet::ext::PROTO);
    assert_eq!(verdict(&read(""), Way::Input, packet.clone()), "drop");
    assert_eq!(verdict(&read("-A INPUT -m state --state NEW"), Way::Input, packet), "accept");
}

#[test]
fn a_second_restore_flushes_the_table() {
    let text =
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -j DROP\nCOMMIT\n*filter\n-A INPUT -p udp -j DROP\nCOMMIT\n";
    let loaded = load_text(text, &Environment::default());
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(1)), "accept");
    assert_eq!(loaded.findings[0].code(), "PH002");
    assert_eq!((loaded.ruleset.written, loaded.ruleset.rules()), (2, 2), "no rule is lost");
}

#[test]
fn a_circle_of_jumps_is_found_where_packets_come() {
    let circle = ":A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A\n";
    assert_eq!(codes("filter", circle), [""; 0], "nobody gets there");
    assert_eq!(codes("filter", &format!("{circle}-A INPUT -j A")), ["PH004"]);
}

#[test]
fn targets_have_their_hooks() {
    let inner = ":X - [0:0]\n-A PREROUTING -j X\n-A X -j MASQUERADE";
    assert_eq!(findings_in("nat", inner)[0].1, "target `MASQUERADE` does not work in PREROUTING");
    assert_eq!(codes("filter", "-A FORWARD -j MASQUERADE"), ["PH004", "PH004"]);
    assert_eq!(codes("filter", "-A INPUT -m owner --uid-owner 0 -j DROP"), ["PH004"]);
    assert_eq!(codes("nat", "-A PREROUTING -j DROP"), ["PH004"]);
}

#[test]
fn reject_has_its_reply() {
    for (option, reply) in [
        ("", Reply::Icmp { kind: 3, code: 3 }),
        (" --reject-with icmp-host-prohibited", Reply::Icmp { kind: 3, code: 10 }),
        (" --reject-with tcp-reset", Reply::TcpReset),
    ] {
        let rules = filter(&format!("-A INPUT -p tcp -j REJECT{option}"));
        let trip = Trip { packet: tcp(1), way: Way::Input, fwd_oif: None, loopback: false };
        assert_eq!(interpret(&rules, &trip, &mut ())[0].verdict, Verdict::Reject(reply));
    }
    assert_eq!(codes("filter", "-A INPUT -p udp -j REJECT --reject-with tcp-reset"), ["PH004"]);
}

#[test]
fn translations_name_the_new_address() {
    let rules = table(
        "nat",
        "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.9.9:8080\n-A POSTROUTING -s 192.0.2.0/24 -j NETMAP --to 198.51.100.0/24",
    );
    let mut rules = rules;
    rules.own =
        vec![OwnAddress { interface: "eth0".into(), family: Family::V4, address: 0xc000_02fe, prefix: 24 }];
    let trip = Trip { packet: tcp(80), way: Way::Forward, fwd_oif: None, loopback: false };
    let end = &interpret(&rules, &trip, &mut ())[0];
    assert_eq!(end.packet.get(Field::Dst4), Value::Known(0x0a09_0909));
    assert_eq!(end.packet.get(Field::Dport).known(), Some(8080));
    assert_eq!(end.packet.src(), Some(0xc633_6401), "the host part stays");
}

#[test]
fn connection_options_are_passed_over_without_a_connection() {
    let rules = "-A INPUT -m conntrack --ctstate INVALID,NEW --ctproto udp -j DROP";
    assert_eq!(input(rules, with(tcp(1), Field::State, State::Invalid as u128)), "drop");
    assert_eq!(input(rules, tcp(1)), "accept");
    assert_eq!(input(rules, packet(proto::UDP, 1)), "drop");
    assert_eq!(
        input("-A INPUT -m conntrack --ctdir ORIGINAL -j DROP", with(tcp(1), Field::State, 0)),
        "accept"
    );
}

#[test]
fn address_types_need_the_boxs_addresses() {
    let text = "*filter\n-A INPUT -m addrtype --dst-type LOCAL -j DROP\nCOMMIT\n";
    let unknown = load_text(text, &Environment::default()).ruleset;
    assert_eq!(verdict(&unknown, Way::Input, tcp(1)), "drop", "it has come to the input hook");
    let last = with(tcp(1), Field::Dst4, 0x0a01_020f);
    assert_eq!(
        verdict(&unknown, Way::Input, last),
        "depends: the firewall's own addresses",
        "or a broadcast one"
    );
    let forward = filter("-A FORWARD -m addrtype --dst-type LOCAL -j DROP");
    assert_eq!(verdict(&forward, Way::Forward, tcp(1)), "depends: the firewall's own addresses");
    let both = filter("-A INPUT -m addrtype ! --dst-type LOCAL,BROADCAST -j DROP");
    assert_eq!(verdict(&both, Way::Input, with(tcp(1), Field::Dst4, 0x0a01_020f)), "accept");
    assert_eq!(verdict(&unknown, Way::Input, with(tcp(1), Field::Dst4, 0xe000_0129)), "accept");
    let own = OwnAddress { interface: "eth1".into(), family: Family::V4, address: 0x0a01_020a, prefix: 24 };
    let known = load_text(text, &Environment { own: vec![own], ..Environment::default() }).ruleset;
    assert_eq!(verdict(&known, Way::Input, tcp(1)), "drop");
    assert_eq!(verdict(&known, Way::Input, with(tcp(1), Field::Dst4, 0x0a01_02ff)), "accept");
}

#[test]
fn what_is_translated_to_a_group_is_not_forwarded() {
    let text = "*nat\n-A PREROUTING -p tcp -m tcp --dport 1 -j DNAT --to-destination 224.0.0.5\nCOMMIT\n\
                *filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
    let own = OwnAddress { interface: "eth1".into(), family: Family::V4, address: 0x0a01_020a, prefix: 24 };
    let rules = load_text(text, &Environment { own: vec![own], ..Environment::default() }).ruleset;
    assert_eq!(verdict(&rules, Way::Forward, tcp(1)), "drop");
    assert_eq!(verdict(&rules, Way::Forward, tcp(2)), "accept");
}

#[test]
fn sets_are_looked_up_in_the_saved_contents() {
    let sets = "create nets hash:net family inet\nadd nets 192.0.0.0/8\nadd nets 192.0.2.0/24 nomatch\nadd nets 192.0.2.1\n\
                create web hash:ip,port family inet\nadd web 10.1.2.10,tcp:80\n\
                create far hash:net,iface\nadd far 192.0.0.0/8,eth0\nadd far 192.0.2.0/24,eth5\n\
                create old hash:ip timeout 60\nadd old 192.0.2.1 timeout 5\n";
    let run = |rule: &str, packet: Packet| {
        let mut sources = SourceMap::new();
        let file = sources
            .add("edge.rules", format!("*filter\n-A INPUT {rule} -j DROP\nCOMMIT\n").into_bytes())
            .unwrap();
        let saved = sources.add("sets", sets.as_bytes().to_vec()).unwrap();
        let loaded =
            load(&mut sources, &[file], &Environment { ipsets: vec![saved], ..Environment::default() });
        verdict(&loaded.ruleset, Way::Input, packet)
    };
    assert_eq!(run("-m set --match-set nets src", tcp(80)), "drop");
    assert_eq!(run("-m set --match-set nets src", with(tcp(80), Field::Src4, 0xc000_0202)), "accept");
    assert_eq!(run("-m set --match-set web dst,dst", tcp(80)), "drop");
    assert_eq!(run("-m set ! --match-set web dst,dst", tcp(81)), "drop");
    let esp = packet(proto::ESP, 0);
    assert_eq!(run("-m set ! --match-set web dst,dst", esp), "drop", "what has no port is not in it");
    assert_eq!(run("-m set --match-set web dst", tcp(80)), "accept", "too few sides");
    assert_eq!(
        run("-m set --match-set far src,src", tcp(80)),
        "accept",
        "the longer network has another interface"
    );
    assert_eq!(run("-m set --match-set far src,src", with(tcp(80), Field::Src4, 0xc000_0501)), "drop");
    assert_eq!(run("-m set --match-set old src", tcp(80)), "depends: set old");
    assert_eq!(run("-m set --match-set old src", with(tcp(80), Field::Src4, 1)), "accept");
}

#[test]
fn unknown_modules_stay_as_conditions() {
    let text = "*filter\n-A INPUT -m geoip --src-cc A1,A2 -p tcp --dport 80 -j DROP\n-A INPUT -p udp -j TARPIT --honeypot\nCOMMIT\n";
    let loaded = load_text(text, &Environment::default());
    let codes: Vec<_> = loaded.findings.iter().map(|f| f.code()).collect();
    assert_eq!(codes, ["PH002", "PH002"]);
    assert_eq!(
        verdict(&loaded.ruleset, Way::Input, tcp(80)),
        r#"depends: geoip filter INPUT "-m geoip --src-cc A1,A2" 1"#
    );
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(81)), "accept");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, packet(proto::UDP, 1)), "depends: target TARPIT");
}

#[test]
fn an_error_costs_one_statement() {
    let text =
        "*filter\n:INPUT DROP [0:0]\n-A INPUT --nosuch 5 -j ACCEPT\nrubbish\n-A INPUT -p tcp -j ACCEPT\n";
    let loaded = load_text(text, &Environment::default());
    let codes: Vec<_> = loaded.findings.iter().map(|f| f.code()).collect();
    assert_eq!(codes, ["PH001", "PH001", "PH001", "PH004"], "the last is the missing COMMIT");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(1)), "accept");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, packet(proto::UDP, 1)), "depends: --nosuch 5");
}

#[test]
fn bad_input_is_survived() {
    let long = format!("*filter\n-A INPUT {} -j DROP\nCOMMIT\n", "-m comment --comment x ".repeat(100_000));
    let deep: String = (0..20_000).map(|i| format!(":C{i} - [0:0]\n")).collect();
    let jumps: String = (0..19_999).map(|i| format!("-A C{i} -j C{}\n", i + 1)).collect();
    let deep = format!("*filter\n{deep}{jumps}-A INPUT -j C0\nCOMMIT\n");
    for text in [
        "",
        "*",
        "*filter",
        ":",
        "*filter\n:",
        "*filter\n-A",
        "\0\0",
        "[",
        "*filter\n[1:2",
        "-A INPUT -j \"",
        &long,
        &deep,
    ] {
        load_text(text, &Environment::default());
    }
    let raised = "iptables -I INPUT -j DROP\n".repeat(20_000);
    assert_eq!(load_text(&raised, &Environment::default()).ruleset.rules(), 20_000);
}

#[test]
fn a_listing_is_read_as_the_dump_that_it_shows() {
    let text = "Chain INPUT (policy DROP 0 packets, 0 bytes)\n\
num   pkts bytes target     prot opt in     out     source               destination         \n\
1        0     0 ACCEPT     0    --  lo     *       0.0.0.0/0            0.0.0.0/0           \n\
2        0     0 voice      6    --  *      *       0.0.0.0/0            0.0.0.0/0            tcp dpt:5061\n\n\
Chain voice (1 references)\n\
num   pkts bytes target     prot opt in     out     source               destination         \n\
1        0     0 ACCEPT     0    --  *      *       192.0.2.0/24         0.0.0.0/0           \n\n\
Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)\n\
num   pkts bytes target     prot opt in     out     source               destination         \n\n\
Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)\n\
num   pkts bytes target     prot opt in     out     source               destination         \n\
1        0     0 MASQUERADE  0    --  *      eth0    0.0.0.0/0            0.0.0.0/0           \n";
    let loaded = load_text(text, &Environment::default());
    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.ruleset.rules(), 4);
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(5061)), "accept");
    assert_eq!(verdict(&loaded.ruleset, Way::Input, tcp(5060)), "drop");
    let nat = &loaded.ruleset.chains.iter().find(|chain| chain.name == "nat POSTROUTING").unwrap().rules;
    assert_eq!(nat.len(), 1);
    let short = "Chain INPUT (policy DROP)\ntarget     prot opt source               destination\n\
                 ACCEPT     all  --  anywhere             anywhere\n";
    let loaded = load_text(short, &Environment::default());
    assert_eq!(loaded.findings[0].code(), "PH002");
    assert_eq!(
        verdict(&loaded.ruleset, Way::Input, tcp(1)),
        "depends: listing filter INPUT \"interfaces\" 1"
    );
}

#[test]
fn tables_that_are_listed_one_after_the_other_stay_apart() {
    let columns =
        "    pkts      bytes target     prot opt in     out     source               destination         \n";
    let chain = |name: &str| format!("Chain {name} (policy ACCEPT 0 packets, 0 bytes)\n{columns}\n");
    let rule = |to: &str| {
        format!("       0        0 DROP       6    --  *      *       {to}            {to}            \n")
    };
    // The built-in chains of a table come in the order of the hooks; a family begins a table.
    let four =
        chain("INPUT") + &rule("0.0.0.0/0") + &chain("OUTPUT") + &chain("PREROUTING") + &chain("OUTPUT");
    let six = chain("INPUT") + &rule("::/0") + &chain("FORWARD") + &chain("OUTPUT");
    let loaded = load_text(&format!("IPV4 (raw):\n{four}\n\nIPV6:\n{six}"), &Environment::default());
    assert_eq!(loaded.findings, []);
    let lengths = |name: &str| {
        let chains = loaded.ruleset.chains.iter().filter(|chain| chain.name == name);
        chains.map(|chain| chain.rules.len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths("filter INPUT"), [1, 1]);
    assert_eq!(lengths("raw PREROUTING"), [0]);
}

/// Source: `nf_nat_redirect_ipv6` of `nf_nat_redirect.c`: for a destination of no scope of its own, any address will do.
#[test]
fn redirect_takes_the_link_local_address_where_there_is_no_other() {
    let own = |interface: &str, address: &str, prefix| {
        let (family, address) = Family::of(address.parse().unwrap());
        OwnAddress { interface: interface.into(), family, address, prefix }
    };
    let env = Environment {
        own: vec![own("eth0", "fe80::1", 64), own("eth1", "fe80::2", 64), own("eth1", "2001:db8::2", 64)],
        ..Environment::default()
    };
    let mut sources = SourceMap::new();
    let text = "*nat\n-A PREROUTING -p udp -j REDIRECT --to-ports 53\nCOMMIT\n";
    let id = sources.add("rules.v6", text.as_bytes().to_vec()).unwrap();
    let rules = load(&mut sources, &[id], &env).ruleset;
    let to = |address: &str| {
        let (family, address) = Family::of(address.parse().unwrap());
        NatAddr::Pool(family, address, address)
    };
    for address in ["fe80::1", "fe80::2", "2001:db8::2"] {
        assert!(rules.nats.iter().any(|nat| nat.addr == to(address)), "{address}");
    }
    let drops = |step: &Step| matches!(step, Step::Effect(Effect::Verdict(Verdict::Drop)));
    // Only for destinations whose scope no address has.
    assert_eq!(rules.steps.iter().filter(|step| drops(step)).count(), 1);
}
