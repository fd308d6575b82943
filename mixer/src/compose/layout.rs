//! Layouts: named tables of tiles, and where the tiles of one lie on a canvas. Knows nobody who sits in them.

mod faults;

use std::collections::BTreeMap;

pub use faults::{LayoutError, LayoutFaults};

/// The layouts that are always there.
const BUILT_IN: &str = include_str!("layouts.txt");
/// Name of the layout that a room has unless it is told another.
pub const DEFAULT_LAYOUT: &str = "grid";
/// Tiles of one arrangement.
const MOST_TILES: usize = 49;
/// Columns and rows of a grid.
const FINEST_GRID: u32 = 64;
/// Sides of a canvas on which an arrangement is tried: 16:9, so fine that rounding hides nothing.
const TRIAL: (u16, u16) = (2_304, 1_296);

/// A rectangle in pixels. All four numbers are even, so that the planes of chroma have the same edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// From the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

impl Rect {
    /// Whether a pixel is in both.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// What is special about a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing.
    Plain,
    /// Whoever has the floor is here.
    Stage,
    /// What is presented is here; whoever has the floor, while nothing is.
    Presentation,
    /// Lies on top of the tiles before it.
    Inset,
}

/// A place on a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub rect: Rect,
    /// For whom.
    pub role: Role,
}

/// An area of the grid, with rows of tiles in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Area {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    role: Role,
    /// Tiles in each row; `None`: the area is one tile.
    rows: Option<Vec<u32>>,
}

/// One way to place up to so many people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    columns: u32,
    rows: u32,
    areas: Vec<Area>,
    tiles: usize,
}

impl Arrangement {
    /// Reads a grid (`8x8`) and its tiles; see `layouts.txt` for how they are written.
    ///
    /// # Errors
    /// When one cannot be read, lies outside, is too small, or overlaps another: all that is wrong.
    pub fn parse<'a>(
        grid: &str,
        tiles: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, LayoutFaults> {
        let side = |text: &str| {
            text.parse()
                .ok()
                .filter(|side| (1..=FINEST_GRID).contains(side))
        };
        let sides = grid
            .split_once('x')
            .and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
        // Without a grid every tile that can be read is inside.
        let (columns, rows) = sides.unwrap_or((u32::MAX, u32::MAX));
        let mut faults = Vec::new();
        if sides.is_none() {
            faults.push(LayoutError::Grid(grid.to_owned()));
        }
        let mut areas = Vec::new();
        for text in tiles {
            match area(text) {
                None => faults.push(LayoutError::Tile(text.to_owned())),
                Some(area) if area.x + area.width > columns || area.y + area.height > rows => {
                    faults.push(LayoutError::Outside(text.to_owned()));
                }
                Some(area) => areas.push(area),
            }
        }
        LayoutFaults::unless_none(faults)?;
        let mut arrangement = Self {
            columns,
            rows,
            areas,
            tiles: 0,
        };
        arrangement.check()?;
        Ok(arrangement)
    }

    fn check(&mut self) -> Result<(), LayoutFaults> {
        let places = self.places(TRIAL.0, TRIAL.1, 0);
        self.tiles = places.len();
        if !(1..=MOST_TILES).contains(&places.len()) {
            return Err(LayoutFaults(vec![LayoutError::Count]));
        }
        let mut faults = Vec::new();
        let is_stage = |place: &&Place| matches!(place.role, Role::Stage | Role::Presentation);
        if places.iter().filter(is_stage).count() > 1 {
            faults.push(LayoutError::Stages);
        }
        for (index, place) in places.iter().enumerate() {
            let Rect { width, height, .. } = place.rect;
            if width < TRIAL.0 / 16 || height < TRIAL.1 / 16 {
                faults.push(LayoutError::Small(format!("tile {}", index + 1)));
            }
            let mut before = (1..).zip(places.iter().take(index));
            let under = before
                .find(|(_, under)| place.role != Role::Inset && place.rect.overlaps(&under.rect));
            if let Some((other, _)) = under {
                faults.push(LayoutError::Overlap(index + 1, other));
            }
        }
        LayoutFaults::unless_none(faults)
    }

