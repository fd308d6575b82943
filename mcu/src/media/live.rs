//! The media plane as control uses it: real threads and sockets on loopback, phones played by plain UDP.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test stops at the first surprise"
)]

mod spread;

use std::net::UdpSocket;

use plenum_codecs::audio::g711::Law;
use plenum_codecs::audio::{AudioCodec, level_dbov};
use plenum_dialin::sdp::Direction;
use prometheus::Registry;
use tokio::sync::mpsc::Receiver;

use super::*;

const TONE_LOW: f64 = 440.0;
const TONE_HIGH: f64 = 1_000.0;

type Events = Receiver<(RoomId, RoomEvent)>;

fn media(
    workers: usize,
    ports: RangeInclusive<u16>,
    change: impl FnOnce(&mut MediaConfig),
) -> (Media, Registry) {
    let registry = Registry::new();
    let mut config = MediaConfig {
        workers,
        udp_port: 0,
        rtp_ports: ports,
        ..MediaConfig::default()
    };
    change(&mut config);
    (Media::start(config, &registry).unwrap(), registry)
}

/// A phone: G.711 µ-law, a tone out, what comes in kept.
struct Caller {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    server: SocketAddr,
    tone: f64,
    sent: u32,
    ssrc: u32,
    heard: Vec<i16>,
    /// SSRC and sequence of what came in.
    numbers: Vec<(u32, u16)>,
}

impl Caller {
    fn new(server: SocketAddr, tone: f64) -> Self {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rtcp = UdpSocket::bind("127.0.0.1:0").unwrap();
        rtp.set_nonblocking(true).unwrap();
        rtcp.set_nonblocking(true).unwrap();
        Self {
            rtp,
            rtcp,
            server,
            tone,
            sent: 0,
            ssrc: fastrand::u32(1..),
            heard: Vec::new(),
            numbers: Vec::new(),
        }
    }

    fn session(&self) -> PhoneMedia {
        PhoneMedia {
            remote_rtp: self.rtp.local_addr().unwrap(),
            remote_rtcp: self.rtcp.local_addr().unwrap(),
            codec: AudioCodec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            telephone_event: Some((101, 8_000)),
            comfort_noise: None,
            direction: Direction::SendReceive,
            ptime: 20,
            srtp: None,
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend((self.sent as u16).to_be_bytes());
        packet.extend((self.sent * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        for n in 0..160 {
            let phase =
                f64::from(self.sent * 160 + n) * self.tone * std::f64::consts::TAU / 8_000.0;
            packet.push(Law::Mu.encode((phase.sin() * 8_000.0) as i16));
        }
        self.sent += 1;
        packet
    }

    fn speak(&mut self) {
        let packet = self.packet();
        self.rtp.send_to(&packet, self.server).unwrap();
    }

    fn listen(&mut self) {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = self.rtp.recv_from(&mut buffer) {
            assert_eq!(from, self.server);
            assert_eq!(
                (buffer[0], buffer[1] & 0x7f, length),
                (0x80, 0, 172),
                "a G.711 packet of 20 ms"
            );
            let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
            let ssrc = u32::from_be_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]);
            self.numbers.push((ssrc, sequence));
            self.heard
                .extend(buffer[12..length].iter().map(|b| Law::Mu.decode(*b)));
        }
    }

    /// Amplitude of a tone in the last second heard.
    fn amplitude(&self, tone: f64) -> f64 {
        let last = &self.heard[self.heard.len().saturating_sub(8_000)..];
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in last.iter().enumerate() {
            let phase = n as f64 * tone * std::f64::consts::TAU / 8_000.0;
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
        }
        2.0 * re.hypot(im) / last.len().max(1) as f64
    }
}

async fn join(media: &Media, room: RoomId, tone: f64) -> (LegId, Caller) {
    let sockets = media.bind_rtp().unwrap();
    let caller = Caller::new(sockets.local, tone);
    let leg = media.next_leg();
    media
        .add_phone(room, leg, sockets, caller.session())
        .await
        .unwrap();
    (leg, caller)
}

/// Everybody speaks and listens in real time.
async fn talk(callers: &mut [&mut Caller], time: Duration) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..time.as_millis() / 20 {
        clock.tick().await;
        for caller in callers.iter_mut() {
            caller.speak();
            caller.listen();
        }
    }
}

async fn open(media: &Media) -> (RoomId, Events) {
    let (sender, receiver) = mpsc::channel(256);
    (
        media
            .open_room(RoomConfig::default(), sender)
            .await
            .unwrap(),
        receiver,
    )
}

