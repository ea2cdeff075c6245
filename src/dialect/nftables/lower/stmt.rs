//! Statements as steps of the model.

use super::Lower;
use super::context::Context;
use super::lens::{View, is_selector};
use super::sets::{Gives, Looked};
use crate::dialect::interface::{unanswered_destinations, unanswered_sources};
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::{Eval, Fault, Spec};
use crate::dialect::nftables::syntax::{
    BinOp, CtKey, Data, Expr, ExprKind, Forgets, IcmpKind, MetaKey, ObjectKind, RawBase, Reject, Selector,
    Stmt, StmtKind, TableFamily, Target, Update, Verdict,
};
use crate::dialect::nftables::types::Type;
use crate::model::{
    Condition, Effect, MapEntry, MarkOp, Reply, Step, Test, Timeout, Values, Verdict as Decision,
};
use crate::packet::{Family, Field, Set, State, interface};
use crate::source::Span;

/// Extensions of iptables that decide nothing about a packet, iptables-extensions(8).
pub(super) const IDLE: &[&str] = &[
    "comment",
    "LOG",
    "NFLOG",
    "CHECKSUM",
    "TCPMSS",
    "CLASSIFY",
    "TRACE",
    "AUDIT",
    "LED",
    "SECMARK",
    "CONNSECMARK",
];

