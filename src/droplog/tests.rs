use super::*;

fn dropped(line: &str) -> Dropped {
    match read(line) {
        Line::Dropped(dropped) => dropped,
        other => panic!("{line}: {other:?}"),
    }
}

fn short(line: &str) -> String {
    let d = dropped(line);
    let port = |port: Option<u16>| port.map_or("-".to_string(), |port| port.to_string());
    let name = |name: Option<String>| name.unwrap_or("-".to_string());
    format!(
        "{} {}:{} {}:{} {} {} {}",
        d.protocol,
        d.src,
        port(d.sport),
        d.dst,
        port(d.dport),
        name(d.iif),
        name(d.oif),
        d.times
    )
}

#[test]
fn the_kernel() {
    let tcp = "Nov 27 10:00:00 gw kernel: [12345.678901] FW-DROP: IN=eth0 OUT=eth1 \
               MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC=203.0.113.9 DST=10.1.2.10 LEN=60 TOS=0x00 PREC=0x00 \
               TTL=52 ID=54321 DF PROTO=TCP SPT=50000 DPT=1720 WINDOW=64240 RES=0x00 SYN URGP=0";
    assert_eq!(short(tcp), "6 203.0.113.9:50000 10.1.2.10:1720 eth0 eth1 1");
    assert_eq!(dropped(tcp).flags, Some(2));
    let udp = "kernel: nft-drop IN=eth0 OUT= MAC=… SRC=2001:db8::9 DST=2001:db8:2::10 LEN=76 TC=0 HOPLIMIT=60 FLOWLBL=0 \
               PROTO=UDP SPT=30000 DPT=16384 LEN=36";
    assert_eq!(short(udp), "17 2001:db8::9:30000 2001:db8:2::10:16384 eth0 - 1");
    let icmp = "IN=eth0 OUT=eth1 SRC=203.0.113.9 DST=10.1.2.10 LEN=84 TTL=50 PROTO=ICMP TYPE=3 CODE=1 \
                [SRC=10.1.2.10 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=1720 DPT=50000 ]";
    assert_eq!(short(icmp), "1 203.0.113.9:- 10.1.2.10:3 eth0 eth1 1");
}

#[test]
fn the_asa() {
    for (line, expected) in [
        (
            "Nov 27 2026 10:00:00 fw : %ASA-4-106023: Deny tcp src outside:203.0.113.9/50000 dst inside:10.1.2.10/1720 by \
             access-group \"outside_in\" [0x0, 0x0]",
            "6 203.0.113.9:50000 10.1.2.10:1720 outside inside 1",
        ),
        (
            "%ASA-4-106023: Deny icmp src outside:203.0.113.9 dst inside:10.1.2.10 (type 8, code 0) by access-group \"in\"",
            "1 203.0.113.9:- 10.1.2.10:8 outside inside 1",
        ),
        (
            "%ASA-2-106001: Inbound TCP connection denied from 203.0.113.9/50000 to 10.1.2.10/1720 flags SYN on interface \
             outside",
            "6 203.0.113.9:50000 10.1.2.10:1720 outside - 1",
        ),
        (
            "%ASA-2-106006: Deny inbound UDP from 203.0.113.9/30000 to 10.1.2.10/16384 on interface outside",
            "17 203.0.113.9:30000 10.1.2.10:16384 outside - 1",
        ),
        (
            "%ASA-6-106015: Deny TCP (no connection) from 203.0.113.9/1720 to 10.1.2.10/2000 flags FIN ACK on interface \
             outside",
            "6 203.0.113.9:1720 10.1.2.10:2000 outside - 1",
        ),
        (
            "%ASA-6-106100: access-list outside_in denied tcp outside/203.0.113.9(50000) -> inside/10.1.2.10(1720) hit-cnt \
             14 300-second interval [0x91ea0d5b, 0x0]",
            "6 203.0.113.9:50000 10.1.2.10:1720 outside inside 14",
        ),
    ] {
        assert_eq!(short(line), expected);
    }
    let teardown =
        "%ASA-6-302014: Teardown TCP connection 5 for outside:203.0.113.9/50000 to inside:10.1.2.10/1720";
    assert_eq!(read(teardown), Line::Other);
    let permitted = "%ASA-6-106100: access-list in permitted udp outside/203.0.113.9(1) -> inside/10.1.2.10(53) hit-cnt 1";
    assert_eq!(read(permitted), Line::Other);
}

#[test]
fn pflog() {
    let tcp = "10:00:00.000000 rule 3/0(match): block in on em0: 203.0.113.9.50000 > 10.1.2.10.1720: Flags [S], seq 1, \
               win 65535, length 0";
    assert_eq!(short(tcp), "6 203.0.113.9:50000 10.1.2.10:1720 em0 - 1");
    let udp = "rule 0/(match): block out on em1: 10.1.2.10.16384 > 203.0.113.9.30000: UDP, length 172";
    assert_eq!(short(udp), "17 10.1.2.10:16384 203.0.113.9:30000 - em1 1");
    assert_eq!(read("rule 2/0(match): pass in on em0: 1.2.3.4.5 > 5.6.7.8.9: UDP, length 1"), Line::Other);
}

#[test]
fn ulogd() {
    let line = r#"{"timestamp": "2026-11-27T10:00:00", "oob.in": "eth0", "oob.out": "", "src_ip": "203.0.113.9",
        "dest_ip": "10.1.2.10", "ip.protocol": 6, "src_port": 50000, "dest_port": 1720}"#;
    assert_eq!(short(&line.replace('\n', " ")), "6 203.0.113.9:50000 10.1.2.10:1720 eth0 - 1");
}

#[test]
fn what_is_no_drop() {
    assert_eq!(read("Nov 27 10:00:00 gw sshd[12]: Accepted publickey for root"), Line::Unknown);
    assert_eq!(read("{\"a\": 1}"), Line::Unknown);
}
