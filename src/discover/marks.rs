//! The marks by which languages are told: how their lines begin.
//!
//! The patterns are those of [`Marks`](crate::dialect::Marks).

use std::sync::LazyLock;

use crate::dialect::Dialect;

/// What a text can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A language that pinhole reads.
    Ours(Dialect),
    /// One that it does not.
    Near(Near),
}

/// Something near to a config that pinhole reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Near {
    /// What it is, as a noun.
    pub name: &'static str,
    /// What to give to pinhole in its place: a whole sentence.
    pub instead: &'static str,
    /// Whether it belongs to a firewall: a folder names such files one by one.
    pub firewall: bool,
}

/// A language and its marks.
pub(super) struct Language {
    pub kind: Kind,
    /// Lines that surely are of it.
    pub sure: &'static [&'static str],
    /// Lines that may be of it.
    pub hints: &'static [&'static str],
}

const fn near(
    name: &'static str,
    instead: &'static str,
    sure: &'static [&'static str],
) -> (Near, &'static [&'static str]) {
    (Near { name, instead, firewall: true }, sure)
}

/// For boxes that can say nothing else.
const NOT_READ: &str = "pinhole reads iptables, nftables, pf and Cisco ASA.";
/// For front ends of netfilter.
const SAVE: &str = "Give it what `iptables-save` or `nft list ruleset` prints on the firewall.";

/// A script in which no command of iptables is, but one of another tool.
pub(super) const OTHER_SCRIPT: Near = Near {
    name: "a shell script that changes the firewall by other means than iptables",
    instead: "Give it what `nft list ruleset`, `iptables-save` or `pfctl -sr` prints after the script has run.",
    firewall: true,
};

/// A program that calls iptables.
pub(super) const OTHER_PROGRAM: Near = Near {
    name: "a program that calls iptables, and no shell script",
    instead: "Give it what `iptables-save` prints after it has run.",
    firewall: true,
};

/// Rules of nftables that lack what is around them. It is told only where nothing tells a whole ruleset.
pub(super) const PART_OF_NFTABLES: Near = Near {
    name: "part of an nftables ruleset, without its table",
    instead: "Give it the whole of what `nft list ruleset` prints.",
    firewall: true,
};

/// A document in which a config may be quoted.
pub(super) const DOCUMENT: Near = document("a Markdown document");
/// Likewise.
pub(super) const XML: Near = document("an HTML or XML document");
/// Likewise.
pub(super) const YAML: Near = document("a YAML document");

const fn document(name: &'static str) -> Near {
    Near { name, instead: "If a config is quoted in it, put that into a file of its own.", firewall: false }
}

/// Likewise, of which a part changes a firewall.
pub(super) const YAML_OF_FIREWALL: Near =
    Near { name: "a YAML document with commands for a firewall", firewall: true, ..YAML };

/// A file of Jinja or the like.
pub(super) const TEMPLATE: Near = Near {
    name: "a template of which configs are made",
    instead: "Give pinhole the config that is made of it.",
    firewall: true,
};

/// A document of JSON, or of nearly so, without the list that nft prints.
pub(super) const OTHER_JSON: Near = Near {
    name: "JSON without a list `nftables`",
    instead: "Of JSON, it reads what `nft -j list ruleset` prints.",
    firewall: false,
};

/// Commands of other tools that change a firewall, as scripts have them.
pub(super) const OTHER_TOOLS: &[&str] = &[
    "nft|/sbin/nft|/usr/sbin/nft|$NFT add|insert|create|flush|delete|replace|-f|--file _",
    "ufw|/usr/sbin/ufw allow|deny|reject|limit|default|route|insert|delete|--force _",
    "firewall-cmd|/usr/bin/firewall-cmd --~",
    "ipset|/sbin/ipset|/usr/sbin/ipset create|add|-N|-A|restore|flush|destroy _",
    "ipfw|/sbin/ipfw|$fwcmd|${fwcmd} add|-q|-f|flush|delete|table|$~ _",
    "pfctl|/sbin/pfctl -f|-F|-e|-a|-t|-ef|-Fa _",
    "ebtables|/sbin/ebtables|arptables|ipchains|/sbin/ipchains -~",
];

