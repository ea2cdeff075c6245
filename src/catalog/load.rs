//! Reading catalog files, and what makes them acceptable.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Catalog, Initiator, Listener, Need, Parity, Product, Requirement, Role, SecurityMode, bundled};
use crate::codes::nearest;

/// The file that holds a catalog's roles.
const ROLES: &str = "roles.toml";

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The operating system could not read it.
    #[error("cannot read `{}`: {error}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// There is nothing to load.
    #[error("`{}` holds no catalog: a folder with files that end in `.toml`", .0.display())]
    Empty(PathBuf),
    /// A file says something that it must not say.
    #[error("{}:{line}:{column}: {message}\n{excerpt}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong: one line, lower case, no full stop.
        message: String,
        /// The line, with the place marked beneath.
        excerpt: String,
    },
}

impl Catalog {
    /// The catalog that is part of the program.
    pub fn bundled() -> Result<Catalog, CatalogError> {
        let files =
            bundled::FILES.iter().map(|(name, text)| Source::new(PathBuf::from(name), (*text).to_string()));
        merge(Catalog::default(), &files.collect::<Vec<_>>())
    }

    /// This catalog with the files of a folder on top: a product with the name of a known one replaces it, a role
    /// with the name of a known one adds to it.
    pub fn load_dir(self, dir: &Path) -> Result<Catalog, CatalogError> {
        let failed = |error| CatalogError::Read { path: dir.to_path_buf(), error };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(CatalogError::Empty(dir.to_path_buf()));
        }
        paths.sort();
        let read = |path: PathBuf| match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(error) => Err(CatalogError::Read { path, error }),
        };
        let files = paths.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        merge(self, &files)
    }
}

/// One catalog file.
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductFile {
    name: Spanned<String>,
    title: String,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    guide: Option<String>,
    notes: Option<String>,
    #[serde(default)]
    mode: Vec<Spanned<SecurityMode>>,
    #[serde(default)]
    requirement: Vec<Spanned<Requirement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesFile {
    #[serde(default)]
    role: Vec<Spanned<Role>>,
}

pub(super) fn merge(mut catalog: Catalog, files: &[Source]) -> Result<Catalog, CatalogError> {
    let mut role_places = Vec::new();
    let (roles, products): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_roles());
    for file in roles {
        for role in file.parse::<RolesFile>()?.role {
            role_places.push((file, role.span(), role.get_ref().clone()));
            add_role(&mut catalog.roles, role.into_inner());
        }
    }
    let known: BTreeSet<String> = catalog.roles.iter().map(|role| role.name.clone()).collect();
    let mut loaded = Vec::new();
    for file in products {
        loaded.push((file, read_product(file, &known)?));
    }
    add_products(&mut catalog, loaded)?;
    for (file, span, role) in &role_places {
        check_role(&catalog, file, span, role)?;
    }
    fill_roles(&mut catalog);
    Ok(catalog)
}

fn add_role(roles: &mut Vec<Role>, role: Role) {
    match roles.iter_mut().find(|known| known.name == role.name) {
        Some(known) => {
            known.products.extend(role.products);
            known.implies.extend(role.implies);
        }
        None => roles.push(role),
    }
}

fn check_role(
    catalog: &Catalog,
    file: &Source,
    span: &Range<usize>,
    role: &Role,
) -> Result<(), CatalogError> {
    if !is_name(&role.name) {
        return Err(file.fault(&file.key(span, "name"), NAME_RULE.to_string()));
    }
    let is_product = |name: &&String| !catalog.products.iter().any(|product| product.name == **name);
    if let Some(name) = role.products.iter().find(is_product) {
        let hint = did_you_mean(catalog.nearest_product(name));
        return Err(file.fault(&file.key(span, "products"), format!("there is no product `{name}`{hint}")));
    }
    match role.implies.iter().find(|name| catalog.role(name).is_none()) {
        Some(name) => {
            let hint = did_you_mean(catalog.nearest_role(name));
            Err(file.fault(&file.key(span, "implies"), format!("there is no role `{name}`{hint}")))
        }
        None => Ok(()),
    }
}

/// Gives each product its roles, implied ones too.
fn fill_roles(catalog: &mut Catalog) {
    let mut filled: HashMap<String, Vec<String>> = HashMap::new();
    for role in &catalog.roles {
        let implied = catalog.implied_roles(&role.name);
        for product in &role.products {
            filled.entry(product.clone()).or_default().extend(implied.iter().map(|name| (*name).to_string()));
        }
    }
    for product in &mut catalog.products {
        product.roles = filled.remove(&product.name).unwrap_or_default();
        product.roles.sort_unstable();
        product.roles.dedup();
    }
}

