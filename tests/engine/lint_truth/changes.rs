//! What `diff` says of two sites that differ in a few rules, or in the language that they are written in, is what
//! `trace` says of their packets.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value as Json;

use super::common::{Scratch, pinhole, trace};
use super::world::{Draw, Form, World};
use super::{lay_out, number, write};

/// A packet as `trace` takes it, and what regions ask for beyond.
#[derive(Clone, Debug)]
struct Sent {
    hook: &'static str,
    iif: String,
    oif: Option<String>,
    src: IpAddr,
    dst: IpAddr,
    tcp: bool,
    sport: u16,
    dport: u16,
    state: &'static str,
}

impl Sent {
    fn line(&self) -> String {
        let oif = self.oif.as_ref().map_or(String::new(), |oif| format!(",\"oif\":\"{oif}\""));
        let proto = if self.tcp { "tcp" } else { "udp" };
        format!(
            "{{\"hook\":\"{}\",\"iif\":\"{}\"{oif},\"src\":\"{}\",\"dst\":\"{}\",\"proto\":\"{proto}\",\"sport\":{},\"dport\":{},\"state\":\"{}\"}}\n",
            self.hook, self.iif, self.src, self.dst, self.sport, self.dport, self.state
        )
    }

    /// Whether a region as JSON has it.
    fn lies_in(&self, region: &Json) -> bool {
        let keys = region.as_object().unwrap().iter();
        keys.into_iter().all(|(key, value)| match key.as_str() {
            "hook" => value == self.hook,
            "family" => value == if self.src.is_ipv4() { "ipv4" } else { "ipv6" },
            "iif" => names(value, Some(&self.iif)),
            "oif" => names(value, self.oif.as_deref()),
            "src" => addresses(value, self.src),
            "dst" => addresses(value, self.dst),
            "proto" => {
                let own = if self.tcp { "tcp" } else { "udp" };
                match value.get("not") {
                    Some(not) => !not.as_array().unwrap().iter().any(|name| name == own),
                    None => value.as_array().unwrap().iter().any(|name| name == own),
                }
            }
            "sport" => numbers(value, self.sport.into()),
            "dport" => numbers(value, self.dport.into()),
            "icmp_type" | "icmp_code" => false,
            "tcp_flags" => {
                let flags = |key: &str| value[key].as_array().unwrap().clone();
                let syn = |flags: &[Json]| flags.iter().any(|flag| flag == "syn");
                // A SYN alone.
                self.tcp
                    && flags("value").iter().all(|flag| flag == "syn")
                    && syn(&flags("mask")) == syn(&flags("value"))
            }
            "state" => value.as_array().unwrap().iter().any(|state| state == self.state),
            "other" => value.as_object().unwrap().iter().all(|(key, value)| {
                let own = match key.as_str() {
                    "ttl" => 64,
                    "dscp" | "ecn" | "pkt_type" => 0,
                    "ext" => 128,
                    other => panic!("a region hangs on {other}: {region}"),
                };
                numbers(value, own)
            }),
            _ => true,
        })
    }
}

fn numbers(ranges: &Json, own: u64) -> bool {
    ranges
        .as_array()
        .unwrap()
        .iter()
        .any(|range| (range[0].as_u64().unwrap()..=range[1].as_u64().unwrap()).contains(&own))
}

fn addresses(ranges: &Json, own: IpAddr) -> bool {
    let address = |value: &Json| value.as_str().unwrap().parse::<IpAddr>().unwrap();
    ranges.as_array().unwrap().iter().any(|range| (address(&range[0])..=address(&range[1])).contains(&own))
}

fn names(value: &Json, own: Option<&str>) -> bool {
    let Some(own) = own else { return true };
    let has = |list: &Json| {
        list.as_array().unwrap().iter().any(|name| match name.as_str().unwrap().strip_suffix('*') {
            Some(start) => own.starts_with(start),
            None => name == own,
        })
    };
    match (value.get("in"), value.get("not")) {
        (include, Some(not)) => include.is_none_or(has) && !has(not),
        _ => has(value),
    }
}

/// The site after a change, which the seed decides.
fn changed(world: &World, d: &mut Draw) -> World {
    let mut new = world.clone();
    for at in 0..new.walls.len() {
        let wall = &mut new.walls[at];
        for _ in 0..d.below(3) {
            let rules = wall.rules.len();
            match d.below(4) {
                0 if rules > 0 => drop(wall.rules.remove(d.below(rules))),
                1 if rules > 1 => wall.rules.swap(d.below(rules), d.below(rules)),
                2 if rules > 0 => {
                    let rule = &mut wall.rules[d.below(rules)];
                    rule.when.dport = rule.when.tcp.map(|_| d.pick(&[(5060, 5060), (5000, 5004), (23, 23)]));
                }
                _ => wall.accepts = [!wall.accepts[0]; 2],
            }
        }
        if !wall.dnat.is_empty() && d.one_in(4) {
            wall.dnat.remove(d.below(wall.dnat.len()));
        }
        // What one language alone can say stays in it.
        let plain = wall.rewrite.is_none()
            && wall.helper == [false; 2]
            && wall.dnat.is_empty()
            && wall.snat.is_none();
        if d.one_in(3)
            && plain
            && wall.marks.is_empty()
            && wall.rules.iter().all(|rule| rule.when.cond.is_none())
        {
            wall.form = d.pick(&[Form::Iptables, Form::Nftables]);
        }
    }
    new
}

