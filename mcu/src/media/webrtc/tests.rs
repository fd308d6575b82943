//! The transport against a second str0m as the browser, in memory and virtual time.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::video::VideoCodec;
use plenum_mixer::LegId;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::rtp::ExtensionValues;
use str0m::{Candidate, RtcConfig};

use super::*;
use crate::media::Limits;

mod audio;
mod line;
mod losses;
mod screen;

const SERVER: &str = "127.0.0.1:10000";
const CLIENT: &str = "127.0.0.1:20000";

struct Pair {
    now: Instant,
    client: Rtc,
    server: PeerTransport,
    /// On their way to the client.
    to_client: Vec<(SocketAddr, Vec<u8>)>,
    /// Address of the client that nothing reaches or leaves any more.
    dead: Option<SocketAddr>,
    /// What the server's peer did, and what came out at the client.
    events: Vec<PeerEvent>,
    heard: Vec<Event>,
    /// Audio packets that the server took without the stack.
    past_the_stack: usize,
    /// No media and no reports of the client arrive.
    mute: bool,
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client(now: Instant) -> Rtc {
    let mut rtc = RtcConfig::new()
        .set_rtp_mode(true)
        .set_stats_interval(Some(Duration::from_secs(1)))
        .build(now);
    rtc.add_local_candidate(Candidate::host(addr(CLIENT), "udp").unwrap());
    rtc
}

/// Offers audio, camera and more video lines to receive.
fn offer(rtc: &mut Rtc, first: bool, slots: usize) -> (String, SdpPendingOffer) {
    let mut api = rtc.sdp_api();
    if first {
        api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        api.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
    }
    for _ in 0..slots {
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    }
    let (offer, pending) = api.apply().unwrap();
    (offer.to_sdp_string(), pending)
}

impl Pair {
    fn connect() -> Self {
        let now = Instant::now();
        let mut client = client(now);
        let (sdp, pending) = offer(&mut client, true, 0);
        let identity = Identity::generate().unwrap();
        let (server, answer) =
            PeerTransport::accept(&identity, addr(SERVER), &sdp, &Limits::default(), now).unwrap();
        client
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
            .unwrap();
        let mut pair = Self {
            now,
            client,
            server,
            to_client: Vec::new(),
            dead: None,
            events: Vec::new(),
            heard: Vec::new(),
            past_the_stack: 0,
            mute: false,
        };
        pair.run(Duration::from_secs(2));
        assert!(
            pair.events
                .iter()
                .any(|e| matches!(e, PeerEvent::Connected))
        );
        pair
    }

    /// Lets both talk for `time` in steps of 10 ms.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(10);
            let to_client = &mut self.to_client;
            self.server
                .advance(self.now, &mut self.events, &mut |to, bytes| {
                    to_client.push((to, bytes.to_vec()))
                })
                .unwrap();
            for (to, bytes) in std::mem::take(&mut self.to_client) {
                if self.dead == Some(to) {
                    continue;
                }
                let receive = Receive::new(Protocol::Udp, addr(SERVER), to, &bytes).unwrap();
                self.client
                    .handle_input(Input::Receive(self.now, receive))
                    .unwrap();
                self.poll_client();
            }
            self.client.handle_input(Input::Timeout(self.now)).unwrap();
            self.poll_client();
        }
    }

    fn poll_client(&mut self) {
        loop {
            match self.client.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Event(event) => self.heard.push(event),
                Output::Transmit(datagram) if self.dead == Some(datagram.source) => {}
                Output::Transmit(datagram)
                    if self.mute && demux::kind_of(&datagram.contents) == Some(Kind::Rtp) => {}
                Output::Transmit(datagram) => {
                    let mut bytes = datagram.contents.to_vec();
                    match self.server.receive_audio(self.now, &mut bytes) {
                        Heard::Foreign => {}
                        Heard::Refused => continue,
                        Heard::Packet(packet) => {
                            self.past_the_stack += 1;
                            self.events.push(PeerEvent::Packet {
                                track: Track::Audio,
                                packet,
                            });
                            continue;
                        }
                    }
                    self.server.receive(self.now, datagram.source, &bytes);
                    let to_client = &mut self.to_client;
                    self.server
                        .poll(&mut self.events, &mut |to, bytes| {
                            to_client.push((to, bytes.to_vec()))
                        })
                        .unwrap();
                }
            }
        }
    }

    fn out(&self, payload_type: u8, sequence: u64) -> OutPacket {
        OutPacket {
            payload_type,
            marker: true,
            sequence,
            timestamp: 3_000,
            payload: Bytes::from_static(b"payload"),
            audio_level: Some(AudioLevel {
                dbov: 33,
                voice: true,
            }),
            captured: clock::to_media(self.now),
        }
    }
}

