//! Message framing: by newline, by the client's silence, or by a length prefix.

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;

/// The width of a decimal length prefix in characters. Three digits are enough for the smallest buffer.
pub const DIGITS: std::ops::RangeInclusive<u8> = 3..=64;
/// The maximum length of a frame; a larger length prefix means that the client uses another framing.
const MAX_FRAME: usize = 64 << 10;

/// How the end of a message is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// No framing: one `send` is expected to match one `recv`.
    None,
    /// By a line end.
    Line,
    /// By a length prefix.
    Length(Length),
}

/// The format of a length prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// Decimal, with this width and padding.
    Digits(u8, Padding),
    /// Two bytes, big-endian.
    U16Be,
    /// Two bytes, little-endian.
    U16Le,
    /// Four bytes, big-endian.
    U32Be,
    /// Four bytes, little-endian.
    U32Le,
}

/// How decimal digits are padded to the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// With spaces on the right.
    Right,
    /// With spaces on the left.
    Left,
    /// With zeros on the left.
    Zeros,
}

impl Framing {
    /// The framing with this name in the configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Framing> {
        let length = match name {
            "none" => return Some(Framing::None),
            "line" => return Some(Framing::Line),
            "u16be" => Length::U16Be,
            "u16le" => Length::U16Le,
            "u32be" => Length::U32Be,
            "u32le" => Length::U32Le,
            _ => {
                let digits = name.strip_prefix("ascii-")?;
                let (digits, padding) = match digits.split_once('-') {
                    None => (digits, Padding::Right),
                    Some((digits, "left")) => (digits, Padding::Left),
                    Some((digits, "zeros")) => (digits, Padding::Zeros),
                    Some(_) => return None,
                };
                Length::Digits(digits.parse().ok().filter(|digits| DIGITS.contains(digits))?, padding)
            }
        };
        Some(Framing::Length(length))
    }
}

impl Length {
    /// The size of the prefix in bytes.
    fn size(self) -> usize {
        match self {
            Length::Digits(digits, _) => digits.into(),
            Length::U16Be | Length::U16Le => 2,
            Length::U32Be | Length::U32Le => 4,
        }
    }

    /// The maximum length of a message in bytes.
    pub(super) fn peak(self) -> usize {
        match self {
            Length::Digits(digits @ ..=4, _) => 10_usize.pow(digits.into()) - 1,
            _ => MAX_FRAME - 1,
        }
    }

    /// Appends the prefix for a message no longer than [`most`](Self::most).
    pub(super) fn write(self, length: usize, out: &mut Vec<u8>) {
        let long = u32::try_from(length).unwrap_or(u32::MAX);
        let short = u16::try_from(length).unwrap_or(u16::MAX);
        match self {
            Length::U16Be => out.extend(short.to_be_bytes()),
            Length::U16Le => out.extend(short.to_le_bytes()),
            Length::U32Be => out.extend(long.to_be_bytes()),
            Length::U32Le => out.extend(long.to_le_bytes()),
            Length::Digits(digits, padding) => {
                let width = usize::from(digits);
                let text = match padding {
                    Padding::Right => format!("{length:<width$}"),
                    Padding::Left => format!("{length:>width$}"),
                    Padding::Zeros => format!("{length:0>width$}"),
                };
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Parses a prefix. Decimal digits may be padded in any way.
    fn read(self, bytes: &[u8]) -> Option<usize> {
        let length = match self {
            Length::U16Be => u16::from_be_bytes(bytes.try_into().ok()?).into(),
            Length::U16Le => u16::from_le_bytes(bytes.try_into().ok()?).into(),
            Length::U32Be => u32::from_be_bytes(bytes.try_into().ok()?),
            Length::U32Le => u32::from_le_bytes(bytes.try_into().ok()?),
            Length::Digits(..) => {
                let digits = bytes.trim_ascii();
                let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
                std::str::from_utf8(digits).ok()?.parse().ok()?
            }
        };
        usize::try_from(length).ok().filter(|length| *length < MAX_FRAME)
    }
}

/// Reassembles a client's messages from chunks as they arrive. Buffers hardly more than one message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Incoming {
    framing: Framing,
    encoding: Encoding,
    /// The maximum size of a message in bytes; a longer one is split.
    limit: usize,
    /// The start of an incomplete message, or of its length prefix.
    partial: Vec<u8>,
    /// How many bytes of the frame are missing; `None` while the prefix is incomplete.
    missing: Option<usize>,
    /// Whether `partial` continues a message that was split.
    goes_on: bool,
    broken: bool,
}

impl Incoming {
    /// `limit`: the maximum size of a message in UTF-8 bytes.
    pub(super) fn new(framing: Framing, encoding: Encoding, limit: usize) -> Incoming {
        let limit = encoding.fits(limit);
        let (partial, missing, goes_on, broken) = (Vec::new(), None, false, false);
        Incoming { framing, encoding, limit, partial, missing, goes_on, broken }
    }

    /// Takes the next message from the front of `input`. `None` if there is no complete one; all input is then
    /// buffered.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        match self.framing {
            Framing::None | Framing::Line => self.next_line(input),
            Framing::Length(_) if self.broken => {
                *input = &[];
                None
            }
            Framing::Length(length) => self.next_frame(length, input),
        }
    }

