//! Properties of this server as an IRC server.

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
    /// Whether `channel` is the room; channel names ignore ASCII case.
    pub(super) fn is_room(&self, channel: &str) -> bool {
        channel.strip_prefix('#').is_some_and(|name| name.eq_ignore_ascii_case(&self.room))
    }

    /// The room's name as a channel name.
    pub(super) fn channel(&self) -> String {
        format!("#{}", self.room)
    }
}
