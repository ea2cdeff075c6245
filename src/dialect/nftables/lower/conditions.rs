//! What rules ask for and no file tells: conditions by name.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Lower;
use super::context::Context;
use super::lens::{Lens, View};
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::Spec;
use crate::dialect::nftables::syntax::{Expr, ExprKind, Meter, RelOp};
use crate::dialect::nftables::types::Type;
use crate::model::{CondId, Condition, Effect, Nature, Test};
use crate::packet::{Family, Field, Set, interface_name};

/// How many intervals the name of a condition spells out.
const MAX_NAMED: usize = 12;

/// A chain: its table, and its place in it.
type Place = (usize, usize);

/// Something that a rule looks at and that the model has no field for.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Hidden {
    /// Its name, as it is written: `meta skuid`.
    pub name: String,
    /// Whether no file tells it, rather than that the model falls short of the language.
    pub outside: bool,
    /// Whether a packet may lack it: then it neither matches nor, with `!=`, does not.
    pub absent: bool,
    /// On what it hangs.
    pub on: On,
}

/// On what a hidden value hangs.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum On {
    /// On these fields of the packet.
    Fields(Vec<Field>),
    /// On all of the packet.
    Packet,
    /// On all of the packet, but rules can set it.
    Settable,
    /// On the clock.
    Clock,
    /// On chance.
    Chance,
    /// On the traffic so far: it starts at zero, and grows.
    Traffic,
    /// It is this for what honest senders send.
    Honest(u128),
    /// It is there only in packets that no honest sender makes.
    Forged,
    /// The interface that the source is reached by: for honest senders, the one that the packet came in by.
    WayBack(Vec<Field>),
}

/// What is asked of a hidden value.
pub(super) enum Asked<'a> {
    /// That it is among these.
    In(&'a Set),
    /// That it is what these words say.
    Words(String),
}

impl Hidden {
    /// Something that no file tells, and that every packet has.
    pub(super) fn new(name: impl Into<String>, on: On) -> Hidden {
        Hidden { name: name.into(), outside: true, absent: false, on }
    }

    /// A part of a packet that the model has no field for.
    pub(super) fn unmodelled(name: impl Into<String>) -> Hidden {
        Hidden { name: name.into(), outside: false, absent: false, on: On::Settable }
    }

    /// The same for what a packet may lack.
    pub(super) fn or_absent(self) -> Hidden {
        Hidden { absent: true, ..self }
    }
}

