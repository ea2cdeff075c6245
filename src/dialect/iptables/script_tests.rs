//! Scripts of `iptables` commands.

use super::*;
use crate::model::{Step, Test};

fn rules_of(text: &str) -> (Vec<String>, Vec<&'static str>) {
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let loaded = load(&mut sources, &[id], &Environment::default());
    let mut rules = Vec::new();
    for chain in &loaded.ruleset.chains {
        rules.extend(chain.rules.iter().map(|rule| format!("{}: {}", chain.name, sources.text(rule.span()))));
    }
    (rules, loaded.findings.iter().map(|f| f.code()).collect())
}

#[test]
fn commands_are_done_in_order() {
    let text = "#!/bin/sh\n\
                iptables -F   # comment\n\
                iptables -N video\n\
                iptables -A INPUT -p tcp --dport 1 -j video\n\
                iptables -I INPUT -p tcp --dport 2 -j DROP\n\
                iptables -A INPUT -p tcp --dport 3 -j DROP; iptables -A INPUT \\\n  -p tcp --dport 4 -j DROP\n\
                iptables -D INPUT -p tcp --dport 3 -j DROP\n\
                iptables -D INPUT 1\n\
                /sbin/iptables -w 5 -t nat -A POSTROUTING -o 'eth0' -j MASQUERADE\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, [""; 0]);
    assert_eq!(
        rules,
        [
            "filter INPUT: iptables -A INPUT -p tcp --dport 1 -j video",
            "filter INPUT: iptables -A INPUT \\\n  -p tcp --dport 4 -j DROP",
            "nat POSTROUTING: /sbin/iptables -w 5 -t nat -A POSTROUTING -o 'eth0' -j MASQUERADE",
        ]
    );
}

#[test]
fn plain_variables_are_followed_and_others_are_not() {
    let text = "IPT=/sbin/iptables\nLAN=\"10.0.0.0/8\"\nOPTS=\"-p tcp --dport 80\"\nWAN=$(ip route)\n\
                $IPT -A INPUT -s $LAN $OPTS -j ACCEPT\n\
                $IPT -A INPUT -s ${LAN} -i $WAN -j DROP\n\
                for port in 22 443; do $IPT -A INPUT -p tcp --dport $port -j ACCEPT; done\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, ["PH002"]);
    assert_eq!(rules.len(), 4);
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let ruleset = load(&mut sources, &[id], &Environment::default()).ruleset;
    assert_eq!(names(&ruleset), ["-i $WAN"]);
}

/// For each rule the chain, the text, and the conditions of the shell that it stays under.
fn guarded(text: &str) -> Vec<String> {
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let rules = load(&mut sources, &[id], &Environment::default()).ruleset;
    let mut found = Vec::new();
    for chain in &rules.chains {
        for rule in &chain.rules {
            let asked = rules.steps_of(rule).iter().filter_map(|step| match step {
                Step::Test(Test::Unknown { cond, negate }) => {
                    Some(format!("{}{}", if *negate { "! " } else { "" }, rules.condition(*cond).name))
                }
                _ => None,
            });
            let asked = asked.collect::<Vec<_>>().join(", ");
            found.push(format!("{} | {} | {asked}", chain.name, sources.text(rule.span())));
        }
    }
    found
}

