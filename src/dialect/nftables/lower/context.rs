//! What is known while a rule is lowered.

use crate::dialect::nftables::syntax::TableFamily;
use crate::model::{Builder, Effect, Step, Test, Values};
use crate::packet::{Family, Field, Set, proto};
use crate::source::Span;

/// Protocols whose headers nft knows.
const HEADERS: [u128; 11] = [1, 2, 6, 17, 33, 50, 51, 58, 108, 132, 136];

/// How a rule treats protocols without ports, where it looks at ports of any protocol (`th`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ports {
    /// It does not.
    Whole,
    /// It does: the rule has to be lowered once for each side.
    Wanted,
    /// The side of the protocols with ports.
    With,
    /// The other side.
    Without,
}

/// A rule that is being lowered: its steps so far, and what they say of the packet.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// The table, by its place.
    pub table: usize,
    /// Its family.
    pub family: TableFamily,
    /// The chain, by its place.
    pub chain: usize,
    /// The steps so far.
    pub steps: Vec<Step>,
    /// Where the rule is written.
    pub span: Span,
    /// Other ways to go on: the same rule so far, under another condition. They are tried before this one.
    pub forks: Vec<Context>,
    version: Option<Family>,
    protocols: Option<Set>,
    ports: Ports,
}

impl Context {
    /// The start of a rule.
    pub(super) fn new(table: usize, family: TableFamily, chain: usize, span: Span) -> Context {
        let version = match family {
            TableFamily::Ip => Some(Family::V4),
            TableFamily::Ip6 => Some(Family::V6),
            _ => None,
        };
        Context {
            table,
            family,
            chain,
            steps: Vec::new(),
            span,
            forks: Vec::new(),
            version,
            protocols: None,
            ports: Ports::Whole,
        }
    }

    /// The same rule for protocols with ports, or for all others.
    pub(super) fn side(&self, with: bool, builder: &mut Builder) -> Context {
        let mut cx = Context::new(self.table, self.family, self.chain, self.span);
        cx.ports = if with { Ports::With } else { Ports::Without };
        let set = with_ports();
        let values = builder.values(set.clone());
        cx.test(Test::In { field: Field::Proto, values, negate: !with });
        cx.protocols = Some(if with { set } else { Set::range(0, 255).minus(&set) });
        cx
    }

    /// Whether the rule has to be lowered once for each side.
    pub(super) fn wants_sides(&self) -> bool {
        self.ports == Ports::Wanted
    }

    /// Adds a test.
    pub(super) fn test(&mut self, test: Test) {
        self.steps.push(Step::Test(test));
    }

    /// Adds an effect.
    pub(super) fn effect(&mut self, effect: Effect) {
        self.steps.push(Step::Effect(effect));
    }

    /// Whether the rule says which protocol, or looks at ports of any.
    pub(super) fn knows_protocol(&self) -> bool {
        self.protocols.is_some() || self.ports != Ports::Whole
    }

    /// The family that the packet is known to have.
    pub(super) fn version(&self) -> Option<Family> {
        self.version
    }

    /// Notes that the packet is of a family: false where it cannot be.
    pub(super) fn pin_version(&mut self, version: Family) {
        self.version = Some(version);
    }

    /// Tests the family, where it is not known; false where it is known to be the other.
    pub(super) fn require_version(&mut self, version: Family) -> bool {
        match self.version {
            Some(known) => known == version,
            None => {
                let number = version.version().into();
                self.test(Test::In {
                    field: Field::Version,
                    values: Values::Range(number, number),
                    negate: false,
                });
                self.version = Some(version);
                true
            }
        }
    }

    /// Tests the protocol, where it is not known; false where it is known to be another.
    pub(super) fn require_protocol(&mut self, protocol: u8) -> bool {
        let number = u32::from(protocol);
        if self.is_protocol(protocol) {
            return true;
        }
        // nft knows these headers, and refuses two of them in one rule. What a set of protocols or a
        // side has ruled out is no mistake: the rule does not match there.
        let known = self.protocols.as_ref().and_then(Set::single);
        if known.is_some_and(|known| HEADERS.contains(&known)) {
            return false;
        }
        self.test(Test::In { field: Field::Proto, values: Values::Range(number, number), negate: false });
        self.protocols = Some(Set::one(number.into()));
        true
    }

    /// Notes which protocols passed a test.
    pub(super) fn keep_protocols(&mut self, set: &Set) {
        let known = self.protocols.take();
        self.protocols = Some(known.map_or_else(|| set.clone(), |known| known.and(set)));
    }

    /// Whether the protocol is known to be this one.
    pub(super) fn is_protocol(&self, protocol: u8) -> bool {
        self.protocols.as_ref().and_then(Set::single) == Some(protocol.into())
    }

    /// Whether only protocols with ports are left.
    pub(super) fn has_ports(&self) -> bool {
        self.protocols.as_ref().is_some_and(|set| with_ports().covers(set))
    }

    /// Whether this is the side of the protocols without ports.
    pub(super) fn without_ports(&self) -> bool {
        self.ports == Ports::Without
    }

    /// Asks for the rule to be lowered once for each side.
    pub(super) fn split_ports(&mut self) {
        if self.ports == Ports::Whole {
            self.ports = Ports::Wanted;
        }
    }
}

fn with_ports() -> Set {
    Set::of(proto::WITH_PORTS.iter().map(|p| (u128::from(*p), u128::from(*p))))
}
