//! Random rulesets, and packets that are near to what their rules say.
//!
//! The rulesets hold nothing that a ruleset alone cannot tell: each packet has one verdict.

mod iptables;
mod nftables;

use std::net::IpAddr;
use std::path::Path;

use crate::packet::{Hook, Probe};
use crate::scenario::{Case, Language, Scenario};
use crate::splitmix::next;
use crate::wire::{ESP, Header, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};

/// Packets for each ruleset.
const PACKETS: usize = 150;

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub(crate) struct Rng(u64);

impl Rng {
    /// A source of numbers.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        next(&mut self.0)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Values that rules and packets share.
struct Pool {
    v6: bool,
    /// Addresses that packets have.
    hosts: &'static [&'static str],
    /// Networks that rules name.
    networks: &'static [&'static str],
    /// Ranges of addresses that rules name.
    ranges: &'static [(&'static str, &'static str)],
    /// Addresses of the firewall.
    own: &'static [&'static str],
    /// Addresses to translate to: hosts, and one of the firewall's own.
    targets: &'static [&'static str],
    /// Networks to translate to, host by host.
    mapped: &'static [&'static str],
    /// Those of the firewall's networks that stand for more than one host.
    last: &'static [&'static str],
}

const V4: Pool = Pool {
    v6: false,
    hosts: &[
        "192.0.2.7",
        "192.0.2.8",
        "192.0.2.130",
        "10.1.2.3",
        "10.1.2.10",
        "10.9.0.5",
        "172.16.0.9",
        "203.0.113.9",
    ],
    networks: &[
        "192.0.2.0/24",
        "192.0.2.0/25",
        "192.0.2.7/32",
        "10.0.0.0/8",
        "10.1.2.0/24",
        "10.1.2.3/32",
        "172.16.0.0/12",
        "0.0.0.0/1",
        "203.0.113.0/24",
    ],
    ranges: &[("192.0.2.7", "192.0.2.100"), ("10.1.2.4", "10.9.0.5"), ("172.16.0.9", "172.16.0.9")],
    own: &["203.0.113.1", "198.51.100.1"],
    targets: &["10.1.2.3", "10.1.2.99", "192.0.2.130", "198.51.100.1"],
    mapped: &["10.1.2.0/24", "192.0.2.0/25"],
    last: &["198.51.100.255", "203.0.113.255"],
};

const V6: Pool = Pool {
    v6: true,
    hosts: &[
        "2001:db8:9::7",
        "2001:db8:9::8",
        "2001:db8:9:1::7",
        "2001:db8:a::3",
        "2001:db8:a::10",
        "2001:db8:b::5",
        "2001:db8:1::9",
    ],
    networks: &[
        "2001:db8:9::/48",
        "2001:db8:9::/64",
        "2001:db8:9::7/128",
        "2001:db8:a::/64",
        "2001:db8:a::3/128",
        "2001:db8:8::/45",
        "2001:db8:1::/64",
    ],
    ranges: &[("2001:db8:9::7", "2001:db8:9::100"), ("2001:db8:a::4", "2001:db8:b::5")],
    own: &["2001:db8:1::1", "2001:db8:2::1"],
    targets: &["2001:db8:a::3", "2001:db8:a::99", "2001:db8:9:1::7", "2001:db8:2::1"],
    mapped: &["2001:db8:a::/64", "2001:db8:9:1::/64"],
    last: &["2001:db8:1::"],
};

/// Ports of rules; packets have these, one less and one more.
const PORTS: [u16; 9] = [22, 53, 80, 443, 1720, 3230, 5060, 5061, 40000];
const MARKS: [u32; 4] = [0x1, 0x2, 0x3, 0x10];
const DSCPS: [u8; 3] = [0, 10, 46];
/// What ESP packets have.
const SPIS: [u32; 3] = [256, 4096, 0x8000_0000];

impl Pool {
    fn of(v6: bool) -> &'static Pool {
        if v6 { &V6 } else { &V4 }
    }
}

/// Rulesets of every language: as many as `PINHOLE_KERNEL_SEEDS` says, or a few; the first seed is that of
/// `PINHOLE_KERNEL_FIRST`, or 1.
pub(crate) fn scenarios(folder: &Path) -> Vec<Scenario> {
    let number = |name| std::env::var(name).ok().and_then(|n: String| n.parse::<u64>().ok());
    let (wished, first) = (number("PINHOLE_KERNEL_SEEDS"), number("PINHOLE_KERNEL_FIRST").unwrap_or(1));
    let mut all = Vec::new();
    for (language, usual) in [(Language::Iptables, 20), (Language::Ip6tables, 10), (Language::Nftables, 20)] {
        let seeds = first..first + wished.unwrap_or(usual);
        all.extend(seeds.map(|seed| scenario(language, seed, folder)));
    }
    all
}

