//! What of a report names addresses and hosts. Everything is taken apart whole, so that the compiler asks about
//! whatever is new.

use std::path::PathBuf;

use super::Redactor;
use crate::explain::told::{Told, ToldEntry, ToldHop, ToldMend, ToldRule, ToldStage};
use crate::explain::told_request::{
    ToldChange, ToldDecider, ToldGate, ToldLines, ToldObjection, ToldPart, ToldRequest, ToldTranslation,
    ToldWay,
};
use crate::finding::Finding;
use crate::report::{FileSummary, RunSummary, SiteSummary, SiteView};

/// What can be told to others with stand-ins.
pub(crate) trait Redact {
    /// Puts stand-ins in the place of addresses and names.
    fn redact(&mut self, by: &mut Redactor);
}

impl Redact for String {
    fn redact(&mut self, by: &mut Redactor) {
        *self = by.text(self);
    }
}

impl Redact for PathBuf {
    fn redact(&mut self, by: &mut Redactor) {
        *self = PathBuf::from(by.text(&self.to_string_lossy()));
    }
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(&mut self, by: &mut Redactor) {
        self.iter_mut().for_each(|one| one.redact(by));
    }
}

impl<T: Redact> Redact for Option<T> {
    fn redact(&mut self, by: &mut Redactor) {
        self.iter_mut().for_each(|one| one.redact(by));
    }
}

/// Redacts several fields.
macro_rules! redact {
    ($by:ident: $($field:ident),+) => { $($field.redact($by);)+ };
}

impl Redact for Finding {
    fn redact(&mut self, by: &mut Redactor) {
        self.each_text(&mut |text| text.redact(by));
    }
}

impl Redact for FileSummary {
    fn redact(&mut self, by: &mut Redactor) {
        let FileSummary { path, dialect: _, rules: _, way: _ } = self;
        path.redact(by);
    }
}

impl Redact for SiteSummary {
    fn redact(&mut self, by: &mut Redactor) {
        let SiteSummary { path, findings: _, files: _ } = self;
        path.redact(by);
    }
}

impl Redact for RunSummary {
    fn redact(&mut self, by: &mut Redactor) {
        let RunSummary {
            files,
            unselected: _,
            sites,
            ignored: _,
            suppressed: _,
            baselined: _,
            stale: _,
            below: _,
            statistics: _,
            unread: _,
            failures,
        } = self;
        redact!(by: files, sites, failures);
    }
}

impl Redact for SiteView {
    fn redact(&mut self, by: &mut Redactor) {
        let SiteView { name, devices, matrix, ladders } = self;
        redact!(by: name, devices, matrix, ladders);
    }
}

impl Redact for ToldRule {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldRule { file, line: _, text } = self;
        redact!(by: file, text);
    }
}

impl Redact for ToldEntry {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldEntry {
            from,
            to,
            from_zone,
            to_zone,
            path,
            service: _,
            function: _,
            protocol: _,
            transport: _,
            ports: _,
            any_port: _,
            need: _,
            condition: _,
            source: _,
            state: _,
            blocked: _,
            reply: _,
            depends_on,
            by: decides,
            rule,
        } = self;
        redact!(by: from, to, from_zone, to_zone, path, depends_on, decides, rule);
    }
}

impl Redact for Told {
    fn redact(&mut self, by: &mut Redactor) {
        let Told {
            version: _,
            from,
            to,
            call: _,
            title: _,
            works: _,
            summary,
            symptom,
            depends_on,
            family: _,
            stages,
            first: _,
            degraded,
            assumes,
            notes,
            mend,
        } = self;
        redact!(by: from, to, summary, symptom, depends_on, stages, degraded, assumes, notes, mend);
    }
}

impl Redact for ToldStage {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldStage {
            stage: _,
            title: _,
            direction: _,
            from,
            to,
            works: _,
            need: _,
            reached: _,
            protocol: _,
            service: _,
            transport: _,
            ports: _,
            blocked: _,
            reply: _,
            helped: _,
            carried: _,
            firewall,
            rule,
            by: decides,
            depends_on,
            assumes,
            symptom,
            source: _,
            path,
            hops,
            trace,
        } = self;
        redact!(by: from, to, firewall, rule, decides, depends_on, assumes, symptom, path, hops, trace);
    }
}

impl Redact for ToldHop {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldHop { firewall, iif: _, out: _, src, dst, verdict: _, rule, helper: _ } = self;
        redact!(by: firewall, src, dst, rule);
    }
}

impl Redact for ToldMend {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldMend { stage: _, help, lines } = self;
        redact!(by: help, lines);
    }
}

impl Redact for ToldRequest {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldRequest {
            version: _,
            from,
            to,
            traffic: _,
            state: _,
            summary,
            depends_on,
            assumes,
            firewalls,
            translations,
            ways,
            objections,
            change,
        } = self;
        redact!(by: from, to, summary, depends_on, assumes, firewalls, translations, ways, objections, change);
    }
}

impl Redact for ToldGate {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldGate { firewall, state: _, lets, stops, lines } = self;
        redact!(by: firewall, lets, stops, lines);
    }
}

impl Redact for ToldDecider {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldDecider { rule, what, in_text: _ } = self;
        redact!(by: rule, what);
    }
}

impl Redact for ToldLines {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldLines { place, lines } = self;
        redact!(by: place, lines);
    }
}

impl Redact for ToldTranslation {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldTranslation { firewall, end: _, before, after } = self;
        redact!(by: firewall, before, after);
    }
}

impl Redact for ToldWay {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldWay {
            family: _,
            protocol: _,
            ports: _,
            from_zone,
            to_zone,
            dialled,
            state: _,
            parts,
            path,
            hops,
            trace,
        } = self;
        redact!(by: from_zone, to_zone, dialled, parts, path, hops, trace);
    }
}

impl Redact for ToldPart {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldPart { state: _, whole: _, from, but, to, ports: _ } = self;
        redact!(by: from, but, to);
    }
}

impl Redact for ToldObjection {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldObjection { code: _, what, reason, file, line: _ } = self;
        redact!(by: what, reason, file);
    }
}

impl Redact for ToldChange {
    fn redact(&mut self, by: &mut Redactor) {
        let ToldChange { proved: _, answered: _, besides, finds, help, diff } = self;
        redact!(by: besides, finds, help, diff);
    }
}
