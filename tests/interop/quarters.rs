//! A composite of four tiles, one in each quarter: what a page's picture is measured by.

/// The layout.
const LAYOUT: &str = r#"
[[video.layouts]]
name = "quarters"
grid = "2x2"
tiles = ["0,0,1,1", "1,0,1,1", "0,1,1,1", "1,1,1,1"]
"#;

/// Where nobody sits.
pub(crate) const GROUND: [u8; 3] = [14, 16, 22];

/// A configuration whose conferences begin with `video` and this layout.
pub(crate) fn config(video: &str) -> String {
    format!("[conference]\nvideo = \"{video}\"\nlayout = \"quarters\"\n{LAYOUT}")
}
