//! Other files that a file names: includes, anchors, tables.

use crate::dialect::over_budget;
use crate::finding::Finding;
use crate::rule::{PH002, PH003, Severity};
use crate::source::{self, SourceId, Span};

use super::Session;
use super::cursor::{self, Error, Refusal, refuse};

/// How deep files may include each other.
const DEEPEST_INCLUDE: usize = 16;
/// How many folders deep an absolute path is looked for beside the configuration.
const DEEPEST_BESIDE: usize = 16;

impl Session<'_> {
    /// Takes in a file that the file `from` names. What is named by an absolute path lies on the system that loads
    /// the rules; here it is looked for beside the configuration, too: `/etc/pf.anchors/a` as `etc/pf.anchors/a`,
    /// `pf.anchors/a`, or `a`.
    fn named(&mut self, from: SourceId, path: &str) -> Result<SourceId, source::Refusal> {
        let refused = match self.sources.read_named(from, path, self.budget) {
            Err(refused) if path.starts_with('/') => refused,
            read => return read,
        };
        let beside = path.split('/').filter(|name| !name.is_empty()).count().min(DEEPEST_BESIDE);
        for parts in (1..=beside).rev() {
            let at = path.rmatch_indices('/').nth(parts - 1).map_or(0, |(at, _)| at + 1);
            match self.sources.read_named(self.top, &path[at..], self.budget) {
                Err(source::Refusal::Exhausted(exhausted)) => {
                    return Err(source::Refusal::Exhausted(exhausted));
                }
                Err(_) => {}
                read => return read,
            }
        }
        Err(refused)
    }

    /// Takes in a file that an `include` names. It has to be there if it is named beside the configuration; of
    /// one elsewhere nothing is known.
    pub(super) fn include_file(
        &mut self,
        from: SourceId,
        path: &str,
        span: Span,
    ) -> cursor::Result<Option<SourceId>> {
        match self.named(from, path) {
            Ok(id) => self.take_in(id, path, span).map(Some),
            Err(source::Refusal::Exhausted(exhausted)) => {
                Err(Error { span, refusal: Refusal::Budget("the included file", exhausted) })
            }
            Err(why @ source::Refusal::Missing) if !path.starts_with('/') => {
                refuse(span, format!("cannot read `{path}`: {why}"))
            }
            Err(why) => {
                let message = format!("the rules of `{path}` are not known: {why}");
                self.findings.push(
                    Finding::of(&PH003, span, message)
                        .severity(Severity::Info)
                        .label("what it says is not known")
                        .help("Give the tree that it is in with `--root DIR`, to have it read."),
                );
                Ok(None)
            }
        }
    }

    /// Takes in the rules of an anchor. Where they cannot be read, they are not known.
    pub(super) fn anchor_file(
        &mut self,
        from: SourceId,
        path: &str,
        span: Span,
    ) -> cursor::Result<Option<SourceId>> {
        match self.named(from, path) {
            Ok(id) => self.take_in(id, path, span).map(Some),
            Err(why) => {
                self.note_unread(span, &format!("the rules of `{path}`"), &why);
                Ok(None)
            }
        }
    }

    fn take_in(&mut self, id: SourceId, path: &str, span: Span) -> cursor::Result<SourceId> {
        if self.open_files.contains(&id) {
            return refuse(span, format!("`{path}` includes itself"));
        }
        if self.open_files.len() >= DEEPEST_INCLUDE {
            return refuse(span, format!("files include each other deeper than {DEEPEST_INCLUDE}"));
        }
        if self.files_read.contains(&id)
            && let Err(exhausted) = self.budget.again(self.sources.file(id).text.len())
        {
            return Err(Error { span, refusal: Refusal::Budget("the included file", exhausted) });
        }
        Ok(id)
    }

    /// The text of a table's file, where it can be read.
    pub(super) fn table_file(&mut self, from: SourceId, path: &str) -> Result<String, source::Refusal> {
        if path == "/dev/null" {
            return Ok(String::new());
        }
        let id = self.named(from, path)?;
        let text = &self.sources.file(id).text;
        if !self.files_read.insert(id) {
            self.budget.again(text.len()).map_err(source::Refusal::Exhausted)?;
        }
        Ok(text.clone())
    }

    pub(super) fn note_unread_table(&mut self, span: Span, table: &str, path: &str, why: &source::Refusal) {
        self.note_unread(span, &format!("the contents of table `{table}`, which are in `{path}`,"), why);
    }

    fn note_unread(&mut self, span: Span, what: &str, why: &source::Refusal) {
        if let source::Refusal::Exhausted(exhausted) = why {
            return self.findings.push(over_budget(span, what.trim_end_matches(','), *exhausted));
        }
        self.findings.push(
            Finding::of(&PH002, span, format!("{what} are not known: {why}")).help(
                "Put the file into the folder of the configuration, under the path that it is named by, to have it \
                 read, or give with `--root DIR` the tree that it is in.",
            ),
        );
    }
}
