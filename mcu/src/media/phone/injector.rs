//! An injector that knows a call's port, its payload type and its SSRC, but sees none of its packets: what it can do before the phone
//! has spoken, while the phone's address is learnt, and after, without and with SRTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use plenum_codecs::MediaTime;
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::{KeyMaterial, SessionPolicy, SrtpPolicy, accept_answer, answer, offer};
use plenum_mixer::OutPacket;

use super::super::MediaConfig;
use super::super::ports::PortPool;
use super::shield::Shield;
use super::{Direction, Limits, Phone, PhoneInput, PhoneMedia, wire};

const TICK: Duration = Duration::from_millis(20);
const SSRC: u32 = 9;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A call, and what its phone protects with.
struct Scene {
    phone: Phone,
    shield: Shield,
    now: Instant,
    /// Of the phone's next packet.
    sequence: u16,
}

impl Scene {
    fn new(encrypted: bool) -> Self {
        let now = Instant::now();
        let mut media = PhoneMedia {
            remote_rtp: address("192.0.2.7:4000"),
            remote_rtcp: address("192.0.2.7:4001"),
            codec: AudioCodec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            telephone_event: None,
            comfort_noise: None,
            direction: Direction::SendReceive,
            ptime: 20,
            srtp: None,
        };
        let mut shield = Shield::new(None, SSRC);
        if encrypted {
            let policy = |seed| SessionPolicy {
                codecs: vec![AudioCodec::Pcmu],
                telephone_event: false,
                local_rtp: address("192.0.2.7:4000"),
                local_rtcp_port: None,
                local_video: None,
                session_id: 1,
                srtp: SrtpPolicy::Required(KeyMaterial::new(&[seed; KeyMaterial::LENGTH])),
            };
            let (text, session) = offer(&policy(1), None);
            let ours = answer(&text, &policy(2), None).unwrap();
            let theirs = accept_answer(&ours.answer, &policy(1), &session).unwrap();
            shield = Shield::new(theirs.srtp.as_ref(), SSRC);
            media.srtp = ours.audio.srtp;
        }
        let pool = PortPool::new(&MediaConfig::default());
        Self {
            phone: Phone::new(pool.bind().unwrap(), media, &Limits::default(), now),
            shield,
            now,
            sequence: 1_000,
        }
    }

    /// The phone speaks once from `source`; whether it is heard.
    fn speaks(&mut self, source: &str) -> bool {
        self.now += TICK;
        self.sequence += 1;
        let mut datagram = packet(self.sequence);
        assert!(self.shield.protect(self.sequence.into(), &mut datagram));
        self.heard(source, datagram)
    }

    /// The injector sends a burst; how much of it is heard.
    fn injects(&mut self, source: &str, count: u16) -> usize {
        let heard = (0..count).filter(|n| self.heard(source, packet(self.sequence + n)));
        heard.count()
    }

    fn heard(&mut self, source: &str, mut datagram: Vec<u8>) -> bool {
        let input = self.phone.on_rtp(self.now, address(source), &mut datagram);
        matches!(input, PhoneInput::Packet { .. })
    }

    fn sends_to(&self) -> Option<SocketAddr> {
        self.phone.latch.destination()
    }
}

fn packet(sequence: u16) -> Vec<u8> {
    let mut datagram = Vec::new();
    let packet = OutPacket {
        payload_type: 0,
        marker: false,
        sequence: sequence.into(),
        timestamp: u32::from(sequence) * 160,
        payload: vec![0xff; 160].into(),
        audio_level: None,
        captured: MediaTime::ZERO,
    };
    assert!(wire::write(&packet, SSRC, &mut datagram));
    datagram
}

const THIEF: &str = "198.51.100.9:5000";
const SIGNALLED: &str = "192.0.2.7:4000";
const BEHIND_NAT: &str = "203.0.113.5:31000";

#[test]
fn before_the_phone_speaks_a_burst_takes_nothing() {
    for encrypted in [false, true] {
        let mut scene = Scene::new(encrypted);
        assert_eq!(scene.injects(THIEF, 1_000), 0);
        assert_eq!(scene.sends_to(), Some(address(SIGNALLED)));
        assert!(scene.speaks(SIGNALLED), "the phone is heard at once");
    }
}

#[test]
fn a_patient_thief_is_outlived_by_the_signalled_address() {
    let mut scene = Scene::new(false);
    for _ in 0..10 {
        scene.speaks(THIEF);
    }
    assert_eq!(
        scene.sends_to(),
        Some(address(THIEF)),
        "plain RTP has no better sign"
    );
    let heard = (0..10).filter(|_| scene.speaks(SIGNALLED)).count();
    assert_eq!(heard, 6);
    assert_eq!(scene.sends_to(), Some(address(SIGNALLED)));
}

#[test]
fn while_a_phone_behind_a_nat_is_learnt_bursts_between_its_packets_win_nothing() {
    for encrypted in [false, true] {
        let mut scene = Scene::new(encrypted);
        let mut heard = 0;
        for _ in 0..10 {
            heard += usize::from(scene.speaks(BEHIND_NAT));
            assert_eq!(scene.injects(THIEF, 3), 0);
        }
        assert_eq!(heard, 6);
        assert_eq!(scene.sends_to(), Some(address(BEHIND_NAT)));
    }
}

#[test]
fn after_that_nobody_else_is_heard_and_a_flood_costs_the_phone_nothing() {
    for encrypted in [false, true] {
        let mut scene = Scene::new(encrypted);
        for _ in 0..10 {
            scene.speaks(BEHIND_NAT);
        }
        for _ in 0..500 {
            assert_eq!(scene.injects(THIEF, 200), 0);
            assert!(scene.speaks(BEHIND_NAT));
        }
        assert_eq!(scene.sends_to(), Some(address(BEHIND_NAT)));
    }
}

#[test]
fn with_srtp_neither_patience_nor_a_copy_nor_the_phones_own_address_helps() {
    let mut scene = Scene::new(true);
    for source in [THIEF, SIGNALLED] {
        for _ in 0..20 {
            scene.now += TICK;
            assert_eq!(scene.injects(source, 1), 0);
        }
    }
    assert_eq!(scene.phone.latch.locked(), None);
    let mut copies = Vec::new();
    for _ in 0..20 {
        scene.now += TICK;
        scene.sequence += 1;
        let mut datagram = packet(scene.sequence);
        assert!(scene.shield.protect(scene.sequence.into(), &mut datagram));
        copies.push(datagram.clone());
        assert!(scene.heard(SIGNALLED, datagram));
    }
    for copy in copies {
        scene.now += TICK;
        assert!(!scene.heard(THIEF, copy));
    }
    assert_eq!(scene.sends_to(), Some(address(SIGNALLED)));
}
