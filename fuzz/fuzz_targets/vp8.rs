//! libFuzzer on `plenum_tests::fuzz::vp8_payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plenum_tests::fuzz::vp8_payload(bytes));
