//! The one file that names the sipx crates: parsing of messages, typed reading of headers, transaction keys and
//! digest. What the endpoint sees of SIP syntax is what stands here; it knows no dialog, no timer and no socket.

mod identity;
mod refer;
mod replaces;
mod response;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;
use sipx_sip::headers::misc::ContentType;
use sipx_sip::headers::{Address, Contact, From, RecordRoute, To, Via};
use sipx_sip::session::{MinSe, Refresher, SessionExpires};
use sipx_sip::validate::Finding;
use sipx_sip::{CSeq, HeaderName, Headers, Host, Message, TransactionKey, Uri};
use sipx_ua::auth::Algorithm;
use sipx_ua::challenge::{Authenticator, Presented, Verdict};

use crate::trunk::Credentials;
pub(crate) use refer::address_of;
pub(crate) use replaces::Replaces;
pub(crate) use response::Response;

/// Identifies a server transaction (RFC 3261 section 17.2.3).
pub(crate) type Key = TransactionKey;

/// Largest number of header fields of one message.
const MAX_HEADERS: usize = 128;

/// Largest single header field, bytes.
const MAX_HEADER: usize = 8 * 1024;

/// Most Record-Route hops that we take.
const MAX_ROUTES: usize = 16;

/// The methods, as far as they are told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Info,
    Update,
    /// Of ours alone: 405.
    Register,
    Prack,
    Refer,
    Notify,
    /// Known to RFCs, not offered here: 405.
    Unsupported,
    /// 501.
    Unknown,
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Unsupported | Self::Unknown => "",
        }
    }

    fn of(method: &sipx_sip::Method) -> Self {
        use sipx_sip::Method as M;
        match method {
            M::Invite => Self::Invite,
            M::Ack => Self::Ack,
            M::Bye => Self::Bye,
            M::Cancel => Self::Cancel,
            M::Options => Self::Options,
            M::Info => Self::Info,
            M::Update => Self::Update,
            M::Register => Self::Register,
            M::Prack => Self::Prack,
            M::Refer => Self::Refer,
            M::Notify => Self::Notify,
            M::Other(_) => Self::Unknown,
            _ => Self::Unsupported,
        }
    }
}

/// One hop of a route set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) uri: String,
    pub(crate) loose: bool,
    /// Where the URI points, when its host is an address.
    pub(crate) address: Option<SocketAddr>,
    /// Its host as a certificate names it.
    pub(crate) host: String,
}

/// What a request says of the session timer (RFC 4028).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimerWish {
    pub(crate) supported: bool,
    pub(crate) interval: Option<Duration>,
    /// The caller wants *us* to refresh.
    pub(crate) we_refresh: bool,
    pub(crate) minimum: Option<Duration>,
}

/// A parsed request.
pub(crate) struct Request {
    inner: sipx_sip::Request,
    pub(crate) method: Method,
}

/// A parsed message.
pub(crate) enum Parsed {
    Request(Box<Request>),
    Response(Box<Response>),
}

/// Why bytes are no message.
pub(crate) enum Unreadable {
    /// The header can be read, the framing is wrong: answer 400.
    Answerable(Box<Request>),
    /// Nothing to answer.
    Not,
}

fn limits(message: usize) -> sipx_sip::Limits {
    sipx_sip::Limits {
        max_message_bytes: message,
        max_body_bytes: message,
        max_headers: MAX_HEADERS,
        max_header_bytes: MAX_HEADER,
        max_folding_lines: 16,
    }
}

/// Reads one datagram.
pub(crate) fn parse_datagram(bytes: Bytes, limit: usize) -> Result<Parsed, Unreadable> {
    match sipx_sip::parse_datagram(bytes.clone(), &limits(limit)) {
        Ok(message) => convert(message).ok_or(Unreadable::Not),
        Err(_) => salvage(&bytes, limit).map_or(Err(Unreadable::Not), |request| {
            Err(Unreadable::Answerable(request))
        }),
    }
}

/// The request of a message whose Content-Length is wrong (RFC 3261 section 18.3): read without it, to be answered 400.
fn salvage(bytes: &[u8], limit: usize) -> Option<Box<Request>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut head = Vec::with_capacity(end + 4);
    for line in bytes.get(..end)?.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let name = line
            .split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            head.extend_from_slice(line);
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"\r\n");
    match sipx_sip::parse_datagram(Bytes::from(head), &limits(limit))
        .ok()
        .and_then(convert)?
    {
        Parsed::Request(request) => Some(request),
        Parsed::Response(_) => None,
    }
}

