//! What the options of matches say (iptables-extensions(8), "MATCH EXTENSIONS").

mod connection;

use super::ast::{ANY_HOOK, Answer, Connection, Limit, MatchKind, SetUse};
use super::command::{Given, Parser, unknown_name};
use super::modules::{self, Kind, Module, Openness, Val};
use super::values::{self, RangeError};
use crate::dialect::names::{self, proto};
use crate::finding::Finding;
use crate::packet::{Family, Field, ext};
use crate::rule::PH002;

/// What the options of one module said that are one condition together.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The match as it is written, where the file does not answer it.
    text: String,
    /// How many of its options take a `!`, and how many have one.
    negations: (u32, u32),
    /// What its options say of the answer.
    answer: Option<Answer>,
    /// What `conntrack` asks for.
    connection: Connection,
    /// Source and destination address types.
    types: [Option<(u16, bool)>; 2],
    /// The interface that address types are limited to.
    limit: Option<Limit>,
    /// IPv6 headers.
    headers: Option<(u8, bool)>,
    /// All headers, or any of them.
    soft: bool,
    /// Use of a set.
    set: Option<(SetUse, bool)>,
    /// `--set` of `recent`.
    recent_set: Option<bool>,
    /// `owner`, negated.
    owners: Vec<(String, bool)>,
}

/// The field that a value is compared with, where it is one.
pub(super) fn field_of(val: Val, family: Family) -> Option<Field> {
    Some(match val {
        Val::Sport | Val::SourcePorts => Field::Sport,
        Val::Dport | Val::DestinationPorts => Field::Dport,
        Val::SrcRange => Field::src(family),
        Val::DstRange => Field::dst(family),
        Val::State | Val::CtState => Field::State,
        Val::Mark => Field::Mark,
        Val::Mac => Field::SrcMac,
        _ => return None,
    })
}

impl Parser<'_, '_> {
    /// Reads an option of a match.
    pub(super) fn match_option(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        let module = &modules::ALL[self.active[given.instance].module as usize];
        if let Kind::Open(openness) = module.kind {
            return self.open_option(given, openness);
        }
        match given.val {
            Val::Skip => {}
            Val::Sport | Val::Dport => self.ports(given),
            Val::TcpFlags => match (values::tcp_flags(text), values::tcp_flags(given.args[1])) {
                (Some(mask), Some(comp)) => self.push(given.negated, MatchKind::TcpFlags(mask, comp)),
                _ => self.bad(given, "are no TCP flags"),
            },
            Val::Syn => self.push(given.negated, MatchKind::TcpFlags(0b1_0111, 0b10)),
            Val::TcpOption if values::number(text, 255) == Some(0) => self.bad(given, "is no TCP option"),
            Val::TcpOption => self.number(given, 255, |n| MatchKind::TcpOption(n as u8)),
            Val::Mss if matches!(values::range(text, 0xffff), Err(RangeError::Reversed)) => {
                self.bad(given, "runs from high to low");
            }
            Val::Mss => self.range(given, 0xffff, |lo, hi| MatchKind::TcpMss(lo as u16, hi as u16)),
            Val::Icmp => match values::icmp(text, self.family) {
                Ok((kind, lo, hi)) => self.push(given.negated, MatchKind::Icmp(kind, lo, hi)),
                Err(message) => self.broken(given, message),
            },
            Val::SourcePorts | Val::DestinationPorts | Val::EitherPorts => self.multiport(given),
            Val::Number(field) => {
                self.number(given, field.last() as u64, |n| MatchKind::Within(field, n as u32, n as u32));
            }
            Val::Range(field) => {
                self.range(given, field.last() as u64, |lo, hi| {
                    MatchKind::Within(field, lo as u32, hi as u32)
                });
            }
            Val::SrcRange | Val::DstRange => self.ip_range(given),
            Val::State | Val::CtState => self.states(given),
            Val::Mark => self.marked(given, MatchKind::Mark),
            Val::ConnMark => self.marked(given, MatchKind::ConnMark),
            Val::Mac => match values::mac(text) {
                Some(mac) => self.push(given.negated, MatchKind::Mac(mac)),
                None => self.bad(given, "is no MAC address"),
            },
            Val::IsBridged => self.push(given.negated, MatchKind::IsBridged),
            Val::PktType => self.packet_type(given),
            Val::Length => self.range(given, 0xffff, |lo, hi| MatchKind::Length(lo as u16, hi as u16)),
            Val::TtlLt => self.number(given, 255, |n| match n {
                0 => MatchKind::Within(Field::Ttl, 1, 0),
                n => MatchKind::Within(Field::Ttl, 0, n as u32 - 1),
            }),
            Val::TtlGt => self.number(given, 255, |n| MatchKind::Within(Field::Ttl, n as u32 + 1, 255)),
            Val::DscpClass => match values::dscp_class(text) {
                Some(class) => {
                    self.push(given.negated, MatchKind::Within(Field::Dscp, class.into(), class.into()))
                }
                None => self.bad(given, "is no DSCP class"),
            },
            Val::Tos => match tos(text) {
                Some((value, mask)) => self.push(given.negated, MatchKind::Tos(value, mask)),
                None => self.bad(given, "is no TOS value"),
            },
            Val::EcnCwr | Val::EcnEce => {
                if !matches!(self.protocol, Some((proto::TCP, false))) {
                    self.fails(given.span, format!("`--{}` needs `-p tcp`", given.name));
                }
                let bit = if given.val == Val::EcnCwr { 128 } else { 64 };
                self.push(given.negated, MatchKind::EcnTcp(bit));
            }
            Val::Helper => {
                let name = self.out.config.names.intern(text);
                self.push(given.negated, MatchKind::Helper(name));
            }
            Val::Beyond => self.beyond(given, module),
            _ => self.connection_option(given),
        }
    }

