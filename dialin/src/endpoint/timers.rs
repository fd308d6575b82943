//! A heap of deadlines. Entries are never removed early: whoever owns a deadline remembers it, and an entry that
//! no longer agrees with its owner is void when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use plenum_codecs::MediaTime;

use crate::call::CallId;
use crate::endpoint::StreamId;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A server transaction.
    Server(u64),
    /// A client transaction.
    Client(u64),
    /// A call.
    Call(CallId),
    /// A call that we place.
    Attempt(CallId),
    /// A transaction of such a call that has had its final answer.
    Spent(u64),
    /// A trunk's far end.
    FarEnd(usize),
    /// A TCP connection.
    Stream(StreamId),
}

/// The heap.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(MediaTime, Owner)>>,
}

impl Timers {
    pub(super) fn set(&mut self, due: MediaTime, owner: Owner) {
        self.heap.push(Reverse((due, owner)));
    }

    /// Takes an entry that is due.
    pub(super) fn pop(&mut self, now: MediaTime) -> Option<(MediaTime, Owner)> {
        if self.heap.peek()?.0.0 > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The next entry, void ones included.
    pub(super) fn next(&self) -> Option<MediaTime> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}
