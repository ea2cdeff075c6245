//! What hangs on something that the files do not tell is not equal where they say other things of it.

use crate::common::Scratch;

use super::changes::diff;

/// A config with `{}` for what is said of a condition, and what may stand there. The first one is before the change; the
/// second says another thing, and those behind it the same in other words.
struct Case {
    language: &'static str,
    hangs_on: &'static str,
    config: &'static str,
    said: [&'static str; 2],
    same: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        language: "asa",
        hangs_on: "time-range WORK",
        config: "interface G0/0\n nameif outside\n security-level 0\ninterface G0/1\n nameif inside\n security-level 100\n\
                 time-range WORK\n{}!\naccess-list IN extended permit tcp any any eq 1720 time-range WORK\n\
                 access-group IN in interface outside\n",
        said: [" periodic weekdays 8:00 to 17:00\n", " periodic weekdays 7:00 to 17:00\n"],
        same: &[
            " periodic  weekdays 8:00 to 17:00\n",
            " description hours\n periodic weekdays 8:00 to 17:00\n",
        ],
    },
    Case {
        language: "asa",
        hangs_on: "class-map C",
        config: "interface G0/0\n nameif outside\n security-level 0\ninterface G0/1\n nameif inside\n security-level 100\n\
                 access-list L extended permit tcp any host {}\nclass-map C\n match access-list L\npolicy-map P\n class C\n  \
                 set connection advanced-options tcp-state-bypass\nservice-policy P interface inside\n",
        said: ["10.0.0.1 eq 80", "10.0.0.2 eq 80"],
        same: &["10.0.0.1  eq 80\naccess-list L remark web"],
    },
    Case {
        language: "pf",
        hangs_on: "table <friends>",
        config: "table <friends> {}\nblock all\npass in proto tcp from <friends> to any port 5060\n",
        said: ["persist file \"/nowhere/a\"", "persist file \"/nowhere/b\""],
        same: &["persist  file \"/nowhere/a\" # ours"],
    },
    Case {
        language: "pf",
        hangs_on: "table <bad>",
        config: "n = \"{}\"\ntable <bad> persist\nblock all\nblock in quick from <bad>\n\
                 pass in proto tcp to any port 22 keep state (max-src-conn-rate $n, overload <bad> flush)\n",
        said: ["3/30", "300/30"],
        same: &[],
    },
    Case {
        language: "pf",
        hangs_on: "table <hosts>",
        config: "table <hosts> { 192.0.2.1, {} }\nblock all\npass in proto tcp from <hosts> to any port 22\n",
        said: ["gw.example.net", "gw2.example.net"],
        same: &[],
    },
    Case {
        language: "nftables",
        hangs_on: "set s",
        config: "table inet f {\n set s { type ipv4_addr; flags dynamic,timeout; timeout 1h; }\n chain i {\n  type filter hook \
                 input priority 0; policy drop;\n  ip saddr @s accept\n  tcp dport {} add @s { ip saddr }\n }\n}\n",
        said: ["22", "23"],
        same: &["22 counter packets 1 bytes 2", "22 counter", "22  "],
    },
    Case {
        language: "nftables",
        hangs_on: "set s",
        config: "table inet f {\n set s { type ipv4_addr; flags dynamic,timeout; timeout {} }\n chain i {\n  type filter hook \
                 input priority 0; policy drop;\n  ip saddr @s accept\n  tcp dport 22 add @s { ip saddr }\n }\n}\n",
        said: ["1h;", "2h;"],
        same: &["1h; comment \"x\";", "1h\n"],
    },
    Case {
        language: "nftables",
        hangs_on: "limit l",
        config: "table inet f {\n limit l { {} }\n chain i {\n  type filter hook input priority 0; policy drop;\n  \
                 tcp dport 22 limit name \"l\" accept\n }\n}\n",
        said: ["rate 5/second", "rate 500/second"],
        same: &["rate 5/second; comment \"x\""],
    },
    Case {
        language: "iptables",
        hangs_on: "recent",
        config: "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A INPUT -p tcp --dport 22 -m recent --rcheck --seconds 60 --name K --rsource -j ACCEPT\n\
                 -A INPUT -p tcp --dport 7000 -m recent {} --name K --rsource -j DROP\nCOMMIT\n",
        said: ["--set", "--remove"],
        same: &["--set -m comment --comment knock"],
    },
    Case {
        language: "iptables",
        hangs_on: "set bad",
        config: "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A INPUT -m set --match-set bad src -j DROP\n-A INPUT -p tcp --dport {} -j SET --add-set bad src\n\
                 -A INPUT -p tcp --dport 443 -j ACCEPT\nCOMMIT\n",
        said: ["7000", "7001"],
        same: &["7000 -m comment --comment trap"],
    },
    Case {
        language: "nftables",
        hangs_on: "set s",
        config: "table inet f {\n set s { type ipv4_addr; flags timeout; elements = { {} } }\n chain i {\n  type filter hook \
                 input priority 0; policy drop;\n  ip saddr @s accept\n }\n}\n",
        said: ["10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.3"],
        same: &["10.0.0.2, 10.0.0.1", "10.0.0.1 expires 59m, 10.0.0.2"],
    },
    Case {
        language: "nftables",
        hangs_on: "set s",
        config: "table inet f {\n set s { type ipv4_addr; flags dynamic; }\n chain k { add @s { ip saddr } }\n chain i {\n  type \
                 filter hook input priority 0; policy drop;\n  tcp dport {} jump k\n  ip saddr @s accept\n }\n}\n",
        said: ["{ 22, 23 }", "{ 22, 24 }"],
        same: &[],
    },
    Case {
        language: "nftables",
        hangs_on: "numgen",
        config: "table inet f {\n chain i {\n  type filter hook input priority 0; policy drop;\n  {} 0 accept\n }\n}\n",
        said: ["numgen inc mod 2", "numgen inc mod 10"],
        same: &["numgen inc  mod 2"],
    },
    Case {
        language: "iptables",
        hangs_on: "destination of the replies",
        config: "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A INPUT -m conntrack --ctstate ESTABLISHED --ctrepldst {} -j ACCEPT\nCOMMIT\n",
        said: ["192.0.2.1", "192.0.2.2"],
        same: &["192.0.2.1/32"],
    },
    Case {
        language: "pf",
        hangs_on: "table <t>",
        config: "table <t> persist { {} }\nblock all\npass in proto tcp from <t> to any port 22\n",
        said: ["192.0.2.1, gw.example.net", "192.0.2.2, gw.example.net"],
        same: &["gw.example.net\n 192.0.2.1"],
    },
    Case {
        language: "asa",
        hangs_on: "object-group-user U",
        config: "interface G0/0\n nameif outside\n security-level 0\ninterface G0/1\n nameif inside\n security-level 100\n\
                 object-group user G\n user LOCAL\\{}\nobject-group user U\n group-object G\n\
                 access-list IN extended permit tcp object-group-user U any any eq 80\n\
                 access-group IN in interface outside\n",
        said: ["alice", "bob"],
        same: &["alice\n description x"],
    },
];

