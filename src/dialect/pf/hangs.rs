//! What a pf.conf says of tables that are filled elsewhere or by rules, and of limiters (pf.conf(5)).

use super::mentions::{pieces, unquoted};
use crate::dialect::hangs::{Said, Sayings};

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    let pieces = pieces(text);
    let mut depth = 0_i32;
    let ends = |piece: &(usize, &str)| {
        depth += i32::from(piece.1 == "{") - i32::from(piece.1 == "}");
        piece.1 == "\n" && depth <= 0
    };
    for line in pieces.split(ends) {
        let words = words(text, line);
        match words[..] {
            ["table", "<", name, ">", ..] => {
                let mut listed: Vec<&str> = words[4..].to_vec();
                listed.retain(|word| !matches!(*word, "counters" | ","));
                listed.sort_unstable();
                said.note(format!("table {name}"), listed);
            }
            [name, "=", ..] => said.note(format!("${name}"), words.iter().copied()),
            ["state" | "source", "limiter", name, ..] => {
                said.note(format!("limiter {name}"), words.iter().copied());
            }
            _ => {}
        }
        for window in words.windows(4) {
            if let ["overload", "<", name, ">"] = *window {
                said.note(format!("table {name}"), does(&words));
            }
        }
        // A macro may hold the options of states.
        for (_, behind) in words.iter().filter_map(|word| word.split_once("overload <")) {
            if let Some((name, _)) = behind.split_once('>') {
                said.note(format!("table {name}"), words.iter().copied());
            }
        }
    }
    said.done()
}

/// The words of a line; the sign of a macro or a negation and what it stands before are one.
fn words<'t>(text: &'t str, line: &[(usize, &'t str)]) -> Vec<&'t str> {
    let mut words = Vec::with_capacity(line.len());
    let mut pieces = line.iter().filter(|piece| piece.1 != "\n").peekable();
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

/// The words of a rule without its number in a listing, its label, and whether it logs.
fn does<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut kept = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "label" | "@" => drop(words.next()),
            "log" => {}
            word => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::hangs::tests::told;

    #[test]
    fn tables_and_rules_that_fill_them() {
        let text = "t = \"30\"\ntable <bad> persist file \"/etc/bad\" # x\ntable <in> { 10.0.0.1,\n ! gw.example.net, $t }\n\
                    pass in log on em0 proto tcp keep state (max-src-conn-rate 3/30, overload <bad> flush)\n";
        assert_eq!(
            told(&hangs(text)),
            "$t: t = 30\ntable bad: /etc/bad file persist\ntable in: ! gw.example.net $t 10.0.0.1 { }\n\
             table bad: pass in on em0 proto tcp keep state ( max-src-conn-rate 3/30 , overload < bad > flush )\n"
        );
    }
}
