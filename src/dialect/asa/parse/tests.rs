use super::super::ast::{
    Ace, Action, Address, Direction, Entry, Families, Host, Icmp, Member, Ports, Protocol, Service,
};
use super::*;
use crate::dialect::{Dialect, Environment, Loaded, load};
use crate::source::SourceMap;

/// Reads a text, and gives the tree to `look` with the codes of what there is to say.
fn read<T>(text: &str, look: impl FnOnce(&Config<'_>, &[&str]) -> T) -> T {
    let mut sources = SourceMap::new();
    let id = sources.add("config", text.as_bytes().to_vec()).unwrap();
    let broken = [broken(sources.file(id))];
    let (config, findings, _) = parse([sources.file(id)], &broken);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code()).collect();
    look(&config, &codes)
}

fn loaded(bytes: Vec<u8>) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("config", bytes).unwrap();
    load(Dialect::Asa, &mut sources, &[id], &Environment::default())
}

fn ace(line: &str, look: impl FnOnce(&Ace<'_>)) {
    read(line, |config, codes| {
        assert!(codes.is_empty(), "{line}: {codes:?}");
        let Some(Entry::Extended(ace)) = config.acls[0].entries.last() else { panic!("{line}") };
        look(ace);
    });
}

#[test]
fn entries_of_all_forms() {
    ace("access-list a permit tcp any host 10.1.1.5 eq h323", |ace| {
        assert_eq!(ace.action, Action::Permit);
        assert_eq!(ace.destination, Address::Host(Host::V4(0x0a01_0105)));
        assert_eq!(ace.service.destination, Ports::Eq(1720));
    });
    ace(
        "access-list a extended deny udp 10.0.0.0 255.0.0.0 range 1024 sip any6 gt 5 log 4 interval 600 inactive",
        |ace| {
            assert_eq!(ace.service.source, Ports::Range(1024, 5060));
            assert_eq!((ace.destination, ace.service.destination), (Address::Any6, Ports::Gt(5)));
            assert!(ace.inactive && ace.log);
        },
    );
    ace("access-list a extended permit icmp any any unreachable 4 log disable time-range t", |ace| {
        assert_eq!(ace.service.icmp, Icmp::Type(3, Some(4)));
        assert!(!ace.log && ace.time_range.unwrap().text == "t");
    });
    ace("access-list a extended permit icmp6 any any packet-too-big", |ace| {
        assert_eq!(ace.service.icmp, Icmp::Type(2, None));
    });
    ace("access-list a extended permit 57 interface outside 2001:db8::/32", |ace| {
        assert_eq!(ace.service.protocol, Protocol::Number(57));
        assert!(matches!(ace.source, Address::Interface(name) if name.text == "outside"));
        assert_eq!(ace.destination, Address::Prefix(0x2001_0db8 << 96, 32));
    });
    ace(
        "access-list a extended permit tcp user LOCAL\\\\x object-group-security s any security-group tag 5 any",
        |ace| {
            let kinds: Vec<_> = ace.identities.iter().map(|identity| identity.kind).collect();
            assert_eq!(kinds, ["user", "object-group-security", "security-group"]);
        },
    );
    ace("ipv6 access-list a permit tcp any host 2001:db8::1 eq 443", |ace| {
        assert_eq!(ace.destination, Address::Host(Host::V6((0x2001_0db8 << 96) | 1)));
    });
}

#[test]
fn a_group_after_an_address_is_ports_or_an_address() {
    let defined = "object-group service p tcp\n port-object eq 80\naccess-list a extended permit tcp object-group x object-group p object-group y object-group p\n";
    ace(defined, |ace| {
        assert!(matches!(ace.service.source, Ports::Group(name) if name.text == "p"));
        assert!(matches!(ace.destination, Address::Group(name) if name.text == "y"));
        assert!(matches!(ace.service.destination, Ports::Group(name) if name.text == "p"));
    });
    // Nothing is defined here: only one reading gives an entry.
    ace("access-list a extended permit tcp any object-group q host 10.1.1.1", |ace| {
        assert!(matches!(ace.service.source, Ports::Group(name) if name.text == "q"));
    });
    ace("access-list a extended permit tcp any object-group q object-group r", |ace| {
        assert!(matches!(ace.destination, Address::Group(name) if name.text == "q"));
        assert!(matches!(ace.service.destination, Ports::Group(name) if name.text == "r"));
    });
}

#[test]
fn line_numbers_put_entries_in_their_place() {
    let text = "access-list a extended permit tcp any any eq 1\naccess-list a extended permit tcp any any eq 3\n\
                access-list a line 2 extended permit tcp any any eq 2\naccess-list a line 1 remark first\n";
    read(text, |config, _| {
        let ports: Vec<_> = config.acls[0]
            .entries
            .iter()
            .map(|entry| match entry {
                Entry::Extended(ace) => ace.service.destination,
                _ => Ports::Any,
            })
            .collect();
        assert_eq!(ports, [Ports::Any, Ports::Eq(1), Ports::Eq(2), Ports::Eq(3)]);
    });
    let text = "access-list a extended permit ip any any\nclear configure access-list a\naccess-list a extended deny ip any any\n";
    read(text, |config, _| assert_eq!(config.acls[0].entries.len(), 1));
}

#[test]
fn shown_lists_keep_entry_and_elements_apart() {
    let text = "access-list cached ACL log flows: total 0, denied 0 (deny-flow-max 4096)\n            alert-interval 300\n\
                access-list t; 2 elements; name hash: 0xcb4257a3\n\
                access-list t line 1 extended permit tcp object-group g any eq ssh log informational interval 300 (hitcnt=3) 0x26e50070 \n\
                \u{20} access-list t line 1 extended permit tcp host 10.1.1.10 (a.example.com) any eq ssh (hitcnt=3) 0x44aceee4 \n\
                \u{20} access-list t line 1 extended permit tcp fqdn b.example.com (unresolved) any eq ssh (inactive) 0x27806b87 \n";
    read(text, |config, codes| {
        assert!(codes.is_empty(), "{codes:?}");
        assert_eq!(config.rules, 1);
        let Entry::Extended(ace) = &config.acls[0].entries[0] else { panic!() };
        assert!(ace.shown && ace.elements.len() == 2);
        assert_eq!(ace.elements[0].identities[0].name.text, "a.example.com");
        assert!(
            matches!(ace.elements[1].source, Address::Fqdn(name, Families::Both) if name.text == "b.example.com")
        );
        assert!(!ace.elements[1].inactive, "not resolved is not switched off");
    });
}

#[test]
fn blocks_with_and_without_indentation() {
    let lines = [
        "interface GigabitEthernet0/1",
        "nameif outside",
        "security-level 0",
        "ip address 198.51.100.1 255.255.255.0",
        "no shut",
    ];
    let rest = "object network mcu\nhost 10.1.1.5\nnat (inside,outside) static 198.51.100.5\nobject-group network g\nnetwork-object object mcu\n\
                nat (inside,outside) source static mcu mcu\nroute outside 0.0.0.0 0.0.0.0 198.51.100.254\n";
    for indent in ["", " ", "  "] {
        let text = format!("{}\n{indent}{}\n{rest}", lines[0], lines[1..].join(&format!("\n{indent}")));
        read(&text, |config, codes| {
            assert!(codes.is_empty(), "{codes:?}");
            let interface = &config.interfaces[0];
            assert_eq!(interface.name.unwrap().text, "outside");
            assert_eq!(interface.v4, Some((Host::V4(0xc633_6401), 0xffff_ff00)));
            assert!(!interface.shutdown);
            assert!(config.objects[0].nat.is_some());
            assert_eq!((config.groups[0].members.len(), config.nats.len(), config.routes.len()), (1, 1, 1));
        });
    }
}

#[test]
fn a_comment_does_not_end_a_block() {
    read(
        "object-group network g\n network-object host 1.1.1.1\n!network-object host 2.2.2.2\n network-object host 3.3.3.3\n!\n",
        |config, codes| {
            assert!(codes.is_empty());
            assert_eq!(config.groups[0].members.len(), 2);
        },
    );
}

#[test]
fn groups_of_all_kinds() {
    let text = "object-group service s\n service-object tcp-udp destination eq sip\n service-object icmp echo 0\n service-object 137\n\
                object-group icmp-type i\n icmp-object echo\n icmp-object packet-too-big\n\
                object-group user u\n user-group EXAMPLE\\\\x\nobject-group protocol p\n protocol-object gre\n";
    read(text, |config, codes| {
        assert!(codes.is_empty(), "{codes:?}");
        let (_, first) = config.groups[0].members[0];
        let sip = Service { destination: Ports::Eq(5060), ..Service::of(Protocol::TcpUdp) };
        assert_eq!(first, Member::Service(sip));
        assert_eq!(config.groups.iter().map(|group| group.members.len()).collect::<Vec<_>>(), [3, 2, 1, 1]);
    });
}

#[test]
fn translations_of_all_forms() {
    let text = "nat (inside,outside) 3 source dynamic any pat-pool p interface round-robin destination static a b service x y unidirectional description static inactive\n\
                nat (any,outside) after-auto source static a b inactive\n\
                nat (inside) 0 access-list n\nnat (inside) 1 0 0\nglobal (outside) 1 198.51.100.5-198.51.100.9 netmask 255.255.255.0\nglobal (outside) 2 interface\n\
                static (inside,outside) tcp interface www 10.1.1.5 8080 netmask 255.255.255.255\n";
    read(text, |config, codes| {
        assert!(codes.is_empty(), "{codes:?}");
        assert!(
            config.nats[0].unidirectional && !config.nats[0].inactive && config.nats[0].services.is_some()
        );
        assert!(
            config.nats[1].after_auto && config.nats[1].inactive && config.nats[1].interfaces.0.is_none()
        );
        assert_eq!(config.old_nats.len(), 5);
    });
}

#[test]
fn a_syntax_error_costs_one_line() {
    let text = "access-list a extended permit tcp any host 10.1.1.5 eq\naccess-list a extended permit tcp any any established\n\
                access-list a extended permit udp any any eq 5060\naccess-group a sideways interface outside\naccess-group a in interface outside\n";
    read(text, |config, codes| {
        assert_eq!(codes, ["PH001"; 3]);
        assert_eq!(config.acls[0].entries.len(), 3, "what could not be read keeps its place");
        assert_eq!(config.access_groups[0].direction, Direction::In);
    });
}

#[test]
fn commands_are_classified() {
    let text = "hostname x\nusername admin attributes\n service-type admin\n vpn-filter value f\ncrypto ca certificate chain y\n certificate 01\n    30820122 300d0609\n  quit\n\
                frobnicate 5\nwccp web-cache\n";
    read(text, |config, codes| {
        let found: Vec<_> = config.others.iter().map(|other| (other.command, other.support)).collect();
        assert_eq!(
            found,
            [
                ("hostname", Support::Irrelevant),
                ("username", Support::Irrelevant),
                ("crypto", Support::Irrelevant),
                ("frobnicate", Support::Unknown),
                ("wccp", Support::NotModelled)
            ]
        );
        assert_eq!(codes, ["PH002"; 2]);
        assert_eq!((config.vpn_filters[0].policy, config.vpn_filters[0].acl.text), ("admin", "f"));
    });
}

#[test]
fn versions() {
    for (line, wanted) in [
        ("ASA Version 9.6(3)8", (9, 6)),
        ("PIX Version 7.2(1)", (7, 2)),
        ("ASA Version 8.2(5) <context>", (8, 2)),
    ] {
        read(line, |config, _| {
            let (version, _) = config.version.unwrap();
            assert_eq!((version.major, version.minor), wanted);
        });
    }
    read(
        "ASA Version 9.1(2) <system>\ncontext a\n allocate-interface G0/0\n config-url disk0:/a.cfg\n",
        |_, codes| {
            assert_eq!(codes, ["PH002"], "the contexts are elsewhere");
        },
    );
}

#[test]
fn hostile_input_ends_in_findings() {
    let deep: String =
        (0..20_000).map(|i| format!("object-group network g{i}\n group-object g{}\n", i + 1)).collect();
    let found = loaded(format!("{deep}object-group network g20000\n network-object host 10.0.0.1\n access-list a extended permit ip object-group g0 any\n").into_bytes());
    assert!(found.findings.iter().all(|finding| finding.code() != "PH001" && finding.code() != "PH004"));
    let circle = "object-group network a\n group-object b\nobject-group network b\n group-object a\n network-object host 10.0.0.1\n";
    assert!(loaded(circle.into()).findings.iter().any(|finding| finding.code() == "PH004"));
    let long = format!("access-list a extended permit tcp any any eq {}\n", "9".repeat(10_000_000));
    assert!(loaded(long.into_bytes()).findings.iter().any(|finding| finding.code() == "PH003"));
    let broken = b"access-list a extended permit\0tcp any \xff\xfe any\naccess-list a extended per".to_vec();
    assert!(loaded(broken).findings.iter().filter(|finding| finding.code() == "PH001").count() >= 2);
    let whole = include_str!("../../../../fixtures/asa/cases/nat.cfg");
    for end in 0..whole.len() {
        loaded(whole.as_bytes()[..end].to_vec());
    }
}
