//! Builds what the binary embeds: the browser client.

#[path = "build/web.rs"]
mod web;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    if std::env::var_os("CARGO_FEATURE_WEB").is_some()
        && let Err(fault) = web::build()
    {
        fault.report();
        std::process::exit(1);
    }
}
