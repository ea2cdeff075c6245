//! The network: namespaces for client, firewall and server, and the links between them; and a second
//! firewall, through which what is in [`INNER`] is reached.
//!
//! ```text
//! client  p0 ──veth── eth0  firewall  eth1 ──veth── p1  server
//!                              │ eth2                   │ p2
//!                              └──veth── in0  inner  in1 ┘
//! ```
//!
//! No link leaves the three. The peers only watch: the firewall's next hops are permanent neighbours
//! with a link-layer address that nobody has, so that any source and any destination will do.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The firewall's addresses: interface, address, prefix length.
pub(crate) const ADDRESSES: [(&str, &str, u8); 4] = [
    ("eth0", "203.0.113.1", 24),
    ("eth1", "198.51.100.1", 24),
    ("eth0", "2001:db8:1::1", 64),
    ("eth1", "2001:db8:2::1", 64),
];
/// What the firewall sends itself leaves by eth0 to these, and by eth1 to all others.
pub(crate) const NEAR: [&str; 2] = ["203.0.113.0/24", "2001:db8:1::/64"];
/// Link-layer addresses of eth0, eth1 and in1: those that frames of the peers go to.
pub(crate) const MACS: [[u8; 6]; 3] = [[2, 0, 0, 0, 0x0f, 0], [2, 0, 0, 0, 0x0f, 1], [2, 0, 0, 0, 0x0f, 2]];
/// Networks behind the inner firewall: of devices, and of their public addresses.
pub(crate) const INNER: [&str; 3] = ["10.30.0.0/16", "198.18.5.0/24", "2001:db8:30::/48"];
const ROLES: [&str; 4] = ["client", "firewall", "inner", "server"];

const PREFIX: &str = "pinhole-";

/// The namespaces, removed when dropped.
pub(crate) struct Netns {
    base: String,
}

impl Netns {
    /// Makes them; an error says what the machine lacks.
    pub(crate) fn new() -> Result<Netns, String> {
        remove_stale();
        let netns = Netns { base: format!("{PREFIX}{}", std::process::id()) };
        for role in ROLES {
            ip(&["netns", "add", &netns.name(role)])?;
        }
        netns.wire()?;
        netns.wire_inner()?;
        Ok(netns)
    }

    /// What the names begin with.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The name of the namespace of a role.
    pub(crate) fn name(&self, role: &str) -> String {
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
        lines.iter().try_for_each(|line| self.ip_in("firewall", line))
    }

    /// The second firewall, between eth2 and p2.
    fn wire_inner(&self) -> Result<(), String> {
        let [inner, server] = [self.name("inner"), self.name("server")];
        self.ip_in("firewall", &format!("link add eth2 type veth peer name in0 netns {inner}"))?;
        self.ip_in("inner", &format!("link add in1 type veth peer name p2 netns {server}"))?;
        self.ip_in("server", "link set p2 up")?;
        let mut firewall = vec![
            "link set eth2 address 02:00:00:00:0f:03 up".to_string(),
            "addr add 10.40.0.1/24 dev eth2 noprefixroute".to_string(),
            "neigh replace 10.40.0.2 lladdr 02:00:00:00:0f:04 dev eth2 nud permanent".to_string(),
            "neigh replace fe80::2 lladdr 02:00:00:00:0f:04 dev eth2 nud permanent".to_string(),
            "-4 route add default via 203.0.113.254 dev eth0 table 102 onlink".to_string(),
            "-6 route add default via fe80::fe dev eth0 table 102".to_string(),
            "-4 rule add iif eth2 lookup 102".to_string(),
            "-6 rule add iif eth2 lookup 102".to_string(),
        ];
        let mut inner = vec![
            "link set lo up".to_string(),
            "link set in0 address 02:00:00:00:0f:04 up".to_string(),
            "link set in1 address 02:00:00:00:0f:02 up".to_string(),
            "addr add 10.40.0.2/24 dev in0 noprefixroute".to_string(),
            "addr add 10.30.0.1/16 dev in1 noprefixroute".to_string(),
            "neigh replace 10.40.0.1 lladdr 02:00:00:00:0f:03 dev in0 nud permanent".to_string(),
            "neigh replace fe80::1 lladdr 02:00:00:00:0f:03 dev in0 nud permanent".to_string(),
            "neigh replace 10.30.0.254 lladdr 02:00:00:00:0d:02 dev in1 nud permanent".to_string(),
            "neigh replace fe80::fe lladdr 02:00:00:00:0d:02 dev in1 nud permanent".to_string(),
            "-4 route add default via 10.40.0.1 dev in0 onlink".to_string(),
            "-6 route add default via fe80::1 dev in0".to_string(),
        ];
        for network in INNER {
            let (family, hops, onlink) = if network.contains(':') {
                ("-6", ["fe80::2", "fe80::fe"], "")
            } else {
                ("-4", ["10.40.0.2", "10.30.0.254"], "onlink")
            };
            for table in ["main", "100"] {
                let hop = hops[0];
                firewall
                    .push(format!("{family} route add {network} via {hop} dev eth2 table {table} {onlink}"));
            }
            inner.push(format!("{family} route add {network} via {} dev in1 {onlink}", hops[1]));
        }
        firewall.iter().try_for_each(|line| self.ip_in("firewall", line))?;
        inner.iter().try_for_each(|line| self.ip_in("inner", line))
    }

    fn ip_in(&self, role: &str, line: &str) -> Result<(), String> {
        let name = self.name(role);
        let words: Vec<&str> = ["-n", &name].into_iter().chain(line.split_whitespace()).collect();
        ip(&words)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.base);
    }
}

fn remove(base: &str) {
    for role in ROLES {
        let _ = ip(&["netns", "del", &format!("{base}-{role}")]);
    }
}

/// Removes the namespaces once the test is gone, however it ended: packets can go round in them for ever.
pub(crate) fn remove_after(base: &str) {
    while is_alive(base) {
        sleep(Duration::from_millis(100));
    }
    remove(base);
}

/// Whether the test with these namespaces still runs.
pub(crate) fn is_alive(base: &str) -> bool {
    base.strip_prefix(PREFIX).is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
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
pub(crate) fn set_silent() {
    for which in ["all", "default"] {
        set(&format!("ipv6/conf/{which}/disable_ipv6"), "1");
    }
    for peer in ["p0", "p1", "p2"] {
        set(&format!("ipv6/conf/{peer}/disable_ipv6"), "1");
    }
}

/// Settings of a firewall's namespace: forward all, from anywhere to anywhere, answer nothing by
/// itself, and limit no errors.
pub(crate) fn set_forwarding() {
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
    for device in ["all", "default", "eth0", "eth1", "eth2", "in0", "in1", "lo"] {
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
pub(crate) fn run_with_input(program: &str, args: &[&str], input: &str) -> Result<(), String> {
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
pub(crate) fn has(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
