//! The lints: the facts come from the analysis, the words are here, and each has a page in `rules/lints/`.

mod judge;
mod mend;
pub mod pages;
mod requirements;
mod words;

pub use judge::{Firewall, Judge};

use crate::finding::Finding;

/// What the lints have to say of a site and its firewalls.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    requirements::check(judge)
}