#[test]
fn what_a_page_puts_into_one_stream_is_answered_in_one() {
    let now = Instant::now();
    let mut rtc = client(now);
    let mut api = rtc.sdp_api();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let stream = Some("lips".to_owned());
        api.add_media(kind, Direction::SendRecv, stream, None, None);
    }
    let (offer, _) = api.apply().unwrap();
    let (offer, identity) = (offer.to_sdp_string(), Identity::generate().unwrap());
    let (_, answer) =
        PeerTransport::accept(&identity, addr(SERVER), &offer, &Limits::default(), now).unwrap();
    // Within one stream a browser keeps lips with the voice.
    assert_eq!(
        answer.sdp.matches("a=msid:lips ").count(),
        2,
        "{}",
        answer.sdp
    );
}

#[test]
fn the_answer_agrees_on_opus_vp8_and_baseline_h264() {
    let pair = Pair::connect();
    let config = pair.server.leg_config(LegId(1)).unwrap();
    assert!(config.audio.level_extension);
    assert_eq!(config.audio.receive[0].1, AudioCodec::Opus);
    let video = config.video.unwrap();
    assert_eq!(
        video.send.iter().map(|s| s.1).collect::<Vec<_>>(),
        [VideoCodec::Vp8, VideoCodec::H264]
    );
    assert_eq!((video.slots, &video.receive), (1, &video.send));
    let mut server = pair.server;
    let (sdp, _) = offer(&mut client(pair.now), true, 0);
    let identity = Identity::generate().unwrap();
    let (fresh, answer) =
        PeerTransport::accept(&identity, addr(SERVER), &sdp, &Limits::default(), pair.now).unwrap();
    let video = fresh.leg_config(LegId(2)).unwrap().video.unwrap();
    assert_eq!(video.slots, 0, "before it is connected");
    for needed in [
        "a=ice-lite",
        "profile-level-id=42e01f",
        "packetization-mode=1",
        "a=rtcp-fb:96 nack pli",
        "rtx/90000",
        "useinbandfec=1;usedtx=1",
    ] {
        assert!(answer.sdp.contains(needed), "{needed} in {}", answer.sdp);
    }
    assert!(answer.sdp.contains("127.0.0.1 10000 typ host"));
    assert!(!answer.sdp.contains("m=application"));
    assert!(server.number_extension.is_some() && !server.ufrag().is_empty());
}

#[test]
fn a_viewers_pli_becomes_a_request_for_its_slot_and_ours_reaches_the_publisher() {
    let mut pair = Pair::connect();
    let video = pair.server.leg_config(LegId(1)).unwrap().video.unwrap();
    for n in 0..5 {
        let packet = pair.out(video.send[0].0, n);
        assert!(
            pair.server
                .write_video(0, &packet, Arc::from(&packet.payload[..]))
        );
        pair.run(Duration::from_millis(20));
    }
    let ssrc = pair.server.slots[0].ssrc;
    pair.client
        .direct_api()
        .stream_rx(&ssrc)
        .unwrap()
        .request_keyframe(KeyframeRequestKind::Pli);
    pair.run(Duration::from_millis(200));
    assert!(
        pair.events
            .iter()
            .any(|e| matches!(e, PeerEvent::KeyframeRequest { slot: 0 }))
    );
    let mid = pair.server.slots[0].mid;
    let write = RtpWrite::new(
        video.receive[0].0.into(),
        1.into(),
        0,
        pair.now,
        vec![1; 30],
    );
    pair.client
        .direct_api()
        .stream_tx_by_mid(mid, None)
        .unwrap()
        .write_rtp(write);
    pair.run(Duration::from_millis(50));
    assert!(pair.server.request_keyframe(Track::Camera));
    pair.run(Duration::from_millis(200));
    assert!(
        pair.heard
            .iter()
            .any(|e| matches!(e, Event::KeyframeRequest(r) if r.mid == mid))
    );
}

