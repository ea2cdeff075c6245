//! The arguments of tools, and the words of the command line that they are.

use schemars::JsonSchema;
use serde::Deserialize;

/// Of `check`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Check {
    /// Configs, or folders of configs. Without any: all configs of the site, or of the folder
    #[serde(default)]
    paths: Vec<String>,
    /// The site file; else the nearest `pinhole.toml`
    site: Option<String>,
    /// Products behind the firewall, such as `scopia-mcu@10.1.2.10`, instead of a site file
    #[serde(default)]
    products: Vec<String>,
    /// Only these rules, by code (`PH201`, or `PH2` for all that start so) or name
    #[serde(default)]
    select: Vec<String>,
    /// Not these rules
    #[serde(default)]
    ignore: Vec<String>,
}

/// Of `explain`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Explain {
    /// Who calls: a device, a zone or a named peer of the site, an address, a network, `role:ROLE`, or `anybody`
    from: String,
    /// Who is called
    to: String,
    /// The kind of call: h323, sip, webrtc, …; else the first that makes sense between both ends
    call: Option<String>,
    /// What a change request is about, in place of a call, such as `tcp/1720 udp/20000-20600`: whether it is open, and which
    /// lines on which firewall open it
    traffic: Option<String>,
    /// The site file; else the nearest `pinhole.toml`
    site: Option<String>,
}

/// Of `diff`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Diff {
    /// The config, or folder of configs, as it was
    old: String,
    /// As it is now
    new: String,
    /// The site file; else the nearest `pinhole.toml`
    site: Option<String>,
}

/// Of `trace`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Trace {
    /// The configs of one firewall, for a packet that is given
    #[serde(default)]
    configs: Vec<String>,
    /// The packet, such as `src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0`
    packet: Option<String>,
    /// Who sends, for a packet along the site's path: a device, a zone, a named peer, an address, or `anybody`
    from: Option<String>,
    /// To whom
    to: Option<String>,
    /// What is sent along the site's path: `tcp/1720`, `udp/5060`, `icmp`
    traffic: Option<String>,
    /// The site file; else the nearest `pinhole.toml`
    site: Option<String>,
}

/// Of `matrix`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Matrix {
    /// Only what these open: a device, a zone, a named peer, an address or `role:ROLE`
    from: Option<String>,
    /// Only what is opened to these
    to: Option<String>,
    /// Only what goes through this firewall
    firewall: Option<String>,
    /// Leave out what is optional
    #[serde(default)]
    needed_only: bool,
    /// The site file; else the nearest `pinhole.toml`
    site: Option<String>,
}

/// Of `catalog_search`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CatalogSearch {
    /// A port: who uses it, and what breaks when it is blocked
    pub port: Option<u16>,
    /// A product's name, or a part of it: the ports that it needs
    pub product: Option<String>,
}

/// Of `rule`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rule {
    /// A code (`PH201`), the start of codes (`PH2`) or a name; without it, all rules are listed
    pub rule: Option<String>,
}

/// A command line: options, and behind `--` what has no name.
pub(super) struct Words {
    pub options: Vec<String>,
    pub operands: Vec<String>,
    /// Which of the operands and values are paths.
    pub paths: Vec<String>,
}

/// Arguments that are words of a command.
pub(super) trait Spoken {
    /// The command.
    const COMMAND: &'static str;
    /// Whether its machine-readable form is one of lines.
    const LINES: bool = false;
    /// The words.
    fn words(self) -> Result<Words, String>;
}

/// `--name=value`, where there is a value: what an assistant says is never an option of its own.
fn option(options: &mut Vec<String>, name: &str, value: Option<&String>) {
    options.extend(value.map(|value| format!("--{name}={value}")));
}

impl Spoken for Check {
    const COMMAND: &'static str = "check";

    fn words(self) -> Result<Words, String> {
        let mut options = Vec::new();
        option(&mut options, "site", self.site.as_ref());
        for (name, values) in
            [("product", &self.products), ("select", &self.select), ("ignore", &self.ignore)]
        {
            values.iter().for_each(|value| option(&mut options, name, Some(value)));
        }
        let paths = self.paths.iter().cloned().chain(self.site).collect();
        Ok(Words { options, operands: self.paths, paths })
    }
}

impl Spoken for Explain {
    const COMMAND: &'static str = "explain";

    fn words(self) -> Result<Words, String> {
        let mut options = Vec::new();
        option(&mut options, "from", Some(&self.from));
        option(&mut options, "to", Some(&self.to));
        option(&mut options, "call", self.call.as_ref());
        option(&mut options, "site", self.site.as_ref());
        let operands = self.traffic.into_iter().collect();
        Ok(Words { options, operands, paths: self.site.into_iter().collect() })
    }
}

impl Spoken for Diff {
    const COMMAND: &'static str = "diff";

    fn words(self) -> Result<Words, String> {
        let mut options = Vec::new();
        option(&mut options, "site", self.site.as_ref());
        let paths = [&self.old, &self.new].into_iter().cloned().chain(self.site).collect();
        Ok(Words { options, operands: vec![self.old, self.new], paths })
    }
}

impl Spoken for Trace {
    const COMMAND: &'static str = "trace";
    const LINES: bool = true;

    fn words(self) -> Result<Words, String> {
        let mut options = Vec::new();
        option(&mut options, "site", self.site.as_ref());
        let site = self.site.into_iter();
        match (self.packet, self.from, self.to, self.traffic) {
            (Some(packet), None, None, None) if !self.configs.is_empty() => {
                option(&mut options, "packet", Some(&packet));
                let paths = self.configs.iter().cloned().chain(site).collect();
                Ok(Words { options, operands: self.configs, paths })
            }
            (None, Some(from), Some(to), Some(traffic)) if self.configs.is_empty() => {
                option(&mut options, "from", Some(&from));
                option(&mut options, "to", Some(&to));
                Ok(Words { options, operands: vec![traffic], paths: site.collect() })
            }
            _ => Err("give `configs` and `packet`, or `from`, `to` and `traffic`".to_string()),
        }
    }
}

impl Spoken for Matrix {
    const COMMAND: &'static str = "matrix";

    fn words(self) -> Result<Words, String> {
        let mut options = Vec::new();
        option(&mut options, "from", self.from.as_ref());
        option(&mut options, "to", self.to.as_ref());
        option(&mut options, "firewall", self.firewall.as_ref());
        option(&mut options, "site", self.site.as_ref());
        if self.needed_only {
            options.push("--needed-only".to_string());
        }
        Ok(Words { options, operands: Vec::new(), paths: self.site.into_iter().collect() })
    }
}
