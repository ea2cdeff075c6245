//! What pf does without being told, argued from its sources: OpenBSD's `sys/net/pf.c` and `pf_norm.c`, FreeBSD's
//! `sys/netpfil/pf`. There is no pf to ask on the machines that run the tests.

use super::pf_probe;

use pinhole::packet::{Field, proto};

use pf_probe::{Probe, number, probe, tcp, udp};

fn icmp(kind: u128) -> Probe {
    let mut ping = probe(proto::ICMP, "192.0.2.7", "10.1.2.10", 0);
    ping.packet.remove(Field::Sport);
    ping.packet.remove(Field::Dport);
    ping.with(Field::IcmpType, kind).with(Field::IcmpCode, 0).with(Field::State, 3)
}

fn icmp6(kind: u128) -> Probe {
    let mut ping = probe(proto::ICMPV6, "2001:db8::7", "2001:db8:2::1", 0);
    ping.packet.remove(Field::Sport);
    ping.packet.remove(Field::Dport);
    ping.with(Field::IcmpType, kind).with(Field::IcmpCode, 0).with(Field::State, 3)
}

const FREEBSD: &str = "scrub in all\nno rdr on lo0\n";

/// pf.c, `pf_match_rule`: "don't create states on replies": a rule with `keep_state` passes over them, unless it is
/// sloppy.
#[test]
fn a_rule_that_keeps_state_passes_over_icmp_replies_on_openbsd() {
    assert_eq!(icmp(8).verdict("block all\npass\n"), "pass");
    assert_eq!(icmp(0).verdict("block all\npass\n"), "drop");
    assert_eq!(icmp(0).verdict("block all\npass inet proto icmp\n"), "drop");
    assert_eq!(icmp(0).verdict("block all\npass inet proto icmp icmp-type echorep\n"), "drop");
    assert_eq!(icmp(0).verdict("block all\npass no state\n"), "pass");
    assert_eq!(icmp(0).verdict("block all\npass keep state (sloppy)\n"), "pass");
    assert_eq!(icmp6(129).verdict("block all\npass\n"), "drop");
    assert_eq!(icmp6(136).verdict("block all\npass\n"), "pass", "neighbour advertisements are excepted");
    assert_eq!(
        icmp(0).verdict(&format!("{}block all\npass\n", FREEBSD.replace("scrub in all\n", ""))),
        "pass"
    );
    // a block rule sees them
    assert_eq!(icmp(0).verdict("pass\nblock proto icmp\n"), "drop");
}

/// pf_norm.c, `pf_normalize_tcp`.
#[test]
fn flags_that_no_sender_sets_are_dropped_before_the_rules() {
    let with =
        |flags: u128| tcp("192.0.2.7", "10.1.2.10", 80).with(Field::TcpFlags, flags).with(Field::State, 3);
    for (flags, verdict) in [
        (0x02, "pass"),
        (0x12, "pass"),
        (0x06, "drop"),
        (0x00, "drop"),
        (0x01, "drop"),
        (0x20, "drop"),
        (0x04, "pass"),
        (0x0c, "drop"),
    ] {
        assert_eq!(with(flags).verdict("pass no state\n"), verdict, "flags {flags:#04x}");
    }
    // a FIN beside SYN is taken away
    assert_eq!(with(0x03).verdict("block all\npass flags S/SAFR\n"), "pass");
    let free = "scrub in on em1\npass no state\n";
    assert_eq!(with(0x06).verdict(free), "pass", "no scrub rule matches on em0 in");
    assert_eq!(with(0x06).verdict(&format!("{FREEBSD}pass no state\n")), "drop");
    assert_eq!(with(0x06).verdict("no scrub in on em0\nscrub in all\npass no state\n"), "pass");
    assert_eq!(
        with(0x06).verdict("no rdr on lo0\npass no state\n"),
        "depends",
        "FreeBSD 14 drops them, others pass"
    );
    assert_eq!(with(0x02).verdict("no rdr on lo0\npass no state\n"), "pass");
}

/// pf.c, `pf_test_rule`: `!(th_flags & TH_RST)`, `ICMP_INFOTYPE`, `ND_REDIRECT`; FreeBSD's answers no ICMP at all.
#[test]
fn some_packets_get_no_answer() {
    let reset = tcp("192.0.2.7", "10.1.2.10", 80).with(Field::TcpFlags, 0x14).with(Field::State, 3);
    assert_eq!(reset.verdict("block return-rst proto tcp\n"), "drop");
    assert_eq!(reset.verdict("block return\n"), "icmp");
    assert_eq!(tcp("192.0.2.7", "10.1.2.10", 80).verdict("block return-rst proto tcp\n"), "rst");
    assert_eq!(icmp(8).verdict("block return\n"), "return");
    assert_eq!(icmp(3).verdict("block return\n"), "drop");
    assert_eq!(icmp(11).verdict("block return-icmp\n"), "drop");
    assert_eq!(icmp6(137).verdict("block return\n"), "drop");
    assert_eq!(icmp6(128).verdict("block return-icmp6\n"), "icmp");
    assert_eq!(icmp(8).verdict(&format!("{FREEBSD}block return\n")), "drop");
    assert_eq!(udp("192.0.2.7", "10.1.2.10", 53).verdict(&format!("{FREEBSD}block return\n")), "return");
    // pending verdicts are answered likewise
    let in_order = "block return-rst proto tcp tag A\nmatch in tagged A tag B\nmatch out tagged B\n";
    assert_eq!(reset.verdict(in_order), "drop");
}

