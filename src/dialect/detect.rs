//! Protocol detection for `auto`, from a client's first bytes or from its silence.

use super::Protocol;

/// A client that is not recognized within this many bytes is taken for a text client.
pub const ENOUGH: usize = 1024;

/// The result of detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Undecided: wait for more bytes or for silence.
    Wait,
    /// The client speaks this protocol.
    Speak(Protocol),
    /// The client speaks a protocol that this port does not support. It is sent an answer in that protocol and
    /// disconnected.
    Refuse {
        /// The answer.
        answer: &'static [u8],
        /// The reason for the journal.
        reason: &'static str,
    },
}

/// TLS: a fatal alert, `unexpected_message` (RFC 8446, section 6).
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a];

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 62\r\n\r\nThis is a chat room, not a web server. Join it with nc or so.\n";

/// The answer to HTTP on a port that expects TLS.
const HTTP_WITHOUT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 72\r\n\r\nThis is a chat room, not a web server, and TLS comes first on its port.\n";
const IRC_WITHOUT_TLS: &[u8] =
    b"ERROR :This port takes TLS alone: turn on TLS (or SSL) for this server in your client\r\n";
const TEXT_WITHOUT_TLS: &[u8] = b"*** This port takes TLS alone: openssl s_client -quiet -connect HOST:PORT\n";

/// The answer to a client that does not start TLS on a port that expects it, in the protocol of its first bytes.
#[must_use]
pub fn without_tls(bytes: &[u8]) -> &'static [u8] {
    match detect(bytes, true) {
        Verdict::Refuse { .. } => HTTP_WITHOUT_TLS,
        Verdict::Speak(Protocol::Irc) => IRC_WITHOUT_TLS,
        _ => TEXT_WITHOUT_TLS,
    }
}

/// Whether a client begins with a request of HTTP (RFC 9112, section 3), as a browser does that a strange page has made to
/// send something here. The rest of what it sends could be taken for a name and for messages.
#[must_use]
pub fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];
    METHODS.iter().filter_map(|method| bytes.strip_prefix(*method)).any(|rest| rest.first() == Some(&b' '))
}

/// Detects the protocol from the first bytes. `silent`: the client has sent nothing more within the detection timeout.
#[must_use]
pub fn detect(bytes: &[u8], silent: bool) -> Verdict {
    if bytes.first() == Some(&0x16) && bytes.get(1).is_none_or(|b| *b == 3) {
        // A TLS handshake record. No name starts with a control character, so a single byte is enough once the client
        // is silent.
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
        // `USER name` is a login of the text protocol; IRC's USER has three more parameters (RFC 2812, section 3.1.3).
        "USER" => arguments.len() >= 4,
        _ => false,
    };
    if is_irc {
        return Verdict::Speak(Protocol::Irc);
    }
    Verdict::Speak(Protocol::Text)
}
