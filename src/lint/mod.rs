//! The lints: the facts come from the analysis, the words are here, and each has a page in `rules/lints/`.

pub mod pages;
