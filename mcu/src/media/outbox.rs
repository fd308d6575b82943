//! Carries a room's events to its owner over a bounded channel without ever blocking the worker.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{RoomEvent, RoomId};

/// Events that wait here while the owner's channel is full.
const BACKLOG: usize = 1_024;

/// Sends in order; holds back while the channel is full; beyond [`BACKLOG`] drops the oldest mixer event.
#[derive(Debug)]
pub(super) struct Outbox {
    room: RoomId,
    events: mpsc::Sender<(RoomId, RoomEvent)>,
    backlog: VecDeque<RoomEvent>,
}

impl Outbox {
    pub(super) fn new(room: RoomId, events: mpsc::Sender<(RoomId, RoomEvent)>) -> Self {
        Self {
            room,
            events,
            backlog: VecDeque::new(),
        }
    }

    /// Sends the event now or later. Returns how many events were dropped for it.
    pub(super) fn push(&mut self, event: RoomEvent) -> u64 {
        self.flush();
        if self.backlog.is_empty() {
            match self.events.try_send((self.room, event)) {
                Ok(()) | Err(TrySendError::Closed(_)) => return 0,
                Err(TrySendError::Full((_, event))) => self.backlog.push_back(event),
            }
            return 0;
        }
        self.backlog.push_back(event);
        if self.backlog.len() <= BACKLOG {
            return 0;
        }
        // Legs that came and went are the roster's truth and are bounded by the legs there were; talking and
        // floor are stale by now.
        match self
            .backlog
            .iter()
            .position(|e| matches!(e, RoomEvent::Mixer(_)))
        {
            Some(oldest) => {
                self.backlog.remove(oldest);
                1
            }
            None => 0,
        }
    }

    /// Sends what waits, as far as the channel takes it.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send((self.room, event)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, event))) => {
                    self.backlog.push_front(event);
                    return;
                }
                // Nobody listens to the room any more.
                Err(TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use plenum_mixer::{Event, LegId};

    use super::*;
    use crate::media::LegGone;

    fn talking(n: u64) -> RoomEvent {
        RoomEvent::Mixer(Event::Talking {
            leg: LegId(n),
            on: true,
        })
    }

    #[test]
    fn events_wait_in_order_while_the_channel_is_full() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outbox = Outbox::new(RoomId(9), sender);
        for n in 0..10 {
            assert_eq!(outbox.push(talking(n)), 0);
        }
        let mut seen = Vec::new();
        while seen.len() < 10 {
            let (room, event) = receiver.try_recv().unwrap();
            assert_eq!(room, RoomId(9));
            let RoomEvent::Mixer(Event::Talking { leg, .. }) = event else {
                panic!("{event:?}")
            };
            seen.push(leg.0);
            outbox.flush();
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_stuck_owner_loses_old_mixer_events_but_never_a_leg_that_went() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(RoomId(1), sender);
        outbox.push(talking(0));
        outbox.push(RoomEvent::LegGone {
            leg: LegId(77),
            reason: LegGone::Closed,
        });
        let dropped: u64 = (0..3_000).map(|n| outbox.push(talking(n))).sum();
        assert_eq!(dropped, 3_001 - 1_024);
        let mut gone = 0;
        loop {
            match receiver.try_recv() {
                Ok((_, RoomEvent::LegGone { leg, .. })) => gone += leg.0,
                Ok(_) => {}
                Err(_) => break,
            }
            outbox.flush();
        }
        assert_eq!(gone, 77);
    }
}
