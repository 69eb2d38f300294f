//! What people type to search, as an expression of FTS5 (<https://sqlite.org/fts5.html>, section 3).

use super::row::name_token;

/// The expression for these words and this name; `None` if nothing is left to search for.
///
/// Words are all to occur. `"several words"` are to follow each other, and `begin*` stands for all words that begin so.
/// Every word is quoted, so that nothing that is typed can be an operator.
pub fn expression(words: Option<&str>, from: Option<&str>) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(words) = words {
        let mut text = Vec::new();
        let mut rest = words.trim();
        while let Some(next) = rest.chars().next() {
            let (phrase, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => {
                    let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
                    rest.split_at_checked(end).unwrap_or((rest, ""))
                }
            };
            let is_prefix = next != '"' && phrase.ends_with('*');
            if phrase.chars().any(char::is_alphanumeric) {
                text.push(format!("\"{}\"{}", phrase.replace(['"', '\0'], " "), if is_prefix { "*" } else { "" }));
            }
            rest = after.trim_start();
        }
        if text.is_empty() {
            return None;
        }
        parts.push(format!("text : ({})", text.join(" AND ")));
    }
    if let Some(from) = from {
        parts.push(format!("name : \"{}\"", name_token(from)));
    }
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_phrases_prefixes_and_names() {
        let cases = [
            ("tea", None, Some(r#"text : ("tea")"#)),
            ("hot tea", None, Some(r#"text : ("hot" AND "tea")"#)),
            (r#""hot tea" cup*"#, None, Some(r#"text : ("hot tea" AND "cup*"*)"#)),
            ("tea", Some("ana"), Some(r#"text : ("tea") AND name : "x616e61""#)),
            (r#"un"closed phrase"#, None, Some(r#"text : ("un" AND "closed phrase")"#)),
            ("!!! ?", None, None),
            ("a OR b", None, Some(r#"text : ("a" AND "OR" AND "b")"#)),
            (r#"x" OR name:y) NEAR("#, None, Some(r#"text : ("x" AND " OR name:y) NEAR(")"#)),
        ];
        for (words, from, expected) in cases {
            assert_eq!(expression(Some(words), from).as_deref(), expected, "{words}");
        }
        assert_eq!(expression(None, Some("é")).as_deref(), Some(r#"name : "xc3a9""#));
        assert_eq!(expression(None, None), None);
    }
}
