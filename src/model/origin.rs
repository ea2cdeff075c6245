//! Where rules and policies come from.

use crate::source::Span;

/// Where a rule or a policy comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// It is written there.
    Written(Span),
    /// It is one element of a list, a group or a set that a written rule names.
    Element {
        /// The rule as it is written.
        rule: Span,
        /// The element.
        part: Span,
    },
    /// Nobody wrote it as a rule.
    Implied {
        /// The line from which it follows. With [`Why::System`] nothing is written: it tells the file alone.
        by: Span,
        /// Why it is there.
        why: Why,
    },
}

/// Why a rule is there that nobody wrote as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// A list ends with a deny.
    ImplicitDeny,
    /// Security levels let pass and stop.
    SecurityLevels,
    /// An address is translated.
    Translation,
    /// A line says so that is no rule: a binding, an interface that is skipped, a service of the box.
    Setting,
    /// The policy of a chain, or what a chain does that has none written.
    Policy,
    /// It stands for what was not read.
    Unread,
    /// The system does so without being told.
    System,
}

impl Origin {
    /// A rule as it is written, and the element of it; none where both are the same.
    pub(crate) fn of(rule: Span, part: Span) -> Origin {
        if rule == part { Origin::Written(rule) } else { Origin::Element { rule, part } }
    }

    /// What follows from a line that is no rule.
    pub(crate) fn setting(by: Span) -> Origin {
        Origin::Implied { by, why: Why::Setting }
    }

    /// What the system does; the span tells the file.
    pub(crate) fn system(by: Span) -> Origin {
        Origin::Implied { by, why: Why::System }
    }

    /// What to point at: the rule, or that from which it follows.
    pub fn span(self) -> Span {
        match self {
            Origin::Written(span) | Origin::Element { rule: span, .. } | Origin::Implied { by: span, .. } => {
                span
            }
        }
    }

    /// The same, with the element alone where there is one.
    pub fn part(self) -> Span {
        match self {
            Origin::Element { part, .. } => part,
            Origin::Written(_) | Origin::Implied { .. } => self.span(),
        }
    }

    /// Whether it stands in the file as what it is.
    pub fn is_written(self) -> bool {
        self.why().is_none()
    }

    /// Why it is there although nobody wrote it.
    pub fn why(self) -> Option<Why> {
        match self {
            Origin::Written(_) | Origin::Element { .. } => None,
            Origin::Implied { why, .. } => Some(why),
        }
    }

    /// The text that it comes from; `None` where the system does so without being told.
    pub fn text(self) -> Option<Span> {
        (self.why() != Some(Why::System)).then_some(self.span())
    }
}

impl From<Span> for Origin {
    fn from(span: Span) -> Origin {
        Origin::Written(span)
    }
}
