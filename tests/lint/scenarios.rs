//! The sites under `fixtures/scenarios`, checked as a user checks them. What the run prints lies beside each site,
//! to be read: `human.snap` for all of them, `concise.snap` and `json.snap` for some.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `pinhole check` on a scenario; gives what it printed, and the exit code in the last line.
fn check(name: &str, format: &str) -> String {
    let folder = format!("fixtures/scenarios/{name}");
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["check", "--color", "never", "--format", format, &folder])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(text(output.stderr), "", "{name}");
    let printed = text(output.stdout);
    let printed = match format {
        "json" => {
            let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        }
        _ => printed,
    };
    format!("{printed}exit code {}", output.status.code().unwrap())
}

fn compare(name: &str, formats: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios").join(name);
    // What a failed run left behind is no config.
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "new") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for format in formats {
            insta::assert_snapshot!(*format, check(name, format));
        }
    });
}

macro_rules! scenarios {
    ($($test:ident $name:literal $($format:literal)*;)*) => {
        $(#[test] fn $test() { compare($name, &["human", $($format),*]); })*

        #[test]
        fn every_scenario_is_tested() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort();
            let mut listed = vec![$($name),*];
            listed.sort_unstable();
            assert_eq!(listed, found);
        }
    };
}

scenarios! {
    healthy "healthy" "json";
    h245_blocked "h245-blocked" "concise" "json";
    media_half_open "media-half-open" "json";
    any_any_hole "any-any-hole" "concise";
    high_mode_telnet "high-mode-telnet" "concise";
    one_direction "one-direction";
    answers_blocked "answers-blocked";
    helper_opens_h245 "helper-opens-h245";
    public_address "public-address";
    ipv6_forgotten "ipv6-forgotten";
    two_firewalls "two-firewalls" "concise";
    host_firewall "host-firewall";
    pf_last_match "pf-last-match";
    asa_media_cut "asa-media-cut" "concise";
    partners_only "partners-only" "json";
    bigbluebutton_healthy "bigbluebutton-healthy";
    bigbluebutton_redis_exposed "bigbluebutton-redis-exposed";
    bigbluebutton_wrong_transport "bigbluebutton-wrong-transport";
    expressway_healthy "expressway-healthy";
    expressway_tunnel_exposed "expressway-tunnel-exposed";
    expressway_zone_blocked "expressway-zone-blocked";
    freepbx_healthy "freepbx-healthy";
    freepbx_manager_exposed "freepbx-manager-exposed";
    freepbx_media_cut "freepbx-media-cut";
    jitsi_healthy "jitsi-healthy";
    jitsi_media_blocked "jitsi-media-blocked";
    jitsi_old_guide "jitsi-old-guide";
    livekit_healthy "livekit-healthy";
    livekit_media_over_tcp "livekit-media-over-tcp";
    livekit_metrics_exposed "livekit-metrics-exposed";
    nextcloud_talk_healthy "nextcloud-talk-healthy";
    nextcloud_talk_nats_exposed "nextcloud-talk-nats-exposed";
    nextcloud_talk_relay_blocked "nextcloud-talk-relay-blocked";
}

#[test]
fn the_readme_shows_what_its_command_prints() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains("\n$ cargo run -- check fixtures/scenarios/h245-blocked\n"));
    let printed = check("h245-blocked", "human");
    let printed = printed.strip_suffix("exit code 1").unwrap();
    assert!(
        readme.contains(&format!("```text\n{printed}```\n")),
        "the README's output is not this:\n{printed}"
    );
}
