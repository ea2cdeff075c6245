use crate::model::Way;
use std::collections::BTreeSet;

use super::*;
use crate::catalog::Catalog;
use crate::finding::Finding;
use crate::report::fatal;
use crate::rule::{LINTS, Lint, PH104, PH202, Severity};
use crate::source::SourceMap;

fn read(text: &str) -> (SourceMap, Result<Site, Vec<Finding>>) {
    let mut sources = SourceMap::new();
    sources.add("other", b"something before\n".to_vec()).unwrap();
    let id = sources.add("lab/pinhole.toml", text.as_bytes().to_vec()).unwrap();
    let site = load(&sources, id);
    (sources, site)
}

/// The messages of what is wrong, with the text that each points at.
fn wrong(text: &str) -> Vec<(String, String)> {
    let (sources, site) = read(text);
    let findings = site.expect_err(text);
    findings.into_iter().map(|f| (f.message, sources.text(f.span.unwrap()).to_string())).collect()
}

const WHOLE: &str = r#"
catalog = ["more"]

[check]
select = ["PH1", "PH2", "broken-site-file"]
ignore = ["PH104", { rule = "any-to-any", file = "edge.rules", reason = "lab", expires = 2027-01-31 }]
fail-on = "warning"
severity = { any-to-any = "error", PH104 = "info" }
thresholds.wide-range = 500

[[zone]]
name = "internet"
[[zone]]
name = "campus"
networks = ["10.0.0.0/8"]
[[zone]]
name = "video"
networks = ["10.1.2.0/24", "2001:db8:2::/64"]

[[firewall]]
name = "edge"
config = ["edge.rules", "edge.rules6"]
interfaces = { eth0 = ["internet", "campus"], eth1 = "video" }
addresses = { eth0 = ["198.51.100.1/24"], eth1 = ["10.1.2.1/24"] }
groups = { egress = ["eth0"] }
[firewall.assume]
"set f2b-sshd" = "empty"
"table <bogons>" = ["192.0.2.0/24", "2001:db8::/32"]
"anchor ftp-proxy/*" = { is = "empty", reason = "FTP is off" }
"time-range night" = false
[[firewall]]
name = "on-mcu"
config = ["mcu.nft"]
host = "mcu-1"

[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10", "2001:db8:2::10"]
public-addresses = ["198.51.100.10"]
security-mode = "High"
ports = { rtp = "20000-20600", sip = 5070, http = ["80, 8080", 81] }
connections = 100

[[peer]]
role = "snmp-manager"
addresses = ["10.9.0.5"]
[[peer]]
name = "partners"
role = "h323-entity"
zone = "internet"
[[path]]
from = "video"
to = "internet"
firewalls = ["edge"]
"#;

#[test]
fn a_whole_site() {
    let (sources, site) = read(WHOLE);
    let site = site.unwrap();
    assert_eq!(site.catalogs, [PathBuf::from("lab/more")]);
    let settings = &site.settings;
    let selected = |lint: &&&Lint| ["PH1", "PH2", "PH601"].iter().any(|start| lint.code.starts_with(start));
    assert_eq!(settings.selection.only, Some(LINTS.iter().filter(selected).copied().collect()));
    assert_eq!((settings.selection.without.as_slice(), settings.wide_range), ([&PH104].as_slice(), 500));
    assert_eq!(settings.fail_on, Some(Severity::Warning));
    assert_eq!(settings.severity[&PH202], Severity::Error);
    let accepted = &settings.accepted[0];
    assert_eq!((accepted.lints.as_slice(), accepted.reason.as_str()), ([&PH202].as_slice(), "lab"));
    assert_eq!(accepted.file.as_deref(), Some(Path::new("lab/edge.rules")));
    let day = |day| Date { year: 2027, month: 1, day };
    assert!(!accepted.expired(day(31)) && accepted.expired(Date { month: 2, ..day(1) }));
    let edge = &site.firewalls[0];
    assert_eq!(edge.configs, [PathBuf::from("lab/edge.rules"), PathBuf::from("lab/edge.rules6")]);
    assert_eq!(
        (edge.interfaces["eth0"].as_slice(), edge.interfaces["eth1"].as_slice()),
        ([0, 1].as_slice(), [2].as_slice())
    );
    assert_eq!(edge.host, None);
    assert_eq!(edge.addresses["eth0"][0].to_string(), "198.51.100.1/24");
    assert_eq!(edge.groups["egress"], ["eth0"]);
    assert_eq!(site.firewalls[1].host, Some(0));
    let own: Vec<(String, u32)> =
        site.firewalls[1].own_addresses().into_iter().map(|own| (own.interface, own.prefix)).collect();
    assert_eq!(own, [(String::new(), 32), (String::new(), 128)]);
    assert_eq!(edge.own_addresses()[1].interface, "eth1");
    assert_eq!(site.peers[1].name.as_deref(), Some("partners"));
    assert_eq!(
        (site.paths[0].from, site.paths[0].to, site.paths[0].firewalls.as_slice()),
        (2, 0, [0].as_slice())
    );
    let device = &site.devices[0];
    assert_eq!(sources.text(device.span.unwrap()), "\"mcu-1\"");
    assert_eq!(device.security_mode.as_deref(), Some("high"));
    let ports: Vec<(&str, &[[u16; 2]])> =
        device.moved.iter().map(|m| (m.row.as_str(), m.ports.as_slice())).collect();
    assert!(ports.contains(&("rtp", &[[20000, 20600]])), "{ports:?}");
    assert!(ports.contains(&("http", &[[80, 80], [8080, 8080], [81, 81]])), "{ports:?}");
    assert_eq!(site.peers[1].place, PeerPlace::Zone(0));
}

#[test]
fn assumptions_are_read_in_their_order() {
    use crate::model::Assumed;
    let (sources, site) = read(WHOLE);
    let assumed = &site.unwrap().firewalls[0].assumptions;
    let texts: Vec<&str> = assumed.iter().map(|one| sources.text(one.span.unwrap())).collect();
    assert_eq!(
        texts,
        ["\"set f2b-sshd\"", "\"table <bogons>\"", "\"anchor ftp-proxy/*\"", "\"time-range night\""]
    );
    assert_eq!((&assumed[0].answer, &assumed[3].answer), (&Assumed::Empty, &Assumed::Holds(false)));
    let Assumed::Addresses { v4, v6 } = &assumed[1].answer else { panic!("{assumed:?}") };
    assert_eq!(v4.ranges(), [(0xc000_0200, 0xc000_02ff)]);
    assert_eq!(v6.ranges(), [(0x2001_0db8 << 96, (0x2001_0db9 << 96) - 1)]);
    assert_eq!(
        (assumed[2].answer.clone(), assumed[2].reason.as_deref()),
        (Assumed::Empty, Some("FTP is off"))
    );
}

#[test]
fn a_site_can_be_asked_by_several_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Site>();
}

