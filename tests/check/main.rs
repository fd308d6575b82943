//! `plenum check`: what an administrator is told of a configuration before it is used.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::Command;

use plenum_tests::workspace::{plenum, scratch};

/// Whether a configuration is good, and what is said of it: on standard output if so, else on standard error.
fn check(name: &str, text: &str) -> (bool, String) {
    let path = scratch(name).unwrap().join("plenum.toml");
    fs::write(&path, text).unwrap();
    let output = Command::new(plenum().unwrap())
        .args(["check", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    let good = output.status.success();
    let (said, other) = if good {
        (output.stdout, output.stderr)
    } else {
        (output.stderr, output.stdout)
    };
    assert_eq!(String::from_utf8(other).unwrap(), "");
    (good, String::from_utf8(said).unwrap())
}

#[test]
fn own_layouts_are_good_with_several_sizes_a_stage_and_an_inset() {
    let (good, said) = check(
        "check-good-layouts",
        r##"
[conference]
layout = "lecture"

[[video.layouts]]
name = "lecture"
grid = "1x1"
tiles = ["*0,0,1,1"]

[[video.layouts]]
name = "lecture"
grid = "8x8"
tiles = ["*0,1,6,6", "6,0,2,8/1+1+1+1"]

[[video.layouts]]
name = "corner-2"
grid = "64x64"
tiles = ["#0,0,64,64", "^46,46,16,16"]
"##,
    );
    assert!(good, "{said}");
    assert!(said.starts_with("The configuration is good.\n"), "{said}");
}

#[test]
fn all_that_is_wrong_with_layouts_is_said_at_once_with_line_and_remedy() {
    let (good, said) = check(
        "check-bad-layouts",
        r#"[conference]
layout = "mine"
[[video.layouts]]
name = "mine"
grid = "8x8"
tiles = ["0,0,4", "6,6,4,4", "0,0,2,2"]
[[video.layouts]]
name = "grid"
grid = "65x1"
tiles = ["0,0,1,1"]
[[video.layouts]]
name = "two words"
grid = "4x4"
tiles = ["*0,0,2,2", "*1,0,2,2"]
[[video.layouts]]
name = "tiny"
grid = "64x64"
tile = ["0,0,1,1"]
"#,
    );
    assert!(!good, "{said}");
    let example = "config.example.toml shows one, with what each sign means";
    let wanted = [
        format!("line 6: video.layouts[0].tiles: \"0,0,4\" is no tile: x,y,width,height in units of the grid, such as 0,0,6,6; {example}"),
        format!("line 6: video.layouts[0].tiles: \"6,6,4,4\" is not inside the grid; {example}"),
        "line 8: video.layouts[1].name = grid: a built-in layout has this name; choose another".to_owned(),
        format!("line 9: video.layouts[1].grid: \"65x1\" is no grid: two numbers from 1 to 64 with an x between them, such as 8x8; {example}"),
        format!("line 12: video.layouts[2].name = two words: a name has 1 to 32 letters, digits and hyphens; {example}"),
        format!("line 14: video.layouts[2].tiles: there is more than one stage (* or #); {example}"),
        format!("line 14: video.layouts[2].tiles: tile 2 overlaps tile 1, and is no inset (^); {example}"),
        format!("video.layouts[3].tiles: a layout has 1 to 49 tiles; {example}"),
        "line 18: video.layouts[3].tile = [\"0,0,1,1\"]: no such key; did you mean video.layouts[3].tiles?".to_owned(),
    ];
    for fault in &wanted {
        assert!(
            said.lines().any(|line| line.trim() == fault),
            "{fault}\nis not in\n{said}"
        );
    }
    let count = format!(": {} faults in the configuration", wanted.len());
    assert!(said.contains(&count), "{said}");
}
