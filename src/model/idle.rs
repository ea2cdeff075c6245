//! After how long without packets a firewall forgets a connection.

use super::Ruleset;
use crate::packet::Set;
use crate::source::Span;

/// Connections that share a timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Established TCP connections.
    Tcp,
    /// UDP with packets both ways.
    Udp,
    /// Those that the signalling of a connection with one of these helpers announced.
    Announced(&'static [&'static str]),
}

/// A timeout as the files set it. What they do not say is not known here, and never 0 or endless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeout {
    /// Of which connections.
    pub of: Idle,
    /// To which ports these are; `None` for all.
    pub ports: Option<Set>,
    /// Connections with one of these helpers, and what they announce, have timeouts of their own.
    pub besides: &'static [&'static str],
    /// After how many seconds without a packet they are forgotten.
    pub seconds: u32,
    /// Where it stands.
    pub span: Span,
}

impl Ruleset {
    /// Sets a timeout; of two for the same connections the later one holds.
    pub fn set_timeout(&mut self, timeout: Timeout) {
        self.timeouts.retain(|known| (known.of, &known.ports) != (timeout.of, &timeout.ports));
        self.timeouts.push(timeout);
    }
}