    /// The options that are one condition with others.
    fn part_option(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        match given.val {
            Val::SrcType | Val::DstType => match address_types(text) {
                Some(types) => {
                    let side = usize::from(given.val == Val::DstType);
                    self.parts(given).types[side] = Some((types, given.negated));
                }
                None => self.bad(given, "are no address types"),
            },
            Val::LimitIn => {
                self.only_at(given, modules::PRE | modules::IN | modules::FWD);
                self.parts(given).limit = Some(Limit::In);
            }
            Val::LimitOut => {
                self.only_at(given, modules::OUT | modules::FWD | modules::POST);
                self.parts(given).limit = Some(Limit::Out);
            }
            Val::Header => match headers(text) {
                Some(bits) => self.parts(given).headers = Some((bits, given.negated)),
                None => self.bad(given, "are no IPv6 headers"),
            },
            Val::Soft => self.parts(given).soft = true,
            Val::MatchSet => self.match_set(given),
            Val::ReturnNomatch => {
                if let Some((set, _)) = &mut self.parts(given).set {
                    set.return_nomatch = true;
                }
            }
            Val::SetCounter => {
                if let Some((set, _)) = &mut self.parts(given).set {
                    set.counters = true;
                }
            }
            Val::Owner => {
                let text = format!("-m owner --{} {text}", given.name);
                self.parts(given).owners.push((text.trim_end().to_string(), given.negated));
            }
            _ => {}
        }
    }

    /// The option works at some hooks alone.
    pub(super) fn only_at(&mut self, given: &Given<'_>, hooks: u8) {
        self.hooks = (self.hooks.0 & hooks, self.active[given.instance].module);
    }

    fn parts(&mut self, given: &Given<'_>) -> &mut Parts {
        self.active[given.instance].parts.get_or_insert_default()
    }

    /// An option of a module that the file does not answer.
    fn open_option(&mut self, given: &Given<'_>, openness: Openness) {
        let text = given.args[0];
        let number = |text| values::number(text, u64::MAX);
        let answer = match given.val {
            Val::Upto => Some(Answer::Rate(true)),
            Val::Above => Some(Answer::Rate(false)),
            // A single packet is no count: the list is asked for its source.
            Val::HitCount if number(text).is_some_and(|hits| hits > 1) => Some(Answer::Rate(false)),
            // A first packet is one packet, and some bytes.
            Val::ConnBytes => {
                let from = number(text.split(':').next().unwrap_or_default());
                Some(Answer::Rate(from.is_none_or(|from| from <= 1)))
            }
            Val::IpOptions => Some(Answer::Forgery(text.split(',').all(|flag| flag.starts_with('!')))),
            Val::NoIpOptions => Some(Answer::Forgery(true)),
            Val::RecentSet => {
                self.parts(given).recent_set = Some(given.negated);
                None
            }
            Val::PolicyDir => {
                match text {
                    "in" => self.only_at(given, modules::PRE | modules::IN | modules::FWD),
                    "out" => self.only_at(given, modules::OUT | modules::FWD | modules::POST),
                    _ => self.bad(given, "is no direction"),
                }
                None
            }
            _ => None,
        };
        let negatable = modules::ALL[self.active[given.instance].module as usize]
            .options
            .iter()
            .any(|option| option.name == given.name && option.negatable);
        let parts = self.parts(given);
        parts.answer = answer.or(parts.answer);
        if given.val == Val::Invert {
            parts.negations = (1, 1);
            return;
        }
        parts.negations.0 += u32::from(negatable);
        parts.negations.1 += u32::from(given.negated);
        let own = matches!(openness, Openness::Options | Openness::Global);
        parts.text.push_str(if given.negated && own { " ! --" } else { " --" });
        parts.text.push_str(given.name);
        for arg in given.args.into_iter().filter(|arg| !arg.is_empty()) {
            parts.text.push(' ');
            parts.text.push_str(arg);
        }
    }

