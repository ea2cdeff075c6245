//! Commands in order: what each does to tables, chains and rules.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ast::{
    Answer, Config, Hook, Match, MatchKind, Name, Open, Policy, PolicyIf, Rule, TableName, Target,
};
use super::command::{Action, Arg, Command, Instance, Output, Parser, load_error, syntax_error};
use super::words::Word;
use crate::budget::{Budget, Exhausted};
use crate::dialect::over_budget;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::{PH002, PH003, Severity};
use crate::source::Span;

/// Reads commands into a tree.
pub(super) struct Reader<'c> {
    /// The tree.
    pub config: &'c mut Config,
    /// What there is to say.
    pub findings: Vec<Finding>,
    /// Rules as written.
    pub written: usize,
    /// What following the commands draws on.
    pub budget: &'c Budget,
    /// How many rules were looked at for commands that change others, and not drawn from it yet.
    work: usize,
    /// More was to be done than is followed, and it was said.
    spent: bool,
    active: Vec<Instance>,
}

/// Where a command applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The family.
    pub family: Family,
    /// Index of the table.
    pub table: usize,
    /// The statement.
    pub span: Span,
    /// What of the rule was not read.
    pub unknown: Option<Name>,
    /// It is a line of a dump, and not a command of its own.
    pub restore: bool,
    /// What the shell makes it depend on: conditions, each turned round or not, that all have to hold.
    pub conditions: &'a [(Name, bool)],
}

impl<'c> Reader<'c> {
    /// Ends the reading: what was deleted is gone.
    pub(super) fn finish(&mut self) {
        let chains = self.config.tables.iter_mut().flat_map(|table| &mut table.chains);
        chains.for_each(super::ast::Chain::settle);
    }

    /// A reader into a tree.
    pub(super) fn new(config: &'c mut Config, budget: &'c Budget) -> Self {
        Reader { config, budget, findings: Vec::new(), written: 0, work: 0, spent: false, active: Vec::new() }
    }

