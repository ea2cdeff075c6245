//! Packets on their way through a firewall, in classes: those of one class have the same things done to them.

use std::hash::{Hash, Hasher};

use crate::analysis::hasher;
use crate::model::Way;
use crate::packet::{Field, Level, Set, Space, Spaces};

/// What a field reads as, for all packets of a class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Expr {
    /// This value.
    Const(u128),
    /// The value at a level, with a number added, modulo the level's size.
    At(Level, u128),
}

/// The end of a packet's connection that came in first: what its original fields read as.
pub(super) const ENDS: usize = 4;

/// Everything about packets that is not a matter of their fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ctrl {
    /// The way that they take.
    pub way: Way,
    /// The box sends them to itself.
    pub looping: bool,
    /// Their destination is the box's own, whatever its address.
    pub own: bool,
    /// Connection tracking passes them over.
    pub untracked: bool,
    /// Whether destination and source were translated here.
    pub mapped: [bool; 2],
    /// What fields read as, where it is not their own level; sorted by field.
    exprs: Vec<(Field, Expr)>,
    /// Source, destination, source port, destination port as they came to this firewall.
    came: [Option<Expr>; ENDS],
}

impl Ctrl {
    /// Packets that nothing was done to yet.
    pub fn new(way: Way) -> Self {
        Ctrl {
            way,
            looping: false,
            own: false,
            untracked: false,
            mapped: [false; 2],
            exprs: Vec::new(),
            came: [None; ENDS],
        }
    }

    /// Nothing was done to the packets at this firewall yet.
    pub fn begin(&mut self, way: Way) {
        (self.way, self.looping, self.own, self.untracked) = (way, false, false, false);
        self.mapped = [false; 2];
    }

    /// What a field reads as; `None` where packets of the family have no such field.
    pub fn expr(&self, spaces: &Spaces, field: Field) -> Option<Expr> {
        match self.exprs.binary_search_by_key(&field, |(f, _)| *f) {
            Ok(at) => Some(self.exprs[at].1),
            Err(_) => spaces.level(field).map(|level| Expr::At(level, 0)),
        }
    }

    /// The packets whose field now has one of some values.
    pub fn reads(&self, spaces: &mut Spaces, field: Field, set: &Set) -> Space {
        match self.expr(spaces, field) {
            None => Space::NONE,
            Some(Expr::Const(value)) if set.contains(value) => Space::ALL,
            Some(Expr::Const(_)) => Space::NONE,
            Some(Expr::At(level, 0)) => spaces.within(level, set),
            Some(Expr::At(level, delta)) => {
                let before = set.shifted(delta.wrapping_neg(), level.bits());
                spaces.within(level, &before)
            }
        }
    }

    /// A field reads as something else from here on.
    pub fn set(&mut self, field: Field, expr: Expr) {
        match self.exprs.binary_search_by_key(&field, |(f, _)| *f) {
            Ok(at) => self.exprs[at].1 = expr,
            Err(at) => self.exprs.insert(at, (field, expr)),
        }
    }

    /// Whether something was said of a field.
    pub fn has(&self, field: Field) -> bool {
        self.exprs.binary_search_by_key(&field, |(f, _)| *f).is_ok()
    }

    /// Whether an address or a port is another one than the packets came with.
    pub fn is_translated(&self) -> bool {
        self.exprs.iter().any(|(field, _)| crate::packet::Side::of(*field).is_some())
    }

    /// A field reads as its own level again.
    pub fn clear(&mut self, field: Field) {
        self.exprs.retain(|(f, _)| *f != field);
    }

    /// A number for all that fields read as.
    pub(super) fn exprs_number(&self) -> u64 {
        number_of(&self.exprs)
    }

    /// What an end read as when the packets came to this firewall: 0 source, 1 destination, 2 and 3 their ports.
    pub fn came(&self, end: usize) -> Option<Expr> {
        self.came[end]
    }

    pub(super) fn arrive(&mut self, spaces: &Spaces) {
        let family = spaces.family();
        let ends = [Field::src(family), Field::dst(family), Field::Sport, Field::Dport];
        self.came = ends.map(|field| self.expr(spaces, field));
    }
}

