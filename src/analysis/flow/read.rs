//! What rules see of the packets of a class, and which of them pass a test.

use super::class::{Ctrl, Expr, number_of};
use super::{Flow, Run};
use crate::model::{About, CondId, Hook, Nature, Stage, Test, TuplesId, Way};
use crate::packet::{Field, Set, Side, Space, Spaces, State, VariableKey, interface, states};

/// Where packets are looked at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub hook: Hook,
    pub stage: &'a Stage,
    /// The second half of a trip from the box to itself.
    pub returned: bool,
    /// They answer packets that came before.
    pub reply: bool,
}

impl View<'_> {
    /// Whether connection tracking has not looked yet.
    pub(super) fn blind(&self) -> bool {
        self.stage.before_tracking && !self.returned
    }
}

/// How a field reads for packets of a class: those that have it, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// The packets that have the field at all.
    pub present: Space,
    pub expr: Expr,
}

impl Reading {
    const ABSENT: Reading = Reading { present: Space::NONE, expr: Expr::Const(0) };
}

/// So many values are compared one by one with what was moved and masked.
const FEW_VALUES: u128 = 64;

/// A value of [`Field::TcpMss`] for packets without the option.
pub(crate) const NO_MSS: u128 = 0x1_0000;

impl<'a> Run<'a, '_, '_> {
    /// What a field reads as.
    pub(super) fn reading(&mut self, view: &View<'_>, ctrl: &Ctrl, field: Field) -> Reading {
        let Some(expr) = self.expr_at(view, ctrl, field) else { return Reading::ABSENT };
        let mut present = Space::ALL;
        if let Some(carriers) = field.carrier_set() {
            present = self.spaces.test(Field::Proto, &carriers);
        }
        if of_connection(field) {
            let tracked = self.tracked(view, ctrl);
            present = self.spaces.and(present, tracked);
        }
        if field == Field::TcpMss
            && let Expr::At(level, 0) = expr
        {
            let none = self.spaces.within(level, &Set::one(NO_MSS));
            present = self.spaces.minus(present, none);
        }
        Reading { present, expr }
    }

    fn expr_at(&self, view: &View<'_>, ctrl: &Ctrl, field: Field) -> Option<Expr> {
        let family = self.spaces.family();
        if field.family().is_some_and(|f| f != family) {
            return None;
        }
        let end = match field {
            Field::OrigSrc4 | Field::OrigSrc6 => Some(0),
            Field::OrigDst4 | Field::OrigDst6 => Some(1),
            Field::OrigSport => Some(2),
            Field::OrigDport => Some(3),
            _ => None,
        };
        match field {
            Field::State => Some(self.state(view, ctrl)),
            Field::Iif if view.returned => Some(Expr::Const(interface("lo"))),
            Field::Iif if ctrl.way == Way::Output => Some(Expr::Const(0)),
            Field::Oif if matches!(view.hook, Hook::Prerouting | Hook::Input) => Some(Expr::Const(0)),
            // What the box sends, to itself too, has no Ethernet header to look at.
            Field::SrcMac if ctrl.way == Way::Output => None,
            Field::Version => Some(Expr::Const(if family == crate::packet::Family::V4 { 4 } else { 6 })),
            _ => match end {
                // Of a connection that runs, nobody knows how its first packet came.
                Some(end) if self.is_new(ctrl) => ctrl.came(end),
                _ => ctrl.expr(self.spaces, field),
            },
        }
    }

    fn state(&self, view: &View<'_>, ctrl: &Ctrl) -> Expr {
        if ctrl.untracked {
            return Expr::Const(State::Untracked as u128);
        }
        if view.blind() {
            return Expr::Const(State::Invalid as u128);
        }
        self.own_state(ctrl)
    }

    fn own_state(&self, ctrl: &Ctrl) -> Expr {
        ctrl.expr(self.spaces, Field::State).unwrap_or(Expr::Const(State::Invalid as u128))
    }

    /// Whether all packets of the class start a connection: at the start the new are parted from the others.
    pub(super) fn is_new(&self, ctrl: &Ctrl) -> bool {
        ctrl.expr(self.spaces, Field::Direction) == Some(Expr::Const(0))
    }

