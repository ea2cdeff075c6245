//! How far each top-level command of a running-config is supported.
//!
//! The table is also that of the dialect's README; a test holds them together.
//! Source: *Cisco ASA Series Command Reference*.

use super::super::ast::Support::{self, Irrelevant, Modelled, NotModelled};
use super::super::words::Words;

/// One row of the table.
#[derive(Debug)]
pub(in super::super) struct Command {
    /// The command's first words.
    pub words: &'static str,
    /// How far it is supported.
    pub support: Support,
    /// What is to be known about it.
    pub note: &'static str,
}

const fn row(words: &'static str, support: Support, note: &'static str) -> Command {
    Command { words, support, note }
}

/// All commands that are known, sorted.
pub(in super::super) const TABLE: &[Command] = &[
    row("ASA Version", Modelled, "decides between real and mapped addresses, and what `any` means"),
    row("Auto NAT Policies", NotModelled, "`show nat` output"),
    row("Cryptochecksum", Irrelevant, ""),
    row("Manual NAT Policies", NotModelled, "`show nat` output"),
    row("NGFW Version", Modelled, "FTD: read as 9"),
    row("PIX Version", Modelled, "as `ASA Version`, from 7 on; PIX 6 is not read"),
    row("aaa accounting", Irrelevant, ""),
    row("aaa authentication", Irrelevant, "`console` forms"),
    row("aaa authentication exclude", NotModelled, "users need not log in first"),
    row("aaa authentication include", NotModelled, "users log in first"),
    row("aaa authentication listener", NotModelled, "users log in first"),
    row("aaa authentication match", NotModelled, "users log in first"),
    row("aaa authorization", Irrelevant, ""),
    row("aaa local", Irrelevant, ""),
    row("aaa mac-exempt", Irrelevant, ""),
    row("aaa proxy-limit", Irrelevant, ""),
    row("aaa-server", Irrelevant, ""),
    row(
        "access-group",
        Modelled,
        "in, out, global, control-plane; per-user-override is an unknown condition",
    ),
    row(
        "access-list",
        Modelled,
        "extended, and `advanced` of FTD; EtherType lists as far as they stop IP; standard lists select addresses; webtype lists are read, not lowered",
    ),
    row("alert-interval", Irrelevant, "`show access-list` output"),
    row("allocate-interface", Irrelevant, ""),
    row("anyconnect-custom-attr", Irrelevant, ""),
    row("anyconnect-custom-data", Irrelevant, ""),
    row("app-agent", Irrelevant, ""),
    row("arp", Irrelevant, ""),
    row("arp-inspection", NotModelled, "layer 2"),
    row("as-path", Irrelevant, ""),
    row("asdm", Irrelevant, ""),
    row("asp", Irrelevant, ""),
    row("auth-prompt", Irrelevant, ""),
    row("auto-update", Irrelevant, ""),
    row("banner", Irrelevant, ""),
    row("bfd", Irrelevant, ""),
    row("bfd-template", Irrelevant, ""),
    row("blocks", Irrelevant, ""),
    row("boot", Irrelevant, ""),
    row("call-home", Irrelevant, ""),
    row("capture", Irrelevant, ""),
    row("checkheaps", Irrelevant, ""),
    row("class", Irrelevant, "resource class of the system configuration"),
    row("class-map", Modelled, "`match any`, `access-list`, `port`, `default-inspection-traffic`"),
    row("class-map type", Irrelevant, "selects within an inspected protocol"),
    row("clear", Irrelevant, ""),
    row("clear configure", NotModelled, "takes lines out"),
    row("clear configure access-group", Modelled, "the lines before it are gone"),
    row("clear configure access-list", Modelled, "the list is empty from there on"),
    row("clear configure global", Modelled, "the lines before it are gone"),
    row("clear configure http", Modelled, "the lines before it are gone"),
    row("clear configure icmp", Modelled, "the lines before it are gone"),
    row("clear configure nat", Modelled, "the lines before it are gone"),
    row("clear configure route", Modelled, "the lines before it are gone"),
    row("clear configure service-policy", Modelled, "the lines before it are gone"),
    row("clear configure snmp-server", Modelled, "the lines before it are gone"),
    row("clear configure ssh", Modelled, "the lines before it are gone"),
    row("clear configure static", Modelled, "the lines before it are gone"),
    row("clear configure telnet", Modelled, "the lines before it are gone"),
    row("clock", Irrelevant, ""),
    row("cluster", Irrelevant, ""),
    row("command-alias", Irrelevant, ""),
    row("community-list", Irrelevant, ""),
    row("compression", Irrelevant, ""),
    row("config-register", Irrelevant, ""),
    row("configure", Irrelevant, ""),
    row("conn", Irrelevant, ""),
    row("console", Irrelevant, ""),
    row("context", NotModelled, "the contexts' configurations are files of their own"),
    row("coredump", Irrelevant, ""),
    row("cpu", Irrelevant, ""),
    row("crashinfo", Irrelevant, ""),
    row("crypto", Irrelevant, "keys, proposals, certificates; `enable` lines open the box for IKE"),
    row("crypto map", Modelled, "traffic that may come through the tunnel is an unknown condition"),
    row("ctl-file", Irrelevant, ""),
    row("ctl-provider", Irrelevant, ""),
    row("cts", Irrelevant, ""),
    row("cxsc", Irrelevant, ""),
    row("database", Irrelevant, ""),
    row("ddns", Irrelevant, ""),
    row("debug", Irrelevant, ""),
    row("dhcp", Irrelevant, ""),
    row("dhcp-client", Irrelevant, ""),
    row("dhcpd", Modelled, "`enable` opens the box for DHCP"),
    row("dhcprelay", Modelled, "`enable` opens the box for DHCP"),
    row("diameter", Irrelevant, ""),
    row("dns", Irrelevant, ""),
    row("dns-group", Irrelevant, ""),
    row("dns-guard", Irrelevant, ""),
    row("domain-name", Irrelevant, ""),
    row("dynamic-access-policy-config", Irrelevant, "terms for VPN users"),
    row("dynamic-access-policy-record", Irrelevant, "terms for VPN users"),
    row("dynamic-filter", NotModelled, "botnet traffic filter"),
    row("dynamic-map", Irrelevant, ""),
    row("eject", Irrelevant, ""),
    row("email", Irrelevant, ""),
    row("enable", Irrelevant, ""),
    row("end", Irrelevant, ""),
    row("environment", Irrelevant, ""),
    row("established", Modelled, "an unknown condition"),
    row("eula", Irrelevant, ""),
    row("event", Irrelevant, ""),
    row("exception", Irrelevant, ""),
    row("exit", Irrelevant, ""),
    row("failover", Irrelevant, ""),
    row("filter", NotModelled, "URL, Java and ActiveX filtering"),
    row("fips", Irrelevant, ""),
    row("firewall transparent", Modelled, "multicast follows the access-lists"),
    row("fixup", NotModelled, "inspection of PIX 6"),
    row("floodguard", Irrelevant, ""),
    row("flow-export", Irrelevant, ""),
    row("flow-offload", Irrelevant, ""),
    row("forward-reference", Irrelevant, ""),
    row("fqdn", Irrelevant, ""),
    row("fragment", Irrelevant, ""),
    row("ftp", Irrelevant, ""),
    row("ftp-map", Irrelevant, ""),
    row("global", Modelled, "before 8.3"),
    row("group-delimiter", Irrelevant, ""),
    row("group-object", Irrelevant, ""),
    row("group-policy", Irrelevant, "but see `vpn-filter`"),
    row("gtp-map", Irrelevant, ""),
    row("h225-map", Irrelevant, ""),
    row("hostname", Irrelevant, ""),
    row("hpm", Irrelevant, ""),
    row("http", Modelled, "who reaches ASDM; `server enable` with its port, `redirect`"),
    row("http-map", Irrelevant, ""),
    row("hw-module", Irrelevant, ""),
    row("icmp", Modelled, "ICMP to the box"),
    row("id", Irrelevant, ""),
    row("id-cert-issuer", Irrelevant, ""),
    row("imap4s", Irrelevant, ""),
    row("interface", Modelled, "nameif, security-level, addresses, management-only, shutdown, bridge-group"),
    row("ip", Irrelevant, ""),
    row("ip audit", NotModelled, "signatures that drop or reset"),
    row("ip local pool", Modelled, "addresses of VPN users"),
    row("ip verify", Irrelevant, ""),
    row(
        "ip verify reverse-path",
        Modelled,
        "sources of networks and static routes are known to lie behind an interface or not; others are a condition that only forged packets meet",
    ),
    row("ipsec-udp", Irrelevant, ""),
    row("ipv6 access-list", Modelled, "before 9.0"),
    row("ipv6 enforce-eui64", NotModelled, "layer 2"),
    row("ipv6 icmp", Modelled, "ICMPv6 to the box"),
    row("ipv6 local pool", Modelled, "addresses of VPN users"),
    row("ipv6 neighbor", Irrelevant, ""),
    row("ipv6 route", Modelled, "for `ip verify reverse-path`; the packet tells its interfaces"),
    row("ipv6-vpn-addr-assign", Irrelevant, ""),
    row("isakmp", Irrelevant, ""),
    row("jumbo-frame", Irrelevant, ""),
    row("key", Irrelevant, ""),
    row("l2tp", Irrelevant, ""),
    row("lacp", Irrelevant, ""),
    row("ldap", Irrelevant, ""),
    row("ldap-attribute-map", Irrelevant, ""),
    row("license", Irrelevant, ""),
    row("license-server", Irrelevant, ""),
    row("lisp", Irrelevant, ""),
    row("logging", Irrelevant, ""),
    row("logout", Irrelevant, ""),
    row("mac-address", Irrelevant, ""),
    row("mac-address-table", Irrelevant, ""),
    row("mac-learn", NotModelled, "layer 2"),
    row("mac-list", Irrelevant, ""),
    row("management-access", Modelled, "an unknown condition: through the tunnel only"),
    row("map-domain", NotModelled, "MAP translation"),
    row("mdm-proxy", Irrelevant, ""),
    row("media-termination", Irrelevant, ""),
    row("media-type", Irrelevant, ""),
    row("memory", Irrelevant, ""),
    row("mfib", Irrelevant, ""),
    row("mgcp-map", Irrelevant, ""),
    row("mode", Irrelevant, ""),
    row("monitor-interface", Irrelevant, ""),
    row("mount", Irrelevant, ""),
    row("mroute", Irrelevant, ""),
    row("mtu", Irrelevant, ""),
    row("multicast-routing", Modelled, "multicast may pass: an unknown condition"),
    row("name", Modelled, "names stand for addresses"),
    row("name-interface", Irrelevant, ""),
    row("names", Irrelevant, ""),
    row("nameserver", Irrelevant, ""),
    row("nat", Modelled, "object and twice NAT; `nat (interface) id` before 8.3"),
    row("nat-control", Modelled, "an unknown condition, before 8.3"),
    row("ntp", Irrelevant, ""),
    row("nve", Irrelevant, ""),
    row("object", Modelled, "network and service"),
    row("object network-service", NotModelled, "entries that name it are unknown"),
    row(
        "object-group",
        Modelled,
        "network, service, protocol, icmp-type; user and security are unknown conditions",
    ),
    row("object-group-search", Irrelevant, "memory against speed: the meaning stays"),
    row("packet-tracer", Irrelevant, ""),
    row("pager", Irrelevant, ""),
    row("passwd", Irrelevant, ""),
    row("password", Irrelevant, ""),
    row("password-history", Irrelevant, ""),
    row("password-policy", Irrelevant, ""),
    row("pim", Irrelevant, ""),
    row("policy-list", Irrelevant, ""),
    row("policy-map", Modelled, "inspections, and TCP state bypass as an unknown condition"),
    row("policy-map type", Irrelevant, "an inspection's parameters"),
    row("policy-route", Modelled, "routes no longer tell what lies behind an interface"),
    row("pop3s", Irrelevant, ""),
    row("prefix-list", Irrelevant, ""),
    row("priority-queue", Irrelevant, ""),
    row("privilege", Irrelevant, ""),
    row("prompt", Irrelevant, ""),
    row("quit", Irrelevant, ""),
    row("quota", Irrelevant, ""),
    row("radius-common-pw", Irrelevant, ""),
    row("regex", Irrelevant, ""),
    row("remote-access", Irrelevant, ""),
    row("resource", Irrelevant, ""),
    row("rest-api", Irrelevant, ""),
    row("route", Modelled, "for `ip verify reverse-path`; the packet tells its interfaces"),
    row("route-map", Irrelevant, ""),
    row("router", Irrelevant, "a routing process opens the box for its protocol"),
    row("same-security-traffic", Modelled, ""),
    row("scansafe", NotModelled, "web traffic is redirected"),
    row("service", Irrelevant, ""),
    row("service call-home", Irrelevant, ""),
    row("service resetinbound", Modelled, "denied TCP towards higher levels is answered by a reset"),
    row(
        "service resetoutbound",
        Modelled,
        "denied TCP towards lower levels is answered by a reset unless taken back",
    ),
    row(
        "service resetoutside",
        Modelled,
        "denied TCP to the box on the lowest interface is answered by a reset",
    ),
    row("service-interface", Irrelevant, ""),
    row("service-module", Irrelevant, ""),
    row("service-policy", Modelled, ""),
    row("setup", Irrelevant, ""),
    row("show", Irrelevant, ""),
    row("show nat", NotModelled, "rules as `show nat` prints them"),
    row("shun", NotModelled, ""),
    row("sip-map", Irrelevant, ""),
    row("sla", Irrelevant, ""),
    row("smtp-server", Irrelevant, ""),
    row("smtps", Irrelevant, ""),
    row("snmp", Irrelevant, ""),
    row("snmp-map", Irrelevant, ""),
    row("snmp-server", Modelled, "`host` lines that may poll"),
    row("software", Irrelevant, ""),
    row("speed", Irrelevant, ""),
    row("ssh", Modelled, "who reaches the box"),
    row("ssl", Irrelevant, ""),
    row("static", Modelled, "before 8.3"),
    row("sunrpc-server", NotModelled, "opens what Sun RPC announces"),
    row("switchport", Irrelevant, ""),
    row("sysopt", Irrelevant, ""),
    row("sysopt connection permit-vpn", Modelled, "on unless taken back"),
    row("sysopt connection reclassify-vpn", Irrelevant, ""),
    row("tcp-map", Irrelevant, ""),
    row("telnet", Modelled, "who reaches the box"),
    row("terminal", Irrelevant, ""),
    row("tftp-server", Irrelevant, ""),
    row("threat-detection", Irrelevant, "counts; `shun` blocks scanners for a time"),
    row("time-range", Modelled, "an unknown condition"),
    row("timeout", Modelled, "`conn`, `udp`, `h323` and `sip_media` are held against what calls need"),
    row("tls-proxy", Irrelevant, ""),
    row("track", Irrelevant, ""),
    row("translate_hits", Irrelevant, "`show nat` output"),
    row("tunnel-group", Irrelevant, ""),
    row("tunnel-group-map", Irrelevant, ""),
    row("uc-ime", Irrelevant, ""),
    row("unified-communications", Irrelevant, ""),
    row("url-block", Irrelevant, ""),
    row("url-cache", Irrelevant, ""),
    row("url-list", Irrelevant, ""),
    row("url-server", NotModelled, "URL filtering"),
    row("user-identity", Irrelevant, ""),
    row("user-statistics", Irrelevant, ""),
    row("username", Irrelevant, "but see `vpn-filter`"),
    row("verify", Irrelevant, ""),
    row("virtual", Irrelevant, ""),
    row("vlan", Irrelevant, ""),
    row("vpdn", Irrelevant, ""),
    row("vpn", Irrelevant, ""),
    row("vpn-addr-assign", Irrelevant, ""),
    row("vpn-filter", Modelled, "in group-policy and username: traffic of the tunnel has to pass the list"),
    row("vpn-sessiondb", Irrelevant, ""),
    row("vpnclient", Irrelevant, ""),
    row("vpnsetup", Irrelevant, ""),
    row("wccp", NotModelled, "web traffic is redirected"),
    row("webvpn", Modelled, "`enable` opens the box for VPN clients"),
    row("wr", Irrelevant, ""),
    row("write", Irrelevant, ""),
    row("xlate", Irrelevant, ""),
    row("zone", Irrelevant, "interfaces of one traffic zone share connections"),
    row("zonelabs-integrity", Irrelevant, ""),
];