/// The ruleset of a seed, and its sets.
fn ruleset(language: Language, rng: &mut Rng) -> (String, Option<String>) {
    let (rules, sets) = match language {
        Language::Iptables => iptables::ruleset(rng, &V4),
        Language::Ip6tables => iptables::ruleset(rng, &V6),
        Language::Nftables => return (nftables::ruleset(rng), None),
    };
    (rules, Some(sets))
}

/// The rulesets of the first seeds, as text.
pub(crate) fn texts(language: Language, seeds: u64) -> Vec<String> {
    (1..=seeds).map(|seed| ruleset(language, &mut of_seed(language, seed)).0).collect()
}

fn of_seed(language: Language, seed: u64) -> Rng {
    Rng::new(seed << 8 | language as u64)
}

/// The ruleset and packets of a seed.
pub(crate) fn scenario(language: Language, seed: u64, folder: &Path) -> Scenario {
    let mut rng = of_seed(language, seed);
    let (text, ipset) = ruleset(language, &mut rng);
    let extension = match language {
        Language::Iptables => "rules",
        Language::Ip6tables => "rules6",
        Language::Nftables => "nft",
    };
    let path = folder.join(format!("{}-{seed}.{extension}", language.name()));
    let v6 = |rng: &mut Rng| match language {
        Language::Iptables => false,
        Language::Ip6tables => true,
        Language::Nftables => rng.one_in(3),
    };
    let cases = (0..PACKETS).map(|_| {
        let v6 = v6(&mut rng);
        Case { line: 0, probe: probe(&mut rng, Pool::of(v6)), expected: None }
    });
    let cases = cases.collect();
    let name = format!("random/{}-{seed}", language.name());
    let mut scenario = Scenario::new(name, language, text, path.clone(), cases);
    std::fs::write(&path, &scenario.text).unwrap();
    if let Some(sets) = ipset {
        let path = path.with_extension("ipset");
        std::fs::write(&path, sets).unwrap();
        scenario.ipset = Some(path);
    }
    scenario
}

/// Addresses of hosts, and of the firewall, of a family.
pub(crate) fn ends(v6: bool) -> (&'static [&'static str], &'static [&'static str]) {
    let pool = Pool::of(v6);
    (pool.hosts, pool.own)
}

/// A packet of a family.
pub(crate) fn probe_of(rng: &mut Rng, v6: bool) -> Probe {
    probe(rng, Pool::of(v6))
}

fn probe(rng: &mut Rng, pool: &Pool) -> Probe {
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let (mut src, mut dst) = (address(rng.pick(pool.hosts)), address(rng.pick(pool.hosts)));
    let hook =
        rng.pick(&[Hook::Forward, Hook::Forward, Hook::Forward, Hook::Input, Hook::Input, Hook::Output]);
    match hook {
        Hook::Input => dst = address(rng.pick(pool.own)),
        // the first hosts are not near: a translation would change the way out, which no ruleset tells
        Hook::Output => {
            src = address(rng.pick(pool.own));
            dst = address(rng.pick(&pool.hosts[..6]));
        }
        Hook::Forward => {}
    }
    let icmp = if pool.v6 { ICMPV6 } else { ICMP };
    let proto = rng.pick(&[TCP, TCP, TCP, TCP, TCP, UDP, UDP, UDP, UDP, icmp, icmp, SCTP, 47, ESP, UDPLITE]);
    let mut header = Header::new(src, dst, proto);
    if header.has_ports() {
        header.sport = port(rng);
        header.dport = port(rng);
    }
    if rng.one_in(3) {
        header.flags = rng.pick(&[2, 2, 16, 18, 17, 3, 0, 8, 32, 24]);
    }
    if proto == TCP && rng.one_in(3) {
        header.mss = Some(rng.pick(&[536, 1200, 1460]));
    }
    header.icmp = match pool.v6 {
        true => (rng.pick(&[128, 128, 128, 129, 1, 143, 151, 152, 153]), rng.pick(&[0, 0, 0, 1])),
        false => rng.pick(&[(8, 0), (8, 0), (0, 0), (13, 0), (3, 1), (11, 0)]),
    };
    if proto == ESP {
        header.spi = rng.pick(&SPIS);
    }
    header.dscp = rng.pick(&DSCPS);
    header.extra = rng.pick(&[0, 0, 100, 500]);
    header.ttl = rng.pick(&[64, 64, 10, 11, 128, 2, 1]);
    // the length of UDP in a fragment that is not put together, no ruleset alone tells
    header.fragment = pool.v6 && rng.one_in(8) && proto != UDP;
    Probe { hook, iif: rng.pick(&["eth0", "eth0", "eth1"]), header, established: false }
}

fn port(rng: &mut Rng) -> u16 {
    let near = rng.pick(&PORTS);
    match rng.below(5) {
        0 => near - 1,
        1 => near + 1,
        2 => 1024 + rng.below(60000) as u16,
        _ => near,
    }
}

/// A range of ports, both ends near to what packets have.
fn ports(rng: &mut Rng) -> (u16, u16) {
    let (a, b) = (rng.pick(&PORTS), rng.pick(&PORTS));
    (a.min(b), a.max(b))
}