    /// The packets that have a connection entry.
    pub(super) fn tracked(&mut self, view: &View<'_>, ctrl: &Ctrl) -> Space {
        let tracked = states(&[State::Established, State::Related, State::New]);
        match self.state(view, ctrl) {
            Expr::Const(state) if tracked.contains(state) => Space::ALL,
            Expr::Const(_) => Space::NONE,
            Expr::At(level, _) => self.spaces.within(level, &tracked),
        }
    }

    /// The packets whose field is among the values; with `negate`, those that have it and not one of them.
    pub(super) fn among(
        &mut self,
        view: &View<'_>,
        ctrl: &Ctrl,
        field: Field,
        set: &Set,
        negate: bool,
    ) -> Space {
        let Reading { present, expr } = self.reading(view, ctrl, field);
        if present.is_none() {
            return Space::NONE;
        }
        let within = self.expr_within(view, ctrl, field, expr, set);
        let within = if negate { within.not() } else { within };
        self.spaces.and(present, within)
    }

    fn expr_within(&mut self, view: &View<'_>, ctrl: &Ctrl, field: Field, expr: Expr, set: &Set) -> Space {
        // Forwarding takes one off before the forward hook (Linux `ip_forward`, `ip6_forward`).
        let late = field == Field::Ttl && ctrl.way == Way::Forward && view.hook != Hook::Prerouting;
        let moved;
        let set = if late {
            let up = Set::of(set.ranges().iter().map(|(lo, hi)| (lo + 1, hi + 1)));
            moved = if set.contains(0) { up.or(&Set::range(0, 1)) } else { up };
            &moved
        } else {
            set
        };
        match expr {
            Expr::Const(value) => constant(set.contains(value)),
            Expr::At(level, 0) => self.spaces.within(level, set),
            Expr::At(level, delta) => {
                let bits = 128 - level.last().leading_zeros();
                let before = set.and(&Set::range(0, level.last())).shifted(delta.wrapping_neg(), bits);
                self.spaces.within(level, &before)
            }
        }
    }

    /// The packets of which the bits of a field below a mask are among some.
    fn masked(
        &mut self,
        view: &View<'_>,
        ctrl: &Ctrl,
        (field, expr): (Field, Expr),
        mask: u128,
        values: &Set,
    ) -> Space {
        match expr {
            Expr::Const(value) => constant(values.contains(value & mask)),
            Expr::At(level, 0) => self.spaces.masked(level, mask, values),
            Expr::At(level, delta) if values.count() <= FEW_VALUES => {
                let listed = values.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
                let spaces: Vec<Space> = listed
                    .filter(|value| value & !mask == 0)
                    .map(|value| self.spaces.masked_moved(level, delta, mask, value))
                    .collect();
                self.spaces.union(spaces)
            }
            Expr::At(level, _) => match Set::range(0, level.last()).masked(mask, values, level.last()) {
                Some(set) => self.expr_within(view, ctrl, field, expr, &set),
                None => {
                    let of = vec![number_of(&(expr, mask, values))];
                    self.variable(field.name(), of)
                }
            },
        }
    }

    /// The packets that pass a test.
    pub(super) fn test(&mut self, view: &View<'_>, ctrl: &Ctrl, test: Test) -> Space {
        match test {
            Test::In { field, values, negate } => {
                let set = self.flow.rules.values(values);
                self.among(view, ctrl, field, &set, negate)
            }
            Test::Masked { field, mask, values, negate } => {
                let mask = self.flow.rules.masks[mask as usize];
                let Reading { present, expr } = self.reading(view, ctrl, field);
                let fits = self.masked(view, ctrl, (field, expr), mask, &self.flow.rules.values(values));
                let fits = if negate { fits.not() } else { fits };
                self.spaces.and(present, fits)
            }
            Test::Tuple { tuples, negate } => self.union_of(view, ctrl, tuples, negate),
            Test::Unknown { cond, negate } => {
                let holds = self.condition(view, ctrl, cond);
                if negate { holds.not() } else { holds }
            }
            Test::Never => Space::NONE,
        }
    }

