//! libFuzzer on `plenum_tests::fuzz::h264_payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plenum_tests::fuzz::h264_payload(bytes));