    /// The condition of a module that the file does not answer.
    fn finish_open(&mut self, module: &Module, parts: &Parts, openness: Openness) {
        let negated = parts.negations.1 % 2 == 1;
        let whole = !matches!(openness, Openness::Options | Openness::Global);
        let written = format!("-m {}{}", module.name, parts.text);
        match openness {
            // `--set` notes the address and holds in any case.
            Openness::Recent if parts.recent_set.is_some() => {
                if negated {
                    self.push(false, MatchKind::Never);
                }
            }
            Openness::Global => self.open(false, module.name, parts.text.trim_start(), Answer::Global),
            Openness::Forgery(honest) => {
                let answer = parts.answer.unwrap_or(Answer::Forgery(honest));
                self.open(negated, module.name, parts.text.trim_start(), answer);
            }
            Openness::Rate(within) => {
                let answer = parts.answer.unwrap_or(Answer::Rate(within));
                self.open(negated && whole, module.name, &written, answer);
            }
            Openness::Chance | Openness::Options | Openness::Recent => {
                let answer = parts.answer.unwrap_or(Answer::Chance);
                self.open(negated && whole, module.name, &written, answer);
            }
        }
    }

    /// An option that asks for more than the model has.
    fn beyond(&mut self, given: &Given<'_>, module: &'static Module) {
        if module.kind == Kind::Physdev && given.name.ends_with("out") {
            self.only_at(given, ANY_HOOK & !modules::OUT);
        }
        let arguments = given.args.join(" ");
        let text = format!("--{} {arguments}", given.name);
        match module.kind {
            // Nobody sends routing headers any more (RFC 5095).
            Kind::Header(super::ast::Header::Route) => {
                self.open(given.negated, module.name, text.trim_end(), Answer::Forgery(false));
            }
            _ => {
                let text = format!("-m {} {}", module.name, text.trim_end());
                self.open(given.negated, module.name, &text, Answer::Chance);
            }
        }
    }

    /// A value that is none: the file does not load, and the condition is unknown.
    fn bad(&mut self, given: &Given<'_>, what: &str) {
        let text = if given.args[1].is_empty() { given.args[0].to_string() } else { given.args.join(" ") };
        self.broken(given, format!("`{text}` {what}"));
    }

    fn broken(&mut self, given: &Given<'_>, message: String) {
        self.fails(given.span, message);
        // What was meant is not known, and that of two places may differ.
        self.unknown(given.negated, (given.span, given.span), Answer::Chance);
    }

    fn number(&mut self, given: &Given<'_>, max: u64, kind: impl Fn(u64) -> MatchKind) {
        match values::number(given.args[0], max) {
            Some(number) => self.push(given.negated, kind(number)),
            None => self.bad(given, &format!("is no number up to {max}")),
        }
    }

    fn range(&mut self, given: &Given<'_>, max: u64, kind: impl Fn(u64, u64) -> MatchKind) {
        match values::range(given.args[0], max) {
            Ok((lo, hi)) => self.push(given.negated, kind(lo, hi)),
            // The library takes it, and nothing is in it.
            Err(RangeError::Reversed) if given.negated => {}
            Err(RangeError::Reversed) => self.push(false, MatchKind::Never),
            Err(RangeError::Value(_)) => self.bad(given, &format!("is no number up to {max}")),
        }
    }

    fn marked(&mut self, given: &Given<'_>, kind: impl Fn(u32, u32) -> MatchKind) {
        match values::marked(given.args[0]) {
            Some((value, mask)) => self.push(given.negated, kind(value, mask)),
            None => self.bad(given, "is no mark"),
        }
    }

    /// The transport whose service names count.
    fn transport(&self) -> u8 {
        self.protocol.map_or(proto::TCP, |(number, _)| number)
    }

