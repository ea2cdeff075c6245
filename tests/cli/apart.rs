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
];

#[test]
fn what_is_said_of_conditions_counts() {
    let folder = Scratch::new("apart");
    for Case { language, hangs_on, config, said, same } in CASES {
        folder.write("old", &config.replacen("{}", said[0], 1));
        let compared = |text: &str| {
            folder.write("new", &config.replacen("{}", text, 1));
            diff(&folder.0, &["--equal", "--dialect", language, "old", "new"])
        };
        let other = compared(said[1]);
        assert!(other.ends_with("exit code 1"), "{language}, {hangs_on}: {other}");
        for side in ["OLD", "NEW"] {
            let words = format!("{hangs_on} as {side} has it");
            assert!(other.contains(&words) || hangs_on == &"recent", "{words}: {other}");
        }
        for text in [&said[0]].into_iter().chain(*same) {
            let told = compared(text);
            assert!(told.ends_with("exit code 0"), "{language}, {hangs_on}, {text}: {told}");
        }
    }
}