impl Lower<'_> {
    /// Adds the steps of a statement; `last` where nothing follows it in the rule.
    pub(super) fn stmt(&mut self, cx: &mut Context, stmt: &Stmt, last: bool) -> Eval<()> {
        match &stmt.kind {
            StmtKind::Match(parts) => self.compare(cx, &parts.0, parts.1, &parts.2)?,
            StmtKind::Verdict(verdict) => {
                let effect = self.verdict(cx, verdict, last)?;
                cx.effect(effect);
            }
            StmtKind::Vmap(parts) => self.vmap(cx, &parts.0, &parts.1, last)?,
            StmtKind::Passive(_) | StmtKind::StripOption | StmtKind::Dup => {}
            StmtKind::Object(parts) => self.object(cx, parts.0, &parts.1)?,
            StmtKind::Meter(meter) => self.meter(cx, meter),
            StmtKind::Reject(reject) => self.reject(cx, reject, stmt.span)?,
            StmtKind::Nat(nat) => self.translation(cx, nat, stmt.span)?,
            StmtKind::Queue(to) => self.undefined(cx, "queue", to),
            StmtKind::Tproxy => self.chance(cx, "tproxy", ""),
            StmtKind::Synproxy => {
                cx.require_protocol(6);
                self.undefined(cx, "synproxy", "");
            }
            StmtKind::Fwd => self.undefined(cx, "fwd", ""),
            StmtKind::Offload(name) => self.offload(cx, name)?,
            StmtKind::Notrack => cx.effect(Effect::NoTrack),
            StmtKind::Mangle(parts) => self.mangle(cx, &parts.0, &parts.1)?,
            StmtKind::Update(update) => self.update(cx, update)?,
            StmtKind::Unread => {
                let text = self.short_text(cx.span);
                self.undefined(cx, "unread rule", &text);
            }
            StmtKind::Xt(parts) if IDLE.contains(&&*parts.1) => {}
            StmtKind::Xt(parts) => {
                self.unread_extension(cx.span);
                match (parts.0, &*parts.1) {
                    (true, "DNAT" | "REDIRECT") => self.unread_translation(cx, true),
                    (true, "SNAT" | "MASQUERADE") => self.unread_translation(cx, false),
                    (true, "NETMAP") => self.unread_translation(cx, self.comes_before_routing(cx)),
                    (true, name) => self.undefined(cx, "xt target", name),
                    (false, name) => self.chance(cx, "xt match", name),
                }
            }
        }
        Ok(())
    }

    /// What a verdict does.
    fn verdict(&mut self, cx: &mut Context, verdict: &Verdict, last: bool) -> Eval<Effect> {
        Ok(match verdict {
            Verdict::Accept => Effect::Verdict(Decision::Accept),
            Verdict::Drop => Effect::Verdict(Decision::Drop),
            Verdict::Return => Effect::Return,
            // It lets the rule go on: at its end, that is the next rule.
            Verdict::Continue if last => Effect::NextRule,
            Verdict::Continue => Effect::Mark(MarkOp { clear: 0, flip: 0 }),
            Verdict::Jump(target) => match self.target(cx, target) {
                Some(chain) => Effect::Jump(chain),
                None => Effect::Undefined(self.builder.condition(target_condition(target))),
            },
            Verdict::Goto(target) => match self.target(cx, target) {
                Some(chain) => Effect::Goto(chain),
                None => Effect::Undefined(self.builder.condition(target_condition(target))),
            },
        })
    }

    fn target(&mut self, cx: &Context, target: &Target) -> Option<crate::model::ChainId> {
        match target {
            Target::Block(rules, span) => Some(self.block_chain(cx, rules, *span)),
            Target::Chain(name) if name.text.len() > 255 => {
                self.refuse(name.span, "the name of a chain is longer than 255 bytes");
                None
            }
            Target::Chain(name) => {
                let table = &self.config.tables[cx.table];
                match table.chain(&name.text) {
                    Some(at) if table.chains[at].hook.is_some() => {
                        self.refuse(name.span, format!("a jump to `{}`, which is a base chain", name.text));
                        self.chain_ids.get(&(cx.table, at)).copied()
                    }
                    Some(at) => self.chain_ids.get(&(cx.table, at)).copied(),
                    None => {
                        self.unresolved(
                            name.span,
                            format!("the chain `{}` does not exist in this table", name.text),
                        );
                        None
                    }
                }
            }
        }
    }

    fn vmap(&mut self, cx: &mut Context, key: &Expr, map: &Expr, last: bool) -> Eval<()> {
        let looked =
            self.map_lookup(cx, key, map, Gives::Verdicts, &mut |lower, cx, data, span| match data {
                Data::Verdict(verdict) => lower.verdict(cx, verdict, last),
                Data::Value(_) => Err(Fault::Refused(span, "a value, expected a verdict".to_string())),
            })?;
        if let Looked::Open(cond) = looked {
            cx.effect(Effect::Undefined(cond));
        }
        Ok(())
    }

    fn object(&mut self, cx: &mut Context, kind: ObjectKind, name: &Expr) -> Eval<()> {
        let named = self.values.word(plain(name)).map(str::to_string);
        let span = name.span;
        if let Some(name) = &named {
            let object = self.config.tables[cx.table].object(kind, name);
            let Some(object) = object else {
                self.unresolved(span, format!("the {} `{name}` does not exist in this table", kind.name()));
                return Ok(());
            };
            if kind == ObjectKind::CtHelper
                && let Some((helper, protocol)) = &object.helper
            {
                if !self.has_connections(cx) {
                    return Ok(());
                }
                let id = self.builder.helper(&helper.text);
                // A helper of another protocol is not set (nft_ct_helper_obj_eval).
                let number = crate::dialect::names::protocol(protocol).unwrap_or(6);
                if !cx.is_protocol(number) {
                    let mut other = cx.clone();
                    let values = Values::Range(number.into(), number.into());
                    other.test(Test::In { field: Field::Proto, values, negate: true });
                    cx.test(Test::In { field: Field::Proto, values, negate: false });
                    cx.forks.push(other);
                }
                cx.effect(Effect::Helper(id));
                return Ok(());
            }
            if let (ObjectKind::CtTimeout, Some(forgets)) = (kind, object.idle) {
                let Forgets { of, seconds, span } = forgets;
                let ports = self.ports_of(cx);
                self.builder.ruleset().set_timeout(Timeout { of, ports, besides: &[], seconds, span });
                return Ok(());
            }
            return self.use_object(cx, kind, name, object.over);
        }
        if let ExprKind::Map(parts) = &plain(name).kind {
            self.check_objects(cx, kind, &parts.1);
            let looked =
                self.map_lookup(cx, &parts.0, &parts.1, Gives::Objects, &mut |lower, cx, data, span| {
                    lower.mapped_object(cx, kind, data, span)
                })?;
            if let Looked::Open(cond) = looked {
                cx.test(Test::Unknown { cond, negate: false });
            }
            if matches!(kind, ObjectKind::Limit | ObjectKind::Quota) {
                self.chance(cx, kind.name(), "by a map");
            }
        }
        if kind == ObjectKind::Synproxy {
            self.undefined(cx, "synproxy", "");
        }
        Ok(())
    }

    /// The destination ports that a rule asks for, where it does.
    fn ports_of(&mut self, cx: &Context) -> Option<Set> {
        let mut tests = cx.steps.iter().filter_map(|step| match step {
            Step::Test(Test::In { field: Field::Dport, values, negate: false }) => Some(*values),
            Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => None,
        });
        let values = tests.next()?;
        Some(self.builder.ruleset().values(values))
    }

    fn use_object(&mut self, cx: &mut Context, kind: ObjectKind, name: &str, over: bool) -> Eval<()> {
        match kind {
            ObjectKind::Limit => self.shared_meter(cx, "limit", name, over),
            ObjectKind::Quota => self.shared_meter(cx, "quota", name, over),
            ObjectKind::Synproxy => {
                cx.require_protocol(6);
                self.undefined(cx, "synproxy", name);
            }
            _ => {}
        }
        Ok(())
    }

    /// What an object that a map names does to a packet.
    fn mapped_object(&mut self, cx: &Context, kind: ObjectKind, data: &Data, span: Span) -> Eval<Effect> {
        const NOTHING: Effect = Effect::Mark(MarkOp { clear: 0, flip: 0 });
        let Data::Value(value) = data else {
            return Err(Fault::Refused(span, "a verdict, expected an object".to_string()));
        };
        let Some(name) = self.values.word(plain(value)) else { return Ok(NOTHING) };
        let objects = &self.config.tables[cx.table].objects;
        let object = objects.iter().find(|object| object.kind == kind && *object.name.text == *name);
        let helper =
            object.filter(|_| kind == ObjectKind::CtHelper).and_then(|object| object.helper.as_ref());
        let Some((helper, protocol)) = helper else { return Ok(NOTHING) };
        let number = crate::dialect::names::protocol(protocol).unwrap_or(6);
        let is_set = cx.is_protocol(number) && self.has_connections(cx);
        Ok(if is_set { Effect::Helper(self.builder.helper(&helper.text)) } else { NOTHING })
    }

    /// Whether packets can have a connection where a rule stands: without one, none gets a helper
    /// (nft_ct.c, `nft_ct_helper_obj_eval`).
    fn has_connections(&self, cx: &Context) -> bool {
        self.places.of(cx.table, cx.chain).is_none_or(|place| place.tracked)
    }

    /// The objects that a map written in place names have to be there.
    fn check_objects(&mut self, cx: &Context, kind: ObjectKind, map: &Expr) {
        let ExprKind::Set(elements) = &plain(map).kind else { return };
        let table = &self.config.tables[cx.table];
        let mut missing = Vec::new();
        for elem in elements.iter() {
            let Some(Data::Value(value)) = elem.data.as_deref() else { continue };
            let Some(name) = self.values.word(plain(value)) else { continue };
            if table.object(kind, name).is_none() {
                missing
                    .push((value.span, format!("the {} `{name}` does not exist in this table", kind.name())));
            }
        }
        for (span, message) in missing {
            self.unresolved(span, message);
        }
    }

    fn reject(&mut self, cx: &mut Context, reject: &Reject, span: Span) -> Eval<()> {
        if cx.family == TableFamily::Netdev {
            self.unanswered(cx);
        }
        let v4 = |code| Decision::Reject(Reply::Icmp { kind: 3, code });
        let v6 = |code| Decision::Reject(Reply::Icmp { kind: 1, code });
        let decision = match reject {
            Reject::TcpReset => {
                if !cx.require_protocol(6) {
                    return Err(Fault::Refused(
                        span,
                        "a TCP reset for another protocol than TCP".to_string(),
                    ));
                }
                self.drops_unanswered(cx, Family::V4, true);
                Decision::Reject(Reply::TcpReset)
            }
            Reject::Default => return self.reject_both(cx, 1),
            Reject::Icmp(kind, code) => {
                let (spec, version) = match kind {
                    IcmpKind::V4 => (Spec::of(Type::IcmpCode), Some(Family::V4)),
                    IcmpKind::V6 => (Spec::of(Type::Icmp6Code), Some(Family::V6)),
                    IcmpKind::Both => (Spec::of(Type::IcmpxCode), None),
                };
                let code = self.values.exact(code, spec)?;
                if let Some(version) = version
                    && !cx.require_version(version)
                {
                    return Err(Fault::Refused(
                        span,
                        "a reply of the other family than the packet's".to_string(),
                    ));
                }
                if version.is_none() && matches!(cx.family, TableFamily::Ip | TableFamily::Ip6) {
                    let message = format!("`icmpx` in a table of the family `{}`", cx.family.name());
                    return Err(Fault::Refused(span, message));
                }
                match kind {
                    IcmpKind::V4 => {
                        self.drops_unanswered(cx, Family::V4, false);
                        v4(code as u8)
                    }
                    IcmpKind::V6 => {
                        self.drops_unanswered(cx, Family::V6, false);
                        v6(code as u8)
                    }
                    IcmpKind::Both => return self.reject_both(cx, code),
                }
            }
        };
        cx.effect(Effect::Verdict(decision));
        Ok(())
    }

    /// What `reject` does of IPv4 to packets that come in by `lo`: the reply is sent there too, and taken for one
    /// with a forged source, as it has one of the machine's own (nft_reject_netdev.c sends it by
    /// `dev_queue_xmit`, without a route; fib_frontend.c, `accept_local`, which is off by default).
    fn unanswered(&mut self, cx: &mut Context) {
        if cx.version() == Some(Family::V6) {
            return;
        }
        let mut way = cx.clone();
        way.forks.clear();
        way.require_version(Family::V4);
        let lo = self.builder.values(Set::one(interface("lo")));
        way.test(Test::In { field: Field::Iif, values: lo, negate: false });
        way.effect(Effect::Verdict(Decision::Drop));
        cx.forks.push(way);
    }

    /// What `reject` does to packets of a family that nobody gets an answer to: broadcasts in IPv4, and in IPv6 what comes
    /// from an anycast address, which a reset is sent to.
    fn drops_unanswered(&mut self, cx: &mut Context, family: Family, reset: bool) {
        let (nobody, field, table) = match family {
            Family::V4 => (unanswered_destinations(self.own), Field::Dst4, TableFamily::Ip),
            Family::V6 if reset => return,
            Family::V6 => (unanswered_sources(self.own), Field::Src6, TableFamily::Ip6),
        };
        let routed = cx.family == TableFamily::Inet || cx.family == table;
        let other = cx.version().is_some_and(|version| version != family);
        if !routed || other || nobody.is_empty() {
            return;
        }
        let mut way = cx.clone();
        way.forks.clear();
        way.require_version(family);
        let values = self.builder.values(nobody);
        way.test(Test::In { field, values, negate: false });
        way.effect(Effect::Verdict(Decision::Drop));
        cx.forks.push(way);
    }

    /// A reply in either family, by an `icmpx` code (nf_tables_core.c, `nft_reject_icmp_code`).
    fn reject_both(&mut self, cx: &mut Context, code: u128) -> Eval<()> {
        let (four, six) = match code {
            0 => (0, 0),
            1 => (3, 4),
            2 => (1, 3),
            _ => (13, 1),
        };
        let v4 = Effect::Verdict(Decision::Reject(Reply::Icmp { kind: 3, code: four }));
        let v6 = Effect::Verdict(Decision::Reject(Reply::Icmp { kind: 1, code: six }));
        self.drops_unanswered(cx, Family::V4, false);
        self.drops_unanswered(cx, Family::V6, false);
        match cx.version() {
            Some(Family::V4) => cx.effect(v4),
            Some(Family::V6) => cx.effect(v6),
            None => {
                let entry = |version: u128, effect| MapEntry {
                    key: vec![Some(Set::one(version))],
                    effect,
                    span: cx.span,
                };
                let entries = vec![entry(4, v4), entry(6, v6)];
                let map = self.builder.map(vec![Field::Version], entries);
                cx.steps.push(Step::Lookup(map));
            }
        }
        Ok(())
    }

    fn offload(&mut self, cx: &mut Context, name: &crate::dialect::nftables::syntax::Name) -> Eval<()> {
        let table = &self.config.tables[cx.table];
        if table.object(ObjectKind::Flowtable, &name.text).is_none() {
            self.unresolved(name.span, format!("the flowtable `{}` does not exist in this table", name.text));
        }
        // Only an established connection is taken over: the rule ends for all others (`nft_flow_offload_eval`).
        let established = self.builder.range(State::Established as u128, State::Established as u128);
        cx.test(Test::In { field: Field::State, values: established, negate: false });
        self.chance(cx, "flowtable", &name.text);
        Ok(())
    }

    fn update(&mut self, cx: &mut Context, update: &Update) -> Eval<()> {
        let table = &self.config.tables[cx.table];
        if !update.meter && table.set(&update.set.text).is_none() {
            self.unresolved(
                update.set.span,
                format!("the set `{}` does not exist in this table", update.set.text),
            );
        }
        let parts = match &plain(&update.key).kind {
            ExprKind::Concat(parts) => &parts[..],
            _ => std::slice::from_ref(&update.key),
        };
        for part in parts.iter().filter(|part| is_selector(part)) {
            let lens = self.lens(cx, part)?;
            self.presence(cx, &lens);
            if let View::Field(field) = lens.view
                && lens.is_plain()
                && !matches!(field, Field::Iif | Field::Oif | Field::Mark | Field::Proto)
            {
                // The key is read before anything is done with it.
                let all = self.builder.values(Set::range(0, field.last()));
                cx.test(Test::In { field, values: all, negate: false });
            }
        }
        let is_map = table.set(&update.set.text).is_none_or(|at| table.sets[at].body.map);
        if let (Some(data), false) = (&update.data, is_map) {
            return Err(Fault::Refused(
                data.span,
                format!("a value for `{}`, which is no map", update.set.text),
            ));
        }
        if let Some(meter) = &update.counts {
            self.meter(cx, meter);
        }
        Ok(())
    }

    fn mangle(&mut self, cx: &mut Context, left: &Expr, value: &Expr) -> Eval<()> {
        if let Some(span) = range_in(value) {
            return Err(Fault::Refused(span, "a field is set to one value, not to a range".to_string()));
        }
        match &plain(left).kind {
            ExprKind::Meta(MetaKey::Mark) => self.set_mark(cx, false, value),
            ExprKind::Ct(CtKey::Mark, _) => self.set_mark(cx, true, value),
            ExprKind::Meta(key) => {
                if *key == MetaKey::PktType {
                    cx.effect(Effect::Forget(Field::PktType));
                }
                Ok(())
            }
            ExprKind::Ct(CtKey::Zone, _) => {
                self.unsupported(cx.span, "ct zone set");
                Ok(())
            }
            ExprKind::Ct(..) => Ok(()),
            _ => {
                let lens = self.lens(cx, left)?;
                self.presence(cx, &lens);
                let View::Field(field) = lens.view else {
                    overwritten(plain(left)).for_each(|field| cx.effect(Effect::Forget(field)));
                    return Ok(());
                };
                let all = self.builder.values(Set::range(0, field.last()));
                cx.test(Test::In { field, values: all, negate: false });
                let new = if is_selector(value) { None } else { Some(self.values.exact(value, lens.spec)) };
                match new {
                    Some(Ok(value)) if lens.is_plain() && value <= u128::from(u32::MAX) => {
                        cx.effect(Effect::Set(field, value as u32));
                    }
                    Some(Err(Fault::Refused(span, message))) => return Err(Fault::Refused(span, message)),
                    _ => cx.effect(Effect::Forget(field)),
                }
                Ok(())
            }
        }
    }

    /// `meta mark set`, `ct mark set`
    fn set_mark(&mut self, cx: &mut Context, ct: bool, value: &Expr) -> Eval<()> {
        let value = plain(value);
        let target = |op| if ct { Effect::CtMark(op) } else { Effect::Mark(op) };
        if let ExprKind::Map(parts) = &value.kind {
            let looked = self.map_lookup(
                cx,
                &parts.0,
                &parts.1,
                Gives::Values,
                &mut |lower, _, data, span| match data {
                    Data::Value(value) => {
                        let mark = lower.values.exact(value, Spec::of(Type::Mark))? as u32;
                        Ok(target(MarkOp { clear: u32::MAX, flip: mark }))
                    }
                    Data::Verdict(_) => Err(Fault::Refused(span, "a verdict, expected a mark".to_string())),
                },
            )?;
            if let Looked::Open(cond) = looked {
                cx.test(Test::Unknown { cond, negate: false });
                cx.effect(Effect::Forget(if ct { Field::CtMark } else { Field::Mark }));
            }
            return Ok(());
        }
        let forget = Effect::Forget(if ct { Field::CtMark } else { Field::Mark });
        if !is_selector(value) {
            match self.values.exact(value, Spec::of(Type::Mark)) {
                Ok(mark) => cx.effect(target(MarkOp { clear: u32::MAX, flip: mark as u32 })),
                Err(Fault::Unknown(..)) => cx.effect(forget),
                Err(fault) => return Err(fault),
            }
            return Ok(());
        }
        let Some((source, keep, flip)) = self.mark_of(value) else {
            if let Ok(lens) = self.lens(cx, value) {
                self.presence(cx, &lens);
            }
            cx.effect(forget);
            return Ok(());
        };
        if source {
            // Without a connection its mark cannot be read, and the rule ends.
            cx.test(Test::In { field: Field::CtMark, values: Values::Range(0, u32::MAX), negate: false });
        }
        if source == ct {
            cx.effect(target(MarkOp { clear: !keep, flip }));
            return Ok(());
        }
        if keep != u32::MAX {
            cx.effect(target(MarkOp { clear: u32::MAX, flip: 0 }));
        }
        cx.effect(if ct { Effect::SaveMark(keep) } else { Effect::RestoreMark(keep) });
        if flip != 0 {
            cx.effect(target(MarkOp { clear: 0, flip }));
        }
        Ok(())
    }

    /// A mark with constants: whether it is the connection's, and the bits kept and turned over.
    fn mark_of(&self, expr: &Expr) -> Option<(bool, u32, u32)> {
        let expr = plain(expr);
        match &expr.kind {
            ExprKind::Meta(MetaKey::Mark) => Some((false, u32::MAX, 0)),
            ExprKind::Ct(CtKey::Mark, _) => Some((true, u32::MAX, 0)),
            ExprKind::Binary(op, sides) => {
                let (packet, constant) =
                    if is_selector(&sides.0) { (&sides.0, &sides.1) } else { (&sides.1, &sides.0) };
                let (source, keep, flip) = self.mark_of(packet)?;
                let bits = self.values.exact(constant, Spec::of(Type::Mark)).ok()? as u32;
                Some(match op {
                    BinOp::And => (source, keep & bits, flip & bits),
                    BinOp::Or => (source, keep & !bits, flip | bits),
                    BinOp::Xor => (source, keep, flip ^ bits),
                    BinOp::Shl | BinOp::Shr => return None,
                })
            }
            _ => None,
        }
    }
}

