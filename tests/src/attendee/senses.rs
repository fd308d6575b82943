//! What a bot hears and sees: packets to samples and marks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_codecs::MediaPacket;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, FRAME};
use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::video::I420Picture;
use plenum_codecs::video::decoder::Vp8Decoder;
use plenum_codecs::video::vp8;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::feed::Feed;
use super::picture::{Mark, WIDTH};
use super::until;
use crate::tone::Recording;

/// Samples kept: the last 30 s.
const MEMORY: usize = 30 * 48_000;
/// Width of the whole composite; its smaller sizes show the same.
const COMPOSITE: usize = 1_280;
/// Time between two requests for a keyframe.
const PATIENCE: Duration = Duration::from_millis(500);

/// What arrives on one video m-line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    /// What the last picture said, and when it came.
    pub last: Option<(Mark, Instant)>,
    /// Pictures decoded.
    pub pictures: u64,
    /// Pictures decoded that nobody paints: damaged ones.
    pub unreadable: u64,
    /// Frames that the decoder could not use, or that follow a loss, and payloads that are no VP8.
    pub broken: u64,
    /// Packets received.
    pub packets: u64,
    /// Keyframes asked for.
    pub asked: u64,
    /// Payload bytes received.
    pub bytes: u64,
}

/// What arrives on the audio m-line.
#[derive(Debug, Clone, Default)]
pub struct Sound {
    samples: Vec<i16>,
    /// Packets received.
    pub packets: u64,
    /// Packets missing, going by sequence numbers.
    pub missing: u64,
    /// Packets with a level extension.
    pub levels: u64,
}

/// A mark that was seen.
#[derive(Debug, Clone)]
pub struct Glimpse {
    /// On which m-line.
    pub mid: String,
    /// What it said.
    pub mark: Mark,
    /// When the picture was decoded.
    pub at: Instant,
}

/// What is seen from some time on.
#[derive(Debug)]
struct Journal {
    /// Where marks are in the whole composite: the corner, and the side of a block.
    corner: (usize, usize),
    side: usize,
    seen: Vec<Glimpse>,
}

/// Everything a bot perceives. The tasks of its tracks write, the test reads: a lock of microseconds needs no message.
#[derive(Debug, Default)]
pub struct Senses {
    /// Asks for no keyframes.
    patient: bool,
    sound: Mutex<Sound>,
    sights: Mutex<BTreeMap<String, Sight>>,
    journal: Mutex<Option<Journal>>,
    /// The last picture that is larger than a bot's own, by `mid`.
    large: Mutex<BTreeMap<String, I420Picture>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Senses {
    pub(super) fn new(patient: bool) -> Self {
        Self {
            patient,
            ..Self::default()
        }
    }

    /// Notes every mark from now on; in composites the one whose corner and side of a block these are.
    pub fn keep_journal(&self, corner: (usize, usize), side: usize) {
        *lock(&self.journal) = Some(Journal {
            corner,
            side,
            seen: Vec::new(),
        });
    }

    /// What was noted since then, or since the last call.
    #[must_use]
    pub fn take_journal(&self) -> Vec<Glimpse> {
        let mut journal = lock(&self.journal);
        journal
            .as_mut()
            .map(|journal| std::mem::take(&mut journal.seen))
            .unwrap_or_default()
    }

    fn note(&self, mid: &str, picture: &I420Picture) {
        let mut journal = lock(&self.journal);
        let Some(journal) = journal.as_mut() else {
            return;
        };
        let scaled = |pixels: usize| pixels * usize::from(picture.width()) / COMPOSITE;
        let corner = (scaled(journal.corner.0), scaled(journal.corner.1));
        let mark =
            Mark::read(picture).or_else(|| Mark::read_at(picture, corner, scaled(journal.side)));
        if let Some(mark) = mark {
            journal.seen.push(Glimpse {
                mid: mid.to_owned(),
                mark,
                at: Instant::now(),
            });
        }
    }

    /// Forgets what was heard.
    pub fn forget_sound(&self) {
        lock(&self.sound).samples.clear();
    }

    /// What was heard since it was forgotten, 30 s at most.
    #[must_use]
    pub fn heard(&self) -> Recording {
        Recording {
            samples: lock(&self.sound).samples.clone(),
            rate: 48_000,
        }
    }

    /// What was heard since it was forgotten, as soon as it is as many seconds.
    ///
    /// # Errors
    /// When there is not as much after ten seconds more.
    pub async fn heard_of(&self, seconds: f64) -> Result<Recording> {
        let limit = Duration::from_secs_f64(seconds + 10.0);
        until("sound", limit, || {
            let heard = self.heard();
            #[expect(clippy::cast_precision_loss, reason = "seconds of sound")]
            let length = heard.samples.len() as f64 / f64::from(heard.rate);
            ensure!(length >= seconds, "{length:.2} s of {seconds} s");
            Ok(heard)
        })
        .await
    }

    /// Counters of the sound.
    #[must_use]
    pub fn sound(&self) -> Sound {
        let sound = lock(&self.sound);
        Sound {
            samples: Vec::new(),
            ..*sound
        }
    }

    /// What is seen on the m-line `mid`.
    #[must_use]
    pub fn sight(&self, mid: &str) -> Sight {
        lock(&self.sights).get(mid).copied().unwrap_or_default()
    }

    /// The last undamaged picture on the m-line `mid` that is not of a bot's own size: a composite.
    #[must_use]
    pub fn composite(&self, mid: &str) -> Option<I420Picture> {
        lock(&self.large).get(mid).cloned()
    }

    /// All that is seen, by `mid`.
    #[must_use]
    pub fn sights(&self) -> BTreeMap<String, Sight> {
        lock(&self.sights).clone()
    }

    /// The persons seen on any m-line within the last second.
    #[must_use]
    pub fn persons(&self) -> Vec<u8> {
        let recent = |sight: &Sight| {
            let (mark, at) = sight.last?;
            (at.elapsed() < Duration::from_secs(1)).then_some(mark.person)
        };
        let mut persons: Vec<u8> = lock(&self.sights).values().filter_map(recent).collect();
        persons.sort_unstable();
        persons.dedup();
        persons
    }
}

fn media(packet: rtp::Packet) -> MediaPacket {
    MediaPacket {
        payload_type: packet.header.payload_type,
        marker: packet.header.marker,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        ssrc: packet.header.ssrc,
        audio_level: None,
        payload: packet.payload,
    }
}

/// Listens until the track ends.
pub(super) async fn listen(track: Arc<dyn TrackRemote>, senses: Arc<Senses>) -> Result<()> {
    let mut decoder = AudioDecoder::new(AudioCodec::Opus)?;
    let mut sequence = Unwrapper::new();
    let mut pcm = Vec::new();
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        let level = !packet.header.extensions.is_empty();
        let newest = sequence.newest();
        let number = sequence.unwrap(packet.header.sequence_number);
        let gap = match newest {
            Some(newest) if number <= newest => continue,
            Some(newest) => number - newest - 1,
            None => 0,
        };
        pcm.clear();
        for _ in 0..gap.min(50) {
            decoder.conceal(FRAME, &mut pcm);
        }
        decoder.decode(&packet.payload, &mut pcm)?;
        let mut sound = lock(&senses.sound);
        sound.packets += 1;
        sound.missing += gap;
        sound.levels += u64::from(level);
        sound.samples.extend_from_slice(&pcm);
        let excess = sound.samples.len().saturating_sub(MEMORY);
        sound.samples.drain(..excess);
    }
    Ok(())
}

