//! Changes that findings offer, as a user has them printed and made.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{Scratch, patch};

fn pinhole(folder: &Scratch, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(&folder.0).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

const RULES: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -s 10.1.0.0/16 -p tcp -m tcp --dport 1720 -j ACCEPT
[12:720] -A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j ACCEPT
-A FORWARD -s 10.1.3.0/24 -p tcp -m tcp --dport 1720 -j DROP
-A FORWARD -s 10.9.0.0/16 -p udp -m udp --dport 1719 -j ACCEPT
COMMIT
";

/// The text without the lines that have one of some words.
fn without(text: &str, words: &[&str]) -> String {
    text.split_inclusive('\n').filter(|line| !words.iter().any(|word| line.contains(word))).collect()
}

#[test]
fn a_shadowed_rule_goes_and_a_contradicted_one_stays_until_it_is_asked_for() {
    let folder = Scratch::new("iptables");
    let path = folder.file("edge.rules", RULES);
    let diff = pinhole(&folder, &["check", "--select", "PH4", "--diff", "edge.rules"]);
    assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stderr));
    let diff = text(&diff.stdout);
    assert!(diff.starts_with("--- a/edge.rules\n+++ b/edge.rules\n@@ "), "{diff}");
    let gone: Vec<&str> =
        diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    assert_eq!(gone, ["-[12:720] -A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j ACCEPT"]);
    assert_eq!(read(&path), RULES);

    let fixed = pinhole(&folder, &["check", "--select", "PH4", "--fix", "edge.rules"]);
    let told = text(&fixed.stdout);
    assert!(told.starts_with("fixed edge.rules:6: PH401 the rule never accepts"), "{told}");
    assert!(told.contains("PH403"), "what is left is reported: {told}");
    assert_eq!(read(&path), without(RULES, &["10.1.2.0"]));

    pinhole(&folder, &["check", "--select", "PH4", "--fix", "--unsafe-fixes", "edge.rules"]);
    assert_eq!(read(&path), without(RULES, &["10.1.2.0", "10.1.3.0"]));
    let left = pinhole(&folder, &["check", "--select", "PH4", "--diff", "--unsafe-fixes", "edge.rules"]);
    assert_eq!((left.status.code(), text(&left.stdout)), (Some(0), String::new()));
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    let folder = Scratch::new("ends");
    let text = RULES.trim_end().replace('\n', "\r\n");
    let path = folder.file("edge.rules", &text);
    pinhole(&folder, &["check", "--select", "PH401", "--fix", "edge.rules"]);
    assert_eq!(read(&path), without(&text, &["10.1.2.0"]));
}

