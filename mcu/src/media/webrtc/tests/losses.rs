//! A camera over two bad lines, its sender's and its viewer's, through transports and a room, in virtual time: how long its picture stands
//! still for a viewer of the camera, for one of the composite, and on the composite itself.

#![expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]

use std::collections::BTreeMap;

use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::video::I420Picture;
use plenum_codecs::video::encoder::{VideoSetting, Vp8Encoder};
use plenum_codecs::video::vp8;
use plenum_mixer::{
    Command, Compose, Feedback, Input as RoomInput, Ladder, Leg, Output as RoomOutput, Rendition,
    Room, RoomConfig, Viewing,
};
use prometheus::Registry;

use super::*;
use crate::composite::{Camera, Figures};

/// One way of a line: 40 ms, 20 more or less, so that packets overtake each other; 5 % are lost.
const LEAST_DELAY: u64 = 20;
const JITTER: u64 = 40;
const LOSS_PER_MILLE: u32 = 50;
/// What a browser does when nothing has come that it can show for so long: it asks for a keyframe, and again after a while.
const BROWSER_WAITS: Duration = Duration::from_secs(3);
const BROWSER_AGAIN: Duration = Duration::from_secs(1);
const PICTURE: Duration = Duration::from_millis(33);

/// One way.
struct Way {
    random: fastrand::Rng,
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    /// Loses and delays; a good one takes its least delay.
    bad: bool,
}

impl Way {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            under_way: BTreeMap::new(),
            sent: 0,
            bad: false,
        }
    }

    fn send(&mut self, now: Instant, bytes: &[u8]) {
        if self.bad && self.random.u32(0..1_000) < LOSS_PER_MILLE {
            return;
        }
        self.sent += 1;
        let jitter = if self.bad {
            self.random.u64(0..=JITTER)
        } else {
            0
        };
        let delay = Duration::from_millis(LEAST_DELAY + jitter);
        self.under_way
            .insert((now + delay, self.sent), bytes.to_vec());
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

/// Somebody behind a bad line.
struct Caller {
    client: Rtc,
    server: PeerTransport,
    up: Way,
    down: Way,
    leg: LegId,
    events: Vec<PeerEvent>,
    heard: Vec<Event>,
}

impl Caller {
    fn connect(leg: u64, seed: u64) -> (Self, Instant) {
        let pair = Pair::connect();
        let (mut client, mut server, now) = (pair.client, pair.server, pair.now);
        // The pair connects in steps of 10 ms, which the first probes take for delay.
        server.rtc.bwe().reset(crate::media::webrtc::line::FIRST);
        // A browser answers whatever is asked of it.
        let mid = server.slots[0].mid;
        if let Some(stream) = client.direct_api().stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(1_024, Duration::from_secs(3), None);
        }
        let caller = Self {
            client,
            server,
            up: Way::new(seed),
            down: Way::new(!seed),
            leg: LegId(leg),
            events: Vec::new(),
            heard: Vec::new(),
        };
        (caller, now)
    }

    fn passes(&mut self, now: Instant) {
        let down = &mut self.down;
        let mut send = |_: SocketAddr, bytes: &[u8]| down.send(now, bytes);
        while let Some(bytes) = self.up.arrived(now) {
            self.server.receive(now, addr(CLIENT), &bytes);
            self.server.poll(&mut self.events, &mut send).unwrap();
        }
        self.server
            .advance(now, &mut self.events, &mut send)
            .unwrap();
        while let Some(bytes) = self.down.arrived(now) {
            let receive = Receive::new(Protocol::Udp, addr(SERVER), addr(CLIENT), &bytes).unwrap();
            self.client
                .handle_input(Input::Receive(now, receive))
                .unwrap();
            self.poll_client(now);
        }
        self.client.handle_input(Input::Timeout(now)).unwrap();
        self.poll_client(now);
    }

    fn poll_client(&mut self, now: Instant) {
        loop {
            match self.client.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Event(event) => self.heard.push(event),
                Output::Transmit(datagram) => self.up.send(now, &datagram.contents),
            }
        }
    }
}

/// What a browser makes of a stream: pictures in order, what is missing waited for, a whole keyframe behind it taken at once.
struct Sight {
    numbers: Unwrapper,
    waiting: BTreeMap<u64, RtpPacket>,
    next: Option<u64>,
    last: Instant,
    asked: Instant,
    stills: Vec<Duration>,
    wishes: usize,
}

impl Sight {
    fn new(now: Instant) -> Self {
        Self {
            numbers: Unwrapper::new(),
            waiting: BTreeMap::new(),
            next: None,
            last: now,
            asked: now,
            stills: Vec::new(),
            wishes: 0,
        }
    }

    fn takes(&mut self, now: Instant, packet: RtpPacket) {
        let number = self.numbers.unwrap(packet.header.sequence_number);
        if self.next.is_none_or(|next| number >= next) {
            self.waiting.insert(number, packet);
        }
        while let Some(end) = self.whole() {
            self.waiting = self.waiting.split_off(&(end + 1));
            self.next = Some(end + 1);
            self.shows(now);
        }
    }

