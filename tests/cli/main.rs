//! The commands as people run them, and what they print.

#[path = "../common/mod.rs"]
mod common;

#[cfg(target_os = "linux")]
mod alone;
mod apart;
mod architecture;
mod changes;
mod choice;
mod commands;
mod docs;
mod fits;
mod fixes;
mod fuzzed;
mod lsp;
mod mcp;
mod outputs;
mod page;
mod precommit;
mod redact;
#[cfg(unix)]
mod release;
mod requests;
mod sarif;
mod schema;
mod start;
mod steady;
mod supply;
mod suppression;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod walks;
#[cfg(unix)]
mod writes;
