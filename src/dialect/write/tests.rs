use super::*;
use crate::dialect::asa::write::entries as asa;
use crate::dialect::iptables::write::rules as iptables;
use crate::dialect::nftables::write::rule as nftables;
use crate::dialect::pf::write::{Form, rule as pf};

fn wanted(src: Option<&str>, dst: &str) -> Wanted {
    let prefix = |text: &str| crate::site::parse_prefix(text).unwrap();
    let (src, dst) = (src.map(prefix), prefix(dst));
    let family = Family::of(dst.address).0;
    Wanted { family, src, dst: Some(dst), iif: None, oif: None, protocol: proto::TCP }
}

#[test]
fn each_language_has_its_own_form() {
    let ports = Set::of([(1720, 1720), (1024, 1324)]);
    let wanted = wanted(Some("10.9.0.0/16"), "10.1.2.10/32");
    assert_eq!(
        iptables(&wanted, &ports, Goal::Pass),
        [
            "-s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1024:1324 -j ACCEPT",
            "-s 10.9.0.0/16 -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT",
        ]
    );
    assert_eq!(
        nftables(&wanted, &ports, Goal::Pass, true),
        "ip saddr 10.9.0.0/16 ip daddr 10.1.2.10 tcp dport { 1024-1324, 1720 } accept"
    );
    assert_eq!(
        pf(&wanted, &ports, Goal::Pass, Form::default()),
        "pass inet proto tcp from 10.9.0.0/16 to 10.1.2.10 port { 1024:1324, 1720 }"
    );
    assert_eq!(
        asa(&wanted, &ports, "video", "permit"),
        [
            "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 range 1024 1324",
            "access-list video extended permit tcp 10.9.0.0 255.255.0.0 host 10.1.2.10 eq 1720",
        ]
    );
}

#[test]
fn from_anywhere_and_in_ipv6() {
    let wanted = Wanted { iif: Some("e0".to_string()), ..wanted(None, "2001:db8:2::/64") };
    let ports = Set::one(22);
    assert_eq!(
        iptables(&wanted, &ports, Goal::Answer),
        ["-o e0 -s 2001:db8:2::/64 -p tcp -m tcp --sport 22 -m conntrack --ctstate ESTABLISHED -j ACCEPT"]
    );
    assert_eq!(
        nftables(&wanted, &ports, Goal::Pass, true),
        "iifname \"e0\" ip6 daddr 2001:db8:2::/64 tcp dport 22 accept"
    );
    let form = Form { quick: true, direction: Some("in"), rdr: false };
    assert_eq!(
        pf(&wanted, &ports, Goal::Pass, form),
        "pass in quick on e0 inet6 proto tcp from any to 2001:db8:2::/64 port 22"
    );
    assert_eq!(
        asa(&wanted, &ports, "video", "permit"),
        ["access-list video extended permit tcp any6 2001:db8:2::/64 eq 22"]
    );
}