impl Lower<'_> {
    /// A name that is the chain's own, see [`crate::model::Builder::numbered`].
    fn numbered(&mut self, place: Place, kind: &str, text: &str) -> String {
        let chain = self.chain_name(place);
        self.builder.numbered(kind, &chain, text)
    }

    /// A condition that answers for itself wherever it is written. The ways into which a rule is split share it.
    fn kept(&mut self, key: String, make: impl FnOnce(&mut Self) -> Condition) -> CondId {
        let key = (self.stmt_at, key);
        if let Some(cond) = self.rule_conds.get(&key) {
            return *cond;
        }
        let condition = make(self);
        let cond = self.builder.condition(condition);
        self.rule_conds.insert(key, cond);
        cond
    }

    /// The same, with a name that is the chain's own.
    fn own_condition(&mut self, place: Place, kind: &str, text: &str, nature: Nature) -> CondId {
        self.kept(format!("{kind} {text}"), |lower| {
            let name = lower.numbered(place, kind, text);
            Condition { nature, ..Condition::chance(name) }
        })
    }

    /// A condition that is known by name, or that answers for itself here.
    pub(super) fn condition(&mut self, condition: Condition) -> CondId {
        if condition.each_its_own() {
            self.kept(condition.name.clone(), |_| condition)
        } else {
            self.builder.condition(condition)
        }
    }

    /// Tests a condition, unless nothing follows in the rule that it could keep from happening.
    pub(super) fn ask(&mut self, cx: &mut Context, negate: bool, cond: impl FnOnce(&mut Self) -> CondId) {
        if !self.idle {
            let cond = cond(self);
            cx.test(Test::Unknown { cond, negate });
        }
    }

    /// Tests something of which nothing is known but its name.
    pub(super) fn chance(&mut self, cx: &mut Context, kind: &str, text: &str) {
        let place = (cx.table, cx.chain);
        self.ask(cx, false, |lower| lower.own_condition(place, kind, text, Nature::Chance));
    }

    /// Nobody knows what happens: a program or another part of the system decides.
    pub(super) fn undefined(&mut self, cx: &mut Context, kind: &str, text: &str) {
        let cond = self.own_condition((cx.table, cx.chain), kind, text, Nature::Chance);
        cx.effect(Effect::Undefined(cond));
    }

    /// `limit`, `quota`, `ct count`: honest traffic stays within.
    pub(super) fn meter(&mut self, cx: &mut Context, meter: &Meter) {
        let place = (cx.table, cx.chain);
        let nature = Nature::Rate { within: !meter.over };
        self.ask(cx, false, |lower| lower.own_condition(place, meter.kind, &meter.text, nature));
    }

    /// A limit or quota that is an object of the table. All that name it draw on one bucket: what one place takes
    /// another one lacks, so that each still answers for itself.
    pub(super) fn shared_meter(&mut self, cx: &mut Context, kind: &str, name: &str, over: bool) {
        let condition = Condition::rate(format!("{kind} {name}"), !over);
        self.ask(cx, false, |lower| lower.condition(condition));
    }

    /// Tests that a hidden value is, or with `negate` is not, what is asked.
    pub(super) fn hidden_test(
        &mut self,
        cx: &mut Context,
        lens: &Lens,
        hidden: &Hidden,
        asked: Asked<'_>,
        negate: bool,
    ) {
        if !hidden.outside {
            self.unsupported(cx.span, &hidden.name);
        }
        let (asked, negate) = canonical(lens, asked, negate);
        if negate && hidden.absent && !self.drawn_on(hidden) {
            let forged = matches!(hidden.on, On::Honest(_) | On::Forged);
            self.ask(cx, false, |lower| {
                lower.builder.condition(if forged {
                    Condition::forgery(hidden.name.clone(), false)
                } else {
                    Condition::elsewhere(hidden.name.clone())
                })
            });
        }
        let place = (cx.table, cx.chain);
        self.ask(cx, negate, |lower| lower.hidden_condition(place, lens, hidden, &asked));
    }

    /// Whether a hidden value comes out anew at each place.
    fn drawn_on(&self, hidden: &Hidden) -> bool {
        matches!(hidden.on, On::Chance | On::Traffic) || hidden.on == On::Settable && self.sets_hidden
    }

    fn hidden_condition(&mut self, place: Place, lens: &Lens, hidden: &Hidden, asked: &Named) -> CondId {
        let transform = if asked.flags { String::new() } else { lens.transform() };
        let (name, text) = (format!("{}{transform}", hidden.name), &asked.text);
        let shown = |value: u128| asked.set.as_ref().is_some_and(|set| set.contains(lens.shows(value)));
        let full = format!("{name} {text}");
        let full = full.trim_end();
        let condition = match &hidden.on {
            On::Traffic => {
                let (first, last) = (shown(0), shown(lens.spec.last()));
                let one_sided =
                    asked.set.as_ref().is_some_and(|set| set.ranges().len() == 1) && first != last;
                let nature = if one_sided { Nature::Rate { within: first } } else { Nature::Chance };
                return self.own_condition(place, &name, text, nature);
            }
            _ if asked.long || self.drawn_on(hidden) => {
                return self.own_condition(place, &name, text, Nature::Chance);
            }
            On::Chance => return self.own_condition(place, &name, text, Nature::Chance),
            On::Settable | On::Packet => Condition::elsewhere(full),
            On::Fields(fields) => Condition::of(full, fields.iter().copied()),
            On::Clock => Condition::global(full),
            On::Honest(value) => Condition::forgery(full, shown(*value)),
            On::Forged => Condition::forgery(full, false),
            On::WayBack(fields) => match &asked.set {
                Some(set) if *set == Set::one(0) => Condition::forgery(full, false),
                _ => Condition::of(full, fields.iter().copied()),
            },
        };
        self.builder.condition(condition)
    }

    /// A condition for a field of the model that is compared with what only the loading machine knows.
    pub(super) fn foreign_value(&mut self, cx: &mut Context, lens: &Lens, name: &str, negate: bool) {
        let fields = fields_of(&lens.view);
        let text = format!("{name}{}", lens.transform());
        self.ask(cx, negate, |lower| {
            lower.builder.condition(match fields {
                Some(fields) => Condition::of(text, fields),
                None => Condition::elsewhere(text),
            })
        });
    }

    /// The words of a comparison, where it is one with few words.
    pub(super) fn words(&self, op: RelOp, right: &Expr) -> Option<String> {
        let sign = match op {
            RelOp::Implicit | RelOp::Eq | RelOp::Ne => "",
            RelOp::Lt => "< ",
            RelOp::Gt => "> ",
            RelOp::Le => "<= ",
            RelOp::Ge => ">= ",
            RelOp::Neg => "! ",
        };
        Some(format!("{sign}{}", self.words_of(right, 4)?))
    }

    fn words_of(&self, expr: &Expr, depth: u32) -> Option<String> {
        let expr = plain(expr);
        let below = |expr: &Expr| self.words_of(expr, depth.checked_sub(1)?);
        Some(match &expr.kind {
            ExprKind::Number(number) => number.to_string(),
            ExprKind::Word | ExprKind::Text(_) => self.values.word(expr)?.to_string(),
            ExprKind::Bool(there) => if *there { "exists" } else { "missing" }.to_string(),
            ExprKind::Range(ends) => format!("{}-{}", below(&ends.0)?, below(&ends.1)?),
            ExprKind::Prefix(parts) => format!("{}/{}", below(&parts.0)?, parts.1),
            ExprKind::List(items) if items.len() <= MAX_NAMED => {
                items.iter().map(below).collect::<Option<Vec<_>>>()?.join(",")
            }
            _ => return None,
        })
    }

    /// The condition for what a named set or map holds.
    pub(super) fn set_condition(
        &mut self,
        cx: &Context,
        name: &str,
        map: bool,
        lenses: &[Lens],
    ) -> Condition {
        let kind = if map { "map" } else { "set" };
        let full = if self.ambiguous.contains(&(cx.table, name.into())) {
            let table = &self.config.tables[cx.table];
            format!("{kind} {} {} {name}", table.family.name(), table.name.text)
        } else {
            format!("{kind} {name}")
        };
        let mut fields = Vec::new();
        let mut shown = true;
        for lens in lenses {
            shown &= lens.is_plain();
            match fields_of(&lens.view) {
                Some(more) => fields.extend(more),
                None => shown = false,
            }
        }
        if self.unsteady.contains(&(cx.table, name.into())) || !lenses.iter().all(Lens::is_plain) {
            // Another key, or another time: the answer may be another one.
            return Condition { nature: Nature::Chance, ..Condition::of(full, fields) };
        }
        if shown { Condition::of(full, fields) } else { Condition::elsewhere(full) }
    }
}

