//! The drawn rules in each language, and the site file.

use std::fmt::Write;

use super::world::{
    Act, Cond, Dnat, Form, MASKS, Match, NETWORKS, Net, Opens, PUBLIC, Peer, Place, ROWS, Rewrite, Rule,
    Wall, World, ZONES,
};

/// The files of a site, by name.
pub(crate) type Files = Vec<(String, String)>;

impl World {
    pub(crate) fn files(&self) -> Files {
        let mut files = vec![("pinhole.toml".to_string(), self.site())];
        for (at, wall) in self.walls.iter().enumerate() {
            for (name, text) in self.wall_files(at, wall) {
                files.push((name, text));
            }
        }
        files
    }

    fn wall_files(&self, at: usize, wall: &Wall) -> Files {
        match wall.form {
            Form::Iptables => vec![
                (format!("{at}.rules"), self.iptables(at, wall, true)),
                (format!("{at}.rules6"), self.iptables(at, wall, false)),
            ],
            Form::Nftables => vec![(format!("{at}.nft"), self.nftables(at, wall))],
            Form::Pf => vec![(format!("{at}.pf.conf"), self.pf(at, wall))],
            Form::Asa => vec![(format!("{at}.cfg"), self.asa(at, wall))],
        }
    }

    /// The names of a firewall's files.
    pub(crate) fn names(&self, at: usize) -> Vec<String> {
        self.wall_files(at, &self.walls[at]).into_iter().map(|(name, _)| name).collect()
    }

    /// The firewall's own addresses.
    pub(crate) fn own(&self, at: usize) -> Vec<(String, Vec<String>)> {
        let Place::Between(zone) = self.walls[at].place else { return vec![] };
        let of = |zone: usize, host: usize| {
            vec![format!("10.81.{zone}.{host}/24"), format!("2001:db8:81:{zone}::{host}/64")]
        };
        let mut outer = if zone == 0 { vec!["198.51.100.1/24".to_string()] } else { of(zone, 2) };
        if zone == 0 && self.owned {
            outer.extend(PUBLIC.map(|address| format!("{address}/24")));
        }
        vec![(interface(zone, 0), outer), (interface(zone, 1), of(zone + 1, 1))]
    }

    fn site(&self) -> String {
        let mut text = "catalog = [\"catalog\"]\n".to_string();
        for zone in 0..self.zones() {
            let networks = match zone {
                0 => String::new(),
                _ => format!("networks = {:?}\n", NETWORKS[zone]),
            };
            write!(text, "[[zone]]\nname = \"{}\"\n{networks}", ZONES[zone]).unwrap();
        }
        for (at, wall) in self.walls.iter().enumerate() {
            write!(text, "[[firewall]]\nname = \"wall-{at}\"\nconfig = {:?}\n", self.names(at)).unwrap();
            match wall.place {
                Place::On(device) => writeln!(text, "host = \"dev-{device}\"").unwrap(),
                Place::Between(zone) => {
                    let (out, into) = (interface(zone, 0), interface(zone, 1));
                    let (far, near) = (ZONES[zone], ZONES[zone + 1]);
                    writeln!(text, "interfaces = {{ {out} = \"{far}\", {into} = \"{near}\" }}").unwrap();
                    let own = self.own(at).into_iter().map(|(name, own)| format!("{name} = {own:?}"));
                    writeln!(text, "addresses = {{ {} }}", own.collect::<Vec<_>>().join(", ")).unwrap();
                }
            }
        }
        for (at, device) in self.devices.iter().enumerate() {
            let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
            write!(
                text,
                "[[device]]\nname = \"dev-{at}\"\nproduct = \"truth-unit\"\naddresses = {addresses:?}\n"
            )
            .unwrap();
            if device.public {
                writeln!(text, "public-addresses = [\"{}\"]", PUBLIC[at]).unwrap();
            }
            if device.high {
                text += "security-mode = \"high\"\n";
            }
        }
        for peer in &self.peers {
            let place = match peer {
                Peer::Zone(zone) => format!("zone = \"{}\"", ZONES[*zone]),
                Peer::Host(_, address) => format!("addresses = [\"{address}\"]"),
            };
            write!(text, "[[peer]]\nrole = \"truth-far\"\n{place}\n").unwrap();
        }
        text
    }

