//! What Linux does with packets by the addresses that the box has: each answer was seen of a kernel whose interfaces had
//! these, and stands in `nf_nat_redirect.c`.

use crate::common;

use common::{Scratch, trace};

/// The addresses, the rules, and what becomes of packets: interface, source, destination, verdict, and the new destination.
struct Seen {
    dialect: &'static str,
    own: &'static [&'static str],
    packets: &'static [[&'static str; 5]],
}

fn holds(rules: &str, seen: &Seen) {
    let folder = Scratch::new("addresses");
    folder.write("rules", rules);
    let lines = seen.packets.iter().map(|[iif, src, dst, ..]| {
        format!(
            r#"{{"hook":"input","iif":"{iif}","fwd_oif":"eth2","src":"{src}","dst":"{dst}","proto":"udp","sport":5,"dport":53}}"#
        )
    });
    folder.write("packets", lines.collect::<Vec<_>>().join("\n"));
    let mut args = vec!["rules", "--dialect", seen.dialect, "--packets", "packets"];
    args.extend(seen.own.iter().flat_map(|own| ["--interface", own]));
    let answers = trace(&folder.0, &args);
    assert_eq!(answers.len(), seen.packets.len());
    for ([iif, _, dst, verdict, to], answer) in seen.packets.iter().zip(answers) {
        assert_eq!(answer.verdict, *verdict, "{} to {dst} by {iif}: {answer:?}", seen.dialect);
        let to = (!to.is_empty()).then_some(*to);
        assert_eq!(answer.dnat_dst.as_deref(), to, "{} to {dst} by {iif}", seen.dialect);
    }
}

const DUMP: &str = "*nat\n-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353\nCOMMIT\n";
const SCRIPT: &str = "table inet t {\n chain pre {\n  type nat hook prerouting priority dstnat; policy accept;\n  \
    udp dport 53 redirect to :5353\n }\n}\n";

#[test]
fn redirect_drops_where_the_interface_has_no_address_of_the_family() {
    let own = &["eth0=2001:db8:1::1/64", "eth1=198.51.100.1/24"];
    let packets = &[
        ["eth0", "192.0.2.8", "198.51.100.1", "drop", ""],
        ["eth1", "192.0.2.8", "198.51.100.1", "accept", "198.51.100.1:5353"],
    ];
    holds(DUMP, &Seen { dialect: "iptables", own, packets });
    holds(SCRIPT, &Seen { dialect: "nftables", own, packets });
}

#[test]
fn redirect_gives_what_went_to_all_nodes_of_a_link_the_address_of_that_link() {
    let own = &["eth0=2001:db8:1::1/64", "eth0=fe80::f:1/64", "eth1=2001:db8:2::1/64", "eth1=fe80::f:2/64"];
    let packets = &[
        ["eth0", "fe80::7", "ff02::1", "accept", "[fe80::f:1]:5353"],
        ["eth0", "2001:db8:9::7", "ff02::1", "accept", "[fe80::f:1]:5353"],
        ["eth1", "fe80::7", "ff02::1", "accept", "[fe80::f:2]:5353"],
        ["eth0", "fe80::7", "fe80::f:1", "accept", "[fe80::f:1]:5353"],
        ["eth0", "fe80::7", "2001:db8:1::1", "accept", "[2001:db8:1::1]:5353"],
        // The scope of a site is that of no address.
        ["eth0", "fe80::7", "ff05::1", "drop", ""],
    ];
    holds(DUMP, &Seen { dialect: "ip6tables", own, packets });
    holds(SCRIPT, &Seen { dialect: "nftables", own, packets });
}

/// The verdicts of packets that `trace` reads, in a ruleset of nftables or iptables.
fn verdicts(dialect: &str, rules: &str, packets: &[&str]) -> Vec<String> {
    let folder = Scratch::new("verdicts");
    folder.write("rules", rules);
    folder.write("packets", packets.join("\n"));
    let args = ["rules", "--dialect", dialect, "--packets", "packets", "--interface", "eth0=198.51.100.1/24"];
    trace(&folder.0, &args).into_iter().map(|answer| answer.verdict).collect()
}

#[test]
fn the_last_loopback_address_is_a_broadcast_address_and_no_local_one() {
    let packet = |src: &str| {
        format!(
            r#"{{"hook":"forward","iif":"eth0","oif":"eth1","src":"{src}","dst":"192.0.2.1","proto":"udp","dport":9}}"#
        )
    };
    let packets = ["127.0.0.0", "127.255.255.254", "127.255.255.255"].map(packet);
    let packets = packets.each_ref().map(String::as_str);
    for (of, expected) in [("local", ["drop", "drop", "accept"]), ("broadcast", ["accept", "accept", "drop"])]
    {
        let script = format!(
            "table inet t {{\n chain f {{\n  type filter hook forward priority 0; policy accept;\n  fib saddr type {of} drop\n }}\n}}\n"
        );
        assert_eq!(verdicts("nftables", &script, &packets), expected, "fib {of}");
        let kind = of.to_uppercase();
        let dump = format!("*filter\n-A FORWARD -m addrtype --src-type {kind} -j DROP\nCOMMIT\n");
        assert_eq!(verdicts("iptables", &dump, &packets), expected, "addrtype {kind}");
    }
}

#[test]
fn udp_lite_from_the_network_is_invalid_and_from_the_box_itself_new() {
    // `udplite_error` of `nf_conntrack_proto_udp.c` sums it up as UDP; what goes out is not summed up.
    let script = "table inet t {\n chain f {\n  type filter hook forward priority 0; policy accept;\n  ct state invalid drop\n }\n \
                  chain o {\n  type filter hook output priority 0; policy accept;\n  ct state invalid drop\n }\n}\n";
    let packets = [
        r#"{"hook":"forward","iif":"eth0","oif":"eth1","src":"192.0.2.7","dst":"192.0.2.1","proto":"udplite","dport":9}"#,
        r#"{"hook":"output","oif":"eth0","src":"198.51.100.1","dst":"192.0.2.1","proto":"udplite","dport":9}"#,
        r#"{"hook":"forward","iif":"eth0","oif":"eth1","src":"192.0.2.7","dst":"192.0.2.1","proto":"udp","dport":9}"#,
    ];
    assert_eq!(verdicts("nftables", script, &packets), ["drop", "accept", "accept"]);
    // pf knows no such state: it looks at no checksum of a protocol that it does not know.
    let folder = Scratch::new("verdicts");
    folder.write("pf.conf", "block all\npass inet proto udplite\n");
    folder.write("packets", packets[0]);
    let answers = trace(&folder.0, &["pf.conf", "--packets", "packets"]);
    assert_eq!(answers[0].verdict, "accept");
}