    /// The last number of a picture that can be shown.
    fn whole(&self) -> Option<u64> {
        let begins = |number: &u64| {
            let packet = self.waiting.get(number)?;
            VideoCodec::Vp8
                .is_keyframe_start(&packet.payload)
                .then_some(*number)
        };
        let next = self.next.filter(|next| self.waiting.contains_key(next));
        let ends = |from: u64| {
            let mut at = from;
            while !self.waiting.get(&at)?.header.marker {
                at += 1;
            }
            Some(at)
        };
        next.and_then(ends)
            .or_else(|| self.waiting.keys().filter_map(begins).find_map(ends))
    }

    fn shows(&mut self, now: Instant) {
        self.stills.push(now - self.last);
        self.last = now;
        self.asked = now;
    }

    /// Whether a browser would ask for a keyframe now.
    fn wishes(&mut self, now: Instant) -> bool {
        let wishes = now - self.last >= BROWSER_WAITS && now - self.asked >= BROWSER_AGAIN;
        if wishes {
            self.asked = now;
            self.wishes += 1;
        }
        wishes
    }

    /// The longest still in ms.
    fn judge(&self, name: &str) -> u128 {
        let mut stills: Vec<u128> = self.stills.iter().map(Duration::as_millis).collect();
        stills.sort_unstable_by(|one, other| other.cmp(one));
        println!(
            "{name}: {} pictures, longest stills {:?} ms, {} wishes of the browser's own",
            stills.len(),
            &stills[..stills.len().min(5)],
            self.wishes,
        );
        stills.first().copied().unwrap_or(u128::MAX)
    }
}

/// A camera of so much noise that a picture takes several packets.
struct Film {
    encoder: Vp8Encoder,
    picture: I420Picture,
    random: fastrand::Rng,
    number: u16,
}

impl Film {
    fn new(seed: u64) -> Self {
        let setting = VideoSetting {
            width: 160,
            height: 90,
            bitrate: 900_000,
            frame_rate: 30,
        };
        Self {
            encoder: Vp8Encoder::new(setting).unwrap(),
            picture: I420Picture::black(160, 90).unwrap(),
            random: fastrand::Rng::with_seed(seed),
            number: 0,
        }
    }

    fn next(&mut self, at: plenum_codecs::MediaTime) -> Vec<Bytes> {
        for pixel in self.picture.planes_mut()[0].iter_mut() {
            *pixel = self.random.u8(..);
        }
        self.number += 1;
        let frame = self.encoder.encode(&self.picture, at).unwrap();
        frame.map_or_else(Vec::new, |frame| {
            vp8::packetize(&frame.data, self.number, None, 1_000)
        })
    }
}

/// Ann, whose camera Cleo sees; Dan sees the composite.
struct Call {
    now: Instant,
    ann: Caller,
    cleo: Caller,
    dan: Caller,
    room: Room,
    film: Film,
    sequence: u64,
    composite: Film,
    composed: u16,
    rendition: Option<Rendition>,
    composer: Camera,
    figures: Figures,
    sights: [Sight; 3],
    due: Instant,
    pictures: u32,
}

impl Call {
    fn begin(seed: u64) -> Self {
        let ((ann, a), (cleo, b), (dan, c)) = (
            Caller::connect(1, seed),
            Caller::connect(2, seed + 1),
            Caller::connect(3, seed + 2),
        );
        let now = a.max(b).max(c);
        let at = clock::to_media(now);
        let mut room = Room::new(RoomConfig::default(), at);
        for caller in [&ann, &cleo, &dan] {
            let config = caller.server.leg_config(caller.leg).unwrap();
            room.insert(at, Leg::new(config, at));
        }
        for command in [
            Command::DefaultView(Viewing::Cameras),
            Command::View {
                leg: LegId(3),
                view: Some(Viewing::Composite),
            },
            Command::Composite(Some(Ladder::below(900_000))),
        ] {
            room.handle(at, RoomInput::Command(command));
        }
        Self {
            now,
            ann,
            cleo,
            dan,
            room,
            film: Film::new(seed),
            sequence: 0,
            composite: Film::new(seed + 9),
            composed: 0,
            rendition: None,
            composer: Camera::new(),
            figures: Figures::register(&Registry::new()).unwrap(),
            sights: [(); 3].map(|()| Sight::new(now)),
            due: now,
            pictures: 0,
        }
    }

