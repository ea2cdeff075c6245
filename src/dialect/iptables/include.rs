//! Files that scripts read: `. file`, `iptables-restore < file`, where the script names them plainly.

use rustc_hash::{FxHashMap, FxHashSet};

use super::shell::{self, Sourced};
use crate::budget::Budget;
use crate::source::{Refusal, SourceId, SourceMap};

/// The files that scripts name, by the name that they use: what was read, or why it was not.
pub(super) type Found = FxHashMap<String, Result<SourceId, Refusal>>;

/// Reads the files that the scripts name.
pub(super) fn read(sources: &mut SourceMap, files: &[SourceId], budget: &Budget) -> Found {
    let mut found = Found::default();
    let mut seen: FxHashSet<SourceId> = files.iter().copied().collect();
    let scripts = files.iter().copied().filter(|id| shell::is_script(&sources.file(*id).text));
    // A name is looked up in the folder where the script runs, in a script that another one reads too.
    let mut waiting: Vec<(SourceId, SourceId)> = scripts.map(|id| (id, id)).collect();
    while let Some((id, top)) = waiting.pop() {
        let names: Vec<String> = names(&sources.file(id).text).map(str::to_string).collect();
        for name in names {
            if found.contains_key(&name) {
                continue;
            }
            let read = sources.read_named(top, &name, budget);
            waiting.extend(read.as_ref().ok().filter(|id| seen.insert(**id)).map(|id| (*id, top)));
            found.insert(name, read);
        }
    }
    found
}

/// The texts of files that were read, and why others were not.
pub(super) fn texts<'t>(sources: &'t SourceMap, found: &'t Found) -> Sourced<'t> {
    let text = |(name, read): (&String, &'t Result<SourceId, Refusal>)| {
        let read = read.as_ref().map(|id| (sources.file(*id).text.as_str(), sources.file(*id).base));
        (name.clone(), read)
    };
    found.iter().map(text).collect()
}

/// The names of files in a script, as the shell takes them.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| {
            let words: Vec<&str> =
                line.split([' ', '\t', ';', '\r']).filter(|word| !word.is_empty()).collect();
            let pairs = words
                .windows(2)
                .filter(|pair| matches!(pair[0], "." | "source" | "<") || pair[0].ends_with("-restore"));
            let stuck = words.iter().filter_map(|word| word.strip_prefix('<'));
            let names: Vec<&str> = pairs.map(|pair| pair[1]).chain(stuck).collect();
            names
        })
        .map(|name| name.trim_matches(['"', '\'']))
        .filter(|name| {
            !name.is_empty() && !name.contains(['$', '`', '*', '?', '<', '>', '|', '&', '(', '\\'])
        })
}
