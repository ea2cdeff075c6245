//! A row of the catalog names a peer that the site file does not have: somebody outside of the device's own zone is enough.

use crate::common::{Scratch, check};

const SITE: &str = r#"
[[zone]]
name = "internet"
[[zone]]
name = "office"
networks = ["10.2.0.0/16"]
[[zone]]
name = "video"
networks = ["10.1.2.0/24"]
[[firewall]]
name = "edge"
config = ["edge.rules"]
interfaces = { eth0 = "internet", eth1 = "video", eth2 = "office" }
[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10"]
"#;

/// Whether it is said that call signalling is blocked where this rule is the only one that lets something in.
fn is_blocked(rule: &str) -> bool {
    let place = Scratch::new("unnamed");
    let rules = format!(
        "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j \
         ACCEPT\n-A FORWARD -i eth1 -j ACCEPT\n-A FORWARD {rule} -j ACCEPT\nCOMMIT\n"
    );
    place.write("pinhole.toml", SITE).write("edge.rules", rules);
    let report = check(&place.0, &[]);
    // The others are blocked in each case.
    assert!(!report.about("PH101", "h245").is_empty(), "{}", report.told());
    !report.about("PH101", "q931").is_empty()
}

#[test]
fn somebody_outside_the_own_zone_is_enough() {
    const TO: &str = "-d 10.1.2.10/32 -p tcp -m tcp --dport 1720";
    assert!(!is_blocked(&format!("-i eth0 {TO}")));
    assert!(!is_blocked(&format!("-i eth2 {TO}")));
    assert!(!is_blocked(&format!("-i eth2 -s 10.2.0.7/32 {TO}")));
    // Neighbours do not count, and nobody else's ports do.
    assert!(is_blocked(&format!("-i eth1 {TO}")));
    assert!(is_blocked("-i eth2 -d 10.1.2.11/32 -p tcp -m tcp --dport 1720"));
}
