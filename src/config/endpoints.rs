//! The endpoints of a configuration: `address`, `socket` or `systemd`, and no duplicates.

use std::net::{IpAddr, SocketAddr};

use toml::de::DeValue;

use super::Endpoint;
use super::reader::Section;
use super::value::{self, Read};

/// The endpoints read so far, each with its line, for finding duplicates.
#[derive(Default)]
pub(super) struct Endpoints(Vec<(Endpoint, usize)>);

impl Endpoints {
    /// Reads a section's endpoint: `systemd`, or `key` with the parser `kind`. `Some(None)` if neither is set.
    pub(super) fn read(
        &mut self,
        section: &mut Section<'_, '_>,
        key: &'static str,
        kind: fn(&DeValue<'_>) -> Read<Endpoint>,
    ) -> Option<Option<Endpoint>> {
        let bound_here = section.optional(key, kind);
        let handed_over = section.optional("systemd", value::descriptor_name);
        if section.has(key) && section.has("systemd") {
            section.mistake("systemd", format!("`systemd` takes the place of `{key}`; remove one of the two"));
        }
        let (key, endpoint) = match (bound_here?, handed_over?) {
            (Some(endpoint), _) => (key, endpoint),
            (None, Some(endpoint)) => ("systemd", endpoint),
            (None, None) => return Some(None),
        };
        match self.0.iter().find_map(|(other, line)| Some((conflict(other, &endpoint)?, line))) {
            Some((Conflict::Same, line)) => {
                section.mistake(key, format!("`{key}` is the same as in line {line}; write another one"));
            }
            Some((Conflict::Within, line)) => {
                let what = format!("`address` overlaps with that in line {line}, so both cannot be had; remove one");
                section.mistake(key, what);
            }
            None => self.0.push((endpoint.clone(), section.line_of(key))),
        }
        Some(Some(endpoint))
    }
}

/// Why two listeners conflict.
enum Conflict {
    /// They have the same address.
    Same,
    /// One listens on all addresses, which include the other's.
    Within,
}

/// Two listeners with port 0 do not conflict; each gets a port of its own.
fn conflict(one: &Endpoint, other: &Endpoint) -> Option<Conflict> {
    let (Endpoint::Tcp(one), Endpoint::Tcp(other)) = (one, other) else {
        return (one == other).then_some(Conflict::Same);
    };
    match (one.parse::<SocketAddr>(), other.parse::<SocketAddr>()) {
        (Ok(one), Ok(other)) if one.port() != other.port() || one.port() == 0 => None,
        (Ok(one), Ok(other)) if one == other => Some(Conflict::Same),
        (Ok(one), Ok(other)) => {
            (includes(one.ip(), other.ip()) || includes(other.ip(), one.ip())).then_some(Conflict::Within)
        }
        _ => (one.eq_ignore_ascii_case(other) && !one.ends_with(":0")).then_some(Conflict::Same),
    }
}

/// Whether a listener on `wide` also receives connections to `narrow`; `[::]` includes IPv4.
fn includes(wide: IpAddr, narrow: IpAddr) -> bool {
    match wide {
        IpAddr::V4(wide) => wide.is_unspecified() && narrow.to_canonical().is_ipv4(),
        IpAddr::V6(wide) => wide.is_unspecified(),
    }
}
