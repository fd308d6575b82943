//! The audio streams, past the stack both ways.

use str0m::media::SenderFeedback;

use super::*;

const ELSEWHERE: &str = "127.0.0.1:30000";

impl Pair {
    pub(super) fn send_audio(&mut self, sequence: u64) {
        let mid = Mid::from(self.server.outline.lines[0].mid.as_str());
        let setting = self.server.leg_config(LegId(1)).unwrap().audio;
        let (payload_type, _) = setting.send.unwrap();
        let now = self.now;
        let extensions = ExtensionValues {
            audio_level: Some(-40),
            voice_activity: Some(true),
            ..Default::default()
        };
        let stamp = u32::try_from(sequence * 960).unwrap();
        let write = RtpWrite::new(
            payload_type.into(),
            sequence.into(),
            stamp,
            now,
            vec![7; 20],
        );
        let mut api = self.client.direct_api();
        api.stream_tx_by_mid(mid, None)
            .unwrap()
            .write_rtp(write.ext_vals(extensions));
    }

    /// Sends the client an audio packet; false when nothing can be sent.
    fn play(&mut self, sequence: u64) -> bool {
        let number = self.server.leg_config(LegId(1)).unwrap().audio.receive[0].0;
        let packet = self.out(number, sequence);
        let mut datagram = Vec::new();
        let Some(to) = self.server.write_audio(&packet, &mut datagram) else {
            return false;
        };
        self.to_client.push((to, datagram));
        true
    }

    /// Audio packets that the client got.
    fn heard_audio(&self) -> Vec<&RtpPacket> {
        let ssrc = self.server.audio.as_ref().unwrap().ssrc();
        let packets = self.heard.iter().filter_map(|event| match event {
            Event::RtpPacket(packet) if *packet.header.ssrc == ssrc => Some(packet),
            _ => None,
        });
        packets.collect()
    }

    /// Sender reports on audio that the client got.
    fn reports(&self) -> Vec<&SenderFeedback> {
        let ssrc = self.server.audio.as_ref().unwrap().ssrc();
        let reports = self.heard.iter().filter_map(|event| match event {
            Event::SenderFeedback(report) if *report.sender_info.ssrc == ssrc => Some(report),
            _ => None,
        });
        reports.collect()
    }
}

#[test]
fn audio_goes_both_ways_with_its_level() {
    let mut pair = Pair::connect();
    for n in 0..10 {
        pair.send_audio(100 + n);
        pair.run(Duration::from_millis(20));
    }
    let got: Vec<&MediaPacket> = pair
        .events
        .iter()
        .filter_map(|e| match e {
            PeerEvent::Packet {
                track: Track::Audio,
                packet,
            } => Some(packet),
            _ => None,
        })
        .collect();
    assert_eq!(
        got.iter().map(|p| p.sequence).collect::<Vec<_>>(),
        (100..110).collect::<Vec<_>>()
    );
    assert!(got.iter().all(|p| p.audio_level
        == Some(AudioLevel {
            dbov: 40,
            voice: true
        })
        && p.payload[..] == [7; 20]));
    for n in 0..5 {
        assert!(pair.play(70_000 + n));
        pair.run(Duration::from_millis(20));
    }
    let heard = pair.heard_audio();
    assert_eq!(heard.len(), 5);
    assert_eq!(heard[0].header.ext_vals.audio_level, Some(-33));
    assert_eq!(heard[0].header.ext_vals.voice_activity, Some(true));
    assert!(heard[0].header.ext_vals.mid.is_some() && heard[0].header.marker);
    assert_eq!(heard[0].payload[..], b"payload"[..]);
    assert_eq!(
        heard[4].header.sequence_number,
        (70_004_u32 & 0xffff) as u16
    );
}

#[test]
fn the_peers_audio_goes_past_the_stack_after_its_first_packet() {
    let mut pair = Pair::connect();
    for n in 0..100 {
        pair.send_audio(65_500 + n);
        pair.run(Duration::from_millis(20));
    }
    assert_eq!(pair.past_the_stack, 99);
    let ssrc = pair.server.hearing.ssrcs().next().unwrap();
    let forgotten = |pair: &mut Pair| {
        let mut api = pair.server.rtc.direct_api();
        api.stream_rx(&ssrc.into()).is_none()
    };
    assert!(forgotten(&mut pair));
    let (sdp, pending) = offer(&mut pair.client, false, 1);
    let answer = pair.server.negotiate(&sdp, &Limits::default()).unwrap();
    pair.client
        .sdp_api()
        .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
        .unwrap();
    assert!(forgotten(&mut pair), "also when another offer names it");
    pair.send_audio(65_600);
    pair.run(Duration::from_millis(20));
    assert_eq!(pair.past_the_stack, 100);
}

#[test]
fn the_peer_is_told_what_of_its_audio_was_lost() {
    let mut pair = Pair::connect();
    for n in 0..600 {
        // A fifth of the numbers is never sent.
        if n % 5 != 4 {
            pair.send_audio(100 + n);
        }
        pair.play(n);
        pair.run(Duration::from_millis(20));
    }
    let told: Vec<_> = pair
        .heard
        .iter()
        .filter_map(|event| match event {
            Event::MediaEgressStats(stats) => Some((stats.loss?, stats.rtt)),
            _ => None,
        })
        .collect();
    let (loss, rtt) = told.last().unwrap();
    assert!((0.18..0.22).contains(loss), "{told:?}");
    assert!(
        rtt.is_some_and(|rtt| rtt < Duration::from_millis(50)),
        "{told:?}"
    );
}

