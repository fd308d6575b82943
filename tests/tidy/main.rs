//! The rules of the house, held against the code: who imports whom, what is documented, what must not be committed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod documents;
mod imports;
mod licences;
mod source;
