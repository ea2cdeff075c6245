//! What a pf.conf says of tables that are filled elsewhere or by rules, and of limiters (pf.conf(5)).

use super::mentions::{pieces, unquoted};
use crate::dialect::hangs::{Said, Sayings, unlisted};

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    let pieces = pieces(text);
    for line in pieces.split(|piece| piece.1 == "\n") {
        let words = words(text, line);
        match words[..] {
            ["table", "<", name, ">", ..] => said.note(format!("table {name}"), listed(&words[4..])),
            [name, "=", ..] => said.note(format!("${name}"), words.iter().copied()),
            ["state" | "source", "limiter", name, ..] => {
                said.note(format!("limiter {name}"), words.iter().copied())
            }
            _ => {}
        }
        for window in words.windows(4) {
            if let ["overload", "<", name, ">"] = *window {
                said.note(format!("table {name}"), words.iter().copied());
            }
        }
    }
    said.done()
}

/// The words of a line; the sign of a macro or a negation and what it stands before are one.
fn words<'t>(text: &'t str, line: &[(usize, &'t str)]) -> Vec<&'t str> {
    let mut words = Vec::with_capacity(line.len());
    let mut pieces = line.iter().peekable();
    while let Some(piece) = pieces.next() {
        match pieces.peek() {
            Some(name) if matches!(piece.1, "$" | "!") && name.1 != "$" => {
                words.push(&text[piece.0..name.0 + name.1.len()]);
                pieces.next();
            }
            _ => words.push(unquoted(*piece).1),
        }
    }
    words
}

/// The words of a table without the addresses that are written out.
fn listed<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let brace = words.iter().position(|word| *word == "{").unwrap_or(words.len());
    let (before, list) = words.split_at(brace);
    before.iter().copied().chain(unlisted(list.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::hangs::tests::told;

    #[test]
    fn tables_and_rules_that_fill_them() {
        let text = "t = \"30\"\ntable <bad> persist file \"/etc/bad\" # x\ntable <in> { 10.0.0.1, !10.0.0.2, ! gw.example.net, $t }\n\
                    pass in on em0 proto tcp keep state (max-src-conn-rate 3/30, overload <bad> flush)\n";
        assert_eq!(
            told(&hangs(text)),
            "$t: t = 30\ntable bad: persist file /etc/bad\ntable in: $t ! gw.example.net\n\
             table bad: pass in on em0 proto tcp keep state ( max-src-conn-rate 3/30 , overload < bad > flush )\n"
        );
    }
}
