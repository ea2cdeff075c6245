//! The same rules in each language, as a large site has them: a chain for each network behind the
//! firewall, and in it rules by source, protocol and ports.

use std::fmt::Write;

use crate::splitmix::next;

/// A firewall language.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Iptables,
    Nftables,
    Pf,
    Asa,
}

impl Form {
    /// The end of its files' names.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Form::Iptables => "rules",
            Form::Nftables => "nft",
            Form::Pf => "pf.conf",
            Form::Asa => "asa",
        }
    }
}

/// Rules of one chain.
const CHAIN: usize = 1000;

/// Ports of a rule.
enum Ports {
    One(u16),
    Range(u16, u16),
    List(Vec<u16>),
}

/// One rule: source and destination network with prefix length.
struct Rule {
    src: ([u8; 4], u32),
    dst: ([u8; 4], u32),
    tcp: bool,
    ports: Ports,
    new: bool,
    accept: bool,
}

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        next(&mut self.0) % n
    }
}

impl Rule {
    /// A rule of the chain of a network.
    fn random(rng: &mut Rng, chain: usize) -> Rule {
        let net = network(chain);
        let src = match rng.below(4) {
            0 => ([10, rng.below(256) as u8, rng.below(256) as u8, 0], 24),
            1 => ([172, 16 + rng.below(16) as u8, 0, 0], 16),
            _ => ([192, rng.below(200) as u8, rng.below(256) as u8, rng.below(256) as u8], 32),
        };
        let dst = ([net[0], net[1], rng.below(256) as u8, rng.below(256) as u8], 32);
        let port = |rng: &mut Rng| {
            [22, 80, 443, 1720, 5060, 5061, 3230, 8443][rng.below(8) as usize] + rng.below(3) as u16
        };
        let ports = match rng.below(6) {
            0 => {
                let first = 1024 + rng.below(40_000) as u16;
                Ports::Range(first, first + rng.below(2000) as u16 + 1)
            }
            1 => Ports::List((0..2 + rng.below(4)).map(|_| port(rng)).collect()),
            _ => Ports::One(port(rng)),
        };
        Rule { src, dst, tcp: rng.below(3) > 0, ports, new: rng.below(3) == 0, accept: rng.below(5) > 0 }
    }

    fn proto(&self) -> &'static str {
        if self.tcp { "tcp" } else { "udp" }
    }
}

/// The network behind a chain.
fn network(chain: usize) -> [u8; 4] {
    [10 + (chain / 256) as u8, (chain % 256) as u8, 0, 0]
}

fn dotted(address: [u8; 4]) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

fn prefix((address, length): ([u8; 4], u32)) -> String {
    format!("{}/{length}", dotted(address))
}

/// A ruleset of so many rules, which the seed decides.
pub(crate) fn generate(form: Form, count: usize, seed: u64) -> String {
    let mut text = String::with_capacity(count * 110);
    match form {
        Form::Iptables => iptables(&mut text, count, seed),
        Form::Nftables => nftables(&mut text, count, seed),
        Form::Pf => pf(&mut text, count, seed),
        Form::Asa => asa(&mut text, count, seed),
    }
    .unwrap();
    text
}

fn chains(count: usize) -> usize {
    count.div_ceil(CHAIN)
}

/// All rules, with the chain that each is in.
fn rules(count: usize, seed: u64) -> impl Iterator<Item = (usize, Rule)> {
    let mut rng = Rng(seed);
    (0..count).map(move |n| (n / CHAIN, Rule::random(&mut rng, n / CHAIN)))
}

fn iptables(text: &mut String, count: usize, seed: u64) -> std::fmt::Result {
    text.push_str("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for chain in 0..chains(count) {
        writeln!(text, ":net-{chain} - [0:0]")?;
    }
    text.push_str("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    for chain in 0..chains(count) {
        writeln!(text, "-A FORWARD -d {}/16 -j net-{chain}", dotted(network(chain)))?;
    }
    for (chain, rule) in rules(count, seed) {
        let proto = rule.proto();
        write!(text, "-A net-{chain} -s {} -d {} -p {proto}", prefix(rule.src), prefix(rule.dst))?;
        match &rule.ports {
            Ports::One(port) => write!(text, " -m {proto} --dport {port}")?,
            Ports::Range(lo, hi) => write!(text, " -m {proto} --dport {lo}:{hi}")?,
            Ports::List(list) => write!(text, " -m multiport --dports {}", joined(list))?,
        }
        let state = if rule.new { " -m conntrack --ctstate NEW" } else { "" };
        writeln!(text, "{state} -j {}", if rule.accept { "ACCEPT" } else { "DROP" })?;
    }
    text.push_str("COMMIT\n");
    Ok(())
}

