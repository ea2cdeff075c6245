//! Time and peak memory of a program.

use std::fmt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// Peak of the resident memory in KiB; 0 where the system does not tell.
    peak: u64,
}

impl Cost {
    /// How many times more than another.
    pub(crate) fn against(&self, other: &Cost) -> String {
        let time = self.time.as_secs_f64() / other.time.as_secs_f64();
        let memory = self.peak as f64 / other.peak.max(1) as f64;
        format!("{time:.2} times the time, {memory:.2} times the memory")
    }

    /// Whether it took longer than it should.
    #[allow(dead_code, reason = "not all benchmarks have a limit")]
    pub(crate) fn took_longer_than(&self, most: Duration) -> bool {
        self.time > most
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:>8.3} s {:>6} MB", self.time.as_secs_f64(), self.peak / 1024)
    }
}

/// Runs a program; an error where it cannot be run, ends with a status that is not expected, or takes too long.
pub(crate) fn run(program: &str, args: &[&str], good: &[i32], most: Duration) -> Result<Cost, String> {
    let begun = Instant::now();
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(|error| format!("{program}: {error}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        peak = peak.max(peak_of(&status));
        let ended = child.try_wait().map_err(|error| format!("{program}: {error}"))?;
        if let Some(ended) = ended {
            let cost = Cost { time: begun.elapsed(), peak };
            return match ended.code() {
                Some(code) if good.contains(&code) => Ok(cost),
                _ => Err(format!("`{program} {}` ended with {ended}", args.join(" "))),
            };
        }
        if begun.elapsed() > most {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("more than {} s", most.as_secs()));
        }
        sleep(Duration::from_millis(1));
    }
}

/// The high water mark, which the kernel keeps until the process ends.
fn peak_of(status: &str) -> u64 {
    let Ok(text) = std::fs::read_to_string(status) else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
