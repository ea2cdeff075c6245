//! Which chain leads where: cycles, depth, and the hooks from which a chain is reached.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::dialect::nftables::config::{Config, Table, plain};
use crate::dialect::nftables::syntax::{Data, Elem, Expr, ExprKind, Rule, StmtKind, Target, Verdict};
use crate::model::{Hook, StageKind};
use crate::source::Span;

/// Jumps may nest this deep (nf_tables.h, `NFT_JUMP_STACK_SIZE`).
const MAX_DEPTH: i64 = 16;

/// Where a base chain hangs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Root {
    /// Its hook.
    pub hook: Hook,
    /// What it is for.
    pub kind: StageKind,
    /// Whether it runs before connection tracking.
    pub untracked: bool,
}

/// From where a chain is reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// The kinds of the base chains.
    pub kinds: Vec<StageKind>,
    /// Whether one of the base chains runs after connection tracking: packets have connections.
    pub tracked: bool,
}

/// The jumps of a ruleset.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// For each chain (table, place): the chains it leads to, and where that is written.
    edges: FxHashMap<(usize, usize), Vec<(usize, Span)>>,
    places: FxHashMap<(usize, usize), Place>,
    /// Jumps that close a cycle: table, from, to, and where that is written. Maps are numbered behind the chains.
    pub cycles: Vec<(usize, usize, usize, Span)>,
    /// Base chains below which jumps nest too deep.
    pub too_deep: Vec<(usize, usize)>,
}

impl Graph {
    /// The graph of a configuration; `bases` says of base chains where they hang.
    pub(super) fn new(config: &Config, bases: &FxHashMap<(usize, usize), Root>) -> Graph {
        let mut graph = Graph::default();
        for (t, table) in config.tables.iter().enumerate() {
            let chains = table.chains.len();
            for (c, chain) in table.chains.iter().enumerate() {
                let mut names = Vec::new();
                targets(&chain.rules, &mut names);
                let edges = graph.leads(table, names);
                graph.edges.insert((t, c), edges);
            }
            // A map that rules look up stands behind the chains, as a place of its own.
            for (s, set) in table.sets.iter().enumerate() {
                let mut names = Vec::new();
                set.body.elements.iter().for_each(|elements| element_targets(elements, &mut names));
                let edges = graph.leads(table, names);
                graph.edges.insert((t, chains + s), edges);
            }
        }
        for (t, table) in config.tables.iter().enumerate() {
            graph.find_cycles(t, table.chains.len(), table.chains.len() + table.sets.len());
            graph.find_depth(t, table.chains.len(), table.chains.len() + table.sets.len(), bases);
        }
        let mut starts: FxHashMap<(usize, Root), Vec<usize>> = FxHashMap::default();
        for ((t, c), root) in bases {
            starts.entry((*t, *root)).or_default().push(*c);
        }
        for ((t, root), starts) in starts {
            graph.reach(t, starts, root);
        }
        graph
    }

    /// Where names lead, each place once.
    fn leads(&self, table: &Table, names: Vec<(Leads, Span)>) -> Vec<(usize, Span)> {
        let mut seen = FxHashSet::default();
        let place = |(name, span): (Leads, Span)| {
            let to = match name {
                Leads::Chain(name) => table.chain(&name)?,
                Leads::Map(name) => table.chains.len() + table.set(&name)?,
            };
            seen.insert(to).then_some((to, span))
        };
        names.into_iter().filter_map(place).collect()
    }

    /// From where a chain is reached; `None` where it is not.
    pub(super) fn of(&self, table: usize, chain: usize) -> Option<&Place> {
        self.places.get(&(table, chain))
    }

    fn next(&self, table: usize, chain: usize, at: usize) -> Option<(usize, Span)> {
        self.edges.get(&(table, chain))?.get(at).copied()
    }

