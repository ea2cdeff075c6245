//! An explanation as reports take it: texts, files and lines in place of spans and sets.

use std::rc::Rc;

use schemars::JsonSchema;
use serde::Serialize;

use super::fate::{self, Works};
use super::matrix::Entry;
use super::{Direction, Explanation, Row};
use crate::calls::Need;
use crate::judge::{By, Judge, Step};
use crate::lint::{self, Workshop, words};
use crate::model::Verdict;
use crate::packet::{Family, Field, Packet, Set};
use crate::site::{End as Place, Leg};
use crate::source::{SourceMap, Span};

/// The longest text of a rule that is quoted.
const LONGEST: usize = 400;

/// An explanation in words. Its JSON form is stable: keys are added, never renamed or removed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// Of this form.
    pub version: u32,
    /// The caller.
    pub from: String,
    /// The called end.
    pub to: String,
    /// The call's name.
    pub call: String,
    /// The call for people.
    pub title: String,
    /// The overall answer.
    pub works: Works,
    /// The answer in one sentence.
    pub summary: String,
    /// What people notice.
    pub symptom: String,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// `ipv4` or `ipv6`.
    pub family: &'static str,
    /// The ways of the stages, in order.
    pub stages: Vec<ToldStage>,
    /// The place in `stages` of the first that keeps the call from working.
    pub first: Option<usize>,
    /// What works worse than it could.
    pub degraded: Vec<String>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// What to change, for the first stage that fails, or for all where that was asked for.
    pub mend: Vec<ToldMend>,
}

/// One way of a stage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldStage {
    /// The stage's name.
    pub stage: String,
    /// For people.
    pub title: String,
    /// Where it is between the two ends.
    pub direction: Option<Direction>,
    /// Who opens it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Whether it works.
    pub works: Works,
    /// How much the call needs it: `required`, `optional`, or `fallback` where it only stands in for another.
    pub need: &'static str,
    /// The stages that it needs were reached and did not fail.
    pub reached: bool,
    /// The protocol, for people.
    pub protocol: String,
    /// The catalog's service.
    pub service: String,
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// The destination ports.
    pub ports: Vec<[u16; 2]>,
    /// Those that do not get through, or may not.
    pub blocked: Vec<[u16; 2]>,
    /// It is the answers that are blocked.
    pub reply: bool,
    /// A helper of a firewall opens the ports.
    pub helped: bool,
    /// The connection of the other way carries it.
    pub carried: bool,
    /// The firewall that decides.
    pub firewall: Option<String>,
    /// Its rule; null where what decides is not written.
    pub rule: Option<ToldRule>,
    /// What is to be seen at the rule, or in its place.
    pub by: String,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// What people notice.
    pub symptom: String,
    /// Where the ports stand: document and table.
    pub source: String,
    /// The firewalls on the path, in order.
    pub path: Vec<String>,
    /// The way of one packet, firewall by firewall.
    pub hops: Vec<ToldHop>,
    /// The packet as `pinhole trace` takes it.
    pub trace: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ToldRule {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The rule on one line.
    pub text: String,
}

/// A packet at one firewall.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldHop {
    /// The firewall.
    pub firewall: String,
    /// The interface by which it comes in.
    #[serde(rename = "in")]
    pub iif: Option<String>,
    /// The one by which it leaves.
    pub out: Option<String>,
    /// Source address and port, as it comes.
    pub src: String,
    /// Destination, likewise.
    pub dst: String,
    /// `accept`, `drop`, `reject` or `unknown`.
    pub verdict: &'static str,
    /// What decides.
    pub rule: Option<ToldRule>,
    /// The helper that reads the connection.
    pub helper: Option<String>,
}

/// What to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ToldMend {
    /// The stage that it mends.
    pub stage: String,
    /// What to do, in whole sentences.
    pub help: String,
    /// The lines to put in, where some were tried and work.
    pub lines: Vec<String>,
}

/// What an explanation is told with.
pub(crate) struct Teller<'t, 'a> {
    /// The site.
    pub judge: &'t Judge<'a>,
    /// The files.
    pub sources: &'t SourceMap,
}

