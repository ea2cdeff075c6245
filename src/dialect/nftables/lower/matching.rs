//! Comparisons as tests of the model.

use std::rc::Rc;

use super::Lower;
use super::conditions::{Asked, Hidden, On, fields_of};
use super::context::Context;
use super::lens::{Lens, View, shift};
use super::preimage::{masked_preimage, preimage};
use super::sets::{Keys, MAX_KEYS, Open};
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::{Eval, Fault};
use crate::dialect::nftables::syntax::{Expr, ExprKind, RelOp};
use crate::dialect::nftables::types::Type;
use crate::model::{Step, Test, Tuples, TuplesId, Values};
use crate::packet::{Family, Field, Set, State, ext};
use crate::source::Span;

/// Extension headers: the bit and the number, in the order of RFC 8200 section 4.1.
const EXTENSIONS: [(u128, u128); 5] =
    [(ext::HOP, 0), (ext::DST, 60), (ext::ROUTE, 43), (ext::FRAG, 44), (ext::AUTH, 51)];

/// Bits of `enum ip_conntrack_status`.
mod status {
    /// The source or the destination is translated.
    pub(super) const NAT: u128 = 0x30;
    /// Those, and expected, answered, assured, dying: what is known of a first packet's connection.
    pub(super) const OF_FIRST: u128 = NAT | 0x207;
}

/// The test of a lookup.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// No key can be there.
    Never,
    /// One field.
    In(Field, Values),
    /// Several, and the protocols that they leave.
    Tuple(TuplesId, Option<Set>),
}