/// Rules of nftables, where nothing tells that they are whole.
pub(super) const RULES_OF_NFTABLES: &[&str] = &[
    "type filter|nat|route hook _",
    "chain _ {",
    "ct state|status|mark _",
    "iif|oif|iifname|oifname _",
    "tcp|udp|th dport|sport _",
    "ip|ip6 saddr|daddr|protocol|nexthdr _",
    "meta l4proto|nfproto|mark|iif|oif|iifname|oifname _",
    "icmp|icmpv6 type _",
    "type ipv4_addr|ipv6_addr|inet_service|ifname|inet_proto~",
];

/// Our languages, then those near to them.
pub(super) static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let ours = |dialect: Dialect| {
        let marks = &dialect.language().marks;
        Language { kind: Kind::Ours(dialect), sure: marks.sure, hints: marks.hints }
    };
    let near = NEAR.iter().map(|&(near, sure)| Language { kind: Kind::Near(near), sure, hints: &[] });
    Dialect::ALL.into_iter().map(ours).chain(near).collect()
});

const NEAR: &[(Near, &[&str])] = &[
    near(
        "a Cisco IOS config",
        "pinhole reads the running-config of Cisco ASA, and not that of IOS.",
        &[
            "!ip access-list extended|standard _",
            "!ipv6 access-list _ $",
            "!ip access-list resequence|logging",
            "ip access-group _ in|out",
            "access-class _ in|out",
            "access-list 1~|2~|3~|4~|5~|6~|7~|8~|9~ permit|deny|remark _",
            "ipv6 traffic-filter _ in|out",
            "!line vty|con|aux _",
            "version 1~ $",
            "service timestamps|tcp-keepalives-in|password-encryption|pad|config",
            "no service pad",
            "ip route vrf|0.0.0.0|1~|2~ _",
            "ip nat|cef|classless|subnet-zero|inspect|domain-lookup|domain|http|forward-protocol|ssh",
            "no ip http|domain-lookup|domain|source-route|redirects|address",
            "spanning-tree mode|extend|portfast|vlan|etherchannel",
            "switchport mode|trunk|access|nonegotiate",
            "vtp mode|domain _",
            "Building configuration...",
            "Current configuration :",
            "zone security _",
            "zone-pair security _",
            "boot-start-marker|boot-end-marker $",
            "interface FastEthernet~|Serial~|Loopback~|Vlan~|Tunnel~",
            "vrf definition|forwarding _",
            "enable secret _",
            "ip vrf _",
            "dialer-list|snmp-server _",
            "transport input|output|preferred _",
        ],
    ),
    near(
        "a Cisco NX-OS config",
        "pinhole reads the running-config of Cisco ASA, and not that of NX-OS.",
        &[
            "!!Command: show running-config",
            "!feature ospf|bgp|interface-vlan|lacp|vpc|hsrp|nxapi|tacacs+|lldp|eigrp|pim|fabric|nv|vn-segment-vlan-based|bash-shell|scp-server|telnet|udld|dhcp",
            "vrf context _",
            "!vdc _ id _",
            "ip access-list _ $",
            "!switchname _",
            "interface Ethernet~/~ $",
            "!rmon event _",
            "vpc domain _",
            "!system default switchport",
            "statistics per-entry",
            "version 5.~|6.~|7.~|9.~|10.~ Bios:version",
        ],
    ),
    near(
        "a Cisco IOS XR config",
        "pinhole reads the running-config of Cisco ASA, and not that of IOS XR.",
        &["!!! IOS XR", "!ipv4 access-list _", "ipv4 access-group _ ingress|egress", "ipv4 address _"],
    ),
    near(
        "an Arista EOS config",
        NOT_READ,
        &["!! device: _ (~", "!! Command: show running-config", "!transceiver qsfp default-mode"],
    ),
    near(
        "a config of Cisco PIX 6",
        "pinhole reads PIX and ASA from version 7 on.",
        &[
            "!PIX Version 4~|5~|6~",
            "!nameif ethernet~|gb-ethernet~|vlan~ _ security~",
            "!conduit permit|deny _",
            "interface ethernet~ auto|100full|10baset|100basetx",
            "fixup protocol _",
            "pdm location|history|logging _",
        ],
    ),
    near(
        "the output of `show nat`",
        "Give pinhole the output of `show running-config`.",
        &["!Manual|Auto NAT Policies (Section", "translate_hits = _", "_ (~ to (~ source _"],
    ),
    near(
        "a Juniper Junos config",
        NOT_READ,
        &[
            "!## Last changed:|commit:",
            "!set security policies|zones|nat|screen|ike|address-book _",
            "!set firewall family|filter _",
            "set system host-name|services|login|root-authentication|syslog _",
            "!set interfaces _ unit _",
            "!set applications application _",
            "set protocols|routing-options|policy-options|groups|version _",
            "system|interfaces|security|protocols|policy-options|routing-options|applications|firewall|snmp|chassis|vlans|groups {",
            "host-name _;~",
            "root-authentication|syslog|login|services|policies|zones {",
            "security-zone|from-zone|policy _ {",
            "from-zone _ to-zone _ {",
            "family inet|inet6 {",
            "unit _ {",
            "filter|term _ {",
        ],
    ),
    near(
        "a Fortinet FortiGate config",
        NOT_READ,
        &[
            "!#config-version=F~",
            "!config firewall policy|policy6|address|addrgrp|service|vip|address6|ippool",
            "!config system global|interface|accprofile|dns|admin|zone|settings",
            "config vdom|router|user|vpn|log|webfilter|ips|antivirus _",
            "edit _ $",
            "set srcintf|dstintf|srcaddr|dstaddr|schedule|service _",
            "set vdom _",
            "next $",
        ],
    ),
    near(
        "a Palo Alto PAN-OS config",
        NOT_READ,
        &[
            "!<config version=~",
            "!set deviceconfig _",
            "!set rulebase|pre-rulebase|post-rulebase security|nat|application-override rules",
            "!set device-group _ pre-rulebase|post-rulebase|address",
            "!set vsys _ rulebase|zone|address|service",
            "set network interface|profiles|virtual-router _",
            "set zone _ network _",
        ],
    ),
    near(
        "a Juniper ScreenOS config",
        NOT_READ,
        &["!set policy id _", "!set zone _ vrouter|tcp-rst|block", "set interface _ zone|ip|route|manage"],
    ),
    near(
        "a Huawei or H3C config",
        NOT_READ,
        &[
            "!acl number|name|basic|advanced _",
            "rule _ permit|deny _",
            "!sysname _",
            "!security-policy ip $",
            "undo _",
        ],
    ),
    near(
        "a Check Point Gaia config",
        NOT_READ,
        &[
            "!set interface _ ipv4-address _",
            "!add access-rule layer _",
            "set interface _ state on",
            "!set installer policy",
        ],
    ),
    near(
        "a VyOS or EdgeOS config",
        "Give pinhole what `nft list ruleset`, or on older versions `iptables-save`, prints on the box.",
        &[
            "!set firewall ipv4|ipv6|name|ipv6-name|group|global-options|zone|all-ping|state-policy|log-martians _",
            "!set nat source|destination rule _",
            "!set interfaces ethernet|bonding|wireguard|bridge|loopback|openvpn|vti _",
            "set system host-name|login|name-server|ntp|syslog|config-management|time-zone _",
            "!default-action accept|drop|reject",
            "firewall|interfaces|nat|service|system {",
            "rule _ {",
            "action accept|drop|reject|masquerade $",
            "name|ipv6-name _ {",
            "ethernet|loopback _ {",
            "!// vyos-config-version:",
        ],
    ),
    near(
        "a MikroTik RouterOS config",
        NOT_READ,
        &[
            "!/ip|/ipv6 firewall _",
            "!/interface bridge|ethernet|list|vlan|wireless",
            "!add action=accept|drop|reject|masquerade|fasttrack-connection|jump|passthrough|dst-nat|src-nat|return|log|mark-connection _",
            "!add chain=~ _",
            "!# _ _ by RouterOS",
            "/ip address|route|pool|dhcp-server|service",
            "/system identity|clock|ntp|logging",
            "add address=~ interface=~",
        ],
    ),
    near(
        "the output of `iptables -L`",
        "It leaves out interfaces: give pinhole the output of `iptables-save`.",
        &[
            "!target prot opt source destination",
            "!num target prot opt source destination",
            "Chain _ (policy ACCEPT)|DROP)",
            "Chain _ (_ references)",
        ],
    ),
    near(
        "the output of `ufw status`",
        "Give pinhole the output of `iptables-save` and of `ip6tables-save`, which hold what ufw sets.",
        &[
            "!Status: active|inactive|~",
            "!To Action From",
            "-- ------ ----",
            "_ ALLOW|DENY|REJECT|LIMIT IN|OUT|FWD|Anywhere",
            "Default: _ (incoming),",
        ],
    ),
    near(
        "the output of `firewall-cmd --list-all`",
        "Give pinhole the output of `nft list ruleset`, which holds what firewalld sets.",
        &[
            "!icmp-block-inversion: yes|no",
            "!target: default|%%REJECT%%|ACCEPT|DROP",
            "masquerade: yes|no",
            "rich rules:",
            "forward-ports:",
            "services: _",
            "_ (active)|(default)|(default,",
        ],
    ),
    near(
        "the output of `pfctl -vvsr` or `pfctl -vsr`",
        "Give pinhole the output of `pfctl -sr` and `pfctl -sn`, without `-v`, or pf.conf itself.",
        &[
            "![ Evaluations: _",
            "![ Inserted: _",
            "![ Skip steps: _",
            "![ queue: qname=~",
            "![ qid=~ ifname=~",
            "@~ pass|block|match|scrub|anchor|nat|rdr|binat|no|nat-anchor|rdr-anchor",
        ],
    ),
    near(
        "the output of `ipset save`",
        "Give it with `--ipset`, beside the output of `iptables-save`.",
        &["!create _ hash:~|bitmap:~|list:set", "add _ 0~|1~|2~|3~|4~|5~|6~|7~|8~|9~|a~|f~ $"],
    ),
    near(
        "rules of ebtables",
        "Frames of bridges are not judged.",
        &["!# Generated by ebtables-save", "!*broute $"],
    ),
    near("rules of arptables", "ARP is not judged.", &["!# Generated by arptables-save"]),
    near(
        "firewall rules of IPFire",
        SAVE,
        &[
            "!1,ACCEPT,~|1,DROP,~|1,REJECT,~",
            "!2,ACCEPT,FORWARDFW,~|2,DROP,FORWARDFW,~",
            "!1,ACCEPT,FORWARDFW,~|1,DROP,FORWARDFW,~|1,REJECT,FORWARDFW,~|1,ACCEPT,INPUTFW,~",
        ],
    ),
    near(
        "a firewall config of OpenWrt (UCI)",
        SAVE,
        &[
            "!config zone|forwarding|redirect|defaults|rule|include $",
            "!config zone|forwarding|redirect|defaults|rule '~",
            "option src|dest|target|proto|input|output|forward|family|src_dport _",
            "list network _",
        ],
    ),
    near(
        "rules of Shorewall",
        SAVE,
        &[
            "!#ACTION SOURCE DEST",
            "!?SECTION NEW|ALL|ESTABLISHED|RELATED",
            "!?FORMAT 2|1",
            "!#ZONE INTERFACE|TYPE",
            "!#SOURCE DEST POLICY",
            "_ $FW|fw|net|loc|dmz|all net|loc|$FW|fw|dmz|all",
        ],
    ),
    near(
        "rules of ferm",
        "Give pinhole what `iptables-save` prints, or `ferm --remote`.",
        &[
            "!domain (ip~ table|ip6) _",
            "!@def $~",
            "domain ip|ip6 _",
            "chain INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING {",
            "chain (~ {",
            "table filter|nat|mangle|raw {",
            "policy ACCEPT;~|DROP;~",
            "mod state|conntrack _",
        ],
    ),
    near(
        "a firewall file of Proxmox",
        SAVE,
        &[
            "![RULES] $",
            "![group _",
            "![IPSET _",
            "IN|OUT|GROUP ACCEPT|DROP|REJECT _",
            "|IN|OUT ACCEPT|DROP|REJECT _",
        ],
    ),
    near(
        "a config.xml of pfSense or OPNsense",
        "Give pinhole `/tmp/rules.debug` of the box.",
        &["!<pfsense>", "!<opnsense>"],
    ),
    near(
        "a file of firewalld",
        "Give pinhole the output of `nft list ruleset`, which holds what firewalld sets.",
        &["!<zone~ $", "!<zone> $", "!<direct>", "!<policy target=~", "!<service name=\"~"],
    ),
    near(
        "rules of ipfw",
        NOT_READ,
        &[
            "!add _ allow|deny|count|pass|reject|skipto|nat|check-state ip|tcp|udp|icmp|all|_ from|_",
            "!ipfw ~",
            "!/sbin/ipfw _",
            "_ allow|deny ip|tcp|udp|icmp from _ to",
        ],
    ),
    near(
        "rules of the Windows firewall",
        NOT_READ,
        &["!netsh advfirewall _", "!New-NetFirewallRule _", "Rule Name: _"],
    ),
];
