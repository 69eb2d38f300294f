//! Parsers for values. Each function reads one kind of value or returns a phrase that completes "KEY must be …". Knows
//! no keys and no positions.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use toml::de::{DeArray, DeValue};

use super::Endpoint;
use crate::chat::{Nick, parse_network};
use crate::dialect::classic::{self, DIGITS, Framing, MAX_TEMPLATE, MAX_TEMPLATES, Shown};

/// A value, or a phrase that says what it must be.
pub(super) type Read<T> = Result<T, String>;

/// The maximum length of a Unix socket's path: `sun_path` without its NUL, see unix(7).
const SOCKET_PATH_BYTES: usize = 107;

/// A list of at most so many networks and addresses.
pub(super) fn networks(most: usize) -> impl Fn(&DeValue<'_>) -> Read<Vec<IpNet>> {
    move |value| {
        let list = match value {
            DeValue::Array(list) if list.len() <= most => Some(list),
            _ => None,
        };
        let networks = |list: &DeArray<'_>| {
            list.iter().map(|network| network.get_ref().as_str().and_then(parse_network)).collect::<Option<Vec<_>>>()
        };
        list.and_then(networks)
            .ok_or_else(|| format!("a list of at most {most} networks such as [\"192.0.2.0/24\", \"2001:db8::/32\"]"))
    }
}

/// `true` or `false`
pub(super) fn boolean(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| "true or false".to_owned())
}

/// A whole number within `range`.
pub(super) fn number<T: TryFrom<u32>>(range: RangeInclusive<u32>) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        integer(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A size in bytes: a whole number, or text with a unit such as `"64KiB"`.
pub(super) fn size(range: RangeInclusive<usize>) -> impl Fn(&DeValue<'_>) -> Read<usize> {
    move |value| {
        let bytes = match value {
            DeValue::String(text) => text.parse().ok().map(|ByteSize(bytes)| i128::from(bytes)),
            other => integer(other),
        };
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| range.contains(bytes)).ok_or_else(|| {
            format!("a size from {} to {} such as \"64KiB\"", SizeText(*range.start()), SizeText(*range.end()))
        })
    }
}

/// A duration: text with a unit such as `"10s"`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Read<Duration> {
    move |value| {
        value.as_str().and_then(parse_duration).filter(|duration| range.contains(duration)).ok_or_else(|| {
            let [least, most] = [*range.start(), *range.end()].map(humantime::format_duration);
            let examples =
                ["20ms", "10s", "5min"].iter().filter(|text| parse_duration(text).is_some_and(|d| range.contains(&d)));
            let examples: Vec<String> = examples.map(|text| format!("\"{text}\"")).collect();
            format!("a time from \"{least}\" to \"{most}\" such as {}", examples.join(" or "))
        })
    }
}

/// One of the given words.
pub(super) fn choice<T: Copy>(choices: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let chosen = value.as_str().and_then(|text| choices.iter().find(|(name, _)| *name == text));
        chosen.map(|(_, chosen)| *chosen).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{}\"", name.escape_debug())).collect();
            match names.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => names.concat(),
            }
        })
    }
}

/// A room name that is also valid as an IRC channel name (RFC 2812, section 1.3).
pub(super) fn room_name(value: &DeValue<'_>) -> Read<String> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':');
    text(value, |name| (1..=50).contains(&name.len()) && !name.contains(forbidden) && !name.starts_with('#'))
        .ok_or_else(|| {
            "1 to 50 bytes with no leading # and without spaces, commas, colons and control characters".to_owned()
        })
}

/// A list of at most `most` names, as people could have them.
pub(super) fn names(most: usize) -> impl Fn(&DeValue<'_>) -> Read<Vec<String>> {
    move |value| {
        let is_name = |name: &str| Nick::new(name).is_ok();
        let list = value.as_array().filter(|list| list.len() <= most);
        let names = list.and_then(|list| list.iter().map(|name| text(name.get_ref(), is_name)).collect());
        names.ok_or_else(|| format!("a list of at most {most} names such as [\"admin\", \"root\"]"))
    }
}

