//! Builds what the binary embeds: the spoken prompts, the music and the browser client.

#[path = "build/fault.rs"]
mod fault;
#[path = "src/prompts/loudness.rs"]
mod loudness;
#[path = "src/prompts/manifest.rs"]
mod manifest;
#[path = "build/music.rs"]
mod music;
#[path = "build/prompts.rs"]
mod prompts;
#[path = "build/web.rs"]
mod web;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/prompts/loudness.rs");
    println!("cargo::rerun-if-changed=src/prompts/manifest.rs");
    let page = || {
        if std::env::var_os("CARGO_FEATURE_WEB").is_some() {
            web::build()
        } else {
            Ok(())
        }
    };
    if let Err(fault) = prompts::build().and_then(|()| page()) {
        fault.report();
        std::process::exit(1);
    }
}
