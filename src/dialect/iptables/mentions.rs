//! Where dumps and scripts name chains and sets (iptables(8), iptables-save(8), ipset(8)).

use crate::dialect::mentions::{Mention, Mentions, Thing, Word, lines};

/// The names in a text. Chains are of tables.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Mentions::default();
    let mut table = "filter".to_string();
    for words in lines(text, &['#']) {
        let Some((start, first)) = words.first().copied() else { continue };
        if let Some(name) = first.strip_prefix('*') {
            table = name.to_string();
        } else if let Some(name) = first.strip_prefix(':') {
            found.note(Thing::Chain, &table, (start + 1, name), true);
        } else {
            statement(&words, &table, &mut found);
        }
    }
    found.done()
}

/// A rule or a command.
fn statement(words: &[Word<'_>], table: &str, found: &mut Mentions) {
    let pairs = || words.windows(2).map(|pair| (pair[0].1, pair[1]));
    let told = pairs().find(|(option, _)| matches!(*option, "-t" | "--table"));
    let table = told.map_or(table, |(_, (_, name))| name);
    for (option, value) in pairs() {
        match option {
            "-N" | "--new-chain" => found.note(Thing::Chain, table, value, true),
            "-A" | "--append" | "-I" | "--insert" | "-D" | "--delete" | "-R" | "--replace" | "-F"
            | "--flush" | "-P" | "--policy" | "-X" | "--delete-chain" | "-E" | "--rename-chain" | "-j"
            | "--jump" | "-g" | "--goto" => found.note(Thing::Chain, table, value, false),
            "--match-set" | "--add-set" | "--del-set" => found.note(Thing::Set, "", value, false),
            // A dump of sets, or `ipset` in a script.
            "create" => found.note(Thing::Set, "", value, true),
            "add" if words.len() > 2 => found.note(Thing::Set, "", value, false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::mentions::tests::told;

    #[test]
    fn chains_are_of_tables() {
        let text = "*nat\n:A - [0:0]\n-A A -j B\nCOMMIT\n*filter\n:A - [0:0]\n-A INPUT -m set --match-set bad src -j A\n";
        assert_eq!(
            told(&mentions(text)),
            "+chain nat A, chain nat A, chain nat B, +chain filter A, chain filter INPUT, set bad, chain filter A"
        );
    }

    #[test]
    fn commands_name_their_table() {
        let text = "iptables -t nat -N X # -N no\nipset create bad hash:ip\nipset add bad 192.0.2.1\niptables -A INPUT -g 'X'\n";
        assert_eq!(
            told(&mentions(text)),
            "+chain nat X, +set bad, set bad, chain filter INPUT, chain filter X"
        );
    }
}
