//! A random site: one far end, one or two firewalls, devices behind them.

use std::fmt::Write;
use std::net::IpAddr;

use crate::common::CatalogRow;
use crate::random::Rng;

const PRODUCTS: [&str; 5] =
    ["scopia-elite-5200", "scopia-xt1000", "scopia-mcu", "scopia-ecs", "scopia-vc240"];

/// The language of a firewall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Iptables,
    Nftables,
}

/// A firewall and its rules, in order.
#[derive(Debug)]
pub(super) struct Wall {
    pub form: Form,
    /// Its outer and its inner interface.
    pub links: [&'static str; 2],
    rules: Vec<Rule>,
    accepts: bool,
    /// Translates the public addresses of devices, for these ports of a protocol where they are given.
    dnat: bool,
    only: Option<(&'static str, u16, u16)>,
    snat: bool,
}

impl Wall {
    /// What it hides those behind it as: an address to which packets come back.
    fn mask(&self) -> &'static str {
        if self.links[0] == "in0" { "198.18.5.250" } else { "198.18.7.1" }
    }
}

/// From the first to the last; `None` for all.
type Ports = Option<(u16, u16)>;

#[derive(Debug, Default)]
struct Rule {
    /// Which of the two interfaces it comes in by.
    link: Option<usize>,
    src: Option<String>,
    dst: Option<String>,
    /// Protocol, source ports and destination ports.
    transport: Option<(&'static str, Ports, Ports)>,
    state: Option<&'static str>,
    act: &'static str,
}

/// A device.
#[derive(Debug)]
pub(super) struct Device {
    pub product: &'static str,
    pub address: IpAddr,
    pub public: Option<IpAddr>,
}

/// A site of one family.
#[derive(Debug)]
pub(super) struct Site {
    pub v6: bool,
    pub peer: IpAddr,
    pub devices: Vec<Device>,
    pub walls: Vec<Wall>,
    roles: Vec<String>,
}

impl Site {
    pub(super) fn draw(rng: &mut Rng, catalog: &[CatalogRow]) -> Site {
        let (v6, two) = (rng.one_in(3), rng.one_in(2));
        let address = |v4: String, v6_: String| if v6 { v6_ } else { v4 }.parse().unwrap();
        let public = !v6 && rng.one_in(2);
        let mut devices: Vec<Device> = Vec::new();
        for at in 0..1 + rng.below(3) {
            let product = rng.pick(&PRODUCTS);
            if devices.iter().any(|device| device.product == product) {
                continue;
            }
            let (net, host) = (if two { 30 } else { 20 }, 10 + at);
            devices.push(Device {
                product,
                address: address(format!("10.{net}.0.{host}"), format!("2001:db8:{net}::{host}")),
                public: public.then(|| format!("198.18.{}.{host}", if two { 5 } else { 6 }).parse().unwrap()),
            });
        }
        let mut roles: Vec<String> = Vec::new();
        for row in catalog.iter().filter(|row| devices.iter().any(|d| d.product == row.product)) {
            roles.extend(row.peer.clone().filter(|role| !roles.contains(role)));
        }
        let peer =
            address(format!("192.0.2.{}", 5 + rng.below(9)), format!("2001:db8:9::{}", 5 + rng.below(9)));
        let mut site = Site { v6, peer, devices, walls: Vec::new(), roles };
        let links: &[[&str; 2]] = if two { &[["eth0", "eth2"], ["in0", "in1"]] } else { &[["eth0", "eth1"]] };
        let translates = if public { rng.below(links.len() + 1) } else { links.len() };
        for (at, links) in links.iter().enumerate() {
            let wall = site.wall(rng, *links, at >= translates, at == translates, catalog);
            site.walls.push(wall);
        }
        site
    }

