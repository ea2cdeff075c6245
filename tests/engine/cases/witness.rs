//! The packets of findings.

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
