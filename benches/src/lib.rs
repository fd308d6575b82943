//! How figures are printed against their floors, and what several benches measure with.

pub mod clip;
pub mod crowd;
pub mod floor;
pub mod pesq;
pub mod process;
pub mod scene;
pub mod server;
pub mod speech;

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A measured figure: `name value unit floor ratio`, with one decimal unless the format asks for more.
#[derive(Debug, Clone, Copy)]
pub struct Figure<'a> {
    /// What was measured, without spaces.
    pub name: &'a str,
    /// What came out.
    pub value: f64,
    /// Of value and floor.
    pub unit: &'a str,
    /// What the bare work costs on the reference machine (design §8).
    pub floor: f64,
}

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            unit,
            floor,
        } = self;
        let decimals = f.precision().unwrap_or(1);
        write!(
            f,
            "{name} {value:.decimals$} {unit} {floor:.decimals$} {:.2}",
            value / floor
        )
    }
}

/// Prints a figure with two decimals.
#[expect(clippy::print_stdout, reason = "what benches are for")]
pub fn print(name: &str, value: f64, unit: &str, floor: f64) {
    let figure = Figure {
        name,
        value,
        unit,
        floor,
    };
    println!("{figure:.2}");
}

/// Time that this thread has spent on a processor: unlike a clock's it does not count what others do on the machine.
#[must_use]
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs().try_into().unwrap_or(0),
    )
}
