//! What holds for every product of the bundled catalog, whatever it is.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use pinhole::calls::{Calls, Who};
use pinhole::catalog::{Catalog, Confined, Need, Product, Requirement};

fn catalog() -> Catalog {
    Catalog::bundled().unwrap()
}

fn rows(catalog: &Catalog) -> impl Iterator<Item = (&Product, &Requirement)> {
    catalog.products().iter().flat_map(|product| product.requirements.iter().map(move |row| (product, row)))
}

fn place(product: &Product, row: &Requirement) -> String {
    format!("{} {} {}", product.name, row.ports_text(), row.name())
}

#[test]
fn every_row_and_mode_has_a_source() {
    let catalog = catalog();
    assert!(!catalog.products().is_empty());
    for (product, row) in rows(&catalog) {
        assert!(!row.source.is_empty(), "{}", place(product, row));
        for id in row.source.iter().chain(&row.symmetric) {
            assert!(product.document(id).is_some(), "{}: {id}", place(product, row));
        }
    }
    for product in catalog.products() {
        assert!(product.vendor.is_some(), "{}", product.name);
        for mode in &product.modes {
            let cited = mode.source.iter().all(|id| product.document(id).is_some());
            assert!(cited && !(mode.source.is_empty() && mode.table.is_empty()), "{}", product.name);
        }
    }
}

/// What is neither the vendor's nor the project's own word is marked, row by row, and says so.
#[test]
fn a_row_that_rests_on_others_words_is_doubtful() {
    for (product, row) in rows(&catalog()) {
        let secondary = |id: &String| product.document(id).is_some_and(|document| document.secondary);
        if row.source.iter().all(secondary) {
            assert!(row.doubtful && row.notes.is_some(), "{}", place(product, row));
        }
    }
}

#[test]
fn every_document_is_cited() {
    for product in catalog().products() {
        for document in &product.documents {
            let rows = product.requirements.iter().filter(|row| row.source.contains(&document.id));
            let modes = product.modes.iter().filter(|mode| mode.source.contains(&document.id));
            let cited = rows.count() + modes.count();
            let said = product.notes.is_some() || product.requirements.iter().any(|row| row.notes.is_some());
            assert!(cited > 0 || said, "{}: {}", product.name, document.id);
            assert!(!document.document.is_empty(), "{}: {}", product.name, document.id);
            assert!(document.date.is_some(), "{}: {} has no date", product.name, document.id);
        }
    }
}

#[test]
fn every_row_says_what_breaks_in_its_form() {
    for (product, row) in rows(&catalog()) {
        let place = place(product, row);
        assert!(row.notice.is_some() || row.blocked.is_some(), "{place}");
        let told = row.notice.is_some() || row.internal_only || row.until.is_some();
        assert!(told, "{place}: nobody is told what people notice");
        for sentences in row.notice.iter().chain(&row.notes).chain(&product.notes) {
            assert!(sentences.ends_with('.'), "{place}: {sentences}");
        }
        for phrase in row.blocked.iter().chain(&row.condition).chain([&row.function]) {
            assert!(!phrase.ends_with('.') && !phrase.is_empty(), "{place}: {phrase}");
        }
    }
}

