//! Base chains as stages of hooks.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::Root;
use super::{Lower, sees_ip};
use crate::dialect::nftables::config::{Chain, Config};
use crate::dialect::nftables::syntax::{HookSpec, TableFamily};
use crate::dialect::nftables::{refusal, unresolved};
use crate::finding::Finding;
use crate::model::{Condition, Effect, Hook, Origin, Stage, StageKind, Test, Verdict, Why};
use crate::packet::{Family, Field, Set, interface, interface_prefix};
use crate::source::Span;

/// Where connection tracking hooks in (netfilter_ipv4.h): what runs there or before sees no state.
const CONNTRACK: i64 = -200;
/// Where all chains of type `nat` hook in, whatever their own priority.
const NAT_DST: i64 = -100;
const NAT_SRC: i64 = 100;

/// A base chain and its place.
pub(crate) struct Base {
    /// Table and chain.
    pub at: (usize, usize),
    /// The hook in the model.
    pub hook: Hook,
    /// What it is for.
    pub kind: StageKind,
    /// Its own priority.
    pub priority: i64,
    /// Whether it sees frames of its devices before or after all else.
    pub device: bool,
    /// Whether it runs before connection tracking: packets have no connection there.
    pub untracked: bool,
}

/// The base chains that see routed IP packets, and what nft says against base chains.
pub(super) fn bases(config: &Config) -> (Vec<Base>, Vec<Finding>) {
    let mut found = Vec::new();
    let mut findings = Vec::new();
    for (t, table) in config.tables.iter().enumerate() {
        for (c, chain) in table.chains.iter().enumerate() {
            let Some(spec) = &chain.hook else { continue };
            let Some(priority) = priority(table.family, spec, &mut findings) else { continue };
            if let Some(finding) = refused(table.family, chain, spec, priority) {
                findings.push(finding);
                continue;
            }
            let device = matches!(&*spec.hook.text, "ingress" | "egress");
            let Some(hook) = hook(table.family, &spec.hook.text) else { continue };
            let kind = match (&*spec.kind.text, hook) {
                ("nat", Hook::Prerouting | Hook::Output) => StageKind::DstNat,
                ("nat", _) => StageKind::SrcNat,
                _ => StageKind::Filter,
            };
            let early = matches!(hook, Hook::Output | Hook::Prerouting);
            let untracked = early && (device || before_tracking(config, priority, table.family, chain.made));
            if !table.dormant {
                found.push(Base { at: (t, c), hook, kind, priority, device, untracked });
            }
        }
    }
    (found, findings)
}

/// Whether a chain of a priority runs before connection tracking. At its very priority, that follows from which
/// of the two was there first, as it does between chains: here, where the files are loaded into an empty kernel.
fn before_tracking(config: &Config, priority: i64, family: TableFamily, made: u32) -> bool {
    let tracked = config.tracked_at[usize::from(family == TableFamily::Ip6)];
    priority < CONNTRACK || priority == CONNTRACK && tracked.is_some_and(|at| made > at)
}

fn hook(family: TableFamily, name: &str) -> Option<Hook> {
    if matches!(family, TableFamily::Arp | TableFamily::Bridge) {
        return None;
    }
    Some(match name {
        "prerouting" | "ingress" => Hook::Prerouting,
        "input" => Hook::Input,
        "forward" => Hook::Forward,
        "output" => Hook::Output,
        "postrouting" | "egress" => Hook::Postrouting,
        _ => return None,
    })
}

/// The number of a priority, nft(8) "CHAINS", table "Standard priority names".
fn priority(family: TableFamily, spec: &HookSpec, findings: &mut Vec<Finding>) -> Option<i64> {
    let Some(name) = &spec.priority.name else { return Some(spec.priority.offset) };
    let hook = &*spec.hook.text;
    let base = match (family, &*name.text) {
        (TableFamily::Bridge, "dstnat") if hook == "prerouting" => -300,
        (TableFamily::Bridge, "filter") => -200,
        (TableFamily::Bridge, "out") if hook == "output" => 100,
        (TableFamily::Bridge, "srcnat") if hook == "postrouting" => 300,
        (TableFamily::Bridge, _) => return unknown_priority(name, findings),
        (_, "filter") => 0,
        (TableFamily::Arp | TableFamily::Netdev, _) => return unknown_priority(name, findings),
        (_, "raw") => -300,
        (_, "mangle") => -150,
        (_, "security") => 50,
        (_, "dstnat") if matches!(hook, "prerouting" | "output") => NAT_DST,
        (_, "srcnat") if matches!(hook, "postrouting" | "input") => NAT_SRC,
        _ => return unknown_priority(name, findings),
    };
    Some(base + spec.priority.offset)
}

