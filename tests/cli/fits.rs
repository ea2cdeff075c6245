//! Whether a value fits a schema: as much of JSON Schema as ours use.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use regex_automata::meta::Regex;
use serde_json::Value;

/// The keywords of JSON Schema 2020-12 that our schemas use, and those that say nothing about a value.
const KNOWN: [&str; 21] = [
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
    "pattern",
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
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        wrong.push(format!("{place}: {text:?} is not like {pattern}"));
    }
    if let Some(items) = value.as_array() {
        let count = items.len() as u64;
        if schema["minItems"].as_u64().is_some_and(|least| count < least)
            || schema["maxItems"].as_u64().is_some_and(|most| count > most)
        {
            wrong.push(format!("{place}: {count} items"));
        }
        let first = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        for (at, item) in items.iter().enumerate() {
            if let Some(one) = first.get(at).or(keys.get("items")) {
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

/// What is wrong with a value by a schema, each by its place.
pub(crate) fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check(schema, schema, value, "", &mut wrong);
    wrong
}