fn convert(message: Message) -> Option<Parsed> {
    match message {
        Message::Request(inner) => {
            let method = Method::of(&inner.method);
            Some(Parsed::Request(Box::new(Request { inner, method })))
        }
        Message::Response(response) => Response::read(response).map(Box::new).map(Parsed::Response),
    }
}

/// Cuts a byte stream into messages.
pub(crate) struct Framer(sipx_sip::StreamParser);

/// The framing of a stream is lost; it must be closed.
pub(crate) struct FramingLost;

impl Framer {
    pub(crate) fn new(limit: usize) -> Self {
        Self(sipx_sip::StreamParser::new(limits(limit)))
    }

    /// Takes bytes; gives the messages that they complete. Responses that say nothing of use are left out.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Parsed>, FramingLost> {
        let messages = self.0.push(bytes).map_err(|_| FramingLost)?;
        Ok(messages.into_iter().filter_map(convert).collect())
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_partial(&self) -> bool {
        self.0.pending() > 0
    }

    /// Whether a keep-alive ping (RFC 5626 section 4.4.1) came since the last question.
    pub(crate) fn take_ping(&mut self) -> bool {
        self.0.take_keepalives() >= 2
    }
}

impl Request {
    /// The transaction that it belongs to; `None` without a usable Via: it cannot be answered.
    pub(crate) fn key(&self) -> Option<Key> {
        TransactionKey::from_request(&self.inner)
    }

    /// The INVITE transaction that this CANCEL names.
    pub(crate) fn cancelled_key(&self) -> Option<Key> {
        TransactionKey::for_cancelled_invite(&self.inner)
    }

    /// The status that a malformed request is refused with, 400 or 505, and why.
    pub(crate) fn fault(&self) -> Option<(u16, &'static str)> {
        let findings = sipx_sip::validate_request(&self.inner);
        // RFC 2543 clients send no Max-Forwards; only a proxy could miss it.
        let worst = findings
            .iter()
            .filter(|finding| !finding.is_repairable())
            .max_by_key(|finding| finding.status())?;
        let why = match worst {
            Finding::MissingRequiredHeader(name)
            | Finding::MalformedRequiredHeader(name)
            | Finding::RepeatedSingleValueHeader(name) => name,
            Finding::CSeqMethodMismatch => "CSeq method",
            Finding::UnsupportedVersion => "version",
            Finding::RequestUriHasHeaders => "Request-URI",
            _ => "message",
        };
        Some((worst.status(), why))
    }

