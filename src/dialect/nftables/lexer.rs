//! Text into tokens.
//!
//! As the scanner of nft does, the longest match wins: `10.0.0.0` is one word and `a-b/c` another,
//! but `80-90` are three tokens.

use std::net::Ipv6Addr;

/// The kinds of token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A keyword, name, address or time.
    Word,
    /// A word with `*` at its end.
    Wildcard,
    /// `"…"`; the text is inside.
    Quoted,
    Number,
    /// A line end or `;`.
    Newline,
    Semicolon,
    LBrace,
    RBrace,
    LParen,
    RParen,
    LBracket,
    RBracket,
    Comma,
    Dot,
    Colon,
    Assign,
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    Shl,
    Shr,
    Caret,
    Amp,
    Pipe,
    Bang,
    Slash,
    Dash,
    Plus,
    Star,
    At,
    Dollar,
    /// What starts no token.
    Junk,
    End,
}

/// A token: its kind, and where its text lies (for [`Kind::Quoted`], without the quotes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The token at or after an offset.
pub(super) fn token(text: &str, from: usize) -> Token {
    let bytes = text.as_bytes();
    let start = skip_blank(bytes, from);
    let made = |kind, len: usize| Token { kind, start, end: start + len };
    let Some(first) = bytes.get(start) else { return Token { kind: Kind::End, start, end: start } };
    let second = bytes.get(start + 1).copied().unwrap_or(0);
    if let Some(token) = word(text, start) {
        return token;
    }
    match (first, second) {
        (b'\n', _) => made(Kind::Newline, 1),
        (b'=', b'=') => made(Kind::Eq, 2),
        (b'!', b'=') => made(Kind::Ne, 2),
        (b'<', b'=') => made(Kind::Le, 2),
        (b'>', b'=') => made(Kind::Ge, 2),
        (b'<', b'<') => made(Kind::Shl, 2),
        (b'>', b'>') => made(Kind::Shr, 2),
        (b'=', _) => made(Kind::Assign, 1),
        (b'!', _) => made(Kind::Bang, 1),
        (b'<', _) => made(Kind::Lt, 1),
        (b'>', _) => made(Kind::Gt, 1),
        (b';', _) => made(Kind::Semicolon, 1),
        (b'{', _) => made(Kind::LBrace, 1),
        (b'}', _) => made(Kind::RBrace, 1),
        (b'(', _) => made(Kind::LParen, 1),
        (b')', _) => made(Kind::RParen, 1),
        (b'[', _) => made(Kind::LBracket, 1),
        (b']', _) => made(Kind::RBracket, 1),
        (b',', _) => made(Kind::Comma, 1),
        (b'.', _) => made(Kind::Dot, 1),
        (b':', _) => made(Kind::Colon, 1),
        (b'^', _) => made(Kind::Caret, 1),
        (b'&', _) => made(Kind::Amp, 1),
        (b'|', _) => made(Kind::Pipe, 1),
        (b'/', _) => made(Kind::Slash, 1),
        (b'-', _) => made(Kind::Dash, 1),
        (b'+', _) => made(Kind::Plus, 1),
        (b'*', _) => made(Kind::Star, 1),
        (b'@', _) => made(Kind::At, 1),
        (b'$', _) => made(Kind::Dollar, 1),
        (b'\\', b'*') => made(Kind::Wildcard, 2),
        (b'"', _) => match bytes[start + 1..].iter().position(|b| *b == b'"') {
            Some(len) => Token { kind: Kind::Quoted, start: start + 1, end: start + 1 + len },
            None => made(Kind::Junk, 1),
        },
        _ => made(Kind::Junk, text[start..].chars().next().map_or(1, char::len_utf8)),
    }
}

/// One past the last byte of a token, with the quote or bracket behind it.
pub(super) fn after(text: &str, token: Token) -> usize {
    let bracket = token.kind == Kind::Word
        && token.start > 0
        && text.as_bytes()[token.start - 1] == b'['
        && text.as_bytes().get(token.end) == Some(&b']');
    token.end + usize::from(token.kind == Kind::Quoted || bracket)
}

