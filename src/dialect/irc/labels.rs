//! Which answer belongs to what (IRCv3 labeled-response): the answers to one message get its label once they are all
//! there, or as a batch whose lines are sent as they come.

use super::message::{Message, escape};
use super::write;

/// Marks all that is in `out` as the answer to what came with `label`: nothing is acknowledged, one message is tagged,
/// several become a batch. `number` makes the batch's name.
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
        // A batch already: that of a multiline message or of the history.
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

/// Marks all that is in `out` as a part of the answer to what came with `label`: its first part if `label` is given,
/// and its last one if `last`.
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

/// What belongs to a batch within this one says so, and that is enough. So does that batch's end.
fn put_into(batch: &str, line: &[u8], out: &mut Vec<u8>) {
    if line.starts_with(b"@batch=") || batch_of(line, '-').is_some() {
        out.extend_from_slice(line);
    } else {
        tag(line, "batch", batch, out);
    }
}

/// The batch that a line begins (`+`) or ends (`-`), if it does.
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
