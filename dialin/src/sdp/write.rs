//! Writes our session descriptions, line by line: the only values of the peer's in them are media types, profiles
//! and formats, and those are checked to be tokens.

use std::net::IpAddr;

use plenum_codecs::audio::AudioCodec;

use super::crypto::{CryptoLine, Protection};
use super::dtls::{self, DtlsRole};
use super::read::Description;
use super::video::{KeyframeFeedback, OFFERED, OFFERED_PROFILE, VideoSession, place};
use super::{AudioSession, Direction, Keys, SessionPolicy};

/// Everything but the o-line of an answer: one m-line for each that was offered.
pub(super) fn answer(
    description: &Description,
    index: usize,
    audio: &AudioSession,
    video: Option<&(usize, VideoSession)>,
    policy: &SessionPolicy,
) -> String {
    let mut text = head(policy);
    for (at, media) in description.media().iter().enumerate() {
        if let Some((_, video)) = video.filter(|(index, _)| *index == at) {
            let format = VideoLine {
                proto: token(&media.proto),
                number: video.payload_type,
                profile: video.profile,
                asymmetric: video.asymmetric,
                feedback: (video.payload_type.to_string(), video.feedback),
                direction: video.direction,
            };
            format.write(&mut text, policy);
            agreed(&mut text, video.srtp.as_ref(), policy);
            continue;
        }
        if at != index {
            refused(&mut text, &media.media, &media.proto, &media.fmt);
            continue;
        }
        let events = audio.telephone_event;
        stream(
            &mut text,
            token(&media.proto),
            &[(audio.codec, audio.payload_type)],
            &events.into_iter().collect::<Vec<_>>(),
            audio.comfort_noise,
            policy,
        );
        agreed(&mut text, audio.srtp.as_ref(), policy);
        line(&mut text, &format!("a=ptime:{}", audio.ptime));
        line(&mut text, &format!("a={}", audio.direction.as_str()));
    }
    text
}

/// Everything but the o-line of an offer.
pub(super) fn offer(
    offered: &[(AudioCodec, u8)],
    media: &[(String, String)],
    keys: &Keys,
    policy: &SessionPolicy,
) -> String {
    let mut text = head(policy);
    let mut done = false;
    let video = place(media).filter(|_| policy.local_video.is_some());
    for (at, (kind, proto)) in media.iter().enumerate() {
        if video == Some(at) {
            let line = VideoLine {
                proto: token(proto),
                number: OFFERED,
                profile: OFFERED_PROFILE,
                asymmetric: true,
                feedback: (
                    "*".to_owned(),
                    KeyframeFeedback {
                        pli: true,
                        fir: true,
                    },
                ),
                direction: Direction::SendReceive,
            };
            line.write(&mut text, policy);
            offered_keys(&mut text, &keys.video_offered, policy);
            continue;
        }
        if done || !kind.eq_ignore_ascii_case("audio") {
            refused(&mut text, kind, proto, "0");
            continue;
        }
        done = true;
        let mut events = Vec::new();
        if policy.telephone_event {
            if offered.iter().any(|(codec, _)| codec.clock_rate() == 8_000) {
                events.push((101, 8_000));
            }
            if offered
                .iter()
                .any(|(codec, _)| codec.clock_rate() == 48_000)
            {
                events.push((102, 48_000));
            }
        }
        stream(&mut text, token(proto), offered, &events, None, policy);
        offered_keys(&mut text, &keys.audio_offered, policy);
        line(&mut text, "a=ptime:20");
        line(&mut text, &format!("a={}", Direction::SendReceive.as_str()));
    }
    text
}

/// The keys of a stream that we offer, or answer with.
fn crypto(text: &mut String, lines: &[CryptoLine]) {
    for one in lines {
        line(text, &format!("a=crypto:{}", one.write()));
    }
}

/// Our lines of an answer.
fn agreed(text: &mut String, protection: Option<&Protection>, policy: &SessionPolicy) {
    match protection {
        None => {}
        Some(Protection::Sdes(keys)) => {
            let line = CryptoLine {
                tag: keys.tag,
                suite: keys.suite,
                key: keys.ours.clone(),
            };
            crypto(text, &[line]);
        }
        Some(Protection::Dtls(session)) => certificate(text, policy, Some(session.role)),
    }
}