    /// The incomplete message, if it can be ended by silence.
    pub(super) fn unended(&self) -> Option<&[u8]> {
        (self.framing == Framing::None && !self.partial.is_empty()).then_some(&self.partial)
    }

    /// Whether that is the start of a message and not the rest of a split one.
    pub(super) fn has_beginning(&self) -> bool {
        self.unended().is_some() && !self.goes_on
    }

    /// Ends the incomplete message and returns it.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.goes_on = false;
        std::mem::take(&mut self.partial)
    }

    /// What to append to end a last message that is incomplete, if anything can.
    pub(super) fn last_end(&self) -> &'static [u8] {
        if matches!(self.framing, Framing::Length(_)) { b"" } else { self.encoding.newline() }
    }

    /// Whether a length prefix was invalid; nothing after it can be parsed.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn next_line(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let newline = self.encoding.newline();
        while !input.is_empty() {
            let step = match self.encoding {
                Encoding::Utf16Le => 1,
                _ => memchr::memchr(b'\n', input).map_or(input.len(), |at| at + 1),
            };
            // Never more than this, so that a newline within the limit is always found.
            let room = (self.limit + newline.len()).saturating_sub(self.partial.len());
            let (taken, rest) = input.split_at_checked(step.min(room)).unwrap_or((input, &[]));
            self.partial.extend_from_slice(taken);
            *input = rest;
            let whole = self.partial.len().is_multiple_of(newline.len());
            if whole && let Some(message) = self.partial.strip_suffix(newline) {
                let length = message.len();
                self.partial.truncate(length);
                return Some(self.end());
            }
            if self.partial.len() >= self.limit + newline.len() {
                return Some(self.cut());
            }
        }
        None
    }

    fn next_frame(&mut self, length: Length, input: &mut &[u8]) -> Option<Vec<u8>> {
        loop {
            let wanted = match self.missing {
                Some(missing) => missing.min(self.limit.saturating_sub(self.partial.len())),
                None => length.size().saturating_sub(self.partial.len()),
            };
            let (taken, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            self.partial.extend_from_slice(taken);
            *input = rest;
            match &mut self.missing {
                None if taken.len() < wanted => return None,
                None => {
                    let Some(length) = length.read(&self.partial) else {
                        self.broken = true;
                        *input = &[];
                        return None;
                    };
                    self.partial.clear();
                    self.missing = Some(length);
                }
                Some(missing) => {
                    *missing -= taken.len();
                    if *missing == 0 {
                        self.missing = None;
                        return Some(self.end());
                    }
                    return (taken.len() == wanted).then(|| self.cut());
                }
            }
        }
    }

    /// Splits off the first part of a message that is too long.
    fn cut(&mut self) -> Vec<u8> {
        self.goes_on = true;
        let rest = self.partial.split_off(self.encoding.boundary(&self.partial, self.limit));
        std::mem::replace(&mut self.partial, rest)
    }
}
