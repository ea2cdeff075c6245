//! What keeps pinhole from its work.

use std::fmt;
use std::io::{self, Write};

use super::catalog::CatalogFailure;
use super::color::ColorChoice;
use crate::catalog::CatalogError;
use crate::discover::DiscoverError;
use crate::finding::Finding;
use crate::source::{SourceError, SourceMap};
use crate::suppress::BaselineError;
use crate::{progress, report};

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// Bad arguments, or a file that cannot be used.
    Message(String),
    /// A folder that holds no config.
    NoConfig(String),
    /// A site file that cannot be used: what is wrong with it.
    Site(Box<SourceMap>, Vec<Finding>),
    /// Several things, none of which kept the rest from being done.
    Several(Vec<Failure>),
    /// The report could not be written.
    Output(io::Error),
}

impl Failure {
    /// Bad arguments, or a file that cannot be used.
    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure::Message(message.into())
    }

    /// Passes over that whoever reads the output has seen enough of it, as `head` does: what was found keeps
    /// its exit code.
    pub(super) fn unless_closed(written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Tells the user, and gives the exit code.
    pub(super) fn report(&self, color: ColorChoice) -> u8 {
        if let Failure::Several(failures) = self {
            return failures.iter().map(|failure| failure.report(color)).max().unwrap_or(2);
        }
        progress::end();
        let err = io::stderr().lock();
        let color = color.on(&err);
        let mut err = report::Screen::new(err, color);
        // Where standard error is closed, too, the exit code has to say it all.
        let _ = match self {
            // Whoever reads the report has seen enough of it, as `head` does.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
            Failure::Several(_) | Failure::Output(_) | Failure::Message(_) | Failure::NoConfig(_) => {
                writeln!(err, "error: {self}")
            }
            Failure::Site(sources, findings) => {
                report::fatal(sources, findings, color, &mut err).and_then(|()| {
                    writeln!(err, "error: the site file cannot be used, nothing was checked with it")
                })
            }
        }
        .and_then(|()| err.flush());
        2
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Message(message) | Failure::NoConfig(message) => {
                let lines: Vec<String> = message.lines().map(report::clean).collect();
                f.write_str(&lines.join("\n"))
            }
            Failure::Site(..) => f.write_str("the site file cannot be used"),
            Failure::Several(failures) => {
                let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
                f.write_str(&all.join("\n"))
            }
            Failure::Output(error) => write!(f, "cannot write the report: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Output(error.into())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        // A name may have line ends in it; the message has none.
        Failure::Message(report::clean(&error.to_string()))
    }
}

impl From<BaselineError> for Failure {
    fn from(error: BaselineError) -> Self {
        Failure::Message(report::clean(&error.to_string()))
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Failure::Message(error.to_string())
    }
}

impl From<CatalogFailure> for Failure {
    fn from(failure: CatalogFailure) -> Self {
        match failure {
            CatalogFailure::Output(error) => Failure::Output(error),
            other => Failure::Message(other.to_string()),
        }
    }
}

impl From<DiscoverError> for Failure {
    fn from(error: DiscoverError) -> Self {
        let message = report::clean(&error.to_string());
        match error {
            DiscoverError::NoConfig(_) => Failure::NoConfig(message),
            _ => Failure::Message(message),
        }
    }
}
