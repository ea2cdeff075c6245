//! The server for editors, over standard input and output, with the messages that editors send.

#![cfg(feature = "lsp")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use common::Scratch;

/// How long an answer may take at most.
const LONG: Duration = Duration::from_secs(60);

/// An editor that has started the server.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    next: u64,
    /// Diagnostics that came in between.
    told: Vec<Value>,
}

impl Editor {
    fn start() -> Editor {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Editor { child, input, messages, next: 0, told: Vec::new() }
    }

    /// An editor that has said hello.
    fn begun(capabilities: Value) -> (Editor, Value) {
        let mut editor = Editor::start();
        let params = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        let answer = editor.ask("initialize", params);
        editor.say("initialized", json!({}));
        (editor, answer)
    }

    fn plain() -> Editor {
        Editor::begun(json!({})).0
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // The server may have gone already.
        let _ = self.input.as_mut().unwrap().write_all(bytes);
        let _ = self.input.as_mut().unwrap().flush();
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn say(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn receive(&mut self) -> Value {
        self.messages.recv_timeout(LONG).unwrap()
    }

    /// Asks, and waits for the answer; what is told in between is kept.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                return message;
            }
            self.told.push(message);
        }
    }

    fn open(&mut self, path: &Path, text: &str) {
        let item = json!({ "uri": uri(path), "languageId": "plaintext", "version": 1, "text": text });
        self.say("textDocument/didOpen", json!({ "textDocument": item }));
    }

    fn change(&mut self, path: &Path, version: i32, changes: Value) {
        let document = json!({ "uri": uri(path), "version": version });
        self.say("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    /// What the server says of a document once it has looked at all: a question makes it do so.
    fn diagnostics(&mut self, path: &Path) -> Vec<Value> {
        self.ask("textDocument/codeAction", all_of(path));
        let of = |message: &&Value| message["params"]["uri"] == json!(uri(path));
        let last = self.told.iter().rfind(of).unwrap();
        last["params"]["diagnostics"].as_array().unwrap().clone()
    }

    fn at(&mut self, method: &str, path: &Path, line: u32, column: u32) -> Value {
        let asked = json!({
            "textDocument": { "uri": uri(path) },
            "position": { "line": line, "character": column },
            "context": { "includeDeclaration": true },
        });
        self.ask(method, asked)["result"].clone()
    }

    /// Closes the stream, and waits for the end; the exit code and what was printed on standard error.
    fn end(mut self) -> (i32, String) {
        drop(self.input.take());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                return (status.code().unwrap(), err);
            }
            assert!(begun.elapsed() < LONG, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn shut(mut self) {
        self.ask("shutdown", Value::Null);
        self.say("exit", Value::Null);
        assert_eq!(self.end(), (0, String::new()));
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        length = line.strip_prefix("Content-Length: ").unwrap().trim().parse().unwrap();
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn all_of(path: &Path) -> Value {
    json!({
        "textDocument": { "uri": uri(path) },
        "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 99999, "character": 0 } },
        "context": { "diagnostics": [] },
    })
}

const DUMP: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:GUARD - [0:0]\n-A INPUT -j GUARD\n-A GUARD -s 192.0.2.0/24 -p tcp --dport 22 -j ACCEPT\n-A GUARD -s 192.0.2.0/25 -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios").join(name)
}

/// What `check --format json` finds, by file: code, first line and last column.
fn checked(paths: &[&Path]) -> Vec<(String, String, u64)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    let output = command.arg("check").args(paths).args(["--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found: Vec<(String, String, u64)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| {
            let file = finding["file"].as_str()?.to_string();
            Some((file, finding["code"].as_str().unwrap().to_string(), finding["line"].as_u64().unwrap()))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn editors_are_told_what_check_says() {
    let scenarios = std::fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for scenario in scenarios.filter(|path| path.join("pinhole.toml").exists()) {
        let site = std::fs::read_to_string(scenario.join("pinhole.toml")).unwrap();
        let configs: Vec<PathBuf> = std::fs::read_dir(&scenario)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| site.contains(&format!("\"{}\"", path.file_name().unwrap().to_str().unwrap())))
            .collect();
        if configs.is_empty() {
            continue;
        }
        let mut editor = Editor::plain();
        for config in &configs {
            editor.open(config, &std::fs::read_to_string(config).unwrap());
        }
        editor.diagnostics(&configs[0]);
        let mut told: Vec<(String, String, u64)> = Vec::new();
        let mut files: Vec<&str> =
            editor.told.iter().filter_map(|told| told["params"]["uri"].as_str()).collect();
        files.sort_unstable();
        files.dedup();
        for file in files {
            let last = editor.told.iter().rfind(|told| told["params"]["uri"] == json!(file)).unwrap();
            for one in last["params"]["diagnostics"].as_array().unwrap() {
                let path = file.strip_prefix("file://").unwrap().to_string();
                let line = one["range"]["start"]["line"].as_u64().unwrap() + 1;
                told.push((path, one["code"].as_str().unwrap().to_string(), line));
            }
        }
        told.sort();
        let configs: Vec<&Path> = configs.iter().map(PathBuf::as_path).collect();
        let full = |(file, code, line): (String, String, u64)| {
            let path = Path::new(&file).canonicalize().unwrap();
            (path.to_str().unwrap().to_string(), code, line)
        };
        let said: Vec<(String, String, u64)> = checked(&configs).into_iter().map(full).collect();
        assert_eq!(told, said, "{}", scenario.display());
        seen += said.len();
        editor.shut();
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn findings_follow_the_text_as_it_is_typed() {
    let folder = Scratch::new("typing");
    let path = folder.file("edge.rules", "*filter\nCOMMIT\n");
    let mut editor = Editor::plain();
    editor.open(&path, DUMP);
    let codes = |found: &[Value]| -> Vec<String> {
        found.iter().map(|one| one["code"].as_str().unwrap().to_string()).collect()
    };
    let found = editor.diagnostics(&path);
    let redundant = found.iter().find(|one| one["code"] == "PH401").unwrap();
    assert_eq!(redundant["range"]["start"]["line"], 7, "{redundant}");
    assert_eq!(redundant["tags"], json!([1]));
    assert_eq!(redundant["source"], "pinhole");

    // A part of the text: the second rule is about another port.
    let port = json!({ "start": { "line": 7, "character": 40 }, "end": { "line": 7, "character": 42 } });
    assert_eq!(&DUMP.lines().nth(7).unwrap()[40..42], "22");
    editor.change(&path, 2, json!([{ "range": port, "text": "23" }]));
    let found = editor.diagnostics(&path);
    assert!(!codes(&found).contains(&"PH401".to_string()), "{found:?}");

    // The whole of it: a statement is broken.
    editor.change(&path, 3, json!([{ "text": DUMP.replace("-p tcp --dport 22", "--dport") }]));
    let found = editor.diagnostics(&path);
    assert!(codes(&found).contains(&"PH001".to_string()), "{found:?}");
    let last = editor.told.last().unwrap();
    assert_eq!(last["params"]["version"], 3);

    // Closed, it is no longer spoken of.
    editor.say("textDocument/didClose", json!({ "textDocument": { "uri": uri(&path) } }));
    editor.ask("textDocument/codeAction", all_of(&path));
    let last = editor.told.last().unwrap();
    assert_eq!(last["params"]["diagnostics"], json!([]));
    editor.shut();
}

#[test]
fn what_takes_longer_comes_when_the_editor_is_silent() {
    let folder = Scratch::new("silent");
    let path = folder.file("edge.rules", "");
    let mut editor = Editor::plain();
    editor.open(&path, DUMP);
    let has = |told: &Value| {
        told["params"]["diagnostics"].as_array().unwrap().iter().find(|one| one["code"] == "PH401").cloned()
    };
    assert!(has(&editor.receive()).is_none());
    assert!(has(&editor.receive()).is_some());
    // A line above: what is known of the lines below moves with them at once.
    let start = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } });
    editor.change(&path, 2, json!([{ "range": start, "text": "# a comment\n" }]));
    assert_eq!(has(&editor.receive()).unwrap()["range"]["start"]["line"], 8);
    assert_eq!(has(&editor.receive()).unwrap()["range"]["start"]["line"], 8);
    editor.shut();
}

#[test]
fn changes_that_mend_are_those_of_fix() {
    let folder = Scratch::new("mend");
    let path = folder.file("edge.rules", DUMP);
    let mut editor = Editor::plain();
    editor.open(&path, DUMP);
    let offered = editor.ask("textDocument/codeAction", all_of(&path))["result"].clone();
    let action =
        offered.as_array().unwrap().iter().find(|one| one["title"].as_str().unwrap().contains("PH401"));
    let action = action.unwrap();
    assert_eq!((&action["kind"], &action["isPreferred"]), (&json!("quickfix"), &json!(true)));
    let mut text = DUMP.to_string();
    let mut edits = action["edit"]["changes"][uri(&path)].as_array().unwrap().clone();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit["range"]["start"]["line"].as_u64()));
    for edit in &edits {
        let byte = |end: &str| {
            let (line, column) =
                (edit["range"][end]["line"].as_u64(), edit["range"][end]["character"].as_u64());
            let before: usize = text.split_inclusive('\n').take(line.unwrap() as usize).map(str::len).sum();
            before + column.unwrap() as usize
        };
        let (start, end) = (byte("start"), byte("end"));
        text.replace_range(start..end, edit["newText"].as_str().unwrap());
    }
    let fixed = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "--fix", "--select", "PH401"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(fixed.stderr.is_empty());
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());

    // Other kinds of actions are not asked for.
    let mut asked = all_of(&path);
    asked["context"]["only"] = json!(["refactor"]);
    assert_eq!(editor.ask("textDocument/codeAction", asked)["result"], json!([]));
    editor.shut();
}

