//! What the catalog answers: exports, look-ups, and folders of users' own.

use std::path::Path;

use pinhole::catalog::{Catalog, CatalogError, export};

#[test]
fn the_exported_form_is_stable() {
    let catalog = Catalog::bundled().unwrap();
    let rows = serde_json::to_value(export::rows(&catalog)).unwrap();
    let rows = rows.as_array().unwrap();
    let row = |table: &str, low: u16| {
        rows.iter().find(|row| row["table"] == table && row["ports"][0][0] == low).unwrap().to_string()
    };
    assert_eq!(
        row("1-8", 7222),
        concat!(
            r#"{"announced_by":["q931","h245"],"blocked":"audio cannot be opened","by_design":null,"#,
            r#""configurable":false,"confined":null,"direction":"both","external":false,"fallback":[],"#,
            r#""future_use":false,"helper":null,"initiator":"peer","internal_only":false,"multicast":null,"networks":[],"#,
            r#""no_login":false,"parity":"even","peer":"h323-entity","ports":[[7222,7422]],"#,
            r#""product":"scopia-gateway","row":"ivr-audio","service":"rtp","setting":null,"#,
            r#""severity":"mandatory","since":null,"source":["guide"],"stated_severity":null,"#,
            r#""symmetric":null,"table":"1-8","transport_inferred":false,"transports":["udp"],"#,
            r#""unicast":false,"until":null}"#
        )
    );
    assert!(row("1-24", 3478).contains(r#""direction":{"from":"pathfinder-client","to":"stun-server"}"#));
    assert!(row("1-25", 139).contains(r#""ports":[[139,139],[445,445]]"#));
    assert!(row("1-25", 139).contains(r#""direction":null"#));
    assert!(row("1-25", 139).contains(r#""stated_severity":"recommended""#));
}

#[test]
fn a_port_finds_its_rows_narrow_ones_first() {
    let catalog = Catalog::bundled().unwrap();
    let uses = catalog.search(1720);
    let exact = uses.iter().take_while(|usage| usage.requirement.port_count() == 1);
    let scopia = exact.filter(|usage| usage.product.vendor.as_deref() == Some("RADVISION"));
    assert_eq!(scopia.count(), 11);
    assert!(uses.iter().all(|usage| usage.requirement.uses(1720)));
    assert!(uses.is_sorted_by_key(|usage| usage.requirement.port_count()));
    // An odd port is control and never media.
    assert!(
        catalog
            .search(7223)
            .iter()
            .any(|usage| usage.requirement.row.as_deref() == Some("ivr-audio-control"))
    );
    assert!(!catalog.search(7223).iter().any(|usage| usage.requirement.row.as_deref() == Some("ivr-audio")));
}

#[test]
fn misspelt_names_find_the_nearest() {
    let catalog = Catalog::bundled().unwrap();
    assert_eq!(catalog.nearest_product("scopia-elite-5300"), Some("scopia-elite-5100"));
    assert_eq!(catalog.nearest_product("scopia-desktpo"), Some("scopia-desktop"));
    assert_eq!(catalog.nearest_role("gatekeper"), Some("gatekeeper"));
    assert!(catalog.product("scopia-elite-5300").is_none());
}

#[test]
fn the_bundled_files_have_no_privilege() {
    let loaded = Catalog::default().load_dir(Path::new("rules/catalog")).unwrap();
    assert_eq!(loaded.products(), Catalog::bundled().unwrap().products());
    // A folder on top of itself replaces every product and adds to every role.
    let again = Catalog::bundled().unwrap().load_dir(Path::new("rules/catalog")).unwrap();
    assert_eq!(again.products(), Catalog::bundled().unwrap().products());
}

#[test]
fn folders_that_hold_no_catalog() {
    let of = |path: &str| Catalog::bundled().unwrap().load_dir(Path::new(path)).unwrap_err();
    assert!(matches!(of("src/catalog"), CatalogError::Empty(_)));
    assert!(of("no/such/folder").to_string().starts_with("cannot read `no/such/folder`: "));
    assert!(matches!(of("rules/catalog/roles.toml"), CatalogError::Read { .. }));
}
