//! SARIF as the standard wants it: which properties an object has, which it must have, and what they are.
//!
//! Source: OASIS, *Static Analysis Results Interchange Format (SARIF) Version 2.1.0*, with Errata 01, and its schema.
//! No object may have other properties than the schema's.

#![expect(clippy::panic, reason = "a test fails by a panic")]

use crate::common;

use common::{folder, pinhole, read};
use serde_json::Value;

/// What a property holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    /// A number that is not less.
    Number(i64),
    OneOf(&'static [&'static str]),
    Object(&'static str),
    List(&'static str),
    /// A list of texts.
    Texts,
    /// Anything: a bag of properties.
    Bag,
    /// Texts by name.
    Map,
}

use Kind::{Bag, Flag, List, Map, Number, Object, OneOf, Text, Texts};

const LEVELS: &[&str] = &["none", "note", "warning", "error"];

/// An object of the standard: its name, what it must have, and what it may have of what pinhole writes.
type Shape = (&'static str, &'static [&'static str], &'static [(&'static str, Kind)]);

const SHAPES: &[Shape] = &[
    (
        "log",
        &["version", "runs"],
        &[("$schema", Text), ("version", OneOf(&["2.1.0"])), ("runs", List("run"))],
    ),
    (
        "run",
        &["tool"],
        &[
            ("tool", Object("tool")),
            ("automationDetails", Object("runAutomationDetails")),
            ("columnKind", OneOf(&["utf16CodeUnits", "unicodeCodePoints"])),
            ("invocations", List("invocation")),
            ("results", List("result")),
        ],
    ),
    ("tool", &["driver"], &[("driver", Object("toolComponent"))]),
    ("runAutomationDetails", &[], &[("id", Text)]),
    (
        "toolComponent",
        &["name"],
        &[
            ("name", Text),
            ("semanticVersion", Text),
            ("informationUri", Text),
            ("rules", List("reportingDescriptor")),
        ],
    ),
    (
        "reportingDescriptor",
        &["id"],
        &[
            ("id", Text),
            ("name", Text),
            ("shortDescription", Object("multiformatMessageString")),
            ("fullDescription", Object("multiformatMessageString")),
            ("help", Object("multiformatMessageString")),
            ("defaultConfiguration", Object("reportingConfiguration")),
            ("properties", Bag),
        ],
    ),
    ("multiformatMessageString", &["text"], &[("text", Text), ("markdown", Text)]),
    ("reportingConfiguration", &[], &[("level", OneOf(LEVELS))]),
    (
        "invocation",
        &["executionSuccessful"],
        &[("executionSuccessful", Flag), ("toolExecutionNotifications", List("notification"))],
    ),
    (
        "notification",
        &["message"],
        &[
            ("message", Object("message")),
            ("level", OneOf(LEVELS)),
            ("associatedRule", Object("reportingDescriptorReference")),
        ],
    ),
    ("reportingDescriptorReference", &[], &[("id", Text), ("index", Number(-1))]),
    ("message", &[], &[("text", Text), ("markdown", Text), ("arguments", Texts)]),
    (
        "result",
        &["message"],
        &[
            ("ruleId", Text),
            ("ruleIndex", Number(-1)),
            ("level", OneOf(LEVELS)),
            ("message", Object("message")),
            ("locations", List("location")),
            ("relatedLocations", List("location")),
            ("partialFingerprints", Map),
            ("fixes", List("fix")),
        ],
    ),
    (
        "location",
        &[],
        &[
            ("id", Number(-1)),
            ("physicalLocation", Object("physicalLocation")),
            ("message", Object("message")),
        ],
    ),
    (
        "physicalLocation",
        &[],
        &[("artifactLocation", Object("artifactLocation")), ("region", Object("region"))],
    ),
    ("artifactLocation", &[], &[("uri", Text), ("uriBaseId", Text)]),
    (
        "region",
        &[],
        &[
            ("startLine", Number(1)),
            ("startColumn", Number(1)),
            ("endLine", Number(1)),
            ("endColumn", Number(1)),
        ],
    ),
    (
        "fix",
        &["artifactChanges"],
        &[("description", Object("message")), ("artifactChanges", List("artifactChange"))],
    ),
    (
        "artifactChange",
        &["artifactLocation", "replacements"],
        &[("artifactLocation", Object("artifactLocation")), ("replacements", List("replacement"))],
    ),
    (
        "replacement",
        &["deletedRegion"],
        &[("deletedRegion", Object("region")), ("insertedContent", Object("artifactContent"))],
    ),
    ("artifactContent", &[], &[("text", Text)]),
];

/// Holds an object to its shape.
fn assert_shape(shape: &str, value: &Value, at: &str) {
    let Some((_, required, known)) = SHAPES.iter().find(|(name, ..)| *name == shape) else {
        panic!("no shape `{shape}`")
    };
    let Some(object) = value.as_object() else { panic!("{at}: no object: {value}") };
    for key in *required {
        assert!(object.contains_key(*key), "{at}: no `{key}`");
    }
    for (key, value) in object {
        let at = format!("{at}.{key}");
        let Some((_, kind)) = known.iter().find(|(name, _)| name == key) else { panic!("{at}: unknown") };
        assert_kind(*kind, value, &at);
    }
}

fn assert_kind(kind: Kind, value: &Value, at: &str) {
    let list = || value.as_array().unwrap_or_else(|| panic!("{at}: no list: {value}"));
    match kind {
        Text => assert!(value.is_string(), "{at}: {value}"),
        Flag => assert!(value.is_boolean(), "{at}: {value}"),
        Number(least) => assert!(value.as_i64().is_some_and(|number| number >= least), "{at}: {value}"),
        OneOf(words) => assert!(value.as_str().is_some_and(|word| words.contains(&word)), "{at}: {value}"),
        Object(shape) => assert_shape(shape, value, at),
        List(shape) => {
            list().iter().enumerate().for_each(|(i, item)| assert_shape(shape, item, &format!("{at}[{i}]")))
        }
        Texts => assert!(list().iter().all(Value::is_string), "{at}: {value}"),
        Bag => assert!(value.is_object(), "{at}: {value}"),
        Map => {
            assert!(value.as_object().is_some_and(|map| map.values().all(Value::is_string)), "{at}: {value}")
        }
    }
}

#[test]
fn every_scenario_gives_a_log_of_the_standard() {
    let mut results = 0;
    let mut scenarios: Vec<_> =
        std::fs::read_dir(folder("fixtures/scenarios")).into_iter().flatten().flatten().collect();
    scenarios.sort_by_key(std::fs::DirEntry::path);
    assert!(scenarios.len() > 20);
    for scenario in scenarios {
        let name = scenario.path().display().to_string();
        let log: Value = read(&pinhole(&scenario.path(), &["check", "--format", "sarif"]));
        assert_shape("log", &log, &name);
        results += log["runs"][0]["results"].as_array().map_or(0, Vec::len);
    }
    assert!(results > 20, "{results}");
}

#[test]
fn messages_link_to_the_other_places() {
    let log: Value =
        read(&pinhole(&folder("fixtures/scenarios/h245-blocked"), &["check", "--format", "sarif"]));
    let result = &log["runs"][0]["results"][0];
    let text = result["message"]["text"].as_str().unwrap_or_default();
    for related in result["relatedLocations"].as_array().into_iter().flatten() {
        assert!(text.contains(&format!("]({})", related["id"])), "{text}");
    }
    let first = text.split('.').next().unwrap_or_default();
    assert!(first.starts_with("mcu-1 cannot be reached"), "{text}");
}