    fn iptables(&self, at: usize, wall: &Wall, v4: bool) -> String {
        let mut text = String::new();
        if wall.helper != [false; 2] {
            text += "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
            for side in (0..2).filter(|side| wall.helper[*side]) {
                let by = face(wall, side);
                writeln!(text, "-A PREROUTING -i {by} -p udp -m udp --dport 5060 -j CT --helper sip")
                    .unwrap();
            }
            text += "COMMIT\n";
        }
        if v4 && (wall.snat.is_some() || !wall.dnat.is_empty()) {
            text += "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                     :POSTROUTING ACCEPT [0:0]\n";
            for rule in &wall.dnat {
                write!(text, "-A PREROUTING -d {}/32 -i {}", PUBLIC[rule.device], face(wall, 0)).unwrap();
                if let (Some(tcp), Some((lo, hi))) = (rule.tcp, rule.ports) {
                    write!(text, " -p {0} -m {0} --dport {lo}:{hi}", proto(tcp)).unwrap();
                }
                let port = rule.to_port.map_or(String::new(), |port| format!(":{port}"));
                let to = self.devices[rule.device].addresses[0];
                writeln!(text, " -j DNAT --to-destination {to}{port}").unwrap();
            }
            if let Some(side) = wall.snat {
                writeln!(text, "-A POSTROUTING -o {} -j SNAT --to-source {}", face(wall, side), MASKS[side])
                    .unwrap();
            }
            text += "COMMIT\n";
        }
        let host = matches!(wall.place, Place::On(_));
        let (chain, policy) =
            (if host { "INPUT" } else { "FORWARD" }, word(wall.accepts(v4), "ACCEPT", "DROP"));
        let (input, forward) = if host { (policy, "DROP") } else { ("DROP", policy) };
        if !wall.marks.is_empty() {
            text += "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n\
                     :OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
            iptables_rules(&mut text, at, wall, chain, &wall.marks, v4);
            text += "COMMIT\n";
        }
        writeln!(text, "*filter\n:INPUT {input} [0:0]\n:FORWARD {forward} [0:0]\n:OUTPUT ACCEPT [0:0]")
            .unwrap();
        for rule in wall.rules.iter().filter(|rule| matches!(rule.act, Act::Jump(_))) {
            writeln!(text, ":C{} - [0:0]", rule.id).unwrap();
        }
        if wall.state {
            writeln!(text, "-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT").unwrap();
        }
        iptables_rules(&mut text, at, wall, chain, &wall.rules, v4);
        text + "COMMIT\n"
    }

