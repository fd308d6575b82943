//! One key of a phone, until `plenum_codecs::telephone_event` has it.
use std::fmt;

/// One key of a phone: `0`–`9`, `*`, `#`, `A`–`D`. Debug shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// The digit of a key's character.
    #[must_use]
    pub fn from_char(key: char) -> Option<Self> {
        "0123456789*#ABCD"
            .find(key)
            .and_then(|i| u8::try_from(i).ok())
            .map(Self)
    }

    /// The key's character.
    #[must_use]
    pub fn as_char(self) -> char {
        char::from(b"0123456789*#ABCD"[usize::from(self.0) & 15])
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(redacted)")
    }
}