impl Lower<'_> {
    /// `left op right`
    pub(super) fn compare(&mut self, cx: &mut Context, left: &Expr, op: RelOp, right: &Expr) -> Eval<()> {
        let by_name = matches!(right.kind, ExprKind::Ref(_));
        let (left, right) = (plain(left), plain(right));
        let lenses = self.key_lenses(cx, left)?;
        // A key is at most sixteen registers of 32 bits (NFT_REG32_COUNT).
        let bits: u32 = lenses.iter().map(|lens| lens.spec.bits.next_multiple_of(32)).sum();
        if lenses.len() > 1 && bits > 512 {
            return Err(Fault::Refused(
                left.span,
                format!("a key of {bits} bits, more than the 512 that there may be"),
            ));
        }
        let negate = op == RelOp::Ne;
        let member = matches!(op, RelOp::Implicit | RelOp::Eq | RelOp::Ne);
        match &right.kind {
            ExprKind::Set(_) | ExprKind::SetRef(_) if !member => {
                Err(Fault::Refused(right.span, "a set is only for `==` and `!=`".to_string()))
            }
            ExprKind::Set(elements) => {
                if elements.is_empty() {
                    return Err(Fault::Refused(right.span, "the set is empty".to_string()));
                }
                let specs: Vec<_> = lenses.iter().map(|lens| lens.spec).collect();
                if by_name {
                    let keys = self.variable_keys(elements, specs)?;
                    return self.look_up_again(cx, right.span, lenses, &keys, negate);
                }
                let keys = self.keys(elements, &specs)?;
                self.look_up(cx, &lenses, &keys, negate).map(drop)
            }
            ExprKind::SetRef(name) => {
                let keys = self.named_keys(cx, name, right.span, &lenses)?;
                self.look_up_again(cx, right.span, lenses, &keys, negate)
            }
            _ => match &lenses[..] {
                [lens] => self.compare_one(cx, lens.clone(), op, right),
                _ => Err(Fault::Refused(
                    right.span,
                    "a concatenation is compared with a set, not with one value".to_string(),
                )),
            },
        }
    }

    fn compare_one(&mut self, cx: &mut Context, mut lens: Lens, op: RelOp, right: &Expr) -> Eval<()> {
        let interval = matches!(right.kind, ExprKind::Range(_) | ExprKind::Prefix(_));
        if lens.spec.kind.is_flags() && !interval && matches!(op, RelOp::Implicit | RelOp::Neg) {
            let bits = self.values.exact(right, lens.spec)?;
            lens.mask &= bits;
            lens.flip &= bits;
            return self.test_values(cx, &lens, &Set::one(0), op == RelOp::Implicit);
        }
        if op == RelOp::Neg {
            return Err(Fault::Refused(
                right.span,
                "`!` is for single flags only, `!=` compares".to_string(),
            ));
        }
        if let View::Hidden(hidden) = &lens.view
            && let Some(()) = self.hidden_words(cx, &lens, &hidden.clone(), op, right)?
        {
            return Ok(());
        }
        let (lo, hi) = match self.values.interval(right, lens.spec) {
            Err(Fault::Unknown(name, true)) if matches!(op, RelOp::Implicit | RelOp::Eq | RelOp::Ne) => {
                self.presence(cx, &lens);
                self.foreign_value(cx, &lens, &name, op == RelOp::Ne);
                return Ok(());
            }
            other => other?,
        };
        let exact = matches!(op, RelOp::Implicit | RelOp::Eq | RelOp::Ne) && lens.is_plain();
        if let (View::Field(field), Ok(lo32), Ok(hi32)) = (&lens.view, u32::try_from(lo), u32::try_from(hi))
            && exact
            && lo <= hi
            && *field != Field::Proto
        {
            self.presence(cx, &lens);
            let values = Values::Range(lo32, hi32);
            cx.test(Test::In { field: *field, values, negate: op == RelOp::Ne });
            return Ok(());
        }
        let ordered = matches!(op, RelOp::Lt | RelOp::Gt | RelOp::Le | RelOp::Ge);
        if ordered && interval {
            return Err(Fault::Refused(
                right.span,
                "`<` and `>` compare with one value, not with a range".to_string(),
            ));
        }
        let set = match op {
            RelOp::Lt => lo.checked_sub(1).map_or_else(Set::empty, |last| Set::range(0, last)),
            RelOp::Le => Set::range(0, lo),
            RelOp::Gt => {
                lo.checked_add(1).map_or_else(Set::empty, |first| Set::range(first, lens.spec.last()))
            }
            RelOp::Ge => Set::range(lo, lens.spec.last()),
            _ if lo > hi => Set::range(0, hi).or(&Set::range(lo, lens.spec.last())),
            _ => Set::range(lo, hi),
        };
        self.test_values(cx, &lens, &set, op == RelOp::Ne)
    }

    /// Compares what is hidden with what has no number here: whether it is there at all, a date, a name.
    fn hidden_words(
        &mut self,
        cx: &mut Context,
        lens: &Lens,
        hidden: &Hidden,
        op: RelOp,
        right: &Expr,
    ) -> Eval<Option<()>> {
        let negate = op == RelOp::Ne;
        if let ExprKind::Bool(there) = right.kind
            && lens.spec.kind != Type::Boolean
        {
            self.presence(cx, lens);
            self.hidden_test(cx, lens, hidden, Asked::In(&Set::one(0)), negate != there);
            return Ok(Some(()));
        }
        match self.values.interval(right, lens.spec) {
            Err(Fault::Unknown(..)) => {}
            _ => return Ok(None),
        }
        self.presence(cx, lens);
        match self.words(op, right) {
            Some(words) => self.hidden_test(cx, lens, hidden, Asked::Words(words), negate),
            None => self.chance(cx, &hidden.name, ""),
        }
        Ok(Some(()))
    }

    /// Tests that what the lens shows is, or with `negate` is not, among values of nft.
    pub(super) fn test_values(&mut self, cx: &mut Context, lens: &Lens, set: &Set, negate: bool) -> Eval<()> {
        self.presence(cx, lens);
        if let Some((field, values)) = preimage(lens, set) {
            if values.is_empty() && !negate {
                cx.test(Test::Never);
                return Ok(());
            }
            self.learn(cx, field, &values, negate);
            let values = self.builder.values(values);
            cx.test(Test::In { field, values, negate });
            return Ok(());
        }
        if let View::Field(field) = lens.view
            && let Some((mask, values)) = masked_preimage(lens, set)
        {
            let mask = self.builder.mask(mask);
            let values = self.builder.values(values);
            cx.test(Test::Masked { field, mask, values, negate });
            return Ok(());
        }
        let shown = |value: u128| set.contains(shift(value ^ lens.flip, lens.shift)) != negate;
        match &lens.view {
            View::Whole(open) if lens.mask & open == 0 => {
                if !shown(0) {
                    cx.test(Test::Never);
                }
            }
            View::Extension(_) if shown(0) && shown(1) => {}
            View::Extension(bits) if shown(0) || shown(1) => {
                let test = self.extension(*bits, shown(0));
                cx.test(test);
            }
            View::Extension(_) => cx.test(Test::Never),
            View::FirstNextHeader => {
                self.first_next_header(cx, |number| shown(number & lens.mask));
            }
            View::Status if lens.mask & !status::OF_FIRST == 0 => {
                if lens.mask & !status::NAT != 0 {
                    self.later_status(cx, lens, set, negate);
                }
                self.translated_status(cx, |bits| shown(bits & lens.mask));
            }
            View::RestLength if lens.is_plain() => self.rest_length(cx, lens, set, negate),
            View::AddressType(source) if lens.is_plain() => self.address_type(cx, *source, set, negate),
            // The bytes of a port are there whatever they are: every value of them matches.
            View::Hidden(_)
                if lens.spec.kind == Type::Service && set.covers(&Set::range(0, lens.spec.last())) =>
            {
                if negate {
                    cx.test(Test::Never);
                }
            }
            View::PartOf(protocol, part) => self.part_test(cx, lens, (*protocol, part), set, negate),
            view => {
                let hidden = hidden_of(view);
                self.hidden_test(cx, lens, &hidden, Asked::In(set), negate);
            }
        }
        Ok(())
    }

    /// The next header that the IPv6 header names.
    fn first_next_header(&mut self, cx: &mut Context, shown: impl Fn(u128) -> bool) {
        let boxes = first_next_header(self.whole, &shown);
        if !EXTENSIONS.iter().any(|(_, number)| shown(*number)) {
            cx.keep_protocols(&Set::where_(255, |number| shown(number.into())));
        }
        self.tuple(cx, vec![Field::Ext, Field::Proto], boxes);
    }

    /// The bits of the status that translation sets.
    fn translated_status(&mut self, cx: &mut Context, shown: impl Fn(u128) -> bool) {
        let both = [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter();
        let held = both.filter(|(snat, dnat)| shown(snat << 4 | dnat << 5));
        let boxes = held.map(|(snat, dnat)| vec![Some(Set::one(snat)), Some(Set::one(dnat))]).collect();
        self.tuple(cx, vec![Field::Snat, Field::Dnat], boxes);
    }

    /// The status of a connection that has had packets: what it is nobody knows. The way that goes on is that of
    /// first packets, whose connections are neither expected nor answered, assured or dying.
    fn later_status(&mut self, cx: &mut Context, lens: &Lens, set: &Set, negate: bool) {
        let new = self.builder.range(State::New as u128, State::New as u128);
        let first = |negate| Test::In { field: Field::State, values: new, negate };
        let mut later = cx.clone();
        later.forks.clear();
        later.test(first(true));
        self.hidden_test(&mut later, lens, &hidden_of(&View::Status), Asked::In(set), negate);
        cx.forks.push(later);
        cx.test(first(false));
    }

    /// Tests the length of what is behind the network header: 20 bytes in IPv4, which has options in no honest
    /// packet, 40 in IPv6 and more where there are extension headers.
    fn rest_length(&mut self, cx: &mut Context, lens: &Lens, set: &Set, negate: bool) {
        let rest = Set::range(0, lens.spec.last());
        let wanted = if negate { rest.minus(set) } else { rest.and(set) };
        let longer = |lower: &mut Self, cx: &mut Context, header: u128| {
            let set = Set::of(wanted.ranges().iter().map(|(lo, hi)| (lo + header, hi + header)));
            let values = lower.builder.values(set);
            cx.test(Test::In { field: Field::Length, values, negate: false });
        };
        if cx.version() == Some(Family::V4) {
            return longer(self, cx, 20);
        }
        if cx.version().is_none() {
            let mut v4 = cx.clone();
            v4.forks.clear();
            v4.require_version(Family::V4);
            longer(self, &mut v4, 20);
            cx.forks.push(v4);
            cx.require_version(Family::V6);
        }
        let headers = EXTENSIONS.iter().fold(0, |bits, (bit, _)| bits | bit);
        let mut extended = cx.clone();
        extended.forks.clear();
        let test = self.extension(headers, false);
        extended.test(test);
        let part = Hidden::unmodelled("udp length");
        self.hidden_test(&mut extended, lens, &part, Asked::In(set), negate);
        cx.forks.push(extended);
        let test = self.extension(headers, true);
        cx.test(test);
        longer(self, cx, 40);
    }

    /// Tests whether packets of a protocol have a part: those of other protocols do not.
    fn part_test(
        &mut self,
        cx: &mut Context,
        lens: &Lens,
        (protocol, part): (u8, &Hidden),
        set: &Set,
        negate: bool,
    ) {
        let number = u32::from(protocol);
        let is = |negate| Test::In { field: Field::Proto, values: Values::Range(number, number), negate };
        match (set.contains(0) != negate, set.contains(1) != negate) {
            (true, true) => {}
            (false, false) => cx.test(Test::Never),
            (lacks, _) => {
                if lacks {
                    let mut other = cx.clone();
                    other.forks.clear();
                    other.test(is(true));
                    cx.forks.push(other);
                }
                cx.test(is(false));
                self.hidden_test(cx, lens, part, Asked::In(&Set::one(1)), lacks);
            }
        }
    }

    fn tuple(&mut self, cx: &mut Context, fields: Vec<Field>, boxes: Vec<Vec<Option<Set>>>) {
        let tuples = self.builder.tuples(Tuples { fields, boxes });
        cx.test(Test::Tuple { tuples, negate: false });
    }

    /// Tests that the packet has what the lens shows.
    pub(super) fn presence(&mut self, cx: &mut Context, lens: &Lens) {
        for test in &lens.presence {
            if !cx.steps.contains(&Step::Test(*test)) {
                cx.test(*test);
            }
        }
    }

    /// Keeps in mind what a test says of family and protocol.
    fn learn(&mut self, cx: &mut Context, field: Field, values: &Set, negate: bool) {
        match field {
            Field::Proto if negate => cx.keep_protocols(&Set::range(0, 255).minus(values)),
            Field::Proto => cx.keep_protocols(values),
            Field::Version if !negate => match values.single() {
                Some(4) => cx.pin_version(Family::V4),
                Some(6) => cx.pin_version(Family::V6),
                _ => {}
            },
            _ => {}
        }
    }

    /// Tests that a key is, or is not, among keys that several rules look up: what was made for one serves all.
    fn look_up_again(
        &mut self,
        cx: &mut Context,
        span: Span,
        lenses: Vec<Lens>,
        keys: &Rc<Keys>,
        negate: bool,
    ) -> Eval<()> {
        let key = Rc::as_ptr(keys) as usize;
        let known = self.known_lookups.get(&key).map_or(&[][..], Vec::as_slice);
        let known = known.iter().take(MAX_KEYS).find(|(of, _)| *of == lenses).map(|(_, seen)| seen.clone());
        if let Some(seen) = known {
            lenses.iter().for_each(|lens| self.presence(cx, lens));
            self.apply(cx, &seen, negate);
            return Ok(());
        }
        self.values.spend_many(span, keys.len())?;
        if let Some(seen) = self.look_up(cx, &lenses, keys, negate)? {
            self.known_lookups.entry(key).or_default().push((lenses, seen));
        }
        Ok(())
    }

    /// Adds the test of a lookup.
    fn apply(&mut self, cx: &mut Context, seen: &Seen, negate: bool) {
        match seen {
            Seen::Never if negate => {}
            Seen::Never => cx.test(Test::Never),
            Seen::In(field, values) => cx.test(Test::In { field: *field, values: *values, negate }),
            Seen::Tuple(tuples, protocols) => {
                if let (Some(protocols), false) = (protocols, negate) {
                    cx.keep_protocols(protocols);
                }
                cx.test(Test::Tuple { tuples: *tuples, negate });
            }
        }
    }

    /// Tests that a key is, or is not, among keys. Gives the test where it serves other rules as well.
    fn look_up(
        &mut self,
        cx: &mut Context,
        lenses: &[Lens],
        keys: &Keys,
        negate: bool,
    ) -> Eval<Option<Seen>> {
        if let Some(open) = &keys.open {
            lenses.iter().for_each(|lens| self.presence(cx, lens));
            match open {
                Open::Set(name) => {
                    let condition = self.set_condition(cx, name, false, lenses);
                    self.ask(cx, negate, |lower| lower.condition(condition));
                }
                Open::Named(name) => self.chance(cx, name, ""),
            }
            return Ok(None);
        }
        lenses.iter().for_each(|lens| self.presence(cx, lens));
        if let ([lens], Some(set)) = (lenses, &keys.single) {
            return match preimage(lens, set) {
                Some((field, values)) if !matches!(field, Field::Proto | Field::Version) => {
                    let empty = values.is_empty();
                    let values = self.builder.values(values);
                    let seen = if empty { Seen::Never } else { Seen::In(field, values) };
                    // A field that is not there fails the negated test as well.
                    let seen = if empty && negate { Seen::In(field, values) } else { seen };
                    self.apply(cx, &seen, negate);
                    Ok(Some(seen).filter(|_| !empty))
                }
                _ => self.test_values(cx, lens, set, negate).map(|()| None),
            };
        }
        let (tuples, protocols, hidden) = self.shown(lenses, &keys.boxes);
        let Some(hidden) = hidden else {
            let seen = tuples.map_or(Seen::Never, |tuples| Seen::Tuple(tuples, protocols));
            self.apply(cx, &seen, negate);
            return Ok(Some(seen));
        };
        if let (Some(protocols), false) = (&protocols, negate) {
            cx.keep_protocols(protocols);
        }
        if let (true, Some(tuples)) = (negate, tuples) {
            // What is not even in the parts that are seen is certainly not in the set.
            let mut other = cx.clone();
            other.forks.clear();
            other.test(Test::Tuple { tuples, negate: true });
            cx.forks.push(other);
        }
        if let Some(tuples) = tuples {
            cx.test(Test::Tuple { tuples, negate: false });
        }
        if !hidden.outside {
            self.unsupported(cx.span, &hidden.name);
        }
        self.chance(cx, &hidden.name, "in a key");
        Ok(None)
    }

    /// The parts of keys that are seen, as a test, the protocols that it leaves, and a part that is hidden.
    fn shown(
        &mut self,
        lenses: &[Lens],
        keys: &[Box<[(u128, u128)]>],
    ) -> (Option<TuplesId>, Option<Set>, Option<Rc<Hidden>>) {
        let shown: Vec<usize> =
            (0..lenses.len()).filter(|at| preimage(&lenses[*at], &Set::empty()).is_some()).collect();
        let hidden = (0..lenses.len()).find(|at| !shown.contains(at)).map(|at| hidden_of(&lenses[at].view));
        if shown.is_empty() {
            return (None, None, hidden);
        }
        let mut fields = Vec::new();
        let mut boxes = Vec::with_capacity(keys.len());
        for sides in keys {
            let sides: Vec<_> = shown
                .iter()
                .filter_map(|at| preimage(&lenses[*at], &Set::range(sides[*at].0, sides[*at].1)))
                .collect();
            fields = sides.iter().map(|(field, _)| *field).collect();
            if sides.iter().all(|(_, set)| !set.is_empty()) {
                boxes.push(sides.into_iter().map(|(_, set)| Some(set)).collect::<Vec<_>>());
            }
        }
        if boxes.is_empty() && hidden.is_none() {
            return (None, None, None);
        }
        let mut protocols = None;
        for (at, field) in fields.iter().enumerate() {
            if *field == Field::Proto {
                let all = boxes
                    .iter()
                    .filter_map(|sides| sides[at].clone())
                    .fold(Set::empty(), |all, s| all.or(&s));
                protocols = Some(all);
            }
        }
        (Some(self.builder.tuples(Tuples { fields, boxes })), protocols, hidden)
    }

    /// `fib saddr type` and `fib daddr type`.
    fn address_type(&mut self, cx: &mut Context, source: bool, types: &Set, negate: bool) {
        let fields = if source { [Field::Src4, Field::Src6] } else { [Field::Dst4, Field::Dst6] };
        let wanted = |kind: u128| types.contains(kind) != negate;
        let version = cx.version();
        let seen = |(set4, set6): (Set, Set)| match version {
            Some(Family::V4) => (set4, Set::empty()),
            Some(Family::V6) => (Set::empty(), set6),
            None => (set4, set6),
        };
        let known = seen(self.addresses.of_kinds(wanted));
        let open = seen(self.addresses.open(wanted));
        let mut open_cx = cx.clone();
        open_cx.forks.clear();
        let pair = |set4: &Set, set6: &Set| {
            let mut boxes = Vec::new();
            if !set4.is_empty() {
                boxes.push(vec![Some(set4.clone()), None]);
            }
            if !set6.is_empty() {
                boxes.push(vec![None, Some(set6.clone())]);
            }
            boxes
        };
        self.tuple(cx, fields.to_vec(), pair(&known.0, &known.1));
        let boxes = pair(&open.0, &open.1);
        if !boxes.is_empty() && !self.idle {
            self.tuple(&mut open_cx, fields.to_vec(), boxes);
            let side = if source { "saddr" } else { "daddr" };
            let lens = Lens::of_type(Type::FibType);
            let kind = Hidden::new(format!("fib {side} type"), On::Fields(fields.to_vec()));
            self.hidden_test(&mut open_cx, &lens, &kind, Asked::In(types), negate);
            cx.forks.push(open_cx);
        }
    }
}

