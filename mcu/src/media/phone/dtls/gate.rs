//! What of a stranger's bytes reaches the DTLS library: whole records, of messages and fragments that a handshake has, and no more of
//! them than one takes. The library reassembles without a bound of its own, recursively, and keeps whatever it is given.

/// Bytes of a record's header (RFC 6347 section 4.1).
const RECORD: usize = 13;
/// Bytes of a handshake message's header (RFC 6347 section 4.2.2).
const MESSAGE: usize = 12;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;
/// Longest message, bytes: a chain of certificates.
const LONGEST: usize = 16 * 1024;
/// Messages of one side, a hello that is asked for again among them; 7 are usual.
const MOST_MESSAGES: u16 = 16;
/// Fragments and records of one attempt, with all that is repeated.
const MOST_FRAGMENTS: u32 = 256;
/// Bytes of one attempt.
const MOST_BYTES: usize = 64 * 1024;
/// Datagrams after the end, which repeat the last flight.
const MOST_REPEATS: u32 = 32;

/// What one attempt has taken so far.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The far end has begun, and a hello of it may have to be asked for again.
    hears_hello: bool,
    fragments: u32,
    bytes: usize,
    repeats: u32,
    /// What was taken.
    known: Vec<Fragment>,
}

/// Number of a message, the offset in it, and how many bytes.
type Fragment = (u16, usize, usize);

/// What to do with a datagram of a handshake that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The library is to see it.
    Take,
    /// All of it was taken before: what we said since was lost, and is to be said again. The library would forget to.
    Known,
    Leave,
}

impl Gate {
    /// Of an attempt that the far end has begun.
    pub(super) fn for_hello() -> Self {
        Self {
            hears_hello: true,
            ..Self::default()
        }
    }

    /// Judges a datagram, and keeps what it was.
    pub(super) fn judge(&mut self, datagram: &[u8]) -> Verdict {
        let Some(contents) = Contents::of(datagram) else {
            return Verdict::Leave;
        };
        let known = |fragment: &Fragment| self.known.contains(fragment);
        // The library answers a first hello only when it sees it: the cookie that it asks for is not said again by its timer.
        let asks = self.hears_hello && self.known.iter().all(|&(sequence, ..)| sequence == 0);
        if contents.others == 0 && contents.plain.iter().all(known) && !asks {
            return Verdict::Known;
        }
        let count = u32::try_from(contents.plain.len()).unwrap_or(u32::MAX);
        self.fragments = self
            .fragments
            .saturating_add(count.saturating_add(contents.others));
        self.bytes = self.bytes.saturating_add(datagram.len());
        if self.fragments > MOST_FRAGMENTS || self.bytes > MOST_BYTES {
            return Verdict::Leave;
        }
        self.known.extend(contents.plain);
        Verdict::Take
    }

    /// Whether the library is to see a datagram of a handshake that is over.
    pub(super) fn admits_repeat(&mut self, datagram: &[u8]) -> bool {
        if Contents::of(datagram).is_none() || self.repeats >= MOST_REPEATS {
            return false;
        }
        self.repeats += 1;
        true
    }
}

/// The client's random of a datagram that begins a handshake: the first hello, whole.
pub(super) fn opening(datagram: &[u8]) -> Option<[u8; 32]> {
    Contents::of(datagram)?;
    let message = datagram.get(RECORD..)?;
    let begins = datagram.first() == Some(&HANDSHAKE)
        && message.first() == Some(&CLIENT_HELLO)
        // Number and offset.
        && message.get(4..9)? == [0; 5];
    let random = message.get(MESSAGE + 2..)?.first_chunk()?;
    begins.then_some(*random)
}

/// What a datagram is made of.
#[derive(Default)]
struct Contents {
    plain: Vec<Fragment>,
    /// Records of other kinds.
    others: u32,
}

impl Contents {
    /// `None` when it is not to be taken. Alerts are not: in the clear anybody can forge them, and what they say shows in time by itself.
    /// Neither is data, which nobody has for us.
    fn of(datagram: &[u8]) -> Option<Self> {
        let mut rest = datagram;
        let mut contents = Self::default();
        while !rest.is_empty() {
            let head = rest.first_chunk::<RECORD>()?;
            let length = usize::from(u16::from_be_bytes([head[11], head[12]]));
            let encrypted = (head[3], head[4]) != (0, 0);
            let body = rest.get(RECORD..RECORD + length)?;
            if body.is_empty() {
                return None;
            }
            match head[0] {
                HANDSHAKE if !encrypted => contents.read_messages(body)?,
                HANDSHAKE | CHANGE_CIPHER_SPEC => contents.others += 1,
                _ => return None,
            }
            rest = rest.get(RECORD + length..)?;
        }
        (contents.others > 0 || !contents.plain.is_empty()).then_some(contents)
    }

    fn read_messages(&mut self, mut body: &[u8]) -> Option<()> {
        while !body.is_empty() {
            let head = body.first_chunk::<MESSAGE>()?;
            let number = |at: usize| {
                let [a, b, c] = *head.get(at..)?.first_chunk()?;
                usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()
            };
            let (length, offset, part) = (number(1)?, number(6)?, number(9)?);
            let sequence = u16::from_be_bytes([head[4], head[5]]);
            let least = match head[0] {
                CLIENT_KEY_EXCHANGE => 2,
                SERVER_KEY_EXCHANGE => 8,
                _ => 0,
            };
            let empty_part = part == 0 && length > 0;
            if length > LONGEST
                || length < least
                || empty_part
                || offset + part > length
                || sequence >= MOST_MESSAGES
            {
                return None;
            }
            // The library takes what follows a fragment in its record for more of it.
            let next = body.get(MESSAGE + part..)?;
            if part < length && !next.is_empty() {
                return None;
            }
            self.plain.push((sequence, offset, part));
            body = next;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this type and epoch.
    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let [.., high, low] = body.len().to_be_bytes();
        let head = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, high, low];
        [&head[..], body].concat()
    }

