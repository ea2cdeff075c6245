//! Statements in JSON.

use super::Document;
use super::value::{Json, Node};
use crate::dialect::nftables::parser::{Read, meter, statements};
use crate::dialect::nftables::syntax::{
    CtDir, CtKey, Expr, ExprKind, IcmpKind, MetaKey, Meter, Name, NatKind, NatStmt, ObjectKind, Reject,
    RelOp, Stmt, StmtKind, TableFamily, Update,
};
use crate::dialect::nftables::unnamed;

impl Document<'_, '_, '_> {
    /// The statements of a member of a rule: mostly one, none for a comment.
    pub(super) fn stmt(&mut self, node: &Node) -> Read<Vec<Stmt>> {
        if let Some(verdict) = self.verdict(node)? {
            return Ok(vec![Stmt { span: node.span, kind: StmtKind::Verdict(verdict) }]);
        }
        let Some((word, value)) = node.only() else {
            if node.is_string() {
                return self.printed(node);
            }
            return self.fail(node, "unexpected value, expected a statement");
        };
        if word == "comment" {
            return Ok(Vec::new());
        }
        let kind = self.stmt_kind(word, value)?;
        Ok(vec![Stmt { span: node.span, kind }])
    }

    /// A string of statements: what nft has no JSON for (chains in place, `notrack`) it prints as text.
    pub(super) fn printed(&mut self, node: &Node) -> Read<Vec<Stmt>> {
        let raw = &self.text[(node.span.start - self.base) as usize..(node.span.end - self.base) as usize];
        match in_place(raw) {
            Some(text) => statements(self.reader, &text, node.span.start),
            None => self.fail(node, "text that cannot be read as a statement"),
        }
    }

    fn stmt_kind(&mut self, word: &str, node: &Node) -> Read<StmtKind> {
        Ok(match word {
            "match" => return self.match_stmt(node),
            "vmap" => {
                let (key, data) = (self.member(node, "key")?, self.member(node, "data")?);
                StmtKind::Vmap(Box::new((self.expr(key)?, self.expr(data)?)))
            }
            "counter" => self.counted(node, ObjectKind::Counter, "packets", StmtKind::Passive("counter"))?,
            "limit" => self.counted(node, ObjectKind::Limit, "rate", self.meter_stmt(word, node))?,
            "quota" => self.counted(node, ObjectKind::Quota, "val", self.meter_stmt(word, node))?,
            "ct count" => self.meter_stmt(word, node),
            "last" => StmtKind::Passive("last"),
            "log" => StmtKind::Passive("log"),
            "mangle" => return self.mangle(node),
            "notrack" => StmtKind::Notrack,
            "reject" => return self.reject(node),
            "snat" => return self.nat(node, NatKind::Snat),
            "dnat" => return self.nat(node, NatKind::Dnat),
            "masquerade" => return self.nat(node, NatKind::Masquerade),
            "redirect" => return self.nat(node, NatKind::Redirect),
            "queue" => {
                let number = node.get("num").map_or("", |n| self.text_of(n));
                let words: Vec<_> = number.split_whitespace().collect();
                StmtKind::Queue(format!("to {}", words.join(" ")).trim().into())
            }
            "tproxy" => StmtKind::Tproxy,
            "synproxy" if node.is_string() => self.object_stmt(node, ObjectKind::Synproxy)?,
            "synproxy" => StmtKind::Synproxy,
            "dup" => StmtKind::Dup,
            "fwd" => StmtKind::Fwd,
            "flow" => {
                let name = self.name(node, "flowtable")?;
                let text = name.text.trim_start_matches('@').into();
                StmtKind::Offload(Name { text, span: name.span })
            }
            "set" | "map" => return self.update(node),
            "meter" => return self.meter(node),
            "ct helper" => self.object_stmt(node, ObjectKind::CtHelper)?,
            "ct timeout" => self.object_stmt(node, ObjectKind::CtTimeout)?,
            "ct expectation" => self.object_stmt(node, ObjectKind::CtExpectation)?,
            "secmark" => StmtKind::Passive("secmark"),
            "reset" => StmtKind::StripOption,
            "xt" => {
                let target = node.get("type").is_none_or(|n| self.text_of(n) == "target");
                let name = node.get("name").map_or("", |n| self.text_of(n)).into();
                StmtKind::Xt(Box::new((target, name)))
            }
            _ => return self.fail(node, format!("`{word}` is no statement")),
        })
    }

    fn match_stmt(&mut self, node: &Node) -> Read<StmtKind> {
        let left = self.expr(self.member(node, "left")?)?;
        let right = self.expr(self.member(node, "right")?)?;
        let op = match node.get("op").map(|n| self.text_of(n)) {
            None | Some("in") => RelOp::Implicit,
            Some("==") => RelOp::Eq,
            Some("!=") => RelOp::Ne,
            Some("<") => RelOp::Lt,
            Some(">") => RelOp::Gt,
            Some("<=") => RelOp::Le,
            Some(">=") => RelOp::Ge,
            Some("!") => RelOp::Neg,
            Some(other) => return self.fail(node, format!("`{other}` is no operator")),
        };
        Ok(StmtKind::Match(Box::new((left, op, right))))
    }

    /// An object by name, or a statement with settings.
    fn counted(&mut self, node: &Node, kind: ObjectKind, setting: &str, plain: StmtKind) -> Read<StmtKind> {
        let named = match &node.value {
            Json::Null => false,
            Json::Object(_) => node.get(setting).is_none() && node.only().is_some(),
            _ => true,
        };
        if named { self.object_stmt(node, kind) } else { Ok(plain) }
    }

    fn object_stmt(&mut self, node: &Node, kind: ObjectKind) -> Read<StmtKind> {
        Ok(StmtKind::Object(Box::new((kind, self.expr(node)?))))
    }

    fn mangle(&mut self, node: &Node) -> Read<StmtKind> {
        let key = self.expr(self.member(node, "key")?)?;
        let value = self.expr(self.member(node, "value")?)?;
        Ok(match key.kind {
            ExprKind::Meta(MetaKey::NfTrace) => StmtKind::Passive("nftrace"),
            ExprKind::Ct(CtKey::Helper, CtDir::None) => {
                StmtKind::Object(Box::new((ObjectKind::CtHelper, value)))
            }
            _ => StmtKind::Mangle(Box::new((key, value))),
        })
    }

    fn reject(&mut self, node: &Node) -> Read<StmtKind> {
        let kind = match node.get("type").map(|n| self.text_of(n)) {
            None => return Ok(StmtKind::Reject(Box::new(Reject::Default))),
            Some("tcp reset") => return Ok(StmtKind::Reject(Box::new(Reject::TcpReset))),
            Some("icmp") => IcmpKind::V4,
            Some("icmpv6") => IcmpKind::V6,
            Some("icmpx") => IcmpKind::Both,
            Some(other) => return self.fail(node, format!("`{other}` is no kind of reject")),
        };
        let code = match node.get("expr") {
            Some(code) => self.expr(code)?,
            None => Expr { span: node.span, kind: ExprKind::Text("port-unreachable".into()) },
        };
        Ok(StmtKind::Reject(Box::new(Reject::Icmp(kind, code))))
    }

    fn nat(&mut self, node: &Node, kind: NatKind) -> Read<StmtKind> {
        let flagged = |member: &str, names: &[&str]| {
            let flags = node.get(member).map_or(&[][..], Node::items);
            flags.iter().any(|flag| names.contains(&self.text_of(flag)))
        };
        let random = flagged("flags", &["random", "fully-random"]);
        let pair = flagged("type_flags", &["concat"]);
        let prefix = flagged("type_flags", &["prefix"]) || flagged("flags", &["netmap"]);
        let family = node.get("family").and_then(|n| TableFamily::of(self.text_of(n)));
        let mut part = |member: &str| node.get(member).map(|n| self.expr(n)).transpose();
        let (addr, port) = (part("addr")?, part("port")?);
        Ok(StmtKind::Nat(Box::new(NatStmt { kind, family, addr, port, pair, prefix, random })))
    }

    fn set_name(&self, node: &Node) -> Read<Name> {
        let name = self.name_of(node)?;
        Ok(Name { text: name.text.trim_start_matches('@').into(), span: name.span })
    }

    /// The statement among these that can fail.
    fn counts(&self, node: Option<&Node>) -> Option<Meter> {
        node?.items().iter().find_map(|item| item.only().and_then(|(word, node)| self.meter_of(word, node)))
    }

    fn meter_stmt(&self, word: &str, node: &Node) -> StmtKind {
        self.meter_of(word, node)
            .map_or(StmtKind::Passive("counter"), |meter| StmtKind::Meter(Box::new(meter)))
    }

    /// Whether it is what is over the limit that matches.
    pub(super) fn over(&self, node: &Node) -> bool {
        node.get("inv").is_some_and(|n| matches!(n.value, Json::Bool(true)))
    }

    /// `limit`, `quota` or `ct count`, with the text as nft prints it.
    fn meter_of(&self, word: &str, node: &Node) -> Option<Meter> {
        let part = |name: &str| node.get(name).map_or("", |n| self.text_of(n));
        let unit = |name: &str| match part(name) {
            "" | "packets" => String::new(),
            unit => format!(" {unit}"),
        };
        let over = self.over(node);
        Some(match word {
            "limit" => {
                let mut text = format!("{}{}/{}", part("rate"), unit("rate_unit"), part("per"));
                let burst = (part("burst"), part("burst_unit"));
                if !matches!(burst, ("" | "0", _) | ("5", "" | "packets")) {
                    let unit = if burst.1.is_empty() { "packets" } else { burst.1 };
                    text = format!("{text} burst {} {unit}", burst.0);
                }
                meter("limit", over, &text)
            }
            "quota" => meter("quota", over, &format!("{}{}", part("val"), unit("val_unit"))),
            "ct count" => meter("ct count", over, part("val")),
            _ => return None,
        })
    }

    fn update(&mut self, node: &Node) -> Read<StmtKind> {
        let (set, data) = match node.get("map") {
            Some(map) => (map, Some(self.expr(self.member(node, "data")?)?)),
            None => (self.member(node, "set")?, None),
        };
        let set = self.set_name(set)?;
        let delete = self.text_of(self.member(node, "op")?) == "delete";
        let key = self.expr(self.member(node, "elem")?)?;
        let counts = self.counts(node.get("stmt"));
        Ok(StmtKind::Update(Box::new(Update { set, delete, key, data, counts, meter: false })))
    }

    fn meter(&mut self, node: &Node) -> Read<StmtKind> {
        let set = match node.get("name") {
            Some(name) => self.name_of(name)?,
            None => unnamed(node.span),
        };
        let key = self.expr(self.member(node, "key")?)?;
        let counts = self.counts(node.get("stmt"));
        Ok(StmtKind::Update(Box::new(Update { set, delete: false, key, data: None, counts, meter: true })))
    }
}

/// The text of a string of JSON with every byte where it was: an escape becomes a blank and what it stands for, or,
/// for a closing quote, the other way round. `None` where there are other escapes.
fn in_place(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next()? {
            'n' if !quoted => text.push_str(" \n"),
            't' if !quoted => text.push_str("  "),
            '"' => {
                quoted = !quoted;
                text.push_str(if quoted { " \"" } else { "\" " });
            }
            _ => return None,
        }
    }
    Some(text)
}
