//! PodSixNet's serialization (rencode) in its two versions. Knows no frames and no actions.
//!
//! An encoded value is a type code, which may include the value or its length, followed by the rest. PodSixNet 0.9 and
//! later versions differ in a few codes; the older one also encodes every string in Base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

/// The maximum nesting depth.
pub const MAX_DEPTH: usize = 16;

/// The maximum length of an integer in decimal digits, as in the library.
const MAX_DIGITS: usize = 63;

const FLOAT64: u8 = 44;
const TUPLE: u8 = 58;
const LIST: u8 = 59;
const DICT: u8 = 60;
const INT: u8 = 61;
const INT1: u8 = 62;
const INT2: u8 = 63;
const INT4: u8 = 64;
const INT8: u8 = 65;
const FLOAT32: u8 = 66;
const TRUE: u8 = 67;
const FALSE: u8 = 68;
const NONE: u8 = 69;
const NEGATIVE_FIXED: u8 = 70;
const DICT_FIXED: u8 = 102;
const DICT_FIXED_LAST: u8 = 126;
const TERM: u8 = 127;
const STRING_FIXED: u8 = 128;
const LIST_FIXED: u8 = 192;
const TUPLE_FIXED: u8 = 224;

/// A version of the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// PodSixNet 0.9.4 and earlier.
    Old,
    /// PodSixNet 0.10 and later.
    New,
}

/// A value. Floating-point numbers and large integers keep their encoding, because nothing here calculates with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A larger integer, in decimal digits.
    Digits(String),
    /// The bits of a single-precision number.
    Float32(u32),
    /// The bits of a double-precision number.
    Float64(u64),
    /// A string, which should be UTF-8 but may not be.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dictionary, in its original order.
    Dict(Vec<(Value, Value)>),
}

/// Why bytes cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends too early.
    #[error("the value is not complete")]
    Incomplete,
    /// More input follows the value.
    #[error("there is something behind the value")]
    Trailing,
    /// An unknown type code.
    #[error("no value begins with the byte {0}")]
    Code(u8),
    /// An invalid length or number.
    #[error("there is a number that is none")]
    Number,
    /// Invalid Base64.
    #[error("there is a string that is not Base64")]
    Base64,
    /// Values are nested deeper than [`MAX_DEPTH`].
    #[error("there are more than {MAX_DEPTH} values within each other")]
    TooDeep,
}

impl Value {
    /// A string.
    #[must_use]
    pub fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    /// The dictionary's value for this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(pairs) = self else { return None };
        let is_key = |found: &Value| matches!(found, Value::Bytes(bytes) if bytes == key.as_bytes());
        // Like Python, the last value counts if a key occurs twice.
        pairs.iter().rev().find(|(found, _)| is_key(found)).map(|(_, value)| value)
    }

    /// A string's bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// Decodes exactly one value. Its size in memory is limited to a fixed multiple of the input's.
///
/// # Errors
/// The bytes are not a valid value in this version.
pub fn decode(bytes: &[u8], version: Version) -> Result<Value, DecodeError> {
    let mut reader = Reader { rest: bytes, version };
    let value = reader.value(MAX_DEPTH)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
}

