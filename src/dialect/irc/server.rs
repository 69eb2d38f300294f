//! What IRC tells of this server, and the identifiers of messages.

/// What IRC tells of this server.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// Its name, with a dot in it.
    pub name: Box<str>,
    /// The room's name, without the `#`.
    pub room: Box<str>,
    /// Whether a client is put into the room when it has registered.
    pub autojoin: bool,
    /// When it was started, in milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// Where it can be reached over TLS with a certificate that strangers can verify, if it can.
    pub secure_port: Option<u16>,
}

impl Server {
    /// Appends the identifier of an event: no other one has the same, also after a restart.
    pub(super) fn write_id(&self, sequence: u64, out: &mut Vec<u8>) {
        write_hex(self.started, out);
        out.push(b'-');
        write_hex(sequence, out);
    }

    /// The event that an identifier means, if it is one of this run of the server.
    pub(super) fn parse_id(&self, id: &str) -> Option<u64> {
        let (started, sequence) = id.split_once('-')?;
        let started = u64::from_str_radix(started, 16).ok()?;
        (started == self.started).then(|| u64::from_str_radix(sequence, 16).ok())?
    }

    /// Whether `channel` is the room; in the names of channels, ASCII letters are the same in either case.
    pub(super) fn is_room(&self, channel: &str) -> bool {
        channel.strip_prefix('#').is_some_and(|name| name.eq_ignore_ascii_case(&self.room))
    }

    /// The room's name as a channel.
    pub(super) fn channel(&self) -> String {
        format!("#{}", self.room)
    }
}

fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place) & 0xf) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}
