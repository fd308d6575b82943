//! Learns where a phone's media really comes from (symmetric RTP, RFC 4961), without being led astray.
//!
//! RFC 7362 lists the ways latching is abused. Ours learns only from packets that could be the call's
//! (authentic where there are keys, negotiated payload type, consecutive numbers, one SSRC, as slowly as a voice comes), holds on to the
//! first source that proves itself, and sends nowhere but to the signalled address until then. It looks again only when signalling moved
//! the media, when the signalled address itself proves that it speaks, or when the source has been silent for long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Consecutive packets a source other than the signalled one must show. An injector would have to guess
/// port, payload type and be first for this long.
const PROOF: u32 = 5;
/// How long they must take to come: that of five packets of 10 ms. Without it who sends faster than a voice would always be first.
const PROOF_TIME: Duration = Duration::from_millis(40);
/// A latched source silent for so long may be replaced.
const SILENCE: Duration = Duration::from_secs(10);
/// Sources watched at once; a further one takes the place of the one that has shown least.
const CANDIDATES: usize = 4;

/// The facts of a packet that latching looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) source: SocketAddr,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

#[derive(Debug)]
pub(super) struct Latch {
    signalled: SocketAddr,
    /// The source that proved itself, and when it was heard last.
    locked: Option<(SocketAddr, Instant)>,
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next: u16,
    run: u32,
    /// When the run began.
    since: Instant,
}

impl Latch {
    pub(super) fn new(signalled: SocketAddr) -> Self {
        Self {
            signalled,
            locked: None,
            candidates: Vec::new(),
        }
    }

    /// Signalling says where media goes now. Another address opens the latch, the same one does not.
    pub(super) fn signal(&mut self, signalled: SocketAddr) {
        if signalled != self.signalled {
            *self = Self::new(signalled);
        }
    }

