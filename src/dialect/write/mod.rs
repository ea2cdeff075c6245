//! Writing rules: what is to be let through or translated, the lines that do it in each language, and where they go.
//!
//! Which chain and which rule is the linter's affair; a language knows how its lines look, and how its files are laid
//! out.

mod definition;
mod less;
mod remove;
mod text;

use std::net::IpAddr;

use crate::model::{ChainId, RuleId, Ruleset};
use crate::packet::{Family, Prefix, Set, proto};
use crate::source::{SourceId, SourceMap, Span};

pub use definition::definition;
pub use less::Less;
pub(super) use less::Words;
pub use remove::removal;
pub(crate) use text::Text;
pub(super) use text::indented;

/// A flow to let through.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The family.
    pub family: Family,
    /// Source: a host or a network; `None` for any.
    pub src: Option<Prefix>,
    /// Destination, likewise.
    pub dst: Option<Prefix>,
    /// The interface that it comes in by; `None` for any.
    pub iif: Option<String>,
    /// The interface that it leaves by, likewise.
    pub oif: Option<String>,
    /// TCP, UDP or SCTP; ICMP or ICMPv6, of which the ports are the types.
    pub protocol: u8,
}

impl Wanted {
    /// Source, destination and their interfaces; the other way round for answers.
    pub(super) fn sides(
        &self,
        back: bool,
    ) -> (Option<Prefix>, Option<Prefix>, Option<&String>, Option<&String>) {
        let (iif, oif) = (self.iif.as_ref(), self.oif.as_ref());
        if back { (self.dst, self.src, oif, iif) } else { (self.src, self.dst, iif, oif) }
    }
}

/// What a line is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Goal {
    /// New connections pass.
    Pass,
    /// The answers to the flow pass.
    Answer,
    /// They do not pass.
    Refuse,
    /// The destination becomes this one.
    Translate(IpAddr),
}

/// A place in a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Before a rule.
    Rule(RuleId),
    /// At the start of a chain.
    Start(ChainId),
    /// At the end of a chain.
    End(ChainId),
}

/// Lines to place.
pub struct Job<'j> {
    /// The files as they stand.
    pub map: &'j SourceMap,
    /// The rules as these were read.
    pub rules: &'j Ruleset,
    /// The rule that decides now, where it is a rule.
    pub rule: Option<RuleId>,
    /// The chain in which it is decided, where it is one.
    pub chain: Option<ChainId>,
    /// The place in a chain where the lines would decide, for languages in which the first match does.
    pub at: Option<At>,
    /// The family of the flows.
    pub family: Family,
    /// What the lines are for.
    pub goal: Goal,
    /// The flows.
    pub flows: &'j [(Wanted, Set)],
    /// Which way to place them.
    pub style: usize,
}

impl Job<'_> {
    /// Where a rule is written.
    pub(super) fn span(&self, rule: RuleId) -> Span {
        self.rules.rule(rule).span()
    }
}

/// Where in a file, as it stands with what was put in before, which text goes.
pub struct Spot {
    /// The file.
    pub file: SourceId,
    /// Offset in its text.
    pub at: usize,
    /// Whole lines, or a statement in the middle of one.
    pub text: String,
    /// What the place is, where a line number alone does not say it.
    pub context: String,
}

pub(super) fn word(wanted: &Wanted) -> &'static str {
    match wanted.protocol {
        proto::TCP => "tcp",
        proto::SCTP => "sctp",
        _ => "udp",
    }
}

/// Whether all ports of a protocol are meant: then lines name none.
pub(super) fn is_whole(wanted: &Wanted, ports: &Set) -> bool {
    !is_icmp(wanted) && ports.ranges() == [(0, 65535)]
}

/// Whether what is wanted is of ICMP, which has types in the place of ports.
pub(super) fn is_icmp(wanted: &Wanted) -> bool {
    matches!(wanted.protocol, proto::ICMP | proto::ICMPV6)
}

/// The ports as a list of `lo SEP hi`.
pub(super) fn ports(set: &Set, sep: &str) -> Vec<String> {
    let one = |(lo, hi): &(u128, u128)| if lo == hi { lo.to_string() } else { format!("{lo}{sep}{hi}") };
    set.ranges().iter().map(one).collect()
}

/// The ports in one word: a list in braces where there are several intervals.
pub(super) fn braced(set: &Set, sep: &str) -> String {
    let ports = ports(set, sep);
    if let [one] = ports.as_slice() { one.clone() } else { format!("{{ {} }}", ports.join(", ")) }
}

/// An address, or a network with its length.
pub(super) fn place(prefix: Prefix) -> String {
    if is_host(prefix) { prefix.address.to_string() } else { prefix.to_string() }
}

pub(super) fn is_host(prefix: Prefix) -> bool {
    u32::from(prefix.length) == Family::of(prefix.address).0.bits()
}

#[cfg(test)]
mod tests;