fn joined(list: &[u16]) -> String {
    list.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

fn nftables(text: &mut String, count: usize, seed: u64) -> std::fmt::Result {
    text.push_str("table inet filter {\n");
    let mut open = None;
    for (chain, rule) in rules(count, seed) {
        if open != Some(chain) {
            if open.is_some() {
                text.push_str("\t}\n");
            }
            writeln!(text, "\tchain net-{chain} {{")?;
            open = Some(chain);
        }
        let proto = rule.proto();
        write!(text, "\t\tip saddr {} ip daddr {} {proto} dport ", prefix(rule.src), prefix(rule.dst))?;
        match &rule.ports {
            Ports::One(port) => write!(text, "{port}")?,
            Ports::Range(lo, hi) => write!(text, "{lo}-{hi}")?,
            Ports::List(list) => write!(text, "{{ {} }}", joined(list))?,
        }
        let state = if rule.new { " ct state new" } else { "" };
        writeln!(text, "{state} {}", if rule.accept { "accept" } else { "drop" })?;
    }
    text.push_str("\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n");
    text.push_str("\t\tct state established,related accept\n");
    for chain in 0..chains(count) {
        writeln!(text, "\t\tip daddr {}/16 jump net-{chain}", dotted(network(chain)))?;
    }
    text.push_str("\t}\n}\n");
    Ok(())
}

fn pf(text: &mut String, count: usize, seed: u64) -> std::fmt::Result {
    text.push_str("block all\npass out all\n");
    for (_, rule) in rules(count, seed) {
        let word = if rule.accept { "pass" } else { "block" };
        write!(
            text,
            "{word} in quick on eth0 inet proto {} from {} to {} port ",
            rule.proto(),
            prefix(rule.src),
            prefix(rule.dst)
        )?;
        match &rule.ports {
            Ports::One(port) => writeln!(text, "{port}")?,
            Ports::Range(lo, hi) => writeln!(text, "{lo}:{hi}")?,
            Ports::List(list) => writeln!(text, "{{ {} }}", joined(list))?,
        }
    }
    Ok(())
}

/// A list of ports takes as many entries.
fn asa(text: &mut String, count: usize, seed: u64) -> std::fmt::Result {
    text.push_str("ASA Version 9.16(4)\n!\nhostname edge\n!\n");
    for (n, name, level, address) in [(0, "eth0", 0, "198.51.100.1"), (1, "eth1", 100, "10.0.0.1")] {
        writeln!(text, "interface GigabitEthernet0/{n}\n nameif {name}\n security-level {level}")?;
        writeln!(text, " ip address {address} 255.255.255.0\n!")?;
    }
    for (_, rule) in rules(count, seed) {
        let ports = match &rule.ports {
            Ports::One(port) => vec![format!("eq {port}")],
            Ports::Range(lo, hi) => vec![format!("range {lo} {hi}")],
            Ports::List(list) => list.iter().map(|port| format!("eq {port}")).collect(),
        };
        for port in ports {
            let word = if rule.accept { "permit" } else { "deny" };
            write!(text, "access-list in extended {word} {}", rule.proto())?;
            for (address, length) in [rule.src, rule.dst] {
                match length {
                    32 => write!(text, " host {}", dotted(address))?,
                    24 => write!(text, " {} 255.255.255.0", dotted(address))?,
                    _ => write!(text, " {} 255.255.0.0", dotted(address))?,
                }
            }
            writeln!(text, " {port}")?;
        }
    }
    text.push_str("access-group in in interface eth0\n");
    Ok(())
}

/// A site of twenty devices behind the firewall of a file.
pub(crate) fn site(config: &str) -> String {
    let mut text = format!(
        "[[zone]]\nname = \"outside\"\n\n[[zone]]\nname = \"video\"\nnetworks = [\"10.0.0.0/12\"]\n\n\
         [[firewall]]\nname = \"edge\"\nconfig = [\"{config}\"]\n\
         interfaces = {{ eth0 = \"outside\", eth1 = \"video\" }}\n\n\
         [[peer]]\nrole = \"h323-entity\"\nzone = \"outside\"\n\n[[peer]]\nrole = \"sip-entity\"\nzone = \"outside\"\n"
    );
    let products = ["scopia-elite-5200", "scopia-xt1000", "scopia-gateway", "scopia-ecs", "scopia-desktop"];
    for n in 0..20 {
        let product = products[n % products.len()];
        text += &format!(
            "\n[[device]]\nname = \"device-{n}\"\nproduct = \"{product}\"\naddresses = [\"10.{n}.1.{n}\"]\n"
        );
    }
    text
}
