//! The words for services that can be reached and should not be.

use super::exposure::{Exposure, Fault};
use super::{witness, words};
use crate::finding::{Finding, Label, LegRef, Opener, RequirementRef, RowSaid};
use crate::judge::Judge;
use crate::rule::Severity;
use crate::source::Span;

/// What a finding says.
struct Words {
    message: String,
    severity: Severity,
    notice: &'static str,
    help: String,
}

/// Words a finding for openings of one rule.
pub(super) fn word(judge: &Judge<'_>, group: &[Exposure]) -> Finding {
    let first = &group[0];
    let whats = words::unique(group.iter().map(|exposure| exposure.service.what.clone()));
    let devices =
        words::unique(group.iter().map(|exposure| judge.site.devices[exposure.device].name.clone()));
    let (what, device) = (words::some(&whats, 4, "service"), words::some(&devices, 3, "device"));
    let is = if whats.len() == 1 { "is" } else { "are" };
    let depends_on = words::unique(group.iter().flat_map(|exposure| exposure.depends_on.iter().cloned()));
    let is = if first.certain { is } else { "may be" };
    let Words { message, severity, notice, help } = words(group, &what, &device, is);
    let firewall = judge.firewall(first.by.firewall);
    let span = firewall.and_then(|firewall| first.by.by.span(&firewall.rules));
    let message = match depends_on.as_slice() {
        [] => message,
        conds => format!("{message}, depending on {}", words::some(conds, 3, "condition")),
    };
    let mut finding =
        Finding::of(first.fault.lint(), span, message).severity(severity).notice(notice).help(help);
    finding.label = match first.certain {
        true => words::opens(first.by.by).to_string(),
        false => "this may let it through".to_string(),
    };
    for other in group.iter().flat_map(|exposure| &exposure.others) {
        let there = judge.firewall(other.firewall).and_then(|at| other.by.span(&at.rules));
        let known = |span: &Span| {
            finding.span == Some(*span) || finding.related.iter().any(|label| label.span == *span)
        };
        if let Some(there) = there.filter(|there| !known(there)) {
            let message =
                if first.certain { "lets some of it through too" } else { "may let it through too" };
            finding.related.push(Label { span: there, message: message.to_string() });
        }
    }
    let opened_by = if first.fault == Fault::StaleOutward { Opener::Device } else { Opener::Peer };
    finding.leg = Some(LegRef { opened_by, peers: Vec::new(), some_source_ports: false });
    for exposure in group {
        let said = RowSaid { name: exposure.service.what.clone(), notice: notice.to_string() };
        let row = RequirementRef { said, ..exposure.service.row.clone() };
        if !finding.requirements.contains(&row) {
            finding.requirements.push(row);
        }
    }
    finding.listed = what;
    finding.devices = devices;
    finding.depends_on = depends_on;
    let shown = group.iter().find_map(|exposure| exposure.witness.as_ref());
    witness::show(&mut finding, shown, Some(first.by.firewall));
    finding
}

fn words(group: &[Exposure], what: &str, device: &str, is: &str) -> Words {
    let first = &group[0];
    let marks = words::unique(group.iter().filter_map(|exposure| exposure.service.mark.clone()));
    let mark = words::some(&marks, 3, "mode");
    let product = &first.service.row.product;
    let said = |message: String, severity, notice, help: String| Words { message, severity, notice, help };
    match first.fault {
        Fault::Forbidden => said(
            match marks.as_slice() {
                [own] if own.is_empty() => format!("{what} of {device} {is} open, though the site file has it turned off"),
                _ => format!("{what} of {device} {is} open, which security mode {mark} forbids"),
            },
            if first.certain { Severity::Error } else { Severity::Warning },
            "Calls do not need it. The device turns the service off in this mode, so that nobody is served by the \
             opening; if the mode is ever lowered, the service can be reached from that minute on.",
            "Take the service out of the rule. If it is needed, run the device in a mode that offers it, and say so in \
             the site file."
                .to_string(),
        ),
        Fault::Box => said(
            format!("{what} of {device} {is} open, though the traffic never leaves the device"),
            Severity::Warning,
            "Calls do not need it. Whoever gets through can reach a control link between parts of the device.",
            closing(group),
        ),
        Fault::Cluster => said(
            format!("{what} of {device} {is} open beyond its own installation"),
            Severity::Warning,
            "Calls do not need it. Whoever gets through can reach a link between parts of the installation.",
            closing(group),
        ),
        Fault::NoLogin => said(
            format!("{what} of {device} {is} open, and nobody is asked for a login there"),
            if first.certain { Severity::Error } else { Severity::Warning },
            "Calls do not need it. Whoever gets through is served: he can see what goes on in the device, and often \
             change it.",
            closing(group),
        ),
        Fault::Administration => said(
            format!("{what} of {device} {is} open to any source"),
            Severity::Warning,
            "Calls do not need it. Anybody can try to administer the device.",
            "Limit the rule to the addresses of those who administer the device, or name them in the site file as a \
             `[[peer]]` with their zone if this is meant."
                .to_string(),
        ),
        Fault::Stale => said(
            format!("{what} of {device} {is} open, which {product} has not used since {mark}"),
            Severity::Info,
            "Calls do not need it. Whatever else listens there, now or later, can be reached.",
            unused(group, &mark),
        ),
        Fault::StaleOutward => said(
            format!("{device} can reach others on {what}, which {product} has not used since {mark}"),
            Severity::Info,
            "Calls do not need it. Whatever else is sent there, now or later, gets out.",
            unused(group, &mark),
        ),
    }
}

/// What to do about ports of a box or of an installation.
fn closing(group: &[Exposure]) -> String {
    let documents = words::unique(group.iter().map(|exposure| exposure.service.document.clone()));
    let documents = words::some(&documents, 2, "document");
    let alone = group.iter().filter(|exposure| exposure.service.meant_for.is_none());
    let alone = words::unique(alone.map(|exposure| exposure.service.what.clone()));
    let roles = words::unique(group.iter().filter_map(|exposure| exposure.service.meant_for.clone()));
    let roles = words::some(&roles, 3, "role");
    let name_them = "Name them in the site file, as a `[[device]]` or a `[[peer]]`.";
    if roles.is_empty() {
        return format!("Take it out of the rule: it is for the device alone ({documents}).");
    }
    if alone.is_empty() {
        return format!("Limit the rule to those whom it is for ({documents}): {roles}. {name_them}");
    }
    format!(
        "Take {} out of the rule: it is for the device alone. Limit the rule to those whom the rest is for \
         ({documents}): {roles}. {name_them}",
        words::some(&alone, 4, "service")
    )
}

/// What to do about ports that are no longer used.
fn unused(group: &[Exposure], mark: &str) -> String {
    let documents = words::unique(group.iter().map(|exposure| exposure.service.document.clone()));
    format!(
        "Take it out of the rule ({}). If the device runs a version before {mark}, say so in the site file: \
         `version = \"…\"`.",
        words::some(&documents, 2, "document")
    )
}