/// A site of zones, and of firewalls with what is behind their interfaces: `"e0=internet,branch e1=video"`.
fn site_of(zones: &[&str], firewalls: &[(&str, &str)], paths: &[(&str, &str, &[&str])]) -> Site {
    let mut text = String::new();
    for (at, zone) in zones.iter().enumerate() {
        let networks = if at == 0 { String::new() } else { format!("networks = ['10.{at}.0.0/16']\n") };
        text += &format!("[[zone]]\nname = '{zone}'\n{networks}");
    }
    for (name, interfaces) in firewalls {
        let sides: Vec<String> = interfaces
            .split(' ')
            .map(|side| {
                let (name, zones) = side.split_once('=').unwrap();
                let zones: Vec<String> = zones.split(',').map(|zone| format!("'{zone}'")).collect();
                format!("{name} = [{}]", zones.join(", "))
            })
            .collect();
        let sides = sides.join(", ");
        text += &format!("[[firewall]]\nname = '{name}'\nconfig = ['{name}']\ninterfaces = {{ {sides} }}\n");
    }
    for (from, to, firewalls) in paths {
        text += &format!("[[path]]\nfrom = '{from}'\nto = '{to}'\nfirewalls = {firewalls:?}\n");
    }
    read(&text).1.unwrap_or_else(|findings| panic!("{text}\n{findings:#?}"))
}

