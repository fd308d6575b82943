//! Writes SIP messages. Values come from parsed headers (no line breaks can be in them) or from ourselves.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::Request;

/// Methods that we take, for Allow.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY";

/// A response under construction.
pub(super) struct Reply<'a> {
    request: &'a Request,
    status: u16,
    to_tag: &'a str,
    headers: String,
    body: Option<(&'a str, &'a str)>,
}

impl<'a> Reply<'a> {
    /// A response to `request`; `to_tag` is added to To unless To has one, or the status is 100.
    pub(super) fn new(request: &'a Request, status: u16, to_tag: &'a str) -> Self {
        Self {
            request,
            status,
            to_tag,
            headers: String::new(),
            body: None,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        push(&mut self.headers, name, value);
        self
    }

    pub(super) fn body(mut self, content_type: &'a str, body: &'a str) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// The bytes, and where to send them over UDP. `None`: the request has no usable Via.
    pub(super) fn write(self, source: SocketAddr, server: &str) -> Option<(Bytes, SocketAddr)> {
        let (vias, to) = self.request.response_vias(source)?;
        let mut text = String::with_capacity(640 + self.body.map_or(0, |(_, body)| body.len()));
        text.push_str("SIP/2.0 ");
        append(
            &mut text,
            format_args!("{} {}\r\n", self.status, phrase(self.status)),
        );
        for via in &vias {
            push(&mut text, "Via", via);
        }
        if let Some(from) = self.request.from() {
            push(&mut text, "From", &from);
        }
        if let Some(mut value) = self.request.to() {
            if self.status > 100 && !self.to_tag.is_empty() && self.request.to_tag().is_none() {
                value.push_str(";tag=");
                value.push_str(self.to_tag);
            }
            push(&mut text, "To", &value);
        }
        for (name, value) in self.request.echo() {
            if let Some(value) = value {
                push(&mut text, name, &value);
            }
        }
        if !server.is_empty() {
            push(&mut text, "Server", server);
        }
        text.push_str(&self.headers);
        finish(&mut text, self.body);
        Some((Bytes::from(text), to))
    }
}

/// One header line.
pub(super) fn push(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.push_str(value);
    text.push_str("\r\n");
}

/// Content headers, the empty line, the body.
pub(super) fn finish(text: &mut String, body: Option<(&str, &str)>) {
    if let Some((content_type, body)) = body {
        push(text, "Content-Type", content_type);
        append(text, format_args!("Content-Length: {}\r\n\r\n", body.len()));
        text.push_str(body);
    } else {
        text.push_str("Content-Length: 0\r\n\r\n");
    }
}

/// Formats into a string, which cannot fail.
pub(super) fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    if text.write_fmt(what).is_err() {
        tracing::error!("formatting into a string failed");
    }
}

/// Reason phrases of RFC 3261 section 21 and its extensions.
pub(super) const fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Response",
    }
}
