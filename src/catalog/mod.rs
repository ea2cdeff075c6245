//! The port catalog: which product needs which ports, who opens the connection, and what fails without it.
//!
//! A catalog is a folder of TOML files: one for each product, in folders by vendor or project, and `roles.toml` for
//! the roles that a requirement can name as its peer. The bundled one, `rules/catalog`, holds every row of the
//! port-security guide 7.5 of the SCOPIA products (31 tables; `table` fields are its table numbers) and the products
//! that people run today. Users' own catalogs have the same form and the same rights: [`Catalog::load_dir`].
//!
//! Facts are kept as printed and readings beside them: `direction` and `stated_severity` are the guide's,
//! `initiator`, `listener` and `severity` are ours. Where a document contradicts itself or is silent about
//! something that a verdict rests on, the row is `doubtful`, and its notes say why.

mod bundled;
mod consistent;
mod document;
pub mod export;
mod file;
mod load;
mod network;
mod ports;
mod row;
mod signalling;
mod sizing;
#[cfg(test)]
mod tests;
mod version;

pub use document::Document;
pub use file::CatalogError;
pub(crate) use file::{Source, did_you_mean};
pub(crate) use load::{ProductFile, RolesFile};
pub use network::Network;
pub use row::{
    ByDesign, Confined, Direction, Helper, Initiator, Listener, Need, Parity, Requirement, Transport, Zone,
};
pub use sizing::{Sizing, narrowest};
pub use version::Version;

/// Products and roles.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    products: Vec<Product>,
    roles: Vec<Role>,
}

/// One product, with all that it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// The name by which a site file means it: lower-case letters, digits and hyphens.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// Other names that are understood.
    pub aliases: Vec<String>,
    /// Who makes it: a company or a project.
    pub vendor: Option<String>,
    /// The product that this is a component of, where it can stand on a host of its own.
    pub part_of: Option<String>,
    /// The documents that its rows are taken from.
    pub documents: Vec<Document>,
    /// What holds for the product as a whole.
    pub notes: Option<String>,
    /// The roles that its own file says it fills.
    pub fills: Vec<String>,
    /// Its security modes. They belong to the product: `high` means different things to an MCU and a gateway.
    pub modes: Vec<SecurityMode>,
    /// How many ports it takes for what it carries at once.
    pub sizings: Vec<Sizing>,
    /// What firewalls must not read of its signalling.
    pub uninspected: Option<Uninspected>,
    /// All roles that it fills, implied ones too, sorted.
    pub roles: Vec<String>,
    /// Its rows, in the order of its file.
    pub requirements: Vec<Requirement>,
}

/// What a document says firewalls must not read: the product gets through translation in its own way.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uninspected {
    /// The documents that say so.
    pub source: Vec<String>,
    /// The helpers that must not have its signalling.
    pub helpers: Vec<Helper>,
}

/// A security mode: which services of the device are on.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityMode {
    /// The document's table; empty where the document has none.
    #[serde(default)]
    pub table: String,
    /// The documents that it stands in.
    #[serde(default)]
    pub source: Vec<String>,
    /// Its name, in lower case; empty where somebody says which services are on and off in place of a name.
    pub name: String,
    /// Whether the Telnet server is on; `None` where the document does not say.
    pub telnet: Option<bool>,
    /// Whether the FTP server is on.
    pub ftp: Option<bool>,
    /// Whether SNMP is on.
    pub snmp: Option<bool>,
    /// Whether the device answers ICMP echo requests (ping).
    pub icmp: Option<bool>,
    /// Other services that are on.
    #[serde(default)]
    pub on: Vec<String>,
    /// Other services that are off.
    #[serde(default)]
    pub off: Vec<String>,
    /// What else it changes, in whole sentences.
    pub notes: Option<String>,
}

impl SecurityMode {
    /// The services that the port guide's modes have switches for, whether a product has rows of them or not.
    pub const SWITCHED: [&str; 4] = ["telnet", "ftp", "snmp", "icmp"];

    /// A mode that no document describes: what somebody turned on and off.
    pub fn own(on: Vec<String>, off: Vec<String>) -> Self {
        let told = |service: &str| {
            let listed = |services: &[String]| services.iter().any(|listed| listed == service);
            listed(&off).then_some(false).or(listed(&on).then_some(true))
        };
        SecurityMode {
            table: String::new(),
            source: Vec::new(),
            name: String::new(),
            telnet: told("telnet"),
            ftp: told("ftp"),
            snmp: told("snmp"),
            icmp: told("icmp"),
            on,
            off,
            notes: None,
        }
    }

    /// Whether a service is on; `None` for the services that the mode does not speak of.
    pub fn is_on(&self, service: &str) -> Option<bool> {
        let listed = |services: &[String]| services.iter().any(|listed| listed == service);
        match service {
            "telnet" => self.telnet,
            "ftp" => self.ftp,
            "snmp" => self.snmp,
            "icmp" => self.icmp,
            _ if listed(&self.off) => Some(false),
            _ if listed(&self.on) => Some(true),
            _ => None,
        }
    }
}

