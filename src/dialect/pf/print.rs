//! Normalized rules as text, in the form that `pfctl -sr` prints.

use std::fmt::{self, Display, Formatter};

use super::ast::{
    Action, Af, Direction, Divert, IdMatch, InterfaceName, Modifiers, Port, PortOp, Reply, RouteKind,
    StateKind, StateOptions, TranslateKind,
};
use super::expand::{Flat, FlatPool, FlatPort, Resolved, Where};
use super::{names, vocabulary};

impl Display for Flat<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        action(f, self.rule.action, self.af)?;
        if let Some(direction) = self.direction {
            f.write_str(if direction == Direction::In { " in" } else { " out" })?;
        }
        match self.rule.options.rare().log.as_deref() {
            None => {}
            Some("") => f.write_str(" log")?,
            Some(options) => write!(f, " log ({options})")?,
        }
        if self.rule.quick.is_some() {
            f.write_str(" quick")?;
        }
        if let Some((negated, name)) = self.interface {
            write!(f, " on {}{}", if negated { "! " } else { "" }, InterfaceText(name))?;
        }
        if let Some(af) = self.af {
            f.write_str(if af == Af::V4 { " inet" } else { " inet6" })?;
        }
        if let Some(protocol) = self.protocol {
            match protocol.number.and_then(names::protocol_name) {
                Some(name) => write!(f, " proto {name}")?,
                None if protocol.text.is_empty() => write!(f, " proto {}", protocol.number.unwrap_or(0))?,
                None => write!(f, " proto {}", protocol.text)?,
            }
        }
        self.endpoints(f)?;
        self.options(f)
    }
}

fn action(f: &mut Formatter, action: Action, af: Option<Af>) -> fmt::Result {
    match action {
        Action::Pass => f.write_str("pass"),
        Action::Match => f.write_str("match"),
        Action::Anchor => f.write_str("anchor"),
        Action::Scrub { no } => f.write_str(if no { "no scrub" } else { "scrub" }),
        Action::Translate { kind, no, pass } => {
            let name = match kind {
                TranslateKind::Nat => "nat",
                TranslateKind::Rdr => "rdr",
                TranslateKind::Binat => "binat",
            };
            write!(f, "{}{name}{}", if no { "no " } else { "" }, if pass { " pass" } else { "" })
        }
        Action::Block(reply) => {
            f.write_str("block ")?;
            match reply {
                Reply::Drop => f.write_str("drop"),
                Reply::Return => f.write_str("return"),
                Reply::Reset(None) => f.write_str("return-rst"),
                Reply::Reset(Some(ttl)) => write!(f, "return-rst(ttl {ttl})"),
                Reply::Icmp { v4, v6 } => match af {
                    Some(Af::V4) => write!(f, "return-icmp({})", code(v4, false)),
                    Some(Af::V6) => write!(f, "return-icmp6({})", code(v6, true)),
                    None => write!(f, "return-icmp({}, {})", code(v4, false), code(v6, true)),
                },
            }
        }
    }
}

fn code(code: u8, v6: bool) -> String {
    vocabulary::icmp_code_name(if v6 { 1 } else { 3 }, code, v6)
        .map_or_else(|| code.to_string(), str::to_string)
}

struct InterfaceText<'a>(&'a InterfaceName);

impl Display for InterfaceText<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self.0 {
            InterfaceName::Named(name) => f.write_str(name),
            InterfaceName::Any => f.write_str("any"),
            InterfaceName::Rdomain(number) => write!(f, "rdomain {number}"),
        }
    }
}

