//! PH507: timeouts that firewalls set, held against how long calls are silent.

use crate::common;

use common::{Scratch, check};

/// What is said of a config, with a product behind it.
fn said(file: &str, text: &str, product: &str) -> Vec<String> {
    let scratch = Scratch::new("forgotten");
    scratch.write(file, text);
    let report = check(&scratch.0, &[file, "--select", "PH507", "--product", product]);
    report.of("PH507").map(|finding| format!("{}: {}", finding.line.unwrap_or(0), finding.message)).collect()
}

const MCU: &str = "scopia-elite-5200@10.1.2.10";
const Q931: &str = "connections for Q.931 (tcp 1720) of scopia-elite-5200@10.1.2.10 are forgotten after";

/// A script with a command, and rules for call signalling.
fn script(command: &str) -> Vec<String> {
    let text = format!(
        "#!/bin/sh\n{command}\niptables -P FORWARD DROP\n\
         iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         iptables -A FORWARD -d 10.1.2.10 -p tcp --dport 1720 -j ACCEPT\n"
    );
    said("edge.sh", &text, MCU)
}

#[test]
fn settings_of_the_kernel_count_where_a_script_is_certain_to_make_them() {
    const NAME: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
    let short = [format!("2: {Q931} 10 minutes without a packet")];
    assert_eq!(script(&format!("sysctl -w {NAME}=600")), short);
    assert_eq!(script(&format!("sysctl -q {}=600 >/dev/null", NAME.replace('.', "/"))), short);
    assert_eq!(script("echo 600 > /proc/sys/net/ipv4/netfilter/ip_conntrack_tcp_timeout_established"), short);
    for other in [
        format!("sysctl -w {NAME}=432000"),
        format!("sysctl -w {NAME}=$SECONDS_OF_SITE"),
        format!("[ -f /etc/slow ] && sysctl -w {NAME}=600"),
        "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_close_wait=60".to_string(),
        "echo 600 > /tmp/nf_conntrack_tcp_timeout_established".to_string(),
    ] {
        assert_eq!(script(&other), [""; 0], "{other}");
    }
}

fn asa(timeout: &str, inspect: &str) -> Vec<String> {
    let text = format!(
        "ASA Version 9.8(4)\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n\
         \x20ip address 198.51.100.1 255.255.255.0\ninterface GigabitEthernet0/1\n nameif inside\n security-level 100\n\
         \x20ip address 10.1.2.1 255.255.255.0\n\
         access-list outside_in extended permit tcp any host 10.1.2.10 eq 1720\n\
         access-group outside_in in interface outside\n{timeout}\n\
         policy-map global_policy\n class inspection_default\n  inspect {inspect}\n\
         service-policy global_policy global\n"
    );
    said("edge.asa", &text, MCU)
}

#[test]
fn an_asa_has_timeouts_of_its_own_for_what_it_inspects() {
    let short = [format!("12: {Q931} 1 hour without a packet")];
    assert_eq!(asa("timeout conn 1:00:00 half-closed 0:10:00 udp 0:02:00", "dns"), short);
    assert_eq!(asa("timeout conn 1:00:00 half-closed 0:10:00 udp 0:02:00", "h323 h225"), [""; 0]);
    assert_eq!(asa("timeout conn 1:00:00\ntimeout conn 3:00:00", "dns"), [""; 0]);
    assert_eq!(asa("timeout conn 0", "dns"), [""; 0]);
    // It counts when all calls of the connection are over.
    assert_eq!(asa("timeout h225 0:00:01", "h323 h225"), [""; 0]);
    let media = asa("timeout h323 0:01:00", "h323 h225");
    assert!(
        matches!(media.as_slice(), [one] if one.contains("udp") && one.ends_with("1 minute without a packet")),
        "{media:?}"
    );
}

#[test]
fn media_that_rules_let_in_needs_no_state() {
    let pf = |rules: &str| said("edge.pf", &format!("set timeout udp.multiple 30\nblock all\n{rules}"), MCU);
    let closed = pf("pass out on em0 proto udp from 10.1.2.10\npass in on em1 proto udp from 10.1.2.10\n");
    assert!(matches!(closed.as_slice(), [one] if one.contains("RTP")), "{closed:?}");
    assert_eq!(pf("pass proto udp to 10.1.2.10 port 16384:16984\n"), [""; 0]);
}

#[test]
fn a_timeout_of_nftables_counts_for_the_ports_that_get_it() {
    let nft = |port: &str| {
        let text = format!(
            "table inet edge {{\n\tct timeout short {{\n\t\tprotocol tcp; policy = {{ established : 300 }};\n\t}}\n\
             \tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n\
             \t\ttcp dport {port} ct timeout set \"short\"\n\t\tct state established accept\n\
             \t\ttcp dport 1720 accept\n\t}}\n}}\n"
        );
        said("edge.nft", &text, MCU)
    };
    assert_eq!(nft("1720"), [format!("3: {Q931} 5 minutes without a packet")]);
    assert_eq!(nft("443"), [""; 0]);
}