    /// Draws a firewall; `inside` says that packets reach its filter with the devices' own addresses.
    fn wall(
        &self,
        rng: &mut Rng,
        links: [&'static str; 2],
        inside: bool,
        dnat: bool,
        catalog: &[CatalogRow],
    ) -> Wall {
        let mut rules = Vec::new();
        if !rng.one_in(8) {
            let link = rng.one_in(8).then(|| rng.below(2));
            let state = if rng.one_in(6) { "RELATED" } else { "ESTABLISHED,RELATED" };
            rules.push(Rule { link, state: Some(state), act: "ACCEPT", ..Rule::default() });
        }
        let accepts = rng.one_in(6);
        let careless = rng.one_in(3);
        for device in &self.devices {
            let seen = device.public.filter(|_| !inside).unwrap_or(device.address);
            for row in catalog.iter().filter(|row| row.product == device.product) {
                for (transport, ports) in
                    row.transports.iter().flat_map(|t| row.ports.iter().map(move |ports| (t, *ports)))
                {
                    if !careless && rng.one_in(12) {
                        continue;
                    }
                    rules.extend(self.row_rules(rng, row, transport, ports, seen, device.address));
                }
            }
        }
        for _ in 0..rng.below(4) {
            let rule = self.odd_rule(rng);
            let at = rng.below(rules.len() + 1);
            rules.insert(at, rule);
        }
        let only = rng.one_in(4).then(|| rng.pick(&[("tcp", 1, 5000), ("udp", 1024, 65535)]));
        let snat = !self.v6 && rng.one_in(4);
        let form = rng.pick(&[Form::Iptables, Form::Nftables]);
        Wall { form, links, rules, accepts, dnat, only, snat }
    }

    /// Rules that let a row through, more or less, in the directions that it has.
    fn row_rules(
        &self,
        rng: &mut Rng,
        row: &CatalogRow,
        transport: &str,
        [mut lo, mut hi]: [u16; 2],
        seen: IpAddr,
        address: IpAddr,
    ) -> Vec<Rule> {
        let proto = if transport == "tcp" { "tcp" } else { "udp" };
        if rng.one_in(15) && hi - lo > 2 {
            lo += rng.below(usize::from(hi - lo)) as u16;
        }
        if rng.one_in(15) && hi - lo > 2 {
            hi -= rng.below(usize::from(hi - lo)) as u16;
        }
        let sports = rng.one_in(15).then(|| rng.pick(&[(1024, 65535), (0, 65535), (32768, 60999)]));
        let mut rules = Vec::new();
        if row.initiator != "device" {
            rules.push(Rule {
                link: rng.one_in(2).then_some(0),
                src: rng.one_in(3).then(|| self.peer.to_string()),
                dst: Some(seen.to_string()),
                transport: Some((proto, sports, Some((lo, hi)))),
                state: rng.one_in(4).then_some("NEW"),
                act: "ACCEPT",
            });
        }
        if row.initiator != "peer" && !rng.one_in(12) {
            // a far end takes which ports it likes
            let ports = if row.ports.len() == 1 && lo == hi { Some((lo, hi)) } else { None };
            rules.push(Rule {
                link: rng.one_in(2).then_some(1),
                src: rng.one_in(2).then(|| address.to_string()),
                transport: Some((proto, None, ports.or(Some((1024, 65535))))),
                act: "ACCEPT",
                ..Rule::default()
            });
        }
        rules
    }

    /// A rule that nobody asked for.
    fn odd_rule(&self, rng: &mut Rng) -> Rule {
        let nets =
            if self.v6 { ["2001:db8:9::/64", "2001:db8:9::8/125"] } else { ["192.0.2.0/24", "192.0.2.8/29"] };
        let (a, b) = (1 + rng.below(30000) as u16, rng.pick(&[0, 1, 400, 30000]));
        Rule {
            link: rng.one_in(2).then(|| rng.below(2)),
            src: rng.one_in(3).then(|| rng.pick(&nets).to_string()),
            dst: None,
            transport: Some((
                rng.pick(&["tcp", "udp"]),
                rng.one_in(4).then_some((a / 2, a)),
                (!rng.one_in(4)).then(|| match rng.below(3) {
                    0 => (rng.pick(&[1719, 1720, 3338, 5060]), 5060),
                    _ => (a, a + b),
                }),
            )),
            state: rng.one_in(4).then(|| rng.pick(&["NEW", "INVALID", "ESTABLISHED"])),
            act: rng.pick(&["DROP", "DROP", "REJECT", "ACCEPT"]),
        }
    }

    /// The files of the site, by name.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![("pinhole.toml".to_string(), self.toml())];
        files.extend((0..self.walls.len()).map(|at| (self.name(at), self.rules(at))));
        files
    }

    fn name(&self, at: usize) -> String {
        match (self.walls[at].form, self.v6) {
            (Form::Nftables, _) => format!("wall-{at}.nft"),
            (Form::Iptables, false) => format!("wall-{at}.rules"),
            (Form::Iptables, true) => format!("wall-{at}.rules6"),
        }
    }

    fn toml(&self) -> String {
        let two = self.walls.len() == 2;
        let devices = match (self.v6, two) {
            (false, false) => "10.20.0.0/16",
            (false, true) => "10.30.0.0/16",
            (true, false) => "2001:db8:20::/64",
            (true, true) => "2001:db8:30::/64",
        };
        let mut text = format!(
            "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"{devices}\"]\n"
        );
        if two {
            text += "[[zone]]\nname = \"between\"\nnetworks = [\"10.40.0.0/24\"]\n";
        }
        for (at, wall) in self.walls.iter().enumerate() {
            let zones = match (two, at) {
                (false, _) => ["internet", "video"],
                (true, 0) => ["internet", "between"],
                (true, _) => ["between", "video"],
            };
            let [out, into] = wall.links;
            write!(
                text,
                "[[firewall]]\nname = \"wall-{at}\"\nconfig = [\"{}\"]\n\
                 interfaces = {{ {out} = \"{}\", {into} = \"{}\" }}\naddresses = {{ {} }}\n",
                self.name(at),
                zones[0],
                zones[1],
                match (two, at) {
                    (false, _) =>
                        "eth0 = [\"203.0.113.1/24\", \"2001:db8:1::1/64\"], eth1 = [\"198.51.100.1/24\"]",
                    (true, 0) =>
                        "eth0 = [\"203.0.113.1/24\", \"2001:db8:1::1/64\"], eth2 = [\"10.40.0.1/24\"]",
                    (true, _) => "in0 = [\"10.40.0.2/24\"], in1 = [\"10.30.0.1/16\"]",
                }
            )
            .unwrap();
        }
        for device in &self.devices {
            let (product, address) = (device.product, device.address);
            write!(
                text,
                "[[device]]\nname = \"{product}\"\nproduct = \"{product}\"\naddresses = [\"{address}\"]\n"
            )
            .unwrap();
            if let Some(public) = device.public {
                writeln!(text, "public-addresses = [\"{public}\"]").unwrap();
            }
        }
        for role in &self.roles {
            write!(text, "[[peer]]\nrole = \"{role}\"\naddresses = [\"{}\"]\n", self.peer).unwrap();
        }
        text
    }

