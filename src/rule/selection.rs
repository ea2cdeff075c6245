//! Which lints speak.

use super::{LINTS, Lint};

/// Which lints speak: those that are named, without those that are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// The lints that speak; all where `None`.
    pub only: Option<Vec<&'static Lint>>,
    /// Lints that do not.
    pub without: Vec<&'static Lint>,
}

impl Selection {
    /// Whether a lint speaks.
    pub fn has(&self, lint: &Lint) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&lint)) && !self.without.contains(&lint)
    }

    /// How many lints do not.
    pub fn left_out(&self) -> usize {
        LINTS.iter().filter(|lint| !self.has(lint)).count()
    }

    /// Whether any of these lints does.
    pub fn has_any(&self, lints: &[&Lint]) -> bool {
        lints.iter().any(|lint| self.has(lint))
    }
}
