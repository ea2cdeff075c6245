//! The normalized rules in words.
//!
//! Everything is pushed onto one text: a file may have a million rules.

use std::net::IpAddr;

use crate::dialect::names;
use crate::model::{
    Effect, MapEntry, MarkOp, Nat, NatAddr, NatPort, Reply, Ruleset, Step, Test, Values, Verdict,
};
use crate::packet::{Family, Field, Set, State, interface_name, interface_prefix};
use crate::report;

/// Values that a line of text shows of one set; JSON has them all.
const SHOWN: usize = 8;

/// One step of a rule, to be said in words or written as JSON.
#[derive(Clone, Copy)]
pub(super) struct StepWords<'a> {
    /// The rules that the step is of.
    pub rules: &'a Ruleset,
    /// The step.
    pub step: Step,
}

/// A field and its values.
struct Clause<'a> {
    rules: &'a Ruleset,
    field: Field,
    not: bool,
    /// The field is masked with this before it is compared.
    mask: Option<u128>,
    values: Ranges<'a>,
}

#[derive(Clone, Copy)]
enum Ranges<'a> {
    One(u128, u128),
    Many(&'a Set),
}

impl StepWords<'_> {
    /// Whether the step does something, and asks nothing.
    pub(super) fn is_effect(self) -> bool {
        matches!(self.step, Step::Effect(_))
    }

    /// Says the step on one line.
    pub(super) fn push(self, out: &mut String) {
        let rules = self.rules;
        match self.step {
            Step::Test(Test::In { .. } | Test::Masked { .. }) => {
                if let Some(clause) = self.clause() {
                    clause.push(out);
                }
            }
            Step::Test(Test::Tuple { tuples, negate }) => {
                let tuples = rules.tuple(tuples);
                out.push_str(if negate { "not (" } else { "(" });
                some(out, tuples.boxes.iter(), tuples.boxes.len(), " | ", |out, sides| {
                    all_of(out, rules, &tuples.fields, sides);
                });
                out.push(')');
            }
            Step::Test(Test::Unknown { cond, negate }) => {
                out.push_str(if negate { "if not " } else { "if " });
                out.push_str(&rules.condition(cond).name);
                out.push_str(" (unknown)");
            }
            Step::Test(Test::Never) => out.push_str("never"),
            Step::Effect(effect) => {
                out.push_str("→ ");
                push_effect(out, rules, effect);
            }
            Step::Lookup(id) => {
                let map = rules.map(id);
                out.push('(');
                some(out, map.entries.iter(), map.entries.len(), " | ", |out, entry| {
                    all_of(out, rules, &map.fields, &entry.key);
                    out.push_str(" → ");
                    push_effect(out, rules, entry.effect);
                });
                out.push(')');
            }
        }
    }

    fn clause(&self) -> Option<Clause<'_>> {
        let rules = self.rules;
        let ranges = |values| match values {
            Values::Range(low, high) => Ranges::One(low.into(), high.into()),
            Values::Set(id) => Ranges::Many(rules.set(id)),
        };
        match self.step {
            Step::Test(Test::In { field, values, negate }) => {
                Some(Clause { rules, field, not: negate, mask: None, values: ranges(values) })
            }
            Step::Test(Test::Masked { field, mask, values, negate }) => {
                let mask = Some(rules.masks[mask as usize]);
                Some(Clause { rules, field, not: negate, mask, values: ranges(values) })
            }
            _ => None,
        }
    }
}

/// The first few of many, with a word about the others.
fn some<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    count: usize,
    separator: &str,
    push: impl Fn(&mut String, T),
) {
    for (index, item) in items.take(SHOWN).enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        push(out, item);
    }
    if count > SHOWN {
        out.push_str(" and ");
        push_number(out, (count - SHOWN) as u128);
        out.push_str(" more");
    }
}

/// The clauses of a product.
fn clauses<'a>(
    rules: &'a Ruleset,
    fields: &'a [Field],
    sides: &'a [Option<Set>],
) -> impl Iterator<Item = Clause<'a>> {
    let given = fields.iter().zip(sides).filter_map(|(field, set)| Some((*field, set.as_ref()?)));
    given.map(|(field, set)| Clause { rules, field, not: false, mask: None, values: Ranges::Many(set) })
}