#[test]
fn a_rule_tells_what_it_does_and_who_needs_it() {
    let scenario = fixture("healthy");
    let site = std::fs::read_to_string(scenario.join("pinhole.toml")).unwrap();
    let config = std::fs::read_dir(&scenario)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| site.contains(&format!("\"{}\"", path.file_name().unwrap().to_str().unwrap())))
        .unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let mut editor = Editor::plain();
    editor.open(&config, &text);
    let hovers: Vec<String> = (0..text.lines().count() as u32)
        .filter_map(|line| {
            let hover = editor.at("textDocument/hover", &config, line, 4);
            Some(hover["contents"]["value"].as_str()?.to_string())
        })
        .collect();
    assert!(hovers.iter().any(|text| text.contains("Needed by")), "{hovers:#?}");
    assert!(hovers.iter().any(|text| text.contains("→ accept")), "{hovers:#?}");

    let folder = Scratch::new("hover");
    let path = folder.file("edge.rules", DUMP);
    editor.open(&path, DUMP);
    let hover = editor.at("textDocument/hover", &path, 7, 10);
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(text.contains("192.0.2.0/25") && text.contains("PH401"), "{text}");
    assert_eq!(hover["range"]["start"], json!({ "line": 7, "character": 0 }));
    assert_eq!(editor.at("textDocument/hover", &path, 8, 0), Value::Null);
    editor.shut();
}

