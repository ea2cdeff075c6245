//! Reading the files of calls, and what makes them acceptable.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{Call, Calls, NAMES, Need, Stage, Through, Ways, Who};
use crate::catalog::{Catalog, CatalogError, Source, Transport, did_you_mean};
use crate::fence;
use crate::ports;
use crate::site::RoutingMode as Mode;
use crate::source;
use crate::spelling::nearest;

/// Path and text of each file under `rules/calls`, sorted; `build.rs` lists them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/calls.rs"));

/// Calls that are tried first where nobody names one.
const FIRST: [&str; 6] = ["h323", "h460", "webrtc", "sip", "desktop", "management"];

/// A call: one file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CallFile {
    /// The name by which `--call` means it.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// The name for people.
    title: String,
    /// The call whose stages it has.
    #[schemars(with = "Option<String>")]
    like: Option<Spanned<String>>,
    /// How the gatekeeper works.
    mode: Option<Mode>,
    /// What it leaves of some stages of the call that it is like.
    only: Option<Only>,
    /// The roles of a caller of which nobody says what it is.
    #[schemars(with = "Option<Vec<String>>")]
    caller: Option<Vec<Spanned<String>>>,
    /// Likewise of the called end.
    #[schemars(with = "Option<Vec<String>>")]
    called: Option<Vec<Spanned<String>>>,
    /// Roles that are looked for where the call makes no sense with those of `caller`.
    #[schemars(with = "Option<Vec<String>>")]
    or_caller: Option<Vec<Spanned<String>>>,
    /// Likewise for `called`.
    #[schemars(with = "Option<Vec<String>>")]
    or_called: Option<Vec<Spanned<String>>>,
    /// Stages without which it makes no sense between two products.
    #[schemars(with = "Option<Vec<String>>")]
    needs: Option<Vec<Spanned<String>>>,
    /// Its signalling is encrypted: helpers cannot read it.
    #[serde(default)]
    encrypted: bool,
    /// Why helpers of firewalls open nothing for it.
    no_helpers: Option<String>,
    /// The stages, in the order in which they happen.
    #[serde(default)]
    #[schemars(with = "Vec<StageFile>")]
    stage: Vec<Spanned<StageFile>>,
}

/// What a call that is like another one leaves of some of its stages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Only {
    /// These services alone.
    services: Vec<String>,
    /// These transports alone.
    transports: Vec<Transport>,
    /// The stages.
    stages: Vec<String>,
}

/// A stage of a call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StageFile {
    /// One of the names of stages, or a service of the stage.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// The name for people.
    title: String,
    /// Who opens it: `a`, the caller; `b`; `each` of both; or a role.
    #[schemars(with = "String")]
    from: Spanned<String>,
    /// To whom: the first of these who offers the services.
    #[schemars(with = "Vec<String>")]
    to: Vec<Spanned<String>>,
    /// Which ways it has to get through.
    #[serde(default)]
    ways: Ways,
    /// Who takes part in between.
    #[schemars(with = "Option<Through>")]
    through: Option<Spanned<Through>>,
    /// The catalog's services that it uses.
    #[schemars(with = "Vec<String>")]
    services: Vec<Spanned<String>>,
    /// Those that are looked for where nobody offers the others.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    or_services: Vec<Spanned<String>>,
    /// The services whose ports packets come from, where these are not the same.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    source_services: Vec<Spanned<String>>,
    /// The transports; what rows say where empty.
    #[serde(default)]
    transports: Vec<Transport>,
    /// One of the services and transports is enough.
    #[serde(default)]
    any: bool,
    /// The ports of an end of which no catalog says them: `5060`, `1024-65535`.
    #[schemars(with = "Option<String>")]
    ports: Option<Spanned<String>>,
    /// How much it is needed.
    need: Need,
    /// Stages without which it is not reached.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    after: Vec<Spanned<String>>,
    /// Stages that stand in for it, in the order in which they are tried.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    instead: Vec<Spanned<String>>,
    /// Stages that it needs where it stands in.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    with: Vec<Spanned<String>>,
    /// What the answer depends on where it is blocked and yet may not be needed.
    unless: Option<String>,
    /// What the answer depends on where one way is blocked, and the connection of the other could carry it.
    carried: Option<String>,
    /// What the answer depends on where one way alone gets through, and one is enough.
    opens: Option<String>,
    /// What is worse where it stands in for another stage.
    worse: Option<String>,
    /// What people notice is what the product's row says in `notice`, where nothing gets through.
    #[serde(default)]
    row_symptom: bool,
    /// What people notice where nothing gets through, in whole sentences.
    symptom: String,
    /// Likewise where one way does.
    symptom_one_way: Option<String>,
    /// Likewise where part of the ports does.
    symptom_part: Option<String>,
    /// Likewise where RTCP alone does not.
    symptom_control: Option<String>,
}

