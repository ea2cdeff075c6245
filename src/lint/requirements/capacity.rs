//! PH108: ranges with fewer ports than the connections of a device take.

use super::{Fault, Trouble, ask};
use crate::catalog::{Product, Requirement, Sizing, narrowest};
use crate::finding::{Finding, LegRef, Opener, RequirementRef, RowSaid};
use crate::judge::{Desk, Judge, Kind, Want};
use crate::lint::words;
use crate::packet::Set;
use crate::rule::PH108;
use crate::site::{Device, Leg, MovedRow};

/// Checks the ranges that devices are set to, and the parts of them that are open.
pub(super) fn check(judge: &Judge<'_>, troubles: &[Trouble<'_>]) -> Vec<Finding> {
    if !judge.site.settings.selection.has(&PH108) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut told: Vec<(usize, &Sizing)> = Vec::new();
    for at in 0..judge.site.devices.len() {
        for count in counts(judge, at) {
            if let Some(finding) = of_range(judge, &count) {
                told.push((at, count.sizing));
                findings.push(finding);
            }
        }
    }
    for (count, trouble) in smallest(judge, troubles) {
        if !told.contains(&(count.at, count.sizing)) {
            findings.extend(of_open_part(judge, &count, trouble));
        }
    }
    findings
}

/// What a device takes from one range.
struct Count<'a> {
    /// Index into the site's devices.
    at: usize,
    device: &'a Device,
    product: &'a Product,
    sizing: &'a Sizing,
    needed: u64,
}

/// What a device takes, as far as the site says what it is to carry.
fn counts<'a>(judge: &Judge<'a>, at: usize) -> impl Iterator<Item = Count<'a>> {
    let device = &judge.site.devices[at];
    let product = judge.catalog.product(&device.product);
    let all =
        product.into_iter().flat_map(|product| product.sizings.iter().map(move |sizing| (product, sizing)));
    all.filter_map(move |(product, sizing)| {
        let needed = sizing.needed(device.connections.unwrap_or(0), device.recordings.unwrap_or(0));
        (needed > 0).then_some(Count { at, device, product, sizing, needed })
    })
}

impl<'a> Count<'a> {
    /// Whether so many ports are too few.
    fn exceeds(&self, ports: &Set) -> bool {
        u128::from(self.needed) > ports.count()
    }

    /// `100 licensed connections and 5 recordings need 1130`.
    fn said(&self) -> String {
        let many = |count: u32, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let connections = self.device.connections.map(|count| many(count, &self.sizing.per));
        let recordings = self.device.recordings.filter(|_| self.sizing.recording.is_some());
        let recordings = recordings.map(|count| many(count, "recording"));
        let both: Vec<String> = connections.into_iter().chain(recordings).collect();
        let one = matches!(both.as_slice(), [one] if one.starts_with("1 "));
        format!("{} {} {}", both.join(" and "), if one { "needs" } else { "need" }, self.needed)
    }

    /// How the document counts.
    fn arithmetic(&self) -> String {
        let (sizing, document) = (self.sizing, self.sizing.document(self.product));
        let each = sizing.recording.map_or(String::new(), |each| format!(" and {each} for each recording"));
        format!("{document}, counts {} ports for each {}{each}.", sizing.ports, sizing.per)
    }

    /// Setting the device to a range that is large enough, as near to the ports as the product allows.
    fn remedy(&self, row: &Requirement, ports: &Set) -> Option<String> {
        let from = ports.first().and_then(|first| u16::try_from(first).ok());
        let near = narrowest(&row.places(from), self.needed, from.unwrap_or(0));
        let (low, high) = near.or_else(|| narrowest(&row.places(None), self.needed, 0))?;
        let setting =
            self.sizing.setting.as_ref().map_or(String::new(), |setting| format!(" with {setting}"));
        Some(format!("{low}-{high} is large enough: set the device to it{setting}"))
    }

    fn finding(&self, row: &Requirement, ports: &Set, message: String) -> Finding {
        let mut finding = Finding::of(&PH108, None, message)
            .notice("While the device is busy, new calls find no port: they are refused, or have no sound and picture.");
        finding.devices = vec![self.device.name.clone()];
        finding.requirements = row
            .transports
            .iter()
            .map(|transport| RequirementRef {
                device: self.device.name.clone(),
                product: self.product.name.clone(),
                table: row.table.clone(),
                row: row.row.clone(),
                service: row.service.clone(),
                transport: transport.name().to_string(),
                ports: words::intervals(ports),
                blocked: Vec::new(),
                said: RowSaid::default(),
            })
            .collect();
        finding
    }
}

