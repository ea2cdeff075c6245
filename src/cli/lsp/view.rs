//! What there is to say of the documents of an editor, as `pinhole check` says it of files.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::configs::ConfigPaths;
use crate::cli::input::{SiteArgs, catalog_of, load_site};
use crate::cli::sites::{Gatherer, Group};
use crate::discover;
use crate::finding::Finding;
use crate::lint;
use crate::report;
use crate::session::Session;
use crate::site::{Date, FILE_NAME};
use crate::source::{SourceMap, Span};
use crate::suppress::{Baseline, Checked};

/// Documents as they were looked at.
pub(super) struct View {
    /// The files, with the texts of the editor.
    pub sources: SourceMap,
    /// The sites that they are of.
    pub groups: Vec<Looked>,
    /// Site files that cannot be used, each in a map of its own.
    pub broken: Vec<(SourceMap, Vec<Finding>)>,
    /// Why a document was not read.
    pub unread: Vec<(PathBuf, String)>,
}

/// A site, and what is wrong there.
pub(super) struct Looked {
    /// What was read.
    pub session: Session,
    /// What is told of it.
    pub findings: Vec<Finding>,
}

/// How thorough a look is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    /// What is found at once.
    Glance,
    /// What `pinhole check` says.
    Check,
}

impl View {
    /// Looks at documents, each with its path and text.
    pub(super) fn of(documents: &[(PathBuf, String)], catalogs: &[PathBuf], depth: Depth) -> View {
        let mut view = View {
            sources: SourceMap::holding(documents.iter().cloned()),
            groups: Vec::new(),
            broken: Vec::new(),
            unread: Vec::new(),
        };
        let is_site = |path: &Path| path.file_name().is_some_and(|name| name == FILE_NAME);
        let (sites, configs): (Vec<&Path>, Vec<&Path>) =
            documents.iter().map(|(path, _)| path.as_path()).partition(|path| is_site(path));
        let groups = view.groups_of(&configs, &sites);
        for group in groups {
            match view.look(group, catalogs, depth) {
                Ok(looked) => view.groups.push(looked),
                Err(failure) => view.failed(failure, &configs),
            }
        }
        view
    }

    /// The sites of configs, and those whose files are documents themselves.
    fn groups_of(&mut self, configs: &[&Path], sites: &[&Path]) -> Vec<Group> {
        let mut understood = Vec::new();
        for path in configs {
            let found =
                discover::read(&[path.to_path_buf()], &discover::Options::default(), &mut self.sources);
            match found.failures.into_iter().next() {
                None => understood.push(path.to_path_buf()),
                Some(failure) => self.unread.push((path.to_path_buf(), report::clean(&failure.to_string()))),
            }
        }
        let mut groups = Vec::new();
        if !understood.is_empty() {
            let understood = ConfigPaths { paths: understood, ..ConfigPaths::default() };
            let gathered = Gatherer { configs: &understood, given: None }.gather(&mut self.sources);
            self.take(gathered, configs, &mut groups);
        }
        for path in sites {
            let full = |path: &Path| path.canonicalize().ok();
            let is_it = |group: &Group| group.site.path.as_deref().and_then(full) == full(path);
            let is_broken = self
                .broken
                .iter()
                .any(|(sources, _)| sources.files().any(|(_, file)| full(&file.path) == full(path)));
            if groups.iter().any(is_it) || is_broken {
                continue;
            }
            let site = SiteArgs { site: Some(path.to_path_buf()), no_site: false };
            let whole = ConfigPaths { site, ..ConfigPaths::default() };
            let gathered = match load_site(path, &mut self.sources) {
                // Without a firewall the current folder would be meant.
                Ok(site) if site.firewalls.is_empty() => {
                    Ok((vec![Group { site, read: Default::default(), whole: false }], Vec::new()))
                }
                Ok(_) => Gatherer { configs: &whole, given: None }.gather(&mut self.sources),
                Err(failure) => Err(failure),
            };
            self.take(gathered, sites, &mut groups);
        }
        groups
    }

    fn take(
        &mut self,
        gathered: Result<(Vec<Group>, Vec<Failure>), Failure>,
        documents: &[&Path],
        groups: &mut Vec<Group>,
    ) {
        let failures = match gathered {
            Ok((found, failures)) => {
                groups.extend(found);
                failures
            }
            Err(failure) => vec![failure],
        };
        failures.into_iter().for_each(|failure| self.failed(failure, documents));
    }

    /// Says why documents were not read.
    fn failed(&mut self, failure: Failure, documents: &[&Path]) {
        match failure {
            Failure::Site(sources, findings) => self.broken.push((*sources, findings)),
            Failure::Several(several) => {
                several.into_iter().for_each(|failure| self.failed(failure, documents))
            }
            other => {
                let unread = documents.iter().map(|path| (path.to_path_buf(), other.to_string()));
                self.unread.extend(unread);
            }
        }
    }

    fn look(&mut self, group: Group, catalogs: &[PathBuf], depth: Depth) -> Result<Looked, Failure> {
        let Group { mut site, read, whole } = group;
        if depth == Depth::Glance {
            site.settings.selection.without.extend(lint::SEARCHED);
        }
        let today = Date::today();
        let catalog = catalog_of(&site, catalogs)?;
        let session = Session::new(site, catalog, read.configs, None, &mut self.sources);
        let findings = match depth {
            Depth::Glance => session.glance(today, &self.sources),
            Depth::Check => session.check(today, &self.sources),
        };
        let checked = Checked {
            settings: &session.site().settings,
            files: session.files(&self.sources),
            whole: whole || session.is_whole(),
            today,
            sources: &self.sources,
            everything: false,
        };
        let mut findings = checked.tell(findings).findings;
        report::sort(&mut findings, &self.sources);
        if let Some(path) = &session.site().settings.baseline {
            Baseline::read(path)?.leave_out(&mut findings, &self.sources);
        }
        Ok(Looked { session, findings })
    }

    /// All findings, each with the files that its spans are of.
    pub(super) fn findings(&self) -> impl Iterator<Item = (&SourceMap, &Finding)> {
        let told =
            self.groups.iter().flat_map(|group| &group.findings).map(|finding| (&self.sources, finding));
        let broken = self.broken.iter().flat_map(|(sources, all)| all.iter().map(move |one| (sources, one)));
        told.chain(broken)
    }

    /// The files of the firewall that a file is of, with their language.
    pub(super) fn beside(
        &self,
        path: &Path,
    ) -> Option<(crate::dialect::Dialect, Vec<crate::source::SourceId>)> {
        let reads = self.groups.iter().flat_map(|group| group.session.reads());
        let read = reads
            .into_iter()
            .find(|read| read.rules.iter().any(|(id, _)| self.sources.file(*id).path == path))?;
        Some((read.dialect, read.rules.iter().map(|(id, _)| *id).collect()))
    }

    /// The place of a byte of a document in the address space.
    pub(super) fn offset(&self, path: &Path, at: usize) -> Option<u32> {
        let (_, file) = self.sources.files().find(|(_, file)| file.path == path && !file.text.is_empty())?;
        Some(file.base + at.min(file.text.len()) as u32)
    }
}

/// Whether a place is in a span, or at its end.
pub(super) fn holds(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}
