//! The network: namespaces for client, firewall and server, and the links between them.
//!
//! ```text
//! client  p0 ──veth── eth0  firewall  eth1 ──veth── p1  server
//! ```
//!
//! No link leaves the three. The peers only watch: the firewall's next hops are permanent neighbours
//! with a link-layer address that nobody has, so that any source and any destination will do.

use std::io::Write;
use std::process::{Command, Stdio};

/// The firewall's addresses: interface, address, prefix length.
pub const ADDRESSES: [(&str, &str, u8); 4] = [
    ("eth0", "203.0.113.1", 24),
    ("eth1", "198.51.100.1", 24),
    ("eth0", "2001:db8:1::1", 64),
    ("eth1", "2001:db8:2::1", 64),
];
/// What the firewall sends itself leaves by eth0 to these, and by eth1 to all others.
pub const NEAR: [&str; 2] = ["203.0.113.0/24", "2001:db8:1::/64"];
/// Link-layer addresses of eth0 and eth1.
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0x0f, 0], [2, 0, 0, 0, 0x0f, 1]];

const PREFIX: &str = "pinhole-";

/// Three namespaces, removed when dropped.
pub struct Netns {
    base: String,
}

impl Netns {
    /// Makes them; an error says what the machine lacks.
    pub fn new() -> Result<Netns, String> {
        remove_stale();
        let netns = Netns { base: format!("{PREFIX}{}", std::process::id()) };
        for role in ["client", "firewall", "server"] {
            ip(&["netns", "add", &netns.name(role)])?;
        }
        netns.wire()?;
        Ok(netns)
    }

    /// What the names begin with.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The name of the namespace of a role.
    pub fn name(&self, role: &str) -> String {
        format!("{}-{role}", self.base)
    }

    fn wire(&self) -> Result<(), String> {
        let mut lines = vec!["link set lo up".to_string()];
        for (n, (name, peer)) in [("eth0", "client"), ("eth1", "server")].into_iter().enumerate() {
            let peer_ns = self.name(peer);
            ip(&[
                "-n",
                &self.name("firewall"),
                "link",
                "add",
                name,
                "type",
                "veth",
                "peer",
                "name",
                &format!("p{n}"),
                "netns",
                &peer_ns,
            ])?;
            ip(&["-n", &peer_ns, "link", "set", &format!("p{n}"), "up"])?;
            lines.push(format!("link set {name} address 02:00:00:00:0f:0{n} up"));
            for (_, address, length) in ADDRESSES.iter().filter(|(on, ..)| *on == name) {
                let nodad = if address.contains(':') { "nodad" } else { "" };
                lines.push(format!("addr add {address}/{length} dev {name} noprefixroute {nodad}"));
            }
            for hop in [hop4(n), "fe80::fe".to_string()] {
                lines
                    .push(format!("neigh replace {hop} lladdr 02:00:00:00:0d:0{n} dev {name} nud permanent"));
            }
        }
        for family in ["-4", "-6"] {
            let hop = |n: usize| if family == "-4" { hop4(n) } else { "fe80::fe".to_string() };
            let onlink = if family == "-4" { "onlink" } else { "" };
            let near = NEAR[usize::from(family == "-6")];
            lines.extend([
                format!("{family} route add {near} via {} dev eth0 {onlink}", hop(0)),
                format!("{family} route add default via {} dev eth1 {onlink}", hop(1)),
                format!("{family} route add default via {} dev eth1 table 100 {onlink}", hop(1)),
                format!("{family} route add default via {} dev eth0 table 101 {onlink}", hop(0)),
                format!("{family} rule add iif eth0 lookup 100"),
                format!("{family} rule add iif eth1 lookup 101"),
            ]);
        }
        lines.iter().try_for_each(|line| {
            let mut words = vec!["-n".to_string(), self.name("firewall")];
            words.extend(line.split_whitespace().map(String::from));
            ip(&words.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        for role in ["client", "firewall", "server"] {
            let _ = ip(&["netns", "del", &self.name(role)]);
        }
    }
}

fn hop4(n: usize) -> String {
    ["203.0.113.254", "198.51.100.254"][n].to_string()
}

/// Removes the namespaces of runs that were killed.
fn remove_stale() {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for name in String::from_utf8_lossy(&listed.stdout).lines().filter_map(|l| l.split(' ').next()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if let Some(pid) = owner.and_then(|pid| pid.parse::<u32>().ok())
            && !std::path::Path::new(&format!("/proc/{pid}")).exists()
        {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let what = || format!("`ip {}`", args.join(" "));
    let run = Command::new("ip").args(args).output().map_err(|error| format!("{}: {error}", what()))?;
    if run.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", what(), String::from_utf8_lossy(&run.stderr).trim()))
}

/// Settings of the client's and the server's namespace: nothing of their own is sent.
pub fn set_silent() {
    for which in ["all", "default"] {
        set(&format!("ipv6/conf/{which}/disable_ipv6"), "1");
    }
    for peer in ["p0", "p1"] {
        set(&format!("ipv6/conf/{peer}/disable_ipv6"), "1");
    }
}

/// Settings of the firewall's namespace: forward all, from anywhere to anywhere, answer nothing by
/// itself, and limit no errors.
pub fn set_forwarding() {
    for (path, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv4/icmp_echo_ignore_all", "1"),
        ("ipv6/icmp/echo_ignore_all", "1"),
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv4/icmp_ratemask", "0"),
        ("ipv4/icmp_msgs_per_sec", "1000000"),
        ("ipv4/icmp_msgs_burst", "1000000"),
        ("ipv6/icmp/ratelimit", "0"),
        ("ipv6/icmp/ratemask", "255"),
    ] {
        set(path, value);
    }
    for device in ["all", "default", "eth0", "eth1", "lo"] {
        for (name, value) in [
            ("rp_filter", "0"),
            ("accept_local", "1"),
            ("route_localnet", "1"),
            ("send_redirects", "0"),
            ("log_martians", "0"),
        ] {
            set(&format!("ipv4/conf/{device}/{name}"), value);
        }
        for (name, value) in [("accept_ra", "0"), ("accept_redirects", "0"), ("router_solicitations", "0")] {
            set(&format!("ipv6/conf/{device}/{name}"), value);
        }
    }
}

/// Kernels differ in what they have; what matters shows in the control packets.
fn set(path: &str, value: &str) {
    let _ = std::fs::write(format!("/proc/sys/net/{path}"), value);
}

/// Runs a program of this namespace on an input; the error is what it printed.
pub fn run_with_input(program: &str, args: &[&str], input: &str) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // a program that refuses may stop reading
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
    }
}

/// Whether a program is installed.
pub fn has(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