/// A host name with a dot in it (RFC 1123, section 2.1).
pub(super) fn server_name(value: &DeValue<'_>) -> Read<String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !label.starts_with('-')
    };
    text(value, |name| name.len() <= 63 && name.contains('.') && name.split('.').all(is_label))
        .ok_or_else(|| "a host name of at most 63 bytes with a dot in it, such as \"chat.example.org\"".to_owned())
}

/// One line of text that is shown to users.
pub(super) fn one_line(longest: usize) -> impl Fn(&DeValue<'_>) -> Read<String> {
    move |value| {
        text(value, |line| line.len() <= longest && !line.contains(char::is_control))
            .ok_or_else(|| format!("one line of at most {longest} bytes without control characters"))
    }
}

/// A literal text that a client sends or receives.
pub(super) fn words(longest: usize) -> impl Fn(&DeValue<'_>) -> Read<Cow<'static, str>> {
    move |value| {
        text(value, |words| words.len() <= longest && !words.contains(is_unfit))
            .map(Cow::Owned)
            .ok_or_else(|| format!("text of at most {longest} bytes without control characters but line ends"))
    }
}

/// A template in which each of the `known` placeholders may occur at most once; those in `needed` must.
pub(super) fn template(
    known: &'static [&'static str],
    needed: &'static [&'static str],
) -> impl Fn(&DeValue<'_>) -> Read<Cow<'static, str>> {
    move |value| {
        text(value, |template| are_templates(&[template], known, needed)).map(Cow::Owned).ok_or_else(|| {
            let placeholders = braced(known, needed);
            format!("text of at most {MAX_TEMPLATE} bytes without control characters but line ends, {placeholders}")
        })
    }
}

/// Like [`template`], or empty.
pub(super) fn template_or_nothing(
    known: &'static [&'static str],
    needed: &'static [&'static str],
) -> impl Fn(&DeValue<'_>) -> Read<Cow<'static, str>> {
    move |value| match value.as_str() {
        Some("") => Ok(Cow::Borrowed("")),
        _ => template(known, needed)(value).map_err(|expected| format!("{expected}, or \"\"")),
    }
}

/// One template, or a list of several whose placeholders are counted together.
pub(super) fn shown(
    known: &'static [&'static str],
    needed: &'static [&'static str],
) -> impl Fn(&DeValue<'_>) -> Read<Shown> {
    move |value| {
        let texts: Option<Vec<&str>> = match value {
            DeValue::Array(list) => list.iter().map(|text| text.get_ref().as_str()).collect(),
            one => one.as_str().map(|text| vec![text]),
        };
        let texts = texts.filter(|texts| texts.len() <= MAX_TEMPLATES && are_templates(texts, known, needed));
        let shown = |texts: Vec<&str>| {
            texts.into_iter().filter(|text| !text.is_empty()).map(|text| Cow::Owned(text.to_owned())).collect()
        };
        texts.map(shown).ok_or_else(|| {
            format!(
                "text of at most {MAX_TEMPLATE} bytes without control characters but line ends, or a list of at most \
                 {MAX_TEMPLATES} such texts, {}",
                braced(known, needed)
            )
        })
    }
}

/// A message framing.
pub(super) fn framing(value: &DeValue<'_>) -> Read<Framing> {
    value.as_str().and_then(Framing::named).ok_or_else(|| {
        format!(
            "\"none\", \"line\", \"u16be\", \"u16le\", \"u32be\", \"u32le\", or \"ascii-N\", \"ascii-N-left\" or \
             \"ascii-N-zeros\" with N from {} to {}",
            DIGITS.start(),
            DIGITS.end()
        )
    })
}

fn are_templates(texts: &[&str], known: &[&str], needed: &[&str]) -> bool {
    let found: Vec<&str> = texts.iter().flat_map(|text| classic::placeholders(text)).collect();
    let times = |name: &str| found.iter().filter(|found| **found == name).count();
    texts.iter().all(|text| text.len() <= MAX_TEMPLATE && !text.contains(is_unfit))
        && found.iter().all(|name| known.contains(name) && times(name) == 1)
        && needed.iter().all(|name| times(name) == 1)
}