#[test]
fn names_lead_to_what_they_are_of() {
    let folder = Scratch::new("names");
    let mut editor = Editor::plain();
    // Language, text, place of a use, place of the definition, how many places name it.
    let cases = [
        ("a.rules", DUMP, (5, 14), (4, 1), 4),
        (
            "b.nft",
            "define lan = 10.0.0.0/8\ntable inet f {\n  set bad {\n    type ipv4_addr\n  }\n  chain c {\n    type filter hook input priority 0; policy drop;\n    ip saddr @bad drop\n    ip saddr $lan accept\n  }\n}\n",
            (7, 15),
            (2, 6),
            2,
        ),
        (
            "c.conf",
            "ext_if = \"em0\"\nblock in\npass in on $ext_if proto tcp to port 22\n",
            (2, 13),
            (0, 0),
            2,
        ),
        (
            "d.cfg",
            "hostname edge\nobject network MCU\n host 10.1.2.10\naccess-list IN extended permit tcp any object MCU eq 1720\naccess-group IN in interface outside\n",
            (4, 14),
            (3, 12),
            2,
        ),
    ];
    for (name, text, (line, column), (to_line, to_column), count) in cases {
        let path = folder.file(name, text);
        editor.open(&path, text);
        let found = editor.at("textDocument/definition", &path, line, column);
        assert_eq!(found[0]["uri"], json!(uri(&path)), "{name}: {found}");
        assert_eq!(found[0]["range"]["start"], json!({ "line": to_line, "character": to_column }), "{name}");
        let all = editor.at("textDocument/references", &path, line, column);
        assert_eq!(all.as_array().unwrap().len(), count, "{name}: {all}");
        let symbols =
            editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri(&path) } }));
        let symbols = symbols["result"].as_array().unwrap().clone();
        let place = json!({ "line": to_line, "character": to_column });
        assert!(symbols.iter().any(|one| one["selectionRange"]["start"] == place), "{name}: {symbols:?}");
    }
    editor.shut();
}

