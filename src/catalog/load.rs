//! Reading catalog files, and what makes them acceptable.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use walkdir::WalkDir;

use super::file::{Source, did_you_mean};
use super::{
    Catalog, CatalogError, Confined, Document, Need, Product, Requirement, Role, SecurityMode, Sizing,
    Uninspected, bundled, consistent, signalling,
};
use crate::fence;
use crate::source;
use crate::spelling::nearest;

/// How deep folders may lie in a catalog's folder.
const DEPTH: usize = 8;

impl Catalog {
    /// The catalog that is part of the program.
    pub fn bundled() -> Result<Catalog, CatalogError> {
        let files =
            bundled::FILES.iter().map(|(name, text)| Source::new(PathBuf::from(name), (*text).to_string()));
        merge(Catalog::default(), &files.collect::<Vec<_>>())
    }

    /// The bundled catalog with those of folders on top, [`Catalog::load_dir`].
    pub fn with<'p>(folders: impl IntoIterator<Item = &'p PathBuf>) -> Result<Catalog, CatalogError> {
        folders.into_iter().try_fold(Catalog::bundled()?, |catalog, folder| catalog.load_dir(folder))
    }

    /// This catalog with the files of a folder, and of the folders in it, on top: a product with the name of a known
    /// one replaces it, a role with the name of a known one adds to it.
    pub fn load_dir(self, dir: &Path) -> Result<Catalog, CatalogError> {
        let failed = |error| CatalogError::Read { path: dir.to_path_buf(), error };
        fence::pass(dir).and_then(|()| std::fs::read_dir(dir)).map_err(failed)?;
        let mut paths = Vec::new();
        for entry in WalkDir::new(dir).max_depth(DEPTH) {
            let entry = entry.map_err(|error| failed(error.into()))?;
            if !entry.file_type().is_dir()
                && entry.path().extension().is_some_and(|extension| extension == "toml")
            {
                paths.push(entry.into_path());
            }
        }
        if paths.is_empty() {
            return Err(CatalogError::Empty(dir.to_path_buf()));
        }
        paths.sort();
        let read = |path: PathBuf| match source::text_of(&path) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(error) => Err(CatalogError::Read { path, error }),
        };
        let files = paths.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        merge(self, &files)
    }
}

/// A product and the ports that it needs: one file of a catalog.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProductFile {
    /// The name by which site files mean it: lower-case letters, digits and hyphens.
    #[schemars(with = "String", regex(pattern = NAME))]
    name: Spanned<String>,
    /// The name for people.
    title: String,
    /// Other names that are understood.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = NAME)))]
    aliases: Vec<Spanned<String>>,
    /// Who makes it: a company or a project.
    vendor: Option<String>,
    /// The product that this is a component of.
    #[schemars(with = "Option<String>")]
    part_of: Option<Spanned<String>>,
    /// The roles that it fills for the rows of others.
    #[schemars(with = "Option<Vec<String>>")]
    fills: Option<Vec<Spanned<String>>>,
    /// Short for one `[[source]]`: the version of the guide that `table` speaks of.
    guide: Option<String>,
    /// The documents that its rows are taken from.
    #[serde(default)]
    #[schemars(with = "Vec<Document>")]
    source: Vec<Spanned<Document>>,
    /// What holds for the product as a whole.
    notes: Option<String>,
    /// Its security modes.
    #[serde(default)]
    #[schemars(with = "Vec<SecurityMode>")]
    mode: Vec<Spanned<SecurityMode>>,
    /// How many ports it takes for what it carries at once.
    #[serde(default)]
    #[schemars(with = "Vec<Sizing>")]
    sizing: Vec<Spanned<Sizing>>,
    /// What firewalls must not read of its signalling.
    #[schemars(with = "Option<Uninspected>")]
    uninspected: Option<Spanned<Uninspected>>,
    /// What it needs from the network.
    #[serde(default)]
    #[schemars(with = "Vec<Requirement>")]
    requirement: Vec<Spanned<Requirement>>,
}

