//! What a line carries, against a second str0m behind a bottleneck, in virtual time: the estimate, and pictures that leave in step
//! with it.

#![expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]

use std::collections::VecDeque;

use super::*;

/// A line: so many bit/s, a queue of so much time, a delay, and loss.
struct Bottleneck {
    rate: u64,
    loss_per_cent: u8,
    down: bool,
    random: fastrand::Rng,
    free: Instant,
    under_way: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    dropped: usize,
}

const QUEUE: Duration = Duration::from_millis(300);
const DELAY: Duration = Duration::from_millis(20);

impl Bottleneck {
    fn new(now: Instant, rate: u64) -> Self {
        Self {
            rate,
            loss_per_cent: 0,
            down: false,
            random: fastrand::Rng::with_seed(7),
            free: now,
            under_way: VecDeque::new(),
            dropped: 0,
        }
    }

    fn send(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        let begins = self.free.max(now);
        let lost = self.random.u8(0..100) < self.loss_per_cent;
        let media = demux::kind_of(bytes) == Some(Kind::Rtp);
        if (self.down && media) || lost || begins - now > QUEUE {
            self.dropped += 1;
            return;
        }
        let bits = bytes.len() as u64 * 8;
        self.free = begins + Duration::from_nanos(bits * 1_000_000_000 / self.rate);
        self.under_way
            .push_back((self.free + DELAY, to, bytes.to_vec()));
    }

    fn arrived(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let (at, ..) = self.under_way.front()?;
        if *at > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, to, bytes)| (to, bytes))
    }
}

/// A viewer behind a line, who is sent pictures of a steady rate.
struct Watch {
    pair: Pair,
    line: Bottleneck,
    payload_type: u8,
    rate: u64,
    sequence: u64,
    picture: u32,
    keyframe: bool,
    /// When pictures' last packets came out at the viewer.
    seen: Vec<Instant>,
    estimates: Vec<(Instant, u64)>,
    wishes: usize,
}

impl Watch {
    fn new(line: u64, rate: u64) -> Self {
        let mut pair = Pair::connect();
        let video = pair.server.leg_config(LegId(1)).unwrap().video.unwrap();
        pair.events.clear();
        pair.heard.clear();
        // The pair connects in steps of 10 ms, which the first probes take for delay.
        pair.server
            .rtc
            .bwe()
            .reset(crate::media::webrtc::line::FIRST);
        let line = Bottleneck::new(pair.now, line);
        Self {
            payload_type: video.send[0].0,
            pair,
            line,
            rate,
            sequence: 0,
            picture: 0,
            keyframe: true,
            seen: Vec::new(),
            estimates: Vec::new(),
            wishes: 0,
        }
    }

    fn runs(&mut self, time: Duration) {
        let end = self.pair.now + time;
        let mut next = self.pair.now;
        while self.pair.now < end {
            self.pair.now += Duration::from_millis(1);
            if self.pair.now >= next {
                next += Duration::from_millis(33);
                self.films();
            }
            self.passes();
        }
    }

    fn films(&mut self) {
        self.picture += 1;
        let key = std::mem::take(&mut self.keyframe);
        let size = self.rate / 8 / 30 * if key { 8 } else { 1 };
        let parts = size.div_ceil(1_100);
        for part in 0..parts {
            // A descriptor with an extended picture id, then the frame's tag: even for a keyframe.
            let mut payload = vec![0; usize::try_from(size / parts).unwrap()];
            payload[0] = if part == 0 { 0x10 } else { 0 };
            payload[1] = u8::from(!key);
            let packet = OutPacket {
                marker: part + 1 == parts,
                timestamp: self.picture * 2_970,
                ..self.pair.out(self.payload_type, self.sequence)
            };
            self.sequence += 1;
            self.pair.server.write_video(0, &packet, payload.into());
        }
    }

    fn passes(&mut self) {
        let now = self.pair.now;
        let pair = &mut self.pair;
        let line = &mut self.line;
        pair.server
            .advance(now, &mut pair.events, &mut |to, bytes| {
                line.send(now, to, bytes)
            })
            .unwrap();
        while let Some((to, bytes)) = line.arrived(now) {
            let receive = Receive::new(Protocol::Udp, addr(SERVER), to, &bytes).unwrap();
            pair.client
                .handle_input(Input::Receive(now, receive))
                .unwrap();
            pair.mute = line.down;
            pair.poll_client();
        }
        pair.client.handle_input(Input::Timeout(now)).unwrap();
        pair.mute = line.down;
        pair.poll_client();
        for (to, bytes) in std::mem::take(&mut pair.to_client) {
            line.send(now, to, &bytes);
        }
        for event in pair.events.drain(..) {
            match event {
                PeerEvent::Estimate { bits_per_second } => {
                    self.estimates.push((now, bits_per_second))
                }
                PeerEvent::KeyframeRequest { .. } => {
                    self.wishes += 1;
                    self.keyframe = true;
                }
                _ => {}
            }
        }
        for event in pair.heard.drain(..) {
            if let Event::RtpPacket(packet) = event
                && packet.header.marker
            {
                self.seen.push(now);
            }
        }
    }

