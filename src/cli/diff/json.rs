//! A change as data. Version 1 is stable: keys are added, never renamed or removed.

use std::io::Write;

use serde_json::{Map, Value as Json, json};

use super::pairs::{By, Pair, Seen, Unknown};
use super::sides::Side;
use super::{Failure, Told, values};
use crate::analysis::compare::{End, Kind, Leaves, Region};
use crate::cli::trace;
use crate::model::{Reply, Verdict};
use crate::packet::{Family, Field, Set};
use crate::report;

/// Writes a change as one JSON object.
pub(super) fn write(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let list = |kinds: &[Kind]| -> Vec<Json> {
        let seen = told.pairs.iter().flat_map(|pair| pair.regions.iter().map(move |seen| (pair, seen)));
        let of_kind = seen.filter(|(_, seen)| kinds.contains(&seen.region.kind));
        of_kind.flat_map(|(pair, seen)| regions(told, pair, seen)).collect()
    };
    let unknown = told.pairs.iter().flat_map(|pair| {
        pair.unknown.iter().map(|Unknown { way, family, example }| {
            let example = example.as_ref().and_then(|seen| regions(told, pair, seen).into_iter().next());
            json!({ "firewall": pair.name, "hook": way.name(), "family": family_name(*family), "example": example })
        })
    });
    let not_compared = told
        .pairs
        .iter()
        .flat_map(|pair| pair.not_compared.iter().map(|what| json!({ "firewall": pair.name, "what": what })));
    let calls = &told.findings.calls;
    let change = json!({
        "version": 1,
        "equal": told.equal,
        "firewalls": told.pairs.iter().map(|pair| firewall(told, pair)).collect::<Vec<_>>(),
        "opened": list(&[Kind::Opened]),
        "closed": list(&[Kind::Closed]),
        "retargeted": list(&[Kind::Retargeted]),
        "depends": list(&[Kind::MayOpen, Kind::MayClose, Kind::MayChange]),
        "answers": list(&[Kind::Answered]),
        "kept": list(&[Kind::Kept]),
        "helpers": list(&[Kind::Helped]),
        "replies": list(&[Kind::Replied]),
        "unknown": unknown.collect::<Vec<_>>(),
        "not_compared": not_compared.collect::<Vec<_>>(),
        "broken": told.findings.broken_json,
        "mended": told.findings.mended_json,
        "calls": calls.all.iter().map(|change| change.json(change.side(told.sides))).collect::<Vec<_>>(),
        "calls_complete": !calls.more,
        "expectations": told.findings.expectations(),
    });
    report::json(&change, out)?;
    writeln!(out)?;
    Ok(())
}

fn firewall(told: &Told<'_>, pair: &Pair) -> Json {
    let side = |at: usize| {
        let side = if at == 0 { &told.sides.old } else { &told.sides.new };
        let files: Vec<String> =
            pair.files[at].iter().map(|id| side.shown(&side.sources.file(*id).path)).collect();
        pair.dialects[at]
            .map(|dialect| json!({ "files": files, "dialect": dialect.name(), "revision": side.revision() }))
    };
    json!({ "name": pair.name, "old": side(0), "new": side(1) })
}

/// The name of a family.
pub(super) fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// A region as boxes: TCP flags that no one mask tells make several.
fn regions(told: &Told<'_>, pair: &Pair, seen: &Seen) -> Vec<Json> {
    let flags = seen.region.field(Field::TcpFlags);
    let cubes = flags.map_or(vec![None], |set| values::flag_cubes(set).into_iter().map(Some).collect());
    cubes.into_iter().map(|cube| region(told, pair, seen, cube)).collect()
}

fn region(told: &Told<'_>, pair: &Pair, seen: &Seen, cube: Option<(u8, u8)>) -> Json {
    let region = &seen.region;
    let mut out = Map::new();
    let mut put = |key: &str, value: Json| {
        out.insert(key.to_string(), value);
    };
    if told.pairs.len() > 1 {
        put("firewall", json!(pair.name));
    }
    put("hook", json!(region.way.name()));
    put("family", json!(family_name(region.family)));
    let other = fields(region, &mut put);
    if let Some((mask, value)) = cube {
        put("tcp_flags", json!({ "mask": values::flags(mask), "value": values::flags(value) }));
    }
    if !other.is_empty() {
        put("other", Json::Object(other));
    }
    for (side, key, by_key, by) in
        [(&told.sides.old, "old", "old_by", &seen.by[0]), (&told.sides.new, "new", "new_by", &seen.by[1])]
    {
        put(key, by.rule.map_or(Json::Null, |span| rule(side, span)));
        if by.rule.is_none() {
            put(by_key, json!(by_words(side, by)));
        }
    }
    effect(region, &mut put);
    let mut packet = region.witness.clone();
    if let Some((mask, value)) = cube {
        // A witness of the box, where the region is several.
        let bits = packet.get(Field::TcpFlags).known().unwrap_or_default() as u8;
        packet.set(Field::TcpFlags, ((bits & !mask) | value).into());
    }
    put("witness", values::packet(region.way.name(), &packet));
    put("depends_on", json!(region.depends_on));
    Json::Object(out)
}

