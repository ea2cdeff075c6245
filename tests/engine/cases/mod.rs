//! Small configs of which it is known what is right: what the answers hang on is in `fixtures/engine`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use crate::common;

mod destination;
mod places;
mod remedy;
mod witness;

use common::{Finding, Report, Scratch, catalog, check, folder, trace};

/// The site of a scenario, by the name of its file.
fn site(path: &str) -> Report {
    let (place, name) = path.split_once('/').unwrap();
    check(&folder("fixtures/engine").join(place), &["--site", name])
}

/// A config without a site, with a product.
fn alone(path: &str, product: &str, more: &[&str]) -> Report {
    let (place, name) = path.split_once('/').unwrap();
    let mut args = vec!["--no-site", "--catalog", "../catalog", "--product", product];
    args.extend(more);
    args.push(name);
    check(&folder("fixtures/engine").join(place), &args)
}

/// A config on its own.
fn bare(path: &str) -> Report {
    let (place, name) = path.split_once('/').unwrap();
    check(&folder("fixtures/engine").join(place), &["--no-site", name])
}

/// The verdict on one packet, and what it depends on.
fn verdict(path: &str, packet: &str) -> (String, Vec<String>) {
    let (place, name) = path.split_once('/').unwrap();
    let args = ["--no-site", "--packet", packet, name];
    let traced = trace(&folder("fixtures/engine").join(place), &args).remove(0);
    (traced.verdict, traced.depends_on)
}

/// The line of a fixture that holds a text.
fn line(path: &str, text: &str) -> usize {
    let read = std::fs::read_to_string(folder("fixtures/engine").join(path)).unwrap();
    let at = read.lines().position(|line| line.contains(text));
    at.unwrap_or_else(|| panic!("{path} has no line with `{text}`")) + 1
}

/// The services that a product cannot be without, and that others open.
fn needed(product: &str) -> Vec<String> {
    let rows = catalog().into_iter().filter(|row| {
        row.product == product
            && row.severity == "mandatory"
            && row.initiator != "device"
            && !row.internal_only
    });
    rows.map(|row| row.service).collect()
}

/// Asserts that a finding is an error that holds in any case.
#[track_caller]
fn sure(finding: &Finding) {
    assert_eq!((finding.severity.as_str(), finding.depends_on.len()), ("error", 0), "{finding:#?}");
}

/// Asserts that a service is blocked for certain, and by which line.
#[track_caller]
fn blocked(report: &Report, service: &str, by: usize) {
    let finding = report.the("PH101", service);
    sure(finding);
    assert_eq!(finding.line, Some(by), "{}", report.told());
}

mod openings {
    use super::*;

    #[test]
    fn static_translation_of_an_asa_hides_no_opening() {
        let (routed, translated) = (site("asa-static/routed.toml"), site("asa-static/static.toml"));
        let places = |report: &Report, code| report.of(code).map(|f| f.line).collect::<Vec<_>>();
        let range = line("asa-static/static.cfg", "range 1 6000");
        assert_eq!(places(&routed, "PH201"), [Some(range)], "{}", routed.told());
        for report in [&routed, &translated] {
            assert_eq!(places(report, "PH201"), places(&routed, "PH201"), "{}", report.told());
            assert!(!report.about("PH301", "telnet").is_empty(), "{}", report.told());
        }
    }

    #[test]
    fn ports_are_counted_whatever_the_protocol_is_called() {
        let report = site("comma/site.toml");
        let web = report.the("PH102", "web");
        sure(web);
        assert_eq!(web.row("web").unwrap().blocked, [[9443, 9443]]);
        assert!(report.about("PH1", "rtp").is_empty(), "{}", report.told());
        assert!(report.findings.iter().all(|f| !f.message.contains(" 0 ports")), "{}", report.told());
    }
}

mod helper {
    use super::*;

