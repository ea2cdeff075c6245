//! The SCOPIA products of the bundled catalog, held against the port guide that they were read from.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, HashSet};

use pinhole::catalog::{
    Catalog, Direction, Initiator, Listener, Need, Parity, Product, Requirement, Transport, Zone,
};

/// Distinct rows of each table of ports in the guide.
const ROWS: [(&str, usize); 28] = [
    ("1-1", 15),
    ("1-3", 4),
    ("1-4", 18),
    ("1-5", 18),
    ("1-7", 6),
    ("1-8", 17),
    ("1-9", 3),
    ("1-11", 16),
    ("1-12", 3),
    ("1-13", 13),
    ("1-14", 7),
    ("1-15", 5),
    ("1-16", 8),
    ("1-17", 4),
    ("1-18", 8),
    ("1-19", 20),
    ("1-20", 15),
    ("1-21", 14),
    ("1-22", 8),
    ("1-23", 2),
    ("1-24", 3),
    ("1-25", 18),
    ("1-26", 5),
    ("1-27", 2),
    ("1-28", 4),
    ("1-29", 6),
    ("1-30", 20),
    ("1-31", 12),
];

/// The products that the guide is about, in its order.
fn products(catalog: &Catalog) -> impl Iterator<Item = &Product> {
    let about = catalog.products().iter().filter(|product| product.vendor.as_deref() == Some("RADVISION"));
    let mut products: Vec<&Product> = about.collect();
    products.sort_by_key(|product| product.tables()[0].split_once('-').unwrap().1.parse::<u32>().unwrap());
    products.into_iter()
}

fn all(catalog: &Catalog) -> impl Iterator<Item = (&Product, &Requirement)> {
    products(catalog).flat_map(|product| product.requirements.iter().map(move |row| (product, row)))
}

/// The rows of a table that start with the port `first`.
fn rows<'a>(catalog: &'a Catalog, table: &str, first: u16) -> Vec<&'a Requirement> {
    all(catalog)
        .map(|(_, row)| row)
        .filter(|row| row.table == table && row.ports.first().is_some_and(|ports| ports.0 == first))
        .collect()
}

/// The one row of a table that starts with the port `first`.
fn row<'a>(catalog: &'a Catalog, table: &str, first: u16) -> &'a Requirement {
    let found = rows(catalog, table, first);
    assert_eq!(found.len(), 1, "{table} {first}");
    found[0]
}

#[test]
fn every_table_has_as_many_rows_as_in_the_guide() {
    let catalog = Catalog::bundled().unwrap();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, row) in all(&catalog) {
        *counted.entry(&row.table).or_default() += 1;
    }
    assert_eq!(counted, BTreeMap::from(ROWS));
    assert_eq!(counted.values().sum::<usize>(), 274);
    let modes: usize = products(&catalog).map(|product| product.modes.len()).sum();
    assert_eq!(modes, 9);
}

#[test]
fn every_product_has_its_tables_and_no_others() {
    let expected: [(&str, &[&str]); 22] = [
        ("scopia-elite-5200", &["1-1", "1-2"]),
        ("scopia-elite-5200-media-blade", &["1-3"]),
        ("scopia-elite-5100", &["1-4"]),
        ("scopia-mcu", &["1-5", "1-6"]),
        ("scopia-mcu-mvp", &["1-7"]),
        ("scopia-gateway", &["1-8", "1-9", "1-10"]),
        ("scopia-3g-gateway", &["1-11"]),
        ("msp-324m", &["1-12"]),
        ("ivp", &["1-13"]),
        ("msp-ivp", &["1-14"]),
        ("mvp-m2-sp", &["1-15"]),
        ("scopia-ecs", &["1-16", "1-17"]),
        ("scopia-dcs", &["1-18"]),
        ("scopia-iview-management-suite", &["1-19"]),
        ("scopia-iview-network-manager", &["1-20"]),
        ("scopia-pathfinder", &["1-21", "1-22"]),
        ("scopia-pathfinder-client", &["1-23", "1-24"]),
        ("scopia-desktop", &["1-25", "1-26", "1-28"]),
        ("scopia-desktop-client", &["1-27"]),
        ("scopia-xt-desktop", &["1-29"]),
        ("scopia-xt1000", &["1-30"]),
        ("scopia-vc240", &["1-31"]),
    ];
    let catalog = Catalog::bundled().unwrap();
    let found: Vec<(&str, Vec<&str>)> =
        products(&catalog).map(|product| (product.name.as_str(), product.tables())).collect();
    let expected: Vec<(&str, Vec<&str>)> =
        expected.into_iter().map(|(name, tables)| (name, tables.to_vec())).collect();
    for product in products(&catalog) {
        let [document] = product.documents.as_slice() else { panic!("{}", product.name) };
        assert_eq!(
            (document.revision.as_deref(), document.date.as_deref()),
            (Some("7.5"), Some("2010-09-16"))
        );
    }
    assert_eq!(found, expected);
    assert_eq!(
        catalog.product("SCOPIA-Elite-5215").map(|product| product.name.as_str()),
        Some("scopia-elite-5100")
    );
}

