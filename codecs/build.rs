//! Refuses to build without nasm: `openh264-sys2` would silently fall back to plain C++, which encodes 2.3 times slower.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=OPENH264_NO_ASM");
    let x86 = matches!(
        std::env::var("CARGO_CFG_TARGET_ARCH").as_deref(),
        Ok("x86_64" | "x86")
    );
    if !x86 {
        return;
    }
    if std::env::var_os("OPENH264_NO_ASM").is_some() {
        println!(
            "cargo::error=OPENH264_NO_ASM is set: OpenH264 would be built without its assembler and run 2.3 times slower. Unset it."
        );
    }
    let found = Command::new("nasm")
        .arg("-v")
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!(
            "cargo::error=nasm is not on PATH: OpenH264 would be built without its assembler and run 2.3 times slower. \
             Remedy: `sudo apt-get install nasm`, then `cargo clean -p openh264-sys2 --release` and build again."
        );
    }
}
