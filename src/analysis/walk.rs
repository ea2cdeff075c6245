//! Where one packet stands on its trip, and what the rules see of it.

use std::rc::Rc;

use super::{Conds, Decider, Trip};
use crate::model::{ChainId, Hook, Reply, RuleId, Ruleset, Stage, Verdict, Way};
use crate::packet::{Field, Packet, Set, State, Value, first_state, interface};

/// A stage of the way as it is walked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct At {
    pub hook: u8,
    pub stage: u32,
}

/// Where a walk goes on after a chain.
pub(super) type Frame = (ChainId, u32);

/// The state of one walk.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    pub packet: Packet,
    pub original: Rc<Packet>,
    pub way: Way,
    pub fwd_oif: Option<u128>,
    /// The packet goes from the box to itself.
    pub looping: bool,
    /// The hooks of the way, and where in them the walk stands.
    pub hooks: Vec<Hook>,
    pub at: At,
    /// A stage is being walked.
    pub inside: bool,
    /// The chains that are open: the last one is being walked, the number is that of the next rule.
    pub stack: Vec<Frame>,
    /// A rule whose steps from this one on come first.
    pub resume: Option<(RuleId, usize)>,
    pub conds: Conds,
    pub pending: Option<(Verdict, RuleId)>,
    pub decider: Decider,
    pub weight: u8,
    /// Translation of destination and source: looked for, and done.
    pub tried: [bool; 2],
    pub mapped: [bool; 2],
    /// The destination is the box's own, whatever its address.
    pub own: bool,
    pub untracked: bool,
    pub helper: Option<u32>,
    /// Replies pass without rules where the packet came in, and where it goes out.
    pub keeps_state: [bool; 2],
    /// What was answered to conditions that can be asked again, by their numbers; sorted.
    pub answers: Vec<(u64, u8)>,
}

impl Walk {
    pub(super) fn start(trip: &Trip, rules: &Ruleset) -> Walk {
        let verified = !rules.stateful && trip.way != Way::Output;
        let mut packet = trip.packet.clone();
        if !packet.has(Field::State)
            && let Some(state) = first_state(&packet, verified)
        {
            packet.set(Field::State, state as u128);
        }
        if !packet.has(Field::Mark) {
            packet.set(Field::Mark, 0);
        }
        if !packet.has(Field::Tag) {
            packet.set(Field::Tag, 0);
        }
        if packet.get(Field::State).known() == Some(State::New as u128) {
            for field in [Field::CtMark, Field::Dnat, Field::Snat, Field::Direction] {
                if !packet.has(field) {
                    packet.set(field, 0);
                }
            }
        }
        Walk {
            original: Rc::new(packet.clone()),
            packet,
            way: trip.way,
            fwd_oif: trip.fwd_oif,
            looping: trip.loopback && trip.way == Way::Output,
            hooks: trip.way.hooks().to_vec(),
            at: At { hook: 0, stage: 0 },
            inside: false,
            stack: Vec::new(),
            resume: None,
            conds: Conds::default(),
            pending: None,
            decider: Decider::End,
            weight: 0,
            tried: [false; 2],
            mapped: [false; 2],
            own: false,
            untracked: false,
            helper: None,
            keeps_state: [false; 2],
            answers: Vec::new(),
        }
    }

    /// What was answered to a condition before.
    pub(super) fn answer(&self, number: u64) -> Option<u8> {
        let at = self.answers.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        Some(self.answers[at].1)
    }

    pub(super) fn remember(&mut self, number: u64, answer: u8) {
        if let Err(at) = self.answers.binary_search_by_key(&number, |(n, _)| *n) {
            self.answers.insert(at, (number, answer));
        }
    }

    pub(super) fn hook(&self) -> Hook {
        self.hooks[self.at.hook as usize]
    }

    /// State is kept, or none, on the side that the packet is at.
    pub(super) fn keep_state(&mut self, keeps: bool) {
        let goes_out = matches!(self.hook(), Hook::Output | Hook::Postrouting);
        self.keeps_state[usize::from(goes_out)] = keeps;
    }

    /// Whether replies pass without rules wherever they cross the box's interfaces.
    pub(super) fn is_answered(&self) -> bool {
        let [comes_in, goes_out] = self.keeps_state;
        match self.way {
            Way::Input => comes_in,
            Way::Output if !self.looping => goes_out,
            Way::Output | Way::Forward => comes_in && goes_out,
        }
    }

