//! Where reports go: each in its form, one to standard output and others to files.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{Failure, save};
use crate::report::{Format, HumanOptions, Report};

/// A report that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Output {
    format: Format,
    /// Standard output where `None`.
    file: Option<PathBuf>,
}

impl Output {
    /// Reads `FORM` or `FORM=FILE`.
    pub(super) fn parse(text: &str) -> Result<Output, String> {
        let (form, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the name of a file is missing after `=`".to_string()),
            Some((form, file)) => (form, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = Format::from_str(form, false).map_err(|_| {
            let all = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = all.map(|value| value.get_name().to_string()).collect();
            format!("there is no form `{form}`; the forms are {}", names.join(", "))
        })?;
        Ok(Output { format, file })
    }
}

/// The form that goes to standard output; the human one where nothing is said.
pub(super) fn on_stdout(outputs: &[Output]) -> Option<Format> {
    match outputs {
        [] => Some(Format::Human),
        some => some.iter().find(|output| output.file.is_none()).map(|output| output.format),
    }
}

/// Whether a form was asked for.
pub(super) fn any(outputs: &[Output], format: Format) -> bool {
    outputs.iter().any(|output| output.format == format)
}

/// Writes a report in all forms that were asked for.
pub(super) fn write(
    outputs: &[Output],
    report: &Report<'_>,
    options: &HumanOptions,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let shown = outputs.iter().filter(|output| output.file.is_none()).count();
    if shown > 1 {
        return Err(Failure::usage(
            "--format: only one report can go to standard output; give the others a file, as in `sarif=out.sarif`",
        ));
    }
    for Output { format, file } in outputs {
        let Some(path) = file else { continue };
        let plain = HumanOptions { color: false, links: false, ..*options };
        save::whole(path, |file| report.write(*format, &plain, file))?;
    }
    if let Some(format) = on_stdout(outputs) {
        Failure::unless_closed(report.write(format, options, out).and_then(|()| out.flush()))?;
    }
    Ok(())
}
