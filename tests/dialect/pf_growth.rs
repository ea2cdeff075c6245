//! Four times the text costs no more than six times the work: for each kind of text that could make reading grow
//! faster. Work is CPU time of the thread where the system tells it, and the size of what comes out.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::cpu;

use std::fmt::Write;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::source::SourceMap;

/// What fourfold input may cost.
const MOST: f64 = 6.0;
/// CPU time below which nothing is compared, in nanoseconds: what is noise.
const NOISE: u64 = 100_000_000;

fn read(text: &str) -> (Loaded, u64) {
    let mut sources = SourceMap::new();
    let id = sources.add("pf.conf", text.as_bytes().to_vec()).unwrap();
    let start = cpu::nanoseconds();
    let loaded = load(Dialect::Pf, &mut sources, &[id], &Environment::default());
    (loaded, cpu::nanoseconds() - start)
}

/// How much came out.
fn size(loaded: &Loaded) -> usize {
    let rules = &loaded.ruleset;
    let texts: usize = loaded.findings.iter().map(|finding| finding.message.len()).sum();
    let names: usize = rules.conditions.iter().map(|condition| condition.name.len()).sum();
    let sets: usize = rules.sets.iter().map(|set| set.ranges().len()).sum();
    rules.steps.len() + rules.rules() + sets + names + texts
}

/// Reads text of `n` and of `4n` and compares.
fn grows(what: &str, n: usize, text: impl Fn(usize) -> String) {
    let (small, large) = (text(n), text(4 * n));
    let ((one, _), (_, time)) = (read(&small), read(&small));
    let ((four, slow), (_, again)) = (read(&large), read(&large));
    let ratio = size(&four) as f64 / size(&one).max(1000) as f64;
    assert!(ratio <= MOST, "{what}: {n} gives {}, four times as much gives {}", size(&one), size(&four));
    let slow = slow.min(again);
    if slow > NOISE {
        let ratio = slow as f64 / time.max(NOISE / 8) as f64;
        assert!(ratio <= MOST, "{what}: {n} takes {time} ns, four times as much takes {slow} ns");
    }
}

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}", line(at));
        text
    })
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255)
}

#[test]
fn text_that_cannot_be_read() {
    grows("a word that is no word", 5000, |n| lines(n, |_| "pass inn".into()));
    grows("quotes that open", 5000, |n| lines(n, |_| "a = \"".into()));
    grows("quotes of both kinds", 5000, |n| {
        lines(n, |at| if at % 3 == 0 { "a = \"".into() } else { "b = '".into() })
    });
    grows("macros that nothing defines", 5000, |n| lines(n, |_| "pass in on $nope".into()));
    grows("rules that pfctl refuses", 5000, |n| lines(n, |_| "block in keep state".into()));
    grows("services that nobody knows", 2000, |n| lines(n, |at| format!("pass in proto tcp to port s{at}")));
}

#[test]
fn conditions_that_the_file_does_not_tell() {
    grows("owners", 1000, |n| {
        lines(n, |at| format!("pass out proto tcp to port {} user u{}", at % 60000 + 1, at % 8))
    });
    grows("chances", 1000, |n| {
        lines(n, |at| format!("pass in proto tcp to port {} probability 10%", at % 60000 + 1))
    });
    grows("a mixture", 300, |n| {
        lines(n, |at| match at % 4 {
            0 => format!("pass in from (lo{at}) to no-route"),
            1 => format!("pass in from <t{at}> to (em{at})"),
            2 => "block in from urpf-failed".into(),
            _ => format!("pass in from ! <t{at}> to em{at}:network"),
        })
    });
    grows("state limits", 1000, |n| {
        lines(n, |at| format!("pass in proto tcp to port {} keep state (max 10)", at % 60000 + 1))
    });
    grows("anchors that are elsewhere", 1000, |n| {
        lines(n, |at| format!("anchor \"a{at}\" from (em0) to <t>"))
    });
    grows("translation anchors", 300, |n| {
        lines(n, |at| {
            format!("nat-anchor \"n\" proto tcp from (em0) port {} to (em1) port {}", at + 1, at + 2)
        }) + &lines(n, |at| format!("rdr-anchor \"r\" proto tcp from (em0) to (em1) port {}", at + 1))
    });
}

