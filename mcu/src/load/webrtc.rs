//! A browser leg's ICE and DTLS by str0m, as the offering side: the generator's only file that names the crate.
//!
//! Media does not pass the stack: [`crate::dtls`] gives the keys of the handshake, and [`super::srtp`] uses them.
//! What the stack would send as RTP or RTCP is held back, so that no packet index is used twice under one key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc, RtcConfig};

use super::srtp::Srtp;
use crate::dtls::{self, Slot};

const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// One poll of a stack without media gives a few datagrams.
const OUTPUTS_PER_POLL: usize = 1_000;
/// The stack is asked at most this often; it has nothing to do but ICE checks.
const REST: Duration = Duration::from_millis(20);

/// What all browsers of the process share.
pub(super) struct Identity {
    certificate: DtlsCert,
    crypto: Arc<CryptoProvider>,
}

impl Identity {
    /// # Errors
    /// When no certificate can be made.
    pub(super) fn generate() -> anyhow::Result<Self> {
        let crypto = dtls::provider();
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .context("cannot generate a DTLS certificate")?;
        Ok(Self {
            certificate,
            crypto: Arc::new(crypto),
        })
    }
}

/// A browser leg that waits for its answer.
pub(super) struct Offer {
    rtc: Rtc,
    pending: SdpPendingOffer,
    mid: Mid,
    local: SocketAddr,
    slot: Slot,
    /// To be sent to the server.
    pub(super) sdp: String,
}

impl Offer {
    /// One audio line, both ways.
    ///
    /// # Errors
    /// When the stack refuses.
    pub(super) fn make(identity: &Identity, local: SocketAddr) -> anyhow::Result<Self> {
        let config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_crypto_provider(Arc::clone(&identity.crypto))
            .set_dtls_cert(identity.certificate.clone())
            .set_send_buffer_audio(1)
            .clear_codecs()
            .enable_opus(true, false);
        let (mut rtc, slot) = dtls::keys_of(|| config.build(Instant::now()));
        let slot = slot.context("the stack has made no DTLS")?;
        rtc.add_local_candidate(Candidate::host(local, Protocol::Udp)?);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().context("the stack makes no offer")?;
        Ok(Self {
            rtc,
            pending,
            mid,
            local,
            slot,
            sdp: offer.to_sdp_string(),
        })
    }

    /// Takes the answer; the handshake begins with the first [`Peer::advance`].
    ///
    /// # Errors
    /// When the answer does not fit the offer.
    pub(super) fn accept(mut self, answer: &str) -> anyhow::Result<Peer> {
        let parsed = SdpAnswer::from_sdp_string(answer)
            .map_err(|error| anyhow!("the server's answer cannot be read: {error}"))?;
        self.rtc
            .sdp_api()
            .accept_answer(self.pending, parsed)
            .map_err(|error| anyhow!("the server's answer does not fit the offer: {error}"))?;
        let payload_type = self
            .rtc
            .media(self.mid)
            .and_then(|media| media.remote_pts().first().map(|pt| **pt))
            .context("the server takes no Opus")?;
        let ssrc = self
            .rtc
            .direct_api()
            .stream_tx_by_mid(self.mid, None)
            .map(|stream| *stream.ssrc())
            .context("the server does not listen")?;
        Ok(Peer {
            rtc: self.rtc,
            local: self.local,
            slot: self.slot,
            srtp: None,
            wake: Instant::now(),
            route: None,
            ssrc,
            payload_type,
            level_extension: level_extension(answer),
            wants_pauses: answer.contains("usedtx=1"),
        })
    }
}

/// Id of the level extension in an answer.
fn level_extension(answer: &str) -> Option<u8> {
    answer.lines().find_map(|line| {
        let (id, uri) = line.trim().strip_prefix("a=extmap:")?.split_once(' ')?;
        let id = id.split('/').next()?;
        uri.starts_with(LEVEL_URI).then(|| id.parse().ok())?
    })
}

/// A browser leg's transport.
pub(super) struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    slot: Slot,
    srtp: Option<Srtp>,
    wake: Instant,
    route: Option<SocketAddr>,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) level_extension: Option<u8>,
    /// The server asks for DTX.
    pub(super) wants_pauses: bool,
}

impl Peer {
    /// Gives the stack a datagram that is no RTP.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, datagram) else {
            return;
        };
        // A datagram that the stack cannot use is as good as lost.
        let _ = self.rtc.handle_input(Input::Receive(now, receive));
        self.poll(now, send);
    }

    /// Lets time pass, when it is time.
    pub(super) fn advance(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        if self.wake <= now {
            // It fails only when the leg is lost, which its missing sound shows.
            let _ = self.rtc.handle_input(Input::Timeout(now));
            self.poll(now, send);
        }
    }

    fn poll(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        for _ in 0..OUTPUTS_PER_POLL {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.wake = at.max(now + REST);
                    break;
                }
                Ok(Output::Transmit(datagram)) => {
                    let first = datagram.contents.first().copied().unwrap_or_default();
                    if (20..64).contains(&first) {
                        self.route = Some(datagram.destination);
                    }
                    if !(128..192).contains(&first) {
                        send(datagram.destination, &datagram.contents);
                    }
                }
                Ok(Output::Event(_)) => {}
                Err(_) => {
                    self.wake = now + REST;
                    break;
                }
            }
        }
        if self.srtp.is_none()
            && let Some(keys) = self.slot.get()
        {
            self.srtp = Srtp::new(keys).ok();
        }
    }

    /// SRTP and where to send it, once the handshake is through.
    pub(super) fn media(&mut self) -> Option<(&mut Srtp, SocketAddr)> {
        Some((self.srtp.as_mut()?, self.route?))
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        // There is nothing to do about a goodbye that fails.
        let _ = self.rtc.close();
        self.poll(now, send);
    }
}
