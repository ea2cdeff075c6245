//! Work is bounded: what grows four times takes no more than six times as long, and what a few lines could blow up
//! stops with a finding, and with verdicts that are open.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pinhole::analysis::{Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Verdict, Way};
use pinhole::packet::{Family, Field, Packet};
use pinhole::source::SourceMap;

use common::Scratch;

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

fn read_file(path: &Path) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.read(path, path).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

/// Nanoseconds that this thread has run; none where the system does not count them.
fn spent() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The least time that reading a text so many times takes, in nanoseconds. What was read is kept meanwhile, so that
/// memory is not given back in between.
fn cost(text: &str, times: usize) -> Option<u64> {
    (0..3)
        .map(|_| {
            let start = spent()?;
            let kept: Vec<Loaded> = (0..times).map(|_| read(text)).collect();
            drop(kept);
            Some(spent()? - start)
        })
        .min()?
}

fn holds(what: &str, n: usize, make: &dyn Fn(usize) -> String) {
    // The shorter one four times as often, so that as much memory is had: getting it takes its time. The system counts in
    // ticks of some milliseconds, which make no difference where it is much.
    const TIMES: usize = 4;
    // One after the other: what others read at the same time drives this out of the caches.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(one), Some(four)) = (cost(&make(n), 4 * TIMES), cost(&make(4 * n), TIMES)) else {
        // The system does not count what threads run: there is nothing to compare.
        return;
    };
    // A part of the time is spent whatever the size is.
    let (one, four) = ((one / (4 * TIMES as u64)).max(5_000_000), four / TIMES as u64);
    assert!(four < 6 * one, "{what}: {n} takes {one} ns, four times as many {four} ns");
}

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}", line(at));
        text
    })
}

fn table(inner: &str) -> String {
    format!("table inet t {{\n{inner}\n}}\n")
}

fn chain(rules: &str) -> String {
    format!("chain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}")
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255)
}

fn addresses(n: usize) -> String {
    (0..n).map(address).collect::<Vec<_>>().join(", ")
}

#[test]
fn commands_are_linear() {
    holds("tables", 2_000, &|n| lines(n, |at| format!("table ip t{at} {{ chain c {{ accept; }}; }}")));
    holds("tables that are deleted", 500, &|n| {
        lines(n, |at| format!("add table ip t{at}")) + &lines(n, |at| format!("delete table ip t{at}"))
    });
    holds("chains", 2_000, &|n| {
        String::from("add table t\n") + &lines(n, |at| format!("add chain t c{at}\nadd rule t c{at} accept"))
    });
    holds("rules put in front", 2_000, &|n| {
        String::from("add table t\nadd chain t c\n") + &lines(n, |_| "insert rule t c accept".to_string())
    });
    holds("rules at a place", 1_000, &|n| {
        String::from("add table t\nadd chain t c\nadd rule t c accept\n")
            + &lines(n, |_| "insert rule t c index 0 accept".to_string())
    });
    holds("objects", 2_000, &|n| {
        table(
            &(lines(n, |at| format!("counter n{at} {{ }}"))
                + &chain(&lines(n, |at| format!("counter name n{at}")))),
        )
    });
    holds("elements one by one", 2_000, &|n| {
        String::from("add table t\nadd set t s { type ipv4_addr; flags interval; }\n")
            + &lines(n, |at| format!("add element t s {{ {} }}", address(at)))
    });
    holds("defines of defines", 2_000, &|n| {
        String::from("define v0 = 1\n")
            + &lines(n, |at| format!("define v{} = $v{at}", at + 1))
            + &table(&chain(&lines(n, |_| format!("tcp dport $v{n} accept"))))
    });
}

#[test]
fn json_is_linear() {
    let document = |n: usize, command: &dyn Fn(usize) -> String| {
        let commands: Vec<_> = (0..n).map(command).collect();
        format!("{{\"nftables\": [{}]}}", commands.join(",\n"))
    };
    holds("tables in JSON", 2_000, &|n| {
        document(n, &|at| format!("{{\"table\": {{\"family\": \"ip\", \"name\": \"t{at}\"}}}}"))
    });
    holds("broken commands in JSON", 2_000, &|n| {
        document(n, &|at| format!("{{\"table\": {{\"name\" \"t{at}\"}}}}"))
    });
    holds("rules in JSON", 2_000, &|n| {
        document(n, &|at| {
            format!(
                "{{\"rule\": {{\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \"handle\": {at}, \
                 \"expr\": [{{\"match\": {{\"op\": \"==\", \"left\": {{\"payload\": {{\"protocol\": \"ip\", \
                 \"field\": \"saddr\"}}}}, \"right\": \"{}\"}}}}, {{\"accept\": null}}]}}}}",
                address(at)
            )
        })
    });
}

