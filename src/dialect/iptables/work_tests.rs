//! What would be too much work is cut off, and said.

use super::*;

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn what_is_cut_off_is_said_and_unknown() {
    let open = lines(7, |i| format!("for v{i} in 1 2 3 4 5 6 7 8 9; do\n"));
    let forever = format!("#!/bin/sh\niptables -P INPUT DROP\n{open}:\n{}iptables -F\n", "done\n".repeat(7));
    let mut sources = SourceMap::new();
    let id = sources.add("fw.sh", forever.as_bytes().to_vec()).unwrap();
    let loaded = load(&mut sources, &[id], &Environment::default());
    assert!(loaded.findings.iter().any(|finding| finding.code() == "PH006"));
    assert!(loaded.ruleset.conditions.iter().any(|condition| condition.name == "the rest of the script"));
    let alternatives = " -m conntrack ! --ctstate SNAT,DNAT".repeat(24);
    let loaded = super::tests::load_text(
        &format!("*filter\n-A INPUT{alternatives} -j DROP\nCOMMIT\n"),
        &Environment::default(),
    );
    assert_eq!(loaded.findings[0].message, "the matches of this rule can hold in too many ways");
    assert_eq!(loaded.ruleset.rules(), 1);
    assert_eq!(
        super::tests::verdict(&loaded.ruleset, crate::model::Way::Input, super::tests::tcp(1)),
        "depends: rule filter INPUT \"with too many ways\" 1"
    );
}
