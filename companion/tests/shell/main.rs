//! The companion as its clients meet it: real sockets on the loopback address, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conferring;
mod conversing;
mod crash;
mod groups;
mod guests;
mod overload;
mod people;
mod postgres;
mod rooming;
mod searching;
mod sending;
mod stage;
mod upkeep;
