//! PH404: chains that no packet comes to.

use super::{Lens, together};
use crate::analysis::anomaly::Anomalies;
use crate::dialect::programs;
use crate::finding::Finding;
use crate::lint::words;
use crate::model::{Chain, ChainId, ChainKind};
use crate::rule::PH404;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let told = |chain: &&ChainId| {
        let listed = lens.rules().chain(**chain);
        listed.kind == ChainKind::Plain
            && !listed.rules.is_empty()
            && !programs::makes_of(lens.rules(), **chain)
    };
    if !lens.firewall.dialect.language().has_chains {
        return;
    }
    let table = |chain: &&ChainId| lens.table(**chain).unwrap_or_default();
    let entered = found.unreached.iter().filter(told);
    for chains in together(entered.map(|chain| (table(&chain), *chain))) {
        findings.push(
            lens.unreachable(&chains, "no packet comes into")
                .label("every rule that leads here is passed by")
                .help(match chains.len() {
                    1 => "Remove the chain, or mend the rules that lead to it.",
                    _ => "Remove the chains, or mend the rules that lead to them.",
                }),
        );
    }
    // The language has a lint of its own for chains of which no rule speaks.
    if lens.firewall.dialect.language().tells_idle_chains {
        return;
    }
    let apart = found.apart.iter().filter(told).filter(|chain| lens.is_of_read_table(**chain));
    for chains in together(apart.map(|chain| (table(&chain), *chain))) {
        findings.push(
            lens.unreachable(&chains, "nothing leads to")
                .label("is filled, and no rule that is walked jumps here")
                .help(match chains.len() {
                    1 => "Jump to it from a chain that packets come to, or remove it.",
                    _ => "Jump to them from chains that packets come to, or remove them.",
                }),
        );
    }
}

impl Lens<'_> {
    fn unreachable(&self, chains: &[ChainId], what: &str) -> Finding {
        let chains: Vec<&Chain> = chains.iter().map(|chain| self.rules().chain(*chain)).collect();
        let names: Vec<String> = chains.iter().map(|chain| format!("`{}`", chain.short_name())).collect();
        let message = match names.len() {
            1 => format!("{what} the chain {}", names[0]),
            count => format!("{what} {count} chains: {}", words::some(&names, 3, "chain")),
        };
        let mut finding = Finding::of(&PH404, chains.first().map(|chain| chain.span), message);
        let neither = format!("nor {} this one", what.rsplit(' ').next().unwrap_or_default());
        for other in chains.iter().skip(1) {
            finding = finding.related(other.span, neither.clone());
        }
        finding
    }

    /// The table of a chain; `None` where another has taken its place.
    fn table(&self, chain: ChainId) -> Option<String> {
        let name = &self.rules().chain(chain).name;
        let table = name.rsplit_once(' ').map_or("", |(table, _)| table);
        (!name.ends_with(')')).then(|| table.to_string())
    }

    /// Whether the chains are read that would lead to it: a part of a table tells nothing.
    fn is_of_read_table(&self, chain: ChainId) -> bool {
        let rules = self.rules();
        let Some(own) = self.table(chain) else { return false };
        rules.hooks.iter().flatten().any(|stage| {
            let speaks = stage.policy_origin.is_written() || !rules.chain(stage.chain).rules.is_empty();
            speaks && self.table(stage.chain).as_deref() == Some(&own)
        })
    }
}