/// The placeholders that are allowed and required, for an error message.
fn braced(known: &[&str], needed: &[&str]) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("one {{{name}}}")).collect::<Vec<_>>().join(" and ");
    let others: Vec<&str> = known.iter().copied().filter(|name| !needed.contains(name)).collect();
    match (needed, others.as_slice()) {
        ([], []) => "with no placeholder".to_owned(),
        ([], others) => format!("with no placeholder but {}", list(others)),
        (needed, []) => format!("with exactly {}", list(needed)),
        (needed, others) => format!("with exactly {} and perhaps {}", list(needed), list(others)),
    }
}

/// Characters that cannot occur within a message.
fn is_unfit(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\r'
}

/// A file's path.
pub(super) fn path(value: &DeValue<'_>) -> Read<PathBuf> {
    text(value, is_path)
        .map(PathBuf::from)
        .ok_or_else(|| "an absolute path such as \"/etc/chatd/tls/fullchain.pem\"".to_owned())
}

/// The path of a Unix socket to bind.
pub(super) fn socket_path(value: &DeValue<'_>) -> Read<Endpoint> {
    text(value, is_socket_path).map(|path| Endpoint::Unix(path.into())).ok_or_else(|| {
        format!("an absolute path of at most {SOCKET_PATH_BYTES} bytes such as \"/run/chatd/admin.sock\"")
    })
}

/// An address to listen on: `host:port` or a Unix socket.
pub(super) fn address(value: &DeValue<'_>) -> Read<Endpoint> {
    let endpoint = value.as_str().and_then(|text| {
        if is_socket_path(text) {
            Some(Endpoint::Unix(text.into()))
        } else if is_host_and_port(text) {
            Some(Endpoint::Tcp(text.to_owned()))
        } else {
            None
        }
    });
    endpoint.ok_or_else(|| {
        format!(
            "\"host:port\" such as \"127.0.0.1:6667\" or \"[::]:6667\", or the absolute path of a Unix socket (at \
             most {SOCKET_PATH_BYTES} bytes)"
        )
    })
}

/// A systemd socket's name: `FileDescriptorName=` in systemd.socket(5).
pub(super) fn descriptor_name(value: &DeValue<'_>) -> Read<Endpoint> {
    let allowed = |c: char| (' '..='~').contains(&c) && c != ':';
    text(value, |name| (1..=255).contains(&name.len()) && name.chars().all(allowed))
        .map(Endpoint::Systemd)
        .ok_or_else(|| "the FileDescriptorName= of a socket unit such as \"plain\"".to_owned())
}

/// Shows a value in an error message: on one line, without terminal controls, and shortened.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", excerpt(text)),
        DeValue::Integer(number) => excerpt(&number.to_string()),
        DeValue::Float(number) => excerpt(number.as_str()),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// The start of a text from the file, safe to show.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Reads a duration such as `"10s"`, `"5min"` or `"1h 30min"`.
fn parse_duration(text: &str) -> Option<Duration> {
    // humantime 2.4 overflows in `Duration::new` for some texts of more than 24 bytes (2^64 - 1 seconds followed by
    // exactly 1000ms); this limit excludes them.
    const LONGEST: usize = 20;
    if text.len() <= LONGEST { humantime::parse_duration(text).ok() } else { None }
}

fn text(value: &DeValue<'_>, allowed: impl FnOnce(&str) -> bool) -> Option<String> {
    value.as_str().filter(|text| allowed(text)).map(str::to_owned)
}

fn is_path(text: &str) -> bool {
    Path::new(text).is_absolute() && !text.contains('\0')
}

fn is_socket_path(text: &str) -> bool {
    is_path(text) && text.len() <= SOCKET_PATH_BYTES && !text.ends_with('/')
}

fn is_host_and_port(text: &str) -> bool {
    // RFC 1123 names, plus the underscore, which is common in practice.
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            (1..=253).contains(&host.len())
                && host.chars().all(in_name)
                && port.chars().all(|c| c.is_ascii_digit())
                && port.parse::<u16>().is_ok()
        })
}

/// Formats a size in the largest unit that divides it.
struct SizeText(usize);

impl Display for SizeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(bits, _)| self.0 != 0 && self.0.is_multiple_of(1 << bits)) {
            Some((bits, unit)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{} bytes", self.0),
        }
    }
}
