//! One command: words into a chain operation and a rule.
//!
//! Options are looked up as getopt_long(3) does over the global options and those of the matches and
//! the target loaded so far: an exact name first, newest module first, then the start of a name where
//! it is no other's; then the match of the protocol is tried (iptables-extensions(8), "MATCH
//! EXTENSIONS"). An error costs the option it stands in; the rule stays, with an unknown condition.

use super::ast::{ANY_HOOK, Config, Match, MatchKind, NatSpec, Net, Rule, TableName, Target};
use super::modules::{self, Module, Opt};
use super::values::{self, NetError};
use super::words::Word;
use crate::dialect::names;
use crate::finding::{Finding, Severity};
use crate::packet::Family;
use crate::source::Span;

/// What a command does to a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `-A`.
    Append,
    /// `-I`, with the place.
    Insert(u32),
    /// `-R`, with the place.
    Replace(u32),
    /// `-D` with a place.
    DeleteAt(u32),
    /// `-D` with a rule.
    Delete,
    /// `-N`.
    New,
    /// `-X`.
    DeleteChain,
    /// `-F`.
    Flush,
    /// `-P`.
    Policy,
    /// `-E`.
    Rename,
    /// `-L`, `-S`, `-C`, `-Z`, `-V`: nothing changes.
    Look,
}

/// A match or target that a rule has loaded.
#[derive(Debug)]
pub struct Instance {
    /// Index of [`modules::ALL`].
    pub module: u8,
    /// The options given so far, one bit each.
    pub seen: u32,
    /// Where it was named.
    pub span: Span,
    /// What its options said together, for modules whose options are one condition.
    pub parts: Option<Box<super::matches::Parts>>,
}

/// A command as read.
#[derive(Debug, Default)]
pub struct Command<'w> {
    /// What to do.
    pub action: Option<Action>,
    /// The chain, and the second operand: policy, or new name.
    pub operands: [Option<Arg<'w>>; 2],
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'w> {
    /// What the program gets to see.
    pub text: &'w str,
    /// Where it is written.
    pub span: Span,
    /// A variable in it has no known value.
    pub unresolved: bool,
}

/// Everything that reading writes to.
pub struct Output<'a> {
    /// The tree.
    pub config: &'a mut Config,
    /// What there is to say.
    pub findings: &'a mut Vec<Finding>,
}

/// Reads one command.
pub struct Parser<'a, 'w> {
    pub(super) out: Output<'a>,
    pub(super) words: &'w [Word<'w>],
    pub(super) at: usize,
    pub(super) family: Family,
    pub(super) table: usize,
    /// The statement.
    pub(super) span: Span,
    /// A `!` that waits for its option.
    negation: Option<Span>,
    pub(super) active: &'a mut Vec<Instance>,
    pub(super) protocol: Option<(u8, bool)>,
    /// A protocol was given, but it is not known which.
    protocol_unknown: bool,
    sources: Vec<Net>,
    destinations: Vec<Net>,
    pub(super) first: usize,
    seen: u8,
    has_in: Option<Span>,
    has_out: Option<Span>,
    pub(super) command: Command<'w>,
    /// The value of `--option=value`, for the next operand.
    stuck: Option<Arg<'w>>,
    pub(super) target: Target,
    pub(super) target_span: Option<Span>,
    pub(super) nat: NatSpec,
    pub(super) masks: (Option<u32>, Option<u32>),
    /// A match or target that is in no table of modules takes the options that nothing else knows.
    stranger: bool,
    /// A syntax error was found.
    faulty: bool,
}

const SEEN_PROTOCOL: u8 = 1;
const SEEN_SOURCE: u8 = 2;
const SEEN_DESTINATION: u8 = 4;
const SEEN_IN: u8 = 8;
const SEEN_OUT: u8 = 16;
const SEEN_FRAGMENT: u8 = 32;

