//! What the language is told by.

use crate::dialect::Marks;

/// What the language is told by.
pub(super) const MARKS: Marks = Marks {
    sure: &[
        "table ip|ip6|inet|arp|bridge|netdev _",
        "table _ {",
        "add|create|insert|replace|delete|destroy|flush|reset table|chain|rule|set|map|element|flowtable|counter|quota|limit|ct _",
        "flush ruleset",
        "define _ = _",
        "include \"~",
    ],
    hints: &[
        "type filter|nat|route hook _",
        "chain|set|map|flowtable _ {",
        "type _",
        "elements = {~",
        "flags _",
        "}~ $",
        "ct|iif|oif|iifname|oifname|tcp|udp|th|ip|ip6|meta|icmp|icmpv6 _ _",
        "policy accept;~|drop;~",
    ],
    extensions: &["nft", "nftables"],
    names: &["nftables.conf"],
};
