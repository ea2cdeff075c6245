//! Chains of programs that write rules: they are made in advance, and something leads to them when there is need.

/// How the names of such chains begin, by program, as its rulesets show.
const STARTS: &[(&str, &[&str])] = &[
    ("OpenVPN Access Server", &["AS0_"]),
    ("Calico", &["cali-"]),
    ("Docker", &["DOCKER", "filter-forward-in__", "filter-forward-out__"]),
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

/// Whether a chain of this name is made by such a program.
pub(crate) fn makes(chain: &str) -> bool {
    STARTS.iter().flat_map(|(_, starts)| *starts).any(|start| chain.starts_with(start))
}