/// The fields of a region by their keys; what boxes seldom need is given back.
fn fields(region: &Region, put: &mut impl FnMut(&str, Json)) -> Map<String, Json> {
    let mut other = Map::new();
    for (field, set) in &region.fields {
        let key = values::other_key(*field);
        match field {
            Field::Iif | Field::Oif => put(key, values::interfaces(set)),
            Field::Src4 | Field::Src6 | Field::Dst4 | Field::Dst6 => {
                put(key, values::addresses(region.family, set));
            }
            Field::Proto => put(key, values::protocols(set)),
            Field::Sport | Field::Dport | Field::IcmpType | Field::IcmpCode => {
                put(key, values::numbers(set, field.last()));
            }
            Field::State => put(key, values::states(set)),
            Field::TcpFlags => {}
            Field::OrigSrc4 | Field::OrigSrc6 | Field::OrigDst4 | Field::OrigDst6 => {
                other.insert(key.to_string(), values::addresses(region.family, set));
            }
            Field::TcpMss => {
                other.insert(key.to_string(), values::numbers(set, 0x1_0000));
            }
            _ => {
                other.insert(key.to_string(), values::numbers(set, field.last()));
            }
        }
    }
    other
}

/// What is particular to a kind of change.
fn effect(region: &Region, put: &mut impl FnMut(&str, Json)) {
    match region.kind {
        Kind::Opened | Kind::Closed => {}
        Kind::MayOpen => put("may", json!("open")),
        Kind::MayClose => put("may", json!("close")),
        Kind::MayChange => put("may", json!("change")),
        Kind::Retargeted => {
            for (key, leaves) in ["old_leaves", "new_leaves"].into_iter().zip(region.leaves.iter().flatten())
            {
                put(key, self::leaves(region.family, leaves));
            }
        }
        Kind::Helped => {
            put("old_helper", json!(region.helpers[0]));
            put("new_helper", json!(region.helpers[1]));
        }
        Kind::Kept => {
            put("old_keeps_state", json!(region.holds[0]));
            put("new_keeps_state", json!(region.holds[1]));
        }
        Kind::Answered => {
            put("old_answers_pass", json!(region.holds[0]));
            put("new_answers_pass", json!(region.holds[1]));
        }
        Kind::Replied => {
            for (key, verdict) in ["old_reply", "new_reply"].into_iter().zip(region.verdicts.iter().flatten())
            {
                put(key, json!(reply(*verdict)));
            }
        }
    }
}

/// What the sender of a refused packet sees.
pub(super) fn reply(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_string(),
        Verdict::Drop => "drop".to_string(),
        Verdict::Reject(Reply::TcpReset | Reply::ResetOrUnreachable) => "tcp-reset".to_string(),
        Verdict::Reject(Reply::Icmp { kind, code }) => format!("icmp-type-{kind}-code-{code}"),
    }
}

/// Where packets leave to: only the ends that are translated.
fn leaves(family: Family, leaves: &Leaves) -> Json {
    let mut out = Map::new();
    let ends = [
        ("src", &leaves.src, true),
        ("dst", &leaves.dst, true),
        ("sport", &leaves.sport, false),
        ("dport", &leaves.dport, false),
    ];
    for (key, end, address) in ends {
        let value = match end {
            End::Moved(0) => continue,
            End::Moved(by) => json!({ "moved_by": by.to_string() }),
            End::One(value) => set(family, address, &Set::one(*value)),
            End::Among(among) => set(family, address, among),
        };
        out.insert(key.to_string(), value);
    }
    out.insert("hook".to_string(), json!(leaves.way.name()));
    Json::Object(out)
}

fn set(family: Family, address: bool, set: &Set) -> Json {
    if address { values::addresses(family, set) } else { values::numbers(set, 0xffff) }
}

/// A rule as it is written.
pub(super) fn rule(side: &Side, span: crate::source::Span) -> Json {
    let (file, line) = side.place(span).unwrap_or_default();
    json!({ "file": file, "line": line, "text": trace::text(&side.sources, span) })
}

/// Who decides where it is no rule, and where that is written.
pub(super) fn by_words(side: &Side, by: &By) -> String {
    match by.policy.and_then(|span| side.place(span)) {
        Some((file, line)) => format!("{} ({file}:{line})", by.words),
        None => by.words.clone(),
    }
}
