//! Random dumps of `iptables-save` and `ip6tables-save`.

use super::{DSCPS, MARKS, PORTS, Pool, Rng, SPIS, ports};

/// User chains of the filter table. A chain jumps to later ones only.
const CHAINS: [&str; 5] = ["web", "voice", "media", "log-and-drop", "last"];

/// A dump, and the sets that it uses as `ipset save` writes them.
pub(super) fn ruleset(rng: &mut Rng, pool: &Pool) -> (String, String) {
    let mut writer = Writer { rng, pool, text: String::new() };
    writer.raw();
    writer.mangle();
    writer.nat();
    writer.filter();
    let text = writer.text;
    let sets = sets(rng, pool);
    (text, sets)
}

/// What `conntrack` asks beside the state, once or twice.
fn connection(rng: &mut Rng, pool: &Pool) -> String {
    let mut text = String::new();
    for _ in 0..1 + rng.below(2) {
        let not = if rng.one_in(3) { " !" } else { "" };
        let (option, value) = match rng.below(9) {
            0 => ("--ctproto", rng.pick(&["tcp", "17", "47"]).to_string()),
            1 => ("--ctorigsrc", rng.pick(pool.networks).to_string()),
            2 => ("--ctorigdst", rng.pick(pool.networks).to_string()),
            // the type and code of a ping are a port, too
            5 => ("--ctorigdstport", rng.pick(&["2048", "53:1720", "0:65535", "5060"]).to_string()),
            7 => ("--ctrepldst", rng.pick(pool.networks).to_string()),
            8 => ("--ctreplsrc", rng.pick(pool.networks).to_string()),
            6 => ("--ctorigsrcport", rng.pick(&["1024:65535", "53"]).to_string()),
            3 => ("--ctdir", rng.pick(&["ORIGINAL", "REPLY"]).to_string()),
            _ => {
                let status = ["NONE", "SEEN_REPLY", "ASSURED", "EXPECTED", "NONE,ASSURED"];
                ("--ctstatus", rng.pick(&status).to_string())
            }
        };
        // the direction takes no `!`
        let not = if option == "--ctdir" { "" } else { not };
        if !text.contains(&format!("{option} ")) {
            text += &format!("{not} {option} {value}");
        }
    }
    text
}

fn sets(rng: &mut Rng, pool: &Pool) -> String {
    let family = if pool.v6 { "inet6" } else { "inet" };
    let mut text = format!("create hosts hash:ip family {family}\ncreate nets hash:net family {family}\n");
    text +=
        &format!("create pairs hash:ip,port family {family}\ncreate wide hash:net,port family {family}\n");
    // What rules add to, and none asks.
    text += &format!("create seen hash:ip family {family}\n");
    for host in pool.hosts {
        if rng.one_in(2) {
            text += &format!("add hosts {host}\n");
        }
        if rng.one_in(2) {
            let proto = rng.pick(&["tcp", "udp"]);
            text += &format!("add pairs {host},{proto}:{}\n", rng.pick(&PORTS));
        }
    }
    for net in pool.networks.iter().filter(|n| !n.ends_with("/1")) {
        for port in &PORTS[..4] {
            match rng.below(4) {
                0 => text += &format!("add wide {net},tcp:{port}\n"),
                1 => text += &format!("add wide {net},tcp:{port} nomatch\n"),
                _ => {}
            }
        }
        match rng.below(4) {
            0 => text += &format!("add nets {net}\n"),
            1 => text += &format!("add nets {net} nomatch\n"),
            _ => {}
        }
    }
    text
}

struct Writer<'a> {
    rng: &'a mut Rng,
    pool: &'a Pool,
    text: String,
}

