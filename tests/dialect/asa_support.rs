//! The table of commands in `src/dialect/asa/README.md` is true: what is *modelled* makes a difference, what is
//! *irrelevant* makes none, and what is *not modelled* is a finding.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::source::SourceMap;

const INTERFACES: &str = "interface GigabitEthernet0/0\n nameif outside\n security-level 0\n \
                          ip address 203.0.113.2 255.255.255.0\ninterface GigabitEthernet0/1\n nameif inside\n \
                          security-level 100\n ip address 10.1.1.1 255.255.255.0\ninterface GigabitEthernet0/2\n \
                          nameif dmz\n security-level 100\n ip address 10.2.1.1 255.255.255.0\n";

/// A list that is bound.
const BOUND: &str =
    "access-list a extended permit tcp any host 10.1.1.10 eq 80\naccess-group a in interface outside\n";

/// Modelled commands, what stands before an example of each, and the example.
const MODELLED: &[(&str, &str, &str)] = &[
    (
        "ASA Version",
        "access-list a extended permit tcp any host 10.1.1.10 eq 80\nstatic (inside,outside) 203.0.113.9 10.1.1.10\n",
        "ASA Version 8.2(5)\n",
    ),
    ("NGFW Version", BOUND, "NGFW Version 7.0.1\n"),
    ("PIX Version", "static (inside,outside) 203.0.113.9 10.1.1.10\n", "PIX Version 7.2(4)\n"),
    (
        "access-group",
        "access-list a extended permit tcp any host 10.1.1.10 eq 80\n",
        "access-group a in interface outside\n",
    ),
    ("access-list", BOUND, "access-list a extended permit tcp any any eq 81\n"),
    (
        "class-map",
        "access-list c extended permit tcp any any eq 1720\npolicy-map p\n class c\n  inspect h323 h225\nservice-policy p global\n",
        "class-map c\n match access-list c\n",
    ),
    ("clear configure access-group", BOUND, "clear configure access-group\n"),
    ("clear configure access-list", BOUND, "clear configure access-list a\n"),
    (
        "clear configure global",
        "ASA Version 8.2(5)\nnat (inside) 1 0.0.0.0 0.0.0.0\nglobal (outside) 1 interface\n",
        "clear configure global\n",
    ),
    (
        "clear configure http",
        "http server enable\nhttp 10.0.0.0 255.0.0.0 inside\n",
        "clear configure http\n",
    ),
    ("clear configure icmp", "icmp deny any outside\n", "clear configure icmp\n"),
    ("clear configure nat", "nat (inside,outside) source dynamic any interface\n", "clear configure nat\n"),
    (
        "clear configure route",
        "ip verify reverse-path interface inside\nroute inside 10.8.0.0 255.255.0.0 10.1.1.2\n",
        "clear configure route\n",
    ),
    (
        "clear configure service-policy",
        "class-map c\n match default-inspection-traffic\npolicy-map p\n class c\n  inspect h323 h225\nservice-policy p global\n",
        "clear configure service-policy\n",
    ),
    ("clear configure snmp-server", "snmp-server host inside 10.1.1.7\n", "clear configure snmp-server\n"),
    ("clear configure ssh", "ssh 10.0.0.0 255.0.0.0 inside\n", "clear configure ssh\n"),
    (
        "clear configure static",
        "ASA Version 8.2(5)\nstatic (inside,outside) 203.0.113.9 10.1.1.10\n",
        "clear configure static\n",
    ),
    ("clear configure telnet", "telnet 10.0.0.0 255.0.0.0 inside\n", "clear configure telnet\n"),
    (
        "crypto map",
        "access-list v extended permit ip 10.1.1.0 255.255.255.0 10.9.0.0 255.255.0.0\ncrypto map m 1 match address v\n",
        "crypto map m interface outside\n",
    ),
    ("dhcpd", "", "dhcpd enable inside\n"),
    ("dhcprelay", "ssh 10.0.0.0 255.0.0.0 inside\n", "dhcprelay enable inside\n"),
    ("established", "", "established tcp 80 0\n"),
    ("firewall transparent", BOUND, "firewall transparent\n"),
    ("global", "ASA Version 8.2(5)\nnat (inside) 1 0.0.0.0 0.0.0.0\n", "global (outside) 1 interface\n"),
    ("http", "http server enable\n", "http 10.0.0.0 255.0.0.0 inside\n"),
    ("icmp", "", "icmp deny any outside\n"),
    ("interface", "", "interface GigabitEthernet0/3\n nameif third\n security-level 50\n"),
    ("ip local pool", "webvpn\n enable outside\n", "ip local pool p 10.9.0.1-10.9.0.99\n"),
    ("ip verify reverse-path", "", "ip verify reverse-path interface outside\n"),
    (
        "ipv6 access-list",
        "ASA Version 8.4(1)\naccess-group six in interface outside\n",
        "ipv6 access-list six permit tcp any any eq 80\n",
    ),
    ("ipv6 icmp", "", "ipv6 icmp deny any outside\n"),
    ("ipv6 local pool", "webvpn\n enable outside\n", "ipv6 local pool p 2001:db8::1/64 99\n"),
    (
        "ipv6 route",
        "ip verify reverse-path interface inside\n",
        "ipv6 route inside 2001:db8::/32 2001:db8:1::2\n",
    ),
    ("management-access", "webvpn\n enable outside\n", "management-access inside\n"),
    ("multicast-routing", BOUND, "multicast-routing\n"),
    (
        "name",
        "access-list a extended permit tcp any host video eq 80\naccess-group a in interface outside\n",
        "name 10.1.1.10 video\n",
    ),
    ("nat", "", "nat (inside,outside) source dynamic any interface\n"),
    ("nat-control", "ASA Version 8.2(5)\n", "nat-control\n"),
    (
        "object",
        "access-list a extended permit tcp any object srv eq 80\naccess-group a in interface outside\n",
        "object network srv\n host 10.1.1.10\n",
    ),
    (
        "object-group",
        "access-list a extended permit tcp any object-group g eq 80\naccess-group a in interface outside\n",
        "object-group network g\n network-object host 10.1.1.10\n",
    ),
    ("policy-route", "", "policy-route route-map r\n"),
    (
        "policy-map",
        "class-map c\n match default-inspection-traffic\nservice-policy p global\n",
        "policy-map p\n class c\n  inspect h323 h225\n",
    ),
    ("route", "ip verify reverse-path interface inside\n", "route inside 10.8.0.0 255.255.0.0 10.1.1.2\n"),
    ("same-security-traffic", "", "same-security-traffic permit inter-interface\n"),
    ("service resetinbound", BOUND, "service resetinbound\n"),
    (
        "service resetoutbound",
        "access-list i extended deny ip any any\naccess-group i in interface inside\n",
        "no service resetoutbound\n",
    ),
    ("service resetoutside", "", "service resetoutside\n"),
    (
        "service-policy",
        "class-map c\n match default-inspection-traffic\npolicy-map p\n class c\n  inspect h323 h225\n",
        "service-policy p global\n",
    ),
    ("snmp-server", "", "snmp-server host inside 10.1.1.7\n"),
    ("ssh", "", "ssh 10.0.0.0 255.0.0.0 inside\n"),
    ("static", "ASA Version 8.2(5)\n", "static (inside,outside) 203.0.113.9 10.1.1.10\n"),
    (
        "sysopt connection permit-vpn",
        "access-list v extended permit ip 10.1.1.0 255.255.255.0 10.9.0.0 255.255.0.0\ncrypto map m 1 match address v\ncrypto map m interface outside\n",
        "no sysopt connection permit-vpn\n",
    ),
    ("telnet", "", "telnet 10.0.0.0 255.0.0.0 inside\n"),
    (
        "time-range",
        "access-list a extended permit tcp any any eq 80 time-range t\naccess-group a in interface outside\n",
        "time-range t\n absolute end 12:00 01 January 2020\n",
    ),
    (
        "vpn-filter",
        "access-list f extended permit tcp any any eq 22\nip local pool p 10.9.0.1-10.9.0.99\nwebvpn\n enable outside\ngroup-policy g internal\n",
        "group-policy g attributes\n vpn-filter value f\n",
    ),
    ("webvpn", "", "webvpn\n enable outside\n"),
    ("timeout", "", "timeout conn 0:30:00 udp 0:01:00 h323 0:02:00 sip_media 0:01:00\n"),
];

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("config", format!("{INTERFACES}{text}").into_bytes()).unwrap();
    load(Dialect::Asa, &mut sources, &[id], &Environment::default())
}