    fn nftables(&self, at: usize, wall: &Wall) -> String {
        let mut text = "table inet wall {\n".to_string();
        for name in 0..2 {
            write!(text, "\tset s{at}_{name} {{\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t}}\n").unwrap();
        }
        if wall.helper != [false; 2] {
            text += "\tct helper phone {\n\t\ttype \"sip\" protocol udp;\n\t}\n\tchain track {\n\
                     \t\ttype filter hook prerouting priority filter; policy accept;\n";
            for side in (0..2).filter(|side| wall.helper[*side]) {
                let by = face(wall, side);
                writeln!(text, "\t\tiifname \"{by}\" udp dport 5060 ct helper set \"phone\"").unwrap();
            }
            text += "\t}\n";
        }
        if !wall.dnat.is_empty() {
            text += "\tchain pre {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n";
            for rule in &wall.dnat {
                write!(text, "\t\tiifname \"{}\" ip daddr {}", face(wall, 0), PUBLIC[rule.device]).unwrap();
                if let (Some(tcp), Some((lo, hi))) = (rule.tcp, rule.ports) {
                    write!(text, " {} dport {lo}-{hi}", proto(tcp)).unwrap();
                }
                let port = rule.to_port.map_or(String::new(), |port| format!(":{port}"));
                writeln!(text, " dnat ip to {}{port}", self.devices[rule.device].addresses[0]).unwrap();
            }
            text += "\t}\n";
        }
        if let Some(side) = wall.snat {
            text += "\tchain post {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n";
            let out = face(wall, side);
            write!(text, "\t\toifname \"{out}\" meta nfproto ipv4 snat ip to {}\n\t}}\n", MASKS[side])
                .unwrap();
        }
        for rule in &wall.rules {
            if let Act::Jump(inner) = &rule.act {
                writeln!(text, "\tchain c{} {{", rule.id).unwrap();
                nftables_rules(&mut text, at, wall, inner);
                text += "\t}\n";
            }
        }
        let host = matches!(wall.place, Place::On(_));
        let policy = word(wall.accepts[0], "accept", "drop");
        if host {
            text += "\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n";
        }
        let hook = if host { "input" } else { "forward" };
        if let Some(Rewrite { tcp, from, to }) = wall.rewrite {
            text += "\tchain first {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n";
            let (by, tcp) = (face(wall, 0), proto(tcp));
            write!(text, "\t\tiifname \"{by}\" {tcp} dport {from} {tcp} dport set {to}\n\t}}\n").unwrap();
        }
        if !wall.marks.is_empty() {
            writeln!(text, "\tchain mark {{\n\t\ttype filter hook {hook} priority mangle; policy accept;")
                .unwrap();
            nftables_rules(&mut text, at, wall, &wall.marks);
            text += "\t}\n";
        }
        writeln!(text, "\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy {policy};")
            .unwrap();
        if wall.state {
            text += "\t\tct state established,related accept\n";
        }
        nftables_rules(&mut text, at, wall, &wall.rules);
        text + "\t}\n}\n"
    }

    /// In pf all that goes out passes, and the rules decide about what comes in.
    fn pf(&self, at: usize, wall: &Wall) -> String {
        let mut text = format!("table <s{at}_0> persist\ntable <s{at}_1> persist\n");
        if let Some(side) = wall.snat {
            let mask = MASKS[side];
            writeln!(text, "nat on {} inet from any to any -> {mask} static-port", face(wall, side)).unwrap();
        }
        for rule in &wall.dnat {
            write!(text, "rdr on {} inet", face(wall, 0)).unwrap();
            let ports = match (rule.tcp, rule.ports) {
                (Some(tcp), Some((lo, hi))) => {
                    write!(text, " proto {}", proto(tcp)).unwrap();
                    format!(" port {lo}:{hi}")
                }
                _ => String::new(),
            };
            let to = self.devices[rule.device].addresses[0];
            let port = rule.to_port.map_or(String::new(), |port| format!(" port {port}"));
            writeln!(text, " from any to {}{ports} -> {to}{port}", PUBLIC[rule.device]).unwrap();
        }
        let keep = if wall.state { "" } else { " no state" };
        for rule in &wall.marks {
            pf_rule(&mut text, at, wall, rule, keep);
        }
        // What no rule speaks of passes, and no state is kept of it.
        if wall.state || !wall.accepts[0] {
            writeln!(text, "pass out quick all{keep}").unwrap();
            text += if wall.accepts[0] { "pass in all\n" } else { "block in all\n" };
        }
        for rule in &wall.rules {
            pf_rule(&mut text, at, wall, rule, keep);
        }
        text
    }

