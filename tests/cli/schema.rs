//! What pinhole reads and writes is what its schemas say.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::Scratch;
use crate::fits::wrong;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(root()).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&printed(&["schema", name])).unwrap()
}

#[track_caller]
fn fits(schema: &Value, value: &Value, what: &str) {
    assert_eq!(wrong(schema, value), [""; 0], "{what}");
}

/// The site files of the fixtures.
fn sites() -> Vec<PathBuf> {
    let all = ["fixtures/scenarios", "fixtures/changes"]
        .map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let all = all.into_iter().flatten().map(|entry| entry.unwrap().path().join("pinhole.toml"));
    let mut all: Vec<PathBuf> = all.filter(|path| path.exists()).collect();
    all.sort();
    all
}

fn toml(text: &str) -> Value {
    fn json(value: &toml::Value) -> Value {
        match value {
            toml::Value::Table(table) => {
                table.iter().map(|(key, value)| (key.clone(), json(value))).collect()
            }
            toml::Value::Array(items) => items.iter().map(json).collect(),
            toml::Value::String(text) => text.as_str().into(),
            toml::Value::Integer(number) => (*number).into(),
            toml::Value::Float(number) => (*number).into(),
            toml::Value::Boolean(flag) => (*flag).into(),
            toml::Value::Datetime(when) => when.to_string().into(),
        }
    }
    json(&toml::Value::Table(text.parse().unwrap()))
}

#[test]
fn site_files_fit() {
    let schema = schema("site");
    let sites = sites();
    assert!(sites.len() > 20);
    for path in sites {
        fits(&schema, &toml(&std::fs::read_to_string(&path).unwrap()), &path.display().to_string());
    }
    fits(&schema, &toml(&examples("docs/site-file.md")[0]), "docs/site-file.md");
}

/// All places of a schema at which keys stand, each with a key that there is not.
fn with_unknown_keys(value: &Value, out: &mut Vec<Value>, whole: &Value, path: &str) {
    match value {
        Value::Object(object) => {
            let mut broken = whole.clone();
            broken.pointer_mut(path).unwrap().as_object_mut().unwrap().insert("no-such-key".into(), 1.into());
            out.push(broken);
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                with_unknown_keys(value, out, whole, &format!("{path}/{key}"));
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                with_unknown_keys(value, out, whole, &format!("{path}/{at}"));
            }
        }
        _ => {}
    }
}

/// Files with one of these ends, in a folder and those in it, by path.
fn files(folder: &str, ends: &[&str]) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name().into_iter();
    let all = all.map(|entry| entry.unwrap().into_path());
    all.filter(|path| path.extension().is_some_and(|end| ends.iter().any(|one| end == *one))).collect()
}

/// The examples in TOML of a document.
fn examples(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("\n```toml\n").skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0.to_string()).collect()
}

#[test]
fn files_of_catalogs_and_calls_fit() {
    let [product, roles, call] = ["product", "roles", "call"].map(schema);
    let mut seen = 0;
    for folder in ["rules/catalog", "fixtures"] {
        for path in files(folder, &["toml"]) {
            let text = std::fs::read_to_string(&path).unwrap();
            let form = match path.file_name().unwrap().to_str().unwrap() {
                "roles.toml" => &roles,
                _ if text.contains("[[requirement]]") => &product,
                _ => continue,
            };
            seen += 1;
            fits(form, &toml(&text), &path.display().to_string());
        }
    }
    assert!(seen > 90, "{seen}");
    let calls =
        files("rules/calls", &["toml"]).into_iter().chain(files("fixtures/real-calls/calls", &["toml"]));
    for path in calls {
        fits(&call, &toml(&std::fs::read_to_string(&path).unwrap()), &path.display().to_string());
    }
    let [one, two] = &examples("docs/catalog.md")[..] else { panic!("two examples") };
    fits(&product, &toml(one), "docs/catalog.md");
    fits(&roles, &toml(two), "docs/catalog.md");
    fits(&call, &toml(&examples("docs/calls.md")[0]), "docs/calls.md");
}

