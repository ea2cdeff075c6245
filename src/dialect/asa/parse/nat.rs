//! Translation: object and twice NAT of 8.3 and later, `nat`, `global` and `static` of before.
//!
//! Source: *Cisco ASA Series Command Reference*, `nat (object)`, `nat (global)`; *Cisco Security
//! Appliance Command Reference* 8.2, `nat`, `global`, `static`.

use super::super::ast::{Address, Host, Mapped, Named, ObjectNat, OldNat, TwiceNat};
use super::super::literals;
use super::super::words::{Expected, Parsed, Words, host, v4};
use super::{Parser, Sub};
use crate::source::Span;

type Interfaces<'a> = (Option<Named<'a>>, Option<Named<'a>>);

impl<'a> Parser<'a> {
    /// `nat` at the top level, the word taken.
    pub(super) fn nat(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        self.config.rules += 1;
        match interfaces(w)? {
            Interfaced::None => self.twice_nat(w, (None, None)),
            Interfaced::Two(real, mapped) => self.twice_nat(w, (real, mapped)),
            Interfaced::One(interface) => self.old_nat(w, interface),
        }
    }

    fn twice_nat(&mut self, w: &mut Words<'_, 'a>, interfaces: Interfaces<'a>) -> Parsed<()> {
        let span = w.line;
        let after_auto = w.eat("after-auto");
        let line: Option<usize> = w.peek().and_then(|word| word.parse().ok());
        if line.is_some() {
            w.take();
        }
        w.keyword("source")?;
        let dynamic = w.eat("dynamic");
        if !dynamic {
            w.keyword("static").or_else(|_| w.expected("`static` or `dynamic`"))?;
        }
        let real = named(w.name("the real source")?);
        let mapped = mapped(w)?;
        options(w, dynamic);
        let mut nat = TwiceNat {
            span,
            interfaces,
            after_auto,
            dynamic,
            real,
            mapped,
            destination: None,
            services: None,
            unidirectional: false,
            inactive: false,
        };
        if w.eat("destination") {
            w.keyword("static")?;
            let mapped = if w.eat("interface") {
                w.eat("ipv6");
                Mapped::Interface
            } else {
                Mapped::Address(named(w.name("the mapped destination")?))
            };
            nat.destination = Some((mapped, named(w.name("the real destination")?)));
        }
        while let Some(word) = w.take() {
            match word.text {
                "service" => {
                    let service = |word: Named<'a>| (word.text != "any").then_some(word);
                    let first = w.name("a service object")?;
                    nat.services = Some((service(first), service(w.name("a service object")?)));
                }
                "unidirectional" => nat.unidirectional = true,
                "inactive" => nat.inactive = true,
                "dns" | "no-proxy-arp" | "route-lookup" | "net-to-net" => {}
                "description" => break,
                _ => return Err(Expected { what: "an option of `nat`", span: word.span }),
            }
        }
        // A number says which rule of its section it becomes (*Command Reference*, `nat`); a saved config has none.
        let section = self.config.nats.iter().enumerate().filter(|(_, other)| other.after_auto == after_auto);
        let behind = line.and_then(|line| section.map(|(at, _)| at).nth(line.saturating_sub(1)));
        match behind {
            Some(at) => self.config.nats.insert(at, nat),
            None => self.config.nats.push(nat),
        }
        Ok(())
    }

    /// `nat` within `object network`.
    pub(super) fn object_nat(&mut self, at: usize, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        let span = w.line;
        w.take();
        let interfaces = match interfaces(w)? {
            Interfaced::None => (None, None),
            Interfaced::Two(real, mapped) => (real, mapped),
            Interfaced::One(_) => return Ok(Sub::NotMine),
        };
        let dynamic = w.eat("dynamic");
        if !dynamic && !w.eat("static") {
            // `source` makes it twice NAT, which is no line of an object.
            return Ok(Sub::NotMine);
        }
        let mapped = mapped(w)?;
        options(w, dynamic);
        let mut service = None;
        while let Some(word) = w.take() {
            match word.text {
                "service" => {
                    let protocol = w.name("`tcp`, `udp` or `sctp`")?;
                    let Some(number) = literals::protocol(protocol.text) else {
                        return Err(Expected { what: "`tcp`, `udp` or `sctp`", span: protocol.span });
                    };
                    service = Some((number, port(w)?, port(w)?));
                }
                "dns" | "no-proxy-arp" | "route-lookup" | "net-to-net" => {}
                _ => return Err(Expected { what: "an option of `nat`", span: word.span }),
            }
        }
        self.config.rules += 1;
        self.config.objects[at].nat = Some(ObjectNat { span, interfaces, dynamic, mapped, service });
        Ok(Sub::Done)
    }

    /// `nat (interface) id …` of before 8.3.
    fn old_nat(&mut self, w: &mut Words<'_, 'a>, interface: Named<'a>) -> Parsed<()> {
        let span = w.line;
        let id = w.number("the number of a pool")?;
        let what = if w.eat("access-list") {
            Err(w.name("the name of an access-list")?)
        } else {
            let address = w.host("an address")?;
            let mask = w.peek().and_then(v4);
            if mask.is_some() {
                w.take();
            }
            // `nat (inside) 0 0` stands for all addresses.
            let mask = mask.unwrap_or(if address == Host::V4(0) { 0 } else { u32::MAX });
            Ok(Address::Net(address, mask))
        };
        self.config.old_nats.push(OldNat::Nat { span, interface, id, what });
        Ok(())
    }