    fn union_of(&mut self, view: &View<'_>, ctrl: &Ctrl, id: TuplesId, negate: bool) -> Space {
        let key = (id, negate, view.hook, view.blind(), view.returned, number_of(ctrl));
        if let Some(known) = self.tuples.get(&key) {
            return *known;
        }
        let tuples = self.flow.rules.tuple(id);
        let boxes: Vec<Space> =
            tuples.boxes.iter().map(|sides| self.product(view, ctrl, &tuples.fields, sides)).collect();
        let mut union = self.spaces.union(boxes);
        if negate {
            // A field that is absent fails the test, negated or not.
            union = union.not();
            for (at, field) in tuples.fields.iter().enumerate() {
                if tuples.boxes.iter().any(|sides| sides[at].is_some()) {
                    let present = self.reading(view, ctrl, *field).present;
                    union = self.spaces.and(union, present);
                }
            }
        }
        self.tuples.insert(key, union);
        union
    }

    /// The packets in a product of field sets.
    pub(super) fn product(
        &mut self,
        view: &View<'_>,
        ctrl: &Ctrl,
        fields: &[Field],
        sides: &[Option<Set>],
    ) -> Space {
        let mut product = Space::ALL;
        for (field, side) in fields.iter().zip(sides) {
            let Some(set) = side else { continue };
            let within = self.among(view, ctrl, *field, set, false);
            product = self.spaces.and(product, within);
            if product.is_none() {
                break;
            }
        }
        product
    }

    /// The packets for which a condition holds: on what of them it hangs says which of its places are one.
    pub(super) fn condition(&mut self, view: &View<'_>, ctrl: &Ctrl, cond: CondId) -> Space {
        let condition = self.flow.rules.condition(cond);
        if let (true, Nature::Forgery { honest }) = (self.flow.honest, condition.nature) {
            return constant(honest);
        }
        let of = self.identity(view, ctrl, cond);
        if let (true, Nature::Rate { within }) = (self.flow.honest, condition.nature) {
            let key = VariableKey { name: condition.name.clone(), of: of.clone() };
            let level = self.spaces.variable(key, 1);
            self.spaces.expect(level, u128::from(within));
        }
        self.variable(&condition.name, of)
    }

    pub(super) fn identity(&mut self, view: &View<'_>, ctrl: &Ctrl, cond: CondId) -> Vec<u64> {
        let condition = self.flow.rules.condition(cond);
        let mut of = vec![self.flow.number];
        if condition.each_its_own() {
            of.extend([u64::from(self.flow.ordinal(cond)), u64::from(view.reply)]);
            return of;
        }
        match &condition.about {
            About::Nothing => {}
            About::Fields(fields) => {
                for field in fields {
                    let reading = self.reading(view, ctrl, *field);
                    of.push(number_of(&(field, reading.expr)));
                }
            }
            About::Everything => {
                of.extend([view.hook as u64, u64::from(view.reply), ctrl.exprs_number()]);
            }
        }
        of
    }

    /// The packets for which a variable of one bit is 1.
    pub(super) fn variable(&mut self, name: &str, of: Vec<u64>) -> Space {
        let level = self.spaces.variable(VariableKey { name: name.to_string(), of }, 1);
        self.spaces.within(level, &Set::one(1))
    }
}

impl Flow<'_> {
    /// Which of the conditions of one name it is, from 0: the same in two files that differ elsewhere.
    fn ordinal(&self, cond: CondId) -> u32 {
        self.ordinals[cond.0 as usize]
    }
}

pub(super) fn constant(yes: bool) -> Space {
    if yes { Space::ALL } else { Space::NONE }
}

/// Fields of the connection, which packets without one have not.
fn of_connection(field: Field) -> bool {
    matches!(
        field,
        Field::Dnat
            | Field::Snat
            | Field::Direction
            | Field::CtMark
            | Field::OrigSrc4
            | Field::OrigSrc6
            | Field::OrigDst4
            | Field::OrigDst6
            | Field::OrigSport
            | Field::OrigDport
    )
}

/// The level that a side has at a firewall of the path, for what is rewritten there.
pub(super) fn side_of(field: Field) -> Option<Side> {
    Side::of(field).filter(|side| !matches!(side, Side::Iif | Side::Oif))
}

impl Spaces {
    /// The packets whose field, as it came, is among the values; none where the family has no such field.
    pub fn test(&mut self, field: Field, set: &Set) -> Space {
        match self.level(field) {
            Some(level) => self.within(level, set),
            None => Space::NONE,
        }
    }
}
