//! What a ruleset says of sets and maps that are filled while it runs, and of limits and quotas (nft(8),
//! libnftables-json(5)).

use serde_json::Value;

use super::json::is_json;
use super::lexer::{Kind, Token};
use super::mentions::{FAMILIES, tokens};
use crate::dialect::hangs::{Said, Sayings};

/// What is made under a name, and conditions hang on.
const MADE: [&str; 4] = ["set", "map", "limit", "quota"];
/// Statements that change a set, and commands that change or make something.
const CHANGES: [&str; 4] = ["add", "update", "delete", "create"];

/// What may count for each key of a set.
const METERS: [&str; 3] = ["limit", "quota", "ct count"];

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
    let reader = Reader { text, tokens: &tokens };
    let (mut place, mut chain) = (Place::default(), "");
    for (at, token) in tokens.iter().enumerate() {
        place.take(at, &reader);
        let depth = place.outer.len();
        let before = at.checked_sub(1).map_or("", |at| reader.word(at));
        let command = depth == 0 && CHANGES.contains(&before);
        match token.kind {
            Kind::Word if reader.word(at) == "chain" && depth == 1 => chain = reader.word(at + 1),
            Kind::Word if matches!(reader.word(at), "jump" | "goto") => {
                let (rule, of) = reader.leading(&place);
                let words = rule.into_iter().chain(["chain", of.unwrap_or(chain)]);
                said.note(format!("chain {}", reader.word(at + 1)), words);
            }
            // What a rule writes to packets.
            Kind::Word if reader.word(at) == "set" && depth != 1 && at > 1 && !command => {
                let (rule, of) = reader.whole_rule(place.start);
                let words = rule.into_iter().chain(["chain", of.unwrap_or(chain)]);
                said.note(format!("{} {before}", reader.word(at - 2)), words);
            }
            // What the names of conditions leave out.
            Kind::Word if matches!(reader.word(at), "numgen" | "jhash" | "symhash" | "meter" | "flow") => {
                let kinds: &[&str] = match reader.word(at) {
                    "numgen" => &["numgen"],
                    "jhash" | "symhash" => &["hash"],
                    _ => &METERS,
                };
                for kind in kinds {
                    said.note(kind.to_string(), reader.whole_rule(place.start).0);
                }
            }
            Kind::Word if before == "reset" && reader.word(at) == "tcp" => {
                said.note("tcp option".to_string(), reader.whole_rule(place.start).0);
            }
            Kind::Word if matches!(reader.word(at), "define" | "redefine") => {
                said.note(format!("${}", reader.word(at + 1)), reader.rule(at));
            }
            Kind::Word if MADE.contains(&reader.word(at)) && (command || depth == 1) => {
                let name = if command { reader.behind_table(at) } else { at + 1 };
                let made = reader.made(name + 1);
                let of = format!("{} {}", reader.word(at), reader.word(name));
                said.note(of, made.iter().map(String::as_str));
            }
            Kind::Word if reader.word(at) == "element" && command => {
                let name = reader.word(reader.behind_table(at));
                for kind in ["set", "map"] {
                    said.note(format!("{kind} {name}"), reader.rule(at - 1));
                }
            }
            Kind::At => {
                let (mut rule, of) = reader.whole_rule(place.start);
                let fills = CHANGES.contains(&before)
                    || rule.windows(2).any(|pair| pair[0] == "set" && CHANGES.contains(&pair[1]));
                // Who comes to the chain fills it.
                rule.extend(["chain", of.unwrap_or(chain)]);
                for kind in ["set", "map"].iter().filter(|_| fills) {
                    said.note(format!("{kind} {}", reader.word(at + 1)), rule.iter().copied());
                }
                for kind in METERS.iter().filter(|kind| fills && rule.iter().any(|word| kind.ends_with(word)))
                {
                    said.note(kind.to_string(), rule.iter().copied());
                }
            }
            _ => {}
        }
    }
    said.done()
}

/// Where a token stands.
#[derive(Default)]
struct Place {
    /// The first token of its statement, within the innermost braces.
    start: usize,
    /// The first token behind the comma before it.
    entry: usize,
    /// The braces around it.
    outer: Vec<Outer>,
}

/// A brace that is open.
struct Outer {
    /// The first token of the statement that it is of.
    start: usize,
    /// The brace.
    brace: usize,
    /// A list of a rule, and no block of statements.
    is_list: bool,
}

