//! `nft -j list ruleset` and scripts in JSON, into the same syntax tree as the text.
//!
//! Source: libnftables-json(5). Commands are read one by one, so that only one is held as JSON.

mod expr;
mod stmt;
mod value;

use std::rc::Rc;

use rustc_hash::FxHashSet;

use self::value::{Broken, JsonReader, Node};
use super::parser::{Failed, Read, Reader, holds_rules};
use super::syntax::{
    ChainBody, Command, CommandObject, Forgets, HookSpec, Item, KeyType, MapData, Name, Object, ObjectKind,
    Position, Priority, Rule, SetBody, Stmt, StmtKind, TableFamily, TableRef, Verb,
};
use crate::source::{SourceId, Span};

/// Whether a text is JSON rather than a script: it begins with a brace.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads one file of commands.
pub(super) fn file(reader: &mut Reader<'_>, id: SourceId) {
    let file = reader.sources.file(id);
    let (text, base) = (file.text.clone(), file.base);
    reader.damage(id);
    let mut json = JsonReader::new(&text, base);
    let mut document = Document { reader, text: &text, base, listed: None };
    if let Err(broken) = document.read(&mut json) {
        document.broken(&broken);
    }
}

/// Whether a command is about rules, with a verb or without.
fn is_about_rules(node: &Node) -> bool {
    const VERBS: [&str; 7] = ["add", "create", "insert", "replace", "delete", "destroy", "flush"];
    node.only().is_some_and(|(word, value)| {
        let inner = || value.only().is_some_and(|(word, _)| holds_rules(word));
        holds_rules(word) || VERBS.contains(&word) && inner()
    })
}

/// Turns JSON into the syntax tree.
struct Document<'r, 's, 't> {
    reader: &'r mut Reader<'s>,
    text: &'t str,
    base: u32,
    /// In what nft lists: the tables that were there. It lists a single chain or set without its table.
    listed: Option<FxHashSet<(TableFamily, Box<str>)>>,
}