/// The roles of a catalog: its file `roles.toml`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolesFile {
    /// One role each.
    #[serde(default)]
    #[schemars(with = "Vec<Role>")]
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
    let mut wholes = Vec::new();
    for file in products {
        let product = read_product(file, &known)?;
        wholes.extend(product.part_of.clone().map(|whole| (file, whole)));
        loaded.push((file, product));
    }
    add_products(&mut catalog, loaded)?;
    for (file, whole) in &wholes {
        if !catalog.products.iter().any(|product| product.name == *whole.get_ref()) {
            let hint = did_you_mean(catalog.nearest_product(whole.get_ref()));
            let message = format!("there is no product `{}`{hint}", whole.get_ref());
            return Err(file.fault(&whole.span(), message));
        }
    }
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
            known.endpoint |= role.endpoint;
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
    let implied = |role: &String| catalog.implied_roles(role).into_iter().map(str::to_string).collect();
    let own: Vec<Vec<String>> = catalog
        .products
        .iter()
        .map(|product| product.fills.iter().flat_map(|role| -> Vec<String> { implied(role) }).collect())
        .collect();
    for (product, own) in catalog.products.iter_mut().zip(own) {
        product.roles = own;
        product.roles.extend(filled.remove(&product.name).unwrap_or_default());
        product.roles.sort_unstable();
        product.roles.dedup();
    }
}

/// A product with the places of what other files decide.
struct Loaded {
    product: Product,
    /// Its name and aliases.
    names: Vec<Spanned<String>>,
    /// The product that it is part of.
    part_of: Option<Spanned<String>>,
    /// Its file says which roles it fills; else it keeps those of the product that it replaces.
    fills: bool,
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
            Some(known) => {
                let kept = if new.fills { Vec::new() } else { std::mem::take(&mut known.fills) };
                *known = new.product;
                known.fills.extend(kept);
            }
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
    let documents = documents(file, parsed.guide, parsed.source)?;
    let fills: Vec<Spanned<String>> = parsed.fills.clone().unwrap_or_default();
    if let Some(role) = fills.iter().find(|role| !known.contains(role.get_ref())) {
        let hint = did_you_mean(nearest(role.get_ref(), known.iter().map(String::as_str)));
        return Err(file.fault(&role.span(), format!("there is no role `{}`{hint}", role.get_ref())));
    }
    let mut rows = parsed.requirement;
    for row in &mut rows {
        complete(row.get_mut(), &documents);
    }
    consistent::check(file, &rows, &documents, known)?;
    consistent::check_uninspected(file, parsed.uninspected.as_ref(), &documents)?;
    consistent::check_sizings(file, &parsed.sizing, &rows, &documents)?;
    let product = Product {
        name: parsed.name.into_inner(),
        title: parsed.title,
        aliases: names.iter().skip(1).map(|name| name.get_ref().clone()).collect(),
        vendor: parsed.vendor,
        part_of: parsed.part_of.as_ref().map(|whole| whole.get_ref().clone()),
        documents,
        notes: parsed.notes,
        fills: fills.into_iter().map(Spanned::into_inner).collect(),
        modes,
        sizings: parsed.sizing.into_iter().map(Spanned::into_inner).collect(),
        uninspected: parsed.uninspected.map(Spanned::into_inner),
        roles: Vec::new(),
        requirements: signalling::filled_in(rows.into_iter().map(Spanned::into_inner).collect()),
    };
    Ok(Loaded { product, names, part_of: parsed.part_of, fills: parsed.fills.is_some() })
}

/// The documents of a product.
fn documents(
    file: &Source,
    guide: Option<String>,
    sources: Vec<Spanned<Document>>,
) -> Result<Vec<Document>, CatalogError> {
    let mut documents: Vec<Document> = Vec::new();
    for source in sources {
        let document = source.get_ref();
        if documents.iter().any(|known| known.id == document.id) {
            let message = format!("two sources are called `{}`", document.id);
            return Err(file.fault(&file.key(&source.span(), "id"), message));
        }
        if !document.dated() {
            let message = "a date is written `2026-08-20`, `2026-08` or `2026`".to_string();
            return Err(file.fault(&file.key(&source.span(), "date"), message));
        }
        documents.push(source.into_inner());
    }
    if let Some(revision) = guide.filter(|_| documents.is_empty()) {
        documents.push(Document {
            id: "guide".to_string(),
            document: "port guide".to_string(),
            revision: Some(revision),
            date: None,
            secondary: false,
        });
    }
    Ok(documents)
}

/// What a row says without writing it: the only document where it names a table, that it is internal, that a setting
/// moves it.
fn complete(row: &mut Requirement, documents: &[Document]) {
    if let ([document], true) = (documents, row.source.is_empty() && !row.table.is_empty()) {
        row.source.push(document.id.clone());
    }
    row.internal_only |= row.severity == Need::Internal;
    row.configurable |= row.setting.is_some();
    if row.internal_only && row.confined.is_none() {
        row.confined = Some(Confined::Box);
    }
}

/// What [`is_name`] takes, for the schema.
const NAME: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

const NAME_RULE: &str = "a name is made of lower-case letters, digits and hyphens";

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('-').all(part)
}