/// Watches until the track ends, and asks for keyframes as a browser does.
pub(super) async fn watch(
    mid: String,
    track: Arc<dyn TrackRemote>,
    senses: Arc<Senses>,
    feed: Arc<Feed>,
) -> Result<()> {
    let mut decoder = Vp8Decoder::new()?;
    let mut frames = vp8::Depacketizer::new();
    let mut asked: Option<Instant> = None;
    // From a loss to the next keyframe; pictures in between are not to be judged.
    let mut damaged = false;
    while let Some(event) = track.poll().await {
        let packet = match event {
            TrackRemoteEvent::OnRtpPacket(packet) => packet,
            // The library gives both directions of a line one track id, and once a remote track is open hands it the
            // requests (only those pass) that are meant for the local one.
            TrackRemoteEvent::OnRtcpPacket(_) => {
                feed.keyframe_asked();
                continue;
            }
            _ => continue,
        };
        let packet = media(packet);
        let pushed = frames.push(&packet);
        {
            let mut sights = lock(&senses.sights);
            let sight = sights.entry(mid.clone()).or_default();
            sight.packets += 1;
            sight.bytes += packet.payload.len() as u64;
            sight.broken += u64::from(pushed.is_err());
        }
        let Ok(Some(frame)) = pushed else {
            continue;
        };
        let decoded = decoder.decode(&frame.data)?;
        damaged = !frame.keyframe && (damaged || frame.follows_loss || decoded.needs_keyframe);
        if damaged && !senses.patient && asked.is_none_or(|asked| asked.elapsed() > PATIENCE) {
            asked = Some(Instant::now());
            lock(&senses.sights).entry(mid.clone()).or_default().asked += 1;
            let request = PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc: packet.ssrc,
            };
            track.write_rtcp(vec![Box::new(request)]).await?;
        }
        let mut sights = lock(&senses.sights);
        let sight = sights.entry(mid.clone()).or_default();
        let Some(picture) = decoded.picture else {
            sight.broken += 1;
            continue;
        };
        let picture = picture.to_picture();
        sight.pictures += 1;
        match Mark::read(&picture) {
            _ if damaged => sight.broken += 1,
            Some(mark) => sight.last = Some((mark, Instant::now())),
            None => sight.unreadable += 1,
        }
        drop(sights);
        if !damaged {
            senses.note(&mid, &picture);
        }
        if !damaged && picture.width() != WIDTH {
            lock(&senses.large).insert(mid.clone(), picture);
        }
    }
    Ok(())
}