/// The fields of the model that a view looks at; `None` where it is hidden.
pub(super) fn fields_of(view: &View) -> Option<Vec<Field>> {
    Some(match view {
        View::Field(field) | View::Coded(field, _) | View::Plus(field, _) => vec![*field],
        View::RestLength => vec![Field::Length, Field::Ext],
        View::FirstNextHeader => vec![Field::Ext, Field::Proto],
        View::Extension(_) => vec![Field::Ext],
        View::AddressType(true) => vec![Field::Src4, Field::Src6],
        View::AddressType(false) => vec![Field::Dst4, Field::Dst6],
        View::Status | View::Whole(_) | View::Hidden(_) | View::PartOf(..) => return None,
    })
}

/// What is asked, in words.
struct Named {
    set: Option<Set>,
    text: String,
    /// Whether the words leave something out.
    long: bool,
    /// Whether they name flags, any of which is set.
    flags: bool,
}

/// One way of saying it: `missing` is not `exists`, no flag of some is not any of them.
fn canonical(lens: &Lens, asked: Asked<'_>, negate: bool) -> (Named, bool) {
    let set = match asked {
        Asked::Words(text) => return (Named { set: None, text, long: false, flags: false }, negate),
        Asked::In(set) => set,
    };
    let none = *set == Set::one(0);
    if lens.spec.kind == Type::Boolean && !set.contains(1) && lens.is_plain() {
        let there = Set::one(1);
        return (
            Named { text: text_of(&there, lens.spec).0, set: Some(there), long: false, flags: false },
            !negate,
        );
    }
    if none && lens.spec.kind.is_flags() && lens.flip == 0 && lens.shift == 0 && !lens.is_plain() {
        let any = Set::one(0).not();
        let names: Vec<_> = (0..128u32)
            .filter(|bit| lens.mask >> bit & 1 != 0)
            .map(|bit| {
                lens.spec.kind.word_of(1 << bit).map_or(format!("{:#x}", 1u128 << bit), str::to_string)
            })
            .collect();
        return (Named { set: Some(any), text: names.join(","), long: false, flags: true }, !negate);
    }
    let (text, long) = text_of(set, lens.spec);
    (Named { set: Some(set.clone()), text, long, flags: false }, negate)
}