    /// Where to send: the proven source, else the signalled address; `None` when that is a hold of the old
    /// kind (0.0.0.0).
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let to = self.locked.map_or(self.signalled, |(source, _)| source);
        (!to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// Who has shown the certificate that signalling named is the call's phone.
    pub(super) fn prove(&mut self, source: SocketAddr, now: Instant) {
        self.locked = Some((source, now));
        self.candidates.clear();
    }

    pub(super) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|(source, _)| source)
    }

    /// Whether media is to come from here, as far as is known.
    pub(super) fn expects(&self, source: SocketAddr) -> bool {
        self.locked().unwrap_or(self.signalled) == source
    }

    /// Whether a packet that carries a negotiated payload type belongs to the call.
    pub(super) fn admit(&mut self, now: Instant, seen: Seen) -> bool {
        match &mut self.locked {
            Some((source, heard)) if *source == seen.source => {
                *heard = now;
                return true;
            }
            // Who was first may have been a thief; the address that was told by signalling is heard all the same.
            Some((_, heard)) if now.saturating_duration_since(*heard) < SILENCE => {
                if seen.source != self.signalled || !self.proves(now, seen) {
                    return false;
                }
            }
            // The same host behind another port of its NAT. A phone that moves to another network says so by
            // signalling; whoever else waits for a pause in the call is a thief.
            Some((source, _))
                if seen.source.ip() != source.ip() && seen.source != self.signalled =>
            {
                return false;
            }
            Some(_) | None => {}
        }
        if seen.source != self.signalled && !self.proves(now, seen) {
            return false;
        }
        self.locked = Some((seen.source, now));
        self.candidates.clear();
        true
    }

    /// Counts consecutive packets of one SSRC from one source.
    fn proves(&mut self, now: Instant, seen: Seen) -> bool {
        let next = seen.sequence.wrapping_add(1);
        if let Some(known) = self.candidates.iter_mut().find(|c| c.source == seen.source) {
            let follows = known.ssrc == seen.ssrc && known.next == seen.sequence;
            if follows {
                known.run += 1;
            } else {
                (known.run, known.since) = (1, now);
            }
            known.ssrc = seen.ssrc;
            known.next = next;
            let took = now.saturating_duration_since(known.since);
            return known.run >= PROOF && took >= PROOF_TIME;
        }
        if self.candidates.len() >= CANDIDATES {
            // The one that has shown least goes, the oldest of those: a stray packet from each of some addresses
            // must not keep the phone out for ever.
            let weakest = (0..self.candidates.len()).min_by_key(|i| self.candidates[*i].run);
            if let Some(weakest) = weakest {
                self.candidates.remove(weakest);
            }
        }
        self.candidates.push(Candidate {
            source: seen.source,
            ssrc: seen.ssrc,
            next,
            run: 1,
            since: now,
        });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// How many of `count` consecutive packets, one every 20 ms, are admitted.
    fn feed(
        latch: &mut Latch,
        now: Instant,
        port: u16,
        ssrc: u32,
        first: u16,
        count: u16,
    ) -> usize {
        let packets = (0..count).map(|n| Seen {
            source: at(port),
            ssrc,
            sequence: first.wrapping_add(n),
        });
        let times = (0..).map(|n| now + Duration::from_millis(20) * n);
        packets
            .zip(times)
            .filter(|(seen, at)| latch.admit(*at, *seen))
            .count()
    }

    #[test]
    fn the_signalled_source_is_taken_at_once_and_kept() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        assert_eq!(feed(&mut latch, now, 4_000, 1, 100, 3), 3);
        assert_eq!(
            feed(&mut latch, now, 6_666, 1, 103, 100),
            0,
            "an injector is not heard"
        );
        assert_eq!(latch.destination(), Some(at(4_000)));
    }

    #[test]
    fn behind_a_nat_the_source_must_prove_itself_and_nothing_is_sent_there_before() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        assert_eq!(feed(&mut latch, now, 5_000, 9, 65_533, 4), 0);
        assert_eq!(latch.destination(), Some(at(4_000)));
        assert_eq!(feed(&mut latch, now + PROOF_TIME * 2, 5_000, 9, 1, 1), 1);
        assert_eq!(latch.destination(), Some(at(5_000)));
    }

    #[test]
    fn scattered_numbers_or_changing_ssrcs_prove_nothing() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        for n in 0..200_u16 {
            assert!(!latch.admit(
                now,
                Seen {
                    source: at(5_000),
                    ssrc: 1,
                    sequence: n * 7
                }
            ));
            assert!(!latch.admit(
                now,
                Seen {
                    source: at(5_001),
                    ssrc: u32::from(n),
                    sequence: n
                }
            ));
        }
        assert_eq!(latch.locked(), None);
    }

    #[test]
    fn the_latch_opens_after_long_silence_and_on_signalling_only() {
        let start = Instant::now();
        let mut latch = Latch::new(at(4_000));
        feed(&mut latch, start, 4_000, 1, 0, 1);
        assert_eq!(feed(&mut latch, start + SILENCE / 2, 5_000, 2, 0, 50), 0);
        assert_eq!(feed(&mut latch, start + SILENCE, 5_000, 2, 50, 10), 6);
        assert_eq!(latch.destination(), Some(at(5_000)));
        latch.signal(at(4_000));
        assert_eq!(
            latch.destination(),
            Some(at(5_000)),
            "the same address again changes nothing"
        );
        latch.signal(at(7_000));
        assert_eq!(latch.destination(), Some(at(7_000)));
        assert_eq!(latch.locked(), None);
    }

    #[test]
    fn who_sends_faster_than_a_voice_is_not_first() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        for sequence in 0..1_000 {
            let seen = Seen {
                source: at(6_666),
                ssrc: 1,
                sequence,
            };
            assert!(!latch.admit(now + Duration::from_millis(39), seen));
        }
    }

    #[test]
    fn the_signalled_source_takes_back_what_somebody_else_took_first() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        assert_eq!(feed(&mut latch, now, 6_666, 1, 0, 10), 6);
        let late = now + Duration::from_secs(1);
        assert_eq!(feed(&mut latch, late, 4_000, 2, 0, 10), 6);
        assert_eq!(latch.destination(), Some(at(4_000)));
        assert_eq!(
            feed(&mut latch, late + Duration::from_secs(1), 6_666, 1, 10, 50),
            0
        );
    }

    #[test]
    fn stray_packets_of_strangers_do_not_keep_the_phone_out() {
        let now = Instant::now();
        let mut latch = Latch::new(at(4_000));
        for stranger in 6_000..6_010 {
            assert_eq!(feed(&mut latch, now, stranger, 3, 0, 1), 0);
        }
        assert_eq!(feed(&mut latch, now, 5_000, 9, 0, 6), 2);
        assert_eq!(latch.destination(), Some(at(5_000)));
    }

    #[test]
    fn a_pause_does_not_open_the_latch_to_another_host() {
        let start = Instant::now();
        let mut latch = Latch::new(at(4_000));
        feed(&mut latch, start, 5_000, 1, 0, 6);
        let thief = SocketAddr::from(([198, 51, 100, 9], 5_000));
        for sequence in 0..50 {
            let seen = Seen {
                source: thief,
                ssrc: 2,
                sequence,
            };
            assert!(!latch.admit(start + SILENCE * 2, seen));
        }
        assert_eq!(feed(&mut latch, start + SILENCE * 2, 5_002, 1, 50, 6), 2);
        assert_eq!(latch.destination(), Some(at(5_002)));
    }

    #[test]
    fn a_hold_of_the_old_kind_is_sent_nothing() {
        assert_eq!(
            Latch::new(SocketAddr::from(([0, 0, 0, 0], 4_000))).destination(),
            None
        );
        assert_eq!(Latch::new(at(0)).destination(), None);
    }
}
