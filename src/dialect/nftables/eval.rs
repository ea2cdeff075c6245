//! Constants: words, numbers and expressions of them as values of a type.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::config::plain;
use super::parser::number;
use super::syntax::{BinOp, Elem, Expr, ExprKind};
use super::types::Type;
use crate::budget::{Budget, Exhausted};
use crate::packet::{interface, interface_prefix};
use crate::source::{SourceMap, Span};

/// What working out a value costs, in steps.
const STEPS_A_VALUE: usize = 4;

/// Why there is no value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Fault {
    /// nft refuses it.
    Refused(Span, String),
    /// It depends on the machine that loads, or is out of the model's sight: the name of the
    /// condition, and whether the name tells values apart (an interface index, a host's name).
    Unknown(String, bool),
    /// The same, of a name that nft has to find on the machine that loads.
    Unresolved(Span, String),
    /// Nothing is left of the budget.
    TooMuch(Span, Exhausted),
}

/// The value, or why there is none.
pub(super) type Eval<T> = Result<T, Fault>;

/// A type and a width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spec {
    /// The type.
    pub kind: Type,
    /// The width in bits; 0 where it is not known.
    pub bits: u32,
}

impl Spec {
    /// A type with its own width.
    pub(super) fn of(kind: Type) -> Spec {
        Spec { kind, bits: kind.bits() }
    }

    /// The largest value.
    pub(super) fn last(self) -> u128 {
        if self.bits == 0 || self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }
}

fn refused<T>(span: Span, message: impl Into<String>) -> Eval<T> {
    Err(Fault::Refused(span, message.into()))
}

/// Something that is out of sight.
fn open<T>(name: impl Into<String>) -> Eval<T> {
    Err(Fault::Unknown(name.into(), false))
}

/// A value that only the machine that loads knows, by a name of its own.
fn foreign<T>(name: impl Into<String>) -> Eval<T> {
    Err(Fault::Unknown(name.into(), true))
}

/// Evaluates constants.
#[derive(Clone, Copy)]
pub(super) struct Values<'s> {
    /// The files, for the texts of words.
    pub sources: &'s SourceMap,
    /// What working them out draws on: variables make much of little.
    pub budget: &'s Budget,
}

