//! pinhole beside the tools that load the same rules, in one run.
//!
//! `cargo bench --bench load` writes rulesets of the same rules in each language, runs each program
//! once on them, and prints time and peak memory as ratios. What is not installed, or needs root, is
//! left out. `cargo bench --bench load -- 10000` takes another number of rules than 100,000.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by a panic")]

mod measure;
mod rules;
#[path = "../../tests/common/splitmix.rs"]
mod splitmix;

use std::path::{Path, PathBuf};
use std::time::Duration;

use measure::{Cost, run};
use rules::Form;

/// What takes longer has failed.
const MOST: Duration = Duration::from_secs(600);

fn main() {
    let folder = std::env::temp_dir().join(format!("pinhole-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let bench = Bench { folder, count };
    bench.start();
    bench.beside_the_loaders();
    bench.languages();
    bench.growth();
    std::fs::remove_dir_all(&bench.folder).unwrap();
}

struct Bench {
    folder: PathBuf,
    count: usize,
}

impl Bench {
    /// A file of `count` rules in a form.
    fn write(&self, form: Form, count: usize) -> PathBuf {
        let path = self.folder.join(format!("{count}.{}", form.extension()));
        std::fs::write(&path, rules::generate(form, count, 1)).unwrap();
        path
    }

    /// `pinhole check` with a site of twenty devices.
    fn check(&self, path: &Path) -> Cost {
        let site = self.folder.join("pinhole.toml");
        let config = path.file_name().unwrap_or_default().to_string_lossy();
        std::fs::write(&site, rules::site(&config)).unwrap();
        pinhole(&["check", "--format", "json"], path)
    }

    /// What a run takes that has next to nothing to do: the least of several.
    fn start(&self) {
        let path = self.write(Form::Iptables, 10);
        let runs = (0..20).map(|_| pinhole(&["check", "--no-site"], &path));
        let least = runs.min_by_key(|cost: &Cost| cost.time);
        println!("pinhole check of 10 rules, the least of 20 runs: {}\n", least.unwrap());
    }

    fn beside_the_loaders(&self) {
        println!("{} rules, each program once", self.count);
        let iptables = self.write(Form::Iptables, self.count);
        let limit = run("wc", &["-l", &iptables.to_string_lossy()], &[0], MOST).unwrap();
        println!("  {:<32} {limit}", "wc -l");
        let model = pinhole(&["model", "--format", "json"], &iptables);
        compare(
            "pinhole model",
            &model,
            "iptables-legacy-restore --test",
            loader(&["iptables-legacy-restore", "--test"], &iptables),
        );
        let restore = loader(&["iptables-restore", "--test"], &iptables);
        compare("pinhole check --no-site", &alone(&iptables), "iptables-restore --test", restore.clone());
        compare("pinhole check, 20 devices", &self.check(&iptables), "iptables-restore --test", restore);
        let nftables = self.write(Form::Nftables, self.count);
        let load = loader(&["nft", "-c", "-f"], &nftables);
        compare("pinhole check --no-site", &alone(&nftables), "nft -c -f", load.clone());
        compare("pinhole check, 20 devices", &self.check(&nftables), "nft -c -f", load);
    }

    fn languages(&self) {
        let costs = |form| {
            let path = self.write(form, self.count);
            (alone(&path), self.check(&path))
        };
        let (iptables_alone, iptables) = costs(Form::Iptables);
        println!("\npinhole check, {} rules, against the iptables form", self.count);
        for form in [Form::Nftables, Form::Pf, Form::Asa] {
            let (alone, with_site) = costs(form);
            println!("  {:<9} --no-site: {}", form.extension(), alone.against(&iptables_alone));
            println!("  {:<9} 20 devices: {}", "", with_site.against(&iptables));
        }
    }

    fn growth(&self) {
        println!("\npinhole check, 20 devices, iptables");
        let mut last: Option<Cost> = None;
        for count in [self.count / 10, self.count, self.count * 10] {
            let path = self.write(Form::Iptables, count);
            let cost = self.check(&path);
            let grown =
                last.map_or(String::new(), |last| format!(", against the tenth: {}", cost.against(&last)));
            println!("  {count:>9} rules: {cost}{grown}");
            std::fs::remove_file(path).unwrap();
            last = Some(cost);
        }
    }
}

/// The lints that need no site, and the rules that do nothing.
fn alone(path: &Path) -> Cost {
    pinhole(&["check", "--no-site", "--format", "json"], path)
}

fn pinhole(args: &[&str], path: &Path) -> Cost {
    let path = path.to_string_lossy();
    let args: Vec<&str> = args.iter().copied().chain([path.as_ref()]).collect();
    // 1 says that there are findings
    run(env!("CARGO_BIN_EXE_pinhole"), &args, &[0, 1], MOST).unwrap()
}

/// A program that loads rules, in a network namespace of its own.
fn loader(command: &[&str], path: &Path) -> Result<Cost, String> {
    let path = path.to_string_lossy();
    let mut args = vec!["--net", "--"];
    args.extend(command);
    args.push(&path);
    run("unshare", &args, &[0], MOST)
}

fn compare(ours: &str, cost: &Cost, theirs: &str, other: Result<Cost, String>) {
    println!("  {ours:<32} {cost}");
    match other {
        Ok(other) => println!("  {theirs:<32} {other}\n    it takes {}", other.against(cost)),
        Err(why) => println!("  {theirs:<32} skipped: {why}"),
    }
}
