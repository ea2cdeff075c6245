//! One command: words into a chain operation and a rule.
//!
//! Options are looked up as getopt_long(3) does over the global options and those of the matches and
//! the target loaded so far: an exact name first, newest module first, then the start of a name where
//! it is no other's; then the match of the protocol is tried (iptables-extensions(8), "MATCH
//! EXTENSIONS"). An error costs the option it stands in; the rule stays, with an unknown condition.

use super::ast::{Answer, Config, Match, MatchKind, NatSpec, Net, Open, Target};
use super::modules::{self, Opt};
use super::words::Word;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::{PH001, PH002, PH003, PH004, Severity};
use crate::source::Span;

/// What a command does to a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
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
    /// `-C`.
    Check,
    /// `-L`, `-S`, `-Z`, `-V`: nothing changes.
    Look,
}

/// A match or target that a rule has loaded.
#[derive(Debug)]
pub(super) struct Instance {
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
pub(super) struct Command<'w> {
    /// What to do.
    pub action: Option<Action>,
    /// The chain, and the second operand: policy, or new name.
    pub operands: [Option<Arg<'w>>; 2],
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg<'w> {
    /// What the program gets to see.
    pub text: &'w str,
    /// Where it is written.
    pub span: Span,
    /// A variable in it has no known value.
    pub unresolved: bool,
}

/// Everything that reading writes to.
pub(super) struct Output<'a> {
    /// The tree.
    pub config: &'a mut Config,
    /// What there is to say.
    pub findings: &'a mut Vec<Finding>,
}