/// A site whose MCU lacks a port, and configs that have a rule which does nothing shortly before their last line.
const SITE: &str = r#"
[[zone]]
name = "internet"
[[zone]]
name = "video"
networks = ["10.1.2.0/24"]
[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10"]
[[peer]]
role = "sip-entity"
addresses = ["203.0.113.9"]
"#;

const PATCHED: [(&str, &str, &str); 4] = [
    (
        "edge.rules",
        "eth0 = \"internet\", eth1 = \"video\"",
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -i eth1 -j ACCEPT\n\
         -A FORWARD -d 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j ACCEPT\n\
         -A FORWARD -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n",
    ),
    (
        "edge.nft",
        "eth0 = \"internet\", eth1 = \"video\"",
        "table inet f {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\
         \t\tct state established accept\n\t\tiifname \"eth1\" accept\n\t\tip daddr 10.1.2.0/24 tcp dport 1720 accept\n\
         \t\tip daddr 10.1.2.10 tcp dport 1720 accept\n\t}\n}\n",
    ),
    (
        "pf.conf",
        "em0 = \"internet\", em1 = \"video\"",
        "block all\npass on em1 all\npass in quick on em0 inet proto tcp from any to 10.1.2.0/24 port 1720\n\
         pass in quick on em0 inet proto tcp from any to 10.1.2.10 port 1720\npass out on em0 all\n",
    ),
    (
        "edge.cfg",
        "outside = \"internet\", video = \"video\"",
        "ASA Version 9.8(4)\nhostname edge\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n \
         ip address 198.51.100.1 255.255.255.0\ninterface GigabitEthernet0/1\n nameif video\n security-level 90\n \
         ip address 10.1.2.1 255.255.255.0\naccess-group outside_in in interface outside\n\
         access-list outside_in extended permit tcp any 10.1.2.0 255.255.255.0 eq h323\n\
         access-list outside_in extended permit tcp any host 10.1.2.10 eq h323\n: end\n",
    ),
];

#[test]
fn patch_does_what_fix_does_whatever_the_ends_of_lines_are() {
    for (name, interfaces, rules) in PATCHED {
        let bare = rules.trim_end();
        let texts =
            [rules.to_string(), bare.to_string(), rules.replace('\n', "\r\n"), bare.replace('\n', "\r\n")];
        for before in texts {
            let folder = Scratch::new("patch");
            let site = format!(
                "{SITE}[[firewall]]\nname = \"edge\"\nconfig = [\"{name}\"]\ninterfaces = {{ {interfaces} }}\n"
            );
            folder.write("pinhole.toml", site);
            let path = folder.file(name, &before);
            let place = format!("{name}: {:?}", &before[before.len() - 8..]);
            let check =
                |how: &str| pinhole(&folder, &["check", "--select", "PH101,PH401,PH402,PH406", how, name]);
            let diff = text(&check("--diff").stdout);
            assert_eq!(read(&path), before, "{place}");
            check("--fix");
            let fixed = read(&path);
            assert!(fixed.contains("5060") && fixed.matches("10.1.2.10 ").count() > 0, "{place}: {fixed}");
            assert_eq!(fixed.ends_with('\n'), before.ends_with('\n'), "{place}: {fixed:?}");
            let ends = |text: &str| (text.matches("\r\n").count(), text.matches('\n').count());
            let (with, all) = ends(&fixed);
            assert_eq!(with, if before.contains('\r') { all } else { 0 }, "{place}: {fixed:?}");
            folder.write(name, &before);
            if patch(&folder.0, &diff) {
                assert_eq!(read(&path), fixed, "{place}");
            }
        }
    }
}

#[test]
fn tidy_takes_out_what_does_nothing_in_all_languages() {
    let configs = [
        (
            "edge.nft",
            "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tip \
             saddr 10.1.0.0/16 tcp dport 1720 accept\n\t\t# of the branch\n\t\tip saddr 10.1.2.0/24 tcp dport 1720 \
             accept # GONE\n\t\tudp dport 1719 accept; ip saddr 10.1.2.0/24 udp dport 1719 accept # twice\n\t}\n}\n",
        ),
        (
            "pf.conf",
            "block all\npass in quick on em0 proto tcp to 10.1.2.0/24 port 1720\npass in quick on em0 proto tcp to \
             10.1.2.10 port 1720 # GONE\n",
        ),
        (
            "edge.cfg",
            "ASA Version 9.8(4)\n!\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address \
             198.51.100.1 255.255.255.0\n!\ninterface GigabitEthernet0/1\n nameif inside\n security-level 100\n ip \
             address 10.1.1.1 255.255.255.0\n!\naccess-list outside_in extended permit tcp any 10.1.1.0 255.255.255.0 \
             eq 1720\naccess-list outside_in extended permit tcp any host 10.1.1.77 eq 1720\naccess-list outside_in \
             extended permit udp any host 10.1.1.4 eq 1719\naccess-group outside_in in interface outside\n",
        ),
    ];
    for (name, config) in configs {
        let folder = Scratch::new(name);
        let path = folder.file(name, config);
        let dry = pinhole(&folder, &["tidy", name]);
        let told = text(&dry.stdout);
        assert!(
            told.contains("1 line and") && told.contains("can go"),
            "{name}: {told}{}",
            text(&dry.stderr)
        );
        assert_eq!(read(&path), config);
        let done = pinhole(&folder, &["tidy", "--write", name]);
        assert!(
            text(&done.stdout).contains("every packet fares as before"),
            "{name}: {}",
            text(&done.stdout)
        );
        let left = without(config, &["GONE", "10.1.1.77"]);
        assert_eq!(read(&path), left.replace("; ip saddr 10.1.2.0/24 udp dport 1719 accept", ""), "{name}");
        let again = pinhole(&folder, &["tidy", name]);
        assert!(text(&again.stdout).starts_with("no rule does nothing"), "{name}: {}", text(&again.stdout));
    }
}

/// What has commands of other kinds around its rules: those stay whole, and run as before.
#[test]
fn tidy_leaves_scripts_that_still_run() {
    let twice = "iptables -A INPUT -p tcp --dport 22 -j ACCEPT";
    let begin = format!("#!/bin/bash\niptables -P INPUT DROP\n{twice}\n");
    // What stands in the script behind that, and what is left of it.
    let scripts = [
        (format!("{twice}\necho done\n"), "echo done\n".to_string()),
        (format!("echo a; {twice}; echo b\n"), "echo a; echo b\n".to_string()),
        (format!("echo a; {twice} # again\n"), "echo a # again\n".to_string()),
        (
            format!("for p in 1 2; do echo $p; {twice}; done\n"),
            "for p in 1 2; do echo $p; done\n".to_string(),
        ),
        (format!("for p in 22 22; do {}; done\n", twice.replace("22", "$p")), String::new()),
        (format!("open() {{\n{twice}\n}}\nopen\n"), String::new()),
        (format!("if true; then\n{twice}\nfi\n"), String::new()),
        (format!("if true; then\n{twice}\necho a\nfi\n"), "if true; then\necho a\nfi\n".to_string()),
        (format!("[ -x a ] && {twice}; sysctl -w net.ipv4.ip_forward=1\n"), String::new()),
        (format!("[ -x a ] &&\n# again\n{twice}\nsysctl -w net.ipv4.ip_forward=1\n"), String::new()),
        (format!("[ -x a ] || \\\n{twice}\nsysctl -w net.ipv4.ip_forward=1\n"), String::new()),
        (format!("{twice} || exit 1\n"), String::new()),
    ];
    for (script, left) in scripts {
        let folder = Scratch::new("scripts");
        let before = format!("{begin}{script}");
        let path = folder.file("a.sh", &before);
        let dry = text(&pinhole(&folder, &["tidy", "a.sh"]).stdout);
        let told = text(&pinhole(&folder, &["tidy", "--write", "a.sh"]).stdout);
        let stays = left.is_empty();
        let left = if stays { before.clone() } else { format!("{begin}{left}") };
        assert_eq!(read(&path), left, "{script}: {told}");
        assert_eq!(dry.contains("no rule is taken out") && dry.contains("1 finding is left"), stays, "{dry}");
        let runs = Command::new("bash").args(["-n"]).arg(&path).output().unwrap();
        assert!(runs.status.success(), "{script}: {}", text(&runs.stderr));
    }
}

/// A rule that is wanted comes before the whole command that refuses, and behind the whole of the last one.
#[test]
fn lines_are_put_into_scripts_between_commands() {
    let site = "[[zone]]\nname = \"inside\"\nnetworks = [\"10.1.0.0/16\"]\n[[zone]]\nname = \"outside\"\n[[firewall]]\nname \
                = \"edge\"\nconfig = [\"a.sh\"]\ninterfaces = { eth0 = \"outside\", eth1 = \"inside\" }\n[[device]]\nname = \
                \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.1.2.10\"]\n";
    let begin =
        "#!/bin/bash\niptables -P FORWARD DROP\niptables -A FORWARD -m state --state ESTABLISHED -j ACCEPT\n";
    let scripts = [
        ("[ -e /a ] && \\\n  iptables -A FORWARD -i eth0 -j DROP\n", "[ -e /a ] && \\"),
        ("[ -e /a ] ||\n# no\niptables -A FORWARD -i eth0 -j DROP\n", "[ -e /a ] ||"),
        ("iptables -A FORWARD -i eth0 \\\n  -j DROP\n", "iptables -A FORWARD -i eth0 \\"),
        ("iptables -A FORWARD -d 10.1.3.0/24 \\\n  -p tcp -j ACCEPT\n", ""),
    ];
    for (script, first) in scripts {
        let folder = Scratch::new("joined");
        folder.file("pinhole.toml", site);
        let path = folder.file("a.sh", format!("{begin}{script}"));
        let told = pinhole(&folder, &["check", "--fix", "."]);
        let fixed = read(&path);
        assert!(
            fixed.contains("--dport 1720 -j ACCEPT"),
            "{script}: {}{}",
            text(&told.stdout),
            text(&told.stderr)
        );
        // What was there stands as it stood.
        assert!(fixed.contains(script), "{fixed}");
        let before = fixed.lines().take_while(|line| *line != first);
        assert_eq!(before.filter(|line| line.contains("--dport 1720 ")).count(), 1, "{fixed}");
        let runs = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(runs.status.success(), "{script}: {}", text(&runs.stderr));
    }
}

#[test]
fn tidy_takes_out_the_whole_command_that_adds_a_rule() {
    let folder = Scratch::new("commands");
    let begin = "add table inet f\nadd chain inet f i { type filter hook input priority 0; policy drop; }\nadd rule inet f i \
                 tcp dport 22 accept\n";
    for twice in ["add rule inet f i tcp dport 22 accept\n", "add rule inet f i \\\n\ttcp dport 22 accept\n"]
    {
        let whole = !twice.contains('\\');
        let path = folder.file("a.nft", format!("{begin}{twice}"));
        let told = text(&pinhole(&folder, &["tidy", "--write", "a.nft"]).stdout);
        assert_eq!(told.contains("1 rule does nothing"), whole, "{told}");
        assert_eq!(read(&path), if whole { begin.to_string() } else { format!("{begin}{twice}") });
    }
}

/// Rules that say much twice, in one of the languages.
fn random_rules(language: &str, count: u64) -> String {
    let mut state = 7_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut rules: Vec<String> = Vec::new();
    for _ in 0..count {
        let (host, wide, port, passes) = (below(6), below(3) == 0, 1000 + below(4) * 10, below(2) == 0);
        let last = port + below(2) * 10;
        let (net, mask) = if wide {
            ("10.1.0.0/16".to_string(), "10.1.0.0 255.255.0.0".to_string())
        } else {
            (format!("10.1.{host}.0/24"), format!("10.1.{host}.0 255.255.255.0"))
        };
        rules.push(match language {
            "iptables" => format!(
                "-A FORWARD -s {net} -p tcp -m tcp --dport {port}:{last} -j {}",
                if passes { "ACCEPT" } else { "DROP" }
            ),
            "nftables" => format!(
                "\t\tip saddr {net} tcp dport {port}-{last} {}",
                if passes { "accept" } else { "drop" }
            ),
            "pf" => format!(
                "{} in quick on em0 inet proto tcp from {net} to any port {port}:{last}",
                if passes { "pass" } else { "block" }
            ),
            _ => format!(
                "access-list o extended {} tcp {mask} any range {port} {last}",
                if passes { "permit" } else { "deny" }
            ),
        });
    }
    let rules = rules.join("\n");
    match language {
        "iptables" => format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n"
        ),
        "nftables" => format!(
            "table ip filter {{\n\tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n{rules}\n\t}}\n}}\n"
        ),
        "pf" => format!("block all\n{rules}\n"),
        _ => format!(
            "ASA Version 9.8(4)\n!\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address \
             198.51.100.1 255.255.255.0\n!\ninterface GigabitEthernet0/1\n nameif inside\n security-level 100\n ip \
             address 10.9.1.1 255.255.255.0\n!\n{rules}\naccess-group o in interface outside\n"
        ),
    }
}

