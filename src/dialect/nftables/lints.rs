//! The lints of the language: rules that say something else than they look.

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::config::{Chain, Config, NamedSet, Table, each_stmt, plain};
use super::declarations::MapData;
use super::lower::Base;
use super::merged;
use super::syntax::{
    CtKey, Data, Elem, Expr, ExprKind, MetaKey, NatKind, ObjectKind, RawBase, RelOp, Rule, Selector, Stmt,
    StmtKind, TableFamily, Target, Verdict,
};
use crate::dialect::programs;
use crate::finding::{Edit, Finding};
use crate::rule::{PH405, PH410, PH411, PH412, PH413, PH414, PH416, PH419, PH440, PH510, PH511, PH512};
use crate::source::{SourceMap, Span};

/// Where connection tracking hooks in (netfilter_ipv4.h, `NF_IP_PRI_CONNTRACK`).
const CONNTRACK: i64 = -200;

/// Helpers of the kernel with their protocols (`net/netfilter/nf_conntrack_*.c`).
const HELPERS: &[(&str, &[&str])] = &[
    ("amanda", &["udp"]),
    ("ftp", &["tcp"]),
    ("H.245", &["tcp"]),
    ("irc", &["tcp"]),
    ("netbios-ns", &["udp"]),
    ("pptp", &["tcp"]),
    ("Q.931", &["tcp"]),
    ("RAS", &["udp"]),
    ("sane", &["tcp"]),
    ("sip", &["tcp", "udp"]),
    ("snmp", &["udp"]),
    ("snmp_trap", &["udp"]),
    ("tftp", &["udp"]),
    // Helpers of conntrackd, outside the kernel.
    ("dhcpv6", &["udp"]),
    ("mdns", &["udp"]),
    ("rpc", &["tcp", "udp"]),
    ("slp", &["udp"]),
    ("ssdp", &["tcp", "udp"]),
    ("tns", &["tcp"]),
];

/// Runs the lints over a configuration; `reached` says of a chain (table, place) whether a packet can
/// come into it. It `lacks` something where a file, or a part of one, was not read.
pub(super) fn lint(
    sources: &SourceMap,
    config: &Config,
    bases: &[Base],
    lacks: bool,
    reached: &dyn Fn(usize, usize) -> bool,
) -> Vec<Finding> {
    let mut lints = Lints { sources, findings: Vec::new() };
    for (t, table) in config.tables.iter().enumerate() {
        // A table without a hook is a part of one whose rest is elsewhere, and so is one that was not read whole.
        let whole = !lacks && table.chains.iter().any(|chain| chain.hook.is_some());
        let beside = |name: &str| table.chains.iter().any(|chain| &*chain.name.text == name);
        // Elements that lead to chains come and go.
        let leads = |set: &NamedSet| matches!(set.body.data, Some(MapData::Verdict));
        let changing = table.sets.iter().any(|set| leads(set) && (set.body.timeout || set.body.dynamic));
        let mut unreached = Vec::new();
        for (c, chain) in table.chains.iter().enumerate() {
            lints.chain(table, chain);
            let idle = !chain.rules.is_empty() && chain.hook.is_none() && !reached(t, c);
            if whole && sees_ip(table) && idle && !changing && !programs::makes(&chain.name.text, beside) {
                unreached.push(chain);
            }
        }
        lints.unreached(&unreached);
        if whole {
            lints.unused_sets(table);
        }
        lints.helpers(table);
    }
    lints.helper_places(config, bases);
    lints.reload(config);
    lints.findings
}

struct Lints<'s> {
    sources: &'s SourceMap,
    findings: Vec<Finding>,
}

