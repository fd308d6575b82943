//! The companion as its clients meet it: real sockets on the loopback address, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conversing;
mod postgres;
mod stage;
