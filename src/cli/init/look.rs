//! What the rules of one firewall tell of the network around it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::dialect::Dialect;
use crate::judge::Firewall;
use crate::model::{Effect, OwnAddress, Rule, Ruleset, Step, Test, Values, Verdict};
use crate::packet::{Family, Field, Prefix, Set, interface_name, proto};

/// Addresses of a list that are looked at one by one.
const FEW: usize = 64;

/// One firewall.
pub(super) struct Seen {
    /// What to call it.
    pub name: String,
    /// Its files, from the folder.
    pub files: Vec<PathBuf>,
    /// Its interfaces, and the networks that seem to lie behind each.
    pub interfaces: BTreeMap<String, BTreeSet<Prefix>>,
    /// The rules name no interface: these are made up.
    pub made_up: bool,
    /// Its own addresses, where the config has them.
    pub own: Vec<OwnAddress>,
    /// For each host that rules let somebody reach: the TCP and the UDP ports.
    pub hosts: BTreeMap<IpAddr, [Set; 2]>,
    /// What the files leave open, by the names of `[firewall.assume]`.
    pub conditions: Vec<String>,
}

impl Seen {
    /// Looks at the rules of a firewall.
    pub(super) fn of(name: String, files: Vec<PathBuf>, dialect: Dialect, rules: Ruleset) -> Seen {
        let firewall = Firewall { name: name.clone(), dialect, rules, search: 0 };
        let names = firewall.interfaces();
        let singles = names.ranges().iter().filter(|(low, high)| low == high);
        // A long name is known by its beginning alone, which nobody could write.
        let interfaces = singles.map(|(low, _)| interface_name(*low)).filter(|name| !name.ends_with('…'));
        let interfaces = interfaces.map(|name| (name, BTreeSet::new())).collect();
        let rules = firewall.rules;
        let conditions = rules.conditions.iter().map(|condition| condition.name.to_string()).collect();
        let own = rules.own.clone();
        let hosts = BTreeMap::new();
        let mut seen = Seen { name, files, interfaces, made_up: false, own, hosts, conditions };
        seen.conditions.sort_unstable();
        seen.conditions.dedup();
        for own in &seen.own {
            if let Some(behind) = seen.interfaces.get_mut(&own.interface) {
                behind.insert(Prefix::around(own.family, own.address, own.prefix as u8));
            }
        }
        for rule in rules.chains.iter().flat_map(|chain| &chain.rules) {
            seen.rule(&rules, rule);
        }
        if seen.interfaces.is_empty() {
            seen.make_up_interfaces();
        }
        seen
    }

    /// Two interfaces for rules that name none: with the networks of the hosts that they name on one side.
    fn make_up_interfaces(&mut self) {
        self.made_up = true;
        let private = self.hosts.keys().filter(|address| is_private(**address));
        let networks = private.map(|address| {
            let (family, number) = Family::of(*address);
            Prefix::around(family, number, if family == Family::V4 { 24 } else { 64 })
        });
        self.interfaces.insert("inside".to_string(), networks.collect());
        self.interfaces.insert("outside".to_string(), BTreeSet::new());
    }

