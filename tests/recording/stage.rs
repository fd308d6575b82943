//! A server with a conference, people who hum, and what is kept of them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ogg::PacketReader;
use plenum_codecs::audio::{AudioCodec, AudioDecoder};
use plenum_tests::attendee::{Attendee, Ticket, Voice, until};
use plenum_tests::server::{Conference, Server};
use plenum_tests::tone::Recording;
use plenum_tests::workspace;
use serde_json::{Value, json};

/// Time for things that take one round trip and a few packets.
pub(crate) const SOON: Duration = Duration::from_secs(8);
pub(crate) const ANN: u32 = 523;
pub(crate) const BOB: u32 = 787;

/// See the module.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) server: Server,
    pub(crate) conference: Conference,
}

impl Stage {
    pub(crate) fn open(name: &str, more: &str) -> Result<Self> {
        let folder = workspace::scratch(name)?;
        let server = Server::start_with(&folder, 20, more)?;
        let conference = server.conference("Weekly")?;
        Ok(Self {
            folder,
            server,
            conference,
        })
    }

    /// Somebody who hums comes in.
    pub(crate) async fn joins(&self, name: &str, pin: &str, tone: u32) -> Result<Attendee> {
        let ticket = Ticket {
            http: self.server.http,
            conference: self.conference.id.clone(),
            pin: Some(pin.to_owned()),
        };
        let voice = Voice {
            tone: Some(tone),
            ..Voice::default()
        };
        Attendee::join(&ticket, name, voice)
            .await
            .with_context(|| format!("{name} joins\n{}", self.server.log_tail()))
    }

    /// Orders something of the conference's recording; gives the recording.
    pub(crate) fn orders(&self, method: &str, body: &Value) -> Result<Value> {
        let path = format!("/conferences/{}/recording", self.conference.id);
        let (status, recording) = self.server.rest(method, &path, body)?;
        ensure!(
            (200..300).contains(&status),
            "{method} {path}: {status} {recording}\n{}",
            self.server.log_tail()
        );
        Ok(recording)
    }

    pub(crate) fn records(&self, format: &str, tracks: bool) -> Result<String> {
        let recording = self.orders("POST", &json!({"format": format, "tracks": tracks}))?;
        let id = recording["id"].as_str().context("no id")?;
        Ok(id.to_owned())
    }

    /// A recording as the server shows it.
    pub(crate) fn shown(&self, id: &str) -> Result<Value> {
        let (status, recording) =
            self.server
                .rest("GET", &format!("/recordings/{id}"), &Value::Null)?;
        ensure!(status == 200, "{status}: {recording}");
        Ok(recording)
    }

    /// Where a file of a recording lies.
    pub(crate) fn path(&self, id: &str, name: &str) -> PathBuf {
        self.folder
            .join("data/recordings")
            .join(&self.conference.id)
            .join(id)
            .join(name)
    }
}

/// Waits until somebody is shown that the conference's recording is `state`.
pub(crate) async fn is_shown(who: &Attendee, state: &str) -> Result<()> {
    until(&format!("recording {state} on the page"), SOON, || {
        let recording = who.view().recording;
        ensure!(recording == state, "it says {recording:?}");
        Ok(())
    })
    .await
}

/// What a player plays of an Ogg/Opus file, and whether it was ended as it should be (RFC 7845).
pub(crate) fn play(path: &Path) -> Result<(Recording, bool)> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut reader = PacketReader::new(BufReader::new(file));
    let head = reader.read_packet_expected()?.data;
    ensure!(head.starts_with(b"OpusHead\x01\x01"), "{head:?}");
    let skip = match head.get(10..12) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
        _ => anyhow::bail!("no pre-skip in {head:?}"),
    };
    let tags = reader.read_packet_expected()?.data;
    ensure!(tags.starts_with(b"OpusTags"), "{tags:?}");
    let mut decoder = AudioDecoder::new(AudioCodec::Opus)?;
    let (mut samples, mut end, mut ended) = (Vec::new(), 0, false);
    while let Some(packet) = reader.read_packet()? {
        decoder.decode(&packet.data, &mut samples)?;
        end = packet.absgp_page();
        ended = packet.last_in_stream();
    }
    samples.truncate(usize::try_from(end)?);
    let samples = samples.split_off(skip);
    let rate = 48_000;
    Ok((Recording { samples, rate }, ended))
}

#[expect(clippy::cast_precision_loss, reason = "recordings are short")]
pub(crate) fn seconds(recording: &Recording) -> f64 {
    recording.samples.len() as f64 / f64::from(recording.rate)
}