    /// How many it seats.
    #[must_use]
    pub const fn tiles(&self) -> usize {
        self.tiles
    }

    /// Its tiles on a canvas of even width and height, with `gap` pixels (a multiple of 4) between neighbours.
    #[must_use]
    pub fn places(&self, width: u16, height: u16, gap: u16) -> Vec<Place> {
        let (wide, high) = (u32::from(width), u32::from(height));
        let mut places = Vec::new();
        for area in &self.areas {
            let (left, right) = (
                area.x * wide / self.columns,
                (area.x + area.width) * wide / self.columns,
            );
            let (top, bottom) = (
                area.y * high / self.rows,
                (area.y + area.height) * high / self.rows,
            );
            let mut place = |left: u32, top: u32, right: u32, bottom: u32| {
                let rect = inner([left, top, right, bottom], (wide, high), gap.into());
                places.push(Place {
                    rect,
                    role: area.role,
                });
            };
            let Some(rows) = &area.rows else {
                place(left, top, right, bottom);
                continue;
            };
            let count = u32::try_from(rows.len()).unwrap_or(1).max(1);
            let most = rows.iter().copied().max().unwrap_or(1).max(1);
            // As large as the longest row and the number of rows allow, in the shape of the canvas.
            let tile_width = ((right - left) / most).min((bottom - top) / count * wide / high);
            let tile_height = (tile_width * high / wide).min((bottom - top) / count);
            let first = top + (bottom - top - count * tile_height) / 2;
            for (row, tiles) in (0u32..).zip(rows) {
                let start = left + (right - left - tiles * tile_width) / 2;
                let y = first + row * tile_height;
                for column in 0..*tiles {
                    let x = start + column * tile_width;
                    place(x, y, x + tile_width, y + tile_height);
                }
            }
        }
        places
    }
}

/// Even edges; half the gap off each side that has a neighbour, or may have one.
fn inner(edges: [u32; 4], (wide, high): (u32, u32), gap: u32) -> Rect {
    let [left, top, right, bottom] = edges.map(|edge| edge & !1);
    let near = |edge: u32| if edge <= 2 { edge } else { edge + gap / 2 };
    let far = |edge: u32, side: u32| {
        if edge + 2 >= side {
            edge
        } else {
            edge - gap / 2
        }
    };
    let (x, y) = (near(left), near(top));
    let (right, bottom) = (far(right, wide), far(bottom, high));
    let pixels = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    Rect {
        x: pixels(x),
        y: pixels(y),
        width: pixels(right.saturating_sub(x)),
        height: pixels(bottom.saturating_sub(y)),
    }
}

fn area(text: &str) -> Option<Area> {
    let (role, rest) = match text.strip_prefix(['*', '#', '^']) {
        None => (Role::Plain, text),
        Some(rest) => match text.chars().next() {
            Some('*') => (Role::Stage, rest),
            Some('#') => (Role::Presentation, rest),
            _ => (Role::Inset, rest),
        },
    };
    let (numbers, rows) = match rest.split_once('/') {
        None => (rest, None),
        Some((numbers, rows)) => {
            let rows: Option<Vec<u32>> = rows
                .split('+')
                .map(|row| row.parse().ok().filter(|tiles| (1..=16).contains(tiles)))
                .collect();
            (numbers, Some(rows?))
        }
    };
    let mut numbers = numbers.split(',').map(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().flatten().filter(|n| *n <= FINEST_GRID);
    let area = Area {
        x: next()?,
        y: next()?,
        width: next().filter(|width| *width > 0)?,
        height: next().filter(|height| *height > 0)?,
        role,
        rows,
    };
    numbers.next().is_none().then_some(area)
}

/// A named layout: arrangements for ever more people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    name: String,
    /// Never empty; fewest tiles first.
    arrangements: Vec<Arrangement>,
}

