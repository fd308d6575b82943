//! Phones call in: SIP dialogs, TCP connections, garbage, and the attendant, in virtual time.

mod attendant;
mod dialogs;
mod far_ends;
mod garbage;
mod identity;
mod lookups;
mod offers;
mod outgoing;
mod outgoing_ways;
mod phone;
mod picture;
mod reception;
mod refer;
mod refusals;
mod rush;
mod secure;
mod sending;
mod streams;
mod takeover;
