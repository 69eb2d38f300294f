//! What a client hears: its bytes taken apart as the manual describes them. None of this is the daemon's code, which
//! could misunderstand in the same way what it has written.

use super::kinds::{Classic, Protocol};
use super::line;
use super::rencode;

/// The longest beginning of what a stream without an order of its own is searched for: a name and words behind it.
const LONGEST_BEGINNING: usize = 128;

/// Something that a client was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What has to come before the name is sent.
    First,
    /// The login is over.
    Ready,
    /// A numbered line; `past`: of the history. With the identifier of a client that is told it.
    Said {
        name: String,
        number: u64,
        past: bool,
        id: Option<String>,
    },
    Joined {
        name: String,
        id: Option<String>,
    },
    Left {
        name: String,
        reason: Option<String>,
        id: Option<String>,
    },
    /// Another message in the room.
    Other {
        id: Option<String>,
    },
    /// Words of the server to this client alone: a goodbye, a refusal.
    Told(String),
    Ping(String),
    /// An IRC client was taken for one of the text protocol: it has said nothing for 250 ms.
    Mistaken,
    /// What should not have come.
    Nonsense(String),
}

/// Takes the bytes apart that one client reads.
pub struct Hearing {
    protocol: Protocol,
    name: String,
    unread: Vec<u8>,
    waiting: bool,
    ready: bool,
}

impl Hearing {
    pub fn new(protocol: Protocol, name: &str) -> Hearing {
        let waiting = !protocol.first().is_empty();
        Hearing { protocol, name: name.to_owned(), unread: Vec::new(), waiting, ready: false }
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.unread.extend_from_slice(bytes);
        let (mut heard, mut at) = (Vec::new(), 0);
        while let Some(length) = self.next(at, &mut heard) {
            at += length;
        }
        self.unread.drain(..at);
        heard
    }

    /// What was left when the connection ended.
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Takes one message from this place on; returns its length, if it is there as a whole.
    fn next(&mut self, at: usize, heard: &mut Vec<Heard>) -> Option<usize> {
        let unread = &self.unread[at..];
        match self.protocol {
            Protocol::Text | Protocol::Irc(_) => {
                let end = unread.iter().position(|byte| *byte == b'\n')?;
                let text = String::from_utf8_lossy(&unread[..end]).into_owned();
                match self.protocol {
                    Protocol::Text => self.text(&text, heard),
                    _ => self.irc(text.trim_end_matches('\r'), heard),
                }
                Some(end + 1)
            }
            Protocol::PodSixNet { old } => {
                let end = find(unread, b"\0---\0")?;
                let strings = rencode::strings(&unread[..end], old);
                let nonsense = || Heard::Nonsense(format!("the frame {:?}", String::from_utf8_lossy(&unread[..end])));
                match strings {
                    Some(strings) => self.frame(&strings, heard),
                    None => heard.push(nonsense()),
                }
                Some(end + 5)
            }
            Protocol::Classic(classic) if classic.header_out > 0 => {
                let (name, first) = header(unread, classic.header_out)?;
                let (text, second) = header(&unread[first..], classic.header_out)?;
                self.from(&name, &text, heard);
                Some(first + second)
            }
            Protocol::Classic(classic) => self.stream(at, classic, heard),
        }
    }

    fn text(&mut self, text: &str, heard: &mut Vec<Heard>) {
        if let Some(words) = text.strip_prefix("*** ") {
            return self.server(words, heard);
        }
        let (past, text) = without_time(text);
        if text.starts_with("* ") {
            return heard.push(Heard::Other { id: None });
        }
        match text.split_once(": ") {
            Some((name, words)) => said(name, words, past, None, heard),
            None => heard.push(Heard::Nonsense(format!("the line {text:?}"))),
        }
    }

    fn irc(&mut self, text: &str, heard: &mut Vec<Heard>) {
        if let Some(words) = text.strip_prefix("*** ").filter(|_| !self.ready) {
            let asked = words.starts_with("What is your name?");
            return heard.push(if asked { Heard::Mistaken } else { Heard::Told(words.to_owned()) });
        }
        let (tags, rest) = match text.strip_prefix('@') {
            Some(tagged) => tagged.split_once(' ').unwrap_or((tagged, "")),
            None => ("", text),
        };
        let tag = |key: &str| tags.split(';').find_map(|tag| tag.strip_prefix(key)).map(str::to_owned);
        let id = tag("msgid=");
        let (source, rest) = match rest.strip_prefix(':') {
            Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
            None => ("", rest),
        };
        let (name, _) = source.split_once('!').unwrap_or(("", ""));
        let (command, parameters) = rest.split_once(' ').unwrap_or((rest, ""));
        match command {
            "PRIVMSG" => {
                let words = parameters.strip_prefix("#lobby :");
                let Some(words) = words else { return heard.push(Heard::Nonsense(format!("the message {text:?}"))) };
                let (timed, words) = without_time(words);
                said(name, words, timed || tag("batch=").is_some(), id, heard);
            }
            "JOIN" => heard.push(Heard::Joined { name: name.to_owned(), id }),
            "QUIT" => {
                let reason = Some(parameters.trim_start_matches(':').to_owned());
                heard.push(Heard::Left { name: name.to_owned(), reason, id });
            }
            "PING" => heard.push(Heard::Ping(parameters.to_owned())),
            "366" if !self.ready => {
                self.ready = true;
                heard.push(Heard::Ready);
            }
            "ERROR" | "433" | "432" | "465" | "417" => heard.push(Heard::Told(parameters.to_owned())),
            _ => {}
        }
    }

