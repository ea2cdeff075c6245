//! Files whose bytes are no text as it stands.

/// A form in which a file cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Packed by gzip, xz, bzip2, zstd or zip.
    Packed(&'static str),
    /// UTF-16, with a mark of its byte order or without.
    Utf16 {
        /// Little endian.
        low_first: bool,
    },
}

impl Form {
    /// What it is, as a noun.
    pub(crate) fn name(self) -> String {
        match self {
            Form::Packed(by) => format!("packed by {by}"),
            Form::Utf16 { .. } => "text in UTF-16".to_string(),
        }
    }

    /// What to do about it.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Form::Packed(_) => "unpack it first",
            Form::Utf16 { .. } => "save it as UTF-8",
        }
    }

    /// The text, where it can be had.
    pub(crate) fn text(self, bytes: &[u8]) -> Option<String> {
        let Form::Utf16 { low_first } = self else { return None };
        let unit = |pair: &[u8]| match low_first {
            true => u16::from_le_bytes([pair[0], pair[1]]),
            false => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
        Some(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_string())
    }
}

/// First bytes of packed files.
const PACKED: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
];

/// The form of a file, by its first bytes; `None` where it may be text.
pub(super) fn of(start: &[u8]) -> Option<Form> {
    if let Some((_, by)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(Form::Packed(by));
    }
    match start {
        [0xff, 0xfe, ..] => Some(Form::Utf16 { low_first: true }),
        [0xfe, 0xff, ..] => Some(Form::Utf16 { low_first: false }),
        _ => unmarked(start),
    }
}

/// UTF-16 without a mark, as editors of Windows write it too: nearly every other byte is 0, and none of the others.
fn unmarked(start: &[u8]) -> Option<Form> {
    let some = &start[..start.len().min(512)];
    let zeros = |offset: usize| some.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let most = |zeros: usize| some.len() >= 8 && zeros * 10 >= some.len() / 2 * 9;
    match (zeros(0), zeros(1)) {
        (0, low) if most(low) => Some(Form::Utf16 { low_first: true }),
        (high, 0) if most(high) => Some(Form::Utf16 { low_first: false }),
        _ => None,
    }
}
