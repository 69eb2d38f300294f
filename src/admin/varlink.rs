//! The wire: how Varlink's calls and replies become bytes and are found in bytes again.
//!
//! A message is a JSON object ended by a NUL byte. Nothing here does I/O or knows what the methods mean.

use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest call the daemon accepts, in bytes without the NUL.
pub const MAXIMUM_CALL: usize = 64 * 1024;

/// The longest reply chatctl accepts, in bytes without the NUL.
pub const MAXIMUM_REPLY: usize = 64 * 1024 * 1024;

/// Finds frames in a stream of bytes, however it was cut.
#[derive(Debug)]
pub struct Frames {
    /// The beginning of a frame whose end has not come yet; never longer than `maximum`.
    begun: Vec<u8>,
    maximum: usize,
}

/// A peer sent a frame longer than `maximum` bytes; what follows cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is longer than {maximum} bytes")]
pub struct FrameTooLarge {
    /// The limit.
    pub maximum: usize,
}

impl Frames {
    /// Frames of at most `maximum` bytes, their NUL not counted.
    pub fn new(maximum: usize) -> Frames {
        Frames { begun: Vec::new(), maximum }
    }

    /// Takes what belongs to the next frame from the front of `bytes`: how many bytes that were, and the frame
    /// without its NUL if they complete it. The limit is checked before anything is kept.
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

    /// Whether a frame has begun and not ended, so that the end of the stream would cut it.
    pub fn is_inside(&self) -> bool {
        !self.begun.is_empty()
    }
}

/// A call as it arrives. Members that the standard does not name are skipped, as it wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Call {
    /// Interface and method, joined by a dot.
    pub method: String,
    /// The parameters, if there are any; anything but an object is a mistake that can still be answered.
    pub parameters: Option<Value>,
    /// The caller wants no reply, not even an error.
    #[serde(default, deserialize_with = "flag")]
    pub oneway: bool,
    /// The caller accepts several replies.
    #[serde(default, deserialize_with = "flag")]
    pub more: bool,
    /// The caller wants to speak another protocol afterwards.
    #[serde(default, deserialize_with = "flag")]
    pub upgrade: bool,
}

/// A flag may be null, which means no.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

/// A reply as it arrives.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// What it carries, exactly as it was written.
    pub parameters: Option<Box<RawValue>>,
    /// Whether more replies follow.
    #[serde(default, deserialize_with = "flag")]
    pub continues: bool,
    /// The name of the error, when it is one.
    pub error: Option<String>,
}

/// A call, ready to be sent; `request` gives the method and its parameters.
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

/// A reply, ready to be sent; `continues` when others follow it.
pub fn encode_reply<T: Serialize>(parameters: &T, continues: bool) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Outgoing<'a, T> {
        parameters: &'a T,
        #[serde(skip_serializing_if = "is_false")]
        continues: bool,
    }
    encode(&Outgoing { parameters, continues })
}

/// A whole message with the NUL that ends it. JSON escapes control characters, so there is no other NUL in it.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = serde_json::to_vec(message)?;
    frame.push(0);
    Ok(frame)
}

fn is_false(flag: &bool) -> bool {
    !flag
}
