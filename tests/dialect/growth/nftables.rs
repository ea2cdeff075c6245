//! What an nftables ruleset can hold many of.

use super::{Kind, address, joined, lines};

fn table(inner: &str) -> String {
    format!("table inet t {{\n{inner}\n}}\n")
}

fn chain(rules: &str) -> String {
    format!("chain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}\n")
}

fn chained(n: usize, rule: impl Fn(usize) -> String) -> String {
    table(&chain(&lines(n, rule)))
}

fn set(n: usize) -> String {
    format!("set s {{ type ipv4_addr; elements = {{ {} }}; }}\n", joined(n, ", ", address))
}

fn verdicts(n: usize) -> String {
    joined(n, ", ", |at| format!("{} : jump c{at}", address(at)))
}

fn document(n: usize, command: impl Fn(usize) -> String) -> String {
    format!("{{\"nftables\": [{}]}}", joined(n, ",\n", command))
}

pub(super) const COMMANDS: &[Kind] = &[
    ("tables", 1000, |n| lines(n, |at| format!("table ip t{at} {{ chain c {{ accept; }}; }}"))),
    ("tables that are deleted", 500, |n| {
        lines(n, |at| format!("add table ip t{at}")) + &lines(n, |at| format!("delete table ip t{at}"))
    }),
    ("chains", 1000, |n| {
        "add table t\n".to_string() + &lines(n, |at| format!("add chain t c{at}\nadd rule t c{at} accept"))
    }),
    ("rules put in front", 1000, |n| {
        "add table t\nadd chain t c\n".to_string() + &"insert rule t c accept\n".repeat(n)
    }),
    ("rules at a place", 1000, |n| {
        "add table t\nadd chain t c\nadd rule t c accept\n".to_string()
            + &"insert rule t c index 0 accept\n".repeat(n)
    }),
    ("objects", 1000, |n| {
        table(
            &(lines(n, |at| format!("counter n{at} {{ }}"))
                + &chain(&lines(n, |at| format!("counter name n{at}")))),
        )
    }),
    ("elements one by one", 1000, |n| {
        "add table t\nadd set t s { type ipv4_addr; flags interval; }\n".to_string()
            + &lines(n, |at| format!("add element t s {{ {} }}", address(at)))
    }),
    ("defines of defines", 1000, |n| {
        "define v0 = 1\n".to_string()
            + &lines(n, |at| format!("define v{} = $v{at}", at + 1))
            + &chained(n, |_| format!("tcp dport $v{n} accept"))
    }),
    ("defines that double", 10, |n| {
        let double = lines(3 * n, |at| format!("define v{} = {{ $v{at}, $v{at} }}", at + 1));
        format!("define v0 = {{ 22 }}\n{double}") + &chained(1, |_| format!("tcp dport $v{} accept", 3 * n))
    }),
];

pub(super) const SETS: &[Kind] = &[
    ("a set that many rules look up", 500, |n| {
        table(&(set(n) + &chain(&lines(n, |at| format!("tcp dport {at} ip saddr @s accept")))))
    }),
    ("a variable that many rules look up", 500, |n| {
        format!("define s = {{ {} }}\n", joined(n, ", ", address))
            + &chained(n, |at| format!("tcp dport {at} ip saddr $s accept"))
    }),
    ("pairs that many rules look up", 300, |n| {
        let pairs = joined(n, ", ", |at| format!("{} . {at}", address(at)));
        table(
            &(format!("set p {{ type ipv4_addr . inet_service; elements = {{ {pairs} }}; }}\n")
                + &chain(&lines(n, |at| format!("iif {at} ip saddr . tcp dport @p accept")))),
        )
    }),
    ("a big verdict map", 500, |n| {
        table(
            &(lines(n, |at| format!("chain c{at} {{ accept; }}"))
                + &chain(&format!("ip saddr vmap {{ {} }}", verdicts(n)))),
        )
    }),
    ("a verdict map that many rules look up", 200, |n| {
        table(
            &(lines(n, |at| format!("chain c{at} {{ accept; }}"))
                + &format!("map m {{ type ipv4_addr : verdict; elements = {{ {} }}; }}\n", verdicts(n))
                + &chain(&lines(n, |at| format!("tcp dport {at} ip saddr vmap @m")))),
        )
    }),
    ("a verdict map in many chains", 200, |n| {
        table(
            &(format!("map m {{ type ipv4_addr : verdict; elements = {{ {} }}; }}\n", verdicts(n))
                + &lines(n, |at| format!("chain c{at} {{ ip saddr vmap @m; }}"))),
        )
    }),
    ("ranges that overlap", 300, |n| {
        let ranges = joined(n, ", ", |at| format!("{}-10.255.0.0 : drop", address(at)));
        chained(1, |_| format!("ip saddr vmap {{ {ranges} }}"))
    }),
];