fn all_of(out: &mut String, rules: &Ruleset, fields: &[Field], sides: &[Option<Set>]) {
    let start = out.len();
    for clause in clauses(rules, fields, sides) {
        if out.len() > start {
            out.push_str(" and ");
        }
        clause.push(out);
    }
    if out.len() == start {
        out.push_str("anything");
    }
}

impl Clause<'_> {
    fn push(&self, out: &mut String) {
        out.push_str(self.field.name());
        if let Some(mask) = self.mask {
            out.push_str(" & ");
            push_value(out, self.rules, self.field, mask, mask);
        }
        out.push_str(if self.not { " not " } else { " " });
        let push = |out: &mut String, (low, high)| push_value(out, self.rules, self.field, low, high);
        match self.values {
            Ranges::One(low, high) if low == high || self.field != Field::State => push(out, (low, high)),
            _ => {
                let ranges = self.ranges();
                some(out, ranges.iter().copied(), ranges.len(), ", ", push);
                if ranges.is_empty() {
                    out.push_str("nothing");
                }
            }
        }
    }

    /// The intervals. States are names without an order, so that their intervals mean nothing to people.
    fn ranges(&self) -> Vec<(u128, u128)> {
        let ranges = match self.values {
            Ranges::One(low, high) => vec![(low, high)],
            Ranges::Many(set) => set.ranges().to_vec(),
        };
        match self.field {
            Field::State => {
                ranges.iter().flat_map(|(low, high)| *low..=*high).map(|one| (one, one)).collect()
            }
            _ => ranges,
        }
    }
}

/// An interval of values as its field writes them.
fn push_value(out: &mut String, rules: &Ruleset, field: Field, low: u128, high: u128) {
    if low == high {
        push_one(out, rules, field, low);
    } else if (low, high) == (0, field.last()) {
        out.push_str("any");
    } else if matches!(field, Field::Iif | Field::Oif) {
        let prefix = interface_name(low);
        out.push_str(&prefix);
        if interface_prefix(&prefix) == (low, high) {
            out.push('+');
        } else {
            out.push_str(" to ");
            out.push_str(&interface_name(high));
        }
    } else if let Some(family) = field.family().filter(|_| field != Field::Ext) {
        push_network(out, family, low, high);
    } else if field == Field::Proto {
        push_number(out, low);
        out.push('-');
        push_number(out, high);
    } else {
        push_one(out, rules, field, low);
        out.push('-');
        push_one(out, rules, field, high);
    }
}

fn push_one(out: &mut String, rules: &Ruleset, field: Field, number: u128) {
    match field {
        Field::Src4 | Field::Dst4 | Field::OrigSrc4 | Field::OrigDst4 => {
            push_address(out, Family::V4, number)
        }
        Field::Src6 | Field::Dst6 | Field::OrigSrc6 | Field::OrigDst6 => {
            push_address(out, Family::V6, number)
        }
        Field::Iif | Field::Oif if number == 0 => out.push_str("none"),
        Field::Iif | Field::Oif => out.push_str(&interface_name(number)),
        Field::Proto => match names::protocol_name(number as u8) {
            Some(name) => out.push_str(name),
            None => push_number(out, number),
        },
        Field::State => match State::of(number) {
            Some(state) => out.push_str(state.name()),
            None => push_number(out, number),
        },
        Field::Tag => match (number as usize).checked_sub(1).and_then(|index| rules.tags.get(index)) {
            Some(name) => out.push_str(name),
            None => out.push_str("none"),
        },
        Field::Mark | Field::CtMark | Field::TcpFlags | Field::Ext | Field::Spi => push_hex(out, number),
        Field::SrcMac => {
            let bytes = &number.to_be_bytes()[10..];
            out.push_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"));
        }
        _ => push_number(out, number),
    }
}

/// `10.0.0.0/8`, or `10.0.0.1-10.0.0.9` where it is no network.
fn push_network(out: &mut String, family: Family, low: u128, high: u128) {
    let length = family.bits() - (low ^ high).count_ones();
    push_address(out, family, low);
    if family.prefix(low, length) == (low, high) {
        out.push('/');
        push_number(out, length.into());
    } else {
        out.push('-');
        push_address(out, family, high);
    }
}

fn push_address(out: &mut String, family: Family, number: u128) {
    match family.address(number) {
        IpAddr::V4(ip) => {
            for (index, byte) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push('.');
                }
                push_number(out, byte.into());
            }
        }
        IpAddr::V6(ip) => out.push_str(&ip.to_string()),
    }
}

