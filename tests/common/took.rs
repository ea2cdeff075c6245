//! What a run of pinhole takes of the machine.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "one process tells another")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wait4::Wait4;

/// Seconds of processor time and KiB of addresses after which a run is ended: it will not end by itself.
const ENOUGH: &str = "ulimit -t 60; ulimit -v 4194304; exec \"$@\"";
/// Where the arguments stand of the run that [`counts_a_run`] is asked for.
const ASKED: &str = "PINHOLE_COUNTED_RUN";
/// What its answer begins with.
const COUNTED: &str = "counted: ";

/// What a run took.
#[derive(Debug)]
pub(crate) struct Took {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it said on standard error.
    pub said: String,
    /// Processor time.
    pub time: Duration,
    /// The most memory that it had at a time, in bytes. The system begins with what the process had that started it.
    pub memory: u64,
}

impl Took {
    /// Whether it came to an end of its own, with or without findings.
    pub(crate) fn ended(&self) -> bool {
        self.code.is_some_and(|code| code <= 2) && !self.said.contains("panicked")
    }
}

/// Runs pinhole in a folder, and counts.
pub(crate) fn took(folder: &Path, args: &[&str]) -> Took {
    let mut child = Command::new("sh")
        .args(["-c", ENOUGH, "sh", env!("CARGO_BIN_EXE_pinhole")])
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let end = child.wait4().unwrap();
    let time = end.rusage.utime + end.rusage.stime;
    Took { code: end.status.code(), said, time, memory: end.rusage.maxrss }
}

/// The same, started by a small process, so that little memory can be told from none.
pub(crate) fn took_exactly(folder: &Path, args: &[&str]) -> Took {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "took::counts_a_run", "--nocapture"])
        .env(ASKED, args.join("\n"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let counted = text.split_once(COUNTED).unwrap().1.lines().next().unwrap();
    let numbers: Vec<i64> = counted.split(' ').map(|word| word.parse().unwrap()).collect();
    Took {
        code: Some(numbers[0] as i32).filter(|code| *code >= 0),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        time: Duration::from_micros(numbers[1] as u64),
        memory: numbers[2] as u64,
    }
}

/// The small process.
#[test]
fn counts_a_run() {
    let Ok(args) = std::env::var(ASKED) else { return };
    let args: Vec<&str> = args.split('\n').collect();
    let Took { code, said, time, memory } = took(Path::new("."), &args);
    eprint!("{said}");
    println!("\n{COUNTED}{} {} {memory}", code.unwrap_or(-1), time.as_micros());
}
