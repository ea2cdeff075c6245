//! `pinhole config show`: how configs would be checked, and who says so.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::Failure;
use super::configs::places;
use super::filter::{Certainty, FilterArgs};
use super::input::SiteArgs;
use crate::report::{clean, json};
use crate::rule::{LINTS, Lint};
use crate::site::{Settings, Site};
use crate::source::{SourceMap, Span};

/// Arguments of `pinhole config`.
#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Print every setting of `pinhole check` with its value and where that comes from
    Show(ShowArgs),
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The config or folder that would be checked; else the current folder
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// As in `pinhole check`
    #[arg(long = "catalog", value_name = "DIR", env = "PINHOLE_CATALOG", value_delimiter = ':')]
    catalogs: Vec<PathBuf>,
    /// As in `pinhole check`
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    format: ShowFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ShowFormat {
    /// A line for each setting
    #[default]
    Human,
    /// A list of objects with `key`, `value`, `origin`, `file` and `line`
    Json,
}

/// One setting.
#[derive(Serialize, JsonSchema)]
pub(super) struct Setting {
    key: String,
    value: String,
    /// `default`, `site file`, `found`, `command line` or `environment`.
    origin: &'static str,
    /// Where in the site file.
    file: Option<String>,
    line: Option<u32>,
}

/// Runs `pinhole config`.
pub(super) fn run(args: &ConfigArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let ConfigCommand::Show(args) = &args.command;
    let mut sources = SourceMap::new();
    let paths: Vec<PathBuf> = args.path.iter().cloned().collect();
    let mut site = args.site.load(places(&paths).iter().map(PathBuf::as_path), &mut sources)?;
    let told = Show { args, sources: &sources }.settings(&mut site)?;
    match args.format {
        ShowFormat::Json => {
            json(&told, out)?;
            writeln!(out)?;
        }
        ShowFormat::Human => {
            let width = told.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
            for Setting { key, value, origin, file, line } in &told {
                let mut text = format!("{key:width$} = {value}  ({origin}");
                if let (Some(file), Some(line)) = (file, line) {
                    let _ = write!(text, " {file}:{line}");
                }
                writeln!(out, "{})", clean(&text))?;
            }
        }
    }
    Ok(0)
}

struct Show<'a> {
    args: &'a ShowArgs,
    sources: &'a SourceMap,
}

impl Show<'_> {
    fn settings(&self, site: &mut Site) -> Result<Vec<Setting>, Failure> {
        let args = self.args;
        let path = site.path.as_ref().map_or("none".to_string(), |path| path.display().to_string());
        let found = if site.path.is_some() { "found" } else { "default" };
        let origin = args.site.told_by().unwrap_or(found);
        let mut all = vec![plain("site file", path, origin)];
        all.extend(self.filters(&site.settings));
        all.extend(self.judged(&site.settings));
        all.extend(self.read_too(site));
        args.filter.apply(&mut site.settings)?;
        let on = LINTS.len() - site.settings.selection.left_out();
        all.push(plain("rules that speak", format!("{on} of {}", LINTS.len()), "all of these"));
        Ok(all)
    }

    /// What decides which findings are shown, and which of them fail the run.
    fn filters(&self, settings: &Settings) -> Vec<Setting> {
        let filter = &self.args.filter;
        let fail_on = filter.fail_on(settings).name();
        let by_variable = std::env::var("PINHOLE_FAIL_ON").is_ok_and(|value| value == fail_on);
        let mut all = vec![match filter.fail_on {
            Some(_) if by_variable => plain("fail-on", fail_on.to_string(), "environment"),
            Some(_) => plain("fail-on", fail_on.to_string(), "command line"),
            None => self.placed("fail-on", fail_on.to_string(), place(settings, "fail-on")),
        }];
        let only = settings.selection.only.as_deref();
        all.push(match filter.select.is_empty() {
            false => plain("select", filter.select.join(", "), "command line"),
            true => self.placed("select", listed(only), place(settings, "select")),
        });
        let left_out = &settings.selection.without;
        if !left_out.is_empty() {
            all.push(self.placed("ignore", listed(Some(left_out)), place(settings, "ignore")));
        }
        if !filter.ignore.is_empty() {
            all.push(plain("ignore", filter.ignore.join(", "), "command line"));
        }
        if let Some(least) = filter.min_severity {
            all.push(plain("min-severity", least.name().to_string(), "command line"));
        }
        if filter.certainty == Certainty::Definite {
            all.push(plain("certainty", "definite".to_string(), "command line"));
        }
        all
    }

    /// How findings are judged, and which are accepted.
    fn judged(&self, settings: &Settings) -> Vec<Setting> {
        let mut all = Vec::new();
        for (lint, level) in &settings.severity {
            let key = format!("severity.{}", lint.code);
            all.push(self.placed(&key, level.name().to_string(), place(settings, "severity")));
        }
        let wide = settings.wide_range.to_string();
        all.push(self.placed("thresholds.wide-range", wide, place(settings, "thresholds")));
        let names: Vec<&str> = settings.services.iter().map(|service| service.name.as_str()).collect();
        all.push(self.placed("check.service", names.join(", "), place(settings, "service")));
        for entry in &settings.accepted {
            let place = entry.file.as_ref().map_or(String::new(), |file| format!(" in {}", file.display()));
            let until = entry.expires.map_or(String::new(), |last| format!(" until {last}"));
            let value = format!("{}{place}{until}: {}", listed(Some(&entry.lints)), entry.reason);
            all.push(self.placed("check.ignore", value, Some(entry.span)));
        }
        all
    }

    /// The files and folders that are read beside the configs.
    fn read_too(&self, site: &Site) -> Vec<Setting> {
        let (args, settings) = (self.args, &site.settings);
        let mut all = vec![match (&args.baseline, &settings.baseline) {
            (Some(path), _) => plain("baseline", path.display().to_string(), "command line"),
            (None, Some(path)) => {
                self.placed("baseline", path.display().to_string(), place(settings, "baseline"))
            }
            (None, None) => plain("baseline", "none".to_string(), "default"),
        }];
        for folder in &site.catalogs {
            all.push(self.placed("catalog", folder.display().to_string(), place(settings, "catalog")));
        }
        let variable = std::env::var_os("PINHOLE_CATALOG").is_some();
        for folder in &args.catalogs {
            let origin = if variable { "environment" } else { "command line" };
            all.push(plain("catalog", folder.display().to_string(), origin));
        }
        for folder in &site.calls {
            all.push(self.placed("calls", folder.display().to_string(), place(settings, "calls")));
        }
        all
    }

    /// A setting of the site file, or the default where it is not there.
    fn placed(&self, key: &str, value: String, span: Option<Span>) -> Setting {
        let Some(span) = span else { return plain(key, value, "default") };
        let file = self.sources.file_of(span);
        Setting {
            key: key.to_string(),
            value,
            origin: "site file",
            file: file.map(|file| file.path.to_string_lossy().into_owned()),
            line: file.map(|file| file.place(span.start).line),
        }
    }
}

/// Where the site file says this.
fn place(settings: &Settings, key: &str) -> Option<Span> {
    settings.origins.get(key).copied()
}

fn plain(key: &str, value: String, origin: &'static str) -> Setting {
    Setting { key: key.to_string(), value, origin, file: None, line: None }
}

fn listed(lints: Option<&[&Lint]>) -> String {
    match lints {
        None => "all".to_string(),
        Some(lints) => lints.iter().map(|lint| lint.code).collect::<Vec<_>>().join(", "),
    }
}
