//! A statement that is read to its end: its rules, and what options demand of each other.

use super::ast::{Hook, Match, MatchKind, Name, Net, Rule, TableName, Target, builtin};
use super::command::{Instance, Parser, load_error};
use super::modules::{self, Module};
use crate::dialect::names;
use crate::source::Span;

impl Parser<'_, '_> {
    /// The rules that were read: one, or several where `-s` or `-d` lists addresses. Ends with the checks
    /// that need all options.
    pub(super) fn rules(&mut self) -> Vec<Rule> {
        self.finish_strange();
        self.finish_modules();
        let table = self.out.config.tables[self.table].name;
        if table == TableName::Nat && self.target == Target::Drop {
            let span = self.target_span.unwrap_or(self.span);
            self.fails(span, "target `DROP` does not go into table `nat`");
        }
        let mut rule = Rule {
            span: self.span,
            target_span: self.target_span.unwrap_or(self.span),
            first: self.first as u32,
            count: (self.out.config.matches.len() - self.first) as u32,
            target: self.target,
            hooks: self.hooks.0,
            limiter: self.hooks.1,
            beside: self.beside(),
        };
        for instance in self.active.iter() {
            let hooks = modules::ALL[instance.module as usize].hooks;
            if rule.hooks & hooks != rule.hooks {
                (rule.hooks, rule.limiter) = (rule.hooks & hooks, instance.module);
            }
        }
        if self.sources.is_empty() && self.destinations.is_empty() {
            return vec![rule];
        }
        self.spread(rule)
    }

    /// What the rule does that no verdict hangs on, and what it writes that the model does not tell.
    fn beside(&mut self) -> Option<Name> {
        let notes = self.active.iter().any(|one| modules::ALL[one.module as usize].name == "recent");
        let writes = matches!(
            self.target,
            Target::Continue
                | Target::ForgetMark
                | Target::ForgetMss
                | Target::ForgetAddress(_)
                | Target::SetTtl(None)
                | Target::SetDscp(None)
        );
        if !notes && !writes {
            return None;
        }
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_ref()).collect();
        Some(self.out.config.names.intern(&words.join(" ")))
    }

    fn spread(&mut self, rule: Rule) -> Vec<Rule> {
        let one = |nets: &[Net], kind: fn(Net) -> MatchKind| -> Vec<Option<Match>> {
            let matches = nets.iter().map(|net| Some(Match { negated: false, kind: kind(*net) }));
            if nets.is_empty() { vec![None] } else { matches.collect() }
        };
        let sources = one(&self.sources, MatchKind::Source);
        let destinations = one(&self.destinations, MatchKind::Destination);
        let rest: Vec<Match> = self.out.config.matches.drain(self.first..).collect();
        let mut rules = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let first = self.out.config.matches.len();
                self.out.config.matches.extend(source.iter().chain(destination).chain(&rest));
                let count = self.out.config.matches.len() - first;
                rules.push(Rule { first: first as u32, count: count as u32, ..rule });
            }
        }
        rules
    }

    /// Checks what a built-in chain does not allow.
    pub(super) fn check_interfaces(&mut self, chain: Hook) {
        let refused = match chain {
            Hook::Prerouting | Hook::Input => self.has_out.map(|span| ("-o", span)),
            Hook::Output | Hook::Postrouting => self.has_in.map(|span| ("-i", span)),
            Hook::Forward => None,
        };
        if let Some((option, span)) = refused {
            self.fails(span, format!("`{option}` is not allowed in {}", builtin(chain)));
        }
    }

    /// The conditions that come of modules as a whole, and what modules demand of the rest of the rule.
    fn finish_modules(&mut self) {
        for at in 0..self.active.len() {
            let Instance { module, seen, span, .. } = self.active[at];
            let module: &'static Module = &modules::ALL[module as usize];
            let what = if module.target { "target" } else { "match" };
            if module.needs_option && seen == 0 {
                self.fails(span, format!("{what} `{}` is given no option", module.name));
            }
            let must = module.options.iter().position(|option| option.name == module.must);
            if must.is_some_and(|at| seen & 1 << at == 0) {
                self.fails(span, format!("{what} `{}` needs `--{}`", module.name, module.must));
            }
            self.check_choice(module, seen, what, span);
            self.check_protocol(module, what, span);
            let table: TableName = self.out.config.tables[self.table].name;
            if module.tables & table.bit() == 0 {
                let message = format!("{what} `{}` does not go into table `{}`", module.name, table.text());
                self.fails(span, message);
            }
            if module.target {
                self.finish_target(at, module, span);
            } else {
                self.finish_match(at, module);
            }
        }
    }

    /// Of some options, one has to be given, and for some modules only one.
    fn check_choice(&mut self, module: &'static Module, seen: u32, what: &str, span: Span) {
        if module.one_of.is_empty() {
            return;
        }
        let given = |(at, option): (usize, &modules::Opt)| {
            seen & 1 << at != 0 && module.one_of.contains(&option.name)
        };
        let count = module.options.iter().enumerate().filter(|one| given(*one)).count();
        if count == 0 || (count > 1 && module.exclusive) {
            let names = module.one_of.iter().map(|name| format!("`--{name}`")).collect::<Vec<_>>().join(", ");
            self.fails(span, format!("{what} `{}` needs one of {names}", module.name));
        }
    }

    fn check_protocol(&mut self, module: &'static Module, what: &str, span: Span) {
        if module.protocols.is_empty() || self.protocol_unknown {
            return;
        }
        let list = || {
            let names = module.protocols.iter().filter_map(|p| names::protocol_name(*p));
            names.map(|name| format!("`-p {name}`")).collect::<Vec<_>>().join(" or ")
        };
        match self.protocol {
            Some((number, false)) if module.protocols.contains(&number) => {}
            Some((number, true))
                if module.protocols.contains(&number) && matches!(module.name, "tcp" | "udp") =>
            {
                let name = module.name;
                let message = format!("`! -p {name}` with `-m {name}` looks at the bytes of other protocols");
                self.out.findings.push(
                    load_error(span, message)
                        .label("the legacy back end refuses it, the nftables one matches ports of other protocols")
                        .help(format!("Write one rule for `-p {name}` and another for the other protocols.")),
                );
            }
            _ => self.fails(span, format!("{what} `{}` needs {}", module.name, list())),
        }
    }
}
