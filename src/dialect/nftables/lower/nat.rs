//! Translations.

use super::Lower;
use super::context::Context;
use super::lens::is_selector;
use super::sets::{Gives, Looked};
use crate::dialect::interface::{Choices, Interfaces};
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::{Eval, Fault, Spec};
use crate::dialect::nftables::syntax::{
    Data, Expr, ExprKind, MapData, NatKind, NatStmt, Selector, TableFamily,
};
use crate::dialect::nftables::types::Type;
use crate::model::{Effect, Hook, Nat, NatAddr, NatPort, StageKind, Test, Verdict};
use crate::packet::Family;
use crate::source::Span;

/// The numbers that a counter or hash can be.
pub(super) fn range_of(expr: &Expr) -> Option<(u128, u128)> {
    match &plain(expr).kind {
        ExprKind::Other(selector) => match **selector {
            Selector::Numgen { modulus, offset } | Selector::Hash { modulus, offset } if modulus > 0 => {
                Some((offset.into(), u128::from(offset) + u128::from(modulus) - 1))
            }
            _ => None,
        },
        _ => None,
    }
}

impl Lower<'_> {
    /// `snat`, `dnat`, `masquerade`, `redirect`: the translation, and the accept that comes with it.
    pub(super) fn translation(&mut self, cx: &mut Context, nat: &NatStmt, span: Span) -> Eval<()> {
        self.check_nat_place(cx, nat.kind, span);
        let family = self.nat_family(cx, nat, span)?;
        if let Some(family) = family {
            // A translation of another family does nothing, and the next rule is next.
            let number = family.version().into();
            if cx.version().is_none() {
                cx.test(Test::In {
                    field: crate::packet::Field::Version,
                    values: crate::model::Values::Range(number, number),
                    negate: false,
                });
                cx.pin_version(family);
            }
        }
        let mapped = nat.addr.as_ref().is_some_and(|addr| matches!(plain(addr).kind, ExprKind::Map(_)));
        let has_port = nat.port.is_some() && !mapped;
        if has_port && !cx.knows_protocol() {
            return Err(Fault::Refused(
                span,
                "a port is translated without a match on a protocol that has ports".to_string(),
            ));
        }
        let family = family.or(cx.version());
        let by_port = nat.port.as_ref().filter(|port| matches!(plain(port).kind, ExprKind::Map(_)));
        if matches!(nat.kind, NatKind::Masquerade | NatKind::Redirect) && by_port.is_none() {
            return self.at_interface(cx, nat, family);
        }
        let before = cx.forks.len();
        match &nat.addr {
            Some(addr) if matches!(plain(addr).kind, ExprKind::Map(_)) => {
                self.mapped(cx, nat, addr, family, span)?
            }
            _ => match by_port {
                Some(port) => self.mapped_port(cx, nat, port, family, span)?,
                None => {
                    let made = self.nat_of(cx, nat, nat.addr.as_ref(), nat.port.as_ref(), family)?;
                    let id = self.builder.nat(made);
                    cx.effect(Effect::Nat(id));
                }
            },
        }
        // What ways the map opened end here as well.
        cx.forks[before..].iter_mut().for_each(|way| way.effect(Effect::Verdict(Verdict::Accept)));
        cx.effect(Effect::Verdict(Verdict::Accept));
        Ok(())
    }

    /// `masquerade` and `redirect`: a way for each address that it may be, and one for no address at all.
    fn at_interface(&mut self, cx: &mut Context, nat: &NatStmt, family: Option<Family>) -> Eval<()> {
        let made = self.nat_of(cx, nat, None, nat.port.as_ref(), family)?;
        let families = family.map_or(vec![Family::V4, Family::V6], |family| vec![family]);
        let mut choices: Vec<(Option<Family>, Choices)> = Vec::new();
        for family in families {
            choices.push((Some(family), self.interface_choices(nat.kind, &made.addr, family)));
        }
        // Where both families get the same, whatever the packet is, one way says it.
        if let [(_, one), (_, other)] = &choices[..]
            && one == other
            && one.len() == 1
        {
            choices.pop();
            choices[0].0 = None;
        }
        let mut ways = Vec::new();
        for (family, choices) in choices {
            for (tests, addr) in choices {
                let mut way = cx.clone();
                way.forks.clear();
                if let Some(family) = family {
                    way.require_version(family);
                }
                tests.into_iter().for_each(|test| way.test(test));
                let verdict = if addr.is_some() { Verdict::Accept } else { Verdict::Drop };
                if let Some(addr) = addr {
                    let nat = self.builder.nat(Nat { addr, ..made.clone() });
                    way.effect(Effect::Nat(nat));
                }
                way.effect(Effect::Verdict(verdict));
                ways.push(way);
            }
        }
        if let Some(mut last) = ways.pop() {
            cx.forks.append(&mut ways);
            last.forks = std::mem::take(&mut cx.forks);
            *cx = last;
        }
        Ok(())
    }

    fn interface_choices(&mut self, kind: NatKind, addr: &NatAddr, family: Family) -> Choices {
        let interfaces = Interfaces { own: self.own, family, builder: &mut self.builder };
        match (kind, addr) {
            (NatKind::Masquerade, _) => interfaces.masquerade(),
            (_, NatAddr::Interface) => interfaces.redirect(),
            (_, addr) => vec![(Vec::new(), Some(addr.clone()))],
        }
    }

    fn check_nat_place(&mut self, cx: &Context, kind: NatKind, span: Span) {
        let source = matches!(kind, NatKind::Snat | NatKind::Masquerade);
        let Some(place) = self.places.of(cx.table, cx.chain) else { return };
        let wrong_hook = place.hooks.iter().any(|hook| match hook {
            Hook::Prerouting | Hook::Output => source,
            Hook::Postrouting => !source,
            Hook::Input => !source || kind == NatKind::Masquerade,
            Hook::Forward => true,
        });
        if place.kinds.contains(&StageKind::Filter) {
            self.refuse(span, format!("`{}` in a chain that is not of type `nat`", kind.name()));
        } else if wrong_hook {
            self.refuse(span, format!("`{}` at a hook that does not have it", kind.name()));
        }
    }

    /// The family whose packets are translated; `None` where both are.
    fn nat_family(&mut self, cx: &Context, nat: &NatStmt, span: Span) -> Eval<Option<Family>> {
        let written =
            nat.family.map(|family| if family == TableFamily::Ip6 { Family::V6 } else { Family::V4 });
        let table = match cx.family {
            TableFamily::Ip => Some(Family::V4),
            TableFamily::Ip6 => Some(Family::V6),
            _ => None,
        };
        if let (Some(written), Some(table)) = (written, table)
            && written != table
        {
            return Err(Fault::Refused(
                span,
                "a translation of the other family than the table's".to_string(),
            ));
        }
        if let Some(family) = written.or(table).or(cx.version()) {
            return Ok(Some(family));
        }
        let Some(addr) = &nat.addr else { return Ok(None) };
        // An address says by itself which family it is of.
        match self.values.interval(addr, Spec::of(Type::Ipv4Addr)) {
            Ok(_) => Ok(Some(Family::V4)),
            Err(_) if self.values.interval(addr, Spec::of(Type::Ipv6Addr)).is_ok() => Ok(Some(Family::V6)),
            Err(_) => match self.map_data_kind(cx, addr) {
                Some(Type::Ipv6Addr) => Ok(Some(Family::V6)),
                _ => Ok(Some(Family::V4)),
            },
        }
    }

    /// The type of the first part of what a named map gives.
    fn map_data_kind(&mut self, cx: &Context, addr: &Expr) -> Option<Type> {
        self.map_data_specs(cx, addr)?.first().map(|spec| spec.kind)
    }

    fn map_data_specs(&mut self, cx: &Context, addr: &Expr) -> Option<Vec<Spec>> {
        let ExprKind::Map(parts) = &plain(addr).kind else { return None };
        match &plain(&parts.1).kind {
            ExprKind::SetRef(name) => {
                let config = self.config;
                let table = &config.tables[cx.table];
                let set = &table.sets[table.set(name)?];
                match &set.body.data {
                    Some(MapData::Value(key)) => self.specs(cx.table, key),
                    _ => None,
                }
            }
            ExprKind::Set(elements) => {
                let data = elements.first()?.data.as_deref()?;
                let Data::Value(value) = data else { return None };
                let value = plain(value);
                let (first, pair) = match &value.kind {
                    ExprKind::Concat(parts) => (parts.first()?, true),
                    _ => (value, false),
                };
                let is6 = self.values.interval(first, Spec::of(Type::Ipv4Addr)).is_err()
                    && self.values.interval(first, Spec::of(Type::Ipv6Addr)).is_ok();
                let address = Spec::of(if is6 { Type::Ipv6Addr } else { Type::Ipv4Addr });
                Some(if pair { vec![address, Spec::of(Type::Service)] } else { vec![address] })
            }
            _ => None,
        }
    }

    fn mapped(
        &mut self,
        cx: &mut Context,
        nat: &NatStmt,
        addr: &Expr,
        family: Option<Family>,
        _span: Span,
    ) -> Eval<()> {
        let ExprKind::Map(parts) = &plain(addr).kind else { return Ok(()) };
        let looked = self.map_lookup(cx, &parts.0, &parts.1, Gives::Values, &mut |lower, cx, data, at| {
            let Data::Value(value) = data else {
                return Err(Fault::Refused(at, "a verdict, expected an address".to_string()));
            };
            let made = match &plain(value).kind {
                ExprKind::Concat(parts) if parts.len() == 2 => {
                    lower.nat_of(cx, nat, Some(&parts[0]), Some(&parts[1]), family)?
                }
                _ => lower.nat_of(cx, nat, Some(value), nat.port.as_ref(), family)?,
            };
            Ok(Effect::Nat(lower.builder.nat(made)))
        })?;
        self.open_nat(cx, nat, looked);
        Ok(())
    }

    fn mapped_port(
        &mut self,
        cx: &mut Context,
        nat: &NatStmt,
        port: &Expr,
        family: Option<Family>,
        _span: Span,
    ) -> Eval<()> {
        let ExprKind::Map(parts) = &plain(port).kind else { return Ok(()) };
        let looked = self.map_lookup(cx, &parts.0, &parts.1, Gives::Values, &mut |lower, cx, data, at| {
            let Data::Value(value) = data else {
                return Err(Fault::Refused(at, "a verdict, expected a port".to_string()));
            };
            let made = lower.nat_of(cx, nat, nat.addr.as_ref(), Some(value), family)?;
            Ok(Effect::Nat(lower.builder.nat(made)))
        })?;
        self.open_nat(cx, nat, looked);
        Ok(())
    }

    /// A translation by a map that cannot be read: it may be hit, and gives what nobody knows.
    fn open_nat(&mut self, cx: &mut Context, nat: &NatStmt, looked: Looked) {
        let Looked::Open(cond) = looked else { return };
        cx.test(Test::Unknown { cond, negate: false });
        self.untold(cx, matches!(nat.kind, NatKind::Dnat | NatKind::Redirect));
    }

    /// A target of iptables that translates, of which no more than the name is there.
    pub(super) fn unread_translation(&mut self, cx: &mut Context, destination: bool) {
        self.untold(cx, destination);
        cx.effect(Effect::Verdict(Verdict::Accept));
    }

    /// Whether a chain is walked where destinations are translated.
    pub(super) fn comes_before_routing(&self, cx: &Context) -> bool {
        let hooks = self.places.of(cx.table, cx.chain).map_or(&[][..], |place| &place.hooks);
        hooks.iter().any(|hook| matches!(hook, Hook::Prerouting | Hook::Output))
    }

    /// A translation to what the file does not tell.
    fn untold(&mut self, cx: &mut Context, destination: bool) {
        let id = self.builder.nat(Nat { destination, addr: NatAddr::Unknown, port: NatPort::Unknown });
        cx.effect(Effect::Nat(id));
    }

    fn nat_of(
        &mut self,
        cx: &Context,
        nat: &NatStmt,
        addr: Option<&Expr>,
        port: Option<&Expr>,
        family: Option<Family>,
    ) -> Eval<Nat> {
        let destination = matches!(nat.kind, NatKind::Dnat | NatKind::Redirect);
        let mut address = match (nat.kind, addr) {
            (NatKind::Masquerade, _) => NatAddr::Interface,
            (NatKind::Redirect, _) => {
                match self.places.of(cx.table, cx.chain).map(|place| &place.hooks[..]) {
                    Some([Hook::Output]) => NatAddr::Loopback,
                    Some([Hook::Prerouting]) => NatAddr::Interface,
                    _ => NatAddr::Unknown,
                }
            }
            (_, None) => NatAddr::Keep,
            (_, Some(addr)) => self.nat_address(nat, addr, family.unwrap_or(Family::V4))?,
        };
        let mut new_port = match port {
            None => NatPort::Keep,
            Some(port) if is_selector(port) => NatPort::Unknown,
            Some(port) => match self.values.interval(port, Spec::of(Type::Service)) {
                Ok((lo, hi)) => NatPort::Pool(lo as u16, hi as u16),
                Err(Fault::Unknown(..)) => NatPort::Unknown,
                Err(fault) => return Err(fault),
            },
        };
        if let (Some(addr), true) = (addr, nat.pair)
            && let ExprKind::Concat(parts) = &plain(addr).kind
            && let [first, second] = &parts[..]
        {
            let both =
                self.nat_of(cx, &NatStmt { pair: false, ..nat.clone() }, Some(first), Some(second), family)?;
            (address, new_port) = (both.addr, both.port);
        }
        if nat.random && !matches!(new_port, NatPort::Pool(lo, hi) if lo == hi) {
            new_port = NatPort::Unknown;
        }
        Ok(Nat { destination, addr: address, port: new_port })
    }

    fn nat_address(&mut self, nat: &NatStmt, addr: &Expr, family: Family) -> Eval<NatAddr> {
        if is_selector(addr) || matches!(plain(addr).kind, ExprKind::Concat(_)) {
            return Ok(NatAddr::Unknown);
        }
        let spec = Spec::of(if family == Family::V4 { Type::Ipv4Addr } else { Type::Ipv6Addr });
        match self.values.interval(addr, spec) {
            Ok((lo, hi)) if nat.prefix => {
                let len = family.bits() - (lo ^ hi).count_ones();
                Ok(NatAddr::Prefix(family, lo, len))
            }
            Ok((lo, hi)) => Ok(NatAddr::Pool(family, lo, hi)),
            Err(Fault::Unknown(..)) => Ok(NatAddr::Unknown),
            Err(fault) => Err(fault),
        }
    }
}
