//! Names and texts: properties, and important cases.

use chatd::chat::{Nick, NickError, clean};
use chatd::harmless::is_harmful;
use proptest::prelude::*;

#[test]
fn names_are_the_same_however_they_are_written() {
    for (one, other) in [
        ("Luzmi", "luzmi"),
        ("ÑANDÚ", "ñandú"),
        ("e\u{301}lan", "élan"),
        ("ﬁsh", "fish"),
        ("ＡＮＡ", "ana"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
    ] {
        assert_eq!(Nick::new(one).unwrap().key(), Nick::new(other).unwrap().key(), "{one} and {other}");
    }
    assert_ne!(Nick::new("ana").unwrap().key(), Nick::new("anna").unwrap().key());
    assert_eq!(Nick::new("  Ana  ").unwrap().as_str(), "Ana");
}

#[test]
fn confusing_names_are_refused() {
    for (name, why) in [
        ("", NickError::Empty),
        ("   ", NickError::Empty),
        ("ana maria", NickError::Space),
        ("ana\u{3000}maria", NickError::Space),
        ("***", NickError::Reserved),
        ("ana:", NickError::Reserved),
        ("a@b", NickError::Reserved),
        ("#lobby", NickError::ReservedStart),
        ("/quit", NickError::ReservedStart),
        ("{quit}", NickError::ReservedStart),
        ("ana\u{202e}", NickError::NotVisible),
        ("ana\u{7}", NickError::NotVisible),
        ("a\u{200b}na", NickError::NotVisible),
        ("abcdefghijklmnopqrstuvwxyz0123456", NickError::TooWide),
        ("漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢", NickError::TooWide),
    ] {
        assert_eq!(Nick::new(name), Err(why), "{name:?}");
    }
    assert!(Nick::new("abcdefghijklmnopqrstuvwxyz012345").is_ok(), "32 columns");
    assert!(Nick::new("漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢").is_ok(), "16 characters of two columns");
}

#[test]
fn control_characters_are_removed_and_counted() {
    let cleaned = clean(b"\x1b[31mred\x07 \xff \xe2\x80\xaeevil\xc2\x85\ttab\x7f", 100);
    assert_eq!(cleaned.text, "red \u{fffd} evil tab");
    assert_eq!((cleaned.changes.sequences, cleaned.changes.removed, cleaned.changes.replaced), (1, 4, 1));
    assert!(!cleaned.changes.cut);
}

#[test]
fn control_sequences_are_removed_whole() {
    for (bytes, text) in [
        ("typo\x1b[A\x1b[D fixed", "typo fixed"),
        (
            "home\x1b[1~ end\x1bOF f1\x1bOP f1 of the console\x1b[[A ctrl-left\x1b[1;5D",
            "home end f1 f1 of the console ctrl-left",
        ),
        ("\x1b[38;5;196mred\x1b[0m \u{9b}4mline", "red line"),
        ("a title\x1b]0;mine\x07 and\x1b]2;another\x1b\\ end", "a title and end"),
        ("a string \x1b]0;without an end", "a string 0;without an end"),
        ("pasted\x1b[200~ text\x1b[201~", "pasted text"),
        ("colours of \x034,12IRC\x03 and \x0304red, 2,\x032,x", "colours of IRC and red, 2,,x"),
        ("at the end \x1b[", "at the end "),
        ("Esc\x1b and on", "Esc and on"),
        ("Esc, then \x1bOk", "Esc, then Ok"),
    ] {
        assert_eq!(clean(bytes.as_bytes(), 1000).text, text, "{bytes:?}");
    }
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let cleaned = clean("añb".as_bytes(), 2);
    assert_eq!((&*cleaned.text, cleaned.changes.cut), ("a", true));
    let cleaned = clean(b"abc", 3);
    assert_eq!((&*cleaned.text, cleaned.changes.is_none()), ("abc", true));
}

#[test]
fn what_is_not_just_seen_is_harmful() {
    let harmful = [
        "\0\t\n\r\u{1b}\u{7f}\u{80}\u{9b}\u{9f}",
        "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}",
        "\u{2028}\u{2029}\u{ad}\u{2060}\u{2061}\u{2064}\u{206a}\u{206f}\u{feff}\u{fff9}\u{fffa}\u{fffb}",
        "\u{e0000}\u{e0001}\u{e0020}\u{e0067}\u{e007f}",
    ];
    for c in harmful.concat().chars() {
        assert!(is_harmful(c), "{c:?}");
        assert_eq!(clean(format!("a{c}é").as_bytes(), 9).text, if c == '\t' { "a é" } else { "aé" });
        assert!(Nick::new(&format!("a{c}b")).is_err(), "{c:?}");
    }
}

/// Emoji with joiners, selectors and skin tones; Persian, Hindi, Hebrew; a word with an invisible place to break.
#[test]
fn what_scripts_and_emoji_need_is_kept() {
    for text in [
        "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍🏽 🇪🇸",
        "می\u{200c}خواهم",
        "क्\u{200d}ष क्\u{200c}ष",
        "שָׁלוֹם",
        "ភាសា\u{200b}ខ្មែរ",
        "e\u{301}",
    ] {
        let cleaned = clean(text.as_bytes(), 100);
        assert!(cleaned.changes.is_none() && cleaned.text == text, "{text}");
    }
    assert_eq!(clean("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}".as_bytes(), 100).text, "🏴");
}

proptest! {
    #[test]
    fn cleaning_any_text_is_safe(text in any::<String>(), harmful in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}a]{0,40}") {
        let text = text + &harmful;
        prop_assert!(!clean(text.as_bytes(), 1000).text.contains(is_harmful));
    }

    #[test]
    fn no_name_is_harmful(name in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]?[a-zé\u{5d0}\u{627}\\p{Cf}]{1,4}") {
        if let Ok(nick) = Nick::new(&name) {
            prop_assert!(!nick.as_str().contains(is_harmful) && !nick.key().contains(is_harmful), "{nick:?}");
        }
    }

    #[test]
    fn cleaning_any_bytes_is_safe_and_idempotent(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0..200_usize) {
        let cleaned = clean(&bytes, limit);
        prop_assert!(cleaned.text.len() <= limit);
        prop_assert!(!cleaned.text.contains(is_harmful));
        let again = clean(cleaned.text.as_bytes(), limit);
        prop_assert!(again.changes.is_none());
        prop_assert_eq!(again.text, cleaned.text.clone());
    }

    #[test]
    fn clean_text_is_not_touched(text in "[ -~à-ÿ]{0,80}") {
        let cleaned = clean(text.as_bytes(), 1000);
        prop_assert!(cleaned.changes.is_none());
        prop_assert_eq!(&*cleaned.text, &*text);
    }

    #[test]
    fn any_name_is_judged_without_a_panic_and_a_good_one_is_stable(name in "\\PC{0,40}") {
        if let Ok(nick) = Nick::new(&name) {
            let again = Nick::new(nick.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), nick.as_str());
            prop_assert_eq!(again.key(), nick.key());
            prop_assert!(!nick.as_str().contains(char::is_whitespace));
        }
    }

    #[test]
    fn ascii_names_fold_like_all_others(name in "[a-zA-Z0-9_-]{1,32}") {
        let nick = Nick::new(&name).unwrap();
        // The é avoids the fast path for plain ASCII names.
        let other = Nick::new(&format!("{}é", &name[1..])).unwrap();
        prop_assert_eq!(other.key().trim_end_matches('é'), &nick.key()[1..]);
    }
}

proptest! {
    /// Some characters become many when they are normalized or put into lower case: as many as eighteen.
    #[test]
    fn no_form_of_a_name_is_longer_than_allowed(name in "[a\u{fdfa}\u{344}\u{3300}\u{fb03}\u{130}\u{390}\u{1f80}\u{2057}]{1,64}") {
        if let Ok(nick) = Nick::new(&name) {
            prop_assert!(nick.as_str().len() <= Nick::MAX_BYTES && nick.key().len() <= Nick::MAX_BYTES, "{:?}", nick);
        }
    }
}

#[test]
fn a_name_of_marks_alone_is_too_long_in_its_normal_form() {
    let name = format!("a{}", "\u{344}".repeat(60));
    assert!(name.len() <= Nick::MAX_BYTES);
    assert_eq!(Nick::new(&name), Err(NickError::TooWide));
    assert_eq!(Nick::new(&"\u{fdfa}".repeat(7)), Err(NickError::Space));
}