/// A product with the places of its name and aliases.
struct Loaded {
    product: Product,
    names: Vec<Spanned<String>>,
}

fn add_products(catalog: &mut Catalog, loaded: Vec<(&Source, Loaded)>) -> Result<(), CatalogError> {
    let replaced: HashSet<&str> = loaded.iter().map(|(_, loaded)| loaded.product.name.as_str()).collect();
    let mut owners: HashMap<String, String> = HashMap::new();
    for product in catalog.products.iter().filter(|product| !replaced.contains(product.name.as_str())) {
        for name in std::iter::once(&product.name).chain(&product.aliases) {
            owners.insert(name.to_ascii_lowercase(), product.name.clone());
        }
    }
    for (file, new) in &loaded {
        for name in &new.names {
            let owner = new.product.name.clone();
            if let Some(other) = owners.insert(name.get_ref().to_ascii_lowercase(), owner) {
                let message =
                    format!("the name `{}` belongs to the product `{other}` already", name.get_ref());
                return Err(file.fault(&name.span(), message));
            }
        }
    }
    for (_, new) in loaded {
        match catalog.products.iter_mut().find(|known| known.name == new.product.name) {
            Some(known) => *known = new.product,
            None => catalog.products.push(new.product),
        }
    }
    Ok(())
}

fn read_product(file: &Source, known: &BTreeSet<String>) -> Result<Loaded, CatalogError> {
    let parsed: ProductFile = file.parse()?;
    let mut names = vec![parsed.name.clone()];
    names.extend(parsed.aliases);
    if let Some(name) = names.iter().find(|name| !is_name(name.get_ref())) {
        return Err(file.fault(&name.span(), NAME_RULE.to_string()));
    }
    let mut modes: Vec<SecurityMode> = Vec::new();
    for mode in parsed.mode {
        if modes.iter().any(|known| known.name.eq_ignore_ascii_case(&mode.get_ref().name)) {
            let message = format!("the security mode `{}` is there twice", mode.get_ref().name);
            return Err(file.fault(&file.key(&mode.span(), "name"), message));
        }
        modes.push(mode.into_inner());
    }
    check_rows(file, &parsed.requirement, known)?;
    let product = Product {
        name: parsed.name.into_inner(),
        title: parsed.title,
        aliases: names.iter().skip(1).map(|name| name.get_ref().clone()).collect(),
        guide: parsed.guide,
        notes: parsed.notes,
        modes,
        roles: Vec::new(),
        requirements: parsed.requirement.into_iter().map(Spanned::into_inner).collect(),
    };
    Ok(Loaded { product, names })
}

fn check_rows(
    file: &Source,
    rows: &[Spanned<Requirement>],
    known: &BTreeSet<String>,
) -> Result<(), CatalogError> {
    let mut services: HashMap<&str, u32> = HashMap::new();
    for row in rows {
        *services.entry(&row.get_ref().service).or_default() += 1;
    }
    let mut names = HashSet::new();
    for spanned in rows {
        let row = spanned.get_ref();
        let fault = |key: &str, message: String| Err(file.fault(&file.key(&spanned.span(), key), message));
        match &row.row {
            None if services.get(row.service.as_str()).is_some_and(|count| *count > 1) => {
                let message =
                    format!("several rows have the service `{}`, so each needs a `row` name", row.service);
                return fault("service", message);
            }
            Some(name) if services.contains_key(name.as_str()) => {
                return fault(
                    "row",
                    format!("`{name}` is the name of a service of this product, so no row can have it"),
                );
            }
            Some(name) if !names.insert(name) => {
                return fault("row", format!("two rows are called `{name}`"));
            }
            _ => {}
        }
        for (key, role) in [("peer", &row.peer), ("host", &row.host)] {
            if let Some(role) = role
                && !known.contains(role)
            {
                let hint = did_you_mean(nearest(role, known.iter().map(String::as_str)));
                return fault(key, format!("there is no role `{role}`{hint}"));
            }
        }
        if let Some((key, message)) = contradiction(row) {
            return fault(key, message.to_string());
        }
    }
    Ok(())
}

