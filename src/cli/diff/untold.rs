//! What neither side tells, and whether both say the same of it.

use std::borrow::Cow;
use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::pairs::files;
use super::sides::{Side, Sides};
use crate::analysis::compare;
use crate::dialect::hangs::{Differing, Told};
use crate::finding::Finding;
use crate::model::Ruleset;
use crate::rule::{Lint, PH001, PH002, PH003, PH007, PH428};
use crate::session::Config;
use crate::source::SourceId;

/// What is not compared because both sides say different things of what they do not tell, in words. Conditions and choices of
/// which they do are others in one ruleset than in the other. What two languages say cannot be compared.
pub(super) fn untold(sides: &Sides, configs: [&Config; 2], rules: [&mut Cow<'_, Ruleset>; 2]) -> Vec<String> {
    if configs[0].dialect != configs[1].dialect {
        return Vec::new();
    }
    let mut said: Vec<String> = Vec::new();
    if let Some(differing) = differing(sides, configs)
        && tell_apart(sides, &differing, rules)
    {
        said.push(
            "what rules make of packets where the files do not tell it: they say different things".into(),
        );
    }
    let unread = unread(sides, configs);
    said.extend(unread.iter().map(|what| format!("what was not read or is not modelled, {what}")));
    said
}

/// Tells conditions and choices apart; gives back whether the choices differ.
fn tell_apart(sides: &Sides, differing: &Differing, [old, new]: [&mut Cow<'_, Ruleset>; 2]) -> bool {
    let apart = apart(differing, [&*old, &*new]);
    let each = [(old, &sides.old, " as OLD has it"), (new, &sides.new, " as NEW has it")];
    let choices = each.map(|(rules, side, mark)| {
        if !apart.is_empty() {
            compare::tell_apart(rules.to_mut(), &apart, mark);
        }
        if !compare::has_choices(rules) {
            return Vec::new();
        }
        let said = |span| {
            let words: Vec<&str> = side.sources.text(span).split_whitespace().collect();
            FxBuildHasher.hash_one((&words, differing.is_named_in(&words).then_some(mark)))
        };
        compare::tell_choices_apart(rules.to_mut(), said)
    });
    choices[0] != choices[1]
}

/// What one side alone says of all that was not read or is not modelled: nobody knows what it does.
fn unread(sides: &Sides, [old, new]: [&Config; 2]) -> Vec<String> {
    let of = |side: &Side, config: &Config| -> Vec<(String, String)> {
        let has = |finding: &Finding, lints: &[&Lint]| lints.iter().any(|lint| lint.code == finding.code());
        // What is loaded and never looked at does nothing.
        let idle = config.loaded.findings.iter().filter(|finding| has(finding, &[&PH428]));
        let idle: FxHashSet<_> = idle.filter_map(|finding| side.place(finding.span?)).collect();
        let unknown =
            config.loaded.findings.iter().filter(|finding| has(finding, &[&PH001, &PH002, &PH003, &PH007]));
        let said = unknown.filter_map(|finding| {
            let span = finding.span?;
            let (path, line) = side.place(span).filter(|place| !idle.contains(place))?;
            let words: Vec<&str> = side.sources.text(span).split_whitespace().collect();
            let (words, message) = (words.join(" "), &finding.message);
            Some((format!("{words} {message}"), format!("{path}:{line}: {message}")))
        });
        said.collect()
    };
    let [before, after] = [of(&sides.old, old), of(&sides.new, new)];
    let mut all = lone(&before, &after);
    all.extend(lone(&after, &before));
    all
}

/// Those of some sayings that are not among others, each as often as it is not, by their places.
fn lone(some: &[(String, String)], others: &[(String, String)]) -> Vec<String> {
    let mut left: FxHashMap<&str, usize> = FxHashMap::default();
    others.iter().for_each(|(key, _)| *left.entry(key).or_default() += 1);
    let alone = some.iter().filter(|(key, _)| match left.get_mut(key.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    alone.map(|(_, place)| place.clone()).collect()
}

/// Of what the files of both sides say different things on which conditions hang; nothing where they are alike, or are
/// written in two ways.
fn differing(sides: &Sides, [old, new]: [&Config; 2]) -> Option<Differing> {
    let is_open = |config: &Config| {
        !config.loaded.ruleset.conditions.is_empty() || compare::has_choices(&config.loaded.ruleset)
    };
    if !is_open(old) && !is_open(new) {
        return None;
    }
    let [before, after] = [texts(&sides.old, old), texts(&sides.new, new)];
    if before == after {
        return None;
    }
    let told = [before, after].map(|texts| Told::of(old.dialect, texts));
    told[0].is_of_one_form(&told[1]).then(|| Differing::of(&told))
}

/// The texts of a config, with those that it brings in and the dumps of sets beside it.
fn texts<'s>(side: &'s Side, config: &Config) -> Vec<&'s str> {
    let parts = config.files.iter().flat_map(|id| side.sources.brought_in(*id));
    let mut ids: Vec<SourceId> = files(Some(config));
    ids.extend(parts.chain(config.environment.ipsets.iter().copied()));
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| side.sources.file(id).text.as_str()).collect()
}

/// The conditions of both sides of which the files say different things: they need not hold for the same packets.
fn apart(differing: &Differing, rules: [&Ruleset; 2]) -> FxHashSet<String> {
    let names = rules.map(|rules| -> FxHashSet<&String> {
        rules.conditions.iter().map(|condition| &condition.name).collect()
    });
    let both = names[0].intersection(&names[1]);
    both.filter(|name| differing.concerns(name)).map(|name| name.to_string()).collect()
}
