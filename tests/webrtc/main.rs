//! The media plane against clients of an independent implementation, over loopback.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]

mod loss;
mod spread;

use std::time::Duration;

use plenum_codecs::audio::{AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME};
use plenum_codecs::video::decoder::Vp8Decoder;
use plenum_codecs::video::encoder::{VideoSetting, Vp8Encoder};
use plenum_codecs::video::{I420Picture, vp8};
use plenum_codecs::{MediaPacket, MediaTime};
use plenum_mcu::media::{LegGone, Media, MediaConfig, RoomEvent, RoomId};
use plenum_mixer::{LegId, RoomConfig};
use plenum_tests::bot::{Bot, Heard, OPUS, VP8, rtcp};
use plenum_tests::tone::Recording;
use prometheus::Registry;
use rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};
use tokio::sync::mpsc;

type Events = mpsc::Receiver<(RoomId, RoomEvent)>;

/// A participant: a bot with a voice of its own pitch and a picture of its own brightness.
struct Guest {
    bot: Bot,
    leg: LegId,
    voice: AudioEncoder,
    camera: Vp8Encoder,
    pitch: f64,
    luma: u8,
    ticks: u32,
    heard: Vec<Heard>,
}

async fn start() -> (Media, Registry, RoomId, Events) {
    let config = MediaConfig {
        udp_port: 0,
        ..MediaConfig::default()
    };
    start_with(config).await
}

async fn start_with(config: MediaConfig) -> (Media, Registry, RoomId, Events) {
    let registry = Registry::new();
    let media = Media::start(config, &registry).unwrap();
    let (sender, events) = mpsc::channel(1_024);
    let room = media
        .open_room(RoomConfig::default(), sender)
        .await
        .unwrap();
    (media, registry, room, events)
}

async fn join(media: &Media, room: RoomId, bot: Bot, pitch: f64, luma: u8) -> Guest {
    let leg = media.next_leg();
    let answer = media
        .add_peer(room, leg, bot.offer().await.unwrap())
        .await
        .unwrap();
    assert_eq!(answer.slot_mids.len(), 1);
    bot.accept(&answer.sdp).await.unwrap();
    bot.connected(Duration::from_secs(10)).await.unwrap();
    let setting = VideoSetting {
        width: 160,
        height: 96,
        bitrate: 100_000,
        frame_rate: 10,
    };
    Guest {
        bot,
        leg,
        voice: AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus)).unwrap(),
        camera: Vp8Encoder::new(setting).unwrap(),
        pitch,
        luma,
        ticks: 0,
        heard: Vec::new(),
    }
}

impl Guest {
    /// 20 ms of tone; every 100 ms a picture, every half second a keyframe.
    async fn act(&mut self) {
        let mut frame = [0; FRAME];
        for (n, sample) in frame.iter_mut().enumerate() {
            let time = f64::from(self.ticks) * 0.02 + n as f64 / 48_000.0;
            *sample = ((time * self.pitch * std::f64::consts::TAU).sin() * 8_000.0) as i16;
        }
        let payload = self.voice.encode(&frame).unwrap();
        self.bot
            .send_audio(self.ticks * 960, payload)
            .await
            .unwrap();
        if self.ticks.is_multiple_of(5) {
            self.show().await;
        }
        self.ticks += 1;
        self.heard.extend(self.bot.take_heard());
    }

    async fn show(&mut self) {
        let mut picture = I420Picture::black(160, 96).unwrap();
        picture.planes_mut()[0].fill(self.luma);
        if self.ticks.is_multiple_of(25) {
            self.camera.request_keyframe();
        }
        let at = MediaTime::from_millis(u64::from(self.ticks) * 20);
        let Some(frame) = self.camera.encode(&picture, at).unwrap() else {
            return;
        };
        let payloads = vp8::packetize(&frame.data, (self.ticks & 0x7fff) as u16, None, 1_100);
        let last = payloads.len() - 1;
        for (n, payload) in payloads.into_iter().enumerate() {
            self.bot
                .send_video(self.ticks * 1_800, n == last, payload)
                .await
                .unwrap();
        }
    }

