//! A firewall of many networks as administrators' scripts write them: for each network a chain that ties its hosts to
//! their cards, with a return for each, and a chain of what its hosts offer. Everything about it is worked out: which
//! rules are dead, how much each opens, and what comes to the policy.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::common;

use crate::rng::Rng;
use common::{Scratch, check};

const NETWORKS: u32 = 12;
const HOSTS: u32 = 250;
const OFFERS: u32 = 60;

/// What a host of a network offers, and to whom.
struct Offer {
    /// A network, and a host of it; none is all the world.
    from: Vec<u32>,
    to: u32,
    port: Option<u32>,
}

impl Offer {
    fn random(rng: &mut Rng) -> Offer {
        let from = [rng.below(NETWORKS), 1 + rng.below(HOSTS)][..rng.below(3) as usize].to_vec();
        let port = rng.pick(&[22, 25, 53, 80, 443, 1720, 5060, 0]);
        Offer { from, to: 1 + rng.below(20), port: (port != 0).then_some(port) }
    }

    /// Whether it takes all that another one would.
    fn covers(&self, other: &Offer) -> bool {
        other.from.starts_with(&self.from)
            && self.to == other.to
            && (self.port.is_none() || self.port == other.port)
    }

    fn rule(&self, network: u32) -> String {
        let from = match self.from[..] {
            [network, host] => format!("-s 10.1.{network}.{host}/32 "),
            [network] => format!("-s 10.1.{network}.0/24 "),
            _ => String::new(),
        };
        let ports = self.port.map_or("1:65535".to_string(), |port| port.to_string());
        format!("{from}-d 10.1.{network}.{}/32 -p tcp -m tcp --dport {ports} -j ACCEPT", self.to)
    }
}

/// The dump, and the lines of the rules that do nothing.
fn dump(rng: &mut Rng) -> (String, BTreeSet<usize>) {
    let mut text = String::from("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for network in 0..NETWORKS {
        writeln!(text, ":mac_{network} - [0:0]\n:filter_{network} - [0:0]").unwrap();
    }
    text.push_str("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    text.push_str("-A FORWARD -m recent --update --seconds 60 --name SCAN --rsource -j DROP\n");
    for network in 0..NETWORKS {
        writeln!(text, "-A FORWARD -s 10.1.{network}.0/24 -i eth{network} -j mac_{network}").unwrap();
    }
    for network in 0..NETWORKS {
        writeln!(text, "-A FORWARD -d 10.1.{network}.0/24 -o eth{network} -j filter_{network}").unwrap();
    }
    for network in 0..NETWORKS {
        for host in 1..=HOSTS {
            let card = format!("02:00:00:00:{network:02x}:{host:02x}");
            writeln!(
                text,
                "-A mac_{network} -s 10.1.{network}.{host}/32 -m mac --mac-source {card} -j RETURN"
            )
            .unwrap();
            writeln!(text, "-A mac_{network} -s 10.1.{network}.{host}/32 -j DROP").unwrap();
        }
    }
    let mut dead = BTreeSet::new();
    for network in 0..NETWORKS {
        let mut offers: Vec<Offer> = Vec::new();
        for _ in 0..OFFERS {
            let offer = Offer::random(rng);
            writeln!(text, "-A filter_{network} {}", offer.rule(network)).unwrap();
            if offers.iter().any(|known| known.covers(&offer)) {
                dead.insert(text.lines().count());
            }
            offers.push(offer);
        }
    }
    text.push_str("COMMIT\n");
    (text, dead)
}

#[test]
fn all_of_a_firewall_of_many_networks_is_worked_out() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let (text, dead) = dump(&mut Rng(seed));
    let folder = Scratch::new("many-chains");
    folder.write("fw.rules", text);
    let found = check(&folder.0, &["fw.rules"]);
    let said = |words: &str| found.findings.iter().find(|finding| finding.message.contains(words));
    for words in ["not examined", "not worked out"] {
        assert!(said(words).is_none(), "seed {seed}: {:?}", said(words));
    }
    let of_dead = found.findings.iter().filter(|finding| matches!(&*finding.code, "PH401" | "PH406"));
    let (mut told, mut also) = (BTreeSet::new(), BTreeSet::new());
    for finding in of_dead {
        told.extend(finding.line);
        // Rules that are dead for one reason have one finding.
        also.extend(finding.related.iter().filter_map(|place| place.line));
    }
    assert!(dead.len() > 20, "seed {seed}: {} rules do nothing", dead.len());
    let wrong: Vec<&usize> = told.difference(&dead).collect();
    let missed: Vec<&usize> =
        dead.iter().filter(|line| !told.contains(line) && !also.contains(line)).collect();
    assert!(wrong.is_empty() && missed.is_empty(), "seed {seed}: wrong {wrong:?}, missed {missed:?}");
}
