//! `[[listen]]`: where clients come in, and what is spoken there.

use std::time::Duration;

use super::file::Endpoints;
use super::reader::Section;
use super::{Listen, value};
use crate::dialect::classic::{Description, Encoding, LINE_ENDINGS, MAX_QUIT, MAX_TEMPLATE, MIN_BUFFER, PRESETS};
use crate::dialect::podsixnet::rencode::Version;
use crate::dialect::{Choice, Protocol};

/// `podsixnet-version`
const VERSIONS: &[(&str, Option<Version>)] =
    &[("auto", None), ("0.9", Some(Version::Old)), ("0.11", Some(Version::New))];

pub(super) fn listen(listen: &mut Section<'_, '_>, endpoints: &mut Endpoints) -> Option<Listen> {
    let endpoint = endpoints.read(listen, "address", value::address);
    let choice = listen.value("protocol", "\"auto\"", value::choice(Choice::ALL));
    let tls = listen.value("tls", "false", value::boolean);
    let version = listen.value("podsixnet-version", "\"auto\"", value::choice(VERSIONS));
    let preset = listen.optional("preset", value::choice(PRESETS));
    let base = preset.flatten().map(|preset| preset());
    let changes = listen.subsection("classic", "listen.classic", |section| classic(section, base));
    if let Some(choice) = choice {
        report_idle_keys(listen, choice);
    }
    let place = listen.place_of(if listen.has("address") { "address" } else { "systemd" });
    let endpoint = endpoint?.or_else(|| {
        listen.lacks(
            "this listener has neither `address` nor `systemd`; write one, such as address = \"127.0.0.1:6667\"",
        );
        None
    });
    let protocol = match choice? {
        Choice::Auto => None,
        Choice::Text => Some(Protocol::Text),
        Choice::Irc => Some(Protocol::Irc),
        Choice::Classic => Some(Protocol::Classic(changes?.into())),
        Choice::PodSixNet => Some(Protocol::PodSixNet(version?)),
    };
    Some(Listen { endpoint: endpoint?, protocol, tls: tls?, place })
}

/// Reports what a listener says about a protocol that is not the one spoken there, and what it lacks.
fn report_idle_keys(listen: &mut Section<'_, '_>, choice: Choice) {
    for (key, needed, name) in [
        ("podsixnet-version", Choice::PodSixNet, "podsixnet"),
        ("preset", Choice::Classic, "classic"),
        ("classic", Choice::Classic, "classic"),
    ] {
        if listen.has(key) && choice != needed {
            listen
                .mistake(key, format!("`{key}` means nothing without protocol = \"{name}\"; write both or remove it"));
        }
    }
    if choice == Choice::Classic && !listen.has("preset") {
        let names: Vec<String> = PRESETS.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        listen.lacks(&format!("protocol = \"classic\" needs a `preset`: {}", names.join(", ")));
    }
}

/// The preset's description with everything that `[listen.classic]` changes; without a preset, there is none.
fn classic(classic: &mut Section<'_, '_>, preset: Option<Description>) -> Option<Description> {
    let milliseconds = Duration::from_millis;
    let greeting = classic.optional("greeting", value::template(&["room", "quit"], &[]));
    let keyword = classic.optional("keyword", value::words(MAX_TEMPLATE));
    let login = classic.optional("login", value::template(&["name"], &["name"]));
    let welcome = classic.optional("welcome", value::template(&["name", "room", "quit"], &[]));
    let users = classic.optional("users", value::template(&["users"], &[]));
    let empty = classic.optional("empty", value::template(&[], &[]));
    let join = classic.optional("join", value::template(&["name"], &[]));
    let own_join = classic.optional("own-join", value::boolean);
    let leave = classic.optional("leave", value::template(&["name"], &[]));
    let line = classic.optional("line", value::template(&["name", "text"], &["name", "text"]));
    let notice = classic.optional("notice", value::template(&["text"], &["text"]));
    let echo = classic.optional("echo", value::boolean);
    let own_prefix = classic.optional("own-prefix", value::template(&["name"], &[]));
    let quit = classic.optional("quit", value::words(MAX_QUIT));
    let quit_answer = classic.optional("quit-answer", value::words(MAX_QUIT));
    let line_ending = classic.optional("line-ending", value::choice(LINE_ENDINGS));
    let encoding = classic.optional("encoding", value::choice(Encoding::ALL));
    let buffer = classic.optional("buffer", value::size(MIN_BUFFER..=64 << 10));
    let quiet = classic.optional("quiet", value::duration(milliseconds(1)..=milliseconds(1000)));
    let gap = classic.optional("gap", value::duration(milliseconds(0)..=milliseconds(1000)));
    let preset = preset?;
    let description = Description {
        greeting: greeting?.unwrap_or(preset.greeting),
        keyword: keyword?.unwrap_or(preset.keyword),
        login: login?.unwrap_or(preset.login),
        welcome: welcome?.unwrap_or(preset.welcome),
        users: users?.unwrap_or(preset.users),
        empty: empty?.unwrap_or(preset.empty),
        join: join?.unwrap_or(preset.join),
        own_join: own_join?.unwrap_or(preset.own_join),
        leave: leave?.unwrap_or(preset.leave),
        line: line?.unwrap_or(preset.line),
        notice: notice?.unwrap_or(preset.notice),
        echo: echo?.unwrap_or(preset.echo),
        own_prefix: own_prefix?.unwrap_or(preset.own_prefix),
        quit: quit?.unwrap_or(preset.quit),
        quit_answer: quit_answer?.unwrap_or(preset.quit_answer),
        line_ending: line_ending?.map_or(preset.line_ending, Into::into),
        encoding: encoding?.unwrap_or(preset.encoding),
        buffer: buffer?.unwrap_or(preset.buffer),
        quiet: quiet?.unwrap_or(preset.quiet),
        gap: gap?.unwrap_or(preset.gap),
    };
    if !description.keyword.is_empty() && !description.greeting.is_empty() {
        let key = if classic.has("keyword") { "keyword" } else { "greeting" };
        classic.mistake(key, "a client is sent either `greeting` or `keyword`; make the other one \"\"".to_owned());
    }
    Some(description)
}