/// Blanks, comments, and line ends behind a backslash.
fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\r') => at += 1,
            Some(b'\\') if bytes.get(at + 1) == Some(&b'\n') => at += 2,
            Some(b'\\') if bytes.get(at + 1) == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n') => at += 3,
            Some(b'#') => {
                at = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |len| at + len);
            }
            _ => return at,
        }
    }
}

/// A word, address, time or number.
fn word(text: &str, start: usize) -> Option<Token> {
    let bytes = text.as_bytes();
    let first = *bytes.get(start)?;
    let made = |kind, len: usize| (len > 0).then_some(Token { kind, start, end: start + len });
    if first == b'[' {
        let len = address_run(&bytes[start + 1..]);
        let closed = bytes.get(start + 1 + len) == Some(&b']');
        return (closed && text[start + 1..start + 1 + len].parse::<Ipv6Addr>().is_ok()).then_some(Token {
            kind: Kind::Word,
            start: start + 1,
            end: start + 1 + len,
        });
    }
    let address = if first.is_ascii_hexdigit() || first == b':' { address_len(text, start) } else { 0 };
    if first.is_ascii_digit() {
        let (number, time) = (number_len(bytes, start), time_len(bytes, start));
        let best = address.max(number).max(time);
        let kind = if best == number && address < number { Kind::Number } else { Kind::Word };
        return made(kind, best);
    }
    let plain = name_len(bytes, start);
    if plain == 0 || plain < address || (first == b'.' && plain == 1) {
        return made(Kind::Word, address);
    }
    match &bytes[start + plain..] {
        [b'*', ..] => made(Kind::Wildcard, plain + 1),
        [b'\\', b'*', ..] => made(Kind::Wildcard, plain + 2),
        _ => made(Kind::Word, plain),
    }
}

fn name_len(bytes: &[u8], start: usize) -> usize {
    if !matches!(bytes[start], b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.') {
        return 0;
    }
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
    bytes[start..].iter().position(|b| !inside(b)).unwrap_or(bytes.len() - start)
}

/// A number in decimal, octal or hexadecimal; `8021q` and `8021ad` are words.
fn number_len(bytes: &[u8], start: usize) -> usize {
    let digits = |from: usize, keep: fn(&u8) -> bool| {
        bytes[from..].iter().position(|b| !keep(b)).unwrap_or(bytes.len() - from)
    };
    if bytes[start] == b'0' && matches!(bytes.get(start + 1), Some(b'x' | b'X')) {
        let len = digits(start + 2, u8::is_ascii_hexdigit);
        if len > 0 {
            return 2 + len;
        }
    }
    digits(start, u8::is_ascii_digit)
}

/// A time such as `1d2h30m`, or `8021q` and `8021ad`.
fn time_len(bytes: &[u8], start: usize) -> usize {
    if bytes[start..].starts_with(b"8021q") {
        return 5;
    }
    if bytes[start..].starts_with(b"8021ad") {
        return 6;
    }
    let mut at = start;
    for unit in [&b"d"[..], b"h", b"m", b"s", b"ms"] {
        let digits = bytes[at..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len() - at);
        let rest = &bytes[at + digits..];
        if digits == 0 || !rest.starts_with(unit) || (unit == b"m" && rest.starts_with(b"ms")) {
            continue;
        }
        at += digits + unit.len();
    }
    at - start
}

/// Bytes of which addresses are made; no address is longer than 45.
fn address_run(bytes: &[u8]) -> usize {
    let part = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    bytes.iter().take(46).position(|b| !part(b)).unwrap_or(bytes.len().min(46))
}

