//! Small configs of which it is known what is right: what the answers hang on is in `fixtures/engine`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod common;

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

mod destination {
    use super::*;

    /// Nobody gets to a public address that nothing translates; the private one is no way in.
    #[track_caller]
    fn missing(form: &str) {
        let report = site(&format!("destination/missing-{form}.toml"));
        for service in needed("scopia-elite-5200") {
            let told = report.about("PH101", &service);
            assert!(told.iter().any(|f| f.depends_on.is_empty()), "{service}\n{}", report.told());
        }
        assert!(report.about("PH101", "q931").iter().all(|f| f.severity == "error"), "{}", report.told());
        report.silent("PH106").certain();
    }

    #[test]
    fn missing_iptables() {
        missing("iptables");
    }

    #[test]
    fn missing_nftables() {
        missing("nftables");
    }

    #[test]
    fn missing_pf() {
        missing("pf");
    }

    #[test]
    fn missing_asa() {
        missing("asa");
    }

    /// Q.931 is sent elsewhere, and the finding names the rule that does so.
    #[track_caller]
    fn elsewhere(name: &str, form: &str, end: &str, rule: &str) {
        let report = site(&format!("destination/{name}-{form}.toml"));
        let finding = report.the("PH101", "q931");
        sure(finding);
        assert_eq!(finding.row("q931").unwrap().blocked, [[1720, 1720]]);
        let rule = line(&format!("destination/{name}.{end}"), rule);
        assert!(finding.lines().contains(&rule), "line {rule} is not named: {finding:#?}");
    }

    #[test]
    fn another_host_iptables() {
        elsewhere("other-host", "iptables", "rules", "10.62.0.41");
    }

    #[test]
    fn another_host_nftables() {
        elsewhere("other-host", "nftables", "nft", "10.62.0.41");
    }

    #[test]
    fn another_host_pf() {
        elsewhere("other-host", "pf", "pf.conf", "10.62.0.41");
    }

    #[test]
    fn another_port_iptables() {
        elsewhere("other-port", "iptables", "rules", "10.62.0.40:5060");
    }

    #[test]
    fn another_port_nftables() {
        elsewhere("other-port", "nftables", "nft", "10.62.0.40:5060");
    }

    #[test]
    fn another_port_pf() {
        elsewhere("other-port", "pf", "pf.conf", "port 5060");
    }

    #[test]
    fn another_port_asa() {
        elsewhere("other-port", "asa", "cfg", "source static bridge public");
    }

    /// Of a range that is sent to one port, that port alone arrives at itself.
    #[track_caller]
    fn shifted(form: &str) {
        let report = site(&format!("destination/shifted-range-{form}.toml"));
        let finding = report.the("PH102", "rtp");
        sure(finding);
        assert_eq!(finding.row("rtp").unwrap().blocked, [[16385, 16483]]);
        assert!(report.about("PH1", "q931").is_empty(), "{}", report.told());
    }

    #[test]
    fn a_range_to_one_port_iptables() {
        shifted("iptables");
    }

    #[test]
    fn a_range_to_one_port_nftables() {
        shifted("nftables");
    }