/// Holds a schema to the reader: what it does not know anywhere is refused by both, and so is each of the changes.
#[track_caller]
fn refused_alike(schema: &Value, text: &str, changes: &[(&str, &str)], refuses: impl Fn(&str) -> bool) {
    let whole = toml(text);
    fits(schema, &whole, text);
    assert!(!refuses(text), "{text}");
    let mut broken = Vec::new();
    with_unknown_keys(&whole, &mut broken, &whole, "");
    for one in broken {
        assert!(!wrong(schema, &one).is_empty(), "{one}");
        let text = toml::to_string(&one).unwrap();
        assert!(refuses(&text), "{text}");
    }
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        let text = text.replace(from, to);
        assert!(!wrong(schema, &toml(&text)).is_empty(), "{to}");
        assert!(refuses(&text), "{to}");
    }
}

#[test]
fn what_the_reader_of_catalogs_refuses_their_schemas_refuse() {
    let [one, roles] = &examples("docs/catalog.md")[..] else { panic!("two examples") };
    let folder = Scratch::new("schema");
    let refuses = |name: &str, text: &str| {
        folder.write("acme-room-kit.toml", one);
        folder.write(name, text);
        let args = ["catalog", "--catalog", folder.0.to_str().unwrap(), "list"];
        let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(args).output().unwrap();
        let _ = std::fs::remove_file(folder.0.join(name));
        output.status.code() == Some(2)
    };
    let changes = [
        ("title = \"Acme Room Kit\"\n", ""),
        ("name = \"acme-room-kit\"", "name = \"Acme Room Kit\""),
        ("date = \"2025-11-03\"", "date = \"3 November 2025\""),
        ("telnet = false", "telnet = \"off\""),
        ("ports = \"1720\"", "ports = 1720"),
        ("ports = \"1720\"", "ports = \"q931\""),
        ("transports = [\"tcp\"]", "transports = [\"sctp\"]"),
        ("direction = \"both\"", "direction = \"inbound\""),
        ("initiator = \"either\"", "initiator = \"both\""),
        ("listener = \"device\"", "listener = \"mcu\""),
        ("severity = \"mandatory\"", "severity = \"high\""),
        ("helper = \"Q.931\"", "helper = \"h323\""),
        ("since = \"1.4\"", "since = \"newest\""),
        ("per = \"call\"", "per = 1"),
        ("ports = 8 ", "ports = 0 "),
    ];
    refused_alike(&schema("product"), one, &changes, |text| refuses("acme-room-kit.toml", text));
    let changes = [
        ("implies = [\"media-entity\"]", "implies = \"media-entity\""),
        ("title = \"an H.323 endpoint, gateway or MCU\"\n", ""),
    ];
    refused_alike(&schema("roles"), roles, &changes, |text| refuses("roles.toml", text));
}

