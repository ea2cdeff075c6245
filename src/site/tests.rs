use super::*;
use crate::catalog::Catalog;
use crate::codes::{Code, Codes};
use crate::finding::{Finding, Severity};
use crate::report::fatal;
use crate::source::SourceMap;

fn codes() -> Codes {
    let code = |code, name| Code { code, name, aliases: Vec::new() };
    Codes::new(vec![
        code("PH104", "blocked-optional-port"),
        code("PH201", "overly-broad-port-range"),
        code("PH202", "any-to-any"),
        code("PH601", "broken-site-file"),
    ])
}

fn read(text: &str) -> (SourceMap, Result<Site, Vec<Finding>>) {
    let mut sources = SourceMap::new();
    sources.add("other", b"something before\n".to_vec()).unwrap();
    let id = sources.add("lab/pinhole.toml", text.as_bytes().to_vec()).unwrap();
    let site = load(&sources, id, &codes());
    (sources, site)
}

/// The messages of what is wrong, with the text that each points at.
fn wrong(text: &str) -> Vec<(String, String)> {
    let (sources, site) = read(text);
    let findings = site.expect_err(text);
    findings.into_iter().map(|f| (f.message, sources.text(f.span.unwrap()).to_string())).collect()
}

const WHOLE: &str = r#"
catalog = ["more"]

[check]
select = ["PH1", "PH2", "broken-site-file"]
ignore = ["PH104", { rule = "any-to-any", file = "edge.rules", reason = "lab", expires = 2027-01-31 }]
fail-on = "warning"
severity = { any-to-any = "error", PH104 = "info" }
thresholds.wide-range = 500

[[zone]]
name = "internet"
[[zone]]
name = "campus"
networks = ["10.0.0.0/8"]
[[zone]]
name = "video"
networks = ["10.1.2.0/24", "2001:db8:2::/64"]

[[firewall]]
name = "edge"
config = ["edge.rules", "edge.rules6"]
interfaces = { eth0 = "internet", eth1 = "video" }
addresses = { eth0 = ["198.51.100.1/24"], eth1 = ["10.1.2.1/24"] }
groups = { egress = ["eth0"] }
[[firewall]]
name = "on-mcu"
config = ["mcu.nft"]
host = "mcu-1"

