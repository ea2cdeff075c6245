//! Translations.

use super::{Address, Host, Named};
use crate::source::Span;

/// The new source of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapped<'a> {
    /// An object, object-group or address.
    Address(Address<'a>),
    /// The address of the mapped interface.
    Interface,
    /// `pat-pool`, or another pool of many.
    Pool(Address<'a>),
}

/// `nat` within `object network`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectNat<'a> {
    /// The whole line.
    pub span: Span,
    /// Real and mapped interface; `None` is any.
    pub interfaces: (Option<Named<'a>>, Option<Named<'a>>),
    /// `dynamic`, not `static`.
    pub dynamic: bool,
    /// The mapped source.
    pub mapped: Mapped<'a>,
    /// `service` protocol, real port, mapped port.
    pub service: Option<(u8, u16, u16)>,
}

/// Twice NAT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TwiceNat<'a> {
    /// The whole line.
    pub span: Span,
    /// Real and mapped interface; `None` is any.
    pub interfaces: (Option<Named<'a>>, Option<Named<'a>>),
    /// `after-auto`: section 3.
    pub after_auto: bool,
    /// `dynamic`, not `static`.
    pub dynamic: bool,
    /// Real source.
    pub real: Address<'a>,
    /// Mapped source.
    pub mapped: Mapped<'a>,
    /// Mapped and real destination.
    pub destination: Option<(Mapped<'a>, Address<'a>)>,
    /// Service objects, as written; `any` is none.
    pub services: Option<(Option<Named<'a>>, Option<Named<'a>>)>,
    /// `unidirectional`.
    pub unidirectional: bool,
    /// `inactive`.
    pub inactive: bool,
}

/// `nat`, `global` and `static` of versions before 8.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OldNat<'a> {
    /// `nat (interface) id …`
    Nat {
        /// The whole line.
        span: Span,
        /// The real interface.
        interface: Named<'a>,
        /// The pool number; 0 is no translation.
        id: u32,
        /// Real addresses, or the access-list that selects the traffic.
        what: Result<Address<'a>, Named<'a>>,
    },
    /// `global (interface) id …`
    Global {
        /// The whole line.
        span: Span,
        /// The mapped interface.
        interface: Named<'a>,
        /// The pool number.
        id: u32,
        /// The pool.
        pool: Mapped<'a>,
    },
    /// `static (real,mapped) …`
    Static {
        /// The whole line.
        span: Span,
        /// Real and mapped interface.
        interfaces: (Named<'a>, Named<'a>),
        /// The mapped address.
        mapped: Mapped<'a>,
        /// The real address, or the access-list that tells it.
        real: Result<Host<'a>, Named<'a>>,
        /// The mask of both.
        mask: u32,
        /// Protocol, mapped port, real port.
        service: Option<(u8, u16, u16)>,
    },
}

impl OldNat<'_> {
    /// The whole line.
    pub fn span(&self) -> Span {
        match self {
            OldNat::Nat { span, .. } | OldNat::Global { span, .. } | OldNat::Static { span, .. } => *span,
        }
    }
}