fn unknown_priority(
    name: &crate::dialect::nftables::syntax::Name,
    findings: &mut Vec<Finding>,
) -> Option<i64> {
    if name.text.is_empty() {
        findings.push(unresolved(name.span, "the priority is not defined"));
    } else {
        findings.push(refusal(name.span, format!("`{}` is no priority of this family and hook", name.text)));
    }
    None
}

/// What nft or the kernel says against a base chain.
fn refused(family: TableFamily, chain: &Chain, spec: &HookSpec, priority: i64) -> Option<Finding> {
    let (kind, hook) = (&*spec.kind.text, &*spec.hook.text);
    let hooks: &[&str] = match family {
        TableFamily::Ip | TableFamily::Ip6 | TableFamily::Bridge => {
            &["prerouting", "input", "forward", "output", "postrouting"]
        }
        TableFamily::Inet => &["prerouting", "input", "forward", "output", "postrouting", "ingress"],
        TableFamily::Arp => &["input", "output"],
        TableFamily::Netdev => &["ingress", "egress"],
    };
    if !hooks.contains(&hook) {
        return Some(refusal(
            spec.hook.span,
            format!("`{hook}` is no hook of the family `{}`", family.name()),
        ));
    }
    let inet = matches!(family, TableFamily::Ip | TableFamily::Ip6 | TableFamily::Inet);
    let fits = match kind {
        "filter" => true,
        "nat" => inet && !matches!(hook, "forward" | "ingress"),
        "route" => inet && hook == "output",
        _ => return Some(refusal(spec.kind.span, format!("`{kind}` is no type of chain"))),
    };
    if !fits {
        return Some(refusal(
            spec.kind.span,
            format!("a chain of type `{kind}` cannot hang at `{hook}` here"),
        ));
    }
    if kind == "nat" && priority <= CONNTRACK {
        let message = format!("a chain of type `nat` at priority {priority}, before connection tracking");
        return Some(refusal(spec.priority.span, message));
    }
    if matches!(hook, "ingress" | "egress") && spec.devices.is_empty() && family == TableFamily::Inet {
        return Some(refusal(spec.span, format!("`{}` hangs at `{hook}` of no device", chain.name.text)));
    }
    None
}