impl Lints<'_> {
    fn chain(&mut self, table: &Table, chain: &Chain) {
        if let Some(hook) = &chain.hook
            && chain.policy.is_none()
            && &*hook.kind.text == "filter"
            && matches!(&*hook.hook.text, "input" | "forward")
            && !chain.rules.iter().any(ends_all)
        {
            self.findings.push(
                Finding::of(
                    &PH414,
                    chain.name.span,
                    format!("the base chain `{}` has no policy", chain.name.text),
                )
                .label("accepts what no rule decides")
                .help("Write `policy drop;` or `policy accept;`, so that everybody sees what is meant."),
            );
        }
        self.rules(table, &chain.rules);
    }

    fn rules(&mut self, table: &Table, rules: &[Rule]) {
        rules.iter().for_each(|rule| self.rule(table, rule));
    }

    /// A rule that matches, and then does nothing.
    fn without_statement(&mut self, rule: &Rule) {
        let matches = |stmt: &Stmt| matches!(stmt.kind, StmtKind::Match(_));
        let Some(last) = rule.stmts.last().filter(|_| rule.stmts.iter().all(matches)) else { return };
        let helper = matches!(&last.kind, StmtKind::Match(parts)
            if matches!(plain(&parts.0).kind, ExprKind::Ct(CtKey::Helper, _)) && parts.1 != RelOp::Ne);
        self.findings.push(if helper {
            Finding::of(&PH512, last.span, "the rule compares a helper, and assigns none")
                .label("holds for connections that a helper announced, and does nothing")
                .notice("Media and secondary connections of calls are not let through as related.")
                .help("Write `ct helper set` and the name of a helper that the table declares.")
        } else {
            Finding::of(&PH419, rule.span, "the rule does nothing with what it matches")
                .label("packets go on to the next rule whether it matches or not")
                .help("End it with what is to happen: a verdict, or `counter` where packets are only to be counted.")
        });
    }

    /// Two tests of a rule that older versions of nft read as one.
    fn merged(&mut self, rule: &Rule) {
        let Some((one, two)) = merged::pair(rule) else { return };
        let message = "what these tests mean depends on the version of nft that loads them";
        self.findings.push(
            Finding::of(&PH440, rule.stmts[one].span.to(rule.stmts[two].span), message)
                .label("before 1.1: holds unless both values are met at once")
                .help(
                    "Write one of them as what is left, such as `tcp dport { 0-22, 24-65535 }` for `tcp dport != 23`: \
                     every version reads that alike.",
                ),
        );
    }

    fn rule(&mut self, table: &Table, rule: &Rule) {
        self.without_statement(rule);
        self.merged(rule);
        let mut protocol = false;
        for stmt in &rule.stmts {
            match &stmt.kind {
                StmtKind::Match(parts) => {
                    let (left, op, right) = (plain(&parts.0), parts.1, plain(&parts.2));
                    self.negated_state(stmt, left, op, right);
                    self.flag_test(rule, stmt, left, op, right);
                    protocol = self.any_port(table, stmt, left, protocol);
                }
                StmtKind::Vmap(parts) => {
                    protocol = self.any_port(table, stmt, plain(&parts.0), protocol);
                }
                StmtKind::Verdict(
                    Verdict::Jump(Target::Block(rules, _)) | Verdict::Goto(Target::Block(rules, _)),
                ) => {
                    self.rules(table, rules);
                }
                _ => {}
            }
        }
    }

    /// `ct state != a,b` compares with the sum of the bits, which no state is.
    fn negated_state(&mut self, stmt: &Stmt, left: &Expr, op: RelOp, right: &Expr) {
        let several = match &right.kind {
            ExprKind::List(items) => items.len() > 1,
            ExprKind::Binary(..) => true,
            _ => false,
        };
        if op == RelOp::Ne && several && is_state(left) {
            let text = self.sources.text(right.span);
            let mut finding =
                Finding::of(&PH410, stmt.span, format!("`ct state != {text}` matches every packet"))
                    .label("compares with the sum of the states, which no packet has")
                    .notice("Packets of established calls are treated as the rule treats all others.")
                    .help("Write the states as a set, in braces: `ct state != { … }`.");
            finding.edits = vec![Edit { span: right.span, text: format!("{{ {text} }}") }];
            finding.careful = true;
            self.findings.push(finding);
        }
    }

    /// `tcp flags syn drop` drops the answers to connections as well.
    fn flag_test(&mut self, rule: &Rule, stmt: &Stmt, left: &Expr, op: RelOp, right: &Expr) {
        let tests_syn = matches!(&left.kind, ExprKind::Header(field) if field.name == "flags" && field.kind == super::types::Type::TcpFlag)
            && op == RelOp::Implicit
            && self.word(right) == Some("syn");
        let refuses = matches!(
            rule.stmts.last().map(|stmt| &stmt.kind),
            Some(StmtKind::Verdict(Verdict::Drop) | StmtKind::Reject(_))
        );
        if tests_syn && refuses && !rule.stmts.iter().any(|stmt| spares_answers(self.sources, stmt)) {
            self.findings.push(
                Finding::of(&PH411, stmt.span, "`tcp flags syn` also matches the answer to a new connection")
                    .label("holds wherever the SYN bit is set, in SYN+ACK too")
                    .notice("Connections that are opened from this side get no answer.")
                    .help("To refuse new connections only, write `tcp flags & (fin|syn|rst|ack) == syn` or `ct state new`."),
            );
        }
    }

    /// `th dport` reads two bytes of whatever protocol comes; true where the rule says the protocol.
    fn any_port(&mut self, table: &Table, stmt: &Stmt, left: &Expr, known: bool) -> bool {
        let parts = match &left.kind {
            ExprKind::Concat(parts) => &parts[..],
            _ => std::slice::from_ref(left),
        };
        let known = known || parts.iter().any(|part| says_protocol(plain(part)));
        let reads = parts.iter().any(|part| match &plain(part).kind {
            ExprKind::Header(field) => field.header == super::headers::Header::Th,
            ExprKind::Other(selector) => {
                matches!(**selector, Selector::Raw { base: RawBase::Transport, offset: 0 | 16, len: 16 })
            }
            _ => false,
        });
        if reads && !known && sees_ip(table) {
            let mut finding = Finding::of(&PH412, stmt.span, "a port is read whatever the protocol is")
                .label("also matches the same bytes of ICMP, ESP and all other protocols")
                .help("Put `meta l4proto { tcp, udp }` in front, or name the protocol: `tcp dport`, `udp dport`.");
            let front = Span::new(stmt.span.start, stmt.span.start);
            finding.edits = vec![Edit { span: front, text: "meta l4proto { tcp, udp } ".to_string() }];
            self.findings.push(finding);
        }
        known
    }

    fn word<'a>(&'a self, expr: &'a Expr) -> Option<&'a str> {
        match &expr.kind {
            ExprKind::Word => Some(self.sources.text(expr.span)),
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Chains of one table: each by itself where they are few.
    fn unreached(&mut self, chains: &[&Chain]) {
        const FEW: usize = 2;
        let together = if chains.len() > FEW { chains.len() } else { 1 };
        for chains in chains.chunks(together) {
            let Some((first, others)) = chains.split_first() else { continue };
            let name = &first.name.text;
            let (message, help) = match others.len() {
                0 => (
                    format!("no packet comes into the chain `{name}`"),
                    "Give it `type … hook … priority …;`, jump to it from a chain that has a hook, or remove it.",
                ),
                more => (
                    format!("no packet comes into {} chains, `{name}` and others", more + 1),
                    "Jump to them from a chain that has a hook, give them `type … hook … priority …;`, or remove them.",
                ),
            };
            let mut finding = Finding::of(&PH413, first.name.span, message)
                .label("has no hook, and nothing that is reached jumps here")
                .help(help);
            for other in others {
                finding = finding.related(other.name.span, format!("nor into `{}`", other.name.text));
            }
            self.findings.push(finding);
        }
    }

    fn unused_sets(&mut self, table: &Table) {
        let mut used = Used::default();
        for chain in &table.chains {
            each_stmt(&chain.rules, &mut |kind| names_in(kind, &mut used));
        }
        // What is empty, or forgets its elements, is for a program that has rules of its own.
        let of_file =
            |set: &&NamedSet| !set.body.elements.is_empty() && !set.body.timeout && !set.body.dynamic;
        let unused = |set: &&NamedSet| !used.names.contains(&set.name.text);
        for set in table.sets.iter().filter(unused).filter(of_file) {
            let what = if set.body.map { "map" } else { "set" };
            self.findings.push(
                Finding::of(&PH405, set.name.span, format!("no rule uses the {what} `{}`", set.name.text))
                    .label("declared, and never looked up")
                    .help("Remove it, or check whether a rule was to look it up."),
            );
        }
    }

    fn helpers(&mut self, table: &Table) {
        for object in table.objects.iter().filter(|object| object.kind == ObjectKind::CtHelper) {
            let Some((name, protocol)) = &object.helper else { continue };
            let known = HELPERS.iter().find(|(known, _)| is_helper(&name.text, known));
            let finding = match known {
                None => Finding::of(&PH511, name.span, format!("no helper is called `{}`", name.text))
                    .label("the kernel refuses the ruleset")
                    .help(
                        "The helpers of H.323 are `Q.931` over tcp and `RAS` over udp; that of SIP is `sip`.",
                    ),
                Some((_, protocols)) if !protocols.contains(&&**protocol) => {
                    let message = format!("the helper `{}` does not exist for {protocol}", name.text);
                    Finding::of(&PH511, name.span, message)
                        .label("the kernel refuses the ruleset")
                        .help(format!("This helper reads {}.", protocols.join(" and ")))
                }
                Some(_) => continue,
            };
            let message = format!("the kernel has no helper `{}` for {protocol}", name.text);
            self.findings.push(super::refusal(name.span, message));
            self.findings
                .push(finding.notice("The ruleset does not load, and the ports of calls stay closed."));
        }
    }

    /// A helper is given to a connection: before connection tracking there is none.
    fn helper_places(&mut self, config: &Config, bases: &[Base]) {
        for base in bases.iter().filter(|base| base.priority <= CONNTRACK) {
            let table = &config.tables[base.at.0];
            let chain = &table.chains[base.at.1];
            for rule in &chain.rules {
                let sets = |stmt: &&Stmt| matches!(&stmt.kind, StmtKind::Object(parts) if parts.0 == ObjectKind::CtHelper);
                let Some(stmt) = rule.stmts.iter().find(sets) else { continue };
                let message =
                    format!("a helper is assigned at priority {}, before connection tracking", base.priority);
                let mut finding = Finding::of(&PH510, stmt.span, message)
                    .label("there is no connection yet: nothing happens")
                    .notice("Media and secondary connections of calls are not let through as related.")
                    .help("Move the rule to a chain with a priority above -200, such as `filter`.");
                if let Some(hook) = &chain.hook {
                    finding = finding.related(hook.priority.span, "the chain runs this early");
                }
                self.findings.push(finding);
            }
        }
    }

    /// Loading adds to what is there.
    fn reload(&mut self, config: &Config) {
        let rules = config.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        // Without a chain that hangs somewhere, it is a part or an example.
        let hangs = config.tables.iter().flat_map(|table| &table.chains).any(|chain| chain.hook.is_some());
        let Some(rule) = rules.into_iter().next().filter(|_| hangs) else { return };
        let Some(file) = self.sources.file_of(rule.span) else { return };
        if config.flushes || !file.text.starts_with("#!") {
            return;
        }
        let span = file.line_span(1);
        let mut finding = Finding::of(&PH416, span, "loading this script again doubles its rules")
            .label("nothing is flushed before the rules are added")
            .help("Begin with `flush ruleset`, or with `table …` and `delete table …` for the script's own tables.");
        // What other scripts have loaded is gone as well.
        finding.careful = true;
        let next = file.text.find('\n').map(|end| file.base + end as u32 + 1);
        let put = |at| Edit { span: Span::new(at, at), text: "\nflush ruleset\n".to_string() };
        finding.edits.extend(next.map(put));
        self.findings.push(finding);
    }
}

/// Answers go to ports from which connections are opened (`ip_local_port_range`, 32768 and up).
const EPHEMERAL: u32 = 32768;

/// Whether a statement keeps the answers to connections out of a rule, or lets most of them go on: it looks at the state,
/// counts, or is for the port of a server.
fn spares_answers(sources: &SourceMap, stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Match(parts) => {
            let (left, right) = (plain(&parts.0), plain(&parts.2));
            let is_dport = matches!(&left.kind, ExprKind::Header(field) if field.name == "dport");
            is_state(left) || is_dport && parts.1 == RelOp::Implicit && of_servers(sources, right)
        }
        StmtKind::Vmap(parts) => is_state(plain(&parts.0)),
        StmtKind::Meter(_) | StmtKind::Update(_) => true,
        StmtKind::Object(parts) => parts.0 == ObjectKind::Limit,
        _ => false,
    }
}