#[test]
fn what_is_said_of_conditions_counts() {
    let folder = Scratch::new("apart");
    for Case { language, hangs_on, config, said, same } in CASES {
        folder.write("old", config.replacen("{}", said[0], 1));
        let compared = |text: &str| {
            folder.write("new", config.replacen("{}", text, 1));
            diff(&folder.0, &["--equal", "--dialect", language, "old", "new"])
        };
        let other = compared(said[1]);
        assert!(other.ends_with("exit code 1"), "{language}, {hangs_on}: {other}");
        for side in ["OLD", "NEW"] {
            let words = format!("{hangs_on} as {side} has it");
            let numbered = ["recent", "numgen", "destination of the replies"].contains(hangs_on);
            assert!(other.contains(&words) || numbered, "{words}: {other}");
        }
        for text in [&said[0]].into_iter().chain(*same) {
            let told = compared(text);
            assert!(told.ends_with("exit code 0"), "{language}, {hangs_on}, {text}: {told}");
        }
    }
}

/// What rules make of packets, and what is not followed: of each pair, neither is called equal to the other.
#[test]
fn what_is_not_told_of_packets_is_not_equal() {
    let iptables = |table: &str, rule: &str, test: &str| {
        format!(
            "*{table}\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {rule}\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
             :FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD {test} -j ACCEPT\nCOMMIT\n"
        )
    };
    let pf = |rule: &str| format!("block all\npass in on em0\n{rule}\n");
    let pairs = [
        (
            "iptables",
            ["-j TTL --ttl-inc 1", "-j TTL --ttl-inc 2"]
                .map(|rule| iptables("mangle", rule, "-m ttl --ttl-eq 5")),
        ),
        (
            "iptables",
            ["1", "2"]
                .map(|zone| iptables("raw", &format!("-i eth0 -j CT --zone {zone}"), "-m state --state NEW")),
        ),
        ("pf", ["em1", "em2"].map(|name| pf(&format!("pass out on em1 nat-to ({name})")))),
        ("pf", ["a", "b"].map(|file| pf(&format!("load anchor x from \"/nowhere/{file}\"\nanchor x")))),
    ];
    let folder = Scratch::new("untold");
    for (language, texts) in pairs {
        folder.write("old", &texts[0]).write("new", &texts[1]);
        let told = diff(&folder.0, &["--equal", "--dialect", language, "old", "new"]);
        assert!(!told.ends_with("exit code 0"), "{texts:?}: {told}");
        let told = diff(&folder.0, &["--equal", "--dialect", language, "old", "old"]);
        assert!(told.ends_with("exit code 0"), "{texts:?}: {told}");
    }
}

/// Only packets that have no entry of connection tracking can be exempt from it, and only those that have one have its mark.
#[test]
fn without_an_entry_there_is_no_mark_and_with_one_no_exemption() {
    let folder = Scratch::new("entries");
    let nft = |rules: &str| {
        format!(
            "table ip f {{\n chain p {{ type filter hook prerouting priority -150; {rules}\n }}\n chain i {{ type filter \
                 hook input priority 0; policy drop;\n  ct state untracked accept\n ct mark 7 accept\n }}\n}}\n"
        )
    };
    folder.write("late.nft", nft("udp dport 53 notrack")).write("none.nft", nft("udp dport 54 accept"));
    let late = diff(&folder.0, &["--equal", "late.nft", "none.nft"]);
    assert!(late.contains("state=invalid") && !late.contains("state=new"), "{late}");
    folder.write("mark.nft", nft("udp dport 53 ct mark set 7"));
    let mark = diff(&folder.0, &["--equal", "mark.nft", "none.nft"]);
    assert!(!mark.contains("state=invalid") && mark.ends_with("exit code 1"), "{mark}");
}
