//! What a log comes to, as reports take it.

use schemars::JsonSchema;
use serde::Serialize;

use super::logs::{Group, Heard, Now};
use super::told::{Teller, ToldRule};
use crate::lint::words;
use crate::site::Leg;

/// A log in words. Its JSON form is stable: keys are added, never renamed or removed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldLog {
    /// Of this form.
    pub version: u32,
    /// Lines that were read.
    pub lines: u64,
    /// Packets that were dropped.
    pub drops: u64,
    /// Those of them that belong to no row of a device.
    pub noise: u64,
    /// Messages about other things.
    pub others: u64,
    /// Lines of no form that is known.
    pub unread: u64,
    /// The others, by cause.
    pub groups: Vec<ToldGroup>,
}

/// Drops of one cause.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldGroup {
    /// In one sentence.
    pub summary: String,
    /// The device.
    pub device: String,
    /// Who is at the other end: one of several where there are more.
    pub peer: String,
    /// How many they are.
    pub peers: usize,
    /// `to-device` or `from-device`.
    pub leg: &'static str,
    /// The catalog's service.
    pub service: String,
    /// The protocol, for people.
    pub protocol: String,
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// The ports that were tried.
    pub ports: Vec<[u16; 2]>,
    /// How many packets.
    pub drops: u64,
    /// They are of connections that were open.
    pub midstream: bool,
    /// The call.
    pub call: Option<String>,
    /// The stage, for people.
    pub stage: Option<String>,
    /// What people notice.
    pub symptom: String,
    /// What the configs do with such packets: `drops`, `passes`, `depends` or `unknown`.
    pub config: &'static str,
    /// The rule that drops them.
    pub rule: Option<ToldRule>,
}

impl<'a> Teller<'_, 'a> {
    /// Tells what a log comes to.
    pub(crate) fn log(&self, heard: &Heard<'a>) -> ToldLog {
        ToldLog {
            version: 1,
            lines: heard.lines,
            drops: heard.drops,
            noise: heard.noise,
            others: heard.others,
            unread: heard.unread,
            groups: heard.groups.iter().map(|group| self.group(group)).collect(),
        }
    }

    fn group(&self, group: &Group<'a>) -> ToldGroup {
        let rule = match group.now {
            Now::Drops(by) => self.rule(by),
            Now::Passes | Now::Depends | Now::NoPath => None,
        };
        ToldGroup {
            summary: self.group_summary(group, rule.as_ref()),
            device: self.judge.site.devices[group.device].name.clone(),
            peer: group.peer.to_string(),
            peers: group.peers,
            leg: match group.leg {
                Leg::ToDevice => "to-device",
                Leg::FromDevice => "from-device",
            },
            service: group.row.service.clone(),
            protocol: words::protocol(&group.row.protocol),
            transport: group.transport.name(),
            ports: words::intervals(&group.ports),
            drops: group.drops,
            midstream: group.midstream,
            call: group.stage.as_ref().map(|(call, _)| call.clone()),
            stage: group.stage.as_ref().map(|(_, stage)| stage.clone()),
            symptom: group.symptom.clone(),
            config: match group.now {
                _ if group.midstream => "unknown",
                Now::Drops(_) => "drops",
                Now::Passes => "passes",
                Now::Depends => "depends",
                Now::NoPath => "unknown",
            },
            rule,
        }
    }

    /// What was dropped, what that is of a call, and what the configs do now, in one sentence.
    fn group_summary(&self, group: &Group<'a>, rule: Option<&ToldRule>) -> String {
        let device = &self.judge.site.devices[group.device].name;
        let protocol = words::protocol(&group.row.protocol);
        let drops = match group.drops {
            1 => "1 drop".to_string(),
            many => format!("{many} drops"),
        };
        let peers = match group.peers {
            1 => group.peer.to_string(),
            many => format!("{many} addresses, {} among them,", group.peer),
        };
        let between = match group.leg {
            Leg::ToDevice => format!("from {peers} to {device}"),
            Leg::FromDevice => format!("from {device} to {peers}"),
        };
        let what = match &group.stage {
            Some((call, stage)) => {
                format!("{stage} of an {call}").replace("an S", "a S").replace("an W", "a W")
            }
            None => group.row.function.clone(),
        };
        let now = match (group.now, group.midstream, rule) {
            (_, true, _) => {
                "they are of connections that the firewall did not know, or no longer".to_string()
            }
            (Now::Drops(_), _, Some(rule)) => format!("{}:{} drops them", rule.file, rule.line),
            (Now::Drops(by), _, None) => {
                format!("{} drops them: {}", self.judge.site.firewalls[by.firewall].name, self.decides(by))
            }
            (Now::Passes, ..) => {
                "the configs as they are let them pass: the log is of other ones".to_string()
            }
            (Now::Depends, ..) => {
                "whether the configs drop them depends on what they do not tell".to_string()
            }
            (Now::NoPath, ..) => "the site does not tell which way they take".to_string(),
        };
        let ports = words::ports(&group.ports);
        let transport = group.transport.name();
        format!("{drops} {between} are {protocol} ({transport} {ports}), {what}; {now}")
    }
}