    /// Amplitude of a tone in most of the last two seconds heard.
    fn amplitude(&self, tone: f64) -> f64 {
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut pcm = Vec::new();
        for packet in self.heard.iter().filter(|p| p.payload_type == OPUS) {
            decoder.decode(&packet.payload, &mut pcm).unwrap();
        }
        let last = Recording {
            samples: pcm.split_off(pcm.len().saturating_sub(96_000)),
            rate: 48_000,
        };
        10f64.powf(last.level(tone).unwrap() / 20.0) * f64::from(i16::MAX)
    }

    /// Brightness of the last picture seen, and how many there were.
    fn seen(&self) -> (u8, usize) {
        let mut assembly = vp8::Depacketizer::new();
        let mut decoder = Vp8Decoder::new().unwrap();
        let (mut luma, mut pictures) = (0, 0);
        for packet in self.heard.iter().filter(|p| p.payload_type == VP8) {
            let Ok(Some(frame)) = assembly.push(&media_packet(packet)) else {
                continue;
            };
            let Ok(decoded) = decoder.decode(&frame.data) else {
                continue;
            };
            if let Some(picture) = decoded.picture {
                luma = picture.to_picture().planes()[0][80 * 48];
                pictures += 1;
            }
        }
        (luma, pictures)
    }
}

fn media_packet(heard: &Heard) -> MediaPacket {
    MediaPacket {
        payload_type: heard.payload_type,
        marker: heard.marker,
        sequence: heard.sequence,
        timestamp: heard.timestamp,
        ssrc: heard.ssrc,
        audio_level: None,
        payload: heard.payload.clone(),
    }
}

async fn meet(guests: &mut [&mut Guest], time: Duration) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..time.as_millis() / 20 {
        clock.tick().await;
        for guest in guests.iter_mut() {
            guest.act().await;
        }
    }
}

fn metric(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let metrics = families
        .iter()
        .filter(|f| f.name() == name)
        .flat_map(|f| f.get_metric());
    let found = metrics.filter(|m| m.get_label().iter().any(|l| l.value() == label));
    found
        .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
        .sum()
}

