//! How `pinhole check` grows with devices, with unknown conditions, and with rules that lie across each other.
//!
//! `cargo bench --bench scale` runs each input once, and prints what it took beside the input of the same kind that
//! is smaller. What takes longer than it should is marked `OVER`. An argument selects the inputs whose name
//! contains it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by a panic")]

mod inputs;
#[path = "../load/measure.rs"]
mod measure;
#[path = "../load/rules.rs"]
#[expect(dead_code, reason = "the site and the languages of the other benchmark")]
mod rules;
mod site;
#[path = "../../tests/common/splitmix.rs"]
mod splitmix;

use std::path::PathBuf;
use std::time::Duration;

use inputs::Input;
use measure::{Cost, run};

/// What takes longer is ended.
const MOST: Duration = Duration::from_secs(120);

fn main() {
    let folder = std::env::temp_dir().join(format!("pinhole-scale-{}", std::process::id()));
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let bench = Bench { folder, wanted };
    bench.sites();
    bench.conditions();
    bench.shapes();
    bench.whole_space();
    let _ = std::fs::remove_dir_all(&bench.folder);
}

struct Bench {
    folder: PathBuf,
    wanted: String,
}

impl Bench {
    /// A site of 20 zones and 10 firewalls, with more and more devices.
    fn sites(&self) {
        if !"site".contains(&self.wanted) {
            return;
        }
        println!("20 zones, 10 firewalls of 10000 rules");
        self.grow("site", &[10, 40, 200], Duration::from_secs(5), |devices| {
            self.empty();
            for (name, text) in site::files(devices, 10_000) {
                self.write(&name, &text);
            }
            vec!["check".to_string(), "--format".to_string(), "json".to_string()]
        });
    }

    /// Unknown conditions of each kind, one after the other, on the same packets.
    fn conditions(&self) {
        println!("\nunknown conditions in a chain");
        for (name, input) in inputs::CONDITIONS {
            self.alone(name, input, &[10, 100, 1000]);
        }
    }

    /// Rules of which each lies across others.
    fn shapes(&self) {
        println!("\nrules across each other");
        for (name, input, counts) in inputs::SHAPES {
            self.alone(name, input, counts);
        }
    }

    /// Random rules, for a product that may be anywhere.
    fn whole_space(&self) {
        if !"whole space".contains(&self.wanted) {
            return;
        }
        println!("\nrandom rules over the whole space");
        self.grow("whole space", &[1000, 10_000], Duration::from_secs(10), |count| {
            self.one_file("a.rules", &inputs::random(count), "scopia-elite-5200")
        });
    }

    /// One config with a product behind it, in several sizes.
    fn alone(&self, name: &str, input: Input, counts: &[usize]) {
        if !name.contains(&self.wanted) {
            return;
        }
        self.grow(name, counts, Duration::from_secs(1), |count| {
            let (file, text) = input(count);
            self.one_file(file, &text, "scopia-elite-5200@10.1.2.10")
        });
    }

    fn one_file(&self, file: &str, text: &str, product: &str) -> Vec<String> {
        self.empty();
        self.write(file, text);
        let words = ["check", "--no-site", "--format", "json", "--product", product, file];
        words.map(str::to_string).to_vec()
    }

    /// Runs pinhole on an input of each size.
    fn grow(&self, name: &str, counts: &[usize], most: Duration, input: impl Fn(usize) -> Vec<String>) {
        let mut last: Option<Cost> = None;
        for count in counts {
            let args = input(*count);
            let folder = self.folder.to_string_lossy();
            // Paths in the arguments and the site file are those of the folder.
            let mut words = vec!["-C", folder.as_ref(), env!("CARGO_BIN_EXE_pinhole")];
            words.extend(args.iter().map(String::as_str));
            let cost = run("env", &words, &[0, 1], MOST);
            match &cost {
                Ok(cost) => {
                    let over = if cost.took_longer_than(most) { "  OVER" } else { "" };
                    let grown = last.map_or(String::new(), |last| format!(", {}", cost.against(&last)));
                    println!("  {name:<28} {count:>6}: {cost}{grown}{over}");
                }
                Err(why) => println!("  {name:<28} {count:>6}: {why}  OVER"),
            }
            last = cost.ok();
            if last.is_none() {
                return;
            }
        }
    }

    fn empty(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        std::fs::create_dir_all(&self.folder).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }
}