/// The commands of a kind in the table.
fn commands(kind: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialect/asa/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let middle = format!("` | {kind} |");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(&middle));
    let found: Vec<String> = rows.map(|(command, _)| command.to_string()).collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

fn unread(loaded: &Loaded) -> usize {
    loaded.findings.iter().filter(|finding| finding.code() == "PH002").count()
}

#[test]
fn what_is_modelled_makes_a_difference() {
    let rows = commands("modelled");
    for row in &rows {
        assert_eq!(MODELLED.iter().filter(|(command, ..)| command == row).count(), 1, "examples of `{row}`");
    }
    assert_eq!(rows.len(), MODELLED.len(), "examples without a row");
    for (command, before, example) in MODELLED {
        let without = read(before).ruleset;
        let mut with = read(&format!("{before}{example}")).ruleset;
        with.written = without.written;
        assert!(with != without, "`{command}` makes no difference");
    }
}

#[test]
fn what_is_irrelevant_makes_none_and_is_no_finding() {
    let without = read(BOUND);
    for command in commands("irrelevant") {
        let with = read(&format!("{BOUND}{command} x\n"));
        assert!(with.ruleset == without.ruleset, "`{command}` makes a difference");
        assert_eq!(unread(&with), unread(&without), "`{command}`: {:?}", with.findings);
    }
}

#[test]
fn what_is_not_modelled_is_a_finding() {
    let without = read(BOUND);
    for command in commands("not modelled") {
        let with = read(&format!("{BOUND}{command} x\n"));
        assert_eq!(unread(&with), unread(&without) + 1, "`{command}`: {:?}", with.findings);
    }
}
