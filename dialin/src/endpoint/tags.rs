//! Tags and branches that nobody can guess: a hash of a secret and a count (RFC 3261 section 19.3).

use sha2::{Digest as _, Sha256};

/// The source of tags.
pub(super) struct Tags {
    secret: [u8; 32],
    count: u64,
}

impl Tags {
    pub(super) const fn new(secret: [u8; 32]) -> Self {
        Self { secret, count: 0 }
    }

    /// A tag or branch never given before: 16 hexadecimal digits.
    pub(super) fn fresh(&mut self) -> String {
        self.count += 1;
        self.hash(&[b"fresh", &self.count.to_be_bytes()])
    }

    /// A branch never given before, with the magic cookie (RFC 3261 section 8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.fresh())
    }

    /// A number below `most` that nobody can guess.
    pub(super) fn chance(&mut self, most: u64) -> u64 {
        u64::from_str_radix(&self.fresh(), 16).unwrap_or(0) % most.max(1)
    }

    /// The tag of refusals to this request: the same for every copy of it (RFC 3261 section 8.2.7).
    pub(super) fn derived(&self, call_id: &[u8], from_tag: Option<&[u8]>) -> String {
        self.hash(&[b"derived", call_id, b"\0", from_tag.unwrap_or_default()])
    }

    fn hash(&self, parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        for part in parts {
            hash.update(part);
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
