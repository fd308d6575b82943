//! Digits in SIP INFO bodies: `application/dtmf-relay` (`Signal=5`) and `application/dtmf` (`5`).
//! Neither has an RFC; both are what PBXes send when neither RFC 4733 nor in-band tones work.

use plenum_codecs::telephone_event::Digit;

/// The digit of an INFO, if it is one. `content_type` is lower-case `type/subtype`.
#[must_use]
pub fn digit(content_type: &str, body: &[u8]) -> Option<Digit> {
    let text = std::str::from_utf8(body).ok()?;
    let key = match content_type {
        "application/dtmf-relay" => text.lines().take(16).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("signal")
                .then(|| value.trim())
        })?,
        "application/dtmf" => text.trim(),
        _ => return None,
    };
    match key {
        // Some gateways send the event number of RFC 4733 instead of the key.
        "10" => Digit::from_char('*'),
        "11" => Digit::from_char('#'),
        _ => {
            let mut keys = key.chars();
            let first = keys.next()?;
            keys.next()
                .is_none()
                .then(|| Digit::from_char(first.to_ascii_uppercase()))
                .flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(content_type: &str, body: &str) -> Option<char> {
        digit(content_type, body.as_bytes()).map(Digit::as_char)
    }

    #[test]
    fn both_kinds_of_body_are_read() {
        assert_eq!(
            key("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
            Some('5')
        );
        assert_eq!(
            key("application/dtmf-relay", "Duration = 160\nsignal = #\n"),
            Some('#')
        );
        assert_eq!(key("application/dtmf-relay", "Signal=11\r\n"), Some('#'));
        assert_eq!(key("application/dtmf", "*"), Some('*'));
        assert_eq!(key("application/dtmf", "7\r\n"), Some('7'));
    }

    #[test]
    fn anything_else_is_no_digit() {
        assert_eq!(key("application/dtmf-relay", "Signal=55\r\n"), None);
        assert_eq!(key("application/dtmf-relay", "Duration=160\r\n"), None);
        assert_eq!(key("application/dtmf", ""), None);
        assert_eq!(key("text/plain", "5"), None);
        assert_eq!(digit("application/dtmf", b"\xff"), None);
    }
}
