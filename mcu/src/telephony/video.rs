//! The video of one call: whether it may have any, its sockets until media has them, what was agreed, and wishes for keyframes that
//! go by signalling.

use std::net::SocketAddr;

use plenum_codecs::video::h264::Limit;
use plenum_dialin::sdp::{self, VideoSession};
use tokio::sync::mpsc;

use crate::media::{Media, PhoneVideo, RtpSockets};

/// See the module.
pub(super) struct CallVideo {
    /// The trunk says so.
    allowed: bool,
    sockets: Option<RtpSockets>,
    session: Option<VideoSession>,
    refresh: mpsc::Sender<()>,
    wishes: mpsc::Receiver<()>,
}

impl CallVideo {
    pub(super) fn new(allowed: bool) -> Self {
        // One wish is as good as many.
        let (refresh, wishes) = mpsc::channel(1);
        Self {
            allowed,
            sockets: None,
            session: None,
            refresh,
            wishes,
        }
    }

    /// Binds sockets if there is to be video and `offer`, when it is theirs, holds any; says where.
    pub(super) fn bind(&mut self, media: &Media, offer: Option<&str>) -> Option<SocketAddr> {
        if !self.allowed || !offer.is_none_or(sdp::offers_video) {
            return None;
        }
        match media.bind_rtp() {
            Ok(sockets) => Some(self.sockets.insert(sockets).local),
            Err(error) => {
                tracing::warn!(%error, "no rtp sockets for video");
                None
            }
        }
    }

    /// Takes on what was agreed. False when it is none: its sockets are closed then.
    pub(super) fn agree(&mut self, session: Option<VideoSession>) -> bool {
        self.session = session;
        if self.session.is_none() {
            self.sockets = None;
        }
        self.session.is_some()
    }

    pub(super) const fn is_agreed(&self) -> bool {
        self.session.is_some()
    }

    /// The phone's camera may send.
    pub(super) fn sees_phone(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.direction.receives())
    }

    /// For media; the sockets go along the first time. `limit_for` says what the phone needs to be made for it.
    pub(super) fn hand_over(
        &mut self,
        limit_for: impl FnOnce(Limit) -> Option<Limit>,
    ) -> Option<PhoneVideo> {
        let session = self.session.clone()?;
        Some(PhoneVideo {
            limit: limit_for(session.limit),
            sockets: self.sockets.take(),
            refresh: self.refresh.clone(),
            session,
        })
    }

    /// Waits until the phone is to be asked for a keyframe by SIP INFO.
    pub(super) async fn wish(&mut self) {
        // Never closed, for this is one of its senders.
        if self.wishes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
