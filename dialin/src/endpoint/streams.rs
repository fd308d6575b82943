//! TCP and TLS connections: framing, bounds, idling. Knows nothing of what the messages mean.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::timers::Owner;
use super::{Arrival, SipEndpoint, SipOutput, StreamId, StreamKind, Way, Wire, arm};
use crate::sip::Framer;

/// Connections of sources that no trunk knows, at once: enough to tell them 403.
const STRANGERS: usize = 32;

/// Ids of connections that the endpoint asked for.
const OURS: u64 = 1 << 63;

struct Stream {
    from: SocketAddr,
    kind: StreamKind,
    stranger: bool,
    framer: Framer,
    /// When it is closed unless something comes.
    idle: MediaTime,
    /// When an unfinished message is given up.
    partial: Option<MediaTime>,
    armed: Option<MediaTime>,
}

impl Stream {
    fn deadline(&self) -> MediaTime {
        self.partial
            .map_or(self.idle, |partial| partial.min(self.idle))
    }
}

/// All connections.
#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<StreamId, Stream>,
    opened: u64,
    /// Those to far ends of trunks, for the next request.
    kept: HashMap<(SocketAddr, Way), StreamId>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_open(&self, stream: StreamId) -> bool {
        self.open.contains_key(&stream)
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }
}

impl SipEndpoint {
    pub(super) fn on_stream_opened(
        &mut self,
        now: MediaTime,
        stream: StreamId,
        from: SocketAddr,
        kind: StreamKind,
    ) {
        let stranger = self.trunk_of(from.ip()).is_none();
        let strangers = self
            .streams
            .open
            .values()
            .filter(|open| open.stranger)
            .count();
        if self.streams.len() >= self.config.limits.streams || (stranger && strangers >= STRANGERS)
        {
            self.counters.overload += 1;
            self.outputs.push_back(SipOutput::CloseStream(stream));
            return;
        }
        self.add_stream(now, stream, from, kind, stranger);
    }

    fn add_stream(
        &mut self,
        now: MediaTime,
        id: StreamId,
        from: SocketAddr,
        kind: StreamKind,
        stranger: bool,
    ) {
        let limits = self.config.limits;
        let mut stream = Stream {
            from,
            kind,
            stranger,
            // Twice the limit: a message that is a little too long can still be answered 513.
            framer: Framer::new(limits.message.saturating_mul(2)),
            idle: now
                + if stranger {
                    limits.stream_partial
                } else {
                    limits.stream_idle
                },
            partial: None,
            armed: None,
        };
        arm(
            &mut self.timers,
            Some(stream.deadline()),
            &mut stream.armed,
            Owner::Stream(id),
        );
        self.streams.open.insert(id, stream);
    }

    /// Asks for a connection of our own, for a request within a dialog whose connection is gone.
    /// `tls` holds whom its certificate must be for.
    pub(super) fn connect(
        &mut self,
        now: MediaTime,
        to: SocketAddr,
        tls: Option<String>,
    ) -> StreamId {
        let id = StreamId(OURS | self.streams.opened);
        self.streams.opened += 1;
        let kind = if tls.is_some() {
            StreamKind::Tls
        } else {
            StreamKind::Tcp
        };
        self.add_stream(now, id, to, kind, false);
        self.outputs.push_back(SipOutput::Connect {
            stream: id,
            to,
            tls,
        });
        id
    }

    /// The connection to a trunk's far end, a new one if need be; `host` is whom its certificate must be for.
    pub(super) fn stream_to(
        &mut self,
        now: MediaTime,
        (to, way): (SocketAddr, Way),
        host: &str,
    ) -> StreamId {
        if let Some(kept) = self.streams.kept.get(&(to, way))
            && self.streams.is_open(*kept)
        {
            return *kept;
        }
        let stream = self.connect(now, to, (way == Way::Tls).then(|| host.to_owned()));
        let open = &self.streams.open;
        self.streams.kept.retain(|_, kept| open.contains_key(kept));
        self.streams.kept.insert((to, way), stream);
        stream
    }

    pub(super) fn on_stream_bytes(&mut self, now: MediaTime, id: StreamId, bytes: &[u8]) {
        let limits = self.config.limits;
        let Some(stream) = self.streams.open.get_mut(&id) else {
            return;
        };
        let arrival = Arrival {
            source: stream.from,
            stream: Some(id),
            way: Way::of(stream.kind),
        };
        let Ok(messages) = stream.framer.push(bytes) else {
            self.counters.malformed += 1;
            return self.close_stream(id);
        };
        if !stream.stranger {
            stream.idle = now + limits.stream_idle;
        }
        stream.partial = match (stream.framer.is_partial(), messages.is_empty()) {
            (false, _) => None,
            (true, true) => stream.partial.or(Some(now + limits.stream_partial)),
            (true, false) => Some(now + limits.stream_partial),
        };
        let ping = stream.framer.take_ping();
        arm(
            &mut self.timers,
            Some(stream.deadline()),
            &mut stream.armed,
            Owner::Stream(id),
        );
        if ping {
            self.send(Wire::Tcp(id), Bytes::from_static(b"\r\n"));
        }
        for message in messages {
            self.on_message(now, arrival, message);
        }
    }

    fn close_stream(&mut self, id: StreamId) {
        self.streams.remove(id);
        self.outputs.push_back(SipOutput::CloseStream(id));
    }

    /// The far end's connection is gone or could not be made, or a datagram could not be sent: what waits for an answer that way is tried
    /// elsewhere (RFC 3263 section 4.3).
    pub(super) fn way_lost(&mut self, now: MediaTime, wire: Wire) {
        for call in self.outgoing.unanswered_over(wire) {
            self.attempt_failed(now, call, 503);
        }
        for client in self.clients.take_errands(wire) {
            self.done(now, &client, 503, None);
        }
    }

    pub(super) fn stream_due(&mut self, now: MediaTime, due: MediaTime, id: StreamId) {
        let busy = self.calls.values().any(|call| call.uses(id)) || self.outgoing.uses(id);
        let idle = self.config.limits.stream_idle;
        let Some(stream) = self.streams.open.get_mut(&id) else {
            return;
        };
        if stream.armed != Some(due) {
            return;
        }
        stream.armed = None;
        if busy && stream.partial.is_none_or(|partial| partial > now) && stream.idle <= now {
            stream.idle = now + idle;
        }
        if stream.deadline() <= now {
            return self.close_stream(id);
        }
        arm(
            &mut self.timers,
            Some(stream.deadline()),
            &mut stream.armed,
            Owner::Stream(id),
        );
    }
}