/// The way between two zones, as `edge(e0>e1)`; the message of PH613 where it is open.
fn way(site: &Site, from: &str, to: &str) -> String {
    let zone = |name: &str| site.zones.iter().position(|zone| zone.name == name).unwrap();
    let names = |side: &Option<crate::packet::Set>| {
        let ranges = side.as_ref().unwrap().ranges();
        let names = ranges.iter().map(|(name, _)| crate::packet::interface_name(*name));
        names.collect::<Vec<_>>().join("+")
    };
    let [from, to] = [from, to].map(|name| End { zone: zone(name), device: None });
    match site.path(from, to) {
        None => "open".to_string(),
        Some(path) => path
            .iter()
            .map(|one| {
                let name = &site.firewalls[one.firewall].name;
                format!("{name}({}>{})", names(&one.iif), names(&one.oif))
            })
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// The messages and labels of PH613.
fn choices(site: &Site) -> Vec<(String, String)> {
    let today = Date { year: 2026, month: 1, day: 1 };
    let found = findings(site, &Catalog::bundled().unwrap(), today);
    found.into_iter().filter(|f| f.code() == "PH613").map(|f| (f.message, f.label)).collect()
}

#[test]
fn the_way_leads_through_the_fewest_firewalls() {
    let zones = ["internet", "dmz", "video", "lab", "guest"];
    let firewalls = [("outer", "e0=internet e1=dmz"), ("inner", "e0=dmz e1=video e2=video e3=lab")];
    let site = site_of(&zones, &firewalls, &[]);
    assert_eq!(way(&site, "internet", "video"), "outer(e0>e1) inner(e0>e1+e2)");
    assert_eq!(way(&site, "video", "internet"), "inner(e1+e2>e0) outer(e1>e0)");
    assert_eq!(way(&site, "video", "lab"), "inner(e1+e2>e3)");
    assert_eq!(way(&site, "video", "video"), "");
    assert_eq!(way(&site, "guest", "video"), "");
    assert_eq!(choices(&site), []);
    // Two zones between the same firewalls are no choice of firewalls.
    let firewalls = [("outer", "e0=internet e1=dmz e2=lab"), ("inner", "e0=dmz e1=video e2=lab")];
    let site = site_of(&zones, &firewalls, &[]);
    assert_eq!(way(&site, "internet", "video"), "outer(e0>e1+e2) inner(e0+e2>e1)");
}

#[test]
fn several_zones_can_be_behind_one_interface() {
    let site = site_of(&["internet", "branch", "video"], &[("edge", "e0=internet,branch e1=video")], &[]);
    assert_eq!(way(&site, "branch", "video"), "edge(e0>e1)");
    assert_eq!(way(&site, "video", "internet"), "edge(e1>e0)");
    assert_eq!(way(&site, "internet", "branch"), "");
    // Two firewalls side by side do not lead from one to the other.
    let firewalls = [
        ("one", "e0=internet,branch e1=video"),
        ("two", "e0=internet,branch e1=lab"),
        ("x", "e0=branch e1=hall"),
    ];
    let site = site_of(&["internet", "branch", "video", "lab", "hall"], &firewalls, &[]);
    assert_eq!(way(&site, "internet", "branch"), "");
    assert_eq!(way(&site, "internet", "hall"), "x(e0>e1)");
    assert_eq!(way(&site, "hall", "video"), "x(e1>e0) one(e0>e1)");
    assert_eq!(way(&site, "lab", "video"), "two(e1>e0) one(e0>e1)");
    assert_eq!(choices(&site), []);
    // By another interface the same two zones can be reached as well.
    let site = site_of(&["internet", "branch"], &[("edge", "e0=internet,branch e1=branch")], &[]);
    assert_eq!(way(&site, "internet", "branch"), "edge(e0>e1)");
    assert_eq!(way(&site, "branch", "internet"), "edge(e1>e0)");
}

#[test]
fn a_choice_is_told_once_and_nothing_is_guessed() {
    let zones = ["internet", "video", "lab"];
    let firewalls =
        [("a", "e0=internet e1=video e2=lab"), ("b", "e0=internet e1=video e2=lab"), ("c", "x=lab y=video")];
    let site = site_of(&zones, &firewalls, &[]);
    assert_eq!(way(&site, "internet", "video"), "open");
    let more = "nothing is judged between these zones, nor between one other pair";
    assert_eq!(
        choices(&site),
        [
            (
                "packets between zones `internet` and `video` can go through `a` or `b`".to_string(),
                more.to_string()
            ),
            (
                "packets between zones `video` and `lab` can go through `a` or `b` or `c`".to_string(),
                "nothing is judged between these zones".to_string()
            ),
        ]
    );
    let paths: &[(&str, &str, &[&str])] = &[
        ("internet", "video", &["a"]),
        ("lab", "video", &["c"]),
        ("internet", "lab", &["a"]),
        ("lab", "internet", &["b"]),
    ];
    let site = site_of(&zones, &firewalls, paths);
    assert_eq!(choices(&site), []);
    assert_eq!(way(&site, "internet", "video"), "a(e0>e1)");
    assert_eq!(way(&site, "video", "internet"), "a(e1>e0)");
    assert_eq!(way(&site, "video", "lab"), "c(y>x)");
    assert_eq!(
        (way(&site, "internet", "lab"), way(&site, "lab", "internet")),
        ("a(e0>e2)".into(), "b(e2>e0)".into())
    );
}

#[test]
fn a_zone_behind_a_shared_interface_may_have_a_firewall_of_its_own() {
    let zones = ["internet", "branch", "video"];
    let firewalls = [("edge", "e0=internet,branch e1=video"), ("far", "e0=internet e1=branch")];
    let site = site_of(&zones, &firewalls, &[]);
    let label = "nothing is judged between these zones, nor between one other pair".to_string();
    let message =
        "packets between zones `internet` and `video` can go through `edge` alone or through `far` as well";
    assert_eq!(choices(&site), [(message.to_string(), label)]);
    assert_eq!(way(&site, "internet", "branch"), "far(e0>e1)");
    let site = site_of(
        &zones,
        &firewalls,
        &[("video", "branch", &["edge", "far"]), ("video", "internet", &["edge"])],
    );
    assert_eq!(choices(&site), []);
    assert_eq!(way(&site, "video", "branch"), "edge(e1>e0) far(e0>e1)");
    assert_eq!(way(&site, "branch", "video"), "far(e1>e0) edge(e0>e1)");
    // By its address the interface is in zone `internet`, which is everything else: the branch is beyond it.
    let mut home = site_of(&zones, &firewalls, &[]);
    home.firewalls[0].addresses.insert("e0".into(), vec![Prefix::host("192.0.2.1".parse().unwrap())]);
    let home = home.clone();
    assert_eq!(choices(&home), []);
    assert_eq!(way(&home, "video", "branch"), "edge(e1>e0) far(e0>e1)");
    assert_eq!(way(&home, "branch", "video"), "far(e1>e0) edge(e0>e1)");
    assert_eq!(way(&home, "video", "internet"), "edge(e1>e0)");
    // Where no firewall separates it, it is reached by the same interface and nothing else.
    let mut home = site_of(&zones, &firewalls[..1], &[]);
    home.firewalls[0].addresses.insert("e0".into(), vec![Prefix::host("192.0.2.1".parse().unwrap())]);
    assert_eq!(way(&home, "video", "branch"), "edge(e1>e0)");
    assert_eq!((way(&home, "internet", "branch"), choices(&home)), (String::new(), Vec::new()));
    let zones = ["internet", "branch", "video", "hall"];
    let firewalls = [
        ("edge", "e0=internet,branch e1=video"),
        ("far", "e0=internet e1=hall"),
        ("near", "e0=hall e1=branch"),
    ];
    let site = site_of(&zones, &firewalls, &[("internet", "branch", &[])]);
    assert_eq!(way(&site, "internet", "branch"), "");
    let without = Site { paths: Vec::new(), ..site.clone() };
    assert_eq!(way(&without, "branch", "internet"), "open");
    let message = "packets between zones `internet` and `branch` can go through `near` or around it";
    assert!(choices(&without).iter().any(|(found, _)| found == message), "{:?}", choices(&without));
}

#[test]
fn firewalls_on_both_hosts_are_crossed() {
    let text = "[[zone]]\nname = 'out'\n[[zone]]\nname = 'in'\nnetworks = ['10.0.0.0/8']\n\
                [[device]]\nname = 'a'\nproduct = 'p'\naddresses = ['10.0.0.1']\n\
                [[device]]\nname = 'b'\nproduct = 'p'\naddresses = ['192.0.2.1']\n\
                [[firewall]]\nname = 'edge'\nconfig = ['e']\ninterfaces = { e0 = 'out', e1 = 'in' }\n\
                [[firewall]]\nname = 'on-a'\nconfig = ['a']\nhost = 'a'\naddresses = { lan = ['10.0.0.1/8'] }\n\
                [[firewall]]\nname = 'on-b'\nconfig = ['b']\nhost = 'b'\n";
    let site = read(text).1.unwrap();
    let (a, b) = (End { zone: 1, device: Some(0) }, End { zone: 0, device: Some(1) });
    let ways = |from, to| {
        let path = site.path(from, to).unwrap();
        path.iter().map(|one| (one.firewall, one.way)).collect::<Vec<_>>()
    };
    assert_eq!(ways(a, b), [(1, Way::Output), (0, Way::Forward), (2, Way::Input)]);
    assert_eq!(ways(b, a), [(2, Way::Output), (0, Way::Forward), (1, Way::Input)]);
    assert_eq!(ways(a, End { device: None, ..a }), [(1, Way::Output)]);
    // An address that stands under its interface is not repeated.
    let own: Vec<String> = site.firewalls[1].own_addresses().into_iter().map(|own| own.interface).collect();
    assert_eq!(own, ["lan"]);
    assert_eq!(site.firewalls[2].own_addresses()[0].address, 0xc000_0201);
}

/// The plain way: of all networks that hold the address, the one with the longest prefix.
fn zone_by_search(site: &Site, address: IpAddr) -> Option<ZoneId> {
    let all = site.zones.iter().enumerate().flat_map(|(id, zone)| zone.networks.iter().map(move |n| (id, n)));
    let longest = all.filter(|(_, n)| n.contains(address)).max_by_key(|(_, n)| n.length);
    longest.map(|(id, _)| id).or_else(|| site.zones.iter().position(|zone| zone.networks.is_empty()))
}

/// The plain way: all chains of different firewalls that lead from a zone to another, the shortest first.
fn ways_by_search(site: &Site, from: ZoneId, to: ZoneId) -> BTreeSet<Vec<usize>> {
    let mut found = BTreeSet::new();
    let mut open = vec![(from, Vec::new())];
    while let Some((zone, way)) = open.pop() {
        if zone == to {
            found.insert(way);
            continue;
        }
        for (at, firewall) in site.firewalls.iter().enumerate().filter(|(at, _)| !way.contains(at)) {
            let zones: BTreeSet<ZoneId> = firewall.interfaces.values().flatten().copied().collect();
            if zones.contains(&zone) {
                let next = zones.iter().filter(|next| **next != zone);
                open.extend(next.map(|next| (*next, [way.clone(), vec![at]].concat())));
            }
        }
    }
    let shortest = found.iter().map(Vec::len).min().unwrap_or(0);
    found.retain(|way| way.len() == shortest);
    found
}

proptest::proptest! {
    /// Where each zone is behind interfaces of its own, the one shortest way is found, or none is said to be.
    #[test]
    fn the_graph_finds_the_way_that_a_search_finds(
        firewalls in proptest::collection::vec(proptest::collection::btree_set(0..5usize, 1..4), 0..5),
    ) {
        let mut site = Site::default();
        for name in 0..5 {
            site.zones.push(Zone { name: name.to_string(), networks: Vec::new(), span: None });
        }
        for (at, zones) in firewalls.iter().enumerate() {
            let interfaces = zones.iter().map(|zone| (format!("e{zone}"), vec![*zone])).collect();
            site.firewalls.push(Firewall { name: at.to_string(), interfaces, ..Firewall::default() });
        }
        for (from, to) in (0..5).flat_map(|from| (0..5).map(move |to| (from, to))) {
            let ways = ways_by_search(&site, from, to);
            match site.route(from, to) {
                Route::Choice(Choice::Either(_)) => proptest::prop_assert!(ways.len() > 1, "{firewalls:?} {from} {to}"),
                Route::Choice(other) => proptest::prop_assert!(false, "{firewalls:?} {from} {to}: {other:?}"),
                Route::Through(crossings) => {
                    let way: Vec<usize> = crossings.iter().map(|crossing| crossing.firewall).collect();
                    let expected: Vec<usize> = ways.first().cloned().unwrap_or_default();
                    proptest::prop_assert!(ways.len() < 2 && way == expected, "{firewalls:?} {from} {to}: {way:?}");
                    let mut back: Vec<Crossing> = crossings.iter().map(Crossing::back).collect();
                    back.reverse();
                    proptest::prop_assert_eq!(site.route(to, from), &Route::Through(back));
                }
            }
        }
    }

    #[test]
    fn the_index_finds_the_zone_that_a_search_finds(
        networks in proptest::collection::btree_map((0..256u32, 24..=32u8), 0..6usize, 0..24),
        hosts in proptest::collection::vec(0..256u32, 8),
    ) {
        let mut site = Site::default();
        for name in 0..6 {
            site.zones.push(Zone { name: name.to_string(), networks: Vec::new(), span: None });
        }
        let at = |host: u32| IpAddr::V4((0xffff_ff00 | host).into());
        let mut seen = BTreeSet::new();
        for ((host, length), zone) in networks {
            let base = host & (u32::MAX << (32 - u32::from(length)).min(31));
            if length > 24 && seen.insert((base & 0xff, length)) {
                site.zones[zone].networks.push(Prefix { address: at(base & 0xff), length });
            }
        }
        for host in hosts {
            let zone = site.zone_of(at(host));
            let found = zone_by_search(&site, at(host));
            let rest = |zone: Option<ZoneId>| zone.is_none_or(|zone| site.zones[zone].networks.is_empty());
            proptest::prop_assert!(zone == found || rest(zone) && rest(found), "{site:?} {host}: {zone:?} {found:?}");
            if let Some(zone) = zone.filter(|zone| !rest(Some(*zone))) {
                proptest::prop_assert!(site.addresses_of(zone, Family::V4).contains((0xffff_ff00 | host).into()));
            }
        }
    }
}

#[test]
fn the_longest_prefix_decides_the_zone() {
    let site = read(WHOLE).1.unwrap();
    let zone = |address: &str| site.zone_of(address.parse().unwrap()).map(|id| site.zones[id].name.as_str());
    assert_eq!(zone("10.1.2.10"), Some("video"));
    assert_eq!(zone("10.1.3.10"), Some("campus"));
    assert_eq!(zone("2001:db8:2::5"), Some("video"));
    assert_eq!(zone("2001:db8:3::5"), Some("internet"));
    let without = Site { zones: site.zones[1..].to_vec(), ..site.clone() };
    assert_eq!(without.zone_of("192.0.2.1".parse().unwrap()), None);
    let prefix = |text| parse_prefix(text).unwrap();
    let zone = |name: &str, network| Zone { name: name.into(), networks: vec![prefix(network)], span: None };
    let ends = Site { zones: vec![zone("all", "::/0"), zone("end", "ff00::/8")], ..Site::default() };
    let last = std::net::Ipv6Addr::from(u128::MAX);
    assert_eq!((ends.zone_of(last.into()), ends.zone_of("::".parse().unwrap())), (Some(1), Some(0)));
    let all = Prefix { address: "0.0.0.0".parse().unwrap(), length: 0 };
    assert!(all.contains("255.1.1.1".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
}

#[test]
fn an_unknown_key_names_the_nearest_right_one() {
    let (sources, site) = read("[[device]]\nname = \"mcu\"\nproduct = \"x\"\nadresses = [\"10.1.2.10\"]\n");
    let mut out = Vec::new();
    fatal(&sources, &site.unwrap_err(), false, &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn every_mistake_has_its_place() {
    let device = "[[device]]\nname = 'a'\nproduct = 'p'\naddresses = ['10.0.0.1']\n";
    let zones = "[[zone]]\nname = 'in'\nnetworks = ['10.0.0.0/8']\n[[zone]]\nname = 'out'\n";
    let firewall = "[[firewall]]\nname = 'f'\nconfig = ['a']\n";
    let assume = format!("{firewall}interfaces = {{ e0 = 'in' }}\n[firewall.assume]\n");
    let two = "[[zone]]\nname = 'mid'\nnetworks = ['192.0.2.0/24']\n\
               [[firewall]]\nname = 'f'\nconfig = ['f']\ninterfaces = { e0 = 'in', e1 = 'mid' }\n\
               [[firewall]]\nname = 'g'\nconfig = ['g']\ninterfaces = { e0 = 'mid', e1 = 'out' }\n";
    let cases: &[(&str, &str, &str)] = &[
        ("zones = 1", "unknown key `zones` in the site file", "zones"),
        ("[[zone]]\nname = 3", "`name` takes a text in quotes, not a whole number", "3"),
        (
            "[zone]\nname = 'a'",
            "`zone` takes a list of tables, each under a header in double brackets, not a table",
            "[zone]",
        ),
        ("[[zone]]\nnetworks = []", "[[zone]] has no `name`", "[[zone]]"),
        ("[[zone]]\nname = ' '", "`name` is empty", "' '"),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['10.1.2.3/24']",
            "`10.1.2.3/24` is no network: bits after the prefix are set",
            "'10.1.2.3/24'",
        ),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['10.1.2.0/33']",
            "`10.1.2.0/33` is no address or network",
            "'10.1.2.0/33'",
        ),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['010.1.2.0/24']",
            "`010.1.2.0/24` is no address or network",
            "'010.1.2.0/24'",
        ),
        ("[[zone]]\nname = 'a'\n[[zone]]\nname = 'b'", "two zones have no networks", "'b'"),
        (
            &format!("{zones}[[zone]]\nname = 'out'\nnetworks = ['::/0']"),
            "the name `out` is given twice",
            "'out'",
        ),
        (
            &format!("{zones}[[zone]]\nname = 'x'\nnetworks = ['10.0.0.0/8']"),
            "the network `10.0.0.0/8` is in two zones",
            "'10.0.0.0/8'",
        ),
        (&format!("{zones}{firewall}interfaces = {{ e0 = 'inn' }}"), "there is no zone `inn`", "'inn'"),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = 'in' }}\naddresses = {{ e1 = ['10.0.0.1/8'] }}"),
            "there is no interface `e1`",
            "e1",
        ),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = 'in' }}\ngroups = {{ g = ['e2'] }}"),
            "there is no interface `e2`",
            "'e2'",
        ),
        (firewall, "[[firewall]] has neither `interfaces` nor `host`", "[[firewall]]"),
        (
            &format!(
                "{zones}{firewall}interfaces = {{ e0 = 'in' }}\n[[firewall]]\nname = 'g'\nconfig = ['./b', 'a']\n\
                 interfaces = {{ e1 = 'in' }}"
            ),
            "`a` is the config of two firewalls",
            "'a'",
        ),
        (&format!("{device}{firewall}host = 'b'"), "there is no device `b`", "'b'"),
        (
            &format!("{zones}{device}{firewall}host = 'a'\ninterfaces = {{ e0 = 'in' }}"),
            "a firewall has both `host` and `interfaces`",
            "'a'",
        ),
        ("[[device]]\nname = 'a'\nproduct = 'p'", "[[device]] has no `addresses`", "[[device]]"),
        ("[[device]]\nname = 'a'\nproduct = 'p'\naddresses = []", "`addresses` is empty", "[]"),
        (
            "[[device]]\nname = 'a'\nproduct = 'p'\naddresses = ['0.0.0.0']",
            "`0.0.0.0` is no address of a machine",
            "'0.0.0.0'",
        ),
        (&format!("{device}ports = {{ rtp = '20-10' }}"), "the ports of `rtp` cannot be read", "'20-10'"),
        (&format!("{device}ports = {{ rtp = 70000 }}"), "the ports of `rtp` cannot be read", "70000"),
        (&format!("{device}ports = {{ rtp = true }}"), "`rtp` takes ports, not true or false", "true"),
        (&format!("{device}connections = 0"), "`connections` is out of range", "0"),
        ("[[peer]]\nrole = 'r'", "[[peer]] has neither `addresses` nor `zone`", "[[peer]]"),
        (
            &format!("{zones}[[peer]]\nrole = 'r'\nzone = 'in'\naddresses = ['10.0.0.1']"),
            "[[peer]] has both `addresses` and `zone`",
            "[[peer]]",
        ),
        (
            &format!("{zones}[[peer]]\nname = 'in'\nrole = 'r'\nzone = 'in'"),
            "the name `in` is given twice",
            "'in'",
        ),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = ['in', 'in'] }}"),
            "zone `in` is behind `e0` twice",
            "'in'",
        ),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = 3 }}"),
            "`e0` takes the name of a zone or a list of names, not a whole number",
            "3",
        ),
        (
            &format!("{zones}{assume}'set x' = 'emty'"),
            "`set x` takes `\"empty\"`, true, false or a list of addresses",
            "'emty'",
        ),
        (
            &format!("{zones}{assume}'set x' = 12"),
            "`set x` takes `\"empty\"`, true, false or a list of addresses, not a whole number",
            "12",
        ),
        (&format!("{zones}{assume}'set x' = ['10.1']"), "`10.1` is no address or network", "'10.1'"),
        (
            &format!("{zones}{assume}'set x' = {{ is = true, reasn = 'r' }}"),
            "unknown key `reasn` in an assumption",
            "reasn",
        ),
        (
            &format!("{zones}{assume}'set x' = {{ reason = 'r' }}"),
            "an assumption has no `is`",
            "{ reason = 'r' }",
        ),
        (
            &format!("{zones}{two}[[path]]\nfrom = 'in'\nto = 'in'\nfirewalls = ['f']"),
            "[[path]] leads from a zone to itself",
            "[[path]]",
        ),
        (
            &format!("{zones}{two}[[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['g', 'f']"),
            "zone `in` is behind no interface of `g`",
            "'g'",
        ),
        (
            &format!("{zones}{two}[[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['f', 'f']"),
            "`f` is on the path twice",
            "'f'",
        ),
        (
            &format!("{zones}{two}[[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['h']"),
            "there is no firewall `h`",
            "'h'",
        ),
        (
            &format!("{zones}{two}[[path]]\nfrom = 'in'\nto = 'out'"),
            "[[path]] has no `firewalls`",
            "[[path]]",
        ),
        (
            &format!(
                "{zones}{two}[[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['f', 'g']\n\
                 [[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['f', 'g']"
            ),
            "the path from `in` to `out` is given twice",
            "[[path]]",
        ),
        (
            &format!(
                "{zones}{two}[[firewall]]\nname = 'k'\nconfig = ['k']\ninterfaces = {{ e0 = 'out' }}\n\
                 [[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['f', 'k']"
            ),
            "no zone is between `f` and `k`",
            "'k'",
        ),
        (
            &format!(
                "{zones}{two}{device}[[firewall]]\nname = 'k'\nconfig = ['k']\nhost = 'a'\n\
                 [[path]]\nfrom = 'in'\nto = 'out'\nfirewalls = ['f', 'k']"
            ),
            "`k` runs on a device and is between no zones",
            "'k'",
        ),
        ("[check]\nselect = ['PH2O1']", "there is no rule `PH2O1`", "'PH2O1'"),
        ("[check]\nfail-on = 'never'", "`never` is no severity", "'never'"),
        ("[check.severity]\nPH999 = 'info'", "there is no rule `PH999`", "PH999"),
        ("[check.thresholds]\nwide-range = 0", "`wide-range` is out of range", "0"),
        ("[[check.service]]\nname = 'x'", "[[check.service]] has no `traffic`", "[[check.service]]"),
        (
            "[[check.service]]\nname = 'x'\ntraffic = 'tcp/1 icmp'",
            "`tcp/1 icmp` is not the traffic of one service",
            "'tcp/1 icmp'",
        ),
        (
            "[[check.ignore]]\nrule = 'PH201'\nfile = 'a'",
            "[[check.ignore]] has no `reason`",
            "[[check.ignore]]",
        ),
        (
            "[[check.ignore]]\nrule = 'PH201'\nreason = 'r'\nexpires = '2027-01-31'",
            "`expires` takes a date",
            "'2027-01-31'",
        ),
    ];
    for (text, message, at) in cases {
        let found = wrong(text);
        assert!(found.contains(&(message.to_string(), at.to_string())), "{text}\n{found:#?}");
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    }
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    for text in ["[[zone]\nname = 'a'\n", "name", "a = 1\na = 2\n", "x = [\0]", "x = '", "[[[[[[[["] {
        assert!(wrong(text).iter().any(|(message, _)| message.starts_with("the site file is no")), "{text}");
    }
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(!wrong(&deep).is_empty());
    let mut sources = SourceMap::new();
    let id = sources.add("pinhole.toml", b"catalog = ['\xff']".to_vec()).unwrap();
    assert!(load(&sources, id).unwrap_err()[0].message.contains("no UTF-8"));
}

