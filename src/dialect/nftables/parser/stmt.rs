//! Rules and their statements.

use std::rc::Rc;

use super::stateful::Stateful;
use super::{Failed, Parser, Read};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{
    BinOp, CtDir, CtKey, Expr, ExprKind, IcmpKind, MetaKey, Meter, NatKind, NatStmt, ObjectKind, Reject,
    RelOp, Rule, Stmt, StmtKind, TableFamily, Target, Update, Verdict,
};

impl Parser<'_, '_, '_> {
    /// A rule: statements, and a comment at the end.
    ///
    /// Of one that cannot be read to its end, the statements before the fault are kept, and it stays open what
    /// the rest does.
    pub(super) fn rule(&mut self) -> (Rule, Read<()>) {
        let start = self.cur.start;
        let mut stmts = Vec::new();
        let read = self.stmts(&mut stmts);
        let span = self.since(start);
        if read.is_err() {
            stmts.push(Stmt { span, kind: StmtKind::Unread });
        }
        stmts.shrink_to_fit();
        (Rule { stmts, span, handle: None }, read)
    }

    fn stmts(&mut self, stmts: &mut Vec<Stmt>) -> Read<()> {
        while !self.at_end() && !self.at("comment") {
            stmts.push(self.stmt()?);
        }
        if stmts.is_empty() {
            return Err(self.unexpected("a statement"));
        }
        if self.eat("comment") {
            self.string()?;
        }
        if self.at_end() { Ok(()) } else { Err(self.unexpected("a line end or `;`")) }
    }

    fn stmt(&mut self) -> Read<Stmt> {
        let start = self.cur.start;
        let kind = self.stmt_kind()?;
        Ok(Stmt { span: self.since(start), kind })
    }

    fn stmt_kind(&mut self) -> Read<StmtKind> {
        if let Some(verdict) = self.verdict()? {
            return Ok(StmtKind::Verdict(verdict));
        }
        let next = self.ahead();
        let next = if next.kind == Kind::Word { self.text_of(next) } else { "" };
        match self.word().unwrap_or("") {
            "counter" | "limit" | "quota" | "last" => return self.stateful_stmt(),
            "ct" if next == "count" => return self.stateful_stmt(),
            "ct" if matches!(next, "timeout" | "expectation") => return self.ct_object(),
            "log" => return self.log(),
            "reject" => return self.reject(),
            "snat" => return self.nat(NatKind::Snat),
            "dnat" => return self.nat(NatKind::Dnat),
            "masquerade" => return self.nat(NatKind::Masquerade),
            "redirect" => return self.nat(NatKind::Redirect),
            "tproxy" => return self.tproxy(),
            "queue" => return self.queue(),
            "synproxy" => return self.synproxy(),
            "dup" | "fwd" => return self.dup_or_fwd(),
            "xt" => return self.xt(),
            "notrack" => {
                self.bump();
                return Ok(StmtKind::Notrack);
            }
            "flow" if matches!(next, "add" | "offload") => return self.offload(),
            "meter" | "flow" => return self.meter(),
            "add" | "update" | "delete" | "set" => return self.update(),
            "reset" if next == "tcp" => return self.strip_option(),
            _ => {}
        }
        self.match_or_mangle()
    }

    fn match_or_mangle(&mut self) -> Read<StmtKind> {
        let start = self.cur.start;
        if self.at_kind(Kind::LBrace) {
            return Err(self.unexpected("a statement"));
        }
        let mut left = self.left()?;
        if self.eat("vmap") {
            let map = self.set_or_ref()?;
            return Ok(StmtKind::Vmap(Box::new((left, map))));
        }
        if self.eat("map") {
            let map = self.set_or_ref()?;
            left = Expr { span: self.since(start), kind: ExprKind::Map(Box::new((left, map))) };
        }
        if self.eat("set") {
            return self.mangle(left);
        }
        let op = self.rel_op();
        if self.at_end() {
            return Err(self.unexpected("a value to compare with"));
        }
        let right = self.right()?;
        if !self.at_kind(Kind::Slash) {
            return Ok(StmtKind::Match(Box::new((left, op, right))));
        }
        // `flags value / mask`
        self.bump();
        let mask = self.right()?;
        let masked = Expr {
            span: left.span.to(mask.span),
            kind: ExprKind::Binary(BinOp::And, Box::new((left, mask))),
        };
        let op = if op == RelOp::Implicit { RelOp::Eq } else { op };
        Ok(StmtKind::Match(Box::new((masked, op, right))))
    }

    fn mangle(&mut self, left: Expr) -> Read<StmtKind> {
        let value = self.value()?;
        Ok(match left.kind {
            ExprKind::Meta(MetaKey::NfTrace) => StmtKind::Passive("nftrace"),
            ExprKind::Ct(CtKey::Helper, CtDir::None) => {
                StmtKind::Object(Box::new((ObjectKind::CtHelper, value)))
            }
            _ => StmtKind::Mangle(Box::new((left, value))),
        })
    }

    /// A verdict, where the tokens begin like one.
    pub(super) fn verdict(&mut self) -> Read<Option<Verdict>> {
        let verdict = match self.word() {
            Some("accept") => Verdict::Accept,
            Some("drop") => Verdict::Drop,
            Some("continue") => Verdict::Continue,
            Some("return") => Verdict::Return,
            Some("jump") => {
                self.bump();
                return Ok(Some(Verdict::Jump(self.target()?)));
            }
            Some("goto") => {
                self.bump();
                return Ok(Some(Verdict::Goto(self.target()?)));
            }
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some(verdict))
    }

    fn target(&mut self) -> Read<Target> {
        if !self.at_kind(Kind::LBrace) {
            return Ok(Target::Chain(self.name()?));
        }
        let start = self.bump().start;
        let rules = self.nested(|p| {
            let mut rules = Vec::new();
            loop {
                while p.eat_kind(Kind::Newline) || p.eat_kind(Kind::Semicolon) {}
                if p.eat_kind(Kind::RBrace) {
                    return Ok(rules);
                }
                let (rule, read) = p.rule();
                rules.push(rule);
                read?;
                p.finish()?;
                if p.at_kind(Kind::End) {
                    return Err(p.unexpected("`}`"));
                }
            }
        })?;
        Ok(Target::Block(Rc::new(rules), self.since(start)))
    }

    /// `ct timeout set "x"`, `ct expectation set "x"`
    fn ct_object(&mut self) -> Read<StmtKind> {
        self.bump();
        let kind = if self.eat("timeout") { ObjectKind::CtTimeout } else { ObjectKind::CtExpectation };
        if kind == ObjectKind::CtExpectation {
            self.bump();
        }
        self.expect("set")?;
        Ok(StmtKind::Object(Box::new((kind, self.value()?))))
    }

    fn log(&mut self) -> Read<StmtKind> {
        self.bump();
        loop {
            match self.word() {
                Some("prefix" | "level") => {
                    self.bump();
                    self.string()?;
                }
                Some("group" | "snaplen" | "queue-threshold") => {
                    self.bump();
                    self.number()?;
                }
                Some("flags") => {
                    self.bump();
                    self.log_flags()?;
                }
                _ => return Ok(StmtKind::Passive("log")),
            }
        }
    }

    fn log_flags(&mut self) -> Read<()> {
        match self.word() {
            Some("tcp") => {
                self.bump();
                loop {
                    if !self.eat("sequence") {
                        self.expect("options")?;
                    }
                    if !self.eat_kind(Kind::Comma) {
                        return Ok(());
                    }
                }
            }
            Some("ip") => {
                self.bump();
                self.expect("options")
            }
            Some("skuid" | "ether" | "all") => {
                self.bump();
                Ok(())
            }
            _ => Err(self.unexpected("a flag of `log`")),
        }
    }

    fn reject(&mut self) -> Read<StmtKind> {
        self.bump();
        let mut reject = Reject::Default;
        if self.eat("with") {
            let kind = match self.word() {
                Some("icmp") => IcmpKind::V4,
                Some("icmpv6") => IcmpKind::V6,
                Some("icmpx") => IcmpKind::Both,
                Some("tcp") => {
                    self.bump();
                    self.expect("reset")?;
                    return Ok(StmtKind::Reject(Box::new(Reject::TcpReset)));
                }
                _ => return Err(self.unexpected("`icmp`, `icmpv6`, `icmpx` or `tcp reset`")),
            };
            self.bump();
            self.eat("type");
            reject = Reject::Icmp(kind, self.value()?);
        }
        Ok(StmtKind::Reject(Box::new(reject)))
    }

    fn nat(&mut self, kind: NatKind) -> Read<StmtKind> {
        self.bump();
        let mut nat =
            NatStmt { kind, family: None, addr: None, port: None, pair: false, prefix: false, random: false };
        if matches!(self.word(), Some("ip" | "ip6")) && self.nat_family_follows() {
            nat.family = self.word().and_then(TableFamily::of);
            self.bump();
        }
        if self.at("addr") {
            self.bump();
            self.expect_kind(Kind::Dot, "`.`")?;
            self.expect("port")?;
            nat.pair = true;
        } else if self.eat("prefix") {
            nat.prefix = true;
        } else if self.at("interval") {
            self.bump();
        }
        let to = self.eat("to");
        if !self.at_end() && !self.at_nat_flag() && !self.at("comment") {
            self.nat_target(&mut nat, to)?;
        }
        while self.at_nat_flag() {
            nat.random |= !self.at("persistent");
            self.bump();
            self.eat_kind(Kind::Comma);
        }
        if matches!(kind, NatKind::Snat | NatKind::Dnat) && nat.addr.is_none() && nat.port.is_none() {
            return Err(self.unexpected("an address or port"));
        }
        Ok(StmtKind::Nat(Box::new(nat)))
    }

    fn nat_family_follows(&self) -> bool {
        matches!(self.text_of(self.ahead()), "to" | "addr" | "prefix" | "interval")
    }

    fn at_nat_flag(&self) -> bool {
        matches!(self.word(), Some("random" | "fully-random" | "persistent"))
    }

    fn nat_target(&mut self, nat: &mut NatStmt, to: bool) -> Read<()> {
        if self.eat_kind(Kind::Colon) {
            nat.port = Some(self.value()?);
            return Ok(());
        }
        let has_address = matches!(nat.kind, NatKind::Snat | NatKind::Dnat);
        if !to && !has_address {
            return Err(self.unexpected("`to`"));
        }
        let value = self.value()?;
        if nat.kind == NatKind::Redirect {
            nat.port = Some(value);
            return Ok(());
        }
        if !has_address {
            return Err(Failed { span: value.span, message: "`masquerade` takes no address".to_string() });
        }
        nat.addr = Some(value);
        if self.eat_kind(Kind::Colon) {
            nat.port = Some(self.value()?);
        }
        Ok(())
    }

    fn tproxy(&mut self) -> Read<StmtKind> {
        self.bump();
        if matches!(self.word(), Some("ip" | "ip6")) {
            self.bump();
        }
        self.expect("to")?;
        if self.eat_kind(Kind::Colon) {
            self.value()?;
            return Ok(StmtKind::Tproxy);
        }
        let address = self.value()?;
        let port = if self.eat_kind(Kind::Colon) { Some(self.value()?) } else { None };
        for part in [Some(address), port].into_iter().flatten() {
            if matches!(unwrapped(&part), ExprKind::Range(_) | ExprKind::Prefix(_)) {
                self.reader.refused(part.span, "`tproxy` takes one address and one port");
            }
        }
        Ok(StmtKind::Tproxy)
    }

    fn queue(&mut self) -> Read<StmtKind> {
        self.bump();
        let start = self.cur.start;
        loop {
            match self.word() {
                Some("num" | "to") => {
                    self.bump();
                    self.value()?;
                }
                Some("flags") => {
                    self.bump();
                }
                Some("bypass" | "fanout") => {
                    self.bump();
                    self.eat_kind(Kind::Comma);
                }
                _ => {
                    let words: Vec<_> =
                        self.text[start..self.last_end.max(start)].split_whitespace().collect();
                    return Ok(StmtKind::Queue(words.join(" ").into()));
                }
            }
        }
    }

    fn synproxy(&mut self) -> Read<StmtKind> {
        self.bump();
        if self.eat("name") {
            return Ok(StmtKind::Object(Box::new((ObjectKind::Synproxy, self.value()?))));
        }
        self.synproxy_options();
        Ok(StmtKind::Synproxy)
    }

    /// `mss 1460 wscale 7 timestamp sack-perm`
    pub(super) fn synproxy_options(&mut self) {
        while matches!(
            self.word(),
            Some("mss" | "maxseg" | "wscale" | "timestamp" | "sack-perm" | "sack-permitted")
        ) {
            self.bump();
            self.eat_kind(Kind::Number);
        }
    }

    fn dup_or_fwd(&mut self) -> Read<StmtKind> {
        let kind = if self.at("dup") { StmtKind::Dup } else { StmtKind::Fwd };
        self.bump();
        if matches!(self.word(), Some("ip" | "ip6")) {
            self.bump();
        }
        self.expect("to")?;
        let to = self.value()?;
        let device = if self.eat("device") { Some(self.value()?) } else { None };
        for part in [Some(to), device].into_iter().flatten() {
            if matches!(unwrapped(&part), ExprKind::Range(_)) {
                self.reader.refused(part.span, "a range is no target for `dup` or `fwd`");
            }
        }
        Ok(kind)
    }

    fn xt(&mut self) -> Read<StmtKind> {
        self.bump();
        let target = match self.word() {
            Some("target") => true,
            Some("match" | "watcher") => false,
            _ => return Err(self.unexpected("`match` or `target`")),
        };
        self.bump();
        let name = self.string()?;
        Ok(StmtKind::Xt(Box::new((target, name.text))))
    }

    fn offload(&mut self) -> Read<StmtKind> {
        self.bump();
        self.bump();
        self.expect_kind(Kind::At, "`@`")?;
        Ok(StmtKind::Offload(self.string()?))
    }

    fn strip_option(&mut self) -> Read<StmtKind> {
        self.bump();
        self.bump();
        self.expect("option")?;
        self.string_or_number()?;
        Ok(StmtKind::StripOption)
    }

    /// `meter name size 100 { key limit … }`, and the older `flow table name { … }`.
    fn meter(&mut self) -> Read<StmtKind> {
        let start = self.cur.start;
        let old = self.at("flow");
        self.bump();
        let set = if old {
            if self.eat("table") {
                self.name()?
            } else {
                crate::dialect::nftables::unnamed(self.since(start))
            }
        } else {
            self.name()?
        };
        if self.eat("size") {
            self.number()?;
        }
        self.expect_kind(Kind::LBrace, "`{`")?;
        let key = self.left()?;
        let counts = self.update_options()?;
        self.expect_kind(Kind::RBrace, "`}`")?;
        let update = Update { set, delete: false, key, data: None, counts, meter: true };
        Ok(StmtKind::Update(Box::new(update)))
    }

    /// `add @set { key timeout 1m limit … : value }`, and the older `set add key @set`.
    fn update(&mut self) -> Read<StmtKind> {
        if self.eat("set") {
            let delete = self.at("delete");
            self.bump();
            let key = self.left()?;
            self.element_options()?;
            self.expect_kind(Kind::At, "`@`")?;
            let set = self.name()?;
            let update = Update { set, delete, key, data: None, counts: None, meter: false };
            return Ok(StmtKind::Update(Box::new(update)));
        }
        let delete = self.at("delete");
        self.bump();
        let set = if self.at_kind(Kind::Dollar) {
            let expr = self.variable()?;
            let ExprKind::SetRef(name) = unwrapped(&expr) else {
                return Err(Failed { span: expr.span, message: "not the name of a set".to_string() });
            };
            crate::dialect::nftables::syntax::Name { text: name.clone(), span: expr.span }
        } else {
            self.expect_kind(Kind::At, "`@`")?;
            self.name()?
        };
        self.expect_kind(Kind::LBrace, "`{`")?;
        let key = self.nested(|p| p.left())?;
        let counts = self.update_options()?;
        let data = if self.eat_kind(Kind::Colon) {
            let data = self.update_data()?;
            self.element_options()?;
            Some(data)
        } else {
            None
        };
        self.expect_kind(Kind::RBrace, "`}`")?;
        Ok(StmtKind::Update(Box::new(Update { set, delete, key, data, counts, meter: false })))
    }

    /// What stands behind a key that a rule adds: times, a comment, and statements, the last of which that can
    /// fail is returned.
    fn update_options(&mut self) -> Read<Option<Meter>> {
        let mut counts = None;
        loop {
            match self.word() {
                Some("timeout" | "expires") => {
                    self.bump();
                    self.string_or_number()?;
                }
                Some("comment") => {
                    self.bump();
                    self.string()?;
                }
                _ => match self.stateful()? {
                    Some(Stateful::Meter(meter)) => counts = Some(meter),
                    Some(Stateful::Passive(_)) => {}
                    None => return Ok(counts),
                },
            }
        }
    }

    /// What a map gets: a value, or a verdict, which no map that a rule fills can be matched on exactly.
    fn update_data(&mut self) -> Read<Expr> {
        let start = self.cur.start;
        if self.verdict()?.is_some() {
            return Ok(Expr { span: self.since(start), kind: ExprKind::Word });
        }
        self.nested(|p| p.value())
    }
}

/// What an expression is, with a variable looked through.
fn unwrapped(expr: &Expr) -> &ExprKind {
    let mut kind = &expr.kind;
    while let ExprKind::Ref(value) = kind {
        kind = &value.kind;
    }
    kind
}
