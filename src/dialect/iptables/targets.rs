//! What the options of targets say (iptables-extensions(8), "TARGET EXTENSIONS").

use super::ast::{Answer, MarkChange, NatSpec, PortSpan, Target};
use super::command::{Given, Parser};
use super::modules::{self, Kind, Module, Val};
use super::values;
use crate::dialect::names::proto;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::PH002;
use crate::source::Span;

/// Names of the kernel's connection helpers, with the protocols that each is for.
/// Source: `nf_conntrack_*.c`, `NF_CT_HELPER` registrations of Linux 6.x.
const HELPERS: [(&str, &[u8]); 12] = [
    ("Q.931", &[proto::TCP]),
    ("RAS", &[proto::UDP]),
    ("H.245", &[proto::UDP]),
    ("sip", &[proto::TCP, proto::UDP]),
    ("ftp", &[proto::TCP]),
    ("irc", &[proto::TCP]),
    ("sane", &[proto::TCP]),
    ("pptp", &[proto::TCP]),
    ("amanda", &[proto::UDP]),
    ("netbios-ns", &[proto::UDP]),
    ("snmp", &[proto::UDP]),
    ("tftp", &[proto::UDP]),
];

/// Helpers that run in user space, registered with `nfct helper add` (conntrackd).
const USERSPACE_HELPERS: [&str; 6] = ["dhcpv6", "mdns", "rpc", "slp", "ssdp", "tns"];

impl Parser<'_, '_> {
    /// Reads an option of the target.
    pub(super) fn target_option(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        match given.val {
            Val::RejectWith => self.reject_with(given),
            Val::ToDestination | Val::ToSource => self.nat_address(given),
            Val::ToPorts => self.nat_ports(given, text),
            Val::Random => self.nat.random = true,
            Val::Netmap => match values::net(text, self.family) {
                Ok((address, mask)) => match values::prefix_len(mask, self.family) {
                    Some(len) => {
                        self.out.config.netmaps.push((address, len as u8));
                        self.target = Target::Netmap(self.out.config.netmaps.len() as u32 - 1);
                    }
                    // It loads; where the kernel's arithmetic leads with such a mask is not followed.
                    None => {
                        self.out.config.netmaps.push((0, u8::MAX));
                        self.target = Target::Netmap(self.out.config.netmaps.len() as u32 - 1);
                    }
                },
                Err(_) => self.refuse(given, "is no network"),
            },
            Val::SetXmark => self.set_mark(given, |value, mask| MarkChange::Set(mask, value)),
            Val::SetMark => self.set_mark(given, |value, mask| MarkChange::Set(mask | value, value)),
            Val::AndMark => self.set_mark(given, |value, _| MarkChange::Set(!value, 0)),
            Val::OrMark => self.set_mark(given, |value, _| MarkChange::Set(value, value)),
            Val::XorMark => self.set_mark(given, |value, _| MarkChange::Set(0, value)),
            Val::SaveMark => self.keep_mark(MarkChange::Save(u32::MAX, u32::MAX)),
            Val::RestoreMark => self.keep_mark(MarkChange::Restore(u32::MAX, u32::MAX)),
            Val::MarkMask | Val::NfMask | Val::CtMask => match values::number(text, u32::MAX.into()) {
                Some(mask) => {
                    let mask = Some(mask as u32);
                    if given.val != Val::CtMask {
                        self.masks.0 = mask;
                    }
                    if given.val != Val::NfMask {
                        self.masks.1 = mask;
                    }
                }
                None => self.refuse(given, "is no mask"),
            },
            Val::NoTrack => self.target = Target::NoTrack,
            Val::Zone => {
                let message = "zones of connection tracking are read but not followed";
                self.out.findings.push(
                    Finding::of(&PH002, given.span, message)
                        .label("a connection of another zone is taken for the same")
                        .help(
                            "Where zones keep apart what has the same addresses, look after answers by hand.",
                        ),
                );
            }
            Val::CtHelper => self.helper(given),
            Val::TproxyPort if values::port(text, self.protocol.map_or(proto::TCP, |p| p.0)).is_none() => {
                self.refuse(given, "is no port");
            }
            Val::TproxyIp if values::address(text, self.family).is_none() => {
                self.refuse(given, "is no address");
            }
            Val::TproxyMark => match values::marked(text) {
                Some((value, mask)) => self.keep_mark(MarkChange::Set(mask, value)),
                None => self.refuse(given, "is no mark"),
            },
            Val::SetTtl => match values::number(text, 255) {
                Some(ttl) => self.target = Target::SetTtl(Some(ttl as u8)),
                None => self.refuse(given, "is no number up to 255"),
            },
            Val::SetDscp | Val::SetDscpClass => {
                let value = match given.val {
                    Val::SetDscp => values::number(text, 63).map(|value| value as u8),
                    _ => values::dscp_class(text),
                };
                match value {
                    Some(value) => self.target = Target::SetDscp(Some(value)),
                    None => self.refuse(given, "is no DSCP value"),
                }
            }
            Val::AddSet => {
                let set = self.out.config.names.intern(text);
                self.out.config.changed_sets.insert(set);
            }
            Val::EcnRemove if !matches!(self.protocol, Some((proto::TCP, false))) => {
                self.fails(given.span, "`--ecn-tcp-remove` needs `-p tcp`");
            }
            Val::MapMark => self.target = Target::ForgetMark,
            Val::ClampMss => self.only_at(given, modules::FWD | modules::OUT | modules::POST),
            Val::LogLevel => {
                const LEVELS: [&str; 9] =
                    ["alert", "crit", "debug", "emerg", "error", "info", "notice", "panic", "warning"];
                let known = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
                if !known && values::number(text, 7).is_none() {
                    self.refuse(given, "is no log level");
                }
            }
            _ => {}
        }
    }

