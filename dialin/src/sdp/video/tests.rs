use plenum_codecs::audio::AudioCodec;

use super::super::{Negotiated, SessionPolicy, accept_answer, answer, offer};
use super::*;

const BARESIP: &str = "m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\nm=video 4002 RTP/AVP 96 97 34\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=0;profile-level-id=42e01f\r\na=rtpmap:97 H264/90000\r\n\
    a=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:34 H263/90000\r\na=sendrecv\r\n\
    a=rtcp-fb:* nack pli\r\na=content:main\r\n";

fn policy() -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: true,
        local_rtp: "192.0.2.1:20000".parse().unwrap(),
        local_rtcp_port: None,
        local_video: Some("192.0.2.1:20002".parse().unwrap()),
        session_id: 77,
        srtp: crate::sdp::SrtpPolicy::Off,
    }
}

fn offer_of(media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

fn answered(media: &str) -> Negotiated {
    answer(&offer_of(media), &policy(), None).unwrap()
}

/// An offer of H.264 with these parameters and lines.
fn video(parameters: &str, lines: &str) -> Option<VideoSession> {
    answered(&format!(
        "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 97\r\nb=CT:1\r\n{lines}a=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 packetization-mode=1;{parameters}\r\n"
    ))
    .video
}

#[test]
fn packetization_mode_1_is_taken_with_the_feedback_that_was_offered() {
    let done = answered(BARESIP);
    let video = done.video.unwrap();
    assert_eq!((video.payload_type, video.receive_payload_type), (97, 97));
    assert_eq!(video.remote_rtp, "198.51.100.7:4002".parse().unwrap());
    assert_eq!(video.remote_rtcp, "198.51.100.7:4003".parse().unwrap());
    assert_eq!(video.limit, Limit::of_level(31, false).unwrap());
    assert_eq!((video.feedback.pli, video.feedback.fir), (true, false));
    assert!(
        done.answer.ends_with(
            "m=video 20002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
             a=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\na=rtcp-fb:97 nack pli\r\na=sendrecv\r\n"
        ),
        "{}",
        done.answer
    );
}

#[test]
fn video_that_cannot_be_taken_is_refused_and_the_call_is_not() {
    for media in [
        "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 4002 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
        "m=video 4002 RTP/AVP 96\r\nc=IN IP4 camera.example\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
        "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=58e01f\r\n",
        "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e0ff\r\n",
        "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1\r\n",
    ] {
        let done = answered(&format!("m=audio 4000 RTP/AVP 0\r\n{media}"));
        assert_eq!(done.video, None, "{media}");
        assert!(done.answer.contains("m=video 0 RTP/"), "{}", done.answer);
    }
    let unwanted = SessionPolicy {
        local_video: None,
        ..policy()
    };
    let done = answer(&offer_of(BARESIP), &unwanted, None).unwrap();
    assert!(done.video.is_none() && done.answer.contains("m=video 0 RTP/AVP 96\r\n"));
}

#[test]
fn a_phone_gets_no_more_than_its_level_its_parameters_and_its_bandwidth() {
    let limit = |parameters: &str, lines: &str| video(parameters, lines).unwrap().limit;
    let of = |level| Limit::of_level(level, false).unwrap();
    assert_eq!(limit("profile-level-id=42e00d", ""), of(13));
    assert_eq!(
        limit("", ""),
        of(10),
        "RFC 6184: level 1 when nothing is said"
    );
    assert_eq!(
        limit("profile-level-id=420010x", ""),
        of(10),
        "no such value"
    );
    assert_eq!(
        limit("profile-level-id=42f00b", "").bitrate,
        128_000,
        "level 1b"
    );
    assert_eq!(
        limit("profile-level-id=42e00d;max-fs=3600;max-mbps=108000", "").macroblocks,
        3_600
    );
    assert_eq!(
        limit("profile-level-id=42e01f;max-fs=1", "").macroblocks,
        3_600,
        "never below the level"
    );
    assert_eq!(
        limit("profile-level-id=42e01f;max-br=4294967295", "").bitrate,
        u32::MAX
    );
    assert_eq!(
        limit("profile-level-id=42e01f", "b=AS:512\r\n").bitrate,
        486_400
    );
    assert_eq!(
        limit("profile-level-id=42e01f", "b=AS:512\r\nb=TIAS:400000\r\n").bitrate,
        400_000
    );
    assert_eq!(
        limit("profile-level-id=42e01f", "b=AS:18446744073709551615\r\n").bitrate,
        14_000_000
    );
}

#[test]
fn the_answer_names_the_profile_that_was_offered_and_no_level_beyond_ours() {
    let done = answered(
        "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 98 99\r\na=rtpmap:98 H264/90000\r\n\
         a=fmtp:98 profile-level-id=640034; packetization-mode=1; level-asymmetry-allowed=1\r\n\
         a=rtpmap:99 h264/90000\r\na=fmtp:99 profile-level-id=4d0028;packetization-mode=1\r\n\
         a=rtcp-fb:98 nack pli\r\na=rtcp-fb:99 ccm fir\r\n",
    );
    let video = done.video.unwrap();
    assert_eq!(video.payload_type, 99, "Main before High");
    assert_eq!((video.feedback.pli, video.feedback.fir), (false, true));
    let high = answered(
        "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 98\r\na=rtpmap:98 H264/90000\r\n\
         a=fmtp:98 profile-level-id=640034; packetization-mode=1; level-asymmetry-allowed=1\r\n",
    );
    let wanted =
        "a=fmtp:98 profile-level-id=640028;packetization-mode=1;level-asymmetry-allowed=1\r\n";
    assert!(high.answer.contains(wanted), "{}", high.answer);
}

#[test]
fn directions_are_mirrored_and_zero_addresses_are_hold() {
    let direction = |lines: &str| video("profile-level-id=42e01f", lines).unwrap().direction;
    assert_eq!(direction("a=sendonly\r\n"), Direction::ReceiveOnly);
    assert_eq!(direction("a=recvonly\r\n"), Direction::SendOnly);
    assert_eq!(direction("a=inactive\r\n"), Direction::Inactive);
    assert_eq!(direction("c=IN IP4 0.0.0.0\r\n"), Direction::ReceiveOnly);
}

#[test]
fn video_comes_and_goes_with_offers_and_keeps_its_place() {
    let first = answered("m=audio 4000 RTP/AVP 0\r\n");
    let added = answer(&offer_of(BARESIP), &policy(), Some(&first.session)).unwrap();
    assert!(added.video.is_some());
    let gone = BARESIP.replace("m=video 4002", "m=video 0");
    let without = answer(&offer_of(&gone), &policy(), Some(&added.session)).unwrap();
    assert!(without.video.is_none() && without.answer.contains("m=video 0 RTP/AVP 96"));
    let again = answer(&offer_of(BARESIP), &policy(), Some(&without.session)).unwrap();
    assert!(again.video.is_some());
}

#[test]
fn an_offer_of_ours_holds_video_and_its_answer_may_take_it_or_not() {
    let (text, session) = offer(&policy(), None);
    assert!(text.contains("m=video 20002 RTP/AVP 120\r\n"), "{text}");
    assert!(offers_video(&text) && !offers_video("m=video"));
    let taken = offer_of(
        "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 packetization-mode=1;profile-level-id=42e01e\r\n",
    );
    accept_answer(&taken, &policy(), &session).unwrap();
    let video = accept_video_answer(&taken, &policy(), &session)
        .unwrap()
        .unwrap();
    assert_eq!((video.payload_type, video.receive_payload_type), (97, 120));
    let refused = taken.replace("m=video 4002", "m=video 0");
    assert_eq!(accept_video_answer(&refused, &policy(), &session), Ok(None));
    let alone = SessionPolicy {
        local_video: None,
        ..policy()
    };
    assert!(!offer(&alone, None).0.contains("m=video"));
}
