//! `pinhole schema`: JSON Schema of what pinhole reads and writes.
//!
//! What is written from types of ours is described by them; what is read or written by hand has its schema as data.

use std::io::Write;

use clap::Args;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

use super::Failure;
use crate::explain::told::{Told, ToldEntry};
use crate::report;
use crate::spelling::nearest;

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

static FORMS: [Form; 7] = [
    Form {
        name: "site",
        what: "the site file, `pinhole.toml`",
        schema: || parsed(include_str!("site.json")),
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
    Form {
        name: "explain",
        what: "what `pinhole explain --format json` prints",
        schema: || Ok(written::<Told>().to_value()),
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
];

fn parsed(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str(text)
}

/// The schema of what a type is written as.
fn written<T: JsonSchema>() -> Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

/// Runs `pinhole schema`.
pub(super) fn run(args: &SchemaArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        for Form { name, what, .. } in &FORMS {
            writeln!(out, "{name:9}{what}")?;
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