    /// A value that is none.
    fn refuse(&mut self, given: &Given<'_>, what: &str) {
        self.fails(given.span, format!("`{}` {what}", given.args[0]));
        self.nat.broken = true;
    }

    fn reject_with(&mut self, given: &Given<'_>) {
        const V4: [(&str, u8); 14] = [
            ("icmp-net-unreachable", 0),
            ("net-unreach", 0),
            ("icmp-host-unreachable", 1),
            ("host-unreach", 1),
            ("icmp-proto-unreachable", 2),
            ("proto-unreach", 2),
            ("icmp-port-unreachable", 3),
            ("port-unreach", 3),
            ("icmp-net-prohibited", 9),
            ("net-prohib", 9),
            ("icmp-host-prohibited", 10),
            ("host-prohib", 10),
            ("icmp-admin-prohibited", 13),
            ("admin-prohib", 13),
        ];
        const V6: [(&str, u8); 12] = [
            ("icmp6-no-route", 0),
            ("no-route", 0),
            ("icmp6-adm-prohibited", 1),
            ("adm-prohibited", 1),
            ("icmp6-addr-unreachable", 3),
            ("addr-unreach", 3),
            ("icmp6-port-unreachable", 4),
            ("port-unreach", 4),
            ("icmp6-policy-fail", 5),
            ("policy-fail", 5),
            ("icmp6-reject-route", 6),
            ("reject-route", 6),
        ];
        let text = given.args[0];
        let starts = |name: &str| {
            !text.is_empty() && name.get(..text.len()).is_some_and(|s| s.eq_ignore_ascii_case(text))
        };
        if starts("tcp-reset") || starts("tcp-rst") {
            if !matches!(self.protocol, Some((proto::TCP, false))) {
                self.fails(given.span, "`--reject-with tcp-reset` needs `-p tcp`");
            }
            self.target = Target::RejectReset;
            return;
        }
        let table = if self.family == Family::V4 { &V4[..] } else { &V6[..] };
        match table.iter().find(|(name, _)| starts(name)) {
            Some((_, code)) => self.target = Target::Reject(*code),
            None => self.refuse(given, "is no reject type"),
        }
    }

    /// `[addr[-addr]][:port[-port[/base]]]`; IPv6 addresses with a port stand in brackets.
    fn nat_address(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        let (addresses, ports) = match (self.family, text.strip_prefix('[')) {
            (Family::V6, Some(rest)) => match rest.split_once(']') {
                Some((addresses, "")) => (addresses, None),
                Some((addresses, rest)) => (addresses, Some(rest.strip_prefix(':').unwrap_or(rest))),
                None => return self.refuse(given, "lacks its `]`"),
            },
            (Family::V6, None) => (text, None),
            (Family::V4, _) => match text.split_once(':') {
                Some((addresses, ports)) => (addresses, Some(ports)),
                None => (text, None),
            },
        };
        if !addresses.is_empty() {
            // In brackets, each end of a range may have its own.
            let (lo, hi) = addresses.split_once('-').unwrap_or((addresses, addresses));
            match (values::address(lo, self.family), values::address(hi.trim_start_matches('['), self.family))
            {
                (Some(lo), Some(hi)) => self.nat.addr = Some((lo.min(hi), lo.max(hi))),
                _ => return self.refuse(given, "is no address range"),
            }
        }
        if let Some(ports) = ports {
            self.nat_ports(given, ports);
        }
    }

    fn nat_ports(&mut self, given: &Given<'_>, text: &str) {
        const WITH_PORTS: [u8; 5] = [proto::TCP, proto::UDP, proto::SCTP, proto::DCCP, proto::ICMP];
        if !matches!(self.protocol, Some((number, _)) if WITH_PORTS.contains(&number)) {
            self.fails(given.span, "a port needs `-p` with tcp, udp, sctp or dccp");
        }
        let (range, base) = match text.split_once('/') {
            Some((range, base)) => (range, Some(base)),
            None => (text, None),
        };
        if base.is_some() && given.val != Val::ToDestination {
            self.fails(given.span, "only `DNAT --to-destination` takes a base port");
        }
        let base = base.map(values::nat_port);
        match (values::nat_port_range(range), base) {
            (Some((lo, hi)), base) if lo <= hi && base != Some(None) => {
                self.nat.ports = Some(PortSpan { lo, hi, base: base.flatten() });
            }
            (Some((lo, hi)), _) if lo > hi => self.refuse(given, "runs from high to low"),
            _ => self.refuse(given, "is no port range"),
        }
    }