    fn ports(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        match values::port_range(text, self.transport()) {
            // The nftables back end leaves out a range of all ports, and the `!` with it; to the other one,
            // no port is outside of it.
            Ok((0, 0xffff)) if given.negated && matches!(self.transport(), proto::TCP | proto::UDP) => {
                self.out.findings.push(
                    Finding::of(&PH002, given.span, "not any port is read in two ways")
                        .label("nothing for the legacy back end, everything for the nftables one")
                        .help("Take the option out, or the rule, as it is meant."),
                );
                self.unknown(false, (given.span, given.span), Answer::Global);
            }
            Ok((lo, hi)) => {
                let source = given.val == Val::Sport;
                let kind =
                    if source { MatchKind::SourcePort(lo, hi) } else { MatchKind::DestinationPort(lo, hi) };
                self.push(given.negated, kind);
            }
            // The libraries of UDP and DCCP take it, and nothing is in it.
            Err(RangeError::Reversed) if matches!(self.transport(), proto::UDP | proto::DCCP) => {
                if !given.negated {
                    self.push(false, MatchKind::Never);
                }
            }
            Err(RangeError::Reversed) => {
                self.broken(given, format!("port range `{text}` runs from high to low"))
            }
            Err(RangeError::Value(part)) => self.no_port(given, part),
        }
    }

    fn no_port(&mut self, given: &Given<'_>, text: &str) {
        let transport = names::protocol_name(self.transport()).unwrap_or("this protocol");
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.out
                .findings
                .push(unknown_name(given.span, format!("service `{text}` of {transport} is not known")));
            return self.unknown(given.negated, (given.span, given.span), Answer::Elsewhere);
        }
        self.broken(given, format!("`{text}` is no port or service of {transport}"));
    }

    fn multiport(&mut self, given: &Given<'_>) {
        let transport = self.transport();
        let first = self.out.config.ports.len();
        let mut slots = 0;
        for item in given.args[0].split(',') {
            let (lo, hi) = match item.split_once(':') {
                Some((lo, hi)) => (lo, Some(hi)),
                None => (item, None),
            };
            let Some(lo) = values::port(lo, transport) else { return self.no_port(given, lo) };
            let hi = match hi.map(|hi| values::port(hi, transport).ok_or(hi)) {
                None => lo,
                Some(Ok(hi)) if hi > lo => hi,
                Some(Ok(_)) => {
                    return self.broken(given, format!("port range `{item}` does not run upwards"));
                }
                Some(Err(text)) => return self.no_port(given, text),
            };
            slots += if lo == hi { 1 } else { 2 };
            self.out.config.ports.push((lo, hi));
        }
        if slots > 15 {
            self.fails(
                given.span,
                format!("{slots} slots, and `multiport` has 15: a port takes one, a range two"),
            );
        }
        let count = self.out.config.ports.len() - first;
        // More than fit into a count cannot load; the rest is passed over after the finding above.
        let count = count.min(u8::MAX.into()) as u8;
        self.push(
            given.negated,
            MatchKind::Multiport {
                first: first as u32,
                count,
                source: given.val != Val::DestinationPorts,
                destination: given.val != Val::SourcePorts,
            },
        );
    }

    fn ip_range(&mut self, given: &Given<'_>) {
        let text = given.args[0];
        let (lo, hi) = text.split_once('-').unwrap_or((text, text));
        match (values::address(lo, self.family), values::address(hi, self.family)) {
            (Some(lo), Some(hi)) if lo <= hi => {
                self.out.config.ip_ranges.push((lo, hi));
                let index = self.out.config.ip_ranges.len() as u32 - 1;
                self.push(given.negated, MatchKind::IpRange(given.val == Val::SrcRange, index));
            }
            // The library warns, the kernel compares: no address is in it.
            (Some(_), Some(_)) => {
                self.out.config.ip_ranges.push((1, 0));
                let index = self.out.config.ip_ranges.len() as u32 - 1;
                self.push(given.negated, MatchKind::IpRange(given.val == Val::SrcRange, index));
            }
            _ => self.bad(given, "is no address range"),
        }
    }

    fn packet_type(&mut self, given: &Given<'_>) {
        let starts = |name: &str| {
            name.get(..given.args[0].len()).is_some_and(|s| s.eq_ignore_ascii_case(given.args[0]))
        };
        let known =
            [("unicast", 0), ("host", 0), ("broadcast", 1), ("bcast", 1), ("multicast", 2), ("mcast", 2)];
        // Packets of these kinds are of other hosts, or are given one of the kinds above.
        let never = ["otherhost", "outgoing", "loopback", "fastroute"];
        match known.iter().find(|(name, _)| starts(name)) {
            None if never.iter().any(|name| starts(name)) && given.negated => {}
            None if never.iter().any(|name| starts(name)) => self.push(false, MatchKind::Never),
            Some((_, kind)) => self.push(given.negated, MatchKind::Within(Field::PktType, *kind, *kind)),
            None => self.bad(given, "is no packet type"),
        }
    }

    fn match_set(&mut self, given: &Given<'_>) {
        let side = |word: &str| match word {
            "src" => Some(true),
            "dst" => Some(false),
            _ => None,
        };
        let sides: Option<Vec<bool>> = given.args[1].split(',').map(side).collect();
        match sides {
            Some(sides) if sides.len() <= 6 => {
                let set = self.out.config.names.intern(given.args[0]);
                let negated = given.negated;
                let parts = self.parts(given);
                let (return_nomatch, counters) =
                    parts.set.as_ref().map_or((false, false), |(set, _)| (set.return_nomatch, set.counters));
                parts.set =
                    Some((SetUse { set, sides, return_nomatch, counters, span: given.span }, negated));
            }
            _ => self.bad(given, "are no sides of a set"),
        }
    }

    /// The condition of a module as a whole.
    pub(super) fn finish_match(&mut self, at: usize, module: &'static Module) {
        let parts = match module.kind {
            Kind::Options | Kind::Nothing | Kind::Physdev => return,
            _ => self.active[at].parts.take().unwrap_or_default(),
        };
        match module.kind {
            Kind::AddrType => {
                for (side, types) in parts.types.iter().enumerate() {
                    if let Some((types, negated)) = types {
                        let limit = parts.limit.unwrap_or(Limit::None);
                        self.push(*negated, MatchKind::AddrType(side == 1, *types, limit));
                    }
                }
            }
            Kind::Ipv6Header => {
                if let Some((bits, negated)) = parts.headers {
                    self.push(negated, MatchKind::Ipv6Header(bits, parts.soft));
                }
            }
            Kind::Header(header) => self.push(false, MatchKind::HasHeader(header)),
            Kind::Connection => match parts.connection {
                Connection { states: Some((bits, negated)), parts } if parts.is_empty() => {
                    self.push(negated, MatchKind::State(bits));
                }
                connection => {
                    self.out.config.connections.push(connection);
                    let index = self.out.config.connections.len() as u32 - 1;
                    self.push(false, MatchKind::Connection(index));
                }
            },
            Kind::Open(openness) => self.finish_open(module, &parts, openness),
            Kind::Owner => {
                for (text, negated) in &parts.owners {
                    let index = self.keep_open("owner", text, Answer::Chance);
                    self.push(*negated, MatchKind::Owner(index));
                }
            }
            Kind::Set => {
                if let Some((set, negated)) = parts.set {
                    self.out.config.set_uses.push(set);
                    let index = self.out.config.set_uses.len() as u32 - 1;
                    self.push(negated, MatchKind::Set(index));
                }
            }
            _ => {}
        }
    }
}

