//! The firewall languages: each has a syntax tree, a parser and a lowering into the model.

pub mod names;
