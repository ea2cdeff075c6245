//! `keep state` and its options.

use crate::source::Span;

use super::super::ast::{State, StateKind, StateOptions};
use super::super::vocabulary;
use super::cursor::{Cursor, Result, refuse};
use super::host;
use super::option::rate;

/// `keep state (…)` and its kin, the first word taken.
pub(super) fn state(cursor: &mut Cursor, word: &str, start: Span) -> Result<State> {
    cursor.expect("state")?;
    let kind = match word {
        "no" => StateKind::No,
        "keep" => StateKind::Keep,
        "modulate" => StateKind::Modulate,
        _ => StateKind::Synproxy,
    };
    let mut options = None;
    if kind != StateKind::No && cursor.is_sign('(') {
        let open = cursor.span();
        let mut found = StateOptions::default();
        cursor.in_parentheses(|cursor| state_option(cursor, &mut found))?;
        check_state_options(&found, cursor.since(open))?;
        options = Some(Box::new(found));
    }
    Ok(State { span: cursor.since(start), kind, options })
}

/// One option of a state.
pub(super) fn state_option(cursor: &mut Cursor, options: &mut StateOptions) -> Result<()> {
    let span = cursor.span();
    let positive = 0..=i64::from(u32::MAX);
    let Some(word) = cursor.word() else {
        return cursor.fail("a state option");
    };
    cursor.advance();
    match word {
        "max" => limit(options, word, cursor.number_in(word, positive)?.to_string(), span)?,
        "max-src-states" | "max-src-nodes" | "max-src-conn" => {
            let number = cursor.number_in(word, 1..=i64::from(u32::MAX))?;
            limit(options, word, number.to_string(), span)?;
        }
        "max-src-conn-rate" => {
            let rate = rate(cursor)?;
            limit(options, word, rate, span)?;
        }
        "overload" => {
            let table = host::table_name(cursor)?;
            if options.overload.replace(table).is_some() {
                return refuse(span, "`overload` is given twice");
            }
            if cursor.eat("flush") {
                cursor.eat("global");
            }
        }
        "source-track" => {
            let which = if cursor.eat("global") {
                "source-track global"
            } else if cursor.eat("rule") {
                "source-track rule"
            } else {
                "source-track"
            };
            options.other.push(which.to_string());
        }
        "if-bound" | "group-bound" | "floating" => {
            if options.if_bound.replace(word != "floating").is_some() {
                return refuse(span, "the binding of the state is given twice");
            }
        }
        "sloppy" => options.sloppy = true,
        "no-sync" | "pflow" | "allow-related" => options.other.push(word.to_string()),
        _ if vocabulary::is_timeout(word) && word.contains('.') => {
            let seconds = cursor.number_in(word, positive)?;
            options.other.push(format!("{word} {seconds}"));
        }
        _ => return refuse(span, format!("`{word}` is not a state option")),
    }
    Ok(())
}

fn limit(options: &mut StateOptions, word: &str, value: String, span: Span) -> Result<()> {
    if options.limits.iter().any(|known| known.split(' ').next() == Some(word)) {
        return refuse(span, format!("`{word}` is given twice"));
    }
    options.limits.push(format!("{word} {value}"));
    Ok(())
}

fn check_state_options(options: &StateOptions, span: Span) -> Result<()> {
    let has = |word: &str| options.limits.iter().any(|limit| limit.split(' ').next() == Some(word));
    let global = options.other.iter().any(|option| option == "source-track global");
    for word in ["max-src-nodes", "max-src-conn", "max-src-conn-rate"] {
        if global && has(word) {
            return refuse(span, format!("`{word}` does not go with `source-track global`"));
        }
    }
    if options.overload.is_some() && !has("max-src-conn") && !has("max-src-conn-rate") {
        return refuse(span, "`overload` needs `max-src-conn` or `max-src-conn-rate`");
    }
    Ok(())
}
