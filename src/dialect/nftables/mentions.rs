//! Where rulesets name chains, sets and variables (nft(8)).

use super::lexer::{Kind, Token, after, token};
use crate::dialect::mentions::{Mention, Mentions, Thing};

/// The families of tables.
pub(super) const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
/// What a table holds besides chains, and rules look into or name.
const SETS: [&str; 2] = ["set", "map"];
const OBJECTS: [&str; 7] = ["flowtable", "counter", "quota", "limit", "secmark", "synproxy", "ct"];

/// The names in a text. Chains and sets are of tables; variables are of the file.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let tokens = tokens(text);
    let mut reader = Reader { text, found: Mentions::default(), table: String::new(), depth: 0 };
    for at in 0..tokens.len() {
        reader.take(&tokens, at);
    }
    reader.found.done()
}

/// The tokens of a text, ends of lines among them.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let next = token(text, at);
        if next.kind == Kind::End {
            return tokens;
        }
        at = after(text, next).max(next.end).max(at + 1);
        tokens.push(next);
    }
}

struct Reader<'t> {
    text: &'t str,
    found: Mentions,
    /// The family and name of the table that the text is in.
    table: String,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn word(&self, token: Option<&Token>) -> &'t str {
        match token {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Quoted) => {
                &self.text[token.start..token.end]
            }
            _ => "",
        }
    }

    fn take(&mut self, tokens: &[Token], at: usize) {
        let next = tokens.get(at + 1);
        match tokens[at].kind {
            Kind::LBrace => self.depth += 1,
            Kind::RBrace => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.table.clear();
                }
            }
            Kind::At => self.note(Thing::Set, next, false),
            Kind::Dollar => self.note_free(next, false),
            Kind::Word => self.keyword(tokens, at),
            _ => {}
        }
    }

    fn keyword(&mut self, tokens: &[Token], at: usize) {
        let word = self.word(tokens.get(at));
        let before = at.checked_sub(1).map_or("", |at| self.word(tokens.get(at)));
        let command =
            matches!(before, "add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush");
        match word {
            "define" | "redefine" => self.note_free(tokens.get(at + 1), true),
            "jump" | "goto" => self.note(Thing::Chain, tokens.get(at + 1), false),
            "table" if self.depth == 0 => {
                let (table, _) = self.table_at(tokens, at + 1);
                self.table = table;
            }
            "chain" | "set" | "map" | "rule" | "element" if self.depth == 0 && command => {
                let (table, next) = self.table_at(tokens, at + 1);
                self.table = table;
                let makes = matches!(before, "add" | "create") && !matches!(word, "rule" | "element");
                let thing = if matches!(word, "chain" | "rule") { Thing::Chain } else { Thing::Set };
                self.note(thing, tokens.get(next), makes);
            }
            "chain" if self.depth == 1 => self.note(Thing::Chain, tokens.get(at + 1), true),
            word if self.depth == 1 && SETS.contains(&word) => {
                self.note(Thing::Set, tokens.get(at + 1), true)
            }
            word if self.depth == 1 && OBJECTS.contains(&word) => {
                // `ct helper NAME`, `ct timeout NAME`.
                let place = if word == "ct" { at + 2 } else { at + 1 };
                self.note(Thing::Object, tokens.get(place), true);
            }
            "name" if OBJECTS.contains(&before) => self.note(Thing::Object, tokens.get(at + 1), false),
            _ => {}
        }
    }

    /// A table by family and name, and what stands behind it. `ip` is the family where none is named.
    fn table_at(&self, tokens: &[Token], at: usize) -> (String, usize) {
        let word = self.word(tokens.get(at));
        match FAMILIES.contains(&word) {
            true => (format!("{word} {}", self.word(tokens.get(at + 1))), at + 2),
            false => (format!("ip {word}"), at + 1),
        }
    }

    fn note(&mut self, thing: Thing, token: Option<&Token>, defines: bool) {
        let word = self.word(token);
        if let Some(token) = token {
            self.found.note(thing, &self.table, (token.start, word), defines);
        }
    }

    fn note_free(&mut self, token: Option<&Token>, defines: bool) {
        let word = self.word(token);
        if let Some(token) = token {
            self.found.note(Thing::Macro, "", (token.start, word), defines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::mentions::tests::told;

    #[test]
    fn names_are_of_tables() {
        let text = "define lan = 10.0.0.0/8\ntable inet f {\n set bad { type ipv4_addr; }\n chain c { ip saddr @bad drop; ip daddr $lan jump d }\n chain d { }\n}\n";
        assert_eq!(
            told(&mentions(text)),
            "+macro lan, +set inet f bad, +chain inet f c, set inet f bad, macro lan, chain inet f d, +chain inet f d"
        );
    }

    #[test]
    fn commands_name_their_table() {
        let text = "add table ip6 t\nadd chain ip6 t c\nadd rule ip6 t c jump d\nadd element t s { 1 }\n# add chain x y\n";
        assert_eq!(told(&mentions(text)), "+chain ip6 t c, chain ip6 t c, chain ip6 t d, set ip t s");
    }

    #[test]
    fn texts_that_are_broken_come_to_an_end() {
        for text in ["\"", "@", "$", "jump", "table", "}}}}", "chain {", "\\", "é@é", "add chain"] {
            mentions(text);
        }
    }
}
