//! What a ruleset says of sets and maps that are filled while it runs, and of limits and quotas (nft(8),
//! libnftables-json(5)).

use serde_json::Value;

use super::json::is_json;
use super::lexer::{Kind, Token};
use super::mentions::tokens;
use crate::dialect::hangs::{Said, Sayings, unlisted};

/// What is made under a name, and conditions hang on.
const MADE: [&str; 5] = ["set", "map", "limit", "quota", "ct"];
/// Statements that change a set.
const CHANGES: [&str; 3] = ["add", "update", "delete"];

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    if is_json(text) {
        if let Ok(document) = serde_json::from_str(text) {
            objects(&document, &mut said);
        }
        return said.done();
    }
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| &text[token.start..token.end]);
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::LBrace => depth += 1,
            Kind::RBrace => depth = depth.saturating_sub(1),
            Kind::Word if matches!(word(at), "define" | "redefine") => {
                said.note(format!("${}", word(at + 1)), rule(text, &tokens, at));
            }
            Kind::Word if MADE.contains(&word(at)) && depth <= 1 => {
                let line = rule(text, &tokens, at);
                // A command names the table before, a block does not.
                let names = line.iter().skip(1).take_while(|word| **word != "{");
                if line.contains(&"{")
                    && let Some(name) = names.last()
                {
                    said.note(format!("{} {name}", word(at)), made(text, &tokens, at));
                }
            }
            Kind::At if at > 0 && CHANGES.contains(&word(at - 1)) => {
                said.note(format!("set {}", word(at + 1)), whole_rule(text, &tokens, at));
            }
            _ => {}
        }
    }
    said.done()
}

fn ends(token: &Token) -> bool {
    matches!(token.kind, Kind::Newline | Kind::Semicolon)
}

/// The words from a token to the end of its statement, without counters and comments; the sign of a variable and its
/// name are one.
fn rule<'t>(text: &'t str, tokens: &[Token], from: usize) -> Vec<&'t str> {
    let mut depth = 0_i32;
    let inside = tokens[from..].iter().take_while(|token| {
        depth += i32::from(token.kind == Kind::LBrace) - i32::from(token.kind == Kind::RBrace);
        depth > 0 || depth == 0 && !ends(token)
    });
    does(text, inside)
}

fn does<'t, 'k>(text: &'t str, tokens: impl Iterator<Item = &'k Token>) -> Vec<&'t str> {
    let mut words = Vec::new();
    let mut tokens = tokens.filter(|token| !ends(token)).peekable();
    while let Some(token) = tokens.next() {
        match &text[token.start..token.end] {
            "comment" => drop(tokens.next()),
            "counter" => {
                while tokens
                    .next_if(|next| {
                        let word = &text[next.start..next.end];
                        matches!(word, "packets" | "bytes") || word.bytes().all(|byte| byte.is_ascii_digit())
                    })
                    .is_some()
                {}
            }
            "$" => {
                let end = tokens.next().map_or(token.end, |name| name.end);
                words.push(&text[token.start..end]);
            }
            word => words.push(word),
        }
    }
    words
}

/// The whole statement that a token is in.
fn whole_rule<'t>(text: &'t str, tokens: &[Token], at: usize) -> Vec<&'t str> {
    let is_start = |token: &Token| ends(token) || token.kind == Kind::LBrace;
    let from = tokens[..at].iter().rposition(is_start).map_or(0, |before| before + 1);
    rule(text, tokens, from)
}

/// The words of what is made; of its elements those that are no addresses.
fn made<'t>(text: &'t str, tokens: &[Token], at: usize) -> Vec<&'t str> {
    let words = rule(text, tokens, at);
    let Some(elements) = words.iter().position(|word| *word == "elements") else { return words };
    let (before, elements) = words.split_at(elements);
    let end = elements.iter().position(|word| *word == "}").map_or(elements.len(), |end| end + 1);
    let (elements, behind) = elements.split_at(end);
    before.iter().copied().chain(unlisted(elements.iter().copied())).chain(behind.iter().copied()).collect()
}

/// The same of a document in JSON.
fn objects(document: &Value, said: &mut Sayings) {
    let commands = document.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let plain = commands.flat_map(|command| match command.get("add").or_else(|| command.get("create")) {
        Some(object) => object.as_object(),
        None => command.as_object(),
    });
    for (kind, body) in plain.flatten() {
        if let (true, Some(name)) = (MADE.contains(&kind.as_str()), body.get("name").and_then(Value::as_str))
        {
            let fields = body.as_object().into_iter().flatten();
            let fields = fields.filter(|(key, _)| !matches!(key.as_str(), "handle" | "elem" | "comment"));
            let words: Vec<String> = fields.map(|(key, value)| format!("{key}={value}")).collect();
            said.note(format!("{kind} {name}"), words.iter().map(String::as_str));
        }
        let statements = body.get("expr").and_then(Value::as_array);
        for update in
            statements.into_iter().flatten().filter_map(|one| one.get("set").or_else(|| one.get("map")))
        {
            if let Some(name) = update.get("set").or_else(|| update.get("map")).and_then(Value::as_str) {
                let all = statements.into_iter().flatten().filter(|one| one.get("counter").is_none());
                let words: Vec<String> = all.map(Value::to_string).collect();
                said.note(format!("set {}", name.trim_start_matches('@')), words.iter().map(String::as_str));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::hangs::tests::told;

    #[test]
    fn sets_and_rules_that_fill_them() {
        let text = "define t = 1h\ntable inet f {\n set s {\n  type ipv4_addr; flags timeout\n  timeout $t\n  \
                    elements = { 10.0.0.1, 10.0.0.2 }\n }\n limit l { rate 5/second; }\n chain c {\n  \
                    tcp dport 22 counter packets 1 bytes 2 add @s { ip saddr } accept comment \"x\"\n  \
                    ip saddr @s drop\n }\n}\nadd set ip t u { type ipv4_addr; }\n";
        assert_eq!(
            told(&hangs(text)),
            "$t: define t = 1h\nset s: set s { type ipv4_addr flags timeout timeout $t = elements }\n\
             limit l: limit l { rate 5 / second }\n\
             set s: tcp dport 22 add @ s { ip saddr } accept\nset u: set ip t u { type ipv4_addr }\n"
        );
    }

    #[test]
    fn the_same_in_json() {
        let text = r#"{"nftables":[{"set":{"name":"s","type":"ipv4_addr","handle":3}},
            {"rule":{"expr":[{"counter":{"packets":1}},{"set":{"op":"add","elem":1,"set":"@s"}}]}}]}"#;
        assert_eq!(
            told(&hangs(text)),
            "set s: name=\"s\" type=\"ipv4_addr\"\nset s: {\"set\":{\"elem\":1,\"op\":\"add\",\"set\":\"@s\"}}\n"
        );
    }
}
