//! Where a running-config names objects, access-lists, interfaces, time ranges and classes (Cisco ASA Series Command
//! Reference).

use rustc_hash::FxHashSet;

use crate::dialect::mentions::{Mention, Mentions, Thing, Word, lines};

/// The names in a text.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Mentions::default();
    let mut lists: FxHashSet<&str> = FxHashSet::default();
    for words in lines(text, &['!']) {
        let Some((start, first)) = words.first().copied() else { continue };
        let top = start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n');
        let word = |at: usize| words.get(at).copied();
        let mut made = 0;
        match (first, word(1), word(2)) {
            ("object", Some(_), Some(name)) if top => {
                found.note(Thing::Object, "", name, true);
                made = 3;
            }
            ("object-group", Some(_), Some(name)) if top => {
                found.note(Thing::Object, "", name, true);
                made = 3;
            }
            ("access-list", Some(name), _) if top => {
                found.note(Thing::AccessList, "", name, lists.insert(name.1));
                // Remarks are free text.
                made = if word(2).is_some_and(|(_, word)| word == "remark") { words.len() } else { 2 };
            }
            ("access-group", Some(name), _) => found.note(Thing::AccessList, "", name, false),
            ("nameif", Some(name), _) => found.note(Thing::Interface, "", name, true),
            ("time-range", Some(name), _) if top => {
                found.note(Thing::TimeRange, "", name, true);
                made = 2;
            }
            ("class-map" | "policy-map", Some(_), _) if top => {
                if let Some(name) = words.last() {
                    found.note(Thing::Class, "", *name, true);
                }
            }
            ("class" | "service-policy", Some(name), _) => found.note(Thing::Class, "", name, false),
            ("description", ..) => continue,
            ("nat", ..) => nat(&words, &mut found),
            _ => {}
        }
        uses(&words[made.min(words.len())..], &mut found);
    }
    found.done()
}

/// Names behind the words that announce them.
fn uses(words: &[Word<'_>], found: &mut Mentions) {
    for pair in words.windows(2) {
        let thing = match pair[0].1 {
            "object" | "object-group" | "group-object" | "object-group-user" | "object-group-security" => {
                Thing::Object
            }
            "access-list" => Thing::AccessList,
            "time-range" => Thing::TimeRange,
            "interface" => Thing::Interface,
            _ => continue,
        };
        found.note(thing, "", pair[1], false);
    }
}

/// `nat (inside,outside) source static REAL MAPPED …`: what is no word of the language may be an object.
fn nat(words: &[Word<'_>], found: &mut Mentions) {
    const WORDS: [&str; 20] = [
        "nat",
        "source",
        "destination",
        "service",
        "static",
        "dynamic",
        "interface",
        "any",
        "after-auto",
        "no-proxy-arp",
        "route-lookup",
        "inactive",
        "dns",
        "unidirectional",
        "description",
        "pat-pool",
        "round-robin",
        "extended",
        "flat",
        "include-reserve",
    ];
    for (start, word) in words.iter().skip(1) {
        if let Some(pair) = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')) {
            let (real, mapped) = pair.split_once(',').unwrap_or((pair, ""));
            found.note(Thing::Interface, "", (start + 1, real), false);
            found.note(Thing::Interface, "", (start + 2 + real.len(), mapped), false);
        } else if !WORDS.contains(word) && !word.starts_with(|c: char| c.is_ascii_digit()) {
            found.note(Thing::Object, "", (*start, word), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::mentions::tests::told;

    #[test]
    fn objects_and_lists() {
        let text = "interface G0/0\n nameif outside\nobject network MCU\n host 10.1.2.10\n nat (inside,outside) static PUB\nobject-group network ALL\n network-object object MCU\n group-object B\naccess-list IN remark object MCU\naccess-list IN extended permit tcp any object-group ALL eq 1720 time-range T\naccess-group IN in interface outside\n! object network X\n";
        assert_eq!(
            told(&mentions(text)),
            "interface G0/0, +interface outside, +object MCU, interface inside, interface outside, object PUB, \
             +object ALL, object MCU, object B, +access list IN, access list IN, object ALL, time range T, \
             access list IN, interface outside"
        );
    }
}
