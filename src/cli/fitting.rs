//! `pinhole completions` and `pinhole man`: made of the definitions of the command line itself.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Failure, save};

/// Arguments of `pinhole completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Runs `pinhole completions`.
pub(super) fn completions(args: &CompletionsArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pinhole", &mut script);
    out.write_all(&script)?;
    Ok(0)
}

/// Arguments of `pinhole man`.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The command whose page is printed; else that of pinhole itself
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs `pinhole man`.
pub(super) fn man(args: &ManArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let pages = pages()?;
    if let Some(folder) = &args.dir {
        for (name, page) in &pages {
            save::whole(&folder.join(format!("{name}.1")), |file| file.write_all(page))?;
        }
        return Ok(0);
    }
    let wanted = args.command.as_ref().map_or("pinhole".to_string(), |command| format!("pinhole-{command}"));
    match pages.iter().find(|(name, _)| *name == wanted) {
        Some((_, page)) => out.write_all(page)?,
        None => {
            return Err(Failure::usage(format!(
                "there is no page `{wanted}`; `pinhole help` lists the commands"
            )));
        }
    }
    Ok(0)
}

/// The pages of all commands by their names, such as `pinhole-catalog-list`.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut all = Cli::command();
    all.build();
    let mut waiting: Vec<(String, Command)> = vec![("pinhole".to_string(), all)];
    let mut pages = Vec::new();
    while let Some((name, command)) = waiting.pop() {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        waiting.extend(below.map(|below| (format!("{name}-{}", below.get_name()), below.clone())));
        let mut page = Vec::new();
        Man::new(command.clone().display_name(name.clone())).title(name.to_uppercase()).render(&mut page)?;
        environment(&command, &mut page)?;
        pages.push((name, page));
    }
    pages.sort();
    Ok(pages)
}

/// The section about variables that stand for options.
fn environment(command: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    let variables = command.get_arguments().filter_map(|arg| Some((arg.get_env()?, arg.get_long()?)));
    for (at, (variable, long)) in variables.enumerate() {
        if at == 0 {
            writeln!(page, ".SH ENVIRONMENT")?;
        }
        let long = long.replace('-', "\\-");
        writeln!(page, ".TP\n\\fB{}\\fR\nStands for \\fB\\-\\-{long}\\fR.", variable.to_string_lossy())?;
    }
    Ok(())
}