impl<'s> Values<'s> {
    /// The text of a word.
    pub(super) fn word<'e>(&self, expr: &'e Expr) -> Option<&'e str>
    where
        's: 'e,
    {
        match &expr.kind {
            ExprKind::Word => Some(self.sources.text(expr.span)),
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes as many values as a set has that is worked out once more.
    pub(super) fn spend_many(&self, span: Span, count: usize) -> Eval<()> {
        let drawn = self.budget.steps(count.saturating_mul(STEPS_A_VALUE));
        drawn.map_err(|exhausted| Fault::TooMuch(span, exhausted))
    }

    /// Takes one value of those that are left.
    fn spend(&self, span: Span) -> Eval<()> {
        self.spend_many(span, 1)
    }

    /// The values of a constant, as an interval.
    pub(super) fn interval(&self, expr: &Expr, spec: Spec) -> Eval<(u128, u128)> {
        self.spend(expr.span)?;
        let expr = plain(expr);
        match &expr.kind {
            ExprKind::Range(ends) => {
                let (lo, hi) = (self.interval(&ends.0, spec)?.0, self.interval(&ends.1, spec)?.1);
                if lo > hi && spec.kind != Type::Hour {
                    return refused(expr.span, "the end of the range lies before its start");
                }
                Ok((lo, hi))
            }
            ExprKind::Prefix(parts) => {
                let (value, len) = (self.exact(&parts.0, spec)?, parts.1);
                if len > spec.bits {
                    let message = format!("`/{len}` is longer than the {} bits of the value", spec.bits);
                    return refused(expr.span, message);
                }
                let host = match spec.bits - len {
                    bits if bits >= 128 => u128::MAX,
                    bits => (1 << bits) - 1,
                };
                Ok((value & !host, value | host))
            }
            ExprKind::Star => Ok((0, spec.last())),
            ExprKind::Word | ExprKind::Text(_) => self.word_interval(expr, spec),
            _ => self.exact(expr, spec).map(|value| (value, value)),
        }
    }

    /// The one value of a constant.
    pub(super) fn exact(&self, expr: &Expr, spec: Spec) -> Eval<u128> {
        self.spend(expr.span)?;
        let expr = plain(expr);
        match &expr.kind {
            ExprKind::Number(number) => self.number(u128::from(*number), expr.span, spec),
            ExprKind::Bool(value) if matches!(spec.kind, Type::Boolean | Type::Integer) => {
                Ok((*value).into())
            }
            ExprKind::Bool(_) => {
                refused(expr.span, format!("expected a value of type `{}`", spec.kind.name()))
            }
            ExprKind::List(items) if spec.kind.is_flags() => {
                items.iter().try_fold(0, |bits, item| Ok(bits | self.exact(item, spec)?))
            }
            ExprKind::List(_) => refused(expr.span, "a list without braces is for flags only"),
            ExprKind::Binary(op, sides) => {
                let (left, right) = (self.exact(&sides.0, spec)?, self.exact(&sides.1, spec)?);
                let value = match op {
                    BinOp::And => left & right,
                    BinOp::Or => left | right,
                    BinOp::Xor => left ^ right,
                    BinOp::Shl => left.checked_shl(right.min(128) as u32).unwrap_or(0),
                    BinOp::Shr => left.checked_shr(right.min(128) as u32).unwrap_or(0),
                };
                Ok(value & spec.last())
            }
            ExprKind::Word | ExprKind::Text(_) => match self.word_interval(expr, spec)? {
                (lo, hi) if lo == hi => Ok(lo),
                _ => refused(expr.span, "expected one value, not a pattern"),
            },
            ExprKind::SetRef(name) => refused(expr.span, format!("`@{name}` is a set, expected a value")),
            ExprKind::Set(_) => refused(expr.span, "expected a value, not a set"),
            ExprKind::Concat(_) => refused(expr.span, "expected one value, not a concatenation"),
            ExprKind::Range(_) | ExprKind::Prefix(_) | ExprKind::Star => {
                refused(expr.span, "expected one value, not a range")
            }
            _ => refused(expr.span, "expected a constant"),
        }
    }

    fn number(&self, value: u128, span: Span, spec: Spec) -> Eval<u128> {
        match spec.kind {
            Type::IfName => return Ok(interface(&value.to_string())),
            Type::IfIndex if value == 0 => return Ok(0),
            Type::IfIndex if value == 1 => return Ok(interface("lo")),
            Type::IfIndex => return foreign(format!("interface index {value}")),
            Type::EtherAddr => return refused(span, "expected a link-layer address"),
            Type::Ipv6Addr => return refused(span, "expected an IPv6 address"),
            Type::Str => return open("text"),
            _ => {}
        }
        if value > spec.last() {
            let message = format!("`{value}` is larger than {}, the largest value here", spec.last());
            return refused(span, message);
        }
        Ok(value)
    }

    fn word_interval(&self, expr: &Expr, spec: Spec) -> Eval<(u128, u128)> {
        let (word, span) = (self.word(expr).unwrap_or(""), expr.span);
        if word.is_empty() && matches!(expr.kind, ExprKind::Text(_)) {
            return open("a variable that is not defined");
        }
        if spec.kind == Type::IfName {
            return interface_interval(word, span);
        }
        self.word_value(word, span, spec).map(|value| (value, value))
    }

    fn word_value(&self, word: &str, span: Span, spec: Spec) -> Eval<u128> {
        if let Some(value) = spec.kind.symbol(word) {
            return Ok(value);
        }
        match spec.kind {
            Type::Ipv4Addr => return address4(word, span),
            Type::Ipv6Addr => return address6(word, span),
            Type::EtherAddr | Type::LinkAddr => return mac(word, span),
            Type::IfIndex => return Ok(interface(word)),
            Type::Hour => return hour(word).map_or_else(|| open("time"), Ok),
            Type::Time => return open("time"),
            Type::ClassId => return class(word, span),
            Type::Str => return open("text"),
            _ => {}
        }
        if spec.bits > 128 {
            return open("raw payload");
        }
        if let Some(value) = wide_number(word) {
            return self.number(value, span, spec);
        }
        if spec.kind.open() {
            return foreign(format!("{} {word}", spec.kind.name()));
        }
        let named = word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if named && matches!(spec.kind, Type::Service | Type::Proto) {
            let kind = if spec.kind == Type::Service { "service" } else { "protocol" };
            return Err(Fault::Unresolved(span, format!("{kind} `{word}`")));
        }
        let what = match spec.kind {
            Type::Integer | Type::Bitmask => "a number".to_string(),
            Type::Service => "a service of the loading machine's list".to_string(),
            kind => format!("a value of type `{}`", kind.name()),
        };
        refused(span, format!("`{word}` is not {what}"))
    }

    /// The intervals of a key of several parts.
    pub(super) fn key(&self, expr: &Expr, specs: &[Spec]) -> Eval<Vec<(u128, u128)>> {
        let expr = plain(expr);
        if let [spec] = specs {
            return Ok(vec![self.interval(expr, *spec)?]);
        }
        match &expr.kind {
            ExprKind::Star => Ok(specs.iter().map(|spec| (0, spec.last())).collect()),
            ExprKind::Concat(parts) if parts.len() == specs.len() => {
                parts.iter().zip(specs).map(|(part, spec)| self.interval(part, *spec)).collect()
            }
            ExprKind::Concat(parts) => {
                let message = format!("{} parts, expected {}", parts.len(), specs.len());
                refused(expr.span, message)
            }
            // Written before there were dots in keys: a range over the whole key.
            ExprKind::Range(_) => open("a range over a concatenation"),
            _ => refused(expr.span, format!("expected a concatenation of {} parts", specs.len())),
        }
    }

    /// Visits the elements of a set; sets inside it, as variables bring them, are opened.
    pub(super) fn elements<'e>(
        &self,
        elements: &'e [Elem],
        visit: &mut dyn FnMut(&'e Expr, &'e Elem) -> Eval<()>,
    ) -> Eval<()> {
        for elem in elements {
            self.spend(elem.key.span)?;
            let key = plain(&elem.key);
            match &key.kind {
                ExprKind::Set(inner) => self.elements(inner, visit)?,
                ExprKind::List(items) => items.iter().try_for_each(|item| visit(item, elem))?,
                _ => visit(key, elem)?,
            }
        }
        Ok(())
    }
}