impl<'a> Teller<'_, 'a> {
    /// Tells it, without what to change.
    pub(crate) fn tell(&self, explanation: &Explanation<'a>) -> Told {
        let stages: Vec<ToldStage> =
            explanation.rows.iter().map(|row| self.stage(row, explanation.family)).collect();
        let first = explanation.first.and_then(|at| stages.get(at));
        Told {
            version: 1,
            from: explanation.from.clone(),
            to: explanation.to.clone(),
            call: explanation.call.clone(),
            title: explanation.title.clone(),
            works: explanation.works,
            summary: summary(explanation, first),
            symptom: first.map_or(String::new(), |stage| stage.symptom.clone()),
            depends_on: explanation.depends_on.clone(),
            family: match explanation.family {
                Family::V4 => "ipv4",
                Family::V6 => "ipv6",
            },
            stages,
            first: explanation.first,
            degraded: explanation.degraded.clone(),
            assumes: explanation.assumes.clone(),
            notes: explanation.notes.clone(),
            mend: Vec::new(),
        }
    }

    /// What to change for the rows that fail: for the first, or for all.
    pub(crate) fn mend(
        &self,
        explanation: &Explanation<'a>,
        workshop: &Workshop<'_>,
        all: bool,
    ) -> Vec<ToldMend> {
        let mut mends: Vec<ToldMend> = Vec::new();
        let first = explanation.first.and_then(|first| explanation.rows.get(first));
        for ways in ways(&explanation.rows) {
            let Some(row) = ways.first() else { continue };
            if !all && !first.is_some_and(|first| ways.iter().any(|row| std::ptr::eq(*row, first))) {
                continue;
            }
            let asked = |row: &&Row<'a>| {
                let sides = (row.from.side(), row.to.side());
                let (near, party) = fate::ends(&row.question, sides, explanation.family);
                (fate::flow(&row.question), near, party)
            };
            let asked = ways.iter().map(asked).collect();
            for finding in lint::about(self.judge, Some(workshop), asked) {
                let lines: Vec<String> =
                    finding.mend.iter().flat_map(|mend| mend.lines.iter().cloned()).collect();
                let mend = ToldMend { stage: row.stage.clone(), help: finding.help, lines };
                if !mend.help.is_empty() && !mends.contains(&mend) {
                    mends.push(mend);
                }
            }
        }
        mends
    }

    fn stage(&self, row: &Row<'a>, family: Family) -> ToldStage {
        let (site, question, fate) = (self.judge.site, &row.question, &row.fate);
        let place = |party: &super::Party| Place { zone: party.far.zone, device: party.end.device };
        let path = site.path(place(&row.from), place(&row.to)).unwrap_or_default();
        let name = |firewall: usize| site.firewalls[firewall].name.clone();
        let product = self.judge.catalog.product(&site.devices[question.device].product);
        let trace = row.hops.first().map(|step| self.command(&step.packet, row, family));
        ToldStage {
            stage: row.stage.clone(),
            title: row.title.clone(),
            direction: row.direction(),
            from: row.from.end.name.clone(),
            to: row.to.end.name.clone(),
            works: fate.works,
            need: match row.need {
                Need::Required => "required",
                Need::Optional => "optional",
                Need::Fallback => "fallback",
            },
            reached: row.reached,
            protocol: words::protocol(&question.row.protocol),
            service: question.row.service.clone(),
            transport: question.transport.name(),
            ports: words::intervals(&question.ports),
            blocked: words::intervals(&fate.bad),
            reply: fate.reply,
            helped: fate.helped,
            carried: fate.carried,
            firewall: fate.by.map(|by| name(by.firewall)),
            rule: fate.by.and_then(|by| self.rule(by)),
            by: fate.why.clone().unwrap_or_else(|| fate.by.map_or(String::new(), |by| self.decides(by))),
            depends_on: fate.depends_on.clone(),
            assumes: fate.assumes.clone(),
            symptom: row.symptom.clone(),
            source: product.map_or(String::new(), |product| words::document(product, question.row)),
            path: path.iter().map(|crossing| name(crossing.firewall)).collect(),
            hops: row.hops.iter().map(|step| self.hop(step, family)).collect(),
            trace,
        }
    }

    /// The rule of who decides, where it is written.
    pub(crate) fn rule(&self, by: By) -> Option<ToldRule> {
        let firewall = self.judge.firewall(by.firewall)?;
        let span = by.by.span(&firewall.rules).filter(|span| span.start < span.end)?;
        rule(self.sources, span)
    }

    /// What is to be seen there.
    pub(crate) fn decides(&self, by: By) -> String {
        let Some(firewall) = self.judge.firewall(by.firewall) else { return String::new() };
        if by.astray {
            return "it is translated to somewhere else, or not translated at all".to_string();
        }
        words::blocks(firewall, by.by)
    }

    pub(super) fn hop(&self, step: &Step, family: Family) -> ToldHop {
        let firewall = self.judge.firewall(step.firewall);
        let helper = step.helper.zip(firewall);
        ToldHop {
            firewall: self.judge.site.firewalls[step.firewall].name.clone(),
            iif: step.iif.clone(),
            out: step.oif.clone(),
            src: end(&step.packet, Field::src(family), Field::Sport),
            dst: end(&step.packet, Field::dst(family), Field::Dport),
            verdict: match step.verdict {
                Some(Verdict::Accept) => "accept",
                Some(Verdict::Drop) => "drop",
                Some(Verdict::Reject(_)) => "reject",
                None => "unknown",
            },
            rule: step.by.and_then(|by| self.rule(by)),
            helper: helper.and_then(|(id, firewall)| firewall.rules.helpers.get(id.index()).cloned()),
        }
    }

    /// The packet as a command that follows it along the path.
    fn command(&self, packet: &Packet, row: &Row<'a>, family: Family) -> String {
        let number = |field: Field| packet.get(field).known();
        let address =
            |field: Field| number(field).map_or(String::new(), |number| family.address(number).to_string());
        let sport = number(Field::Sport).map_or(String::new(), |port| format!(" --sport {port}"));
        let dport = number(Field::Dport).unwrap_or_default();
        let (from, to) = (address(Field::src(family)), address(Field::dst(family)));
        let transport = row.question.transport.name();
        format!("pinhole trace --from {from} --to {to} {transport}/{dport}{sport}")
    }
}