    fn values<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.inner
            .headers
            .get_all(name)
            .map(sipx_sip::Header::value)
    }

    /// One header's text; `None` when it is absent.
    fn value(&self, name: &HeaderName) -> Option<String> {
        self.inner
            .headers
            .value(name)
            .map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    pub(crate) fn call_id(&self) -> Vec<u8> {
        self.inner
            .headers
            .value(&HeaderName::CallId)
            .map(|value| value.trim_ascii().to_vec())
            .unwrap_or_default()
    }

    pub(crate) fn remote_tag(&self) -> Option<Vec<u8>> {
        self.inner
            .headers
            .typed::<From>()?
            .ok()?
            .tag()
            .map(<[u8]>::to_vec)
    }

    pub(crate) fn to_tag(&self) -> Option<Vec<u8>> {
        self.inner
            .headers
            .typed::<To>()?
            .ok()?
            .tag()
            .map(<[u8]>::to_vec)
    }

    pub(crate) fn cseq(&self) -> u32 {
        self.inner
            .headers
            .typed::<CSeq>()
            .and_then(Result::ok)
            .map_or(0, |cseq| cseq.sequence)
    }

    pub(crate) fn from(&self) -> Option<String> {
        self.value(&HeaderName::From)
    }

    pub(crate) fn to(&self) -> Option<String> {
        self.value(&HeaderName::To)
    }

    /// Call-ID and CSeq as they came, for the response.
    pub(crate) fn echo(&self) -> [(&'static str, Option<String>); 2] {
        [
            ("Call-ID", self.value(&HeaderName::CallId)),
            ("CSeq", self.value(&HeaderName::CSeq)),
        ]
    }

    /// Timestamp as it came (RFC 3261 section 8.2.6.1: copied into 100).
    pub(crate) fn timestamp(&self) -> Option<String> {
        self.value(&HeaderName::Timestamp)
    }

    /// Via rows for the response, the topmost hop with `received` and `rport` filled in (RFC 3261 section 18.2.1,
    /// RFC 3581), and where to answer over UDP.
    pub(crate) fn response_vias(&self, source: SocketAddr) -> Option<(Vec<String>, SocketAddr)> {
        let top = self.inner.headers.typed::<Via>()?.ok()?;
        let wants_rport = top.rport().is_some();
        let same_host =
            matches!(&top.host, Host::Ip(ip) if ip.to_canonical() == source.ip().to_canonical());
        let port = if wants_rport {
            source.port()
        } else {
            top.port.unwrap_or(5_060)
        };
        let mut rows = Vec::new();
        for (index, row) in self.values(&HeaderName::Via).enumerate() {
            if index > 0 {
                rows.push(String::from_utf8_lossy(&row).into_owned());
                continue;
            }
            let end = sipx_sip::headers::via::first_hop_end(&row);
            let hop = String::from_utf8_lossy(row.get(..end)?).into_owned();
            let rest = String::from_utf8_lossy(row.get(end..)?).into_owned();
            let mut segments = hop.split(';').filter(|segment| !named(segment, "received"));
            let mut edited = segments.next().unwrap_or_default().to_owned();
            for segment in segments {
                edited.push(';');
                if named(segment, "rport") {
                    edited.push_str(&format!("rport={}", source.port()));
                } else {
                    edited.push_str(segment);
                }
            }
            if wants_rport || !same_host {
                edited.push_str(&format!(";received={}", source.ip().to_canonical()));
            }
            rows.push(edited + &rest);
        }
        Some((rows, SocketAddr::new(source.ip(), port)))
    }

    /// Whether the sender sits behind a NAT: its own Via, the only one, names another address than its packets.
    pub(crate) fn behind_nat(&self, source: SocketAddr) -> bool {
        let vias: Vec<Via> = self
            .inner
            .headers
            .typed_all::<Via>()
            .filter_map(Result::ok)
            .take(2)
            .collect();
        match vias.as_slice() {
            [only] => match &only.host {
                Host::Ip(ip) => {
                    ip.to_canonical() != source.ip().to_canonical()
                        || only.port.unwrap_or(5_060) != source.port()
                }
                Host::Name(_) => true,
            },
            _ => false,
        }
    }

    /// Whether the Request-URI's scheme is one that we serve.
    pub(crate) fn has_served_scheme(&self, over_tls: bool) -> bool {
        match self.inner.uri.scheme() {
            sipx_sip::Scheme::Sip => true,
            sipx_sip::Scheme::Sips => over_tls,
            _ => false,
        }
    }

    pub(crate) fn is_sips(&self) -> bool {
        matches!(self.inner.uri.scheme(), sipx_sip::Scheme::Sips)
    }

    /// The Request-URI's user part, percent-decoded; empty when there is none or it is no text.
    pub(crate) fn called(&self) -> String {
        text_of(self.inner.uri.decoded_user())
    }

    /// Who From says calls.
    pub(crate) fn caller(&self) -> Who {
        let from = self.inner.headers.typed::<From>().and_then(Result::ok);
        from.map_or_else(Who::default, |from| who(&from))
    }

    /// The URI of the first Contact; `None` when absent or unusable.
    pub(crate) fn contact(&self) -> Option<Hop> {
        contact(&self.inner.headers)
    }

    /// The Record-Route set, in the order of the message; `None` when it cannot be read or is too long.
    pub(crate) fn record_routes(&self) -> Option<Vec<Hop>> {
        record_routes(&self.inner.headers)
    }

    /// Record-Route rows as they came, for the 2xx.
    pub(crate) fn record_route_rows(&self) -> Vec<String> {
        self.values(&HeaderName::RecordRoute)
            .map(|row| String::from_utf8_lossy(&row).into_owned())
            .collect()
    }

    /// Option tags of Require that are not in `supported`; malformed ones too.
    pub(crate) fn unsupported(&self, supported: &[&str]) -> Vec<String> {
        let mut missing = Vec::new();
        for row in self.values(&HeaderName::Require) {
            for tag in String::from_utf8_lossy(&row)
                .split(',')
                .map(str::trim)
                .filter(|tag| !tag.is_empty())
            {
                if missing.len() < 16
                    && !supported
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(tag))
                {
                    missing.push(tag.to_owned());
                }
            }
        }
        missing
    }

    fn lists(&self, name: &HeaderName, token: &str) -> bool {
        lists(&self.inner.headers, name, token)
    }

    /// Whether provisional answers other than 100 must be reliable (RFC 3262 section 3): we send none then.
    pub(crate) fn wants_reliable(&self) -> bool {
        self.lists(&HeaderName::Require, "100rel")
    }

    /// Whether the sender takes UPDATE within dialogs.
    pub(crate) fn allows_update(&self) -> bool {
        self.lists(&HeaderName::Allow, "UPDATE")
    }

    /// What it says of session timers; `Err` when malformed.
    pub(crate) fn timer_wish(&self) -> Result<TimerWish, ()> {
        let session = self
            .inner
            .headers
            .typed::<SessionExpires>()
            .transpose()
            .map_err(|_| ())?;
        let minimum = self
            .inner
            .headers
            .typed::<MinSe>()
            .transpose()
            .map_err(|_| ())?;
        Ok(TimerWish {
            supported: self.lists(&HeaderName::Supported, "timer")
                || self.lists(&HeaderName::Require, "timer"),
            interval: session.map(|session| session.interval),
            we_refresh: session.is_some_and(|session| session.refresher == Some(Refresher::Uas)),
            minimum: minimum.map(|minimum| minimum.0),
        })
    }

    /// Lower-case `type/subtype` of the body; `None` without a Content-Type, empty when it cannot be read.
    pub(crate) fn content_type(&self) -> Option<String> {
        content_type(&self.inner.headers)
    }

    /// Whether the body is encoded in a way that we cannot undo.
    pub(crate) fn is_encoded(&self) -> bool {
        self.values(&HeaderName::ContentEncoding)
            .any(|row| !row.trim_ascii().eq_ignore_ascii_case(b"identity"))
    }

    pub(crate) fn body(&self) -> &Bytes {
        self.inner.body()
    }
}

