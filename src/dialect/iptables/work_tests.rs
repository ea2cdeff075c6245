//! The work of reading grows with the text: four times the text, about four times the work.

use super::*;

/// Processor time of this thread, in nanoseconds; none where the system does not tell.
fn cpu() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Processor time that reading takes, the best of a few times.
fn cost(name: &str, text: &str) -> Option<u64> {
    let mut best = None;
    for _ in 0..2 {
        let mut sources = SourceMap::new();
        let id = sources.add(name, text.as_bytes().to_vec()).unwrap();
        let before = cpu()?;
        let loaded = load(&mut sources, &[id], &Environment::default());
        let taken = cpu()? - before;
        assert!(loaded.ruleset.rules() <= 2 * text.len(), "{name}");
        best = Some(best.map_or(taken, |best: u64| best.min(taken)));
    }
    best
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn four_times_the_text_is_about_four_times_the_work() {
    type Make = fn(usize) -> String;
    let kinds: [(&str, &str, Make); 12] = [
        ("append, then delete", "fw.sh", |n| {
            let add = lines(n, |i| format!("iptables -A INPUT -p tcp --dport {} -j DROP\n", i % 60000));
            add + &lines(n, |i| format!("iptables -D INPUT -p tcp --dport {} -j DROP\n", (n - 1 - i) % 60000))
        }),
        ("check, then append", "fw.sh", |n| {
            lines(n, |i| {
                format!(
                    "iptables -C INPUT -s 10.0.{}.{} || iptables -A INPUT -s 10.0.{0}.{1}\n",
                    i / 250,
                    i % 250
                )
            })
        }),
        ("insert", "fw.sh", |n| lines(n, |i| format!("iptables -I INPUT {} -j DROP\n", i / 2 + 1))),
        ("new and delete chains", "fw.sh", |n| {
            lines(n, |i| format!("iptables -N c{i}\niptables -E c{i} d{i}\niptables -F\niptables -X\n"))
        }),
        ("many chains, many flushes", "fw.sh", |n| {
            lines(n, |i| format!("iptables -N c{i}\n"))
                + &lines(n, |_| "iptables -F\niptables -A INPUT\n".into())
        }),
        ("here-documents", "fw.sh", |n| {
            lines(n, |_| {
                "iptables-restore <<E\n*filter\n-A INPUT -m state --state NEW -j DROP\nCOMMIT\nE\n".into()
            })
        }),
        ("open here-documents", "fw.sh", |n| lines(n, |i| format!("cat <<E{i}\n"))),
        ("doubling variables", "fw.sh", |n| {
            let double = lines(40, |_| "A=\"$A$A\"\n".into());
            format!("A=x\n{double}{}", lines(n, |_| "iptables -A INPUT -s $A -j DROP\n".into()))
        }),
        ("functions that call", "fw.sh", |n| {
            let define = lines(n, |i| format!("f{i}() {{ iptables -A INPUT -p $1 -j DROP; }}\n"));
            define + &lines(n, |i| format!("f{i} tcp\n"))
        }),
        ("tables restored again", "rules", |n| lines(n, |_| "*filter\n-A INPUT -j DROP\nCOMMIT\n".into())),
        ("negated alternatives", "rules", |n| {
            let one = " -m conntrack ! --ctstate SNAT,DNAT -m helper ! --helper x -m owner ! --uid-owner 1"
                .repeat(8);
            format!("*filter\n{}COMMIT\n", lines(n, |_| format!("-A OUTPUT{one} -j DROP\n")))
        }),
        ("a listing", "listing", |n| {
            let head = "(1 references)\n pkts bytes target prot opt in out source destination\n";
            lines(n, |i| {
                format!("Chain c{i} {head}    0     0 DROP  6  --  *  *  10.0.0.1  0.0.0.0/0  tcp dpt:22\n")
            })
        }),
    ];
    const SMALL: usize = 600;
    for (kind, name, make) in kinds {
        let (Some(small), Some(large)) = (cost(name, &make(SMALL)), cost(name, &make(4 * SMALL))) else {
            return;
        };
        // What is too short to measure is short enough.
        assert!(large < 6 * small + 20_000_000, "{kind}: {} µs and {} µs", small / 1000, large / 1000);
    }
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