/// What in a row contradicts the rest of it: the key to look at, and why.
fn contradiction(row: &Requirement) -> Option<(&'static str, &'static str)> {
    let wrong_end = |port: u16| match row.parity {
        None => false,
        Some(Parity::Even) => !port.is_multiple_of(2),
        Some(Parity::Odd) => port.is_multiple_of(2),
    };
    let listener_fits = match row.initiator {
        Initiator::Peer => row.listener == Listener::Device,
        Initiator::Device => row.listener != Listener::Device,
        Initiator::Either => row.listener != Listener::Peer,
    };
    let mut transports = row.transports.clone();
    transports.sort_unstable();
    transports.dedup();
    let checks = [
        (row.ports.is_empty() && !row.dynamic, "table", "a row without `ports` has to be `dynamic`"),
        (
            row.ports.iter().any(|(low, high)| wrong_end(*low) || wrong_end(*high)),
            "parity",
            "the range ends on a port of the other parity",
        ),
        (
            !listener_fits,
            "listener",
            "who opens the connection and where the ports are contradict each other",
        ),
        (
            row.inbound.iter().any(|ports| !row.ports.contains(ports)),
            "inbound",
            "these are not among the row's `ports`",
        ),
        (
            !row.inbound.is_empty() && row.listener != Listener::Peer,
            "inbound",
            "only a row whose ports are the peer's can have `inbound` ones",
        ),
        (transports.len() != row.transports.len(), "transports", "a transport is listed twice"),
        (
            row.transport_inferred && row.transports.is_empty(),
            "transport-inferred",
            "there is no transport that was inferred",
        ),
        (
            row.stated_severity == Some(Need::Internal),
            "stated-severity",
            "a guide states mandatory, recommended or optional",
        ),
        (
            row.internal_only != (row.severity == Need::Internal),
            "severity",
            "`internal` and `internal-only` go together",
        ),
        (
            row.external && row.listener != Listener::Peer,
            "external",
            "the ports of an external server are the peer's",
        ),
        (row.doubtful && row.notes.is_none(), "doubtful", "`notes` have to say what is doubtful"),
    ];
    checks.into_iter().find(|(wrong, ..)| *wrong).map(|(_, key, message)| (key, message))
}

const NAME_RULE: &str = "a name is made of lower-case letters, digits and hyphens";

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('-').all(part)
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map_or(String::new(), |name| format!("; the nearest is `{name}`"))
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String) -> Source {
        Source { path, text }
    }

    fn is_roles(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == ROLES)
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, CatalogError> {
        toml::from_str(&self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            self.fault(&span, shorten(error.message()))
        })
    }

    /// The value of a key of the table whose span is given, or the span itself where the key is not there.
    fn key(&self, table: &Range<usize>, key: &str) -> Range<usize> {
        let rest = self.text.get(table.start..).unwrap_or("");
        let mut start = table.start;
        for (index, line) in rest.split_inclusive('\n').enumerate() {
            if index > 0 && line.starts_with('[') {
                break;
            }
            if let Some((name, value)) = line.split_once('=')
                && name.trim() == key
            {
                let at = start + line.len() - value.trim_start().len();
                return at..at + value.trim().len();
            }
            start += line.len();
        }
        table.clone()
    }

    fn fault(&self, span: &Range<usize>, message: String) -> CatalogError {
        let mut at = span.start.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_text: String =
            self.text[start..].lines().next().unwrap_or("").chars().take(EXCERPT).collect();
        let line = self.text[..start].matches('\n').count() + 1;
        let column = self.text[start..at].chars().count() + 1;
        let shown = line_text.chars().count();
        let marked =
            self.text.get(at..span.end.max(at)).unwrap_or("").lines().next().unwrap_or("").chars().count();
        let marks = marked.min((shown + 1).saturating_sub(column)).max(1);
        let gutter = line.to_string().len();
        let under =
            if column <= EXCERPT { " ".repeat(column - 1) + &"^".repeat(marks) } else { "…".to_string() };
        let excerpt = format!("{:gutter$} |\n{line} | {line_text}\n{:gutter$} | {under}", "", "");
        CatalogError::Invalid { path: self.path.clone(), line, column, message, excerpt }
    }
}

/// The characters of a line that an excerpt shows.
const EXCERPT: usize = 120;

/// The parser's message on one line, with the nearest right word in place of a list of all.
fn shorten(message: &str) -> String {
    let message = message.lines().collect::<Vec<_>>().join("; ");
    let Some((fault, expected)) = message.split_once(", expected one of ") else { return message };
    let Some(word) = fault.split('`').nth(1) else { return message };
    let right = expected.split('`').skip(1).step_by(2);
    format!("{fault}{}", did_you_mean(nearest(word, right)))
}
