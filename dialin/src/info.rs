//! What SIP INFO bodies say: digits, `application/dtmf-relay` (`Signal=5`) and `application/dtmf` (`5`), which have no RFC and are
//! what PBXes send when neither RFC 4733 nor in-band tones work; and the wish for a keyframe (RFC 5168).

use plenum_codecs::telephone_event::Digit;

/// Content type of the wish for a keyframe.
pub const MEDIA_CONTROL: &str = "application/media_control+xml";

/// The wish for a keyframe as we send it (RFC 5168 section 7.1).
pub const PICTURE_FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n<media_control><vc_primitive><to_encoder>\
                                       <picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n";

/// Whether an INFO asks for a keyframe: its XML holds an element `picture_fast_update`. Nothing else in it matters.
#[must_use]
pub fn wants_picture(content_type: &str, body: &[u8]) -> bool {
    const NAME: &[u8] = b"<picture_fast_update";
    content_type == MEDIA_CONTROL
        && body
            .windows(NAME.len() + 1)
            .any(|window| window.starts_with(NAME) && !is_name(window[NAME.len()]))
}

/// Whether an XML name goes on with this octet.
const fn is_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.' | b':' | 0x80..)
}

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
    fn a_wish_for_a_keyframe_is_read_whatever_is_around_it() {
        assert!(wants_picture(MEDIA_CONTROL, PICTURE_FAST_UPDATE.as_bytes()));
        assert!(wants_picture(
            MEDIA_CONTROL,
            b"<media_control><picture_fast_update ></picture_fast_update>"
        ));
        assert!(!wants_picture(MEDIA_CONTROL, b"<picture_fast_update_gob>"));
        assert!(!wants_picture(MEDIA_CONTROL, b"<picture_fast_update"));
        assert!(!wants_picture("text/xml", PICTURE_FAST_UPDATE.as_bytes()));
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