/// Reads one command.
pub(super) struct Parser<'a, 'w> {
    pub(super) out: Output<'a>,
    pub(super) words: &'w [Word<'w>],
    pub(super) at: usize,
    pub(super) family: Family,
    pub(super) table: usize,
    /// The statement.
    pub(super) span: Span,
    /// A `!` that waits for its option.
    pub(super) negation: Option<Span>,
    pub(super) active: &'a mut Vec<Instance>,
    pub(super) protocol: Option<(u8, bool)>,
    /// A protocol was given, but it is not known which.
    pub(super) protocol_unknown: bool,
    pub(super) sources: Vec<Net>,
    pub(super) destinations: Vec<Net>,
    pub(super) first: usize,
    pub(super) seen: u8,
    pub(super) has_in: Option<Span>,
    pub(super) has_out: Option<Span>,
    pub(super) command: Command<'w>,
    /// The value of `--option=value`, for the next operand.
    stuck: Option<Arg<'w>>,
    pub(super) target: Target,
    pub(super) target_span: Option<Span>,
    pub(super) nat: NatSpec,
    pub(super) masks: (Option<u32>, Option<u32>),
    /// A match or target that is in no table of modules takes the options that nothing else knows.
    pub(super) stranger: bool,
    /// The words of such a match.
    pub(super) strange: Option<String>,
    /// `-4` or `-6`, where it is not that of the family.
    pub(super) other_family: Option<Span>,
    /// A syntax error was found.
    faulty: bool,
    /// The hooks at which the options given work.
    pub(super) hooks: (u8, u8),
}

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
    pub(super) fn new(
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
            strange: None,
            other_family: None,
            faulty: false,
            hooks: (super::ast::ANY_HOOK, 0),
        }
    }

    /// Reads all words.
    pub(super) fn run(&mut self) {
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
                [b'-', b'n' | b'v' | b'x', ..] => self.cluster(word),
                [b'-', letter, _, ..] if b"AIDRNXFPECmtMsdpiojg".contains(letter) => {
                    self.stuck = Some(Arg { text: &text[2..], span: word.span, unresolved: word.unresolved });
                    self.global(*letter, word);
                }
                _ if self.stranger => {}
                _ if word.unresolved => {
                    self.unresolved(word.span);
                    self.unknown(false, (word.span, word.span), Answer::Elsewhere);
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

    /// Short options in one word: `-nvL`. The last of them may have its value stuck to it.
    fn cluster(&mut self, word: &'w Word<'w>) {
        let letters = word.text.bytes().skip(1).take_while(|letter| b"nvx".contains(letter)).count();
        let mut rest = word.text[1 + letters..].chars();
        let Some(last) = rest.next() else { return };
        if !rest.as_str().is_empty() {
            self.stuck = Some(Arg { text: rest.as_str(), span: word.span, unresolved: word.unresolved });
        }
        self.global(u8::try_from(last).unwrap_or(0), word);
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
                self.unknown(false, (word.span, word.span), Answer::Elsewhere);
            }
            Found::Unknown => {
                let negated = self.negation.take().is_some();
                let last = self.swallow(word);
                if self.stranger {
                    return self.strange_words(negated, word.span.to(last));
                }
                if !self.protocol_unknown {
                    self.syntax(word.span, format!("unknown option `--{name}`"));
                }
                self.unknown(negated, (word.span, last), Answer::Elsewhere);
            }
        }
    }

    /// Passes over the words of an option that nobody knows; the span of the last one.
    pub(super) fn swallow(&mut self, word: &Word<'_>) -> Span {
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

    /// The words of an option of a match that is in no table of modules.
    fn strange_words(&mut self, negated: bool, span: Span) {
        let Some(text) = &mut self.strange else { return };
        if negated {
            text.push_str(" !");
        }
        for word in self.words.iter().filter(|w| span.start <= w.span.start && w.span.end <= span.end) {
            text.push(' ');
            text.push_str(&word.text);
        }
    }

    /// The condition of a match that is in no table of modules.
    pub(super) fn finish_strange(&mut self) {
        if let Some(text) = self.strange.take() {
            let kind = text.split(' ').nth(1).unwrap_or_default().to_string();
            self.open(false, &kind, &text, Answer::Chance);
        }
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

    /// The option and its value are one word.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.is_some()
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
    pub(super) fn negatable_operand(&mut self, option: &Word<'_>, negated: &mut bool) -> Option<Arg<'w>> {
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
                return self.unknown(negated, (word.span, word.span), Answer::Elsewhere);
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
            let answer =
                super::matches::field_of(option.val, self.family).map_or(Answer::Elsewhere, Answer::Of);
            return self.unknown(negated, (word.span, span), answer);
        }
        let given = Given { instance, val: option.val, name: option.name, negated, span, args };
        if modules::ALL[self.active[instance].module as usize].target {
            self.target_option(&given);
        } else {
            self.match_option(&given);
        }
    }

    /// Adds a condition to the rule.
    pub(super) fn push(&mut self, negated: bool, kind: MatchKind) {
        self.out.config.matches.push(Match { negated, kind });
    }

    /// Adds a condition that is named by its words: what stands there is not understood, or is a value
    /// that the file does not tell.
    pub(super) fn unknown(&mut self, negated: bool, (from, to): (Span, Span), answer: Answer) {
        let words = self.words.iter().filter(|w| from.start <= w.span.start && w.span.end <= to.end);
        let text = words.map(|w| w.text.as_ref()).collect::<Vec<_>>().join(" ");
        self.open(negated, "", &text, answer);
    }

    /// Adds a condition that the file does not answer.
    pub(super) fn open(&mut self, negated: bool, kind: &str, text: &str, answer: Answer) {
        let index = self.keep_open(kind, text, answer);
        self.push(negated, MatchKind::Open(index));
    }

    /// Stores a condition of the shell.
    pub(super) fn keep_condition(&mut self, text: super::ast::Name) -> u32 {
        let config = &mut *self.out.config;
        let kind = config.names.intern("");
        config.opens.push(Open { kind, text, answer: Answer::Global });
        config.opens.len() as u32 - 1
    }

    /// Stores a condition that the file does not answer.
    pub(super) fn keep_open(&mut self, kind: &str, text: &str, answer: Answer) -> u32 {
        let config = &mut *self.out.config;
        let (kind, text) = (config.names.intern(kind), config.names.intern(text));
        config.opens.push(Open { kind, text, answer });
        config.opens.len() as u32 - 1
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
    pub(super) fn unresolved(&mut self, span: Span) {
        self.out.findings.push(
            Finding::of(&PH002, span, "the value of a shell variable is not known")
                .label("not assigned plainly in this file")
                .help("Only plain assignments are followed. Check the rules as loaded, the output of `iptables-save`."),
        );
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
    Finding::of(&PH001, span, message)
        .help("The statement is not understood, and iptables refuses it too. Correct it, or take it out.")
}

/// PH003 for a name that the machine which loads the file may know, and this one does not.
pub(super) fn unknown_name(span: Span, message: impl Into<String>) -> Finding {
    Finding::of(&PH003, span, message)
        .severity(Severity::Info)
        .label("the file loads where the machine knows the name")
        .help("Write the number.")
}

/// PH004.
pub(super) fn load_error(span: Span, message: impl Into<String>) -> Finding {
    Finding::of(&PH004, span, message)
        .help("The file does not load as it is: nothing of the table takes effect.")
}