    fn asa(&self, at: usize, wall: &Wall) -> String {
        let Place::Between(zone) = wall.place else { unreachable!() };
        let mut text = "ASA Version 9.8(4)\n".to_string();
        for (side, (name, own)) in self.own(at).into_iter().enumerate() {
            let level = side * 100;
            writeln!(text, "interface GigabitEthernet0/{side}\n nameif {name}\n security-level {level}")
                .unwrap();
            let first = own[0].trim_end_matches("/24");
            writeln!(text, " ip address {first} 255.255.255.0").unwrap();
            if zone + side > 0 {
                writeln!(text, " ipv6 address {}", own[1]).unwrap();
            }
        }
        for name in 0..2 {
            write!(text, "time-range t{at}_{name}\n periodic weekdays 8:00 to 18:00\n").unwrap();
        }
        for (n, rule) in wall.dnat.iter().enumerate() {
            let Dnat { device, tcp, ports, to_port } = rule;
            let again = |other: &Dnat| (other.device, other.tcp, other.ports) == (*device, *tcp, *ports);
            if wall.dnat[..n].iter().any(again) {
                continue;
            }
            let host = self.devices[*device].addresses[0];
            let (inside, outside) = (face(wall, 1), face(wall, 0));
            let service = match (tcp, ports) {
                (Some(tcp), Some((port, _))) => {
                    format!(" service {} {} {port}", proto(*tcp), to_port.unwrap_or(*port))
                }
                _ => String::new(),
            };
            writeln!(
                text,
                "object network n{n}\n host {host}\n nat ({inside},{outside}) static {}{service}",
                PUBLIC[*device]
            )
            .unwrap();
        }
        for side in 0..2 {
            for rule in wall.rules.iter().filter(|rule| rule.when.side.is_none_or(|by| by == side)) {
                asa_rule(&mut text, at, side, rule);
            }
            let last = word(wall.accepts[0], "permit", "deny");
            writeln!(text, "access-list side{side} extended {last} ip any any").unwrap();
            writeln!(text, "access-group side{side} in interface {}", face(wall, side)).unwrap();
        }
        text
    }
}

/// The name of a firewall's interface: on the side of the zone, or of the next one.
fn interface(zone: usize, side: usize) -> String {
    [["wan0", "lan0"], ["out0", "in0"]][zone][side].to_string()
}

/// The interface on a side.
pub(crate) fn face(wall: &Wall, side: usize) -> String {
    match wall.place {
        Place::Between(zone) => interface(zone, side),
        Place::On(_) => "eth0".to_string(),
    }
}

fn proto(tcp: bool) -> &'static str {
    word(tcp, "tcp", "udp")
}

fn word(first: bool, one: &'static str, other: &'static str) -> &'static str {
    if first { one } else { other }
}

fn iptables_rules(text: &mut String, at: usize, wall: &Wall, chain: &str, rules: &[Rule], v4: bool) {
    for rule in rules.iter().filter(|rule| rule.when.v4.is_none_or(|of| of == v4)) {
        let Match { tcp, src, dst, side, sport, dport, new, cond, mark, .. } = &rule.when;
        write!(text, "-A {chain}").unwrap();
        for (flag, net) in [("-s", src), ("-d", dst)] {
            if let Some(Net { address, length, not }) = net {
                write!(text, "{} {flag} {address}/{length}", word(*not, " !", "")).unwrap();
            }
        }
        if let Some(side) = side {
            write!(text, " -i {}", face(wall, *side)).unwrap();
        }
        if let Some(tcp) = tcp {
            write!(text, " -p {0} -m {0}", proto(*tcp)).unwrap();
        }
        for (flag, ports) in [("--sport", sport), ("--dport", dport)] {
            if let Some((lo, hi)) = ports {
                write!(text, " {flag} {lo}:{hi}").unwrap();
            }
        }
        if let Some(mark) = mark {
            write!(text, " -m mark{} --mark 0x1", word(*mark, "", " !")).unwrap();
        }
        if *new {
            text.push_str(" -m conntrack --ctstate NEW");
        }
        match cond {
            Some(Cond::Set { name, not }) => {
                write!(text, " -m set{} --match-set s{at}_{name} src", word(*not, " !", "")).unwrap();
            }
            Some(Cond::Rate) => text.push_str(" -m limit --limit 100/sec"),
            Some(Cond::Chance) => text.push_str(" -m statistic --mode random --probability 0.5"),
            Some(Cond::Time(_)) | None => {}
        }
        match &rule.act {
            Act::Accept => text.push_str(" -j ACCEPT\n"),
            Act::Drop => text.push_str(" -j DROP\n"),
            Act::Reject => text.push_str(" -j REJECT\n"),
            Act::Return => text.push_str(" -j RETURN\n"),
            Act::Mark => text.push_str(" -j MARK --set-mark 0x1\n"),
            Act::Jump(inner) => {
                let name = format!("C{}", rule.id);
                writeln!(text, " -j {name}").unwrap();
                iptables_rules(text, at, wall, &name, inner, v4);
            }
        }
    }
}

