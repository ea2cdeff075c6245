//! Which program a command runs: through wrappers such as `sudo`, and what it does to the firewall.

use crate::dialect::iptables::words::Word;
use crate::packet::Family;

/// What a command turns out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Program<'w> {
    /// `iptables` of a family; its arguments begin at this word.
    Tool(Family, usize),
    /// `iptables-restore` of a family, whose arguments begin at this word.
    Restore(Family, usize),
    /// The word is a script of its own (`sh -c`, `eval`).
    Script(usize),
    /// The word is a file that is read in place (`. file`).
    Source(usize),
    /// It changes the firewall, and is not followed.
    Other(&'w str),
    /// A script in a file of its own, which may do anything.
    File(&'w str),
    /// A command for another machine.
    Remote(&'w str),
    /// Nothing that matters here; the words from this one on are the command.
    Nothing(usize),
}

/// A program, and the network namespace that it runs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found<'w> {
    pub program: Program<'w>,
    pub namespace: Option<&'w str>,
}

/// The name of a program without its folder.
pub(super) fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The program that a word names: its family, and whether it is the restore program.
pub(super) fn tool(word: &str) -> Option<(Family, bool)> {
    // A script of the init system has the name of what it starts.
    if word.contains(".d/") {
        return None;
    }
    let name = base_name(word);
    let (family, rest) = match name.strip_prefix("ip6tables") {
        Some(rest) => (Family::V6, rest),
        None => (Family::V4, name.strip_prefix("iptables")?),
    };
    match rest {
        "" | "-legacy" | "-nft" => Some((family, false)),
        "-restore" | "-legacy-restore" | "-nft-restore" => Some((family, true)),
        _ => None,
    }
}

/// The program of the firewall that a substitution looks for: `which iptables`, `command -v iptables`.
pub(super) fn sought(substitution: &str) -> Option<&str> {
    let inside = substitution.trim_start_matches(['$', '(', '`']).trim_end_matches([')', '`']);
    let mut words = inside.split_ascii_whitespace().filter(|word| !word.starts_with("2>"));
    match (words.next()?, words.next()?) {
        ("command", "-v") | ("type", "-p" | "-P") | ("which", "-a") => words.next(),
        ("which", name) => Some(name),
        _ => None,
    }
    .filter(|name| tool(name).is_some() && words.next().is_none())
}

/// Whether a file that is read in place only gives names to things: the functions of init systems, and the settings
/// of programs.
pub(super) fn only_sets_up(file: &str) -> bool {
    const FOLDERS: [&str; 4] = ["/etc/default/", "/etc/sysconfig/", "/etc/conf.d/", "/lib/lsb/"];
    let name = base_name(file);
    FOLDERS.iter().any(|folder| file.starts_with(folder))
        || matches!(
            name,
            "functions" | "functions.sh" | "init-functions" | "os-release" | "lsb-release" | "profile"
        )
}

/// Looks through wrappers at the program that runs in the end.
pub(super) fn find<'w>(words: &'w [Word<'_>]) -> Found<'w> {
    let mut at = 0;
    let mut namespace = None;
    let found = |program, namespace| Found { program, namespace };
    while let Some(word) = words.get(at).filter(|word| !word.unresolved) {
        let rest = &words[at + 1..];
        if let Some((family, restore)) = tool(&word.text) {
            let program =
                if restore { Program::Restore(family, at + 1) } else { Program::Tool(family, at + 1) };
            return found(program, namespace);
        }
        let passed = match base_name(&word.text) {
            "sudo" | "doas" => {
                options(rest, &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R"])
            }
            "env" => options(rest, &["-u", "-C", "-S"]),
            "nice" | "ionice" | "chrt" => options(rest, &["-n", "-c", "-p"]),
            "timeout" => options(rest, &["-s", "-k"]) + 1,
            "flock" => match options(rest, &["-w", "-E"]) + 1 {
                n if rest.get(n).is_some_and(|word| word.text == "-c") => {
                    return script(at + n + 2, namespace);
                }
                n => n,
            },
            "nohup" | "setsid" | "command" | "builtin" | "exec" | "busybox" | "time" | "unbuffer"
            | "then" => options(rest, &[]),
            "ip" => match rest {
                [a, b, name, ..] if a.text == "netns" && b.text == "exec" => {
                    namespace = Some(name.text.as_ref());
                    3
                }
                _ => return found(Program::Nothing(at), namespace),
            },
            "sh" | "bash" | "dash" | "ash" | "ksh" => {
                let given =
                    rest.iter().position(|word| word.text.starts_with('-') && word.text.ends_with('c'));
                return match (given, rest.get(options(rest, &["-o"]))) {
                    (Some(n), _) => script(at + n + 2, namespace),
                    (None, Some(file)) => found(Program::File(&file.text), namespace),
                    // Without a file it is what comes in that is run.
                    (None, None) => found(Program::Other(base_name(&word.text)), namespace),
                };
            }
            "eval" if rest.len() == 1 => return script(at + 1, namespace),
            "eval" => 0,
            "." | "source" => return found(Program::Source(at + 1), namespace),
            name if name.ends_with(".sh") => return found(Program::File(name), namespace),
            name => return found(other(name, rest).unwrap_or(Program::Nothing(at)), namespace),
        };
        at += 1 + passed;
    }
    found(Program::Nothing(at.min(words.len())), namespace)
}

fn script<'w>(at: usize, namespace: Option<&'w str>) -> Found<'w> {
    Found { program: Program::Script(at), namespace }
}

/// How many words the options of a wrapper are, with assignments to its environment among them.
fn options(words: &[Word<'_>], with_value: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_ref();
        if with_value.contains(&text) {
            at += 2;
        } else if text.starts_with('-') || !word.quoted && super::assignment(word).is_some() {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// What the words of `iptables-restore` ask for: iptables-restore(8), read as getopt_long(3) does.
#[derive(Default)]
pub(super) struct Asked<'t> {
    /// Nothing is restored (`--test`, `--version`, `--help`).
    pub(super) test: bool,
    /// What is there stays (`--noflush`).
    pub(super) keep: bool,
    /// One table alone (`--table`).
    pub(super) in_part: bool,
    /// The file, where one is named.
    pub(super) file: Option<Word<'t>>,
}

/// Reads the arguments of `iptables-restore`.
pub(super) fn restores<'t>(words: &[Word<'t>]) -> Asked<'t> {
    const LONG: [(&str, char); 9] = [
        ("noflush", 'n'),
        ("test", 't'),
        ("version", 't'),
        ("help", 't'),
        ("table", 'T'),
        ("wait", 'w'),
        ("wait-interval", 'W'),
        ("modprobe", 'M'),
        ("counters", 'c'),
    ];
    let mut asked = Asked::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let text = word.text.as_ref();
        let (letters, with_value) = match (text.strip_prefix("--"), text.strip_prefix('-')) {
            (Some(long), _) => {
                let (name, value) = long.split_once('=').map_or((long, false), |(name, _)| (name, true));
                let found = LONG.iter().find(|(long, _)| *long == name);
                let found = found.or_else(|| LONG.iter().find(|(long, _)| long.starts_with(name)));
                (found.map_or(String::new(), |(_, letter)| letter.to_string()), value)
            }
            (_, Some(short)) => (short.to_string(), false),
            _ => {
                asked.file.get_or_insert_with(|| word.clone());
                continue;
            }
        };
        for (at, letter) in letters.char_indices() {
            match letter {
                'n' => asked.keep = true,
                't' | 'V' | 'h' => asked.test = true,
                'T' => asked.in_part = true,
                _ => {}
            }
            if matches!(letter, 'T' | 'M' | 'w' | 'W') {
                // The value stands behind the letter, or is the next word; that of `-w` need not be there.
                let behind = at + 1 < letters.len() || with_value;
                let number = |word: &&Word| word.text.bytes().all(|byte| byte.is_ascii_digit());
                if !behind && (letter != 'w' || words.peek().is_some_and(number)) {
                    words.next();
                }
                break;
            }
        }
    }
    asked
}