/// A rule by its place.
pub(crate) fn rule(sources: &SourceMap, span: Span) -> Option<ToldRule> {
    let file = sources.file_of(span)?;
    let text: String = sources.text(span).chars().take(LONGEST).collect();
    Some(ToldRule {
        file: file.path.display().to_string(),
        line: file.place(span.start).line,
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Address and port of a packet's end.
fn end(packet: &Packet, address: Field, port: Field) -> String {
    let family = packet.family();
    let Some(ip) = packet.get(address).known().map(|number| family.address(number)) else {
        return "?".to_string();
    };
    match (packet.get(port).known(), family) {
        (Some(port), Family::V4) => format!("{ip}:{port}"),
        (Some(port), Family::V6) => format!("[{ip}]:{port}"),
        (None, _) => ip.to_string(),
    }
}

/// The answer in one sentence.
fn summary(explanation: &Explanation<'_>, first: Option<&ToldStage>) -> String {
    let (from, to) = (&explanation.from, &explanation.to);
    let call = &explanation.title;
    let at = first.map(|stage| {
        let ports =
            words::ports(&Set::of(stage.ports.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi)))));
        let what = format!("{} ({}, {} {ports})", stage.title, stage.protocol, stage.transport);
        let whose = match stage.reply {
            true => format!("answers from {} to {}", stage.to, stage.from),
            false => format!("from {} to {}", stage.from, stage.to),
        };
        let by = match (&stage.rule, &stage.firewall) {
            (Some(rule), Some(firewall)) => format!(", at {}:{} of {firewall}", rule.file, rule.line),
            (None, Some(firewall)) => format!(", at {firewall}"),
            _ => String::new(),
        };
        format!("{what}, {whose}{by}")
    });
    match (explanation.works, at) {
        (Works::Yes, _) => format!("The {call} from {from} to {to} works."),
        (Works::No, Some(at)) => format!("The {call} from {from} to {to} fails at {at}."),
        (Works::No, None) => format!("The {call} from {from} to {to} fails."),
        (Works::Depends, at) => {
            let on = words::some(&explanation.depends_on, 3, "condition");
            let at = at.map_or(String::new(), |at| format!("; see {at}"));
            format!("Whether the {call} from {from} to {to} works depends on {on}{at}.")
        }
    }
}

