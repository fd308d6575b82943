use plenum_codecs::audio::AudioCodec;

use super::super::{
    Protection, SdpError, Session, SessionPolicy, SrtpKeys, accept_answer, answer, offer,
};
use super::{CryptoLine, CryptoSuite, KeyMaterial, SrtpPolicy};

/// 30 bytes, of RFC 4568 section 6.1's kind.
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const KEY_256: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==";

/// Material whose every byte is `seed`.
fn material(seed: u8) -> KeyMaterial {
    KeyMaterial::new(&[seed; KeyMaterial::LENGTH])
}

fn policy(srtp: SrtpPolicy) -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: false,
        local_rtp: "192.0.2.1:20000".parse().unwrap(),
        local_rtcp_port: None,
        local_video: None,
        session_id: 1,
        srtp,
    }
}

fn offer_of(media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

/// An audio stream of this profile with these crypto lines.
fn audio(profile: &str, lines: &[String]) -> String {
    let lines: String = lines
        .iter()
        .map(|line| format!("a=crypto:{line}\r\n"))
        .collect();
    offer_of(&format!("m=audio 4000 {profile} 0\r\n{lines}"))
}

fn good() -> String {
    format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
}

#[test]
fn lines_are_taken_or_left_as_the_standard_says() {
    let of = |line: &str| CryptoLine::parse(line).map(|line| (line.tag, line.suite));
    let key = KEY;
    let first = CryptoSuite::AesCm128HmacSha1_80;
    for (line, expected) in [
        (good(), Some((1, first))),
        (
            format!("7 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20"),
            Some((7, first)),
        ),
        (
            format!("7 AES_CM_128_HMAC_SHA1_80 inline:{key}|1048576 WSH=128"),
            Some((7, first)),
        ),
        (
            format!("2 AES_CM_128_HMAC_SHA1_32 inline:{key}"),
            Some((2, CryptoSuite::AesCm128HmacSha1_32)),
        ),
        (
            format!("3 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}"),
            Some((3, CryptoSuite::AesCm256HmacSha1_80)),
        ),
        // A master key identifier, two keys, a suite that is not ours, a key of another suite's length.
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4"),
            None,
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4;inline:{key}|2^20|2:4"),
            None,
        ),
        (format!("1 F8_128_HMAC_SHA1_80 inline:{key}"), None),
        (format!("1 AES_256_CM_HMAC_SHA1_80 inline:{key}"), None),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} UNENCRYPTED_SRTP"),
            None,
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} KDR=1"),
            None,
        ),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:%%%%".to_owned(), None),
        (format!("1 AES_CM_128_HMAC_SHA1_80 uri:{key}"), None),
        (format!("x AES_CM_128_HMAC_SHA1_80 inline:{key}"), None),
        ("1".to_owned(), None),
        (String::new(), None),
    ] {
        assert_eq!(of(&line), expected, "{line}");
    }
}

#[test]
fn the_policy_and_the_profile_decide_what_is_answered() {
    let (none, one) = (vec![], vec![good()]);
    let dtls = "UDP/TLS/RTP/SAVP";
    let off = || SrtpPolicy::Off;
    let optional = || SrtpPolicy::Optional(material(1));
    let required = || SrtpPolicy::Required(material(1));
    for (srtp, profile, lines, expected) in [
        (off(), "RTP/AVP", &none, Ok(false)),
        (off(), "RTP/AVP", &one, Ok(false)),
        (off(), "RTP/SAVP", &one, Err(SdpError::OnlySrtp)),
        (optional(), "RTP/AVP", &none, Ok(false)),
        (optional(), "RTP/AVP", &one, Ok(true)),
        (optional(), "RTP/SAVP", &one, Ok(true)),
        (optional(), "RTP/SAVPF", &one, Ok(true)),
        (optional(), "RTP/SAVP", &none, Err(SdpError::OnlySrtp)),
        (optional(), dtls, &none, Err(SdpError::OnlySrtp)),
        (required(), "RTP/AVP", &none, Err(SdpError::OnlyPlain)),
        (required(), "RTP/AVP", &one, Ok(true)),
        (required(), "RTP/SAVP", &one, Ok(true)),
    ] {
        let done = answer(&audio(profile, lines), &policy(srtp.clone()), None);
        let secure = done.map(|done| {
            let secure = done.audio.srtp.is_some();
            assert_eq!(done.answer.contains("a=crypto:1 "), secure);
            assert!(
                done.answer
                    .contains(&format!("m=audio 20000 {profile} 0\r\n"))
            );
            secure
        });
        assert_eq!(secure, expected, "{srtp:?} {profile} {lines:?}");
    }
}

#[test]
fn an_encrypted_stream_is_taken_before_a_plain_one() {
    let both = offer_of(&format!(
        "m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/SAVP 0\r\na=crypto:{}\r\n",
        good()
    ));
    let done = answer(&both, &policy(SrtpPolicy::Optional(material(1))), None).unwrap();
    assert_eq!(done.audio.remote_rtp.port(), 4_002);
    assert!(
        done.answer
            .contains("m=audio 0 RTP/AVP 0\r\nm=audio 20000 RTP/SAVP 0\r\n")
    );
}

