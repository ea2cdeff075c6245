//! The command line: arguments in, exit code out.
//!
//! Exit codes: 0 nothing to complain of, 1 findings at or above the failing severity, 2 the work could not
//! be done. Reports go to standard output, what kept pinhole from its work goes to standard error.

mod bug;
mod catalog;
mod check;
mod color;
mod config;
mod configs;
mod diff;
mod explain;
mod failure;
mod filter;
mod fitting;
mod fix;
mod init;
mod input;
mod journal;
mod journey;
mod listing;
#[cfg(feature = "lsp")]
mod lsp;
mod markdown;
mod matrix;
#[cfg(feature = "mcp")]
mod mcp;
mod model;
mod normalized;
mod outputs;
mod packets;
mod redact;
mod rule;
mod save;
mod schema;
mod sites;
mod size;
mod table;
mod tidy;
mod timings;
mod trace;
mod views;
mod whole;

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use color::ColorChoice;
use failure::Failure;
use input::ConfigArgs;

use crate::progress::{self, Ending};
use crate::report::Screen;
use crate::{source, threads};

/// Bytes that are written at a time.
const OUTPUT_BUFFER: usize = 256 * 1024;

/// Findings that the human form prints; the others are counted.
const MAX_FINDINGS: usize = 100;

/// Checks firewall configs against the ports that video-conferencing products need.
#[derive(Parser, Debug)]
#[command(name = "pinhole", version, long_version = env!("PINHOLE_VERSION"), about, arg_required_else_help = true, help_expected = true)]
struct Cli {
    /// When to use colours; `auto` looks at the terminal, NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE
    #[arg(long, value_enum, global = true, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
    /// How many threads to work on; as many as there are cores without it
    #[arg(long, short, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Say nothing on the terminal of work that lasts
    #[arg(long, global = true)]
    no_progress: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check firewall configs
    Check(check::CheckArgs),
    /// Tell what a change of configs opens, closes, breaks and mends
    Diff(diff::DiffArgs),
    /// Explain why a call works or does not: stage by stage, firewall by firewall
    Explain(explain::ExplainArgs),
    /// Print who must reach whom on which ports at the site, and whether they can
    Matrix(matrix::MatrixArgs),
    /// Take out the rules that do nothing
    Tidy(tidy::TidyArgs),
    /// Follow packets through the rules of a firewall
    Trace(trace::TraceArgs),
    /// Print the normalized rules of configs
    Model(model::ModelArgs),
    /// Print the port catalog: products, ports, and what fails without them
    Catalog(catalog::CatalogArgs),
    /// Tell how many ports a product takes for its connections, and the narrowest range that holds them
    Size(size::SizeArgs),
    /// List the lint rules, or print the page of one
    Rule(rule::RuleArgs),
    /// Write a first site file, made of what the configs of a folder tell
    Init(init::InitArgs),
    /// Tell how configs would be checked, and who says so
    Config(config::ConfigArgs),
    /// Serve an editor: findings as you type, what a rule does, changes that mend
    #[cfg(feature = "lsp")]
    Lsp(lsp::LspArgs),
    /// Serve an assistant that speaks the Model Context Protocol: the commands as tools, for the current folder
    #[cfg(feature = "mcp")]
    Mcp(mcp::McpArgs),
    /// Print the JSON Schema of the site file, or of a form of output
    Schema(schema::SchemaArgs),
    /// Print what completes commands in a shell
    Completions(fitting::CompletionsArgs),
    /// Print manual pages
    Man(fitting::ManArgs),
}

impl Command {
    /// Takes in paths that a file lists.
    fn take_lists(&mut self) -> Result<(), Failure> {
        match self {
            Command::Check(args) => args.take_list(),
            Command::Tidy(args) => args.take_list(),
            _ => Ok(()),
        }
    }

    /// Whether it does work that can last, and is not a server.
    fn lasts(&self) -> bool {
        match self {
            Command::Check(_)
            | Command::Diff(_)
            | Command::Explain(_)
            | Command::Matrix(_)
            | Command::Tidy(_)
            | Command::Trace(_)
            | Command::Model(_)
            | Command::Init(_) => true,
            #[cfg(feature = "lsp")]
            Command::Lsp(_) => false,
            #[cfg(feature = "mcp")]
            Command::Mcp(_) => false,
            Command::Catalog(_)
            | Command::Size(_)
            | Command::Rule(_)
            | Command::Config(_)
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Man(_) => false,
        }
    }

