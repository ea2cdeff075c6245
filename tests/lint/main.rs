//! What is found, and what is not.

#[path = "../common/behind.rs"]
mod behind;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/examples.rs"]
mod examples;
#[path = "../common/rng.rs"]
mod rng;
#[path = "../common/splitmix.rs"]
mod splitmix;

mod calls;
mod catalog;
mod catalog_calls;
mod catalog_faults;
mod catalog_flows;
mod catalog_products;
mod catalog_use;
mod every_stage;
mod forgotten;
mod hairpin;
mod idle_helpers;
mod kinds;
mod lints;
mod many_chains;
mod many_rules;
mod one_cause;
mod openings;
mod pages;
mod rtp_pairs;
mod scenarios;
mod senseless;
mod sites;
mod sizes;
mod takers;
mod unnamed_peers;
