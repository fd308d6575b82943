//! Offer and answer of one call: what is agreed now and what is pending. No IO.

use std::net::SocketAddr;

use plenum_dialin::sdp::{
    self, AudioSession, Fingerprint, KeyMaterial, Session, SessionPolicy, SrtpPolicy,
};
use plenum_dialin::{CallCommand, CallId, Digit};

use super::video::CallVideo;
use crate::config::{SrtpMode, TrunkConfig};
use crate::media::Media;

/// What came of an event of the call.
pub(super) enum Step {
    /// The ACK is in.
    Confirmed,
    /// The agreed stream is another now; whoever has the leg tells media, and then the far end: what it sends at our answer, a handshake
    /// first of all, is to be understood.
    Media(Option<CallCommand>),
    /// A key by SIP INFO.
    Digit(Digit),
    /// A wish for a keyframe by SIP INFO.
    Picture,
    Nothing,
}

/// See the module.
pub(super) struct Negotiation {
    srtp: SrtpMode,
    /// What `srtp` is without TLS, and over it.
    modes: [SrtpMode; 2],
    /// Of our certificate, for keys by a handshake.
    fingerprint: Fingerprint,
    policy: SessionPolicy,
    session: Option<Session>,
    audio: Option<AudioSession>,
    pub(super) video: CallVideo,
}

impl Negotiation {
    /// At our address for RTP, and with our certificate.
    pub(super) fn new(
        call: CallId,
        (local_rtp, fingerprint): (SocketAddr, Fingerprint),
        trunk: &TrunkConfig,
        over_tls: bool,
    ) -> Self {
        let policy = SessionPolicy {
            codecs: trunk.codecs.clone(),
            telephone_event: true,
            local_rtp,
            local_rtcp_port: None,
            local_video: None,
            session_id: call.0.wrapping_add(1),
            srtp: SrtpPolicy::Off,
        };
        Self {
            srtp: trunk.srtp_of(over_tls),
            modes: [false, true].map(|over_tls| trunk.srtp_of(over_tls)),
            fingerprint,
            policy,
            session: None,
            audio: None,
            video: CallVideo::new(trunk.video),
        }
    }

    /// Has a port for video if `offer` (`None`: one of ours) is to have it and there is none yet.
    pub(super) fn prepare(&mut self, media: &Media, offer: Option<&str>) {
        if self.policy.local_video.is_none() {
            self.policy.local_video = self.video.bind(media, offer);
        }
    }

    /// Without video the next offer of it gets a port of its own.
    fn agree_video(&mut self, session: Option<sdp::VideoSession>) {
        if !self.video.agree(session) {
            self.policy.local_video = None;
        }
    }

    /// The phone's camera is to be seen: video flows from it, and the call is not on hold.
    pub(super) fn camera(&self) -> bool {
        let open = |audio: &AudioSession| audio.direction.receives() && audio.direction.sends();
        self.video.sees_phone() && self.audio.as_ref().is_some_and(open)
    }

    /// No key serves for two offers or answers. The error is a SIP status: without random bytes nothing goes out in the clear instead.
    fn renew_keys(&mut self) -> Result<(), u16> {
        let policy = match self.srtp {
            SrtpMode::Off => {
                self.policy.srtp = SrtpPolicy::Off;
                return Ok(());
            }
            SrtpMode::Optional => SrtpPolicy::Optional,
            SrtpMode::Required => SrtpPolicy::Required,
            SrtpMode::Dtls => {
                self.policy.srtp = SrtpPolicy::Dtls(self.fingerprint.clone());
                return Ok(());
            }
        };
        let mut random = [0; KeyMaterial::LENGTH];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| {
            tracing::error!("no random bytes for keys");
            500_u16
        })?;
        let keys = KeyMaterial::new(&random).with_certificate(self.fingerprint.clone());
        self.policy.srtp = policy(keys);
        Ok(())
    }

    /// The SDP of our 200: the answer, or our own offer when the INVITE had none. The error is a SIP status.
    pub(super) fn start(&mut self, offer: Option<&str>) -> Result<String, u16> {
        match offer {
            Some(offer) => self.answer(offer),
            None => self.offer(),
        }
    }

    /// The SDP for another far end, which is to take the place of this one: nothing is continued, no key is given twice. Refused, all
    /// stays as it was.
    pub(super) fn succeed(&mut self, offer: Option<&str>, over_tls: bool) -> Result<String, u16> {
        let before = (self.session.take(), self.srtp);
        self.srtp = self.modes[usize::from(over_tls)];
        let said = self.start(offer);
        if said.is_err() {
            (self.session, self.srtp) = before;
        }
        said
    }

    /// Answers an offer; refused, all stays as it was.
    pub(super) fn answer(&mut self, offer: &str) -> Result<String, u16> {
        self.renew_keys()?;
        let agreed = sdp::answer(offer, &self.policy, self.session.as_ref()).map_err(|error| {
            tracing::info!(%error, "offer of a call refused");
            if !self.video.is_agreed() {
                self.agree_video(None);
            }
            error.status()
        })?;
        self.session = Some(agreed.session);
        self.audio = Some(agreed.audio);
        self.agree_video(agreed.video);
        Ok(agreed.answer)
    }

    /// An offer of ours. The error is a SIP status.
    pub(super) fn offer(&mut self) -> Result<String, u16> {
        self.renew_keys()?;
        let (offer, session) = sdp::offer(&self.policy, self.session.as_ref());
        self.session = Some(session);
        Ok(offer)
    }

    /// The answer to our offer.
    pub(super) fn accept(&mut self, answer: &str) -> Result<(), sdp::SdpError> {
        let Some(session) = &mut self.session else {
            return Err(sdp::SdpError::AnswerMismatch);
        };
        let audio = sdp::accept_answer(answer, &self.policy, session)?;
        let video = sdp::accept_video_answer(answer, &self.policy, session)?;
        session.agreed(&audio, video.as_ref());
        self.audio = Some(audio);
        self.agree_video(video);
        Ok(())
    }

    /// The stream as agreed.
    pub(super) fn audio(&self) -> Option<&AudioSession> {
        self.audio.as_ref()
    }
}