#[test]
fn sets_and_maps_are_linear() {
    let set = |n| format!("set s {{ type ipv4_addr; elements = {{ {} }}; }}\n", addresses(n));
    holds("a set that many rules look up", 1_000, &|n| {
        table(&(set(n) + &chain(&lines(n, |at| format!("tcp dport {at} ip saddr @s accept")))))
    });
    holds("a variable that many rules look up", 1_000, &|n| {
        format!("define s = {{ {} }}\n", addresses(n))
            + &table(&chain(&lines(n, |at| format!("tcp dport {at} ip saddr $s accept"))))
    });
    let pairs = |n: usize| {
        let pairs: Vec<_> = (0..n).map(|at| format!("{} . {at}", address(at))).collect();
        format!("set p {{ type ipv4_addr . inet_service; elements = {{ {} }}; }}\n", pairs.join(", "))
    };
    holds("pairs that many rules look up", 1_000, &|n| {
        table(&(pairs(n) + &chain(&lines(n, |at| format!("iif {at} ip saddr . tcp dport @p accept")))))
    });
    let verdicts =
        |n: usize| (0..n).map(|at| format!("{} : jump c{at}", address(at))).collect::<Vec<_>>().join(", ");
    holds("a big verdict map", 1_000, &|n| {
        table(
            &(lines(n, |at| format!("chain c{at} {{ accept; }}"))
                + &chain(&format!("ip saddr vmap {{ {} }}", verdicts(n)))),
        )
    });
    holds("a verdict map that many rules look up", 1_000, &|n| {
        table(
            &(lines(n, |at| format!("chain c{at} {{ accept; }}"))
                + &format!("map m {{ type ipv4_addr : verdict; elements = {{ {} }}; }}\n", verdicts(n))
                + &chain(&lines(n, |at| format!("tcp dport {at} ip saddr vmap @m")))),
        )
    });
    holds("a verdict map in many chains", 300, &|n| {
        table(
            &(format!("map m {{ type ipv4_addr : verdict; elements = {{ {} }}; }}\n", verdicts(n))
                + &lines(n, |at| format!("chain c{at} {{ ip saddr vmap @m; }}"))),
        )
    });
    holds("ranges that overlap", 1_000, &|n| {
        let ranges: Vec<_> = (0..n).map(|at| format!("{}-10.255.0.0 : drop", address(at))).collect();
        table(&chain(&format!("ip saddr vmap {{ {} }}", ranges.join(", "))))
    });
}

#[test]
fn chains_are_linear() {
    holds("base chains with one chain behind them", 500, &|n| {
        table(
            &(lines(n, |at| format!("chain l{at} {{ accept; }}"))
                + &format!("chain all {{\n{}\n}}\n", lines(n, |at| format!("tcp dport {at} jump l{at}")))
                + &lines(n, |at| {
                    format!(
                        "chain b{at} {{ type filter hook input priority {at}; policy drop; tcp dport 1 accept; jump all; }}"
                    )
                })),
        )
    });
    holds("chains in a circle", 2_000, &|n| {
        table(&lines(n, |at| format!("chain c{at} {{ tcp dport {at} jump c{}; }}", (at + 1) % n)))
    });
    holds("chains in place", 2_000, &|n| {
        table(&chain(&lines(n, |at| format!("tcp dport {at} jump {{ ip saddr 10.0.0.1 accept; }}"))))
    });
    holds("rules of two ways", 1_000, &|n| {
        table(&chain(&lines(n, |at| format!("fib daddr type local th dport {at} accept"))))
    });
    holds("rules that cannot be read", 2_000, &|n| {
        table(&chain(&lines(n, |_| "tcp dport { 22, ( ] accept".to_string())))
    });
    holds("quotes without an end", 2_000, &|n| {
        table(&chain(&lines(n, |_| "iifname \"eth accept".to_string())))
    });
    holds("braces", 10_000, &|n| "{".repeat(n));
    holds("sets without an end", 2_000, &|n| table(&chain(&lines(n, |_| "tcp dport { 22,".to_string()))));
}