impl Place {
    /// Goes on to a token.
    fn take(&mut self, at: usize, reader: &Reader<'_>) {
        match reader.tokens[at].kind {
            Kind::LBrace => {
                let opens =
                    |word: &str| matches!(word, "table" | "chain" | "add" | "create") || MADE.contains(&word);
                let jumps = at > 0 && matches!(reader.word(at - 1), "jump" | "goto");
                let is_rule = reader.word(self.start + 1) == "rule";
                let is_list = !jumps && (is_rule || !opens(reader.word(self.start)));
                self.outer.push(Outer { start: self.start, brace: at, is_list });
                (self.start, self.entry) = (at + 1, at + 1);
            }
            Kind::RBrace => {
                if let Some(outer) = self.outer.pop() {
                    self.start = outer.start;
                }
                self.entry = at + 1;
            }
            Kind::Comma => self.entry = at + 1,
            Kind::Newline | Kind::Semicolon => (self.start, self.entry) = (at + 1, at + 1),
            _ => {}
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [Token],
}

impl<'t> Reader<'t> {
    fn word(&self, at: usize) -> &'t str {
        self.tokens.get(at).map_or("", |token| &self.text[token.start..token.end])
    }

    /// What stands behind the table of a command: behind its family, where there is one, and its name.
    fn behind_table(&self, at: usize) -> usize {
        if FAMILIES.contains(&self.word(at + 1)) { at + 3 } else { at + 2 }
    }

    /// The words from a token to the end of its statement, as they count.
    fn rule(&self, from: usize) -> Vec<&'t str> {
        let mut depth = 0_i32;
        let inside = self.tokens[from..].iter().take_while(|token| {
            depth += i32::from(token.kind == Kind::LBrace) - i32::from(token.kind == Kind::RBrace);
            depth > 0 || depth == 0 && !ends(token)
        });
        self.does(inside)
    }

    /// Words without counters, comments, clocks, logs, and numbers of rules; the sign of a variable and its name are one.
    fn does<'k>(&self, tokens: impl Iterator<Item = &'k Token>) -> Vec<&'t str> {
        let text = |token: &Token| &self.text[token.start..token.end];
        let mut words = Vec::new();
        let mut tokens = tokens.filter(|token| !ends(token)).peekable();
        while let Some(token) = tokens.next() {
            let told: &[&str] = match text(token) {
                "comment" | "expires" | "handle" => {
                    tokens.next();
                    continue;
                }
                "counter" => &["packets", "bytes", "name"],
                "log" => &["prefix", "level", "group", "snaplen", "queue-threshold", "flags"],
                "used" => &["bytes", "kbytes", "mbytes"],
                "size" if tokens.peek().is_some_and(|size| text(size) == "65535") => &[],
                "$" => {
                    let end = tokens.next().map_or(token.end, |name| name.end);
                    words.push(&self.text[token.start..end]);
                    continue;
                }
                word => {
                    words.push(word);
                    continue;
                }
            };
            let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
            while let Some(next) = tokens.next_if(|next| told.contains(&text(next)) || is_number(text(next)))
            {
                if !matches!(text(next), "bytes" | "kbytes" | "mbytes") && !is_number(text(next)) {
                    tokens.next();
                }
            }
        }
        words
    }

    /// The statement that begins at a token, and the chain, where it is a command that names it.
    fn whole_rule(&self, from: usize) -> (Vec<&'t str>, Option<&'t str>) {
        let (from, chain) = self.behind_chain(from);
        (self.rule(from), chain)
    }

    /// Where the rule of a command begins, and its chain; the beginning itself where it is no command.
    fn behind_chain(&self, from: usize) -> (usize, Option<&'t str>) {
        let command = CHANGES.contains(&self.word(from)) || matches!(self.word(from), "insert" | "replace");
        if !command || self.word(from + 1) != "rule" {
            return (from, None);
        }
        let chain = self.behind_table(from + 1);
        (chain + 1, Some(self.word(chain)))
    }

    /// The rule that a jump is of; of one that looks up where to go, what is before the list, and the jump's own entry.
    fn leading(&self, place: &Place) -> (Vec<&'t str>, Option<&'t str>) {
        let Some(list) = place.outer.last().filter(|outer| outer.is_list) else {
            return self.whole_rule(place.start);
        };
        let (from, chain) = self.behind_chain(list.start);
        let ends_entry = |token: &Token| ends(token) || matches!(token.kind, Kind::Comma | Kind::RBrace);
        let entry = self.tokens[place.entry..].iter().take_while(|token| !ends_entry(token));
        let head = self.tokens.get(from..list.brace).unwrap_or_default();
        (self.does(head.iter().chain(entry)), chain)
    }

    /// The parts of what is made, in whatever order they stand.
    fn made(&self, at: usize) -> Vec<String> {
        let mut depth = 0_i32;
        let behind = self.tokens.get(at..).unwrap_or_default();
        let whole = behind.iter().take_while(|token| {
            depth += i32::from(token.kind == Kind::LBrace) - i32::from(token.kind == Kind::RBrace);
            depth > 0 || depth == 0 && !ends(token)
        });
        let whole: Vec<Token> = whole.copied().collect();
        let is_end = |token: &Token| {
            ends(token) || matches!(token.kind, Kind::Comma | Kind::LBrace | Kind::RBrace | Kind::Assign)
        };
        let parts = whole.split(is_end).map(|part| self.does(part.iter()));
        let plain = parts.map(|mut words| {
            words.retain(|word| *word != "flags");
            words.join(" ")
        });
        let mut parts: Vec<String> = plain.filter(|part| !part.is_empty()).collect();
        parts.sort_unstable();
        parts
    }
}

