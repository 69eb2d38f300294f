//! The kinds of clients, as the manual describes what they send and are sent.

use base64::Engine as _;

/// What a client speaks.
#[derive(Clone, Copy)]
pub enum Protocol {
    Text,
    /// With these capabilities.
    Irc(&'static str),
    Classic(&'static Classic),
    PodSixNet {
        /// The version of 2015.
        old: bool,
    },
}

/// A preset of the classic protocols.
pub struct Classic {
    pub preset: &'static str,
    /// What comes first and is waited for before the name is sent.
    pub first: &'static str,
    /// What ends the server's part of the login.
    pub ready: &'static [&'static str],
    /// Before and behind the name of the client itself.
    pub login: &'static str,
    /// Whether the client puts its name before its lines.
    pub own_prefix: bool,
    /// Characters with the length before what the client sends, and before what it is sent.
    pub header_in: usize,
    pub header_out: usize,
    /// Between a name and its line.
    pub separator: &'static str,
    /// Behind a name that came in or left.
    pub joined: &'static str,
    pub left: &'static str,
    pub own_join: bool,
    pub echo: bool,
    pub quit: Option<&'static str>,
}

const BASE: Classic = Classic {
    preset: "",
    first: "",
    ready: &[],
    login: "",
    own_prefix: false,
    header_in: 0,
    header_out: 0,
    separator: ": ",
    joined: "",
    left: "",
    own_join: false,
    echo: true,
    quit: None,
};

/// All presets.
pub const CLASSICS: [Classic; 7] = [
    Classic {
        preset: "chatter",
        first: "press enter!",
        ready: &["want to quit, type {quit} to exit."],
        joined: " has joined the chat!",
        left: " has left the chat.",
        quit: Some("{quit}"),
        ..BASE
    },
    Classic {
        preset: "keyword",
        first: "nombre del cliente",
        ready: &["Conectado al servidor"],
        own_prefix: true,
        joined: " ha entrado en el chat",
        left: " ha salido del chat",
        own_join: true,
        ..BASE
    },
    Classic {
        preset: "quit-echo",
        ready: &["if you want left the chat, write {quit} "],
        separator: " : ",
        joined: " has joined the chat ",
        left: " has left the chat. ",
        quit: Some("{quit}"),
        ..BASE
    },
    Classic {
        preset: "user-quit",
        ready: &["Utilisateurs présents", "Il n'y a personne"],
        login: "USER ",
        joined: " est là\n",
        left: " est parti\n",
        echo: false,
        quit: Some("QUIT"),
        ..BASE
    },
    Classic {
        preset: "nic",
        first: "NIC",
        ready: &["Connected to the server.\n"],
        own_prefix: true,
        joined: " joined the chat 😀\n",
        left: " left the chat\n",
        own_join: true,
        ..BASE
    },
    Classic {
        preset: "header10",
        ready: &["Here: ", "Nobody else is here."],
        header_in: 10,
        header_out: 10,
        joined: " has joined",
        left: " has left",
        echo: false,
        ..BASE
    },
    Classic {
        preset: "header64",
        ready: &["!DISCONNECT leaves."],
        header_in: 64,
        joined: " has joined",
        left: " has left",
        quit: Some("!DISCONNECT"),
        ..BASE
    },
];

const EVERYTHING: &str = "message-tags server-time echo-message batch labeled-response draft/chathistory \
     account-tag account-notify extended-join away-notify setname standard-replies multi-prefix userhost-in-names";

/// IRC clients by their capabilities: none, their own lines, tags with the room's history, and nearly all.
pub const CAPABILITIES: [&str; 4] = ["", "echo-message", "message-tags server-time batch", EVERYTHING];

/// What the witness speaks: it is shown everything, and each line with its identifier.
pub const WITNESS: Protocol = Protocol::Irc(EVERYTHING);

impl Protocol {
    pub fn name(&self) -> String {
        match self {
            Protocol::Text => "text".to_owned(),
            Protocol::Irc(capabilities) => format!("irc with {} capabilities", capabilities.split_whitespace().count()),
            Protocol::Classic(classic) => format!("classic {}", classic.preset),
            Protocol::PodSixNet { old } => format!("podsixnet {}", if *old { "0.9" } else { "0.11" }),
        }
    }

