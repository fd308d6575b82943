//! INVITE transactions of ours that have had their final answer: copies of it get the same ACK, other 2xx of a forked call are told apart
//! (RFC 3261 sections 13.2.2.4, 17.1.1.2, RFC 6026).

use std::collections::HashMap;

use bytes::Bytes;

use super::Wire;
use super::outgoing::Attempt;

/// Phones of one forked call that are told apart; further ones are not acknowledged.
const MAX_FORKS: usize = 16;

/// What became of a transaction.
pub(super) enum Outcome {
    /// Refused: its ACK.
    Refused(Wire, Bytes),
    /// Taken: what is needed for another who takes it, and the ACK for each, by their tag.
    Taken(Box<Attempt>, Vec<(Vec<u8>, Wire, Bytes)>),
}

/// All of them.
#[derive(Default)]
pub(super) struct Spent {
    by_id: HashMap<u64, (String, Outcome)>,
    by_branch: HashMap<String, u64>,
    next: u64,
}

impl Spent {
    pub(super) fn insert(&mut self, branch: String, outcome: Outcome) -> u64 {
        let id = self.next;
        self.next += 1;
        self.by_branch.insert(branch.clone(), id);
        self.by_id.insert(id, (branch, outcome));
        id
    }

    pub(super) fn of(&mut self, branch: &str) -> Option<&mut Outcome> {
        let id = self.by_branch.get(branch)?;
        self.by_id.get_mut(id).map(|(_, outcome)| outcome)
    }

    pub(super) fn remove(&mut self, id: u64) {
        if let Some((branch, _)) = self.by_id.remove(&id) {
            self.by_branch.remove(&branch);
        }
    }
}

impl Outcome {
    /// The ACK for a copy of the answer with this tag.
    pub(super) fn ack(&self, tag: &[u8]) -> Option<(Wire, Bytes)> {
        match self {
            Self::Refused(wire, ack) => Some((*wire, ack.clone())),
            Self::Taken(_, acks) => acks
                .iter()
                .find(|(of, ..)| of == tag)
                .map(|(_, wire, ack)| (*wire, ack.clone())),
        }
    }

    /// Keeps the ACK for who else has taken it; `false`: there are too many.
    pub(super) fn has_room(&self) -> bool {
        matches!(self, Self::Taken(_, acks) if acks.len() < MAX_FORKS)
    }
}
