//! Commands: what stands at the top of a file.

use super::{Parser, Read, holds_rules};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{
    ChainBody, Command, CommandObject, ExprKind, Item, Position, TableFamily, TableRef, Verb,
};

impl Parser<'_, '_, '_> {
    /// All commands of a text.
    pub(super) fn commands(&mut self) {
        loop {
            while self.eat_kind(Kind::Newline) || self.eat_kind(Kind::Semicolon) {}
            if self.at_kind(Kind::End) {
                return;
            }
            let open = self.open;
            let about_rules = self.is_about_rules();
            if let Err(failed) = self.command() {
                if about_rules {
                    self.reader.lose(failed.span);
                }
                self.reader.syntax_error(failed);
                self.recover(open, false);
                if self.at_kind(Kind::RBrace) {
                    self.bump();
                }
            }
        }
    }

    /// Whether the command that begins here is about rules, as far as its first words tell.
    fn is_about_rules(&self) -> bool {
        let next = self.text_of(self.ahead());
        match self.word() {
            Some("add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush" | "rename") => {
                holds_rules(next)
            }
            Some(word) => holds_rules(word),
            None => false,
        }
    }

    fn command(&mut self) -> Read<()> {
        if self.common(&mut |parser| parser.commands())? {
            return Ok(());
        }
        let start = self.cur.start;
        let verb = match self.word() {
            Some("add") => Verb::Add,
            Some("create") => Verb::Create,
            Some("insert") => Verb::Insert,
            Some("replace") => Verb::Replace,
            Some("delete") => Verb::Delete,
            Some("destroy") => Verb::Destroy,
            Some("flush") => Verb::Flush,
            Some("rename") => {
                self.bump();
                self.expect("chain")?;
                let table = self.table_ref()?;
                let (chain, name) = (self.name()?, self.name()?);
                return self.push(start, Verb::Add, CommandObject::Rename(table, chain, name));
            }
            Some("list" | "get" | "reset" | "monitor" | "export" | "import" | "describe") => {
                self.skip_line();
                return self.push(start, Verb::Add, CommandObject::Read);
            }
            Some(_) => {
                let object = self.object(Verb::Add, true)?;
                return self.push(start, Verb::Add, object);
            }
            None => return Err(self.unexpected("a command")),
        };
        self.bump();
        let object = self.object(verb, false)?;
        self.push(start, verb, object)
    }

    fn push(&mut self, start: usize, verb: Verb, object: CommandObject) -> Read<()> {
        let span = self.since(start);
        self.reader.commands.push(Command { verb, object, span });
        self.finish()
    }

    /// Takes what is left of the command.
    fn skip_line(&mut self) {
        let open = self.open;
        while !(self.at_kind(Kind::End)
            || self.open <= open && matches!(self.cur.kind, Kind::Newline | Kind::Semicolon | Kind::RBrace))
        {
            self.bump();
        }
    }

    /// What a verb is about; `bare` where no verb is written.
    fn object(&mut self, verb: Verb, bare: bool) -> Read<CommandObject> {
        let makes = matches!(verb, Verb::Add | Verb::Create);
        let word = self.word().unwrap_or("");
        match word {
            "ruleset" if verb == Verb::Flush => {
                self.bump();
                let family = self.word().and_then(TableFamily::of);
                if family.is_some() {
                    self.bump();
                }
                Ok(CommandObject::Ruleset(family))
            }
            "table" => {
                self.bump();
                self.table(makes)
            }
            "chain" => {
                self.bump();
                let table = self.table_ref()?;
                if self.by_handle()? {
                    return Ok(CommandObject::ByHandle);
                }
                let name = self.name()?;
                let body =
                    if self.at_kind(Kind::LBrace) { self.chain_block()? } else { ChainBody::default() };
                Ok(CommandObject::Item(table, Item::Chain(name, Box::new(body))))
            }
            "rule" => {
                self.bump();
                self.rule_command(verb)
            }
            "set" | "map" | "meter" => {
                self.bump();
                let table = self.table_ref()?;
                if self.by_handle()? {
                    return Ok(CommandObject::ByHandle);
                }
                let name = self.name()?;
                let map = word == "map";
                let body = if makes { self.set_block(map)? } else { Default::default() };
                Ok(CommandObject::Item(table, Item::Set(name, Box::new(body))))
            }
            "element" => {
                self.bump();
                let table = self.table_ref()?;
                let set = self.name()?;
                let elements = self.set_or_ref()?;
                let elements = self.elements_of(&elements)?;
                Ok(CommandObject::Elements { table, set, elements })
            }
            "flowtable" | "counter" | "quota" | "limit" | "secmark" | "synproxy" | "ct" => {
                let kind = self.object_kind()?;
                let table = self.table_ref()?;
                if self.by_handle()? {
                    return Ok(CommandObject::ByHandle);
                }
                let name = self.name()?;
                let object = self.object_body(kind, name)?;
                Ok(CommandObject::Item(table, Item::Object(object)))
            }
            // A rule without `rule`, as in `add ip filter input accept`.
            _ if matches!(verb, Verb::Add) && self.at_kind(Kind::Word) => self.rule_command(verb),
            _ if bare => Err(self.unexpected("a command")),
            _ => Err(self.unexpected("`table`, `chain`, `rule`, `set`, `map`, `element` or another object")),
        }
    }

    fn by_handle(&mut self) -> Read<bool> {
        if self.at("handle") && self.ahead().kind == Kind::Number {
            self.bump();
            self.number()?;
            return Ok(true);
        }
        Ok(false)
    }

    fn table(&mut self, makes: bool) -> Read<CommandObject> {
        let family = self.family();
        if self.by_handle()? {
            return Ok(CommandObject::ByHandle);
        }
        let table = TableRef { family, name: self.name()? };
        let (mut items, mut dormant) = (Vec::new(), false);
        if makes && self.at_kind(Kind::LBrace) {
            self.bump();
            self.scoped(|p| p.table_items(&mut items, &mut dormant));
            self.close_block();
        }
        Ok(CommandObject::Table { table, dormant, items })
    }

    fn family(&mut self) -> TableFamily {
        let next = self.ahead().kind;
        match self.word().and_then(TableFamily::of) {
            Some(family) if matches!(next, Kind::Word | Kind::Dollar) => {
                self.bump();
                family
            }
            _ => TableFamily::Ip,
        }
    }

    fn table_ref(&mut self) -> Read<TableRef> {
        let family = self.family();
        Ok(TableRef { family, name: self.name()? })
    }

    fn rule_command(&mut self, verb: Verb) -> Read<CommandObject> {
        let table = self.table_ref()?;
        let chain = self.name()?;
        let position = match self.word() {
            Some("index") => {
                self.bump();
                Position::Index(self.number()?)
            }
            Some("handle" | "position") => {
                self.bump();
                Position::Handle(self.number()?)
            }
            _ => Position::None,
        };
        let rule = match verb {
            Verb::Delete | Verb::Destroy => None,
            _ => {
                let (rule, read) = self.rule();
                if let Err(failed) = read {
                    // The rule stays, and what follows on the line is passed over.
                    self.reader.syntax_error(failed);
                    self.skip_line();
                }
                Some(rule)
            }
        };
        Ok(CommandObject::Rule { table, chain, position, rule })
    }

    /// The elements of a set that is written in place or held by a variable.
    pub(super) fn elements_of(
        &mut self,
        expr: &crate::dialect::nftables::syntax::Expr,
    ) -> Read<std::rc::Rc<Vec<crate::dialect::nftables::syntax::Elem>>> {
        let mut kind = &expr.kind;
        while let ExprKind::Ref(value) = kind {
            kind = &value.kind;
        }
        match kind {
            ExprKind::Set(elements) => Ok(elements.clone()),
            ExprKind::Text(text) if text.is_empty() => Ok(Default::default()),
            _ => Err(super::Failed { span: expr.span, message: "not a set of elements".to_string() }),
        }
    }

    /// The end of a block: its brace, or a finding where the file ends first.
    pub(super) fn close_block(&mut self) {
        if !self.eat_kind(Kind::RBrace) {
            let failed = self.unexpected("`}`");
            self.reader.syntax_error(failed);
        }
    }
}
