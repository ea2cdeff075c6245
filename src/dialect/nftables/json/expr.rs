//! Expressions in JSON.

use std::rc::Rc;

use super::Document;
use super::value::{Json, Node};
use crate::dialect::nftables::headers::{self, Header, HeaderField};
use crate::dialect::nftables::parser::Read;
use crate::dialect::nftables::syntax::{
    BinOp, CtDir, CtKey, Data, Elem, Expr, ExprKind, FIB_FLAGS, FIB_RESULTS, MetaKey, Name, ROUTE_KEYS,
    RawBase, SOCKET_KEYS, Selector, StmtKind, TUNNELS, TableFamily, Target, Verdict, ipsec_key, one_of,
};

impl Document<'_, '_, '_> {
    /// An expression.
    pub(super) fn expr(&mut self, node: &Node) -> Read<Expr> {
        let kind = match &node.value {
            Json::Null => return self.fail(node, "unexpected `null`, expected an expression"),
            Json::Bool(value) => ExprKind::Bool(*value),
            Json::Number => match self.text_of(node).parse::<u64>() {
                Ok(number) => ExprKind::Number(number),
                Err(_) => ExprKind::Word,
            },
            Json::Plain => match self.text_of(node) {
                "*" => ExprKind::Star,
                text if text.starts_with('@') => ExprKind::SetRef(text[1..].into()),
                text => match text.parse::<u64>() {
                    Ok(number) if !text.starts_with('0') || text == "0" => ExprKind::Number(number),
                    _ => ExprKind::Word,
                },
            },
            Json::Escaped(text) => ExprKind::Text(text.clone()),
            Json::Array(items) => {
                let items = items.iter().map(|item| self.expr(item)).collect::<Read<Vec<_>>>()?;
                ExprKind::List(Box::new(items))
            }
            Json::Object(_) => return self.object_expr(node),
        };
        Ok(Expr { span: node.span, kind })
    }

    fn object_expr(&mut self, node: &Node) -> Read<Expr> {
        let Some((word, value)) = node.only() else {
            return self.fail(node, "unexpected value, expected an object with one member");
        };
        let kind = match word {
            "concat" => {
                let parts = value.items().iter().map(|item| self.expr(item)).collect::<Read<Vec<_>>>()?;
                ExprKind::Concat(Box::new(parts))
            }
            "set" => ExprKind::Set(Rc::new(self.elements(value)?)),
            "map" => {
                let (key, data) = (self.member(value, "key")?, self.member(value, "data")?);
                ExprKind::Map(Box::new((self.expr(key)?, self.expr(data)?)))
            }
            "prefix" => {
                let len = self.number(self.member(value, "len")?)?.clamp(0, i64::from(u32::MAX)) as u32;
                ExprKind::Prefix(Box::new((self.expr(self.member(value, "addr")?)?, len)))
            }
            "range" => match value.items() {
                [low, high] => ExprKind::Range(Box::new((self.expr(low)?, self.expr(high)?))),
                _ => return self.fail(value, "unexpected value, expected the two ends of a range"),
            },
            "|" => self.binary(BinOp::Or, value)?,
            "^" => self.binary(BinOp::Xor, value)?,
            "&" => self.binary(BinOp::And, value)?,
            "<<" => self.binary(BinOp::Shl, value)?,
            ">>" => self.binary(BinOp::Shr, value)?,
            "elem" => return self.expr(self.member(value, "val")?),
            _ => self.selector(word, value)?,
        };
        Ok(Expr { span: node.span, kind })
    }

    fn binary(&mut self, op: BinOp, node: &Node) -> Read<ExprKind> {
        let [first, rest @ ..] = node.items() else {
            return self.fail(node, "unexpected value, expected the sides of an operator");
        };
        let mut left = self.expr(first)?;
        for item in rest {
            let right = self.expr(item)?;
            let span = first.span.to(item.span);
            left = Expr { span, kind: ExprKind::Binary(op, Box::new((left, right))) };
        }
        Ok(left.kind)
    }

    fn word(&self, node: &Node, member: &str) -> Read<Box<str>> {
        Ok(self.name(node, member)?.text)
    }

    fn optional(&self, node: &Node, member: &str) -> Option<Box<str>> {
        node.get(member).map(|n| self.text_of(n).into())
    }

    fn unsigned(&self, node: &Node, member: &str) -> Read<u64> {
        Ok(self.number(self.member(node, member)?)?.max(0) as u64)
    }

    fn selector(&mut self, word: &str, node: &Node) -> Read<ExprKind> {
        let selector = match word {
            "payload" => return self.payload(node),
            "exthdr" => {
                let name = self.word(node, "name")?;
                let field = self.optional(node, "field");
                let header = Header::of(&name);
                let found = header.and_then(|h| headers::field(h, field.as_deref().unwrap_or("exists")));
                match (found, field) {
                    (Some(found), Some(_)) => return Ok(ExprKind::Header(found)),
                    (Some(found), None) => Selector::ExtHeader(found),
                    _ => return self.fail(node, "no such extension header"),
                }
            }
            "meta" => {
                let key = self.word(node, "key")?;
                return match MetaKey::of(&key) {
                    Some(key) => Ok(ExprKind::Meta(key)),
                    None => self.fail(node, format!("`{key}` is no key of `meta`")),
                };
            }
            "ct" => return self.ct(node),
            "tcp option" => {
                let field = self.optional(node, "field");
                match node.get("base") {
                    Some(base) => {
                        let (offset, len) = (self.unsigned(node, "offset")?, self.unsigned(node, "len")?);
                        let option = self.text_of(base).into();
                        Selector::TcpOption { option, field: Some(format!("@{offset},{len}").into()) }
                    }
                    None => {
                        let name = self.word(node, "name")?;
                        let option = match &*name {
                            "mss" => "maxseg".into(),
                            "sack-perm" => "sack-permitted".into(),
                            _ => name,
                        };
                        Selector::TcpOption { option, field }
                    }
                }
            }
            "ip option" | "sctp chunk" => {
                let kind = if word == "ip option" { "ip option" } else { "sctp chunk" };
                Selector::HeaderOption {
                    kind,
                    name: self.word(node, "name")?,
                    field: self.optional(node, "field"),
                }
            }
            "dccp option" => {
                let name = self.unsigned(node, "type")?.to_string().into();
                Selector::HeaderOption { kind: "dccp option", name, field: None }
            }
            "fib" => self.fib(node)?,
            "rt" => {
                let key = self.word(node, "key")?;
                let family = node.get("family").and_then(|n| TableFamily::of(self.text_of(n)));
                match one_of(&key, ROUTE_KEYS) {
                    Some(key) => Selector::Route { key, family },
                    None => return self.fail(node, format!("`{key}` is no key of `rt`")),
                }
            }
            "socket" => {
                let key = self.word(node, "key")?;
                match one_of(&key, SOCKET_KEYS) {
                    Some(key) => Selector::Socket(key),
                    None => return self.fail(node, format!("`{key}` is no key of `socket`")),
                }
            }
            "osf" => Selector::Osf,
            "ipsec" => {
                let key = self.word(node, "key")?;
                match ipsec_key(node.get("family").map_or("", |n| self.text_of(n)), &key) {
                    Some(key) => Selector::Ipsec(key),
                    None => return self.fail(node, format!("`{key}` is no key of `ipsec`")),
                }
            }
            "numgen" | "jhash" | "symhash" => {
                let modulus = self.unsigned(node, "mod")?;
                let offset = if node.get("offset").is_some() { self.unsigned(node, "offset")? } else { 0 };
                if word == "numgen" {
                    Selector::Numgen { modulus, offset }
                } else {
                    Selector::Hash { modulus, offset }
                }
            }
            _ => return self.fail(node, format!("`{word}` is no expression")),
        };
        Ok(ExprKind::Other(Box::new(selector)))
    }

    fn header_field(&self, node: &Node) -> Read<&'static HeaderField> {
        let (protocol, name) = (self.word(node, "protocol")?, self.word(node, "field")?);
        match Header::of(&protocol).and_then(|header| headers::field(header, &name)) {
            Some(field) => Ok(field),
            None => self.fail(node, format!("`{name}` is no field of `{protocol}`")),
        }
    }

    fn payload(&mut self, node: &Node) -> Read<ExprKind> {
        if let Some(base) = node.get("base") {
            let base = match self.text_of(base) {
                "ll" => RawBase::Link,
                "nh" => RawBase::Network,
                "th" => RawBase::Transport,
                "ih" => RawBase::Inner,
                _ => return self.fail(base, "no base of payload"),
            };
            let (offset, len) = (self.unsigned(node, "offset")?, self.unsigned(node, "len")?);
            let limit = |v: u64| v.min(u64::from(u32::MAX)) as u32;
            return Ok(ExprKind::Other(Box::new(Selector::Raw {
                base,
                offset: limit(offset),
                len: limit(len),
            })));
        }
        let field = self.header_field(node)?;
        let Some(tunnel) = node.get("tunnel") else { return Ok(ExprKind::Header(field)) };
        match one_of(self.text_of(tunnel), TUNNELS) {
            Some(tunnel) => {
                let field = Expr { span: node.span, kind: ExprKind::Header(field) };
                Ok(ExprKind::Other(Box::new(Selector::Inner { tunnel, field })))
            }
            None => self.fail(tunnel, "no tunnel"),
        }
    }

    fn ct(&mut self, node: &Node) -> Read<ExprKind> {
        let key = self.word(node, "key")?;
        let key = match self.optional(node, "family") {
            Some(family) => CtKey::of(&format!("{family} {key}")),
            None => CtKey::of(&key),
        };
        let dir = match self.optional(node, "dir").as_deref() {
            Some("original") => CtDir::Original,
            Some("reply") => CtDir::Reply,
            None => CtDir::None,
            Some(_) => return self.fail(node, "no direction of a connection"),
        };
        match key {
            Some(key) => Ok(ExprKind::Ct(key, dir)),
            None => self.fail(node, "no key of `ct`"),
        }
    }

    fn fib(&mut self, node: &Node) -> Read<Selector> {
        let result = self.word(node, "result")?;
        let Some(result) = one_of(&result, FIB_RESULTS) else {
            return self.fail(node, format!("`{result}` is no result of `fib`"));
        };
        let mut flags = Vec::new();
        for flag in node.get("flags").map_or(&[][..], Node::items) {
            match one_of(self.text_of(flag), FIB_FLAGS) {
                Some(flag) => flags.push(flag),
                None => return self.fail(flag, "no flag of `fib`"),
            }
        }
        Ok(Selector::Fib { flags, result })
    }

    /// The elements of a set: a list, or one.
    pub(super) fn elements(&mut self, node: &Node) -> Read<Vec<Elem>> {
        if node.is_string() && self.text_of(node).starts_with('@') {
            let key = self.expr(node)?;
            return Ok(vec![Elem { key, data: None, open: false }]);
        }
        node.items().iter().map(|item| self.element(item)).collect()
    }

    fn element(&mut self, node: &Node) -> Read<Elem> {
        match &node.value {
            Json::Array(pair) => match &pair[..] {
                [key, data] => {
                    let (key, open) = self.element_key(key)?;
                    let verdict = match self.verdict(data)? {
                        None => self.printed_verdict(data),
                        verdict => verdict,
                    };
                    let data = match verdict {
                        Some(verdict) => Data::Verdict(verdict),
                        None => Data::Value(self.expr(data)?),
                    };
                    Ok(Elem { key, data: Some(Box::new(data)), open })
                }
                _ => self.fail(node, "unexpected value, expected a key and what it maps to"),
            },
            _ => {
                let (key, open) = self.element_key(node)?;
                Ok(Elem { key, data: None, open })
            }
        }
    }

    fn element_key(&mut self, node: &Node) -> Read<(Expr, bool)> {
        let Some(("elem", value)) = node.only() else { return Ok((self.expr(node)?, false)) };
        let key = self.expr(self.member(value, "val")?)?;
        let open =
            ["timeout", "expires", "limit", "quota", "ct count"].iter().any(|name| value.get(name).is_some());
        Ok((key, open))
    }

    /// A jump to a chain that is written in place: nft prints it as text.
    fn printed_verdict(&mut self, node: &Node) -> Option<Verdict> {
        let text = self.text_of(node);
        if !text.starts_with("jump ") && !text.starts_with("goto ") {
            return None;
        }
        match self.printed(node).ok()?.pop()?.kind {
            StmtKind::Verdict(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// A verdict, where the value is one.
    pub(super) fn verdict(&mut self, node: &Node) -> Read<Option<Verdict>> {
        let Some((word, value)) = node.only() else { return Ok(None) };
        Ok(Some(match word {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            "continue" => Verdict::Continue,
            "return" => Verdict::Return,
            "jump" => Verdict::Jump(Target::Chain(self.target(value)?)),
            "goto" => Verdict::Goto(Target::Chain(self.target(value)?)),
            _ => return Ok(None),
        }))
    }

    fn target(&self, node: &Node) -> Read<Name> {
        self.name(node, "target")
    }
}
