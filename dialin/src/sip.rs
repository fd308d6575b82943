//! The one file that names the sipx crates.
