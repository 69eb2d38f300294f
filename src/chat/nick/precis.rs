//! RFC 8266 with the characters of today: the tables of `precis-core` are those of Unicode 6.3, so the characters that
//! came later are judged here, by the same rules.

use std::borrow::Cow;

use precis_core::profile::{Rules as _, stabilize};
use precis_core::{DerivedPropertyValue, Error, FreeformClass, StringClass};
use precis_profiles::Nickname;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// The characters of RFC 8264's FreeformClass.
struct Characters(FreeformClass);

impl StringClass for Characters {
    fn get_value_from_char(&self, c: char) -> DerivedPropertyValue {
        match self.0.get_value_from_char(c) {
            DerivedPropertyValue::Unassigned => of_newer(c),
            known => known,
        }
    }

    fn get_value_from_codepoint(&self, cp: u32) -> DerivedPropertyValue {
        char::from_u32(cp).map_or(DerivedPropertyValue::Disallowed, |c| self.get_value_from_char(c))
    }
}

/// RFC 8264, section 8, as far as it concerns characters newer than Unicode 6.3: they have no exceptions and no old Hangul
/// letters.
fn of_newer(c: char) -> DerivedPropertyValue {
    match c.general_category_group() {
        _ if c.general_category() == GeneralCategory::Unassigned => DerivedPropertyValue::Unassigned,
        GeneralCategoryGroup::Other => DerivedPropertyValue::Disallowed,
        _ if is_ignorable(c) => DerivedPropertyValue::Disallowed,
        _ => DerivedPropertyValue::PValid,
    }
}

/// Whether nothing is shown for a character (`Default_Ignorable_Code_Point`).
pub(super) fn is_ignorable(c: char) -> bool {
    // A skeleton is made of all characters but these.
    unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).next().is_none()
}

/// A name as it is shown (RFC 8266, section 2.3).
pub(super) fn shown(name: &str) -> Result<Cow<'_, str>, Error> {
    let profile = Nickname::new();
    stabilize(name, |s| {
        Characters(FreeformClass::default()).allows(s)?;
        profile.normalization_rule(profile.additional_mapping_rule(s)?)
    })
}

/// A name as it is compared (RFC 8266, section 2.4): the rules are applied until the result no longer changes.
pub(super) fn compared(name: &str) -> Result<Cow<'_, str>, Error> {
    let profile = Nickname::new();
    stabilize(name, |s| {
        Characters(FreeformClass::default()).allows(s)?;
        let s = profile.additional_mapping_rule(s)?;
        profile.normalization_rule(profile.case_mapping_rule(s)?)
    })
}