/// Commands whose block scripts write without indentation.
const BLOCKS: &[&str] = &[
    "aaa-server",
    "call-home",
    "class-map type",
    "context",
    "crypto",
    "dns",
    "dynamic-access-policy-record",
    "group-policy",
    "ldap",
    "license",
    "nve",
    "policy-map type",
    "route-map",
    "router",
    "sla",
    "tcp-map",
    "tls-proxy",
    "tunnel-group",
    "username",
];

/// Whether lines at the margin can belong to a command's block.
pub(super) fn opens_block(command: &str) -> bool {
    BLOCKS.contains(&command)
}

/// The row of a line's command: the longest one that fits.
pub(super) fn look_up(w: &Words<'_, '_>) -> Option<&'static Command> {
    let skip = usize::from(w.peek() == Some("no"));
    let first = w.peek_at(skip)?;
    let first = first.split_once(':').map_or(first, |(first, _)| first);
    if first.bytes().all(|b| b.is_ascii_digit())
        && w.peek_at(skip + 1).is_some_and(|word| word.starts_with('('))
    {
        return find("show nat");
    }
    let mut words = first.to_string();
    let mut hit = find(&words);
    for more in 1..3 {
        let Some(word) = w.peek_at(skip + more) else { break };
        if words.len() + word.len() > 40 {
            break;
        }
        words.push(' ');
        words.push_str(word);
        hit = find(&words).or(hit);
    }
    hit
}

/// What is to be known about a command; empty where there is nothing.
pub(super) fn note(words: &str) -> &'static str {
    find(words).map_or("", |row| row.note)
}

fn find(words: &str) -> Option<&'static Command> {
    TABLE.binary_search_by(|row| row.words.cmp(words)).ok().map(|at| &TABLE[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by(|a, b| a.words < b.words));
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = include_str!("../README.md");
        for row in TABLE {
            let word = match row.support {
                Modelled => "modelled",
                Irrelevant => "irrelevant",
                NotModelled => "not modelled",
                Support::Unknown => unreachable!("no row is unknown"),
            };
            let line = format!("| `{}` | {word} | {} |", row.words, row.note);
            assert!(readme.lines().any(|l| l == line), "missing in README.md: {line}");
        }
    }
}
