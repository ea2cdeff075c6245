//! How each language is read.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/cpu.rs"]
mod cpu;
#[path = "../common/one_packet.rs"]
mod one_packet;
#[path = "../common/splitmix.rs"]
mod splitmix;
#[path = "../common/support.rs"]
mod support;
#[cfg(target_os = "linux")]
#[path = "../common/took.rs"]
mod took;

mod asa_cases;
mod asa_expand;
mod asa_reading;
mod asa_support;
mod growth;
mod linux_addresses;
mod mutations;
mod nftables_conditions;
mod nftables_language;
mod nftables_semantics;
mod nftables_support;
mod nftables_work;
mod pf_conditions;
mod pf_conformance;
mod pf_damage;
mod pf_files;
mod pf_last_match;
mod pf_probe;
mod pf_semantics;
mod pf_support;
mod pf_system;