#[test]
fn what_may_not_run_stays_under_the_condition_by_its_text() {
    let text = "#!/bin/sh\nif [ -f /x ]; then\n  iptables -A INPUT -j DROP\nelif test -e /y; then\n\
                iptables -A INPUT -p 1\nelse\niptables -A INPUT -p 2\nfi\n\
                stop() {\n  iptables -A INPUT -p 3\n}\n\
                [ -x /y ] && iptables -A INPUT -j ACCEPT || iptables -A INPUT -p 4\n\
                while read x; do iptables -A INPUT -s $x -j DROP; done\n\
                iptables -A INPUT -j RETURN\n";
    assert_eq!(
        guarded(text),
        [
            "filter INPUT | iptables -A INPUT -j DROP | shell [ -f /x ]",
            "filter INPUT | iptables -A INPUT -p 1 | ",
            "filter INPUT | iptables -A INPUT -p 2 | ",
            "filter INPUT | iptables -A INPUT -j ACCEPT | shell [ -x /y ]",
            "filter INPUT | iptables -A INPUT -p 4 | ",
            "filter INPUT | iptables -A INPUT -s $x -j DROP | -s $x, shell read x",
            "filter INPUT | iptables -A INPUT -j RETURN | ",
            "filter INPUT | iptables -A INPUT -p 3 | ",
        ],
        "what a rule without effect hangs on does not matter"
    );
    let text = "if grep -q x /y; then iptables -A INPUT -j ACCEPT; else iptables -A INPUT -j DROP; fi\n\
                iptables -P INPUT DROP\nif a; then iptables -P INPUT ACCEPT; fi\n";
    assert_eq!(
        guarded(&format!("#!/bin/sh\n{text}")),
        [
            "filter INPUT | iptables -A INPUT -j ACCEPT | shell grep -q x /y",
            "filter INPUT | iptables -A INPUT -j DROP | ! shell grep -q x /y",
            "filter INPUT | ACCEPT | shell a",
        ]
    );
}

#[test]
fn branches_of_a_case_have_conditions_of_their_own() {
    let text = "#!/bin/sh\nstart() {\n  iptables -A INPUT -j DROP\n}\nstop() { iptables -F; }\n\
                iptables -A INPUT -j ACCEPT\n\
                case \"$1\" in\n  start) start ;;\n  stop|halt)\n stop\n ;;\n  *) echo usage; exit 1 ;;\nesac\n";
    assert_eq!(
        guarded(text),
        [
            "filter INPUT | iptables -A INPUT -j ACCEPT | ! shell case $1 in stop|halt",
            "filter INPUT | iptables -A INPUT -j DROP | shell case $1 in start, ! shell case $1 in stop|halt",
        ]
    );
    let known = "#!/bin/sh\nM=b\ncase $M in a) iptables -A INPUT -j DROP;; b|c) iptables -A INPUT -j ACCEPT;; *) iptables -F;; esac\n";
    assert_eq!(guarded(known), ["filter INPUT | iptables -A INPUT -j ACCEPT | "]);
}

#[test]
fn conditions_that_the_script_answers_are_answered() {
    let text = "#!/bin/sh\nV6=no\nif [ \"$V6\" = yes ]; then iptables -A INPUT -j DROP; else iptables -A INPUT -j ACCEPT; fi\n\
                [ -n \"$V6\" ] && iptables -A INPUT -p 1 -j DROP\n[ \"$V6\" = yes ] && iptables -A INPUT -p 2 -j DROP\n\
                iptables -C INPUT -j ACCEPT || iptables -A INPUT -p 3 -j DROP\n\
                iptables -C INPUT -p 9 -j ACCEPT || iptables -A INPUT -p 9 -j ACCEPT\n\
                iptables -nL video >/dev/null 2>&1 || iptables -N video\niptables -A video -j DROP\nexit 0\niptables -F\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, [""; 0]);
    assert_eq!(rules.len(), 4);
}