/// One row of the port matrix. Its JSON form is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ToldEntry {
    /// Who opens the connection.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The zone of the one.
    pub from_zone: String,
    /// The zone of the other.
    pub to_zone: String,
    /// The firewalls between, in order.
    pub path: Vec<String>,
    /// The catalog's service.
    pub service: String,
    /// What the ports are for.
    pub function: String,
    /// The protocol, for people.
    pub protocol: String,
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// The destination ports.
    pub ports: Vec<[u16; 2]>,
    /// One of the ports is enough.
    pub any_port: bool,
    /// `mandatory`, `recommended` or `optional`.
    pub need: &'static str,
    /// When it is needed, where that is not always; empty otherwise.
    pub condition: String,
    /// Document and table.
    pub source: String,
    /// `open`, `blocked` or `depends`.
    pub state: &'static str,
    /// The ports that do not get through, or may not.
    pub blocked: Vec<[u16; 2]>,
    /// It is the answers that are blocked.
    pub reply: bool,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// By which rule, as `FILE:LINE`, or by what else; empty where no firewall stands between.
    pub by: String,
    /// The rule.
    pub rule: Option<ToldRule>,
}

impl<'a> Teller<'_, 'a> {
    /// Tells a row of the matrix.
    pub(crate) fn entry(&self, entry: &Entry<'a>) -> ToldEntry {
        let site = self.judge.site;
        let far = words::some(&entry.far, 3, "peer");
        let (from, to) = match entry.leg {
            Leg::ToDevice => (far, entry.near.clone()),
            Leg::FromDevice => (entry.near.clone(), far),
        };
        let (from_zone, to_zone) = entry.way();
        let zone = |zone: usize| site.zones[zone].name.clone();
        let name = |firewall: usize| site.firewalls[firewall].name.clone();
        let product = self.judge.catalog.product(&site.devices[entry.device].product);
        let rule = entry.by.and_then(|by| self.rule(by));
        let by = match (&rule, entry.by) {
            (Some(rule), _) => format!("{}:{}", rule.file, rule.line),
            (None, Some(by)) => format!("{}: {}", name(by.firewall), self.decides(by)),
            (None, None) => String::new(),
        };
        ToldEntry {
            from,
            to,
            from_zone: zone(from_zone),
            to_zone: zone(to_zone),
            path: entry.path.iter().map(|firewall| name(*firewall)).collect(),
            service: entry.row.service.clone(),
            function: entry.row.function.clone(),
            protocol: words::protocol(&entry.row.protocol),
            transport: entry.transport.name(),
            ports: words::intervals(&entry.ports),
            any_port: entry.any_port,
            need: entry.row.severity.name(),
            condition: entry.row.condition.clone().filter(|_| entry.doubtful).unwrap_or_default(),
            source: product.map_or(String::new(), |product| words::document(product, entry.row)),
            state: match entry.works {
                Works::Yes => "open",
                Works::Depends => "depends",
                Works::No => "blocked",
            },
            blocked: words::intervals(&entry.bad),
            reply: entry.reply,
            depends_on: entry.depends_on.clone(),
            by,
            rule,
        }
    }
}

/// The rows that fail, those of one way of a stage together: RTP and RTCP share lines.
fn ways<'r, 'a>(rows: &'r [Row<'a>]) -> Vec<Vec<&'r Row<'a>>> {
    let mut ways: Vec<Vec<&Row<'a>>> = Vec::new();
    for row in rows.iter().filter(|row| row.fate.works != Works::Yes) {
        let same = |way: &&mut Vec<&Row<'a>>| {
            way.first().is_some_and(|first| {
                first.stage == row.stage
                    && Rc::ptr_eq(&first.from, &row.from)
                    && Rc::ptr_eq(&first.to, &row.to)
            })
        };
        match ways.iter_mut().find(same) {
            Some(way) => way.push(row),
            None => ways.push(vec![row]),
        }
    }
    ways
}
