//! When to use colours and links.

use std::io::IsTerminal;

/// When to use colours.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set; or where FORCE_COLOR or CLICOLOR_FORCE is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    /// Whether to colour what goes to a stream.
    pub(super) fn on(self, stream: &impl IsTerminal) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let zero = |name: &str| std::env::var_os(name).is_some_and(|value| value == "0");
        match self {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") => false,
            ColorChoice::Auto if set("FORCE_COLOR") => !zero("FORCE_COLOR"),
            ColorChoice::Auto if set("CLICOLOR_FORCE") && !zero("CLICOLOR_FORCE") => true,
            ColorChoice::Auto => {
                stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// When places are links.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Hyperlinks {
    /// On a terminal that is known to open them
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Hyperlinks {
    /// Whether standard output has links.
    pub(super) fn on(self) -> bool {
        match self {
            Hyperlinks::Auto => supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout),
            Hyperlinks::Always => true,
            Hyperlinks::Never => false,
        }
    }
}
