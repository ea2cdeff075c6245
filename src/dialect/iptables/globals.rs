//! The global options (iptables(8), "PARAMETERS" and "COMMANDS").

use super::ast::{Answer, MatchKind, Net, Target};
use super::command::{Action, Arg, Instance, Parser, family_name};
use super::modules;
use super::values::{self, NetError};
use super::words::Word;
use crate::dialect::names;
use crate::finding::Finding;
use crate::packet::{Family, Field};
use crate::rule::{PH002, PH003, Severity};
use crate::source::Span;

/// How the names of chains begin that ufw makes itself, before it loads its files (`ufw-init-functions`).
const OF_PROGRAMS: [&str; 2] = ["ufw-", "ufw6-"];

const SEEN_PROTOCOL: u8 = 1;
const SEEN_SOURCE: u8 = 2;
const SEEN_DESTINATION: u8 = 4;
const SEEN_IN: u8 = 8;
const SEEN_OUT: u8 = 16;
const SEEN_FRAGMENT: u8 = 32;

impl<'w> Parser<'_, 'w> {
    /// Reads a global option.
    pub(super) fn global(&mut self, letter: u8, word: &'w Word<'w>) {
        if b"sdpiojg".contains(&letter) && self.is_stuck() {
            let message = format!("`{}` is not read as an option and its value", word.text);
            self.fails(word.span, message);
        }
        match letter {
            b's' | b'd' => self.addresses(letter == b's', word),
            b'p' => self.read_protocol(word),
            b'i' | b'o' => self.interface(letter == b'i', word),
            b'f' => {
                self.once(SEEN_FRAGMENT, word);
                let negated = self.negation.take().is_some();
                self.push(negated, MatchKind::Fragment);
                if self.family == Family::V6 {
                    self.fails(word.span, "`-f` is of IPv4 only");
                }
            }
            b'm' => self.load_match(word),
            b'j' | b'g' => self.jump(letter == b'g', word),
            b'A' | b'I' | b'R' | b'D' | b'C' | b'N' | b'X' | b'F' | b'P' | b'E' | b'L' | b'S' | b'Z' => {
                self.read_command(letter, word);
            }
            b't' => {
                // The table was looked for before: `-t` may stand behind what depends on it.
                self.operand(word);
            }
            b'c' => {
                if let Some(first) = self.operand(word)
                    && !first.text.contains(',')
                {
                    self.operand(word);
                }
            }
            b'M' => {
                self.operand(word);
            }
            b'w' | b'W' => {
                if self.words.get(self.at).is_some_and(|w| values::number(&w.text, u64::MAX).is_some()) {
                    self.at += 1;
                }
            }
            b'4' | b'6' if (letter == b'4') != (self.family == Family::V4) => {
                self.other_family = Some(word.span)
            }
            b'n' | b'v' | b'x' | b'0' | b'4' | b'6' => {}
            b'h' | b'V' => self.command.action = Some(Action::Look),
            _ if self.stranger => {
                self.swallow(word);
            }
            _ => self.syntax(word.span, format!("unknown option `{}`", word.text)),
        }
    }

    fn read_command(&mut self, letter: u8, word: &'w Word<'w>) {
        if self.command.action.is_some() {
            return self.syntax(word.span, format!("`{}` beside another command", word.text));
        }
        let optional = matches!(letter, b'X' | b'F' | b'L' | b'S' | b'Z');
        let chain = if optional { self.optional_operand() } else { self.operand(word) };
        self.command.operands[0] = chain;
        let place = if matches!(letter, b'I' | b'R' | b'D') { self.place() } else { None };
        self.command.action = Some(match letter {
            b'A' => Action::Append,
            b'I' => Action::Insert(place.unwrap_or(1)),
            b'R' => Action::Replace(place.unwrap_or(0)),
            b'D' => place.map_or(Action::Delete, Action::DeleteAt),
            b'N' => Action::New,
            b'X' => Action::DeleteChain,
            b'F' => Action::Flush,
            b'P' => Action::Policy,
            b'E' => Action::Rename,
            b'C' => Action::Check,
            _ => Action::Look,
        });
        if matches!(letter, b'P' | b'E') {
            self.command.operands[1] = self.operand(word);
        }
        if matches!(letter, b'L' | b'S' | b'Z') {
            self.place();
        }
    }

    /// An operand that may be missing.
    fn optional_operand(&mut self) -> Option<Arg<'w>> {
        let word = self.words.get(self.at)?;
        if word.text.starts_with('-') || word.text == "!" {
            return None;
        }
        self.at += 1;
        Some(Arg { text: &word.text, span: word.span, unresolved: word.unresolved })
    }

    /// The number of a rule, where one follows.
    fn place(&mut self) -> Option<u32> {
        let word = self.words.get(self.at)?;
        let place = values::number(&word.text, u32::MAX.into())?;
        self.at += 1;
        Some(place as u32)
    }

    fn once(&mut self, bit: u8, word: &Word<'_>) {
        if self.seen & bit != 0 {
            self.fails(word.span, format!("option `{}` is given twice", word.text));
        }
        self.seen |= bit;
    }

    fn addresses(&mut self, source: bool, word: &'w Word<'w>) {
        self.once(if source { SEEN_SOURCE } else { SEEN_DESTINATION }, word);
        let mut negated = self.negation.take().is_some();
        let Some(arg) = self.negatable_operand(word, &mut negated) else { return };
        let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
        if arg.unresolved {
            self.unresolved(arg.span);
            return self.unknown(negated, (word.span, arg.span), Answer::Of(field));
        }
        if !arg.text.contains(',') {
            if let Some(net) = self.net(negated, arg, field) {
                self.push(negated, if source { MatchKind::Source(net) } else { MatchKind::Destination(net) });
            }
            return;
        }
        if negated {
            self.fails(word.span.to(arg.span), "`!` does not go with several addresses");
        }
        let mut nets = Vec::new();
        for text in arg.text.split(',') {
            let part = Arg { text, ..arg };
            match self.net(false, part, field) {
                Some(net) => nets.push(net),
                // The unknown condition that stands for it holds for all.
                None => return,
            }
        }
        *(if source { &mut self.sources } else { &mut self.destinations }) = nets;
    }

    /// An address with mask; what is none leaves an unknown condition.
    fn net(&mut self, negated: bool, arg: Arg<'_>, field: Field) -> Option<Net> {
        match values::net(arg.text, self.family) {
            Ok((address, mask)) => Some(self.keep_net(address, mask)),
            Err(error) => {
                self.bad_net(error, arg.text, arg.span);
                self.no_net(negated, error, arg.text, field);
                None
            }
        }
    }

    /// Adds the condition that stands for an address that is none.
    pub(super) fn no_net(&mut self, negated: bool, error: NetError, text: &str, field: Field) {
        let kind = if error == NetError::Name { "fqdn" } else { "address" };
        self.open(negated, kind, text, Answer::Of(field));
    }

    /// Says what is wrong with an address.
    pub(super) fn bad_net(&mut self, error: NetError, text: &str, span: Span) {
        match error {
            NetError::Name if !text.contains(|c: char| c.is_ascii_alphabetic() || c == '$') => {
                self.fails(span, format!("`{text}` is no address"));
            }
            NetError::Name if text.contains('$') => self.out.findings.push(
                Finding::of(&PH002, span, "an address is a variable that nothing fills")
                    .severity(Severity::Warning)
                    .label("iptables takes it for the name of a host")
                    .help("Give the rules as loaded, the output of `iptables-save`."),
            ),
            NetError::Name => self.out.findings.push(
                Finding::of(&PH002, span, format!("host name `{text}` resolves at load"))
                    .label("its addresses are not in the file")
                    .help("Write the addresses, so that the rule can be judged and does not depend on DNS."),
            ),
            NetError::Family => {
                self.fails(span, format!("`{text}` is no address of {}", family_name(self.family)))
            }
            NetError::Mask => self.fails(span, format!("the mask of `{text}` is none")),
        }
    }

    /// Stores an address with mask.
    pub(super) fn keep_net(&mut self, address: u128, mask: u128) -> Net {
        match self.family {
            Family::V4 => Net::V4(address as u32, mask as u32),
            Family::V6 => {
                self.out.config.nets6.push((address, mask));
                Net::V6(self.out.config.nets6.len() as u32 - 1)
            }
        }
    }

    fn read_protocol(&mut self, word: &'w Word<'w>) {
        self.once(SEEN_PROTOCOL, word);
        let mut negated = self.negation.take().is_some();
        let Some(arg) = self.negatable_operand(word, &mut negated) else { return };
        if arg.unresolved {
            self.protocol_unknown = true;
            self.unresolved(arg.span);
            return self.unknown(negated, (word.span, arg.span), Answer::Of(Field::Proto));
        }
        let lower;
        let text = if arg.text.bytes().any(|b| b.is_ascii_uppercase()) {
            lower = arg.text.to_ascii_lowercase();
            &lower
        } else {
            arg.text
        };
        let number = match values::number(text, 255) {
            _ if text == "all" => Some(0),
            Some(number) => Some(number as u8),
            None => names::protocol(text),
        };
        match number {
            Some(0) if negated => {
                self.fails(word.span.to(arg.span), "`! -p all` never matches");
                self.push(false, MatchKind::Never);
            }
            Some(0) => {}
            Some(number) => {
                self.protocol = Some((number, negated));
                self.push(negated, MatchKind::Protocol(number));
            }
            None => {
                self.protocol_unknown = true;
                let message = format!("protocol `{}` is not known", arg.text);
                let named = arg.text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
                match named && arg.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    true => self.out.findings.push(super::command::unknown_name(arg.span, message)),
                    false => self.fails(arg.span, message),
                }
                self.unknown(negated, (word.span, arg.span), Answer::Of(Field::Proto));
            }
        }
    }

    fn interface(&mut self, input: bool, word: &'w Word<'w>) {
        self.once(if input { SEEN_IN } else { SEEN_OUT }, word);
        let mut negated = self.negation.take().is_some();
        let Some(arg) = self.negatable_operand(word, &mut negated) else { return };
        let span = word.span.to(arg.span);
        *(if input { &mut self.has_in } else { &mut self.has_out }) = Some(span);
        if arg.unresolved {
            self.unresolved(arg.span);
            let field = if input { Field::Iif } else { Field::Oif };
            return self.unknown(negated, (word.span, arg.span), Answer::Of(field));
        }
        if arg.text.is_empty() {
            self.fails(span, "the interface name is empty");
        }
        if arg.text.len() > 15 {
            self.fails(arg.span, format!("interface name `{}` has more than 15 bytes", arg.text));
        }
        let (name, wild) = match arg.text.strip_suffix('+') {
            Some(name) => (name, true),
            None => (arg.text, false),
        };
        let kind = match (wild && name.is_empty(), negated) {
            (true, false) => return,
            (true, true) => MatchKind::Never,
            _ => {
                let name = self.out.config.names.intern(name);
                if input { MatchKind::InInterface(name, wild) } else { MatchKind::OutInterface(name, wild) }
            }
        };
        self.push(negated && kind != MatchKind::Never, kind);
    }

    fn load_match(&mut self, word: &'w Word<'w>) {
        let Some(arg) = self.operand(word) else { return };
        if arg.unresolved {
            self.unresolved(arg.span);
            return self.no_match(arg.text);
        }
        let name = match arg.text {
            "icmpv6" | "ipv6-icmp" => "icmp6",
            name => name,
        };
        match modules::find(name, false, self.family) {
            Some(module) => self.load(module, arg.span),
            None => {
                self.no_module(name, false, arg.span);
                self.no_match(name);
            }
        }
    }

    /// A match that is in no table of modules.
    fn no_match(&mut self, name: &str) {
        self.finish_strange();
        self.stranger = true;
        self.strange = Some(format!("-m {name}"));
    }

    fn load(&mut self, module: u8, span: Span) {
        self.active.push(Instance { module, seen: 0, span, parts: None });
    }

    fn no_module(&mut self, name: &str, target: bool, span: Span) {
        let what = if target { "target" } else { "match" };
        let other = if self.family == Family::V4 { Family::V6 } else { Family::V4 };
        if modules::find(name, target, other).is_some() {
            return self.fails(span, format!("{what} `{name}` is of {} only", family_name(other)));
        }
        self.out.findings.push(
            Finding::of(&PH002, span, format!("{what} `{name}` is not known"))
                .label("stays as an unknown condition")
                .help("Answers that rest on this rule are given as depending on it."),
        );
    }

    fn jump(&mut self, goto: bool, word: &'w Word<'w>) {
        if let Some(span) = self.negation.take() {
            self.fails(span.to(word.span), "`!` does not go with a target");
        }
        let Some(arg) = self.operand(word) else { return };
        self.finish_strange();
        if self.target_span.is_some() {
            return self.fails(word.span, "a rule has one target only");
        }
        self.target_span = Some(arg.span);
        if arg.unresolved {
            self.stranger = true;
            self.unresolved(arg.span);
            self.target = self.undefined("target", arg.text);
            return;
        }
        self.target = match arg.text {
            "ACCEPT" if !goto => Target::Accept,
            "DROP" if !goto => Target::Drop,
            "RETURN" if !goto => Target::Return,
            "QUEUE" if !goto => Target::Queue(self.keep_open("QUEUE", "-j QUEUE", Answer::Chance)),
            name => self.chain_or_module(name, goto, arg.span),
        };
    }

    fn chain_or_module(&mut self, name: &str, goto: bool, span: Span) -> Target {
        let table = &self.out.config.tables[self.table];
        if let Some(chain) = self.out.config.names.find(name).and_then(|n| table.index.get(&n)) {
            if let Some(hook) = table.chains[*chain as usize].hook {
                let message = format!("built-in chain `{}` is no target", super::ast::builtin(hook));
                self.fails(span, message);
                return self.undefined("chain", name);
            }
            return if goto { Target::Goto(*chain) } else { Target::Jump(*chain) };
        }
        if !goto && let Some(module) = modules::find(name, true, self.family) {
            self.load(module, span);
            return self.undefined("target", name);
        }
        let next_is_option = self.words.get(self.at).is_some_and(|w| w.text.starts_with("--"));
        if next_is_option && !goto {
            self.stranger = true;
            self.no_module(name, true, span);
            self.undefined("target", name)
        } else {
            if OF_PROGRAMS.iter().any(|prefix| name.starts_with(prefix)) {
                self.out.findings.push(
                    Finding::of(&PH003, span, format!("chain `{name}` is not in this file"))
                        .severity(Severity::Info)
                        .label("a program makes chains of this name before it loads the file")
                        .help("Give the output of `iptables-save`, to have all chains judged."),
                );
                return self.undefined("chain", name);
            }
            self.out.findings.push(
                Finding::of(&PH003, span, format!("chain `{name}` does not exist here"))
                    .label("no chain and no target of this name")
                    .help("Declare the chain before the rule, or correct the name. The file does not load as it is."),
            );
            self.undefined("chain", name)
        }
    }

    /// A target of which nothing is known but the name.
    fn undefined(&mut self, kind: &str, name: &str) -> Target {
        Target::Undefined(self.out.config.names.intern(&format!("{kind} {name}")))
    }
}