/// Whether ports are below those from which connections are opened.
fn of_servers(sources: &SourceMap, ports: &Expr) -> bool {
    let words = sources.text(ports.span).split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let mut numbers = words.filter(|word| !word.is_empty()).flat_map(|word| word.split('-'));
    numbers.all(|word| {
        word.parse::<u32>().map_or(!word.starts_with(|c: char| c.is_ascii_digit()), |n| n < EPHEMERAL)
    })
}

/// Whether routed packets come into the table.
fn sees_ip(table: &Table) -> bool {
    !table.dormant && !matches!(table.family, TableFamily::Arp | TableFamily::Bridge)
}

/// Names may carry a port, as in `ftp-2121`.
fn is_helper(name: &str, known: &str) -> bool {
    name.strip_prefix(known).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

fn is_state(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Ct(CtKey::State, _))
}

/// Whether a comparison with it says which protocol the packet has.
fn says_protocol(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Meta(MetaKey::L4Proto) => true,
        ExprKind::Header(field) => {
            matches!(field.name, "protocol" | "nexthdr") || field.header.protocol().is_some()
        }
        _ => false,
    }
}

/// Whether a rule decides about every packet.
fn ends_all(rule: &Rule) -> bool {
    let Some((last, before)) = rule.stmts.split_last() else { return false };
    let passive = |stmt: &Stmt| matches!(stmt.kind, StmtKind::Passive(_) | StmtKind::Mangle(_));
    let ends = match &last.kind {
        StmtKind::Verdict(verdict) => !matches!(verdict, Verdict::Continue | Verdict::Jump(_)),
        StmtKind::Reject(reject) => !matches!(**reject, super::syntax::Reject::TcpReset),
        StmtKind::Nat(nat) => nat.kind == NatKind::Masquerade && nat.family.is_none() && nat.port.is_none(),
        _ => false,
    };
    ends && before.iter().all(passive)
}

