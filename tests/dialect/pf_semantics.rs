//! What pf.conf means, packet by packet: each test is a sentence of pf.conf(5).

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use super::pf_probe;

use pinhole::model::{Reply, Verdict};
use pinhole::packet::{Field, proto};

use pf_probe::{number, probe, tcp, udp};

#[test]
fn the_last_match_wins_and_quick_ends() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("block all\npass proto tcp to port 80\n"), "pass");
    assert_eq!(web.verdict("pass proto tcp to port 80\nblock all\n"), "drop");
    assert_eq!(web.verdict("pass quick proto tcp to port 80\nblock all\n"), "pass");
    assert_eq!(
        web.verdict("block all\npass quick proto tcp to port 81\nblock quick all\npass all\n"),
        "drop"
    );
}

#[test]
fn no_match_passes_without_state() {
    let outcomes = tcp("192.0.2.7", "10.1.2.10", 80).outcomes("block proto udp all\n");
    assert_eq!(outcomes[0].verdict, Verdict::Accept);
    assert!(!outcomes[0].keeps_state);
}

#[test]
fn forwarded_packets_cross_the_rules_twice() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("block all\npass in on em0\n"), "drop");
    assert_eq!(web.verdict("block all\npass in on em0\npass out on em1\n"), "pass");
    assert_eq!(web.verdict("block all\npass in on em0\npass out on em0\n"), "drop");
    assert_eq!(
        tcp("192.0.2.7", "198.51.100.1", 22).ending_here().verdict("block all\npass in on em0\n"),
        "pass"
    );
    assert_eq!(
        tcp("198.51.100.1", "192.0.2.7", 22)
            .by("em0", "em0")
            .starting_here()
            .verdict("block all\npass out on em0\n"),
        "pass"
    );
}

#[test]
fn state_is_kept_where_both_ways_keep_it() {
    let keeps = |text: &str| tcp("192.0.2.7", "10.1.2.10", 80).outcomes(text)[0].keeps_state;
    assert!(keeps("pass in\npass out\n"));
    assert!(!keeps("pass in no state\npass out\n"));
    assert!(!keeps("pass in\npass out no state\n"));
    assert!(!keeps("pass out\n"));
    let out = |text: &str| {
        tcp("198.51.100.1", "192.0.2.7", 22).by("em0", "em0").starting_here().outcomes(text)[0].keeps_state
    };
    assert!(out("pass out\n"));
    assert!(!out("pass out no state\n"));
}

#[test]
fn stateful_rules_take_first_packets_only() {
    let mid_flow = tcp("192.0.2.7", "10.1.2.10", 80).with(Field::TcpFlags, 16);
    assert_eq!(mid_flow.verdict("block all\npass proto tcp\n"), "drop");
    assert_eq!(mid_flow.verdict("block all\npass\n"), "drop");
    assert_eq!(mid_flow.verdict("block all\npass proto tcp flags any\n"), "pass");
    assert_eq!(mid_flow.verdict("block all\npass proto tcp no state\n"), "pass");
    assert_eq!(mid_flow.verdict("block all\npass proto tcp flags A/A no state\n"), "pass");
    assert_eq!(udp("192.0.2.7", "10.1.2.10", 53).verdict("block all\npass\n"), "pass");
    let established = tcp("192.0.2.7", "10.1.2.10", 80).with(Field::State, 1);
    assert_eq!(established.verdict("block all\n"), "pass");
}

#[test]
fn port_operators_have_their_ends() {
    let passes = |op: &str| -> Vec<u16> {
        let text = format!("block all\npass proto tcp to port {op}\n");
        (1998..=2006).filter(|port| tcp("192.0.2.7", "10.1.2.10", *port).verdict(&text) == "pass").collect()
    };
    assert_eq!(passes("2000:2004"), [2000, 2001, 2002, 2003, 2004]);
    assert_eq!(passes("2000 >< 2004"), [2001, 2002, 2003]);
    assert_eq!(passes("2000 <> 2004"), [1998, 1999, 2005, 2006]);
    assert_eq!(passes("!= 2000"), [1998, 1999, 2001, 2002, 2003, 2004, 2005, 2006]);
    assert_eq!(passes("< 2000"), [1998, 1999]);
    assert_eq!(passes(">= 2005"), [2005, 2006]);
    assert_eq!(passes("{ 1999, > 2005 }"), [1999, 2006]);
}

