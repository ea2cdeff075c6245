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
    // States are names without an order, so that their intervals mean nothing to people.
    let ranges: Vec<(u128, u128)> = match field {
        Field::State => {
            set.ranges().iter().flat_map(|(low, high)| *low..=*high).map(|one| (one, one)).collect()
        }
        _ => set.ranges().to_vec(),
    };
    let values = ranges.into_iter().map(|(low, high)| value(rules, field, low, high)).collect();
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
        Field::Proto => format!("{low}-{high}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Builder, MapEntry, Tuples};
    use crate::packet::{interface, states};
    use crate::source::Span;

    #[test]
    fn rules_are_said_in_words() {
        let mut build = Builder::new();
        let chain = build.chain("filter FORWARD", Span::default());
        let (low, high) = interface_prefix("eth");
        let sets = [
            (Field::Src4, Set::of([(0x0a00_0000, 0x0aff_ffff), (0x0b00_0001, 0x0b00_0009)])),
            (Field::Dst6, Set::range(0, u128::MAX)),
            (Field::Iif, Set::of([(low, high), (interface("lo"), interface("lo"))])),
            (Field::State, states(&[State::New, State::Related])),
            (Field::Dport, Set::of((0..20).map(|n| (n * 10, n * 10 + 1)))),
            (Field::SrcMac, Set::one(0x0011_2233_4455)),
            (Field::Proto, Set::of([(6, 6), (200, 200)])),
        ];
        for (field, set) in sets {
            let values = build.values(set);
            build.field(field, values, field == Field::State);
        }
        build.unknown("limit");
        let product = vec![Some(Set::one(6)), Some(Set::range(80, 81))];
        let tuples = build.tuples(Tuples { fields: vec![Field::Proto, Field::Dport], boxes: vec![product] });
        build.test(Test::Tuple { tuples, negate: true });
        let other = build.chain("filter ssh", Span::default());
        let key = vec![Some(Set::one(22))];
        let entry = MapEntry { key, effect: Effect::Goto(other), span: Span::default() };
        let map = build.map(vec![Field::Dport], vec![entry]);
        build.step(Step::Lookup(map));
        let nat = build.nat(Nat {
            destination: true,
            addr: NatAddr::Pool(Family::V4, 0x0a01_020a, 0x0a01_020a),
            port: NatPort::Pool(1720, 1720),
        });
        build.effect(Effect::Nat(nat));
        build.effect(Effect::Mark(MarkOp { clear: u32::MAX, flip: 0x10 }));
        build.effect(Effect::Verdict(Verdict::Reject(Reply::Icmp { kind: 3, code: 3 })));
        build.rule(chain, Span::default(), Span::default());
        let rules = build.finish();
        let steps = rules.steps_of(&rules.chains[0].rules[0]);
        let text: Vec<String> = steps.iter().map(|each| step(&rules, *each).text()).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        source address 10.0.0.0/8, 11.0.0.1-11.0.0.9
        destination address any
        input interface eth+, lo
        connection state not related, new
        destination port 0-1, 10-11, 20-21, 30-31, 40-41, 50-51, 60-61, 70-71 and 12 more
        source MAC address 00:11:22:33:44:55
        protocol tcp, 200
        if limit (unknown)
        not (protocol tcp and destination port 80-81)
        (destination port 22 → go to filter ssh)
        → translate the destination to 10.1.2.10, port 1720
        → packet mark becomes 0x10
        → reject with ICMP type 3 code 3
        ");
        let words: Vec<StepWords> = steps.iter().map(|each| step(&rules, *each)).collect();
        let json = serde_json::to_value(&words).unwrap();
        assert_eq!(json[0]["match"]["values"], serde_json::json!(["10.0.0.0/8", "11.0.0.1-11.0.0.9"]));
        assert_eq!(json[4]["match"]["values"].as_array().unwrap().len(), 20);
        assert_eq!(json[7]["unknown"], "limit");
        assert_eq!(json[12]["effect"], "reject with ICMP type 3 code 3");
    }
}