#[test]
fn no_two_rows_collide() {
    let catalog = Catalog::bundled().unwrap();
    let mut seen = HashSet::new();
    for (product, row) in all(&catalog) {
        let key = (&row.table, &row.ports, &row.transports, row.name(), &row.function, row.parity);
        assert!(seen.insert(format!("{key:?}")), "{} {key:?}", product.name);
    }
    for product in products(&catalog) {
        let mut names = HashSet::new();
        for row in &product.requirements {
            assert!(names.insert(row.name()), "{} {}", product.name, row.name());
            assert_eq!(product.rows_named(row.name()), [row]);
        }
    }
}

#[test]
fn every_role_is_in_the_vocabulary_and_roles_imply_others() {
    let catalog = Catalog::bundled().unwrap();
    for (product, row) in all(&catalog) {
        for role in row.peer.iter().chain(&row.host) {
            assert!(catalog.role(role).is_some(), "{} {role}", product.name);
        }
    }
    assert_eq!(catalog.implied_roles("h460-entity"), ["h323-entity", "h460-entity", "media-entity"]);
    for name in ["scopia-elite-5200", "scopia-gateway", "scopia-vc240", "scopia-mcu-mvp"] {
        assert!(catalog.product(name).unwrap().fills("media-entity"), "{name}");
    }
    let ecs = catalog.product("scopia-ecs").unwrap();
    assert!(ecs.fills("gatekeeper") && !ecs.fills("media-entity"));
    let managers = products(&catalog).filter(|product| product.fills("snmp-manager"));
    let managers: Vec<&str> = managers.map(|product| product.name.as_str()).collect();
    assert_eq!(managers, ["scopia-iview-management-suite", "scopia-iview-network-manager"]);
}

/// A row says something of its own about what breaks, or why it cannot.
#[test]
fn every_row_explains_itself() {
    for (product, row) in all(&Catalog::bundled().unwrap()) {
        let place = format!("{} {} {}", product.name, row.table, row.ports_text());
        assert!(!row.protocol.is_empty() && !row.function.is_empty() && !row.service.is_empty(), "{place}");
        assert!(row.blocked.is_some() || row.notice.is_some(), "{place}");
        assert!(row.notice.is_some() || row.internal_only, "{place}");
        if row.stated_severity.is_some() {
            assert_eq!(row.stated_severity, Some(row.severity), "{place}: what the guide prints wins");
        }
        for sentences in row.notice.iter().chain(&row.notes) {
            assert!(sentences.ends_with('.'), "{place}: {sentences}");
        }
        for phrase in row.blocked.iter().chain(&row.condition).chain([&row.function]) {
            assert!(!phrase.ends_with('.'), "{place}: {phrase}");
        }
    }
}

#[test]
fn repeated_rows_of_the_guide_are_there_once() {
    let catalog = Catalog::bundled().unwrap();
    assert_eq!(rows(&catalog, "1-15", 21).len(), 1);
    for (port, count) in [(2777, 2), (3089, 2), (8080, 1), (8089, 1), (1024, 1), (1720, 1)] {
        assert_eq!(rows(&catalog, "1-21", port).len(), count, "{port}");
    }
    // Alike but for the port: no copies.
    assert_eq!(rows(&catalog, "1-11", 2944).len() + rows(&catalog, "1-11", 2945).len(), 2);
    // Alike but for the purpose: no copies either.
    let severities = |table| rows(&catalog, table, 10000).iter().map(|row| row.severity).collect::<Vec<_>>();
    assert_eq!(severities("1-25"), [Need::Mandatory, Need::Recommended, Need::Optional]);
    assert_eq!(severities("1-29"), [Need::Mandatory, Need::Recommended]);
}