/// The long global options and their letters.
const GLOBALS: [(&str, u8); 40] = [
    ("append", b'A'),
    ("delete", b'D'),
    ("check", b'C'),
    ("insert", b'I'),
    ("replace", b'R'),
    ("list", b'L'),
    ("list-rules", b'S'),
    ("flush", b'F'),
    ("zero", b'Z'),
    ("new-chain", b'N'),
    ("delete-chain", b'X'),
    ("rename-chain", b'E'),
    ("policy", b'P'),
    ("source", b's'),
    ("src", b's'),
    ("destination", b'd'),
    ("dst", b'd'),
    ("protocol", b'p'),
    ("proto", b'p'),
    ("in-interface", b'i'),
    ("out-interface", b'o'),
    ("jump", b'j'),
    ("goto", b'g'),
    ("match", b'm'),
    ("table", b't'),
    ("fragments", b'f'),
    ("set-counters", b'c'),
    ("wait", b'w'),
    ("wait-interval", b'W'),
    ("numeric", b'n'),
    ("verbose", b'v'),
    ("exact", b'x'),
    ("line-numbers", b'0'),
    ("modprobe", b'M'),
    ("ipv4", b'4'),
    ("ipv6", b'6'),
    ("help", b'h'),
    ("version", b'V'),
    ("noflush", b'n'),
    ("counters", b'0'),
];

/// What a long option turned out to be.
enum Found {
    Global(u8),
    Option(usize, &'static Opt, u8),
    Ambiguous,
    Unknown,
}

impl<'a, 'w> Parser<'a, 'w> {
    /// A parser of the words of one statement.
    pub fn new(
        out: Output<'a>,
        words: &'w [Word<'w>],
        family: Family,
        table: usize,
        span: Span,
        active: &'a mut Vec<Instance>,
    ) -> Self {
        active.clear();
        let first = out.config.matches.len();
        Parser {
            out,
            words,
            at: 0,
            family,
            table,
            span,
            negation: None,
            active,
            protocol: None,
            protocol_unknown: false,
            sources: Vec::new(),
            destinations: Vec::new(),
            first,
            seen: 0,
            has_in: None,
            has_out: None,
            command: Command::default(),
            stuck: None,
            target: Target::None,
            target_span: None,
            nat: NatSpec::default(),
            masks: (None, None),
            stranger: false,
            faulty: false,
        }
    }