    fn runs(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(1);
            if self.now >= self.due {
                self.due += PICTURE;
                self.films();
            }
            for caller in [&mut self.ann, &mut self.cleo, &mut self.dan] {
                caller.passes(self.now);
            }
            self.hears();
            self.sees();
        }
    }

    fn films(&mut self) {
        let at = clock::to_media(self.now);
        self.pictures += 1;
        let payloads = self.film.next(at);
        let last = payloads.len().saturating_sub(1);
        let video = self.ann.server.leg_config(LegId(1)).unwrap().video.unwrap();
        let mid = self.ann.server.slots[0].mid;
        let mut api = self.ann.client.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        for (index, payload) in payloads.into_iter().enumerate() {
            self.sequence += 1;
            let write = RtpWrite::new(
                video.receive[0].0.into(),
                self.sequence.into(),
                self.pictures * 2_970,
                self.now,
                payload.to_vec(),
            );
            stream.write_rtp(write.marker(index == last).nackable(true));
        }
        while self.composer.picture(at, &self.figures).is_some() {
            self.sights[2].shows(self.now);
        }
        let Some(rendition) = self.rendition else {
            return;
        };
        let payloads = self.composite.next(at);
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            self.composed = self.composed.wrapping_add(1);
            let packet = MediaPacket {
                payload_type: 0,
                marker: index == last,
                sequence: self.composed,
                timestamp: self.pictures * 2_970,
                ssrc: 9,
                audio_level: None,
                payload,
            };
            let input = RoomInput::Composed { rendition, packet };
            self.room.handle(at, input);
        }
    }

    /// What legs have for the room, and the room for them.
    fn hears(&mut self) {
        let at = clock::to_media(self.now);
        for caller in [&mut self.ann, &mut self.cleo, &mut self.dan] {
            let leg = caller.leg;
            for event in caller.events.drain(..) {
                let input = match event {
                    PeerEvent::Packet { track, packet } => RoomInput::Packet { leg, track, packet },
                    PeerEvent::KeyframeRequest { slot } => RoomInput::Feedback {
                        leg,
                        feedback: Feedback::KeyframeRequest { slot },
                    },
                    PeerEvent::Estimate { bits_per_second } => RoomInput::Feedback {
                        leg,
                        feedback: Feedback::Estimate { bits_per_second },
                    },
                    _ => continue,
                };
                self.room.handle(at, input);
            }
        }
        while self.room.deadline() <= at {
            self.room.handle(at, RoomInput::Timeout);
        }
        while let Some(output) = self.room.poll_output() {
            match output {
                RoomOutput::Video { leg, slot, packet } => {
                    let viewer = [&mut self.ann, &mut self.cleo, &mut self.dan]
                        .into_iter()
                        .find(|caller| caller.leg == leg)
                        .unwrap();
                    let payload = Arc::from(&packet.payload[..]);
                    viewer.server.write_video(slot, &packet, payload);
                }
                RoomOutput::KeyframeRequest { track, .. } => {
                    self.ann.server.request_keyframe(track);
                }
                RoomOutput::Compose(Compose::Wanted(renditions)) => {
                    self.rendition = Rendition::all().find(|r| renditions.contains(*r));
                }
                RoomOutput::Compose(Compose::Keyframe(_)) => {
                    self.composite.encoder.request_keyframe();
                }
                RoomOutput::Compose(Compose::Camera { codec, packet, .. }) => {
                    self.composer.push(at, codec, packet);
                    while self.composer.picture(at, &self.figures).is_some() {
                        self.sights[2].shows(self.now);
                    }
                    if self.composer.asks(at) {
                        let input = RoomInput::ComposerNeedsKeyframe { leg: LegId(1) };
                        self.room.handle(at, input);
                    }
                }
                _ => {}
            }
        }
    }

    fn sees(&mut self) {
        let ann = self.ann.heard.drain(..);
        if ann
            .into_iter()
            .any(|e| matches!(e, Event::KeyframeRequest(_)))
        {
            self.film.encoder.request_keyframe();
        }
        for (caller, sight) in [&mut self.cleo, &mut self.dan]
            .into_iter()
            .zip(&mut self.sights)
        {
            for event in caller.heard.drain(..) {
                if let Event::RtpPacket(packet) = event {
                    sight.takes(self.now, packet);
                }
            }
            if sight.wishes(self.now) {
                let ssrc = caller.server.slots[0].ssrc;
                if let Some(stream) = caller.client.direct_api().stream_rx(&ssrc) {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
            }
        }
    }
}

#[test]
fn at_5_percent_loss_and_40_ms_give_or_take_20_no_picture_stands_still_for_a_second() {
    let begun = Instant::now();
    let mut call = Call::begin(5);
    call.runs(Duration::from_secs(5));
    for caller in [&mut call.ann, &mut call.cleo, &mut call.dan] {
        (caller.up.bad, caller.down.bad) = (true, true);
    }
    call.sights
        .iter_mut()
        .for_each(|sight| sight.stills.clear());
    call.runs(Duration::from_secs(180));
    // A picture that stands still at the end counts, too.
    let now = call.now;
    call.sights
        .iter_mut()
        .for_each(|sight| sight.stills.push(now - sight.last));
    let names = ["the camera", "the composite", "a tile of it"];
    let sights = names.into_iter().zip(&call.sights);
    let longest: Vec<u128> = sights.map(|(name, sight)| sight.judge(name)).collect();
    println!(
        "dropped {} and {}, {} requests, took {:?}",
        call.cleo.server.take_paced_out(),
        call.dan.server.take_paced_out(),
        call.room.stats().keyframe_requests,
        begun.elapsed(),
    );
    assert!(
        longest.iter().all(|longest| *longest < 1_000),
        "{longest:?}"
    );
}
