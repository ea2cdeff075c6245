//! What the loader accepts, and what it says of the rest.

use std::path::PathBuf;

use super::file::Source;
use super::load::merge;
use super::*;

const ROLES: &str = r#"
[[role]]
name = "far-end"
title = "the far end"
products = ["box"]
implies = ["any-end"]

[[role]]
name = "any-end"
title = "any end"
"#;

const PRODUCT: &str = r#"name = "box"
title = "A box"
aliases = ["crate"]

[[mode]]
table = "m"
name = "high"
telnet = false
ftp = false
snmp = true
icmp = true

[[requirement]]
table = "t"
row = "one"
ports = "1720, 3000-3010"
transports = ["tcp"]
protocol = "Q.931"
function = "calls"
direction = { from = "far-end", to = "box" }
initiator = "either"
listener = "device"
peer = "far-end"
severity = "mandatory"
service = "q931"

[[requirement]]
table = "t"
row = "two"
ports = "4000"
transports = ["udp"]
protocol = "X"
function = "more"
initiator = "device"
listener = "peer"
severity = "optional"
service = "q931"
"#;

fn load(roles: &str, product: &str) -> Result<Catalog, CatalogError> {
    let file = |name: &str, text: &str| Source::new(PathBuf::from(name), text.to_string());
    merge(Catalog::default(), &[file("lab/roles.toml", roles), file("lab/box.toml", product)])
}

/// The error of the product above with one text in place of another: place and message.
fn fault(old: &str, new: &str) -> (String, usize, usize, String) {
    assert!(ROLES.contains(old) || PRODUCT.contains(old), "{old}");
    match load(&ROLES.replacen(old, new, 1), &PRODUCT.replacen(old, new, 1)) {
        Err(CatalogError::Invalid { path, line, column, message, .. }) => {
            (path.display().to_string(), line, column, message)
        }
        other => panic!("{old} -> {new}: {other:?}"),
    }
}

#[test]
fn a_small_catalog() {
    let catalog = load(ROLES, PRODUCT).unwrap();
    let product = catalog.product("Crate").unwrap();
    assert_eq!(product.roles, ["any-end", "far-end"]);
    assert_eq!(product.requirements[0].ports, [(1720, 1720), (3000, 3010)]);
    assert_eq!(product.rows_named("q931").len(), 2);
    assert_eq!(product.rows_named("two").len(), 1);
    assert_eq!(product.mode("HIGH").unwrap().is_on("snmp"), Some(true));
}