#[test]
fn a_site_of_products() {
    let site = Site::of_products(&[("scopia-mcu".into(), Some("10.1.2.3".parse().unwrap()))], Some("High"));
    assert_eq!(site.devices[0].name, "scopia-mcu@10.1.2.3");
    assert_eq!(site.devices[0].security_mode.as_deref(), Some("high"));
    assert_eq!(
        Site::of_products(&[("scopia-mcu".into(), None)], None).devices[0].addresses,
        [] as [IpAddr; 0]
    );
}

/// The codes and labels of what is doubtful about one device.
fn findings_about(product: &str, ports: &str) -> Vec<(&'static str, String)> {
    let text = format!(
        "[[device]]\nname = 'd'\nproduct = '{product}'\naddresses = ['10.0.0.1']\nports = {{ {ports} }}\n"
    );
    let site = read(&text).1.unwrap();
    let catalog = Catalog::bundled().unwrap();
    let today = Date { year: 2026, month: 1, day: 1 };
    findings(&site, &catalog, today).into_iter().map(|finding| (finding.code(), finding.label)).collect()
}

#[test]
fn moved_rows_are_held_against_the_catalog() {
    let catalog = Catalog::bundled().unwrap();
    let mut rows =
        catalog.products().iter().flat_map(|p| p.requirements.iter().map(move |r| (p.name.as_str(), r)));
    let (product, row) = rows.find(|(_, row)| row.configurable && !row.allowed.is_empty()).unwrap();
    let name = row.row.as_ref().unwrap_or(&row.service);
    let (low, high) = row.allowed[0];
    assert_eq!(findings_about(product, &format!("{name} = '{low}-{high}'")), []);
    let outside = ("PH606", format!("configurable within {low}-{high}"));
    assert_eq!(findings_about(product, &format!("{name} = '{}-{high}'", low - 1)), [outside]);
    // Several rows of a service: the name of one has to be given.
    let several = |product: &&crate::catalog::Product| product.rows_named("rtp").len() > 1;
    let product = catalog.products().iter().find(several).unwrap();
    assert_eq!(findings_about(&product.name, "rtp = 7000"), [("PH605", "which of them?".to_string())]);
}