/// A range that is too small wherever it is open. What a doubtful row prints is held against nothing.
fn of_range(judge: &Judge<'_>, count: &Count<'_>) -> Option<Finding> {
    let Count { at, device, product, sizing, .. } = *count;
    let rows =
        product.requirements.iter().filter(|row| sizing.is_of(row) && judge.site.is_judged(at, product, row));
    let placed = rows.filter_map(|row| {
        let means = |moved: &&MovedRow| product.rows_named(&moved.row).contains(&row);
        let moved = device.moved.iter().find(means);
        let known = moved.is_some() || !row.doubtful;
        known.then(|| (row, moved, judge.site.ports_of(at, product, row)))
    });
    let (row, moved, ports) = placed.min_by_key(|(_, _, ports)| ports.count())?;
    if !count.exceeds(&ports) {
        return None;
    }
    let (name, what) = (&device.name, what(row, &ports));
    let message = format!("{what} of {name} has {} ports, and {}", ports.count(), count.said());
    let mut finding = count.finding(row, &ports, message);
    finding.span = moved.and_then(|moved| moved.span).or(device.span);
    finding.label = match moved {
        Some(_) => "moved to a range that is too small".to_string(),
        None => "has to carry more than its range holds".to_string(),
    };
    let remedy = count.remedy(row, &ports).map(|remedy| {
        format!("{remedy}, write it into `ports` of the site file, and open it in the firewalls.")
    });
    let remedy =
        remedy.unwrap_or("No range of the product is large enough: share the load between devices.".into());
    finding.help = format!("{remedy} {}", count.arithmetic());
    Some(finding)
}

/// For each range of which only a part is open, the leg with the smallest one, where that is too small.
fn smallest<'t, 'a>(judge: &Judge<'a>, troubles: &'t [Trouble<'a>]) -> Vec<(Count<'a>, &'t Trouble<'a>)> {
    let mut found: Vec<(Count<'a>, &'t Trouble<'a>)> = Vec::new();
    let own = troubles.iter().filter(|trouble| {
        let flow = &trouble.flow;
        trouble.fault == Fault::Part
            && trouble.certain
            && !trouble.partly
            && flow.leg == Leg::ToDevice
            && !flow.either_way
            && flow.host.is_none()
    });
    for trouble in own {
        let row = trouble.flow.requirement;
        let count = counts(judge, trouble.flow.device).find(|count| count.sizing.is_of(row));
        let Some(count) = count.filter(|count| count.exceeds(&open(trouble))) else { continue };
        let same = |(known, _): &&mut (Count<'_>, _)| known.at == count.at && known.sizing == count.sizing;
        match found.iter_mut().find(same) {
            Some((_, known)) if open(known).count() > open(trouble).count() => *known = trouble,
            Some(_) => {}
            None => found.push((count, trouble)),
        }
    }
    found
}

/// The ports that are open, or may be.
fn open(trouble: &Trouble<'_>) -> Set {
    trouble.asked.minus(&trouble.bad)
}

fn of_open_part(judge: &Judge<'_>, count: &Count<'_>, trouble: &Trouble<'_>) -> Option<Finding> {
    let (row, open) = (trouble.flow.requirement, open(trouble));
    let what = what(row, &trouble.asked);
    let message = format!(
        "{} ports of {what} of {} are open to {}, and {}",
        open.count(),
        count.device.name,
        words::some(&trouble.whom.names, 2, "peer"),
        count.said()
    );
    let mut finding = count.finding(row, &trouble.asked, message);
    finding.leg =
        Some(LegRef { opened_by: Opener::Peer, peers: trouble.whom.names.clone(), some_source_ports: false });
    let asked = ask::ask(&trouble.flow, &trouble.near, trouble.transport);
    let answer = Desk::new(judge).judge_leg(&asked, &trouble.whom.party, Kind::First, Want::Faults)?;
    let opener = answer.openers.first().or(answer.may_open.first());
    let place = opener.and_then(|share| Some((share.by, judge.firewall(share.firewall)?)));
    if let Some((by, firewall)) = place {
        finding.span = by.span(&firewall.rules);
        finding.label = format!("opens {} alone", words::ports(&open));
    }
    let remedy = count
        .remedy(row, &open)
        .map(|remedy| format!("{remedy}, open it here, and write it into `ports` of the site file."));
    let remedy = remedy.unwrap_or("Open the whole range.".to_string());
    finding.help = format!("{remedy} {}", count.arithmetic());
    Some(finding)
}

/// `udp 20000-20100 (RTP/RTCP)`.
fn what(row: &Requirement, ports: &Set) -> String {
    let transports: Vec<&str> = row.transports.iter().map(|transport| transport.name()).collect();
    format!("{} {} ({})", transports.join(" and "), words::ports(ports), words::protocol(&row.protocol))
}