impl Calls {
    /// The calls that are part of the program.
    pub fn bundled(catalog: &Catalog) -> Result<Calls, CatalogError> {
        let file = |(name, text): &(&str, &str)| Source::new(PathBuf::from(name), (*text).to_string());
        let mut calls = merge(Calls::default(), &FILES.iter().map(file).collect::<Vec<_>>(), catalog)?;
        let place = |call: &Call| FIRST.iter().position(|name| *name == call.name).unwrap_or(FIRST.len());
        calls.calls.sort_by_key(place);
        Ok(calls)
    }

    /// The bundled calls with those of folders on top, [`Calls::load_dir`].
    pub fn with<'p>(
        catalog: &Catalog,
        folders: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Result<Calls, CatalogError> {
        let folders = folders.into_iter();
        folders.fold(Calls::bundled(catalog), |calls, folder| calls?.load_dir(folder, catalog))
    }

    /// These calls with those of a folder on top: one with the name of a known one replaces it.
    pub fn load_dir(self, dir: &Path, catalog: &Catalog) -> Result<Calls, CatalogError> {
        let failed = |error| CatalogError::Read { path: dir.to_path_buf(), error };
        let mut paths = Vec::new();
        for entry in fence::pass(dir).and_then(|()| std::fs::read_dir(dir)).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(CatalogError::NoCalls(dir.to_path_buf()));
        }
        paths.sort();
        let read = |path: PathBuf| match source::text_of(&path) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(error) => Err(CatalogError::Read { path, error }),
        };
        merge(self, &paths.into_iter().map(read).collect::<Result<Vec<_>, _>>()?, catalog)
    }
}

fn merge(mut calls: Calls, files: &[Source], catalog: &Catalog) -> Result<Calls, CatalogError> {
    let known = Known::of(catalog);
    let mut likes = Vec::new();
    for file in files {
        let parsed: CallFile = file.parse()?;
        match &parsed.like {
            Some(_) => likes.push((file, parsed)),
            None => add(&mut calls, known.call(file, parsed, None)?),
        }
    }
    for (file, parsed) in likes {
        let Some(like) = &parsed.like else { continue };
        let Some(model) = calls.call(like.get_ref()).cloned() else {
            let hint = did_you_mean(calls.nearest(like.get_ref()));
            return Err(file.fault(&like.span(), format!("there is no call `{}`{hint}", like.get_ref())));
        };
        add(&mut calls, known.call(file, parsed, Some(model))?);
    }
    Ok(calls)
}

fn add(calls: &mut Calls, call: Call) {
    match calls.calls.iter_mut().find(|known| known.name == call.name) {
        Some(known) => *known = call,
        None => calls.calls.push(call),
    }
}

