//! DTLS-SRTP of phones (RFC 5764): handshakes on a stream's own sockets, whose keys go to its [`super::shield::Shield`]. Knows no sockets
//! and reads no clock; the only module that names `rtc_dtls`.
//!
//! Whoever shows the certificate that signalling has named is the phone, wherever it is; all others come to nothing. So a handshake is
//! kept for each address that begins one, a few at once, and the signalled address has a place that nobody takes. The library is young:
//! what reaches it goes through a gate, and a panic ends one attempt.

mod gate;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::BytesMut;
use plenum_dialin::sdp::{CertificateHash, DtlsRole, DtlsSession, Fingerprint};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, default_provider};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::error::Error;

use self::gate::{Gate, Verdict};
use crate::auth::network;
use crate::media::guard::Guarded;
use crate::media::srtp::{Keys, Profile};

/// A call whose phone has shown no certificate for so long after signalling named it ends.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// An attempt that has come to nothing makes way, if the library has not given it up before: it says the same seven times.
const LIFE: Duration = Duration::from_secs(15);
/// Attempts of addresses that signalling did not name.
const STRANGERS: usize = 8;
/// Of them, of one host.
const STRANGERS_OF_HOST: usize = 2;
/// The same address may begin anew after so long: a phone that was started again.
const ANEW: Duration = Duration::from_secs(2);
/// Between our own beginnings.
const RETRY: Duration = Duration::from_secs(1);
/// Between what we say again because the far end does, and how often: the library counts it with what it repeats by itself.
const REPEAT: Duration = Duration::from_millis(200);
const REPEATS: u8 = 3;
/// RFC 5764 section 4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Suites with forward secrecy; ours sign with ECDSA, a phone's may with RSA.
const SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];
const PROFILES: [SrtpProtectionProfile; 4] = [
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
];

/// No certificate has been shown.
const UNSEEN: u8 = 0;
/// The one that signalling named, and its key was used.
const RIGHT: u8 = 1;
/// Another one.
const WRONG: u8 = 2;

/// What we show phones: one certificate of the process, made when it starts.
pub(in crate::media) struct Identity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// The process's. `None`: none could be made.
    pub(in crate::media) fn get() -> Option<&'static Self> {
        static OURS: OnceLock<Option<Identity>> = OnceLock::new();
        OURS.get_or_init(Self::generate).as_ref()
    }

    fn generate() -> Option<Self> {
        let provider = default_provider().ok()?;
        let names = vec!["plenum".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto()).ok()?;
        let digest = digest::digest(&digest::SHA256, certificate.certificate.first()?);
        let fingerprint = Fingerprint::sha256(digest.as_ref().try_into().ok()?);
        Some(Self {
            certificate,
            provider,
            fingerprint,
        })
    }

    /// Of the certificate.
    pub(in crate::media) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// For one handshake, which writes to `seen` what the far end has shown.
    fn config(&self, session: &DtlsSession, seen: &Arc<AtomicU8>) -> Option<Arc<HandshakeConfig>> {
        let (peer, seen) = (session.peer.clone(), Arc::clone(seen));
        let judge = move |chain: &[Vec<u8>], _: &[_]| {
            let right = chain.first().is_some_and(|shown| is_of(shown, &peer));
            seen.store(if right { RIGHT } else { WRONG }, Ordering::Relaxed);
            if right {
                Ok(())
            } else {
                Err(Error::Other("another certificate was named".to_owned()))
            }
        };
        let built = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(vec![self.certificate.clone()])
            .with_cipher_suites(SUITES.to_vec())
            .with_srtp_protection_profiles(PROFILES.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // Whose certificate it is says its fingerprint, no authority.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(judge)))
            .with_server_name("plenum".to_owned())
            .build(session.role == DtlsRole::Active, None);
        built.ok().map(Arc::new)
    }
}

/// What is done with a datagram before the library sees it; for fuzzers.
pub(in crate::media) fn look_at(datagram: &[u8]) {
    let _opening = gate::opening(datagram);
    let mut gate = Gate::default();
    for _ in 0..2 {
        let _verdict = gate.judge(datagram);
    }
    let _repeat = gate.admits_repeat(datagram);
}

