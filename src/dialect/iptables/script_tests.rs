//! Scripts of `iptables` commands.

use super::*;

fn rules_of(text: &str) -> (Vec<String>, Vec<&'static str>) {
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let loaded = load(&mut sources, &[id], &Environment::default());
    let mut rules = Vec::new();
    for chain in &loaded.ruleset.chains {
        rules.extend(chain.rules.iter().map(|rule| format!("{}: {}", chain.name, sources.text(rule.span))));
    }
    (rules, loaded.findings.iter().map(|f| f.code).collect())
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

#[test]
fn what_may_not_run_stays_under_a_condition() {
    let text = "#!/bin/sh\nif [ -f /x ]; then\n  iptables -A INPUT -j DROP\nfi\n\
                stop() {\n  iptables -F\n}\n\
                [ -x /y ] && iptables -A INPUT -j ACCEPT\n\
                iptables -A INPUT -j LOG\n";
    let mut sources = SourceMap::new();
    let id = sources.add("firewall.sh", text.as_bytes().to_vec()).unwrap();
    let loaded = load(&mut sources, &[id], &Environment::default());
    assert_eq!(loaded.ruleset.rules(), 3);
    assert_eq!(names(&loaded.ruleset), ["shell `if`", "shell `function`", "shell condition"]);
    assert!(loaded.findings.iter().all(|f| f.code == "PH002"));
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
