//! PH404: chains that no packet comes to.

use super::Lens;
use crate::analysis::anomaly::Anomalies;
use crate::finding::Finding;
use crate::model::{ChainId, ChainKind};
use crate::rule::PH404;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let told = |chain: &&ChainId| {
        let chain = lens.rules().chain(**chain);
        chain.kind == ChainKind::Plain && !chain.rules.is_empty()
    };
    if !lens.firewall.dialect.language().has_chains {
        return;
    }
    for chain in found.unreached.iter().filter(told) {
        findings.push(
            lens.unreachable(*chain, "no packet comes into the chain")
                .label("every rule that leads here is passed by")
                .help("Remove the chain, or mend the rules that lead to it."),
        );
    }
    // The language has a lint of its own for chains of which no rule speaks.
    if lens.firewall.dialect.language().tells_idle_chains {
        return;
    }
    for chain in found.apart.iter().filter(told).filter(|chain| lens.is_of_read_table(**chain)) {
        findings.push(
            lens.unreachable(*chain, "nothing leads to the chain")
                .label("is filled, and no rule that is walked jumps here")
                .help("Jump to it from a chain that packets come to, or remove it."),
        );
    }
}

impl Lens<'_> {
    fn unreachable(&self, chain: ChainId, what: &str) -> Finding {
        let chain = self.rules().chain(chain);
        let name = chain.name.rsplit_once(' ').map_or(&*chain.name, |(_, name)| name);
        Finding::of(&PH404, chain.span, format!("{what} `{name}`"))
    }

    /// Whether the chains are read that would lead to it: a part of a table tells nothing.
    fn is_of_read_table(&self, chain: ChainId) -> bool {
        let rules = self.rules();
        let table = |id: ChainId| {
            let name = &rules.chain(id).name;
            (!name.ends_with(')')).then(|| name.split(' ').next().unwrap_or_default().to_string())
        };
        let Some(own) = table(chain) else { return false };
        rules.hooks.iter().flatten().any(|stage| table(stage.chain).as_deref() == Some(&own))
    }
}
