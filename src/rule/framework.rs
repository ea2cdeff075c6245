//! Controls of security frameworks that lints serve. The pages of the lints name them.

use super::{LINTS, Lint};

/// A framework.
pub struct Framework {
    /// The word before the colon in the heads of pages.
    pub key: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Its controls, of which lints tell something: number, and what it asks for in few words.
    pub controls: &'static [(&'static str, &'static str)],
}

/// The frameworks that pages name.
pub static FRAMEWORKS: &[Framework] = &[
    Framework {
        key: "nist-sp-800-41r1",
        title: "NIST SP 800-41 Revision 1, Guidelines on Firewalls and Firewall Policy",
        controls: &[
            ("4.1", "policies based on addresses and protocols: what is not needed is denied"),
            ("4.1.1", "addresses: sources and destinations are as narrow as can be"),
            ("4.1.2", "IPv6 is filtered as IPv4 is"),
            ("4.1.3", "TCP and UDP: only the ports that are needed"),
            ("4.2", "policies based on applications"),
            ("5.2.2", "the policy is configured so that it does what it says"),
        ],
    },
    Framework {
        key: "pci-dss-4.0",
        title: "PCI DSS 4.0",
        controls: &[
            ("1.2.5", "services, protocols and ports that are allowed are known, approved and needed"),
            ("1.2.6", "insecure services that are in use have security features of their own"),
            ("1.2.7", "rulesets are reviewed: what is stale is found"),
            ("1.2.8", "config files are whole and what the firewall runs"),
            ("1.3.1", "inbound traffic is limited to what is necessary, and all other is denied"),
            ("1.3.2", "outbound traffic is limited to what is necessary, and all other is denied"),
            ("1.4.2", "traffic from untrusted networks reaches only what is meant to be public, and answers"),
        ],
    },
    Framework {
        key: "cis-controls-8",
        title: "CIS Critical Security Controls, version 8",
        controls: &[
            ("4.4", "firewalls on servers are in place and managed"),
            ("4.6", "devices are managed in a secure way: no Telnet, no plain HTTP"),
            ("4.8", "services that are not needed are off"),
            ("12.2", "the network's architecture grants least privilege"),
            ("13.4", "traffic between segments is filtered"),
        ],
    },
    Framework {
        key: "cis-ubuntu-22.04-2.0.0",
        title: "CIS Ubuntu Linux 22.04 LTS Benchmark 2.0.0",
        controls: &[
            ("4.2.7", "nftables: connections from the host and their answers pass"),
            ("4.2.8", "nftables: what no rule lets through is denied"),
            ("4.3.2.1", "iptables: what no rule lets through is denied"),
            ("4.3.2.3", "iptables: connections from the host and their answers pass"),
            ("4.3.3.1", "ip6tables: what no rule lets through is denied"),
            ("4.3.3.3", "ip6tables: connections from the host and their answers pass"),
        ],
    },
];

impl Framework {
    /// The frameworks that a word means: a key, or a part of one.
    pub fn select(word: &str) -> Vec<&'static Framework> {
        let word = word.to_ascii_lowercase();
        let exact: Vec<&Framework> = FRAMEWORKS.iter().filter(|framework| framework.key == word).collect();
        match exact.is_empty() {
            true => FRAMEWORKS.iter().filter(|framework| framework.key.contains(&word)).collect(),
            false => exact,
        }
    }

    /// The lints that serve a control.
    pub fn lints(&self, control: &str) -> Vec<&'static Lint> {
        let named = format!("{}:{control}", self.key);
        LINTS.iter().filter(|lint| lint.frameworks.contains(&named.as_str())).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_controls_that_there_are() {
        for lint in LINTS {
            for named in lint.frameworks {
                let (key, control) = named.split_once(':').unwrap();
                let framework = FRAMEWORKS.iter().find(|framework| framework.key == key);
                let known = framework.unwrap().controls.iter().any(|(number, _)| *number == control);
                assert!(known, "{} names {named}", lint.code);
            }
        }
    }

    #[test]
    fn each_control_is_served() {
        for framework in FRAMEWORKS {
            for (control, _) in framework.controls {
                assert!(!framework.lints(control).is_empty(), "{} {control}", framework.key);
            }
        }
        assert_eq!(Framework::select("NIST").len(), 1);
        assert_eq!(Framework::select("pci-dss-4.0").len(), 1);
        assert!(Framework::select("iso").is_empty());
    }
}
