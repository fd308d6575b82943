//! What may be wrong with a table of tiles.

/// Why a table of tiles is no layout; the words are for administrators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The name cannot be one.
    #[error("a name has 1 to 32 letters, digits and hyphens")]
    Name,
    /// The grid cannot be read.
    #[error("{0:?} is no grid: two numbers from 1 to 64 with an x between them, such as 8x8")]
    Grid(String),
    /// A tile cannot be read.
    #[error("{0:?} is no tile: x,y,width,height in units of the grid, such as 0,0,6,6")]
    Tile(String),
    /// A tile leaves the canvas.
    #[error("{0:?} is not inside the grid")]
    Outside(String),
    /// A tile is too small to show anybody.
    #[error("{0:?} is too small")]
    Small(String),
    /// Two tiles share pixels.
    #[error("tile {0} overlaps tile {1}, and is no inset (^)")]
    Overlap(usize, usize),
    /// More than one stage.
    #[error("there is more than one stage (* or #)")]
    Stages,
    /// No tile, or too many.
    #[error("a layout has 1 to 49 tiles")]
    Count,
}

/// All that is wrong with a table of tiles; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LayoutFaults(pub(super) Vec<LayoutError>);

impl LayoutFaults {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &LayoutError> {
        self.0.iter()
    }

    pub(super) fn unless_none(faults: Vec<LayoutError>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self(faults))
        }
    }
}
