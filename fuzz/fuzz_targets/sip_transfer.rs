//! libFuzzer on `plenum_tests::fuzz::sip_transfer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plenum_tests::fuzz::sip_transfer(bytes));
