//! Programs that write the rules: what is put into their files by hand is gone when they write them anew.

use super::Remedy;
use crate::dialect::write::Wanted;
use crate::judge::{Firewall, Judge};
use crate::packet::{Family, Set, proto};
use crate::site::Prefix;

/// Who wrote the rules, by the names of chains that nobody else uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Ufw,
    Firewalld,
    Fw4,
    Docker,
    Shorewall,
}

/// Commands that are shown, at the most.
const MOST: usize = 3;

/// How the program that writes the rules of a firewall is told, in whole sentences; empty where there is none.
pub(in crate::lint) fn command(judge: &Judge<'_>, remedy: &Remedy) -> String {
    let Some((at, ..)) = remedy.passes.first() else { return String::new() };
    let Some(firewall) = judge.firewall(*at) else { return String::new() };
    let Some(owner) = owner(firewall) else { return String::new() };
    let host = judge.site.firewalls.get(*at).is_some_and(|firewall| firewall.host.is_some());
    let with_ports = |wanted: &Wanted| matches!(wanted.protocol, proto::TCP | proto::UDP);
    let of_it = remedy.passes.iter().filter(|(of, wanted, _)| of == at && with_ports(wanted));
    let flows: Vec<(&Wanted, &Set)> = of_it.map(|(_, wanted, ports)| (wanted, ports)).collect();
    if flows.is_empty() {
        return String::new();
    }
    let flows = flows.into_iter();
    match owner {
        Owner::Ufw => {
            let commands: Vec<String> =
                flows.flat_map(|(wanted, ports)| ufw(wanted, ports, host)).take(MOST + 1).collect();
            format!("ufw wrote these rules: {} keeps it there.", listed(&commands))
        }
        Owner::Firewalld if host => {
            let commands: Vec<String> =
                flows.flat_map(|(wanted, ports)| firewalld(wanted, ports)).take(MOST + 1).collect();
            format!("firewalld wrote these rules: {}, in the zone of the interface, keeps it there.", listed(&commands))
        }
        Owner::Firewalld => {
            "firewalld wrote these rules: a policy between the zones (`firewall-cmd --new-policy`) keeps it there."
                .to_string()
        }
        Owner::Fw4 => {
            "fw4 wrote these rules: a section `config rule` (or `config redirect`, for a translation) in \
             `/etc/config/firewall` keeps it there."
                .to_string()
        }
        Owner::Docker => "Docker writes its chains anew, but for `DOCKER-USER`.".to_string(),
        Owner::Shorewall => {
            "shorewall wrote these rules: a line `ACCEPT` (or `DNAT`) in `/etc/shorewall/rules` keeps it there."
                .to_string()
        }
    }
}

fn owner(firewall: &Firewall) -> Option<Owner> {
    let has = |wanted: &dyn Fn(&str) -> bool| firewall.rules.chains.iter().any(|chain| wanted(&chain.name));
    let ends = |end: &'static str| move |name: &str| name.ends_with(end);
    if has(&ends(" ufw-user-input")) || has(&ends(" ufw-user-forward")) {
        Some(Owner::Ufw)
    } else if has(&ends(" INPUT_ZONES")) || has(&|name| name.starts_with("inet firewalld ")) {
        Some(Owner::Firewalld)
    } else if has(&|name| name.starts_with("inet fw4 ")) {
        Some(Owner::Fw4)
    } else if has(&ends(" DOCKER-USER")) {
        Some(Owner::Docker)
    } else if has(&ends(" smurfs")) && has(&ends(" dynamic")) || has(&ends(" sfilter")) {
        Some(Owner::Shorewall)
    } else {
        None
    }
}

/// A few commands in a sentence.
fn listed(commands: &[String]) -> String {
    let shown: Vec<String> = commands.iter().take(MOST).map(|command| format!("`{command}`")).collect();
    let more = if commands.len() > MOST { ", and so on," } else { "" };
    shown.join(", ") + more
}

fn protocol(wanted: &Wanted) -> &'static str {
    if wanted.protocol == proto::TCP { "tcp" } else { "udp" }
}

fn each(ports: &Set, sep: &str) -> Vec<String> {
    let one = |(lo, hi): &(u128, u128)| if lo == hi { lo.to_string() } else { format!("{lo}{sep}{hi}") };
    ports.ranges().iter().map(one).collect()
}

/// ufw(8): `allow` for packets to the host, `route allow` for those that it forwards.
fn ufw(wanted: &Wanted, ports: &Set, host: bool) -> Vec<String> {
    let end = |address: Option<Prefix>| address.map_or("any".to_string(), |prefix| prefix.to_string());
    let on = match (&wanted.iif, host) {
        (Some(name), false) => format!(" in on {name}"),
        _ => String::new(),
    };
    let verb = if host { "allow" } else { "route allow" };
    let rule = |port: String| {
        let (src, dst) = (end(wanted.src), end(wanted.dst));
        format!("ufw {verb}{on} proto {} from {src} to {dst} port {port}", protocol(wanted))
    };
    each(ports, ":").into_iter().map(rule).collect()
}

/// firewall-cmd(1) and firewalld.richlanguage(5).
fn firewalld(wanted: &Wanted, ports: &Set) -> Vec<String> {
    let family = if wanted.family == Family::V4 { "ipv4" } else { "ipv6" };
    let rule = |port: String| match wanted.src {
        None => format!("firewall-cmd --permanent --add-port={port}/{}", protocol(wanted)),
        Some(src) => format!(
            "firewall-cmd --permanent --add-rich-rule='rule family=\"{family}\" source address=\"{src}\" port \
             port=\"{port}\" protocol=\"{}\" accept'",
            protocol(wanted)
        ),
    };
    each(ports, "-").into_iter().map(rule).collect()
}