#[test]
fn negated_lists_match_everything_and_negated_tables_do_not() {
    let from_list = "block all\npass quick from { 10.0.0.0/8, !10.1.2.3 }\n";
    assert_eq!(tcp("192.0.2.7", "10.1.2.10", 80).verdict(from_list), "pass");
    let from_table = "table <t> const { 10.0.0.0/8, !10.1.2.3 }\nblock all\npass quick from <t>\n";
    assert_eq!(tcp("192.0.2.7", "10.1.2.10", 80).verdict(from_table), "drop");
    assert_eq!(tcp("10.1.2.4", "10.1.2.10", 80).verdict(from_table), "pass");
    assert_eq!(tcp("10.1.2.3", "10.1.2.10", 80).verdict(from_table), "drop");
}

#[test]
fn tables_filled_elsewhere_are_not_guessed() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("table <bad> persist\nblock quick from <bad>\npass\n"), "depends");
    assert_eq!(web.verdict("block quick from <never>\npass\n"), "depends");
    assert_eq!(web.verdict("table <none> { }\nblock quick from <none>\npass\n"), "pass");
    let overload = "table <bad> { 1.2.3.4 }\nblock quick from <bad>\n\
        pass in proto tcp keep state (max-src-conn-rate 5/1, overload <bad> flush)\npass out\n";
    assert_eq!(web.verdict(overload), "depends");
}

#[test]
fn block_answers_as_its_policy_says() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("block all\n"), "drop");
    assert_eq!(web.verdict("set block-policy return\nblock all\n"), "return");
    assert_eq!(web.verdict("block drop all\nset block-policy return\n"), "drop");
    assert_eq!(web.verdict("block return-rst proto tcp all\n"), "rst");
    let reply =
        &tcp("2001:db8::7", "2001:db8:2::1", 80).outcomes("block return-icmp(net-unr, admin-unr)\n")[0];
    assert_eq!(reply.verdict, Verdict::Reject(Reply::Icmp { kind: 1, code: 1 }));
}

#[test]
fn interfaces_groups_and_their_addresses() {
    let web = tcp("192.0.2.7", "198.51.100.1", 80).ending_here();
    assert_eq!(web.verdict("block all\npass in on egress\n"), "pass");
    assert_eq!(web.verdict("block all\npass in on !em1\n"), "pass");
    assert_eq!(web.verdict("block all\npass in on any\n"), "pass");
    assert_eq!(web.verdict("block all\npass in on lo\n"), "drop");
    assert_eq!(web.verdict("block all\npass in on upstream\n"), "depends");
    assert_eq!(web.verdict("block all\npass in to (em0)\n"), "pass");
    assert_eq!(web.verdict("block all\npass in to em0\n"), "pass");
    assert_eq!(web.verdict("block all\npass in to em0:network\n"), "pass");
    assert_eq!(web.verdict("block all\npass in to em1\n"), "drop");
    assert_eq!(web.verdict("block all\npass in to self\n"), "pass");
    assert_eq!(web.verdict("block all\npass in to (em7)\n"), "depends");
    assert_eq!(web.verdict("set skip on em0\nblock all\n"), "pass");
}

#[test]
fn antispoof_blocks_a_network_that_comes_from_elsewhere() {
    let spoofed = tcp("10.1.2.77", "10.1.2.10", 80);
    assert_eq!(spoofed.verdict("pass\nantispoof quick for em1\n"), "drop");
    assert_eq!(spoofed.verdict("antispoof for em1\npass\n"), "pass");
    assert_eq!(
        tcp("10.1.2.1", "10.1.2.10", 80).by("em1", "em0").verdict("pass\nantispoof for em1\n"),
        "drop"
    );
    assert_eq!(
        tcp("10.1.2.77", "192.0.2.7", 80).by("em1", "em0").verdict("pass\nantispoof for em1\n"),
        "pass"
    );
}

#[test]
fn tags_stick_and_are_read_by_later_rules() {
    let out = tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em0");
    let text = "block all\npass in on em1 tag LAN\npass out on em0 tagged LAN\n";
    assert_eq!(out.verdict(text), "pass");
    assert_eq!(tcp("10.1.2.10", "192.0.2.7", 80).by("em2", "em0").verdict(text), "drop");
    // the tag stays although a later rule decides
    let sticky = "pass in tag A\npass in\nblock out\npass out tagged A\n";
    assert_eq!(out.verdict(sticky), "pass");
    assert_eq!(out.verdict("pass in tag A\nblock out\npass out ! tagged A\n"), "drop");
    // a quick rule ends before the tag is set
    assert_eq!(out.verdict("pass in quick\npass in tag A\nblock out\npass out tagged A\n"), "drop");
    assert_eq!(
        out.verdict("match in tag A\nblock in tagged B\npass in tagged A\nblock out\npass out tagged A\n"),
        "pass"
    );
}