fn nftables_rules(text: &mut String, at: usize, wall: &Wall, rules: &[Rule]) {
    for rule in rules {
        let Match { v4, tcp, src, dst, side, sport, dport, new, cond, mark } = &rule.when;
        let mut words = Vec::new();
        if let Some(side) = side {
            words.push(format!("iifname \"{}\"", face(wall, *side)));
        }
        let family = v4.map_or("", |v4| word(v4, "ip", "ip6"));
        for (end, net) in [("saddr", src), ("daddr", dst)] {
            if let Some(Net { address, length, not }) = net {
                words.push(format!("{family} {end}{} {address}/{length}", word(*not, " !=", "")));
            }
        }
        match tcp {
            Some(tcp) if sport.is_none() && dport.is_none() => {
                words.push(format!("meta l4proto {}", proto(*tcp)))
            }
            Some(tcp) => {
                for (end, ports) in [("sport", sport), ("dport", dport)] {
                    if let Some((lo, hi)) = ports {
                        words.push(format!("{} {end} {lo}-{hi}", proto(*tcp)));
                    }
                }
            }
            None => {}
        }
        if let Some(mark) = mark {
            words.push(format!("meta mark{} 1", word(*mark, "", " !=")));
        }
        if *new {
            words.push("ct state new".to_string());
        }
        words.extend(match cond {
            Some(Cond::Set { name, not }) => Some(format!("ip saddr{} @s{at}_{name}", word(*not, " !=", ""))),
            Some(Cond::Rate) => Some("limit rate 100/second".to_string()),
            Some(Cond::Chance) => Some("numgen random mod 2 0".to_string()),
            Some(Cond::Time(_)) | None => None,
        });
        words.push(match &rule.act {
            Act::Accept => "accept".to_string(),
            Act::Drop => "drop".to_string(),
            Act::Reject => "reject".to_string(),
            Act::Return => "return".to_string(),
            Act::Mark => "meta mark set 1".to_string(),
            Act::Jump(_) => format!("jump c{}", rule.id),
        });
        writeln!(text, "\t\t{}", words.join(" ")).unwrap();
    }
}