#[test]
fn lists_and_tables() {
    let list = |n: usize, of: &dyn Fn(usize) -> String| {
        format!("{{ {} }}", (0..n).map(of).collect::<Vec<_>>().join(" "))
    };
    grows("a list", 5000, |n| format!("pass in from {} to any\n", list(n, &address)));
    grows("a product", 60, |n| format!("pass in from {} to {}\n", list(n, &address), list(60, &address)));
    grows("a product that is too large", 20000, |n| {
        format!("pass in from {} to {}\n", list(n, &address), list(n, &address))
    });
    grows("negated elements", 3000, |n| {
        format!("pass in from {} to any\n", list(n, &|at| format!("!{}", address(at))))
    });
    grows("names of services in a product", 60, |n| {
        format!(
            "pass in proto tcp from any port {} to any port {}\n",
            list(n, &|at| format!("s{at}")),
            list(60, &|at| format!("t{at}"))
        )
    });
    grows("a table", 5000, |n| format!("table <t> {}\npass in from <t>\n", list(n, &address)));
    grows("a table with exceptions", 3000, |n| {
        format!(
            "table <t> {}\npass in from <t>\n",
            list(n, &|at| format!(
                "{}{}/{}",
                if at % 2 == 0 { "" } else { "!" },
                address(at * 7),
                8 + at % 25
            ))
        )
    });
    grows("tables", 3000, |n| {
        lines(n, |at| format!("table <t{at}> {{ {} }}\npass in from <t{at}>", address(at)))
    });
    grows("one table, many rules", 300, |n| {
        format!("table <t> {}\n{}", list(n, &address), lines(n, |_| "pass in from <t>".into()))
    });
    grows("antispoof", 1000, |n| format!("antispoof for {}\n", list(n, &|at| format!("em{at}"))));
    grows("skipped interfaces", 2000, |n| format!("set skip on {}\n", list(n, &|at| format!("em{at}"))));
}

#[test]
fn rules_that_are_compared_with_each_other() {
    grows("overlapping ranges", 2000, |n| {
        lines(n, |at| format!("pass in proto tcp to port {}:{}", at % 30000 + 1, at % 30000 + 20000))
    });
    grows("ranges that are blocked and passed", 1000, |n| {
        lines(n, |at| format!("block in proto tcp from {} to port {}:{}", address(at), at + 1, at + 20000))
            + &lines(n, |at| format!("pass in proto tcp to port {}:{}", at + 1, at + 20000))
    });
    grows("tags", 1000, |n| {
        lines(n, |at| {
            format!("pass in to port {} proto tcp tag t{at}\npass out tagged t{at}", at % 60000 + 1).replace(
                &format!("to port {} proto tcp", at % 60000 + 1),
                &format!("proto tcp to port {}", at % 60000 + 1),
            )
        })
    });
    grows("redirections", 1000, |n| {
        lines(n, |at| {
            format!("rdr on em0 proto tcp from any to 192.0.2.1 port {} -> {}", at + 1, address(at))
        }) + &lines(n, |at| format!("pass in proto tcp to 192.0.2.1 port {}", at + 1))
    });
    grows("rules without state", 1000, |n| {
        "block all\n".to_string() + &lines(n, |at| format!("pass in proto udp to port {} no state", at + 1))
    });
    grows("wide rules", 1000, |n| {
        lines(n, |at| if at % 2 == 0 { "block in".into() } else { format!("pass in on em{at}") })
    });
}

#[test]
fn queues_anchors_and_macros() {
    grows("queues", 2000, |n| {
        "queue root on em0 bandwidth 1G\nqueue std parent root bandwidth 1M default\n".to_string()
            + &lines(n, |at| format!("queue q{at} parent root bandwidth 1M"))
    });
    grows("a chain of queues", 2000, |n| {
        "queue q0 on em0 bandwidth 1G\n".to_string()
            + &lines(n, |at| format!("queue q{} parent q{at} bandwidth 1M default", at + 1))
    });
    grows("altq", 1000, |n| {
        let names: Vec<String> = (0..n).map(|at| format!("q{at}")).collect();
        format!("altq on em0 cbq bandwidth 1Gb queue {{ {} }}\n", names.join(" "))
            + &lines(n, |at| format!("queue q{at} bandwidth 1%"))
    });
    grows("altq in circles", 1000, |n| {
        "altq on em0 cbq bandwidth 1Gb queue { q0 }\n".to_string()
            + &lines(n, |at| format!("queue q{at} bandwidth 1% {{ q{} r{at} }}", at + 1))
    });
    grows("anchors side by side", 1000, |n| {
        lines(n, |at| format!("anchor a{at} on em{at} {{\n pass in\n}}"))
    });
    grows("loaded anchors that are not there", 1000, |n| {
        lines(n, |at| format!("load anchor \"a/{at}\" from \"nowhere/{at}\"")) + "anchor \"a/*\"\n"
    });
    grows("macros", 3000, |n| lines(n, |at| format!("m{at} = \"em{at}\"\npass in on $m{at}")));
    grows("a macro that is defined anew", 3000, |n| lines(n, |_| "m = \"em0 em1\"".into()));
    grows("macros that double", 100, |n| {
        "a = \"x x x x x x x x\"\n".to_string() + &lines(n, |_| "a = $a $a".into())
    });
    grows("a long macro that is used often", 300, |n| {
        format!("m = \"{{ {} }}\"\n", (0..n).map(address).collect::<Vec<_>>().join(" "))
            + &lines(n, |_| "pass in from $m".into())
    });
}