/// Whether both ends are possible for a packet.
fn is_open(loaded: &Loaded) -> bool {
    let mut packet = Packet::new(Family::V4, 6);
    for (field, value) in [(Field::Src4, 0x0a00_0001), (Field::Dst4, 0x0a00_0002), (Field::Dport, 22)] {
        packet.set(field, value);
    }
    let trip = Trip { packet, way: Way::Forward, fwd_oif: None, loopback: false };
    let ends = interpret(&loaded.ruleset, &trip, &mut ());
    let accepts = |accept: bool| ends.iter().any(|end| (end.verdict == Verdict::Accept) == accept);
    accepts(true) && accepts(false)
}

fn stops(loaded: &Loaded) -> bool {
    loaded
        .findings
        .iter()
        .any(|finding| finding.code() == "PH006" || finding.message.contains("not read to its end"))
}

#[test]
fn what_a_few_lines_blow_up_stops_and_stays_open() {
    let base = table(&chain("tcp dport 22 accept"));
    let doubling = |first: &str, sign: &str, last: &str| {
        let more = lines(30, |at| format!("define v{} = {}", at + 1, sign.replace('$', &format!("$v{at}"))));
        format!("define v0 = {first}\n{more}{}", table(&chain(&last.replace('$', "$v30"))))
    };
    for text in [
        doubling("{ 22 }", "{ $, $ }", "tcp dport $ accept"),
        doubling("22", "$ | $", "tcp dport $ accept"),
        String::from("define v0 = 1\n")
            + &lines(5_000, |at| format!("define v{} = $v{at} | 1", at + 1))
            + &base,
    ] {
        let loaded = read(&text);
        assert!(stops(&loaded), "{:?}", loaded.findings);
        assert!(is_open(&loaded));
    }
    let ways = table(&chain(&lines(200, |_| "fib daddr type local ".repeat(11) + "accept")));
    let loaded = read(&ways);
    assert!(stops(&loaded) && is_open(&loaded));
    assert!(loaded.ruleset.rules() < 400_000);
    let moved = String::from("add table t\nadd chain t c\n")
        + &lines(9_000, |_| "insert rule t c index 0 accept".to_string()).replacen(
            "insert rule t c index 0",
            "add rule t c",
            1,
        );
    let loaded = read(&(moved + "add chain t c { type filter hook forward priority 0; policy drop; }\n"));
    assert!(stops(&loaded) && is_open(&loaded));
}

#[test]
fn includes_that_multiply_stop() {
    let folder = Scratch::new("multiply");
    for at in 0..15 {
        let next = format!("include \"f{}.nft\"\n", at + 1);
        folder.file(&format!("inside/f{at}.nft"), next.repeat(8));
    }
    folder.file("inside/f15.nft", table(&chain("tcp dport 22 accept")));
    let loaded = read_file(&folder.0.join("inside/f0.nft"));
    assert!(stops(&loaded) && is_open(&loaded));
    folder.file("inside/big.nft", format!("# {}\n", "x".repeat(1 << 20)));
    let text = "include \"big.nft\"\n".repeat(100) + &table(&chain("tcp dport 22 accept"));
    let loaded = read_file(&folder.file("inside/again.nft", &text));
    assert!(stops(&loaded) && is_open(&loaded));
}

#[test]
fn includes_stay_in_the_folder_of_the_config() {
    let folder = Scratch::new("outside");
    folder.write("secret", "token 4711\n").write("inside/near.nft", table(&chain("tcp dport 22 accept")));
    let link = folder.0.join("inside/link.nft");
    std::os::unix::fs::symlink(folder.0.join("secret"), &link).unwrap();
    let pipe = folder.0.join("inside/pipe.nft");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in [
        "../secret",
        "link.nft",
        "/proc/self/environ",
        "/proc/kmsg",
        "/dev/zero",
        "/dev/stdin",
        "pipe.nft",
        "/etc/*",
    ] {
        let text = format!("include \"{name}\"\n{}", table(&chain("tcp dport 22 accept")));
        let loaded = read_file(&folder.file("inside/main.nft", &text));
        let found: Vec<_> = loaded.findings.iter().filter(|finding| finding.code() < "PH1").collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].code(), "PH003", "{name}");
        assert!(!format!("{found:?}").contains("4711"));
    }
    let loaded =
        read_file(&folder.file("inside/main.nft", "include \"./near.nft\"\ninclude \"../inside/*.none\"\n"));
    assert!(loaded.findings.iter().all(|finding| finding.code() >= "PH1"), "{:?}", loaded.findings);
}
