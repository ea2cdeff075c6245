//! Zones behind one interface of a firewall, between which it routes: packets come in and leave by the same interface.

use crate::common;

use common::{Scratch, pinhole, read};
use serde_json::Value as Json;

/// What is said of a call between two zones behind one interface, with the rules of a firewall between them.
fn told(file: &str, interface: &str, text: &str) -> Json {
    let scratch = Scratch::new("hairpin");
    scratch.write(
        "pinhole.toml",
        format!(
            "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"branch\"\nnetworks = [\"10.20.0.0/16\"]\n\
             [[zone]]\nname = \"video\"\nnetworks = [\"10.1.2.0/24\"]\n\
             [[firewall]]\nname = \"edge\"\nconfig = [\"{file}\"]\n\
             interfaces = {{ {interface} = [\"branch\", \"video\"] }}\n\
             [[path]]\nfrom = \"branch\"\nto = \"video\"\nfirewalls = [\"edge\"]\n\
             [[device]]\nname = \"xt-1\"\nproduct = \"scopia-xt1000\"\naddresses = [\"10.20.0.5\"]\n\
             [[device]]\nname = \"mcu-1\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.1.2.10\"]\n"
        ),
    );
    scratch.write(file, text);
    let args = ["explain", "--format", "json", "--from", "xt-1", "--to", "mcu-1", "--call", "h323-direct"];
    read(&pinhole(&scratch.0, &args))
}

fn nftables(rule: &str) -> Json {
    let text = format!(
        "table inet edge {{\n\tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n\
         \t\tct state established,related accept\n\t\t{rule} accept\n\t}}\n}}\n"
    );
    told("edge.nft", "lan", &text)
}

fn asa(permitted: bool) -> Json {
    let permits = if permitted { "same-security-traffic permit intra-interface\n" } else { "" };
    let text = format!(
        "ASA Version 9.8(4)\ninterface GigabitEthernet0/1\n nameif lan\n security-level 100\n\
         \x20ip address 10.20.0.1 255.255.0.0\n{permits}"
    );
    told("edge.asa", "lan", &text)
}

#[test]
fn packets_leave_by_the_interface_that_they_came_by() {
    let passed = nftables("iifname \"lan\" oifname \"lan\"");
    assert_eq!(passed["works"], "yes", "{passed:#}");
    assert_eq!(passed["stages"][0]["path"], Json::from(vec!["edge"]), "{passed:#}");
    let stopped = nftables("iifname \"lan\" oifname \"wan\"");
    assert_eq!(stopped["works"], "no", "{stopped:#}");
}

#[test]
fn an_asa_has_to_permit_it() {
    assert_eq!(asa(true)["works"], "yes");
    assert_eq!(asa(false)["works"], "no");
}
