//! A large site: a core network, nine firewalls with two networks each around it, and one to the internet.

use std::fmt::Write;

use crate::rules::{Form, generate};

const PRODUCTS: [&str; 6] =
    ["scopia-elite-5200", "scopia-xt1000", "scopia-gateway", "scopia-ecs", "scopia-desktop", "scopia-mcu"];

/// Its files, by name.
pub(crate) fn files(devices: usize, rules: usize) -> Vec<(String, String)> {
    let mut site = "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"core\"\nnetworks = [\"10.0.0.0/16\"]\n"
        .to_string();
    let mut files = Vec::new();
    for net in 1..19 {
        write!(site, "[[zone]]\nname = \"net-{net}\"\nnetworks = [\"10.{net}.0.0/16\"]\n").unwrap();
    }
    for wall in 0..10 {
        let others = match wall {
            0 => "eth1 = \"internet\"".to_string(),
            _ => format!("eth1 = \"net-{}\", eth2 = \"net-{}\"", 2 * wall - 1, 2 * wall),
        };
        write!(
            site,
            "[[firewall]]\nname = \"wall-{wall}\"\nconfig = [\"{wall}.rules\"]\n\
             interfaces = {{ eth0 = \"core\", {others} }}\n"
        )
        .unwrap();
        files.push((format!("{wall}.rules"), generate(Form::Iptables, rules, wall as u64 + 1)));
    }
    for device in 0..devices {
        let product = PRODUCTS[device % PRODUCTS.len()];
        let (net, host) = (1 + device % 18, 10 + device / 18);
        write!(
            site,
            "[[device]]\nname = \"device-{device}\"\nproduct = \"{product}\"\naddresses = [\"10.{net}.1.{host}\"]\n"
        )
        .unwrap();
    }
    for role in ["h323-entity", "sip-entity", "web-client", "snmp-manager"] {
        write!(site, "[[peer]]\nrole = \"{role}\"\nzone = \"internet\"\n").unwrap();
    }
    files.push(("pinhole.toml".to_string(), site));
    files
}
