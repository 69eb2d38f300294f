//! Formats bans for people.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use super::show::{counted, time};
use super::table;
use super::terminal::printable;
use crate::admin::types::{BanEntry, Banned};

/// What was banned by banning `target`, exactly, and what was not.
pub fn banned(banned: &Banned, target: &str) -> String {
    let mut text = String::new();
    for ban in &banned.bans {
        let until = ban.until.map_or_else(|| "for good".to_owned(), |until| format!("until {}", time(until)));
        line(&mut text, &format!("banned {until}: {}", subject(ban)));
    }
    line(&mut text, &format!("disconnected: {}", counted(banned.disconnected, "client")));
    if let Some(address) = &banned.address {
        let again = format!("from where {target} came and may come again under another name");
        if address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
            line(&mut text, &format!("not banned: this machine ({address}), {again}"));
        } else {
            let others = match banned.others {
                0 => "nobody else who is here comes from there".to_owned(),
                1 => "1 other who is here comes from there, too".to_owned(),
                others => format!("{others} others who are here come from there, too"),
            };
            line(&mut text, &format!("not banned: {address}, {again};"));
            line(&mut text, &format!("  {others}; to keep out everybody who does: chatctl ban {address}"));
        }
    }
    let single = banned.bans.iter().find_map(|ban| ban.subject.parse::<Ipv6Addr>().ok());
    if let Some(address) = single.filter(|address| !address.is_loopback()) {
        let network = Ipv6Addr::from_bits(address.to_bits() & (!0 << 64));
        let sentence = "an IPv6 host can have another address in a moment; all of its own";
        line(&mut text, &format!("{sentence}: chatctl ban {network}/64"));
    }
    text
}

/// What is not banned any more.
pub fn unbanned(bans: &[BanEntry]) -> String {
    let mut text = String::new();
    bans.iter().for_each(|ban| line(&mut text, &format!("banned no more: {}", subject(ban))));
    text
}

/// All bans, one per line.
pub fn table(bans: &[BanEntry]) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<_> = bans
        .iter()
        .map(|ban| {
            let until = ban.until.map_or_else(|| "for good".to_owned(), time);
            let uid = ban.uid.to_string();
            [ban.kind.clone(), ban.subject.clone(), text(&ban.with), time(ban.since), until, uid, text(&ban.reason)]
        })
        .collect();
    table::table(["KIND", "BANNED", "WITH", "SINCE", "UNTIL", "UID", "REASON"], &rows)
}

fn subject(ban: &BanEntry) -> String {
    let several = if ban.kind == "address" && ban.subject.contains('/') { "network" } else { &ban.kind };
    format!("the {several} {}", ban.subject)
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", printable(line));
}
