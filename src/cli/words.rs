//! The normalized rules in words.

use serde::Serialize;

use crate::dialect::names;
use crate::model::{
    Effect, MapId, MarkOp, Nat, NatAddr, NatPort, Reply, Ruleset, Step, Test, TuplesId, Verdict,
};
use crate::packet::{Family, Field, Set, State, interface_name, interface_prefix};

/// Values that a line of text shows of one set; JSON has them all.
const SHOWN: usize = 8;

/// One step of a rule.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepWords<'a> {
    /// A field has one of some values.
    Match(Clause),
    /// All clauses of one of some products hold; `not`: of none.
    Any {
        /// Turns the answer round.
        not: bool,
        /// The products.
        products: Vec<Vec<Clause>>,
    },
    /// Something that the file does not tell.
    Unknown(&'a str),
    /// Never holds.
    Never,
    /// Something happens.
    Effect(String),
    /// The first entry that holds says what happens.
    Lookup(Vec<EntryWords>),
}

/// A field and its values.
#[derive(Serialize)]
pub struct Clause {
    field: &'static str,
    not: bool,
    /// The field is masked with this before it is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    values: Vec<String>,
}

/// One entry of a lookup table.
#[derive(Serialize)]
pub struct EntryWords {
    key: Vec<Clause>,
    effect: String,
}

/// A step in words.
pub fn step(rules: &Ruleset, step: Step) -> StepWords<'_> {
    match step {
        Step::Test(Test::In { field, values, negate }) => {
            StepWords::Match(clause(rules, field, &rules.values(values), negate))
        }
        Step::Test(Test::Masked { field, mask, values, negate }) => {
            let mask = value(rules, field, rules.masks[mask as usize], rules.masks[mask as usize]);
            let clause = clause(rules, field, &rules.values(values), negate);
            StepWords::Match(Clause { mask: Some(mask), ..clause })
        }
        Step::Test(Test::Tuple { tuples, negate }) => {
            StepWords::Any { not: negate, products: products(rules, tuples) }
        }
        Step::Test(Test::Unknown(id)) => StepWords::Unknown(rules.condition(id)),
        Step::Test(Test::Never) => StepWords::Never,
        Step::Effect(done) => StepWords::Effect(effect(rules, done)),
        Step::Lookup(id) => StepWords::Lookup(entries(rules, id)),
    }
}

fn products(rules: &Ruleset, id: TuplesId) -> Vec<Vec<Clause>> {
    let tuples = rules.tuple(id);
    tuples.boxes.iter().map(|sides| clauses(rules, &tuples.fields, sides)).collect()
}

fn entries(rules: &Ruleset, id: MapId) -> Vec<EntryWords> {
    let map = rules.map(id);
    let words = map.entries.iter().map(|entry| EntryWords {
        key: clauses(rules, &map.fields, &entry.key),
        effect: effect(rules, entry.effect),
    });
    words.collect()
}

fn clauses(rules: &Ruleset, fields: &[Field], sides: &[Option<Set>]) -> Vec<Clause> {
    let given = fields.iter().zip(sides).filter_map(|(field, set)| Some((*field, set.as_ref()?)));
    given.map(|(field, set)| clause(rules, field, set, false)).collect()
}

fn clause(rules: &Ruleset, field: Field, set: &Set, not: bool) -> Clause {
    let values = set.ranges().iter().map(|(low, high)| value(rules, field, *low, *high)).collect();
    Clause { field: field.name(), not, mask: None, values }
}

/// An interval of values as its field writes them.
fn value(rules: &Ruleset, field: Field, low: u128, high: u128) -> String {
    let one = |number: u128| match field {
        Field::Src4 | Field::Dst4 | Field::OrigSrc4 | Field::OrigDst4 => {
            Family::V4.address(number).to_string()
        }
        Field::Src6 | Field::Dst6 | Field::OrigSrc6 | Field::OrigDst6 => {
            Family::V6.address(number).to_string()
        }
        Field::Iif | Field::Oif if number == 0 => "none".to_string(),
        Field::Iif | Field::Oif => interface_name(number),
        Field::Proto => match names::protocol_name(number as u8) {
            Some(name) => name.to_string(),
            None => number.to_string(),
        },
        Field::State => State::of(number).map_or(number.to_string(), |state| state.name().to_string()),
        Field::Tag => match (number as usize).checked_sub(1).and_then(|index| rules.tags.get(index)) {
            Some(name) => name.clone(),
            None => "none".to_string(),
        },
        Field::Mark | Field::CtMark | Field::TcpFlags | Field::Ext | Field::Spi => format!("{number:#x}"),
        Field::SrcMac => {
            let bytes = &number.to_be_bytes()[10..];
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
        }
        _ => number.to_string(),
    };
    if low == high {
        return one(low);
    }
    if (low, high) == (0, field.last()) {
        return "any".to_string();
    }
    match field {
        Field::Iif | Field::Oif => {
            let prefix = interface_name(low);
            if interface_prefix(&prefix) == (low, high) {
                format!("{prefix}+")
            } else {
                format!("{prefix} to {}", interface_name(high))
            }
        }
        _ => match field.family().filter(|_| field != Field::Ext) {
            Some(family) => network(family, low, high),
            None => format!("{}-{}", one(low), one(high)),
        },
    }
}