    fn set_mark(&mut self, given: &Given<'_>, change: impl Fn(u32, u32) -> MarkChange) {
        match values::marked(given.args[0]) {
            Some((value, mask)) => self.keep_mark(change(value, mask)),
            None => self.refuse(given, "is no mark"),
        }
    }

    fn keep_mark(&mut self, change: MarkChange) {
        self.out.config.marks.push(change);
        self.target = Target::Mark(self.out.config.marks.len() as u32 - 1);
    }

    fn helper(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        self.target = Target::Helper(self.out.config.names.intern(text));
        let Some((number, false)) = self.protocol else {
            return self.fails(given.span, "`--helper` needs `-p` without `!`");
        };
        if USERSPACE_HELPERS.contains(&text) {
            return;
        }
        let known = HELPERS.iter().find(|(name, _)| *name == text);
        match known {
            Some((_, protocols)) if protocols.contains(&number) => {}
            Some(_) => self.fails(given.span, format!("helper `{text}` is not for this protocol")),
            None => {
                let help =
                    "The kernel's names are `Q.931` (TCP 1720), `RAS` (UDP 1719) and `sip`, in exact case.";
                let finding = super::command::load_error(given.span, format!("no helper is called `{text}`"));
                self.out.findings.push(finding.help(help));
            }
        }
    }

    /// What the target does, all options read.
    pub(super) fn finish_target(&mut self, at: usize, module: &'static Module, span: Span) {
        let seen = self.active[at].seen;
        let keep = |config: &mut super::ast::Config, nat: NatSpec| {
            config.nats.push(nat);
            config.nats.len() as u32 - 1
        };
        let undefined = self.target;
        let queue = match module.kind {
            Kind::Queue => {
                let words = self.words.iter().map(|word| word.text.as_ref());
                let told: Vec<&str> = words.skip_while(|word| *word != module.name).collect();
                let text = format!("-j {}", told.join(" "));
                self.keep_open(module.name, &text, Answer::Chance)
            }
            _ => u32::MAX,
        };
        let index = match self.target {
            Target::Mark(index) => index,
            _ => u32::MAX,
        };
        let config = &mut *self.out.config;
        self.target = match module.kind {
            Kind::Nothing => Target::Continue,
            Kind::Reject => match self.target {
                Target::Undefined(_) if seen == 0 && self.family == Family::V4 => Target::Reject(3),
                Target::Undefined(_) if seen == 0 => Target::Reject(4),
                target => target,
            },
            Kind::Queue => Target::Queue(queue),
            Kind::Dnat => Target::Dnat(keep(config, self.nat)),
            Kind::Snat => Target::Snat(keep(config, self.nat)),
            Kind::Masquerade => Target::Masquerade(keep(config, self.nat)),
            Kind::Redirect => Target::Redirect(keep(config, self.nat)),
            Kind::ConnMark if index != u32::MAX => {
                let (packet, connection) = self.masks;
                let (packet, connection) = (packet.unwrap_or(u32::MAX), connection.unwrap_or(u32::MAX));
                if let Some(change) = config.marks.get_mut(index as usize) {
                    *change = match *change {
                        MarkChange::Save(..) => MarkChange::Save(packet, connection),
                        MarkChange::Restore(..) => MarkChange::Restore(packet, connection),
                        set => set,
                    };
                }
                Target::ConnMark(index)
            }
            Kind::Tproxy => Target::Tproxy(index),
            Kind::NoTrack => Target::NoTrack,
            Kind::Ct if matches!(undefined, Target::Undefined(_)) => Target::Continue,
            Kind::Ttl if matches!(undefined, Target::Undefined(_)) => Target::SetTtl(None),
            Kind::Dscp if matches!(undefined, Target::Undefined(_)) => Target::SetDscp(None),
            Kind::SetTarget if matches!(undefined, Target::Undefined(_)) => Target::Continue,
            Kind::Hmark => Target::ForgetMark,
            Kind::TcpMss => Target::ForgetMss,
            Kind::Npt(destination) => Target::ForgetAddress(destination),
            _ => undefined,
        };
        let needs_address = matches!(module.kind, Kind::Dnat | Kind::Snat) && self.nat.addr.is_none();
        if needs_address && self.nat.ports.is_none() && !self.nat.broken {
            self.fails(span, format!("target `{}` is given no address", module.name));
            self.target = undefined;
        }
    }
}