/// The fields that a write to raw payload may change, whatever the family is (RFC 791, RFC 8200, RFC 9293).
fn overwritten(left: &Expr) -> impl Iterator<Item = Field> {
    const NETWORK: &[(Field, u32, u32)] = &[
        (Field::Dscp, 4, 14),
        (Field::Ecn, 10, 16),
        (Field::Ttl, 56, 72),
        (Field::Src4, 96, 128),
        (Field::Dst4, 128, 160),
        (Field::Src6, 64, 192),
        (Field::Dst6, 192, 320),
    ];
    const TRANSPORT: &[(Field, u32, u32)] = &[
        (Field::IcmpType, 0, 8),
        (Field::IcmpCode, 8, 16),
        (Field::Sport, 0, 16),
        (Field::Dport, 16, 32),
        (Field::TcpFlags, 104, 112),
    ];
    let (fields, from, to) = match &left.kind {
        ExprKind::Other(selector) => match **selector {
            Selector::Raw { base: RawBase::Network, offset, len } => {
                (NETWORK, offset, offset.saturating_add(len))
            }
            Selector::Raw { base: RawBase::Transport, offset, len } => {
                (TRANSPORT, offset, offset.saturating_add(len))
            }
            _ => (&[][..], 0, 0),
        },
        _ => (&[][..], 0, 0),
    };
    fields.iter().filter(move |(_, first, last)| from < *last && *first < to).map(|(field, ..)| *field)
}

/// The condition for a jump that leads nowhere.
fn target_condition(target: &Target) -> Condition {
    match target {
        Target::Chain(name) => Condition::elsewhere(format!("chain {}", name.text)),
        Target::Block(..) => Condition::elsewhere("chain in place"),
    }
}

/// Where a value to be set is a range.
fn range_in(value: &Expr) -> Option<Span> {
    let value = plain(value);
    match &value.kind {
        ExprKind::Range(_) | ExprKind::Prefix(_) => Some(value.span),
        ExprKind::Map(parts) => match &plain(&parts.1).kind {
            ExprKind::Set(elements) => elements.iter().find_map(|elem| match elem.data.as_deref() {
                Some(Data::Value(value)) => range_in(value),
                _ => None,
            }),
            _ => None,
        },
        _ => None,
    }
}
