//! Messages on a stream: a head that tells the length, and a body of JSON.
//!
//! What claims to be longer than anything an editor sends is refused before there is room made for it, and a body that
//! is no JSON costs that message alone.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value as Json, json};

/// The longest body, in bytes.
const LONGEST: u64 = 256 << 20;
/// The longest line of a head, in bytes, and how many lines it may have.
const LONGEST_LINE: u64 = 4096;
const MOST_LINES: usize = 32;

/// Errors of JSON-RPC and of the Language Server Protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    /// The body is no JSON.
    Parse = -32700,
    /// The message is no request.
    InvalidRequest = -32600,
    /// Nobody knows the method.
    UnknownMethod = -32601,
    /// The parameters are not those of the method.
    InvalidParams = -32602,
    /// `initialize` comes first.
    NotInitialized = -32002,
}

/// The next message, or why its body cannot be understood; `None` at the end of the stream.
///
/// # Errors
/// Where the stream ends within a message, or a head does not tell where the next message begins.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Result<Json, String>>> {
    let Some(length) = head(input)? else { return Ok(None) };
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body)?;
    if (body.len() as u64) < length {
        return Err(wrong("the stream ends within a message"));
    }
    Ok(Some(serde_json::from_slice(&body).map_err(|error| error.to_string())))
}

/// The length that the head of a message tells.
fn head(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    for at in 0..MOST_LINES {
        let mut line = Vec::new();
        input.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() && at == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(wrong("a line of a head has no end"));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            return match length {
                Some(length) if length <= LONGEST => Ok(Some(length)),
                Some(_) => Err(wrong("a message is longer than 256 MiB")),
                None => Err(wrong("a head tells no Content-Length")),
            };
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(wrong("a line of a head has no colon"));
        };
        if name.trim().eq_ignore_ascii_case("content-length") {
            let number = value.trim().parse().map_err(|_| wrong("Content-Length is no number"))?;
            length = Some(number);
        }
    }
    Err(wrong("a head has no end"))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes a message.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn write(message: &Json, out: &mut impl Write) -> io::Result<()> {
    let body = message.to_string();
    write!(out, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    out.flush()
}

/// The answer to a request.
pub(super) fn answer(id: &Json, result: Json) -> Json {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The answer to a request that cannot be answered; its number is null where that is not known.
pub(super) fn refusal(id: &Json, code: Code, message: &str) -> Json {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

/// A message that wants no answer.
pub(super) fn notice(method: &str, params: Json) -> Json {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<Result<Json, String>> {
        std::iter::from_fn(|| read(&mut input).unwrap()).collect()
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let text = b"Content-Length: 2\r\n\r\n{}content-length:3\n\nabcContent-Length: 4\r\nContent-Type: x\r\n\r\nnull";
        let read = all(text);
        assert_eq!(read[0], Ok(json!({})));
        assert!(read[1].is_err());
        assert_eq!(read[2], Ok(Json::Null));
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn heads_that_lie_are_refused() {
        for text in [
            "Content-Length: 9\r\n\r\n{}",
            "Content-Length: 18446744073709551615\r\n\r\n{}",
            "Content-Length: 1e3\r\n\r\n{}",
            "Content-Length: -1\r\n\r\n{}",
            "no head at all",
            "no colon\r\n\r\n",
            "\r\n\r\n",
            &"x: y\r\n".repeat(100),
            &"x".repeat(10_000),
        ] {
            let mut input = text.as_bytes();
            assert!(read(&mut input).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = Vec::new();
        let message = notice("x", json!({ "ä": "€" }));
        write(&message, &mut out).unwrap();
        assert_eq!(read(&mut out.as_slice()).unwrap(), Some(Ok(message)));
    }
}