#[test]
fn match_rules_translate_at_once_and_pass_rules_at_the_end() {
    let out = tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em0");
    let at_once = "block all\npass in\nmatch out on em0 from 10.0.0.0/8 nat-to 198.51.100.9\npass out from 198.51.100.9\n";
    assert_eq!(out.verdict(at_once), "pass");
    let packet = out.leaves(at_once);
    assert_eq!(packet.get(Field::Src4).known(), Some(number("198.51.100.9")));
    let at_the_end = "block all\npass in\npass out on em0 nat-to 198.51.100.9\npass out from 10.1.2.10\n";
    assert_eq!(out.leaves(at_the_end).get(Field::Src4).known(), Some(number("10.1.2.10")));
    let last = "block all\npass in\npass out from 10.1.2.10\npass out on em0 nat-to (em0)\n";
    assert_eq!(out.leaves(last).get(Field::Src4).known(), Some(number("198.51.100.1")));
}

#[test]
fn redirection_on_openbsd() {
    let call = tcp("192.0.2.7", "198.51.100.1", 1720);
    let text = "block all\npass in on em0 proto tcp to (em0) port 1720 rdr-to 10.1.2.10\npass out on em1 to 10.1.2.10\n";
    assert_eq!(call.verdict(text), "pass");
    assert_eq!(call.leaves(text).get(Field::Dst4).known(), Some(number("10.1.2.10")));
    let early = "block all\nmatch in on em0 proto tcp to (em0) port 1720 rdr-to 10.1.2.10 port 1721\n\
        pass in proto tcp to 10.1.2.10 port 1721\npass out\n";
    assert_eq!(call.verdict(early), "pass");
    assert_eq!(call.leaves(early).get(Field::Dport).known(), Some(1721));
}

#[test]
fn redirection_on_freebsd_comes_before_filtering() {
    let call = tcp("192.0.2.7", "198.51.100.1", 1720);
    let rdr = "rdr on em0 proto tcp from any to 198.51.100.1 port 1720 -> 10.1.2.10 port 1721\n";
    assert_eq!(
        call.verdict(&format!("{rdr}block all\npass in proto tcp to 198.51.100.1 port 1720\npass out\n")),
        "drop"
    );
    let text = format!("{rdr}block all\npass in proto tcp to 10.1.2.10 port 1721\npass out\n");
    assert_eq!(call.verdict(&text), "pass");
    assert_eq!(call.leaves(&text).get(Field::Dport).known(), Some(1721));
    let pass = "rdr pass on em0 proto tcp from any to 198.51.100.1 port 1720 -> 10.1.2.10\nblock all\npass out on em1\n";
    assert_eq!(call.verdict(pass), "pass");
    let no = "no rdr on em0 proto tcp from 192.0.2.0/24 to any\nrdr pass on em0 proto tcp to port 1720 -> 10.1.2.10\nblock in\n";
    assert_eq!(call.verdict(no), "drop");
    let first = "rdr on em0 proto tcp to port 1720 -> 10.1.2.11\nrdr on em0 proto tcp to port 1720 -> 10.1.2.12\npass\n";
    assert_eq!(call.leaves(first).get(Field::Dst4).known(), Some(number("10.1.2.11")));
}

#[test]
fn ranges_of_ports_keep_their_offset() {
    let text =
        "rdr pass on em0 proto udp to 198.51.100.1 port 20000:20100 -> 10.1.2.10 port 30000:*\npass out\n";
    assert_eq!(udp("192.0.2.7", "198.51.100.1", 20007).leaves(text).get(Field::Dport).known(), Some(30007));
    let wraps = "rdr pass on em0 proto udp to 198.51.100.1 port 20000:20009 -> 10.1.2.10 port 30000:30004\npass out\n";
    assert_eq!(udp("192.0.2.7", "198.51.100.1", 20006).leaves(wraps).get(Field::Dport).known(), Some(30001));
}

