//! What the kernel keeps beside a packet: `meta`, and its connection.

use super::{ETHERTYPE, Lens, NFPROTO, PKTTYPE, STATES, View, hidden};
use crate::dialect::nftables::eval::{Eval, Fault};
use crate::dialect::nftables::lower::Lower;
use crate::dialect::nftables::lower::conditions::{Hidden, On};
use crate::dialect::nftables::lower::context::Context;
use crate::dialect::nftables::syntax::{CtDir, CtKey, Expr, MetaKey};
use crate::dialect::nftables::types::Type;
use crate::model::{Test, Values};
use crate::packet::{Family, Field, State};

impl Lower<'_> {
    pub(super) fn meta(&mut self, key: MetaKey) -> Lens {
        let (view, kind, bits) = match key {
            MetaKey::Length => (View::Field(Field::Length), Type::Integer, 32),
            MetaKey::Protocol => (View::Coded(Field::Version, ETHERTYPE), Type::EtherType, 16),
            MetaKey::NfProto => (View::Coded(Field::Version, NFPROTO), Type::NfProto, 8),
            MetaKey::L4Proto => (View::Field(Field::Proto), Type::Proto, 8),
            MetaKey::Mark => (View::Field(Field::Mark), Type::Mark, 32),
            MetaKey::Iif => (View::Field(Field::Iif), Type::IfIndex, 128),
            MetaKey::Oif => (View::Field(Field::Oif), Type::IfIndex, 128),
            MetaKey::IifName => (View::Field(Field::Iif), Type::IfName, 128),
            MetaKey::OifName => (View::Field(Field::Oif), Type::IfName, 128),
            MetaKey::PktType => (View::Coded(Field::PktType, PKTTYPE), Type::PktType, 8),
            key => return self.hidden_meta(key),
        };
        Lens::new(view, kind, bits)
    }

    /// What the model has no field for.
    fn hidden_meta(&mut self, key: MetaKey) -> Lens {
        let (kind, bits) = match key {
            MetaKey::IifType | MetaKey::OifType => (Type::IfType, 16),
            MetaKey::SkUid => (Type::Uid, 32),
            MetaKey::SkGid => (Type::Gid, 32),
            MetaKey::Time => (Type::Time, 64),
            MetaKey::Day => (Type::Day, 8),
            MetaKey::Hour => (Type::Hour, 32),
            MetaKey::IifGroup | MetaKey::OifGroup => (Type::DevGroup, 32),
            MetaKey::IpSec | MetaKey::SecPath => (Type::Boolean, 1),
            MetaKey::Broute => (Type::Boolean, 1),
            MetaKey::Priority => (Type::ClassId, 32),
            MetaKey::RtClassId => (Type::Realm, 32),
            MetaKey::BriIif
            | MetaKey::BriOif
            | MetaKey::BriIifName
            | MetaKey::BriOifName
            | MetaKey::SdifName
            | MetaKey::IifKind
            | MetaKey::OifKind => (Type::IfName, 128),
            MetaKey::Sdif => (Type::IfIndex, 128),
            MetaKey::BriIifVproto => (Type::EtherType, 16),
            MetaKey::BriHwAddr => (Type::EtherAddr, 48),
            _ => (Type::Integer, 32),
        };
        let name = if key == MetaKey::SecPath { "ipsec" } else { key.name() };
        let seen = Hidden::new(format!("meta {name}"), On::Packet);
        let door = match key {
            MetaKey::IifType | MetaKey::IifGroup | MetaKey::IifKind => Some(Field::Iif),
            MetaKey::OifType | MetaKey::OifGroup | MetaKey::OifKind => Some(Field::Oif),
            _ => None,
        };
        let seen = match key {
            MetaKey::IifKind | MetaKey::OifKind => Hidden { on: On::Packet, ..seen }.or_absent(),
            MetaKey::IifType | MetaKey::IifGroup => Hidden { on: On::Fields(vec![Field::Iif]), ..seen },
            MetaKey::OifType | MetaKey::OifGroup => Hidden { on: On::Fields(vec![Field::Oif]), ..seen },
            MetaKey::Time | MetaKey::Day | MetaKey::Hour => Hidden { on: On::Clock, ..seen },
            MetaKey::Random | MetaKey::Cpu => Hidden { on: On::Chance, ..seen },
            MetaKey::NfTrace | MetaKey::Secmark => Hidden { on: On::Settable, ..seen },
            MetaKey::SkUid | MetaKey::SkGid | MetaKey::Cgroup => seen.or_absent(),
            MetaKey::IpSec | MetaKey::SecPath => seen,
            MetaKey::Priority | MetaKey::Broute => Hidden { outside: false, on: On::Settable, ..seen },
            _ => Hidden { outside: false, ..seen }.or_absent(),
        };
        let mut lens = Lens::new(hidden(seen), kind, bits);
        // Where there is no interface, nothing of it is read (`nft_meta_get_eval`).
        lens.presence.extend(door.map(|field| Test::In { field, values: Values::Range(0, 0), negate: true }));
        lens
    }

    pub(super) fn ct(&mut self, cx: &mut Context, key: CtKey, dir: CtDir, expr: &Expr) -> Eval<Lens> {
        let tracked = Test::In { field: Field::Direction, values: Values::Range(0, 1), negate: false };
        let first = dir == CtDir::Original;
        let side = match dir {
            CtDir::None => "",
            CtDir::Original => "original ",
            CtDir::Reply => "reply ",
        };
        let name = format!("ct {side}{}", key.name());
        let on = |on: On| hidden(Hidden::new(name.clone(), on));
        let (view, kind, bits) = match key {
            CtKey::State => return Ok(Lens::new(View::Coded(Field::State, STATES), Type::CtState, 32)),
            CtKey::Mark => return Ok(Lens::new(View::Field(Field::CtMark), Type::Mark, 32)),
            CtKey::Direction => (View::Field(Field::Direction), Type::CtDir, 8),
            CtKey::Status => (View::Status, Type::CtStatus, 32),
            CtKey::L3Proto => (View::Coded(Field::Version, NFPROTO), Type::NfProto, 8),
            CtKey::Protocol => (View::Field(Field::Proto), Type::Proto, 8),
            CtKey::Saddr
            | CtKey::Daddr
            | CtKey::IpSaddr
            | CtKey::IpDaddr
            | CtKey::Ip6Saddr
            | CtKey::Ip6Daddr => {
                return self.ct_address(cx, key, dir, expr, tracked);
            }
            CtKey::ProtoSrc | CtKey::ProtoDst => {
                let port = if key == CtKey::ProtoSrc { Field::OrigSport } else { Field::OrigDport };
                let has_ports = cx.has_ports() || {
                    cx.split_ports();
                    !cx.without_ports()
                };
                (if first && has_ports { View::Field(port) } else { on(On::Packet) }, Type::Service, 16)
            }
            CtKey::Helper => {
                // Only a connection that another one announced has a master whose helper is looked at.
                let new = self.builder.range(State::New as u128, State::New as u128);
                let helper = hidden(Hidden::new(name, On::Packet).or_absent());
                let mut lens = Lens::new(helper, Type::Str, 0);
                lens.presence.push(Test::In { field: Field::State, values: new, negate: true });
                lens.presence.push(tracked);
                return Ok(lens);
            }
            CtKey::Label => (on(On::Settable), Type::CtLabel, 128),
            CtKey::Event => (on(On::Settable), Type::CtEvent, 32),
            CtKey::Expiration => (on(On::Chance), Type::Time, 64),
            CtKey::Zone => (on(On::Settable), Type::Integer, 16),
            CtKey::Secmark => (on(On::Settable), Type::Integer, 32),
            CtKey::Id => (on(On::Packet), Type::Integer, 32),
            CtKey::Bytes | CtKey::Packets | CtKey::AvgPkt => (on(On::Traffic), Type::Integer, 64),
        };
        let mut lens = Lens::new(view, kind, bits);
        lens.presence.push(tracked);
        Ok(lens)
    }

    fn ct_address(
        &mut self,
        cx: &mut Context,
        key: CtKey,
        dir: CtDir,
        expr: &Expr,
        tracked: Test,
    ) -> Eval<Lens> {
        let refuse = |message: &str| Err(Fault::Refused(expr.span, message.to_string()));
        if dir == CtDir::None {
            return refuse("addresses of a connection need `original` or `reply`");
        }
        let version = match key {
            CtKey::IpSaddr | CtKey::IpDaddr => Family::V4,
            CtKey::Ip6Saddr | CtKey::Ip6Daddr => Family::V6,
            _ => match cx.version() {
                Some(version) => version,
                None => return refuse("say `ip` or `ip6` for the address of a connection"),
            },
        };
        if !cx.require_version(version) {
            return refuse("the address of a connection of another family");
        }
        let source = matches!(key, CtKey::Saddr | CtKey::IpSaddr | CtKey::Ip6Saddr);
        let field = match (version, source) {
            (Family::V4, true) => Field::OrigSrc4,
            (Family::V4, false) => Field::OrigDst4,
            (Family::V6, true) => Field::OrigSrc6,
            (Family::V6, false) => Field::OrigDst6,
        };
        let kind = if version == Family::V4 { Type::Ipv4Addr } else { Type::Ipv6Addr };
        let view = if dir == CtDir::Original {
            View::Field(field)
        } else {
            hidden(Hidden::new(format!("ct reply {}", key.name()), On::Packet))
        };
        let mut lens = Lens::new(view, kind, version.bits());
        lens.presence.push(tracked);
        Ok(lens)
    }
}
