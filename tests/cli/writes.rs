//! What is written is there whole or not at all, wherever the program is stopped and whatever the disk says.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::Scratch;

const BIN: &str = env!("CARGO_BIN_EXE_pinhole");

/// The third rule never matches.
const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -s 10.1.0.0/16 -p \
                     tcp -m tcp --dport 1720 -j ACCEPT\n-A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j \
                     ACCEPT\n-A FORWARD -s 10.3.0.0/16 -p udp -m udp --dport 1719 -j ACCEPT\nCOMMIT\n";

/// Each command that writes into a folder with a config, and the file that it writes.
const WRITERS: [(&str, &[&str]); 4] = [
    ("edge.rules", &["check", "--select", "PH4", "--fix", "edge.rules"]),
    ("edge.rules", &["tidy", "--write", "edge.rules"]),
    ("known.json", &["check", "--write-baseline", "known.json", "edge.rules"]),
    ("pinhole.toml", &["init"]),
];

/// The files of a folder that are no drafts.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    all.filter_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (!name.starts_with('.')).then(|| (name, std::fs::read_to_string(entry.path()).unwrap()))
    })
    .collect()
}

fn folder_with_rules(name: &str) -> Scratch {
    let folder = Scratch::new(name);
    folder.file("edge.rules", RULES);
    folder
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// Runs it, with a signal at the `at`-th of the calls that open, write, rename or remove.
fn stopped(folder: &Path, args: &[&str], signal: &str, at: usize) -> Output {
    const CALLS: &str = "openat,write,fsync,fchmod,fchown,rename,unlink,close";
    Command::new("strace")
        .current_dir(folder)
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}")])
        .args(["-e", &format!("inject={CALLS}:signal={signal}:when={at}"), BIN])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_run_that_is_stopped_leaves_the_old_file_or_the_new_one() {
    if !has("strace") {
        return println!("skipped: there is no strace");
    }
    for (written, args) in WRITERS {
        let whole = folder_with_rules("whole");
        let before = files(&whole.0);
        Command::new(BIN).current_dir(&whole.0).args(args).output().unwrap();
        let after = files(&whole.0);
        assert_ne!(before.get(written), after.get(written), "{args:?} writes {written}");
        let mut seen = [0, 0];
        for at in 1.. {
            let folder = folder_with_rules("stopped");
            let signal = ["SIGKILL", "SIGTERM", "SIGINT"][at % 3];
            let ran = stopped(&folder.0, args, signal, at);
            let left = files(&folder.0);
            assert!(left == before || left == after, "{args:?}, {signal} at {at}: {left:?}");
            seen[usize::from(left == after)] += 1;
            // strace dies of the signal of which the program died.
            if ran.status.signal().is_none() && ran.status.code() != Some(128 + 9) {
                assert_eq!(left, after, "{args:?} at {at}");
                break;
            }
            assert!(at < 2000, "{args:?}: there is no end");
        }
        assert!(seen[0] > 5 && seen[1] > 0, "{args:?}: {seen:?}");
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    if !is_root() || !has("unshare") {
        return println!("skipped: it needs root, to mount a small disk");
    }
    for (written, args) in WRITERS {
        let folder = Scratch::new("full");
        let config = folder.file("config", RULES);
        // All of a small disk is full but for the config.
        let script = "mount -t tmpfs -o size=16k tmpfs \"$1\" && cp \"$2\" \"$1/edge.rules\" && cd \"$1\" && \
                      (dd if=/dev/zero of=fill bs=1k 2>/dev/null; true) && shift 2 && \"$@\"; code=$?; echo \"== $code\"; \
                      cat edge.rules; ls -A";
        let disk = folder.0.join("disk");
        std::fs::create_dir(&disk).unwrap();
        let ran = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .args([&disk, &config])
            .arg(BIN)
            .args(args)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
        if err.contains("mount:") || err.contains("unshare:") {
            return println!("skipped: {err}");
        }
        let told = out.split("== ").nth(1).unwrap_or_else(|| panic!("{args:?}: {out}{err}"));
        assert_eq!(told, format!("2\n{RULES}edge.rules\nfill\n"), "{args:?}: {err}");
        assert!(err.contains("cannot write") && err.contains(written), "{args:?}: {err}");
    }
}

#[test]
fn permissions_owner_and_links_stay() {
    for (written, args) in WRITERS {
        let folder = folder_with_rules("alike");
        let file = folder.0.join("real").join(written);
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let path = folder.0.join(written);
        match written {
            "edge.rules" => std::fs::rename(&path, &file).unwrap(),
            "known.json" => std::fs::write(&file, "{}").unwrap(),
            // What is there already is not replaced.
            _ => continue,
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&file, Some(65534), Some(65534)).unwrap();
        }
        std::os::unix::fs::symlink(&file, &path).unwrap();
        let known = file.metadata().unwrap();
        let before = std::fs::read(&file).unwrap();
        Command::new(BIN).current_dir(&folder.0).args(args).output().unwrap();
        assert_ne!(std::fs::read(&file).unwrap(), before, "{args:?}");
        assert!(path.symlink_metadata().unwrap().is_symlink(), "{args:?}");
        let meta = file.metadata().unwrap();
        assert_eq!(
            (meta.mode(), meta.uid(), meta.gid()),
            (known.mode(), known.uid(), known.gid()),
            "{args:?}"
        );
    }
}