/// `10.0.0.0/8`, or `10.0.0.1-10.0.0.9` where it is no network.
fn network(family: Family, low: u128, high: u128) -> String {
    let host = (low ^ high).count_ones();
    let length = family.bits() - host;
    if family.prefix(low, length) == (low, high) {
        format!("{}/{length}", family.address(low))
    } else {
        format!("{}-{}", family.address(low), family.address(high))
    }
}

/// A verdict in words.
pub fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_string(),
        Verdict::Drop => "drop".to_string(),
        Verdict::Reject(Reply::TcpReset) => "reject with a TCP reset".to_string(),
        Verdict::Reject(Reply::ResetOrUnreachable) => {
            "reject with a TCP reset or port unreachable".to_string()
        }
        Verdict::Reject(Reply::Icmp { kind, code }) => format!("reject with ICMP type {kind} code {code}"),
    }
}

fn effect(rules: &Ruleset, effect: Effect) -> String {
    let chain = |id| rules.chain(id).name.as_str();
    match effect {
        Effect::Verdict(end) => verdict(end),
        Effect::Jump(id) => format!("jump to {}", chain(id)),
        Effect::Goto(id) => format!("go to {}", chain(id)),
        Effect::Return => "return".to_string(),
        Effect::NextRule => "next rule".to_string(),
        Effect::Pend(end) => format!("{} unless a later rule decides", verdict(end)),
        Effect::Settle => "decide as pending".to_string(),
        Effect::Mark(op) => format!("packet mark {}", mark(op)),
        Effect::CtMark(op) => format!("connection mark {}", mark(op)),
        Effect::SaveMark(mask) => format!("save mark, mask {mask:#x}"),
        Effect::RestoreMark(mask) => format!("restore mark, mask {mask:#x}"),
        Effect::Forget(field) => format!("{} becomes unknown", field.name()),
        Effect::Tag(tag) => format!("tag {}", value(rules, Field::Tag, tag.into(), tag.into())),
        Effect::Set(field, number) => {
            format!("{} becomes {}", field.name(), value(rules, field, number.into(), number.into()))
        }
        Effect::NoTrack => "no tracking".to_string(),
        Effect::Helper(id) => format!("helper {}", rules.helpers[id.0 as usize]),
        Effect::Nat(id) => nat(rules.nat(id)),
        Effect::KeepState(true) => "replies pass".to_string(),
        Effect::KeepState(false) => "replies need rules".to_string(),
        Effect::Undefined(id) => format!("unknown: {}", rules.condition(id)),
    }
}

fn mark(op: MarkOp) -> String {
    match op.clear {
        u32::MAX => format!("becomes {:#x}", op.flip),
        clear => format!("loses bits {clear:#x}, turns over bits {:#x}", op.flip),
    }
}

fn nat(nat: &Nat) -> String {
    let end = if nat.destination { "destination" } else { "source" };
    let address = match &nat.addr {
        NatAddr::Keep => String::new(),
        NatAddr::Pool(family, low, high) if low == high => format!(" to {}", family.address(*low)),
        NatAddr::Pool(family, low, high) => format!(" to one of {}", network(*family, *low, *high)),
        NatAddr::Prefix(family, base, length) => format!(" into {}/{length}", family.address(*base)),
        NatAddr::Interface => " to the interface's address".to_string(),
        NatAddr::Loopback => " to the loopback address".to_string(),
        NatAddr::Unknown => " to an address that the file does not tell".to_string(),
    };
    let port = match nat.port {
        NatPort::Keep => String::new(),
        NatPort::Pool(low, high) if low == high => format!(", port {low}"),
        NatPort::Pool(low, high) => format!(", port {low}-{high}"),
        NatPort::Shift(by) => format!(", port moved by {}", by as i16),
        NatPort::Unknown => ", port that the file does not tell".to_string(),
    };
    format!("translate the {end}{address}{port}")
}

impl Clause {
    fn text(&self) -> String {
        let mut values = self.values[..self.values.len().min(SHOWN)].join(", ");
        if self.values.len() > SHOWN {
            values += &format!(" and {} more", self.values.len() - SHOWN);
        }
        let mask = self.mask.as_ref().map_or(String::new(), |mask| format!(" & {mask}"));
        let values = if values.is_empty() { "nothing" } else { values.as_str() };
        format!("{}{mask} {}{values}", self.field, if self.not { "not " } else { "" })
    }
}

fn all_of(clauses: &[Clause]) -> String {
    if clauses.is_empty() {
        return "anything".to_string();
    }
    clauses.iter().map(Clause::text).collect::<Vec<_>>().join(" and ")
}

impl StepWords<'_> {
    /// The step on one line.
    pub fn text(&self) -> String {
        let shown = |mut texts: Vec<String>, count: usize| {
            if count > SHOWN {
                texts.push(format!("{} more", count - SHOWN));
            }
            texts.join(" | ")
        };
        match self {
            StepWords::Match(clause) => clause.text(),
            StepWords::Any { not, products } => {
                let texts = products.iter().take(SHOWN).map(|product| all_of(product)).collect();
                format!("{}({})", if *not { "not " } else { "" }, shown(texts, products.len()))
            }
            StepWords::Unknown(name) => format!("if {name} (unknown)"),
            StepWords::Never => "never".to_string(),
            StepWords::Effect(effect) => format!("→ {effect}"),
            StepWords::Lookup(entries) => {
                let text = |entry: &EntryWords| format!("{} → {}", all_of(&entry.key), entry.effect);
                format!("({})", shown(entries.iter().take(SHOWN).map(text).collect(), entries.len()))
            }
        }
    }
}