impl Flat<'_> {
    fn endpoints(&self, f: &mut Formatter) -> fmt::Result {
        let everyone = is_everyone(&self.src) && is_everyone(&self.dst);
        if everyone && self.src_port.is_none() && self.dst_port.is_none() && self.extras().os.is_none() {
            return f.write_str(" all");
        }
        write!(f, " from {}", self.src)?;
        port(f, self.src_port)?;
        if let Some(os) = self.extras().os {
            write!(f, " os \"{os}\"")?;
        }
        write!(f, " to {}", self.dst)?;
        port(f, self.dst_port)
    }

    fn options(&self, f: &mut Formatter) -> fmt::Result {
        let options = &self.rule.options;
        if let Some(interface) = &options.rare().received_on {
            let not = if interface.negated { " !" } else { "" };
            write!(f, "{not} received-on {}", InterfaceText(&interface.name))?;
        }
        id(f, "user", self.extras().user)?;
        id(f, "group", self.extras().group)?;
        if let Some(flags) = self.flags {
            write!(
                f,
                " flags {}/{}",
                vocabulary::tcp_flag_letters(flags.set),
                vocabulary::tcp_flag_letters(flags.mask)
            )?;
        } else if options.flags.is_some_and(|flags| flags.mask == 0) && self.state != Some(StateKind::No) {
            f.write_str(" flags any")?;
        }
        if let Some(icmp) = self.icmp {
            let name = vocabulary::icmp_type_name(icmp.kind, icmp.v6)
                .map_or_else(|| icmp.kind.to_string(), str::to_string);
            write!(f, " {} {name}", if icmp.v6 { "icmp6-type" } else { "icmp-type" })?;
            if let Some(code) = icmp.code {
                match vocabulary::icmp_code_name(icmp.kind, code, icmp.v6) {
                    Some(name) => write!(f, " code {name}")?,
                    None => write!(f, " code {code}")?,
                }
            }
        }
        if let Some(tos) = options.rare().tos {
            write!(f, " tos {tos:#04x}")?;
        }
        self.state_text(f)?;
        self.flow_text(f)?;
        self.translation_text(f)
    }

    fn state_text(&self, f: &mut Formatter) -> fmt::Result {
        let Some(state) = self.state else { return Ok(()) };
        f.write_str(match state {
            StateKind::No => " no state",
            StateKind::Keep => " keep state",
            StateKind::Modulate => " modulate state",
            StateKind::Synproxy => " synproxy state",
        })?;
        let written = self.rule.options.state.as_ref().and_then(|state| state.options.as_deref());
        written.map_or(Ok(()), |options| state_options(f, options))
    }

    /// What depends on more than the packet, and marks.
    fn flow_text(&self, f: &mut Formatter) -> fmt::Result {
        let options = &self.rule.options;
        for (on, word) in [
            (options.fragment, "fragment"),
            (options.allow_opts, "allow-opts"),
            (options.rare().once, "once"),
        ] {
            if on {
                write!(f, " {word}")?;
            }
        }
        let texts = [
            ("probability", options.rare().probability.as_deref().map(percent)),
            ("max-pkt-rate", options.rare().max_packet_rate.clone()),
            ("max-pkt-size", options.rare().max_packet_size.map(|size| size.to_string())),
            ("prio", options.rare().prio.map(|prio| prio.to_string())),
            ("limiter", options.rare().limiter.clone()),
        ];
        for (word, text) in texts {
            if let Some(text) = text {
                write!(f, " {word} {text}")?;
            }
        }
        for text in &options.rare().packet {
            write!(f, " {text}")?;
        }
        for label in &self.extras().labels {
            write!(f, " label \"{label}\"")?;
        }
        match options.rare().queue.as_deref() {
            Some(pair) if pair.contains(',') => write!(f, " queue({pair})")?,
            Some(one) => write!(f, " queue {one}")?,
            None => {}
        }
        if let Some(tag) = &self.extras().tag {
            write!(f, " tag {tag}")?;
        }
        if let Some((negated, tag)) = &self.extras().tagged {
            write!(f, "{} tagged {tag}", if *negated { " !" } else { "" })?;
        }
        if let Some(rtable) = options.rare().rtable {
            write!(f, " rtable {rtable}")?;
        }
        Ok(())
    }

    fn translation_text(&self, f: &mut Formatter) -> fmt::Result {
        let options = &self.rule.options;
        match &options.rare().divert {
            Some(Divert::To(Some(address), port)) => {
                write!(f, " divert-to {address} port {}", PortText(port))?
            }
            Some(Divert::To(None, port) | Divert::Packet(port)) => {
                write!(f, " divert-packet port {}", PortText(port))?;
            }
            Some(Divert::Reply) => f.write_str(" divert-reply")?,
            None => {}
        }
        let arrow = matches!(self.rule.action, Action::Translate { .. });
        if let Some(af) = options.rare().af_to {
            f.write_str(if af == Af::V4 { " af-to inet" } else { " af-to inet6" })?;
        }
        if let Some(pool) = &self.nat {
            f.write_str(match (arrow, options.rare().af_to.is_some()) {
                (true, _) => " -> ",
                (false, true) => " from ",
                (false, false) => " nat-to ",
            })?;
            pool.fmt(f)?;
            if options.rare().binat {
                f.write_str(" static-port")?;
            }
        }
        if let Some(pool) = &self.rdr {
            f.write_str(match (arrow, options.rare().af_to.is_some()) {
                (true, _) => " -> ",
                (false, true) => " to ",
                (false, false) => " rdr-to ",
            })?;
            pool.fmt(f)?;
        }
        if let Some(route) = &options.rare().route {
            let word = match route.kind {
                RouteKind::To => "route-to",
                RouteKind::Reply => "reply-to",
                RouteKind::Dup => "dup-to",
            };
            write!(f, " {word} {}", route.interfaces.join(", "))?;
            for hop in &route.hosts {
                write!(f, " {:?}", hop.address)?;
            }
        }
        Ok(())
    }
}

