//! `pinhole init`: a first site file, made of what the configs tell.

mod guess;
mod look;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::input::{InputArgs, load_all};
use super::{Failure, save};
use crate::catalog::Catalog;
use crate::discover;
use crate::report::clean;
use crate::site::FILE_NAME;
use crate::source::SourceMap;

use look::Seen;

/// Arguments of `pinhole init`.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// The folder with the configs; the site file is written into it
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print the site file, write nothing
    #[arg(long)]
    stdout: bool,
    /// Replace a site file that is there
    #[arg(long, conflicts_with = "stdout")]
    force: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// Runs `pinhole init`.
pub(super) fn run(args: &InitArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let path = args.folder.join(FILE_NAME);
    if !args.stdout && !args.force && path.exists() {
        let path = path.display();
        return Err(Failure::usage(format!(
            "`{path}` is there already; `--force` replaces it, `--stdout` prints another"
        )));
    }
    let mut sources = SourceMap::new();
    let seen = look(args, &mut sources)?;
    let text = text::site_file(&seen, &Catalog::bundled()?);
    if args.stdout {
        out.write_all(text.as_bytes())?;
        return Ok(0);
    }
    save::whole(&path, |file| file.write_all(text.as_bytes()))?;
    writeln!(out, "{} is written; now read it, and run `pinhole check`", clean(&path.to_string_lossy()))?;
    for firewall in &seen {
        let files: Vec<String> =
            firewall.files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        let interfaces: Vec<&str> = firewall.interfaces.keys().map(String::as_str).collect();
        let interfaces = if interfaces.is_empty() { "none".to_string() } else { interfaces.join(", ") };
        let line = format!("  {}: {}; interfaces: {interfaces}", firewall.name, files.join(", "));
        writeln!(out, "{}", clean(&line))?;
    }
    Ok(0)
}

/// Reads the configs of a folder, firewall by firewall.
fn look(args: &InitArgs, sources: &mut SourceMap) -> Result<Vec<Seen>, Failure> {
    let found = discover::read(std::slice::from_ref(&args.folder), &args.input.options()?, sources);
    if found.configs.is_empty() {
        return Err(Failure::Several(found.failures.into_iter().map(Failure::from).collect()));
    }
    let mut groups: Vec<(String, Vec<discover::ConfigFile>)> = Vec::new();
    for config in found.configs {
        let path = &sources.file(config.id).path;
        let name = look::name(path.strip_prefix(&args.folder).unwrap_or(path));
        // IPv4 and IPv6 of iptables lie in two files of nearly one name.
        match groups.iter_mut().find(|(known, files)| *known == name && files[0].dialect == config.dialect) {
            Some((_, files)) => files.push(config),
            None => groups.push((name, vec![config])),
        }
    }
    let mut seen: Vec<Seen> = Vec::new();
    for (name, configs) in groups {
        let environment = args.input.environment(None, sources)?;
        let files: Vec<_> = configs.iter().map(|config| config.id).collect();
        let loaded = load_all(configs[0].dialect, sources, &files, &environment);
        let paths = files.iter().map(|id| {
            let path = &sources.file(*id).path;
            path.strip_prefix(&args.folder).unwrap_or(path).to_path_buf()
        });
        let taken = seen.iter().filter(|other| other.name == name).count();
        let name = if taken == 0 { name } else { format!("{name}-{}", configs[0].dialect.name()) };
        seen.push(Seen::of(name, paths.collect(), configs[0].dialect, loaded.ruleset));
    }
    Ok(seen)
}

/// A path as site files write it.
fn written(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