    /// Reads the words of a command and does it. Where it only looks, what it finds.
    pub(super) fn command(&mut self, words: &[Word<'_>], place: Place<'_>) -> Option<bool> {
        if let Err(exhausted) = self.budget.steps(std::mem::take(&mut self.work)) {
            self.spend(place.span, exhausted);
        }
        if self.spent {
            return None;
        }
        let mut active = std::mem::take(&mut self.active);
        let out = Output { config: self.config, findings: &mut self.findings };
        let mut parser = Parser::new(out, words, place.family, place.table, place.span, &mut active);
        parser.run();
        let command = std::mem::take(&mut parser.command);
        if let Some(option) = parser.other_family {
            // iptables(8), `-4` and `-6`: a dump may hold lines for the other program, which are passed over.
            if !place.restore {
                let message = "the option is of the other program, and the command is refused";
                parser.out.findings.push(load_error(option, message));
            }
            parser.out.config.matches.truncate(parser.first);
            self.active = active;
            return Some(false);
        }
        let mut found = None;
        match command.action {
            Some(Action::Check) => {
                let rules = parser.rules();
                let first = parser.first;
                found = Some(self.check(&command, &rules, place));
                self.config.matches.truncate(first);
            }
            Some(Action::Look) => {
                found = command.operands[0].filter(|name| !name.unresolved).map(|name| {
                    let id = self.config.names.find(name.text);
                    id.is_some_and(|id| self.config.tables[place.table].index.contains_key(&id))
                });
            }
            Some(Action::Append | Action::Insert(_) | Action::Replace(_) | Action::Delete) => {
                let added = command.action != Some(Action::Delete);
                for (text, negated) in place.conditions.iter().filter(|_| added) {
                    let index = parser.keep_condition(*text);
                    parser.push(*negated, MatchKind::Open(index));
                }
                if let Some(text) = place.unknown {
                    let text = parser.out.config.names.text(text).to_string();
                    parser.open(false, "listing", &text, Answer::Chance);
                }
                let rules = parser.rules();
                if let Some(hook) = builtin_of(parser.out.config, place.table, &command) {
                    parser.check_interfaces(hook);
                }
                let first = parser.first;
                self.edit(&command, rules, first, place);
            }
            Some(_) => self.operate(&command, place),
            None if words.is_empty() => {}
            None => self.findings.push(syntax_error(place.span, "no command such as `-A` in this line")),
        }
        self.active = active;
        found
    }

    /// Says once that there is more to do than is followed; what becomes of packets is open from there on.
    fn spend(&mut self, span: Span, exhausted: Exhausted) {
        if !std::mem::replace(&mut self.spent, true) {
            self.findings.push(over_budget(span, "what commands change of other rules", exhausted));
            self.anything(None, span, "the rest of the commands", &[]);
        }
    }

    /// Whether a chain has some rules (`-C`).
    fn check(&mut self, command: &Command<'_>, rules: &[Rule], place: Place<'_>) -> bool {
        let table = &self.config.tables[place.table];
        let name = command.operands[0].and_then(|name| self.config.names.find(name.text));
        let Some(chain) = name.and_then(|name| table.index.get(&name)).copied() else { return false };
        rules.iter().all(|rule| self.find(chain as usize, rule, place).is_some())
    }

    /// Something happens to the tables that nobody knows: at the top of the filter, anything may become of packets.
    pub(super) fn anything(
        &mut self,
        family: Option<Family>,
        span: Span,
        name: &str,
        conditions: &[(Name, bool)],
    ) {
        let used = |family| TableName::ALL.iter().any(|table| self.config.table(family, *table).is_some());
        let mut families: Vec<Family> = match family {
            Some(family) => vec![family],
            None => [Family::V4, Family::V6].into_iter().filter(|family| used(*family)).collect(),
        };
        if families.is_empty() {
            families.push(Family::V4);
        }
        let (kind, text) = (self.config.names.intern(""), self.config.names.intern(name));
        let first = self.config.matches.len() as u32;
        for (condition, negated) in conditions {
            self.config.opens.push(Open { kind, text: *condition, answer: Answer::Global });
            let index = self.config.opens.len() as u32 - 1;
            self.config.matches.push(Match { negated: *negated, kind: MatchKind::Open(index) });
        }
        let rule = Rule {
            span,
            target_span: span,
            first,
            count: conditions.len() as u32,
            target: Target::Undefined(text),
            hooks: super::ast::ANY_HOOK,
            limiter: 0,
            beside: None,
        };
        self.config.rules.push(rule);
        let at = self.config.rules.len() as u32 - 1;
        for family in families {
            let table = self.config.table_or_new(family, TableName::Filter, span);
            let table = &mut self.config.tables[table];
            for chain in 0..table.chains.len() {
                if table.chains[chain].hook.is_some() {
                    table.chains[chain].rules.push_front(at);
                    table.filled.push(chain);
                }
            }
        }
    }

    /// Puts rules in, or takes one out.
    fn edit(&mut self, command: &Command<'_>, rules: Vec<Rule>, first: usize, place: Place<'_>) {
        let Some(chain) = self.chain(command.operands[0], place) else { return };
        if command.action == Some(Action::Delete) {
            let kept = self.delete(chain, &rules, place);
            self.config.matches.truncate(first);
            return kept.into_iter().for_each(|rule| self.guard(chain, rule, place));
        }
        self.written += 1;
        let at = self.config.rules.len() as u32;
        let count = rules.len() as u32;
        self.config.rules.extend(rules);
        let position = self.position(command.action, chain, place);
        let table = &mut self.config.tables[place.table];
        let list = &mut table.chains[chain].rules;
        if list.is_empty() {
            table.filled.push(chain);
        }
        let mut prints = table.chains[chain].prints.take();
        if let Some(prints) = &mut prints {
            for rule in at..at + count {
                let print = super::equal::print(self.config, &self.config.rules[rule as usize]);
                prints.entry(print).or_default().push_back(rule);
            }
        }
        let table = &mut self.config.tables[place.table];
        table.chains[chain].prints = prints;
        table.chains[chain].mixed |= position < table.chains[chain].rules.len();
        let list = &mut self.config.tables[place.table].chains[chain].rules;
        if position == list.len() {
            list.extend(at..at + count);
        } else {
            // Several addresses are inserted one after the other at the same place: the last is on top.
            (at..at + count).for_each(|rule| list.insert(position, rule));
        }
    }

    /// The place in a chain at which rules go in; the rule that they replace is taken out.
    fn position(&mut self, action: Option<Action>, chain: usize, place: Place<'_>) -> usize {
        let list = &mut self.config.tables[place.table].chains[chain].rules;
        match action {
            Some(Action::Insert(number)) => {
                let index = number.saturating_sub(1) as usize;
                if number == 0 || index > list.len() {
                    let message = format!("there is no place {number} in a chain of {} rules", list.len());
                    self.findings.push(load_error(place.span, message));
                }
                index.min(list.len())
            }
            Some(Action::Replace(number)) => {
                let index = (number as usize).wrapping_sub(1);
                if index >= list.len() {
                    self.findings
                        .push(load_error(place.span, format!("there is no rule {number} to replace")));
                } else if place.conditions.is_empty() {
                    list.remove(index);
                    self.config.tables[place.table].chains[chain].prints = None;
                } else {
                    let old = list[index];
                    self.guard(chain, old, place);
                }
                index.min(self.config.tables[place.table].chains[chain].rules.len())
            }
            _ => list.len(),
        }
    }

    /// Takes rules out; those that go only under a condition come back.
    fn delete(&mut self, chain: usize, rules: &[Rule], place: Place<'_>) -> Vec<u32> {
        let mut kept = Vec::new();
        for rule in rules {
            match self.find(chain, rule, place) {
                Some(found) if place.conditions.is_empty() => self.take_out(chain, found, place),
                Some(found) => kept.push(found),
                None => {
                    let finding = load_error(place.span, "there is no such rule to delete");
                    self.findings.push(finding.severity(Severity::Warning));
                }
            }
        }
        kept
    }

    /// The first rule of a chain that says the same as another.
    fn find(&mut self, chain: usize, rule: &Rule, place: Place<'_>) -> Option<u32> {
        self.print(chain, place);
        let config = &*self.config;
        let chain = &config.tables[place.table].chains[chain];
        let alike = chain.prints.as_ref()?.get(&super::equal::print(config, rule))?;
        let wanted = (rule.target, config.matches_of(rule));
        let same = |at: &&u32| {
            let other = &config.rules[**at as usize];
            other.count == rule.count && same(config, (other.target, config.matches_of(other)), wanted)
        };
        if !chain.mixed {
            return alike.iter().find(same).copied();
        }
        let all: FxHashSet<u32> = alike.iter().filter(same).copied().collect();
        self.work += alike.len() + if all.len() > 1 { chain.rules.len() } else { 0 };
        match all.len() {
            0 | 1 => all.into_iter().next(),
            _ => chain.rules.iter().find(|at| all.contains(at)).copied(),
        }
    }

    /// Notes what the rules of a chain say, where that is not done.
    fn print(&mut self, index: usize, place: Place<'_>) {
        let config = &mut *self.config;
        let chain = &mut config.tables[place.table].chains[index];
        if chain.prints.is_some() {
            return;
        }
        chain.settle();
        chain.mixed = false;
        self.work += chain.rules.len();
        let rules: Vec<u32> = chain.rules.iter().copied().collect();
        let mut prints: FxHashMap<u64, VecDeque<u32>> = FxHashMap::default();
        for rule in rules {
            let print = super::equal::print(config, &config.rules[rule as usize]);
            prints.entry(print).or_default().push_back(rule);
        }
        config.tables[place.table].chains[index].prints = Some(prints);
    }

    /// Takes a rule out that was found by what it says.
    fn take_out(&mut self, chain: usize, rule: u32, place: Place<'_>) {
        let print = super::equal::print(self.config, &self.config.rules[rule as usize]);
        let chain = &mut self.config.tables[place.table].chains[chain];
        chain.dead.insert(rule);
        if let Some(alike) = chain.prints.as_mut().and_then(|prints| prints.get_mut(&print))
            && let Some(at) = alike.iter().position(|other| *other == rule)
        {
            alike.remove(at);
        }
        if chain.dead.len() > 64 && chain.dead.len() > chain.rules.len() / 2 {
            chain.settle();
        }
    }

    /// A rule that a command takes out if some conditions hold: it stays if they do not.
    fn guard(&mut self, chain: usize, rule: u32, place: Place<'_>) {
        let Some((first, negated)) = place.conditions.first().copied() else { return };
        self.work += 1;
        let config = &mut *self.config;
        config.tables[place.table].chains[chain].prints = None;
        let (text, negated) = match place.conditions.len() {
            1 => (first, negated),
            // Several together are one of their own: what is left out of a rule cannot be joined by "or".
            _ => {
                let texts = place.conditions.iter().map(|(text, negated)| {
                    format!("{}{}", if *negated { "! " } else { "" }, config.names.text(*text))
                });
                let text = texts.collect::<Vec<_>>().join(" && ");
                (config.names.intern(&text), false)
            }
        };
        let kind = config.names.intern("");
        config.opens.push(Open { kind, text, answer: Answer::Global });
        let open = MatchKind::Open(config.opens.len() as u32 - 1);
        let old = &mut config.rules[rule as usize];
        let (from, count) = (old.first as usize, old.count as usize);
        (old.first, old.count) = (config.matches.len() as u32, old.count + 1);
        config.matches.extend_from_within(from..from + count);
        config.matches.push(Match { negated: !negated, kind: open });
    }

    /// Operations on chains.
    fn operate(&mut self, command: &Command<'_>, place: Place<'_>) {
        let conditional = !place.conditions.is_empty();
        match command.action {
            Some(Action::New) => {
                if let Some(name) = command.operands[0] {
                    self.declare(name, place, conditional);
                }
            }
            Some(Action::Policy) => self.set_policy(command, place),
            Some(Action::Flush) => self.flush(command, place),
            Some(Action::DeleteChain) if !conditional => self.delete_chains(command, place),
            Some(Action::DeleteAt(number)) => {
                let Some(chain) = self.chain(command.operands[0], place) else { return };
                self.config.tables[place.table].chains[chain].settle();
                let list = &mut self.config.tables[place.table].chains[chain].rules;
                let index = (number as usize).wrapping_sub(1);
                match list.get(index).copied() {
                    Some(rule) if conditional => self.guard(chain, rule, place),
                    Some(_) => {
                        list.remove(index);
                        self.config.tables[place.table].chains[chain].prints = None;
                    }
                    None => self
                        .findings
                        .push(load_error(place.span, format!("there is no rule {number} to delete"))),
                }
            }
            Some(Action::Rename) if !conditional => {
                let [Some(_), Some(new)] = command.operands else { return };
                let Some(chain) = self.chain(command.operands[0], place) else { return };
                let new = self.config.names.intern(new.text);
                let table = &mut self.config.tables[place.table];
                let old = std::mem::replace(&mut table.chains[chain].name, new);
                table.index.remove(&old);
                table.index.insert(new, chain as u32);
            }
            _ => {}
        }
    }

    fn flush(&mut self, command: &Command<'_>, place: Place<'_>) {
        let chains = match command.operands[0] {
            Some(name) => self.chain(Some(name), place).into_iter().collect(),
            None => std::mem::take(&mut self.config.tables[place.table].filled),
        };
        for chain in chains {
            if place.conditions.is_empty() {
                self.config.tables[place.table].chains[chain].clear();
                continue;
            }
            self.config.tables[place.table].chains[chain].settle();
            let list = &self.config.tables[place.table].chains[chain].rules;
            for rule in list.iter().copied().collect::<Vec<_>>() {
                self.guard(chain, rule, place);
            }
            self.config.tables[place.table].filled.push(chain);
        }
    }

    fn delete_chains(&mut self, command: &Command<'_>, place: Place<'_>) {
        let named = match command.operands[0] {
            Some(name) => match self.chain(Some(name), place) {
                Some(chain) => Some(chain),
                None => return,
            },
            None => None,
        };
        let table = &mut self.config.tables[place.table];
        let user = |at: &usize| table.chains[*at].hook.is_none();
        let gone: Vec<usize> = match named {
            Some(chain) => Some(chain).filter(user).into_iter().collect(),
            None => table.index.values().map(|at| *at as usize).filter(user).collect(),
        };
        for at in gone {
            let chain = &mut table.chains[at];
            chain.deleted = true;
            chain.clear();
            table.index.remove(&chain.name);
        }
    }

    fn set_policy(&mut self, command: &Command<'_>, place: Place<'_>) {
        let [_, Some(policy)] = command.operands else { return };
        if self.config.tables[place.table].name == TableName::Nat && policy.text == "DROP" {
            self.findings.push(load_error(policy.span, "table `nat` takes no policy `DROP`"));
        }
        let Some(chain) = self.chain(command.operands[0], place) else { return };
        // In a script a policy is a command like others, in a dump it comes with its chain.
        self.written += usize::from(!place.restore);
        self.policy(chain, policy.text, policy.span, place);
    }

    /// Sets the policy of a chain by name.
    pub(super) fn policy(&mut self, chain: usize, text: &str, span: Span, place: Place<'_>) {
        let target = &mut self.config.tables[place.table].chains[chain];
        let policy = match text {
            "ACCEPT" => Policy::Accept,
            "DROP" => Policy::Drop,
            _ => {
                self.findings.push(load_error(span, format!("`{text}` is no policy")));
                Policy::Unknown
            }
        };
        if target.hook.is_none() {
            let finding = load_error(span, "only built-in chains have a policy")
                .label("the legacy back end refuses it, the nftables one passes over it");
            return self.findings.push(finding.severity(Severity::Warning));
        }
        if !place.conditions.is_empty() {
            return target.policies.push(PolicyIf { conditions: place.conditions.to_vec(), policy, span });
        }
        target.policies.clear();
        (target.policy, target.policy_span) = (policy, Some(span));
    }

    /// Makes a chain, or empties the one that is there where `again` allows it.
    pub(super) fn declare(&mut self, name: Arg<'_>, place: Place<'_>, again: bool) -> Option<usize> {
        if name.unresolved {
            self.unplaced(name.span);
            return None;
        }
        if name.text.len() > 28 {
            let message = format!("chain name `{}` has {} bytes, 28 are allowed", name.text, name.text.len());
            self.findings.push(load_error(name.span, message));
        }
        let standard = matches!(name.text, "ACCEPT" | "DROP" | "QUEUE" | "RETURN");
        if standard || (!again && super::modules::find(name.text, true, place.family).is_some()) {
            self.findings.push(load_error(name.span, format!("`{}` is the name of a target", name.text)));
        }
        if name.text.starts_with(['-', '!']) {
            self.findings.push(load_error(name.span, format!("`{}` cannot name a chain", name.text)));
        }
        let id = self.config.names.intern(name.text);
        let table = &mut self.config.tables[place.table];
        if let Some(chain) = table.index.get(&id).map(|at| *at as usize) {
            if table.chains[chain].hook.is_none() && !again {
                let old = table.chains[chain].span;
                let message = format!("chain `{}` exists already", name.text);
                self.findings.push(load_error(name.span, message).related(old, "made here"));
            }
            return Some(chain);
        }
        Some(table.add(id, name.span, None) as usize)
    }

    /// The chain of a name; one that is not there is a finding, and is made, so that its rules stay.
    fn chain(&mut self, name: Option<Arg<'_>>, place: Place<'_>) -> Option<usize> {
        let name = name?;
        if name.unresolved {
            self.unplaced(name.span);
            return None;
        }
        let id = self.config.names.intern(name.text);
        let table = &mut self.config.tables[place.table];
        if let Some(chain) = table.index.get(&id) {
            return Some(*chain as usize);
        }
        let message = format!("chain `{}` does not exist in table `{}`", name.text, table.name.text());
        self.findings.push(
            Finding::of(&PH003, name.span, message).help(
                "Declare the chain first, or name the table it is in. The file does not load as it is.",
            ),
        );
        Some(table.add(id, name.span, None) as usize)
    }

    fn unplaced(&mut self, span: Span) {
        self.findings.push(
            Finding::of(&PH002, span, "the name of the chain is not known")
                .label("a shell variable that is not assigned plainly in this file")
                .help("The rule is left out. Check the rules as loaded, the output of `iptables-save`."),
        );
    }
}

/// Whether two rules say the same; tables of values are compared by what they hold.
fn same(config: &Config, a: (Target, &[Match]), b: (Target, &[Match])) -> bool {
    super::equal::targets(config, a.0, b.0)
        && a.1.len() == b.1.len()
        && a.1.iter().all(|m| b.1.iter().any(|n| super::equal::matches(config, m, n)))
}

/// The hook of the built-in chain that a command names.
fn builtin_of(config: &Config, table: usize, command: &Command<'_>) -> Option<Hook> {
    let table = &config.tables[table];
    let name = config.names.find(command.operands[0]?.text)?;
    table.chains[*table.index.get(&name)? as usize].hook
}

/// The table that `-t` names among the words; `filter` where none does.
pub(super) fn table_of(words: &[Word<'_>]) -> Result<TableName, Span> {
    for (at, word) in words.iter().enumerate() {
        let name = match word.text.as_ref() {
            "-t" | "--table" => words.get(at + 1).map(|w| (w.text.as_ref(), w.span)),
            text => text.strip_prefix("--table=").map(|name| (name, word.span)),
        };
        if let Some((name, span)) = name {
            return TableName::of(name).ok_or(span);
        }
    }
    Ok(TableName::Filter)
}
