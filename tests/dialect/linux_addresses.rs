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