/// Programs that change the firewall in a way of their own, by the words that do so; none where all do.
const OTHERS: [(&str, &[&str]); 18] = [
    (
        "nft",
        &[
            "-f", "--file", "-i", "add", "insert", "create", "delete", "destroy", "replace", "flush",
            "reset", "rename",
        ],
    ),
    (
        "ufw",
        &[
            "allow", "deny", "reject", "limit", "delete", "insert", "prepend", "route", "enable", "disable",
            "reset", "reload", "default",
        ],
    ),
    ("firewall-cmd", &[]),
    (
        "ipset",
        &[
            "create", "add", "del", "destroy", "flush", "swap", "restore", "rename", "-N", "-A", "-D", "-X",
            "-F", "-R", "-W", "-E", "-exist", "-!",
        ],
    ),
    ("iptables-apply", &[]),
    ("ip6tables-apply", &[]),
    ("iptables-translate", &["never"]),
    ("netfilter-persistent", &["start", "reload", "restart", "flush", "stop"]),
    ("shorewall", &["start", "restart", "reload", "stop", "clear"]),
    ("shorewall6", &["start", "restart", "reload", "stop", "clear"]),
    ("firehol", &["start", "restart", "stop", "try"]),
    ("ferm", &[]),
    ("iptables", OF_SERVICES),
    ("ip6tables", OF_SERVICES),
    ("nftables", OF_SERVICES),
    ("firewall", OF_SERVICES),
    ("firewalld", OF_SERVICES),
    ("rc.firewall", &[]),
];