    /// With which letter names of such clients begin.
    pub fn letter(&self) -> char {
        match self {
            Protocol::Text => 'T',
            Protocol::Irc(_) => 'J',
            Protocol::Classic(_) => 'C',
            Protocol::PodSixNet { .. } => 'P',
        }
    }

    /// Whether its own lines come back.
    pub fn echo(&self) -> bool {
        match self {
            Protocol::Irc(capabilities) => capabilities.contains("echo-message"),
            Protocol::Classic(classic) => classic.echo,
            Protocol::Text | Protocol::PodSixNet { .. } => true,
        }
    }

    /// Whether it is told that it has joined in the words in which others are.
    pub fn own_join(&self) -> bool {
        matches!(self, Protocol::Irc(_)) || matches!(self, Protocol::Classic(classic) if classic.own_join)
    }

    /// What has to be read before the name is sent.
    pub fn first(&self) -> &'static str {
        if let Protocol::Classic(classic) = self { classic.first } else { "" }
    }

    pub fn login(&self, name: &str) -> Vec<u8> {
        match self {
            Protocol::Text => format!("{name}\n").into_bytes(),
            Protocol::Irc("") => format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n").into_bytes(),
            Protocol::Irc(capabilities) => {
                format!("CAP REQ :{capabilities}\r\nNICK {name}\r\nUSER {name} 0 * :{name}\r\nCAP END\r\n").into_bytes()
            }
            Protocol::Classic(classic) => framed(classic, &format!("{}{name}", classic.login)),
            Protocol::PodSixNet { old } => packed(*old, &[("action", "nickname"), ("nickname", name)]),
        }
    }

    /// What says one line. `alone`: nothing follows at once, so that the end of it need not be marked.
    pub fn say(&self, name: &str, text: &str, alone: bool) -> Vec<u8> {
        match self {
            Protocol::Text => format!("{text}\n").into_bytes(),
            Protocol::Irc(_) => format!("PRIVMSG #lobby :{text}\r\n").into_bytes(),
            Protocol::Classic(classic) => {
                let prefix = if classic.own_prefix { format!("{name}: ") } else { String::new() };
                let end = if alone || classic.header_in > 0 { "" } else { "\n" };
                framed(classic, &format!("{prefix}{text}{end}"))
            }
            Protocol::PodSixNet { old } => packed(*old, &[("action", "message"), ("message", text)]),
        }
    }

    /// What leaves in order, for those who have a word for it.
    pub fn quit(&self) -> Option<Vec<u8>> {
        match self {
            Protocol::Text => Some(b"/quit so long\n".to_vec()),
            Protocol::Irc(_) => Some(b"QUIT :so long\r\n".to_vec()),
            Protocol::Classic(classic) => classic.quit.map(|word| framed(classic, word)),
            Protocol::PodSixNet { .. } => None,
        }
    }
}

fn framed(classic: &Classic, text: &str) -> Vec<u8> {
    let header = if classic.header_in > 0 { format!("{:<1$}", text.len(), classic.header_in) } else { String::new() };
    format!("{header}{text}").into_bytes()
}

/// A frame of PodSixNet: a dictionary of strings.
fn packed(old: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![102 + u8::try_from(fields.len()).unwrap()];
    for text in fields.iter().flat_map(|(key, value)| [key, value]) {
        let text = if old { base64::engine::general_purpose::STANDARD.encode(text) } else { (*text).to_owned() };
        match u8::try_from(text.len()) {
            Ok(length) if length < 64 => bytes.push(128 + length),
            _ => bytes.extend_from_slice(format!("{}:", text.len()).as_bytes()),
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(b"\0---\0");
    bytes
}
