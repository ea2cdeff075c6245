//! What rules do to packets: the engines held together, and held to what is known otherwise.

#[path = "../common/behind.rs"]
mod behind;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/examples.rs"]
mod examples;
#[path = "../common/rng.rs"]
mod rng;
#[path = "../common/rulesets.rs"]
mod rulesets;
#[path = "../common/splitmix.rs"]
mod splitmix;

mod anomalies;
mod cases;
mod compare;
mod every_fix;
mod every_row;
mod lint_truth;
mod remedies;
mod trace_growth;
mod two_engines;
mod written_anomalies;