[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10", "2001:db8:2::10"]
public-addresses = ["198.51.100.10"]
security-mode = "High"
ports = { rtp = "20000-20600", sip = 5070, http = ["80, 8080", 81] }
connections = 100

[[peer]]
role = "snmp-manager"
addresses = ["10.9.0.5"]
[[peer]]
role = "h323-entity"
zone = "internet"
"#;

#[test]
fn a_whole_site() {
    let (sources, site) = read(WHOLE);
    let site = site.unwrap();
    assert_eq!(site.catalogs, [PathBuf::from("lab/more")]);
    let settings = &site.settings;
    assert_eq!(settings.select, Some(vec!["PH104", "PH201", "PH202", "PH601"]));
    assert_eq!((settings.ignore.as_slice(), settings.wide_range), (["PH104"].as_slice(), 500));
    assert_eq!(settings.fail_on, Some(Severity::Warning));
    assert_eq!(settings.severity["PH202"], Severity::Error);
    let accepted = &settings.accepted[0];
    assert_eq!((accepted.codes.as_slice(), accepted.reason.as_str()), (["PH202"].as_slice(), "lab"));
    assert_eq!(accepted.file.as_deref(), Some(Path::new("lab/edge.rules")));
    let day = |day| Date { year: 2027, month: 1, day };
    assert!(!accepted.expired(day(31)) && accepted.expired(Date { month: 2, ..day(1) }));
    let edge = &site.firewalls[0];
    assert_eq!(edge.configs, [PathBuf::from("lab/edge.rules"), PathBuf::from("lab/edge.rules6")]);
    assert_eq!((edge.interfaces["eth0"], edge.interfaces["eth1"], edge.host), (0, 2, None));
    assert_eq!(edge.addresses["eth0"][0].to_string(), "198.51.100.1/24");
    assert_eq!(edge.groups["egress"], ["eth0"]);
    assert_eq!(site.firewalls[1].host, Some(0));
    let device = &site.devices[0];
    assert_eq!(sources.text(device.span.unwrap()), "\"mcu-1\"");
    assert_eq!(device.security_mode.as_deref(), Some("high"));
    let ports: Vec<(&str, &[[u16; 2]])> =
        device.moved.iter().map(|m| (m.row.as_str(), m.ports.as_slice())).collect();
    assert!(ports.contains(&("rtp", &[[20000, 20600]])), "{ports:?}");
    assert!(ports.contains(&("http", &[[80, 80], [8080, 8080], [81, 81]])), "{ports:?}");
    assert_eq!(site.peers[1].place, PeerPlace::Zone(0));
}

#[test]
fn the_longest_prefix_decides_the_zone() {
    let site = read(WHOLE).1.unwrap();
    let zone = |address: &str| site.zone_of(address.parse().unwrap()).map(|id| site.zones[id].name.as_str());
    assert_eq!(zone("10.1.2.10"), Some("video"));
    assert_eq!(zone("10.1.3.10"), Some("campus"));
    assert_eq!(zone("2001:db8:2::5"), Some("video"));
    assert_eq!(zone("2001:db8:3::5"), Some("internet"));
    let without = Site { zones: site.zones[1..].to_vec(), ..site.clone() };
    assert_eq!(without.zone_of("192.0.2.1".parse().unwrap()), None);
    let all = Prefix { address: "0.0.0.0".parse().unwrap(), length: 0 };
    assert!(all.contains("255.1.1.1".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
}

#[test]
fn an_unknown_key_names_the_nearest_right_one() {
    let (sources, site) = read("[[device]]\nname = \"mcu\"\nproduct = \"x\"\nadresses = [\"10.1.2.10\"]\n");
    let mut out = Vec::new();
    let codes = codes();
    fatal(&sources, &site.unwrap_err(), &|code| codes.name(code), false, &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn every_mistake_has_its_place() {
    let device = "[[device]]\nname = 'a'\nproduct = 'p'\naddresses = ['10.0.0.1']\n";
    let zones = "[[zone]]\nname = 'in'\nnetworks = ['10.0.0.0/8']\n[[zone]]\nname = 'out'\n";
    let firewall = "[[firewall]]\nname = 'f'\nconfig = ['a']\n";
    let cases: &[(&str, &str, &str)] = &[
        ("zones = 1", "unknown key `zones` in the site file", "zones"),
        ("[[zone]]\nname = 3", "`name` takes a text in quotes, not a whole number", "3"),
        (
            "[zone]\nname = 'a'",
            "`zone` takes a list of tables, each under a header in double brackets, not a table",
            "[zone]",
        ),
        ("[[zone]]\nnetworks = []", "[[zone]] has no `name`", "[[zone]]"),
        ("[[zone]]\nname = ' '", "`name` is empty", "' '"),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['10.1.2.3/24']",
            "`10.1.2.3/24` is no network: bits after the prefix are set",
            "'10.1.2.3/24'",
        ),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['10.1.2.0/33']",
            "`10.1.2.0/33` is no address or network",
            "'10.1.2.0/33'",
        ),
        (
            "[[zone]]\nname = 'a'\nnetworks = ['010.1.2.0/24']",
            "`010.1.2.0/24` is no address or network",
            "'010.1.2.0/24'",
        ),
        ("[[zone]]\nname = 'a'\n[[zone]]\nname = 'b'", "two zones have no networks", "'b'"),
        (
            &format!("{zones}[[zone]]\nname = 'out'\nnetworks = ['::/0']"),
            "the name `out` is given twice",
            "'out'",
        ),
        (
            &format!("{zones}[[zone]]\nname = 'x'\nnetworks = ['10.0.0.0/8']"),
            "the network `10.0.0.0/8` is in two zones",
            "'10.0.0.0/8'",
        ),
        (&format!("{zones}{firewall}interfaces = {{ e0 = 'inn' }}"), "there is no zone `inn`", "'inn'"),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = 'in' }}\naddresses = {{ e1 = ['10.0.0.1/8'] }}"),
            "there is no interface `e1`",
            "e1",
        ),
        (
            &format!("{zones}{firewall}interfaces = {{ e0 = 'in' }}\ngroups = {{ g = ['e2'] }}"),
            "there is no interface `e2`",
            "'e2'",
        ),
        (firewall, "[[firewall]] has neither `interfaces` nor `host`", "[[firewall]]"),
        (
            &format!(
                "{zones}{firewall}interfaces = {{ e0 = 'in' }}\n[[firewall]]\nname = 'g'\nconfig = ['./b', 'a']\n\
                 interfaces = {{ e1 = 'in' }}"
            ),
            "`a` is the config of two firewalls",
            "'a'",
        ),
        (&format!("{device}{firewall}host = 'b'"), "there is no device `b`", "'b'"),
        (
            &format!("{zones}{device}{firewall}host = 'a'\ninterfaces = {{ e0 = 'in' }}"),
            "a firewall has both `host` and `interfaces`",
            "'a'",
        ),
        ("[[device]]\nname = 'a'\nproduct = 'p'", "[[device]] has no `addresses`", "[[device]]"),
        ("[[device]]\nname = 'a'\nproduct = 'p'\naddresses = []", "`addresses` is empty", "[]"),
        (
            "[[device]]\nname = 'a'\nproduct = 'p'\naddresses = ['0.0.0.0']",
            "`0.0.0.0` is no address of a machine",
            "'0.0.0.0'",
        ),
        (&format!("{device}ports = {{ rtp = '20-10' }}"), "the ports of `rtp` cannot be read", "'20-10'"),
        (&format!("{device}ports = {{ rtp = 70000 }}"), "the ports of `rtp` cannot be read", "70000"),
        (&format!("{device}ports = {{ rtp = true }}"), "`rtp` takes ports, not true or false", "true"),
        (&format!("{device}connections = 0"), "`connections` is out of range", "0"),
        ("[[peer]]\nrole = 'r'", "[[peer]] has neither `addresses` nor `zone`", "[[peer]]"),
        (
            &format!("{zones}[[peer]]\nrole = 'r'\nzone = 'in'\naddresses = ['10.0.0.1']"),
            "[[peer]] has both `addresses` and `zone`",
            "[[peer]]",
        ),
        ("[check]\nselect = ['PH2O1']", "there is no rule `PH2O1`", "'PH2O1'"),
        ("[check]\nfail-on = 'never'", "`never` is no severity", "'never'"),
        ("[check.severity]\nPH999 = 'info'", "there is no rule `PH999`", "PH999"),
        ("[check.thresholds]\nwide-range = 0", "`wide-range` is out of range", "0"),
        (
            "[[check.ignore]]\nrule = 'PH201'\nfile = 'a'",
            "[[check.ignore]] has no `reason`",
            "[[check.ignore]]",
        ),
        (
            "[[check.ignore]]\nrule = 'PH201'\nreason = 'r'\nexpires = '2027-01-31'",
            "`expires` takes a date",
            "'2027-01-31'",
        ),
    ];
    for (text, message, at) in cases {
        let found = wrong(text);
        assert!(found.contains(&(message.to_string(), at.to_string())), "{text}\n{found:#?}");
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    }
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    for text in ["[[zone]\nname = 'a'\n", "name", "a = 1\na = 2\n", "x = [\0]", "x = '", "[[[[[[[["] {
        assert!(wrong(text).iter().any(|(message, _)| message.starts_with("the site file is no")), "{text}");
    }
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(!wrong(&deep).is_empty());
    let mut sources = SourceMap::new();
    let id = sources.add("pinhole.toml", b"catalog = ['\xff']".to_vec()).unwrap();
    assert!(load(&sources, id, &codes()).unwrap_err()[0].message.contains("no UTF-8"));
}

