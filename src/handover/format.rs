//! The form of the state: a header, then one frame for what concerns all, then one for each client.
//!
//! Each frame has its own length and digest, so that damage costs no more than what it has hit. The frames' outer form
//! never changes: whatever the version, a client whose session cannot be read can be sent its goodbye, and it is known which
//! descriptors are whose.

use aws_lc_rs::digest;

/// The version of what the frames contain. It changes whenever older bytes would be read differently.
pub const VERSION: u16 = 1;

/// What every state begins with; the version follows.
const MAGIC: &[u8] = b"chatd handover\n";
/// Bytes of a frame's digest: the first of its SHA-256.
const DIGEST: usize = 16;

/// Why a state, or a part of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It does not begin like one.
    #[error("it is not a state of chatd")]
    Foreign,
    /// It is of another version of the program.
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u16),
    /// It is incomplete, or was changed.
    #[error("it is damaged")]
    Damaged,
}

/// One client.
pub struct Frame<P = Vec<u8>> {
    /// What it is sent if it cannot be taken over.
    pub goodbye: Vec<u8>,
    /// Its connection.
    pub payload: P,
}

/// A state that was read.
pub struct Read {
    /// Whose the descriptors are, of whatever version; empty if that is damaged.
    pub order: Vec<u8>,
    /// What concerns all clients.
    pub common: Result<Vec<u8>, FormatError>,
    /// The clients, up to the first whose length is damaged.
    pub frames: Vec<Frame<Result<Vec<u8>, FormatError>>>,
}

/// Writes a state.
pub fn write(order: &[u8], common: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut bytes = [MAGIC, &VERSION.to_le_bytes()].concat();
    // In the place of a goodbye, which nobody is sent here.
    write_frame(order, common, &mut bytes);
    frames.iter().for_each(|frame| write_frame(&frame.goodbye, &frame.payload, &mut bytes));
    bytes
}

/// A frame: the lengths of both parts, the digest of everything else, both parts.
fn write_frame(goodbye: &[u8], payload: &[u8], bytes: &mut Vec<u8>) {
    let lengths = [goodbye, payload].map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes()).concat();
    bytes.extend_from_slice(&lengths);
    bytes.extend_from_slice(&digest_of(&[&lengths, goodbye, payload]));
    bytes.extend_from_slice(goodbye);
    bytes.extend_from_slice(payload);
}

/// Reads a state.
///
/// # Errors
/// It is none, or ends before its first frame.
pub fn read(bytes: &[u8]) -> Result<Read, FormatError> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(FormatError::Foreign)?;
    let version = u16::from_le_bytes(*take(&mut rest).ok_or(FormatError::Damaged)?);
    let known = |payload: Result<Vec<u8>, FormatError>| match version {
        VERSION => payload,
        _ => Err(FormatError::Version(version)),
    };
    let Frame { goodbye: order, payload: common } = read_frame(&mut rest).ok_or(FormatError::Damaged)?;
    let common = known(common);
    let mut frames = Vec::new();
    while let Some(Frame { goodbye, payload }) = read_frame(&mut rest) {
        frames.push(Frame { goodbye, payload: known(payload) });
    }
    Ok(Read { order, common, frames })
}

/// `None` if there is no whole frame.
fn read_frame(rest: &mut &[u8]) -> Option<Frame<Result<Vec<u8>, FormatError>>> {
    let lengths: &[u8; 8] = take(rest)?;
    let [a, b, c, d, e, f, g, h] = *lengths;
    let (goodbye, payload) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let expected: &[u8; DIGEST] = take(rest)?;
    let goodbye = take_some(rest, goodbye as usize)?;
    let payload = take_some(rest, payload as usize)?;
    if digest_of(&[lengths, goodbye, payload]) != *expected {
        return Some(Frame { goodbye: Vec::new(), payload: Err(FormatError::Damaged) });
    }
    Some(Frame { goodbye: goodbye.to_vec(), payload: Ok(payload.to_vec()) })
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}

fn take_some<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn digest_of(parts: &[&[u8]]) -> [u8; DIGEST] {
    let mut digest = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| digest.update(part));
    let digest = digest.finish();
    let mut first = [0; DIGEST];
    first.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    first
}