#[test]
fn services_that_are_expected_are_held_against_the_catalog() {
    let about = |service: &str| {
        let text = format!(
            "[[zone]]\nname = 'net'\n[[device]]\nname = 'd'\nproduct = 'scopia-mcu'\naddresses = ['10.0.0.1']\n\
             [[expect]]\nfrom = 'net'\nto = 'd'\nservice = '{service}'\nverdict = 'block'\n"
        );
        let (sources, site) = read(&text);
        let found =
            findings(&site.unwrap(), &Catalog::bundled().unwrap(), Date { year: 2026, month: 1, day: 1 });
        let said = |finding: crate::finding::Finding| {
            let span = finding.span.unwrap();
            let file = sources.file_of(span).unwrap();
            let at = &file.text
                [(span.start - file.span().start) as usize..(span.end - file.span().start) as usize];
            (finding.code(), at.to_string(), finding.help)
        };
        found.into_iter().map(said).collect::<Vec<_>>()
    };
    assert_eq!(about("q931"), []);
    let near = "Did you mean `q931`?".to_string();
    assert_eq!(about("q913"), [("PH605", "'q913'".to_string(), near)]);
}

proptest::proptest! {
    /// A site file cut, repeated and overwritten anywhere is read, or refused with places inside it.
    #[test]
    fn damage_is_no_panic(from in 0..WHOLE.len(), to in 0..WHOLE.len(), with in "[\\[\\]{}\"=.,#0-9a-z\n é\0-]{0,8}") {
        let cut = |at: usize| &WHOLE[..at];
        for text in [format!("{}{with}{}", cut(from), &WHOLE[to..]), format!("{}{with}", cut(to))] {
            let (sources, site) = read(&text);
            let file = sources.files().last().unwrap().1.span();
            for finding in site.err().into_iter().flatten() {
                let span = finding.span.unwrap();
                proptest::prop_assert!(file.start <= span.start && span.end <= file.end, "{text}\n{finding:?}");
                proptest::prop_assert!(sources.file_of(span).unwrap().text.is_char_boundary((span.start - file.start) as usize));
            }
        }
    }
}