#[test]
fn audio_without_numbers_is_agreed_on_and_a_closed_line_is_not_heard() {
    let mut pair = Pair::connect();
    pair.send_audio(1);
    pair.run(Duration::from_millis(20));
    pair.send_audio(2);
    pair.run(Duration::from_millis(20));
    assert_eq!(pair.past_the_stack, 1);
    let mid = pair.server.incoming[0].mid;
    let mut api = pair.client.sdp_api();
    api.set_direction(mid, Direction::RecvOnly);
    let (sdp, _pending) = api.apply().unwrap();
    let answer = pair
        .server
        .negotiate(&sdp.to_sdp_string(), &Limits::default())
        .unwrap();
    let audio = answer.sdp.split("m=video").next().unwrap();
    assert!(audio.contains("ssrc-audio-level") && !audio.contains("transport-wide-cc"));
    assert!(answer.sdp.contains("transport-wide-cc"), "on video it is");
    pair.send_audio(3);
    pair.run(Duration::from_millis(20));
    assert_eq!(pair.past_the_stack, 1);
}

#[test]
fn sender_reports_count_what_was_sent_and_name_the_moment() {
    let mut pair = Pair::connect();
    for n in 0..150 {
        assert!(pair.play(n));
        pair.run(Duration::from_millis(20));
    }
    let counts: Vec<u32> = pair
        .reports()
        .iter()
        .map(|report| report.sender_info.sender_packet_count)
        .collect();
    // Three in the first seconds, one second apart: the receiver learns the clock early.
    assert_eq!(counts.len(), 3, "{counts:?}");
    assert!(counts[0] >= 1, "{counts:?}");
    assert!(
        counts
            .windows(2)
            .all(|pair| (49..=51).contains(&(pair[1] - pair[0]))),
        "{counts:?}"
    );
    for report in pair.reports() {
        let sent = report.sender_info;
        assert_eq!(sent.sender_octet_count, sent.sender_packet_count * 7);
        // Every packet of this test stands for the moment it is sent at, with the same timestamp.
        let behind = sent.rtp_time.numer().abs_diff(3_000);
        assert!(behind <= 48 * 20, "{behind} ticks");
    }
    let ssrc = pair.server.audio.as_ref().unwrap().ssrc();
    let cname = pair.server.audio.as_ref().unwrap().agreed().cname.clone();
    let stream = pair
        .client
        .direct_api()
        .stream_rx(&ssrc.into())
        .unwrap()
        .cname()
        .map(str::to_owned);
    assert_eq!(stream, Some(cname));
}

#[test]
fn a_listeners_loss_is_told() {
    let mut pair = Pair::connect();
    for n in 0..600 {
        assert!(pair.play(n));
        if n > 0 && n % 4 == 0 {
            pair.to_client.clear();
        }
        pair.run(Duration::from_millis(20));
    }
    let told: Vec<u8> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            PeerEvent::Loss { fraction } => Some(*fraction),
            _ => None,
        })
        .collect();
    assert!(!told.is_empty());
    // A quarter of 256, but for the edges of the interval.
    assert!(
        told.iter().skip(1).all(|f| (58..=70).contains(f)),
        "{told:?}"
    );
    let last = pair.heard_audio().last().map(|p| p.header.ext_vals.mid);
    assert_eq!(last, Some(None), "who has reported knows the line");
}

#[test]
fn the_stack_never_knows_the_audio_stream_it_has_named() {
    let mut pair = Pair::connect();
    let ssrc = pair.server.audio.as_ref().unwrap().ssrc();
    assert!(pair.play(0));
    for slots in [1, 1] {
        let (sdp, pending) = offer(&mut pair.client, false, slots);
        let answer = pair.server.negotiate(&sdp, &Limits::default()).unwrap();
        assert!(answer.sdp.contains(&format!("a=ssrc:{ssrc} cname:")));
        let known = pair
            .server
            .rtc
            .direct_api()
            .stream_tx(&ssrc.into())
            .is_some();
        assert!(!known);
        pair.client
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
            .unwrap();
    }
    let (sdp, _) = offer(&mut pair.client, false, 1);
    let broken = sdp.replace("a=fingerprint:sha-256", "a=fingerprint:sha-999 ");
    if pair.server.negotiate(&broken, &Limits::default()).is_err() {
        assert!(
            pair.server
                .rtc
                .direct_api()
                .stream_tx(&ssrc.into())
                .is_none()
        );
    }
    pair.run(Duration::from_millis(100));
    for n in 1..5 {
        assert!(pair.play(n), "numbers, keys and address go on");
        pair.run(Duration::from_millis(20));
    }
    assert_eq!(pair.heard_audio().len(), 5);
}

#[test]
fn audio_follows_the_peer_to_another_address() {
    let mut pair = Pair::connect();
    assert!(pair.play(0));
    pair.run(Duration::from_millis(20));
    pair.client
        .add_local_candidate(Candidate::host(addr(ELSEWHERE), "udp").unwrap());
    pair.dead = Some(addr(CLIENT));
    let mut api = pair.client.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    let answer = pair
        .server
        .negotiate(&offer.to_sdp_string(), &Limits::default())
        .unwrap();
    pair.client
        .sdp_api()
        .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
        .unwrap();
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.server.destination, Some(addr(ELSEWHERE)));
    assert!(pair.play(1));
    pair.run(Duration::from_millis(20));
    assert_eq!(pair.heard_audio().len(), 2);
}

#[test]
fn nothing_is_played_to_a_peer_that_was_told_goodbye() {
    let mut pair = Pair::connect();
    assert!(pair.play(0));
    let mut said = Vec::new();
    pair.server.close(&mut |_, bytes| said.push(bytes.to_vec()));
    assert_eq!(said.len(), 1, "a goodbye to the audio stream");
    assert!(!pair.play(1));
}
