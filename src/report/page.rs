//! What all pages of HTML begin and end with.

use std::io::{self, Write};

use super::markup::html;

/// The look of pages.
const STYLE: &str = include_str!("html/page.css");

/// The head of a page, up to its body.
pub(crate) fn begin(title: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>pinhole: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        html(title)
    )
}

/// The end of a page, with its script if it has one.
pub(crate) fn end(script: &str, out: &mut impl Write) -> io::Result<()> {
    if !script.is_empty() {
        writeln!(out, "<script>{script}</script>")?;
    }
    writeln!(out, "</body>\n</html>")
}