    /// A message of the server in words.
    fn server(&mut self, words: &str, heard: &mut Vec<Heard>) {
        let is_name = |name: &str| !name.is_empty() && !name.contains(' ');
        if let Some(name) = words.strip_suffix(" has joined").filter(|name| is_name(name)) {
            return heard.push(Heard::Joined { name: name.to_owned(), id: None });
        }
        if let Some(name) = words.strip_suffix(" has left").filter(|name| is_name(name)) {
            return heard.push(Heard::Left { name: name.to_owned(), reason: None, id: None });
        }
        if let Some((name, reason)) = words.split_once(" has left (").filter(|(name, _)| is_name(name)) {
            let reason = Some(reason.trim_end_matches(')').to_owned());
            return heard.push(Heard::Left { name: name.to_owned(), reason, id: None });
        }
        let ready = match self.protocol {
            Protocol::Text => words.starts_with("Topic: "),
            Protocol::PodSixNet { .. } => words.starts_with(&format!("Welcome, {}.", self.name)),
            Protocol::Classic(classic) => classic.ready.iter().any(|start| words.starts_with(start)),
            Protocol::Irc(_) => false,
        };
        if ready && !self.ready {
            self.ready = true;
            return heard.push(Heard::Ready);
        }
        heard.push(Heard::Told(words.to_owned()));
    }

    /// A message that comes with the name of who says it.
    fn from(&mut self, name: &str, text: &str, heard: &mut Vec<Heard>) {
        match name {
            "***" => self.server(text, heard),
            _ => said(name, text, false, None, heard),
        }
    }

    fn frame(&mut self, strings: &[String], heard: &mut Vec<Heard>) {
        let field = |key: &str| {
            let pairs = strings.chunks_exact(2);
            pairs.into_iter().find(|pair| pair[0] == key).map(|pair| pair[1].clone())
        };
        if strings.first().is_some_and(|key| key == "action") && field("action").as_deref() == Some("message") {
            match (field("who"), field("expediteur"), field("message")) {
                (Some(who), Some(sender), Some(text)) if who == sender => self.from(&who, &text, heard),
                _ => heard.push(Heard::Nonsense(format!("the frame {strings:?}"))),
            }
        }
    }

    /// Messages that nothing separates: the first thing that can be recognized from this place on.
    fn stream(&mut self, at: usize, classic: &'static Classic, heard: &mut Vec<Heard>) -> Option<usize> {
        let unread = &self.unread[at..];
        if self.waiting {
            let end = find(unread, classic.first.as_bytes())? + classic.first.len();
            self.waiting = false;
            heard.push(Heard::First);
            return Some(end);
        }
        let ready = classic.ready.iter().filter(|_| !self.ready);
        let marks = ready.copied().chain(["<", classic.joined, classic.left]);
        let found = marks.filter_map(|mark| Some((find(unread, mark.as_bytes())?, mark))).min();
        let Some((start, mark)) = found else {
            // Nothing of what matters; but the next may have begun.
            return unread.len().checked_sub(LONGEST_BEGINNING).filter(|passed| *passed > 0);
        };
        // Without a name before it, this was part of a list or a greeting.
        let name = name_before(&unread[..start], if mark == "<" { classic.separator } else { "" });
        let mut end = start + mark.len();
        match (mark, name) {
            ("<", Some(name)) => {
                end = start + find(&unread[start..], b">")? + 1;
                // As many lines as were sent at once are one message.
                said(&name, &String::from_utf8_lossy(&unread[start..end]), false, None, heard);
            }
            ("<", None) => {
                let around = String::from_utf8_lossy(&unread[start.saturating_sub(60)..]).into_owned();
                heard.push(Heard::Nonsense(format!("a line without a name: {around:?}")));
            }
            (mark, Some(name)) if mark == classic.joined => heard.push(Heard::Joined { name, id: None }),
            (mark, Some(name)) if mark == classic.left => heard.push(Heard::Left { name, reason: None, id: None }),
            (mark, None) if mark == classic.joined || mark == classic.left => {
                heard.push(Heard::Nonsense(format!("{mark:?} without a name")));
            }
            _ => {
                self.ready = true;
                heard.push(Heard::Ready);
            }
        }
        Some(end)
    }
}

fn said(name: &str, words: &str, past: bool, id: Option<String>, heard: &mut Vec<Heard>) {
    heard.push(match words.contains(['<', '>']) {
        false => Heard::Other { id },
        true => match line::number(name, words) {
            Ok(number) => Heard::Said { name: name.to_owned(), number, past, id },
            Err(nonsense) => Heard::Nonsense(nonsense),
        },
    });
}

/// Whether a time such as `[14:02]` or `[2026-01-31 14:02]` comes first, and what follows it.
fn without_time(text: &str) -> (bool, &str) {
    let timed = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match timed.filter(|(time, _)| time.bytes().all(|byte| byte.is_ascii_digit() || b":- ".contains(&byte))) {
        Some((_, rest)) => (true, rest),
        None => (false, text),
    }
}

/// The name, such as `T12L3`, that ends here before a separator.
fn name_before(bytes: &[u8], separator: &str) -> Option<String> {
    let bytes = bytes.strip_suffix(separator.as_bytes())?;
    let mut start = bytes.len();
    for _ in 0..2 {
        let digits = bytes[..start].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        start -= digits;
        if digits == 0 || start == 0 || !bytes[start - 1].is_ascii_alphabetic() {
            return None;
        }
        start -= 1;
    }
    String::from_utf8(bytes[start..].to_vec()).ok()
}

/// A text behind its length, and how long both are.
fn header(bytes: &[u8], digits: usize) -> Option<(String, usize)> {
    let length = std::str::from_utf8(bytes.get(..digits)?).ok()?.trim().parse::<usize>().ok()?;
    let text = bytes.get(digits..digits + length)?;
    Some((String::from_utf8_lossy(text).into_owned(), digits + length))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}
