//! A response to a request of ours, read as far as a client needs it (RFC 3261 sections 8.1.3, 12.1.2, 22.2).

use std::time::Duration;

use sipx_sip::auth::{Challenge, Credentials, respond, strongest};
use sipx_sip::headers::misc::Expires;
use sipx_sip::headers::{Contact, To, Via};
use sipx_sip::rel::RSeq;
use sipx_sip::session::{MinSe, Refresher, SessionExpires};
use sipx_sip::{CSeq, HeaderName};

use super::{Hop, Method, contact, content_type, lists, record_routes};
use crate::trunk::Login;

/// Challenges of one response that are looked at.
const MAX_CHALLENGES: usize = 8;

/// A parsed response.
pub(crate) struct Response {
    inner: sipx_sip::Response,
    pub(crate) status: u16,
    pub(crate) branch: String,
    pub(crate) method: Method,
}

/// What a 2xx says of the session timer (RFC 4028 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgreedTimer {
    pub(crate) interval: Duration,
    /// It is ours to refresh; what names nobody leaves it to who asked.
    pub(crate) we_refresh: bool,
}

impl Response {
    /// `None`: without Via or CSeq it answers nothing of ours.
    pub(super) fn read(inner: sipx_sip::Response) -> Option<Self> {
        let via = inner.headers.typed::<Via>()?.ok()?;
        let branch = String::from_utf8(via.branch()?.to_vec()).ok()?;
        let cseq = inner.headers.typed::<CSeq>()?.ok()?;
        Some(Self {
            status: inner.status.code(),
            branch,
            method: Method::of(&cseq.method),
            inner,
        })
    }

    fn value(&self, name: &HeaderName) -> Option<String> {
        let value = self.inner.headers.value(name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    pub(crate) fn session(&self) -> Option<AgreedTimer> {
        let session = self.inner.headers.typed::<SessionExpires>()?.ok()?;
        Some(AgreedTimer {
            interval: session.interval,
            we_refresh: session.refresher != Some(Refresher::Uas),
        })
    }

    /// Min-SE of a 422.
    pub(crate) fn minimum(&self) -> Option<Duration> {
        Some(self.inner.headers.typed::<MinSe>()?.ok()?.0)
    }

    /// How long a registrar keeps the binding whose Contact has this port of ours: its `expires`, else Expires (RFC 3261 section 10.2.4).
    pub(crate) fn binding_expires(&self, port: u16) -> Option<Duration> {
        let contacts = self.inner.headers.typed_all::<Contact>();
        let ours = contacts
            .filter_map(Result::ok)
            .find(|contact| contact.uri.port().unwrap_or(5_060) == port);
        let expires = ours.and_then(|contact| {
            let text = std::str::from_utf8(contact.param("expires")?).ok()?;
            text.parse().ok()
        });
        let header = || Some(self.inner.headers.typed::<Expires>()?.ok()?.0);
        expires
            .or_else(header)
            .map(|seconds: u32| Duration::from_secs(seconds.into()))
    }

    /// Min-Expires of a 423, in seconds.
    pub(crate) fn minimum_expires(&self) -> Option<Duration> {
        self.seconds(&HeaderName::MinExpires)
    }

    /// Retry-After, in seconds.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.seconds(&HeaderName::RetryAfter)
    }

    fn seconds(&self, name: &HeaderName) -> Option<Duration> {
        let value = self.value(name)?;
        let digits = value.trim().split([' ', ';', '(']).next()?;
        Some(Duration::from_secs(digits.parse::<u32>().ok()?.into()))
    }

    pub(crate) fn to(&self) -> Option<String> {
        self.value(&HeaderName::To)
    }

    pub(crate) fn to_tag(&self) -> Option<Vec<u8>> {
        self.inner
            .headers
            .typed::<To>()?
            .ok()?
            .tag()
            .map(<[u8]>::to_vec)
    }

    pub(crate) fn contact(&self) -> Option<Hop> {
        contact(&self.inner.headers)
    }

    /// The route set of who called: Record-Route the other way round (RFC 3261 section 12.1.2).
    pub(crate) fn routes(&self) -> Option<Vec<Hop>> {
        let mut routes = record_routes(&self.inner.headers)?;
        routes.reverse();
        Some(routes)
    }

    pub(crate) fn allows_update(&self) -> bool {
        lists(&self.inner.headers, &HeaderName::Allow, "UPDATE")
    }

    /// The number to acknowledge by PRACK, if the provisional response is a reliable one (RFC 3262 section 4).
    pub(crate) fn reliable(&self) -> Option<u32> {
        let required = lists(&self.inner.headers, &HeaderName::Require, "100rel");
        let rseq = self.inner.headers.typed::<RSeq>()?.ok()?;
        required.then_some(rseq.0)
    }

    /// Its SDP, if that is what its body is.
    pub(crate) fn sdp(&self) -> Option<String> {
        if content_type(&self.inner.headers).as_deref() != Some("application/sdp") {
            return None;
        }
        let text = std::str::from_utf8(self.inner.body()).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The header that answers the strongest challenge of a 401 or 407 (RFC 7616, RFC 8760): its name and value.
    pub(crate) fn authorization(
        &self,
        login: &Login,
        method: Method,
        uri: &str,
        cnonce: &str,
    ) -> Option<(&'static str, String)> {
        let (name, header, from_proxy) = match self.status {
            401 => (HeaderName::WwwAuthenticate, "Authorization", false),
            407 => (HeaderName::ProxyAuthenticate, "Proxy-Authorization", true),
            _ => return None,
        };
        let rows = self.inner.headers.get_all(&name).take(MAX_CHALLENGES);
        let challenges = rows.filter_map(|row| Challenge::parse(&row.value(), from_proxy));
        let challenge = strongest(challenges.collect())?;
        let login = Credentials::new(login.user.clone(), login.password.clone());
        let value = respond(&challenge, &login, method.as_str(), uri, 1, cnonce);
        // A realm with a line break in it would be a header of its own.
        (!value.contains(['\r', '\n'])).then_some((header, value))
    }

    /// Whether the challenge says that only the nonce was old.
    pub(crate) fn is_stale(&self) -> bool {
        [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate]
            .iter()
            .flat_map(|name| self.inner.headers.get_all(name))
            .any(|row| {
                let row = String::from_utf8_lossy(&row.value()).to_ascii_lowercase();
                row.contains("stale=true") || row.contains("stale=\"true\"")
            })
    }
}