#[test]
fn a_lost_video_packet_is_sent_again() {
    let mut pair = Pair::connect();
    let number = pair
        .server
        .leg_config(LegId(1))
        .unwrap()
        .video
        .unwrap()
        .send[0]
        .0;
    for n in 0..20 {
        let packet = pair.out(number, n);
        assert!(
            pair.server
                .write_video(0, &packet, Arc::from(&packet.payload[..]))
        );
        if n == 10 {
            // Sent into the void.
            pair.now += Duration::from_millis(10);
            pair.server
                .advance(pair.now, &mut pair.events, &mut |_, _| {})
                .unwrap();
        }
        pair.run(Duration::from_millis(20));
    }
    pair.run(Duration::from_millis(500));
    let got = |n: u16| {
        pair.heard
            .iter()
            .any(|e| matches!(e, Event::RtpPacket(p) if p.header.sequence_number == n))
    };
    assert!((0..20).all(got));
}

#[test]
fn later_offers_add_slots_in_the_order_of_their_lines() {
    let mut pair = Pair::connect();
    let (sdp, pending) = offer(&mut pair.client, false, 2);
    let answer = pair.server.negotiate(&sdp, &Limits::default()).unwrap();
    pair.client
        .sdp_api()
        .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
        .unwrap();
    pair.run(Duration::from_millis(100));
    let outline = Outline::read(&sdp, &Limits::default()).unwrap();
    let video: Vec<String> = outline
        .lines
        .iter()
        .skip(1)
        .map(|l| l.mid.clone())
        .collect();
    assert_eq!(answer.slot_mids, video);
    assert_eq!(answer.slot_mids.len(), 3);
    let config = pair.server.leg_config(LegId(1)).unwrap().video.unwrap();
    assert_eq!(config.slots, 3);
    for n in 0..3 {
        let packet = pair.out(config.send[0].0, n);
        assert!(
            pair.server
                .write_video(2, &packet, Arc::from(&packet.payload[..]))
        );
        pair.run(Duration::from_millis(20));
    }
    let ssrc = pair.server.slots[2].ssrc;
    assert!(
        pair.heard
            .iter()
            .any(|e| matches!(e, Event::RtpPacket(p) if p.header.ssrc == ssrc))
    );
}

#[test]
fn an_ice_restart_changes_our_fragment_and_media_goes_on() {
    let mut pair = Pair::connect();
    let before = pair.server.ufrag();
    let mut api = pair.client.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    let answer = pair
        .server
        .negotiate(&offer.to_sdp_string(), &Limits::default())
        .unwrap();
    assert_ne!(pair.server.ufrag(), before);
    pair.client
        .sdp_api()
        .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
        .unwrap();
    pair.events.clear();
    pair.run(Duration::from_secs(1));
    assert!(
        pair.events
            .iter()
            .any(|e| matches!(e, PeerEvent::Validated(_)))
    );
    pair.send_audio(1);
    pair.run(Duration::from_millis(50));
    assert!(
        pair.events
            .iter()
            .any(|e| matches!(e, PeerEvent::Packet { .. }))
    );
}

#[test]
fn refused_offers_leave_the_peer_as_it_was() {
    let mut pair = Pair::connect();
    let (sdp, _) = offer(&mut client(pair.now), true, 1);
    let swapped = sdp
        .replace("m=audio", "m=tmp")
        .replace("m=video", "m=audio")
        .replace("m=tmp", "m=video");
    assert!(pair.server.negotiate(&swapped, &Limits::default()).is_err());
    assert!(
        pair.server
            .negotiate("v=0\r\n", &Limits::default())
            .is_err()
    );
    pair.send_audio(1);
    pair.run(Duration::from_millis(50));
    assert!(
        pair.events
            .iter()
            .any(|e| matches!(e, PeerEvent::Packet { .. }))
    );
}

#[test]
fn a_goodbye_reaches_the_client() {
    let mut pair = Pair::connect();
    pair.server.close(&mut |_, _| {});
    pair.run(Duration::from_millis(100));
    assert!(pair.heard.iter().any(|e| matches!(e, Event::Closed)));
}

#[test]
fn a_clients_goodbye_is_told() {
    let mut pair = Pair::connect();
    pair.client.close().unwrap();
    pair.run(Duration::from_millis(100));
    assert_eq!(
        pair.events
            .iter()
            .filter(|e| matches!(e, PeerEvent::Closed))
            .count(),
        1
    );
}

#[test]
fn wire_numbers_begin_low_and_close_up_after_a_long_pause() {
    let mut numbering = Numbering::default();
    assert_eq!(numbering.map(200_000), 200_000 & 0xffff);
    assert_eq!(numbering.map(200_001), 200_001 & 0xffff);
    assert_eq!(
        numbering.map(200_000),
        200_000 & 0xffff,
        "a late packet keeps its number"
    );
    assert_eq!(numbering.map(300_000), (200_001 & 0xffff) + 1);
    assert_eq!(numbering.map(300_001), (200_001 & 0xffff) + 2);
}