    /// `global`, the word taken.
    pub(super) fn global(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        self.config.rules += 1;
        let span = w.line;
        let Interfaced::One(interface) = interfaces(w)? else {
            return w.expected("an interface in brackets");
        };
        let id = w.number("the number of a pool")?;
        let word = w.name("a pool")?;
        let pool = match (word.text, word.text.split_once('-')) {
            ("interface", _) => Mapped::Interface,
            (_, Some((lo, hi))) => {
                let part = |text: &'a str| host(Named { text, span: word.span });
                Mapped::Pool(Address::Range(part(lo), part(hi)))
            }
            _ => Mapped::Address(Address::Host(host(word))),
        };
        self.config.old_nats.push(OldNat::Global { span, interface, id, pool });
        Ok(())
    }

    /// `static`, the word taken.
    pub(super) fn static_nat(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        self.config.rules += 1;
        let span = w.line;
        let Interfaced::Two(Some(real_if), Some(mapped_if)) = interfaces(w)? else {
            return w.expected("two interfaces in brackets");
        };
        let protocol = match w.peek() {
            Some("tcp") => Some(6),
            Some("udp") => Some(17),
            _ => None,
        };
        if protocol.is_some() {
            w.take();
        }
        let word = w.name("the mapped address")?;
        let mapped = match word.text {
            "interface" => Mapped::Interface,
            _ => Mapped::Address(Address::Host(host(word))),
        };
        let mapped_port = if protocol.is_some() { Some(port(w)?) } else { None };
        let mut service = None;
        let real = if w.eat("access-list") {
            // The real port is in the list.
            service = protocol.zip(mapped_port).map(|(protocol, port)| (protocol, port, port));
            Err(w.name("the name of an access-list")?)
        } else {
            let real = w.host("the real address")?;
            if let (Some(protocol), Some(mapped_port)) = (protocol, mapped_port) {
                service = Some((protocol, mapped_port, port(w)?));
            }
            Ok(real)
        };
        let mut mask = u32::MAX;
        if w.eat("netmask") {
            let Some(value) = w.peek().and_then(v4) else { return w.expected("a mask") };
            w.take();
            mask = value;
        }
        let interfaces = (real_if, mapped_if);
        self.config.old_nats.push(OldNat::Static { span, interfaces, mapped, real, mask, service });
        Ok(())
    }
}

enum Interfaced<'a> {
    None,
    One(Named<'a>),
    Two(Option<Named<'a>>, Option<Named<'a>>),
}

/// `(a)` or `(a,b)`; blanks are allowed after the comma.
fn interfaces<'a>(w: &mut Words<'_, 'a>) -> Parsed<Interfaced<'a>> {
    let Some(open) = w.peek().filter(|word| word.starts_with('(')) else { return Ok(Interfaced::None) };
    let word = w.name("interfaces in brackets")?;
    let inner = &open[1..];
    let name = |text: &'a str, skip: usize| {
        let start = word.span.start + skip as u32;
        Named { text, span: Span::new(start, start + text.len() as u32) }
    };
    let any = |name: Named<'a>| (name.text != "any").then_some(name);
    let Some((real, rest)) = inner.split_once(',') else {
        let Some(only) = inner.strip_suffix(')') else { return w.expected("`)`") };
        return Ok(Interfaced::One(name(only, 1)));
    };
    let real = any(name(real, 1));
    let mapped = match rest.strip_suffix(')') {
        Some(mapped) => any(name(mapped, 2 + inner.len() - rest.len() - 1)),
        None if rest.is_empty() => {
            let next = w.name("an interface")?;
            let Some(text) = next.text.strip_suffix(')') else { return w.expected("`)`") };
            any(Named { text, span: Span::new(next.span.start, next.span.end - 1) })
        }
        None => return w.expected("`)`"),
    };
    Ok(Interfaced::Two(real, mapped))
}

/// A word that names an object, an object-group, or is an address.
fn named(word: Named<'_>) -> Address<'_> {
    match word.text {
        "any" => Address::Any,
        "any4" => Address::Any4,
        "any6" => Address::Any6,
        _ => match host(word) {
            Host::Name(name) => Address::Object(name),
            address => Address::Host(address),
        },
    }
}

/// The mapped source.
fn mapped<'a>(w: &mut Words<'_, 'a>) -> Parsed<Mapped<'a>> {
    if w.eat("interface") {
        w.eat("ipv6");
        return Ok(Mapped::Interface);
    }
    if w.eat("pat-pool") {
        if w.eat("interface") {
            return Ok(Mapped::Interface);
        }
        return Ok(Mapped::Pool(named(w.name("a pool")?)));
    }
    Ok(Mapped::Address(named(w.name("the mapped address")?)))
}

/// Options of a dynamic translation that change which mapped address and port is taken, no more.
fn options(w: &mut Words<'_, '_>, dynamic: bool) {
    while dynamic
        && let Some(word) = w.peek()
        && matches!(
            word,
            "interface"
                | "ipv6"
                | "pat-pool"
                | "round-robin"
                | "extended"
                | "flat"
                | "include-reserve"
                | "block-allocation"
                | "fallthrough"
        )
    {
        w.take();
        if word == "pat-pool" {
            w.take();
        }
    }
}

fn port(w: &mut Words<'_, '_>) -> Parsed<u16> {
    let Some(port) = w.peek().and_then(literals::port) else { return w.expected("a port") };
    w.take();
    Ok(port)
}