/// Whether a certificate in DER has this fingerprint.
fn is_of(certificate: &[u8], fingerprint: &Fingerprint) -> bool {
    let algorithm = match fingerprint.hash() {
        CertificateHash::Sha256 => &digest::SHA256,
        CertificateHash::Sha384 => &digest::SHA384,
        CertificateHash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, certificate).as_ref() == fingerprint.digest()
}

/// Why a call has no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another certificate than signalling has named was shown.
    Fingerprint,
    /// Nobody has shown one in time.
    TimedOut,
}

/// What came of a handshake: keys, and where the phone is.
pub(super) struct Agreed {
    pub(super) keys: Keys,
    pub(super) source: SocketAddr,
}

/// A handshake with one address.
struct Attempt {
    source: SocketAddr,
    endpoint: Guarded<Endpoint>,
    gate: Gate,
    seen: Arc<AtomicU8>,
    since: Instant,
    /// When the far end last had us say something again, and how often it has.
    repeated: Instant,
    repeats: u8,
    /// The random of the hello that began it; none when we did.
    opening: Option<[u8; 32]>,
}

/// How far a datagram has brought an attempt.
enum Step {
    Goes,
    Over,
    Done(Box<Keys>),
}

impl Attempt {
    fn new(
        session: &DtlsSession,
        source: SocketAddr,
        opening: Option<[u8; 32]>,
        now: Instant,
    ) -> Option<Self> {
        let seen = Arc::new(AtomicU8::new(UNSEEN));
        let config = Identity::get()?.config(session, &seen)?;
        // The library tells associations apart by their far end alone, and we have one each.
        let ours = source;
        let build = || match session.role {
            DtlsRole::Passive => Ok(Endpoint::new(ours, Default::default(), Some(config))),
            DtlsRole::Active => {
                let mut endpoint = Endpoint::new(ours, Default::default(), None);
                endpoint.connect(now, source, config, None)?;
                Ok::<_, Error>(endpoint)
            }
        };
        Some(Self {
            source,
            endpoint: Guarded::build(build).ok()?.ok()?,
            gate: if opening.is_some() {
                Gate::for_hello()
            } else {
                Gate::default()
            },
            seen,
            since: now,
            repeated: now,
            repeats: 0,
            opening,
        })
    }