#[test]
fn columns_are_counted_as_agreed() {
    let folder = Scratch::new("columns");
    let text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment \"€𝄞\" --bogus -j ACCEPT\nCOMMIT\n";
    let path = folder.file("edge.rules", text);
    let column = |capabilities: Value| {
        let (mut editor, answer) = Editor::begun(capabilities);
        editor.open(&path, text);
        let found = editor.diagnostics(&path);
        let one = found.iter().find(|one| one["range"]["start"]["line"] == 2).unwrap();
        let column = one["range"]["start"]["character"].as_u64().unwrap();
        editor.shut();
        (answer["result"]["capabilities"]["positionEncoding"].as_str().unwrap().to_string(), column)
    };
    let line = text.lines().nth(2).unwrap();
    let before = &line[..line.find("--bogus").unwrap()];
    let utf16 = before.encode_utf16().count() as u64;
    assert_eq!(column(json!({})), ("utf-16".to_string(), utf16));
    let utf8 = json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } });
    assert_eq!(column(utf8), ("utf-8".to_string(), before.len() as u64));
}

#[test]
fn a_site_file_is_a_document_as_well() {
    let folder = Scratch::new("site");
    let site = folder.file("pinhole.toml", "");
    let config = folder.file("edge.rules", DUMP);
    let mut editor = Editor::plain();
    editor.open(&config, DUMP);
    editor.open(&site, "[[zone]]\nname = \"a\"\nnetwork = 1\n");
    let found = editor.diagnostics(&site);
    assert_eq!(found[0]["range"]["start"]["line"], 2, "{found:?}");
    editor.change(
        &site,
        2,
        json!([{ "text": "[check]\nignore = [\"PH401\"]\n[[zone]]\nname = \"in\"\n[[firewall]]\nname = \"edge\"\nconfig = [\"edge.rules\"]\ninterfaces = { eth0 = \"in\" }\n" }]),
    );
    assert_eq!(editor.diagnostics(&site), [Value::Null; 0]);
    let found = editor.diagnostics(&config);
    assert!(found.iter().all(|one| one["code"] != "PH401"), "{found:?}");
    editor.shut();
}

#[test]
fn comments_leave_findings_out() {
    let folder = Scratch::new("comments");
    let text = DUMP.replace(
        "-A GUARD -s 192.0.2.0/25",
        "# pinhole: ignore[PH401] kept for the audit\n-A GUARD -s 192.0.2.0/25",
    );
    let path = folder.file("edge.rules", &text);
    let mut editor = Editor::plain();
    editor.open(&path, &text);
    let found = editor.diagnostics(&path);
    assert!(found.iter().all(|one| one["code"] != "PH401" && one["code"] != "PH009"), "{found:?}");
    // Nor is the comment called useless while rules that do nothing are not looked for yet.
    let about = |told: &Value| told.to_string().contains("PH009");
    assert!(!editor.told.iter().any(about));
    editor.shut();
}