struct Reader<'a> {
    rest: &'a [u8],
    version: Version,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let [code] = self.array()?;
        Ok(match code {
            0..=43 if self.version == Version::New || code < 32 => Value::Int(code.into()),
            FLOAT64 if self.version == Version::New => Value::Float64(u64::from_be_bytes(self.array()?)),
            b'0'..=b'9' => self.long_string(code)?,
            TUPLE => Value::Tuple(self.until_term(|reader| reader.value(depth))?),
            LIST => Value::List(self.until_term(|reader| reader.value(depth))?),
            DICT => Value::Dict(self.until_term(|reader| reader.pair(depth))?),
            INT => self.digits()?,
            INT1 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            INT2 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            INT4 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            INT8 => Value::Int(i64::from_be_bytes(self.array()?)),
            FLOAT32 => Value::Float32(u32::from_be_bytes(self.array()?)),
            TRUE => Value::Bool(true),
            FALSE => Value::Bool(false),
            NONE => Value::None,
            NEGATIVE_FIXED..DICT_FIXED => Value::Int(-1 - i64::from(code - NEGATIVE_FIXED)),
            DICT_FIXED..=DICT_FIXED_LAST => {
                Value::Dict((0..code - DICT_FIXED).map(|_| self.pair(depth)).collect::<Result<_, _>>()?)
            }
            STRING_FIXED..LIST_FIXED => self.string((code - STRING_FIXED).into())?,
            LIST_FIXED..TUPLE_FIXED => Value::List(self.values(code - LIST_FIXED, depth)?),
            TUPLE_FIXED.. => Value::Tuple(self.values(code - TUPLE_FIXED, depth)?),
            _ => return Err(DecodeError::Code(code)),
        })
    }

    fn pair(&mut self, depth: usize) -> Result<(Value, Value), DecodeError> {
        Ok((self.value(depth)?, self.value(depth)?))
    }

    fn values(&mut self, count: u8, depth: usize) -> Result<Vec<Value>, DecodeError> {
        (0..count).map(|_| self.value(depth)).collect()
    }

    fn until_term<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut all = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(&[TERM]) {
                self.rest = rest;
                return Ok(all);
            }
            all.push(read(self)?);
        }
    }

    /// A string with a decimal length, whose first digit is `first`.
    fn long_string(&mut self, first: u8) -> Result<Value, DecodeError> {
        let digits = self.until(b':')?;
        let length = std::iter::once(&first).chain(digits).try_fold(0_usize, |length, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            length.checked_mul(10)?.checked_add(digit.into())
        });
        if first == b'0' && !digits.is_empty() {
            return Err(DecodeError::Number);
        }
        self.string(length.ok_or(DecodeError::Number)?)
    }

    fn string(&mut self, length: usize) -> Result<Value, DecodeError> {
        let bytes = self.take(length)?;
        Ok(Value::Bytes(match self.version {
            Version::New => bytes.to_vec(),
            Version::Old => BASE64.decode(bytes).map_err(|_| DecodeError::Base64)?,
        }))
    }

    fn digits(&mut self) -> Result<Value, DecodeError> {
        let digits = self.until(TERM)?;
        let number = digits.strip_prefix(b"-").unwrap_or(digits);
        let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit) && digits.len() <= MAX_DIGITS;
        let is_plain = digits == b"0" || !number.starts_with(b"0");
        let digits = str::from_utf8(digits).map_err(|_| DecodeError::Number)?;
        match digits.parse() {
            _ if !is_number || !is_plain => Err(DecodeError::Number),
            Ok(small) => Ok(Value::Int(small)),
            Err(_) => Ok(Value::Digits(digits.to_owned())),
        }
    }

    /// The bytes before `end`, which is consumed too.
    fn until(&mut self, end: u8) -> Result<&'a [u8], DecodeError> {
        let length = memchr::memchr(end, self.rest).ok_or(DecodeError::Incomplete)?;
        let found = self.take(length)?;
        let [_] = self.array()?;
        Ok(found)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// Padding is optional, as in Python's decoder.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Encodes a value in this version and appends it.
pub fn encode(value: &Value, version: Version, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(NONE),
        Value::Bool(true) => out.push(TRUE),
        Value::Bool(false) => out.push(FALSE),
        Value::Int(number) => integer(*number, out),
        Value::Digits(digits) => {
            out.push(INT);
            out.extend_from_slice(digits.as_bytes());
            out.push(TERM);
        }
        Value::Float32(bits) => {
            out.push(FLOAT32);
            out.extend_from_slice(&bits.to_be_bytes());
        }
        Value::Float64(bits) if version == Version::Old => {
            // The older version supports only single precision.
            out.push(FLOAT32);
            out.extend_from_slice(&(f64::from_bits(*bits) as f32).to_be_bytes());
        }
        Value::Float64(bits) => {
            out.push(FLOAT64);
            out.extend_from_slice(&bits.to_be_bytes());
        }
        Value::Bytes(bytes) if version == Version::Old => string(BASE64.encode(bytes).as_bytes(), out),
        Value::Bytes(bytes) => string(bytes, out),
        Value::List(items) => sequence(items, LIST_FIXED, TUPLE_FIXED - LIST_FIXED, LIST, out, |item, out| {
            encode(item, version, out);
        }),
        Value::Tuple(items) => sequence(items, TUPLE_FIXED, u8::MAX - TUPLE_FIXED + 1, TUPLE, out, |item, out| {
            encode(item, version, out);
        }),
        Value::Dict(pairs) => sequence(pairs, DICT_FIXED, TERM - DICT_FIXED, DICT, out, |(key, value), out| {
            encode(key, version, out);
            encode(value, version, out);
        }),
    }
}

/// The shortest encoding that both versions can read.
fn integer(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(number)
        && small < 32
    {
        out.push(small);
    } else if (-32..0).contains(&number) {
        // Between 0 and 31.
        out.push(NEGATIVE_FIXED + (-1 - number) as u8);
    } else if let Ok(number) = i8::try_from(number) {
        out.push(INT1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(INT2);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(INT4);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(INT8);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(bytes.len()) {
        Ok(length) if length < LIST_FIXED - STRING_FIXED => out.push(STRING_FIXED + length),
        _ => out.extend_from_slice(format!("{}:", bytes.len()).as_bytes()),
    }
    out.extend_from_slice(bytes);
}

fn sequence<T>(items: &[T], fixed: u8, count: u8, code: u8, out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    let short = u8::try_from(items.len()).ok().filter(|length| *length < count);
    out.push(short.map_or(code, |length| fixed + length));
    items.iter().for_each(|item| write(item, out));
    if short.is_none() {
        out.push(TERM);
    }
}