#[test]
fn functions_are_followed_where_they_are_called() {
    let text = "#!/bin/sh\nipt() { iptables \"$@\"; }\n\
                open_port () {\n  ipt -A INPUT -p $1 --dport \"$2\" -j ACCEPT\n}\n\
                ipt -P INPUT DROP\nopen_port tcp 22\nopen_port udp 5060\nloop() { loop; }\nloop\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, ["PH002"], "the one that calls itself");
    assert_eq!(rules, [r#"filter INPUT: ipt -A INPUT -p $1 --dport "$2" -j ACCEPT"#; 2]);
    let ports = "#!/bin/sh\nipt() { iptables \"$@\"; }\nipt -A INPUT -p tcp --dport 22 -j ACCEPT\n";
    assert_eq!(
        rules_of(ports).0,
        ["filter INPUT: ipt -A INPUT -p tcp --dport 22 -j ACCEPT"],
        "the call is the rule"
    );
}

#[test]
fn wrappers_are_looked_through() {
    let text = "#!/bin/sh\nsudo -E -u root iptables -A INPUT -p 1 -j DROP\nenv -i X=1 iptables -A INPUT -p 2 -j DROP\n\
                nice -n 5 /sbin/iptables -A INPUT -p 3 -j DROP\nbusybox iptables -A INPUT -p 4 -j DROP\n\
                flock -w 5 /run/lock iptables -A INPUT -p 5 -j DROP\ncommand iptables -A INPUT -p 6 -j DROP\n\
                sh -c \"iptables -A INPUT -p 7 -j DROP; iptables -A INPUT -p 8 -j DROP\"\neval 'iptables -A INPUT -p 9 -j DROP'\n\
                eval iptables -A INPUT -p 10 -j DROP\n(iptables -A INPUT -p 11 -j DROP)\nX=1 iptables -A INPUT -p 12 -j DROP\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, [""; 0]);
    assert_eq!(rules.len(), 12);
    assert_eq!(rules[7], "filter INPUT: iptables -A INPUT -p 8 -j DROP");
    let netns = guarded("#!/bin/sh\nip netns exec blue iptables -A FORWARD -j DROP\n");
    assert_eq!(netns, ["filter FORWARD | ip netns exec blue iptables -A FORWARD -j DROP | netns blue"]);
}

#[test]
fn what_is_not_followed_is_said_at_its_place() {
    for line in [
        ". ./no-such-file",
        "iptables-restore < /etc/rules.v4",
        "iptables-restore /etc/rules.v4",
        "cat rules | iptables-restore",
        "ufw allow 22/tcp",
        "nft add rule inet filter input accept",
        "nft -f /etc/nftables.conf",
        "firewall-cmd --add-port=22/tcp",
        "ipset add friends 192.0.2.1",
        "sh -c \"iptables -A INPUT -s \\\"$X\\\" -j DROP\"",
        "echo 10.0.0.1 | xargs -n1 iptables -A INPUT -j DROP -s",
        "ssh gw iptables -A INPUT -j DROP",
        "x=$(iptables -A INPUT -j DROP)",
        "systemctl restart nftables",
        "curl -s https://example.com/fw | sh",
        "/etc/init.d/firewall restart",
        "/etc/rc.d/rc.firewall",
        "rc-service iptables save",
        "systemctl reload ufw.service",
    ] {
        let (_, findings) = rules_of(&format!("#!/bin/sh\n{line}\n"));
        assert_eq!(findings, ["PH002"], "{line}");
    }
    for line in [
        "echo iptables -A INPUT",
        "iptables-save > /tmp/x",
        "nft list ruleset",
        "ipset list",
        "x=$(iptables -L)",
    ] {
        assert_eq!(rules_of(&format!("#!/bin/sh\n{line}\n")), (vec![], vec![]), "{line}");
    }
}

#[test]
fn rules_that_are_replaced_by_unknown_ones_decide_nothing() {
    let text = "#!/bin/sh\niptables -P INPUT DROP\niptables-restore < /etc/rules.v4\n";
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let rules = load(&mut sources, &[id], &Environment::default()).ruleset;
    assert_eq!(names(&rules), ["file /etc/rules.v4"]);
}

#[test]
fn what_is_not_closed_is_said_where_it_begins() {
    for (text, at) in [("iptables -A INPUT \"x\n", 28), ("cat <<EOF\nx\n", 14), ("echo 'x\n", 15)] {
        let mut sources = SourceMap::new();
        let id = sources.add("firewall.sh", format!("#!/bin/sh\n{text}").into_bytes()).unwrap();
        let loaded = load(&mut sources, &[id], &Environment::default());
        assert_eq!(loaded.findings[0].code(), "PH001", "{text}");
        assert_eq!(loaded.findings[0].span.unwrap().start, at, "{text}");
    }
}

#[test]
fn a_body_without_a_command_is_refused_as_the_shell_does() {
    let begin = "#!/bin/bash\niptables -A INPUT -j ACCEPT\n";
    let bodies = [
        ("for p in 22 23; do done\n", false),
        ("for p in 22 23; do\n# nothing\ndone\n", false),
        ("for p in 22 23; do :; done\n", true),
        ("if true; then\nfi\n", false),
        ("if true; then > /dev/null; fi\n", true),
        ("if true; then :; else\nfi\n", false),
        ("if\nthen :; fi\n", false),
        ("while read x; do\ndone < f\n", false),
        ("open() {\n}\n", false),
        ("open() {\n  iptables -A INPUT -j DROP\n}\nopen && open || :\n", true),
        ("function open {\n}\n", false),
        ("function open {\n\tX=1\n}\nopen\n", true),
        ("case $1 in a) ;; b)\n;; esac\n", true),
        ("case $1 in a) true && ;; esac\n", false),
        ("true &&\n", false),
        ("true && \\\n  true\n", true),
        ("true ||\n# and on\ntrue |\ntrue\n", true),
        ("eval \"\" && true\n", true),
        ("{ true; } && ! true\n", true),
    ];
    for (body, holds) in bodies {
        let script = format!("{begin}{body}");
        let said = rules_of(&script).1;
        assert_eq!(!said.contains(&"PH001"), holds, "{body}: {said:?}");
        let bash = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
        assert_eq!(bash.status.success(), holds, "bash: {body}");
    }
}

#[test]
fn rules_that_may_be_deleted_stay_if_they_are_not() {
    let text = "#!/bin/sh\niptables -A INPUT -p 1 -j DROP\nif a; then iptables -D INPUT -p 1 -j DROP; fi\n";
    assert_eq!(guarded(text), ["filter INPUT | iptables -A INPUT -p 1 -j DROP | ! shell a"]);
    let text = "#!/bin/sh\niptables -A INPUT -p 1 -j DROP\nif a; then iptables -F; fi\niptables -A INPUT -p 2 -j DROP\n";
    assert_eq!(guarded(text).len(), 2);
    assert!(guarded(text)[0].ends_with("! shell a"));
}

#[test]
fn here_documents_for_restore_are_dumps() {
    let text = "#!/bin/sh\ncat <<X\n-A INPUT -j ACCEPT\nX\niptables-restore <<'EOF'\n*filter\n-A INPUT -j DROP\nCOMMIT\nEOF\nip6tables -P INPUT DROP\n";
    let (rules, findings) = rules_of(text);
    assert_eq!(findings, [""; 0]);
    assert_eq!(rules, ["filter INPUT: -A INPUT -j DROP"]);
}

#[test]
fn broken_scripts_end() {
    for text in [
        "#!",
        "#!/bin/sh\niptables -A",
        "#!\niptables \"",
        "#!\nA='",
        "#!\niptables $",
        "#!\niptables ${",
        "#!\n$(",
        "#!\nfor",
        "#!\nfor x in a b; do",
        "#!\ndone",
        "#!\ncat <<",
        "#!\n`",
        "#!\nx() {",
        "#!\niptables -A INPUT > ",
        "#!\n((((",
        "#!\n\\",
        "#!\niptables \"é\\é$é`é",
    ] {
        rules_of(text);
    }
    let nested = format!(
        "#!\n{}iptables -A INPUT -j DROP\n{}",
        "for i in 1 2 3 4 5 6 7 8 9; do\n".repeat(9),
        "done\n".repeat(9)
    );
    rules_of(&nested[..40]);
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange(text in "([-!a-z0-9:/,.=#$(){}\"'`\\\\;&|<>*\\[\\] \t\né]|iptables |-A INPUT |-j |-p tcp |--dport |for |done\n|if |<<E\n|-m set ){0,60}") {
        rules_of(&format!("#!/bin/sh\n{text}"));
        rules_of(&format!("*filter\n{text}"));
    }
}

fn names(rules: &crate::model::Ruleset) -> Vec<&str> {
    let mut names: Vec<&str> = rules.conditions.iter().map(|condition| condition.name.as_str()).collect();
    names.dedup();
    names
}

#[test]
fn a_policy_that_a_command_sets_is_a_rule_and_that_of_a_dump_is_not() {
    let written = |name: &str, text: &str| {
        let mut sources = SourceMap::new();
        let id = sources.add(name, text.as_bytes().to_vec()).unwrap();
        load(&mut sources, &[id], &Environment::default()).ruleset.written
    };
    let script = "FW=/usr/sbin/iptables\n$FW -P FORWARD DROP\n$FW -A FORWARD -p tcp --dport 1720 -j ACCEPT\n";
    assert_eq!(written("fw.sh", script), 2);
    assert_eq!(written("fw.sh", &format!("#!/bin/sh\n{script}")), 2);
    assert_eq!(written("rules", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j ACCEPT\nCOMMIT\n"), 1);
    assert_eq!(written("rules", "-P FORWARD DROP\n-A FORWARD -j ACCEPT\n"), 1);
}

#[test]
fn what_is_there_stays_where_a_restore_does_not_flush() {
    let restored = |options: &str| {
        let (rules, findings) = rules_of(&format!(
            "#!/bin/sh\niptables -A INPUT -j ACCEPT\niptables -N video\niptables -A video -j DROP\n\
             iptables-restore {options} <<E\n*filter\n:INPUT DROP\n:video -\n-A video -j ACCEPT\nCOMMIT\nE\n"
        ));
        (rules.len(), findings)
    };
    // What was replaced is still told of.
    assert_eq!(restored(""), (3, vec!["PH002"]));
    for options in ["-n", "--noflush", "--nofl", "-w 5 -cn", "-w -n"] {
        assert_eq!(restored(options), (2, vec![]), "{options}");
    }
    for options in ["-t", "--test", "--noflush --test", "-V"] {
        let (rules, _) = restored(options);
        assert_eq!(rules, 2, "{options}: nothing is restored");
    }
    for options in ["-T nat", "--table=filter", "-nT filter"] {
        let (_, findings) = restored(options);
        assert_eq!(findings, ["PH002"], "{options}");
    }
}

#[test]
fn commands_in_the_hands_of_other_programs_are_said() {
    for line in [
        "su -c 'iptables -F'",
        "perl -e 'system q(iptables -A INPUT -j DROP)'",
        "trap 'iptables -F' EXIT",
        "alias ipt=iptables",
        "ssh gate 'iptables -A INPUT -j DROP'",
        "/etc/init.d/iptables stop",
        "sh ./more.sh",
        "./more.sh",
    ] {
        let (rules, findings) = rules_of(&format!("iptables -A INPUT -p tcp --dport 1 -j DROP\n{line}\n"));
        assert_eq!(findings, ["PH002"], "{line}: {rules:?}");
    }
    for line in
        ["echo 'iptables -F'", "trap 'rm -f x' EXIT", "alias ll='ls -l'", "git commit -m 'iptables -F now'"]
    {
        let (_, findings) = rules_of(&format!("iptables -A INPUT -p tcp --dport 1 -j DROP\n{line}\n"));
        assert_eq!(findings, [""; 0], "{line}");
    }
}

/// What names the conditions of a script's rules have, and what is found.
fn open_and_found(lines: &str) -> (Vec<String>, Vec<&'static str>) {
    let text = format!("#!/bin/sh\niptables -P INPUT DROP\n{lines}\n");
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.into_bytes()).unwrap();
    let loaded = load(&mut sources, &[id], &Environment::default());
    let names = names(&loaded.ruleset).into_iter().map(str::to_string).collect();
    (names, loaded.findings.iter().map(|f| f.code()).collect())
}

#[test]
fn a_program_that_is_looked_for_is_followed() {
    for program in [
        "IPT=$(which iptables)",
        "IPT=`which iptables`",
        "IPT=\"$(command -v iptables 2>/dev/null)\"",
        "IPT=$(type -p iptables)",
        "IPT=${IPTABLES:-/sbin/iptables}",
    ] {
        let (conditions, findings) =
            open_and_found(&format!("{program}\n$IPT -A INPUT -p tcp --dport 22 -j ACCEPT"));
        assert_eq!((conditions.len(), findings.len()), (0, 0), "{program}: {conditions:?} {findings:?}");
    }
}

#[test]
fn what_is_not_followed_leaves_verdicts_open() {
    for (lines, condition) in [
        ("$(pick) -A INPUT -j ACCEPT", "shell $(pick)"),
        ("out=$(iptables -A INPUT -j ACCEPT)", "shell substitution"),
        (". /opt/fw/rules.sh", "file /opt/fw/rules.sh"),
    ] {
        assert_eq!(open_and_found(lines), (vec![condition.to_string()], vec!["PH002"]), "{lines}");
    }
    // Functions of an init system, and settings, open nothing.
    for lines in
        [". /lib/lsb/init-functions", ". /etc/default/firewall", "ssh box iptables -A INPUT -j ACCEPT"]
    {
        assert_eq!(open_and_found(lines), (vec![], vec!["PH002"]), "{lines}");
    }
}
