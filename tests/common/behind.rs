//! Devices of products, each behind a firewall in one of the four languages, and those whom their rows speak of.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write;

use crate::common::Scratch;

/// The languages; the firewall in each of them, its zone and its config have this name.
pub(crate) const LANGUAGES: [&str; 4] = ["iptables", "nftables", "pf", "asa"];

/// A transport and ports.
pub(crate) type Ports<'a> = (&'a str, [u16; 2]);

/// What firewalls do with new connections, whoever opens them.
#[derive(Clone, Copy)]
pub(crate) enum Policy<'a> {
    /// These are dropped, all others pass.
    Without(&'a [Ports<'a>]),
    /// These pass, all others are dropped.
    Only(&'a [Ports<'a>]),
}

impl Policy<'_> {
    fn rules(&self) -> (&[Ports<'_>], bool) {
        match self {
            Policy::Without(rules) => (rules, false),
            Policy::Only(rules) => (rules, true),
        }
    }

    /// The config of a firewall.
    pub(crate) fn config(&self, language: &str, near: usize) -> String {
        let (rules, only) = self.rules();
        let rules = rules.iter().map(|(transport, [lo, hi])| (transport, lo, hi));
        let mut text = String::new();
        match language {
            "iptables" => {
                let (policy, verdict) = if only { ("DROP", "ACCEPT") } else { ("ACCEPT", "DROP") };
                write!(text, "*filter\n:INPUT DROP [0:0]\n:FORWARD {policy} [0:0]\n:OUTPUT ACCEPT [0:0]\n")
                    .unwrap();
                text += "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
                for (transport, lo, hi) in rules {
                    writeln!(text, "-A FORWARD -p {transport} -m {transport} --dport {lo}:{hi} -j {verdict}")
                        .unwrap();
                }
                text += "COMMIT\n";
            }
            "nftables" => {
                let (policy, verdict) = if only { ("drop", "accept") } else { ("accept", "drop") };
                text += "table inet f {\n\tchain forward {\n";
                writeln!(text, "\t\ttype filter hook forward priority filter; policy {policy};").unwrap();
                text += "\t\tct state established,related accept\n";
                for (transport, lo, hi) in rules {
                    writeln!(text, "\t\t{transport} dport {lo}-{hi} {verdict}").unwrap();
                }
                text += "\t}\n}\n";
            }
            "pf" => {
                let (policy, verdict) = if only { ("block", "pass") } else { ("pass", "block drop") };
                writeln!(text, "{policy} all").unwrap();
                for (transport, lo, hi) in rules {
                    writeln!(text, "{verdict} quick proto {transport} from any to any port {lo}:{hi}")
                        .unwrap();
                }
            }
            _ => {
                text += "ASA Version 9.8(4)\n";
                for (at, name, level, address) in
                    [(0, "wan0", 0, "198.51.100.1".to_string()), (1, "lan0", 100, format!("10.91.{near}.1"))]
                {
                    writeln!(
                        text,
                        "interface GigabitEthernet0/{at}\n nameif {name}\n security-level {level}"
                    )
                    .unwrap();
                    writeln!(text, " ip address {address} 255.255.255.0").unwrap();
                }
                let verdict = if only { "permit" } else { "deny" };
                for (transport, lo, hi) in rules {
                    writeln!(text, "access-list both extended {verdict} {transport} any any range {lo} {hi}")
                        .unwrap();
                }
                writeln!(
                    text,
                    "access-list both extended {} ip any any",
                    if only { "deny" } else { "permit" }
                )
                .unwrap();
                text += "access-group both in interface wan0\naccess-group both in interface lan0\n";
            }
        }
        text
    }
}

/// Writes a site: in each language a firewall, and behind it a device of each product, named `PRODUCT-LANGUAGE`.
/// Whoever fills one of the roles is in the internet, in an office behind an open firewall of its own, and beside each
/// device.
pub(crate) fn site<'r>(
    scratch: &Scratch,
    products: &[&str],
    roles: impl IntoIterator<Item = &'r str>,
    version: Option<&str>,
    policy: Policy<'_>,
) {
    let version = version.map_or(String::new(), |version| format!("version = \"{version}\"\n"));
    let mut site =
        "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"office\"\nnetworks = [\"10.90.0.0/16\"]\n\
                    [[firewall]]\nname = \"border\"\nconfig = [\"border.rules\"]\n\
                    interfaces = { up0 = \"internet\", in0 = \"office\" }\n"
            .to_string();
    scratch.write("border.rules", Policy::Without(&[]).config("iptables", 0));
    for (near, language) in LANGUAGES.iter().enumerate() {
        scratch.write(language, policy.config(language, near));
        write!(
            site,
            "[[zone]]\nname = \"{language}\"\nnetworks = [\"10.91.{near}.0/24\"]\n\
             [[firewall]]\nname = \"{language}\"\nconfig = [\"{language}\"]\n\
             interfaces = {{ wan0 = \"internet\", lan0 = \"{language}\" }}\n"
        )
        .unwrap();
        for (at, product) in products.iter().enumerate() {
            write!(
                site,
                "[[device]]\nname = \"{product}-{language}\"\nproduct = \"{product}\"\n\
                 addresses = [\"10.91.{near}.{}\"]\n{version}",
                at + 10
            )
            .unwrap();
        }
    }
    for role in roles {
        for zone in ["internet", "office"].iter().chain(&LANGUAGES) {
            write!(site, "[[peer]]\nrole = \"{role}\"\nzone = \"{zone}\"\n").unwrap();
        }
    }
    scratch.write("pinhole.toml", site);
}