fn is_everyone(host: &Resolved) -> bool {
    let everything = matches!(&host.place, Where::Net(net) if net.is_everything());
    !host.negated && (everything || host.place == Where::Any)
}

impl Display for Resolved<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        if self.negated {
            f.write_str("! ")?;
        }
        match &self.place {
            Where::Any => f.write_str("any"),
            Where::Net(net) if net.is_everything() => f.write_str("any"),
            Where::Net(net) if net.prefix == net.af().bits() => write!(f, "{}", net.address),
            Where::Net(net) => write!(f, "{}/{}", net.address, net.prefix),
            Where::Range((first, last)) => write!(f, "{first} - {last}"),
            Where::Table(name) => write!(f, "<{name}>"),
            Where::NoRoute => f.write_str("no-route"),
            Where::UrpfFailed => f.write_str("urpf-failed"),
            Where::RouteLabel(label) => write!(f, "route \"{label}\""),
            Where::Dynamic { name, modifiers, prefix } => {
                write!(f, "({name}{})", ModifierText(*modifiers))?;
                prefix.map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
            }
            Where::Unknown { name, modifiers, prefix } => {
                write!(f, "{name}{}", ModifierText(*modifiers))?;
                prefix.map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
            }
        }
    }
}

struct ModifierText(Modifiers);

impl Display for ModifierText {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let m = self.0;
        for (on, text) in
            [(m.network, ":network"), (m.broadcast, ":broadcast"), (m.peer, ":peer"), (m.no_alias, ":0")]
        {
            if on {
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}

struct PortText<'a>(&'a Port);

impl Display for PortText<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self.0 {
            Port::Number(number) => write!(f, "{number}"),
            Port::Unknown(name) => f.write_str(name),
        }
    }
}

impl Display for PortOp {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            PortOp::Eq(a) => write!(f, "= {}", PortText(a)),
            PortOp::Ne(a) => write!(f, "!= {}", PortText(a)),
            PortOp::Lt(a) => write!(f, "< {}", PortText(a)),
            PortOp::Le(a) => write!(f, "<= {}", PortText(a)),
            PortOp::Gt(a) => write!(f, "> {}", PortText(a)),
            PortOp::Ge(a) => write!(f, ">= {}", PortText(a)),
            PortOp::Range(a, b) => write!(f, "{}:{}", PortText(a), PortText(b)),
            PortOp::Inside(a, b) => write!(f, "{} >< {}", PortText(a), PortText(b)),
            PortOp::Outside(a, b) => write!(f, "{} <> {}", PortText(a), PortText(b)),
        }
    }
}

