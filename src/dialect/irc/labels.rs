//! Labeled responses (IRCv3 labeled-response): the answer to a message is labeled once it is complete, or is sent as a
//! batch, line by line.

use super::message::{Message, escape};
use super::write;

/// Labels the whole of `out` as the answer to the message with `label`: an empty answer becomes an ACK, a single
/// message is tagged, several become a batch, named by `number`.
pub fn label(label: &str, server: &str, number: u32, out: &mut Vec<u8>) {
    let answers = std::mem::take(out);
    let lines: Vec<&[u8]> = answers.split_inclusive(|byte| *byte == b'\n').collect();
    let opened = lines.first().and_then(|line| batch_of(line, '+'));
    let whole = opened.is_some() && opened == lines.last().and_then(|line| batch_of(line, '-'));
    match lines.as_slice() {
        [] => {
            tag(b"", "label", label, out);
            write(out, &[":", server, " ACK\r\n"]);
        }
        [only] => tag(only, "label", label, out),
        // The answer is a batch already: a multiline message or history.
        [first, rest @ ..] if whole => {
            tag(first, "label", label, out);
            rest.iter().for_each(|line| out.extend_from_slice(line));
        }
        lines => {
            let batch = batch_name(number);
            open(label, server, &batch, out);
            lines.iter().for_each(|line| put_into(&batch, line, out));
            close(server, &batch, out);
        }
    }
}

/// Labels `out` as one part of a longer answer: the first if `label` is given, and the final one if `last`.
pub fn label_part(label: Option<&str>, server: &str, number: u32, last: bool, out: &mut Vec<u8>) {
    let answers = std::mem::take(out);
    let batch = batch_name(number);
    if let Some(label) = label {
        open(label, server, &batch, out);
    }
    answers.split_inclusive(|byte| *byte == b'\n').for_each(|line| put_into(&batch, line, out));
    if last {
        close(server, &batch, out);
    }
}

fn batch_name(number: u32) -> String {
    format!("l{number}")
}

fn open(label: &str, server: &str, batch: &str, out: &mut Vec<u8>) {
    tag(b"", "label", label, out);
    write(out, &[":", server, " BATCH +", batch, " labeled-response\r\n"]);
}

fn close(server: &str, batch: &str, out: &mut Vec<u8>) {
    write(out, &[":", server, " BATCH -", batch, "\r\n"]);
}

/// Puts a line into the batch. Lines of a nested batch already refer to that one, and so does its end.
fn put_into(batch: &str, line: &[u8], out: &mut Vec<u8>) {
    if line.starts_with(b"@batch=") || batch_of(line, '-').is_some() {
        out.extend_from_slice(line);
    } else {
        tag(line, "batch", batch, out);
    }
}

/// The batch that a line starts (`+`) or ends (`-`), if any.
fn batch_of(line: &[u8], sign: char) -> Option<&str> {
    let message = Message::parse(std::str::from_utf8(line).ok()?.trim_end())?;
    let name = message.parameter(0).filter(|_| message.command == "BATCH")?;
    name.strip_prefix(sign)
}

fn tag(line: &[u8], name: &str, value: &str, out: &mut Vec<u8>) {
    write(out, &["@", name, "="]);
    escape(value, out);
    match line.strip_prefix(b"@") {
        Some(tagged) => {
            out.push(b';');
            out.extend_from_slice(tagged);
        }
        None => {
            out.push(b' ');
            out.extend_from_slice(line);
        }
    }
}
