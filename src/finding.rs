//! What pinhole has to say: one finding, one cause.

use rustc_hash::FxHashMap;

use crate::rule::{Lint, PH201, PH202, PH204, PH205, PH206, PH301, Severity};
use crate::source::{SourceId, SourceMap, Span};

/// A place that a finding points at besides its main one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is to be seen there: lower case, no full stop.
    pub message: String,
}

/// A row of the catalog that a finding is about.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct RequirementRef {
    /// The device's name in the site file, or its address.
    pub device: String,
    /// The product's name in the catalog.
    pub product: String,
    /// The table of the product's port guide, such as `1-1`.
    pub table: String,
    /// The row's own name, where several rows share a service.
    pub row: Option<String>,
    /// The service tag, such as `q931`.
    pub service: String,
    /// `tcp`, `udp` or `icmp`.
    pub transport: String,
    /// The ports that the row needs.
    pub ports: Vec<[u16; 2]>,
    /// The part of them that is blocked (or may be).
    pub blocked: Vec<[u16; 2]>,
    /// What a finding about this row alone says.
    #[serde(skip)]
    pub said: RowSaid,
}

/// A row of the catalog in words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowSaid {
    /// How a message names it: `SIP (tcp 5060)`.
    pub name: String,
    /// What people notice where it does not get through.
    pub notice: String,
}

/// The connections that a finding about rows is of.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct LegRef {
    /// Which end opens them.
    pub opened_by: Opener,
    /// Who is at the far end, by name; empty where it is whoever gets through.
    pub peers: Vec<String>,
    /// Only connections from part of the source ports fare so.
    pub some_source_ports: bool,
}

/// Ports that are open though nothing asks for them.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct OpensRef {
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// The ports.
    pub ports: Vec<[u16; 2]>,
}

/// Which end opens a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Opener {
    /// Whoever is at the far end.
    Peer,
    /// The device.
    Device,
    /// Nobody says which.
    Either,
}

/// Lines to put into a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mend {
    /// Where, in words; empty where the help says it.
    pub place: String,
    /// The lines, as they would stand there.
    pub lines: Vec<String>,
}

/// A change to the text of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// What is replaced; empty where text is put in.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

/// The texts of files with changes made to them; `None` where two changes are about the same text, or one is of no
/// file.
pub fn applied(sources: &SourceMap, edits: &[Edit]) -> Option<FxHashMap<SourceId, String>> {
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut texts: FxHashMap<SourceId, String> = FxHashMap::default();
    let mut done: FxHashMap<SourceId, usize> = FxHashMap::default();
    for edit in order {
        let id = sources.id_at(edit.span.start)?;
        let file = sources.file(id);
        let (start, end) = ((edit.span.start - file.base) as usize, (edit.span.end - file.base) as usize);
        let from = done.entry(id).or_default();
        let text = texts.entry(id).or_default();
        text.push_str(file.text.get(*from..start)?);
        text.push_str(&edit.text);
        *from = end;
    }
    for (id, from) in done {
        texts.entry(id).or_default().push_str(sources.file(id).text.get(from..)?);
    }
    Some(texts)
}

/// One packet that shows what a finding says, in the form that `pinhole trace` takes.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, schemars::JsonSchema)]
pub struct Witness {
    /// The way through the firewall before translation: `forward`, `input` or `output`.
    pub hook: &'static str,
    /// The interface that it comes in by; `None` where it is all one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// The interface that it leaves by, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// Source address.
    pub src: String,
    /// Destination address.
    pub dst: String,
    /// `tcp`, `udp`, `icmp`, `icmpv6` or a number.
    pub proto: String,
    /// Source port of TCP and UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sport: Option<u16>,
    /// Destination port of TCP and UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dport: Option<u16>,
    /// Type of ICMP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// Code of ICMP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
}

impl std::fmt::Display for Witness {
    /// As `pinhole trace --packet` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "hook={} src={} dst={} proto={}", self.hook, self.src, self.dst, self.proto)?;
        for (key, name) in [("iif", &self.iif), ("oif", &self.oif)] {
            if let Some(name) = name {
                write!(f, " {key}={name}")?;
            }
        }
        for (key, number) in [("sport", self.sport), ("dport", self.dport)] {
            if let Some(number) = number {
                write!(f, " {key}={number}")?;
            }
        }
        for (key, number) in [("icmp_type", self.icmp_type), ("icmp_code", self.icmp_code)] {
            if let Some(number) = number {
                write!(f, " {key}={number}")?;
            }
        }
        Ok(())
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was found.
    lint: &'static Lint,
    /// How bad it is here.
    pub severity: Severity,
    /// One line: lower case, no full stop, no advice.
    pub message: String,
    /// The part of it that names the rows of the catalog; empty where it names none.
    pub listed: String,
    /// The place that decides; `None` only where there is no text to point at.
    pub span: Option<Span>,
    /// Further places of which the same is to be said, where there are too many for a finding each.
    pub also: Vec<Span>,
    /// What is to be seen at the main place: lower case, no full stop.
    pub label: String,
    /// Other places that matter.
    pub related: Vec<Label>,
    /// What people will notice, in whole sentences; empty where nobody will.
    pub notice: String,
    /// What to change, in whole sentences.
    pub help: String,
    /// Lines to add to the config.
    pub mend: Vec<Mend>,
    /// The same as changes to the files; or what takes out of them what the finding is about.
    pub edits: Vec<Edit>,
    /// The changes take away what somebody may want, such as a log.
    pub careful: bool,
    /// Devices concerned, by name.
    pub devices: Vec<String>,
    /// Rows of the catalog concerned.
    pub requirements: Vec<RequirementRef>,
    /// Their connections.
    pub leg: Option<LegRef>,
    /// What it opens beyond what is needed.
    pub opens: Vec<OpensRef>,
    /// Names of the unknown conditions that the finding rests on; empty where it holds in any case.
    pub depends_on: Vec<String>,
    /// Names of the rates of which it was taken for granted that they are kept, where that decides.
    pub assumes: Vec<String>,
    /// One packet that it is true of, as it comes to the first firewall on its way.
    pub witness: Option<Witness>,
    /// Whether the witness shows it at the firewall of `span`.
    pub witness_here: bool,
}

