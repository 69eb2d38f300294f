//! Which answer belongs to what (IRCv3 labeled-response): the answers to one message get its label once they are all
//! there.

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
            let batch = format!("l{number}");
            tag(b"", "label", label, out);
            write(out, &[":", server, " BATCH +", &batch, " labeled-response\r\n"]);
            for line in lines {
                // What belongs to a batch within this one says so, and that is enough. So does that batch's end.
                if line.starts_with(b"@batch=") || batch_of(line, '-').is_some() {
                    out.extend_from_slice(line);
                } else {
                    tag(line, "batch", &batch, out);
                }
            }
            write(out, &[":", server, " BATCH -", &batch, "\r\n"]);
        }
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
