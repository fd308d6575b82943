//! What a peer sends, authenticated and decrypted (RFC 3711 §3.3), and nothing of it twice (§3.3.2).

use aws_lc_rs::aead::Aad;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::{
    Cipher, Counter, ENCRYPTED, GCM_TAG, Keys, REPORT_HEAD, REPORT_INDEX, SHA1_TAG, Use,
    counter_vector, gcm_nonce,
};

/// A peer reports under its one or two SSRCs; one that makes up more is not heard under them.
const REPORTERS: usize = 8;
/// A phone begins a stream or two in a call, and a few more if it is passed on; one that makes up more is not heard under them.
const STREAMS: usize = 16;
/// Half of the 16 bits of a sequence number.
const HALF: u64 = 1 << 15;
/// Packets behind the newest that are still told from replays.
const WINDOW: u64 = u128::BITS as u64;

/// Opens the RTP of streams that were begun elsewhere.
#[derive(Debug)]
pub(in crate::media) struct PacketReader {
    rtp: Cipher,
    streams: Vec<Stream>,
}

/// What was received under one SSRC.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Index of the newest authenticated packet: its sequence number and the rollovers before it.
    newest: u64,
    /// The packets received: bit 0 the newest, bit n the one n before.
    received: u128,
}

impl Stream {
    /// The index of a packet (RFC 3711 §3.3.1): the one nearest to the newest. `None` below the first rollover.
    fn index_of(&self, sequence: u16) -> Option<u64> {
        let index = (self.newest & !0xffff) | u64::from(sequence);
        if index > self.newest + HALF {
            index.checked_sub(2 * HALF)
        } else if index + HALF < self.newest {
            Some(index + 2 * HALF)
        } else {
            Some(index)
        }
    }

    fn is_new(&self, index: u64) -> bool {
        match self.newest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && self.received & (1 << behind) == 0,
        }
    }

    fn note(&mut self, index: u64) {
        match index.checked_sub(self.newest) {
            Some(ahead) => {
                let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.received = self.received.checked_shl(ahead).unwrap_or_default() | 1;
                self.newest = index;
            }
            None => self.received |= 1 << (self.newest - index).min(WINDOW - 1),
        }
    }
}

impl PacketReader {
    /// `None` when a key cannot be derived, which no key of the right length does.
    pub(in crate::media) fn new(keys: &Keys) -> Option<Self> {
        Some(Self {
            rtp: keys.theirs.cipher(keys.profile, Use::Rtp)?,
            streams: Vec::new(),
        })
    }

    /// Goes on with a stream whose packet `index` was authenticated elsewhere, as the newest.
    pub(in crate::media) fn begin(&mut self, ssrc: u32, index: u64) {
        if !self.streams.iter().any(|stream| stream.ssrc == ssrc) {
            self.streams.push(Stream {
                ssrc,
                newest: index,
                received: u128::MAX,
            });
        }
    }

    /// Decrypts a packet in place and gives its payload, padding included; `header` is its readable part's length.
    /// `None`, with the packet spoilt, when it is not the peer's, of a stream that was not begun, a replay or too old.
    pub(in crate::media) fn open<'a>(
        &mut self,
        ssrc: u32,
        sequence: u16,
        header: usize,
        packet: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let at = self.streams.iter().position(|stream| stream.ssrc == ssrc)?;
        let stream = self.streams.get_mut(at)?;
        let index = stream.index_of(sequence)?;
        if !stream.is_new(index) {
            return None;
        }
        let payload = self.rtp.open(ssrc, index, header, packet)?;
        stream.note(index);
        Some(payload)
    }

    /// The same, but a stream that is not known begins with its first packet that is the peer's, before any rollover
    /// (RFC 3711 §3.3.1).
    pub(in crate::media) fn open_any<'a>(
        &mut self,
        ssrc: u32,
        sequence: u16,
        header: usize,
        packet: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        if self.streams.iter().any(|stream| stream.ssrc == ssrc) {
            return self.open(ssrc, sequence, header, packet);
        }
        if self.streams.len() >= STREAMS {
            return None;
        }
        let newest = u64::from(sequence);
        let payload = self.rtp.open(ssrc, newest, header, packet)?;
        self.streams.push(Stream {
            ssrc,
            newest,
            received: 1,
        });
        Some(payload)
    }
}