impl Finding {
    /// A finding of a lint, with its severity: where, and what. The rest is empty.
    pub fn of(lint: &'static Lint, span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Finding {
            lint,
            severity: lint.severity,
            message: message.into(),
            listed: String::new(),
            span: span.into(),
            also: Vec::new(),
            label: String::new(),
            related: Vec::new(),
            notice: String::new(),
            help: String::new(),
            mend: Vec::new(),
            edits: Vec::new(),
            careful: false,
            devices: Vec::new(),
            requirements: Vec::new(),
            leg: None,
            opens: Vec::new(),
            depends_on: Vec::new(),
            assumes: Vec::new(),
            witness: None,
            witness_here: false,
        }
    }

    /// What was found.
    pub fn lint(&self) -> &'static Lint {
        self.lint
    }

    /// The lint's code, such as `PH101`.
    pub fn code(&self) -> &'static str {
        self.lint.code
    }

    /// Whether it is about something that is open, so that its change closes it.
    pub fn is_of_open(&self) -> bool {
        const OPEN: [&Lint; 6] = [&PH201, &PH202, &PH204, &PH205, &PH206, &PH301];
        OPEN.contains(&self.lint)
    }

    /// Whether its change takes out what does nothing.
    pub fn takes_out(&self) -> bool {
        !self.edits.is_empty() && self.edits.iter().all(|edit| edit.text.is_empty()) && !self.is_of_open()
    }

    /// All places that it is about.
    pub fn places(&self) -> impl Iterator<Item = Span> {
        self.span.into_iter().chain(self.also.iter().copied())
    }

    /// The same finding, where its file begins at 0 and not at `base`.
    pub fn moved(mut self, base: u32) -> Self {
        self.each_span(|span| Span::new(span.start - base, span.end - base));
        self
    }

    /// Changes each place that it names.
    pub(crate) fn each_span(&mut self, to: impl Fn(Span) -> Span) {
        let own = self.span.iter_mut().chain(&mut self.also);
        let related = self.related.iter_mut().map(|label| &mut label.span);
        let edits = self.edits.iter_mut().map(|edit| &mut edit.span);
        own.chain(related).chain(edits).for_each(|span| *span = to(*span));
    }

    /// Changes each text that comes from configs and the site file, as those do that name hosts and addresses.
    pub(crate) fn each_text(&mut self, change: &mut impl FnMut(&mut String)) {
        let Finding {
            lint: _,
            severity: _,
            message,
            listed,
            span: _,
            also: _,
            label,
            related,
            notice,
            help,
            mend,
            edits,
            careful: _,
            devices,
            requirements,
            leg,
            opens: _,
            depends_on,
            assumes,
            witness,
            witness_here: _,
        } = self;
        [message, listed, label, notice, help].into_iter().for_each(&mut *change);
        related.iter_mut().for_each(|label| change(&mut label.message));
        for Mend { place, lines } in mend {
            change(place);
            lines.iter_mut().for_each(&mut *change);
        }
        edits.iter_mut().for_each(|edit| change(&mut edit.text));
        for row in requirements {
            [&mut row.device, &mut row.said.name, &mut row.said.notice].into_iter().for_each(&mut *change);
        }
        for names in [devices, depends_on, assumes] {
            names.iter_mut().for_each(&mut *change);
        }
        leg.iter_mut().flat_map(|leg| &mut leg.peers).for_each(&mut *change);
        if let Some(witness) = witness {
            [&mut witness.src, &mut witness.dst].into_iter().for_each(&mut *change);
        }
    }

    /// Sets how bad it is here, where that is not what the lint says.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets what is to be seen at the main place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place.
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Label { span, message: message.into() });
        self
    }

    /// Sets what people will notice.
    pub fn notice(mut self, notice: impl Into<String>) -> Self {
        self.notice = notice.into();
        self
    }

    /// Sets what to change.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}