/// A set of values as people write it, and whether something is left out.
fn text_of(set: &Set, spec: Spec) -> (String, bool) {
    let ranges = set.ranges();
    let mut text = String::new();
    for (at, (lo, hi)) in ranges.iter().take(MAX_NAMED).enumerate() {
        let comma = if at > 0 { "," } else { "" };
        if *lo > 0 && lo < hi && *hi == spec.last() {
            let _ = write!(text, "{comma}>= {}", value_text(*lo, spec));
            continue;
        }
        let _ = write!(text, "{comma}{}", value_text(*lo, spec));
        if spec.kind == Type::FibType && hi - lo < 8 {
            for value in lo + 1..=*hi {
                let _ = write!(text, ",{}", value_text(value, spec));
            }
        } else if hi != lo {
            let _ = write!(text, "-{}", value_text(*hi, spec));
        }
    }
    (text, ranges.len() > MAX_NAMED)
}

fn value_text(value: u128, spec: Spec) -> String {
    match spec.kind {
        Type::Hour if value < 86_400 => {
            let (hour, minute, second) = (value / 3600, value / 60 % 60, value % 60);
            match second {
                0 => format!("{hour:02}:{minute:02}"),
                _ => format!("{hour:02}:{minute:02}:{second:02}"),
            }
        }
        Type::IfName | Type::IfIndex if value == 0 => "missing".to_string(),
        Type::IfName | Type::IfIndex => interface_name(value),
        Type::Ipv4Addr => Ipv4Addr::from(value as u32).to_string(),
        Type::Ipv6Addr => Ipv6Addr::from(value).to_string(),
        kind => kind.word_of(value).map_or_else(|| value.to_string(), str::to_string),
    }
}

/// The addresses that a packet has of a side, as far as its family is known.
pub(super) fn address_fields(cx: &Context, source: bool) -> Vec<Field> {
    let of = |family: Family| if source { Field::src(family) } else { Field::dst(family) };
    match cx.version() {
        Some(version) => vec![of(version)],
        None => vec![of(Family::V4), of(Family::V6)],
    }
}
