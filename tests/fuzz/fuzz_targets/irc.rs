//! The IRC grammar: whatever is decoded can be encoded and decodes to the same value again.
#![no_main]

use chatd::dialect::irc::message::{Message, client_tags, escape, tags, unescape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let passed = client_tags(line);
    assert_eq!(client_tags(&passed), *passed);
    let Some(message) = Message::parse(line) else { return };
    for (_, value) in tags(message.tags) {
        let mut escaped = Vec::new();
        escape(&unescape(value), &mut escaped);
        assert_eq!(unescape(std::str::from_utf8(&escaped).unwrap()), unescape(value));
    }
    let again = encode(&message);
    let decoded = Message::parse(&again).unwrap();
    assert_eq!(
        (decoded.tags, decoded.command, decoded.parameters()),
        (message.tags, message.command, message.parameters())
    );
});

fn encode(message: &Message<'_>) -> String {
    let mut line = if message.tags.is_empty() { String::new() } else { format!("@{} ", message.tags) };
    line += message.command;
    let last = message.parameters().len().saturating_sub(1);
    for (i, parameter) in message.parameters().iter().enumerate() {
        line += if i == last { " :" } else { " " };
        line += parameter;
    }
    line
}
