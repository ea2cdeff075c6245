//! The calls: what kind, and through which rules.

/// What is done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Alice calls bob by his address, over this transport.
    Direct(&'static str),
    /// Both register, and alice calls bob by his name.
    Registered(&'static str),
    /// Alice asks for a relay over this transport, and sends to bob through it.
    Relay(&'static str),
    /// Alice calls bob by H.323: by his address, or by a gatekeeper that tells it.
    H323 {
        /// Both register there.
        by_gatekeeper: bool,
    },
}

/// The rules of one firewall.
#[derive(Clone, Debug)]
pub(crate) enum Rules {
    /// The lines of the forward chain, and what else is in the table.
    Nft(Vec<&'static str>, &'static str),
    /// A file of iptables-save.
    Iptables(String),
}

/// One call.
pub(crate) struct Case {
    /// What it is about.
    pub name: String,
    /// What is done.
    pub kind: Kind,
    /// The rules of the edge, and of the inner firewall where there is one.
    pub rules: Vec<Rules>,
    /// Who sends sound from another port than the one listened on.
    pub other_port: Option<&'static str>,
    /// The address that is dialled for bob, where it is not his own.
    pub dials: Option<&'static str>,
}

impl Rules {
    /// The name of the file.
    pub(crate) fn file(&self) -> &'static str {
        match self {
            Rules::Nft(..) => "firewall.nft",
            Rules::Iptables(_) => "firewall.rules",
        }
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        match self {
            Rules::Nft(lines, more) => {
                let lines: String = lines.iter().map(|line| format!("\t\t{line}\n")).collect();
                format!(
                    "table ip calls {{\n{more}\tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n{lines}\t}}\n}}\n"
                )
            }
            Rules::Iptables(text) => text.clone(),
        }
    }
}

const OLD: &str = "ct state established accept";
const RELATED: &str = "ct state established,related accept";
const MEDIA_OUT: &str = "ip saddr 10.10.0.5 udp dport 20000-20001 accept";
const MEDIA_BACK: &str = "ip daddr 10.10.0.5 udp dport 20000-20001 accept";

/// A helper of a protocol, assigned at prerouting: the priority, and what of.
macro_rules! helper {
    ($protocol:literal, $priority:literal, $test:literal) => {
        concat!(
            "\tct helper phones {\n\t\ttype \"sip\" protocol ",
            $protocol,
            "\n\t}\n\tchain assign {\n\t\ttype filter hook prerouting priority ",
            $priority,
            "; policy accept;\n\t\t",
            $test,
            " ct helper set \"phones\"\n\t}\n"
        )
    };
}

/// Alice gets the edge's address.
macro_rules! snat {
    () => {
        "\tchain out {\n\t\ttype nat hook postrouting priority 100;\n\t\tip saddr 10.10.0.0/24 oifname \"eth1\" masquerade\n\t}\n"
    };
}

/// Bob is reached at the edge's address.
macro_rules! dnat {
    () => {
        "\tchain in {\n\t\ttype nat hook prerouting priority -100;\n\t\tip daddr 10.10.0.1 dnat to 10.20.0.5\n\t}\n"
    };
}

const HELPER: &str = helper!("udp", "0", "udp dport 5060");

/// The signalling of a transport, from alice to bob and back.
fn signalling(transport: &str) -> [&'static str; 2] {
    match transport {
        "udp" => ["ip saddr 10.10.0.5 udp dport 5060 accept", "ip daddr 10.10.0.5 udp dport 5060 accept"],
        "tcp" => ["ip saddr 10.10.0.5 tcp dport 5060 accept", "ip daddr 10.10.0.5 tcp dport 5060 accept"],
        _ => ["ip saddr 10.10.0.5 tcp dport 5061 accept", "ip daddr 10.10.0.5 tcp dport 5061 accept"],
    }
}

fn case(name: impl Into<String>, kind: Kind, rules: impl IntoIterator<Item = Rules>) -> Case {
    Case { name: name.into(), kind, rules: rules.into_iter().collect(), other_port: None, dials: None }
}

fn nft(lines: &[&'static str], more: &'static str) -> Rules {
    Rules::Nft(lines.to_vec(), more)
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for transport in ["udp", "tcp", "tls"] {
        all.extend(plain(transport));
    }
    all.extend(helpers());
    all.extend(by_iptables());
    all.extend(translated());
    all.extend(two_firewalls());
    all.extend(h323());
    all.extend(h323_through_two());
    all.extend(by_gatekeeper());
    for transport in ["udp", "tcp", "tls"] {
        all.extend(registered(transport));
        all.extend(relayed(transport));
    }
    all
}

/// Rules without a helper, for calls over one transport.
fn plain(transport: &'static str) -> Vec<Case> {
    let kind = Kind::Direct(transport);
    let [there, back] = signalling(transport);
    let of =
        |name: &str, lines: &[&'static str]| case(format!("{transport}: {name}"), kind, [nft(lines, "")]);
    let mut cases = vec![
        of("all is open", &[OLD, there, back, MEDIA_OUT, MEDIA_BACK]),
        of("no signalling back", &[OLD, there, MEDIA_OUT, MEDIA_BACK]),
        of("no signalling there", &[OLD, back, MEDIA_OUT, MEDIA_BACK]),
        of("no answers", &[there, MEDIA_OUT, MEDIA_BACK]),
        of("sound towards bob alone", &[OLD, there, back, MEDIA_OUT]),
        of("no sound", &[OLD, there, back]),
    ];
    if transport == "udp" {
        cases.push(of("sound towards alice alone", &[OLD, there, back, MEDIA_BACK]));
        let mut odd = of("bob sends from another port", &[OLD, there, back, MEDIA_OUT]);
        odd.other_port = Some("bob");
        cases.push(odd);
        let mut odd = of("alice sends from another port", &[OLD, there, back, MEDIA_BACK]);
        odd.other_port = Some("alice");
        cases.push(odd);
    }
    cases
}

/// Calls whose sound only a helper lets through, or does not.
fn helpers() -> Vec<Case> {
    let kind = Kind::Direct("udp");
    let [there, back] = signalling("udp");
    let of = |name: &str, first: &'static str, more: &'static str| {
        case(format!("helper: {name}"), kind, [nft(&[first, there, back], more)])
    };
    let encrypted = signalling("tls");
    vec![
        of("as it should be", RELATED, HELPER),
        of("for the other way alone", RELATED, helper!("udp", "0", "iifname \"eth1\" udp dport 5060")),
        of("before connection tracking", RELATED, helper!("udp", "-300", "udp dport 5060")),
        of("on another port", RELATED, helper!("udp", "0", "udp dport 5062")),
        of("related is not accepted", OLD, HELPER),
        case(
            "helper: over TCP",
            Kind::Direct("tcp"),
            [nft(
                &[RELATED, signalling("tcp")[0], signalling("tcp")[1]],
                helper!("tcp", "0", "tcp dport 5060"),
            )],
        ),
        case(
            "helper: over TCP, that of UDP",
            Kind::Direct("tcp"),
            [nft(&[RELATED, signalling("tcp")[0], signalling("tcp")[1]], HELPER)],
        ),
        case("helper: over TLS", Kind::Direct("tls"), [nft(&[RELATED, encrypted[0], encrypted[1]], HELPER)]),
    ]
}

fn iptables(raw: &str, first: &str, more: &str) -> Rules {
    Rules::Iptables(format!(
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{raw}COMMIT\n\
         *filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate {first} -j ACCEPT\n\
         -A FORWARD -s 10.10.0.5/32 -p udp -m udp --dport 5060 -j ACCEPT\n\
         -A FORWARD -d 10.10.0.5/32 -p udp -m udp --dport 5060 -j ACCEPT\n{more}COMMIT\n"
    ))
}

fn by_iptables() -> Vec<Case> {
    let kind = Kind::Direct("udp");
    let assign = "-A PREROUTING -p udp -m udp --dport 5060 -j CT --helper sip\n";
    let media = "-A FORWARD -p udp -m udp --dport 20000:20001 -j ACCEPT\n";
    let late = "-A FORWARD -p udp -m udp --dport 5060 -m helper --helper sip -j ACCEPT\n";
    vec![
        case("iptables: all is open", kind, [iptables("", "ESTABLISHED", media)]),
        case("iptables: helper", kind, [iptables(assign, "RELATED,ESTABLISHED", "")]),
        case("iptables: related is not accepted", kind, [iptables(assign, "ESTABLISHED", "")]),
        case("iptables: a helper that nothing assigns", kind, [iptables("", "RELATED,ESTABLISHED", late)]),
        case(
            "iptables: the helper on the other leg",
            kind,
            [iptables(
                "-A PREROUTING -i eth1 -p udp -m udp --dport 5060 -j CT --helper sip\n",
                "RELATED,ESTABLISHED",
                "",
            )],
        ),
    ]
}

/// Address translation on the way.
fn translated() -> Vec<Case> {
    let kind = Kind::Direct("udp");
    let there = "iifname \"eth0\" udp dport 5060 accept";
    let media = "udp dport 20000-20001 accept";
    let mut cases = vec![
        case("SNAT, sound open", kind, [nft(&[OLD, there, media], snat!())]),
        case("SNAT, sound towards bob alone", kind, [nft(&[OLD, there, MEDIA_OUT], snat!())]),
        case("SNAT and helper", kind, [nft(&[RELATED, there], SNAT_HELPER)]),
    ];
    let mut dialled = vec![
        case("DNAT, sound open", kind, [nft(&[OLD, there, media], dnat!())]),
        case("DNAT and helper", kind, [nft(&[RELATED, there], DNAT_HELPER)]),
        case("DNAT is missing", kind, [nft(&[OLD, there, media], "")]),
    ];
    dialled.iter_mut().for_each(|case| case.dials = Some("10.10.0.1"));
    cases.extend(dialled);
    cases
}

const SNAT_HELPER: &str = concat!(helper!("udp", "0", "udp dport 5060"), snat!());
const DNAT_HELPER: &str = concat!(helper!("udp", "0", "udp dport 5060"), dnat!());

fn two_firewalls() -> Vec<Case> {
    let kind = Kind::Direct("udp");
    let [there, back] = signalling("udp");
    let open = || nft(&[OLD, there, back, MEDIA_OUT, MEDIA_BACK], "");
    let helped = || nft(&[RELATED, there, back], HELPER);
    let of = |name: &str, edge: Rules, inner: Rules| case(format!("two: {name}"), kind, [edge, inner]);
    vec![
        of("all is open", open(), open()),
        of("the inner one stops signalling", open(), nft(&[OLD, back, MEDIA_OUT, MEDIA_BACK], "")),
        of("the inner one stops sound towards bob", open(), nft(&[OLD, there, back, MEDIA_BACK], "")),
        of("the inner one stops answers", open(), nft(&[there, MEDIA_OUT, MEDIA_BACK], "")),
        of(
            "each stops sound one way",
            nft(&[OLD, there, back, MEDIA_OUT], ""),
            nft(&[OLD, there, back, MEDIA_BACK], ""),
        ),
        of("a helper on both", helped(), helped()),
        of("a helper on the edge alone", helped(), nft(&[RELATED, there, back], "")),
        of(
            "an iptables edge",
            iptables("", "ESTABLISHED", "-A FORWARD -p udp -m udp --dport 20000:20001 -j ACCEPT\n"),
            open(),
        ),
    ]
}

/// Both ends register at the server, behind the edge.
fn registered(transport: &'static str) -> Vec<Case> {
    let kind = Kind::Registered(transport);
    let all = match transport {
        "udp" => "udp dport 5060 accept",
        "tcp" => "tcp dport 5060 accept",
        _ => "tcp dport 5061 accept",
    };
    let one = |who: &str| -> &'static str {
        match (transport, who) {
            ("udp", "alice") => "ip saddr 10.10.0.5 udp dport 5060 accept",
            ("tcp", "alice") => "ip saddr 10.10.0.5 tcp dport 5060 accept",
            (_, "alice") => "ip saddr 10.10.0.5 tcp dport 5061 accept",
            ("udp", _) => "ip saddr 10.20.0.5 udp dport 5060 accept",
            ("tcp", _) => "ip saddr 10.20.0.5 tcp dport 5060 accept",
            _ => "ip saddr 10.20.0.5 tcp dport 5061 accept",
        }
    };
    let of = |name: &str, lines: &[&'static str]| {
        case(format!("{transport}, registered: {name}"), kind, [nft(lines, "")])
    };
    vec![
        of("all is open", &[OLD, all, MEDIA_OUT, MEDIA_BACK]),
        of("bob cannot register", &[OLD, one("alice"), MEDIA_OUT, MEDIA_BACK]),
        of("towards the registrar alone", &[OLD, one("alice"), one("bob"), MEDIA_OUT, MEDIA_BACK]),
    ]
}

fn relayed(transport: &'static str) -> Vec<Case> {
    let kind = Kind::Relay(transport);
    let there = match transport {
        "udp" => "ip saddr 10.10.0.5 udp dport 3478 accept",
        "tcp" => "ip saddr 10.10.0.5 tcp dport 3478 accept",
        _ => "ip saddr 10.10.0.5 tcp dport 5349 accept",
    };
    let to_bob = "ip saddr 10.30.0.20 ip daddr 10.20.0.5 udp dport 3480 accept";
    let of = |name: &str, lines: &[&'static str]| {
        case(format!("relay over {transport}: {name}"), kind, [nft(lines, "")])
    };
    let mut cases = vec![
        of("all is open", &[OLD, there, to_bob]),
        of("the server is not reached", &[OLD, to_bob]),
        of("the relay does not reach bob", &[OLD, there]),
    ];
    if transport == "udp" {
        cases.push(of("no answers", &[there, to_bob]));
    }
    cases
}

/// A helper of H.323, assigned at prerouting: which, of which protocol, the priority, and what of.
macro_rules! h323_helper {
    ($kind:literal, $protocol:literal, $priority:literal, $test:literal) => {
        concat!(
            "\tct helper h323 {\n\t\ttype \"",
            $kind,
            "\" protocol ",
            $protocol,
            "\n\t}\n\tchain assign {\n\t\ttype filter hook prerouting priority ",
            $priority,
            "; policy accept;\n\t\t",
            $test,
            " ct helper set \"h323\"\n\t}\n"
        )
    };
}

const Q931: &str = h323_helper!("Q.931", "tcp", "0", "tcp dport 1720");
const CALL: &str = "ip saddr 10.10.0.5 tcp dport 1720 accept";
const CONTROL: &str = "ip saddr 10.10.0.5 tcp dport 11000 accept";
const SOUND_OUT: &str = "ip saddr 10.10.0.5 udp dport 12000-12001 accept";
const SOUND_BACK: &str = "ip daddr 10.10.0.5 udp dport 12000-12001 accept";

/// Calls by H.323 from address to address.
fn h323() -> Vec<Case> {
    let kind = Kind::H323 { by_gatekeeper: false };
    let of = |name: &str, lines: &[&'static str], more: &'static str| {
        case(format!("h323: {name}"), kind, [nft(lines, more)])
    };
    let iptables = |name: &str, states: &str| {
        let text = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A PREROUTING -p tcp -m tcp --dport 1720 -j CT --helper Q.931\nCOMMIT\n\
             *filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A FORWARD -m conntrack --ctstate {states} -j ACCEPT\n\
             -A FORWARD -s 10.10.0.5/32 -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n"
        );
        case(format!("h323, iptables: {name}"), kind, [Rules::Iptables(text)])
    };
    let snat = concat!(h323_helper!("Q.931", "tcp", "0", "tcp dport 1720"), snat!());
    let dnat = concat!(h323_helper!("Q.931", "tcp", "0", "tcp dport 1720"), dnat!());
    let mut dialled = vec![
        case("h323: DNAT and helper", kind, [nft(&[RELATED, "tcp dport 1720 accept"], dnat)]),
        case(
            "h323: DNAT, all is open",
            kind,
            [nft(&[OLD, "tcp dport { 1720, 11000 } accept", "udp dport 12000-12001 accept"], dnat!())],
        ),
    ];
    dialled.iter_mut().for_each(|case| case.dials = Some("10.10.0.1"));
    let mut cases = vec![
        of("all is open", &[OLD, CALL, CONTROL, SOUND_OUT, SOUND_BACK], ""),
        of("no signalling", &[OLD, CONTROL, SOUND_OUT, SOUND_BACK], ""),
        of("no answers", &[CALL, CONTROL, SOUND_OUT, SOUND_BACK], ""),
        of("no call control", &[OLD, CALL, SOUND_OUT, SOUND_BACK], ""),
        of("no sound", &[OLD, CALL, CONTROL], ""),
        of("sound towards bob alone", &[OLD, CALL, CONTROL, SOUND_OUT], ""),
        of("helper", &[RELATED, CALL], Q931),
        of(
            "helper for the other way alone",
            &[RELATED, CALL],
            h323_helper!("Q.931", "tcp", "0", "iifname \"eth1\" tcp dport 1720"),
        ),
        of(
            "helper before connection tracking",
            &[RELATED, CALL],
            h323_helper!("Q.931", "tcp", "-300", "tcp dport 1720"),
        ),
        of("helper on another port", &[RELATED, CALL], h323_helper!("Q.931", "tcp", "0", "tcp dport 1721")),
        of("helper, related is not accepted", &[OLD, CALL], Q931),
        of("helper of RAS alone", &[RELATED, CALL], h323_helper!("RAS", "udp", "0", "udp dport 1719")),
        of("SNAT and helper", &[RELATED, CALL], snat),
        iptables("helper", "RELATED,ESTABLISHED"),
        iptables("helper, related is not accepted", "ESTABLISHED"),
    ];
    cases.extend(dialled);
    cases
}

fn h323_through_two() -> Vec<Case> {
    let kind = Kind::H323 { by_gatekeeper: false };
    let of = |name: &str, edge: Rules, inner: Rules| case(format!("h323, two: {name}"), kind, [edge, inner]);
    let helped = || nft(&[RELATED, CALL], Q931);
    let open = || nft(&[OLD, CALL, CONTROL, SOUND_OUT, SOUND_BACK], "");
    vec![
        of("all is open", open(), open()),
        of("a helper on both", helped(), helped()),
        of("a helper on the edge alone", helped(), nft(&[RELATED, CALL], "")),
        of("a helper on the edge, the inner one open", helped(), open()),
        of("the inner one refuses related", helped(), nft(&[OLD, CALL], Q931)),
        of("the inner one stops signalling", helped(), nft(&[RELATED], Q931)),
    ]
}

/// Calls by H.323 by way of a gatekeeper, to which the edge alone leads.
fn by_gatekeeper() -> Vec<Case> {
    let kind = Kind::H323 { by_gatekeeper: true };
    let of = |name: &str, lines: &[&'static str], more: &'static str| {
        case(format!("h323, gatekeeper: {name}"), kind, [nft(lines, more)])
    };
    let ras = "udp dport 1719 accept";
    vec![
        of("all is open", &[OLD, ras, CALL, CONTROL, SOUND_OUT, SOUND_BACK], ""),
        of("bob cannot register", &[OLD, "ip saddr 10.10.0.5 udp dport 1719 accept", CALL, CONTROL], ""),
        of("no answers", &["ip daddr 10.30.0.20 udp dport 1719 accept", CALL, CONTROL], ""),
        of("helper of RAS", &[RELATED, ras], h323_helper!("RAS", "udp", "0", "udp dport 1719")),
        of(
            "helper of RAS, related is not accepted",
            &[OLD, ras],
            h323_helper!("RAS", "udp", "0", "udp dport 1719"),
        ),
        of("helper of Q.931", &[RELATED, ras, CALL], Q931),
        of("no helper", &[RELATED, ras, CALL], ""),
    ]
}