#[test]
fn transports_are_as_printed_or_marked() {
    let catalog = Catalog::bundled().unwrap();
    let is = |table, port, transports: &[Transport], inferred| {
        let row = row(&catalog, table, port);
        assert_eq!(
            (row.transports.as_slice(), row.transport_inferred),
            (transports, inferred),
            "{table} {port}"
        );
    };
    let (tcp, udp, both) =
        (&[Transport::Tcp][..], &[Transport::Udp][..], &[Transport::Tcp, Transport::Udp][..]);
    // Nineteen rows print none.
    for (table, port) in [("1-5", 1809), ("1-16", 12378), ("1-31", 4000)] {
        is(table, port, &[], false);
        assert!(row(&catalog, table, port).doubtful);
    }
    for (table, port) in [("1-12", 1024), ("1-12", 1720), ("1-13", 80), ("1-13", 1500), ("1-13", 8080)] {
        is(table, port, tcp, true);
    }
    for (table, port) in [("1-13", 8127), ("1-16", 3271), ("1-19", 636), ("1-19", 5061), ("1-19", 63148)] {
        is(table, port, tcp, true);
    }
    for (table, port) in
        [("1-11", 12000), ("1-13", 161), ("1-13", 162), ("1-19", 161), ("1-20", 161), ("1-20", 162)]
    {
        is(table, port, udp, true);
    }
    let unprinted = all(&catalog).filter(|(_, row)| row.transport_inferred || row.transports.is_empty());
    assert_eq!(unprinted.count(), 19);
    // Tables that contradict each other.
    is("1-25", 5269, udp, false);
    is("1-28", 5269, tcp, false);
    assert!(row(&catalog, "1-25", 5269).doubtful && row(&catalog, "1-28", 5269).doubtful);
    is("1-17", 53, tcp, false);
    assert!(row(&catalog, "1-17", 53).doubtful);
    is("1-20", 53, udp, false);
    is("1-22", 53, udp, false);
    is("1-19", 445, both, false);
    is("1-25", 139, tcp, false);
    // Odd ways to write it.
    is("1-21", 1720, tcp, false);
    is("1-14", 5070, both, false);
    is("1-19", 3340, tcp, false);
    is("1-27", 5060, udp, false);
    is("1-24", 3089, both, false);
    is("1-20", 3089, tcp, false);
    is("1-22", 1024, both, false);
    is("1-23", 1025, both, false);
    for table in ["1-21", "1-22"] {
        let tunnels: Vec<_> = rows(&catalog, table, 3089).iter().map(|row| row.transports.clone()).collect();
        assert_eq!(tunnels, [tcp, udp]);
    }
    let sip: Vec<_> = rows(&catalog, "1-30", 5060).iter().map(|row| row.transports.clone()).collect();
    assert_eq!(sip, [tcp, udp]);
}

