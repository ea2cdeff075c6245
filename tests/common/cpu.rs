//! CPU time, which other programs on the machine do not change.

/// What this thread has taken so far, where the system tells it; else 0.
pub(crate) fn nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