fn ends(token: &Token) -> bool {
    matches!(token.kind, Kind::Newline | Kind::Semicolon)
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
            let fields = fields.filter(|(key, _)| !matches!(key.as_str(), "handle" | "comment"));
            let words: Vec<String> = fields.map(|(key, value)| format!("{key}={value}")).collect();
            said.note(format!("{kind} {name}"), words.iter().map(String::as_str));
        }
        let statements = body.get("expr").and_then(Value::as_array);
        let updates = statements.into_iter().flatten();
        for (kind, update) in
            updates.filter_map(|one| ["set", "map"].into_iter().find_map(|kind| Some((kind, one.get(kind)?))))
        {
            if let Some(name) = update.get(kind).and_then(Value::as_str) {
                let all = statements.into_iter().flatten().filter(|one| one.get("counter").is_none());
                let words: Vec<String> = all.map(Value::to_string).collect();
                let of = format!("{kind} {}", name.trim_start_matches('@'));
                said.note(of, words.iter().map(String::as_str));
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
                    tcp dport { 22, 23 } counter packets 1 bytes 2 log prefix \"x \" add @s { ip saddr } accept comment \"x\"\n  \
                    ip saddr @s drop\n }\n}\nadd set ip t u { type ipv4_addr; }\nadd limit ip t m rate 5/second\nadd element ip t u { 10.0.0.9 }\n\
                    add rule inet f c tcp dport 25 add @s { ip saddr }\n";
        assert_eq!(
            told(&hangs(text)),
            "$t: define t = 1h\nset s: 10.0.0.1 10.0.0.2 elements timeout timeout $t type ipv4_addr\n\
             limit l: rate 5 / second\nset s: tcp dport { 22 , 23 } add @ s { ip saddr } accept chain c\n\
             map s: tcp dport { 22 , 23 } add @ s { ip saddr } accept chain c\nset u: type ipv4_addr\n\
             limit m: rate 5 / second\nset u: add element ip t u { 10.0.0.9 }\n\
             map u: add element ip t u { 10.0.0.9 }\nset s: tcp dport 25 add @ s { ip saddr } chain c\n\
             map s: tcp dport 25 add @ s { ip saddr } chain c\n"
        );
    }

    #[test]
    fn each_entry_of_a_map_leads_by_itself() {
        let text = "table ip f {\n chain c {\n  tcp dport vmap { 22 : jump a, 23 : goto b,\n 24 : drop } accept\n  ip saddr { 1.2.3.4, \
                    1.2.3.5 } jump a\n }\n}\nadd rule ip f d udp dport vmap { 53 : jump a }\n";
        assert_eq!(
            told(&hangs(text)),
            "chain a: tcp dport vmap 22 : jump a chain c\nchain b: tcp dport vmap 23 : goto b chain c\n\
             chain a: ip saddr { 1.2.3.4 , 1.2.3.5 } jump a chain c\nchain a: udp dport vmap 53 : jump a chain d\n"
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