    #[test]
    fn a_range_to_one_port_pf() {
        shifted("pf");
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

mod places {
    use super::*;

    const ZONES: &str = "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.1.2.0/24\"]\n\
                         [[zone]]\nname = \"office\"\nnetworks = [\"10.9.0.0/16\"]\n";
    const EDGE: &str = "[[firewall]]\nname = \"edge\"\nconfig = [\"0.rules\"]\n\
                        interfaces = { eth0 = \"internet\", eth1 = \"video\" }\n";
    const TELNET: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                          -A FORWARD -p tcp --dport 23 -j ACCEPT\n\
                          -A INPUT -s 10.1.2.0/24 -p tcp --dport 23 -j ACCEPT\nCOMMIT\n";

    /// An MCU that forbids telnet, behind firewalls that let it through.
    fn judged(firewalls: &str, addresses: &str, rules: &str) -> Report {
        let scratch = Scratch::new("places");
        let site = format!(
            "{ZONES}{firewalls}[[device]]\nname = \"mcu\"\nproduct = \"scopia-mcu\"\naddresses = [{addresses}]\n\
             security-mode = \"high\"\n"
        );
        scratch.write("pinhole.toml", site).write("0.rules", rules);
        check(&scratch.0, &[])
    }

    #[test]
    fn a_service_is_open_at_a_second_address() {
        let edge = EDGE.replace("eth1", "eth2 = \"office\", eth1");
        let rules = TELNET.replace("-A FORWARD", "-A FORWARD -d 10.9.0.10");
        let report = judged(&edge, "\"10.1.2.10\", \"10.9.0.10\"", &rules);
        assert!(report.of("PH301").next().is_some(), "{}", report.told());
    }

    #[test]
    fn a_service_is_open_to_the_zone_of_a_host_with_a_firewall() {
        let host = "[[firewall]]\nname = \"host\"\nconfig = [\"0.rules\"]\nhost = \"mcu\"\n";
        let report = judged(host, "\"10.1.2.10\"", TELNET);
        assert!(report.of("PH301").next().is_some(), "{}", report.told());
    }

    #[test]
    fn zones_with_free_passage_are_not_said_to_be_kept_out() {
        let report = judged(EDGE, "\"10.1.2.10\"", TELNET);
        let told: Vec<&str> = report.of("PH1").map(|finding| finding.message.as_str()).collect();
        assert!(told.iter().any(|message| message.contains("zone internet")), "{told:?}");
        assert!(told.iter().all(|message| !message.contains("anybody outside")), "{told:?}");
    }

    #[test]
    fn an_address_of_which_no_file_speaks_is_told() {
        let report = judged(EDGE, "\"2001:db8::10\"", TELNET);
        assert!(report.of("PH610").next().is_some(), "{}", report.told());
    }
}

mod witness {
    use super::*;

    /// Each opening and each blocked row has a packet, and `trace` says of it what the finding says.
    #[track_caller]
    fn told(path: &str, codes: &[&str], passes: bool) {
        let (place, name) = path.split_once('/').unwrap();
        let report = site(path);
        let scratch = Scratch::new("witness");
        for finding in codes.iter().flat_map(|code| report.of(code)) {
            let packet = finding.witness.as_ref().unwrap_or_else(|| panic!("no packet: {finding:#?}"));
            scratch.write("packet", packet.to_string());
            let packets = scratch.0.join("packet").display().to_string();
            let config = finding.file.clone().unwrap();
            let args = ["--site", name, "--packets", &packets, &config];
            let traced = trace(&folder("fixtures/engine").join(place), &args).remove(0);
            assert_eq!(traced.verdict == "accept", passes, "{packet}: {traced:?}\n{finding:#?}");
        }
        assert!(codes.iter().any(|code| report.of(code).next().is_some()), "{}", report.told());
    }

    #[test]
    fn of_an_opening() {
        told("asa-static/routed.toml", &["PH201", "PH204", "PH205", "PH301"], true);
        told("destination/other-host-iptables.toml", &["PH202", "PH204"], true);
        told("two/snat-iptables.toml", &["PH202", "PH204"], true);
    }

    #[test]
    fn of_a_blocked_row() {
        told("asa-static/routed.toml", &["PH101", "PH103"], false);
        told("comma/site.toml", &["PH102"], false);
        told("remedy/closed-nftables.toml", &["PH101"], false);
        told("remedy/closed-pf.toml", &["PH101"], false);
    }
}

mod remedy {
    use super::*;

    /// What is missing is the translation: help says so, and with it nothing is blocked.
    #[track_caller]
    fn translates(form: &str, end: &str, words: &[&str], never: &[&str]) {
        let report = site(&format!("remedy/closed-{form}.toml"));
        let finding = report.the("PH101", "rtp");
        sure(finding);
        let remedy = finding.remedy();
        for word in words {
            assert!(remedy.contains(word), "`{word}` is not in: {remedy}");
        }
        for word in never {
            assert!(!remedy.contains(word), "`{word}` is in: {remedy}");
        }
        site(&format!("remedy/mended-{form}.toml")).silent("PH1").silent("PH531");
        if !finding.edits.is_empty() {
            edited("remedy", &format!("closed-{form}.toml"), &format!("closed.{end}"), finding).silent("PH1");
        }
    }

    /// The site with the edits of a finding made.
    fn edited(place: &str, site: &str, config: &str, finding: &Finding) -> Report {
        let place = folder("fixtures/engine").join(place);
        let mut text = std::fs::read_to_string(place.join(config)).unwrap();
        let mut edits = finding.edits.clone();
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
        for edit in edits {
            assert!(edit.file.ends_with(config), "{edit:?}");
            text.replace_range(edit.start..edit.end, &edit.text);
        }
        pasted(&place, site, config, &text)
    }

    /// The site with another text of its config.
    fn pasted(place: &std::path::Path, site: &str, config: &str, text: &str) -> Report {
        let scratch = Scratch::new(config);
        let catalog = folder("fixtures/engine/catalog").display().to_string();
        let site = std::fs::read_to_string(place.join(site)).unwrap().replace("../catalog", &catalog);
        scratch.write("pinhole.toml", site).write(config, text);
        check(&scratch.0, &[])
    }

    #[test]
    fn a_missing_dnat_nftables() {
        translates("nftables", "nft", &["dnat", "10.68.0.5", "12000-12999"], &["12000-12999 accept"]);
    }

    #[test]
    fn a_missing_dnat_iptables() {
        translates("iptables", "rules", &["DNAT", "10.68.0.5", "12000:12999", "FORWARD"], &["STOP"]);
    }

    #[test]
    fn a_missing_rdr() {
        translates("pf", "pf.conf", &["rdr on wan0", "-> 10.68.0.5", "12000:12999"], &[]);
    }

    #[test]
    fn a_missing_rdr_to() {
        translates("openbsd", "openbsd.conf", &["rdr-to 10.68.0.5", "12000:12999"], &["rdr on"]);
    }

    #[test]
    fn a_missing_static_nat() {
        translates("asa", "cfg", &["nat (lan0,wan0)", "static", "198.51.100.8"], &[]);
    }

    #[test]
    fn the_mapped_address_before_8_3() {
        let report = site("remedy-mapped/site.toml");
        let finding = report.the("PH101", "rtp");
        let remedy = finding.remedy();
        assert!(remedy.contains("198.51.100.60"), "{remedy}");
        assert!(!remedy.contains("10.69.0.60"), "{remedy}");
        let rules: Vec<&str> =
            remedy.lines().map(str::trim).filter(|l| l.starts_with("access-list ")).collect();
        assert!(!rules.is_empty(), "{remedy}");
        let place = folder("fixtures/engine/remedy-mapped");
        let text = std::fs::read_to_string(place.join("edge.cfg")).unwrap();
        let text = text.replace("static (", &format!("{}\nstatic (", rules.join("\n")));
        pasted(&place, "site.toml", "edge.cfg", &text).silent("PH101").silent("PH102").silent("PH531");
    }
}
