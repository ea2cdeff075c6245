//! What reading a configuration of an ASA has to say, and the names of what it does not tell.
//!
//! Sources: *Cisco ASA Series Command Reference*, `access-list extended` (users before the source, security
//! groups before the address that they are about), `time-range`, `vpn-filter`, `ip verify reverse-path`,
//! `multicast-routing`; *Cisco Security Appliance Command Reference* 8.2, `static`.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{About, ChainKind, Effect, NatAddr, Nature, Step, Test};
use pinhole::packet::{Family, Field};
use pinhole::source::SourceMap;

const INTERFACES: &str = "ASA Version 9.8(4)\ninterface Ethernet0\n nameif outside\n security-level 0\n \
                          ip address 198.51.100.1 255.255.255.0\ninterface Ethernet1\n nameif inside\n \
                          security-level 100\n ip address 10.1.1.1 255.255.255.0\n";

fn read(text: &str) -> (Loaded, Vec<(&'static str, u32)>) {
    let mut sources = SourceMap::new();
    let id = sources.add("config", text.as_bytes().to_vec()).unwrap();
    let loaded = load(Dialect::Asa, &mut sources, &[id], &Environment::default());
    let place = |span| sources.file_of(span).map_or(0, |file| file.place(span.start).line);
    let found = loaded.findings.iter().map(|f| (f.code(), f.span.map_or(0, &place))).collect();
    (loaded, found)
}

fn said(text: &str) -> Vec<(&'static str, u32)> {
    let (_, mut found) = read(text);
    found.retain(|(code, _)| *code != "PH536");
    found
}

#[test]
fn what_decides_nothing_is_told() {
    let list = "access-list a extended permit tcp any any eq 80\n";
    assert_eq!(said(list), [("PH430", 1)], "a list alone");
    assert_eq!(
        said(&format!("{list}access-list b extended permit ip any any\n")),
        [("PH430", 1)],
        "said once"
    );
    assert!(said("*filter\n-A INPUT -j ACCEPT\nCOMMIT\n").contains(&("PH001", 1)), "another language");
    assert!(
        said("hostname r1\nip access-list extended a\n permit ip any any\n").contains(&("PH001", 2)),
        "IOS"
    );
    let old = ": Saved\nPIX Version 6.3(5)\nfixup protocol h323 h225 1720\nconduit permit icmp any any\n";
    assert_eq!(said(old), [("PH001", 2)], "PIX 6, said once");
    let (loaded, _) = read(old);
    assert!(
        loaded.ruleset.conditions.iter().any(|of| of.name == "PIX Version 6.3(5)"),
        "and nothing is certain"
    );
    let quiet = "threat-detection basic-threat\nfloodguard enable\nclear xlate\ndynamic-access-policy-record X\nid: 5\n";
    assert_eq!(said(quiet), []);
}

#[test]
fn addresses_that_were_made_unreadable_are_no_names() {
    let text = "interface Ethernet0\n nameif outside\n security-level 0\n ip address 203.0.x.x 255.255.255.0\n\
                access-list a extended permit tcp any host mcu eq 80\naccess-group a in interface outside\n";
    assert_eq!(said(text), [("PH002", 4), ("PH003", 5)]);
}

#[test]
fn a_line_that_takes_back_what_is_not_there_is_told() {
    let text = format!(
        "{INTERFACES}no access-group old in interface outside\nno ssh 192.0.2.0 255.255.255.0 outside\n"
    );
    assert_eq!(said(&text), [("PH002", 10), ("PH002", 11)]);
    let (loaded, _) = read(&text);
    assert!(loaded.ruleset.conditions.iter().any(|of| of.name == "access-group outside"));
}

#[test]
fn the_wrong_side_of_a_translation_is_found_by_what_the_entry_meets() {
    let config = |entry: &str| {
        format!(
            "{INTERFACES}access-list a extended permit {entry}\naccess-group a in interface outside\n\
             static (inside,outside) tcp interface smtp 10.1.1.20 smtp netmask 255.255.255.255\n"
        )
        .replace("9.8(4)", "8.2(5)")
    };
    let wrong = |entry: &str| said(&config(entry)).iter().any(|(code, _)| *code == "PH531");
    assert!(wrong("tcp any host 10.1.1.20 eq smtp"));
    assert!(wrong("tcp any 10.1.1.0 255.255.255.0 eq smtp"), "a network with the real address");
    assert!(wrong("ip any 10.1.1.0 255.255.255.0"));
    assert!(!wrong("tcp any host 10.1.1.20 eq 443"), "no translation for the port");
    assert!(!wrong("tcp any host 198.51.100.1 eq smtp"), "the mapped address");
    assert!(!wrong("tcp any any eq smtp"));
}

#[test]
fn entries_whose_time_is_over_do_nothing() {
    let with = |end: &str| {
        let text = format!(
            "{INTERFACES}time-range t\n absolute end 12:00 1 January {end}\n\
             access-list a extended permit tcp any any eq 80 time-range t\naccess-group a in interface outside\n"
        );
        read(&text).0.ruleset.conditions.iter().any(|of| of.name == "time-range t")
    };
    assert!(with("2999") && !with("2001"));
}

#[test]
fn conditions_say_what_they_look_at() {
    let text = format!(
        "{INTERFACES}object network far\n fqdn v4 far.example.com\n\
         access-list a extended permit tcp object far any eq 80 time-range night\n\
         access-list a extended permit tcp any object far eq 81\n\
         access-list a extended permit tcp user LOCAL\\ann any security-group name rooms any eq 82\n\
         access-list a extended permit tcp any object-group nowhere eq 83\n\
         access-list a extended permit object-group what any any\n\
         access-list a extended permit tcp any any eq frob\n\
         access-group a in interface outside\naccess-group gone in interface inside\n\
         ip verify reverse-path interface outside\nmulticast-routing\nip local pool p 10.9.0.1-10.9.0.9\n\
         webvpn\n enable outside\nclass-map marked\n match dscp ef\npolicy-map p\n class marked\n  inspect sip\n\
         service-policy p global\n"
    );
    let (loaded, _) = read(&text);
    let find = |name: &str| -> Vec<(About, Nature)> {
        let all = loaded.ruleset.conditions.iter().filter(|of| of.name == name);
        all.map(|of| (of.about.clone(), of.nature)).collect()
    };
    let fields = |fields: &[Field]| (About::Fields(fields.to_vec()), Nature::Stable);
    assert_eq!(find("time-range night"), [(About::Nothing, Nature::Stable)]);
    assert_eq!(find("fqdn far.example.com"), [fields(&[Field::Src4]), fields(&[Field::Dst4])]);
    assert_eq!(find("user LOCAL\\ann"), [fields(&[Field::Src4, Field::Src6])]);
    assert_eq!(find("security-group rooms"), [fields(&[Field::Dst4, Field::Dst6])]);
    assert_eq!(find("object-group nowhere"), [fields(&[Field::Dst4]), fields(&[Field::Dst6])]);
    let service = [Field::Proto, Field::Sport, Field::Dport, Field::IcmpType, Field::IcmpCode];
    assert_eq!(find("object-group what"), [fields(&service)]);
    assert_eq!(find("port frob"), [fields(&[Field::Dport])]);
    assert_eq!(find("acl gone"), [(About::Everything, Nature::Stable)]);
    assert_eq!(find("reverse-path outside"), [(About::Everything, Nature::Forgery { honest: false })]);
    assert_eq!(find("vpn outside"), [fields(&[Field::Src4, Field::Src6])]);
    assert_eq!(find("multicast-routing"), [fields(&[Field::Dst4]), fields(&[Field::Dst6])]);
    assert_eq!(find("class-map marked").len(), 1);
    let polarity = loaded.ruleset.steps.iter().filter_map(|step| match step {
        Step::Test(Test::Unknown { cond, negate }) => {
            Some((loaded.ruleset.condition(*cond).name.as_str(), *negate))
        }
        Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => None,
    });
    let polarity: Vec<_> = polarity.collect();
    assert!(polarity.contains(&("multicast-routing", true)) && polarity.contains(&("vpn outside", false)));
    assert!(
        loaded.ruleset.conditions.iter().all(|of| of.nature != Nature::Chance),
        "{:?}",
        loaded.ruleset.conditions
    );
}

#[test]
fn a_translation_to_nowhere_leads_to_no_address() {
    let nat = |line: &str| {
        let (loaded, _) = read(&format!("{INTERFACES}object network real\n host 10.1.1.5\n{line}\n"));
        let unknown = loaded.ruleset.nats.iter().filter(|nat| nat.addr == NatAddr::Unknown).count();
        let nowhere = NatAddr::Pool(Family::V4, 0, 0);
        assert!(loaded.ruleset.nats.iter().all(|nat| nat.addr != nowhere), "{:?}", loaded.ruleset.nats);
        (unknown, loaded.ruleset.nats.len())
    };
    // What comes for an unknown address goes to the real one, what leaves gets an unknown one.
    assert_eq!(nat("nat (inside,outside) source static real gone"), (1, 2));
    assert_eq!(nat("nat (inside,outside) source static gone real"), (1, 2));
    assert_eq!(nat("nat (inside,outside) source static gone lost"), (2, 2));
}

#[test]
fn chains_say_what_their_rules_are() {
    let text = format!(
        "{INTERFACES}object network mcu\n host 10.1.1.5\n nat (inside,outside) static 198.51.100.5\n\
         access-list a extended permit tcp any object mcu eq 1720\naccess-group a in interface outside\n"
    );
    let (loaded, _) = read(&text);
    let of = |kind: ChainKind| -> Vec<&str> {
        let chains = loaded.ruleset.chains.iter().filter(|chain| chain.kind == kind);
        chains.map(|chain| chain.name.as_str()).collect()
    };
    assert_eq!(of(ChainKind::AccessList), ["access-list a"]);
    assert_eq!(of(ChainKind::ImpliedDeny), ["access-list a"]);
    assert_eq!(of(ChainKind::SecurityLevels), ["security levels"]);
    assert_eq!(of(ChainKind::Translation), ["un-nat", "nat reverse path", "nat"]);
    let list = loaded.ruleset.chains.iter().find(|chain| chain.kind == ChainKind::AccessList).unwrap();
    let accepts = |step: &Step| matches!(step, Step::Effect(Effect::Verdict(_)));
    assert_eq!(list.rules.len(), 1, "the implied end is not among the entries");
    assert!(loaded.ruleset.steps_of(&list.rules[0]).iter().any(accepts));
}

#[test]
fn what_is_off_opens_nothing() {
    let with = |lines: &str| said(&format!("{INTERFACES}{lines}"));
    // Telnet to the interface of the lowest level works through a tunnel only.
    assert_eq!(with("telnet 0.0.0.0 0.0.0.0 outside\n"), []);
    assert_eq!(with("ssh 0.0.0.0 0.0.0.0 outside\n"), [("PH537", 10)]);
    let calls = |end: &str| {
        with(&format!(
            "time-range t\n absolute end 12:00 1 January {end}\n\
             access-list a extended permit tcp any host 10.1.1.5 eq h323 time-range t\n\
             access-group a in interface outside\n"
        ))
    };
    assert_eq!(calls("2001"), [("PH435", 11)], "no inspection is missed for what nobody can call");
    assert_eq!(calls("2999"), [("PH532", 12)]);
}

#[test]
fn translations_and_bindings_that_cannot_be_read_leave_connections_open() {
    let list = "access-list a extended permit ip any any\naccess-group a in interface outside\n";
    for line in [
        "nat (outside,inside) source sttic any any",
        "nat (inside,outside) after-auto source",
        "access-group a inn interface inside",
        "static (inside,outside)",
    ] {
        let (loaded, found) = read(&format!("{INTERFACES}{list}{line}\n"));
        assert!(found.iter().any(|(code, _)| *code == "PH001"), "{line}: {found:?}");
        let open = |step: &Step| match step {
            Step::Effect(Effect::Undefined(cond)) => loaded.ruleset.condition(*cond).name == line,
            _ => false,
        };
        assert!(loaded.ruleset.steps.iter().any(open), "{line}");
    }
}