impl Cipher {
    /// Authenticates and decrypts an RTP packet in place.
    fn open<'a>(
        &self,
        ssrc: u32,
        index: u64,
        header: usize,
        packet: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        Some(match self {
            Cipher::Gcm { key, salt } => {
                let (head, body) = packet.split_at_mut_checked(header)?;
                let nonce = gcm_nonce(*salt, ssrc, index);
                &*key.open_in_place(nonce, Aad::from(&*head), body).ok()?
            }
            Cipher::Counter(counter) => {
                let Counter {
                    key,
                    secret,
                    salt,
                    tag: length,
                } = &**counter;
                let (covered, tag) =
                    packet.split_at_mut_checked(packet.len().checked_sub(*length)?)?;
                let mut ours = hmac::Context::with_key(secret);
                ours.update(covered);
                let [_, _, rollovers @ .., _, _] = index.to_be_bytes();
                ours.update(&rollovers);
                let ours = ours.sign();
                verify_slices_are_equal(ours.as_ref().get(..*length)?, tag).ok()?;
                let body = covered.get_mut(header..)?;
                key.less_safe_encrypt(body, counter_vector(*salt, ssrc, index))
                    .ok()?;
                &*body
            }
        })
    }
}

/// Reads the peer's RTCP beside the stack, which does not tell what is said of streams it does not know.
#[derive(Debug)]
pub(in crate::media) struct ReportReader {
    rtcp: Cipher,
    /// The peer's SSRCs and the least index that is new under each (RFC 3711 §3.3.2).
    next: Vec<(u32, u32)>,
}

impl ReportReader {
    /// `None` when a key cannot be derived, which no key of the right length does.
    pub(in crate::media) fn new(keys: &Keys) -> Option<Self> {
        Some(Self {
            rtcp: keys.theirs.cipher(keys.profile, Use::Rtcp)?,
            next: Vec::new(),
        })
    }

    /// The compound packet in a datagram; `None` when it is not the peer's, or older than one read before.
    pub(in crate::media) fn open(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (head, _) = datagram.split_at_checked(REPORT_HEAD)?;
        let ssrc = u32::from_be_bytes(*head.last_chunk()?);
        let tag = match self.rtcp {
            Cipher::Gcm { .. } => 0,
            Cipher::Counter(_) => SHA1_TAG,
        };
        let (covered, tag) = datagram.split_at_checked(datagram.len().checked_sub(tag)?)?;
        let (text, trailer) = covered.split_last_chunk::<REPORT_INDEX>()?;
        let index = u32::from_be_bytes(*trailer);
        let index = index.checked_sub(ENCRYPTED)?;
        let known = self.next.iter().position(|(of, _)| *of == ssrc);
        match known.and_then(|at| self.next.get(at)) {
            Some((_, next)) if index < *next => return None,
            None if self.next.len() == REPORTERS => return None,
            _ => {}
        }
        let mut plain = text.to_vec();
        let body = plain.get_mut(REPORT_HEAD..)?;
        match &self.rtcp {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(*salt, ssrc, u64::from(index));
                let aad = [head, trailer].concat();
                key.open_in_place(nonce, Aad::from(aad), body).ok()?;
                plain.truncate(text.len().checked_sub(GCM_TAG)?);
            }
            Cipher::Counter(counter) => {
                let Counter {
                    key, secret, salt, ..
                } = &**counter;
                // The tag is cut, so the crate's own comparison, which wants all of it, does not serve.
                let ours = hmac::sign(secret, covered);
                let ours = ours.as_ref().get(..SHA1_TAG)?;
                verify_slices_are_equal(ours, tag).ok()?;
                let vector = counter_vector(*salt, ssrc, u64::from(index));
                key.less_safe_encrypt(body, vector).ok()?;
            }
        }
        match known.and_then(|at| self.next.get_mut(at)) {
            Some((_, next)) => *next = index + 1,
            None => self.next.push((ssrc, index + 1)),
        }
        Some(plain)
    }
}