fn contact(headers: &Headers) -> Option<Hop> {
    let contact = headers.typed::<Contact>()?.ok()?;
    contact
        .uri
        .scheme()
        .is_sip()
        .then(|| hop(&contact.uri))
        .flatten()
}

fn record_routes(headers: &Headers) -> Option<Vec<Hop>> {
    let mut routes = Vec::new();
    for route in headers.typed_all::<RecordRoute>() {
        if routes.len() >= MAX_ROUTES {
            return None;
        }
        routes.push(hop(&route.ok()?.uri)?);
    }
    Some(routes)
}

fn lists(headers: &Headers, name: &HeaderName, token: &str) -> bool {
    let mut rows = headers.get_all(name).map(sipx_sip::Header::value);
    rows.any(|row| {
        String::from_utf8_lossy(&row)
            .split(',')
            .any(|each| each.trim().eq_ignore_ascii_case(token))
    })
}

fn content_type(headers: &Headers) -> Option<String> {
    match headers.typed::<ContentType>()? {
        Ok(found) => Some(format!(
            "{}/{}",
            String::from_utf8_lossy(&found.media_type),
            String::from_utf8_lossy(&found.subtype)
        )),
        Err(_) => Some(String::new()),
    }
}

/// Somebody, as an address header says.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// Display name.
    pub(crate) display: String,
    /// User part, or the subscriber of a `tel` URI.
    pub(crate) user: String,
    pub(crate) host: String,
}

fn who(address: &Address) -> Who {
    let uri = &address.uri;
    Who {
        display: text_of(address.display_name.clone()),
        user: match uri.tel_parts() {
            Some(tel) => text_of(Some(tel.subscriber().to_vec())),
            None => text_of(uri.decoded_user()),
        },
        host: match uri.host() {
            Some(Host::Name(name)) => text_of(Some(name.as_bytes().to_vec())),
            Some(Host::Ip(_)) | None => String::new(),
        },
    }
}

