//! The lines that are said: `<NAME:NUMBER:WORDS>`. Words follow from name and number, so that every reader can tell
//! whether they arrived as they were sent; nothing else that is said has angle brackets.

/// What everybody can carry: letters of one to four bytes.
const LETTERS: [&str; 16] = ["a", "b", "e", "i", "k", "n", "o", "r", "s", "t", "ñ", "ж", "漢", "😀", " ", "u"];

/// The line with this number of this author.
pub fn line(name: &str, number: u64) -> String {
    let mut state = name.bytes().fold(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Most are short; some come near to the longest that IRC carries.
    let length = if state % 16 == 0 { 120 } else { state >> 8 & 31 };
    let mut words = String::from("x");
    for _ in 0..length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let letter = LETTERS[usize::try_from(state >> 40).unwrap() % LETTERS.len()];
        if !(letter == " " && words.ends_with(' ')) {
            words += letter;
        }
    }
    format!("<{name}:{number}:{}.>", words)
}

/// What was said: the author's number, if `text` is one of these lines, and exactly as it was sent.
pub fn number(name: &str, text: &str) -> Result<u64, String> {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let mut parts = inner.unwrap_or_default().splitn(3, ':');
    let (author, number) = (parts.next().unwrap_or_default(), parts.next().and_then(|number| number.parse().ok()));
    match number {
        Some(number) if author == name && line(name, number) == text => Ok(number),
        _ => Err(format!("{name} was heard with {text:?}, which nobody has said")),
    }
}

/// Words between the lines, without angle brackets.
pub fn noise(length: usize) -> String {
    "lorem ipsum dolor sit amet ".repeat(length / 27 + 1).get(..length).unwrap().trim_end().to_owned()
}