    fn read(&mut self, now: Instant, peer: &Fingerprint, datagram: &[u8]) -> Step {
        match self.gate.judge(datagram) {
            Verdict::Take => {}
            Verdict::Known => {
                self.repeat(now);
                return Step::Goes;
            }
            Verdict::Leave => return Step::Goes,
        }
        let (source, bytes) = (self.source, BytesMut::from(datagram));
        let read = self.endpoint.call(|endpoint| {
            let events = endpoint.read(now, source, None, bytes)?;
            let complete =
                |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
            if !events.iter().any(complete) {
                return Ok(None);
            }
            let state = endpoint
                .get_connection_state(source)
                .ok_or(Error::HandshakeInProgress)?;
            // Once more, whatever the library thinks of it.
            let shown = state.peer_certificates.first();
            if !shown.is_some_and(|shown| is_of(shown, peer)) {
                return Err(Error::ErrInvalidCertificate);
            }
            let profile = profile(state.srtp_protection_profile())
                .ok_or(Error::ErrServerNoMatchingSrtpProfile)?;
            let (key, salt) = profile.lengths();
            let exported = state.export_keying_material(LABEL, &[], 2 * (key + salt))?;
            let keys = Keys::new(profile, exported.as_ref(), state.is_client());
            keys.map(Some).ok_or(Error::ErrInvalidCertificate)
        });
        match read {
            Ok(Ok(Some(keys))) if self.seen.load(Ordering::Relaxed) == RIGHT => {
                Step::Done(Box::new(keys))
            }
            Ok(Ok(None)) => Step::Goes,
            Ok(Ok(Some(_))) | Err(_) => Step::Over,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a phone's handshake has failed");
                Step::Over
            }
        }
    }

    /// Says again what was said last, as if its time had come (RFC 6347 section 4.2.4).
    fn repeat(&mut self, now: Instant) {
        if now.saturating_duration_since(self.repeated) < REPEAT || self.repeats >= REPEATS {
            return;
        }
        self.repeated = now;
        self.repeats += 1;
        let source = self.source;
        let said = self.endpoint.call(|endpoint| {
            let due = endpoint.poll_timeout(&source);
            due.map_or(Ok(()), |due| endpoint.handle_timeout(source, due.max(now)))
        });
        if !matches!(said, Ok(Ok(()))) {
            tracing::trace!("a handshake has nothing more to say");
        }
    }

    /// The far end repeats its last words, as ours were lost.
    fn read_repeat(&mut self, now: Instant, datagram: &[u8]) {
        if self.gate.admits_repeat(datagram) {
            let (source, bytes) = (self.source, BytesMut::from(datagram));
            let read = self
                .endpoint
                .call(|endpoint| endpoint.read(now, source, None, bytes).map(drop));
            if !matches!(read, Ok(Ok(()))) {
                tracing::trace!("a phone's last words of a handshake are of no use");
            }
        }
    }

    /// False when it is over.
    fn advance(&mut self, now: Instant) -> bool {
        let source = self.source;
        let done = self
            .endpoint
            .call(|endpoint| endpoint.handle_timeout(source, now));
        matches!(done, Ok(Ok(()))) && now.saturating_duration_since(self.since) < LIFE
    }

    fn due(&mut self) -> Option<Instant> {
        let source = self.source;
        let next = self
            .endpoint
            .call(|endpoint| endpoint.poll_timeout(&source));
        let end = self.since + LIFE;
        Some(next.ok().flatten().map_or(end, |next| next.min(end)))
    }

    /// Moves what is to be sent to `outgoing`.
    fn drain(&mut self, outgoing: &mut Vec<(SocketAddr, BytesMut)>) {
        let source = self.source;
        while let Ok(Some(transmit)) = self.endpoint.call(Endpoint::poll_transmit) {
            outgoing.push((source, transmit.message));
        }
    }
}

