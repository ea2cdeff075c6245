//! What follows from rows and from who is at a site: which flows are asked for, and which are not.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use common::{Report, Scratch, check};

/// A catalog with one product of these rows, each of a document called `own`.
fn product(rows: &str) -> String {
    let rows = rows.replace("[[requirement]]", "[[requirement]]\nsource = [\"own\"]");
    format!(
        "name = \"box\"\ntitle = \"Box\"\n[[source]]\nid = \"own\"\ndocument = \"the box's own pages\"\n{rows}"
    )
}

const ROW: &str = "protocol = \"XML\"\nfunction = \"steering\"\nseverity = \"mandatory\"\n";

/// Checks a box at 10.4.0.9 in zone `lab`, behind an iptables firewall with these rules of FORWARD, from the internet.
fn judge(name: &str, rows: &str, rules: &str, site: &str) -> Report {
    let scratch = Scratch::new(name);
    std::fs::create_dir_all(scratch.0.join("own")).unwrap();
    scratch.write("own/box.toml", product(rows));
    scratch.write("edge.rules", format!("*filter\n:INPUT DROP [0:0]\n{rules}COMMIT\n"));
    let version = if site.contains("version = ") { "" } else { "\n" };
    scratch.write(
        "pinhole.toml",
        format!(
            "catalog = [\"own\"]\n[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"lab\"\nnetworks = [\"10.4.0.0/24\"]\n\
             [[firewall]]\nname = \"edge\"\nconfig = [\"edge.rules\"]\n\
             interfaces = {{ eth0 = \"internet\", eth1 = \"lab\" }}\n\
             [[device]]\nname = \"box-1\"\nproduct = \"box\"\naddresses = [\"10.4.0.9\"]{version}{site}"
        ),
    );
    check(&scratch.0, &[])
}

const CLOSED: &str = ":FORWARD DROP [0:0]\n";
const ANSWERS: &str = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";

#[test]
fn where_nobody_says_who_listens_one_way_is_enough() {
    let row = format!(
        "[[requirement]]\nports = \"3336, 3337\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"either\"\nlistener = \"unknown\"\n\
         peer = \"mcu\"\nservice = \"cascading\"\n"
    );
    let peer = "[[peer]]\nrole = \"mcu\"\naddresses = [\"203.0.113.8\"]\n";
    let told = |name: &str, rules: &str| judge(name, &row, &format!("{CLOSED}{ANSWERS}{rules}"), peer);
    let out = "-A FORWARD -i eth1 -s 10.4.0.9 -p tcp -m multiport --dports 3336,3337 -j ACCEPT\n";
    let inward = "-A FORWARD -i eth0 -d 10.4.0.9 -p tcp -m multiport --dports 3336,3337 -j ACCEPT\n";
    let halves = "-A FORWARD -i eth0 -d 10.4.0.9 -p tcp --dport 3336 -j ACCEPT\n\
                  -A FORWARD -i eth1 -s 10.4.0.9 -p tcp --dport 3337 -j ACCEPT\n";
    told("reading-out", out).silent("PH1");
    told("reading-in", inward).silent("PH1");
    let report = told("reading-none", "");
    assert_eq!(report.the("PH101", "cascading").leg.as_ref().unwrap().opened_by, "either");
    // Half of each way is none.
    assert_eq!(told("reading-halves", halves).about("PH10", "cascading").len(), 1);
    // The way in is open, but what answers is not let out.
    let dumb = judge("reading-dumb", &row, &format!("{CLOSED}{inward}"), peer);
    assert_eq!(dumb.about("PH10", "cascading").len(), 1, "{}", dumb.told());
}

#[test]
fn a_row_of_two_others_is_asked_for_where_one_of_them_is_known() {
    let row = format!(
        "[[requirement]]\nports = \"389\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"device\"\nlistener = \"peer\"\n\
         host = \"xmpp-server\"\npeer = \"ldap-server\"\nservice = \"ldap\"\n"
    );
    let rules = format!("{CLOSED}{ANSWERS}");
    let ldap = "[[peer]]\nrole = \"ldap-server\"\naddresses = [\"203.0.113.8\"]\n";
    judge("others-nobody", &row, &rules, ldap).silent("PH1");
    for (name, place, subject) in [
        ("others-host", "addresses = [\"10.4.0.20\"]", "xmpp-server 10.4.0.20 cannot reach"),
        ("others-zone", "zone = \"lab\"", "xmpp-server in zone lab cannot reach"),
    ] {
        let site = format!("{ldap}[[peer]]\nrole = \"xmpp-server\"\n{place}\n");
        let report = judge(name, &row, &rules, &site);
        let finding = report.the("PH101", "ldap");
        assert!(finding.message.starts_with(subject), "{}", finding.message);
        let open = "-A FORWARD -s 10.4.0.20 -d 203.0.113.8 -p tcp --dport 389 -j ACCEPT\n";
        judge(name, &row, &format!("{rules}{open}"), &site).silent("PH1");
    }
}