    /// Whether the output has colours of its own.
    fn colors(&self) -> bool {
        match self {
            Command::Check(args) => args.colors(),
            Command::Diff(args) => args.colors(),
            Command::Explain(args) => args.colors(),
            Command::Matrix(args) => args.colors(),
            Command::Rule(_) => true,
            #[cfg(feature = "lsp")]
            Command::Lsp(_) => false,
            #[cfg(feature = "mcp")]
            Command::Mcp(_) => false,
            Command::Tidy(_)
            | Command::Trace(_)
            | Command::Model(_)
            | Command::Catalog(_)
            | Command::Size(_)
            | Command::Init(_)
            | Command::Config(_)
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Man(_) => false,
        }
    }
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    bug::tell_of_bugs();
    // What went wrong has been said where the work ends early.
    std::panic::catch_unwind(parse_and_run).unwrap_or(ExitCode::from(2))
}

fn parse_and_run() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Help and version are no errors; where they cannot be printed, nobody listens.
            let _ = print(&error);
            return ExitCode::from(code);
        }
    };
    if let Err(failure) = cli.command.take_lists() {
        return ExitCode::from(failure.report(cli.color));
    }
    threads::limit(cli.jobs.map_or(0, usize::from));
    if !cli.no_progress && cli.command.lasts() {
        progress::begin();
    }
    let stdout = std::io::stdout().lock();
    let color = cli.color.on(&stdout) && cli.command.colors();
    ExitCode::from(answer(&cli, Ending(stdout), color))
}

/// Runs one command line, without the name of the program, in this process, and gives the exit code. What it prints goes
/// to `out`, and what kept it from its work to standard error.
pub fn run_line(args: &[&str], out: &mut impl Write) -> u8 {
    let Ok(mut cli) = Cli::try_parse_from(["pinhole"].iter().chain(args)) else { return 2 };
    match cli.command.take_lists() {
        Ok(()) => answer(&cli, out, false),
        Err(failure) => failure.report(cli.color),
    }
}

/// Answers the messages of an editor as `pinhole lsp` does, and gives the exit code.
#[cfg(feature = "lsp")]
pub fn serve_editor(messages: Vec<u8>, out: &mut impl Write) -> u8 {
    let served = lsp::serve(Vec::new(), || std::io::Cursor::new(messages), out);
    served.unwrap_or_else(|failure| failure.report(ColorChoice::Never))
}

fn answer(cli: &Cli, stream: impl Write, color: bool) -> u8 {
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER, Screen::new(stream, color));
    let done = run(cli, &mut out).and_then(|code| Failure::unless_closed(out.flush()).map(|()| code));
    progress::end();
    match done {
        Ok(code) => code,
        Err(failure) => {
            // What was done goes before what could not be.
            let _ = out.flush();
            failure.report(cli.color)
        }
    }
}

/// Prints what is wrong with the arguments, which are data as well, or the help that was asked for.
fn print(error: &clap::Error) -> std::io::Result<()> {
    let text = error.render();
    let print = |stream: &mut dyn Write, color: bool| {
        let text = if color { text.ansi().to_string() } else { text.to_string() };
        let mut screen = Screen::new(stream, color);
        screen.write_all(text.as_bytes())?;
        screen.flush()
    };
    match error.use_stderr() {
        true => {
            let mut err = std::io::stderr().lock();
            let color = ColorChoice::Auto.on(&err);
            print(&mut err, color)
        }
        false => {
            let mut out = std::io::stdout().lock();
            let color = ColorChoice::Auto.on(&out);
            print(&mut out, color)
        }
    }
}

fn run(cli: &Cli, out: &mut impl Write) -> Result<u8, Failure> {
    match &cli.command {
        Command::Check(args) => check::run(args, cli.color, out),
        Command::Diff(args) => diff::run(args, args.colors() && cli.color.on(&std::io::stdout()), out),
        Command::Explain(args) => explain::run(args, cli.color, out),
        Command::Matrix(args) => matrix::run(args, cli.color, out),
        Command::Tidy(args) => tidy::run(args, out),
        Command::Trace(args) => trace::run(args, out),
        Command::Model(args) => model::run(args, out),
        Command::Catalog(args) => match catalog::run(args, out) {
            Ok(()) => Ok(0),
            Err(catalog::CatalogFailure::Output(error)) => Err(error.into()),
            Err(failure) => Err(Failure::usage(failure.to_string())),
        },
        Command::Size(args) => size::run(args, out),
        Command::Rule(args) => rule::run(args, cli.color, out),
        Command::Init(args) => init::run(args, out),
        Command::Config(args) => config::run(args, out),
        #[cfg(feature = "lsp")]
        Command::Lsp(args) => lsp::run(args),
        #[cfg(feature = "mcp")]
        Command::Mcp(args) => mcp::run(args),
        Command::Schema(args) => schema::run(args, out),
        Command::Completions(args) => fitting::completions(args, out),
        Command::Man(args) => fitting::man(args, out),
    }
}

/// Opens a file for reading by lines; `-` is standard input.
fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    match source::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(Failure::usage(format!("cannot read `{}`: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
