//! Destinations that are translated to the wrong place, or to none.

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

/// A device is dialled by the address that a map translates to it, though nobody says that this is its public one.
#[test]
fn known_by_a_map_nftables() {
    let report = site("destination/by-map-nftables.toml");
    report.silent("PH101").silent("PH102").silent("PH106").certain();
}