/// A role that a product or a peer of the site can fill.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name, such as `h323-entity`.
    pub name: String,
    /// What fills it, in words: `an H.323 endpoint, gateway or MCU`.
    pub title: String,
    /// Products that fill it although their own files do not say so: those of another catalog.
    #[serde(default)]
    pub products: Vec<String>,
    /// Roles that whoever fills this one fills too.
    #[serde(default)]
    pub implies: Vec<String>,
    /// Those who fill it are there anyway, and say nothing of how a system is set up: a row's `condition` does not
    /// hold because of them.
    #[serde(default)]
    pub endpoint: bool,
}

/// A row that uses a port, found by [`Catalog::search`].
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The product whose row it is.
    pub product: &'a Product,
    /// The row.
    pub requirement: &'a Requirement,
}

impl Catalog {
    /// All products, in the order of their files; those of users' catalogs follow.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// All roles.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The product with this name or alias; case does not matter.
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.is_called(name))
    }

    /// The product name or alias that a misspelt one most likely means.
    pub fn nearest_product(&self, name: &str) -> Option<&str> {
        let names = self
            .products
            .iter()
            .flat_map(|product| std::iter::once(&product.name).chain(&product.aliases).map(String::as_str));
        crate::spelling::nearest(name, names)
    }

    /// The role with this name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The role name that a misspelt one most likely means.
    pub fn nearest_role(&self, name: &str) -> Option<&str> {
        crate::spelling::nearest(name, self.roles.iter().map(|role| role.name.as_str()))
    }

    /// The role itself and all that it implies, directly or through others, sorted. Empty for no role at all.
    pub fn implied_roles(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<&Role> = self.role(name).into_iter().collect();
        let mut next = 0;
        while let Some(role) = found.get(next).copied() {
            for implied in &role.implies {
                if !found.iter().any(|known| known.name == *implied) {
                    found.extend(self.role(implied));
                }
            }
            next += 1;
        }
        let mut names: Vec<&str> = found.into_iter().map(|role| role.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The components of a product: those that say that they are part of it.
    pub fn components<'a>(&'a self, product: &'a Product) -> impl Iterator<Item = &'a Product> {
        self.products.iter().filter(move |part| part.part_of.as_deref() == Some(product.name.as_str()))
    }

    /// The vendor whose name a word is; case does not matter.
    pub fn vendor(&self, name: &str) -> Option<&str> {
        self.vendors().find(|vendor| vendor.eq_ignore_ascii_case(name))
    }

    /// The vendors of all products.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.products.iter().filter_map(|product| product.vendor.as_deref())
    }

    /// Every row that uses a port, those with the fewest ports first. Parity counts: an even range does not use
    /// an odd port.
    pub fn search(&self, port: u16) -> Vec<Use<'_>> {
        let mut uses: Vec<Use> = self
            .products
            .iter()
            .flat_map(|product| {
                product.requirements.iter().map(move |requirement| Use { product, requirement })
            })
            .filter(|usage| usage.requirement.uses(port))
            .collect();
        uses.sort_by_key(|usage| usage.requirement.port_count());
        uses
    }
}

impl Product {
    /// Whether this is its name or one of its aliases; case does not matter.
    pub fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(&self.aliases).any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether it fills a role, directly or because another role of it implies that one.
    pub fn fills(&self, role: &str) -> bool {
        self.roles.binary_search_by(|known| known.as_str().cmp(role)).is_ok()
    }

    /// The security mode with this name; case does not matter.
    pub fn mode(&self, name: &str) -> Option<&SecurityMode> {
        self.modes.iter().find(|mode| mode.name.eq_ignore_ascii_case(name))
    }

    /// The rows that a word means: the one with that row name, else all with that service.
    pub fn rows_named(&self, name: &str) -> Vec<&Requirement> {
        match self.requirements.iter().find(|requirement| requirement.row.as_deref() == Some(name)) {
            Some(row) => vec![row],
            None => self.requirements.iter().filter(|requirement| requirement.service == name).collect(),
        }
    }

    /// The title of the first of some documents, else of the product's own.
    pub fn titled(&self, sources: &[String]) -> &str {
        let named = sources.iter().find_map(|id| self.document(id)).or(self.documents.first());
        named.map_or(self.title.as_str(), |document| document.document.as_str())
    }

    /// What is counted for a row's ports.
    pub fn sizing(&self, row: &Requirement) -> Option<&Sizing> {
        self.sizings.iter().find(|sizing| sizing.is_of(row))
    }

    /// The document with this id.
    pub fn document(&self, id: &str) -> Option<&Document> {
        self.documents.iter().find(|document| document.id == id)
    }

    /// The tables of documents that its rows and modes come from, each once, in order.
    pub fn tables(&self) -> Vec<&str> {
        let rows = self.requirements.iter().map(|requirement| requirement.table.as_str());
        let mut tables: Vec<&str> = Vec::new();
        for table in rows.chain(self.modes.iter().map(|mode| mode.table.as_str())) {
            if !table.is_empty() && !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }
}
