//! Names of services and protocols, as a BSD system knows them.

/// Services: name and port.
const SERVICES: &[(&str, u16)] = &[
    ("echo", 7), ("discard", 9), ("daytime", 13), ("chargen", 19), ("ftp-data", 20), ("ftp", 21), ("ssh", 22), ("telnet", 23), ("smtp", 25),
    ("time", 37), ("whois", 43), ("domain", 53), ("bootps", 67), ("bootpc", 68), ("tftp", 69), ("gopher", 70), ("finger", 79), ("http", 80),
    ("www", 80), ("kerberos", 88), ("pop3", 110), ("sunrpc", 111), ("auth", 113), ("ident", 113), ("nntp", 119), ("ntp", 123),
    ("epmap", 135), ("netbios-ns", 137), ("netbios-dgm", 138), ("netbios-ssn", 139), ("imap", 143), ("snmp", 161), ("snmptrap", 162),
    ("snmp-trap", 162), ("bgp", 179), ("irc", 194), ("imap3", 220), ("ldap", 389), ("https", 443), ("microsoft-ds", 445), ("submissions", 465),
    ("smtps", 465), ("isakmp", 500), ("exec", 512), ("login", 513), ("shell", 514), ("syslog", 514), ("printer", 515), ("route", 520),
    ("submission", 587), ("ipp", 631), ("ldaps", 636), ("rsync", 873), ("ftps", 990), ("imaps", 993), ("pop3s", 995), ("socks", 1080),
    ("openvpn", 1194), ("l2tp", 1701), ("h323hostcall", 1720), ("radius", 1812), ("radius-acct", 1813), ("nfsd", 2049), ("nfs", 2049), ("cvspserver", 2401),
    ("mysql", 3306), ("rdp", 3389), ("ipsec-msft", 4500), ("ipsec-nat-t", 4500), ("sip", 5060), ("sip-tls", 5061), ("xmpp-client", 5222), ("xmpp-server", 5269),
    ("mdns", 5353), ("postgresql", 5432), ("syslog-tls", 6514), ("irc-serv", 6667), ("bacula-dir", 9101), ("ftp-proxy", 8021), ("spamd", 8025), ("spamd-cfg", 8026), ("http-alt", 8080),
];

/// Protocols: name and number; the first name of a number is the one pfctl prints.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ip", 0), ("icmp", 1), ("igmp", 2), ("ggp", 3), ("ipencap", 4), ("ipv4", 4), ("st2", 5), ("tcp", 6), ("egp", 8), ("igp", 9), ("udp", 17), ("dccp", 33), ("ipv6", 41),
    ("ipv6-route", 43), ("ipv6-frag", 44), ("rsvp", 46), ("gre", 47), ("esp", 50), ("ah", 51), ("skip", 57), ("ipv6-icmp", 58), ("icmp6", 58), ("icmpv6", 58),
    ("ipv6-nonxt", 59), ("ipv6-opts", 60), ("eigrp", 88), ("ospf", 89), ("ipip", 94), ("etherip", 97), ("encap", 98), ("pim", 103), ("ipcomp", 108), ("carp", 112), ("vrrp", 112), ("l2tp", 115),
    ("sctp", 132), ("udplite", 136), ("mpls-in-ip", 137), ("pfsync", 240),
];

/// The port of a service of TCP, else of UDP.
pub fn service(name: &str) -> Option<u16> {
    SERVICES.iter().find(|(known, _)| *known == name).map(|(_, port)| *port)
}

/// The number of a protocol; names may be written in upper case.
pub fn protocol(name: &str) -> Option<u8> {
    let lower = name.to_ascii_lowercase();
    PROTOCOLS.iter().find(|(known, _)| *known == lower).map(|(_, number)| *number)
}

/// The name of a protocol.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}
