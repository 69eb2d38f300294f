//! Which names can be chosen: none that deceives by itself, whoever else is here. By UTS 39, Unicode Security Mechanisms.

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory as Category, GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_script::{Script, UnicodeScript as _};
use unicode_security::mixed_script::AugmentedScriptSet;

use super::{NickError, RESERVED_START};

/// The maximum number of combining marks in a row (UTS 39, section 5.4).
pub(super) const MAX_MARKS: usize = 4;
/// What the server's own lines and everybody's lines of chat are told apart by.
const SIGNS: &[char] = &['*', ':'];
/// Characters that are nothing but a blank, although their categories are those of symbols and letters: braille, a musical
/// note without a head, Khitan and Egyptian fillers, the place of an object.
const BLANK: &[char] = &['\u{2800}', '\u{1d159}', '\u{16fe4}', '\u{13441}', '\u{13442}', '\u{fffc}'];

/// Checks a name that is not ASCII, in the form in which it is shown.
pub(super) fn check(name: &str) -> Result<(), NickError> {
    if name.contains(BLANK) {
        return Err(NickError::NotVisible);
    }
    if name.chars().next().is_some_and(|first| first.general_category_group() == GeneralCategoryGroup::Mark) {
        return Err(NickError::LoneMark);
    }
    if has_many_marks(name) {
        return Err(NickError::Marks);
    }
    if name.chars().any(|c| prototype(c).contains(SIGNS)) || first_prototype(name).starts_with(RESERVED_START) {
        return Err(NickError::LooksReserved);
    }
    if mixes_scripts(name) { Err(NickError::MixedScripts) } else { Ok(()) }
}

/// More marks than a script needs, or the same twice, which looks like one (UTS 39, section 5.4).
fn has_many_marks(name: &str) -> bool {
    let (mut marks, mut last) = (0, None);
    name.nfd().any(|c| {
        let is_mark = matches!(c.general_category(), Category::NonspacingMark | Category::EnclosingMark);
        marks = if is_mark { marks + 1 } else { 0 };
        let twice = is_mark && last == Some(c);
        last = Some(c);
        twice || marks > MAX_MARKS
    })
}

fn first_prototype(name: &str) -> String {
    name.chars().next().map(prototype).unwrap_or_default()
}

/// What a sign looks like (UTS 39, section 4). Empty for ASCII, and for letters and their marks: the visarga of Devanagari
/// looks like a colon, and the Japanese no like a slash, but who writes these reads them.
fn prototype(c: char) -> String {
    use Category::{LowercaseLetter, NonspacingMark, OtherLetter, SpacingMark, TitlecaseLetter, UppercaseLetter};
    let is_letter = matches!(
        c.general_category(),
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | OtherLetter | NonspacingMark | SpacingMark
    );
    if c.is_ascii() || is_letter {
        return String::new();
    }
    unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect()
}

/// Whether a name is beyond UTS 39's level "moderately restrictive" (section 5.2): it has letters of more than one script,
/// other than those that Chinese, Japanese or Korean is written in, and Latin beside these or beside one script in common
/// use. Cyrillic and Greek are not mixed with Latin, because many of their letters look the same.
fn mixes_scripts(name: &str) -> bool {
    let (mut all, mut foreign) = (AugmentedScriptSet::default(), AugmentedScriptSet::default());
    for c in name.chars() {
        all.intersect_with(c.into());
        if !c.script_extension().contains_script(Script::Latin) {
            foreign.intersect_with(c.into());
        }
    }
    let asian = foreign.hanb || foreign.jpan || foreign.kore;
    let common = |script: Script| script.is_recommended() && !matches!(script, Script::Cyrillic | Script::Greek);
    all.is_empty() && !asian && !(foreign.base.len() == 1 && foreign.base.iter().all(common))
}
