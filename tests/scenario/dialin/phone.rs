//! A caller that speaks SIP by text, and the endpoint that it calls, in virtual time.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;
use plenum_dialin::{
    CallCommand, CallEvent, CallId, EndpointConfig, SipEndpoint, SipInput, SipOutput, StreamId,
    Trunk, Wire,
};

/// An offer of an ordinary phone.
pub(crate) const OFFER: &str = "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                         m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// An answer of ours; the endpoint does not look into it.
pub(crate) const ANSWER: &str = "v=0\r\no=plenum 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                          m=audio 20000 RTP/AVP 0\r\n";

pub(crate) const TRUSTED: &str = "127.0.0.1:5062";

/// The trunk of most tests.
pub(crate) fn trunk() -> Trunk {
    Trunk::new("pbx", vec!["127.0.0.0/8".parse().unwrap()])
}

pub(crate) fn config() -> EndpointConfig {
    EndpointConfig {
        secret: [7; 32],
        ..EndpointConfig::new("127.0.0.1:5060".parse().unwrap(), vec![trunk()])
    }
}

/// A request as text; `..Request::default()` is an INVITE with an offer.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) cseq_method: Option<&'a str>,
    pub(crate) uri: &'a str,
    pub(crate) version: &'a str,
    pub(crate) branch: &'a str,
    pub(crate) via: &'a str,
    pub(crate) from_tag: &'a str,
    pub(crate) to_tag: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) extra: &'a str,
    pub(crate) body: Option<(&'a str, &'a str)>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            method: "INVITE",
            cseq_method: None,
            uri: "sip:1001@127.0.0.1",
            version: "SIP/2.0",
            branch: "z9hG4bK-1",
            via: "SIP/2.0/UDP 127.0.0.1:5062",
            from_tag: "caller",
            to_tag: "",
            call_id: "call-1",
            cseq: 1,
            extra: "",
            body: Some(("application/sdp", OFFER)),
        }
    }
}

impl Request<'_> {
    pub(crate) fn text(&self) -> String {
        let method = self.method;
        let to_tag = if self.to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={}", self.to_tag)
        };
        let mut text = format!("{method} {} {}\r\n", self.uri, self.version);
        write!(text, "Via: {};branch={}\r\n", self.via, self.branch).unwrap();
        write!(
            text,
            "From: \"Ann\" <sip:49301234@127.0.0.1>;tag={}\r\n",
            self.from_tag
        )
        .unwrap();
        write!(
            text,
            "To: <sip:1001@127.0.0.1>{to_tag}\r\nCall-ID: {}\r\n",
            self.call_id
        )
        .unwrap();
        write!(
            text,
            "CSeq: {} {}\r\n",
            self.cseq,
            self.cseq_method.unwrap_or(method)
        )
        .unwrap();
        text.push_str("Contact: <sip:ann@127.0.0.1:5062>\r\nMax-Forwards: 70\r\n");
        text.push_str(self.extra);
        let (kind, body) = self.body.unwrap_or(("", ""));
        if !kind.is_empty() {
            write!(text, "Content-Type: {kind}\r\n").unwrap();
        }
        write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        text
    }
}

/// The endpoint, the time, and what came out.
pub(crate) struct Line {
    pub(crate) endpoint: SipEndpoint,
    pub(crate) now: MediaTime,
    pub(crate) sent: Vec<(Wire, String)>,
    pub(crate) events: Vec<CallEvent>,
    pub(crate) closed: Vec<StreamId>,
    pub(crate) connects: Vec<(StreamId, SocketAddr)>,
    /// Whose certificate each connect wants, `None` for TCP.
    pub(crate) trusted: Vec<Option<String>>,
    /// Names to be looked up.
    pub(crate) lookups: Vec<(u64, String)>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: EndpointConfig) -> Self {
        Self {
            endpoint: SipEndpoint::new(config),
            now: MediaTime::from_millis(1_000),
            sent: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            connects: Vec::new(),
            trusted: Vec::new(),
            lookups: Vec::new(),
        }
    }

    pub(crate) fn input(&mut self, input: SipInput) {
        self.endpoint.handle(self.now, input);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                SipOutput::Send { wire, bytes } => {
                    self.sent
                        .push((wire, String::from_utf8_lossy(&bytes).into_owned()));
                }
                SipOutput::Event(event) => self.events.push(event),
                SipOutput::CloseStream(stream) => self.closed.push(stream),
                SipOutput::Resolve { query, proxy } => self.lookups.push((query, proxy.host)),
                SipOutput::Connect { stream, to, tls } => {
                    self.connects.push((stream, to));
                    self.trusted.push(tls);
                }
            }
        }
    }

    /// Sends over UDP from the trusted address; gives the answers.
    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Vec<String> {
        self.ask_from(TRUSTED, &request.text())
    }

    pub(crate) fn ask_from(&mut self, from: &str, text: &str) -> Vec<String> {
        self.sent.clear();
        self.input(SipInput::Datagram {
            from: from.parse().unwrap(),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        });
        self.take_sent()
    }

    pub(crate) fn command(&mut self, command: CallCommand) -> Vec<String> {
        self.sent.clear();
        self.input(SipInput::Command(command));
        self.take_sent()
    }

    pub(crate) fn take_sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    /// Lets time pass, firing every timer at its own time; gives what was sent and when, in ms from the start of the wait.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<(u64, String)> {
        let start = self.now;
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(due) = self.endpoint.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.sent.clear();
            self.input(SipInput::Tick);
            let at = u64::try_from(self.now.since(start).as_millis()).unwrap();
            sent.extend(self.take_sent().into_iter().map(|text| (at, text)));
        }
        self.now = end;
        sent
    }

    /// Places the call of `request`; the owner has not answered it.
    pub(crate) fn invite(&mut self, request: &Request<'_>) -> CallId {
        self.ask(request);
        match self.events.pop() {
            Some(CallEvent::Incoming { call, .. }) => call,
            other => panic!("expected a call, got {other:?}"),
        }
    }

    /// Places, answers and acknowledges a call; gives it and our tag.
    pub(crate) fn established(&mut self, request: &Request<'_>) -> (CallId, String) {
        let call = self.invite(request);
        let answer = self.command(CallCommand::Answer {
            call,
            sdp: ANSWER.into(),
        });
        let tag = tag_of(&answer[0]);
        self.ask(&ack(request, &tag));
        assert_eq!(self.events.pop(), Some(CallEvent::Confirmed { call }));
        (call, tag)
    }
}

/// The ACK for a 2xx.
pub(crate) fn ack<'a>(of: &Request<'a>, to_tag: &'a str) -> Request<'a> {
    Request {
        method: "ACK",
        branch: "z9hG4bK-ack",
        to_tag,
        body: None,
        extra: "",
        ..of.clone()
    }
}

/// The tag in a message's To.
pub(crate) fn tag_of(message: &str) -> String {
    let to = header(message, "To");
    to.split(";tag=").nth(1).unwrap_or_default().to_owned()
}

/// A header's value.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let found = message
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_default()
}

/// Status of a response.
pub(crate) fn status(message: &str) -> u16 {
    message
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

pub(crate) fn statuses(messages: &[String]) -> Vec<u16> {
    messages.iter().map(|message| status(message)).collect()
}