fn push_hex(out: &mut String, number: u128) {
    out.push_str(&format!("{number:#x}"));
}

/// A number in decimal digits.
pub(super) fn push_number(out: &mut String, number: u128) {
    let Ok(mut rest) = u64::try_from(number) else {
        out.push_str(&number.to_string());
        return;
    };
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// A verdict in words.
pub(super) fn push_verdict(out: &mut String, verdict: Verdict) {
    match verdict {
        Verdict::Accept => out.push_str("accept"),
        Verdict::Drop => out.push_str("drop"),
        Verdict::Reject(Reply::TcpReset) => out.push_str("reject with a TCP reset"),
        Verdict::Reject(Reply::ResetOrUnreachable) => {
            out.push_str("reject with a TCP reset or port unreachable")
        }
        Verdict::Reject(Reply::Icmp { kind, code }) => {
            out.push_str(&format!("reject with ICMP type {kind} code {code}"));
        }
    }
}

fn push_effect(out: &mut String, rules: &Ruleset, effect: Effect) {
    let two = |out: &mut String, word: &str, name: &str| {
        out.push_str(word);
        out.push_str(name);
    };
    match effect {
        Effect::Verdict(end) => push_verdict(out, end),
        Effect::Jump(id) => two(out, "jump to ", &rules.chain(id).name),
        Effect::Goto(id) => two(out, "go to ", &rules.chain(id).name),
        Effect::Return => out.push_str("return"),
        Effect::NextRule => out.push_str("next rule"),
        Effect::Pend(end) => {
            push_verdict(out, end);
            out.push_str(" unless a later rule decides");
        }
        Effect::Settle => out.push_str("decide as pending"),
        Effect::Mark(op) => push_mark(out, "packet mark", op),
        Effect::CtMark(op) => push_mark(out, "connection mark", op),
        Effect::SaveMark(mask) => out.push_str(&format!("save mark, mask {mask:#x}")),
        Effect::RestoreMark(mask) => out.push_str(&format!("restore mark, mask {mask:#x}")),
        Effect::Forget(field) => two(out, field.name(), " becomes unknown"),
        Effect::Tag(tag) => {
            out.push_str("tag ");
            push_one(out, rules, Field::Tag, tag.into());
        }
        Effect::Set(field, number) => {
            two(out, field.name(), " becomes ");
            push_one(out, rules, field, number.into());
        }
        Effect::NoTrack => out.push_str("no tracking"),
        Effect::Helper(id) => two(out, "helper ", &rules.helpers[id.0 as usize]),
        Effect::Nat(id) => push_nat(out, rules.nat(id)),
        Effect::KeepState(true) => out.push_str("replies pass"),
        Effect::KeepState(false) => out.push_str("replies need rules"),
        Effect::Undefined(id) => two(out, "unknown: ", &rules.condition(id).name),
    }
}

fn push_mark(out: &mut String, which: &str, op: MarkOp) {
    out.push_str(which);
    match op.clear {
        u32::MAX => out.push_str(&format!(" becomes {:#x}", op.flip)),
        clear => out.push_str(&format!(" loses bits {clear:#x}, turns over bits {:#x}", op.flip)),
    }
}

fn push_nat(out: &mut String, nat: &Nat) {
    out.push_str(if nat.destination { "translate the destination" } else { "translate the source" });
    match &nat.addr {
        NatAddr::Keep => {}
        NatAddr::Pool(family, low, high) => {
            out.push_str(if low == high { " to " } else { " to one of " });
            match low == high {
                true => push_address(out, *family, *low),
                false => push_network(out, *family, *low, *high),
            }
        }
        NatAddr::Prefix(family, base, length) => {
            out.push_str(&format!(" into {}/{length}", family.address(*base)));
        }
        NatAddr::Interface => out.push_str(" to the interface's address"),
        NatAddr::Loopback => out.push_str(" to the loopback address"),
        NatAddr::Unknown => out.push_str(" to an address that the file does not tell"),
    }
    match nat.port {
        NatPort::Keep => {}
        NatPort::Pool(low, high) if low == high => out.push_str(&format!(", port {low}")),
        NatPort::Pool(low, high) => out.push_str(&format!(", port {low}-{high}")),
        NatPort::Random(low, high) => out.push_str(&format!(", some port of {low}-{high}")),
        NatPort::Shift(by) => out.push_str(&format!(", port moved by {}", by as i16)),
        NatPort::Unknown => out.push_str(", port that the file does not tell"),
    }
}

impl StepWords<'_> {
    /// Writes `{"match": {…}}`, `{"any": {"not", "products"}}`, `{"unknown": name}`, `{"never": true}`,
    /// `{"effect": words}` or `{"lookup": [{"key", "effect"}]}`.
    pub(super) fn push_json(self, out: &mut String) {
        let rules = self.rules;
        match self.step {
            Step::Test(Test::In { .. } | Test::Masked { .. }) => {
                out.push_str("{\"match\":");
                self.clause().iter().for_each(|clause| clause.push_json(out));
            }
            Step::Test(Test::Tuple { tuples, negate }) => {
                let tuples = rules.tuple(tuples);
                out.push_str(if negate { "{\"any\":{\"not\":true" } else { "{\"any\":{\"not\":false" });
                out.push_str(",\"products\":");
                let product = |out: &mut String, sides: &Vec<Option<Set>>| {
                    let clauses = clauses(rules, &tuples.fields, sides);
                    list(out, clauses, |out, clause| clause.push_json(out));
                };
                list(out, tuples.boxes.iter(), product);
                out.push('}');
            }
            Step::Test(Test::Unknown { cond, negate }) => {
                out.push_str(if negate { "{\"unknown-not\":" } else { "{\"unknown\":" });
                quoted(out, |out| out.push_str(&rules.condition(cond).name));
            }
            Step::Test(Test::Never) => out.push_str("{\"never\":true"),
            Step::Effect(effect) => {
                out.push_str("{\"effect\":");
                quoted(out, |out| push_effect(out, rules, effect));
            }
            Step::Lookup(id) => {
                let map = rules.map(id);
                out.push_str("{\"lookup\":");
                let entry = |out: &mut String, entry: &MapEntry| {
                    out.push_str("{\"key\":");
                    let clauses = clauses(rules, &map.fields, &entry.key);
                    list(out, clauses, |out, clause| clause.push_json(out));
                    out.push_str(",\"effect\":");
                    quoted(out, |out| push_effect(out, rules, entry.effect));
                    out.push('}');
                };
                list(out, map.entries.iter(), entry);
            }
        }
        out.push('}');
    }
}