/// A number for a value: equal ones have equal numbers, and others hardly ever.
pub(super) fn number_of(value: &impl Hash) -> u64 {
    let mut hasher = hasher();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Packets with the same things done to them.
#[derive(Clone, Debug)]
pub struct Class {
    /// Which packets: as they came to the first firewall, and the values that were chosen for them since.
    pub space: Space,
    /// What was done to them.
    pub ctrl: Ctrl,
}

/// Classes, apart from each other: one for each [`Ctrl`].
#[derive(Clone, Default, Debug)]
pub struct Classes {
    list: Vec<(u64, Class)>,
}

impl Classes {
    /// One class.
    pub fn one(class: Class) -> Self {
        let mut classes = Classes::default();
        classes.push(class);
        classes
    }

    fn push(&mut self, class: Class) {
        self.list.push((number_of(&class.ctrl), class));
    }

    /// Whether there are no packets.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.list.iter().map(|(_, class)| class)
    }

    /// Adds packets, to the class that has had the same done to it where there is one.
    pub fn add(&mut self, spaces: &mut Spaces, class: Class) {
        if class.space.is_none() {
            return;
        }
        let number = number_of(&class.ctrl);
        match self.list.iter_mut().find(|(n, known)| *n == number && known.ctrl == class.ctrl) {
            Some((_, known)) => known.space = spaces.or(known.space, class.space),
            None => self.list.push((number, class)),
        }
    }

    /// Adds the packets of several classes.
    pub fn extend(&mut self, spaces: &mut Spaces, classes: impl IntoIterator<Item = Class>) {
        for class in classes {
            self.add(spaces, class);
        }
    }

    /// Adds other classes.
    pub(super) fn join(&mut self, spaces: &mut Spaces, others: Classes) {
        if self.is_empty() {
            *self = others;
        } else {
            self.extend(spaces, others);
        }
    }

    /// All packets.
    pub fn union(&self, spaces: &mut Spaces) -> Space {
        let parts: Vec<Space> = self.iter().map(|class| class.space).collect();
        spaces.union(parts)
    }
}

/// Classes that grow by many small parts: unions are put off until a few are of like many parts, as in a counter that
/// carries.
#[derive(Default)]
pub(super) struct Gathering {
    list: Vec<(u64, Ctrl, Parts)>,
}

/// Parts that are still to be joined, each with the order of how many it was made from.
type Parts = Vec<(u32, Space)>;

impl Gathering {
    /// Adds packets.
    pub(super) fn add(&mut self, spaces: &mut Spaces, class: Class) {
        if class.space.is_none() {
            return;
        }
        let number = number_of(&class.ctrl);
        let known = self.list.iter().position(|(n, ctrl, _)| *n == number && *ctrl == class.ctrl);
        let at = known.unwrap_or_else(|| {
            self.list.push((number, class.ctrl, Vec::new()));
            self.list.len() - 1
        });
        let parts = &mut self.list[at].2;
        let (mut order, mut space) = (0, class.space);
        let like = |parts: &Parts, order| parts.iter().rev().take_while(|(other, _)| *other == order).count();
        while like(parts, order) + 1 == Spaces::FEW {
            let few = parts.split_off(parts.len() + 1 - Spaces::FEW);
            space = spaces.union(few.into_iter().map(|(_, space)| space).chain([space]));
            order += 1;
        }
        parts.push((order, space));
    }

    /// The classes.
    pub(super) fn all(self, spaces: &mut Spaces) -> Classes {
        let whole = |(number, ctrl, parts): (u64, Ctrl, Parts)| {
            let space = spaces.union(parts.into_iter().rev().map(|(_, space)| space));
            (number, Class { space, ctrl })
        };
        Classes { list: self.list.into_iter().map(whole).collect() }
    }
}

impl IntoIterator for Classes {
    type Item = Class;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(u64, Class)>, fn((u64, Class)) -> Class>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().map(|(_, class)| class)
    }
}
