//! Statements that remember: `counter`, `limit`, `quota`, `last`, `ct count`.

use super::{Parser, Read};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{ObjectKind, StmtKind};

impl Parser<'_, '_, '_> {
    pub(super) fn stateful_stmt(&mut self) -> Read<StmtKind> {
        let kind = match self.word() {
            Some("counter") => ObjectKind::Counter,
            Some("limit") => ObjectKind::Limit,
            _ => ObjectKind::Quota,
        };
        let word = self.word().unwrap_or("");
        if matches!(word, "counter" | "limit" | "quota") && self.text_of(self.ahead()) == "name" {
            self.bump();
            self.bump();
            return Ok(StmtKind::Object(Box::new((kind, self.value()?))));
        }
        let history = match word {
            "limit" => "limit",
            "quota" => "quota",
            "ct" => "ct count",
            _ => "",
        };
        let passive = if word == "last" { "last" } else { "counter" };
        match self.stateful()? {
            Some(true) => Ok(StmtKind::History(history)),
            _ => Ok(StmtKind::Passive(passive)),
        }
    }

    /// `counter`, `limit`, `quota`, `last`, `ct count`, where one begins: true where it can fail.
    pub(super) fn stateful(&mut self) -> Read<Option<bool>> {
        match self.word() {
            Some("counter") => {
                self.bump();
                while self.eat("packets") || self.eat("bytes") {
                    self.number()?;
                }
                Ok(Some(false))
            }
            Some("last") => {
                self.bump();
                if self.eat("used") && !self.eat("never") {
                    self.string_or_number()?;
                }
                Ok(Some(false))
            }
            Some("limit") => {
                self.bump();
                self.rate()?;
                Ok(Some(true))
            }
            Some("quota") => {
                self.bump();
                self.quota()?;
                Ok(Some(true))
            }
            Some("ct") if self.text_of(self.ahead()) == "count" => {
                self.bump();
                self.bump();
                self.eat("over");
                self.number()?;
                Ok(Some(true))
            }
            _ => Ok(None),
        }
    }

    /// `rate over 10 mbytes/second burst 5 packets`
    pub(super) fn rate(&mut self) -> Read<()> {
        self.expect("rate")?;
        if !self.eat("over") {
            self.eat("until");
        }
        self.number()?;
        match self.word() {
            // The scanner takes `mbytes/second` as one word.
            Some(word) if word.contains('/') => {
                let unit = word.rsplit('/').next().unwrap_or("");
                if !is_time_unit(unit) {
                    return Err(self.unexpected("a unit of time"));
                }
                self.bump();
            }
            Some(_) => {
                self.bump();
                self.expect_kind(Kind::Slash, "`/`")?;
                self.time_unit()?;
            }
            None => {
                self.expect_kind(Kind::Slash, "`/`")?;
                self.time_unit()?;
            }
        }
        if self.eat("burst") {
            self.number()?;
            self.string()?;
        }
        Ok(())
    }

    fn time_unit(&mut self) -> Read<()> {
        match self.word() {
            Some(word) if is_time_unit(word) => {
                self.bump();
                Ok(())
            }
            _ => Err(self.unexpected("a unit of time")),
        }
    }

    /// `over 10 mbytes used 3 bytes`
    pub(super) fn quota(&mut self) -> Read<()> {
        if !self.eat("over") {
            self.eat("until");
        }
        self.number()?;
        self.string()?;
        if self.eat("used") {
            self.number()?;
            self.string()?;
        }
        Ok(())
    }

    pub(super) fn string_or_number(&mut self) -> Read<()> {
        if self.eat_kind(Kind::Number) { Ok(()) } else { self.string().map(drop) }
    }
}

fn is_time_unit(word: &str) -> bool {
    matches!(word, "second" | "minute" | "hour" | "day" | "week")
}
