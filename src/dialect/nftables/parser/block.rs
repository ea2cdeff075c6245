//! Blocks: of tables, chains, sets, maps and objects.

use super::{Failed, Parser, Read};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{
    ChainBody, ExprKind, Forgets, HookSpec, Item, KeyType, MapData, Name, Object, ObjectKind, Priority,
    SetBody, TableFamily,
};

impl<'s> Parser<'_, 's, '_> {
    /// Reads the statements of a block with `statement`, up to the closing brace or the end, each
    /// error costing its statement.
    /// Says of each whether it needs a line end or `;` behind it.
    fn block(&mut self, list: bool, statement: &mut impl FnMut(&mut Parser<'_, 's, '_>) -> Read<bool>) {
        loop {
            while self.eat_kind(Kind::Newline) || self.eat_kind(Kind::Semicolon) {}
            if matches!(self.cur.kind, Kind::RBrace | Kind::End) {
                return;
            }
            let open = self.open;
            let read = match self.common(&mut |parser| parser.block(list, statement)) {
                Ok(true) => continue,
                Ok(false) => statement(self).and_then(|ends| if ends { self.finish() } else { Ok(()) }),
                Err(failed) => Err(failed),
            };
            if let Err(failed) = read {
                self.reader.syntax_error(failed);
                self.recover(open, list);
            }
        }
    }

    /// What stands in a table's block.
    pub(super) fn table_items(&mut self, items: &mut Vec<Item>, dormant: &mut bool) {
        self.block(false, &mut |p| p.table_item(items, dormant).map(|()| true));
    }

    fn table_item(&mut self, items: &mut Vec<Item>, dormant: &mut bool) -> Read<()> {
        match self.word().unwrap_or("") {
            "flags" => {
                self.bump();
                loop {
                    *dormant |= self.at("dormant");
                    self.name()?;
                    if !self.eat_kind(Kind::Comma) {
                        return Ok(());
                    }
                }
            }
            "comment" => {
                self.bump();
                self.string().map(drop)
            }
            "chain" => {
                let start = self.bump().start;
                let lost = self.since(start);
                let name = self.name().inspect_err(|_| self.reader.lose(lost))?;
                let body = self.chain_block().inspect_err(|_| self.reader.lose(lost))?;
                items.push(Item::Chain(name, Box::new(body)));
                Ok(())
            }
            word @ ("set" | "map" | "meter") => {
                self.bump();
                let name = self.name()?;
                let body = self.set_block(word == "map")?;
                items.push(Item::Set(name, Box::new(body)));
                Ok(())
            }
            "flowtable" | "counter" | "quota" | "limit" | "secmark" | "synproxy" | "ct" => {
                let kind = self.object_kind()?;
                let name = self.name()?;
                if !self.at_kind(Kind::LBrace) {
                    return Err(self.unexpected("`{`"));
                }
                items.push(Item::Object(self.object_body(kind, name)?));
                Ok(())
            }
            _ => Err(self.unexpected("`chain`, `set`, `map` or another part of a table")),
        }
    }

    /// `{ … }` of a chain.
    pub(super) fn chain_block(&mut self) -> Read<ChainBody> {
        self.expect_kind(Kind::LBrace, "`{`")?;
        let mut body = ChainBody::default();
        self.scoped(|p| p.block(true, &mut |p| p.chain_part(&mut body).map(|()| true)));
        body.rules.shrink_to_fit();
        self.close_block();
        Ok(body)
    }

    fn chain_part(&mut self, body: &mut ChainBody) -> Read<()> {
        match self.word().unwrap_or("") {
            "type" => {
                body.lost.hook = true;
                body.hook = Some(self.hook()?);
                body.lost.hook = false;
                Ok(())
            }
            "policy" => {
                body.lost.policy = true;
                let start = self.bump().start;
                let name = self.name()?;
                let accept = match &*name.text {
                    "accept" => true,
                    "drop" => false,
                    _ => {
                        let message = format!("unexpected `{}`, expected `accept` or `drop`", name.text);
                        return Err(Failed { span: name.span, message });
                    }
                };
                body.lost.policy = false;
                body.policy = Some((accept, self.since(start)));
                Ok(())
            }
            "flags" => {
                self.bump();
                self.expect("offload")
            }
            "devices" => {
                self.bump();
                let devices = self.devices()?;
                if let Some(hook) = &mut body.hook {
                    hook.devices.extend(devices);
                }
                Ok(())
            }
            "comment" => {
                self.bump();
                self.string().map(drop)
            }
            _ => {
                let (rule, read) = self.rule();
                body.rules.push(rule);
                read
            }
        }
    }

    fn hook(&mut self) -> Read<HookSpec> {
        let start = self.bump().start;
        let kind = self.name()?;
        self.expect("hook")?;
        let hook = self.name()?;
        let mut devices = Vec::new();
        if self.eat("device") {
            devices.push(self.string()?);
        } else if self.eat("devices") {
            devices = self.devices()?;
        }
        for device in devices.iter().filter(|device| device.text.is_empty()) {
            self.reader.refused(device.span, "the name of the device is empty");
        }
        self.expect("priority")?;
        let priority = self.priority()?;
        Ok(HookSpec { kind, hook, devices, priority, span: self.since(start) })
    }

    /// `= { a, b }`
    fn devices(&mut self) -> Read<Vec<Name>> {
        self.expect_kind(Kind::Assign, "`=`")?;
        if self.at_kind(Kind::Dollar) {
            let expr = self.variable()?;
            return Ok(self.reader.words_of(&expr));
        }
        self.expect_kind(Kind::LBrace, "`{`")?;
        let mut devices = Vec::new();
        loop {
            self.newlines();
            if self.at_kind(Kind::RBrace) {
                break;
            }
            if self.at_kind(Kind::Dollar) {
                let expr = self.variable()?;
                devices.extend(self.reader.words_of(&expr));
            } else {
                devices.push(self.string()?);
            }
            self.newlines();
            if !self.eat_kind(Kind::Comma) {
                break;
            }
        }
        self.expect_kind(Kind::RBrace, "`}`")?;
        Ok(devices)
    }

    /// `-150`, `filter`, `filter + 10`, `$variable`
    fn priority(&mut self) -> Read<Priority> {
        let start = self.cur.start;
        let (mut name, mut offset) = (None, 0);
        match self.cur.kind {
            Kind::Number => offset = self.number()?.min(i64::MAX as u64) as i64,
            Kind::Dash => {
                self.bump();
                offset = -(self.number()?.min(i64::MAX as u64) as i64);
            }
            Kind::Dollar => {
                let expr = self.variable()?;
                return Ok(self.reader.priority_of(&expr));
            }
            _ => {
                name = Some(self.name()?);
                let minus = self.at_kind(Kind::Dash);
                if minus || self.at_kind(Kind::Plus) {
                    self.bump();
                    offset = self.number()?.min(i64::MAX as u64) as i64;
                    offset = if minus { -offset } else { offset };
                }
            }
        }
        Ok(Priority { name, offset, span: self.since(start) })
    }

    /// `{ … }` of a set or map.
    pub(super) fn set_block(&mut self, map: bool) -> Read<SetBody> {
        self.expect_kind(Kind::LBrace, "`{`")?;
        let mut body = SetBody { map, ..SetBody::default() };
        self.scoped(|p| {
            p.block(true, &mut |p| {
                let ends = !matches!(p.word(), Some("elements" | "auto-merge"));
                p.set_part(&mut body).map(|()| ends)
            })
        });
        self.close_block();
        Ok(body)
    }

    fn set_part(&mut self, body: &mut SetBody) -> Read<()> {
        match self.word().unwrap_or("") {
            "type" => {
                self.bump();
                body.key = Some(self.type_names()?);
                if self.eat_kind(Kind::Colon) {
                    self.eat("interval");
                    body.data = Some(self.map_data(false)?);
                }
                Ok(())
            }
            "typeof" => {
                self.bump();
                body.key = Some(KeyType::Of(Box::new(self.left()?)));
                if self.eat_kind(Kind::Colon) {
                    self.eat("interval");
                    body.data = Some(self.map_data(true)?);
                }
                Ok(())
            }
            "flags" => {
                self.bump();
                loop {
                    match self.word().unwrap_or("") {
                        "interval" => body.interval = true,
                        "timeout" => body.timeout = true,
                        "dynamic" => body.dynamic = true,
                        "constant" => {}
                        _ => return Err(self.unexpected("a flag of a set")),
                    }
                    self.bump();
                    if !self.eat_kind(Kind::Comma) {
                        return Ok(());
                    }
                }
            }
            "timeout" => {
                self.bump();
                body.timeout = true;
                self.string_or_number()
            }
            "gc-interval" => {
                self.bump();
                self.string_or_number()
            }
            "size" => {
                self.bump();
                self.number().map(drop)
            }
            "policy" => {
                self.bump();
                self.name().map(drop)
            }
            "auto-merge" => {
                self.bump();
                body.auto_merge = true;
                Ok(())
            }
            "comment" => {
                self.bump();
                self.string().map(drop)
            }
            "counter" | "limit" | "quota" | "last" | "ct" => {
                while self.stateful()?.is_some() {}
                Ok(())
            }
            "elements" => {
                self.bump();
                self.expect_kind(Kind::Assign, "`=`")?;
                let elements = if self.at_kind(Kind::Dollar) { self.variable()? } else { self.set()? };
                let elements = self.elements_of(&elements)?;
                body.elements.push(elements);
                Ok(())
            }
            _ => Err(self.unexpected("a part of a set")),
        }
    }

    fn type_names(&mut self) -> Read<KeyType> {
        let mut names = vec![self.name()?];
        while self.eat_kind(Kind::Dot) {
            names.push(self.name()?);
        }
        Ok(KeyType::Named(names))
    }

    fn map_data(&mut self, of: bool) -> Read<MapData> {
        let object = match self.word().unwrap_or("") {
            "counter" => Some(ObjectKind::Counter),
            "quota" => Some(ObjectKind::Quota),
            "limit" => Some(ObjectKind::Limit),
            "secmark" => Some(ObjectKind::Secmark),
            "synproxy" => Some(ObjectKind::Synproxy),
            "ct" if of && self.text_of(self.ahead()) == "timeout" => Some(ObjectKind::CtTimeout),
            "ct" if of && self.text_of(self.ahead()) == "expectation" => Some(ObjectKind::CtExpectation),
            "verdict" => {
                self.bump();
                return Ok(MapData::Verdict);
            }
            _ => None,
        };
        if let Some(kind) = object {
            self.bump();
            if matches!(kind, ObjectKind::CtTimeout | ObjectKind::CtExpectation) {
                self.bump();
            }
            return Ok(MapData::Object(kind));
        }
        Ok(MapData::Value(if of { KeyType::Of(Box::new(self.left()?)) } else { self.type_names()? }))
    }

    /// The kind of an object, from its first word or two.
    pub(super) fn object_kind(&mut self) -> Read<ObjectKind> {
        let kind = match self.word().unwrap_or("") {
            "flowtable" => ObjectKind::Flowtable,
            "counter" => ObjectKind::Counter,
            "quota" => ObjectKind::Quota,
            "limit" => ObjectKind::Limit,
            "secmark" => ObjectKind::Secmark,
            "synproxy" => ObjectKind::Synproxy,
            _ => {
                self.bump();
                match self.word().unwrap_or("") {
                    "helper" => ObjectKind::CtHelper,
                    "timeout" => ObjectKind::CtTimeout,
                    "expectation" => ObjectKind::CtExpectation,
                    _ => return Err(self.unexpected("`helper`, `timeout` or `expectation`")),
                }
            }
        };
        self.bump();
        Ok(kind)
    }

    /// What follows the name of an object: its block, its settings without one, or nothing.
    pub(super) fn object_body(&mut self, kind: ObjectKind, name: Name) -> Read<Object> {
        let mut object = Object { kind, name, helper: None, l3proto: None, over: false, idle: None };
        if self.eat_kind(Kind::LBrace) {
            self.scoped(|p| p.block(true, &mut |p| p.object_part(&mut object).map(|()| false)));
            self.close_block();
        } else if !self.at_end() {
            self.object_part(&mut object)?;
        }
        Ok(object)
    }

    fn object_part(&mut self, object: &mut Object) -> Read<()> {
        if self.eat("comment") {
            return self.string().map(drop);
        }
        match object.kind {
            ObjectKind::Counter => {
                self.expect("packets")?;
                self.number()?;
                self.expect("bytes")?;
                self.number().map(drop)
            }
            ObjectKind::Quota => {
                object.over = self.quota()?.over;
                Ok(())
            }
            ObjectKind::Limit => {
                object.over = self.rate()?.over;
                Ok(())
            }
            ObjectKind::Secmark => self.string().map(drop),
            ObjectKind::Synproxy => {
                let before = self.cur;
                self.synproxy_options();
                if self.cur == before { Err(self.unexpected("`mss` or `wscale`")) } else { Ok(()) }
            }
            ObjectKind::Flowtable => self.flowtable_part(),
            ObjectKind::CtHelper | ObjectKind::CtTimeout | ObjectKind::CtExpectation => self.ct_part(object),
        }
    }

    fn flowtable_part(&mut self) -> Read<()> {
        match self.word().unwrap_or("") {
            "hook" => {
                self.bump();
                self.name()?;
                self.expect("priority")?;
                self.priority().map(drop)
            }
            "devices" => {
                self.bump();
                for device in self.devices()? {
                    if device.text.is_empty() {
                        self.reader.refused(device.span, "the name of the device is empty");
                    }
                }
                Ok(())
            }
            "counter" => {
                self.bump();
                Ok(())
            }
            "flags" => {
                self.bump();
                self.name().map(drop)
            }
            _ => Err(self.unexpected("`hook`, `devices`, `counter` or `flags`")),
        }
    }

    fn ct_part(&mut self, object: &mut Object) -> Read<()> {
        match (object.kind, self.word().unwrap_or("")) {
            (ObjectKind::CtHelper, "type") => {
                self.bump();
                let helper = self.string()?;
                self.expect("protocol")?;
                let protocol = self.name()?;
                object.helper = Some((helper, protocol.text));
                Ok(())
            }
            (_, "l3proto") => {
                self.bump();
                let family = self.word().and_then(TableFamily::of);
                object.l3proto = Some(family.ok_or_else(|| self.unexpected("a family"))?);
                self.bump();
                Ok(())
            }
            (ObjectKind::CtTimeout | ObjectKind::CtExpectation, "protocol") => {
                self.bump();
                self.name().map(drop)
            }
            (ObjectKind::CtTimeout, "policy") => {
                self.bump();
                self.expect_kind(Kind::Assign, "`=`")?;
                self.timeouts(object)
            }
            (ObjectKind::CtExpectation, "dport" | "size") => {
                self.bump();
                self.number().map(drop)
            }
            (ObjectKind::CtExpectation, "timeout") => {
                self.bump();
                self.string_or_number()
            }
            _ => Err(self.unexpected("a setting of the object")),
        }
    }

    /// `{ established : 120, close : 20 }`
    fn timeouts(&mut self, object: &mut Object) -> Read<()> {
        const STATES: &[&str] = &[
            "syn_sent",
            "syn_recv",
            "established",
            "fin_wait",
            "close_wait",
            "last_ack",
            "time_wait",
            "close",
            "retrans",
            "unack",
            "syn_sent2",
            "unreplied",
            "replied",
        ];
        self.expect_kind(Kind::LBrace, "`{`")?;
        loop {
            self.newlines();
            if self.eat_kind(Kind::RBrace) {
                return Ok(());
            }
            let state = self.name()?;
            if !STATES.contains(&&*state.text) {
                self.reader.refused(state.span, format!("`{}` is no state of a connection", state.text));
            }
            self.expect_kind(Kind::Colon, "`:`")?;
            let seconds = seconds(self.text_of(self.cur));
            self.string_or_number()?;
            let span = self.since((state.span.start - self.base) as usize);
            object.idle =
                seconds.and_then(|seconds| Forgets::new(&state.text, seconds, span)).or(object.idle);
            self.newlines();
            if !self.eat_kind(Kind::Comma) {
                self.expect_kind(Kind::RBrace, "`,` or `}`")?;
                return Ok(());
            }
        }
    }
}

impl super::Reader<'_> {
    /// The words of a set of words, or of one.
    fn words_of(&self, expr: &crate::dialect::nftables::syntax::Expr) -> Vec<Name> {
        match &expr.kind {
            ExprKind::Ref(value) => self.words_of(value),
            ExprKind::Set(elements) => elements.iter().flat_map(|e| self.words_of(&e.key)).collect(),
            _ => self.word_of(expr).map(|text| Name { text, span: expr.span }).into_iter().collect(),
        }
    }

    /// The priority that a variable holds: `-10`, `filter`, `filter - 150`.
    fn priority_of(&self, expr: &crate::dialect::nftables::syntax::Expr) -> Priority {
        let span = expr.span;
        let mut kind = expr;
        while let ExprKind::Ref(value) = &kind.kind {
            kind = value;
        }
        if let ExprKind::Range(parts) = &kind.kind {
            let name = self.word_of(&parts.0).map(|text| Name { text, span });
            let offset = self.word_of(&parts.1).and_then(|text| text.parse().ok()).unwrap_or(0i64);
            return Priority { name, offset: -offset, span };
        }
        let text = self.word_of(kind).unwrap_or_default();
        match text.parse() {
            Ok(offset) => Priority { name: None, offset, span },
            Err(_) => Priority { name: Some(Name { text, span }), offset: 0, span },
        }
    }
}

/// Seconds, or a time such as `2m30s`.
fn seconds(text: &str) -> Option<u32> {
    let text = text.trim_matches('"');
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (mut total, mut rest) = (0u32, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let one = match &rest[digits..unit] {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(one)?)?;
        rest = &rest[unit..];
    }
    Some(total)
}