    /// What the telephone opens has no helper, so nothing lets in the far end's media.
    #[track_caller]
    fn of_a_phone(form: &str) {
        let report = site(&format!("helper/phone-inward-{form}.toml"));
        sure(report.the("PH101", "rtp"));
        assert!(report.about("PH1", "sip").is_empty(), "{}", report.told());
        let both = site(&format!("helper/phone-both-{form}.toml"));
        assert!(both.about("PH1", "rtp").iter().all(|f| f.severity != "error"), "{}", both.told());
    }

    #[test]
    fn on_the_other_side_of_a_phone_iptables() {
        of_a_phone("iptables");
    }

    #[test]
    fn on_the_other_side_of_a_phone_nftables() {
        of_a_phone("nftables");
    }

    /// Calls that come in have the helper, calls that are placed have none.
    #[track_caller]
    fn of_an_exchange(form: &str) {
        let report = site(&format!("helper/pbx-inward-{form}.toml"));
        let told = report.about("PH1", "rtp");
        assert!(!told.is_empty() && told.iter().all(|f| f.severity == "warning"), "{}", report.told());
        let both = site(&format!("helper/pbx-both-{form}.toml"));
        assert!(both.about("PH1", "rtp").iter().all(|f| f.severity != "error"), "{}", both.told());
    }

    #[test]
    fn on_the_way_in_of_an_exchange_iptables() {
        of_an_exchange("iptables");
    }

    #[test]
    fn on_the_way_in_of_an_exchange_nftables() {
        of_an_exchange("nftables");
    }
}

mod without_a_site {
    use super::*;

    #[test]
    fn a_refusal_in_forward_makes_no_router_iptables() {
        let report = alone("way/server.rules", "lab-pbx", &["--select", "PH1"]);
        blocked(&report, "rtp", line("way/server.rules", "-A INPUT -j REJECT"));
        assert!(report.about("PH1", "sip").is_empty(), "{}", report.told());
    }

    #[test]
    fn a_refusal_in_forward_makes_no_router_nftables() {
        let report = alone("way/server.nft", "lab-pbx", &["--select", "PH1"]);
        blocked(&report, "rtp", line("way/server.nft", "reject"));
        assert!(report.about("PH1", "sip").is_empty(), "{}", report.told());
    }

    /// Nothing that is forwarded comes from the loopback.
    #[track_caller]
    fn loopback(path: &str) {
        for way in [&[][..], &["--hook", "forward"], &["--hook", "input"]] {
            let report = alone(path, "scopia-elite-5200", way);
            report.silent("PH2").certain();
            for service in needed("scopia-elite-5200") {
                assert!(!report.about("PH101", &service).is_empty(), "{service} {way:?}\n{}", report.told());
            }
        }
    }

    #[test]
    fn nothing_comes_from_the_loopback_iptables() {
        loopback("way/loopback.rules");
    }

    #[test]
    fn nothing_comes_from_the_loopback_nftables() {
        loopback("way/loopback.nft");
    }
}

mod host {
    use super::*;

    /// Whatever else there is to say, it is no warning, and it hangs on nothing.
    #[track_caller]
    fn healthy(path: &str) {
        let report = site(path);
        report.silent("PH1").certain();
        assert!(report.findings.iter().all(|f| f.severity == "info"), "{}", report.told());
    }

    #[test]
    fn knows_its_own_addresses_iptables() {
        healthy("host/own-iptables.toml");
    }

    #[test]
    fn knows_its_own_addresses_nftables() {
        healthy("host/own-nftables.toml");
    }

    #[test]
    fn knows_its_own_addresses_pf() {
        healthy("host/own-pf.toml");
    }

    #[test]
    fn logs_within_a_limit_iptables() {
        healthy("host/log-iptables.toml");
    }

    #[test]
    fn logs_within_a_limit_nftables() {
        healthy("host/log-nftables.toml");
    }
}

mod ports_of_the_far_end {
    use super::*;