/// `--tos`: a value, value and mask, or a symbol.
pub(super) fn tos(text: &str) -> Option<(u8, u8)> {
    const SYMBOLS: [(&str, u8); 5] = [
        ("Minimize-Delay", 0x10),
        ("Maximize-Throughput", 0x08),
        ("Maximize-Reliability", 0x04),
        ("Minimize-Cost", 0x02),
        ("Normal-Service", 0x00),
    ];
    if let Some((_, value)) = SYMBOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some((*value, 0x3f));
    }
    values::masked(text, 255).map(|(value, mask)| (value as u8, mask as u8))
}

/// Address types, in the order of the kernel's `XT_ADDRTYPE_*` bits.
pub(super) const ADDRESS_TYPES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

/// Address types as bits.
fn address_types(text: &str) -> Option<u16> {
    let one = |word: &str| {
        ADDRESS_TYPES.iter().position(|name| name.eq_ignore_ascii_case(word)).map(|bit| 1 << bit)
    };
    text.split(',').try_fold(0, |bits, word| Some(bits | one(word)?))
}

/// IPv6 headers as bits of [`crate::packet::ext`].
fn headers(text: &str) -> Option<u8> {
    let one = |word: &str| {
        Some(match word {
            "hop" | "hop-by-hop" | "0" => ext::HOP,
            "dst" | "ipv6-opts" | "60" => ext::DST,
            "route" | "ipv6-route" | "43" => ext::ROUTE,
            "frag" | "ipv6-frag" | "44" => ext::FRAG,
            "auth" | "ah" | "51" => ext::AUTH,
            "esp" | "50" => ext::ESP,
            "none" | "ipv6-nonxt" | "59" => ext::NONE,
            "prot" | "protocol" | "255" => ext::PROTO,
            _ => return None,
        } as u8)
    };
    text.split(',').try_fold(0, |bits, word| Some(bits | one(word)?))
}