/// A role that nothing asks for is a word that a site file could use in vain.
#[test]
fn every_role_is_asked_for() {
    let catalog = catalog();
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for (_, row) in rows(&catalog) {
        asked.extend(row.peer.iter().chain(&row.host).map(String::as_str));
    }
    asked.extend(catalog.roles().iter().flat_map(|role| role.implies.iter().map(String::as_str)));
    // Stages of calls name roles as well.
    let calls = Calls::bundled(&catalog).unwrap();
    let parties = calls.all().iter().flat_map(|call| &call.stages).flat_map(|stage| &stage.to);
    asked.extend(parties.filter_map(|who| match who {
        Who::Role(role) => Some(role.as_str()),
        _ => None,
    }));
    // The port guide has a gateway in no row's peer; its products fill the role.
    asked.insert("gateway");
    let idle: Vec<&str> = catalog.roles().iter().map(|role| role.name.as_str()).collect();
    assert_eq!(idle.into_iter().filter(|name| !asked.contains(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn versions_of_a_product_are_numbered_in_one_way() {
    for product in catalog().products() {
        let marks: Vec<_> =
            product.requirements.iter().flat_map(|row| row.since.iter().chain(&row.until)).collect();
        for pair in marks.windows(2) {
            assert!(pair[0].compare(pair[1]).is_some(), "{}: {} {}", product.name, pair[0], pair[1]);
        }
    }
}

/// The newest version of a product has no two rows for the same thing, but where a guide has tables by network.
#[test]
fn no_row_is_there_twice() {
    for product in catalog().products() {
        let mut seen = BTreeMap::new();
        for row in product.requirements.iter().filter(|row| row.is_in(None)) {
            for transport in &row.transports {
                let key = (
                    (&row.ports, *transport, &row.peer, &row.service),
                    (format!("{:?}{:?}", row.listener, row.parity), &row.function, &row.table),
                );
                let other = seen.insert(key, row.name());
                assert_eq!(other, None, "{}", place(product, row));
            }
        }
    }
}

#[test]
fn what_is_confined_is_not_open_to_the_world() {
    for (product, row) in rows(&catalog()) {
        if row.severity == Need::Internal {
            assert!(row.confined.is_some() && row.by_design.is_none(), "{}", place(product, row));
        }
        if row.confined == Some(Confined::Box) {
            assert_eq!(row.severity, Need::Internal, "{}", place(product, row));
        }
        if row.no_login {
            assert!(row.confined.is_some(), "{}", place(product, row));
        }
    }
}

/// The whole and its parts tell the same story of the ports that people use.
#[test]
fn parts_and_whole_agree() {
    let catalog = catalog();
    for (part, whole) in [
        ("jitsi-web", "jitsi-meet"),
        ("jitsi-videobridge", "jitsi-meet"),
        ("jitsi-turn", "jitsi-meet"),
        ("nextcloud-talk-hpb", "nextcloud-talk"),
        ("openvidu-media", "openvidu"),
    ] {
        let (Some(part), Some(whole)) = (catalog.product(part), catalog.product(whole)) else {
            panic!("{part} {whole}");
        };
        assert_eq!(part.part_of.as_deref(), Some(whole.name.as_str()));
        let public = part.requirements.iter().filter(|row| row.peer.as_deref() == Some("webrtc-client"));
        for row in public.filter(|row| part.name != "nextcloud-talk-hpb" || row.service == "https") {
            let same = whole.requirements.iter().any(|other| {
                (&other.ports, &other.transports, &other.service, &other.until)
                    == (&row.ports, &row.transports, &row.service, &row.until)
            });
            assert!(same, "{} is not in {}", place(part, row), whole.name);
        }
    }
    for part in catalog.products().iter().filter(|part| part.part_of.is_some()) {
        let whole = part.part_of.as_deref().and_then(|whole| catalog.product(whole));
        let found = whole.is_some_and(|whole| catalog.components(whole).any(|known| known.name == part.name));
        assert!(found, "{}", part.name);
    }
}

#[test]
fn ports_of_products_that_many_run() {
    let catalog = catalog();
    let has = |product: &str, row: &str, ports: &[(u16, u16)]| {
        let found = catalog.product(product).map(|product| product.rows_named(row));
        let found = found.into_iter().flatten().next().map(|row| row.ports.as_slice());
        assert_eq!(found, Some(ports), "{product} {row}");
    };
    has("jitsi-meet", "ice-udp", &[(10000, 10000)]);
    has("bbb", "ice-audio", &[(16384, 24576)]);
    has("bbb", "ice-video", &[(24577, 32768)]);
    has("freepbx", "rtp", &[(10000, 20000)]);
    has("livekit", "ice-range", &[(50000, 60000)]);
    has("livekit", "ice-tcp", &[(7881, 7881)]);
    has("nextcloud-talk", "turn-udp", &[(3478, 3478)]);
    has("expressway-e", "rtp", &[(36000, 59999)]);
    has("expressway-e", "traversal-sip-tls", &[(7001, 7001)]);
    // Who is behind port 10000, across vendors.
    let uses = catalog.search(10000);
    let vendors: BTreeSet<&str> = uses.iter().filter_map(|usage| usage.product.vendor.as_deref()).collect();
    for vendor in ["Jitsi", "Asterisk", "FreePBX", "LiveKit", "RADVISION"] {
        assert!(vendors.contains(vendor), "{vendor}");
    }
    // What is over.
    let jitsi = catalog.product("jitsi-meet").map(|product| product.rows_named("ice-tcp"));
    assert!(jitsi.into_iter().flatten().all(|row| !row.is_in(None)));
    // The firewall of FreePBX opens media to everybody by design.
    let media = catalog.product("freepbx").map(|product| product.rows_named("rtp"));
    assert!(media.into_iter().flatten().all(|row| row.by_design.is_some()));
}

/// What `pinhole check` says of a Jitsi server whose firewall lets in today's ports, with a line more in its device.
fn check(folder: &str, line: &str) -> Output {
    let folder = std::env::temp_dir().join(format!("pinhole-{folder}-{}", std::process::id()));
    let site = format!(
        "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"dmz\"\nnetworks = [\"192.0.2.0/24\"]\n\
         [[firewall]]\nname = \"edge\"\nconfig = [\"edge.rules\"]\ninterfaces = {{ eth0 = \"internet\", eth1 = \"dmz\" }}\n\
         [[device]]\nname = \"meet\"\nproduct = \"jitsi-meet\"\naddresses = [\"192.0.2.5\"]\n{line}\n"
    );
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
                 -A FORWARD -i eth1 -j ACCEPT\n\
                 -A FORWARD -d 192.0.2.5 -p tcp -m multiport --dports 80,443,5349 -j ACCEPT\n\
                 -A FORWARD -d 192.0.2.5 -p udp -m multiport --dports 3478,10000 -j ACCEPT\nCOMMIT\n";
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pinhole.toml"), site).unwrap();
    std::fs::write(folder.join("edge.rules"), rules).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    let output = program.current_dir(&folder).args(["check", "--format", "concise"]).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    output
}

/// A site file that says nothing means the newest version; an older one has what was there then.
#[test]
fn a_device_has_the_rows_of_its_version() {
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let (today, old) = (check("today", ""), check("old", "version = \"stable-6826\""));
    assert!(!said(&today).contains("4443") && today.status.code() == Some(0), "{}", said(&today));
    assert!(said(&old).contains("tcp 4443"), "{}", said(&old));
    let broken = check("broken", "version = \"latest\"");
    assert_eq!(broken.status.code(), Some(2), "{}", said(&broken));
}
