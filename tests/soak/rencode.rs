//! Reads what a PodSixNet client is sent: dictionaries of strings and lists of them, in both versions.

use base64::Engine as _;

/// All strings of a frame, in their order.
pub fn strings(frame: &[u8], old: bool) -> Option<Vec<String>> {
    let (mut found, mut rest) = (Vec::new(), frame);
    value(&mut rest, &mut found)?;
    let plain = |bytes: &[u8]| match old {
        true => String::from_utf8(base64::engine::general_purpose::STANDARD.decode(bytes).ok()?).ok(),
        false => String::from_utf8(bytes.to_vec()).ok(),
    };
    rest.is_empty().then(|| found.into_iter().map(plain).collect())?
}

/// Takes one value from the front.
fn value<'f>(rest: &mut &'f [u8], found: &mut Vec<&'f [u8]>) -> Option<()> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let count = match kind {
        102..=126 => 2 * (kind - 102),
        192..=255 => kind - 192,
        128..=191 => return take(usize::from(kind - 128), rest, found),
        // A list or a dictionary that ends with 127.
        59 | 60 => {
            while *rest.first()? != 127 {
                value(rest, found)?;
            }
            *rest = rest.get(1..)?;
            return Some(());
        }
        b'0'..=b'9' => {
            let colon = rest.iter().position(|byte| *byte == b':')?;
            let digits = [&[*kind], rest.get(..colon)?].concat();
            *rest = rest.get(colon + 1..)?;
            return take(std::str::from_utf8(&digits).ok()?.parse().ok()?, rest, found);
        }
        _ => return None,
    };
    (0..count).try_for_each(|_| value(rest, found))
}

fn take<'f>(length: usize, rest: &mut &'f [u8], found: &mut Vec<&'f [u8]>) -> Option<()> {
    let (text, after) = rest.split_at_checked(length)?;
    found.push(text);
    *rest = after;
    Some(())
}