pub(super) const CHAINS: &[Kind] = &[
    ("base chains", 100, |n| {
        lines(n, |at| {
            format!(
                "table ip t{at} {{ chain c {{ type filter hook forward priority {at}; tcp dport {at} drop; }}; }}"
            )
        })
    }),
    ("base chains of one table", 100, |n| {
        table(&lines(n, |at| {
            format!(
                "chain b{at} {{ type filter hook input priority {at}; policy drop; tcp dport {at} accept; }}"
            )
        }))
    }),
    ("base chains with one chain behind them", 100, |n| {
        let base = |at: usize| {
            format!(
                "chain b{at} {{ type filter hook input priority {at}; policy drop; tcp dport 1 accept; jump all; }}"
            )
        };
        table(
            &(lines(n, |at| format!("chain l{at} {{ accept; }}"))
                + &format!("chain all {{\n{}\n}}\n", lines(n, |at| format!("tcp dport {at} jump l{at}")))
                + &lines(n, base)),
        )
    }),
    ("chains in a circle", 1000, |n| {
        table(&lines(n, |at| format!("chain c{at} {{ tcp dport {at} jump c{}; }}", (at + 1) % n)))
    }),
    ("chains in place", 500, |n| {
        chained(n, |at| format!("tcp dport {at} jump {{ ip saddr 10.0.0.1 accept; }}"))
    }),
    ("rules of two ways", 300, |n| chained(n, |at| format!("fib daddr type local th dport {at} accept"))),
    ("owners", 300, |n| {
        let rules = lines(n, |at| format!("tcp dport 22 meta skuid {at} accept"));
        table(&format!("chain c {{ type filter hook output priority 0; policy drop;\n{rules}}}"))
    }),
    ("rules that cannot be read", 1000, |n| chained(n, |_| "tcp dport { 22, ( ] accept".to_string())),
    ("quotes without an end", 1000, |n| chained(n, |_| "iifname \"eth accept".to_string())),
    ("braces", 10_000, |n| "{".repeat(n)),
    ("sets without an end", 1000, |n| chained(n, |_| "tcp dport { 22,".to_string())),
];

pub(super) const JSON: &[Kind] = &[
    ("tables in JSON", 1000, |n| {
        document(n, |at| format!("{{\"table\": {{\"family\": \"ip\", \"name\": \"t{at}\"}}}}"))
    }),
    ("broken commands in JSON", 1000, |n| document(n, |at| format!("{{\"table\": {{\"name\" \"t{at}\"}}}}"))),
    ("rules in JSON", 1000, |n| {
        document(n, |at| {
            format!(
                "{{\"rule\": {{\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \"handle\": {at}, \
                 \"expr\": [{{\"match\": {{\"op\": \"==\", \"left\": {{\"payload\": {{\"protocol\": \"ip\", \
                 \"field\": \"saddr\"}}}}, \"right\": \"{}\"}}}}, {{\"accept\": null}}]}}}}",
                address(at)
            )
        })
    }),
];