impl Layout {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arrangement for so many people: the smallest that seats them all, else the largest.
    #[must_use]
    pub fn arrangement(&self, people: usize) -> Option<&Arrangement> {
        self.arrangements
            .iter()
            .find(|arrangement| arrangement.tiles >= people)
            .or(self.arrangements.last())
    }
}

/// All layouts that a server knows, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layouts(BTreeMap<String, Layout>);

impl Layouts {
    /// Those that are always there: grid, speaker, presentation, side-by-side, picture-in-picture.
    #[must_use]
    pub fn built_in() -> Self {
        let mut layouts = Self(BTreeMap::new());
        let lines = BUILT_IN
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("# "));
        for line in lines {
            let mut words = line.split_whitespace();
            let (name, grid) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            let added = layouts.add(name, grid, words);
            debug_assert_eq!(added, Ok(()), "{line}");
        }
        layouts
    }

    /// Adds an arrangement to the layout `name`, which it may be the first of.
    ///
    /// # Errors
    /// When the name, the grid or a tile is not as it must be: all that is wrong.
    pub fn add<'a>(
        &mut self,
        name: &str,
        grid: &str,
        tiles: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), LayoutFaults> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let parsed = Arrangement::parse(grid, tiles);
        if !fits {
            let mut faults = vec![LayoutError::Name];
            faults.extend(parsed.err().into_iter().flat_map(|rest| rest.0));
            return Err(LayoutFaults(faults));
        }
        let arrangement = parsed?;
        let layout = self.0.entry(name.to_owned()).or_insert_with(|| Layout {
            name: name.to_owned(),
            arrangements: Vec::new(),
        });
        layout.arrangements.push(arrangement);
        layout
            .arrangements
            .sort_by_key(|arrangement| arrangement.tiles);
        Ok(())
    }

    /// The layout of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Layout> {
        self.0.get(name)
    }

    /// All names, in the order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Default for Layouts {
    fn default() -> Self {
        Self::built_in()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZES: [(u16, u16, u16); 5] = [
        (1_280, 720, 4),
        (1_920, 1_080, 8),
        (640, 360, 4),
        (854, 480, 4),
        (640, 480, 4),
    ];

    fn sound(places: &[Place], (width, height): (u16, u16)) {
        for (index, place) in places.iter().enumerate() {
            let Rect {
                x,
                y,
                width: w,
                height: h,
            } = place.rect;
            assert!([x, y, w, h].iter().all(|n| n % 2 == 0), "{place:?}");
            assert!(x + w <= width && y + h <= height, "{place:?}");
            assert!(w >= 32 && h >= 16, "{place:?} shows nobody");
            for other in &places[..index] {
                assert!(
                    place.role == Role::Inset || !place.rect.overlaps(&other.rect),
                    "{place:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn built_in_tiles_are_visible_inside_even_and_never_overlap() {
        let layouts = Layouts::built_in();
        let names: Vec<_> = layouts.names().collect();
        let all = [
            "grid",
            "picture-in-picture",
            "presentation",
            "side-by-side",
            "speaker",
        ];
        assert_eq!(names, all);
        for layout in layouts.0.values() {
            for arrangement in &layout.arrangements {
                for (width, height, gap) in SIZES {
                    sound(&arrangement.places(width, height, gap), (width, height));
                }
            }
        }
    }

    #[test]
    fn a_grid_has_a_tile_for_each_of_up_to_25() {
        let layouts = Layouts::built_in();
        let grid = layouts.get("grid").unwrap();
        for people in 1..=25 {
            let arrangement = grid.arrangement(people).unwrap();
            assert_eq!(arrangement.tiles(), people);
            let places = arrangement.places(1_280, 720, 4);
            let sizes = places
                .iter()
                .map(|place| (place.rect.width / 8, place.rect.height / 8));
            assert!(sizes.clone().max().unwrap().0 - sizes.min().unwrap().0 <= 1);
        }
        assert_eq!(grid.arrangement(300).unwrap().tiles(), 25);
        assert_eq!(grid.arrangement(0).unwrap().tiles(), 1);
    }

    #[test]
    fn every_stage_is_the_first_and_largest_tile() {
        let layouts = Layouts::built_in();
        for layout in layouts
            .0
            .values()
            .filter(|layout| layout.name != DEFAULT_LAYOUT)
        {
            for arrangement in &layout.arrangements {
                let places = arrangement.places(1_280, 720, 4);
                assert!(
                    matches!(places[0].role, Role::Stage | Role::Presentation),
                    "{}",
                    layout.name
                );
                let area =
                    |place: &Place| u32::from(place.rect.width) * u32::from(place.rect.height);
                assert!(places.iter().all(|place| area(place) <= area(&places[0])));
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_layout_is_said() {
        let add = |name: &str, grid: &str, tiles: &str| {
            let added = Layouts::built_in().add(name, grid, tiles.split(' '));
            added.map_or_else(|faults| faults.0, |()| Vec::new())
        };
        assert_eq!(add("two words", "1x1", "0,0,1,1"), [LayoutError::Name]);
        for grid in ["", "1", "0x1", "65x1", "axb", "1x1x1"] {
            assert_eq!(
                add("mine", grid, "0,0,1,1"),
                [LayoutError::Grid(grid.into())]
            );
        }
        for tile in [
            "0,0,1",
            "0,0,1,1,1",
            "0,0,0,1",
            "x",
            "",
            "0,0,1,1/",
            "0,0,1,1/0",
        ] {
            assert_eq!(add("mine", "1x1", tile), [LayoutError::Tile(tile.into())]);
        }
        assert_eq!(
            add("mine", "2x2", "1,1,2,1"),
            [LayoutError::Outside("1,1,2,1".into())]
        );
        assert_eq!(
            add("mine", "2x2", "0,0,2,1 1,0,1,2"),
            [LayoutError::Overlap(2, 1)]
        );
        assert_eq!(
            add("mine", "2x2", "*0,0,1,1 #1,1,1,1"),
            [LayoutError::Stages]
        );
        assert!(matches!(
            add("mine", "64x64", "0,0,1,1")[..],
            [LayoutError::Small(_)]
        ));
        assert_eq!(add("lecture", "8x8", "*0,1,6,6 6,0,2,8/1+1"), []);
    }

    #[test]
    fn all_that_is_wrong_with_a_layout_is_said_at_once() {
        let add = |name: &str, grid: &str, tiles: &str| {
            let added = Layouts::built_in().add(name, grid, tiles.split(' '));
            added.map_or_else(|faults| faults.0, |()| Vec::new())
        };
        assert_eq!(
            add("two words", "x", "0,0,1 0,0,1,1 y"),
            [
                LayoutError::Name,
                LayoutError::Grid("x".into()),
                LayoutError::Tile("0,0,1".into()),
                LayoutError::Tile("y".into()),
            ]
        );
        assert_eq!(
            add("mine", "4x4", "*0,0,2,2 *1,0,2,2 1,1,2,2 9,0,1,1"),
            [LayoutError::Outside("9,0,1,1".into())]
        );
        assert_eq!(
            add("mine", "4x4", "*0,0,2,2 *1,0,2,2 1,1,2,2"),
            [
                LayoutError::Stages,
                LayoutError::Overlap(2, 1),
                LayoutError::Overlap(3, 1),
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_sound(
            grid in (1u32..10, 1u32..10),
            tiles in proptest::collection::vec((0u32..10, 0u32..10, 1u32..10, 1u32..10, proptest::option::of(proptest::collection::vec(1u32..5, 1..4))), 1..6),
        ) {
            let texts: Vec<String> = tiles
                .iter()
                .map(|(x, y, w, h, rows)| {
                    let rows = rows.as_ref().map_or(String::new(), |rows| {
                        format!("/{}", rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"))
                    });
                    format!("{x},{y},{w},{h}{rows}")
                })
                .collect();
            if let Ok(arrangement) = Arrangement::parse(&format!("{}x{}", grid.0, grid.1), texts.iter().map(String::as_str)) {
                for (width, height, gap) in SIZES {
                    sound(&arrangement.places(width, height, gap), (width, height));
                }
            }
        }
    }
}