/// Whether a Via segment is this parameter.
fn named(segment: &str, name: &str) -> bool {
    segment
        .split('=')
        .next()
        .is_some_and(|found| found.trim().eq_ignore_ascii_case(name))
}

/// Peer's text made safe to show: at most 64 characters, none of them control characters.
fn text_of(bytes: Option<Vec<u8>>) -> String {
    let bytes = bytes.unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect()
}

fn hop(uri: &Uri) -> Option<Hop> {
    let text = String::from_utf8(uri.to_bytes().to_vec()).ok()?;
    let over_tls = matches!(uri.scheme(), sipx_sip::Scheme::Sips)
        || uri
            .params()
            .and_then(|params| params.value("transport"))
            .is_some_and(|transport| transport.eq_ignore_ascii_case(b"tls"));
    let port = uri.port().unwrap_or(if over_tls { 5_061 } else { 5_060 });
    let (address, host) = match uri.host()? {
        Host::Ip(ip) => (Some(SocketAddr::new(*ip, port)), ip.to_string()),
        Host::Name(name) => (None, String::from_utf8_lossy(name.as_bytes()).into_owned()),
    };
    let loose = uri.params().is_some_and(|params| params.contains("lr"));
    Some(Hop {
        uri: text,
        loose,
        address,
        host,
    })
}

/// An address as a SIP host: IPv6 in brackets.
pub(crate) fn host_text(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Outcome of digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Passed,
    /// Challenge; the flag says that only the nonce was old.
    Challenge {
        stale: bool,
    },
}

/// Digest authentication of one trunk, SHA-256 and MD5 (RFC 7616, RFC 8760).
pub(crate) struct Guard {
    credentials: Credentials,
    sha256: Authenticator,
    md5: Authenticator,
}

impl Guard {
    pub(crate) fn new(credentials: Credentials, secret: [u8; 32]) -> Self {
        let realm = credentials.realm.clone();
        let authenticator =
            |algorithm| Authenticator::new(realm.clone(), secret).with_algorithm(algorithm);
        Self {
            sha256: authenticator(Algorithm::Sha256),
            md5: authenticator(Algorithm::Md5),
            credentials,
        }
    }

    /// Values of WWW-Authenticate, strongest first.
    pub(crate) fn challenges(&self, now: MediaTime, stale: bool) -> [String; 2] {
        let seconds = seconds(now);
        [
            self.sha256.challenge_at(stale, seconds),
            self.md5.challenge_at(stale, seconds),
        ]
    }

    pub(crate) fn check(&mut self, now: MediaTime, request: &Request) -> Authentication {
        let mut outcome = Authentication::Challenge { stale: false };
        for value in request.values(&HeaderName::Authorization).take(4) {
            let Some(presented) = Presented::parse(&value) else {
                continue;
            };
            let ours = presented.username == self.credentials.username
                && presented.realm == self.credentials.realm;
            let authenticator = match presented.algorithm {
                Algorithm::Sha256 => &mut self.sha256,
                Algorithm::Md5 => &mut self.md5,
                _ => continue,
            };
            let method = request.inner.method.to_string();
            match authenticator.verify_at(
                &presented,
                &method,
                &self.credentials.password,
                seconds(now),
            ) {
                Verdict::Authenticated if ours => return Authentication::Passed,
                Verdict::Stale if ours => outcome = Authentication::Challenge { stale: true },
                _ => {}
            }
        }
        outcome
    }
}

fn seconds(now: MediaTime) -> u64 {
    now.as_millis() / 1_000
}

/// The Authorization that a client with these credentials would send; for tests of ours.
#[cfg(test)]
pub(crate) fn authorize(
    challenge: &str,
    credentials: &Credentials,
    method: &str,
    uri: &str,
) -> Option<String> {
    let challenge = sipx_ua::auth::Challenge::parse(challenge.as_bytes(), false)?;
    let credentials =
        sipx_ua::auth::Credentials::new(credentials.username.clone(), credentials.password.clone());
    Some(sipx_ua::auth::respond(
        &challenge,
        &credentials,
        method,
        uri,
        1,
        "0a4f113b",
    ))
}