    /// A fragment of a message of `length` bytes.
    fn fragment(kind: u8, length: u16, sequence: u8, offset: u16, body: &[u8]) -> Vec<u8> {
        let ([a, b], [c, d]) = (length.to_be_bytes(), offset.to_be_bytes());
        let [.., e, f] = body.len().to_be_bytes();
        let head = [kind, 0, a, b, 0, sequence, 0, c, d, 0, e, f];
        [&head[..], body].concat()
    }

    #[test]
    fn what_no_handshake_has_is_left_out() {
        let whole = fragment(1, 4, 0, 0, &[0; 4]);
        let admits = |datagram: &[u8]| Gate::default().judge(datagram) == Verdict::Take;
        assert!(admits(&record(22, 0, &whole)));
        assert!(admits(&record(22, 0, &fragment(14, 0, 3, 0, &[]))));
        assert!(admits(
            &[record(20, 0, &[1]), record(22, 1, &[7; 40])].concat()
        ));
        for (what, datagram) in [
            ("nothing", Vec::new()),
            ("an alert", record(21, 0, &[2, 40])),
            ("data", record(23, 1, &[0; 30])),
            ("an empty record", record(22, 0, &[])),
            ("half a record", record(22, 0, &whole)[..20].to_vec()),
            (
                "an empty fragment",
                record(22, 0, &fragment(1, 9, 0, 0, &[])),
            ),
            (
                "one beyond its message",
                record(22, 0, &fragment(1, 9, 0, 6, &[0; 4])),
            ),
            (
                "a message too long",
                record(22, 0, &fragment(11, 16_385, 1, 0, &[0; 4])),
            ),
            (
                "a number too high",
                record(22, 0, &fragment(1, 4, 16, 0, &[0; 4])),
            ),
            (
                "an exchange of no key",
                record(22, 0, &fragment(16, 1, 2, 0, &[0])),
            ),
            (
                "two fragments in a record",
                record(
                    22,
                    0,
                    &[fragment(1, 9, 0, 0, &[0; 4]), whole.clone()].concat(),
                ),
            ),
        ] {
            assert!(!admits(&datagram), "{what}");
        }
    }

    #[test]
    fn what_is_repeated_is_known_unless_there_is_more_beside_it() {
        let mut gate = Gate::default();
        let hello = record(22, 0, &fragment(2, 4, 1, 0, &[0; 4]));
        let done = record(22, 0, &fragment(14, 0, 2, 0, &[]));
        assert_eq!(gate.judge(&hello), Verdict::Take);
        assert_eq!(gate.judge(&hello), Verdict::Known);
        assert_eq!(gate.judge(&[hello.clone(), done].concat()), Verdict::Take);
        assert_eq!(gate.judge(&hello), Verdict::Known);
        let finished = record(22, 1, &[7; 40]);
        let last = [hello, finished].concat();
        assert_eq!(gate.judge(&last), Verdict::Take);
        assert_eq!(
            gate.judge(&last),
            Verdict::Take,
            "nobody can tell what it holds"
        );
    }

    #[test]
    fn a_first_hello_is_heard_again_until_the_second_is_there() {
        let mut gate = Gate::for_hello();
        let hello = |number| record(22, 0, &fragment(1, 4, number, 0, &[0; 4]));
        assert_eq!(gate.judge(&hello(0)), Verdict::Take);
        assert_eq!(gate.judge(&hello(0)), Verdict::Take);
        assert_eq!(gate.judge(&hello(1)), Verdict::Take);
        assert_eq!(gate.judge(&hello(0)), Verdict::Known);
        let mut gate = Gate::for_hello();
        let heard = (0..10_000).filter(|_| gate.judge(&hello(0)) == Verdict::Take);
        assert_eq!(
            heard.count(),
            usize::try_from(MOST_FRAGMENTS).unwrap_or_default()
        );
    }

    #[test]
    fn a_handshake_takes_no_more_than_one_can() {
        let mut gate = Gate::default();
        let part =
            |at: u16, size: usize| record(22, 0, &fragment(1, 16_000, 0, at, &vec![0; size]));
        let taken = (0..10_000).filter(|at| gate.judge(&part(*at, 1)) == Verdict::Take);
        assert_eq!(
            taken.count(),
            usize::try_from(MOST_FRAGMENTS).unwrap_or_default()
        );
        let mut gate = Gate::default();
        let taken = (0..10_000).filter(|at| gate.judge(&part(*at, 1_400)) == Verdict::Take);
        assert_eq!(taken.count(), MOST_BYTES / part(0, 1_400).len());
        let mut gate = Gate::default();
        let taken = (0..100).filter(|_| gate.admits_repeat(&part(0, 1)));
        assert_eq!(
            taken.count(),
            usize::try_from(MOST_REPEATS).unwrap_or_default()
        );
    }
}
