//! Services that are meant for a few who are known, by their ports (PH207).

use toml::de::DeTable;

use super::expect::{Traffic, parsed};
use super::reader::{At, Problems, Table};
use super::settings::severity;
use crate::packet::{Set, proto};
use crate::rule::Severity;

/// A service that is meant for a few who are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// What people call it.
    pub name: String,
    /// Its TCP ports.
    pub tcp: Set,
    /// Its UDP ports.
    pub udp: Set,
    /// How bad it is that everybody reaches it.
    pub severity: Severity,
}

impl Service {
    /// Its ports of a protocol.
    pub(crate) fn ports(&self, protocol: u8) -> &Set {
        if protocol == proto::TCP { &self.tcp } else { &self.udp }
    }
}

type Ports = &'static [(u16, u16)];

/// Those that everybody has heard of, by their registered ports, or those that their makers preset. But for SSH, nobody
/// is asked for a login, or what is sent can be read on the way.
pub(super) fn usual() -> Vec<Service> {
    const USUAL: &[(&str, Ports, Ports)] = &[
        ("Telnet", &[(23, 23)], &[]),
        ("RPC port mapper", &[(111, 111)], &[(111, 111)]),
        ("NetBIOS", &[(139, 139)], &[(137, 138)]),
        ("SNMP", &[(161, 161)], &[(161, 161)]),
        ("SMB", &[(445, 445)], &[]),
        ("rlogin and rsh", &[(512, 514)], &[]),
        ("IPMI", &[], &[(623, 623)]),
        ("Microsoft SQL Server", &[(1433, 1433)], &[(1434, 1434)]),
        ("Oracle", &[(1521, 1521)], &[]),
        ("NFS", &[(2049, 2049)], &[(2049, 2049)]),
        ("Docker without TLS", &[(2375, 2375)], &[]),
        ("etcd", &[(2379, 2380)], &[]),
        ("MySQL", &[(3306, 3306)], &[]),
        ("RDP", &[(3389, 3389)], &[(3389, 3389)]),
        ("Asterisk manager", &[(5038, 5038)], &[]),
        ("PostgreSQL", &[(5432, 5432)], &[]),
        ("VNC", &[(5900, 5906)], &[]),
        ("Redis", &[(6379, 6379)], &[]),
        ("FreeSWITCH event socket", &[(8021, 8021)], &[]),
        ("Winbox", &[(8291, 8291)], &[]),
        ("Elasticsearch", &[(9200, 9200)], &[]),
        ("kubelet", &[(10250, 10250)], &[]),
        ("memcached", &[(11211, 11211)], &[(11211, 11211)]),
        ("MongoDB", &[(27017, 27017)], &[]),
    ];
    let service = |name: &str, tcp: Ports, udp: Ports, severity| Service {
        name: name.to_string(),
        tcp: Set::of_ports(tcp),
        udp: Set::of_ports(udp),
        severity,
    };
    let ssh = service("SSH", &[(22, 22)], &[], Severity::Info);
    let bare = USUAL.iter().map(|(name, tcp, udp)| service(name, tcp, udp, Severity::Warning));
    std::iter::once(ssh).chain(bare).collect()
}

/// Takes in an entry `[[check.service]]`: one of the same name is replaced.
pub(super) fn read(table: &DeTable, at: At, services: &mut Vec<Service>, problems: &mut Problems) {
    let table = Table::new(table, at, "[[check.service]]", &["name", "traffic", "severity"], problems);
    let (name, traffic) = (table.required("name", problems), table.required("traffic", problems));
    let severity = table.get("severity").and_then(|value| severity(value, "severity", problems));
    let (Some(name), Some(word)) = (name, traffic) else { return };
    let mut service = Service {
        name: name.value,
        tcp: Set::empty(),
        udp: Set::empty(),
        severity: severity.unwrap_or(Severity::Warning),
    };
    let Some(traffic) = parsed(&word, problems) else { return };
    for part in ports_of(&traffic) {
        match part {
            Some((proto::TCP, ports)) => service.tcp = service.tcp.or(ports),
            Some((proto::UDP, ports)) => service.udp = service.udp.or(ports),
            _ => {
                let message = format!("`{}` is not the traffic of one service", word.value);
                let help = "Write the ports that it listens on, such as `tcp/10050` or `tcp/80,443 udp/443`.";
                problems.add(&word.at, message, "no ports of tcp or udp", help);
                return;
            }
        }
    }
    services.retain(|known| !known.name.eq_ignore_ascii_case(&service.name));
    services.push(service);
}

/// Protocols with their ports; `None` for what has none.
fn ports_of(traffic: &Traffic) -> Vec<Option<(u8, &Set)>> {
    match traffic {
        Traffic::Ports(parts) => {
            parts.iter().map(|(protocol, ports)| Some((*protocol, ports.as_ref()?))).collect()
        }
        Traffic::Service(_) | Traffic::All => vec![None],
    }
}
