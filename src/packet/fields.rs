//! Sets of fields.

use super::{FIELDS, Field};

/// A set of fields.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Fields(u64);

const _: () = assert!(FIELDS <= 64);

impl Fields {
    pub(crate) fn of(fields: &[Field]) -> Fields {
        let mut all = Fields::default();
        fields.iter().for_each(|field| all.add(*field));
        all
    }

    pub(crate) fn has(self, field: Field) -> bool {
        self.0 >> field as u8 & 1 == 1
    }

    pub(crate) fn add(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    pub(crate) fn remove(&mut self, field: Field) {
        self.0 &= !(1 << field as u8);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |field| self.has(*field))
    }

    pub(crate) fn extend(&mut self, other: Fields) {
        self.0 |= other.0;
    }
}
