//! How long each part of the work takes.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::progress;

/// A clock that is stopped after each part.
pub(super) struct Clock {
    on: bool,
    start: Instant,
    last: Instant,
    parts: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// Starts the clock; one that is not `on` tells nothing.
    pub(super) fn new(on: bool) -> Clock {
        let now = Instant::now();
        Clock { on, start: now, last: now, parts: Vec::new() }
    }

    /// A part is done; several of one name are one.
    pub(super) fn lap(&mut self, name: &'static str) {
        let took = self.last.elapsed();
        self.last = Instant::now();
        match self.parts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += took,
            None => self.parts.push((name, took)),
        }
    }

    /// Prints the parts on standard error.
    pub(super) fn tell(&self) {
        if !self.on {
            return;
        }
        progress::end();
        let mut err = std::io::stderr().lock();
        let whole = ("all", self.start.elapsed());
        for (name, took) in self.parts.iter().chain([&whole]) {
            // Nobody is there to be told that standard error is closed.
            let _ = writeln!(err, "{:>9.3} s  {name}", took.as_secs_f64());
        }
    }
}
