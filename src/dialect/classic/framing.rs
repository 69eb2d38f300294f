//! Where a message ends: at a newline, at the client's silence, or where the length before it says.

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;

/// Characters of a length that is written in digits: enough for a message of the smallest buffer.
pub const DIGITS: std::ops::RangeInclusive<u8> = 3..=64;
/// A longer frame than this is none: the client means something else by these bytes.
const MAX_FRAME: usize = 64 << 10;

/// How one sees where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Not at all: what one `send` sends, one `recv` is expected to return.
    None,
    /// At the end of the line.
    Line,
    /// By a length before it.
    Length(Length),
}

/// How the length of a message is written before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// In this many characters.
    Digits(u8, Padding),
    /// In two bytes, the high one first.
    U16Be,
    /// In two bytes, the low one first.
    U16Le,
    /// In four bytes, the highest first.
    U32Be,
    /// In four bytes, the lowest first.
    U32Le,
}

/// What is put to digits that are too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// Spaces behind them.
    Right,
    /// Spaces before them.
    Left,
    /// Zeros before them.
    Zeros,
}

impl Framing {
    /// By the name that the configuration has for it.
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
    /// Bytes that it takes.
    fn size(self) -> usize {
        match self {
            Length::Digits(digits, _) => digits.into(),
            Length::U16Be | Length::U16Le => 2,
            Length::U32Be | Length::U32Le => 4,
        }
    }

    /// Bytes of a message at most.
    pub(super) fn most(self) -> usize {
        match self {
            Length::Digits(digits @ ..=4, _) => 10_usize.pow(digits.into()) - 1,
            _ => MAX_FRAME - 1,
        }
    }

    /// Appends the length of a message that is not longer than [`most`](Self::most).
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

    /// The length in these bytes, which are as many as it takes. Digits may be padded in any way.
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

/// Puts a client's messages together from pieces as they arrive. Never holds much more than one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Incoming {
    framing: Framing,
    encoding: Encoding,
    /// Bytes of one message; a longer one becomes several.
    limit: usize,
    /// What has arrived of a message that is not known to be complete, or of the length before it.
    partial: Vec<u8>,
    /// Bytes of the frame that have not arrived; `None`: its length has not.
    missing: Option<usize>,
    /// `partial` begins in the middle of a message that was too long.
    goes_on: bool,
    broken: bool,
}

impl Incoming {
    /// `limit`: bytes of one message in UTF-8.
    pub(super) fn new(framing: Framing, encoding: Encoding, limit: usize) -> Incoming {
        let limit = encoding.fits(limit);
        let (partial, missing, goes_on, broken) = (Vec::new(), None, false, false);
        Incoming { framing, encoding, limit, partial, missing, goes_on, broken }
    }

    /// Takes the next message off the front of `input`. `None`: there is no whole one, and all of it is kept.
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

    /// What has arrived without an end, if silence or something else may end it.
    pub(super) fn unended(&self) -> Option<&[u8]> {
        (self.framing == Framing::None && !self.partial.is_empty()).then_some(&self.partial)
    }

    /// Whether that is the beginning of a message.
    pub(super) fn has_beginning(&self) -> bool {
        self.unended().is_some() && !self.goes_on
    }

    /// Makes a message of it.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.goes_on = false;
        std::mem::take(&mut self.partial)
    }

    /// What ends a message whose end will not come any more, if anything does.
    pub(super) fn last_end(&self) -> &'static [u8] {
        if matches!(self.framing, Framing::Length(_)) { b"" } else { self.encoding.newline() }
    }

    /// Whether something stood in the place of a length that is none: no later byte means anything.
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
            // Never more than that, so that an end which is there is always seen.
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

    /// The first part of a message that is too long.
    fn cut(&mut self) -> Vec<u8> {
        self.goes_on = true;
        let rest = self.partial.split_off(self.encoding.boundary(&self.partial, self.limit));
        std::mem::replace(&mut self.partial, rest)
    }
}