#[test]
fn directions_are_as_printed() {
    let catalog = Catalog::bundled().unwrap();
    let direction = |table, port| row(&catalog, table, port).direction.clone();
    let between =
        |from: &str, to: &str| Some(Direction::Between { from: from.to_string(), to: to.to_string() });
    for (_, row) in all(&catalog) {
        let none = ["1-25", "1-26", "1-27", "1-28", "1-29"].contains(&row.table.as_str());
        let ends = ["1-21", "1-22", "1-23", "1-24"].contains(&row.table.as_str());
        let blank = row.table == "1-12" && row.service != "q931";
        assert_eq!(row.direction.is_none(), none || blank, "{} {}", row.table, row.ports_text());
        assert_eq!(matches!(row.direction, Some(Direction::Between { .. })), ends, "{}", row.table);
        if row.table == "1-8" || row.table == "1-16" {
            assert_eq!((row.initiator, row.listener), (Initiator::Peer, Listener::Device));
            assert_eq!(row.direction, Some(Direction::Both));
        }
        if row.table == "1-9" || row.table == "1-17" || row.table == "1-22" || row.table == "1-24" {
            assert_eq!((row.initiator, row.listener), (Initiator::Device, Listener::Peer));
        }
    }
    assert_eq!(direction("1-9", 162), Some(Direction::Out));
    assert_eq!(direction("1-9", 1719), Some(Direction::Both));
    assert_eq!(direction("1-11", 123), Some(Direction::In));
    assert_eq!(row(&catalog, "1-11", 123).initiator, Initiator::Device);
    assert_eq!(direction("1-30", 123), Some(Direction::Both));
    assert_eq!(direction("1-30", 1718), Some(Direction::Out));
    assert_eq!(direction("1-19", 5060), Some(Direction::In));
    assert_eq!(direction("1-19", 5061), Some(Direction::Both));
    assert_eq!(direction("1-5", 21), Some(Direction::Out));
    assert_eq!(direction("1-1", 21), Some(Direction::Out));
    assert_eq!(direction("1-3", 21), Some(Direction::Both));
    assert_eq!(direction("1-20", 162), Some(Direction::Both));
    assert_eq!(direction("1-21", 22), between("ssh-client", "pathfinder-server"));
    assert_eq!(direction("1-22", 53), between("pathfinder-server", "dns-server"));
    assert_eq!(direction("1-24", 3089), between("pathfinder-client", "pathfinder-server"));
    assert_eq!(direction("1-24", 3478), between("pathfinder-client", "stun-server"));
    for port in [1720, 4000] {
        for row in rows(&catalog, "1-22", port) {
            assert_eq!(row.direction, between("pathfinder-server", "pathfinder-server"));
            assert!(row.doubtful);
        }
    }
}

#[test]
fn who_opens_and_at_which_end_the_ports_are() {
    let catalog = Catalog::bundled().unwrap();
    for (product, row) in all(&catalog) {
        let place = format!("{} {} {}", product.name, row.table, row.ports_text());
        let service = row.service.as_str();
        if row.external {
            assert_eq!(
                (row.table.as_str(), row.listener, row.dynamic),
                ("1-13", Listener::Peer, true),
                "{place}"
            );
        }
        if ["dns", "ntp", "smtp", "ldap", "stun"].contains(&service) {
            assert_eq!((row.initiator, row.listener), (Initiator::Device, Listener::Peer), "{place}");
        }
        let outgoing_trap = row.row.as_deref() == Some("traps") && row.direction == Some(Direction::Out);
        if outgoing_trap {
            assert_eq!((row.initiator, row.listener), (Initiator::Device, Listener::Peer), "{place}");
            assert_eq!(row.peer.as_deref(), Some("snmp-manager"), "{place}");
        }
    }
    assert_eq!(all(&catalog).filter(|(_, row)| row.external).count(), 5);
    // Both ends of a link tell the same story.
    let link = |table, port| {
        let row = row(&catalog, table, port);
        (row.initiator, row.listener)
    };
    let (served, client) = ((Initiator::Peer, Listener::Device), (Initiator::Device, Listener::Peer));
    for (server, user, port) in [
        ("1-5", "1-7", 2946),
        ("1-5", "1-18", 3333),
        ("1-16", "1-13", 3271),
        ("1-25", "1-19", 3340),
        ("1-19", "1-28", 3336),
        ("1-21", "1-20", 8089),
        ("1-30", "1-20", 55003),
        ("1-14", "1-13", 64010),
        ("1-21", "1-24", 3089),
    ] {
        assert_eq!(link(user, port), client, "{user} {port}");
        assert!(
            rows(&catalog, server, port).iter().all(|row| (row.initiator, row.listener) == served),
            "{server} {port}"
        );
    }
    // Requests go out to 161, traps come in to 162.
    let suite = row(&catalog, "1-19", 161);
    assert_eq!(suite.listener, Listener::Peer);
    assert_eq!((suite.inbound.as_slice(), suite.ports.contains(&(161, 161))), (&[(162, 162)][..], true));
    assert!(suite.doubtful);
    // The guide leaves the listening end open.
    let unknown: Vec<(&str, String)> = all(&catalog)
        .filter(|(_, row)| row.listener == Listener::Unknown)
        .map(|(_, row)| (row.table.as_str(), row.ports_text()))
        .collect();
    let expected = [
        ("1-7", "3340"),
        ("1-15", "3340"),
        ("1-19", "23"),
        ("1-25", "10000-65535"),
        ("1-29", "3336, 3337"),
        ("1-30", "3339, 3340"),
    ];
    assert_eq!(unknown, expected.map(|(table, ports)| (table, ports.to_string())));
    // Rows about two other machines.
    let hosts: Vec<_> =
        all(&catalog).filter_map(|(_, row)| Some((row.host.as_deref()?, row.peer.as_deref()?))).collect();
    let expected = [
        ("desktop-client", "stun-server"),
        ("desktop-client", "xmpp-server"),
        ("xmpp-server", "iview-suite"),
        ("xmpp-server", "ldap-server"),
    ];
    assert_eq!(hosts, expected);
}

