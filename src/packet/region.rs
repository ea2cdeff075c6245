//! Sets of packets of one family: boxes whose sides are sets of values.

use super::{Family, Field, Set};

/// The fields in which a [`Region`] can be limited. Everything else is open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Dim {
    /// Input interface.
    Iif,
    /// Output interface.
    Oif,
    /// Source address.
    Src,
    /// Destination address.
    Dst,
    /// Protocol.
    Proto,
    /// Source port.
    Sport,
    /// Destination port.
    Dport,
    /// ICMP type.
    IcmpType,
    /// ICMP code.
    IcmpCode,
    /// TCP flags.
    TcpFlags,
    /// Connection state.
    State,
}

/// Number of dimensions.
pub const DIMS: usize = Dim::State as usize + 1;

impl Dim {
    /// All dimensions.
    pub const ALL: [Dim; DIMS] = [
        Dim::Iif,
        Dim::Oif,
        Dim::Src,
        Dim::Dst,
        Dim::Proto,
        Dim::Sport,
        Dim::Dport,
        Dim::IcmpType,
        Dim::IcmpCode,
        Dim::TcpFlags,
        Dim::State,
    ];

    /// The dimension of a field, where it has one.
    pub fn of(field: Field) -> Option<Dim> {
        Some(match field {
            Field::Iif => Dim::Iif,
            Field::Oif => Dim::Oif,
            Field::Src4 | Field::Src6 => Dim::Src,
            Field::Dst4 | Field::Dst6 => Dim::Dst,
            Field::Proto => Dim::Proto,
            Field::Sport => Dim::Sport,
            Field::Dport => Dim::Dport,
            Field::IcmpType => Dim::IcmpType,
            Field::IcmpCode => Dim::IcmpCode,
            Field::TcpFlags => Dim::TcpFlags,
            Field::State => Dim::State,
            _ => return None,
        })
    }

    /// The field of a dimension in a family.
    pub fn field(self, family: Family) -> Field {
        match self {
            Dim::Iif => Field::Iif,
            Dim::Oif => Field::Oif,
            Dim::Src => Field::src(family),
            Dim::Dst => Field::dst(family),
            Dim::Proto => Field::Proto,
            Dim::Sport => Field::Sport,
            Dim::Dport => Field::Dport,
            Dim::IcmpType => Field::IcmpType,
            Dim::IcmpCode => Field::IcmpCode,
            Dim::TcpFlags => Field::TcpFlags,
            Dim::State => Field::State,
        }
    }
}

/// A set of packets: the product of one [`Set`] for each dimension; an open side holds every value.
///
/// Sides of fields that a packet does not have (a port of ICMP) say nothing about it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Region {
    family: Family,
    sides: [Option<Set>; DIMS],
}

impl Region {
    /// All packets of a family.
    pub fn all(family: Family) -> Self {
        Region { family, sides: [const { None }; DIMS] }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The side of a dimension; `None` where it is open.
    pub fn side(&self, dim: Dim) -> Option<&Set> {
        self.sides[dim as usize].as_ref()
    }

    /// The side of a dimension as a set, open ones as all values that the field can have.
    pub fn values(&self, dim: Dim) -> Set {
        match self.side(dim) {
            Some(set) => set.clone(),
            None => Set::range(0, dim.field(self.family).last()),
        }
    }

    /// Replaces a side.
    pub fn set(&mut self, dim: Dim, values: Set) {
        self.sides[dim as usize] = Some(values);
    }

    /// Opens a side.
    pub fn open(&mut self, dim: Dim) {
        self.sides[dim as usize] = None;
    }

    /// The region with a side replaced.
    pub fn with(mut self, dim: Dim, values: Set) -> Self {
        self.set(dim, values);
        self
    }

    /// Whether a packet can have a value of `values` in this dimension.
    pub fn meets(&self, dim: Dim, values: &Set) -> bool {
        self.side(dim).map_or(!values.is_empty(), |side| side.meets(values))
    }

    /// The part whose value in a dimension is in `values`; `None` where there is none.
    pub fn within(&self, dim: Dim, values: &Set) -> Option<Region> {
        let side = match self.side(dim) {
            Some(side) => side.and(values),
            None => values.clone(),
        };
        if side.is_empty() { None } else { Some(self.clone().with(dim, side)) }
    }

    /// The part whose value in a dimension is not in `values`; `None` where there is none.
    pub fn without(&self, dim: Dim, values: &Set) -> Option<Region> {
        let side = match self.side(dim) {
            Some(side) if !side.meets(values) => return Some(self.clone()),
            Some(side) => side.minus(values),
            None => Set::range(0, dim.field(self.family).last()).minus(values),
        };
        if side.is_empty() { None } else { Some(self.clone().with(dim, side)) }
    }

    /// The packets in both; `None` where there are none, and where the families differ.
    pub fn and(&self, other: &Region) -> Option<Region> {
        if self.family != other.family {
            return None;
        }
        let mut both = self.clone();
        for dim in Dim::ALL {
            if let Some(values) = other.side(dim) {
                both = both.within(dim, values)?;
            }
        }
        Some(both)
    }

    /// The packets that are not in `other`, as disjoint regions.
    pub fn minus(&self, other: &Region) -> Vec<Region> {
        if self.and(other).is_none() {
            return vec![self.clone()];
        }
        let mut rest = Vec::new();
        let mut inside = self.clone();
        for dim in Dim::ALL {
            let Some(values) = other.side(dim) else { continue };
            rest.extend(inside.without(dim, values));
            match inside.within(dim, values) {
                Some(part) => inside = part,
                None => break,
            }
        }
        rest
    }

    /// Whether every packet of `other` is in it.
    pub fn covers(&self, other: &Region) -> bool {
        self.family == other.family
            && Dim::ALL.into_iter().all(|dim| match (self.side(dim), other.side(dim)) {
                (None, _) => true,
                (Some(side), Some(values)) => side.covers(values),
                (Some(side), None) => side.covers(&Set::range(0, dim.field(self.family).last())),
            })
    }
}
