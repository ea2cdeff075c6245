//! Real calls through the rules: baresip calls baresip, by kamailio and directly, coturn's client asks for relays, and
//! two ends speak H.323 as far as the kernel reads it, through one firewall or two in network namespaces. What `pinhole explain` says of each stage is held against what
//! came to pass.
//!
//! It needs Linux, root and the programs; where something is missing, the test says `skipped` and why, and passes. An
//! argument selects the calls whose name contains it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says what it does"
)]
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "there is nothing to test"))]

#[cfg(target_os = "linux")]
mod call;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod h323;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod per;
#[cfg(target_os = "linux")]
mod phone;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod told;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("skipped: this is not Linux");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(code) = h323::end() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Some(why) = run::lacking() {
        eprintln!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    run::all(arguments.iter().find(|arg| !arg.starts_with('-')).map(String::as_str))
}

#[cfg(target_os = "linux")]
mod run {
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use crate::cases::{self, Case};
    use crate::told::{Told, compare, write_site};
    use crate::{call, lab, phone};

    /// Calls at once: they wait more than they work.
    const AT_ONCE: usize = 8;
    const PROGRAMS: [&str; 10] = [
        "ip",
        "nft",
        "iptables-nft-restore",
        "bash",
        "ss",
        "openssl",
        "baresip",
        "kamailio",
        "turnserver",
        "turnutils_uclient",
    ];

    /// What the machine lacks.
    pub(crate) fn lacking() -> Option<String> {
        let id = Command::new("id").arg("-u").output();
        if !id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
            return Some("it needs root, to make network namespaces".to_string());
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let has = |program: &&str| path.split(':').any(|place| Path::new(place).join(program).is_file());
        if let Some(missing) = PROGRAMS.iter().find(|program| !has(program)) {
            return Some(format!("`{missing}` is not installed"));
        }
        let libraries =
            std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        let modules = libraries.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")]);
        if !modules.map(|place| place.join("kamailio/modules/tls.so")).any(|module| module.is_file()) {
            return Some("kamailio has no module for TLS".to_string());
        }
        let mut lab = lab::Lab::new(0);
        lab.add("trial").err().map(|why| format!("no network namespace can be made: {why}"))
    }

    /// Makes all calls whose name contains a word, and says what is wrong.
    pub(crate) fn all(only: Option<&str>) -> ExitCode {
        let folder = std::env::temp_dir().join(format!("pinhole-real-calls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        if let Err(why) = phone::common_files(&folder) {
            eprintln!("FAILED {why}");
            return ExitCode::FAILURE;
        }
        let cases: Vec<Case> = cases::all()
            .into_iter()
            .filter(|case| only.is_none_or(|only| case.name.contains(only)))
            .collect();
        let (next, failed, certain) = (AtomicUsize::new(0), Mutex::new(0), AtomicUsize::new(0));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(at) else { break };
                        match one(case, &folder, at + 1) {
                            Ok(count) => {
                                certain.fetch_add(count, Ordering::Relaxed);
                            }
                            Err(why) => {
                                *failed.lock().unwrap() += 1;
                                eprintln!("FAILED {}: {why}", case.name);
                            }
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap();
        eprintln!(
            "real calls: {}, {} answers of explain about their stages were certain, {failed} failures, {:.1} s",
            cases.len(),
            certain.into_inner(),
            began.elapsed().as_secs_f32()
        );
        if failed == 0 {
            let _ = std::fs::remove_dir_all(&folder);
            return ExitCode::SUCCESS;
        }
        eprintln!("the rules and what the programs wrote are in {}", folder.display());
        ExitCode::FAILURE
    }

    /// Makes one call and holds the explanation against it; how many of its answers were certain.
    fn one(case: &Case, folder: &Path, number: usize) -> Result<usize, String> {
        let name: String = case.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let place = folder.join(name);
        let rules = write_rules(case, &place).map_err(|error| error.to_string())?;
        for file in ["tone.wav", "cert.pem", "key.pem", "crt.pem", "openssl.cnf"] {
            std::os::unix::fs::symlink(folder.join(file), place.join(file))
                .map_err(|error| error.to_string())?;
        }
        let told = Told::ask(case, &place)?;
        let seen = call::make(case, number, &place, &rules)?;
        let _ = std::fs::write(place.join("log"), format!("{seen:#?}\n\n{}", seen.log));
        let (wrong, certain) = compare(case, &told, &seen);
        if std::env::var_os("PINHOLE_REAL_CALLS_SHOW").is_some() {
            eprintln!("{}: {seen:?}", case.name);
        }
        if wrong.is_empty() { Ok(certain) } else { Err(format!("{}\n{}", wrong.join("; "), place.display())) }
    }

    fn write_rules(case: &Case, place: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for (rules, firewall) in case.rules.iter().zip(["edge", "inner"]) {
            std::fs::create_dir_all(place.join(firewall))?;
            files.push(place.join(firewall).join(rules.file()));
            std::fs::write(files.last().unwrap_or(&PathBuf::new()), rules.text())?;
        }
        write_site(case, place)?;
        Ok(files)
    }
}