    /// The rules of a firewall.
    pub(super) fn rules(&self, at: usize) -> String {
        match self.walls[at].form {
            Form::Iptables => self.iptables(&self.walls[at]),
            Form::Nftables => self.nftables(&self.walls[at]),
        }
    }

    fn iptables(&self, wall: &Wall) -> String {
        let mut text = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                        :POSTROUTING ACCEPT [0:0]\n"
            .to_string();
        for (public, address) in self.translated(wall) {
            let only =
                wall.only.map_or(String::new(), |(p, lo, hi)| format!(" -p {p} -m {p} --dport {lo}:{hi}"));
            writeln!(
                text,
                "-A PREROUTING -d {public}/32 -i {}{only} -j DNAT --to-destination {address}",
                wall.links[0]
            )
            .unwrap();
        }
        if wall.snat {
            writeln!(text, "-A POSTROUTING -o {} -j SNAT --to-source {}", wall.links[0], wall.mask())
                .unwrap();
        }
        let policy = if wall.accepts { "ACCEPT" } else { "DROP" };
        text +=
            &format!("COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD {policy} [0:0]\n:OUTPUT ACCEPT [0:0]\n");
        for rule in &wall.rules {
            text += "-A FORWARD";
            let words = [
                rule.src.as_ref().map(|src| format!("-s {src}")),
                rule.dst.as_ref().map(|dst| format!("-d {dst}")),
                rule.link.map(|link| format!("-i {}", wall.links[link])),
                rule.transport.map(|(proto, sports, dports)| {
                    let range = |name: &str, ports: Option<(u16, u16)>| {
                        ports.map_or(String::new(), |(lo, hi)| format!(" --{name} {lo}:{hi}"))
                    };
                    format!("-p {proto} -m {proto}{}{}", range("sport", sports), range("dport", dports))
                }),
                rule.state.map(|state| format!("-m conntrack --ctstate {state}")),
            ];
            words.iter().flatten().for_each(|word| text += &format!(" {word}"));
            writeln!(text, " -j {}", rule.act).unwrap();
        }
        text + "COMMIT\n"
    }

    fn nftables(&self, wall: &Wall) -> String {
        let ip = if self.v6 { "ip6" } else { "ip" };
        let mut text = "table inet wall {\n".to_string();
        text += "\tchain pre {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n";
        for (public, address) in self.translated(wall) {
            let only = wall.only.map_or(String::new(), |(p, lo, hi)| format!(" {p} dport {lo}-{hi}"));
            writeln!(text, "\t\tiifname \"{}\" ip daddr {public}{only} dnat ip to {address}", wall.links[0])
                .unwrap();
        }
        text += "\t}\n\tchain post {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n";
        if wall.snat {
            writeln!(text, "\t\toifname \"{}\" meta nfproto ipv4 snat ip to {}", wall.links[0], wall.mask())
                .unwrap();
        }
        let policy = if wall.accepts { "accept" } else { "drop" };
        text += &format!(
            "\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy {policy};\n"
        );
        for rule in &wall.rules {
            let words = [
                rule.link.map(|link| format!("iifname \"{}\"", wall.links[link])),
                rule.src.as_ref().map(|src| format!("{ip} saddr {src}")),
                rule.dst.as_ref().map(|dst| format!("{ip} daddr {dst}")),
                rule.transport.map(|(proto, sports, dports)| {
                    let range = |name: &str, ports: Option<(u16, u16)>| {
                        ports.map(|(lo, hi)| match lo == hi {
                            true => format!("{proto} {name} {lo}"),
                            false => format!("{proto} {name} {lo}-{hi}"),
                        })
                    };
                    let ranges: Vec<String> =
                        [range("sport", sports), range("dport", dports)].into_iter().flatten().collect();
                    if ranges.is_empty() { format!("meta l4proto {proto}") } else { ranges.join(" ") }
                }),
                rule.state.map(|state| format!("ct state {}", state.to_lowercase())),
            ];
            let words: Vec<&str> = words.iter().flatten().map(String::as_str).collect();
            writeln!(text, "\t\t{} {}", words.join(" "), rule.act.to_lowercase()).unwrap();
        }
        text + "\t}\n}\n"
    }

    fn translated(&self, wall: &Wall) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.devices.iter().filter(|_| wall.dnat).filter_map(|d| Some((d.public?, d.address)))
    }
}
