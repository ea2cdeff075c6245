//! Chains of programs that write rules: they are made in advance, and something leads to them when there is need.

use crate::model::{ChainId, Ruleset};

/// How the names of such chains begin, by program, as its rulesets show.
const STARTS: &[(&str, &[&str])] = &[
    ("OpenVPN Access Server", &["AS0_"]),
    ("Calico", &["cali-"]),
    (
        "Docker",
        &[
            "DOCKER",
            "filter-FORWARD",
            "filter-forward-in__",
            "filter-forward-out__",
            "nat-OUTPUT",
            "nat-POSTROUTING",
            "nat-PREROUTING",
            "nat-postrouting-in__",
            "nat-postrouting-out__",
            "nat-prerouting-and-output",
            "raw-PREROUTING",
        ],
    ),
    ("fail2ban", &["f2b-", "fail2ban-"]),
    (
        "firewalld",
        &["filter_FWD", "filter_IN_", "filter_OUT_", "mangle_PRE_", "nat_POST_", "nat_PRE_", "raw_PRE_"],
    ),
    ("Istio", &["ISTIO_", "istio-"]),
    ("Kubernetes", &["KUBE-"]),
    ("libvirt", &["LIBVIRT_"]),
    ("OpenStack Neutron", &["neutron-"]),
    ("Shorewall", &["shorewall"]),
    ("ufw", &["ufw-", "ufw6-"]),
    ("OpenWrt", &["zone_"]),
];

/// Names that people give as well: chains of a program where one that it alone makes stands beside them. Shorewall
/// makes those of its `LOG` dispositions whether rules use them or not (`Chains.pm`).
const BESIDE: &[(&str, &[&str])] = &[("shorewall", &["logdrop", "logflags", "logreject"])];

/// Whether a chain of this name is made by such a program; `beside` tells whether there is one of some other name.
pub(crate) fn makes(chain: &str, beside: impl Fn(&str) -> bool) -> bool {
    STARTS.iter().flat_map(|(_, starts)| *starts).any(|start| chain.starts_with(start))
        || BESIDE.iter().any(|(mark, chains)| chains.contains(&chain) && beside(mark))
}

/// The same of a chain of a ruleset.
pub(crate) fn makes_of(rules: &Ruleset, chain: ChainId) -> bool {
    let named = |mark: &str| rules.chains.iter().any(|chain| chain.short_name() == mark);
    makes(rules.chain(chain).short_name(), named)
}
