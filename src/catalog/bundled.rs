//! The catalog files that are part of the program.

/// Path and text of each file under `rules/catalog`, sorted; `build.rs` lists them.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));