    fn estimate(&self) -> u64 {
        self.estimates.last().map_or(0, |(_, bits)| *bits)
    }

    /// Pictures that came whole to the end within the last `time`.
    fn pictures(&self, time: Duration) -> usize {
        let since = self.pair.now - time;
        self.seen.iter().filter(|at| **at > since).count()
    }
}

#[test]
fn the_estimate_finds_what_a_line_carries() {
    for (line, least, most) in [
        (300_000, 120_000, 400_000),
        (1_000_000, 450_000, 1_300_000),
        (5_000_000, 2_000_000, u64::MAX),
    ] {
        let mut watch = Watch::new(line, line.min(2_000_000) * 2 / 3);
        watch.runs(Duration::from_secs(20));
        let estimate = watch.estimate();
        let told: Vec<u64> = watch
            .estimates
            .iter()
            .map(|(_, bits)| bits / 1_000)
            .collect();
        println!(
            "{told:?}, {} pictures",
            watch.pictures(Duration::from_secs(5))
        );
        println!("line {line}: estimate {estimate} after 20 s");
        assert!((least..=most).contains(&estimate), "{line}: {estimate}");
        let weakest = watch.estimates.iter().map(|(_, bits)| *bits).min();
        assert!(weakest >= Some(least), "{line}: {weakest:?} at times");
        assert!(watch.pictures(Duration::from_secs(5)) > 100, "{line}");
    }
}

#[test]
fn a_strong_line_is_found_out_within_seconds_although_little_is_sent() {
    let mut watch = Watch::new(5_000_000, 150_000);
    watch.runs(Duration::from_secs(5));
    println!("estimate {} at 150 kbit/s after 5 s", watch.estimate());
    assert!(watch.estimate() > 1_000_000, "{}", watch.estimate());
}

#[test]
fn a_line_that_does_not_carry_the_picture_loses_pictures_here_and_asks_seldom() {
    let mut watch = Watch::new(300_000, 2_000_000);
    watch.runs(Duration::from_secs(30));
    let dropped = watch.pair.server.take_paced_out();
    println!(
        "dropped here {dropped}, there {}, {} wishes",
        watch.line.dropped, watch.wishes
    );
    assert!(watch.estimate() < 500_000, "{}", watch.estimate());
    assert!(dropped > 2_000, "{dropped}");
    assert!(watch.wishes <= 25, "{} wishes in 30 s", watch.wishes);
}

#[test]
fn random_loss_does_not_starve_a_viewer() {
    for (loss, least) in [(5, 800_000), (10, 300_000)] {
        let mut watch = Watch::new(4_000_000, 1_000_000);
        watch.line.loss_per_cent = loss;
        watch.runs(Duration::from_secs(30));
        let told: Vec<u64> = watch
            .estimates
            .iter()
            .map(|(_, bits)| bits / 1_000)
            .collect();
        println!("{told:?}");
        println!(
            "{loss} % loss: estimate {}, {} wishes, {} pictures in 5 s",
            watch.estimate(),
            watch.wishes,
            watch.pictures(Duration::from_secs(5))
        );
        assert!(watch.estimate() > least, "{loss} %: {}", watch.estimate());
    }
}

#[test]
fn a_line_that_was_too_weak_for_its_pictures_is_found_strong_again() {
    for loss in [0, 3] {
        let mut watch = Watch::new(4_000_000, 1_000_000);
        watch.line.loss_per_cent = loss;
        watch.runs(Duration::from_secs(10));
        watch.line.rate = 100_000;
        watch.runs(Duration::from_secs(10));
        let weak = watch.estimate();
        assert!(weak < 300_000, "{weak}");
        watch.line.rate = 4_000_000;
        watch.runs(Duration::from_secs(20));
        let pictures = watch.pictures(Duration::from_secs(2));
        println!(
            "{loss} % loss: {weak}, then {} and {pictures} pictures in 2 s",
            watch.estimate()
        );
        assert!(watch.estimate() > 1_000_000, "{}", watch.estimate());
        assert!(pictures > 40, "{pictures}");
    }
}

#[test]
fn after_an_outage_of_ten_seconds_pictures_are_back_within_two() {
    let mut watch = Watch::new(3_000_000, 800_000);
    watch.runs(Duration::from_secs(10));
    watch.line.down = true;
    watch.runs(Duration::from_secs(10));
    watch.line.down = false;
    // Its viewer, or our pacer, asks for it.
    watch.runs(Duration::from_secs(2));
    let last = watch.pictures(Duration::from_millis(500));
    println!(
        "{last} pictures in the last half second, estimate {}",
        watch.estimate()
    );
    assert!(last >= 10, "{last}");
}