#[test]
fn what_the_reader_of_calls_refuses_its_schema_refuses() {
    let folder = Scratch::new("schema");
    let refuses = |text: &str| {
        folder.write("intercom.toml", text);
        let folder = folder.0.to_str().unwrap();
        let site = "fixtures/scenarios/h245-blocked/pinhole.toml";
        let args = ["explain", "--site", site, "--calls", folder, "--from", "internet", "--to", "mcu-1"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        command.current_dir(root()).args(args).output().unwrap().status.code() == Some(2)
    };
    let changes = [
        ("title = \"door intercom\"\n", ""),
        ("ports = \"5060\"", "ports = 5060"),
        ("need = \"required\"", "need = \"always\""),
        ("ways = \"both\"", "ways = \"two\""),
        ("transports = [\"udp\"]", "transports = [\"sctp\"]"),
        ("to = [\"b\"]", "to = \"b\""),
        ("symptom = \"Nobody hears the bell.\"\n", ""),
    ];
    refused_alike(&schema("call"), &examples("docs/calls.md")[0], &changes, refuses);
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let schema = schema("site");
    let site = "[check]\nseverity = { PH106 = \"error\" }\nthresholds = { wide-range = 500 }\n[[check.ignore]]\nrule = \"PH201\"\nreason = \"x\"\n[[zone]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]\n[[zone]]\nname = \"b\"\n[[firewall]]\nname = \"f\"\nconfig = [\"f.rules\"]\ninterfaces = { eth0 = \"a\", eth1 = \"b\" }\n[[device]]\nname = \"d\"\nproduct = \"scopia-mcu\"\naddresses = [\"10.0.0.1\"]\n[[peer]]\nrole = \"h323-entity\"\nzone = \"b\"\n[[path]]\nfrom = \"a\"\nto = \"b\"\nfirewalls = [\"f\"]\n[[expect]]\nfrom = \"a\"\nto = \"b\"\ntraffic = \"any\"\nverdict = \"allow\"\n";
    let whole = toml(site);
    fits(&schema, &whole, site);
    let mut broken = Vec::new();
    with_unknown_keys(&whole, &mut broken, &whole, "");
    // Names of interfaces and of rules are free.
    let refused = broken.iter().filter(|one| !wrong(&schema, one).is_empty()).count();
    assert!(refused + 1 >= broken.len(), "{refused} of {}", broken.len());
    for (from, to) in [
        ("verdict = \"allow\"", "verdict = \"permit\""),
        ("wide-range = 500", "wide-range = 0"),
        ("config = [\"f.rules\"]", "config = \"f.rules\""),
        ("firewalls = [\"f\"]\n", ""),
        ("reason = \"x\"\n", ""),
        ("addresses = [\"10.0.0.1\"]\n", ""),
        ("PH106 = \"error\"", "PH106 = \"fatal\""),
    ] {
        assert!(site.contains(from));
        let text = site.replace(from, to);
        assert!(!wrong(&schema, &toml(&text)).is_empty(), "{to}");
        let folder = std::env::temp_dir().join(format!("pinhole-schema-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pinhole.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.join("f.rules"), "*filter\nCOMMIT\n").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .arg("check")
            .arg("--site")
            .arg(&path)
            .output()
            .unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(output.status.code(), Some(2), "{to}");
    }
}

/// Each JSON value of a text.
fn values(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map(Result::unwrap).collect()
}

#[test]
fn reports_fit() {
    let (check, finding) = (schema("check"), schema("finding"));
    let matrix = schema("matrix");
    let mut seen = 0;
    for path in sites() {
        let site = path.to_str().unwrap();
        let folder = path.parent().unwrap().to_str().unwrap();
        for value in values(&printed(&["check", folder, "--format", "json"])) {
            seen += value["findings"].as_array().unwrap().len();
            fits(&check, &value, site);
        }
        for value in values(&printed(&["check", folder, "--format", "jsonl"])) {
            fits(&finding, &value, site);
        }
        for value in values(&printed(&["matrix", "--all", "--site", site, "--format", "json"])) {
            fits(&matrix, &value, site);
        }
    }
    assert!(seen > 50, "{seen}");
    for value in values(&printed(&["check", "fixtures", "--format", "json"])) {
        fits(&check, &value, "fixtures");
    }
}

#[test]
fn explanations_fit() {
    let schema = schema("explain");
    let mut seen = 0;
    for path in sites() {
        let site = path.to_str().unwrap();
        let read = toml(&std::fs::read_to_string(&path).unwrap());
        let devices = read["device"].as_array().into_iter().flatten().take(2);
        let zones = || read["zone"].as_array().into_iter().flatten().take(3);
        for (device, zone) in devices.flat_map(|device| zones().map(move |zone| (device, zone))) {
            let [to, from] = [device, zone].map(|one| one["name"].as_str().unwrap());
            let args = [
                "explain", "--site", site, "--from", from, "--to", to, "--format", "json", "--hops", "--mend",
            ];
            for value in values(&printed(&args)) {
                fits(&schema, &value, site);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn packets_and_their_traces_fit() {
    let (packet, trace) = (schema("packet"), schema("trace"));
    let mut seen = Vec::new();
    for path in sites() {
        let config = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let Some(config) = config.into_iter().find(|path| path.extension().is_some_and(|end| end == "rules"))
        else {
            continue;
        };
        for packet in [
            "src=203.0.113.7 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1",
            "src=203.0.113.7 dst=198.51.100.10 proto=udp dport=5060 iif=eth0",
            "hook=input src=203.0.113.7 dst=198.51.100.1 proto=icmp",
        ] {
            let config = config.to_str().unwrap();
            for value in values(&printed(&["trace", config, "--packet", packet, "--format", "jsonl"])) {
                fits(&trace, &value, config);
                seen.extend(value["verdict"].as_str().map(str::to_string));
            }
        }
    }
    for verdict in ["accept", "drop"] {
        assert!(seen.iter().any(|one| one == verdict), "{verdict}");
    }
    // The witnesses of findings are packets.
    let report = printed(&["check", "fixtures/scenarios/any-any-hole", "--format", "jsonl"]);
    let witnesses: Vec<Value> = values(&report).into_iter().map(|one| one["witness"].clone()).collect();
    for witness in witnesses.iter().filter(|one| !one.is_null()) {
        fits(&packet, witness, "a witness");
    }
    // The keys are those of the document.
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trace.md")).unwrap();
    for key in packet["properties"]
        .as_object()
        .unwrap()
        .keys()
        .chain(trace["properties"].as_object().unwrap().keys())
    {
        assert!(document.contains(&format!("`{key}`")), "{key}");
    }
}

/// Configs of the fixtures, by folder.
fn configs() -> Vec<PathBuf> {
    files("fixtures", &["rules", "rules6", "nft", "conf", "cfg"])
}

#[test]
fn models_fit() {
    let schema = schema("model");
    let mut steps = std::collections::BTreeSet::new();
    let configs = configs();
    assert!(configs.len() > 150, "{}", configs.len());
    for some in configs.chunks(40) {
        let paths = some.iter().map(|path| path.to_str().unwrap());
        let args: Vec<&str> = ["model", "--format", "json"].into_iter().chain(paths).collect();
        for value in values(&printed(&args)) {
            fits(&schema, &value, &format!("{some:?}"));
            let files = value["files"].as_array().unwrap().iter();
            let chains = files.flat_map(|file| file["chains"].as_array().unwrap());
            let rules = chains.flat_map(|chain| chain["rules"].as_array().unwrap());
            for step in rules.flat_map(|rule| rule["steps"].as_array().unwrap()) {
                steps.extend(step.as_object().unwrap().keys().cloned());
            }
        }
    }
    assert_eq!(
        steps.iter().collect::<Vec<_>>(),
        ["any", "effect", "lookup", "match", "never", "unknown", "unknown-not"]
    );
}

#[test]
fn changes_fit() {
    let schema = schema("diff");
    let mut seen = std::collections::BTreeSet::new();
    let mut diff = |args: &[&str], what: &str| {
        for value in values(&printed(&[&["diff", "--format", "json"], args].concat())) {
            fits(&schema, &value, what);
            let some = value.as_object().unwrap().iter();
            seen.extend(
                some.filter(|(_, value)| value.as_array().is_some_and(|all| !all.is_empty()))
                    .map(|it| it.0.clone()),
            );
        }
    };
    let site_files = files("fixtures/changes", &["toml"]);
    assert!(!site_files.is_empty());
    for site in site_files {
        let folder = site.parent().unwrap();
        let of = |start: &str| {
            let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            all.into_iter()
                .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start))
                .unwrap()
        };
        let (old, new, site) = (of("old."), of("new."), site.to_str().unwrap());
        let [old, new] = [&old, &new].map(|path| path.to_str().unwrap());
        diff(&["--site", site, old, new], new);
        diff(&["--site", site, new, old], new);
    }
    for pair in configs().windows(2).filter(|pair| pair[0].extension() == pair[1].extension()) {
        let [old, new] = [&pair[0], &pair[1]].map(|path| path.to_str().unwrap());
        diff(&[old, new], new);
    }
    let keys = [
        "answers",
        "broken",
        "calls",
        "closed",
        "depends",
        "firewalls",
        "helpers",
        "kept",
        "mended",
        "opened",
        "replies",
        "retargeted",
    ];
    for key in keys {
        assert!(seen.contains(key), "{key} is always empty");
    }
}

#[test]
fn lists_fit() {
    for what in ["export", "modes", "sources"] {
        let listed = values(&printed(&["catalog", what, "--format", "json"]));
        assert!(listed[0].as_array().unwrap().len() > 5, "{what}");
        fits(&schema(&format!("catalog-{what}")), &listed[0], what);
    }
    let rules = values(&printed(&["rule", "--format", "json"]));
    assert!(rules[0].as_array().unwrap().len() > 60);
    fits(&schema("rule"), &rules[0], "rule");
    let size = schema("size");
    for path in files("rules/catalog", &["toml"]) {
        let product = toml(&std::fs::read_to_string(&path).unwrap());
        if product["sizing"].is_array() {
            let name = product["name"].as_str().unwrap();
            for more in [&["--connections", "10"][..], &[]] {
                let args = [&["size", name, "--format", "json"], more].concat();
                fits(&size, &values(&printed(&args))[0], name);
            }
        }
    }
    let (config, baseline) = (schema("config"), schema("baseline"));
    let folder = Scratch::new("schema");
    let known = folder.0.join("known.json");
    for path in sites() {
        let site = path.to_str().unwrap();
        fits(&config, &values(&printed(&["config", "show", "--site", site, "--format", "json"]))[0], site);
        let configs = path.parent().unwrap().to_str().unwrap();
        printed(&["check", configs, "--write-baseline", known.to_str().unwrap()]);
        let text = std::fs::read_to_string(&known).unwrap();
        fits(&baseline, &values(&text)[0], site);
    }
}

#[test]
fn logs_fit() {
    let folder = Scratch::new("schema");
    let line = |source: &str, transport: &str, port: u16| {
        format!(
            "Nov 28 10:00:00 edge kernel: [1.0] drop: IN=eth0 OUT=eth1 SRC={source} DST=10.1.2.10 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO={transport} SPT=50000 DPT={port} WINDOW=64240 RES=0x00 SYN URGP=0\n"
        )
    };
    let log =
        line("203.0.113.9", "TCP", 1024) + &line("203.0.113.9", "TCP", 1720) + &line("192.0.2.99", "UDP", 9);
    folder.write("drops.log", &(log + "something else\n"));
    let path = folder.0.join("drops.log");
    let args = [
        "explain",
        "--site",
        "fixtures/scenarios/h245-blocked/pinhole.toml",
        "--log",
        path.to_str().unwrap(),
        "--format",
        "json",
    ];
    let told = values(&printed(&args));
    assert!(!told[0]["groups"].as_array().unwrap().is_empty(), "{}", told[0]);
    fits(&schema("log"), &told[0], "a log");
}

#[test]
fn all_schemas_are_listed_and_documented() {
    let document = std::fs::read_to_string(root().join("docs/json.md")).unwrap();
    let list = printed(&["schema"]);
    assert!(list.lines().count() >= 20);
    for name in list.lines().map(|line| line.split_whitespace().next().unwrap()) {
        let schema = schema(name);
        assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{name}");
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(["schema", "explian"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.contains("did you mean `explain`")), (Some(2), true), "{err}");
}