impl Document<'_, '_, '_> {
    fn broken(&mut self, broken: &Broken) {
        let start = self.base + broken.at.min(self.text.len()) as u32;
        let (span, message) =
            (Span::new(start, start), format!("not JSON here, expected {}", broken.expected));
        self.reader.lose(span);
        self.reader.syntax_error(Failed { span, message });
    }

    /// Says that the JSON is of something else.
    fn no_ruleset(&mut self, start: usize) {
        let at = self.base + start as u32;
        let message = "no list `nftables`, which holds the rules in the JSON of nft".to_string();
        self.reader.syntax_error(Failed { span: Span::new(at - 1, at), message });
    }

    fn read(&mut self, json: &mut JsonReader<'_>) -> Result<(), Broken> {
        json.expect(b'{', "`{`")?;
        let start = json.at;
        let mut found = false;
        if json.eat(b'}') {
            self.no_ruleset(start);
            return Ok(());
        }
        loop {
            let name = json.key()?;
            if &*name == "nftables" {
                found = true;
                json.expect(b'[', "`[`")?;
                self.commands(json)?;
            } else {
                json.value()?;
            }
            if json.eat(b'}') {
                if !found {
                    self.no_ruleset(start);
                }
                return match json.peek() {
                    None => Ok(()),
                    Some(_) => Err(Broken { at: json.at, expected: "the end of the file" }),
                };
            }
            json.expect(b',', "`,` or `}`")?;
        }
    }

    fn commands(&mut self, json: &mut JsonReader<'_>) -> Result<(), Broken> {
        if json.eat(b']') {
            return Ok(());
        }
        loop {
            json.peek();
            let start = json.at;
            match json.value() {
                Ok(node) => {
                    if let Err(failed) = self.command(&node) {
                        if is_about_rules(&node) {
                            self.reader.lose(failed.span);
                        }
                        self.reader.syntax_error(failed);
                    }
                }
                Err(broken) => {
                    self.broken(&broken);
                    json.skip(start);
                }
            }
            if json.eat(b']') {
                return Ok(());
            }
            json.expect(b',', "`,` or `]`")?;
        }
    }

    fn text_of<'a>(&'a self, node: &'a Node) -> &'a str {
        node.text(self.text, self.base)
    }

    fn fail<T>(&self, node: &Node, message: impl Into<String>) -> Read<T> {
        Err(Failed { span: node.span, message: message.into() })
    }

    /// A member that has to be there.
    fn member<'a>(&self, node: &'a Node, name: &str) -> Read<&'a Node> {
        match node.get(name) {
            Some(member) => Ok(member),
            None => self.fail(node, format!("the member `{name}` is missing")),
        }
    }

    /// A member that is a name.
    fn name(&self, node: &Node, member: &str) -> Read<Name> {
        let member = self.member(node, member)?;
        self.name_of(member)
    }

    fn name_of(&self, node: &Node) -> Read<Name> {
        if !node.is_string() {
            return self.fail(node, "unexpected value, expected a string");
        }
        Ok(Name { text: self.text_of(node).into(), span: node.span })
    }

    fn number(&self, node: &Node) -> Read<i64> {
        match self.text_of(node).parse() {
            Ok(number) => Ok(number),
            Err(_) => self.fail(node, "unexpected value, expected a number"),
        }
    }

    fn family(&self, node: &Node) -> Read<TableFamily> {
        let Some(member) = node.get("family") else { return Ok(TableFamily::Ip) };
        match TableFamily::of(self.text_of(member)) {
            Some(family) => Ok(family),
            None => self.fail(member, format!("`{}` is no family", self.text_of(member))),
        }
    }

    fn table(&self, node: &Node, member: &str) -> Read<TableRef> {
        Ok(TableRef { family: self.family(node)?, name: self.name(node, member)? })
    }

    fn command(&mut self, node: &Node) -> Read<()> {
        let Some((word, value)) = node.only() else {
            return self.fail(node, "unexpected value, expected an object with one member");
        };
        let verb = match word {
            "metainfo" => {
                self.listed.get_or_insert_default();
                return Ok(());
            }
            "add" => Verb::Add,
            "create" => Verb::Create,
            "insert" => Verb::Insert,
            "replace" => Verb::Replace,
            "delete" => Verb::Delete,
            "destroy" => Verb::Destroy,
            "flush" => Verb::Flush,
            "rename" => {
                let chain = self.member(value, "chain")?;
                let object = CommandObject::Rename(
                    self.table(chain, "table")?,
                    self.name(chain, "name")?,
                    self.name(chain, "newname")?,
                );
                self.reader.commands.push(Command { verb: Verb::Add, object, span: node.span });
                return Ok(());
            }
            "list" | "reset" => {
                self.reader.commands.push(Command {
                    verb: Verb::Add,
                    object: CommandObject::Read,
                    span: node.span,
                });
                return Ok(());
            }
            _ => {
                self.table_of_listed(word, value)?;
                let object = self.object(word, value, Verb::Add)?;
                self.reader.commands.push(Command { verb: Verb::Add, object, span: node.span });
                return Ok(());
            }
        };
        let Some((word, value)) = value.only() else {
            return self.fail(value, "unexpected value, expected an object with one member");
        };
        let object = self.object(word, value, verb)?;
        self.reader.commands.push(Command { verb, object, span: node.span });
        Ok(())
    }

    /// Adds the table of a listed object, where it was not listed itself.
    fn table_of_listed(&mut self, word: &str, node: &Node) -> Read<()> {
        let member = if word == "table" { "name" } else { "table" };
        if self.listed.is_none() || node.get(member).is_none() {
            return Ok(());
        }
        let table = self.table(node, member)?;
        let key = (table.family, table.name.text.clone());
        if self.listed.as_mut().is_some_and(|listed| listed.insert(key)) && word != "table" {
            let object = CommandObject::Table { table, dormant: false, items: Vec::new() };
            self.reader.commands.push(Command { verb: Verb::Add, object, span: node.span });
        }
        Ok(())
    }

    fn object(&mut self, word: &str, node: &Node, verb: Verb) -> Read<CommandObject> {
        let makes = matches!(verb, Verb::Add | Verb::Create | Verb::Insert | Verb::Replace);
        let kind = match word {
            "ruleset" => {
                let family = node.get("family").map(|_| self.family(node)).transpose()?;
                return Ok(CommandObject::Ruleset(family));
            }
            "table" => {
                let dormant =
                    node.get("flags").is_some_and(|f| f.items().iter().any(|i| self.text_of(i) == "dormant"));
                if self.by_handle(node) {
                    return Ok(CommandObject::ByHandle);
                }
                let table = self.table(node, "name")?;
                return Ok(CommandObject::Table { table, dormant, items: Vec::new() });
            }
            "chain" if self.by_handle(node) => return Ok(CommandObject::ByHandle),
            "chain" => {
                let (table, name) = (self.table(node, "table")?, self.name(node, "name")?);
                let body = Box::new(self.chain(node));
                return Ok(CommandObject::Item(table, Item::Chain(name, body)));
            }
            "rule" => return self.rule(node, verb),
            "set" | "map" | "meter" if self.by_handle(node) => return Ok(CommandObject::ByHandle),
            "set" | "map" | "meter" => {
                let body = if makes { self.set_body(node, word == "map")? } else { SetBody::default() };
                let item = Item::Set(self.name(node, "name")?, Box::new(body));
                return Ok(CommandObject::Item(self.table(node, "table")?, item));
            }
            "element" => {
                let elements = Rc::new(self.elements(self.member(node, "elem")?)?);
                let (table, set) = (self.table(node, "table")?, self.name(node, "name")?);
                return Ok(CommandObject::Elements { table, set, elements });
            }
            "flowtable" => ObjectKind::Flowtable,
            "counter" => ObjectKind::Counter,
            "quota" => ObjectKind::Quota,
            "ct helper" => ObjectKind::CtHelper,
            "ct timeout" => ObjectKind::CtTimeout,
            "ct expectation" => ObjectKind::CtExpectation,
            "limit" => ObjectKind::Limit,
            "secmark" => ObjectKind::Secmark,
            "synproxy" => ObjectKind::Synproxy,
            _ => return self.fail(node, format!("`{word}` is no object of nftables")),
        };
        if self.by_handle(node) {
            return Ok(CommandObject::ByHandle);
        }
        let object = self.named_object(node, kind, makes)?;
        Ok(CommandObject::Item(self.table(node, "table")?, Item::Object(object)))
    }

    fn by_handle(&self, node: &Node) -> bool {
        node.get("name").is_none() && node.get("handle").is_some()
    }

    fn named_object(&self, node: &Node, kind: ObjectKind, makes: bool) -> Read<Object> {
        let mut object = Object {
            kind,
            name: self.name(node, "name")?,
            helper: None,
            l3proto: None,
            over: self.over(node),
            idle: None,
        };
        if let (ObjectKind::CtTimeout, Some(policy)) = (kind, node.get("policy")) {
            for state in ["established", "replied"] {
                let Some(value) = policy.get(state) else { continue };
                let seconds = u32::try_from(self.number(value)?).unwrap_or(u32::MAX);
                object.idle = Forgets::new(state, seconds, value.span);
            }
        }
        if kind == ObjectKind::CtHelper && makes {
            let protocol = self.name(node, "protocol")?;
            object.helper = Some((self.name(node, "type")?, protocol.text));
            object.l3proto = node.get("l3proto").and_then(|n| TableFamily::of(self.text_of(n)));
        }
        Ok(object)
    }

    /// What cannot be read of a base chain is lost; the chain is there.
    fn chain(&mut self, node: &Node) -> ChainBody {
        let mut body = ChainBody::default();
        if node.get("hook").is_none() {
            return body;
        }
        match self.hook(node) {
            Ok(hook) => body.hook = Some(hook),
            Err(failed) => {
                self.reader.syntax_error(failed);
                body.lost.hook = true;
            }
        }
        if let Some(policy) = node.get("policy") {
            match self.text_of(policy) {
                "accept" => body.policy = Some((true, policy.span)),
                "drop" => body.policy = Some((false, policy.span)),
                other => {
                    let message = format!("unexpected `{other}`, expected `accept` or `drop`");
                    self.reader.syntax_error(Failed { span: policy.span, message });
                    body.lost.policy = true;
                }
            }
        }
        body
    }

    fn hook(&self, node: &Node) -> Read<HookSpec> {
        let prio = self.member(node, "prio")?;
        let priority = Priority { name: None, offset: self.number(prio)?, span: prio.span };
        let mut devices = Vec::new();
        for device in node.get("dev").map_or(&[][..], Node::items) {
            devices.push(self.name_of(device)?);
        }
        let (kind, hook) = (self.name(node, "type")?, self.name(node, "hook")?);
        Ok(HookSpec { kind, hook, devices, priority, span: node.span })
    }

    fn rule(&mut self, node: &Node, verb: Verb) -> Read<CommandObject> {
        let (table, chain) = (self.table(node, "table")?, self.name(node, "chain")?);
        let handle = match node.get("handle") {
            Some(handle) => Some(self.number(handle)?.max(0) as u64),
            None => None,
        };
        let needs = matches!(verb, Verb::Insert | Verb::Replace | Verb::Delete | Verb::Destroy);
        let position = match (node.get("index"), handle) {
            (Some(index), _) => Position::Index(self.number(index)?.max(0) as u64),
            (None, Some(handle)) if needs => Position::Handle(handle),
            _ => Position::None,
        };
        if matches!(verb, Verb::Delete | Verb::Destroy | Verb::Flush) {
            return Ok(CommandObject::Rule { table, chain, position, rule: None });
        }
        let mut stmts = Vec::new();
        for item in self.member(node, "expr")?.items() {
            // What cannot be read costs this statement only: it stays open what it does.
            match self.stmt(item) {
                Ok(read) => stmts.extend(read),
                Err(failed) => {
                    self.reader.syntax_error(failed);
                    stmts.push(Stmt { span: item.span, kind: StmtKind::Unread });
                }
            }
        }
        let rule = Rule { stmts, span: node.span, handle };
        Ok(CommandObject::Rule { table, chain, position, rule: Some(rule) })
    }

    fn set_body(&mut self, node: &Node, map: bool) -> Read<SetBody> {
        let mut body =
            SetBody { map, key: Some(self.key_type(self.member(node, "type")?)?), ..SetBody::default() };
        if let Some(data) = node.get("map") {
            body.data = Some(self.map_data(data)?);
        }
        for flag in node.get("flags").map_or(&[][..], Node::items) {
            match self.text_of(flag) {
                "interval" => body.interval = true,
                "timeout" => body.timeout = true,
                "dynamic" => body.dynamic = true,
                _ => {}
            }
        }
        body.timeout |= node.get("timeout").is_some();
        body.auto_merge = node.get("auto-merge").is_some_and(|n| matches!(n.value, value::Json::Bool(true)));
        if let Some(elements) = node.get("elem") {
            body.elements.push(Rc::new(self.elements(elements)?));
        }
        Ok(body)
    }

    fn key_type(&mut self, node: &Node) -> Read<KeyType> {
        if let Some(of) = node.get("typeof") {
            return Ok(KeyType::Of(Box::new(self.expr(of)?)));
        }
        let mut names = Vec::new();
        for item in node.items() {
            names.push(self.name_of(item)?);
        }
        Ok(KeyType::Named(names))
    }

    fn map_data(&mut self, node: &Node) -> Read<MapData> {
        Ok(match self.text_of(node) {
            "verdict" => MapData::Verdict,
            "counter" => MapData::Object(ObjectKind::Counter),
            "quota" => MapData::Object(ObjectKind::Quota),
            "limit" => MapData::Object(ObjectKind::Limit),
            "secmark" => MapData::Object(ObjectKind::Secmark),
            "synproxy" => MapData::Object(ObjectKind::Synproxy),
            "ct timeout" => MapData::Object(ObjectKind::CtTimeout),
            "ct expectation" => MapData::Object(ObjectKind::CtExpectation),
            _ => MapData::Value(self.key_type(node)?),
        })
    }
}