/// The names of sets and maps that statements use.
#[derive(Default)]
struct Used {
    names: FxHashSet<Box<str>>,
    /// The variables that were looked into.
    variables: FxHashSet<*const Expr>,
}

/// The names of sets and maps that a statement uses.
fn names_in(kind: &StmtKind, used: &mut Used) {
    match kind {
        StmtKind::Match(parts) => [&parts.0, &parts.2].into_iter().for_each(|expr| names_of(expr, used)),
        StmtKind::Vmap(parts) | StmtKind::Mangle(parts) => {
            names_of(&parts.0, used);
            names_of(&parts.1, used);
        }
        StmtKind::Object(parts) => names_of(&parts.1, used),
        StmtKind::Update(update) => {
            used.names.insert(update.set.text.clone());
        }
        StmtKind::Nat(nat) => {
            [&nat.addr, &nat.port].into_iter().flatten().for_each(|expr| names_of(expr, used))
        }
        _ => {}
    }
}

fn names_of(expr: &Expr, used: &mut Used) {
    if let ExprKind::Ref(value) = &expr.kind
        && !used.variables.insert(Rc::as_ptr(value))
    {
        return;
    }
    match &plain(expr).kind {
        ExprKind::SetRef(name) => {
            used.names.insert(name.clone());
        }
        ExprKind::Map(parts) | ExprKind::Binary(_, parts) => {
            names_of(&parts.0, used);
            names_of(&parts.1, used);
        }
        ExprKind::Concat(parts) => parts.iter().for_each(|part| names_of(part, used)),
        ExprKind::Set(elements) => elements.iter().for_each(|elem| names_of_elem(elem, used)),
        _ => {}
    }
}

fn names_of_elem(elem: &Elem, used: &mut Used) {
    if let ExprKind::SetRef(name) = &elem.key.kind {
        used.names.insert(name.clone());
    }
    if let Some(Data::Value(value)) = elem.data.as_deref() {
        names_of(value, used);
    }
}