    /// What becomes of a packet that no router passes on, whatever the rules say.
    pub(super) fn not_passed_on(&self, rules: &Ruleset) -> Option<Verdict> {
        let family = self.packet.family();
        let from = |set: Set| self.packet.src().is_some_and(|src| set.contains(src));
        let ttl = self.packet.get(Field::Ttl).known().filter(|_| !rules.keeps_ttl);
        // The TTL comes first, and of what is sent back nothing goes to a source that is no host's.
        if from(family.unforwardable().minus(&family.beyond_scope())) {
            Some(Verdict::Drop)
        } else if ttl.is_some_and(|ttl| ttl < 2) {
            Some(Verdict::Reject(Reply::time_exceeded(family)))
        } else {
            from(family.beyond_scope()).then_some(Verdict::Reject(Reply::BEYOND_SCOPE))
        }
    }

    pub(super) fn over(&self) -> bool {
        self.hooks.is_empty()
    }

    /// Whether the second half of a loopback trip has begun: the connection is there already.
    pub(super) fn returned(&self) -> bool {
        self.looping && self.at.hook >= 2
    }

    /// Whether the packet may have a connection entry where a stage sees it.
    pub(super) fn may_be_tracked(&self, stage: &Stage) -> bool {
        let state = self.value(Field::State, stage).known().and_then(State::of);
        state.is_none_or(State::tracked)
    }

    /// The value of a field as a stage sees it.
    pub(super) fn value(&self, field: Field, stage: &Stage) -> Value {
        let blind = stage.before_tracking && !self.returned();
        let state = match (self.untracked, blind) {
            (true, _) => Value::Known(State::Untracked as u128),
            (false, true) => Value::Known(State::Invalid as u128),
            _ => self.packet.get(Field::State),
        };
        let tracked = state.known().and_then(State::of).map(State::tracked);
        match field {
            Field::State => state,
            Field::Iif | Field::Oif => self.interface(field),
            Field::Dnat | Field::Snat | Field::Direction | Field::CtMark if tracked == Some(false) => {
                Value::Absent
            }
            // What the box sends, to itself too, has no Ethernet header to look at.
            Field::SrcMac if self.way == Way::Output => Value::Absent,
            // Forwarding takes one off before the forward hook (Linux `ip_forward`, `ip6_forward`).
            Field::Ttl if self.late_ttl() => match self.packet.get(Field::Ttl) {
                Value::Known(ttl) => Value::Known(ttl.saturating_sub(1)),
                Value::Among(lo, hi) => Value::Among(lo.saturating_sub(1), hi.saturating_sub(1)),
                Value::Absent => Value::Absent,
            },
            Field::OrigSrc4 => self.origin(field, Field::Src4, state),
            Field::OrigDst4 => self.origin(field, Field::Dst4, state),
            Field::OrigSrc6 => self.origin(field, Field::Src6, state),
            Field::OrigDst6 => self.origin(field, Field::Dst6, state),
            Field::OrigSport => self.origin(field, Field::Sport, state),
            Field::OrigDport => self.origin(field, Field::Dport, state),
            _ => self.packet.get(field),
        }
    }

    /// The interface by which the packet came in, or by which it leaves, as it is known here; 0 where there is none. What
    /// the box sends came in nowhere, and comes back to itself by the loopback.
    pub(super) fn interface(&self, field: Field) -> Value {
        match field {
            Field::Iif if self.hook() == Hook::Output || (self.way == Way::Output && !self.returned()) => {
                Value::Known(0)
            }
            Field::Iif if self.returned() => Value::Known(interface("lo")),
            Field::Oif if matches!(self.hook(), Hook::Prerouting | Hook::Input) => Value::Known(0),
            _ => self.packet.get(field),
        }
    }

    /// Whether forwarding has taken one off the TTL.
    pub(super) fn late_ttl(&self) -> bool {
        self.way == Way::Forward && self.hook() != Hook::Prerouting
    }

    /// A field of the connection's first packet: this one, where it is new.
    pub(super) fn origin(&self, field: Field, plain: Field, state: Value) -> Value {
        match state.known().and_then(State::of) {
            Some(State::New) => self.original.get(plain),
            Some(State::Invalid | State::Untracked) => Value::Absent,
            _ => self.packet.get(field),
        }
    }

    /// Takes another way after the routing decision.
    pub(super) fn turn(&mut self, way: Way) {
        if way == self.way {
            return;
        }
        if way == Way::Forward {
            match self.fwd_oif {
                Some(oif) => self.packet.set(Field::Oif, oif),
                None => self.packet.forget(Field::Oif),
            }
        }
        self.way = way;
        self.hooks = way.hooks().to_vec();
    }
}