#[test]
fn a_site_of_products() {
    let site = Site::of_products(&[("scopia-mcu".into(), Some("10.1.2.3".parse().unwrap()))], Some("High"));
    assert_eq!(site.devices[0].name, "scopia-mcu@10.1.2.3");
    assert_eq!(site.devices[0].security_mode.as_deref(), Some("high"));
    assert_eq!(
        Site::of_products(&[("scopia-mcu".into(), None)], None).devices[0].addresses,
        [] as [IpAddr; 0]
    );
}

/// The codes and labels of what is doubtful about one device.
fn doubts_about(product: &str, ports: &str) -> Vec<(&'static str, String)> {
    let text = format!(
        "[[device]]\nname = 'd'\nproduct = '{product}'\naddresses = ['10.0.0.1']\nports = {{ {ports} }}\n"
    );
    let site = read(&text).1.unwrap();
    let catalog = Catalog::bundled().unwrap();
    let today = Date { year: 2026, month: 1, day: 1 };
    doubts(&site, &catalog, today).into_iter().map(|finding| (finding.code, finding.label)).collect()
}

#[test]
fn moved_rows_are_held_against_the_catalog() {
    let catalog = Catalog::bundled().unwrap();
    let mut rows =
        catalog.products().iter().flat_map(|p| p.requirements.iter().map(move |r| (p.name.as_str(), r)));
    let (product, row) = rows.find(|(_, row)| row.configurable && !row.allowed.is_empty()).unwrap();
    let name = row.row.as_ref().unwrap_or(&row.service);
    let (low, high) = row.allowed[0];
    assert_eq!(doubts_about(product, &format!("{name} = '{low}-{high}'")), []);
    let outside = ("PH606", format!("configurable within {low}-{high}"));
    assert_eq!(doubts_about(product, &format!("{name} = '{}-{high}'", low - 1)), [outside]);
    // Several rows of a service: the name of one has to be given.
    let several = |product: &&crate::catalog::Product| product.rows_named("rtp").len() > 1;
    let product = catalog.products().iter().find(several).unwrap();
    assert_eq!(doubts_about(&product.name, "rtp = 7000"), [("PH605", "which of them?".to_string())]);
}

proptest::proptest! {
    /// A site file cut, repeated and overwritten anywhere is read, or refused with places inside it.
    #[test]
    fn damage_is_no_panic(from in 0..WHOLE.len(), to in 0..WHOLE.len(), with in "[\\[\\]{}\"=.,#0-9a-z\n é\0-]{0,8}") {
        let cut = |at: usize| &WHOLE[..at];
        for text in [format!("{}{with}{}", cut(from), &WHOLE[to..]), format!("{}{with}", cut(to))] {
            let (sources, site) = read(&text);
            let file = sources.files().last().unwrap().1.span();
            for finding in site.err().into_iter().flatten() {
                let span = finding.span.unwrap();
                proptest::prop_assert!(file.start <= span.start && span.end <= file.end, "{text}\n{finding:?}");
                proptest::prop_assert!(sources.file_of(span).unwrap().text.is_char_boundary((span.start - file.start) as usize));
            }
        }
    }
}
