//! Random nftables rulesets: several tables and base chains, sets, maps, jumps.

use super::{DSCPS, MARKS, PORTS, Pool, Rng, SPIS, V4, V6, ports};

/// The answers to what is refused leave as all packets do.
const ANSWERS: [&str; 3] = [
    "icmp type { destination-unreachable, time-exceeded } accept",
    "icmpv6 type { destination-unreachable, time-exceeded } accept",
    "tcp flags & rst == rst accept",
];
/// Regular chains. A chain jumps to later ones only.
const CHAINS: [&str; 4] = ["web", "voice", "media", "rest"];

/// A script for `nft -f`.
pub(super) fn ruleset(rng: &mut Rng) -> String {
    let mut text = String::from("define few = { 22, 80 }\ndefine few-not = 53\nundefine few-not\n");
    text += &format!("redefine few = {{ {}, 5060 }}\n", rng.pick(&PORTS[..4]));
    let families = rng.pick(&[["inet", "inet"], ["inet", "ip"], ["ip", "ip6"], ["inet", "ip6"]]);
    for (n, family) in families.into_iter().enumerate() {
        let mut writer =
            Writer { rng, family, text: String::new(), for_tcp: false, plain: false, objects: n == 0 };
        writer.sets();
        if n == 0 {
            writer.objects();
        }
        for at in 0..CHAINS.len() {
            writer.regular(at);
        }
        writer.base_chains();
        if n == 0 {
            writer.raw();
            writer.nat();
        }
        text += &format!("table {family} t{n} {{\n{}}}\n", writer.text);
    }
    if rng.one_in(3) {
        text += &early(rng);
    }
    if rng.one_in(3) {
        text += &afterwards(rng, families[0]);
    }
    text
}

/// What is changed of the first table once it is there.
fn afterwards(rng: &mut Rng, family: &str) -> String {
    let chain = rng.pick(&CHAINS);
    let mut text = format!("create chain {family} t0 spare\nadd rule {family} t0 spare drop\n");
    text += &format!("flush chain {family} t0 spare\ndelete chain {family} t0 spare\n");
    for _ in 0..1 + rng.below(2) {
        let command = rng.pick(&["add", "insert"]);
        let (proto, port) = (rng.pick(&["tcp", "udp"]), rng.pick(&PORTS));
        let verdict = rng.pick(&["accept", "drop", "return"]);
        text += &format!("{command} rule {family} t0 {chain} {proto} dport {port} {verdict}\n");
    }
    text
}

/// What a device's packets meet before all else.
fn early(rng: &mut Rng) -> String {
    let device = rng.pick(&["eth0", "eth1"]);
    let hook = rng.pick(&["ingress", "ingress", "egress"]);
    let mut rules = String::new();
    if hook == "egress" {
        ANSWERS.iter().for_each(|answer| rules += &format!("\t\t{answer}\n"));
    }
    for _ in 0..1 + rng.below(3) {
        let what = match rng.below(4) {
            0 => format!("ip saddr {}", rng.pick(V4.networks)),
            1 => format!("ip6 daddr {}", rng.pick(V6.networks)),
            2 => format!("{} dport {}", rng.pick(&["tcp", "udp"]), rng.pick(&PORTS)),
            _ => "meta protocol ip meta l4proto icmp".to_string(),
        };
        let then = rng.pick(&["accept", "drop", "meta mark set 0x2", "counter"]);
        rules += &format!("\t\t{what} {then}\n");
    }
    format!(
        "table netdev early {{\n\tchain edge {{\n\t\ttype filter hook {hook} device \"{device}\" priority -500; \
         policy accept;\n{rules}\t}}\n}}\n"
    )
}

