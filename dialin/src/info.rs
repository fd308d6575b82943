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