#[test]
fn texts_that_are_no_configs_are_said_to_be_none() {
    let folder = Scratch::new("none");
    let path = folder.file("notes.txt", "");
    let mut editor = Editor::plain();
    editor.open(&path, "milk\nbread\n");
    let found = editor.diagnostics(&path);
    assert!(found[0]["message"].as_str().unwrap().contains("which firewall language"), "{found:?}");
    assert_eq!(editor.at("textDocument/hover", &path, 0, 0), Value::Null);
    editor.shut();
}

#[test]
fn exit_codes() {
    // Without `shutdown`.
    let mut editor = Editor::plain();
    editor.say("exit", Value::Null);
    assert_eq!(editor.end(), (1, String::new()));
    // The editor is gone.
    assert_eq!(Editor::plain().end(), (1, String::new()));
    // Before anything.
    let mut editor = Editor::start();
    editor.say("exit", Value::Null);
    assert_eq!(editor.end().0, 1);
    // After `shutdown` nothing is answered but with an error.
    let mut editor = Editor::plain();
    assert_eq!(editor.ask("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32600);
    editor.say("exit", Value::Null);
    assert_eq!(editor.end(), (0, String::new()));
}

#[test]
fn hostile_messages_are_refused_and_nothing_breaks() {
    let folder = Scratch::new("hostile");
    let path = folder.file("edge.rules", DUMP);
    let mut editor = Editor::start();
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32002);
    editor.say("textDocument/didOpen", json!({}));
    editor.ask("initialize", json!(null));
    assert_eq!(editor.ask("initialize", json!({}))["error"]["code"], -32600);
    for body in ["", "{", "nul", "\u{fffd}", "[1", &"[".repeat(100_000)] {
        editor.bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        let answer = editor.receive();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null), "{body:.10}");
    }
    editor.bytes(b"Content-Length: 3\r\n\r\n\xff\xfe\x00");
    assert_eq!(editor.receive()["error"]["code"], -32700);
    for message in
        [json!(null), json!(1), json!([]), json!("x"), json!({}), json!({ "id": 1 }), json!({ "id": {} })]
    {
        editor.send(&message);
        assert_eq!(editor.receive()["error"]["code"], -32600, "{message}");
    }
    // Answers to nothing, and notifications that make no sense, are passed over.
    editor.send(&json!({ "id": 7, "result": null }));
    for method in
        ["textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "$/setTrace", "x"]
    {
        for params in
            [json!(null), json!([]), json!({ "textDocument": 1 }), json!({ "textDocument": { "uri": "" } })]
        {
            editor.say(method, params);
        }
    }
    for method in ["textDocument/hover", "textDocument/codeAction", "textDocument/references"] {
        for params in [json!(null), json!(1), json!({ "textDocument": { "uri": 1 } })] {
            assert_eq!(editor.ask(method, params)["error"]["code"], -32602, "{method}");
        }
    }
    assert_eq!(editor.ask("no/such/method", json!({}))["error"]["code"], -32601);
    editor.open(&path, DUMP);
    // Places beyond the end, backwards ranges, files that are not open.
    for (line, column) in [(0, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX), (3, 1_000_000)] {
        for method in ["textDocument/hover", "textDocument/definition", "textDocument/references"] {
            editor.at(method, &path, line, column);
            assert_eq!(editor.at(method, Path::new("/no/such"), line, column), Value::Null);
        }
        let place = json!({ "line": line, "character": column });
        let zero = json!({ "line": 0, "character": 0 });
        editor.change(&path, 2, json!([{ "range": { "start": place, "end": zero }, "text": "x" }]));
    }
    editor.change(Path::new("/no/such"), 1, json!([{ "text": "" }]));
    for uri in [
        "",
        "untitled:Untitled-1",
        "file://",
        "file:///%",
        "file:///%00",
        "http://x/y",
        "file:///proc/self/mem",
    ] {
        let item = json!({ "uri": uri, "languageId": "", "version": -1, "text": "-A INPUT -j ACCEPT\n\u{0}\u{202e}\n" });
        editor.say("textDocument/didOpen", json!({ "textDocument": item }));
        let asked = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 3 } });
        assert!(editor.ask("textDocument/hover", asked)["error"].is_null(), "{uri}");
    }
    editor.shut();
}