/// The longest address, MAC address or class identifier at `start`.
fn address_len(text: &str, start: usize) -> usize {
    let run = address_run(&text.as_bytes()[start..]);
    let candidate = &text[start..start + run];
    let separators = candidate.bytes().filter(|b| matches!(b, b':' | b'.')).count();
    if separators == 0 {
        return 0;
    }
    let mut len = run;
    while len > 1 {
        if is_address(&candidate[..len]) {
            return len;
        }
        len -= 1;
    }
    class_id(text, start)
}

fn is_address(text: &str) -> bool {
    let colons = text.bytes().filter(|b| *b == b':').count();
    if colons == 0 {
        let mut parts = text.split('.');
        let number = |p: &str| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
        return parts.clone().count() == 4 && parts.all(number);
    }
    colons >= 2 && (text.parse::<Ipv6Addr>().is_ok() || is_mac(text))
}

fn is_mac(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.clone().count() == 6
        && parts.all(|p| (1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `1:2`, a class of traffic control: only in front of a blank, `-`, `:`, `,` or `}`.
fn class_id(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let hex = |from: usize| bytes[from..].iter().take(5).take_while(|b| b.is_ascii_hexdigit()).count();
    let left = hex(start);
    if !(1..=4).contains(&left) || bytes.get(start + left) != Some(&b':') {
        return 0;
    }
    let right = hex(start + left + 1);
    let len = left + 1 + right;
    let ended = matches!(bytes.get(start + len), Some(b' ' | b'\t' | b'\n' | b':' | b'-' | b',' | b'}'));
    if (1..=4).contains(&right) && ended { len } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Kind, &str)> {
        let mut at = 0;
        std::iter::from_fn(|| {
            let t = token(text, at);
            at = after(text, t);
            (t.kind != Kind::End).then(|| (t.kind, &text[t.start..t.end]))
        })
        .collect()
    }

    #[test]
    fn the_longest_match_wins() {
        use Kind::*;
        let cases: &[(&str, &[(Kind, &str)])] = &[
            ("10.0.0.0/8", &[(Word, "10.0.0.0"), (Slash, "/"), (Number, "8")]),
            ("80-90", &[(Number, "80"), (Dash, "-"), (Number, "90")]),
            ("fe80::1:80", &[(Word, "fe80::1:80")]),
            ("[fe80::1]:80", &[(Word, "fe80::1"), (Colon, ":"), (Number, "80")]),
            ("::1 ", &[(Word, "::1")]),
            ("10.0.0.1:80", &[(Word, "10.0.0.1"), (Colon, ":"), (Number, "80")]),
            ("00:11:22:aa:bb:cc", &[(Word, "00:11:22:aa:bb:cc")]),
            ("1d2h3m", &[(Word, "1d2h3m")]),
            ("0x1f", &[(Number, "0x1f")]),
            ("80:accept", &[(Number, "80"), (Colon, ":"), (Word, "accept")]),
            ("22:drop", &[(Number, "22"), (Colon, ":"), (Word, "drop")]),
            ("$a-b", &[(Dollar, "$"), (Word, "a-b")]),
            ("eth*", &[(Wildcard, "eth*")]),
            ("a . b", &[(Word, "a"), (Dot, "."), (Word, "b")]),
            ("1024 kbytes/second", &[(Number, "1024"), (Word, "kbytes/second")]),
            ("10/second", &[(Number, "10"), (Slash, "/"), (Word, "second")]),
            ("\"a b\"c", &[(Quoted, "a b"), (Word, "c")]),
            ("1:2,", &[(Word, "1:2"), (Comma, ",")]),
            ("a\\\n b # c\n", &[(Word, "a"), (Word, "b"), (Newline, "\n")]),
            ("8021q", &[(Word, "8021q")]),
            ("add", &[(Word, "add")]),
            ("dead", &[(Word, "dead")]),
        ];
        for (text, want) in cases {
            assert_eq!(&tokens(text), want, "{text}");
        }
    }

    #[test]
    fn an_open_quote_is_junk() {
        assert_eq!(tokens("\"abc")[0].0, Kind::Junk);
    }
}
