//! The lints.
pub mod pages;