    fn rule(&mut self, rules: &Ruleset, rule: &Rule) {
        let mut says: BTreeMap<&str, Set> = BTreeMap::new();
        let mut accepts = false;
        for step in rules.steps_of(rule) {
            if let Step::Test(Test::In { field, values, negate: false }) = step
                && let Some(key) = key(*field)
            {
                let values = match values {
                    Values::Range(low, high) => Set::range((*low).into(), (*high).into()),
                    Values::Set(id) => rules.set(*id).clone(),
                };
                says.entry(key).and_modify(|set| *set = set.and(&values)).or_insert(values);
            }
            accepts |= matches!(
                step,
                Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept))
            );
        }
        for family in [Family::V4, Family::V6] {
            let (src, dst) = match family {
                Family::V4 => ("src4", "dst4"),
                Family::V6 => ("src6", "dst6"),
            };
            for (interface, address) in [("iif", src), ("oif", dst)] {
                self.behind(says.get(interface), says.get(address), family);
            }
            if accepts && let Some(hosts) = says.get(dst) {
                self.reachable(hosts, family, &says);
            }
        }
    }

    /// Notes that addresses are behind an interface, where they are private ones.
    fn behind(&mut self, interface: Option<&Set>, addresses: Option<&Set>, family: Family) {
        let (Some(name), Some(addresses)) = (interface.and_then(Set::single), addresses) else { return };
        let Some(networks) = self.interfaces.get_mut(&interface_name(name)) else { return };
        for (low, high) in addresses.ranges().iter().take(FEW) {
            let prefixes = Prefix::of_range(family, *low, *high).filter(|prefix| is_private(prefix.address));
            // One host alone tells of its network, as most are cut.
            networks.extend(prefixes.map(|prefix| match (family, prefix.length) {
                (Family::V4, 25..) => Prefix::around(family, *low, 24),
                (Family::V6, 65..) => Prefix::around(family, *low, 64),
                _ => prefix,
            }));
        }
    }

    /// Notes which ports of hosts somebody may reach.
    fn reachable(&mut self, hosts: &Set, family: Family, says: &BTreeMap<&str, Set>) {
        let Some(ports) = says.get("dport") else { return };
        let protocols = says.get("proto");
        let speaks = |number: u8| protocols.is_none_or(|set| set.contains(number.into()));
        for (low, high) in hosts.ranges().iter().take(FEW) {
            if low != high {
                continue;
            }
            let open = self.hosts.entry(family.address(*low)).or_default();
            for (at, number) in [proto::TCP, proto::UDP].into_iter().enumerate() {
                if speaks(number) {
                    open[at] = open[at].or(ports);
                }
            }
        }
    }
}

/// The fields that tell something.
fn key(field: Field) -> Option<&'static str> {
    let keys = [
        (Field::Iif, "iif"),
        (Field::Oif, "oif"),
        (Field::Src4, "src4"),
        (Field::Dst4, "dst4"),
        (Field::Src6, "src6"),
        (Field::Dst6, "dst6"),
        (Field::Proto, "proto"),
        (Field::Dport, "dport"),
    ];
    keys.into_iter().find(|(known, _)| *known == field).map(|(_, key)| key)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// A name for the firewall of a file: that of the file without what tells its language or family.
pub(super) fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    const ENDS: [&str; 16] = [
        ".v4", ".v6", ".rules6", ".rules4", ".rules", ".conf", ".cfg", ".nft", ".json", ".txt", ".save",
        ".asa", ".pf", ".acl", "6", "4",
    ];
    let mut stem = file.as_str();
    while let Some(cut) = ENDS.iter().find_map(|end| stem.strip_suffix(end)).filter(|cut| !cut.is_empty()) {
        stem = cut;
    }
    let stem = if ["rules", "iptables", "nftables", "pf", "ip"].contains(&stem) {
        let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        folder.unwrap_or_else(|| "edge".to_string())
    } else {
        stem.to_string()
    };
    let plain = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let plain: String = plain.collect();
    let plain = plain.trim_matches('-').to_ascii_lowercase();
    if plain.is_empty() { "edge".to_string() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_firewalls() {
        for (path, wanted) in [
            ("edge.rules", "edge"),
            ("edge.rules6", "edge"),
            ("hosts/web/rules.v4", "web"),
            ("hosts/web/rules.v6", "web"),
            ("rules.v4", "edge"),
            ("Branch Office.cfg", "branch-office"),
            ("pf.conf", "edge"),
            ("nftables.conf", "edge"),
        ] {
            assert_eq!(name(Path::new(path)), wanted, "{path}");
        }
    }

    #[test]
    fn ranges_are_networks() {
        let of = |low: u128, high| Prefix::of_range(Family::V4, low, high).map(|prefix| prefix.to_string());
        assert_eq!(of(0x0a01_0200, 0x0a01_02ff).as_deref(), Some("10.1.2.0/24"));
        assert_eq!(of(0x0a01_0201, 0x0a01_02ff), None);
        assert_eq!(Prefix::around(Family::V4, 0x0a01_0205, 24).to_string(), "10.1.2.0/24");
    }
}
