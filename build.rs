//! Embeds the catalog and the calls: writes the lists of all files under `rules/catalog` and `rules/calls`, so that a
//! product or a call is one file and nothing else has to name it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    embed(&root, "rules/catalog", "catalog.rs")?;
    embed(&root, "rules/calls", "calls.rs")
}

fn embed(root: &Path, folder: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, Path::new(folder), &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let path = file.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        writeln!(list, "    ({path:?}, include_str!({:?})),", root.join(file))?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join(name), list)?;
    Ok(())
}

/// The TOML files of a folder and of those in it, relative to the root; also tells cargo to look at each folder.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
