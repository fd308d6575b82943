//! libFuzzer on `plenum_tests::fuzz::calendar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plenum_tests::fuzz::calendar(bytes));
