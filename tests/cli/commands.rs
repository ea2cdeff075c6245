//! pinhole as a user runs it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::Scratch;

/// A folder for one test, with no site file above it.
struct Folder(Scratch);

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(Scratch::new(name))
    }

    fn path(&self) -> &Path {
        &self.0.0
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Folder {
        self.0.write(name, text);
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        command.current_dir(self.path()).args(args);
        for name in ["NO_COLOR", "FORCE_COLOR", "TERM"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    fn run_with_stdin(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts that the work could not be done, and that nothing but the reason was said.
    fn refused(&self, reason: &str) {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{self:#?}");
        assert!(self.err.contains(reason), "{self:#?}");
    }
}

const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                     -A FORWARD -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n";

#[test]
fn a_missing_file() {
    let ran = Folder::new("missing").run(&["check", "nowhere.rules"]);
    ran.refused("error: cannot read `nowhere.rules`: No such file or directory");
}

#[test]
#[cfg(target_os = "linux")]
fn an_unreadable_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("unreadable");
    folder.write("edge.rules", RULES);
    std::fs::set_permissions(folder.path().join("edge.rules"), std::fs::Permissions::from_mode(0o000))
        .unwrap();
    // For root nothing is forbidden, but a process's memory cannot be read from its start.
    let root = std::fs::read(folder.path().join("edge.rules")).is_ok();
    let path = if root { "/proc/self/mem" } else { "edge.rules" };
    folder.run(&["check", path]).refused(&format!("error: cannot read `{path}`: "));
}

#[test]
#[cfg(unix)]
fn a_named_pipe_is_not_waited_for() {
    let folder = Folder::new("named-pipe");
    assert!(Command::new("mkfifo").arg(folder.path().join("edge.rules")).status().unwrap().success());
    for args in [
        &["check", "edge.rules"][..],
        &["check", "--site", "edge.rules", "."],
        &["model", "edge.rules"],
        &["diff", "edge.rules", "edge.rules"],
        &["trace", "--packets", "edge.rules", "other.rules"],
    ] {
        folder.write("other.rules", RULES).run(args).refused("cannot read `edge.rules`: it is a named pipe");
    }
    // What a shell makes of `<(…)` is read, and so is standard input by any of its names.
    let shell = |script: &str| {
        let mut command = Command::new("bash");
        command.current_dir(folder.path()).args(["-c", script, "bash", env!("CARGO_BIN_EXE_pinhole")]);
        Ran::of(command.output().unwrap())
    };
    std::os::unix::fs::symlink("/dev/stdin", folder.path().join("link")).unwrap();
    for script in [
        "\"$1\" model <(cat other.rules)",
        "cat other.rules | \"$1\" model /dev/stdin",
        "cat other.rules | \"$1\" model link",
        "cat other.rules | \"$1\" model -",
        "(sleep 0.1; cat other.rules) >edge.rules & \"$1\" model /dev/stdin <edge.rules",
    ] {
        let ran = shell(script);
        assert!(ran.code == 0 && ran.out.contains("1720"), "{script}: {ran:#?}");
    }
}

#[test]
fn a_folder_without_configs() {
    let folder = Folder::new("empty");
    folder.write("README.md", "iptables -A INPUT -j DROP\n").write("src/main.c", "int main;\n");
    folder.write(".hidden/edge.rules", RULES).write("target/edge.rules", RULES);
    folder.run(&["check", "."]).refused("error: `.` holds no firewall config that pinhole knows");
    folder.run(&["check"]).refused("error: `.` holds no firewall config that pinhole knows");
}

#[test]
fn a_text_in_no_firewall_language() {
    let folder = Folder::new("prose");
    folder.write("letter.txt", "Dear firewall,\nplease let me in.\n").write("none", "");
    folder
        .run(&["check", "letter.txt"])
        .refused("cannot tell which firewall language `letter.txt` is written in");
    folder.run(&["check", "none"]).refused("`none` is empty: there is no config in it");
}

#[test]
fn a_broken_site_file() {
    let folder = Folder::new("broken-site");
    let site = "[[device]]\nname = \"mcu-1\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.1.2.10\"]\n\
                public-adresses = [\"198.51.100.10\"]\n";
    folder.write("pinhole.toml", site).write("configs/edge.rules", RULES);
    let ran = folder.run(&["check", "configs/edge.rules"]);
    ran.refused("the site file cannot be used, nothing was checked");
    insta::assert_snapshot!(ran.err);
    folder.run(&["check"]).refused("unknown key `public-adresses`");
    folder.run(&["trace", "configs/edge.rules", "--packet", "x=1"]).refused("unknown key `public-adresses`");
    assert_ne!(folder.run(&["check", "--no-site", "configs/edge.rules"]).code, 2);
    folder.run(&["check", "--site", "none.toml", "configs"]).refused("cannot read `none.toml`");
}

#[test]
fn configs_of_two_sites() {
    let folder = Folder::new("two-sites");
    for site in ["a", "b"] {
        folder.write(&format!("{site}/pinhole.toml"), "").write(&format!("{site}/edge.rules"), RULES);
    }
    let trace = ["trace", "a/edge.rules", "b/edge.rules", "--packet", "src=10.0.0.1"];
    folder.run(&trace).refused("belong to different sites");
    assert_ne!(folder.run(&["check", "a/edge.rules", "b/edge.rules"]).code, 2);
    assert_ne!(folder.run(&["check", "a/edge.rules", "b/edge.rules", "--no-site"]).code, 2);
}

#[test]
fn a_firewall_of_two_languages() {
    let folder = Folder::new("mixed");
    folder.write("a.rules", RULES).write("b.nft", "table inet f {\n}\n");
    folder.run(&["trace", "a.rules", "b.nft", "--packet", "src=10.0.0.1"]).refused("all of one language");
}

#[test]
fn bad_arguments() {
    let folder = Folder::new("arguments");
    folder.write("edge.rules", RULES);
    let refused =
        |args: &[&str], reason: &str| folder.run(&[&["check", "edge.rules"], args].concat()).refused(reason);
    refused(&["--select", "PH2O1"], "error: --select: there is no rule `PH2O1`");
    refused(&["--ignore", "broken-sitefile"], "did you mean `broken-site-file`?");
    refused(&["--fail-on", "never"], "[possible values: info, warning, error]");
    refused(&["--interface", "eth0=10.0.0.1/33"], "the prefix length is 0-32");
    refused(&["--interface", "10.0.0.1"], "write it as NAME=ADDR/LEN");
    refused(&["--product", "scopia-mcu@nowhere"], "`nowhere` is no IPv4 or IPv6 address");
    refused(&["--mode", "high"], "--product");
    refused(
        &["--product", "scopia-mcy"],
        "--product: the catalog has no `scopia-mcy`; did you mean `scopia-mcu`?",
    );
    refused(&["--catalog", "nowhere"], "cannot read `nowhere`");
    refused(&["--site", "a", "--no-site"], "cannot be used with");
    refused(&["--ipset", "none.ipset"], "cannot read `none.ipset`");
    folder.run(&["trace", "-", "--packets", "-"]).refused("a config or the packets, not both");
    folder.run(&["rule", "PH999"]).refused("there is no rule `PH999`");
    assert_eq!(folder.run(&[]).code, 2);
}

#[test]
fn standard_input() {
    let folder = Folder::new("stdin");
    let ran =
        folder.run_with_stdin(&["check", "-", "--stdin-filename", "fw.rules", "--format", "json"], RULES);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["files"][0]["path"], "fw.rules");
    assert_eq!(report["files"][0]["dialect"], "iptables");
}

/// The paths that a JSON report names as read.
fn files(ran: &Ran) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:#?}"));
    report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn folders_are_walked_in_order_and_files_read_once() {
    let folder = Folder::new("walk");
    folder.write("b/edge.rules", RULES).write("a/z.rules", RULES).write("a/y.nft", "table ip t {\n}\n");
    let read = |args: &[&str]| files(&folder.run(&[&["check", "--format", "json"], args].concat()));
    assert_eq!(read(&[]), ["a/y.nft", "a/z.rules", "b/edge.rules"]);
    assert_eq!(read(&["b", "a/z.rules", "b/edge.rules"]), ["a/z.rules", "b/edge.rules"]);
    assert_eq!(read(&["--dialect", "iptables", "a"]), ["a/z.rules"]);
}

#[test]
fn a_site_names_its_configs() {
    let folder = Folder::new("site");
    let site = "[[zone]]\nname = \"out\"\n[[zone]]\nname = \"in\"\nnetworks = [\"10.0.0.0/8\"]\n[[firewall]]\n\
                name = \"edge\"\nconfig = [\"edge.rules\", \"edge.rules6\"]\ninterfaces = { eth0 = \"out\", eth1 = \"in\" }\n";
    folder
        .write("pinhole.toml", site)
        .write("edge.rules", RULES)
        .write("edge.rules6", RULES)
        .write("x.rules", RULES);
    let read = |args: &[&str]| files(&folder.run(&[&["check", "--format", "json"], args].concat()));
    assert_eq!(read(&[]), ["edge.rules", "edge.rules6"]);
    assert_eq!(read(&["edge.rules6"]), ["edge.rules", "edge.rules6"]);
    assert_eq!(read(&["x.rules"]), ["x.rules"]);
}

#[test]
fn what_is_doubtful_in_the_site_file_is_a_finding() {
    let folder = Folder::new("doubts");
    let site = "[[device]]\nname = \"mcu-1\"\nproduct = \"scopia-elite-5300\"\naddresses = [\"10.1.2.10\"]\n";
    folder.write("pinhole.toml", site).write("edge.rules", RULES);
    let ran = folder.run(&["check", "--format", "concise", "edge.rules"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out, "pinhole.toml:3:11: error[PH602] the catalog has no product `scopia-elite-5300`\n");
    let ran = folder.run(&["check", "--format", "concise", "edge.rules", "--ignore", "unknown-product"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
}

const NIGHT: &str = "ASA Version 9.8(2)\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n\
                     interface GigabitEthernet0/1\n nameif inside\n security-level 100\n\
                     time-range night\n periodic daily 22:00 to 23:59\n\
                     access-list in extended permit tcp any host 10.1.2.10 eq 1720 time-range night\n\
                     access-group in in interface outside\n";

/// A site with one firewall, `edge.cfg`, and more tables.
fn site_with(more: &str) -> String {
    let zones = "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.1.2.0/24\"]\n";
    let edge = "[[firewall]]\nname = \"edge\"\nconfig = [\"edge.cfg\"]\n\
                interfaces = { outside = \"internet\", inside = \"video\" }\n";
    format!("{zones}{edge}{more}")
}

#[test]
fn what_the_site_file_assumes_is_so() {
    let folder = Folder::new("assume");
    folder.write("edge.cfg", NIGHT).write(
        "packets.jsonl",
        "{\"hook\":\"forward\",\"iif\":\"outside\",\"oif\":\"inside\",\"src\":\"192.0.2.1\",\"dst\":\"10.1.2.10\",\
         \"proto\":\"tcp\",\"sport\":40000,\"dport\":1720}\n",
    );
    for (assumed, verdict) in
        [("", "unknown"), ("true", "accept"), ("{ is = false, reason = \"r\" }", "drop")]
    {
        let more = match assumed {
            "" => String::new(),
            answer => format!("[firewall.assume]\n\"time-range night\" = {answer}\n"),
        };
        folder.write("pinhole.toml", site_with(&more));
        let ran = folder.run(&["trace", "edge.cfg", "--packets", "packets.jsonl", "--format", "jsonl"]);
        assert!(ran.out.contains(&format!("\"verdict\":\"{verdict}\"")), "{assumed}: {ran:#?}");
        assert_eq!(ran.out.contains("[\"time-range night\"]"), assumed.is_empty(), "{assumed}: {ran:#?}");
    }
    folder.write("pinhole.toml", site_with("[firewall.assume]\n\"time-range nihgt\" = true\n"));
    let ran = folder.run(&["check", "--format", "concise", "--select", "PH611,PH612", "edge.cfg"]);
    assert_eq!(
        ran.out,
        "pinhole.toml:11:1: warning[PH611] no rule of the firewall depends on `time-range nihgt`\n"
    );
    folder.write("pinhole.toml", site_with("[firewall.assume]\n\"time-range *\" = [\"192.0.2.1\"]\n"));
    let ran = folder.run(&["check", "--format", "concise", "--select", "PH611,PH612", "edge.cfg"]);
    assert_eq!(ran.out, "pinhole.toml:11:1: error[PH612] `time-range night` cannot be answered so\n");
}

#[test]
fn a_choice_of_ways_is_a_finding_until_a_path_is_given() {
    let folder = Folder::new("paths");
    let backup = "[[firewall]]\nname = \"backup\"\nconfig = [\"backup.cfg\"]\n\
                  interfaces = { outside = [\"internet\"], inside = \"video\" }\n";
    let device = "[[device]]\nname = \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.1.2.10\"]\n";
    folder.write("edge.cfg", NIGHT).write("backup.cfg", NIGHT);
    folder.write("pinhole.toml", site_with(&format!("{backup}{device}")));
    let check = ["check", "--format", "concise", "--select", "PH101,PH613"];
    let ran = folder.run(&check);
    assert_eq!(
        ran.out,
        "pinhole.toml:7:8: error[PH613] packets between zones `internet` and `video` can go through `edge` or \
         `backup`\n"
    );
    let path = "[[path]]\nfrom = \"video\"\nto = \"internet\"\nfirewalls = [\"backup\"]\n";
    folder.write("pinhole.toml", site_with(&format!("{backup}{device}{path}")));
    let ran = folder.run(&check);
    assert!(ran.out.contains("backup.cfg:") && ran.out.contains("[PH101]"), "{ran:#?}");
    assert!(!ran.out.contains("PH613") && !ran.out.contains("edge.cfg"), "{ran:#?}");
}

#[test]
fn damaged_configs_are_findings_and_short_ones() {
    let folder = Folder::new("damaged");
    let long = format!(
        "*filter\n-A INPUT -m comment --comment {} --dport 99999 -j ACCEPT\nCOMMIT\n",
        "x".repeat(10_000_000)
    );
    let cases: [(&str, Vec<u8>); 4] = [
        ("long.rules", long.into_bytes()),
        ("cut.rules", RULES.as_bytes()[..RULES.len() - 5].to_vec()),
        ("nul.rules", RULES.replace("1720", "17\u{0}20").into_bytes()),
        ("latin.rules", [b"*filter\n-A INPUT -j ".as_slice(), b"\xe9\xff\nCOMMIT\n"].concat()),
    ];
    for (name, bytes) in cases {
        folder.write(name, bytes);
        for format in ["human", "concise", "json"] {
            let ran = folder.run(&["check", "--no-site", "--format", format, name]);
            assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{name}");
            assert!(ran.out.contains("PH00") && ran.out.len() < 10_000, "{name}: {} bytes", ran.out.len());
        }
        let ran = folder.run(&["model", name]);
        assert!(
            ran.code == 0 && ran.out.contains("error: ") && ran.out.len() < 10_000,
            "{name}: {}",
            ran.out.len()
        );
    }
}

#[test]
fn the_model_counts_the_rules() {
    let folder = Folder::new("model");
    folder.write("edge.rules", RULES);
    let human = folder.run(&["model", "edge.rules"]);
    assert!(
        human.out.starts_with("edge.rules (iptables): 1 rule as written, 1 normalized\n"),
        "{}",
        human.out
    );
    let wanted = "      5  protocol tcp; destination port 1720 → accept\n";
    assert!(human.out.contains(wanted), "{}", human.out);
    let json = folder.run(&["model", "edge.rules", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let file = &json["files"][0];
    assert_eq!((&file["rules"], &file["normalized"]), (&1.into(), &1.into()));
    let chains = file["chains"].as_array().unwrap();
    let forward = chains.iter().find(|chain| chain["name"] == "filter FORWARD").unwrap();
    assert_eq!(forward["rules"][0]["line"], 5);
    assert_eq!(forward["rules"][0]["steps"][1]["match"]["values"], serde_json::json!(["1720"]));
    assert_eq!(forward["rules"][0]["steps"][2]["effect"], "accept");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = Folder::new("pipe");
    let mut child =
        folder.command(&["rule", "PH6"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(Ran::of(output).code, 0);
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = Folder::new("rule");
    let list = folder.run(&["rule"]);
    assert_eq!(list.code, 0);
    assert!(list.out.contains("PH601  broken-site-file"), "{}", list.out);
    for word in ["PH601", "ph601", "broken-site-file"] {
        let page = folder.run(&["rule", word]);
        assert!(
            page.out
                .starts_with("# PH601 broken-site-file\nerror, stable, since 0.1.0; reads the site file\n\n")
        );
    }
    assert!(
        folder.run(&["--color", "always", "rule", "PH601"]).out.contains("\u{1b}[1;4mWhat is wrong\u{1b}[0m")
    );
    let forced = folder.command(&["rule", "PH601"]).env("FORCE_COLOR", "1").output().unwrap();
    assert!(Ran::of(forced).out.contains('\u{1b}'));
    let both =
        folder.command(&["rule", "PH601"]).env("FORCE_COLOR", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!Ran::of(both).out.contains('\u{1b}'));
}

#[test]
fn help_names_every_argument() {
    let folder = Folder::new("help");
    for (name, args) in
        [("pinhole", &["--help"][..]), ("check", &["check", "--help"]), ("rule", &["rule", "--help"])]
    {
        let ran = folder.command(args).env("COLUMNS", "100").output().unwrap();
        insta::assert_snapshot!(format!("help_{name}"), Ran::of(ran).out);
    }
}

#[test]
fn the_site_file_is_found_above_the_current_folder() {
    let folder = Folder::new("above");
    folder.write("pinhole.toml", "nonsense = 1\n").write("deep/er/edge.rules", RULES);
    let mut command = folder.command(&["check", "edge.rules"]);
    command.current_dir(folder.path().join("deep/er"));
    let ran = Ran::of(command.output().unwrap());
    ran.refused("unknown key `nonsense`");
    assert!(ran.err.contains(&Path::new("pinhole.toml").display().to_string()));
}

#[test]
fn what_is_no_config_is_named() {
    let folder = Folder::new("near");
    let ios = "hostname core\n!\nip access-list extended A\n permit ip any any\n!\nline vty 0 4\n!\nend\n";
    folder.write("core.cfg", ios).write("list.txt", "shopping\n!\nmilk\nend\n");
    folder.run(&["check", "core.cfg"]).refused("`core.cfg` looks like a Cisco IOS config. pinhole reads");
    folder.run(&["check", "list.txt"]).refused("cannot tell which firewall language `list.txt`");
    folder.run(&["check", "."]).refused("`core.cfg` was not read: it looks like a Cisco IOS config");
    folder.run(&["model", "core.cfg"]).refused("Cisco IOS");
    folder.write("edge.rules", RULES);
    let ran = folder.run(&["check", ".", "--format", "concise", "--select", "PH0"]);
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.out,
        "core.cfg:1:1: warning[PH007] the file was not read: it looks like a Cisco IOS config\n"
    );
    let ran = folder.run(&["check", "."]);
    assert!(ran.out.ends_with("; 2 other files not read (`--list-files` says why)\n"), "{}", ran.out);
}

#[test]
fn a_config_of_which_nothing_is_read_is_a_finding() {
    let folder = Folder::new("nothing");
    folder.write("empty.rules", "").write("empty.nft", "# nothing\n").write("empty.cfg", "! nothing\n");
    folder.write("empty.json", "{\"nftables\": []}").write("a.json", "{\"a\": 1}").write("edge.rules", RULES);
    for name in ["empty.rules", "empty.nft", "empty.cfg", "empty.json"] {
        let ran = folder.run(&["check", "--format", "concise", name]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(ran.out.starts_with(&format!("{name}:1:1: warning[PH005] there is no rule")), "{ran:#?}");
        let ran = folder.run(&["trace", name, "--packet", "src=192.0.2.1 dst=10.0.0.1 proto=tcp dport=80"]);
        assert!(ran.err.contains("there is no rule in the file"), "{ran:#?}");
        let ran = folder.run(&["model", "--format", "json", name]);
        assert!(ran.out.contains("there is no rule in the file"), "{ran:#?}");
        let site =
            "[[zone]]\nname = \"out\"\n[[zone]]\nname = \"in\"\nnetworks = [\"10.0.0.0/8\"]\n[[firewall]]\n\
                    name = \"edge\"\nconfig = [\"NAME\"]\ninterfaces = { eth0 = \"out\", eth1 = \"in\" }\n"
                .replace("NAME", name);
        let ran = folder.write("site.toml", site).run(&[
            "check",
            "--format",
            "concise",
            "--site",
            "site.toml",
            name,
        ]);
        assert!(ran.out.contains(&format!("{name}:1:1: warning[PH005] there is no rule")), "{ran:#?}");
    }
    for (dialect, name) in [("nftables", "a.json"), ("asa", "edge.rules"), ("pf", "edge.rules")] {
        let ran = folder.run(&["check", "--format", "concise", "--dialect", dialect, name]);
        assert_eq!(ran.code, 1);
        assert!(ran.out.contains(": error[PH005] "), "{ran:#?}");
    }
}

#[test]
fn folders_say_what_they_leave_out() {
    let folder = Folder::new("list");
    folder.write("edge.rules", RULES).write("run.log", RULES).write("fw.yml", RULES);
    folder.write("late.rules", format!("{}{RULES}", "# comment\n".repeat(30_000)));
    folder.write("old.rules.gz", b"\x1f\x8b\x08\x00").write("photo.gz", b"\x1f\x8b\x08\x00");
    let wide: Vec<u8> = [0xfeff].into_iter().chain(RULES.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    folder.write("wide.txt", wide).write("README.md", RULES).write("notes", "hello\n");
    folder.write("drafts/x.rules", RULES).write("keep/x.rules", RULES).write(".pinholeignore", "/drafts\n");
    folder.write(".old.rules", RULES);
    let ran = folder.run(&["check", "--list-files"]);
    assert_eq!(ran.code, 0);
    let wanted = ".old.rules: not read: it is hidden\n.pinholeignore: not read: it is hidden\n\
                  README.md: not read: its name is that of a program or a document\n\
                  drafts: not read: an ignore file leaves it out\n\
                  edge.rules: iptables\nfw.yml: iptables\nkeep/x.rules: iptables\nlate.rules: iptables\n\
                  notes: not read: no firewall language is told by its text\n\
                  old.rules.gz: not read: it is packed by gzip\nphoto.gz: not read: it is packed by gzip\n\
                  run.log: iptables\n\
                  wide.txt: not read: it is text in UTF-16, and looks like iptables\n";
    assert_eq!(ran.out, wanted);
    let ran = folder.run(&["check", "--format", "concise", "--select", "PH007"]);
    let named: Vec<&str> = ran.out.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(named, ["old.rules.gz", "wide.txt"]);
    folder.run(&["check", "wide.txt"]).refused("`wide.txt` is text in UTF-16: save it as UTF-8");
}

#[test]
fn what_cannot_be_read_does_not_stop_the_rest() {
    let folder = Folder::new("rest");
    folder.write("edge.rules", RULES).write("letter.txt", "Dear firewall,\n");
    let ran = folder.run(&["check", "nowhere.rules", "edge.rules", "letter.txt"]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("1 file with 1 rule read"), "{ran:#?}");
    assert!(ran.err.contains("cannot read `nowhere.rules`") && ran.err.contains("`letter.txt`"), "{ran:#?}");
    assert_eq!(folder.run(&["model", "nowhere.rules", "edge.rules"]).code, 2);
    // A firewall of which a file is missing is none.
    folder
        .run(&["trace", "nowhere.rules", "edge.rules", "--packet", "src=1.2.3.4"])
        .refused("`nowhere.rules`");
}

#[test]
fn text_is_data_in_every_command_and_on_both_streams() {
    let folder = Folder::new("foul");
    let foul = "a\u{1b}[31mb\u{9b}2Jc\u{202e}d\u{2066}e";
    let name = format!("{foul}.rules");
    let rules = format!(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set {foul} src -j DROP\n-A INPUT -m {foul} -j DROP\n\
         -A INPUT -p tcp -m comment --comment \"{foul}\" -j ACCEPT\n-A INPUT --{foul} -j {foul}\nCOMMIT\n"
    );
    folder.write(&name, rules).write("sub/pinhole.toml", format!("[[zone]]\n\"{foul}\" = 1\n"));
    folder.write("sub/edge.rules", RULES).write("nothing/x", "").write(&format!("x/{foul}.cfg"), "Dear\n");
    let packet = "src=192.0.2.1 dst=10.0.0.1 proto=tcp dport=80 hook=input";
    let missing = format!("{foul}.none");
    let commands: [&[&str]; 16] = [
        &["check", &name],
        &["check", &name, "--format", "concise"],
        &["check", &name, "--format", "json"],
        &["check", "--list-files"],
        &["check", "x"],
        &["check", "sub/edge.rules"],
        &["check", &missing],
        &["check", &name, "--site", &missing],
        &["check", &name, "--ipset", &missing],
        &["check", &name, "--select", foul],
        &["check", &name, "--fail-on", foul],
        &["model", &name],
        &["model", &name, "--format", "json"],
        &["trace", &name, "--packet", packet],
        &["trace", &name, "--packet", foul],
        &["rule", foul],
    ];
    for args in commands {
        for color in ["never", "always"] {
            let ran = folder.run(&[&["--color", color], args].concat());
            for text in [&ran.out, &ran.err] {
                let of_config = text.replace("\u{1b}[31mb", "FOUL");
                let plain = color == "never" && text.contains('\u{1b}');
                let turned = text.contains(['\u{9b}', '\u{202e}', '\u{2066}', '\u{7f}']);
                assert!(!plain && !turned && !of_config.contains("FOUL"), "{args:?}: {text:?}");
            }
        }
    }
    let json = folder.run(&["check", &name, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["files"][0]["path"], name.as_str());
}

#[test]
fn a_closed_pipe_keeps_the_exit_code() {
    let folder = Folder::new("closed");
    let many = "-A FORWARD -p tcp --dport 99999 -j ACCEPT\n".repeat(3);
    folder.write("bad.rules", RULES.replace("COMMIT\n", &format!("{many}COMMIT\n")));
    for format in ["human", "concise", "json"] {
        let mut child = folder
            .command(&["check", "bad.rules", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{format}");
    }
}

#[test]
fn a_trace_is_bounded_and_endless_packets_end() {
    let folder = Folder::new("bounded");
    // Chains that jump to the next one twice: 2^15 ways.
    let chains: String = (0..15).map(|n| format!(":C{n} - [0:0]\n")).collect();
    let jumps: String = (0..14).map(|n| format!("-A C{n} -j C{m}\n-A C{n} -j C{m}\n", m = n + 1)).collect();
    folder.write(
        "dag.rules",
        format!("*filter\n:INPUT DROP [0:0]\n{chains}-A INPUT -j C0\n{jumps}-A C14 -p udp -j DROP\nCOMMIT\n"),
    );
    let packet = "src=192.0.2.1 dst=10.0.0.1 proto=tcp dport=80 hook=input";
    let ran = folder.run(&["trace", "dag.rules", "--packet", packet]);
    assert!(ran.out.lines().count() < 6000 && ran.out.contains(" more, which are left out here\n"));
    assert!(ran.out.contains("verdict: drop\n"), "{}", &ran.out[ran.out.len() - 300..]);
    folder.write("long.jsonl", "x".repeat(3 << 20));
    folder
        .run(&["trace", "dag.rules", "--packets", "long.jsonl"])
        .refused("long.jsonl:1: the line is longer than 1 MiB");
    if cfg!(unix) {
        folder
            .run(&["trace", "dag.rules", "--packets", "/dev/zero"])
            .refused("/dev/zero:1: the line is longer");
        folder
            .run(&["check", "/dev/zero"])
            .refused("`/dev/zero` is no regular file, and gives more than 64 MiB");
    }
}

#[test]
fn arguments_about_reading() {
    let folder = Folder::new("reading");
    folder.write("edge.rules", RULES);
    let refused =
        |args: &[&str], reason: &str| folder.run(&[&["check", "edge.rules"], args].concat()).refused(reason);
    refused(&["--root", "nowhere"], "it is no folder");
    refused(&["--budget", "nodes"], "write it as KIND=N, such as nodes=2M");
    refused(&["--budget", "hours=2"], "the kinds are `steps`, `nodes`, `bytes` and `search`");
    refused(&["--budget", "nodes=2MG"], "`2MG` is no number");
    assert_eq!(folder.run(&["check", "edge.rules", "--budget", "nodes=2M,bytes=1G", "--root", "."]).code, 0);
}

#[test]
fn an_open_pf_is_shown_at_its_first_filter_rule() {
    let folder = Folder::new("pf-open");
    let text =
        "set skip on lo0\nset block-policy return\n\npass in on em0 proto tcp to port 5061\npass out\n";
    let ran =
        folder.write("pf.conf", text).run(&["check", "--format", "concise", "--select", "PH203", "pf.conf"]);
    assert!(ran.out.starts_with("pf.conf:4:1: warning[PH203] "), "{ran:#?}");
}

#[test]
fn where_no_rule_decides_a_trace_names_none() {
    let folder = Folder::new("undecided");
    folder
        .write("pf.conf", "pass in on em0 proto tcp to port 5061\nanchor \"calls\" proto tcp to port 5060\n");
    let trace = |args: &[&str]| {
        let packet = "src=192.0.2.1 dst=10.0.0.1 proto=tcp dport=80 iif=em0 oif=em1";
        folder.run(&[&["trace", "pf.conf", "--packet", packet], args].concat())
    };
    let human = trace(&[]);
    assert!(human.out.contains("by: no rule: what none of them decides is let through\n"), "{}", human.out);
    let lines = trace(&["--format", "jsonl"]);
    assert!(
        lines.out.contains("\"verdict\":\"accept\"") && !lines.out.contains("\"rule\":{"),
        "{}",
        lines.out
    );
}
