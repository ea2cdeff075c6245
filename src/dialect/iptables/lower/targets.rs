//! Targets as effects of the model.

use super::Lowering;
use crate::dialect::interface::{Interfaces, unanswered_destinations, unanswered_sources};
use crate::dialect::iptables::ast::{Hook, MarkChange, Match, MatchKind, NatSpec, PortSpan, Rule, Target};
use crate::model::{Condition, Effect, MarkOp, Nat, NatAddr, NatPort, Reply, Test, Values, Verdict};
use crate::packet::{Family, Field, Set, proto};

impl Lowering<'_> {
    /// Adds a rule whose target is an extension.
    pub(super) fn extension(&mut self, chain: usize, rule: &Rule) {
        let config = self.config;
        match rule.target {
            Target::Reject(code) => self.reject(chain, rule, code),
            Target::RejectReset => {
                if self.family == Family::V4 {
                    self.unanswered(chain, rule, Field::Dst4, unanswered_destinations(self.own));
                }
                self.emit(chain, rule, &[Effect::Verdict(Verdict::Reject(Reply::TcpReset))])
            }
            // Somebody in user space accepts or drops; where nobody listens, it is a drop or an accept.
            Target::Queue(index) => {
                let listens: Vec<Test> = self.open(index, false).into_iter().collect();
                self.emit_with(chain, rule, &listens, &[Effect::Verdict(Verdict::Accept)]);
                self.emit(chain, rule, &[Effect::Verdict(Verdict::Drop)]);
            }
            Target::Dnat(index) | Target::Snat(index) => {
                self.translate_to_addresses(chain, rule, &config.nats[index as usize]);
            }
            Target::Masquerade(index) => {
                let spec = self.spec(&config.nats[index as usize], false);
                for (tests, addr) in self.interfaces().masquerade() {
                    self.choose(chain, rule, &tests, addr, &spec);
                }
            }
            Target::Redirect(index) => self.redirect(chain, rule, &config.nats[index as usize]),
            Target::Netmap(index) => self.netmap(chain, rule, config.netmaps[index as usize]),
            Target::Mark(index) => match config.marks[index as usize] {
                MarkChange::Set(clear, flip) => {
                    self.emit(chain, rule, &[Effect::Mark(MarkOp { clear, flip })])
                }
                _ => self.emit(chain, rule, &[]),
            },
            Target::ConnMark(index) => self.connection_mark(chain, rule, config.marks[index as usize]),
            Target::Tproxy(index) => self.tproxy(chain, rule, config.marks.get(index as usize).copied()),
            Target::NoTrack => self.emit(chain, rule, &[Effect::NoTrack]),
            Target::Helper(name) => {
                let helper = self.out.helper(config.names.text(name));
                self.emit(chain, rule, &[Effect::Helper(helper)]);
            }
            Target::SetTtl(value) => self.field(chain, rule, Field::Ttl, value),
            Target::SetDscp(value) => self.field(chain, rule, Field::Dscp, value),
            Target::ForgetMark => self.emit(chain, rule, &[Effect::Forget(Field::Mark)]),
            Target::ForgetMss => {
                // A packet without the option keeps being without.
                let has = Test::In { field: Field::TcpMss, values: Values::Range(0, 0xffff), negate: false };
                self.emit_with(chain, rule, &[has], &[Effect::Forget(Field::TcpMss)]);
            }
            Target::ForgetAddress(destination) => {
                let field = if destination { Field::Dst6 } else { Field::Src6 };
                self.emit(chain, rule, &[Effect::Forget(field)]);
            }
            Target::Undefined(name) => {
                let cond = self.out.condition(Condition::elsewhere(config.names.text(name)));
                self.emit(chain, rule, &[Effect::Undefined(cond)]);
            }
            _ => self.emit(chain, rule, &[]),
        }
    }

    fn reject(&mut self, chain: usize, rule: &Rule, code: u8) {
        let (kind, field, nobody) = match self.family {
            Family::V4 => (3, Field::Dst4, unanswered_destinations(self.own)),
            Family::V6 => (1, Field::Src6, unanswered_sources(self.own)),
        };
        self.unanswered(chain, rule, field, nobody);
        self.emit(chain, rule, &[Effect::Verdict(Verdict::Reject(Reply::Icmp { kind, code }))]);
    }

    /// `DNAT` and `SNAT`.
    fn translate_to_addresses(&mut self, chain: usize, rule: &Rule, spec: &NatSpec) {
        let mut nat = self.spec(spec, matches!(rule.target, Target::Dnat(_)));
        // Linux 6.16 lost DCCP: before, the port is translated, since, it stays.
        let dccp = Match { negated: false, kind: MatchKind::Protocol(proto::DCCP) };
        if spec.ports.is_some() && self.config.matches_of(rule).contains(&dccp) {
            nat.port = NatPort::Unknown;
        }
        match spec.ports {
            Some(PortSpan { lo, hi, base: Some(base) }) => self.shift(chain, rule, (lo, hi, base), nat),
            _ => self.translate(chain, rule, &[], nat),
        }
    }

    /// From the box itself it goes to the loopback address; else to the interface it came in by.
    fn redirect(&mut self, chain: usize, rule: &Rule, spec: &NatSpec) {
        let spec = self.spec(spec, true);
        let reach = self.reach[chain];
        let (output, before) = (reach & bit(Hook::Output) != 0, reach & bit(Hook::Prerouting) != 0);
        if output {
            let mine = [self.no_input(false)];
            let more = if before { &mine[..] } else { &[] };
            self.choose(chain, rule, more, Some(NatAddr::Loopback), &spec);
        }
        if before || !output {
            let mine = output.then(|| self.no_input(true));
            for (mut tests, addr) in self.interfaces().redirect() {
                tests.extend(mine);
                self.choose(chain, rule, &tests, addr, &spec);
            }
        }
    }

    fn netmap(&mut self, chain: usize, rule: &Rule, (address, len): (u128, u8)) {
        let addr = match len {
            u8::MAX => NatAddr::Unknown,
            len => NatAddr::Prefix(self.family, address, len.into()),
        };
        let first = bit(Hook::Prerouting) | bit(Hook::Output);
        let destination = self.reach[chain] & first != 0;
        if destination && self.reach[chain] & !first != 0 {
            let cond = self.out.condition(Condition::elsewhere("NETMAP of source or destination"));
            return self.emit(chain, rule, &[Effect::Undefined(cond)]);
        }
        self.translate(chain, rule, &[], Nat { destination, addr, port: NatPort::Keep });
    }

    fn tproxy(&mut self, chain: usize, rule: &Rule, mark: Option<MarkChange>) {
        let listens: Vec<Test> = self.chance("TPROXY", "-j TPROXY", false).into_iter().collect();
        let mut effects = Vec::new();
        if let Some(MarkChange::Set(clear, flip)) = mark {
            effects.push(Effect::Mark(MarkOp { clear, flip }));
        }
        effects.push(Effect::Verdict(Verdict::Accept));
        self.emit_with(chain, rule, &listens, &effects);
        self.emit(chain, rule, &[Effect::Verdict(Verdict::Drop)]);
    }

    /// Packets that nobody gets an answer to are dropped.
    fn unanswered(&mut self, chain: usize, rule: &Rule, field: Field, nobody: Set) {
        if !nobody.is_empty() {
            let test = self.set_test(field, nobody, false);
            self.emit_with(chain, rule, &[test], &[Effect::Verdict(Verdict::Drop)]);
        }
    }

    fn field(&mut self, chain: usize, rule: &Rule, field: Field, value: Option<u8>) {
        let effect = match value {
            Some(value) => Effect::Set(field, value.into()),
            None => Effect::Forget(field),
        };
        self.emit(chain, rule, &[effect]);
    }

    fn connection_mark(&mut self, chain: usize, rule: &Rule, change: MarkChange) {
        let effect = match change {
            MarkChange::Set(clear, flip) => Effect::CtMark(MarkOp { clear, flip }),
            MarkChange::Save(packet, connection) if packet == connection => Effect::SaveMark(packet),
            MarkChange::Save(..) => Effect::Forget(Field::CtMark),
            MarkChange::Restore(packet, connection) if packet == connection => Effect::RestoreMark(packet),
            MarkChange::Restore(..) => Effect::Forget(Field::Mark),
        };
        self.emit(chain, rule, &[effect]);
    }

    fn interfaces(&mut self) -> Interfaces<'_> {
        Interfaces { own: self.own, family: self.family, builder: &mut self.out }
    }

    /// A translation ends its stage.
    fn translate(&mut self, chain: usize, rule: &Rule, more: &[Test], nat: Nat) {
        let nat = self.out.nat(nat);
        self.emit_with(chain, rule, more, &[Effect::Nat(nat), Effect::Verdict(Verdict::Accept)]);
    }

    /// A translation to one of several addresses.
    fn choose(&mut self, chain: usize, rule: &Rule, more: &[Test], addr: Option<NatAddr>, spec: &Nat) {
        match addr {
            Some(addr) => self.translate(chain, rule, more, Nat { addr, ..spec.clone() }),
            None => self.emit_with(chain, rule, more, &[Effect::Verdict(Verdict::Drop)]),
        }
    }

    /// A shifted range of ports: what lies beyond the range is folded back into it (`off % range_size` in
    /// `nf_nat_l4proto_unique_tuple`), and where it ends up is not followed.
    fn shift(&mut self, chain: usize, rule: &Rule, (lo, hi, base): (u16, u16, u16), nat: Nat) {
        let values = Values::Range(base.into(), u32::from(base) + u32::from(hi - lo));
        let inside = Test::In { field: Field::Dport, values, negate: false };
        let outside = Test::In { field: Field::Dport, values, negate: true };
        self.translate(chain, rule, &[outside], Nat { port: NatPort::Unknown, ..nat.clone() });
        self.translate(chain, rule, &[inside], nat);
    }

    fn spec(&self, spec: &NatSpec, destination: bool) -> Nat {
        let addr = match spec.addr {
            _ if spec.broken => NatAddr::Unknown,
            Some((lo, hi)) => NatAddr::Pool(self.family, lo, hi),
            None => NatAddr::Keep,
        };
        let port = match spec.ports {
            _ if spec.broken => NatPort::Unknown,
            // One port is one port, chosen at random or not.
            Some(PortSpan { lo, hi, base: None }) if lo == hi || !spec.random => NatPort::Pool(lo, hi),
            Some(PortSpan { lo, base: Some(base), .. }) => NatPort::Shift(lo.wrapping_sub(base)),
            Some(_) => NatPort::Unknown,
            None if spec.random => NatPort::Unknown,
            None => NatPort::Keep,
        };
        Nat { destination, addr, port }
    }
}

/// The bit of a hook.
pub(super) fn bit(hook: Hook) -> u8 {
    1 << hook as u8
}
