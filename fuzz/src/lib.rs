//! What is done with arbitrary bytes, and what has to hold then: pinhole ends in order, a config is never refused, JSON
//! is JSON, and nothing that a terminal would obey is printed.

use std::cell::RefCell;
use std::path::PathBuf;

use pinhole::cli::run_line;

/// A folder with what stands around the bytes.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn with<T>(work: impl FnOnce(&Place) -> T) -> T {
        thread_local! {
            static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
        }
        PLACE.with_borrow_mut(|place| {
            work(place.get_or_insert_with(|| Place { folder: tempfile::tempdir().expect("a folder") }))
        })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    }
}

/// Runs a command line; what is printed has to be harmless, and JSON where that was asked for.
fn run(args: &[&str]) -> u8 {
    let mut out = Vec::new();
    let code = run_line(args, &mut out);
    let text = std::str::from_utf8(&out).expect("what is printed is UTF-8");
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    // Diffs keep the ends of lines as the file has them.
    let shown = text.replace("\r\n", "\n");
    assert!(!shown.contains(obeyed), "{args:?} prints {:?}", shown.chars().find(|c| obeyed(*c)));
    if code != 2 && args.windows(2).any(|pair| matches!(pair, ["--format", "json" | "sarif" | "gitlab"])) {
        serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    }
    if code != 2 && args.contains(&"jsonl") {
        text.lines().for_each(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        });
    }
    code
}

const FORMS: [&str; 9] =
    ["human", "concise", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown"];

/// A config of a language: the first byte chooses what is asked of it.
pub fn config(dialect: &str, data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    Place::with(|place| {
        let file = place.file("config", text);
        let read = ["--dialect", dialect, &file];
        let packet = "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1";
        let asked: Vec<&str> = match choice % 16 {
            form @ 0..9 => vec!["check", "--no-site", "--format", FORMS[usize::from(form)]],
            9 => vec!["check", "--no-site", "--diff", "--unsafe-fixes"],
            10 => vec!["check", "--format", "json", "--product", "scopia-elite-5200@10.1.2.10"],
            11 => vec!["model"],
            12 => vec!["model", "--format", "json"],
            13 => vec!["trace", "--packet", packet],
            14 => vec!["trace", "--packet", packet, "--format", "json"],
            _ => vec!["tidy", "--diff"],
        };
        let code = run(&[asked.as_slice(), &read].concat());
        // `trace` and `tidy` have nothing to do where nothing was read.
        assert!(code != 2 || choice % 16 >= 13, "a config was refused");
    });
}

const RULES: &[u8] = b"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -m conntrack \
--ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -d 10.1.2.10/32 -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n";

const SITE: &str = r#"
[[zone]]
name = "internet"
[[zone]]
name = "video"
networks = ["10.1.2.0/24"]
[[firewall]]
name = "edge"
config = ["edge.rules"]
interfaces = { eth0 = "internet", eth1 = "video" }
[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10"]
[[peer]]
role = "h323-entity"
zone = "internet"
"#;

/// A site file.
pub fn site(data: &[u8]) {
    Place::with(|place| {
        place.file("edge.rules", RULES);
        let file = place.file("pinhole.toml", data);
        run(&["check", "--format", "json", "--site", &file]);
        run(&["matrix", "--site", &file]);
        run(&["explain", "--to", "mcu-1", "--site", &file]);
    });
}

/// A product of a catalog.
pub fn catalog(data: &[u8]) {
    Place::with(|place| {
        let file = place.file("products/product.toml", data);
        let folder = file.trim_end_matches("/product.toml");
        run(&["catalog", "list", "--catalog", folder]);
        run(&["catalog", "export", "--format", "json", "--catalog", folder]);
        let config = place.file("edge.rules", RULES);
        run(&["check", "--no-site", "--catalog", folder, "--product", "mine@10.1.2.10", &config]);
    });
}

/// A call of one's own.
pub fn calls(data: &[u8]) {
    Place::with(|place| {
        place.file("edge.rules", RULES);
        let site = place.file("pinhole.toml", SITE.as_bytes());
        let file = place.file("calls/mine.toml", data);
        let folder = file.trim_end_matches("/mine.toml");
        let asked = ["explain", "--from", "internet", "--to", "mcu-1", "--call", "mine"];
        run(&[&asked[..], &["--format", "json", "--calls", folder, "--site", &site]].concat());
    });
}

/// A log of dropped packets.
pub fn log(data: &[u8]) {
    Place::with(|place| {
        place.file("edge.rules", RULES);
        let site = place.file("pinhole.toml", SITE.as_bytes());
        let file = place.file("drops.log", data);
        run(&["explain", "--site", &site, "--log", &file]);
        run(&["explain", "--site", &site, "--log", &file, "--format", "json"]);
    });
}

/// Packets for `trace`.
pub fn packets(data: &[u8]) {
    Place::with(|place| {
        let (config, file) = (place.file("edge.rules", RULES), place.file("packets.jsonl", data));
        run(&["trace", "--no-site", &config, "--packets", &file, "--format", "jsonl"]);
    });
}

/// Two configs, parted by a byte that is in no text: the first byte chooses their languages and the form.
pub fn changes(data: &[u8]) {
    let Some((choice, texts)) = data.split_first() else { return };
    let mut sides = texts.splitn(2, |byte| *byte == 0xff);
    let (Some(old), Some(new)) = (sides.next(), sides.next()) else { return };
    let languages = ["iptables", "nftables", "pf", "asa"];
    let (one, other) = (languages[usize::from(choice & 3)], languages[usize::from(choice >> 2 & 3)]);
    let form = ["human", "json", "markdown", "sarif"][usize::from(choice >> 4 & 3)];
    Place::with(|place| {
        let (old, new) = (place.file("old", old), place.file("new", new));
        run(&[
            "diff",
            "--no-site",
            "--dialect-old",
            one,
            "--dialect-new",
            other,
            "--format",
            form,
            &old,
            &new,
        ]);
    });
}

/// Messages of an editor: lines, each the body of one.
pub fn editor(data: &[u8]) {
    let mut stream = Vec::new();
    for body in data.split(|byte| *byte == b'\n') {
        stream.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        stream.extend_from_slice(body);
    }
    let mut out = Vec::new();
    pinhole::cli::serve_editor(stream, &mut out);
    assert!(std::str::from_utf8(&out).is_ok());
}