fn pf_rule(text: &mut String, at: usize, wall: &Wall, rule: &Rule, keep: &str) {
    let Match { v4, tcp, src, dst, side, sport, dport, cond, mark, .. } = &rule.when;
    let passes = matches!(rule.act, Act::Accept);
    text.push_str(match rule.act {
        Act::Accept => "pass in quick",
        Act::Reject => "block return in quick",
        Act::Mark => "match in",
        _ => "block drop in quick",
    });
    if let Some(side) = side {
        write!(text, " on {}", face(wall, *side)).unwrap();
    }
    if let Some(v4) = v4 {
        write!(text, " {}", word(*v4, "inet", "inet6")).unwrap();
    }
    if let Some(tcp) = tcp {
        write!(text, " proto {}", proto(*tcp)).unwrap();
    }
    let end = |net: &Option<Net>, ports: &Option<(u16, u16)>| {
        let net = net.map_or("any".to_string(), |net| {
            format!("{}{}/{}", word(net.not, "! ", ""), net.address, net.length)
        });
        net + &ports.map_or(String::new(), |(lo, hi)| format!(" port {lo}:{hi}"))
    };
    let mut from = end(src, sport);
    if let Some(Cond::Set { name, not }) = cond {
        from = from.replacen("any", &format!("{}<s{at}_{name}>", word(*not, "! ", "")), 1);
    }
    write!(text, " from {from} to {}", end(dst, dport)).unwrap();
    if let Some(mark) = mark {
        write!(text, "{} tagged SEEN", word(*mark, "", " !")).unwrap();
    }
    if matches!(rule.act, Act::Mark) {
        text.push_str(" tag SEEN");
    }
    if *cond == Some(Cond::Chance) {
        text.push_str(" probability 50%");
    }
    writeln!(text, "{}", if passes { keep } else { "" }).unwrap();
}

fn asa_rule(text: &mut String, at: usize, side: usize, rule: &Rule) {
    let Match { v4, tcp, src, dst, sport, dport, cond, .. } = &rule.when;
    let action = word(matches!(rule.act, Act::Accept), "permit", "deny");
    let protocol = tcp.map_or("ip", proto);
    write!(text, "access-list side{side} extended {action} {protocol}").unwrap();
    for (net, ports) in [(src, sport), (dst, dport)] {
        match net {
            None => text.push_str(v4.map_or(" any", |v4| word(v4, " any4", " any6"))),
            Some(net) if net.length == 32 && net.address.is_ipv4() || net.length == 128 => {
                write!(text, " host {}", net.address).unwrap();
            }
            Some(net) if net.address.is_ipv4() => {
                let mask = std::net::Ipv4Addr::from(u32::MAX << (32 - net.length));
                write!(text, " {} {mask}", net.address).unwrap();
            }
            Some(net) => write!(text, " {}/{}", net.address, net.length).unwrap(),
        }
        if let Some((lo, hi)) = ports {
            write!(text, " range {lo} {hi}").unwrap();
        }
    }
    if let Some(Cond::Time(name)) = cond {
        write!(text, " time-range t{at}_{name}").unwrap();
    }
    text.push('\n');
}

/// The catalog: one product, and whom it needs.
pub(crate) fn catalog() -> Files {
    let mut product = "name = \"truth-unit\"\ntitle = \"a unit\"\nguide = \"1\"\n\n[[mode]]\ntable = \"2\"\n\
                       name = \"high\"\ntelnet = false\nftp = true\nsnmp = true\nicmp = true\n"
        .to_string();
    for row in &ROWS {
        let (opens, listens) = match row.opens {
            Opens::Peer => ("peer", "device"),
            Opens::Device => ("device", "peer"),
            Opens::Either => ("either", "device"),
        };
        let inside = word(row.severity == "internal", "internal-only = true\n", "");
        write!(
            product,
            "\n[[requirement]]\ntable = \"1\"\nports = \"{}-{}\"\ntransports = [\"{}\"]\nprotocol = \"{2}\"\n\
             function = \"{}\"\ndirection = \"both\"\ninitiator = \"{opens}\"\nlistener = \"{listens}\"\n\
             peer = \"truth-far\"\nseverity = \"{}\"\nservice = \"{3}\"\n{inside}blocked = \"it fails\"\n\
             notice = \"It fails.\"\n",
            row.ports.0,
            row.ports.1,
            proto(row.tcp),
            row.service,
            row.severity
        )
        .unwrap();
    }
    let roles = "[[role]]\nname = \"truth-far\"\ntitle = \"somebody else\"\n";
    vec![("truth-unit.toml".to_string(), product), ("roles.toml".to_string(), roles.to_string())]
}
