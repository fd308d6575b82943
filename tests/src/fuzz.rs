//! One function per parser of outside bytes. The libFuzzer targets in `fuzz/` and the corpus test call the same functions.