/// Programs that start and stop services, and the services that change the firewall.
const STARTERS: [&str; 4] = ["service", "systemctl", "rc-service", "invoke-rc.d"];
const SERVICES: [&str; 9] = [
    "iptables",
    "ip6tables",
    "nftables",
    "firewalld",
    "firewall",
    "ufw",
    "netfilter-persistent",
    "shorewall",
    "iptables-persistent",
];

/// What scripts of the init system are told.
const OF_SERVICES: &[&str] = &["start", "stop", "restart", "reload", "force-reload", "flush", "clear"];

/// A program that changes the firewall and is not followed.
fn other<'w>(name: &'w str, rest: &'w [Word<'_>]) -> Option<Program<'w>> {
    if STARTERS.contains(&name) {
        let service = |word: &Word<'_>| SERVICES.contains(&word.text.trim_end_matches(".service"));
        return rest.iter().any(service).then_some(Program::Other(name));
    }
    if let Some((_, verbs)) = OTHERS.iter().find(|(known, _)| *known == name) {
        let does = verbs.is_empty() && !rest.iter().any(|word| looks(&word.text))
            || rest.iter().any(|word| verbs.contains(&word.text.as_ref()));
        return does.then_some(Program::Other(name));
    }
    // Of other programs it is one that is given a command for iptables, unless it only prints it.
    const PRINT: [&str; 16] = [
        "echo", "printf", "which", "type", "hash", "test", "[", "[[", "logger", "grep", "cat", "man", "git",
        "sed", "awk", "mail",
    ];
    let given = rest.windows(2).any(|pair| {
        tool(&pair[0].text).is_some()
            && rest.iter().any(|word| changes(&word.text))
            && pair[1].text.starts_with('-')
    });
    let given = given || rest.iter().any(|word| holds_command(&word.text));
    let program =
        if matches!(name, "ssh" | "rsh" | "pdsh") { Program::Remote(name) } else { Program::Other(name) };
    (given && !PRINT.contains(&name)).then_some(program)
}

/// Whether a command that changes the firewall stands in a word: a script for another program, such as `su -c`.
pub(super) fn holds_command(text: &str) -> bool {
    let mut parts =
        text.split(|c: char| c.is_whitespace() || ";&|()'\"".contains(c)).filter(|part| !part.is_empty());
    parts.by_ref().any(|part| tool(part).is_some()) && parts.any(changes)
}

fn looks(word: &str) -> bool {
    ["--list", "--get", "--query", "--state", "--version", "--help"]
        .iter()
        .any(|start| word.starts_with(start))
}

/// Whether a word is an option of iptables that changes rules.
pub(super) fn changes(word: &str) -> bool {
    const LONG: [&str; 9] = [
        "append",
        "insert",
        "delete",
        "replace",
        "flush",
        "policy",
        "new-chain",
        "delete-chain",
        "rename-chain",
    ];
    match word.strip_prefix("--") {
        Some(long) => LONG.contains(&long),
        None => matches!(word, "-A" | "-I" | "-D" | "-R" | "-F" | "-P" | "-N" | "-X" | "-E"),
    }
}