    /// Reads all words.
    pub fn run(&mut self) {
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            let text = word.text.as_ref();
            match text.as_bytes() {
                b"!" => {
                    if self.negation.replace(word.span).is_some() {
                        self.syntax(word.span, "two `!` in a row");
                    }
                    continue;
                }
                [b'-', b'-', _, ..] => self.long(word, &text[2..]),
                [b'-', letter] if *letter != b'-' => self.global(*letter, word),
                _ if self.stranger => {}
                _ if word.unresolved => {
                    self.unresolved(word.span);
                    self.doubt(word.span, word.span);
                }
                [b'-', _, _, ..] => {
                    let message = format!("unknown option `{text}`");
                    self.syntax(word.span, message);
                }
                _ => {
                    let message = format!("`{text}` belongs to no option");
                    self.syntax(word.span, message);
                }
            }
            self.stuck = None;
            if let Some(span) = self.negation.take() {
                self.fails(span, "`!` is not allowed here");
            }
        }
        if let Some(span) = self.negation.take() {
            self.syntax(span, "`!` with no option after it");
        }
    }

    fn long(&mut self, word: &'w Word<'w>, name: &'w str) {
        let (name, value) = match name.split_once('=') {
            Some((name, text)) => (name, Some(Arg { text, span: word.span, unresolved: word.unresolved })),
            None => (name, None),
        };
        self.stuck = value;
        let mut found = self.find(name);
        if matches!(found, Found::Unknown)
            && let Some((protocol, _)) = self.protocol
            && let Some(module) = modules::of_protocol(protocol, self.family)
            && !self.active.iter().any(|instance| instance.module == module)
        {
            self.active.push(Instance { module, seen: 0, span: word.span, parts: None });
            found = self.find(name);
        }
        match found {
            Found::Global(letter) => self.global(letter, word),
            Found::Option(instance, option, index) => self.option(instance, option, index, word),
            Found::Ambiguous => {
                self.syntax(word.span, format!("option `--{name}` is the start of several"));
                self.doubt(word.span, word.span);
            }
            Found::Unknown => {
                self.negation = None;
                let last = self.swallow(word);
                if self.stranger {
                    return;
                }
                if !self.protocol_unknown {
                    self.syntax(word.span, format!("unknown option `--{name}`"));
                }
                self.doubt(word.span, last);
            }
        }
    }

    /// Passes over the words of an option that nobody knows; the span of the last one.
    fn swallow(&mut self, word: &Word<'_>) -> Span {
        let mut last = word.span;
        while let Some(next) = self.words.get(self.at)
            && !next.text.starts_with('-')
            && next.text != "!"
        {
            last = next.span;
            self.at += 1;
        }
        last
    }

    fn find(&self, name: &str) -> Found {
        for (at, instance) in self.active.iter().enumerate().rev() {
            let options = modules::ALL[instance.module as usize].options;
            if let Some(index) = options.iter().position(|o| o.name == name) {
                return Found::Option(at, &options[index], index as u8);
            }
        }
        if let Some((_, letter)) = GLOBALS.iter().find(|(long, _)| *long == name) {
            return Found::Global(*letter);
        }
        if name.is_empty() {
            return Found::Unknown;
        }
        let mut found = Found::Unknown;
        for (at, instance) in self.active.iter().enumerate().rev() {
            let options = modules::ALL[instance.module as usize].options;
            for (index, option) in options.iter().enumerate().filter(|(_, o)| o.name.starts_with(name)) {
                match found {
                    Found::Unknown => found = Found::Option(at, option, index as u8),
                    Found::Option(other, known, _) if other == at && known.val == option.val => {}
                    _ => return Found::Ambiguous,
                }
            }
        }
        for (_, letter) in GLOBALS.iter().filter(|(long, _)| long.starts_with(name)) {
            match found {
                Found::Unknown => found = Found::Global(*letter),
                Found::Global(known) if known == *letter => {}
                _ => return Found::Ambiguous,
            }
        }
        found
    }

    /// The next operand; an error where there is none.
    pub(super) fn operand(&mut self, option: &Word<'_>) -> Option<Arg<'w>> {
        if let Some(stuck) = self.stuck.take() {
            return Some(stuck);
        }
        match self.words.get(self.at) {
            Some(word) => {
                self.at += 1;
                Some(Arg { text: &word.text, span: word.span, unresolved: word.unresolved })
            }
            None => {
                self.syntax(option.span, format!("option `{}` needs an argument", option.text));
                None
            }
        }
    }

    /// An operand before which old iptables allowed a `!`.
    fn negatable_operand(&mut self, option: &Word<'_>, negated: &mut bool) -> Option<Arg<'w>> {
        let arg = self.operand(option)?;
        if arg.text != "!" {
            return Some(arg);
        }
        let next = self.operand(option)?;
        let message = format!("`{} ! {}` is refused since iptables 1.4.3", option.text, next.text);
        let help = format!("Write `! {} {}`.", option.text, next.text);
        self.out.findings.push(load_error(option.span.to(next.span), message).help(help));
        *negated = !*negated;
        Some(next)
    }

    /// Reads an option of a module.
    fn option(&mut self, instance: usize, option: &'static Opt, index: u8, word: &'w Word<'w>) {
        let mut negated = self.negation.is_some();
        if negated && !option.negatable {
            let span = self.negation.unwrap_or(word.span).to(word.span);
            self.fails(span, format!("option `--{}` takes no `!`", option.name));
            negated = false;
        }
        self.negation = None;
        let bit = 1u32 << index;
        if self.active[instance].seen & bit != 0 && !option.repeats {
            self.fails(word.span, format!("option `--{}` is given twice", option.name));
        }
        self.active[instance].seen |= bit;
        let (mut args, mut span) = ([""; 2], word.span);
        let mut unresolved = None;
        for at in 0..option.args as usize {
            let next = if at == 0 && option.negatable {
                self.negatable_operand(word, &mut negated)
            } else {
                self.operand(word)
            };
            let Some(next) = next else {
                return self.doubt(word.span, word.span);
            };
            args[at] = next.text;
            span = span.to(next.span);
            if next.unresolved {
                unresolved = Some(next.span);
            }
        }
        if let Some(variable) = unresolved
            && option.val != modules::Val::Skip
        {
            self.unresolved(variable);
            return self.doubt(word.span, span);
        }
        let given = Given { instance, val: option.val, name: option.name, negated, span, args };
        if modules::ALL[self.active[instance].module as usize].target {
            self.target_option(&given);
        } else {
            self.match_option(&given);
        }
    }

    /// Reads a global option.
    fn global(&mut self, letter: u8, word: &'w Word<'w>) {
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
        if arg.unresolved {
            self.unresolved(arg.span);
            return self.doubt(word.span, arg.span);
        }
        if !arg.text.contains(',') {
            if let Some(net) = self.net(arg, word) {
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
            match self.net(part, word) {
                Some(net) => nets.push(net),
                // The unknown condition that stands for it holds for all.
                None => return,
            }
        }
        *(if source { &mut self.sources } else { &mut self.destinations }) = nets;
    }

    /// An address with mask; what is none leaves an unknown condition.
    pub(super) fn net(&mut self, arg: Arg<'_>, option: &Word<'_>) -> Option<Net> {
        match values::net(arg.text, self.family) {
            Ok((address, mask)) => Some(self.keep_net(address, mask)),
            Err(error) => {
                self.bad_net(error, arg.text, arg.span);
                self.doubt(option.span, arg.span);
                None
            }
        }
    }

    /// Says what is wrong with an address.
    pub(super) fn bad_net(&mut self, error: NetError, text: &str, span: Span) {
        match error {
            NetError::Name => self.out.findings.push(
                Finding::new(
                    "PH002",
                    Severity::Info,
                    Some(span),
                    format!("host name `{text}` resolves at load"),
                )
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
            return self.doubt(word.span, arg.span);
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
                self.fails(arg.span, format!("protocol `{}` is not known", arg.text));
                self.doubt(word.span, arg.span);
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
            return self.doubt(word.span, arg.span);
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
            self.stranger = true;
            self.unresolved(arg.span);
            return self.doubt(word.span, arg.span);
        }
        let name = match arg.text {
            "icmpv6" | "ipv6-icmp" => "icmp6",
            name => name,
        };
        match modules::find(name, false, self.family) {
            Some(module) => self.load(module, arg.span),
            None => {
                self.stranger = true;
                self.no_module(name, false, arg.span);
                self.doubt(word.span, arg.span);
            }
        }
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
            Finding::new("PH002", Severity::Info, Some(span), format!("{what} `{name}` is not known"))
                .label("stays as an unknown condition")
                .help("Answers that rest on this rule are given as depending on it."),
        );
    }

    fn jump(&mut self, goto: bool, word: &'w Word<'w>) {
        if let Some(span) = self.negation.take() {
            self.fails(span.to(word.span), "`!` does not go with a target");
        }
        let Some(arg) = self.operand(word) else { return };
        if self.target_span.is_some() {
            return self.fails(word.span, "a rule has one target only");
        }
        self.target_span = Some(arg.span);
        if arg.unresolved {
            self.stranger = true;
            self.unresolved(arg.span);
            self.target = Target::Undefined(self.out.config.names.intern(arg.text));
            return;
        }
        self.target = match arg.text {
            "ACCEPT" if !goto => Target::Accept,
            "DROP" if !goto => Target::Drop,
            "RETURN" if !goto => Target::Return,
            "QUEUE" if !goto => Target::Queue,
            name => self.chain_or_module(name, goto, arg.span),
        };
    }

    fn chain_or_module(&mut self, name: &str, goto: bool, span: Span) -> Target {
        let table = &self.out.config.tables[self.table];
        if let Some(chain) = self.out.config.names.find(name).and_then(|n| table.index.get(&n)) {
            if let Some(hook) = table.chains[*chain as usize].hook {
                let message = format!("built-in chain `{}` is no target", super::ast::builtin(hook));
                self.fails(span, message);
                return Target::Undefined(self.out.config.names.intern(name));
            }
            return if goto { Target::Goto(*chain) } else { Target::Jump(*chain) };
        }
        let target = Target::Undefined(self.out.config.names.intern(name));
        if !goto && let Some(module) = modules::find(name, true, self.family) {
            self.load(module, span);
            return target;
        }
        let next_is_option = self.words.get(self.at).is_some_and(|w| w.text.starts_with("--"));
        if next_is_option && !goto {
            self.stranger = true;
            self.no_module(name, true, span);
        } else {
            self.out.findings.push(
                Finding::new("PH003", Severity::Error, Some(span), format!("chain `{name}` does not exist here"))
                    .label("no chain and no target of this name")
                    .help("Declare the chain before the rule, or correct the name. The file does not load as it is."),
            );
        }
        target
    }

    /// Adds a condition to the rule.
    pub(super) fn push(&mut self, negated: bool, kind: MatchKind) {
        self.out.config.matches.push(Match { negated, kind });
    }

    /// Adds an unknown condition that is named by its words.
    pub(super) fn doubt(&mut self, from: Span, to: Span) {
        let words = self.words.iter().filter(|w| from.start <= w.span.start && w.span.end <= to.end);
        let name = words.map(|w| w.text.as_ref()).collect::<Vec<_>>().join(" ");
        self.unknown(&name);
    }

    /// Adds an unknown condition by name.
    pub(super) fn unknown(&mut self, name: &str) {
        let name = self.out.config.names.intern(name);
        self.push(false, MatchKind::Unknown(name));
    }

    /// A statement that the program cannot read.
    ///
    /// One finding for a statement: what follows the first is mostly its echo.
    pub(super) fn syntax(&mut self, span: Span, message: impl Into<String>) {
        if !std::mem::replace(&mut self.faulty, true) {
            self.out.findings.push(syntax_error(span, message));
        }
    }

    /// Something that is read, but does not load.
    pub(super) fn fails(&mut self, span: Span, message: impl Into<String>) {
        self.out.findings.push(load_error(span, message));
    }

    /// A variable whose value the file does not tell.
    fn unresolved(&mut self, span: Span) {
        self.out.findings.push(
            Finding::new("PH002", Severity::Info, Some(span), "the value of a shell variable is not known")
                .label("not assigned plainly in this file")
                .help("Only plain assignments are followed. Check the rules as loaded, the output of `iptables-save`."),
        );
    }

    /// The rules that were read: one, or several where `-s` or `-d` lists addresses. Ends with the checks
    /// that need all options.
    pub fn rules(&mut self) -> Vec<Rule> {
        self.finish_modules();
        let mut rule = Rule {
            span: self.span,
            target_span: self.target_span.unwrap_or(self.span),
            first: self.first as u32,
            count: (self.out.config.matches.len() - self.first) as u32,
            target: self.target,
            hooks: ANY_HOOK,
            limiter: 0,
        };
        for instance in self.active.iter() {
            let hooks = modules::ALL[instance.module as usize].hooks;
            if rule.hooks & hooks != rule.hooks {
                (rule.hooks, rule.limiter) = (rule.hooks & hooks, instance.module);
            }
        }
        if self.sources.is_empty() && self.destinations.is_empty() {
            return vec![rule];
        }
        self.spread(rule)
    }

    fn spread(&mut self, rule: Rule) -> Vec<Rule> {
        let one = |nets: &[Net], kind: fn(Net) -> MatchKind| -> Vec<Option<Match>> {
            let matches = nets.iter().map(|net| Some(Match { negated: false, kind: kind(*net) }));
            if nets.is_empty() { vec![None] } else { matches.collect() }
        };
        let sources = one(&self.sources, MatchKind::Source);
        let destinations = one(&self.destinations, MatchKind::Destination);
        let rest: Vec<Match> = self.out.config.matches.drain(self.first..).collect();
        let mut rules = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let first = self.out.config.matches.len();
                self.out.config.matches.extend(source.iter().chain(destination).chain(&rest));
                let count = self.out.config.matches.len() - first;
                rules.push(Rule { first: first as u32, count: count as u32, ..rule });
            }
        }
        rules
    }

    /// Checks what a built-in chain does not allow.
    pub fn check_interfaces(&mut self, chain: super::ast::Hook) {
        use super::ast::{Hook, builtin};
        let refused = match chain {
            Hook::Prerouting | Hook::Input => self.has_out.map(|span| ("-o", span)),
            Hook::Output | Hook::Postrouting => self.has_in.map(|span| ("-i", span)),
            Hook::Forward => None,
        };
        if let Some((option, span)) = refused {
            self.fails(span, format!("`{option}` is not allowed in {}", builtin(chain)));
        }
    }

    /// The conditions that come of modules as a whole, and what modules demand of the rest of the rule.
    fn finish_modules(&mut self) {
        for at in 0..self.active.len() {
            let Instance { module, seen, span, .. } = self.active[at];
            let module: &'static Module = &modules::ALL[module as usize];
            let what = if module.target { "target" } else { "match" };
            if module.needs_option && seen == 0 {
                self.fails(span, format!("{what} `{}` is given no option", module.name));
            }
            self.check_protocol(module, what, span);
            let table: TableName = self.out.config.tables[self.table].name;
            if module.tables & table.bit() == 0 {
                let message = format!("{what} `{}` does not go into table `{}`", module.name, table.text());
                self.fails(span, message);
            }
            if module.target {
                self.finish_target(at, module, span);
            } else {
                self.finish_match(at, module);
            }
        }
    }

    fn check_protocol(&mut self, module: &'static Module, what: &str, span: Span) {
        if module.protocols.is_empty() || self.protocol_unknown {
            return;
        }
        let list = || {
            let names = module.protocols.iter().filter_map(|p| names::protocol_name(*p));
            names.map(|name| format!("`-p {name}`")).collect::<Vec<_>>().join(" or ")
        };
        match self.protocol {
            Some((number, false)) if module.protocols.contains(&number) => {}
            Some((number, true))
                if module.protocols.contains(&number) && matches!(module.name, "tcp" | "udp") =>
            {
                let name = module.name;
                let message = format!("`! -p {name}` with `-m {name}` looks at the bytes of other protocols");
                self.out.findings.push(
                    load_error(span, message)
                        .label("the legacy back end refuses it, the nftables one matches ports of other protocols")
                        .help(format!("Write one rule for `-p {name}` and another for the other protocols.")),
                );
            }
            _ => self.fails(span, format!("{what} `{}` needs {}", module.name, list())),
        }
    }
}

/// An option of a module as it is given.
pub(super) struct Given<'w> {
    /// Index of the module in [`Parser::active`].
    pub instance: usize,
    /// What the value is.
    pub val: modules::Val,
    /// The option's full name.
    pub name: &'static str,
    /// Turned round.
    pub negated: bool,
    /// The option with its words.
    pub span: Span,
    /// The words.
    pub args: [&'w str; 2],
}

/// The name of a family.
pub(super) fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// PH001.
pub(super) fn syntax_error(span: Span, message: impl Into<String>) -> Finding {
    Finding::new("PH001", Severity::Error, Some(span), message)
        .help("The statement is not understood, and iptables refuses it too. Correct it, or take it out.")
}

/// PH004.
pub(super) fn load_error(span: Span, message: impl Into<String>) -> Finding {
    Finding::new("PH004", Severity::Error, Some(span), message)
        .help("The file does not load as it is: nothing of the table takes effect.")
}
