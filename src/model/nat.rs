//! Translations.

use crate::packet::Family;

/// The new address of a translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NatAddr {
    /// Stays.
    Keep,
    /// One of the addresses `[lo, hi]` of a family; which one is open where they differ.
    Pool(Family, u128, u128),
    /// The network part is replaced, the host part stays (NETMAP, `bitmask`): network and prefix length.
    Prefix(Family, u128, u32),
    /// The address of the interface that the packet leaves by (source), or came in by (destination).
    Interface,
    /// The loopback address, for a packet that the box itself sends (REDIRECT in output).
    Loopback,
    /// Not told by the file.
    Unknown,
}

impl NatAddr {
    /// Whether packets can get the address of another machine; `None` where the file does not tell.
    pub(crate) fn gives(&self, family: Family, address: u128) -> Option<bool> {
        match *self {
            NatAddr::Pool(of, lo, hi) => Some(of == family && (lo..=hi).contains(&address)),
            NatAddr::Prefix(of, net, len) => {
                let (lo, hi) = family.prefix(net, len);
                Some(of == family && (lo..=hi).contains(&address))
            }
            NatAddr::Keep | NatAddr::Interface | NatAddr::Loopback => Some(false),
            NatAddr::Unknown => None,
        }
    }
}

/// The new port of a translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NatPort {
    /// Stays where it can: an implicit change to keep connections apart is not modelled for a first one.
    Keep,
    /// One of the ports `[lo, hi]`; a port already inside stays.
    Pool(u16, u16),
    /// One of the ports `[lo, hi]`, also where the old one is inside (the source port of pf's `nat`, pf_lb.c,
    /// `pf_get_sport`).
    Random(u16, u16),
    /// The port moves by the difference of two range starts, modulo 2^16 (nft and iptables port shifts).
    Shift(u16),
    /// Not told by the file (`random`, or a pool of the system's choice).
    Unknown,
}

/// A translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nat {
    /// Destination if true, else source.
    pub destination: bool,
    /// The new address.
    pub addr: NatAddr,
    /// The new port.
    pub port: NatPort,
}