#[test]
fn parts_of_a_cluster_are_asked_for_where_there_are_some() {
    let row = format!(
        "[[requirement]]\nports = \"4369\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
         peer = \"pbx-node\"\nconfined = \"cluster\"\nservice = \"cluster\"\n"
    );
    judge("cluster-alone", &row, CLOSED, "").silent("PH1");
    let node = "[[peer]]\nrole = \"pbx-node\"\naddresses = [\"203.0.113.8\"]\n";
    judge("cluster-two", &row, CLOSED, node).the("PH101", "cluster");
}

#[test]
fn an_endpoint_does_not_tell_that_a_condition_holds() {
    let row = |role: &str| {
        format!(
            "[[requirement]]\nports = \"5060\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
             peer = \"{role}\"\ncondition = \"phones are used\"\nservice = \"sip\"\n"
        )
    };
    for (role, severity) in [
        ("webrtc-client", "warning"),
        ("sip-phone", "warning"),
        ("sip-trunk", "warning"),
        ("gateway", "error"),
    ] {
        let peer = format!("[[peer]]\nrole = \"{role}\"\naddresses = [\"203.0.113.8\"]\n");
        let report = judge(&format!("endpoint-{role}"), &row(role), CLOSED, &peer);
        assert_eq!(report.the("PH101", "sip").severity, severity, "{role}");
    }
}

#[test]
fn what_is_open_to_the_world_by_design_is_no_opening() {
    let row = |design: &str| {
        format!(
            "[[requirement]]\nports = \"10000-30000\"\ntransports = [\"udp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
             peer = \"webrtc-client\"\n{design}service = \"ice-udp\"\n\
             [[requirement]]\nports = \"443\"\ntransports = [\"tcp\"]\nprotocol = \"HTTPS\"\nfunction = \"pages\"\n\
             severity = \"recommended\"\ninitiator = \"peer\"\nlistener = \"device\"\npeer = \"web-client\"\n{design}service = \"https\"\n"
        )
    };
    let rules = format!(
        "{CLOSED}{ANSWERS}-A FORWARD -d 10.4.0.9 -p udp --dport 10000:30000 -j ACCEPT\n\
         -A FORWARD -d 10.4.0.9 -p tcp --dport 443 -j ACCEPT\n"
    );
    let closed = judge("design-none", &row(""), &rules, "");
    assert!(closed.of("PH201").next().is_some() && closed.of("PH205").next().is_some(), "{}", closed.told());
    judge("design-world", &row("by-design = \"world\"\n"), &rules, "").silent("PH2");
    // Far more than these is an opening all the same.
    let all = format!("{CLOSED}{ANSWERS}-A FORWARD -d 10.4.0.9 -p udp -j ACCEPT\n");
    assert!(judge("design-more", &row("by-design = \"world\"\n"), &all, "").of("PH2").next().is_some());
}

#[test]
fn a_port_of_another_service_is_none_of_a_range() {
    let rows = format!(
        "[[requirement]]\nports = \"1024-5000\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
         peer = \"h323-entity\"\nservice = \"h245\"\n\
         [[requirement]]\nports = \"1720\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
         peer = \"h323-entity\"\nservice = \"q931\"\n\
         [[requirement]]\nports = \"2000\"\ntransports = [\"udp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
         peer = \"h323-entity\"\nservice = \"ras\"\n"
    );
    let rules =
        |port: u16| format!(":FORWARD ACCEPT [0:0]\n-A FORWARD -i eth0 -p tcp --dport {port} -j DROP\n");
    let report = judge("own-port", &rows, &rules(1720), "");
    assert!(report.about("PH1", "h245").is_empty(), "{}", report.told());
    report.the("PH101", "q931");
    // The port of another transport is the range's.
    judge("other-transport", &rows, &rules(2000), "").the("PH102", "h245");
    // Where the site has moved the other service, its port is free.
    let moved = "ports = { q931 = \"6000\" }\n";
    judge(
        "moved-port",
        &rows.replace("service = \"q931\"", "service = \"q931\"\nconfigurable = true"),
        &rules(1720),
        moved,
    )
    .the("PH102", "h245");
}

#[test]
fn a_version_in_another_numbering_is_told() {
    let row = format!(
        "[[requirement]]\nports = \"80\"\ntransports = [\"tcp\"]\n{ROW}initiator = \"peer\"\nlistener = \"device\"\n\
         peer = \"web-client\"\nsince = \"X8.9\"\nservice = \"http\"\n"
    );
    let told = |name: &str, version: &str| judge(name, &row, CLOSED, &format!("\nversion = \"{version}\"\n"));
    let report = told("version-other", "8.9");
    assert_eq!(report.of("PH614").count(), 1, "{}", report.told());
    told("version-same", "X8.8").silent("PH614").silent("PH1");
    told("version-none", "X14").silent("PH614");
}
