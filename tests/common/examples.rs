//! The examples on the pages of lints.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

/// An example on the page of a lint.
pub(crate) struct Example<'p> {
    /// What stands behind the three backticks.
    pub info: &'p str,
    /// The language, `fail` or `pass`, and arguments.
    pub words: Vec<&'p str>,
    /// The config.
    pub config: String,
    /// The site file that stands before it.
    pub site: Option<&'p str>,
}

/// The examples on a page.
pub(crate) fn examples(page: &str) -> Vec<Example<'_>> {
    let mut examples = Vec::new();
    let mut site = None;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (info, config) = block.split_once('\n').unwrap();
        match info {
            "toml site" => site = Some(config),
            _ => examples.push(Example {
                info,
                words: info.split_whitespace().collect(),
                config: format!("{config}\n"),
                site: site.take(),
            }),
        }
    }
    examples
}
