use super::*;

fn policy() -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: true,
        local_rtp: "192.0.2.1:20000".parse().unwrap(),
        local_rtcp_port: None,
        local_video: None,
        session_id: 77,
        srtp: SrtpPolicy::Off,
    }
}

fn offer_of(media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

#[test]
fn an_answer_names_one_codec_and_telephone_event_with_the_offerers_numbers() {
    let offer = offer_of(
        "m=audio 4000 RTP/AVP 8 0 96 97 98\r\na=rtpmap:96 OPUS/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n\
         a=rtpmap:98 telephone-event/8000\r\na=ptime:30\r\n",
    );
    let done = answer(&offer, &policy(), None).unwrap();
    assert_eq!(done.audio.codec, AudioCodec::Opus);
    assert_eq!(done.audio.payload_type, 96);
    assert_eq!(done.audio.telephone_event, Some((97, 48_000)));
    assert_eq!(done.audio.remote_rtp, "198.51.100.7:4000".parse().unwrap());
    assert_eq!(done.audio.remote_rtcp, "198.51.100.7:4001".parse().unwrap());
    assert_eq!(done.audio.ptime, 30);
    assert_eq!(
        done.answer,
        "v=0\r\no=plenum 77 1 IN IP4 192.0.2.1\r\ns=Plenum\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1;maxplaybackrate=48000;stereo=0\r\n\
         a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-15\r\na=ptime:30\r\na=sendrecv\r\n"
    );
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let done = answer(&offer_of("m=audio 4000 RTP/AVP 13 8\r\n"), &policy(), None).unwrap();
    assert_eq!(
        (done.audio.codec, done.audio.payload_type),
        (AudioCodec::Pcma, 8)
    );
    assert_eq!(done.audio.comfort_noise, Some(13));
    assert_eq!(done.audio.telephone_event, None);
    assert!(done.answer.contains("m=audio 20000 RTP/AVP 8 13\r\n"));
}

#[test]
fn the_best_codec_is_taken_whatever_the_offerers_order() {
    let taken = |formats: &str| {
        let audio = answer(
            &offer_of(&format!("m=audio 4000 RTP/AVP {formats}\r\n")),
            &policy(),
            None,
        )
        .unwrap()
        .audio;
        (audio.codec, audio.payload_type)
    };
    assert_eq!(taken("8 0 9"), (AudioCodec::G722, 9));
    assert_eq!(taken("8 0"), (AudioCodec::Pcmu, 0));
    assert_eq!(
        taken("9 96\r\na=rtpmap:96 opus/48000/2"),
        (AudioCodec::Opus, 96)
    );
}

#[test]
fn g722_has_a_clock_of_8000_in_sdp_and_shares_its_events_and_noise_with_g711() {
    let offer = offer_of(
        "m=audio 4000 RTP/AVP 96 0 13 101\r\na=rtpmap:96 g722/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let done = answer(&offer, &policy(), None).unwrap();
    assert_eq!(
        (done.audio.codec, done.audio.payload_type),
        (AudioCodec::G722, 96)
    );
    assert_eq!(done.audio.telephone_event, Some((101, 8_000)));
    assert_eq!(done.audio.comfort_noise, Some(13));
    assert!(
        done.answer.contains(
            "m=audio 20000 RTP/AVP 96 13 101\r\na=rtpmap:96 G722/8000\r\na=rtpmap:13 CN/8000\r\n"
        ),
        "{}",
        done.answer
    );
    // 16000 would be right by reason, but RFC 3551 says 8000.
    let odd = offer_of("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 G722/16000\r\n");
    assert_eq!(answer(&odd, &policy(), None).err(), Some(SdpError::NoCodec));
    let (offered, _) = super::offer(&policy(), None);
    assert!(offered.contains("a=rtpmap:9 G722/8000\r\n"), "{offered}");
}

#[test]
fn comfort_noise_is_not_agreed_beside_opus() {
    let offer = offer_of("m=audio 4000 RTP/AVP 96 0 13\r\na=rtpmap:96 opus/48000/2\r\n");
    let done = answer(&offer, &policy(), None).unwrap();
    assert_eq!(done.audio.comfort_noise, None);
    assert!(!done.answer.contains("CN/8000"));
}

#[test]
fn every_m_line_is_answered_in_its_place_and_only_one_is_taken() {
    let offer = offer_of(
        "m=video 4002 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 0\r\n\
         m=application 9 UDP/BFCP *\r\nm=strange 7 X/Y z\r\n",
    );
    let answered = answer(&offer, &policy(), None).unwrap().answer;
    let lines: Vec<&str> = answered
        .lines()
        .filter(|line| line.starts_with("m="))
        .collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/AVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=application 0 UDP/BFCP *",
            "m=strange 0 X/Y z"
        ]
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason() {
    let reason = |media: &str| answer(&offer_of(media), &policy(), None).err();
    assert_eq!(
        reason("m=audio 4000 RTP/SAVP 0\r\n"),
        Some(SdpError::OnlySrtp)
    );
    assert_eq!(
        reason("m=audio 4000 RTP/AVP 3 18\r\n"),
        Some(SdpError::NoCodec)
    );
    assert_eq!(
        reason("m=video 4000 RTP/AVP 31\r\n"),
        Some(SdpError::NoAudio)
    );
    assert_eq!(reason(""), Some(SdpError::NoAudio));
    assert_eq!(
        reason("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 phone.example\r\n"),
        Some(SdpError::NoAddress)
    );
    assert_eq!(
        reason("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n"),
        Some(SdpError::NoAddress)
    );
    assert_eq!(
        reason(&"m=audio 4000 RTP/AVP 0\r\n".repeat(17)),
        Some(SdpError::TooManyMedia(17))
    );
    assert_eq!(
        answer("nonsense", &policy(), None)
            .err()
            .map(|error| error.status()),
        Some(400)
    );
    let long = offer_of(&"a=x\r\n".repeat(4_000));
    assert!(matches!(
        answer(&long, &policy(), None),
        Err(SdpError::TooLong(_))
    ));
    assert_eq!(SdpError::OnlySrtp.status(), 488);
}

#[test]
fn directions_are_mirrored_and_zero_addresses_are_hold() {
    let direction = |attributes: &str| {
        let offer = offer_of(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}"));
        answer(&offer, &policy(), None).unwrap().audio.direction
    };
    assert_eq!(direction(""), Direction::SendReceive);
    assert_eq!(direction("a=sendonly\r\n"), Direction::ReceiveOnly);
    assert_eq!(direction("a=recvonly\r\n"), Direction::SendOnly);
    assert_eq!(direction("a=inactive\r\n"), Direction::Inactive);
    assert_eq!(direction("c=IN IP4 0.0.0.0\r\n"), Direction::ReceiveOnly);
    assert_eq!(
        direction("c=IN IP4 0.0.0.0\r\na=recvonly\r\n"),
        Direction::Inactive
    );
    let session_level = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\na=sendonly\r\n\
                         m=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(
        answer(session_level, &policy(), None)
            .unwrap()
            .audio
            .direction,
        Direction::ReceiveOnly
    );
}

#[test]
fn rtcp_goes_where_the_attribute_says() {
    let rtcp = |attribute: &str| {
        let offer = offer_of(&format!("m=audio 4000 RTP/AVP 0\r\n{attribute}"));
        answer(&offer, &policy(), None)
            .unwrap()
            .audio
            .remote_rtcp
            .to_string()
    };
    assert_eq!(rtcp("a=rtcp:5000\r\n"), "198.51.100.7:5000");
    assert_eq!(
        rtcp("a=rtcp:5000 IN IP4 198.51.100.9\r\n"),
        "198.51.100.9:5000"
    );
    assert_eq!(rtcp("a=rtcp:none\r\n"), "198.51.100.7:4001");
}

#[test]
fn ipv6_is_read_and_written() {
    let local = SessionPolicy {
        local_rtp: "[2001:db8::1]:20000".parse().unwrap(),
        ..policy()
    };
    let offer = "v=0\r\no=- 1 1 IN IP6 2001:db8::7\r\ns=-\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let done = answer(offer, &local, None).unwrap();
    assert_eq!(done.audio.remote_rtp, "[2001:db8::7]:4000".parse().unwrap());
    assert!(done.answer.contains("o=plenum 77 1 IN IP6 2001:db8::1\r\n"));
    assert!(done.answer.contains("c=IN IP6 2001:db8::1\r\n"));
}

#[test]
fn the_version_rises_when_something_changes_and_only_then() {
    let plain = offer_of("m=audio 4000 RTP/AVP 0\r\n");
    let first = answer(&plain, &policy(), None).unwrap();
    let same = answer(&plain, &policy(), Some(&first.session)).unwrap();
    assert_eq!(same.answer, first.answer);
    let held = answer(
        &format!("{plain}a=sendonly\r\n"),
        &policy(),
        Some(&same.session),
    )
    .unwrap();
    assert!(held.answer.contains("o=plenum 77 2 "));
    assert_eq!(
        answer(
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n",
            &policy(),
            Some(&held.session)
        )
        .err(),
        Some(SdpError::Malformed),
        "m-lines never go away"
    );
}

#[test]
fn an_offer_of_ours_is_understood_from_its_answer() {
    let (offered, session) = offer(&policy(), None);
    assert!(
        offered.contains("m=audio 20000 RTP/AVP 111 9 0 8 101 102\r\n"),
        "{offered}"
    );
    let reply = offer_of(
        "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n",
    );
    let audio = accept_answer(&reply, &policy(), &session).unwrap();
    assert_eq!(
        (audio.codec, audio.payload_type, audio.receive_payload_type),
        (AudioCodec::Pcmu, 0, 0)
    );
    assert_eq!(audio.telephone_event, Some((101, 8_000)));
    assert_eq!(audio.direction, Direction::SendOnly);
    // An answerer may use its own number for a dynamic type: we send with its number and receive with ours.
    let renumbered = offer_of("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n");
    let audio = accept_answer(&renumbered, &policy(), &session).unwrap();
    assert_eq!((audio.payload_type, audio.receive_payload_type), (96, 111));
    let two = offer_of("m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n");
    assert_eq!(
        accept_answer(&two, &policy(), &session),
        Err(SdpError::AnswerMismatch)
    );
    // What we offer ourselves is an offer that we could answer.
    assert!(answer(&offered, &policy(), None).is_ok());
}