impl Writer<'_> {
    fn table(&mut self, name: &str, chains: &[(&str, &str)]) {
        self.text += &format!("*{name}\n");
        for (chain, policy) in chains {
            self.text += &format!(":{chain} {policy} [0:0]\n");
        }
    }

    fn rule(&mut self, chain: &str, matches: &str, target: &str) {
        // now and then a line for one of the two programs alone
        let family = if self.rng.one_in(40) { self.rng.pick(&["-4 ", "-6 "]) } else { "" };
        self.text += &format!("{family}-A {chain}{matches} {target}\n");
    }

    /// The answers to what is refused leave by OUTPUT.
    fn accept_answers(&mut self) {
        let answers = match self.pool.v6 {
            true => ["ipv6-icmp --icmpv6-type 1", "ipv6-icmp --icmpv6-type 3"],
            false => ["icmp --icmp-type 3", "icmp --icmp-type 11"],
        };
        for answer in answers {
            self.text += &format!("-A OUTPUT -p {answer} -j ACCEPT\n");
        }
        self.text += "-A OUTPUT -p tcp --tcp-flags RST RST -j ACCEPT\n";
    }

    fn raw(&mut self) {
        self.table("raw", &[("PREROUTING", "ACCEPT"), ("OUTPUT", "ACCEPT")]);
        self.accept_answers();
        for _ in 0..self.rng.below(3) {
            let chain = self.rng.pick(&["PREROUTING", "OUTPUT"]);
            let matches = self.matches(chain, 3);
            let target = self.rng.pick(&[
                "-j CT --notrack",
                "-j NOTRACK",
                "-j CT --zone 1",
                "-j TRACE",
                "-j DROP",
                "-j DROP",
                "-j ACCEPT",
            ]);
            self.rule(chain, &matches, target);
        }
        if self.rng.one_in(4) {
            let chain = self.rng.pick(&["PREROUTING", "OUTPUT"]);
            let port = self.rng.pick(&PORTS);
            self.rule(chain, &format!(" -p udp -m udp --dport {port}"), "-j CT --helper sip");
        }
        self.text += "COMMIT\n";
    }

    fn mangle(&mut self) {
        let chains = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
        self.table("mangle", &chains.map(|chain| (chain, "ACCEPT")));
        for _ in 0..self.rng.below(6) {
            let chain = self.rng.pick(&chains);
            let matches = self.matches(chain, 2);
            let mark = self.rng.pick(&MARKS);
            let target = match self.rng.below(11) {
                7 => self.field(),
                8 => self.beside(chain, &matches),
                0 => format!("-j MARK --set-xmark {mark:#x}/{mark:#x}"),
                1 => format!("-j MARK --or-mark {mark:#x}"),
                2 => format!("-j CONNMARK --set-xmark {mark:#x}/0xffffffff"),
                3 => "-j CONNMARK --save-mark".to_string(),
                4 => "-j ACCEPT".to_string(),
                _ => format!("-j MARK --set-xmark {mark:#x}/0xffffffff"),
            };
            self.rule(chain, &matches, &target);
        }
        self.text += "COMMIT\n";
    }

    fn nat(&mut self) {
        let chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"];
        self.table("nat", &chains.map(|chain| (chain, "ACCEPT")));
        for _ in 0..self.rng.below(6) {
            let chain = self.rng.pick(&["PREROUTING", "PREROUTING", "OUTPUT", "POSTROUTING", "POSTROUTING"]);
            let proto = self.rng.pick(&["tcp", "udp"]);
            let mut matches = self.address() + &format!(" -p {proto}");
            matches += &self.port_match(proto);
            let to = self.rng.pick(self.pool.targets);
            let port = self.rng.pick(&PORTS);
            let with_port = if self.pool.v6 { format!("[{to}]:{port}") } else { format!("{to}:{port}") };
            let source = chain == "POSTROUTING";
            let target = match (self.rng.below(6), source) {
                (5, _) => format!("-j NETMAP --to {}", self.rng.pick(self.pool.mapped)),
                (0, true) => "-j MASQUERADE".to_string(),
                (_, true) => format!("-j SNAT --to-source {to}"),
                (0, false) if self.rng.one_in(3) => "-j REDIRECT --to-ports ftp-data".to_string(),
                (0, false) => format!("-j REDIRECT --to-ports {port}"),
                (1, false) if self.rng.one_in(2) => {
                    format!("-j DNAT --to-destination {}", self.rng.pick(self.pool.last))
                }
                (1, false) => format!("-j DNAT --to-destination {to}"),
                (2, false) => "-j ACCEPT".to_string(),
                (_, false) => format!("-j DNAT --to-destination {with_port}"),
            };
            self.rule(chain, &matches, &target);
        }
        self.text += "COMMIT\n";
    }

    fn filter(&mut self) {
        let mut chains = Vec::new();
        for chain in ["INPUT", "FORWARD", "OUTPUT"] {
            chains.push((chain, self.rng.pick(&["ACCEPT", "DROP"])));
        }
        chains.extend(CHAINS.map(|chain| (chain, "-")));
        self.table("filter", &chains);
        self.accept_answers();
        for (n, chain) in ["INPUT", "FORWARD", "OUTPUT"].into_iter().chain(CHAINS).enumerate() {
            let later = &CHAINS[n.saturating_sub(2).min(CHAINS.len())..];
            for _ in 0..2 + self.rng.below(8) {
                let matches = self.matches(chain, 3);
                let target = self.target(later, &matches);
                self.rule(chain, &matches, &target);
            }
        }
        self.text += "COMMIT\n";
    }

    fn target(&mut self, later: &[&str], matches: &str) -> String {
        let is_tcp = matches.contains(" -p tcp") && !matches.contains("! -p tcp");
        let choice = self.rng.below(16);
        match choice {
            0..=4 => "-j ACCEPT".to_string(),
            5..=6 => "-j DROP".to_string(),
            7 if is_tcp => "-j REJECT --reject-with tcp-reset".to_string(),
            7..=8 => format!("-j REJECT --reject-with {}", self.reply()),
            9 => "-j RETURN".to_string(),
            10 if self.rng.one_in(2) => "-m limit --limit 5/sec -j LOG".to_string(),
            10 => "-j LOG --log-prefix \"near: \"".to_string(),
            11 => String::new(),
            _ if later.is_empty() => "-j ACCEPT".to_string(),
            12 => format!("-g {}", self.rng.pick(later)),
            _ => format!("-j {}", self.rng.pick(later)),
        }
    }

    /// A field is set.
    fn field(&mut self) -> String {
        match (self.rng.one_in(2), self.pool.v6) {
            (true, _) => format!("-j DSCP --set-dscp {:#04x}", self.rng.pick(&DSCPS)),
            (_, true) => format!("-j HL --hl-set {}", self.rng.pick(&[1, 2, 10, 64])),
            (_, false) => format!("-j TTL --ttl-set {}", self.rng.pick(&[1, 2, 10, 64])),
        }
    }

    /// What does nothing to where a packet goes.
    fn beside(&mut self, chain: &str, matches: &str) -> String {
        let mut all = vec![
            "-j NFLOG --nflog-group 1",
            "-j AUDIT --type accept",
            "-j CHECKSUM --checksum-fill",
            "-j CONNSECMARK --save",
            "-j IDLETIMER --timeout 5 --label pinhole",
            "-j SET --add-set seen src",
        ];
        if matches!(chain, "FORWARD" | "OUTPUT" | "POSTROUTING") {
            all.push("-j CLASSIFY --set-class 1:1");
        }
        if matches.contains(" -p tcp") && !matches.contains("! -p tcp") {
            all.push("-j TCPOPTSTRIP --strip-options sack-permitted");
            if !self.pool.v6 {
                all.push("-j ECN --ecn-tcp-remove");
            }
        }
        self.rng.pick(&all).to_string()
    }

    fn reply(&mut self) -> &'static str {
        if self.pool.v6 {
            return self.rng.pick(&["icmp6-port-unreachable", "icmp6-adm-prohibited", "icmp6-no-route"]);
        }
        self.rng.pick(&[
            "icmp-port-unreachable",
            "icmp-host-prohibited",
            "icmp-admin-prohibited",
            "icmp-net-unreachable",
        ])
    }

    fn not(&mut self) -> &'static str {
        if self.rng.one_in(5) { " !" } else { "" }
    }

    fn address(&mut self) -> String {
        let not = self.not();
        let option = self.rng.pick(&["-s", "-d"]);
        let value = match self.rng.below(8) {
            0 if !self.pool.v6 => "192.0.0.3/255.0.0.3".to_string(),
            0 => "::7/::f".to_string(),
            1 => self.rng.pick(self.pool.hosts).to_string(),
            _ => self.rng.pick(self.pool.networks).to_string(),
        };
        format!("{not} {option} {value}")
    }

    fn interface(&mut self, chain: &str) -> String {
        let options: &[&str] = match chain {
            "INPUT" | "PREROUTING" => &["-i"],
            "OUTPUT" | "POSTROUTING" => &["-o"],
            _ => &["-i", "-o"],
        };
        let not = self.not();
        format!("{not} {} {}", self.rng.pick(options), self.rng.pick(&["eth0", "eth1", "eth+", "lo", "ppp0"]))
    }

    /// Up to `most` conditions.
    fn matches(&mut self, chain: &str, most: usize) -> String {
        let mut text = String::new();
        if self.rng.one_in(3) {
            text += &self.address();
        }
        if self.rng.one_in(5) {
            text += &self.interface(chain);
        }
        if self.rng.below(10) < 6 {
            text += &self.protocol();
        }
        for _ in 0..self.rng.below(most) {
            let more = self.extension(chain);
            // a module's options may be given only once, but each `conntrack` is one of its own
            let module = more.split_whitespace().nth(1).unwrap_or_default();
            // how long an SCTP or GRE packet is, the packet as it is given does not tell
            // nor which port the connection of a GRE packet has, or which one a ping comes from
            let of_port = more.contains("--ctorig") && more.contains("port ");
            let ping = more.contains("--ctorigsrcport") && text.contains("icmp");
            let without = ping || [" -p gre", " -p esp", " -p ah"].iter().any(|part| text.contains(part));
            if of_port && (!text.contains(" -p ") || without) {
                continue;
            }
            if module == "tcpmss" && (!text.contains(" -p tcp") || text.contains("! -p")) {
                continue;
            }
            if module == "length" && !text.contains(" -p tcp") && !text.contains(" -p udp")
                || text.contains("! -p")
            {
                continue;
            }
            if matches!(module, "conntrack" | "state") || !text.contains(&format!(" -m {module} ")) {
                text += &more;
            }
        }
        text
    }

    fn protocol(&mut self) -> String {
        let icmp = if self.pool.v6 { "ipv6-icmp" } else { "icmp" };
        match self.rng.below(9) {
            8 => self.rare_protocol(),
            0 => format!(" ! -p {}", self.rng.pick(&["tcp", "udp", icmp])),
            1 => format!(" -p {icmp}{}", self.icmp_type()),
            2 => format!(" -p tcp{}", self.tcp_flags()),
            3 => format!(" -p {}", self.rng.pick(&["tcp", "udp", "sctp", "gre", icmp])),
            _ => {
                let proto = self.rng.pick(&["tcp", "tcp", "udp", "udp", "sctp"]);
                format!(" -p {proto}{}", self.port_match(proto))
            }
        }
    }

    fn rare_protocol(&mut self) -> String {
        let not = self.not();
        let port = self.rng.pick(&PORTS);
        let (lo, hi) = (self.rng.pick(&SPIS), self.rng.pick(&SPIS));
        let (lo, hi) = (lo.min(hi), lo.max(hi));
        match self.rng.below(5) {
            0 => format!(" -p ah -m ah{not} --ahspi {lo}:{hi}"),
            1 => format!(" -p dccp -m dccp{not} --dport {port}"),
            2 => format!(" -p udplite -m multiport{not} --dports {port},5061"),
            _ => format!(" -p esp -m esp{not} --espspi {lo}:{hi}"),
        }
    }

    fn icmp_type(&mut self) -> String {
        let not = self.not();
        match self.pool.v6 {
            true => format!(
                " -m icmp6{not} --icmpv6-type {}",
                self.rng.pick(&["128", "129", "1", "1/0", "echo-request", "143", "151", "152"])
            ),
            false => format!(
                " -m icmp{not} --icmp-type {}",
                self.rng.pick(&["8", "0", "3", "3/1", "echo-request", "13"])
            ),
        }
    }

    fn tcp_flags(&mut self) -> String {
        let not = self.not();
        let what = [
            "--syn",
            "--tcp-flags SYN,ACK SYN",
            "--tcp-flags ALL NONE",
            "--tcp-flags FIN,SYN,RST,PSH,ACK,URG ACK",
            "--tcp-flags ACK,FIN FIN",
        ];
        format!(" -m tcp{not} {}", self.rng.pick(&what))
    }

    fn port_match(&mut self, proto: &str) -> String {
        let not = self.not();
        if self.rng.one_in(3) {
            let (lo, hi) = ports(self.rng);
            let (a, b, hi) = (self.rng.pick(&PORTS), self.rng.pick(&PORTS), hi.max(lo + 1));
            return format!(
                " -m multiport{not} {} {a},{lo}:{hi},{b}",
                self.rng.pick(&["--dports", "--sports", "--ports"])
            );
        }
        let side = self.rng.pick(&["--dport", "--dport", "--sport"]);
        let (lo, hi) = ports(self.rng);
        let value = match self.rng.below(5) {
            0 => format!("{lo}:{hi}"),
            1 => format!("{lo}:"),
            2 => format!(":{hi}"),
            _ => lo.to_string(),
        };
        format!(" -m {proto}{not} {side} {value}")
    }

    fn extension(&mut self, chain: &str) -> String {
        let not = self.not();
        let pool = self.pool;
        let rng = &mut *self.rng;
        match rng.below(22) {
            14..=16 => of_family(rng, pool, not),
            17..=21 => rare_extension(rng, not),
            12 => format!(
                " -m state{not} --state {}",
                rng.pick(&["NEW", "INVALID", "RELATED,ESTABLISHED", "UNTRACKED", "NEW,INVALID"])
            ),
            13 if pool.v6 => format!(" -m addrtype{not} --dst-type {}", rng.pick(&["LOCAL", "MULTICAST"])),
            13 => {
                let kinds = ["LOCAL", "MULTICAST", "BROADCAST", "UNICAST", "LOCAL,BROADCAST"];
                format!(" -m addrtype{not} --{}-type {}", rng.pick(&["dst", "dst", "src"]), rng.pick(&kinds))
            }
            0 | 1 => {
                let states = rng.pick(&[
                    "NEW",
                    "ESTABLISHED,RELATED",
                    "INVALID",
                    "UNTRACKED",
                    "NEW,INVALID",
                    "DNAT",
                    "NEW,SNAT",
                ]);
                let more = if rng.one_in(3) { connection(rng, pool) } else { String::new() };
                format!(" -m conntrack{not} --ctstate {states}{more}")
            }
            10 => format!(" -m conntrack{}", connection(rng, pool)),
            11 => format!(" -m length{not} --length {}", rng.pick(&["0:99", "100:300", "128:", ":600"])),
            2 => {
                let (from, to) = rng.pick(pool.ranges);
                format!(" -m iprange{not} {} {from}-{to}", rng.pick(&["--src-range", "--dst-range"]))
            }
            3 => format!(" -m mark{not} --mark {:#x}{}", rng.pick(&MARKS), rng.pick(&["", "/0x3", "/0x10"])),
            4 => format!(" -m connmark{not} --mark {:#x}{}", rng.pick(&MARKS), rng.pick(&["", "/0x3"])),
            5 => format!(
                " -m set{not} --match-set {}",
                rng.pick(&[
                    "hosts src",
                    "hosts dst",
                    "nets src",
                    "nets dst",
                    "pairs dst,dst",
                    "pairs src,src",
                    "wide src,src",
                    "wide dst,dst"
                ])
            ),
            6 => format!(" -m dscp{not} --dscp {:#04x}", rng.pick(&DSCPS)),
            7 => format!(" -m comment --comment \"-j {} it's\"", rng.pick(&["DROP", "ACCEPT"])),
            8 if matches!(chain, "PREROUTING" | "INPUT" | "FORWARD") => {
                format!(" -m mac{not} --mac-source 02:00:00:00:0c:0{}", rng.below(2))
            }
            _ => String::new(),
        }
    }
}

