//! Which answer belongs to what (IRCv3 labeled-response): the answers to one message get its label once they are all
//! there.

use super::write;

/// Marks all that is in `out` as the answer to what came with `label`: nothing is acknowledged, one message is tagged,
/// several become a batch. `number` makes the batch's name.
pub fn label(label: &str, server: &str, number: u64, out: &mut Vec<u8>) {
    let answers = std::mem::take(out);
    let lines: Vec<&[u8]> = answers.split_inclusive(|byte| *byte == b'\n').collect();
    let whole = lines.first().zip(lines.last()).is_some_and(|(first, last)| is_batch(first, last));
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
                if line.starts_with(b"@batch=") || line.windows(8).any(|window| window == b" BATCH -") {
                    out.extend_from_slice(line);
                } else {
                    tag(line, "batch", &batch, out);
                }
            }
            write(out, &[":", server, " BATCH -", &batch, "\r\n"]);
        }
    }
}

/// Whether these are the first and the last line of one batch.
fn is_batch(first: &[u8], last: &[u8]) -> bool {
    let name = |line: &[u8], sign: &str| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (before, rest) = line.split_once(&format!("BATCH {sign}"))?;
        // Only tags and a source come before the command.
        (!before.contains(" :") || before.starts_with('@')).then_some(())?;
        rest.split([' ', '\r']).next().map(str::to_owned)
    };
    name(first, "+").is_some_and(|first| name(last, "-") == Some(first))
}

fn tag(line: &[u8], name: &str, value: &str, out: &mut Vec<u8>) {
    write(out, &["@", name, "="]);
    super::message::escape(value, out);
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
