//! The server for assistants, over standard input and output, with the messages that assistants send.

#![cfg(feature = "mcp")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use common::Scratch;

/// What the server answers to lines, when it is started in a folder.
fn served(folder: &Path, lines: &[&[u8]]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .arg("mcp")
        .current_dir(folder)
        .env_remove("PINHOLE_CATALOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain(*b"\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(&text));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn asked(folder: &Path, messages: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = messages.iter().map(Value::to_string).collect();
    let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    served(folder, &lines)
}

/// A request of the revision in which each says what it speaks.
fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn legacy(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn hello(version: &str) -> Value {
    legacy(0, "initialize", json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": {} }))
}

/// What a tool answers.
fn called(folder: &Path, tool: &str, arguments: Value) -> Value {
    let answers = asked(folder, &[modern(1, "tools/call", json!({ "name": tool, "arguments": arguments }))]);
    answers[0]["result"].clone()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios").join(name)
}

/// What a command prints in a folder.
fn printed(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(args).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn versions_are_agreed_upon() {
    let here = fixture("healthy");
    for version in ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] {
        let answers = asked(
            &here,
            &[
                hello(version),
                json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
                legacy(1, "ping", json!({})),
                legacy(2, "tools/list", json!({})),
            ],
        );
        assert_eq!(answers.len(), 3);
        assert_eq!(answers[0]["result"]["protocolVersion"], version);
        assert_eq!(answers[0]["result"]["serverInfo"]["name"], "pinhole");
        assert_eq!(answers[1], json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
        assert!(answers[2]["result"]["resultType"].is_null());
    }
    // The newest of the earlier ones where the one that is asked for is not known.
    for version in ["1999-01-01", "2026-07-28"] {
        assert_eq!(asked(&here, &[hello(version)])[0]["result"]["protocolVersion"], "2025-11-25");
    }

    let answers =
        asked(&here, &[modern(1, "server/discover", json!({})), modern(2, "tools/list", json!({}))]);
    let discovered = &answers[0]["result"];
    assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(
        (&discovered["resultType"], &discovered["cacheScope"]),
        (&json!("complete"), &json!("public"))
    );
    assert_eq!(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "pinhole");
    assert!(answers[1]["result"]["ttlMs"].is_u64());

    let mut unknown = modern(3, "tools/list", json!({}));
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("1900-01-01");
    let error = asked(&here, &[unknown])[0]["error"].clone();
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"], json!({ "supported": ["2026-07-28"], "requested": "1900-01-01" }));
    let mut lacking = modern(4, "tools/list", json!({}));
    lacking["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    assert_eq!(asked(&here, &[lacking])[0]["error"]["code"], -32602);
    // `ping` is gone from that revision.
    assert_eq!(asked(&here, &[modern(5, "ping", json!({}))])[0]["error"]["code"], -32601);
}

#[test]
fn tools_are_listed_with_what_they_take() {
    let tools =
        asked(&fixture("healthy"), &[modern(1, "tools/list", json!({}))])[0]["result"]["tools"].clone();
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["check", "explain", "diff", "trace", "matrix", "catalog_search", "rule"]);
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/assistants.md")).unwrap();
    for tool in tools.as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        assert!(document.contains(&format!("| `{}` |", tool["name"].as_str().unwrap())), "{tool}");
        for key in tool["inputSchema"]["properties"].as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{key}`")), "{key}");
        }
    }
}

#[test]
fn answers_are_those_of_the_command_line() {
    let here = fixture("h245-blocked");
    let check = called(&here, "check", json!({}));
    assert_eq!(text(&check), printed(&here, &["check"]));
    let json: Value = serde_json::from_str(&printed(&here, &["check", "--format", "json"])).unwrap();
    assert_eq!(check["structuredContent"], json);
    assert!(check["isError"].is_null() && !json["findings"].as_array().unwrap().is_empty());

    let explain = called(&here, "explain", json!({ "from": "internet", "to": "mcu-1", "call": "h323" }));
    let args = ["explain", "--from", "internet", "--to", "mcu-1", "--call", "h323"];
    assert_eq!(text(&explain), printed(&here, &args));
    assert_eq!(explain["structuredContent"]["works"], "depends");

    let matrix = called(&here, "matrix", json!({ "to": "mcu-1", "needed-only": true }));
    assert!(!matrix["structuredContent"]["rows"].as_array().unwrap().is_empty(), "{matrix}");

    let packet = "src=203.0.113.7 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1";
    let trace = called(&here, "trace", json!({ "configs": ["edge.rules"], "packet": packet }));
    assert_eq!(trace["structuredContent"]["verdict"], "accept", "{trace}");
    let path = called(&here, "trace", json!({ "from": "203.0.113.7", "to": "mcu-1", "traffic": "tcp/1720" }));
    assert!(path["isError"].is_null() && path["structuredContent"].is_object(), "{path}");

    let changed = Scratch::new("diff");
    let rules = std::fs::read_to_string(here.join("edge.rules")).unwrap();
    changed.file("in/old.rules", &rules);
    changed.file("in/new.rules", rules.replacen("ACCEPT", "DROP", 1));
    let diff = called(&changed.0.join("in"), "diff", json!({ "old": "old.rules", "new": "new.rules" }));
    assert_eq!(diff["structuredContent"]["equal"], false, "{diff}");

    let port = called(&here, "catalog_search", json!({ "port": 2946 }));
    assert!(text(&port).contains("scopia-mcu-mvp") && text(&port).contains("when blocked"), "{port}");
    let product = called(&here, "catalog_search", json!({ "product": "JITSI", "port": 10000 }));
    assert!(!product["structuredContent"]["rows"].as_array().unwrap().is_empty(), "{product}");
    let page = called(&here, "rule", json!({ "rule": "PH201" }));
    assert!(text(&page).contains("What is wrong") && page["structuredContent"]["code"] == "PH201");
    assert!(called(&here, "rule", json!({}))["structuredContent"]["rules"].as_array().unwrap().len() > 50);
}

#[test]
fn wrong_arguments_are_results_that_say_so() {
    let here = fixture("healthy");
    for (tool, arguments) in [
        ("check", json!({ "path": "x" })),
        ("check", json!({ "paths": "x" })),
        ("check", json!({ "paths": ["no-such-file.rules"] })),
        ("check", json!({ "paths": ["-"] })),
        ("check", json!({ "select": ["PH999"] })),
        ("check", json!([])),
        ("explain", json!({ "from": "internet" })),
        ("explain", json!({ "from": "nobody", "to": "mcu-1" })),
        ("explain", json!({ "from": "--help", "to": "mcu-1" })),
        ("trace", json!({ "packet": "src=1" })),
        ("trace", json!({ "configs": ["edge.rules"], "packet": "nonsense" })),
        ("diff", json!({ "old": "edge.rules", "new": "none.rules" })),
        ("catalog_search", json!({})),
        ("catalog_search", json!({ "port": 70000 })),
        ("rule", json!({ "rule": "PH999" })),
    ] {
        let result = called(&here, tool, arguments.clone());
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        assert!(!text(&result).is_empty());
    }
}

#[test]
fn nothing_is_an_option_that_an_assistant_says() {
    let folder = Scratch::new("options");
    folder.file(
        "in/edge.rules",
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n",
    );
    let before = std::fs::read_to_string(folder.0.join("in/edge.rules")).unwrap();
    for paths in [json!(["--fix", "edge.rules"]), json!(["edge.rules", "--write-baseline=x"])] {
        assert_eq!(called(&folder.0.join("in"), "check", json!({ "paths": paths }))["isError"], true);
    }
    assert_eq!(std::fs::read_to_string(folder.0.join("in/edge.rules")).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.0.join("in")).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn nothing_outside_the_folder_is_read() {
    let folder = Scratch::new("outside");
    let secret = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 198.51.100.77 --bogus -j ACCEPT\nCOMMIT\n";
    folder.file("out/secret.rules", secret);
    folder.file("pinhole.toml", "[check]\nignore = [\"PH001\"]\nthis is no TOML\n");
    folder.file("in/own.rules", "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.1 -j ACCEPT\nCOMMIT\n");
    folder.file("in/inc.nft", "include \"../out/secret.rules\"\ntable ip x { chain c { } }\n");
    std::os::unix::fs::symlink("../out/secret.rules", folder.0.join("in/link.rules")).unwrap();
    std::os::unix::fs::symlink("../out", folder.0.join("in/linked")).unwrap();
    let here = folder.0.join("in");
    let absolute = folder.0.join("out/secret.rules");
    for path in [
        "../out/secret.rules",
        "link.rules",
        "linked/secret.rules",
        "linked",
        "..",
        "/etc",
        absolute.to_str().unwrap(),
    ] {
        let result = called(&here, "check", json!({ "paths": [path] }));
        assert_eq!(result["isError"], true, "{path}");
        assert!(text(&result).contains("outside the folder"), "{path}: {result}");
        assert!(!result.to_string().contains("198.51.100.77"), "{path}: {result}");
    }
    // What is not there is told of no more than what is.
    let [there, not_there] = ["../out/secret.rules", "../out/none.rules"]
        .map(|path| text(&called(&here, "check", json!({ "paths": [path] }))).replace(path, ""));
    assert_eq!(there, not_there);
    // The site file above is none of ours.
    let result = called(&here, "check", json!({ "paths": ["own.rules"] }));
    assert!(result["isError"].is_null(), "{result}");
    // Not by a folder with links, nor by a config that names a file.
    for paths in [json!([]), json!(["."]), json!(["inc.nft"])] {
        let result = called(&here, "check", json!({ "paths": paths }));
        assert!(!result.to_string().contains("198.51.100.77"), "{paths}: {result}");
    }
    // Nor by what a site file names.
    let site = "[[zone]]\nname = \"a\"\n[[firewall]]\nname = \"f\"\nconfig = [\"../out/secret.rules\"]\ninterfaces = { eth0 = \"a\" }\n";
    folder.file("in/pinhole.toml", site);
    for tool in ["check", "matrix"] {
        let result = called(&here, tool, json!({}));
        assert_eq!(result["isError"], true, "{result}");
        assert!(!result.to_string().contains("198.51.100.77"), "{result}");
    }
    for line in ["catalog = [\"../out\"]", "[check]\nbaseline = \"../out/secret.rules\""] {
        folder.file("in/pinhole.toml", format!("{line}\n"));
        let result = called(&here, "check", json!({ "paths": ["own.rules"] }));
        assert_eq!(result["isError"], true, "{line}: {result}");
        assert!(text(&result).contains("outside the folder"), "{line}: {result}");
    }
}

#[test]
fn hostile_lines_are_refused_and_nothing_breaks() {
    let here = fixture("healthy");
    let deep = "[".repeat(200_000);
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(17 << 20));
    let lines: Vec<&[u8]> = vec![
        b"",
        b"   ",
        b"{",
        b"\xff\xfe",
        deep.as_bytes(),
        long.as_bytes(),
        b"null",
        b"1",
        b"[]",
        b"[1]",
        b"{}",
        br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        br#"{"jsonrpc":"2.0","id":2,"method":"ping","params":[]}"#,
        br#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#,
        br#"{"jsonrpc":"2.0","id":4,"method":"server/discover"}"#,
        br#"{"jsonrpc":"2.0","id":5,"method":"initialize"}"#,
        br#"{"jsonrpc":"2.0","id":6,"result":{}}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
        br#"{"jsonrpc":"2.0","id":"last","method":"ping"}"#,
    ];
    let answers = served(&here, &lines);
    let codes: Vec<i64> =
        answers.iter().map(|answer| answer["error"]["code"].as_i64().unwrap_or(0)).collect();
    let wrong = [
        -32700, -32700, -32700, -32700, -32600, -32600, -32600, -32600, -32600, -32600, -32600, -32600,
        -32602, -32600, -32602, -32602, 0,
    ];
    assert_eq!(codes, wrong, "{answers:#?}");
    assert_eq!(answers.last().unwrap()["id"], "last");

    let answers = asked(
        &here,
        &[
            hello("2025-11-25"),
            legacy(1, "initialized?", json!({})),
            legacy(2, "tools/call", json!({})),
            legacy(3, "tools/call", json!({ "name": "rm" })),
            legacy(4, "tools/call", json!({ "name": "rule", "arguments": null })),
            json!([legacy(5, "ping", json!({}))]),
        ],
    );
    let codes: Vec<i64> =
        answers.iter().map(|answer| answer["error"]["code"].as_i64().unwrap_or(0)).collect();
    assert_eq!(codes, [0, -32601, -32602, -32602, 0, -32600]);
    // Lists of messages are of one revision alone.
    let batch = json!([legacy(5, "ping", json!({})), json!({ "method": "x" }), legacy(6, "ping", json!({}))]);
    let answers = asked(&here, &[hello("2025-03-26"), batch]);
    assert_eq!(answers[1].as_array().unwrap().len(), 2);
}
