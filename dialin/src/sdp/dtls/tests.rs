use plenum_codecs::audio::AudioCodec;

use super::super::{
    KeyMaterial, Protection, SdpError, Session, SessionPolicy, SrtpPolicy, accept_answer, answer,
    offer,
};
use super::{DtlsRole, DtlsSession, Fingerprint};

fn ours() -> Fingerprint {
    Fingerprint::sha256([0xab; 32])
}

fn theirs(byte: u8) -> Fingerprint {
    Fingerprint::sha256([byte; 32])
}

fn material() -> KeyMaterial {
    KeyMaterial::new(&[1; KeyMaterial::LENGTH]).with_certificate(ours())
}

fn policy(srtp: SrtpPolicy) -> SessionPolicy {
    SessionPolicy {
        codecs: vec![AudioCodec::Pcmu],
        telephone_event: false,
        local_rtp: "192.0.2.1:20000".parse().unwrap(),
        local_rtcp_port: None,
        local_video: None,
        session_id: 1,
        srtp,
    }
}

/// A description with one audio stream; `session` and `stream` are lines of it.
fn described(profile: &str, session: &str, stream: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{session}\
         m=audio 4000 {profile} 0\r\n{stream}"
    )
}

fn fingerprint(byte: u8) -> String {
    format!("a=fingerprint:{}\r\n", theirs(byte))
}

fn handshake(protection: Option<Protection>) -> DtlsSession {
    let Some(Protection::Dtls(session)) = protection else {
        unreachable!("{protection:?}");
    };
    session
}

const UDP_TLS: &str = "UDP/TLS/RTP/SAVP";
const KEY: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";

#[test]
fn whoever_leaves_it_open_begins_and_whoever_waits_is_called() {
    let policy = policy(SrtpPolicy::Dtls(ours()));
    for profile in [UDP_TLS, "UDP/TLS/RTP/SAVPF", "RTP/SAVP", "RTP/AVP"] {
        for (said, role, answered) in [
            ("a=setup:actpass\r\n", DtlsRole::Passive, "passive"),
            ("a=setup:active\r\n", DtlsRole::Passive, "passive"),
            ("a=setup:PASSIVE\r\n", DtlsRole::Active, "active"),
            ("", DtlsRole::Passive, "passive"),
        ] {
            // Of the stream, or of the session for all of them.
            for (session, stream) in [
                (String::new(), fingerprint(7) + said),
                (fingerprint(7) + said, String::new()),
            ] {
                let offer = described(profile, &session, &stream);
                let done = answer(&offer, &policy, None).unwrap();
                let agreed = handshake(done.audio.srtp);
                assert_eq!((agreed.role, &agreed.peer), (role, &theirs(7)), "{offer}");
                let lines = format!("a=fingerprint:{}\r\na=setup:{answered}\r\n", ours());
                assert!(done.answer.contains(&lines), "{}", done.answer);
                let media = format!("m=audio 20000 {profile} 0\r\n");
                assert!(done.answer.contains(&media), "{}", done.answer);
            }
        }
    }
}

#[test]
fn what_names_no_certificate_is_refused_and_nothing_is_made_plain_of_it() {
    let refused = |stream: &str, policy: &SessionPolicy| {
        answer(&described(UDP_TLS, "", stream), policy, None).unwrap_err()
    };
    let dtls = policy(SrtpPolicy::Dtls(ours()));
    let good = theirs(7).to_string();
    for line in [
        "sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14",
        "sha-256 01:02",
        "sha-256",
        "",
        &good.replace("sha-256", "md5"),
        &good.replace("07:07", "07-07"),
        &good.replace("07:07", "0G:07"),
        &good.replace("07:07", "+7:07"),
        &format!("{good}:07"),
    ] {
        let stream = format!("a=fingerprint:{line}\r\na=setup:actpass\r\n");
        assert_eq!(refused(&stream, &dtls), SdpError::OnlySrtp, "{line}");
    }
    let waiting = fingerprint(7) + "a=setup:holdconn\r\n";
    assert_eq!(refused(&waiting, &dtls), SdpError::OnlySrtp);
    let stream = fingerprint(7) + "a=setup:actpass\r\n";
    assert_eq!(
        refused(&stream, &policy(SrtpPolicy::Off)),
        SdpError::OnlySrtp
    );
    // Keys in SDP, and nothing at all, are no handshake.
    let keys = answer(&described("RTP/SAVP", "", KEY), &dtls, None);
    assert_eq!(keys.unwrap_err(), SdpError::OnlySrtp);
    let plain = answer(&described("RTP/AVP", "", ""), &dtls, None);
    assert_eq!(plain.unwrap_err(), SdpError::OnlyPlain);
}

