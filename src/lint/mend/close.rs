//! Rules that let less through: changes after which what a finding says is open is closed, and nothing else.
//!
//! A rule is taken out, written with fewer ports or sources, or gets one before it that refuses; whichever of them is
//! the first to close what the finding names and nothing besides.

use super::trial::{self, Made, Workshop};
use crate::analysis::Decider;
use crate::analysis::compare::closes_only;
use crate::dialect::write::{At, Goal, Job, Less, Text, Wanted, removal};
use crate::finding::{Edit, Finding, Mend};
use crate::judge::{Firewall, Judge};
use crate::lint::requirements::Lost;
use crate::model::{Rule, RuleId, Step, Test};
use crate::packet::{Family, Field, Prefix, Set, State, proto};
use crate::source::{SourceMap, Span};

/// Lines beyond which a change is none that somebody reads.
const MOST_LINES: usize = 16;
/// Ways to place lines.
const STYLES: usize = 2;

/// What is to be closed.
pub(in crate::lint) struct Excess {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// The rule that lets it through.
    pub by: Decider,
    /// The packets.
    pub flows: Vec<Shut>,
    /// Those who may go on, wherever they come from; with none, nobody may.
    pub kept: Vec<Prefix>,
    /// The networks of the site, where what comes from them may go on as well.
    pub inside: Vec<Prefix>,
    /// The interfaces by which only others come than those.
    pub others_by: Set,
    /// Of these interfaces, those by which lines refuse; none where they refuse whoever comes.
    pub refused_on: Vec<String>,
    /// The devices that have to get on as before.
    pub spared: Vec<usize>,
    /// It is about first packets: those of connections that there are go on, wherever they come from.
    pub first_packets: bool,
    /// Families of which the site names nobody: there it is closed by those interfaces alone.
    pub nameless: Vec<Family>,
}

/// Packets that are to be refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::lint) struct Shut {
    pub family: Family,
    /// `None` for all protocols.
    pub protocol: Option<u8>,
    /// `None` for all but those who may go on.
    pub src: Option<Set>,
    /// `None` for any.
    pub dst: Option<Set>,
    /// Destination ports, or ICMP types.
    pub ports: Set,
}

