//! The report as a page: what it is made of and, where there is a browser, how it looks there.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use crate::common;

use std::path::PathBuf;
use std::process::Command;

use common::{Scratch, folder, pinhole};

/// The page about a scenario.
fn page(scenario: &str) -> String {
    pinhole(&folder("fixtures/scenarios").join(scenario), &["check", "--format", "html"])
}

#[test]
fn nothing_comes_from_elsewhere() {
    let text = page("h245-blocked");
    for word in [" src=", "href=", "url(http", "@import", "//cdn", "<iframe", "<link"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(text.matches("://").count(), text.matches("http://www.w3.org/2000/svg").count(), "{text}");
    assert!(text.contains("default-src 'none'"));
}

#[test]
fn it_tells_what_the_report_tells() {
    let text = page("h245-blocked");
    for part in [
        "pinhole: 1 error, 1 warning</h1>",
        "data-severity=\"error\" data-file=\"edge.rules\" data-devices=\"mcu-1\"",
        "<p class=\"message\">mcu-1 cannot be reached by h323-entity in zone internet on H.245 (tcp 1024-1324)</p>",
        "<p class=\"place\">edge.rules:14</p>",
        "╰ this rule drops it",
        "<pre class=\"mend\">-A FORWARD -i eth0 -o eth1 -d 10.1.2.10 -p tcp -m tcp --dport 1024:1324 -j ACCEPT</pre>",
        "aria-label=\"Ports of mcu-1\"",
        "<h2>Who reaches whom</h2>",
        "<td class=\"blocked\"",
        "<h2>Calls that do not work</h2>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let healthy = page("healthy");
    assert!(healthy.contains("pinhole: no findings") && healthy.contains("<td class=\"open\""));
    assert!(!healthy.contains("Calls that do not work") && !healthy.contains("<td class=\"blocked\""));
}

#[test]
fn what_is_open_beyond_need_is_drawn() {
    let text = page("jitsi-old-guide");
    assert!(text.contains("class=\"wide\"") && text.contains("udp 10001-20000: PH201"), "{text}");
}

#[test]
fn text_of_a_config_is_no_markup() {
    let scratch = Scratch::new("page");
    scratch.write(
        "a<b>.rules",
        "*filter\n-A INPUT -m \"<script>alert(1)</script>\u{1b}[31m\" -j ACCEPT\nCOMMIT\n",
    );
    let text = pinhole(&scratch.0, &["check", "--format", "html", "a<b>.rules"]);
    assert!(!text.contains("<script>alert") && !text.contains('\u{1b}') && !text.contains("a<b>"), "{text}");
    assert!(text.contains("&lt;script&gt;alert(1)") && text.contains("a&lt;b&gt;.rules"), "{text}");
}

#[test]
fn configs_without_a_site_have_a_page_too() {
    let scratch = Scratch::new("page-alone");
    scratch.write("pf.conf", "block all\npass all\n");
    let text = pinhole(&scratch.0, &["check", "--format", "html", "pf.conf"]);
    assert!(text.contains("PH202") && !text.contains("Who reaches whom"), "{text}");
}

#[test]
fn elements_close() {
    const EMPTY: [&str; 6] = ["meta", "input", "br", "!DOCTYPE", "rect", "line"];
    let text = page("h245-blocked");
    let text = text.split("<script>").next().unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !tag.ends_with('/') && (!EMPTY.contains(&name) || name == "rect") {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"]);
}

/// A browser without a window, where there is one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell"];
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// What a browser makes of a page: its document, when the scripts have run, and what it logs.
fn opened(page: &str, script: &str) -> Option<(String, String)> {
    let Some(browser) = browser() else {
        println!("skipped: there is no chromium");
        return None;
    };
    let scratch = Scratch::new("browser");
    // What the test does to the page stands at its end.
    scratch.write("page.html", page.replace("</body>", &format!("<script>{script}</script></body>")));
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", scratch.0.join("profile").display()))
        .arg(format!("file://{}", scratch.0.join("page.html").display()))
        .output()
        .unwrap();
    Some((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn a_browser_runs_the_filters() {
    let scratch = Scratch::new("filters");
    scratch.write("a.conf", "block all\npass all\n").write("b.conf", "block all\npass all\nnonsense\n");
    let text = pinhole(&scratch.0, &["check", "--format", "html", "a.conf", "b.conf", "--dialect", "pf"]);
    let script = "var f=document.getElementById('filters');f.elements.file.value='b.conf';\
                  f.querySelector('[value=warning]').checked=false;f.dispatchEvent(new Event('change'));\
                  document.title='log:'+document.getElementById('shown').textContent+'|'+\
                  Array.prototype.filter.call(document.querySelectorAll('article'),function(a){return !a.hidden})\
                  .map(function(a){return a.dataset.file+' '+a.dataset.severity}).join(',')+'|'+\
                  document.querySelectorAll('input,select').length+' '+\
                  Array.prototype.every.call(document.querySelectorAll('input,select'),function(e){e.focus();return \
                  document.activeElement===e});";
    let Some((document, log)) = opened(&text, script) else { return };
    let title = document.split("<title>log:").nth(1).unwrap_or_else(|| panic!("{log}\n{document}"));
    let title = title.split("</title>").next().unwrap();
    let parts: Vec<&str> = title.split('|').collect();
    assert!(parts[0].ends_with("shown") && !parts[0].starts_with('0'), "{title}");
    assert!(parts[1].split(',').all(|shown| shown == "b.conf error"), "{title}");
    assert_eq!(parts[2], "5 true", "{title}");
    assert!(!log.contains("CONSOLE") && !log.contains("Refused to"), "{log}");
}