fn is_near(luma: u8, wanted: u8) -> bool {
    luma.abs_diff(wanted) <= 6
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bots_hear_and_see_each_other_and_not_themselves() {
    let (media, registry, room, mut events) = start().await;
    let mut ann = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    let mut bob = join(&media, room, Bot::new().await.unwrap(), 1_000.0, 180).await;
    meet(&mut [&mut ann, &mut bob], Duration::from_secs(4)).await;
    assert!(
        ann.amplitude(1_000.0) > 5_500.0,
        "{}",
        ann.amplitude(1_000.0)
    );
    assert!(bob.amplitude(440.0) > 5_500.0, "{}", bob.amplitude(440.0));
    assert!(ann.amplitude(440.0) < 150.0, "{}", ann.amplitude(440.0));
    let (luma, pictures) = ann.seen();
    assert!(is_near(luma, 180) && pictures > 15, "{luma} {pictures}");
    let (luma, pictures) = bob.seen();
    assert!(is_near(luma, 60) && pictures > 15, "{luma} {pictures}");
    let connected = std::iter::from_fn(|| events.try_recv().ok())
        .filter(|(_, event)| matches!(event, RoomEvent::Connected { .. }))
        .count();
    assert_eq!(connected, 2);
    assert!(metric(&registry, "plenum_media_legs", "webrtc") > 1.9);
    ann.bot.close().await.unwrap();
    let gone = async {
        while let Some((_, event)) = events.recv().await {
            if matches!(event, RoomEvent::LegGone { leg, reason: LegGone::Closed } if leg == ann.leg)
            {
                return;
            }
        }
        panic!("no more events");
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_offer_adds_slots() {
    let (media, _registry, room, _events) = start().await;
    let guest = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    guest.bot.add_slots(2).await.unwrap();
    let answer = media
        .renegotiate(guest.leg, guest.bot.offer().await.unwrap())
        .await
        .unwrap();
    guest.bot.accept(&answer.sdp).await.unwrap();
    assert_eq!(answer.slot_mids.len(), 3);
    media.stop(Duration::from_secs(2)).await;
}

/// Regression: transport-wide numbers 1, 65530, 2 put str0m 0.25 into an endless loop that eats memory.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_transport_numbers_do_not_stop_the_worker() {
    let (media, registry, room, _events) = start().await;
    let mut ann = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    let mut bob = join(&media, room, Bot::new().await.unwrap(), 1_000.0, 180).await;
    let mallory = Bot::hostile().await.unwrap();
    let leg = media.next_leg();
    let answer = media
        .add_peer(room, leg, mallory.offer().await.unwrap())
        .await
        .unwrap();
    mallory.accept(&answer.sdp).await.unwrap();
    mallory.connected(Duration::from_secs(10)).await.unwrap();
    let extension = answer
        .sdp
        .lines()
        .find(|l| l.starts_with("a=extmap:") && l.contains("transport-wide-cc"));
    let id = extension
        .and_then(|l| {
            l.strip_prefix("a=extmap:")?
                .split(' ')
                .next()?
                .parse::<u8>()
                .ok()
        })
        .unwrap();
    for number in [1, 65_530, 2] {
        mallory.send_numbered(id, number).await.unwrap();
    }
    meet(&mut [&mut ann, &mut bob], Duration::from_secs(2)).await;
    assert!(metric(&registry, "plenum_media_dropped_total", "transport_number") > 0.9);
    let passed = media.leg_stats(leg).await.unwrap().video_received;
    assert_eq!(passed, 2, "the harmless ones");
    assert!(ann.amplitude(1_000.0) > 5_500.0 && bob.amplitude(440.0) > 5_500.0);
    media.stop(Duration::from_secs(2)).await;
}

/// Regression: a TWCC report with a run of zero length panics str0m 0.25.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_panics_the_stack_ends_that_peer_alone() {
    let (media, registry, room, mut events) = start().await;
    let mut ann = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    let mut bob = join(&media, room, Bot::new().await.unwrap(), 1_000.0, 180).await;
    let mut mallory = join(&media, room, Bot::hostile().await.unwrap(), 2_000.0, 90).await;
    meet(
        &mut [&mut ann, &mut bob, &mut mallory],
        Duration::from_millis(500),
    )
    .await;
    // The empty run makes the stack take the large delta for a small one.
    let run = |packet_status_symbol, run_length| {
        PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol,
            run_length,
        })
    };
    let large = SymbolTypeTcc::PacketReceivedLargeDelta;
    let report = TransportLayerCc {
        sender_ssrc: 1,
        media_ssrc: 2,
        base_sequence_number: 10,
        packet_status_count: 1,
        reference_time: 0,
        fb_pkt_count: 0,
        packet_chunks: vec![
            run(SymbolTypeTcc::PacketReceivedSmallDelta, 0),
            run(large, 1),
        ],
        recv_deltas: vec![RecvDelta {
            type_tcc_packet: large,
            delta: 100_000,
        }],
    };
    mallory.bot.send_rtcp(vec![Box::new(report)]).await.unwrap();
    meet(&mut [&mut ann, &mut bob], Duration::from_secs(2)).await;
    let gone = std::iter::from_fn(|| events.try_recv().ok())
        .find(|(_, e)| matches!(e, RoomEvent::LegGone { leg, reason: LegGone::PeerFault } if *leg == mallory.leg));
    assert!(gone.is_some(), "{:?}", media.leg_stats(mallory.leg).await);
    assert!(metric(&registry, "plenum_media_peer_faults_total", "panic") > 0.9);
    assert!(ann.amplitude(1_000.0) > 5_500.0 && bob.amplitude(440.0) > 5_500.0);
    media.stop(Duration::from_secs(2)).await;
}
