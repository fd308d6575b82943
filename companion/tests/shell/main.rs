//! The companion as its clients meet it: real sockets on the loopback address, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

mod badges;
mod conferring;
mod contacts;
mod conversing;
mod crash;
mod groups;
mod guests;
mod overload;
mod people;
mod postgres;
mod presence;
mod rooming;
mod searching;
mod sending;
mod stage;
mod upkeep;
