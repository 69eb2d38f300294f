//! `[[listen]]`: the listeners and their protocols.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::endpoints::Endpoints;
use super::reader::Section;
use super::{Listen, value};
use crate::dialect::classic::{Description, Encoding, Framing, LINE_ENDINGS, MAX_QUIT, MAX_TEMPLATE};
use crate::dialect::classic::{MIN_BUFFER, PRESETS};
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

/// Reports keys that do not apply to the listener's protocol, and missing ones.
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

/// The preset's description with the changes of `[listen.classic]`; `None` without a preset.
fn classic(classic: &mut Section<'_, '_>, preset: Option<Description>) -> Option<Description> {
    let milliseconds = Duration::from_millis;
    let greeting = classic.optional("greeting", value::shown(&["room", "quit"], &[]));
    let keyword = classic.optional("keyword", value::words(MAX_TEMPLATE));
    let preamble = classic.optional("preamble", value::words(MAX_TEMPLATE));
    let login = classic.optional("login", value::template_or_nothing(&["name", "any"], &["name"]));
    let refused = classic.optional("refused", value::shown(&["reason"], &[]));
    let welcome = classic.optional("welcome", value::shown(&["name", "room", "quit", "time"], &[]));
    let users = classic.optional("users", value::shown(&["users"], &[]));
    let empty = classic.optional("empty", value::shown(&[], &[]));
    let users_separator = classic.optional("users-separator", value::words(MAX_QUIT));
    let users_with_self = classic.optional("users-with-self", value::boolean);
    let users_on_change = classic.optional("users-on-change", value::boolean);
    let join = classic.optional("join", value::shown(&["name", "time"], &[]));
    let own_join = classic.optional("own-join", value::boolean);
    let leave = classic.optional("leave", value::shown(&["name", "time"], &[]));
    let line = classic.optional("line", value::shown(&["name", "text", "time"], &["name", "text"]));
    let notice = classic.optional("notice", value::shown(&["text"], &["text"]));
    let echo = classic.optional("echo", value::boolean);
    let own_prefix = classic.optional("own-prefix", value::template(&["name"], &[]));
    let quit = classic.optional("quit", value::words(MAX_QUIT));
    let quit_answer = classic.optional("quit-answer", value::words(MAX_QUIT));
    let reset = classic.optional("reset", value::boolean);
    let framing_in = classic.optional("framing-in", value::framing);
    let framing_out = classic.optional("framing-out", value::framing);
    let line_ending = classic.optional("line-ending", value::choice(LINE_ENDINGS));
    let encoding = classic.optional("encoding", value::choice(Encoding::ALL));
    let buffer = classic.optional("buffer", value::size(MIN_BUFFER..=64 << 10));
    let quiet = classic.optional("quiet", value::duration(milliseconds(0)..=milliseconds(1000)));
    let gap = classic.optional("gap", value::duration(milliseconds(0)..=milliseconds(1000)));
    let preset = preset?;
    let mut description = Description {
        greeting: greeting?.unwrap_or(preset.greeting),
        keyword: keyword?.unwrap_or(preset.keyword),
        preamble: preamble?.unwrap_or(preset.preamble),
        login: login?.unwrap_or(preset.login),
        refused: refused?.unwrap_or(preset.refused),
        welcome: welcome?.unwrap_or(preset.welcome),
        users: users?.unwrap_or(preset.users),
        empty: empty?.unwrap_or(preset.empty),
        users_separator: users_separator?.unwrap_or(preset.users_separator),
        users_with_self: users_with_self?.unwrap_or(preset.users_with_self),
        users_on_change: users_on_change?.unwrap_or(preset.users_on_change),
        join: join?.unwrap_or(preset.join),
        own_join: own_join?.unwrap_or(preset.own_join),
        leave: leave?.unwrap_or(preset.leave),
        line: line?.unwrap_or(preset.line),
        notice: notice?.unwrap_or(preset.notice),
        echo: echo?.unwrap_or(preset.echo),
        own_prefix: own_prefix?.unwrap_or(preset.own_prefix),
        quit: quit?.unwrap_or(preset.quit),
        quit_answer: quit_answer?.unwrap_or(preset.quit_answer),
        reset: reset?.unwrap_or(preset.reset),
        framing_in: framing_in?.unwrap_or(preset.framing_in),
        framing_out: framing_out?.unwrap_or(preset.framing_out),
        line_ending: line_ending?.map_or(preset.line_ending, Into::into),
        encoding: encoding?.unwrap_or(preset.encoding),
        buffer: buffer?.unwrap_or(preset.buffer),
        quiet: quiet?.unwrap_or(preset.quiet),
        gap: gap?.unwrap_or(preset.gap),
        zone: TimeZone::system(),
    };
    if description.framing_out == Framing::Line && description.line_ending.is_empty() {
        description.line_ending = "\n".into();
    }
    report_contradictions(classic, &description);
    Some(description)
}

/// Reports keys that contradict each other.
fn report_contradictions(classic: &mut Section<'_, '_>, description: &Description) {
    if !description.keyword.is_empty() && !description.greeting.is_empty() {
        let key = if classic.has("keyword") { "keyword" } else { "greeting" };
        classic.mistake(key, "a client is sent either `greeting` or `keyword`; make the other one \"\"".to_owned());
    }
    let ends_name = |(_, after): (&str, &str)| !after.trim().is_empty();
    if description.login.is_empty() && !description.own_prefix.split_once("{name}").is_some_and(ends_name) {
        let what =
            "with login = \"\" the name is taken from `own-prefix`, which must have {name} and something after it";
        classic.mistake("login", what.to_owned());
    }
    if description.users_on_change && description.users.is_empty() {
        classic.needs("users-on-change", "users");
    }
}