/// `PINHOLE_TIDY_RULES` says how many rules there are.
#[test]
fn tidy_proves_what_is_left_equal() {
    let count = std::env::var("PINHOLE_TIDY_RULES").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    for (language, name) in
        [("iptables", "a.rules"), ("nftables", "a.nft"), ("pf", "pf.conf"), ("asa", "a.cfg")]
    {
        let folder = Scratch::new("random");
        let rules = random_rules(language, count);
        let path = folder.file(name, &rules);
        folder.file("before", &rules);
        let tidied = text(&pinhole(&folder, &["tidy", "--write", name]).stdout);
        assert!(tidied.contains("every packet fares as before"), "{language}: {tidied}");
        let left = read(&path).lines().count();
        assert!(left < rules.lines().count() / 2, "{language}: {left} lines are left: {tidied}");
        let equal = pinhole(&folder, &["diff", "--equal", "--dialect", language, "before", name]);
        assert_eq!(equal.status.code(), Some(0), "{language}: {}", text(&equal.stdout));
        assert!(
            text(&pinhole(&folder, &["tidy", name]).stdout).starts_with("no rule does nothing"),
            "{language}"
        );
    }
}

#[test]
fn a_file_that_is_no_utf_8_is_judged_and_not_written() {
    let folder = Scratch::new("latin1");
    let rules = b"*filter\n:INPUT DROP [0:0]\n# caf\xe9\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    std::fs::write(folder.0.join("a.rules"), rules).unwrap();
    for args in [&["check", "--diff", "a.rules"][..], &["check", "--fix", "a.rules"]] {
        let said = pinhole(&folder, args);
        assert!(!text(&said.stdout).contains("+++"), "{args:?}");
        assert_eq!(std::fs::read(folder.0.join("a.rules")).unwrap(), rules, "{args:?}");
    }
    assert!(text(&pinhole(&folder, &["check", "a.rules"]).stdout).contains("PH406"));
    let tidied = pinhole(&folder, &["tidy", "--write", "a.rules"]);
    assert_eq!(tidied.status.code(), Some(2));
    assert!(text(&tidied.stderr).contains("UTF-8"), "{}", text(&tidied.stderr));
    assert_eq!(std::fs::read(folder.0.join("a.rules")).unwrap(), rules);
}