impl Clause<'_> {
    fn push_json(&self, out: &mut String) {
        let value = |out: &mut String, (low, high)| {
            quoted(out, |out| push_value(out, self.rules, self.field, low, high));
        };
        out.push_str("{\"field\":\"");
        out.push_str(self.field.name());
        out.push_str(if self.not { "\",\"not\":true" } else { "\",\"not\":false" });
        if let Some(mask) = self.mask {
            out.push_str(",\"mask\":");
            value(out, (mask, mask));
        }
        out.push_str(",\"values\":");
        list(out, self.ranges().into_iter(), value);
        out.push('}');
    }
}

/// A JSON array.
pub(super) fn list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

/// A JSON string of what is pushed.
pub(super) fn quoted(out: &mut String, push: impl FnOnce(&mut String)) {
    out.push('"');
    let start = out.len();
    push(out);
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if out.as_bytes()[start..].iter().all(plain) {
        out.push('"');
    } else {
        let text = out.split_off(start);
        out.pop();
        out.push_str(&report::json_text(&text));
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
        build.rule(chain, Span::default());
        let rules = build.finish();
        let steps = rules.steps_of(&rules.chains[0].rules[0]);
        let words: Vec<StepWords> =
            steps.iter().map(|step| StepWords { rules: &rules, step: *step }).collect();
        let say = |words: &StepWords| {
            let mut out = String::new();
            words.push(&mut out);
            out
        };
        let text: Vec<String> = words.iter().map(say).collect();
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
        let mut text = String::new();
        list(&mut text, words.iter(), |out, step| step.push_json(out));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json[0]["match"]["values"], serde_json::json!(["10.0.0.0/8", "11.0.0.1-11.0.0.9"]));
        assert_eq!(json[4]["match"]["values"].as_array().unwrap().len(), 20);
        assert_eq!(json[7]["unknown"], "limit");
        assert_eq!(json[12]["effect"], "reject with ICMP type 3 code 3");
    }
}