#[test]
fn source_translation_on_freebsd() {
    let out = tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em0");
    let text = "nat on em0 from 10.0.0.0/8 to any -> (em0) static-port\nblock all\npass in\npass out from 198.51.100.1\n";
    assert_eq!(out.verdict(text), "pass");
    assert_eq!(out.leaves(text).get(Field::Src4).known(), Some(number("198.51.100.1")));
    let binat = "binat on em0 from 10.1.2.10 to any -> 198.51.100.10\nblock all\npass in\npass out from 198.51.100.10\n";
    assert_eq!(out.leaves(binat).get(Field::Src4).known(), Some(number("198.51.100.10")));
    let back = tcp("192.0.2.7", "198.51.100.10", 80);
    let inbound =
        "binat on em0 from 10.1.2.10 to any -> 198.51.100.10\nblock all\npass in to 10.1.2.10\npass out\n";
    assert_eq!(back.leaves(inbound).get(Field::Dst4).known(), Some(number("10.1.2.10")));
}

#[test]
fn pools_of_several_addresses_are_followed_one_by_one() {
    let call = tcp("192.0.2.7", "198.51.100.1", 80);
    let text = "rdr on em0 proto tcp to port 80 -> { 10.1.2.10, 10.1.2.20 }\nblock all\npass in to 10.1.2.10\npass out\n";
    assert_eq!(call.verdict(text), "depends");
    let both = "rdr on em0 proto tcp to port 80 -> { 10.1.2.10, 10.1.2.20 }\nblock all\npass in to { 10.1.2.10, 10.1.2.20 }\npass out\n";
    assert_eq!(call.verdict(both), "pass");
}

#[test]
fn anchors_are_looked_at_in_place() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("block all\nanchor {\n pass proto tcp to port 80\n}\n"), "pass");
    assert_eq!(web.verdict("anchor {\n pass proto tcp to port 80\n}\nblock all\n"), "drop");
    assert_eq!(web.verdict("anchor {\n pass quick proto tcp to port 80\n}\nblock all\n"), "pass");
    assert_eq!(web.verdict("anchor quick {\n pass proto tcp to port 80\n}\nblock all\n"), "pass");
    assert_eq!(web.verdict("anchor quick {\n pass proto tcp to port 81\n}\nblock all\n"), "drop");
    assert_eq!(web.verdict("block all\nanchor in on em1 {\n pass\n}\npass out\n"), "drop");
    assert_eq!(web.verdict("block all\nanchor on { em0 em1 } {\n pass\n}\n"), "pass");
    assert_eq!(web.verdict("block all\nanchor \"ftp-proxy/*\"\npass quick all\n"), "depends");
    assert_eq!(web.verdict("pass quick all\nanchor \"ftp-proxy/*\"\n"), "pass");
    // in order, because tags flow
    let flow = "block all\nanchor quick {\n pass tag A\n pass tagged B\n}\nblock all\n";
    assert_eq!(web.verdict(flow), "pass");
    let through = "block all\nanchor quick {\n pass proto udp tag A\n}\npass in tagged A\npass out\n";
    assert_eq!(web.verdict(through), "drop");
}

#[test]
fn what_the_file_does_not_tell_is_not_guessed() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    for condition in
        ["user root", "probability 50%", "once", "os \"Linux\"", "max-pkt-rate 5/1", "rtable 1 user = 0"]
    {
        let text = format!("block in\npass in proto tcp from any to any {condition}\n");
        let text = if condition.starts_with("os") {
            "block in\npass in proto tcp from any os \"Linux\"\n"
        } else {
            &text
        };
        assert_eq!(web.verdict(text), "depends", "{condition}");
    }
    assert_eq!(web.verdict("block in\npass in proto tcp keep state (max 5)\n"), "depends");
    assert_eq!(web.verdict("pass in proto tcp divert-to 127.0.0.1 port 8021\n"), "depends");
    assert_eq!(web.verdict("pass in inet af-to inet6 from 2001:db8::1\n"), "depends");
    assert_eq!(web.verdict("block in from no-route\n"), "depends");
}

#[test]
fn fragments_and_families_apart() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(web.verdict("block fragment\n"), "pass");
    assert_eq!(web.verdict("block inet6\n"), "pass");
    assert_eq!(web.verdict("block inet\n"), "drop");
    assert_eq!(tcp("2001:db8::7", "2001:db8:2::1", 80).verdict("block inet\n"), "pass");
    let ping = probe(proto::ICMP, "192.0.2.7", "10.1.2.10", 0);
    let mut ping = ping.with(Field::IcmpType, 8).with(Field::IcmpCode, 0).with(Field::State, 3);
    ping.packet.forget(Field::Sport);
    assert_eq!(ping.verdict("block all\npass inet proto icmp icmp-type echoreq\n"), "pass");
    assert_eq!(ping.verdict("block all\npass inet proto icmp icmp-type unreach\n"), "drop");
}