    #[test]
    fn answers_without_state() {
        let report = alone("reply/stateless.pf.conf", "scopia-elite-5200@10.64.0.9", &[]);
        let finding = report.the("PH105", "q931");
        sure(finding);
        assert_eq!(finding.line, Some(line("reply/stateless.pf.conf", "block in quick")));
    }

    #[test]
    fn answers_to_some_ports() {
        let report = alone("reply/some-ports.rules", "scopia-elite-5200@10.64.0.9", &["--select", "PH1"]);
        let finding = report.certain().the("PH105", "q931");
        assert_eq!(finding.line, Some(line("reply/some-ports.rules", "--sport 1720 -j DROP")));
    }

    /// A far end chooses its port; that it happens to choose 1720 is no way in.
    #[track_caller]
    fn from_one_port(path: &str) {
        let report = alone(path, "scopia-elite-5200@10.64.0.9", &["--select", "PH1"]);
        assert!(!report.about("PH1", "q931").is_empty(), "{}", report.told());
        assert!(report.about("PH1", "rtp").is_empty(), "{}", report.told());
    }

    #[test]
    fn calls_from_one_port_iptables() {
        from_one_port("source-port/one.rules");
    }

    #[test]
    fn calls_from_one_port_nftables() {
        from_one_port("source-port/one.nft");
    }

    #[test]
    fn calls_from_one_port_pf() {
        from_one_port("source-port/one.pf.conf");
    }

    #[test]
    fn calls_from_one_port_asa() {
        from_one_port("source-port/one.cfg");
    }

    #[test]
    fn calls_from_all_ports_that_clients_choose() {
        let report = alone("source-port/all.rules", "scopia-elite-5200@10.64.0.9", &["--select", "PH1"]);
        report.silent("PH1");
    }
}

mod policy {
    use super::*;

    /// The policies of a file that PH203 speaks of.
    #[track_caller]
    fn accepts(path: &str, policies: &[&str]) {
        let report = bare(path);
        let mut told: Vec<_> = report.of("PH203").map(|f| f.line.unwrap()).collect();
        told.sort_unstable();
        let mut wanted: Vec<_> = policies.iter().map(|text| line(path, text)).collect();
        wanted.sort_unstable();
        assert_eq!(told, wanted, "{}", report.told());
        assert!(report.of("PH203").all(|f| f.depends_on.is_empty()), "{}", report.told());
    }

    #[test]
    fn after_a_list_of_bogons_iptables() {
        accepts("policy/bogons.rules", &[":INPUT ACCEPT", ":FORWARD ACCEPT"]);
    }

    #[test]
    fn after_a_list_of_bogons_nftables() {
        accepts("policy/bogons.nft", &["hook input", "hook forward"]);
    }

    #[test]
    fn after_a_match_on_content() {
        accepts("policy/string.rules", &[":INPUT ACCEPT"]);
        accepts("policy/payload.nft", &["hook input"]);
    }

    #[test]
    fn after_an_unknown_target() {
        accepts("policy/target.rules", &[":INPUT ACCEPT"]);
    }

    #[test]
    fn after_a_limit() {
        accepts("policy/limit.rules", &[":INPUT ACCEPT"]);
        accepts("policy/limit.nft", &["hook input"]);
    }

    #[test]
    fn after_a_set() {
        accepts("policy/set.rules", &[":INPUT ACCEPT"]);
        accepts("policy/set.nft", &["hook input"]);
    }
}

mod polarity {
    use super::*;

    const CALL: &str = "src=203.0.113.77 dst=10.65.0.9 proto=tcp sport=40000 dport=1720";

    /// Everybody is in the set or is not.
    #[track_caller]
    fn both(end: &str) {
        let path = format!("polarity/both.{end}");
        alone(&path, "scopia-elite-5200@10.65.0.9", &["--select", "PH1"]).silent("PH1");
        assert_eq!(verdict(&path, CALL), ("accept".to_string(), vec![]));
    }

