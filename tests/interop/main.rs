//! Real clients against the real binary, judged by the numbers of what they heard and saw.
#![expect(clippy::unwrap_used, reason = "tests")]

mod room;
mod tools;
