//! What a packet has: header fields, metadata, connection, route, socket.

use super::expr::Place;
use super::{Parser, Read};
use crate::dialect::nftables::headers::{self, Header};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{
    CtDir, CtKey, Expr, ExprKind, FIB_FLAGS, FIB_RESULTS, MetaKey, ROUTE_KEYS, RawBase, SOCKET_KEYS,
    Selector, TUNNELS, TableFamily, ipsec_key, one_of,
};

impl Parser<'_, '_, '_> {
    /// What a packet has, where the tokens begin like that; else nothing is taken.
    pub(super) fn selector(&mut self, place: Place) -> Read<Option<ExprKind>> {
        if self.at_kind(Kind::At) {
            let raw = matches!(self.text_of(self.ahead()), "ll" | "nh" | "th" | "ih");
            return if place == Place::Left || raw { self.raw().map(Some) } else { Ok(None) };
        }
        let Some(word) = self.word() else { return Ok(None) };
        let known = match word {
            "meta" => Some(self.meta()?),
            "ct" => Some(self.ct()?),
            "fib" => Some(self.fib()?),
            "rt" => Some(self.route()?),
            "socket" => Some(self.socket()?),
            "osf" => Some(self.osf()?),
            "ipsec" if matches!(self.text_of(self.ahead()), "in" | "out") => Some(self.ipsec()?),
            "numgen" => Some(self.numgen()?),
            "jhash" | "symhash" => Some(self.hash()?),
            "exthdr" => Some(self.exthdr()?),
            _ => None,
        };
        if known.is_some() {
            return Ok(known);
        }
        if let Some(key) = MetaKey::of(word).filter(|key| key.unqualified()) {
            self.bump();
            return Ok(Some(ExprKind::Meta(key)));
        }
        match Header::of(word) {
            Some(header) if place == Place::Left || self.field_follows(header) => {
                self.bump();
                self.header_field(header).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn field_follows(&self, header: Header) -> bool {
        let next = self.ahead();
        next.kind == Kind::Word && headers::field(header, self.text_of(next)).is_some()
            || matches!(self.text_of(next), "option" | "chunk")
    }

    /// The field behind a header's name.
    fn header_field(&mut self, header: Header) -> Read<ExprKind> {
        let Some(word) = self.word() else { return Err(self.unexpected("a field")) };
        match (header, word) {
            (Header::Tcp, "option") => return self.tcp_option(),
            (Header::Ip, "option") => return self.header_option("ip option"),
            (Header::Sctp, "chunk") => return self.header_option("sctp chunk"),
            (Header::Dccp, "option") => {
                self.bump();
                let name = self.number()?.to_string().into();
                let selector = Selector::HeaderOption { kind: "dccp option", name, field: None };
                return Ok(ExprKind::Other(Box::new(selector)));
            }
            (Header::Arp, "saddr" | "daddr") => {
                self.bump();
                let Some(kind) = self.word() else { return Err(self.unexpected("`ether` or `ip`")) };
                let field = headers::field(header, &format!("{word} {kind}"));
                let field = field.ok_or_else(|| self.unexpected("`ether` or `ip`"))?;
                self.bump();
                return Ok(ExprKind::Header(field));
            }
            _ => {}
        }
        if let Some(field) = headers::field(header, word).filter(|f| f.name != "exists") {
            self.bump();
            if self.eat_kind(Kind::LBracket) {
                self.number()?;
                self.expect_kind(Kind::RBracket, "`]`")?;
            }
            return Ok(ExprKind::Header(field));
        }
        if let (Some(tunnel), Some(inner)) = (one_of(header.name(), TUNNELS), Header::of(word)) {
            let start = self.bump().start;
            let kind = self.nested(|p| p.header_field(inner))?;
            let field = Expr { span: self.since(start), kind };
            return Ok(ExprKind::Other(Box::new(Selector::Inner { tunnel, field })));
        }
        Err(self.unexpected(&format!("a field of `{}`", header.name())))
    }

    fn tcp_option(&mut self) -> Read<ExprKind> {
        self.bump();
        if self.eat_kind(Kind::At) {
            let option = self.option_name()?;
            self.expect_kind(Kind::Comma, "`,`")?;
            let offset = self.number()?;
            self.expect_kind(Kind::Comma, "`,`")?;
            let len = self.number()?;
            let field = Some(format!("@{offset},{len}").into());
            return Ok(ExprKind::Other(Box::new(Selector::TcpOption { option, field })));
        }
        let option = self.option_name()?;
        let field = self
            .option_field(&["kind", "length", "size", "count", "left", "right", "tsval", "tsecr", "subtype"]);
        Ok(ExprKind::Other(Box::new(Selector::TcpOption { option, field })))
    }

    fn option_name(&mut self) -> Read<Box<str>> {
        match self.cur.kind {
            Kind::Word | Kind::Number => {
                let token = self.bump();
                let name = self.text_of(token);
                Ok(match name {
                    "mss" => "maxseg",
                    "sack-perm" => "sack-permitted",
                    other => other,
                }
                .into())
            }
            _ => Err(self.unexpected("an option")),
        }
    }

    fn option_field(&mut self, fields: &[&str]) -> Option<Box<str>> {
        let word = self.word().filter(|word| fields.contains(word))?;
        self.bump();
        Some(word.into())
    }

    fn header_option(&mut self, kind: &'static str) -> Read<ExprKind> {
        const FIELDS: &[&str] = &[
            "type",
            "length",
            "value",
            "ptr",
            "addr",
            "flags",
            "tsn",
            "stream",
            "ssn",
            "ppid",
            "init-tag",
            "a-rwnd",
            "num-outbound-streams",
            "num-inbound-streams",
            "initial-tsn",
            "cum-tsn-ack",
            "num-gap-ack-blocks",
            "num-dup-tsns",
            "lowest-tsn",
            "seqno",
            "new-cum-tsn",
        ];
        self.bump();
        let name = self.option_name()?;
        let field = self.option_field(FIELDS);
        Ok(ExprKind::Other(Box::new(Selector::HeaderOption { kind, name, field })))
    }

    /// `@nh,96,32`
    fn raw(&mut self) -> Read<ExprKind> {
        self.bump();
        let base = match self.word() {
            Some("ll") => RawBase::Link,
            Some("nh") => RawBase::Network,
            Some("th") => RawBase::Transport,
            Some("ih") => RawBase::Inner,
            _ => return Err(self.unexpected("`ll`, `nh`, `th` or `ih`")),
        };
        self.bump();
        self.expect_kind(Kind::Comma, "`,`")?;
        // The kernel loads none that is as far or as long.
        const MOST: u64 = 1 << 20;
        let offset = self.number()?.min(MOST) as u32;
        self.expect_kind(Kind::Comma, "`,`")?;
        let len = self.number()?.min(MOST) as u32;
        Ok(ExprKind::Other(Box::new(Selector::Raw { base, offset, len })))
    }

    fn meta(&mut self) -> Read<ExprKind> {
        self.bump();
        let key = self.word().and_then(MetaKey::of).ok_or_else(|| self.unexpected("a key of `meta`"))?;
        self.bump();
        Ok(ExprKind::Meta(key))
    }

    fn ct(&mut self) -> Read<ExprKind> {
        self.bump();
        let dir = match self.word() {
            Some("original") => CtDir::Original,
            Some("reply") => CtDir::Reply,
            _ => CtDir::None,
        };
        if dir != CtDir::None {
            self.bump();
        }
        let Some(word) = self.word() else { return Err(self.unexpected("a key of `ct`")) };
        let key = match word {
            "ip" | "ip6" => {
                self.bump();
                self.word().and_then(|side| CtKey::of(&format!("{word} {side}")))
            }
            _ => CtKey::of(word),
        };
        let key = key.ok_or_else(|| self.unexpected("a key of `ct`"))?;
        self.bump();
        Ok(ExprKind::Ct(key, dir))
    }

    fn fib(&mut self) -> Read<ExprKind> {
        self.bump();
        let mut flags = Vec::new();
        loop {
            let flag = self.word().and_then(|word| one_of(word, FIB_FLAGS));
            flags.push(flag.ok_or_else(|| self.unexpected("a flag of `fib`"))?);
            self.bump();
            if !self.eat_kind(Kind::Dot) {
                break;
            }
        }
        let result = self.word().and_then(|word| one_of(word, FIB_RESULTS));
        let result = result.ok_or_else(|| self.unexpected("`oif`, `oifname` or `type`"))?;
        self.bump();
        Ok(ExprKind::Other(Box::new(Selector::Fib { flags, result })))
    }

    /// `rt`: a routing header of IPv6, or the packet's route.
    fn route(&mut self) -> Read<ExprKind> {
        self.bump();
        let family = self.word().and_then(TableFamily::of);
        if family.is_some() {
            self.bump();
        }
        let Some(word) = self.word() else { return Err(self.unexpected("a key of `rt`")) };
        if let (None, Some(field)) = (family, headers::field(Header::Rt, word)) {
            self.bump();
            return Ok(ExprKind::Header(field));
        }
        let key = one_of(word, ROUTE_KEYS).ok_or_else(|| self.unexpected("a key of `rt`"))?;
        self.bump();
        Ok(ExprKind::Other(Box::new(Selector::Route { key, family })))
    }

    fn socket(&mut self) -> Read<ExprKind> {
        self.bump();
        let key = self.word().and_then(|word| one_of(word, SOCKET_KEYS));
        let key = key.ok_or_else(|| self.unexpected("a key of `socket`"))?;
        self.bump();
        if key == "cgroupv2" {
            self.expect("level")?;
            self.number()?;
        }
        Ok(ExprKind::Other(Box::new(Selector::Socket(key))))
    }

    fn osf(&mut self) -> Read<ExprKind> {
        self.bump();
        if self.eat("ttl") {
            self.name()?;
        }
        if !self.eat("name") {
            self.expect("version")?;
        }
        Ok(ExprKind::Other(Box::new(Selector::Osf)))
    }

    fn ipsec(&mut self) -> Read<ExprKind> {
        self.bump();
        self.bump();
        if self.eat("spnum") {
            self.number()?;
        }
        let family = self.word().filter(|word| matches!(*word, "ip" | "ip6"));
        if family.is_some() {
            self.bump();
        }
        let key = self.word().and_then(|word| ipsec_key(family.unwrap_or(""), word));
        let key = key.ok_or_else(|| self.unexpected("a key of `ipsec`"))?;
        self.bump();
        Ok(ExprKind::Other(Box::new(Selector::Ipsec(key))))
    }

    fn numgen(&mut self) -> Read<ExprKind> {
        self.bump();
        if !self.eat("inc") {
            self.expect("random")?;
        }
        self.expect("mod")?;
        let modulus = self.number()?;
        let offset = self.offset()?;
        Ok(ExprKind::Other(Box::new(Selector::Numgen { modulus, offset })))
    }

    fn hash(&mut self) -> Read<ExprKind> {
        let keyed = self.at("jhash");
        self.bump();
        if keyed {
            self.left()?;
        }
        self.expect("mod")?;
        let modulus = self.number()?;
        if keyed && self.eat("seed") {
            self.number()?;
        }
        let offset = self.offset()?;
        Ok(ExprKind::Other(Box::new(Selector::Hash { modulus, offset })))
    }

    fn offset(&mut self) -> Read<u64> {
        if self.eat("offset") { self.number() } else { Ok(0) }
    }

    fn exthdr(&mut self) -> Read<ExprKind> {
        self.bump();
        let header = self.word().and_then(Header::of);
        let field = header.and_then(|header| headers::field(header, "exists"));
        let field = field.ok_or_else(|| self.unexpected("an extension header"))?;
        self.bump();
        Ok(ExprKind::Other(Box::new(Selector::ExtHeader(field))))
    }
}