/// What the catalog knows.
struct Known<'a> {
    catalog: &'a Catalog,
    services: FxHashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        let rows = catalog.products().iter().flat_map(|product| &product.requirements);
        Known { catalog, services: rows.map(|row| row.service.as_str()).collect() }
    }

    fn call(&self, file: &Source, parsed: CallFile, model: Option<Call>) -> Result<Call, CatalogError> {
        let stages = parsed.stage.into_iter().map(|stage| self.stage(file, stage));
        let stages = stages.collect::<Result<Vec<(Stage, Named)>, CatalogError>>()?;
        let names: Vec<&str> = stages.iter().map(|(stage, _)| stage.name.as_str()).collect();
        let needs = parsed.needs.unwrap_or_default();
        let referred = stages.iter().flat_map(|(_, named)| named);
        if let Some(word) = referred.chain(&needs).find(|word| !names.contains(&word.get_ref().as_str())) {
            let hint = did_you_mean(nearest(word.get_ref(), names.iter().copied()));
            let message = format!("the call has no stage `{}`{hint}", word.get_ref());
            return Err(file.fault(&word.span(), message));
        }
        let stages: Vec<Stage> = stages.into_iter().map(|(stage, _)| stage).collect();
        let roles = |words: Option<Vec<Spanned<String>>>| match words {
            Some(words) => self.roles(file, words).map(Some),
            None => Ok(None),
        };
        let (caller, called) = (roles(parsed.caller)?, roles(parsed.called)?);
        let (or_caller, or_called) = (roles(parsed.or_caller)?, roles(parsed.or_called)?);
        let mut call = match model {
            Some(model) => Call { name: parsed.name.into_inner(), title: parsed.title, ..model },
            None if stages.is_empty() => {
                return Err(file.fault(&parsed.name.span(), "the call has no stages".to_string()));
            }
            None => Call {
                name: parsed.name.into_inner(),
                title: parsed.title,
                caller: Vec::new(),
                called: Vec::new(),
                or_caller: Vec::new(),
                or_called: Vec::new(),
                needs: needs.into_iter().map(Spanned::into_inner).collect(),
                mode: None,
                encrypted: false,
                no_helpers: None,
                stages,
            },
        };
        call.caller = caller.unwrap_or(call.caller);
        call.called = called.unwrap_or(call.called);
        call.or_caller = or_caller.unwrap_or(call.or_caller);
        call.or_called = or_called.unwrap_or(call.or_called);
        call.mode = parsed.mode.or(call.mode);
        call.encrypted |= parsed.encrypted;
        call.no_helpers = parsed.no_helpers.or(call.no_helpers);
        parsed.only.iter().for_each(|only| narrow(&mut call, only));
        Ok(call)
    }

    fn stage(&self, file: &Source, parsed: Spanned<StageFile>) -> Result<(Stage, Named), CatalogError> {
        let stage = parsed.into_inner();
        let services = |words| self.services(file, words);
        let tag = stage.services.iter().any(|service| service.get_ref() == stage.name.get_ref());
        if !NAMES.contains(&stage.name.get_ref().as_str()) && !tag {
            let hint = did_you_mean(nearest(stage.name.get_ref(), NAMES));
            let message = format!(
                "`{}` is neither the name of a stage nor a service of it{hint}",
                stage.name.get_ref()
            );
            return Err(file.fault(&stage.name.span(), message));
        }
        if let Some(through) = &stage.through {
            self.role(file, &through.get_ref().role, &through.span())?;
        }
        let ports = match &stage.ports {
            Some(text) => {
                ports::list(text.get_ref()).map_err(|error| file.fault(&text.span(), error.to_string()))?
            }
            None => Vec::new(),
        };
        let to = stage.to.iter().map(|word| self.who(file, word)).collect::<Result<Vec<Who>, _>>()?;
        let named: Named =
            [&stage.after, &stage.instead, &stage.with].into_iter().flatten().cloned().collect();
        let words = |words: Vec<Spanned<String>>| words.into_iter().map(Spanned::into_inner).collect();
        let made = Stage {
            from: self.who(file, &stage.from)?,
            to,
            name: stage.name.into_inner(),
            title: stage.title,
            ways: stage.ways,
            through: stage.through.map(Spanned::into_inner),
            services: services(stage.services)?,
            or_services: services(stage.or_services)?,
            source_services: services(stage.source_services)?,
            transports: stage.transports,
            any: stage.any,
            ports,
            need: stage.need,
            after: words(stage.after),
            instead: words(stage.instead),
            with: words(stage.with),
            unless: stage.unless,
            carried: stage.carried,
            opens: stage.opens,
            worse: stage.worse,
            row_symptom: stage.row_symptom,
            symptom: stage.symptom,
            symptom_one_way: stage.symptom_one_way,
            symptom_part: stage.symptom_part,
            symptom_control: stage.symptom_control,
        };
        Ok((made, named))
    }

    fn who(&self, file: &Source, word: &Spanned<String>) -> Result<Who, CatalogError> {
        Ok(match word.get_ref().as_str() {
            "a" => Who::Caller,
            "b" => Who::Called,
            "each" => Who::Each,
            role => {
                self.role(file, role, &word.span())?;
                Who::Role(role.to_string())
            }
        })
    }

    fn role(&self, file: &Source, role: &str, span: &Range<usize>) -> Result<(), CatalogError> {
        if self.catalog.role(role).is_some() {
            return Ok(());
        }
        let hint = did_you_mean(self.catalog.nearest_role(role));
        Err(file.fault(span, format!("there is no role `{role}`{hint}")))
    }

    fn roles(&self, file: &Source, words: Vec<Spanned<String>>) -> Result<Vec<String>, CatalogError> {
        words.iter().try_for_each(|word| self.role(file, word.get_ref(), &word.span()))?;
        Ok(words.into_iter().map(Spanned::into_inner).collect())
    }

    fn services(&self, file: &Source, words: Vec<Spanned<String>>) -> Result<Vec<String>, CatalogError> {
        if let Some(word) = words.iter().find(|word| !self.services.contains(word.get_ref().as_str())) {
            let hint = did_you_mean(nearest(word.get_ref(), self.services.iter().copied()));
            let message = format!("no product of the catalog has the service `{}`{hint}", word.get_ref());
            return Err(file.fault(&word.span(), message));
        }
        Ok(words.into_iter().map(Spanned::into_inner).collect())
    }
}

/// Names of other stages that a stage mentions.
type Named = Vec<Spanned<String>>;

/// Leaves of some stages these services and transports alone.
fn narrow(call: &mut Call, only: &Only) {
    for stage in call.stages.iter_mut().filter(|stage| only.stages.contains(&stage.name)) {
        stage.services.retain(|service| only.services.contains(service));
        stage.transports.clone_from(&only.transports);
    }
}