struct Writer<'a> {
    rng: &'a mut Rng,
    family: &'static str,
    text: String,
    /// The rule speaks of TCP, so that its conditions may read TCP's ports.
    for_tcp: bool,
    /// The rule speaks of no transport protocol.
    plain: bool,
    /// The table has a helper and an expectation.
    objects: bool,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text += &format!("\t\t{line}\n");
    }

    fn pool(&mut self) -> &'static Pool {
        match self.family {
            "ip" => &V4,
            "ip6" => &V6,
            _ => self.rng.pick(&[&V4, &V4, &V6]),
        }
    }

    /// `nets` and `pairs` of each family, and a few ports.
    fn sets(&mut self) {
        self.text += "\tset few {\n\t\ttypeof tcp dport\n\t\telements = $few\n\t}\n";
        for pool in [&V4, &V6] {
            let (name, kind) = if pool.v6 { ("6", "ipv6_addr") } else { ("4", "ipv4_addr") };
            let mut nets: Vec<String> =
                pool.networks.iter().filter(|_| self.rng.one_in(3)).map(|n| n.to_string()).collect();
            let (from, to) = self.rng.pick(pool.ranges);
            nets.push(format!("{from}-{to}"));
            self.text += &format!(
                "\tset nets{name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\tauto-merge\n\t\telements = {{ {} }}\n\t}}\n",
                nets.join(", ")
            );
            let (lo, hi) = ports(self.rng);
            let pair =
                format!("{} . {lo}-{hi}, {} . {}", pool.networks[0], pool.hosts[3], self.rng.pick(&PORTS));
            self.text += &format!(
                "\tset pairs{name} {{\n\t\ttype {kind} . inet_service\n\t\tflags interval\n\t\telements = {{ {pair} }}\n\t}}\n"
            );
        }
    }

    /// What rules name: helpers, and what is expected behind connections.
    fn objects(&mut self) {
        let l3 = if self.family == "ip6" { "ip6" } else { "ip" };
        self.text += "\tct helper sip-5060 {\n\t\ttype \"sip\" protocol udp\n\t}\n";
        self.text += &format!(
            "\tct expectation later {{\n\t\tprotocol udp\n\t\tdport 5060\n\t\ttimeout 1m\n\t\tsize 8\n\t\tl3proto {l3}\n\t}}\n"
        );
    }

    /// What is done before connection tracking.
    fn raw(&mut self) {
        if self.rng.one_in(2) {
            return;
        }
        let hook = self.rng.pick(&["prerouting", "output"]);
        self.text += &format!("\tchain raw {{\n\t\ttype filter hook {hook} priority -300; policy accept;\n");
        if hook == "output" {
            self.accept_answers();
        }
        let pool = self.pool();
        let rule = format!("{} notrack", self.address(pool));
        self.line(&rule);
        self.text += "\t}\n";
    }

    fn regular(&mut self, at: usize) {
        // a chain can be used only after it is there: write the last one first
        let at = CHAINS.len() - 1 - at;
        self.text += &format!("\tchain {} {{\n", CHAINS[at]);
        for _ in 0..1 + self.rng.below(4) {
            self.rule("", &CHAINS[at + 1..]);
        }
        self.text += "\t}\n";
    }

    fn base_chains(&mut self) {
        for hook in ["prerouting", "input", "forward", "forward", "output", "postrouting"] {
            let usual = matches!(hook, "input" | "forward" | "output");
            if !usual && !self.rng.one_in(3) {
                continue;
            }
            let number = self.text.len();
            let priority = self.rng.pick(&["-150", "-10", "0", "filter", "filter + 5", "50", "-160"]);
            let policy = if usual { self.rng.pick(&["accept", "drop"]) } else { "accept" };
            self.text += &format!(
                "\tchain {hook}{number} {{\n\t\ttype filter hook {hook} priority {priority}; policy {policy};\n"
            );
            if matches!(hook, "output" | "postrouting") {
                self.accept_answers();
            }
            for _ in 0..2 + self.rng.below(7) {
                self.rule(hook, &CHAINS);
            }
            self.text += "\t}\n";
        }
    }

    fn accept_answers(&mut self) {
        let other = match self.family {
            "ip" => "icmpv6",
            "ip6" => "icmp ",
            _ => "none",
        };
        ANSWERS.iter().filter(|answer| !answer.starts_with(other)).for_each(|answer| self.line(answer));
    }

    fn nat(&mut self) {
        for (hook, priority) in [("prerouting", "dstnat"), ("output", "-100"), ("postrouting", "srcnat")] {
            self.text += &format!(
                "\tchain nat-{hook} {{\n\t\ttype nat hook {hook} priority {priority}; policy accept;\n"
            );
            for _ in 0..self.rng.below(4) {
                let rule = self.translation(hook);
                self.line(&rule);
            }
            self.text += "\t}\n";
        }
    }

    fn translation(&mut self, hook: &str) -> String {
        let pool = self.pool();
        let ip = if pool.v6 { "ip6" } else { "ip" };
        let proto = self.rng.pick(&["tcp", "udp"]);
        self.for_tcp = proto == "tcp";
        let matches = format!("{} {}", self.address(pool), self.port_match(proto));
        let (to, port) = (self.rng.pick(pool.targets), self.rng.pick(&PORTS));
        let with_port = if pool.v6 { format!("[{to}]:{port}") } else { format!("{to}:{port}") };
        let family = if self.family == "inet" { format!("{ip} ") } else { String::new() };
        let target = match (self.rng.below(7), hook) {
            (5, "postrouting") => {
                format!("snat {family}to {ip} saddr map {{ {} : {to} }}", pool.networks[0])
            }
            (5, _) if self.for_tcp => {
                let (first, second) = (pool.targets[0], pool.targets[1]);
                format!("dnat {family}to tcp dport map {{ 22-443 : {first}, 1720 : {second} }}")
            }
            (0, "postrouting") => "masquerade".to_string(),
            (_, "postrouting") => format!("snat {family}to {to}"),
            (0, _) => format!("redirect to :{port}"),
            (1, _) if self.rng.one_in(2) => format!("dnat {family}to {}", self.rng.pick(pool.last)),
            (1, _) => format!("dnat {family}to {to}"),
            (2, _) => "accept".to_string(),
            _ => format!("dnat {family}to {with_port}"),
        };
        format!("{matches} {target}")
    }

    fn rule(&mut self, hook: &str, later: &[&str]) {
        let pool = self.pool();
        // a rule speaks of one transport protocol, or of none
        let icmp = if pool.v6 { "icmpv6" } else { "icmp" };
        let all =
            ["tcp", "tcp", "tcp", "udp", "udp", "sctp", icmp, "", "", "", "udplite", "dccp", "esp", "ah"];
        let proto = self.rng.pick(&all);
        self.for_tcp = proto == "tcp";
        self.plain = false;
        let mut matches = String::new();
        if proto.is_empty() && self.rng.one_in(4) {
            let side = self.rng.pick(&["dport", "sport"]);
            matches += &format!("meta l4proto {{ tcp, udp, sctp }} th {side} 53-5060 ");
        }
        self.plain = proto.is_empty() && matches.is_empty();
        for _ in 0..1 + self.rng.below(3) {
            let protocol = !proto.is_empty() && self.rng.one_in(2);
            matches += &if protocol { self.transport(proto) } else { self.condition(hook, pool) };
            matches.push(' ');
        }
        // Of neighbouring fields nft before 1.1 joins them: no ruleset alone tells what that means.
        while matches.matches(" != ").count() > 1 {
            matches = matches.replacen(" != ", " == ", 1);
        }
        self.plain = false;
        let of_ip = ["ip protocol", "nexthdr"].iter().any(|what| matches.contains(what));
        let transport = if of_ip || matches.contains("} th ") {
            "several"
        } else if matches.contains(&format!("{proto} ")) {
            proto
        } else {
            ""
        };
        if self.rng.one_in(6) {
            let map = self.vmap(later, pool, transport);
            self.line(&format!("{matches}{map}"));
            return;
        }
        let verdict = self.verdict(hook, later, transport, pool);
        self.line(&format!("{matches}{verdict}"));
    }

    fn vmap(&mut self, later: &[&str], pool: &Pool, transport: &str) -> String {
        let jump =
            if later.is_empty() { "continue".to_string() } else { format!("jump {}", self.rng.pick(later)) };
        match self.rng.below(4) {
            3 if transport.is_empty() => {
                format!("meta l4proto vmap {{ tcp : accept, * : {jump} }}")
            }
            0 if transport.is_empty() => {
                format!("meta l4proto vmap {{ tcp : {jump}, udp : accept, sctp : drop }}")
            }
            1 if matches!(transport, "" | "tcp") => {
                format!("tcp dport vmap {{ 22 : drop, 80-443 : {jump}, 5060 : accept, 5061 : return }}")
            }
            _ => {
                let ip = if pool.v6 { "ip6" } else { "ip" };
                format!("{ip} saddr vmap {{ {} : drop, {} : {jump} }}", pool.hosts[0], pool.hosts[3])
            }
        }
    }

    fn verdict(&mut self, hook: &str, later: &[&str], transport: &str, pool: &Pool) -> String {
        let can_reject = matches!(hook, "input" | "forward" | "output");
        match self.rng.below(15) {
            14 if !hook.is_empty() => {
                let pool = self.pool();
                let (first, second) = (self.condition(hook, pool), self.condition(hook, pool));
                format!("jump {{ {first} accept; {second} drop; }}")
            }
            0..=3 => "accept".to_string(),
            4..=5 => "drop".to_string(),
            6 if can_reject && transport == "tcp" => "reject with tcp reset".to_string(),
            6..=7 if can_reject => self.reject(),
            8 => "return".to_string(),
            9 => {
                let said = [
                    "counter",
                    "limit rate 10/second counter",
                    "limit rate over 1 mbytes/second burst 2 mbytes log",
                    "limit rate 400/minute burst 5 packets log",
                    "meta priority set 1:10",
                    "meta priority set none",
                    "meta priority set root",
                ];
                // the kernel lets the kind of a packet be set before routing alone
                if hook == "prerouting" && self.rng.one_in(8) {
                    return "meta pkttype set host".to_string();
                }
                self.rng.pick(&said).to_string()
            }
            10 if self.rng.one_in(2) => self.field(hook, pool),
            10 => format!("meta mark set {:#x}", self.rng.pick(&MARKS)),
            11 => format!("meta mark set meta mark | {:#x}", self.rng.pick(&MARKS)),
            _ if later.is_empty() => "accept".to_string(),
            12 => format!("goto {}", self.rng.pick(later)),
            _ => format!("jump {}", self.rng.pick(later)),
        }
    }

    /// A field is set.
    fn field(&mut self, hook: &str, pool: &Pool) -> String {
        let ip = if pool.v6 { "ip6" } else { "ip" };
        match self.rng.below(6) {
            0 => format!("ct mark set {:#x}", self.rng.pick(&MARKS)),
            1 => "ct mark set meta mark".to_string(),
            2 if self.for_tcp => "meta mark set tcp dport map { 22 : 0x1, 80-443 : 0x2 }".to_string(),
            3 => format!(
                "{ip} {} set {}",
                if pool.v6 { "hoplimit" } else { "ttl" },
                self.rng.pick(&[2, 10, 64])
            ),
            4 if !self.objects => "counter".to_string(),
            4 if matches!(hook, "prerouting" | "output") => "ct helper set \"sip-5060\"".to_string(),
            4 => "ct expectation set \"later\"".to_string(),
            _ => format!("{ip} dscp set {}", self.rng.pick(&DSCPS)),
        }
    }

    fn reject(&mut self) -> String {
        let which: &[&str] = match self.family {
            "inet" => &["reject", "reject with icmpx admin-prohibited", "reject with icmpx no-route"],
            "ip" => &["reject", "reject with icmp host-prohibited", "reject with icmp admin-prohibited"],
            _ => &["reject", "reject with icmpv6 admin-prohibited", "reject with icmpv6 no-route"],
        };
        self.rng.pick(which).to_string()
    }

    fn not(&mut self) -> &'static str {
        if self.rng.one_in(5) { "!= " } else { "" }
    }

    fn address(&mut self, pool: &Pool) -> String {
        let ip = if pool.v6 { "ip6" } else { "ip" };
        let side = self.rng.pick(&["saddr", "daddr"]);
        let name = if pool.v6 { "6" } else { "4" };
        let not = self.not();
        match self.rng.below(8) {
            0 => format!("{ip} {side} {not}@nets{name}"),
            1 => {
                let (from, to) = self.rng.pick(pool.ranges);
                format!("{ip} {side} {not}{from}-{to}")
            }
            2 => format!("{ip} {side} {not}{{ {}, {} }}", pool.hosts[0], pool.networks[4]),
            3 if pool.v6 => format!("{ip} {side} & ::f {} ::7", self.rng.pick(&["==", "!="])),
            3 => format!("{ip} {side} & 255.0.0.3 {} 192.0.0.3", self.rng.pick(&["==", "!="])),
            4 if self.for_tcp => format!("{ip} {side} . tcp dport {not}@pairs{name}"),
            _ => format!("{ip} {side} {not}{}", self.rng.pick(pool.networks)),
        }
    }

    fn port_match(&mut self, proto: &str) -> String {
        let side = self.rng.pick(&["dport", "dport", "sport"]);
        let (lo, hi) = ports(self.rng);
        let not = self.not();
        match self.rng.below(6) {
            0 if lo < hi => format!("{proto} {side} {not}{lo}-{hi}"),
            1 => format!("{proto} {side} {not}{{ {}, {lo}-{} }}", self.rng.pick(&PORTS), lo + 5),
            2 => format!("{proto} {side} {} {lo}", self.rng.pick(&["<", ">", "<=", ">="])),
            _ => format!("{proto} {side} {not}{lo}"),
        }
    }

    /// A condition on the header of a protocol.
    fn transport(&mut self, proto: &str) -> String {
        let not = self.not();
        match proto {
            "icmp" | "icmpv6" if self.rng.one_in(4) => format!("{proto} code {not}{}", self.rng.below(2)),
            "esp" | "ah" => {
                let (lo, hi) = (self.rng.pick(&SPIS), self.rng.pick(&SPIS));
                format!("{proto} spi {not}{}-{}", lo.min(hi), lo.max(hi) + 1)
            }
            "tcp" if self.rng.one_in(6) => format!("tcp dport {not}@few"),
            "icmp" => {
                let types = ["echo-request", "{ echo-reply, destination-unreachable }", "timestamp-request"];
                format!("icmp type {not}{}", self.rng.pick(&types))
            }
            "icmpv6" => {
                let types = ["echo-request", "{ echo-reply, destination-unreachable }", "143", "151-152"];
                format!("icmpv6 type {not}{}", self.rng.pick(&types))
            }
            "tcp" if self.rng.one_in(4) => {
                let flags = [
                    "syn",
                    "== syn",
                    "& (syn | ack) == syn",
                    "!= syn",
                    "& (fin | ack) != 0",
                    "{ syn, ack }",
                    "fin,ack",
                ];
                format!("tcp flags {}", self.rng.pick(&flags))
            }
            "udp" if self.rng.one_in(5) => {
                format!("udp length {} {}", self.rng.pick(&["<", ">=", "!="]), self.rng.pick(&[24, 60, 124]))
            }
            "tcp" if self.rng.one_in(6) => "tcp option maxseg size 1000-1500".to_string(),
            // what other protocols than its own never have
            "tcp" if self.rng.one_in(6) => "meta l4proto tcp sctp chunk data missing".to_string(),
            "udp" if self.rng.one_in(6) => "meta l4proto udp tcp option sack-perm missing".to_string(),
            "sctp" if self.rng.one_in(3) => "meta l4proto sctp tcp option maxseg missing".to_string(),
            _ => self.port_match(proto),
        }
    }

    /// A condition on what rules seldom ask.
    fn rare(&mut self, hook: &str, pool: &Pool) -> String {
        let not = self.not();
        let of_ip: &[&str] = match pool.v6 {
            true => &[
                "ip6 version 6",
                "ip6 ecn not-ect",
                "ip6 nexthdr tcp",
                "ip6 nexthdr != { tcp, udp }",
                "exthdr frag exists",
                "exthdr hbh missing",
                "frag frag-off 0",
                "frag more-fragments 0",
                "meta protocol ip6",
            ],
            false => &[
                "ip version 4",
                "ip ecn not-ect",
                "ip protocol tcp",
                "ip protocol != { tcp, udp }",
                "ip frag-off & 0x1fff == 0",
                "meta protocol ip",
            ],
        };
        match self.rng.below(8) {
            0 => {
                let ip = if pool.v6 { "ip6" } else { "ip" };
                let (side, net) = (self.rng.pick(&["saddr", "daddr"]), self.rng.pick(pool.networks));
                format!("ct original {ip} {side} {not}{net}")
            }
            1 => format!("fib saddr type {not}local"),
            2 if self.family == "ip" => "@nh,96,32 0x0a010203".to_string(),
            2 if self.family == "ip6" => "@nh,56,8 64".to_string(),
            2 if matches!(hook, "prerouting" | "input" | "forward") => {
                format!("ether saddr {not}02:00:00:00:0c:0{}", self.rng.below(2))
            }
            3 => format!("meta mark & 0x3 | 0x4 == {:#x}", self.rng.pick(&[0x4, 0x5, 0x6])),
            4 if matches!(hook, "prerouting" | "input" | "forward") => {
                format!("iif {not}\"{}\"", self.rng.pick(&["eth0", "eth1", "lo"]))
            }
            4 if matches!(hook, "output" | "postrouting") => {
                format!("oif {not}\"{}\"", self.rng.pick(&["eth0", "eth1", "lo"]))
            }
            _ => {
                let one = self.rng.pick(of_ip);
                let of_protocol = ["protocol", "nexthdr"].iter().any(|word| one.contains(word));
                if of_protocol && !self.plain { "counter".to_string() } else { one.to_string() }
            }
        }
    }

    /// A condition that TCP alone has; how long packets of other protocols are, a packet as it is given does not tell.
    fn of_tcp(&mut self, pool: &Pool) -> String {
        if self.rng.one_in(3) {
            return format!("meta l4proto tcp @th,16,16 {}", self.rng.pick(&PORTS));
        }
        let of = self.rng.pick(&["meta length", if pool.v6 { "ip6 length" } else { "ip length" }]);
        let (how, bytes) = (self.rng.pick(&["<", ">"]), self.rng.pick(&[60, 100, 300]));
        format!("meta l4proto tcp {of} {how} {bytes}")
    }

    /// A condition on other things.
    fn condition(&mut self, hook: &str, pool: &Pool) -> String {
        let not = self.not();
        match self.rng.below(16) {
            13..=15 => self.rare(hook, pool),
            0..=2 => self.address(pool),
            10 => {
                let field = if pool.v6 { "ip6 hoplimit" } else { "ip ttl" };
                format!(
                    "{field} {} {}",
                    self.rng.pick(&["==", "!=", "<", ">"]),
                    self.rng.pick(&[1, 2, 10, 64])
                )
            }
            11..=12 if self.for_tcp => self.of_tcp(pool),
            12 => self.rng.pick(&["ct direction original", "meta pkttype host"]).to_string(),
            3 => {
                let states = [
                    "new",
                    "established,related",
                    "{ new, invalid }",
                    "!= { established, new }",
                    "invalid",
                    "!= new",
                    "!= established,related",
                ];
                format!("ct state {}", self.rng.pick(&states))
            }
            4 => {
                let how = self.rng.pick(&["", "!= ", "& 0x3 == "]);
                format!("meta mark {how}{:#x}", self.rng.pick(&[0x0, 0x1, 0x2, 0x3]))
            }
            5 => self.interface(hook),
            6 => format!("{} dscp {not}{}", if pool.v6 { "ip6" } else { "ip" }, self.rng.pick(&DSCPS)),
            7 if self.family == "inet" => {
                format!("meta nfproto {not}{}", if pool.v6 { "ipv6" } else { "ipv4" })
            }
            // The type of a frame is looked at behind a test for Ethernet: negated, other devices fail it too.
            8 if matches!(hook, "prerouting" | "input" | "forward") => {
                format!("ether type {}", if pool.v6 { "ip6" } else { "ip" })
            }
            9 if self.rng.one_in(3) => {
                format!(
                    "fib daddr type {not}{}",
                    self.rng.pick(&["local", "multicast", "{ local, multicast }"])
                )
            }
            _ => {
                let asked = [
                    "counter",
                    "ct status dnat",
                    "ct status ! snat",
                    "ct status seen-reply",
                    "ct status ! assured",
                    "ct mark 0",
                ];
                self.rng.pick(&asked).to_string()
            }
        }
    }

    fn interface(&mut self, hook: &str) -> String {
        let which: &[&str] = match hook {
            "prerouting" | "input" => &["iifname"],
            "output" | "postrouting" => &["oifname"],
            _ => &["iifname", "oifname"],
        };
        let not = self.not();
        format!(
            "{} {not}{}",
            self.rng.pick(which),
            self.rng.pick(&["\"eth0\"", "\"eth1\"", "\"eth*\"", "{ \"eth0\", \"ppp0\" }", "\"lo\""])
        )
    }
}
