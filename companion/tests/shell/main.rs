//! The companion as its clients meet it: real sockets on the loopback address, on SQLite and on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cognitive_complexity,
    clippy::too_many_lines,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests tell stories; threads and locks of theirs are not the cores'"
)]

mod badges;
mod blocking;
mod conferring;
mod contacts;
mod conversing;
mod crash;
mod groups;
mod guests;
mod noting;
mod overload;
mod people;
mod postgres;
mod presence;
mod rooming;
mod searching;
mod sending;
mod stage;
mod upkeep;