#[test]
fn beside_keys_in_sdp_a_handshake_is_taken_where_it_alone_is_offered() {
    for srtp in [
        SrtpPolicy::Optional(material()),
        SrtpPolicy::Required(material()),
    ] {
        let policy = policy(srtp);
        let both = fingerprint(7) + "a=setup:actpass\r\n" + KEY;
        let done = answer(&described("RTP/SAVP", "", &both), &policy, None).unwrap();
        assert!(matches!(done.audio.srtp, Some(Protection::Sdes(_))));
        assert!(!done.answer.contains("fingerprint"));
        // The profile has no keys in SDP.
        let done = answer(&described(UDP_TLS, "", &both), &policy, None).unwrap();
        assert_eq!(handshake(done.audio.srtp).role, DtlsRole::Passive);
        assert!(!done.answer.contains("crypto"));
    }
}

#[test]
fn a_second_offer_keeps_who_begins_unless_it_says_otherwise_or_is_anothers() {
    let policy = policy(SrtpPolicy::Dtls(ours()));
    let of = |byte, setup: &str, previous: Option<&Session>| {
        let stream = format!("{}a=setup:{setup}\r\n", fingerprint(byte));
        let done = answer(&described(UDP_TLS, "", &stream), &policy, previous).unwrap();
        (handshake(done.audio.srtp.clone()), done.session)
    };
    let (first, session) = of(7, "passive", None);
    assert_eq!(first.role, DtlsRole::Active);
    let (again, session) = of(7, "actpass", Some(&session));
    assert_eq!(again, first);
    let (other, session) = of(8, "actpass", Some(&session));
    assert_eq!(other.role, DtlsRole::Passive);
    assert_ne!(other.peer, first.peer);
    let (turned, _) = of(8, "passive", Some(&session));
    assert_eq!(turned.role, DtlsRole::Active);
}

#[test]
fn an_offer_of_ours_leaves_it_open_and_the_answer_says_who_begins() {
    let policy = policy(SrtpPolicy::Dtls(ours()));
    let (text, mut session) = offer(&policy, None);
    assert!(text.contains("m=audio 20000 UDP/TLS/RTP/SAVP 0"), "{text}");
    let lines = format!("a=fingerprint:{}\r\na=setup:actpass\r\n", ours());
    assert!(text.contains(&lines) && !text.contains("crypto"), "{text}");
    for (said, role) in [
        ("a=setup:active\r\n", DtlsRole::Passive),
        ("a=setup:passive\r\n", DtlsRole::Active),
        ("", DtlsRole::Active),
        ("a=setup:actpass\r\n", DtlsRole::Passive),
    ] {
        let theirs = described(UDP_TLS, "", &(fingerprint(7) + said));
        let taken = accept_answer(&theirs, &policy, &session).unwrap();
        assert_eq!(handshake(taken.srtp.clone()).role, role, "{said}");
        session.agreed(&taken, None);
    }
    let without = accept_answer(&described(UDP_TLS, "", ""), &policy, &session);
    assert_eq!(without.unwrap_err(), SdpError::OnlySrtp);
}

#[test]
fn a_call_by_handshake_stays_one_in_offers_of_ours() {
    let policy = policy(SrtpPolicy::Optional(material()));
    let stream = fingerprint(7) + "a=setup:actpass\r\n";
    let done = answer(&described(UDP_TLS, "", &stream), &policy, None).unwrap();
    let (text, session) = offer(&policy, Some(&done.session));
    assert!(
        text.contains("UDP/TLS/RTP/SAVP 0") && !text.contains("crypto"),
        "{text}"
    );
    assert!(text.contains("a=setup:actpass"), "{text}");
    let theirs = described(UDP_TLS, "", &(fingerprint(7) + "a=setup:active\r\n"));
    let taken = accept_answer(&theirs, &policy, &session).unwrap();
    assert_eq!(handshake(taken.srtp).role, DtlsRole::Passive);
}
