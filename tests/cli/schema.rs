//! What pinhole reads and writes is what its schemas say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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

/// The keywords of JSON Schema 2020-12 that our schemas use, and those that say nothing about a value.
const KNOWN: [&str; 20] = [
    "$ref",
    "anyOf",
    "oneOf",
    "enum",
    "const",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "format",
    "title",
    "description",
    "$schema",
    "$defs",
];

/// What is wrong with a value, by its place. A key that a schema does not name is wrong, as all of ours name all.
fn check(schema: &Value, whole: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
    let Value::Object(keys) = schema else {
        if schema == &Value::Bool(false) {
            wrong.push(format!("{place}: nothing may stand here"));
        }
        return;
    };
    for key in keys.keys() {
        assert!(KNOWN.contains(&key.as_str()) || key == "default", "the test does not know `{key}`");
    }
    if let Some(name) = schema["$ref"].as_str() {
        let there = whole.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name}"));
        check(there, whole, value, place, wrong);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(several) = schema[key].as_array() {
            let fits = |one: &&Value| {
                let mut wrong = Vec::new();
                check(one, whole, value, place, &mut wrong);
                wrong.is_empty()
            };
            if !several.iter().any(|one| fits(&one)) {
                wrong.push(format!("{place}: {value} fits none of {key}"));
            }
        }
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value))
        || keys.get("const").is_some_and(|one| one != value)
    {
        wrong.push(format!("{place}: {value} is none of the values"));
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.into_iter().any(is) {
        wrong.push(format!("{place}: {value} is no {}", schema["type"]));
        return;
    }
    if schema["minimum"].as_f64().is_some_and(|least| value.as_f64().is_some_and(|number| number < least))
        || schema["maximum"].as_f64().is_some_and(|most| value.as_f64().is_some_and(|number| number > most))
    {
        wrong.push(format!("{place}: {value} is out of its range"));
    }
    if let Some(items) = value.as_array() {
        let count = items.len() as u64;
        if schema["minItems"].as_u64().is_some_and(|least| count < least)
            || schema["maxItems"].as_u64().is_some_and(|most| count > most)
        {
            wrong.push(format!("{place}: {count} items"));
        }
        for (at, item) in items.iter().enumerate() {
            if let Some(one) = keys.get("items") {
                check(one, whole, item, &format!("{place}[{at}]"), wrong);
            }
        }
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{place}: {name} is missing"));
            }
        }
        for (name, one) in object {
            let place = format!("{place}.{name}");
            match (schema["properties"].get(name), keys.get("additionalProperties")) {
                (Some(known), _) | (None, Some(known)) => check(known, whole, one, &place, wrong),
                (None, None) if keys.contains_key("properties") => {
                    wrong.push(format!("{place}: no such key"))
                }
                (None, None) => {}
            }
        }
    }
}

fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check(schema, schema, value, "", &mut wrong);
    wrong
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
    let document = std::fs::read_to_string(root().join("docs/site-file.md")).unwrap();
    let example = document.split("\n```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let example = toml(example);
    fits(&schema, &example, "docs/site-file.md");
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

#[test]
fn all_schemas_are_listed_and_documented() {
    let document = std::fs::read_to_string(root().join("docs/json.md")).unwrap();
    let list = printed(&["schema"]);
    assert!(list.lines().count() >= 7);
    for name in list.lines().map(|line| line.split_whitespace().next().unwrap()) {
        let schema = schema(name);
        assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{name}");
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(["schema", "explian"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.contains("did you mean `explain`")), (Some(2), true), "{err}");
}