impl Lower<'_> {
    /// Adds the stages of all hooks, in the order in which the kernel runs them.
    ///
    /// Chains of one priority run in the reverse order of their registration (`nf_hook_entries_grow`
    /// puts a new hook before those of the same priority). Chains of type `nat` all run where the NAT
    /// core hooks in, ordered among themselves by their own priority.
    pub(super) fn add_stages(&mut self, bases: &[Base]) {
        let made = |base: &Base| self.config.tables[base.at.0].chains[base.at.1].made;
        let nat_made = bases.iter().filter(|b| b.kind != StageKind::Filter).map(made).min().unwrap_or(0);
        let place = |base: &Base| {
            let own = (base.priority, Reverse(made(base)));
            let edge = match (base.device, base.hook) {
                (true, Hook::Prerouting) => 0,
                (true, _) => 2,
                _ => 1,
            };
            let core = match base.kind {
                StageKind::Filter => own,
                StageKind::DstNat => (NAT_DST, Reverse(nat_made)),
                StageKind::SrcNat => (NAT_SRC, Reverse(nat_made)),
            };
            (edge, core, own)
        };
        let mut order: Vec<usize> = (0..bases.len()).collect();
        order.sort_by_key(|at| place(&bases[*at]));
        for at in order {
            self.add_stage(&bases[at]);
        }
    }

    /// Base chains that cannot hang where they say, or of which that could not be read.
    pub(super) fn add_lost_chains(&mut self, bases: &[Base]) {
        let config = self.config;
        let hung: FxHashSet<(usize, usize)> = bases.iter().map(|base| base.at).collect();
        for (t, table) in config.tables.iter().enumerate().filter(|(_, table)| sees_ip(table.family)) {
            for (c, chain) in table.chains.iter().enumerate() {
                let is_lost = chain.hook.is_some() || chain.lost.hook;
                if !is_lost || table.dormant || hung.contains(&(t, c)) {
                    continue;
                }
                let name = format!("base chain {}", self.chain_name((t, c)));
                let hook = chain.hook.as_ref().and_then(|spec| hook(table.family, &spec.hook.text));
                self.add_open(&name, chain.name.span, hook);
            }
        }
    }

    /// Rules that nobody knows, at a hook or at any: first of all, it is open what becomes of every packet.
    pub(super) fn add_open(&mut self, what: &str, span: Span, at: Option<Hook>) {
        let chain = self.builder.chain(what, span);
        let cond = self.builder.condition(Condition::elsewhere(what));
        self.builder.effect(Effect::Undefined(cond));
        let origin = Origin::Implied { by: span, why: Why::Unread };
        self.builder.rule(chain, origin);
        let hooks = match &at {
            Some(hook) => std::slice::from_ref(hook),
            None => &[Hook::Input, Hook::Forward, Hook::Output],
        };
        for hook in hooks {
            let stage = Stage {
                chain,
                kind: StageKind::Filter,
                v4: true,
                v6: true,
                policy: Verdict::Accept,
                policy_origin: origin,
                priority: i32::MAX,
                before_tracking: false,
            };
            self.builder.stage(*hook, stage);
        }
    }

    fn add_stage(&mut self, base: &Base) {
        let config = self.config;
        let table = &config.tables[base.at.0];
        let chain = &table.chains[base.at.1];
        let Some(id) = self.chain_ids.get(&base.at).copied() else { return };
        let family = table.family;
        let spec = chain.hook.as_ref();
        let (policy, policy_origin) = match chain.policy {
            Some((true, span)) => (Verdict::Accept, Origin::Written(span)),
            Some((false, span)) => (Verdict::Drop, Origin::Written(span)),
            None => (Verdict::Accept, Origin::Implied { by: chain.name.span, why: Why::Policy }),
        };
        let mut stage = Stage {
            chain: id,
            kind: base.kind,
            v4: family != TableFamily::Ip6,
            v6: family != TableFamily::Ip,
            policy,
            policy_origin,
            priority: base.priority.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            before_tracking: base.untracked,
        };
        if base.device {
            // Only frames of the devices enter: all others pass by.
            let devices = spec.map_or(&[][..], |spec| &spec.devices);
            let names = Set::of(devices.iter().map(|device| match device.text.strip_suffix('*') {
                Some(prefix) => interface_prefix(prefix),
                None => (interface(&device.text), interface(&device.text)),
            }));
            let values = self.builder.values(names);
            let field = if base.hook == Hook::Prerouting { Field::Iif } else { Field::Oif };
            let door = self.builder.chain(format!("{} (devices)", self.chain_name(base.at)), chain.name.span);
            if devices.is_empty() {
                // `nft -j` of some versions does not say which they are.
                let name = format!("devices of {}", self.chain_name(base.at));
                self.builder.unknown(Condition::of(name, [field]));
            } else {
                self.builder.test(Test::In { field, values, negate: false });
            }
            self.builder.effect(Effect::Goto(id));
            self.builder.rule(door, Origin::setting(chain.name.span));
            self.builder.effect(Effect::Verdict(Verdict::Accept));
            self.builder.rule(door, Origin::setting(chain.name.span));
            stage.chain = door;
        }
        debug_assert!(stage.sees(Family::V4) || stage.sees(Family::V6));
        self.builder.stage(base.hook, stage);
    }
}

/// Where base chains hang, for [`super::graph::Graph`].
pub(super) fn hooks_of(bases: &[Base]) -> FxHashMap<(usize, usize), Root> {
    let root = |base: &Base| Root { hook: base.hook, kind: base.kind, untracked: base.untracked };
    bases.iter().map(|base| (base.at, root(base))).collect()
}
