//! What a finding means, wherever its lines have moved to.

use std::path::Path;

use crate::finding::Finding;
use crate::source::SourceMap;

/// A number for what a finding means: the lint, the file by the name that `name` gives it, the rule that it points at
/// without blanks, comments and counters, the message, the devices and rows that it is about.
pub(crate) fn of(finding: &Finding, sources: &SourceMap, name: impl Fn(&Path) -> String) -> String {
    let mut parts: Vec<String> = vec![finding.code().to_string()];
    if let Some(span) = finding.span {
        parts.extend(sources.file_of(span).map(|file| name(&file.path)));
        parts.extend(words(sources.text(span)).into_iter().map(str::to_string));
    }
    parts.push(finding.message.clone());
    parts.extend(finding.devices.iter().cloned());
    for row in &finding.requirements {
        let name = row.row.as_deref().unwrap_or_default();
        parts.push([&row.product, &row.service, name, &row.transport].join(" "));
    }
    // FNV-1a: it has to be the same in each version and on each machine.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let number = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{number:016x}")
}

/// The words of a rule that tell packets apart.
///
/// Left out are comments, and what firewalls count and number when they list their rules: `[0:0]` and `-c` of iptables,
/// the packets and bytes of nftables' `counter`, line numbers and hit counts of an ASA's `show access-list`.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut all = pieces(text).into_iter().peekable();
    while let Some(word) = all.next() {
        let number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        match word {
            "-m" if all.peek() == Some(&"comment") => drop(all.next()),
            "--comment" => drop(all.next()),
            "comment" if all.peek().is_some_and(|next| next.starts_with('"')) => drop(all.next()),
            "packets" | "bytes" | "line" if all.peek().is_some_and(number) => drop(all.next()),
            "-c" => drop((all.next(), all.next())),
            "!" | ":" if words.is_empty() => return words,
            _ if word.starts_with('#') => break,
            _ if word.starts_with("(hitcnt=") || word.starts_with('[') && word.ends_with(']') => {}
            _ => words.push(word),
        }
    }
    words
}

/// Words apart; what is in quotes is one.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut from, mut quote) = (Vec::new(), None, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                from.get_or_insert(at);
            }
            None if c.is_whitespace() => pieces.extend(from.take().map(|from: usize| &text[from..at])),
            None => {
                from.get_or_insert(at);
            }
        }
    }
    pieces.extend(from.map(|from| &text[from..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn comments_and_counters_mean_nothing() {
        for (one, other) in [
            (
                "-A INPUT -p tcp -m comment --comment \"old \\ name\" -j ACCEPT",
                "[3:180] -A INPUT  -p tcp -j ACCEPT",
            ),
            (
                "tcp dport 22 counter packets 7 bytes 9 accept comment \"x\"",
                "tcp dport 22 counter accept # 22",
            ),
            (
                "access-list out line 3 extended permit ip any any (hitcnt=4)",
                "access-list out extended permit ip any any",
            ),
        ] {
            assert_eq!(words(one), words(other));
        }
        assert_ne!(words("--dport 22"), words("--dport 23"));
    }
}