fn port(f: &mut Formatter, op: Option<&PortOp>) -> fmt::Result {
    op.map_or(Ok(()), |op| write!(f, " port {op}"))
}

fn id(f: &mut Formatter, word: &str, id: Option<&IdMatch>) -> fmt::Result {
    match id {
        None => Ok(()),
        Some(IdMatch { op, first, second: None }) => write!(f, " {word} {op} {first}"),
        Some(IdMatch { op, first, second: Some(second) }) => write!(f, " {word} {first} {op} {second}"),
    }
}

/// The options in one order, whatever order they are written in; a limit on states brings its thresholds.
fn state_options(f: &mut Formatter, options: &StateOptions) -> fmt::Result {
    let mut texts: Vec<String> = options.limits.clone();
    texts.extend(options.other.iter().filter(|text| !text.starts_with("source-track")).cloned());
    let adaptive = options.other.iter().any(|text| text.starts_with("adaptive."));
    let most = options.limits.iter().find_map(|limit| limit.strip_prefix("max ")?.parse::<u64>().ok());
    if let Some(most) = most.filter(|_| !adaptive) {
        texts.push(format!("adaptive.start {}", most / 10 * 6));
        texts.push(format!("adaptive.end {}", most / 10 * 12));
    }
    let rate =
        options.limits.iter().find_map(|limit| limit.strip_prefix("max-src-conn-rate ")?.split_once('/'));
    if let Some((_, seconds)) =
        rate.filter(|_| !options.other.iter().any(|text| text.starts_with("src.track")))
    {
        texts.push(format!("src.track {seconds}"));
    }
    texts.extend(source_track(options));
    texts.extend(options.overload.iter().map(|table| format!("overload <{table}>")));
    texts.extend(options.if_bound.map(|bound| if bound { "if-bound" } else { "floating" }.to_string()));
    texts.extend(options.sloppy.then(|| "sloppy".to_string()));
    if texts.is_empty() {
        return Ok(());
    }
    texts.sort_unstable();
    write!(f, " ({})", texts.join(", "))
}

/// A probability as a percentage.
fn percent(written: &str) -> String {
    let (digits, scale) = written.strip_suffix('%').map_or((written, 100.0), |digits| (digits, 1.0));
    digits.parse::<f64>().map_or_else(|_| written.to_string(), |value| format!("{}%", value * scale))
}

/// How sources are tracked: `rule` where a limit asks for it.
fn source_track(options: &StateOptions) -> Option<String> {
    let by_rule = options.limits.iter().any(|limit| {
        ["max-src-nodes", "max-src-conn", "max-src-conn-rate"]
            .contains(&limit.split(' ').next().unwrap_or(""))
    });
    let written = options.other.iter().find(|text| text.starts_with("source-track"));
    let tracked = written.is_some() || options.limits.iter().any(|limit| limit.starts_with("max-src"));
    let rule = by_rule || written.is_some_and(|text| text.ends_with("rule"));
    tracked.then(|| if rule { "source-track rule" } else { "source-track global" }.to_string())
}

impl Display for FlatPool<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self.hosts.as_slice() {
            [one] => write!(f, "{one}")?,
            many => {
                let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
                write!(f, "{{ {} }}", texts.join(", "))?;
            }
        }
        match &self.port {
            FlatPort::Default | FlatPort::Static => {}
            FlatPort::One(port) => write!(f, " port {port}")?,
            FlatPort::Range(a, b) => write!(f, " port {a}:{b}")?,
            FlatPort::Unknown(name) => write!(f, " port {name}")?,
        }
        if let Some(kind) = self.kind {
            write!(f, " {kind}")?;
        }
        for option in &self.options.other {
            write!(f, " {option}")?;
        }
        if self.options.static_port {
            f.write_str(" static-port")?;
        }
        Ok(())
    }
}