    /// Depth-first, without recursion: an edge to a chain that is still open closes a cycle.
    fn find_cycles(&mut self, table: usize, chains: usize, places: usize) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; places];
        let mut closing = FxHashSet::default();
        for start in 0..chains {
            let mut stack = vec![(start, 0)];
            while let Some((chain, at)) = stack.pop() {
                if at == 0 {
                    if marks[chain] != Mark::New {
                        continue;
                    }
                    marks[chain] = Mark::Open;
                }
                match self.next(table, chain, at) {
                    None => marks[chain] = Mark::Done,
                    Some((to, _)) if marks[to] == Mark::New => stack.extend([(chain, at + 1), (to, 0)]),
                    Some((to, span)) => {
                        stack.push((chain, at + 1));
                        // Behind a map stands the chain that looks it up.
                        let holder = stack.iter().rev().find(|(at, _)| *at < chains);
                        let from = holder.filter(|_| chain >= chains).map_or(chain, |(from, _)| *from);
                        if marks[to] == Mark::Open && closing.insert((from, to)) {
                            self.cycles.push((table, from, to, span));
                        }
                    }
                }
            }
        }
    }

    /// How deep jumps nest below each base chain, cycles left out.
    fn find_depth(
        &mut self,
        table: usize,
        chains: usize,
        places: usize,
        bases: &FxHashMap<(usize, usize), Root>,
    ) {
        let mut depth: Vec<Option<i64>> = vec![None; places];
        let mut open = vec![false; places];
        for start in 0..chains {
            let mut stack = vec![(start, 0)];
            while let Some((chain, at)) = stack.pop() {
                if at == 0 && depth[chain].is_some() {
                    continue;
                }
                open[chain] = true;
                match self.next(table, chain, at) {
                    Some((to, _)) => {
                        stack.push((chain, at + 1));
                        if depth[to].is_none() && !open[to] {
                            stack.push((to, 0));
                        }
                    }
                    None => {
                        let below = self.edges.get(&(table, chain)).into_iter().flatten();
                        let deepest = below.filter_map(|(to, _)| depth[*to]).max();
                        // A map is no level of its own: the chains that it leads to are.
                        let own = i64::from(chain < chains);
                        depth[chain] = Some(deepest.unwrap_or(-1) + own);
                    }
                }
            }
        }
        for (chain, depth) in depth.iter().enumerate() {
            if bases.contains_key(&(table, chain)) && depth.is_some_and(|d| d >= MAX_DEPTH) {
                self.too_deep.push((table, chain));
            }
        }
    }

    fn reach(&mut self, table: usize, starts: Vec<usize>, root: Root) {
        let Root { hook, kind, untracked } = root;
        let mut work = starts;
        let mut seen = FxHashSet::default();
        while let Some(chain) = work.pop() {
            if !seen.insert(chain) {
                continue;
            }
            let place = self.places.entry((table, chain)).or_default();
            if !place.hooks.contains(&hook) {
                place.hooks.push(hook);
            }
            if !place.kinds.contains(&kind) {
                place.kinds.push(kind);
            }
            place.tracked |= !untracked;
            work.extend(self.edges.get(&(table, chain)).into_iter().flatten().map(|(to, _)| *to));
        }
    }
}

/// What a statement leads to.
enum Leads {
    /// A chain by name.
    Chain(Box<str>),
    /// The chains of a map by name.
    Map(Box<str>),
}

fn targets(rules: &[Rule], out: &mut Vec<(Leads, Span)>) {
    for rule in rules {
        for stmt in &rule.stmts {
            match &stmt.kind {
                StmtKind::Verdict(verdict) => verdict_target(verdict, out),
                StmtKind::Vmap(parts) => map_targets(&parts.1, out),
                _ => {}
            }
        }
    }
}

fn verdict_target(verdict: &Verdict, out: &mut Vec<(Leads, Span)>) {
    match verdict {
        Verdict::Jump(Target::Chain(name)) | Verdict::Goto(Target::Chain(name)) => {
            out.push((Leads::Chain(name.text.clone()), name.span));
        }
        Verdict::Jump(Target::Block(rules, _)) | Verdict::Goto(Target::Block(rules, _)) => {
            targets(rules, out)
        }
        _ => {}
    }
}

fn map_targets(map: &Expr, out: &mut Vec<(Leads, Span)>) {
    match &plain(map).kind {
        ExprKind::Set(elements) => element_targets(elements, out),
        ExprKind::SetRef(name) => out.push((Leads::Map(name.clone()), map.span)),
        _ => {}
    }
}

fn element_targets(elements: &[Elem], out: &mut Vec<(Leads, Span)>) {
    for elem in elements {
        if let Some(Data::Verdict(verdict)) = elem.data.as_deref() {
            verdict_target(verdict, out);
        }
    }
}
