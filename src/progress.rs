//! What is said of long work while it lasts: one line on standard error, where that is a terminal and nothing else was
//! said yet.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Work that is done sooner is not spoken of.
const AFTER: Duration = Duration::from_secs(1);
const EACH: Duration = Duration::from_millis(100);
/// Goes to the first column, and takes the line away.
const CLEAR: &str = "\r\u{1b}[K";

static LINE: Mutex<Line> = Mutex::new(Line { wanted: false, shown: false, part: "at work" });
static DONE: AtomicUsize = AtomicUsize::new(0);
static ALL: AtomicUsize = AtomicUsize::new(0);

/// The line. Whoever holds it is the only one to write on it.
struct Line {
    wanted: bool,
    shown: bool,
    part: &'static str,
}

/// From now on work is spoken of, if it lasts, where standard error is a terminal.
pub(crate) fn begin() {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if dumb || !std::io::stderr().is_terminal() {
        return;
    }
    line().wanted = true;
    let start = Instant::now();
    // Where there is no thread to be had, the work is done in silence.
    let _ = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(AFTER);
        while line().show(start.elapsed()) {
            std::thread::sleep(EACH);
        }
    });
}

/// Takes the line away for good: other output follows.
pub(crate) fn end() {
    let mut line = line();
    line.wanted = false;
    if std::mem::take(&mut line.shown) {
        let _ = std::io::stderr().write_all(CLEAR.as_bytes());
    }
}

/// What is done from now on, such as `reading`.
pub(crate) fn part(name: &'static str) {
    line().part = name;
    pieces(0);
}

/// How many pieces of work there are; fewer than two are not counted.
pub(crate) fn pieces(all: usize) {
    DONE.store(0, Ordering::Relaxed);
    ALL.store(all, Ordering::Relaxed);
}

/// One of them is done.
pub(crate) fn step() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

fn line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Writes the line anew; false where it is not wanted any more.
    fn show(&mut self, since: Duration) -> bool {
        if self.wanted {
            let text = text(self.part, DONE.load(Ordering::Relaxed), ALL.load(Ordering::Relaxed), since);
            self.shown = true;
            let mut err = std::io::stderr().lock();
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        }
        self.wanted
    }
}

fn text(part: &str, done: usize, all: usize, since: Duration) -> String {
    let count = if all > 1 { format!(" {} of {all}", done.min(all)) } else { String::new() };
    format!("{CLEAR}{part}{count}, {} s", since.as_secs())
}

/// A stream before whose first byte the line goes.
pub(crate) struct Ending<W>(pub W);

impl<W: Write> Write for Ending<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        end();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_counted_where_there_are_several() {
        let since = Duration::from_millis(3900);
        assert_eq!(text("checking", 7, 120, since), "\r\u{1b}[Kchecking 7 of 120, 3 s");
        assert_eq!(text("reading", 0, 0, since), "\r\u{1b}[Kreading, 3 s");
    }
}