#[test]
fn severities_follow_the_guide() {
    let catalog = Catalog::bundled().unwrap();
    let is = |table, port, need| assert_eq!(row(&catalog, table, port).severity, need, "{table} {port}");
    // "Cannot be blocked".
    for (table, port) in [("1-1", 3338), ("1-4", 3338), ("1-20", 7), ("1-20", 80), ("1-20", 161)] {
        is(table, port, Need::Mandatory);
    }
    // The traffic never leaves the box.
    let internal: Vec<(&str, String)> = all(&catalog)
        .filter(|(_, row)| row.internal_only)
        .map(|(_, row)| (row.table.as_str(), row.ports_text()))
        .collect();
    let expected = [
        ("1-1", "2900"),
        ("1-3", "2900"),
        ("1-4", "2900"),
        ("1-4", "3339"),
        ("1-4", "3340"),
        ("1-4", "3341"),
        ("1-13", "3339"),
        ("1-19", "4444, 4445"),
        ("1-19", "11098, 11099"),
    ];
    assert_eq!(internal, expected.map(|(table, ports)| (table, ports.to_string())));
    is("1-3", 21, Need::Recommended);
    is("1-31", 4000, Need::Recommended);
    // For future use.
    let future: Vec<_> = all(&catalog)
        .filter(|(_, row)| row.future_use)
        .map(|(_, row)| (row.table.as_str(), row.severity))
        .collect();
    assert_eq!(future, [("1-7", Need::Optional), ("1-20", Need::Optional)]);
    assert!(row(&catalog, "1-7", 161).future_use && row(&catalog, "1-20", 443).future_use);
    // "Can be blocked", with and without a consequence.
    for port in [21, 23, 80, 161, 162] {
        is("1-18", port, Need::Optional);
    }
    for port in [1503, 3333, 9000] {
        is("1-18", port, Need::Mandatory);
    }
    assert!(row(&catalog, "1-18", 3333).condition.is_some());
    for port in [23, 24, 162, 3336, 8080, 8089] {
        is("1-20", port, Need::Optional);
    }
    // A blank is unknown, not "can be blocked".
    for port in [21, 22, 3089, 55003] {
        is("1-20", port, Need::Recommended);
        assert_eq!(row(&catalog, "1-20", port).blocked, None);
    }
    // "No effect", kept although doubtful.
    for port in [161, 5070, 64010] {
        is("1-14", port, Need::Optional);
        assert!(row(&catalog, "1-14", port).doubtful);
    }
    // There is a way round.
    for (table, port) in
        [("1-11", 123), ("1-28", 5222), ("1-30", 1718), ("1-30", 3478), ("1-1", 22), ("1-4", 22)]
    {
        is(table, port, Need::Recommended);
    }
    assert_eq!(
        rows(&catalog, "1-21", 3089).iter().map(|row| row.severity).collect::<Vec<_>>(),
        [Need::Mandatory, Need::Recommended]
    );
    // By network, and under conditions.
    is("1-25", 7070, Need::Optional);
    is("1-26", 7070, Need::Mandatory);
    assert_eq!(row(&catalog, "1-25", 7070).zone, Some(Zone::Internal));
    assert_eq!(row(&catalog, "1-26", 7070).zone, Some(Zone::Internet));
    for (table, port, need) in [
        ("1-25", 139, Need::Recommended),
        ("1-25", 137, Need::Recommended),
        ("1-25", 6972, Need::Mandatory),
        ("1-25", 8080, Need::Optional),
        ("1-28", 3336, Need::Mandatory),
        ("1-28", 389, Need::Mandatory),
    ] {
        let row = row(&catalog, table, port);
        assert_eq!((row.stated_severity, row.severity), (Some(need), need), "{table} {port}");
        assert!(row.condition.is_some(), "{table} {port}");
    }
    // Blank in the guide.
    for (table, port) in [("1-27", 5060), ("1-27", 1025), ("1-28", 5222), ("1-28", 5269)] {
        assert_eq!(row(&catalog, table, port).stated_severity, None);
    }
    for (_, row) in all(&catalog) {
        let printed = ["1-25", "1-26", "1-28", "1-29"].contains(&row.table.as_str());
        assert!(printed || row.stated_severity.is_none(), "{} {}", row.table, row.ports_text());
        if ["ras", "q931", "h245", "rtp"].contains(&row.service.as_str()) && row.stated_severity.is_none() {
            let relayed = row.table == "1-27";
            assert_eq!(
                row.severity,
                if relayed { Need::Recommended } else { Need::Mandatory },
                "{}",
                row.table
            );
        }
    }
}

