//! Varlink's wire format: encoding and decoding calls and replies.
//!
//! A message is a JSON object terminated by a NUL byte. Nothing here does I/O or knows the methods.

use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest call the daemon accepts, in bytes without the NUL.
pub const MAXIMUM_CALL: usize = 64 * 1024;

/// The longest reply chatctl accepts, in bytes without the NUL.
pub const MAXIMUM_REPLY: usize = 64 * 1024 * 1024;

/// Splits a stream of bytes into frames, however the bytes arrive.
#[derive(Debug)]
pub struct Frames {
    /// The start of an incomplete frame; never longer than `maximum`.
    begun: Vec<u8>,
    maximum: usize,
}

/// A peer sent a frame of more than `maximum` bytes; the rest of the stream cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is longer than {maximum} bytes")]
pub struct FrameTooLarge {
    /// The limit.
    pub maximum: usize,
}

impl Frames {
    /// Accepts frames of at most `maximum` bytes, not counting the NUL.
    pub fn new(maximum: usize) -> Frames {
        Frames { begun: Vec::new(), maximum }
    }

    /// Consumes the next frame, or a part of it, from the front of `bytes`. Returns the number of bytes consumed and
    /// the frame without its NUL, if it is complete. The limit is checked before anything is stored.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), FrameTooLarge> {
        let end = memchr::memchr(0, bytes);
        let piece = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
        if piece.len() > self.maximum - self.begun.len() {
            return Err(FrameTooLarge { maximum: self.maximum });
        }
        self.begun.extend_from_slice(piece);
        match end {
            Some(end) => Ok((end + 1, Some(mem::take(&mut self.begun)))),
            None => Ok((bytes.len(), None)),
        }
    }

    /// Whether a frame is incomplete, so that the end of the stream would truncate it.
    pub fn is_inside(&self) -> bool {
        !self.begun.is_empty()
    }
}

/// A received call. Unknown members are ignored, as the standard requires.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Call {
    /// Interface and method, joined by a dot.
    pub method: String,
    /// The parameters, if any. Anything but an object is an error, which can still be answered.
    pub parameters: Option<Value>,
    /// The caller wants no reply, not even an error.
    #[serde(default, deserialize_with = "flag")]
    pub oneway: bool,
    /// The caller accepts several replies.
    #[serde(default, deserialize_with = "flag")]
    pub more: bool,
    /// The caller wants to switch to another protocol afterwards.
    #[serde(default, deserialize_with = "flag")]
    pub upgrade: bool,
}

/// A flag that is null counts as false.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

/// A received reply.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// Its parameters, unparsed.
    pub parameters: Option<Box<RawValue>>,
    /// Whether more replies follow.
    #[serde(default, deserialize_with = "flag")]
    pub continues: bool,
    /// The error's name, if it is an error reply.
    pub error: Option<String>,
}

/// Encodes a call; `request` serializes to its method and parameters.
pub fn encode_call<T: Serialize>(request: &T, more: bool) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Outgoing<'a, T> {
        #[serde(flatten)]
        request: &'a T,
        #[serde(skip_serializing_if = "is_false")]
        more: bool,
    }
    encode(&Outgoing { request, more })
}

/// Encodes a reply; `continues` if more replies follow.
pub fn encode_reply<T: Serialize>(parameters: &T, continues: bool) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Outgoing<'a, T> {
        parameters: &'a T,
        #[serde(skip_serializing_if = "is_false")]
        continues: bool,
    }
    encode(&Outgoing { parameters, continues })
}

/// Encodes a message with its terminating NUL. JSON escapes control characters, so there is no other NUL in it.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = serde_json::to_vec(message)?;
    frame.push(0);
    Ok(frame)
}

fn is_false(flag: &bool) -> bool {
    !flag
}
