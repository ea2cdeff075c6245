//! What is said where pinhole itself is at fault.

use std::io::Write;
use std::panic::PanicHookInfo;

use crate::progress;
use crate::report::clean;

/// Has a fault of the program told in words, with what a report of it needs.
pub(super) fn tell_of_bugs() {
    std::panic::set_hook(Box::new(|info| {
        progress::end();
        // Where standard error is closed, the exit code has to say it all.
        let _ = std::io::stderr().lock().write_all(text(&what(info)).as_bytes());
    }));
}

/// What went wrong, and where.
fn what(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    let place =
        info.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
    format!("{said}{place}")
}

fn text(what: &str) -> String {
    let what = clean(what).replace('\n', " ");
    format!(
        "error: pinhole has a fault of its own, and stopped: {what}\n\
         Please report it where you have pinhole from, with this line, the version ({}), the command, and a config that \
         shows it.\n\
         Configs tell a lot: cut them down to the lines that matter, and put other addresses and names into them; what \
         `pinhole check --redact` prints shows how.\n",
        env!("PINHOLE_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_what_a_report_needs() {
        let text = text("index out of\nbounds\u{1b}[m (src/x.rs:7)");
        assert!(
            text.starts_with(
                "error: pinhole has a fault of its own, and stopped: index out of bounds?[m (src"
            ),
            "{text}"
        );
        assert!(text.contains(env!("PINHOLE_VERSION")) && text.contains("--redact"), "{text}");
    }
}
