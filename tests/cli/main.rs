//! The commands as people run them, and what they print.

#[path = "../common/mod.rs"]
mod common;

mod architecture;
mod changes;
mod commands;
mod docs;
mod fixes;
mod lsp;
mod mcp;
mod outputs;
mod page;
mod precommit;
mod redact;
mod sarif;
mod schema;
mod start;
mod suppression;
#[cfg(unix)]
mod writes;
