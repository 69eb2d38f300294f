//! Points in time as people type them.

use std::time::{Duration, UNIX_EPOCH};

/// The length of a day in milliseconds.
const DAY: u64 = 24 * 3600 * 1000;

/// Parses a point in the past, in UTC: `14:30` (the last time it was that late), `2026-11-20`, `2026-11-20 14:30`, either
/// with seconds or as RFC 3339, or a time span such as `2h` or `3days` before now. `now` and the result are milliseconds
/// since 1970-01-01 UTC.
#[must_use]
pub fn parse_moment(text: &str, now: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(span) = humantime::parse_duration(text) {
        return Some(now.saturating_sub(u64::try_from(span.as_millis()).ok()?));
    }
    if let Some(clock) = parse_clock(text) {
        let today = now - now % DAY;
        return if today + clock <= now { Some(today + clock) } else { (today + clock).checked_sub(DAY) };
    }
    let (day, rest) = text.split_once([' ', 'T', 't']).unwrap_or((text, ""));
    let rest = match rest {
        "" => "00:00:00".to_owned(),
        _ if parse_clock(rest).is_some() && rest.len() == 5 => format!("{rest}:00"),
        _ => rest.to_owned(),
    };
    let rest = rest.trim_end_matches(['Z', 'z']);
    let time = humantime::parse_rfc3339(&format!("{day}T{rest}Z")).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// `14:30` or `14:30:05`, in milliseconds since midnight.
fn parse_clock(text: &str) -> Option<u64> {
    let mut fields = text.split(':');
    let mut field = |most: u64| {
        let field = fields.next()?;
        let digits = field.len() == 2 && field.bytes().all(|byte| byte.is_ascii_digit());
        field.parse::<u64>().ok().filter(|number| digits && *number < most)
    };
    let (hours, minutes) = (field(24)?, field(60)?);
    let seconds = field(60);
    let whole = text.len() == if seconds.is_some() { 8 } else { 5 };
    let clock = Duration::from_secs(hours * 3600 + minutes * 60 + seconds.unwrap_or(0));
    whole.then(|| u64::try_from(clock.as_millis()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_type_times_in_many_ways() {
        let unix = |text: &str| {
            let time = humantime::parse_rfc3339(text).unwrap().duration_since(UNIX_EPOCH).unwrap();
            u64::try_from(time.as_millis()).unwrap()
        };
        let now = unix("2026-11-21T12:00:00Z");
        let cases = [
            ("2h", "2026-11-21T10:00:00Z"),
            ("1day", "2026-11-20T12:00:00Z"),
            ("11:59", "2026-11-21T11:59:00Z"),
            ("12:01", "2026-11-20T12:01:00Z"),
            ("00:00:30", "2026-11-21T00:00:30Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01 08:15", "2026-11-01T08:15:00Z"),
            ("2026-11-01T08:15:07.250Z", "2026-11-01T08:15:07.250Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_moment(text, now), Some(unix(expected)), "{text}");
        }
        for text in ["", "yesterday", "25:00", "1:2", "2026-13-01", "2026-11-01 25:00", "tea time", "::"] {
            assert_eq!(parse_moment(text, now), None, "{text}");
        }
    }
}
