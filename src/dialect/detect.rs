//! `auto`: what does this client speak? Decided from its first bytes, or from its silence.

use super::Protocol;

/// A client that has not made itself clear within this many bytes speaks text.
pub const ENOUGH: usize = 1024;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not clear yet: more bytes, or silence, will tell.
    Wait,
    /// It speaks this.
    Speak(Protocol),
    /// It speaks something that this port does not: it is answered in its own language and closed.
    Refuse {
        /// What it is told.
        answer: &'static [u8],
        /// What the journal is told.
        reason: &'static str,
    },
}

/// TLS: a fatal alert, `unexpected_message` (RFC 8446, section 6).
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a];

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 62\r\n\r\nThis is a chat room, not a web server. Join it with nc or so.\n";

/// The same where TLS comes first.
const HTTP_WITHOUT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 72\r\n\r\nThis is a chat room, not a web server, and TLS comes first on its port.\n";
const IRC_WITHOUT_TLS: &[u8] =
    b"ERROR :This port takes TLS alone: turn on TLS (or SSL) for this server in your client\r\n";
const TEXT_WITHOUT_TLS: &[u8] = b"*** This port takes TLS alone: openssl s_client -quiet -connect HOST:PORT\n";

/// What a client is told that speaks without TLS on a port where TLS comes first, in the language of its first bytes.
#[must_use]
pub fn without_tls(bytes: &[u8]) -> &'static [u8] {
    match detect(bytes, true) {
        Verdict::Refuse { .. } => HTTP_WITHOUT_TLS,
        Verdict::Speak(Protocol::Irc) => IRC_WITHOUT_TLS,
        _ => TEXT_WITHOUT_TLS,
    }
}

/// Judges by the first bytes; `silent`: nothing more came in the time that a client has to speak first.
#[must_use]
pub fn detect(bytes: &[u8], silent: bool) -> Verdict {
    if bytes.first() == Some(&0x16) && bytes.get(1).is_none_or(|b| *b == 3) {
        // A TLS handshake record. No name begins with a control character, so one byte is proof enough at the end.
        return match bytes.len() > 1 || silent {
            true => Verdict::Refuse { answer: TLS_ALERT, reason: "TLS on a port without TLS" },
            false => Verdict::Wait,
        };
    }
    let Some((line, _)) = memchr::memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end)) else {
        let undecided = !silent && bytes.len() < ENOUGH;
        return if undecided { Verdict::Wait } else { Verdict::Speak(Protocol::Text) };
    };
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [first, arguments @ ..] = words.as_slice() else { return Verdict::Speak(Protocol::Text) };
    if arguments.last().is_some_and(|last| last.starts_with("HTTP/")) {
        return Verdict::Refuse { answer: HTTP_ANSWER, reason: "HTTP on a chat port" };
    }
    let is_irc = match first.to_ascii_uppercase().as_str() {
        "CAP" | "NICK" | "PASS" => !arguments.is_empty(),
        // `USER name` is a way to log in to the text protocol; IRC's has three more parameters (RFC 2812, 3.1.3).
        "USER" => arguments.len() >= 4,
        _ => false,
    };
    if is_irc {
        return Verdict::Speak(Protocol::Irc);
    }
    Verdict::Speak(Protocol::Text)
}