#[test]
fn heads_that_lie_end_the_server() {
    for bytes in [
        "Content-Length: 99999999999999999\r\n\r\n{}",
        "Content-Length: -5\r\n\r\n{}",
        "hello\r\n\r\n",
        "\r\n",
        "Content-Length: 10\r\n\r\n{}",
    ] {
        let mut editor = Editor::plain();
        editor.bytes(bytes.as_bytes());
        let (code, err) = editor.end();
        assert_eq!(code, 2, "{bytes}: {err}");
        assert!(err.starts_with("error: standard input: "), "{err}");
    }
}

/// Text that a seed makes up.
fn noise(seed: &mut u64, length: usize) -> String {
    const PIECES: [&str; 24] = [
        "chain",
        " ",
        "\n",
        "{",
        "}",
        "@",
        "$",
        "\"",
        "-A ",
        "-j ",
        "table inet f ",
        "set ",
        "é",
        "\\",
        "<",
        ">",
        "anchor",
        "object network ",
        "access-list ",
        "=",
        "#",
        ":",
        "*nat\n",
        "\u{0}",
    ];
    (0..length)
        .map(|_| {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            PIECES[(*seed >> 33) as usize % PIECES.len()]
        })
        .collect()
}

#[test]
fn any_text_is_taken() {
    let folder = Scratch::new("noise");
    let mut editor = Editor::plain();
    let mut seed = 7;
    for (at, name) in
        ["a.rules", "b.nft", "pf.conf", "d.nft", "e.rules", "f.conf"].iter().cycle().take(60).enumerate()
    {
        let path = folder.0.join(format!("{at}-{name}"));
        let head =
            ["*filter\n", "table inet f {\n", "block in\n", "hostname x\naccess-list A permit ip any any\n"];
        let text = head[at % head.len()].to_string() + &noise(&mut seed, 80);
        editor.open(&path, &text);
        for line in 0..4 {
            editor.at("textDocument/hover", &path, line, 3);
            editor.at("textDocument/definition", &path, line, 3);
        }
        editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri(&path) } }));
        editor.say("textDocument/didClose", json!({ "textDocument": { "uri": uri(&path) } }));
    }
    editor.shut();
}

#[test]
fn many_changes_at_once_are_looked_at_once() {
    let folder = Scratch::new("many");
    let rules: String = (0..2000)
        .map(|at| {
            format!(
                "-A FORWARD -s 10.{}.{}.0/24 -p tcp --dport {} -j ACCEPT\n",
                at % 256,
                at / 256,
                1000 + at
            )
        })
        .collect();
    let text = format!("*filter\n:FORWARD DROP [0:0]\n{rules}COMMIT\n");
    let path = folder.file("edge.rules", &text);
    let mut editor = Editor::plain();
    editor.open(&path, &text);
    editor.diagnostics(&path);
    editor.told.clear();
    let end = json!({ "line": 2, "character": 0 });
    for version in 2..102 {
        editor.change(&path, version, json!([{ "range": { "start": end, "end": end }, "text": "#\n" }]));
    }
    editor.diagnostics(&path);
    let glances = editor.told.len();
    assert!(glances < 80, "{glances} looks at 100 changes");
    assert_eq!(editor.told.last().unwrap()["params"]["version"], 101);
    editor.shut();
}