/// Value of a metric with a label value, or of the only one.
fn metric(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|f| f.name() == name).unwrap();
    let found = family
        .get_metric()
        .iter()
        .filter(|m| label.is_empty() || m.get_label().iter().any(|l| l.value() == label))
        .map(|m| m.get_counter().get_value() + m.get_gauge().get_value());
    found.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_and_not_themselves() {
    let (media, registry) = media(1, 43_000..=43_019, |_| ());
    let (room, mut events) = open(&media).await;
    let (first, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut high) = join(&media, room, TONE_HIGH).await;
    talk(&mut [&mut low, &mut high], Duration::from_secs(3)).await;
    assert!(low.heard.len() > 20_000, "{}", low.heard.len());
    assert!(
        (6_000.0..9_000.0).contains(&low.amplitude(TONE_HIGH)),
        "{}",
        low.amplitude(TONE_HIGH)
    );
    assert!(
        (6_000.0..9_000.0).contains(&high.amplitude(TONE_LOW)),
        "{}",
        high.amplitude(TONE_LOW)
    );
    assert!(
        low.amplitude(TONE_LOW) < 100.0,
        "{}",
        low.amplitude(TONE_LOW)
    );
    let stats = media.leg_stats(first).await.unwrap();
    assert!(stats.received > 140 && stats.lost == 0, "{stats:?}");
    let connected = std::iter::from_fn(|| events.try_recv().ok())
        .filter(|(_, e)| matches!(e, RoomEvent::Connected { .. }))
        .count();
    assert_eq!(connected, 2);
    assert_eq!(metric(&registry, "plenum_media_legs", "phone") as u32, 2);
    media.close_room(room).await.unwrap();
    assert_eq!(
        media.rtp_pairs_in_use(),
        0,
        "ports come back with their legs"
    );
    assert_eq!(media.stop(Duration::from_secs(2)).await, 0);
    assert_eq!(metric(&registry, "plenum_media_legs", "phone") as u32, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_injector_is_neither_heard_nor_sent_anything() {
    let (media, registry) = media(1, 43_020..=43_039, |_| ());
    let (room, _events) = open(&media).await;
    let (_, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut victim) = join(&media, room, TONE_HIGH).await;
    talk(&mut [&mut low, &mut victim], Duration::from_millis(500)).await;
    let mut injector = Caller::new(victim.server, 2_300.0);
    injector.ssrc = victim.ssrc;
    talk(
        &mut [&mut low, &mut victim, &mut injector],
        Duration::from_secs(2),
    )
    .await;
    assert!(injector.heard.is_empty());
    assert!(low.amplitude(2_300.0) < 100.0, "{}", low.amplitude(2_300.0));
    assert!(low.amplitude(TONE_HIGH) > 6_000.0);
    assert!(metric(&registry, "plenum_media_dropped_total", "unlatched") > 90.0);
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_keeps_its_stream_over_a_move_to_another_worker() {
    let (media, _registry) = media(2, 43_040..=43_059, |_| ());
    let (lobby, mut events) = open(&media).await;
    let (leg, mut low) = join(&media, lobby, TONE_LOW).await;
    let (conference, _events) = open(&media).await;
    assert_ne!(
        directory::home_of(lobby, 2),
        directory::home_of(conference, 2)
    );
    let (_, mut high) = join(&media, conference, TONE_HIGH).await;
    talk(&mut [&mut low, &mut high], Duration::from_millis(600)).await;
    assert!(low.amplitude(TONE_HIGH) < 100.0, "alone in the lobby");
    let before = low.numbers.last().copied().unwrap();
    let owner = media.shared.directory.owner(leg);
    media.move_leg(leg, conference).await.unwrap();
    assert_eq!(media.shared.directory.owner(leg), owner, "its sockets stay");
    talk(&mut [&mut low, &mut high], Duration::from_secs(2)).await;
    assert!(low.amplitude(TONE_HIGH) > 6_000.0);
    assert!(high.amplitude(TONE_LOW) > 6_000.0);
    assert!(
        low.numbers.iter().all(|(ssrc, _)| *ssrc == before.0),
        "one SSRC all along"
    );
    assert!(
        low.numbers
            .windows(2)
            .all(|w| w[1].1 == w[0].1.wrapping_add(1)),
        "and no gap"
    );
    while let Ok((_, event)) = events.try_recv() {
        assert!(
            !matches!(event, RoomEvent::LegGone { .. }),
            "a move is no end"
        );
    }
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_phone_is_reaped_but_not_while_on_hold() {
    let (media, _registry) = media(1, 43_060..=43_079, |c| {
        c.rtp_silence = Duration::from_secs(1)
    });
    let (room, mut events) = open(&media).await;
    let (_, held) = join(&media, room, TONE_LOW).await;
    let holder = media
        .shared
        .directory
        .owner(LegId(1))
        .map(|_| LegId(1))
        .unwrap();
    let hold = PhoneMedia {
        direction: Direction::SendOnly,
        ..held.session()
    };
    media.update_phone(holder, hold).await.unwrap();
    let (silent, _caller) = join(&media, room, TONE_HIGH).await;
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let gone: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|(_, e)| {
            if let RoomEvent::LegGone { leg, reason } = e {
                Some((leg, reason))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(gone, [(silent, LegGone::RtpSilence)]);
    assert_eq!(media.rtp_pairs_in_use(), 1);
    media.stop(Duration::from_secs(2)).await;
    assert_eq!(media.rtp_pairs_in_use(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_music_of_a_caller_that_holds_the_conference_is_not_mixed() {
    let (media, _registry) = media(1, 43_180..=43_199, |_| ());
    let (room, _events) = open(&media).await;
    let (leg, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut high) = join(&media, room, TONE_HIGH).await;
    talk(&mut [&mut low, &mut high], Duration::from_millis(600)).await;
    for (direction, heard) in [
        (Direction::ReceiveOnly, false),
        (Direction::SendReceive, true),
    ] {
        let session = PhoneMedia {
            direction,
            ..low.session()
        };
        media.update_phone(leg, session).await.unwrap();
        talk(&mut [&mut low, &mut high], Duration::from_millis(600)).await;
        high.heard.clear();
        talk(&mut [&mut low, &mut high], Duration::from_secs(1)).await;
        let amplitude = high.amplitude(TONE_LOW);
        assert_eq!(amplitude > 6_000.0, heard, "{direction:?}: {amplitude}");
        assert!(heard || amplitude < 100.0, "{direction:?}: {amplitude}");
    }
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_go_out_every_five_seconds_and_tell_of_loss() {
    let (media, _registry) = media(1, 43_080..=43_099, |_| ());
    let (room, _events) = open(&media).await;
    let (_, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut high) = join(&media, room, TONE_HIGH).await;
    for _ in 0..70 {
        talk(&mut [&mut low, &mut high], Duration::from_millis(100)).await;
        // Lost on the way.
        low.packet();
    }
    let mut buffer = [0; 1_500];
    let (length, _) = low.rtcp.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[1], 200, "a sender report, as we send audio");
    assert_eq!(buffer[0] & 0x1f, 1, "with one block");
    let (ssrc, fraction) = (
        u32::from_be_bytes([buffer[28], buffer[29], buffer[30], buffer[31]]),
        buffer[32],
    );
    assert_eq!(ssrc, low.ssrc);
    // One in six: 43 of 256.
    assert!((30..55).contains(&fraction), "{fraction} in {length} bytes");
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_socket_leaves_the_call_unharmed() {
    let (media, registry) = media(1, 43_100..=43_119, |_| ());
    let (room, _events) = open(&media).await;
    let (_, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut high) = join(&media, room, TONE_HIGH).await;
    let webrtc = media.webrtc_addresses()[0];
    let targets = [
        webrtc,
        low.server,
        high.server,
        SocketAddr::new(low.server.ip(), low.server.port() + 1),
    ];
    talk(&mut [&mut low, &mut high], Duration::from_millis(300)).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let flood = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let mut sent = 0_u64;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let mut bytes: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
            if let Some(first) = bytes.first_mut() {
                *first = [0x80, 0, 22, 0x90, 200, 1][random.usize(..6)];
            }
            for target in targets {
                socket.send_to(&bytes, target).unwrap();
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        sent
    });
    talk(&mut [&mut low, &mut high], Duration::from_secs(2)).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(flood.join().unwrap() > 5_000);
    assert!(low.amplitude(TONE_HIGH) > 6_000.0 && high.amplitude(TONE_LOW) > 6_000.0);
    assert!(level_dbov(&low.heard[low.heard.len() - 4_000..]) < 30);
    let dropped = |reason| metric(&registry, "plenum_media_dropped_total", reason);
    assert!(dropped("malformed") > 1_000.0 && dropped("unknown_source") > 500.0);
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_nobody_are_errors() {
    let (media, _registry) = media(1, 43_120..=43_121, |_| ());
    let (room, _events) = open(&media).await;
    let nobody = media.next_leg();
    assert!(matches!(
        media.leg_stats(nobody).await,
        Err(MediaError::UnknownLeg)
    ));
    assert!(matches!(
        media.move_leg(nobody, room).await,
        Err(MediaError::UnknownLeg)
    ));
    assert!(matches!(
        media.add_peer(room, nobody, "v=0".to_owned()).await,
        Err(MediaError::Offer(_))
    ));
    assert!(matches!(
        media.close_room(RoomId(999)).await,
        Err(MediaError::UnknownRoom)
    ));
    media.remove_leg(nobody).await.unwrap();
    let sockets = media.bind_rtp().unwrap();
    let caller = Caller::new(sockets.local, TONE_LOW);
    assert!(matches!(media.bind_rtp(), Err(MediaError::PortsExhausted)));
    let refused = media
        .add_phone(RoomId(999), nobody, sockets, caller.session())
        .await;
    assert!(matches!(refused, Err(MediaError::UnknownRoom)));
    assert_eq!(media.rtp_pairs_in_use(), 0);
    assert_eq!(media.stop(Duration::from_secs(2)).await, 0);
    assert!(matches!(
        media.command(
            room,
            Command::StopPlay {
                play: plenum_mixer::PlayId(1)
            }
        ),
        Err(MediaError::Stopped)
    ));
}