#[test]
fn ranges_parity_and_lists_of_ports() {
    let catalog = Catalog::bundled().unwrap();
    let ports = |table, port| row(&catalog, table, port).ports.clone();
    // Upper and lower ends that differ by one are kept apart.
    for (table, low, high) in [
        ("1-1", 1024, 1324),
        ("1-4", 1024, 1174),
        ("1-5", 1024, 4999),
        ("1-8", 1024, 4999),
        ("1-11", 1024, 4999),
        ("1-31", 1024, 4999),
        ("1-12", 1024, 5000),
        ("1-16", 1024, 5000),
        ("1-5", 6000, 6999),
        ("1-11", 6000, 7000),
        ("1-5", 10000, 11000),
        ("1-11", 12000, 13000),
        ("1-12", 7000, 9000),
        ("1-14", 6000, 9000),
        ("1-7", 10000, 10575),
        ("1-15", 10000, 10240),
        ("1-18", 9000, 9099),
        ("1-19", 7800, 7802),
        ("1-21", 1024, 65535),
        ("1-22", 1024, 65535),
        ("1-23", 1025, 65535),
        ("1-24", 1024, 65535),
        ("1-25", 1024, 65535),
        ("1-25", 1025, 65535),
        ("1-25", 6972, 65535),
        ("1-27", 1025, 65535),
        ("1-29", 1025, 65535),
        ("1-30", 3478, 3479),
        ("1-31", 10000, 10299),
    ] {
        assert_eq!(ports(table, low), [(low, high)], "{table}");
    }
    let endpoint: Vec<_> =
        rows(&catalog, "1-30", 3230).iter().map(|row| (row.transports[0], row.ports[0])).collect();
    assert_eq!(endpoint, [(Transport::Tcp, (3230, 3248)), (Transport::Udp, (3230, 3287))]);
    // Two intervals in one row, never a range that spans them.
    assert_eq!(ports("1-4", 12000), [(12000, 13200), (16384, 16984)]);
    for (table, one, other) in [
        ("1-19", 161, 162),
        ("1-19", 4444, 4445),
        ("1-19", 11098, 11099),
        ("1-20", 24, 50000),
        ("1-25", 139, 445),
        ("1-25", 137, 138),
        ("1-29", 3336, 3337),
        ("1-30", 3339, 3340),
    ] {
        assert_eq!(ports(table, one), [(one, one), (other, other)], "{table}");
    }
    assert_eq!(ports("1-25", 3478), [(3478, 3478)]);
    assert_eq!(rows(&catalog, "1-25", 2326).len(), 0);
    // Even media, odd control, and no partner for the last even port.
    for (even, odd, evens) in [
        ((7222, 7422), (7223, 7421), 101),
        ((7622, 7822), (7623, 7821), 101),
        ((12002, 12952), (12003, 12951), 476),
    ] {
        let (media, control) = (row(&catalog, "1-8", even.0), row(&catalog, "1-8", odd.0));
        assert_eq!((media.ports[0], media.parity, media.port_count()), (even, Some(Parity::Even), evens));
        assert_eq!(
            (control.ports[0], control.parity, control.port_count()),
            (odd, Some(Parity::Odd), evens - 1)
        );
        assert!(media.uses(even.1) && !media.uses(odd.0) && !control.uses(even.1 + 1));
    }
    assert_eq!(all(&catalog).filter(|(_, row)| row.parity.is_some()).count(), 6);
    // Ports that the guide does not name.
    let unnamed: Vec<_> = all(&catalog)
        .filter(|(_, row)| row.ports.is_empty())
        .map(|(_, row)| (row.table.as_str(), row.name()))
        .collect();
    assert_eq!(unnamed, [("1-14", "traps"), ("1-14", "rtsp")]);
    assert!(row(&catalog, "1-12", 1024).dynamic && !row(&catalog, "1-12", 1024).configurable);
    // A default range within a larger one.
    assert_eq!(row(&catalog, "1-12", 7000).allowed, [(5000, 65535)]);
    // The group of gatekeeper discovery, of which the guide prints another.
    let discovery = row(&catalog, "1-30", 1718);
    assert_eq!(discovery.multicast.map(|group| group.to_string()).as_deref(), Some("224.0.1.41"));
    assert!(discovery.doubtful);
}