/// pf.c, `pf_match_rcvif`: what the box sends was received by no interface.
#[test]
fn what_the_box_sends_was_received_nowhere() {
    let own = || tcp("198.51.100.1", "192.0.2.7", 80).by("em0", "em0").starting_here();
    assert_eq!(own().verdict("block all\npass out received-on any\n"), "drop");
    assert_eq!(own().verdict("block all\npass out ! received-on any\n"), "pass");
    assert_eq!(own().verdict("block all\npass out ! received-on em1\n"), "pass");
    let through = tcp("192.0.2.7", "10.1.2.10", 80);
    assert_eq!(through.verdict("block out\npass in\npass out received-on any\n"), "pass");
    assert_eq!(through.verdict("block out\npass in\npass out ! received-on any\n"), "drop");
}

/// pf.c, `pf_test_rule`: `pf_translate` is called where a state was made.
#[test]
fn nothing_is_translated_without_state_on_openbsd() {
    let out = tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em0");
    let source = |text: &str| out.leaves(text).get(Field::Src4).known();
    assert_eq!(source("match out on em0 nat-to (em0)\npass\n"), Some(number("198.51.100.1")));
    assert_eq!(source("match out on em0 nat-to (em0)\npass no state\n"), None);
    assert_eq!(source("match out on em0 nat-to (em0)\n"), None, "no rule passes: no state");
    let error = || {
        let mut error = icmp(3).by("em1", "em0");
        error.packet.set(Field::Src4, number("10.1.2.10"));
        error.packet.set(Field::Dst4, number("192.0.2.7"));
        error
    };
    let text = "block all\npass in\npass out on em0 inet nat-to 198.51.100.9\n";
    assert_eq!(error().leaves(text).get(Field::Src4).known(), Some(number("10.1.2.10")));
    assert_eq!(source(text), Some(number("198.51.100.9")));
}

/// pf_lb.c, `pf_get_sport`; pfctl_parser.h, `PF_NAT_PROXY_PORT_LOW`.
#[test]
fn the_source_port_is_one_of_the_systems_choice() {
    let out = |sport: u128| tcp("10.1.2.10", "192.0.2.7", 80).by("em1", "em0").with(Field::Sport, sport);
    let nat = "nat on em0 inet from 10.0.0.0/8 to any -> 198.51.100.1";
    let rules = |test: &str| format!("block all\npass in\npass out inet proto tcp from any port {test}\n");
    for sport in [1, 40000, 60000] {
        assert_eq!(out(sport).verdict(&format!("{nat}\n{}", rules("> 1023"))), "pass");
        assert_eq!(out(sport).verdict(&format!("{nat}\n{}", rules("= 0"))), "drop");
        assert_eq!(out(sport).verdict(&format!("{nat}\n{}", rules("50001:65535"))), "pass");
        assert_eq!(out(sport).verdict(&format!("{nat}\n{}", rules("60000:65535"))), "depends");
        assert_eq!(out(sport).verdict(&format!("{nat} port 1024:2047\n{}", rules("1024:2047"))), "pass");
        assert_eq!(out(sport).verdict(&format!("{nat} port 1024:2047\n{}", rules("2048:65535"))), "drop");
    }
    assert_eq!(out(40000).verdict(&format!("{nat} static-port\n{}", rules("40000"))), "pass");
    // So it is where nobody tells the address of the interface, which `from (em7)` is about.
    let there = |text: &str| tcp("10.1.2.10", "192.0.2.7", 25).by("em1", "em7").verdict(text);
    let nat = "nat on em7 inet from 10.0.0.0/8 to any -> (em7)";
    let own =
        format!("{nat}\nblock all\npass in on em1\npass out on em7 inet proto tcp from (em7) port > 1023\n");
    assert_eq!(there(&own), "pass");
    let never = "block quick inet proto { tcp udp } from any port = 0";
    assert_eq!(
        there(&format!("{nat} port 1024:65535\n{never}\nblock in\npass in quick on em1\npass out\n")),
        "pass"
    );
    let low = "pass in on em1\nblock out on em7\npass out on em7 proto tcp from any port 1024:65535\n\
               block out on em7 proto tcp from any port < 1024 to any port 25\n";
    assert_eq!(there(&format!("{nat}\n{low}")), "pass");
    assert_eq!(out(40000).verdict("block all\npass in\nmatch out on em0 inet nat-to 198.51.100.1\npass out inet proto tcp from any port 40000\n"), "drop");
}

/// pf.c, `pf_step_into_anchor`: "stop iff any rule matched within quick anchors", told by
/// `*ctx->am == r`, which is the anchor that the last matching rule stands in.
#[test]
fn a_quick_anchor_ends_by_a_rule_of_its_own() {
    let web = tcp("192.0.2.7", "10.1.2.10", 80);
    let nested = "anchor quick {\n anchor {\n  pass\n }\n}\nblock all\n";
    assert_eq!(web.verdict(nested), "drop");
    assert_eq!(web.verdict(&format!("{FREEBSD}{nested}")), "pass");
    let own_last = "anchor quick {\n anchor {\n  block\n }\n pass\n}\nblock all\n";
    assert_eq!(web.verdict(own_last), "pass");
    let nested_last = "anchor quick {\n pass\n anchor {\n  pass proto tcp\n }\n}\nblock all\n";
    assert_eq!(web.verdict(nested_last), "drop");
}
