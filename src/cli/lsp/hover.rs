//! What an editor shows of a rule: what it does, who needs it, and whether it does anything.

use gen_lsp_types as lsp;

use super::view::{Looked, View, holds};
use super::{Asked, Server, place};
use crate::analysis::Decider;
use crate::cli::normalized::StepWords;
use crate::explain::Works;
use crate::explain::matrix::{Filter, matrix};
use crate::explain::told::Teller;
use crate::finding::Finding;
use crate::judge::{Firewall, Judge};
use crate::lint::{self, words};
use crate::model::{Chain, Rule};
use crate::report::{clean, markup};
use crate::source::Span;

/// Rules that one line became, and rows of the catalog, that are shown.
const SHOWN: usize = 8;

/// What is shown of the rule at a place.
pub(super) fn at<W>(server: &Server<'_, W>, asked: &Asked) -> Option<lsp::Hover> {
    let view = server.view.as_ref()?;
    let (text, span) = view.groups.iter().find_map(|group| of_group(view, group, asked.offset))?;
    let (_, range) = place::placed(&view.sources, server.encoding, span)?;
    let contents = lsp::MarkupContent::new(lsp::MarkupKind::Markdown, text);
    Some(lsp::Hover { contents: contents.into(), range: Some(range) })
}

fn of_group(view: &View, group: &Looked, offset: u32) -> Option<(String, Span)> {
    for judge in group.session.judges() {
        for (at, firewall) in judge.firewalls.iter().enumerate() {
            let Some(firewall) = firewall else { continue };
            let Some((chain, rules)) = rules_at(firewall, offset) else { continue };
            let span = rules.first()?.span();
            let mut text = format!("{} of {}\n\n", title(firewall), markup::markdown(&chain.name));
            text += &steps(firewall, &rules);
            text += &needs(view, &judge, at, span);
            text += &findings(&group.findings, span);
            return Some((text, span));
        }
    }
    None
}

/// The rules that are written at a place: of those that hold it, the ones with the least text.
fn rules_at(firewall: &Firewall, offset: u32) -> Option<(&Chain, Vec<&Rule>)> {
    let chains = firewall.rules.chains.iter();
    let here = chains.flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
    let here: Vec<(&Chain, &Rule)> =
        here.filter(|(_, rule)| rule.origin.text().is_some_and(|span| holds(span, offset))).collect();
    let (chain, least) = here.iter().min_by_key(|(_, rule)| rule.span().end - rule.span().start)?;
    let rules =
        here.iter().filter(|(other, rule)| std::ptr::eq(*other, *chain) && rule.span() == least.span());
    Some((chain, rules.map(|(_, rule)| *rule).collect()))
}

fn title(firewall: &Firewall) -> String {
    let noun = firewall.dialect.language().rule.0;
    format!("**{}{}**", noun[..1].to_uppercase(), &noun[1..])
}

/// What rules do, in words.
fn steps(firewall: &Firewall, rules: &[&Rule]) -> String {
    let line = |rule: &&Rule| {
        let mut text = String::new();
        for step in firewall.rules.steps_of(rule) {
            let step = StepWords { rules: &firewall.rules, step: *step };
            text.push_str(match (text.is_empty(), step.is_effect()) {
                (true, _) => "",
                (false, true) => " ",
                (false, false) => "; ",
            });
            step.push(&mut text);
        }
        clean(&text)
    };
    let mut lines: Vec<String> = rules.iter().take(SHOWN).map(line).collect();
    if rules.len() > SHOWN {
        lines.push(format!("and {} more", rules.len() - SHOWN));
    }
    let fence = markup::fence(&lines);
    format!("{fence}text\n{}\n{fence}\n\n", lines.join("\n"))
}

/// What the site needs that the rule lets through or stops.
fn needs(view: &View, judge: &Judge<'_>, firewall: usize, span: Span) -> String {
    let rules = match judge.firewalls[firewall] {
        Some(firewall) => &firewall.rules,
        None => return String::new(),
    };
    let filter = Filter { firewall: Some(firewall), ..Filter::default() };
    let entries = matrix(judge, &filter);
    let teller = Teller { judge, sources: &view.sources };
    let mut text = String::new();
    for (title, works) in [("Needed by", true), ("Stands in the way of", false)] {
        let of_rule = entries.iter().filter(|entry| {
            let by = entry.by.is_some_and(|by| {
                by.firewall == firewall
                    && matches!(by.by, Decider::Rule(_))
                    && by.by.span(rules) == Some(span)
            });
            by && (entry.works == Works::Yes) == works
        });
        let lines: Vec<String> = of_rule
            .map(|entry| {
                let told = teller.entry(entry);
                let ports = words::ports(&entry.ports);
                let who = format!("{} to {}", told.from, told.to);
                let what = format!("{} {}/{ports}", told.service, told.transport);
                format!("- {}: {} ({})", markup::markdown(&who), markup::markdown(&what), told.need)
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        text += &format!("{title}\n\n{}\n", lines[..lines.len().min(SHOWN)].join("\n"));
        if lines.len() > SHOWN {
            text += &format!("- and {} more\n", lines.len() - SHOWN);
        }
        text.push('\n');
    }
    text
}

/// What was found at the rule; and that it does something, where that is so.
fn findings(all: &[Finding], span: Span) -> String {
    let meets = |other: Span| other.start < span.end && span.start < other.end;
    let here = all.iter().filter(|finding| {
        finding.span.is_some_and(meets)
            || lint::SEARCHED.contains(&finding.lint()) && finding.edits.iter().any(|edit| meets(edit.span))
    });
    let mut lines: Vec<String> =
        here.map(|finding| format!("- {}: {}", finding.code(), markup::markdown(&finding.message))).collect();
    lines.truncate(SHOWN);
    if lines.is_empty() { String::new() } else { format!("Found here\n\n{}\n", lines.join("\n")) }
}
