//! `pinhole schema`: JSON Schema of what pinhole reads and writes.
//!
//! What is written from types of ours is described by them; what is read or written by hand has its schema as data.

use std::io::Write;

use clap::Args;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

use super::Failure;
use super::config::Setting;
use super::rule;
use super::size::Sized;
use crate::calls::CallFile;
use crate::catalog::{ProductFile, RolesFile, export};
use crate::explain::told::{Told, ToldEntry};
use crate::explain::told_log::ToldLog;
use crate::explain::told_request::ToldRequest;
use crate::report;
use crate::spelling::nearest;
use crate::suppress::BaselineFile;

/// Arguments of `pinhole schema`.
#[derive(Args, Debug)]
pub(super) struct SchemaArgs {
    /// Which one; without it, all are listed
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// A form that has a schema.
struct Form {
    name: &'static str,
    what: &'static str,
    schema: fn() -> Result<Json, serde_json::Error>,
}

/// What files of TOML hold, then what commands print.
static FORMS: [Form; 21] = [
    Form {
        name: "site",
        what: "the site file, `pinhole.toml`",
        schema: || parsed(include_str!("site.json")),
    },
    Form {
        name: "product",
        what: "a file of a catalog: a product and the ports that it needs",
        schema: || Ok(read::<ProductFile>()),
    },
    Form { name: "roles", what: "the file `roles.toml` of a catalog", schema: || Ok(read::<RolesFile>()) },
    Form { name: "call", what: "a file of a call and its stages", schema: || Ok(read::<CallFile>()) },
    Form {
        name: "baseline",
        what: "the file that `pinhole check --write-baseline` writes",
        schema: || Ok(read::<BaselineFile>()),
    },
    Form {
        name: "check",
        what: "what `pinhole check --format json` prints",
        schema: || Ok(report::schemas().0.to_value()),
    },
    Form {
        name: "finding",
        what: "one line of `pinhole check --format jsonl`",
        schema: || Ok(report::schemas().1.to_value()),
    },
    Form { name: "diff", what: "what `pinhole diff --format json` prints", schema: diff },
    Form {
        name: "explain",
        what: "what `pinhole explain --format json` prints",
        schema: || Ok(written::<Told>().to_value()),
    },
    Form {
        name: "request",
        what: "what `pinhole explain --from END --to END TRAFFIC --format json` prints",
        schema: || Ok(written::<ToldRequest>().to_value()),
    },
    Form {
        name: "log",
        what: "what `pinhole explain --log FILE --format json` prints",
        schema: || Ok(written::<ToldLog>().to_value()),
    },
    Form {
        name: "matrix",
        what: "what `pinhole matrix --format json` prints",
        schema: || Ok(written::<Vec<ToldEntry>>().to_value()),
    },
    Form {
        name: "packet",
        what: "one line of `pinhole trace --packets`",
        schema: || parsed(include_str!("packet.json")),
    },
    Form {
        name: "trace",
        what: "one line of `pinhole trace --format jsonl`",
        schema: || parsed(include_str!("trace.json")),
    },
    Form {
        name: "model",
        what: "what `pinhole model --format json` prints",
        schema: || parsed(include_str!("model.json")),
    },
    Form {
        name: "catalog-export",
        what: "what `pinhole catalog export --format json` prints",
        schema: || Ok(written::<Vec<export::ExportedRow<'_>>>().to_value()),
    },
    Form {
        name: "catalog-modes",
        what: "what `pinhole catalog modes --format json` prints",
        schema: || Ok(written::<Vec<export::ExportedMode<'_>>>().to_value()),
    },
    Form {
        name: "catalog-sources",
        what: "what `pinhole catalog sources --format json` prints",
        schema: || Ok(written::<Vec<export::ExportedSource<'_>>>().to_value()),
    },
    Form {
        name: "size",
        what: "what `pinhole size PRODUCT --format json` prints",
        schema: || Ok(written::<Vec<Sized<'_>>>().to_value()),
    },
    Form {
        name: "rule",
        what: "what `pinhole rule --format json` prints",
        schema: || Ok(written::<Vec<rule::Told<'_>>>().to_value()),
    },
    Form {
        name: "config",
        what: "what `pinhole config show --format json` prints",
        schema: || Ok(written::<Vec<Setting>>().to_value()),
    },
];

fn parsed(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str(text)
}

/// The schema of what a type is written as.
fn written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The schema of a file that is read into a type. None of them has null, and what holds where a key is not written its
/// description says.
fn read<T: JsonSchema>() -> Json {
    fn plain(schema: &mut Schema) {
        schema.remove("default");
        if let Some(Json::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
        }
        if let Some(Json::Array(several)) = schema.get_mut("anyOf") {
            several.retain(|one| one["type"] != "null");
        }
    }
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a change, which holds findings and packets.
fn diff() -> Result<Json, serde_json::Error> {
    let mut diff = parsed(include_str!("diff.json"))?;
    let parts =
        [("Finding", report::schemas().1.to_value()), ("Packet", parsed(include_str!("packet.json"))?)];
    for (name, mut part) in parts {
        let Some(object) = part.as_object_mut() else { continue };
        object.remove("$schema");
        let Some(known) = diff["$defs"].as_object_mut() else { continue };
        if let Some(Json::Object(more)) = object.remove("$defs") {
            known.extend(more);
        }
        known.insert(name.to_string(), part);
    }
    Ok(diff)
}

/// Runs `pinhole schema`.
pub(super) fn run(args: &SchemaArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        for Form { name, what, .. } in &FORMS {
            writeln!(out, "{name:17}{what}")?;
        }
        return Ok(0);
    };
    let Some(form) = FORMS.iter().find(|form| form.name == name) else {
        let near = nearest(name, FORMS.iter().map(|form| form.name));
        let hint =
            near.map_or("`pinhole schema` lists all".to_string(), |near| format!("did you mean `{near}`?"));
        return Err(Failure::usage(format!("there is no schema `{name}`; {hint}")));
    };
    serde_json::to_writer_pretty(&mut *out, &(form.schema)()?)?;
    writeln!(out)?;
    Ok(0)
}