/// What is wrong with what `diff` says of a site and a change of it.
pub(crate) fn changes(world: &World, scratch: &Scratch) -> Vec<String> {
    let seed = world.walls.iter().map(|wall| wall.rules.len() as u64 + 7).product::<u64>();
    let mut d = Draw(number("PINHOLE_TRUTH_CHANGE").unwrap_or(seed));
    let new = changed(world, &mut d);
    lay_out(world, scratch);
    let folders = ["old", "new"].map(Scratch::new);
    for (folder, world) in folders.iter().zip([world, &new]) {
        lay_out(world, folder);
    }
    let [before, after] = folders.each_ref().map(|folder| folder.0.to_str().unwrap());
    let told: Json =
        serde_json::from_str(&pinhole(&scratch.0, &["diff", "--equal", before, after, "--format", "json"]))
            .unwrap();
    let mut faults = Vec::new();
    for at in 0..world.walls.len() {
        faults.extend(of_wall([world, &new], at, &folders, &told));
    }
    faults
}

fn of_wall(worlds: [&World; 2], at: usize, folders: &[Scratch; 2], told: &Json) -> Vec<String> {
    let forms = worlds.map(|world| world.walls[at].form);
    let states: &[&str] = if forms[0] == forms[1] { &["new", "established", "invalid"] } else { &["new"] };
    let mut sent = Vec::new();
    for v4 in [true, false] {
        for (packet, side) in worlds[0].strangers(at, v4) {
            let wall = &worlds[0].walls[at];
            let (hook, iif, oif) = match side {
                Some(side) => ("forward", write::face(wall, side), Some(write::face(wall, 1 - side))),
                None => ("input", "eth0".to_string(), None),
            };
            let (src, dst, tcp, sport, dport) =
                (packet.src, packet.dst, packet.tcp, packet.sport, packet.dport);
            let packet = Sent { hook, iif, oif, src, dst, tcp, sport, dport, state: "new" };
            sent.extend(states.iter().map(|state| Sent { state, ..packet.clone() }));
        }
    }
    let mut lines = String::new();
    sent.iter().for_each(|packet| lines += &packet.line());
    let verdicts = [0, 1].map(|side| {
        let (world, folder) = (worlds[side], &folders[side]);
        folder.write("packets.jsonl", &lines);
        let mut args = vec!["--no-site".to_string(), "--packets".to_string(), "packets.jsonl".to_string()];
        for (name, addresses) in world.own(at) {
            args.extend(
                addresses.iter().flat_map(|own| ["--interface".to_string(), format!("{name}={own}")]),
            );
        }
        args.extend(world.names(at));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        trace(&folder.0, &args)
    });
    let name = format!("wall-{at}");
    let lists = ["opened", "closed", "depends"].map(|key| {
        let regions = told[key].as_array().unwrap().iter();
        regions
            .filter(|region| region.get("firewall").is_none_or(|of| *of == name))
            .cloned()
            .collect::<Vec<Json>>()
    });
    let unread = told["not_compared"]
        .as_array()
        .unwrap()
        .iter()
        .any(|what| what["firewall"] == name && what["what"].as_str().unwrap().starts_with("IPv6"));
    let mut faults = Vec::new();
    for (at, packet) in sent.iter().enumerate() {
        if unread && packet.src.is_ipv6() {
            continue;
        }
        let inside = lists.each_ref().map(|list| list.iter().filter(|region| packet.lies_in(region)).count());
        let [was, is] = [0, 1].map(|side| match verdicts[side][at].verdict.as_str() {
            "drop" | "reject" => "refused",
            "accept" => "passes",
            // Dropped or rejected, nobody knows which, is refused all the same.
            _ => "open",
        });
        let right = match inside {
            [1, 0, 0] => is != "refused" && was != "passes" && (was, is) != ("open", "open"),
            [0, 1, 0] => was != "refused" && is != "passes" && (was, is) != ("open", "open"),
            [0, 0, 1] => was == "open" || is == "open",
            [0, 0, 0] => was == is || was == "open" || is == "open",
            _ => false,
        };
        if !right {
            let mut fault = format!("{name} {forms:?}: {was} became {is}, in {inside:?} regions: {packet:?}");
            write!(fault, " {:?} {:?}", verdicts[0][at].depends_on, verdicts[1][at].depends_on).unwrap();
            faults.push(fault);
        }
    }
    for (list, key) in lists.iter().zip(["opened", "closed"]) {
        faults.extend(witnesses(worlds, at, folders, list, key));
    }
    faults
}

/// The packet that shows a region has to fare as the region says.
fn witnesses(
    worlds: [&World; 2],
    at: usize,
    folders: &[Scratch; 2],
    regions: &[Json],
    key: &str,
) -> Vec<String> {
    if regions.is_empty() {
        return Vec::new();
    }
    let lines: String = regions.iter().map(|region| format!("{}\n", region["witness"])).collect();
    let verdicts = [0, 1].map(|side| {
        folders[side].write("witnesses.jsonl", &lines);
        let mut args = vec!["--no-site".to_string(), "--packets".to_string(), "witnesses.jsonl".to_string()];
        for (name, addresses) in worlds[side].own(at) {
            args.extend(
                addresses.iter().flat_map(|own| ["--interface".to_string(), format!("{name}={own}")]),
            );
        }
        args.extend(worlds[side].names(at));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        trace(&folders[side].0, &args)
    });
    let mut faults = Vec::new();
    for (n, region) in regions.iter().enumerate() {
        let [was, is] = [0, 1].map(|side| verdicts[side][n].verdict.as_str());
        // Dropped or rejected, nobody knows which, is refused all the same.
        let refused = |word: &str| word != "accept";
        let right =
            if key == "opened" { refused(was) && is == "accept" } else { was == "accept" && refused(is) };
        if !right {
            faults.push(format!("witness of {key}: {was} became {is}: {region}"));
        }
    }
    faults
}