/// What is hidden where a view cannot be tested.
fn hidden_of(view: &View) -> Rc<Hidden> {
    let computed = |name: &str, on| Rc::new(Hidden { outside: true, on, ..Hidden::unmodelled(name) });
    match view {
        View::Hidden(hidden) | View::PartOf(_, hidden) => hidden.clone(),
        View::Status => computed("ct status", On::Packet),
        View::Whole(_) => Rc::new(Hidden::unmodelled("ip frag-off")),
        View::RestLength => Rc::new(Hidden::unmodelled("udp length")),
        view => match fields_of(view) {
            Some(fields) => computed(&format!("bits of {:?}", fields[0]), On::Fields(fields)),
            None => computed("a computed value", On::Chance),
        },
    }
}

/// The products of extension headers and protocols in which the first next-header number is shown.
fn first_next_header(whole: bool, shown: impl Fn(u128) -> bool) -> Vec<Vec<Option<Set>>> {
    let hidden = if whole { ext::FRAG } else { 0 };
    let headers = EXTENSIONS.iter().fold(0, |bits, (bit, _)| bits | bit) & !hidden;
    let first = |present: u128| {
        EXTENSIONS.iter().find(|(bit, _)| present & headers & bit != 0).map(|(_, number)| *number)
    };
    let extended = Set::where_(255, |present| first(u128::from(present)).is_some_and(&shown));
    let none = Set::where_(255, |present| u128::from(present) & headers == 0);
    let protocols = Set::where_(255, |number| shown(u128::from(number)));
    let mut boxes = Vec::new();
    if !extended.is_empty() {
        boxes.push(vec![Some(extended), None]);
    }
    if !protocols.is_empty() {
        boxes.push(vec![Some(none), Some(protocols)]);
    }
    boxes
}
