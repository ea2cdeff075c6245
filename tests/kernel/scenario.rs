//! A ruleset with the packets to send through it.
//!
//! Fixtures carry their packets in comments:
//!
//! ```text
//! #> forward tcp 192.0.2.7:1024 > 10.1.2.3:80 => accept dst=10.1.2.9:8080
//! #> input icmp 192.0.2.7 > 203.0.113.1 in=eth0 type=8 => drop
//! #> refused by legacy
//! ```
//!
//! The verdicts are `accept`, with `src=` and `dst=` where they are translated, `drop`, `reject` with
//! or without the answer's name, and `unknown`, where no ruleset alone can tell. `refused` says that
//! the tool does not load the file (`by` a back end: only that one).

use std::path::{Path, PathBuf};

use crate::lab::End;
use crate::packet::{self, Probe};

/// What loads a ruleset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tool {
    IptablesLegacy,
    IptablesNft,
    Ip6tablesLegacy,
    Ip6tablesNft,
    Nft,
}

impl Tool {
    /// All of them.
    pub(crate) const ALL: [Tool; 5] =
        [Tool::IptablesLegacy, Tool::IptablesNft, Tool::Ip6tablesLegacy, Tool::Ip6tablesNft, Tool::Nft];

    /// The program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Tool::IptablesLegacy => "iptables-legacy-restore",
            Tool::IptablesNft => "iptables-nft-restore",
            Tool::Ip6tablesLegacy => "ip6tables-legacy-restore",
            Tool::Ip6tablesNft => "ip6tables-nft-restore",
            Tool::Nft => "nft",
        }
    }

    fn backend(self) -> &'static str {
        match self {
            Tool::IptablesLegacy | Tool::Ip6tablesLegacy => "legacy",
            Tool::IptablesNft | Tool::Ip6tablesNft | Tool::Nft => "nft",
        }
    }
}

/// A firewall language of the kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    Iptables,
    Ip6tables,
    Nftables,
}

impl Language {
    /// The language of a file, by the end of its name.
    fn of(path: &Path) -> Option<Language> {
        match path.extension()?.to_str()? {
            "rules" => Some(Language::Iptables),
            "rules6" => Some(Language::Ip6tables),
            "nft" => Some(Language::Nftables),
            _ => None,
        }
    }

    /// The name for `--dialect`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::Iptables => "iptables",
            Language::Ip6tables => "ip6tables",
            Language::Nftables => "nftables",
        }
    }

    /// The tools that load it.
    pub(crate) fn tools(self) -> &'static [Tool] {
        match self {
            Language::Iptables => &[Tool::IptablesLegacy, Tool::IptablesNft],
            Language::Ip6tables => &[Tool::Ip6tablesLegacy, Tool::Ip6tablesNft],
            Language::Nftables => &[Tool::Nft],
        }
    }
}

/// What a fixture says becomes of a packet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// With the ends where they are translated.
    Accept {
        src: Option<End>,
        dst: Option<End>,
    },
    Reject(Option<String>),
    Drop,
    /// Not to be known from the ruleset.
    Unknown,
}

/// A packet and what should become of it; nothing is written of the packets of random rulesets.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub line: usize,
    pub probe: Probe,
    pub expected: Option<Expected>,
}

/// A ruleset with its packets.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub name: String,
    pub language: Language,
    pub text: String,
    /// The file of it, for `pinhole`.
    pub path: PathBuf,
    /// What `ipset save` would say of its sets.
    pub ipset: Option<PathBuf>,
    pub cases: Vec<Case>,
    /// The back ends that do not load it.
    refused: Vec<&'static str>,
}

impl Scenario {
    /// A ruleset of no file yet.
    pub(crate) fn new(
        name: String,
        language: Language,
        text: String,
        path: PathBuf,
        cases: Vec<Case>,
    ) -> Scenario {
        Scenario { name, language, text, path, ipset: None, cases, refused: Vec::new() }
    }

    /// Whether a tool does not load it.
    pub(crate) fn refused_by(&self, tool: Tool) -> bool {
        self.refused.contains(&tool.backend())
    }

    /// Whether no tool loads it.
    pub(crate) fn refused_by_all(&self) -> bool {
        self.language.tools().iter().all(|tool| self.refused_by(*tool))
    }

    /// Reads a fixture; `None` where the file is no ruleset.
    pub(crate) fn read(path: &Path) -> Result<Option<Scenario>, String> {
        let Some(language) = Language::of(path) else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let mut scenario =
            Scenario::new(format!("{folder}/{file}"), language, text, path.to_path_buf(), Vec::new());
        let ipset = path.with_extension("ipset");
        scenario.ipset = ipset.exists().then_some(ipset);
        let text = scenario.text.clone();
        for (number, line) in text.lines().enumerate() {
            if let Some(directive) = line.trim_start().strip_prefix("#>") {
                scenario
                    .directive(number + 1, directive.trim())
                    .map_err(|error| format!("{}:{}: {error}", scenario.name, number + 1))?;
            }
        }
        if scenario.cases.is_empty() && scenario.refused.is_empty() {
            return Err(format!("{}: there is no packet in it", scenario.name));
        }
        Ok(Some(scenario))
    }

    fn directive(&mut self, line: usize, text: &str) -> Result<(), String> {
        match text {
            "refused" => self.refused = vec!["legacy", "nft"],
            "refused by legacy" => self.refused = vec!["legacy"],
            "refused by nft" => self.refused = vec!["nft"],
            _ => {
                let (packet, verdict) = text.split_once("=>").ok_or("`=>` and a verdict are missing")?;
                let probe = Probe::parse(packet)?;
                self.cases.push(Case { line, probe, expected: Some(expected(verdict)?) });
            }
        }
        Ok(())
    }
}

fn expected(text: &str) -> Result<Expected, String> {
    let mut words = text.split_whitespace();
    let verdict = words.next().ok_or("the verdict is missing")?;
    let mut rest = words;
    match verdict {
        "drop" => Ok(Expected::Drop),
        "unknown" => Ok(Expected::Unknown),
        "reject" => Ok(Expected::Reject(rest.next().map(str::to_string))),
        "accept" => {
            let (mut src, mut dst) = (None, None);
            for word in rest {
                let (key, value) = word.split_once('=').ok_or(format!("`{word}` is no end"))?;
                let (address, port) = packet::end(value)?;
                let end = End { address, port: (port != 0).then_some(port) };
                *(if key == "dst" { &mut dst } else { &mut src }) = Some(end);
            }
            Ok(Expected::Accept { src, dst })
        }
        other => Err(format!("`{other}` is no verdict")),
    }
}

/// All fixtures of a folder, by name.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Scenario>, String> {
    let listed = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| Scenario::read(path).transpose()).collect()
}
