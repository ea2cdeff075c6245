//! pinhole checks firewall configurations against the ports that video-conferencing products need.
//!
//! ```text
//! bytes ──source──▶ text ──dialect::X::parse──▶ syntax tree ──dialect::X::lower──▶ model::Ruleset ─┐
//!                                                                                                  ├─▶ analysis ─▶ lint ─▶ Finding ─▶ report
//! rules/ ──catalog──▶ Product, Requirement ──┐                                                      │
//! pinhole.toml ──site──▶ Zone, Firewall, Device ──site::flows──▶ Flow ──────────────────────────────┘
//! ```
//!
//! Dependencies run one way: `budget`, `threads`, `progress`, `packet`, `source`, `rule` and `finding` at the bottom, then `model`, `dialect`
//! and `discover`, `analysis`, `catalog` and `site`, `lint`, `report`, `cli`. Dialects never import each
//! other; `report` never imports `lint`.

pub mod analysis;
pub mod budget;
pub mod calls;
pub mod catalog;
pub mod cli;
pub mod dialect;
mod discover;
mod droplog;
mod explain;
mod fence;
pub mod finding;
mod judge;
mod lint;
pub mod model;
pub mod packet;
mod ports;
mod progress;
mod report;
pub mod rule;
mod session;
pub mod site;
pub mod source;
mod spelling;
mod suppress;
mod threads;
