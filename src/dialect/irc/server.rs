//! Properties of this server as an IRC server, and message identifiers.

/// Properties of this server as an IRC server.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// The server name; contains a dot.
    pub name: Box<str>,
    /// The room's name, without the `#`.
    pub room: Box<str>,
    /// Whether clients join the room automatically after registration.
    pub autojoin: bool,
    /// When it was started, in milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// A TLS port with a certificate that clients can verify, if there is one.
    pub secure_port: Option<u16>,
}

impl Server {
    /// Appends an event's identifier, which is unique across restarts.
    pub(super) fn write_id(&self, sequence: u64, out: &mut Vec<u8>) {
        write_hex(self.started, out);
        out.push(b'-');
        write_hex(sequence, out);
    }

    /// The sequence of the event with this identifier; `None` if it is not from this run of the server.
    pub(super) fn parse_id(&self, id: &str) -> Option<u64> {
        let (started, sequence) = id.split_once('-')?;
        let started = u64::from_str_radix(started, 16).ok()?;
        (started == self.started).then(|| u64::from_str_radix(sequence, 16).ok())?
    }

    /// Whether `channel` is the room; channel names ignore ASCII case.
    pub(super) fn is_room(&self, channel: &str) -> bool {
        channel.strip_prefix('#').is_some_and(|name| name.eq_ignore_ascii_case(&self.room))
    }

    /// The room's name as a channel name.
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