#[test]
fn faults_are_told_with_their_place() {
    let product =
        |line, column, message: &str| ("lab/box.toml".to_string(), line, column, message.to_string());
    let cases = [
        ("ports = \"1720", "port = \"1720", product(16, 1, "unknown field `port`; the nearest is `ports`")),
        (
            "1720, 3000",
            "1720; 3000",
            product(
                16,
                9,
                "`1720; 3000-3010` is no port and no range; write `80`, `1024-1324` or several, parted by commas",
            ),
        ),
        ("3000-3010", "3000-2010", product(16, 9, "the range `3000-2010` ends before it starts")),
        ("3000-3010", "1000-3010", product(16, 9, "port 1720 is listed twice")),
        ("\"tcp\"", "\"tpc\"", product(17, 15, "unknown variant `tpc`, expected `tcp` or `udp`")),
        ("\"tcp\"", "\"tcp\", \"tcp\"", product(17, 14, "a transport is listed twice")),
        (
            "peer = \"far-end\"",
            "peer = \"fra-end\"",
            product(23, 8, "there is no role `fra-end`; the nearest is `far-end`"),
        ),
        ("row = \"one\"", "row = \"two\"", product(29, 7, "two rows are called `two`")),
        (
            "row = \"one\"",
            "row = \"q931\"",
            product(15, 7, "`q931` is the name of a service of this product, so no row can have it"),
        ),
        (
            "row = \"one\"\n",
            "",
            product(24, 11, "several rows have the service `q931`, so each needs a `row` name"),
        ),
        (
            "listener = \"device\"",
            "listener = \"peer\"",
            product(22, 12, "who opens the connection and where the ports are contradict each other"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\ninternal-only = true\n",
            product(24, 12, "`internal` and `internal-only` go together"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nannounced-by = [\"q391\"]\n",
            product(26, 16, "no row of this product is called `q391`; the nearest is `q931`"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nfallback = [\"tow\"]\n",
            product(26, 12, "no row of this product is called `tow`; the nearest is `two`"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nsource = [\"sheet\"]\n",
            product(26, 10, "the product has no source `sheet`"),
        ),
        (
            "table = \"t\"\nrow = \"two\"",
            "row = \"two\"",
            product(
                29,
                9,
                "the row has to name its `source`, or its `table` where the product has one source",
            ),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nsince = \"8\"\nuntil = \"7.2\"\n",
            product(27, 9, "`until` has to be a later version than `since`, numbered in the same way"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nuntil = \"next\"\n",
            product(26, 9, "`next` is no version; write it like `4.17.0`"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nconfined = \"box\"\n",
            product(26, 12, "a row that is confined to the box is `internal`"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nnetworks = [\"192.0.2.1/24\"]\n",
            product(26, 12, "`192.0.2.1/24` is no network; write it like `192.0.2.0/24`"),
        ),
        (
            "title = \"A box\"",
            "title = \"A box\"\npart-of = \"bux\"",
            product(3, 11, "there is no product `bux`; the nearest is `box`"),
        ),
        (
            "title = \"A box\"",
            "title = \"A box\"\nfills = [\"far-ends\"]",
            product(3, 10, "there is no role `far-ends`; the nearest is `far-end`"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\ndoubtful = true\n",
            product(26, 12, "`notes` have to say what is doubtful"),
        ),
        (
            "service = \"q931\"\n",
            "service = \"q931\"\nparity = \"even\"\nports-2 = 1\n",
            product(27, 1, "unknown field `ports-2`; the nearest is `ports`"),
        ),
        ("to = \"box\"", "two = \"box\"", product(20, 33, "unknown field `two`, expected `from` or `to`")),
        (
            "direction = { from = \"far-end\", to = \"box\" }",
            "direction = \"up\"",
            product(
                20,
                13,
                "invalid value: string \"up\", expected `in`, `out`, `both` or `{ from = …, to = … }`",
            ),
        ),
        (
            "aliases = [\"crate\"]",
            "aliases = [\"box\"]",
            product(3, 12, "the name `box` belongs to the product `box` already"),
        ),
        (
            "aliases = [\"crate\"]",
            "aliases = [\"A crate\"]",
            product(3, 12, "a name is made of lower-case letters, digits and hyphens"),
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(fault(old, new), expected, "{old} -> {new}");
    }
    let (path, line, _, message) = fault("products = [\"box\"]", "products = [\"bocks\"]");
    assert_eq!((path.as_str(), line), ("lab/roles.toml", 5));
    assert_eq!(message, "there is no product `bocks`");
    assert_eq!(
        fault("implies = [\"any-end\"]", "implies = [\"my-end\"]").3,
        "there is no role `my-end`; the nearest is `any-end`"
    );
}

#[test]
fn what_is_counted_is_there_and_said_once() {
    let sizing = "source = [\"sheet\"]\nrows = [\"two\"]\nper = \"call\"\nports = 8\n";
    let with = |sizings: &str| {
        let source = "[[source]]\nid = \"sheet\"\ndocument = \"Data sheet\"\n\n";
        let text = PRODUCT.replacen("[[mode]]", &format!("{source}{sizings}\n[[mode]]"), 1);
        load(ROLES, &text)
    };
    let told = |changed: &str| with(&format!("[[sizing]]\n{changed}")).unwrap_err().to_string();
    let catalog = with(&format!("[[sizing]]\n{sizing}recording = 6\nmost-recordings = 10\n")).unwrap();
    let counted = &catalog.products()[0].sizings[0];
    assert_eq!((counted.needed(100, 5), counted.needed(1, 12), counted.room(17)), (830, 68, 2));
    for (old, new, expected) in [
        ("[\"two\"]", "[\"tow\"]", "no row of this product is called `tow`; the nearest is `two`"),
        ("[\"two\"]", "[]", "it counts the ports of no row"),
        ("[\"two\"]", "[\"two\", \"one\"]", "the ports of these rows are not one range"),
        ("\"sheet\"", "\"shet\"", "the product has no source `shet`; the nearest is `sheet`"),
        ("source = [\"sheet\"]\n", "", "it has to name its `source`, or its `table`"),
        ("ports = 8", "ports = 0", "expected a nonzero u32"),
        ("ports = 8", "ports = 8\nmost-recordings = 3", "`most-recordings` needs `recording`"),
    ] {
        let error = told(&sizing.replacen(old, new, 1));
        assert!(error.contains(expected), "{error}");
    }
    let twice = with(&format!("[[sizing]]\n{sizing}[[sizing]]\n{sizing}")).unwrap_err().to_string();
    assert!(twice.contains("the ports of `two` are counted twice"), "{twice}");
}

#[test]
fn what_a_row_says_without_writing_it() {
    let source = "[[source]]\nid = \"sheet\"\ndocument = \"Data sheet\"\ndate = \"2026-08\"\n\n[[mode]]";
    let text = PRODUCT.replacen("[[mode]]", source, 1);
    let text = text.replacen("severity = \"optional\"", "severity = \"internal\"\nsetting = \"x.port\"", 1);
    let catalog = load(ROLES, &text).unwrap();
    let [one, two] = catalog.products()[0].requirements.as_slice() else { panic!() };
    // The one document is that of the tables.
    assert_eq!((one.source.as_slice(), one.configurable), (&["sheet".to_string()][..], false));
    assert_eq!((two.internal_only, two.confined, two.configurable), (true, Some(Confined::Box), true));
    let twice = format!("{source}\n").replacen("[[mode]]", "", 1) + source;
    let error = load(ROLES, &PRODUCT.replacen("[[mode]]", &twice, 1)).unwrap_err().to_string();
    assert!(error.contains("two sources are called `sheet`"), "{error}");
    let error = load(ROLES, &text.replacen("2026-08", "August", 1)).unwrap_err().to_string();
    assert!(error.contains("a date is written `2026-08-20`, `2026-08` or `2026`"), "{error}");
}

#[test]
fn a_version_has_the_rows_of_its_time() {
    let row = |marks: &str| {
        let text = PRODUCT.replacen("service = \"q931\"\n", &format!("service = \"q931\"\n{marks}\n"), 1);
        load(ROLES, &text).unwrap().products()[0].requirements[0].clone()
    };
    let version = |text| Version::parse(text);
    let (gone, came, both) =
        (row("until = \"3.0\""), row("since = \"2.6\""), row("since = \"2\"\nuntil = \"3\""));
    assert!(!gone.is_in(None) && gone.is_in(version("2.9").as_ref()) && !gone.is_in(version("3").as_ref()));
    assert!(
        came.is_in(None) && came.is_in(version("2.6.1").as_ref()) && !came.is_in(version("2.5").as_ref())
    );
    assert!(both.is_in(version("2.0").as_ref()) && !both.is_in(version("1").as_ref()) && !both.is_in(None));
    // Numbered in another way: taken to be the newest.
    assert!(!gone.is_in(version("stable-1").as_ref()) && came.is_in(version("stable-1").as_ref()));
}

#[test]
fn an_even_range_ends_on_even_ports() {
    let parity = |range: &str| {
        fault("ports = \"1720, 3000-3010\"", &format!("ports = \"{range}\"\nparity = \"even\""))
    };
    assert_eq!(parity("3000-3011").3, "the range ends on a port of the other parity");
    assert_eq!(parity("3001-3010").3, "the range ends on a port of the other parity");
}

#[test]
fn the_excerpt_points_at_the_fault() {
    let error = load(ROLES, &PRODUCT.replace("\"mandatory\"", "\"must\"")).unwrap_err().to_string();
    let expected = "lab/box.toml:24:12: unknown variant `must`";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("\n   |\n24 | severity = \"must\"\n   |            ^^^^^^"), "{error}");
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("name = {}", "[".repeat(200_000));
    let wide = format!("name = \"{}\"", "x".repeat(10_000_000));
    for text in [
        deep.as_str(),
        wide.as_str(),
        "",
        "\0",
        "name = \"é",
        "\u{feff}[[[",
        "name = \"a\"\ntitle = \"\u{301}\"\nx = \"é\"",
    ] {
        let error = load(ROLES, text).unwrap_err().to_string();
        assert!(error.len() < 1000, "{}", &error[..1000]);
    }
    let cycle = ROLES.replace("title = \"any end\"", "title = \"any end\"\nimplies = [\"far-end\"]");
    assert_eq!(load(&cycle, PRODUCT).unwrap().implied_roles("any-end"), ["any-end", "far-end"]);
}

#[test]
fn a_second_catalog_replaces_products_and_adds_to_roles() {
    let base = load(ROLES, PRODUCT).unwrap();
    let file = |name: &str, text: String| Source::new(PathBuf::from(name), text);
    let roles = "[[role]]\nname = \"any-end\"\ntitle = \"\"\nproducts = [\"other\"]\n".to_string();
    let other = "name = \"other\"\ntitle = \"Another box\"\n".to_string();
    let newer = "name = \"box\"\ntitle = \"A newer box\"\n".to_string();
    let merged =
        merge(base.clone(), &[file("roles.toml", roles), file("a.toml", other), file("b.toml", newer)])
            .unwrap();
    assert_eq!(merged.product("box").unwrap().title, "A newer box");
    assert_eq!(merged.product("box").unwrap().requirements.len(), 0);
    assert_eq!(merged.role("any-end").unwrap().title, "any end");
    assert!(
        merged.product("other").unwrap().fills("any-end") && merged.product("box").unwrap().fills("far-end")
    );
    let filling = "name = \"box\"\ntitle = \"A newer box\"\nfills = [\"any-end\"]\n".to_string();
    let refilled = merge(base.clone(), &[file("b.toml", filling)]).unwrap();
    assert!(refilled.product("box").unwrap().fills("any-end"));
    let clash = "name = \"crate\"\ntitle = \"\"\n".to_string();
    assert!(
        merge(base, &[file("c.toml", clash)])
            .unwrap_err()
            .to_string()
            .contains("belongs to the product `box` already")
    );
}