/// Keys that stood in SDP.
fn told(protection: Option<Protection>) -> SrtpKeys {
    let Some(Protection::Sdes(keys)) = protection else {
        unreachable!("{protection:?}");
    };
    keys
}

#[test]
fn our_key_changes_when_theirs_does_and_not_before() {
    let of = |key: &str, seed, previous: Option<&Session>| {
        let offer = audio(
            "RTP/SAVP",
            &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}")],
        );
        answer(
            &offer,
            &policy(SrtpPolicy::Optional(material(seed))),
            previous,
        )
        .unwrap()
    };
    let first = of(KEY, 1, None);
    let keys = told(first.audio.srtp.clone());
    assert_eq!(keys.ours.expose(), [1; 30]);
    let again = of(KEY, 2, Some(&first.session));
    assert_eq!(told(again.audio.srtp.clone()), keys, "a refresh");
    let other = KEY.replace('d', "e");
    let rekeyed = told(of(&other, 3, Some(&again.session)).audio.srtp);
    assert_eq!(rekeyed.ours.expose(), [3; 30]);
    assert_ne!(rekeyed.theirs, keys.theirs);
    // The same key for another suite would be the same keystream over other packets.
    let short = audio(
        "RTP/SAVP",
        &[format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}")],
    );
    let policy = policy(SrtpPolicy::Optional(material(4)));
    let changed = answer(&short, &policy, Some(&again.session)).unwrap();
    assert_eq!(told(changed.audio.srtp).ours.expose(), [4; 30]);
}

#[test]
fn an_offer_of_ours_has_a_key_for_each_suite_and_the_answer_takes_one() {
    for (srtp, profile) in [
        (SrtpPolicy::Optional(material(1)), "RTP/AVP"),
        (SrtpPolicy::Required(material(1)), "RTP/SAVP"),
    ] {
        let policy = policy(srtp);
        let (text, mut session) = offer(&policy, None);
        assert_eq!(text.matches("a=crypto:").count(), 3);
        assert!(text.contains(&format!("m=audio 20000 {profile} ")));
        let line = format!("3 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}");
        let taken = accept_answer(&audio(profile, &[line]), &policy, &session).unwrap();
        let keys = told(taken.srtp.clone());
        assert_eq!(keys.suite, CryptoSuite::AesCm256HmacSha1_80);
        assert_eq!(keys.ours.expose(), [1; 46]);
        session.agreed(&taken, None);
        let (again, _) = offer(&policy, Some(&session));
        assert_eq!(again.matches("a=crypto:1 AES_256_CM").count(), 1);
        assert_eq!(again.matches("a=crypto:").count(), 1);
        // A tag that was not offered for this suite.
        let wrong = format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}");
        let wrong = accept_answer(&audio(profile, &[wrong]), &policy, &session);
        assert_eq!(wrong.unwrap_err(), SdpError::AnswerMismatch);
    }
}

#[test]
fn a_plain_answer_to_an_offer_with_keys_is_plain_unless_that_is_forbidden() {
    let optional = policy(SrtpPolicy::Optional(material(1)));
    let (_, session) = offer(&optional, None);
    let taken = accept_answer(&audio("RTP/AVP", &[]), &optional, &session).unwrap();
    assert_eq!(taken.srtp, None);
    let required = policy(SrtpPolicy::Required(material(1)));
    let (_, session) = offer(&required, None);
    let refused = accept_answer(&audio("RTP/AVP", &[]), &required, &session);
    assert_eq!(refused.unwrap_err(), SdpError::OnlyPlain);
}

#[test]
fn no_key_is_shown_by_debug() {
    let policy = policy(SrtpPolicy::Required(material(7)));
    let done = answer(&audio("RTP/SAVP", &[good()]), &policy, None).unwrap();
    let shown = format!("{policy:?} {done:?} {:?}", done.session);
    for secret in [KEY, "[7, 7", "BwcHBw", "inline"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn video_has_keys_of_its_own_and_is_refused_plain_where_srtp_is_required() {
    let media = |video: &str| {
        let h264 =
            "a=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r\n";
        offer_of(&format!(
            "m=audio 4000 RTP/SAVP 0\r\na=crypto:{}\r\n{video}{h264}",
            good()
        ))
    };
    let policy = SessionPolicy {
        local_video: Some("192.0.2.1:20002".parse().unwrap()),
        ..policy(SrtpPolicy::Required(KeyMaterial::new(
            &std::array::from_fn(|at| u8::try_from(at % 251).unwrap()),
        )))
    };
    let plain = answer(&media("m=video 4002 RTP/AVP 99\r\n"), &policy, None).unwrap();
    assert!(plain.video.is_none() && plain.answer.contains("m=video 0 RTP/AVP 99"));
    let line = format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let secure = media(&format!("m=video 4002 RTP/SAVP 99\r\n{line}"));
    // The attribute stands before the others of its stream.
    let done = answer(&secure, &policy, None).unwrap();
    let (audio, video) = (told(done.audio.srtp), told(done.video.unwrap().srtp));
    assert_ne!(audio.ours, video.ours);
    assert!(
        done.answer
            .contains("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:")
    );
}
