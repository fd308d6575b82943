//! `plenum`: see [`plenum_mcu::cli`].

fn main() -> std::process::ExitCode {
    plenum_mcu::cli::run()
}