#[test]
fn configurable_is_what_the_guide_calls_configurable() {
    let catalog = Catalog::bundled().unwrap();
    let mut configurable: Vec<(&str, u16)> = all(&catalog)
        .filter(|(_, row)| row.configurable)
        .map(|(_, row)| (row.table.as_str(), row.ports[0].0))
        .collect();
    let mut expected = vec![
        ("1-1", 80),
        ("1-1", 1719),
        ("1-1", 1720),
        ("1-1", 5060),
        ("1-1", 16384),
        ("1-3", 12000),
        ("1-4", 80),
        ("1-4", 1719),
        ("1-4", 1720),
        ("1-4", 5060),
        ("1-4", 12000),
        ("1-5", 80),
        ("1-5", 1719),
        ("1-5", 1720),
        ("1-5", 5060),
        ("1-5", 6000),
        ("1-5", 10000),
        ("1-7", 10000),
        ("1-8", 80),
        ("1-8", 1820),
        ("1-11", 80),
        ("1-11", 1719),
        ("1-11", 1820),
        ("1-11", 5060),
        ("1-11", 6000),
        ("1-12", 7000),
        ("1-13", 1099),
        ("1-13", 1100),
        ("1-13", 1500),
        ("1-13", 5060),
        ("1-15", 10000),
        ("1-16", 80),
        ("1-16", 12378),
        ("1-17", 162),
        ("1-19", 80),
        ("1-19", 7800),
        ("1-25", 10000),
        ("1-25", 1720),
        ("1-25", 1024),
    ];
    configurable.sort_unstable();
    expected.sort_unstable();
    assert_eq!(configurable, expected);
}

#[test]
fn security_modes_belong_to_a_product() {
    let catalog = Catalog::bundled().unwrap();
    let modes: Vec<String> = products(&catalog)
        .flat_map(|product| product.modes.iter().map(move |mode| (product, mode)))
        .map(|(product, mode)| {
            let on = |service| if mode.is_on(service).unwrap() { '+' } else { '-' };
            let flags: String = ["telnet", "ftp", "snmp", "icmp"].map(on).into_iter().collect();
            format!("{} {} {} {flags}", product.name, mode.table, mode.name)
        })
        .collect();
    let expected = [
        "scopia-elite-5200 1-2 standard ++++",
        "scopia-elite-5200 1-2 high --++",
        "scopia-elite-5200 1-2 maximum ----",
        "scopia-mcu 1-6 standard ++++",
        "scopia-mcu 1-6 high --++",
        "scopia-mcu 1-6 maximum ----",
        "scopia-gateway 1-10 low ++++",
        "scopia-gateway 1-10 medium --++",
        "scopia-gateway 1-10 high ----",
    ];
    assert_eq!(modes, expected);
    let high = catalog.product("scopia-mcu").unwrap().mode("High").unwrap();
    assert_eq!(
        (high.is_on("snmp"), high.is_on("telnet"), high.is_on("ssh")),
        (Some(true), Some(false), None)
    );
    // What a mode speaks of is tagged so that it is found.
    for (product, row) in all(&catalog) {
        let tag = match row.protocol.as_str() {
            "Telnet" => "telnet",
            "FTP" => "ftp",
            "SNMP" => "snmp",
            _ => continue,
        };
        assert_eq!(row.service, tag, "{} {}", product.name, row.table);
    }
}