/// The interval of an interface name, with `*` at its end.
fn interface_interval(word: &str, span: Span) -> Eval<(u128, u128)> {
    // IFNAMSIZ is 16 with the byte at the end.
    if word.len() > 15 && !word.ends_with('*') || word.len() > 16 {
        return refused(span, format!("`{word}` is longer than an interface name can be"));
    }
    if let Some(literal) = word.strip_suffix("\\*") {
        let name = interface(&format!("{literal}*"));
        return Ok((name, name));
    }
    match word.strip_suffix('*') {
        Some("") => refused(span, "`*` alone names no interfaces"),
        Some(prefix) => Ok(interface_prefix(prefix)),
        None => Ok((interface(word), interface(word))),
    }
}

/// Seconds since midnight: `17:00`, `17:00:30`.
fn hour(word: &str) -> Option<u128> {
    let mut parts = word.split(':').map(|part| part.parse::<u128>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    (hour < 24 && minute < 60 && second < 60 && parts.next().is_none())
        .then_some((hour * 60 + minute) * 60 + second)
}

/// A class of a queueing discipline: `none`, `root`, or two hexadecimal numbers (`tchandle_type_parse`).
fn class(word: &str, span: Span) -> Eval<u128> {
    let half = |text: &str| match text {
        "" => Some(0),
        text => u16::from_str_radix(text, 16).ok(),
    };
    match (word, word.split_once(':')) {
        ("none", _) => Ok(0),
        ("root", _) => Ok(u32::MAX.into()),
        (_, Some((major, minor))) if half(major).is_some() && half(minor).is_some() => {
            Ok(u128::from(half(major).unwrap_or(0)) << 16 | u128::from(half(minor).unwrap_or(0)))
        }
        _ => refused(span, format!("`{word}` is no class, as `1:10` is")),
    }
}

fn address4(word: &str, span: Span) -> Eval<u128> {
    if let Ok(address) = word.parse::<Ipv4Addr>() {
        return Ok(u32::from(address).into());
    }
    let numeric = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if word == "localhost" {
        Ok(0x7f00_0001)
    } else if numeric || word.contains([':', '/']) {
        refused(span, format!("`{word}` is not an IPv4 address"))
    } else {
        foreign(format!("fqdn {word}"))
    }
}

fn address6(word: &str, span: Span) -> Eval<u128> {
    if let Ok(address) = word.parse::<Ipv6Addr>() {
        return Ok(address.into());
    }
    if word == "localhost" {
        Ok(1)
    } else if word.parse::<Ipv4Addr>().is_ok() || word.contains([':', '/']) {
        refused(span, format!("`{word}` is not an IPv6 address"))
    } else {
        foreign(format!("fqdn {word}"))
    }
}

fn mac(word: &str, span: Span) -> Eval<u128> {
    let bytes = word.split(':').map(|part| u8::from_str_radix(part, 16));
    let mut value = 0u128;
    for byte in bytes {
        match byte {
            Ok(byte) => value = value << 8 | u128::from(byte),
            Err(_) => return refused(span, format!("`{word}` is not a link-layer address")),
        }
    }
    Ok(value)
}

/// A number of up to 128 bits, as raw payload is compared with.
fn wide_number(word: &str) -> Option<u128> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u128::from_str_radix(hex, 16).ok();
    }
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    number(word).map(u128::from).or_else(|| word.parse().ok())
}