/// What the handshake has chosen, if we have it.
fn profile(agreed: SrtpProtectionProfile) -> Option<Profile> {
    match agreed {
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Some(Profile::Aes128CmSha1),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 => Some(Profile::Aes128CmSha1Short),
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(Profile::Aes128Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Some(Profile::Aes256Gcm),
        _ => None,
    }
}

/// The handshakes of one socket, until one gives keys, and after it.
pub(super) struct Handshake {
    session: DtlsSession,
    /// Where signalling says that the far end is.
    remote: SocketAddr,
    attempts: Vec<Attempt>,
    /// The one whose keys are in use.
    done: Option<Attempt>,
    /// When signalling named this far end.
    began: Instant,
    tried: Instant,
    /// Somebody has shown another certificate.
    wrong: bool,
    fault: Option<Fault>,
    outgoing: Vec<(SocketAddr, BytesMut)>,
}

impl Handshake {
    /// With the far end that signalling has named, at the address that it has told.
    pub(super) fn new(session: DtlsSession, remote: SocketAddr, now: Instant) -> Self {
        let mut handshake = Self {
            session,
            remote,
            attempts: Vec::new(),
            done: None,
            began: now,
            tried: now,
            wrong: false,
            fault: None,
            outgoing: Vec::new(),
        };
        handshake.begin(now);
        handshake
    }

    /// Signalling has said something again. True when the keys in use are nobody's any more: it named another certificate.
    pub(super) fn signal(
        &mut self,
        session: &DtlsSession,
        remote: SocketAddr,
        now: Instant,
    ) -> bool {
        let other = session.peer != self.session.peer;
        if other || session.role != self.session.role {
            let former = std::mem::replace(self, Self::new(session.clone(), remote, now));
            if !other {
                self.done = former.done;
            }
            return other;
        }
        // The same far end elsewhere goes on with its keys, or begins anew (RFC 5763 section 6.6).
        if remote != self.remote {
            self.remote = remote;
            self.attempts.clear();
            if self.done.is_none() {
                self.began = now;
            }
            self.begin(now);
        }
        false
    }

    /// Whether the far end is anywhere: a call that is set up for others begins on hold, at no address.
    fn is_told_where(&self) -> bool {
        !self.remote.ip().is_unspecified()
    }

    /// Begins, if that is for us.
    fn begin(&mut self, now: Instant) {
        self.tried = now;
        if self.session.role == DtlsRole::Active && self.is_told_where() {
            self.attempts
                .extend(Attempt::new(&self.session, self.remote, None, now));
            self.drain();
        }
    }

    /// Reads a datagram whose first byte says that it is DTLS.
    pub(super) fn on_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Option<Agreed> {
        if self.session.role == DtlsRole::Passive
            && let Some(random) = gate::opening(datagram)
        {
            self.open(now, source, random);
        }
        let Some(at) = self.attempts.iter().position(|a| a.source == source) else {
            if let Some(done) = self.done.as_mut().filter(|done| done.source == source) {
                done.read_repeat(now, datagram);
            }
            self.drain();
            return None;
        };
        let step = self
            .attempts
            .get_mut(at)?
            .read(now, &self.session.peer, datagram);
        self.drain();
        match step {
            Step::Goes => None,
            Step::Over => {
                let failed = self.attempts.swap_remove(at);
                if failed.seen.load(Ordering::Relaxed) == WRONG {
                    self.wrong = true;
                    if source == self.remote && self.done.is_none() {
                        self.fault = Some(Fault::Fingerprint);
                    }
                }
                None
            }
            Step::Done(keys) => {
                self.done = Some(self.attempts.swap_remove(at));
                self.attempts.clear();
                Some(Agreed {
                    keys: *keys,
                    source,
                })
            }
        }
    }

    /// A place for whoever says hello, if there is one.
    fn open(&mut self, now: Instant, source: SocketAddr, random: [u8; 32]) {
        if let Some(at) = self.attempts.iter().position(|a| a.source == source) {
            let known = self.attempts.get(at);
            let anew = known.is_some_and(|known| {
                known.opening != Some(random) && now.saturating_duration_since(known.since) >= ANEW
            });
            if !anew {
                return;
            }
            self.attempts.swap_remove(at);
        } else if source != self.remote {
            let strangers = || self.attempts.iter().filter(|a| a.source != self.remote);
            let of_host = strangers()
                .filter(|a| network(a.source.ip()) == network(source.ip()))
                .count();
            if strangers().count() >= STRANGERS || of_host >= STRANGERS_OF_HOST {
                return;
            }
        }
        // A copy of the hello that led to the keys in use.
        if self
            .done
            .as_ref()
            .is_some_and(|done| done.opening == Some(random))
        {
            return;
        }
        self.attempts
            .extend(Attempt::new(&self.session, source, Some(random), now));
    }

    /// Repeats what was lost, and gives up what takes too long.
    pub(super) fn advance(&mut self, now: Instant) {
        self.attempts.retain_mut(|attempt| attempt.advance(now));
        if self.done.is_none() {
            if self.fault.is_none()
                && self.attempts.is_empty()
                && now.saturating_duration_since(self.tried) >= RETRY
            {
                self.begin(now);
            }
            if self.is_told_where() && now.saturating_duration_since(self.began) >= LIMIT {
                let shown = self.wrong;
                self.fault.get_or_insert(if shown {
                    Fault::Fingerprint
                } else {
                    Fault::TimedOut
                });
            }
        }
        self.drain();
    }

    /// When [`Self::advance`] is due.
    pub(super) fn due(&mut self) -> Option<Instant> {
        let waits = self.done.is_none() && self.fault.is_none();
        let end = (waits && self.is_told_where()).then_some(self.began + LIMIT);
        let begins = self.session.role == DtlsRole::Active
            && self.is_told_where()
            && self.attempts.is_empty();
        let again = (waits && begins).then_some(self.tried + RETRY);
        let attempts = self.attempts.iter_mut().filter_map(Attempt::due);
        attempts.chain(end).chain(again).min()
    }

    /// Why there will be no keys.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn drain(&mut self) {
        for attempt in self.attempts.iter_mut().chain(&mut self.done) {
            attempt.drain(&mut self.outgoing);
        }
    }

    /// What is to be sent.
    pub(super) fn take_outgoing(&mut self) -> Vec<(SocketAddr, BytesMut)> {
        std::mem::take(&mut self.outgoing)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
