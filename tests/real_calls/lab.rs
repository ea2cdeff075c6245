//! Network namespaces for one call, and the programs in them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program in a namespace, which ends with this.
pub(crate) struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The namespaces of one call, removed when dropped.
pub(crate) struct Lab {
    base: String,
    made: Vec<String>,
}

impl Lab {
    /// None yet.
    pub(crate) fn new(number: usize) -> Lab {
        Lab { base: format!("phc{}-{number}", std::process::id()), made: Vec::new() }
    }

    fn full(&self, name: &str) -> String {
        format!("{}-{name}", self.base)
    }

    /// Makes a namespace.
    pub(crate) fn add(&mut self, name: &str) -> Result<(), String> {
        let full = self.full(name);
        done(Command::new("ip").args(["netns", "add", &full]))?;
        self.made.push(full.clone());
        done(Command::new("ip").args(["-n", &full, "link", "set", "lo", "up"]))?;
        // Settings of the kernel that would judge packets beside the rules.
        let settings = "cd /proc/sys/net; for c in all default; do echo 0 > ipv4/conf/$c/rp_filter; \
                        echo 0 > ipv4/conf/$c/send_redirects; echo 1 > ipv6/conf/$c/disable_ipv6; done";
        done(self.command(name, "sh").args(["-c", settings]))
    }

    /// Lets a namespace forward.
    pub(crate) fn forwards(&self, name: &str) -> Result<(), String> {
        done(self.command(name, "sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))
    }

    /// A link between two namespaces: each end's name and address.
    pub(crate) fn link(&self, a: (&str, &str, &str), b: (&str, &str, &str)) -> Result<(), String> {
        let (from, to) = (self.full(a.0), self.full(b.0));
        let pair = ["link", "add", a.1, "type", "veth", "peer", "name", b.1, "netns", &to];
        done(Command::new("ip").args(["-n", &from]).args(pair))?;
        for (name, device, address) in [a, b] {
            let full = self.full(name);
            done(Command::new("ip").args(["-n", &full, "addr", "add", address, "dev", device]))?;
            done(Command::new("ip").args(["-n", &full, "link", "set", device, "up"]))?;
        }
        Ok(())
    }

    /// A route of a namespace.
    pub(crate) fn route(&self, name: &str, to: &str, via: &str) -> Result<(), String> {
        done(Command::new("ip").args(["-n", &self.full(name), "route", "add", to, "via", via]))
    }

    /// A program, to be run in a namespace.
    pub(crate) fn command(&self, name: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.full(name), program]).stdin(Stdio::null());
        command
    }

    /// Loads a ruleset: nftables or iptables, by the end of its name.
    pub(crate) fn load(&self, name: &str, file: &std::path::Path) -> Result<(), String> {
        let path = file.to_string_lossy();
        match file.extension().is_some_and(|end| end == "nft") {
            true => done(self.command(name, "nft").args(["-f", &path])),
            false => done(self.command(name, "iptables-nft-restore").arg(&*path)),
        }
    }

    /// Counts what comes in by a port of UDP.
    pub(crate) fn count(&self, name: &str, port: u16) -> Result<(), String> {
        let rule = format!(
            "table inet seen {{\nchain in {{\ntype filter hook prerouting priority -400;\nudp dport {port} counter\n}}\n}}\n"
        );
        done(self.command(name, "nft").arg(rule))
    }

    /// How many packets were counted.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let out = self.command(name, "nft").args(["list", "chain", "inet", "seen", "in"]).output();
        let text = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        let after = text.split("counter packets ").nth(1).unwrap_or_default();
        after.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.made {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// Runs a command to its end; what it says on standard error where it fails.
pub(crate) fn done(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match out.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&out.stderr))),
    }
}

/// Whether something comes true in time.
pub(crate) fn within(limit: Duration, mut test: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if test() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}
