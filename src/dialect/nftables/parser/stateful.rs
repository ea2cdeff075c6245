//! Statements that remember: `counter`, `limit`, `quota`, `last`, `ct count`.

use super::{Parser, Read};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{Meter, ObjectKind, StmtKind};

/// A statement that remembers.
pub(super) enum Stateful {
    /// It counts, and decides nothing.
    Passive(&'static str),
    /// It can fail.
    Meter(Meter),
}

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
        match self.stateful()? {
            Some(Stateful::Meter(meter)) => Ok(StmtKind::Meter(Box::new(meter))),
            Some(Stateful::Passive(name)) => Ok(StmtKind::Passive(name)),
            None => Err(self.unexpected("a statement")),
        }
    }

    /// `counter`, `limit`, `quota`, `last`, `ct count`, where one begins.
    pub(super) fn stateful(&mut self) -> Read<Option<Stateful>> {
        let read = match self.word() {
            Some("counter") => {
                self.bump();
                while self.eat("packets") || self.eat("bytes") {
                    self.number()?;
                }
                Stateful::Passive("counter")
            }
            Some("last") => {
                self.bump();
                if self.eat("used") && !self.eat("never") {
                    self.string_or_number()?;
                }
                Stateful::Passive("last")
            }
            Some("limit") => {
                self.bump();
                Stateful::Meter(self.rate()?)
            }
            Some("quota") => {
                self.bump();
                Stateful::Meter(self.quota()?)
            }
            Some("ct") if self.text_of(self.ahead()) == "count" => {
                self.bump();
                self.bump();
                let over = self.eat("over");
                let number = self.number()?;
                Stateful::Meter(meter("ct count", over, &number.to_string()))
            }
            _ => return Ok(None),
        };
        Ok(Some(read))
    }

    /// `rate over 10 mbytes/second burst 5 packets`
    pub(super) fn rate(&mut self) -> Read<Meter> {
        self.expect("rate")?;
        let over = self.over();
        let number = self.number()?;
        let mut unit = String::new();
        match self.word() {
            // The scanner takes `mbytes/second` as one word.
            Some(word) if word.contains('/') => {
                if !is_time_unit(word.rsplit('/').next().unwrap_or("")) {
                    return Err(self.unexpected("a unit of time"));
                }
                unit = format!(" {word}");
                self.bump();
            }
            word => {
                if let Some(word) = word {
                    unit = format!(" {word}");
                    self.bump();
                }
                self.expect_kind(Kind::Slash, "`/`")?;
                unit = format!("{unit}/{}", self.time_unit()?);
            }
        }
        let mut text = format!("{number}{unit}");
        if self.eat("burst") {
            let burst = self.number()?;
            let unit = self.string()?.text;
            // nft(8): five packets where none is written.
            if (burst, &*unit) != (5, "packets") {
                text = format!("{text} burst {burst} {unit}");
            }
        }
        Ok(meter("limit", over, &text))
    }

    fn over(&mut self) -> bool {
        let over = self.eat("over");
        if !over {
            self.eat("until");
        }
        over
    }

    fn time_unit(&mut self) -> Read<String> {
        match self.word() {
            Some(word) if is_time_unit(word) => {
                self.bump();
                Ok(word.to_string())
            }
            _ => Err(self.unexpected("a unit of time")),
        }
    }

    /// `over 10 mbytes used 3 bytes`
    pub(super) fn quota(&mut self) -> Read<Meter> {
        let over = self.over();
        let number = self.number()?;
        let unit = self.string()?.text;
        if self.eat("used") {
            self.number()?;
            self.string()?;
        }
        Ok(meter("quota", over, &format!("{number} {unit}")))
    }

    pub(super) fn string_or_number(&mut self) -> Read<()> {
        if self.eat_kind(Kind::Number) { Ok(()) } else { self.string().map(drop) }
    }
}

/// A match that counts, with its text as nft prints it.
pub(in crate::dialect::nftables) fn meter(kind: &'static str, over: bool, amount: &str) -> Meter {
    let text = if over { format!("over {amount}") } else { amount.to_string() };
    Meter { kind, over, text: text.into() }
}

fn is_time_unit(word: &str) -> bool {
    matches!(word, "second" | "minute" | "hour" | "day" | "week")
}