/// Gives a finding the change that closes what it is about; `stays` tells whether the finding is still there.
pub(in crate::lint) fn offer(
    judge: &Judge<'_>,
    workshop: &Workshop<'_>,
    excess: &Excess,
    finding: &mut Finding,
    stays: impl Fn(&Judge<'_>) -> bool,
) {
    let Some(firewall) = judge.firewall(excess.firewall) else { return };
    let Decider::Rule(rule) = excess.by else { return };
    let closing = Closing { judge, workshop, excess, firewall, rule };
    for change in closing.changes() {
        if change.iter().map(|edit| edit.text.lines().count()).sum::<usize>() > MOST_LINES {
            continue;
        }
        if !workshop.may_try(trial::size(&firewall.rules)) {
            return;
        }
        if let Some(change) = closing.proved(change, &stays) {
            finding.mend = change.iter().filter_map(|edit| mend(workshop, edit)).collect();
            finding.edits = change;
            return;
        }
    }
}

/// Lines for people; a rule that only goes is none.
fn mend(workshop: &Workshop<'_>, edit: &Edit) -> Option<Mend> {
    let file = workshop.sources.file_of(edit.span)?;
    let name = file.path.display();
    let (first, last) = (file.place(edit.span.start).line, file.place(edit.span.end).line);
    let place = match (edit.span.start == edit.span.end, edit.text.is_empty()) {
        (true, _) => format!("before line {first} of {name}"),
        (false, true) => return None,
        (false, false) if first == last => format!("in the place of line {first} of {name}"),
        (false, false) => format!("in the place of lines {first} to {last} of {name}"),
    };
    let lines = edit.text.lines().map(str::trim).filter(|line| !line.is_empty());
    Some(Mend { place, lines: lines.map(ToString::to_string).collect() })
}

struct Closing<'c, 'a> {
    judge: &'c Judge<'a>,
    workshop: &'c Workshop<'c>,
    excess: &'c Excess,
    firewall: &'a Firewall,
    rule: RuleId,
}

impl Closing<'_, '_> {
    fn span(&self) -> Span {
        self.firewall.rules.rule(self.rule).span()
    }

    /// What may be done, the best first.
    fn changes(&self) -> Vec<Vec<Edit>> {
        let comments = self.firewall.dialect.language().comments;
        let out = removal(self.workshop.sources, self.span(), comments);
        let mut changes: Vec<Vec<Edit>> = Vec::new();
        changes.extend(self.for_sources(&self.excess.kept));
        changes.extend(out.map(|edit| vec![edit]));
        if self.excess.kept.is_empty() && self.excess.inside.is_empty() {
            changes.extend(self.with_less_ports());
        }
        if !self.excess.inside.is_empty() {
            let all: Vec<Prefix> = self.excess.kept.iter().chain(&self.excess.inside).copied().collect();
            changes.extend(self.for_sources(&all));
        }
        changes.extend((0..STYLES).filter_map(|style| self.refused_before(style)));
        changes
    }

    /// The rule with the ports that stay.
    fn with_less_ports(&self) -> Option<Vec<Edit>> {
        let (protocol, now) = self.ports()?;
        let of_it = self.excess.flows.iter().filter(|shut| shut.protocol == Some(protocol));
        let shut = of_it.fold(Set::empty(), |all, shut| all.or(&shut.ports));
        let rest = now.minus(&shut);
        (!rest.is_empty() && rest != now)
            .then_some(Less { protocol, ports: Some(&rest), sources: None })
            .and_then(|less| self.rewritten(&less))
    }

    /// The rule for those who may go on.
    fn for_sources(&self, all: &[Prefix]) -> Option<Vec<Edit>> {
        let families: Vec<Family> = self.excess.flows.iter().map(|shut| shut.family).collect();
        let of_family = |prefix: &&Prefix| families.contains(&Family::of(prefix.address).0);
        let sources: Vec<Prefix> = all.iter().filter(of_family).copied().collect();
        (!sources.is_empty())
            .then_some(Less { protocol: 0, ports: None, sources: Some(&sources) })
            .and_then(|less| self.rewritten(&less))
    }

    fn rewritten(&self, less: &Less<'_>) -> Option<Vec<Edit>> {
        let span = self.span();
        let text = Text::of(self.workshop.sources, span)?;
        let (start, end) = (text.local(span.start), text.local(span.end));
        let written = text.text.get(start..end)?.trim_end();
        let rules = (self.firewall.dialect.language().lines.less)(written, less)?;
        let own = text.statement(start);
        if rules.len() > 1 && own.is_none() {
            return None;
        }
        let alone = own == Some(text.line_start(start));
        let sep = if alone { format!("{}{}", text.line_end(), text.indent(start)) } else { "; ".to_string() };
        let span = Span::new(span.start, span.start + written.len() as u32);
        Some(vec![Edit { span, text: rules.join(&sep) }])
    }

    /// The protocol of the rules of this line, and the ports that they ask for; nothing where they have several.
    fn ports(&self) -> Option<(u8, Set)> {
        let span = self.span();
        let rules = &self.firewall.rules;
        let mut found: Option<(u8, Set)> = None;
        let of_line = rules.chain(self.rule.chain).rules.iter().filter(|rule| rule.span() == span);
        for rule in of_line {
            let (protocol, ports) = self.ports_of(rule)?;
            match &mut found {
                Some((known, all)) if *known == protocol => *all = all.or(&ports),
                Some(_) => return None,
                None => found = Some((protocol, ports)),
            }
        }
        found
    }

    fn ports_of(&self, rule: &Rule) -> Option<(u8, Set)> {
        let rules = &self.firewall.rules;
        let (mut protocol, mut ports) = (None, Set::range(0, 65535));
        for step in rules.steps_of(rule) {
            let Step::Test(Test::In { field, values, negate }) = *step else { continue };
            match (field, negate) {
                (Field::Proto, false) => protocol = rules.values(values).single(),
                (Field::Dport, false) => ports = ports.and(&rules.values(values)),
                (Field::Proto | Field::Dport, true) => return None,
                _ => {}
            }
        }
        let protocol = u8::try_from(protocol?).ok()?;
        matches!(protocol, proto::TCP | proto::UDP).then_some((protocol, ports))
    }

    /// Lines before the rule that refuse.
    fn refused_before(&self, style: usize) -> Option<Vec<Edit>> {
        let rules = &self.firewall.rules;
        let interfaces: Vec<Option<String>> = match self.excess.refused_on.as_slice() {
            _ if !self.excess.kept.is_empty() => return None,
            [] if !self.excess.inside.is_empty() => return None,
            [] => vec![None],
            names => names.iter().cloned().map(Some).collect(),
        };
        let mut edits: Vec<Edit> = Vec::new();
        for family in [Family::V4, Family::V6] {
            let mut flows: Vec<(Wanted, Set)> = Vec::new();
            for shut in self.excess.flows.iter().filter(|shut| shut.family == family) {
                let protocol = shut.protocol?;
                let [srcs, dsts] = [&shut.src, &shut.dst].map(|set| prefixes(family, set.as_ref()));
                for (src, dst) in
                    srcs?.into_iter().flat_map(|src| dsts.iter().flatten().map(move |dst| (src, *dst)))
                {
                    for iif in &interfaces {
                        let wanted = Wanted { family, src, dst, iif: iif.clone(), oif: None, protocol };
                        match flows.iter_mut().find(|(known, _)| *known == wanted) {
                            Some((_, ports)) => *ports = ports.or(&shut.ports),
                            None => flows.push((wanted, shut.ports.clone())),
                        }
                    }
                }
            }
            if flows.is_empty() {
                continue;
            }
            let job = Job {
                map: self.workshop.sources,
                rules,
                rule: Some(self.rule),
                chain: Some(self.rule.chain),
                at: Some(At::Rule(self.rule)),
                family,
                goal: Goal::Refuse,
                flows: &flows,
                // Before the rule that lets it through, or behind all where the last one decides.
                style: 1 - style,
            };
            for spot in (self.firewall.dialect.language().lines.spots)(&job) {
                let at = self.workshop.sources.file(spot.file).base + spot.at as u32;
                edits.push(Edit { span: Span::new(at, at), text: spot.text });
            }
        }
        (!edits.is_empty()).then_some(edits)
    }

    /// The change with what devices need of that which it closes, where that closes what it is to close and nothing else,
    /// and the finding is gone.
    fn proved(&self, change: Vec<Edit>, stays: impl Fn(&Judge<'_>) -> bool) -> Option<Vec<Edit>> {
        let made = [self.tried(&change, &stays)?];
        let now = trial::judge_of(self.judge, &made)?;
        let lost = Lost::between(self.judge, &now, &self.excess.spared);
        if lost.is_nothing() {
            return Some(change);
        }
        let [made] = &made;
        let change = self.workshop.behind(&made.map, |workshop| {
            let back = lost.brought_back(&now, workshop)?;
            joined(self.workshop.sources, change, &made.map, back)
        })?;
        let made = [self.tried(&change, &stays)?];
        let now = trial::judge_of(self.judge, &made)?;
        Lost::between(self.judge, &now, &self.excess.spared).is_nothing().then_some(change)
    }

    /// The firewall with a change that closes nothing but what may be closed, and ends the finding.
    fn tried(&self, change: &[Edit], stays: impl Fn(&Judge<'_>) -> bool) -> Option<Made> {
        let made = self.workshop.changed(change, self.excess.firewall, self.firewall)?;
        let difference = trial::difference(&self.firewall.rules, &made.firewall.rules);
        if difference.regions.is_empty() || !closes_only(&difference, &self.named()) {
            return None;
        }
        let made = [made];
        let gone = !stays(&trial::judge_of(self.judge, &made)?);
        let [made] = made;
        gone.then_some(made)
    }

    /// The packets that may be closed.
    fn named(&self) -> Vec<(Family, Vec<(Field, Set)>)> {
        let mut named = Vec::new();
        for shut in &self.excess.flows {
            let mut fields: Vec<(Field, Set)> = Vec::new();
            if let Some(protocol) = shut.protocol {
                fields.push((Field::Proto, Set::one(protocol.into())));
                let icmp = matches!(protocol, proto::ICMP | proto::ICMPV6);
                fields.push((if icmp { Field::IcmpType } else { Field::Dport }, shut.ports.clone()));
            }
            fields.extend(shut.dst.clone().map(|dst| (Field::dst(shut.family), dst)));
            if self.excess.first_packets {
                let first = [State::New, State::Invalid, State::Untracked].map(|state| state as u128);
                fields.push((Field::State, Set::of(first.map(|state| (state, state)))));
            }
            let of_family = |prefix: &&Prefix| Family::of(prefix.address).0 == shut.family;
            let own = Field::src(shut.family);
            let but = |some: &[Prefix]| {
                let nets = some
                    .iter()
                    .filter(of_family)
                    .map(|net| shut.family.prefix(Family::of(net.address).1, net.length.into()));
                Set::range(0, shut.family.last()).minus(&Set::of(nets))
            };
            let strangers = but(&self.excess.kept);
            if !self.excess.others_by.is_empty() && shut.src.is_none() {
                let by = [(Field::Iif, self.excess.others_by.clone()), (own, strangers.clone())];
                named.push((shut.family, fields.iter().cloned().chain(by).collect()));
            }
            if self.excess.nameless.contains(&shut.family) {
                continue;
            }
            let outside = strangers.and(&but(&self.excess.inside));
            fields.push((own, shut.src.clone().unwrap_or(outside)));
            named.push((shut.family, fields));
        }
        named
    }
}

/// Hosts and networks for lines; any where there is no set, nothing where it is none of a few networks.
fn prefixes(family: Family, set: Option<&Set>) -> Option<Vec<Option<Prefix>>> {
    const MOST: usize = 4;
    let Some(set) = set else { return Some(vec![None]) };
    let of = |(low, high): &(u128, u128)| Prefix::of_range(family, *low, *high).map(Some);
    (set.ranges().len() <= MOST).then(|| set.ranges().iter().map(of).collect())?
}

/// Two changes of which the second one is about the files as the first one leaves them, as one change.
fn joined(
    sources: &SourceMap,
    mut first: Vec<Edit>,
    between: &SourceMap,
    second: Vec<Edit>,
) -> Option<Vec<Edit>> {
    first.sort_by_key(|edit| edit.span.start);
    let lengths: Vec<u32> = first.iter().map(|edit| edit.text.len() as u32).collect();
    let mut added: Vec<Edit> = Vec::new();
    // From behind, so that what goes into a text of the first one moves nothing that is still to come.
    for put in second.into_iter().rev() {
        let id = between.id_at(put.span.start)?;
        let base = sources.file(id).base;
        let (at, mut grown) = (put.span.start - between.file(id).base, 0i64);
        let mut inside = None;
        for (edit, length) in first.iter_mut().zip(&lengths) {
            if sources.id_at(edit.span.start) != Some(id) {
                continue;
            }
            let (start, end) = (edit.span.start - base, edit.span.end - base);
            let from = u32::try_from(i64::from(start) + grown).ok()?;
            if at <= from {
                break;
            }
            if at < from + length || start == end && at == from + length {
                inside = Some((edit, (at - from) as usize));
                break;
            }
            grown += i64::from(*length) - i64::from(end - start);
        }
        match inside {
            Some((edit, at)) => edit.text.insert_str(at, &put.text),
            None => {
                let at = base + u32::try_from(i64::from(at) - grown).ok()?;
                added.push(Edit { span: Span::new(at, at), text: put.text });
            }
        }
    }
    first.extend(added);
    first.sort_by_key(|edit| (edit.span.start, edit.span.end));
    Some(first)
}
