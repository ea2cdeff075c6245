//! Where devices are, and who is kept apart from them.

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