    /// Who is in the set was dropped before, and who is not gets nothing.
    #[track_caller]
    fn twice(end: &str) {
        let path = format!("polarity/twice.{end}");
        let report = alone(&path, "scopia-elite-5200@10.65.0.9", &["--select", "PH1"]);
        report.certain();
        for service in needed("scopia-elite-5200") {
            assert!(!report.about("PH101", &service).is_empty(), "{service}\n{}", report.told());
        }
        assert_eq!(verdict(&path, CALL), ("drop".to_string(), vec![]));
    }

    #[test]
    fn of_an_ipset() {
        both("rules");
    }

    #[test]
    fn of_a_set_of_nftables() {
        both("nft");
    }

    #[test]
    fn of_a_table() {
        both("pf.conf");
    }

    #[test]
    fn of_an_ipset_that_stands_twice() {
        twice("rules");
    }

    #[test]
    fn of_a_set_of_nftables_that_stands_twice() {
        twice("nft");
    }

    #[test]
    fn of_a_table_that_stands_twice() {
        twice("pf.conf");
    }
}

mod rewriting {
    use super::*;

    #[test]
    fn of_a_port() {
        let report = alone("rewrite/port.nft", "scopia-elite-5200@10.66.0.9", &["--select", "PH1"]);
        let finding = report.the("PH101", "q931");
        sure(finding);
        let lines = ["tcp dport set 7777", "tcp dport 7777 drop"].map(|text| line("rewrite/port.nft", text));
        assert!(finding.lines().iter().any(|at| lines.contains(at)), "{finding:#?}");
        let packet = "src=203.0.113.77 dst=10.66.0.9 proto=tcp sport=40000 dport=1720";
        assert_eq!(verdict("rewrite/port.nft", packet).0, "drop");
        assert!(report.about("PH1", "rtp").is_empty(), "{}", report.told());
    }

    #[test]
    fn of_an_address() {
        let report = alone("rewrite/address.nft", "scopia-elite-5200@10.66.0.9", &["--select", "PH1"]);
        sure(report.the("PH101", "q931"));
        assert!(report.about("PH1", "rtp").is_empty(), "{}", report.told());
    }

    #[test]
    fn of_a_prefix() {
        let packet = "src=2001:db8:ff::1 dst=2001:db8:66::9 proto=tcp sport=40000 dport=1720";
        let (traced, _) = verdict("rewrite/prefix.rules6", packet);
        let report = site("rewrite/prefix.toml");
        // Blocked may be said for certain only of what certainly does not pass.
        let said = report.about("PH1", "q931").iter().any(|f| f.depends_on.is_empty());
        assert!(!said || traced == "drop", "traced as {traced}\n{}", report.told());
    }
}

mod two_firewalls {
    use super::*;

    /// Each lets strangers in that the other keeps out.
    #[track_caller]
    fn strangers(path: &str) {
        let report = site(path);
        for service in ["h245", "q931", "rtp"] {
            sure(report.the("PH101", service));
        }
        report.silent("PH204").silent("PH205");
    }

    #[test]
    fn that_admit_different_strangers() {
        strangers("two/strangers.toml");
    }

    #[test]
    fn that_admit_different_strangers_in_two_languages() {
        strangers("two/strangers-mixed.toml");
    }

    #[test]
    fn that_admit_some_of_the_same() {
        site("two/overlap.toml").silent("PH101").silent("PH102");
    }

    #[test]
    fn of_which_the_first_translates_sources_iptables() {
        site("two/snat-iptables.toml").silent("PH1");
    }

    #[test]
    fn of_which_the_first_translates_sources_nftables() {
        site("two/snat-nftables.toml").silent("PH1");
    }

    #[test]
    fn of_which_the_second_does_not_know_the_translated_source() {
        strangers("two/snat-missed.toml");
    }
}