/// A condition on what rules seldom ask.
fn rare_extension(rng: &mut Rng, not: &str) -> String {
    match rng.below(5) {
        4 => format!(" -m pkttype{not} --pkt-type {}", rng.pick(&["unicast", "multicast"])),
        0 => {
            let what = ["tos --tos 0x28/0xfc", "tos --tos 0/0x3", "ecn --ecn-ip-ect 0", "ecn --ecn-ip-ect 1"];
            let (module, rest) = rng.pick(&what).split_once(' ').unwrap_or_default();
            format!(" -m {module}{not} {rest}")
        }
        1 => format!(" -m dscp{not} --dscp-class {}", rng.pick(&["EF", "AF11", "CS0"])),
        2 => match rng.below(4) {
            0 => " -m recent --set --name seen".to_string(),
            1 => format!(" -m physdev{not} --physdev-is-bridged"),
            2 => format!(" -m helper{not} --helper sip"),
            // a size that another has stands only where there is one
            _ => " -m tcpmss --mss 500:1300".to_string(),
        },
        _ => format!(" -m addrtype{not} --src-type LOCAL"),
    }
}

/// A condition that one family alone has.
fn of_family(rng: &mut Rng, pool: &Pool, not: &str) -> String {
    match rng.below(3) {
        0 if pool.v6 => {
            let headers = ["protocol", "prot --soft", "hop-by-hop --soft", "frag,protocol", "route --soft"];
            format!(" -m ipv6header{not} --header {}", rng.pick(&headers))
        }
        1 if pool.v6 => format!(" -m {}", rng.pick(&["frag", "rt", "hbh", "dst"])),
        _ => {
            let (module, option) = if pool.v6 { ("hl", "--hl") } else { ("ttl", "--ttl") };
            let (how, value) = (rng.pick(&["eq", "lt", "gt"]), rng.pick(&[1, 2, 10, 64]));
            // a negation stands only where the two are asked to be the same
            let not = if how == "eq" { not } else { "" };
            format!(" -m {module}{not} {option}-{how} {value}")
        }
    }
}
