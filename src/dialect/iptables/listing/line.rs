//! One line of a listing as the words of a command.

/// A rule as it is listed.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Line {
    /// The words of the command behind the chain.
    pub words: Vec<String>,
    /// What is not read.
    pub unread: String,
}

impl Line {
    /// Reads a line; with `verbose`, there are counters and interfaces.
    pub(super) fn read(text: &str, verbose: bool, numbered: bool) -> Option<Line> {
        let mut rest: Vec<&str> = text.split_ascii_whitespace().collect();
        let is_count = |word: &str| {
            word.trim_end_matches(['K', 'M', 'G', 'T']).bytes().all(|b| b.is_ascii_digit())
                && !word.is_empty()
        };
        for _ in 0..usize::from(numbered) + 2 * usize::from(verbose) {
            if rest.is_empty() || !is_count(rest.remove(0)) {
                return None;
            }
        }
        // `prot opt` stands before the addresses; the target before them may be missing.
        let opt = rest.iter().take(3).position(|word| matches!(*word, "--" | "-f" | "!f"));
        let addresses = if verbose { 2 } else { 0 };
        let has_target = match opt {
            Some(at) => at == 2,
            // ip6tables leaves the column of options empty.
            None => rest.get(1 + addresses).is_some_and(|word| !is_address(word)),
        };
        let mut line = Line::default();
        let mut words = rest.into_iter();
        let target = if has_target { words.next()? } else { "" };
        line.protocol(words.next()?);
        if opt.is_some() && words.next()? != "--" {
            line.words.push("-f".into());
        }
        if verbose {
            line.value("-i", words.next()?, &["*", "any"]);
            line.value("-o", words.next()?, &["*", "any"]);
        }
        line.value("-s", words.next()?, &["0.0.0.0/0", "anywhere", "::/0"]);
        line.value("-d", words.next()?, &["0.0.0.0/0", "anywhere", "::/0"]);
        line.extras(target, words.collect());
        Some(line)
    }

    fn push(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| word.to_string()));
    }

    /// An option whose value may be turned round with `!`.
    fn value(&mut self, option: &str, value: &str, any: &[&str]) {
        if any.contains(&value) {
            return;
        }
        match value.strip_prefix('!') {
            Some(value) => self.push(&["!", option, value]),
            None => self.push(&[option, value]),
        }
    }

    fn protocol(&mut self, text: &str) {
        self.value("-p", text, &["0", "all"]);
    }

    /// What the matches and the target print behind the addresses.
    fn extras(&mut self, target: &str, words: Vec<&str>) {
        let mut rest = &words[..];
        let mut jump = vec!["-j".to_string(), target.to_string()];
        let mut not = false;
        while let Some((first, after)) = rest.split_first() {
            let taken = match (*first, after) {
                ("!", _) => {
                    not = true;
                    rest = after;
                    continue;
                }
                ("[goto]", _) => {
                    jump[0] = "-g".into();
                    1
                }
                ("/*", _) => 1 + rest.iter().position(|word| *word == "*/").unwrap_or(rest.len() - 1),
                ("LOG" | "NFLOG" | "ULOG", _) if *first == target => rest.len(),
                ("reject-with", [kind, ..]) if target == "REJECT" => {
                    jump.extend(["--reject-with".into(), kind.to_string()]);
                    2
                }
                ("redir", ["ports", ports, ..]) => {
                    jump.extend(["--to-ports".into(), ports.to_string()]);
                    3
                }
                (to, _) if to.starts_with("to:") && matches!(target, "DNAT" | "SNAT" | "NETMAP") => {
                    let option = match target {
                        "DNAT" => "--to-destination",
                        "SNAT" => "--to-source",
                        _ => "--to",
                    };
                    jump.extend([option.to_string(), to[3..].to_string()]);
                    1
                }
                _ => self.extra(rest, std::mem::take(&mut not)),
            };
            not = false;
            if taken == 0 {
                self.unread.push_str(if self.unread.is_empty() { "" } else { " " });
                self.unread.push_str(first);
            }
            rest = &rest[taken.max(1)..];
        }
        if !target.is_empty() {
            self.words.extend(jump);
        }
    }

    /// What one match prints: how many words it is, or none where that is not known.
    fn extra(&mut self, words: &[&str], not: bool) -> usize {
        let sign = |text: &str| not || text.starts_with('!');
        let bare = |text: &str| text.trim_start_matches('!').to_string();
        let mut option = |module: &str, name: &str, value: &str| {
            self.push(&["-m", module]);
            if sign(value) {
                self.push(&["!"]);
            }
            self.push(&[name, &bare(value)]);
        };
        match words {
            ["ctstate", value, ..] => option("conntrack", "--ctstate", value),
            ["state", value, ..] => option("state", "--state", value),
            ["multiport", side @ ("dports" | "sports" | "ports"), value, ..] => {
                option("multiport", &format!("--{side}"), value);
                return 3;
            }
            ["limit:", "avg", rate, "burst", burst, ..] => {
                self.push(&["-m", "limit", "--limit", rate, "--limit-burst", burst]);
                return 5;
            }
            ["match-set", name, sides, ..] => {
                self.push(&["-m", "set"]);
                if not {
                    self.push(&["!"]);
                }
                self.push(&["--match-set", name, sides]);
                return 3;
            }
            ["mark" | "connmark", "match", "!", value, ..] => {
                self.push(&["-m", words[0], "!", "--mark", value]);
                return 4;
            }
            ["mark" | "connmark", "match", value, ..] => {
                option(words[0], "--mark", value);
                return 3;
            }
            ["MAC", value, ..] => option("mac", "--mac-source", value),
            ["source" | "destination", "IP", "range", value, ..] => {
                let name = if words[0] == "source" { "--src-range" } else { "--dst-range" };
                option("iprange", name, value);
                return 4;
            }
            ["ADDRTYPE", "match", kind @ ("src-type" | "dst-type"), value, ..] => {
                option("addrtype", &format!("--{kind}"), value);
                return 4;
            }
            ["PKTTYPE", "=", value, ..] => {
                option("pkttype", "--pkt-type", value);
                return 3;
            }
            [kind @ ("icmptype" | "ipv6-icmptype"), value, "code", code, ..] => {
                option(icmp(kind).0, icmp(kind).1, &format!("{value}/{code}"));
                return 4;
            }
            [kind @ ("icmptype" | "ipv6-icmptype" | "icmp" | "ipv6-icmp"), value, ..] => {
                option(icmp(kind).0, icmp(kind).1, value);
            }
            [proto @ ("tcp" | "udp" | "sctp" | "dccp"), ..] => return self.ports(proto, &words[1..]),
            _ => return 0,
        }
        2
    }

    /// `tcp spt:53 dpts:1024:65535 flags:0x17/0x02`.
    fn ports(&mut self, proto: &str, words: &[&str]) -> usize {
        let mut taken = 1;
        self.push(&["-m", proto]);
        for word in words {
            let Some((name, value)) = word.split_once(':') else { break };
            let option = match name {
                "spt" | "spts" => "--sport",
                "dpt" | "dpts" => "--dport",
                "flags" => "--tcp-flags",
                _ => break,
            };
            if value.starts_with('!') {
                self.push(&["!"]);
            }
            let value = value.trim_start_matches('!');
            match value.split_once('/').filter(|_| name == "flags") {
                Some((mask, comp)) => self.push(&[option, &flags(mask), &flags(comp)]),
                None => self.push(&[option, value]),
            }
            taken += 1;
        }
        taken
    }
}