/// Our keys of an offer, or that they come of a handshake.
fn offered_keys(text: &mut String, lines: &[CryptoLine], policy: &SessionPolicy) {
    if lines.is_empty() {
        certificate(text, policy, None);
    } else {
        crypto(text, lines);
    }
}

fn certificate(text: &mut String, policy: &SessionPolicy, role: Option<DtlsRole>) {
    let lines = policy
        .srtp
        .certificate()
        .map(|ours| dtls::lines(ours, role));
    for one in lines.iter().flatten() {
        line(text, one);
    }
}

/// The whole description.
pub(super) fn with_origin(body: &str, version: u64, policy: &SessionPolicy) -> String {
    let ip = policy.local_rtp.ip().to_canonical();
    let id = policy.session_id;
    format!(
        "v=0\r\no=plenum {id} {version} IN {} {ip}\r\n{body}",
        family(ip)
    )
}

const fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

fn line(text: &mut String, what: &str) {
    text.push_str(what);
    text.push_str("\r\n");
}

fn head(policy: &SessionPolicy) -> String {
    let ip = policy.local_rtp.ip().to_canonical();
    format!("s=Plenum\r\nc=IN {} {ip}\r\nt=0 0\r\n", family(ip))
}

fn stream(
    text: &mut String,
    proto: &str,
    codecs: &[(AudioCodec, u8)],
    events: &[(u8, u32)],
    noise: Option<u8>,
    policy: &SessionPolicy,
) {
    let numbers = codecs
        .iter()
        .map(|(_, number)| *number)
        .chain(noise)
        .chain(events.iter().map(|(number, _)| *number));
    let list: String = numbers.map(|number| format!(" {number}")).collect();
    line(
        text,
        &format!("m=audio {} {proto}{list}", policy.local_rtp.port()),
    );
    for (codec, number) in codecs {
        let channels = if *codec == AudioCodec::Opus { "/2" } else { "" };
        line(
            text,
            &format!(
                "a=rtpmap:{number} {}/{}{channels}",
                codec.name(),
                codec.clock_rate()
            ),
        );
        if *codec == AudioCodec::Opus {
            line(
                text,
                &format!("a=fmtp:{number} useinbandfec=1;maxplaybackrate=48000;stereo=0"),
            );
        }
    }
    if let Some(number) = noise {
        line(text, &format!("a=rtpmap:{number} CN/8000"));
    }
    for (number, rate) in events {
        line(text, &format!("a=rtpmap:{number} telephone-event/{rate}"));
        line(text, &format!("a=fmtp:{number} 0-15"));
    }
    if let Some(port) = policy.local_rtcp_port {
        line(text, &format!("a=rtcp:{port}"));
    }
}

/// A video stream of ours.
struct VideoLine<'a> {
    proto: &'a str,
    number: u8,
    profile: [u8; 3],
    asymmetric: bool,
    /// For which payload type.
    feedback: (String, KeyframeFeedback),
    direction: Direction,
}

impl VideoLine<'_> {
    fn write(&self, text: &mut String, policy: &SessionPolicy) {
        let port = policy.local_video.map_or(0, |local| local.port());
        let (proto, number, [a, b, c]) = (self.proto, self.number, self.profile);
        line(text, &format!("m=video {port} {proto} {number}"));
        line(text, &format!("a=rtpmap:{number} H264/90000"));
        let asymmetric = if self.asymmetric {
            ";level-asymmetry-allowed=1"
        } else {
            ""
        };
        line(
            text,
            &format!(
                "a=fmtp:{number} profile-level-id={a:02x}{b:02x}{c:02x};packetization-mode=1{asymmetric}"
            ),
        );
        let (of, feedback) = &self.feedback;
        if feedback.pli {
            line(text, &format!("a=rtcp-fb:{of} nack pli"));
        }
        if feedback.fir {
            line(text, &format!("a=rtcp-fb:{of} ccm fir"));
        }
        line(text, &format!("a={}", self.direction.as_str()));
    }
}

/// An m-line with port 0, as offered otherwise (RFC 3264 section 6).
fn refused(text: &mut String, kind: &str, proto: &str, formats: &str) {
    let first = formats.split_ascii_whitespace().next().unwrap_or("0");
    line(
        text,
        &format!("m={} 0 {} {}", token(kind), token(proto), token(first)),
    );
}

/// The peer's word, if it is one that can stand in an m-line.
fn token(word: &str) -> &str {
    let good =
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_graphic());
    if good { word } else { "-" }
}