fn icmp(kind: &str) -> (&'static str, &'static str) {
    if kind.starts_with("ipv6") { ("icmp6", "--icmpv6-type") } else { ("icmp", "--icmp-type") }
}

/// TCP flags as names; a listing with `-n` gives them as a number.
fn flags(text: &str) -> String {
    const NAMES: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let Some(bits) = text.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
        return text.to_string();
    };
    let names: Vec<&str> =
        NAMES.iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "NONE".to_string() } else { names.join(",") }
}

fn is_address(word: &str) -> bool {
    let word = word.trim_start_matches('!');
    word == "anywhere"
        || word.contains(':')
        || word.contains('/')
        || word.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, verbose: bool, numbered: bool) -> String {
        let line = Line::read(text, verbose, numbered).unwrap();
        let unread = if line.unread.is_empty() { String::new() } else { format!(" | {}", line.unread) };
        line.words.join(" ") + &unread
    }

    #[test]
    fn lines_become_the_words_that_made_them() {
        for (text, expected) in [
            (
                "3  12K 0 voice 6 -- eth0 * !10.0.0.0/8 0.0.0.0/0 multiport dports 22,80:90 /* a x */",
                "-p 6 -i eth0 ! -s 10.0.0.0/8 -m multiport --dports 22,80:90 -j voice",
            ),
            (
                "4 0 0 ACCEPT 17 -- * !eth1 0.0.0.0/0 0.0.0.0/0 udp spt:53 dpts:1024:65535",
                "-p 17 ! -o eth1 -m udp --sport 53 --dport 1024:65535 -j ACCEPT",
            ),
            (
                "6 0 0 voice 6 -- * * 0.0.0.0/0 0.0.0.0/0 [goto] tcp flags:0x17/0x02",
                "-p 6 -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -g voice",
            ),
            ("7 0 0 0 -f * * 0.0.0.0/0 0.0.0.0/0", "-f"),
            (
                "1 0 0 REJECT tcp -- any eth1 anywhere anywhere tcp dpt:!ssh reject-with tcp-reset",
                "-p tcp -o eth1 -m tcp ! --dport ssh -j REJECT --reject-with tcp-reset",
            ),
            (
                "2 0 0 LOG 0 -- * * 0.0.0.0/0 0.0.0.0/0 mark match 0x1/0xff LOG flags 0 level 4 prefix \"x y\"",
                "-m mark --mark 0x1/0xff -j LOG",
            ),
            (
                "5 0 0 ACCEPT 0 -- * * 0.0.0.0/0 0.0.0.0/0 ADDRTYPE match dst-type LOCAL ! match-set x src,dst ! ctstate NEW",
                "-m addrtype --dst-type LOCAL -m set ! --match-set x src,dst -m conntrack ! --ctstate NEW -j ACCEPT",
            ),
            (
                "1 0 0 DNAT 6 -- eth0 * 0.0.0.0/0 0.0.0.0/0 tcp dpt:80 to:10.0.0.1:8080",
                "-p 6 -i eth0 -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080",
            ),
            (
                "1 0 0 ACCEPT 1 -- * * 0.0.0.0/0 0.0.0.0/0 icmptype 3 code 1 owner UID match 0",
                "-p 1 -m icmp --icmp-type 3/1 -j ACCEPT | owner UID match 0",
            ),
        ] {
            assert_eq!(words(text, true, true), expected, "{text}");
        }
        assert_eq!(
            words("ACCEPT all anywhere 2001:db8::/32 state NEW", false, false),
            "-d 2001:db8::/32 -m state --state NEW -j ACCEPT"
        );
        assert_eq!(
            words("0 0 DROP udp eth0 * ::/0 ::/0 udp dpt:53", true, false),
            "-p udp -i eth0 -m udp --dport 53 -j DROP"
        );
        assert_eq!(Line::read("rubbish", true, true), None);
        assert_eq!(Line::read("0 0 DROP", true, false), None);
    }
}
