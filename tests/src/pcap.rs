//! A capture file of one G.711 caller for sipp's `play_pcap_audio`: silence, keyed digits, then a tone.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tone::{self, glide, to_mulaw};

/// Payload type that the sipp scenarios announce for telephone-event.
pub const TELEPHONE_EVENT: u8 = 96;

const SSRC: u32 = 0x1234_5678;
const SAMPLES_PER_PACKET: u32 = 160;

/// What the caller sends, in this order.
#[derive(Debug, Clone)]
pub struct Performance<'a> {
    /// Silence before the first digit, in ms.
    pub lead_ms: u32,
    /// Digits, each 100 ms long with 100 ms between.
    pub digits: &'a str,
    /// The digits are tones in the sound; else telephone-events (RFC 4733).
    pub tones: bool,
    /// Frequency of the tone in Hz and its peak in dBFS.
    pub tone: (f64, f64),
    /// By how much the tone rises, in Hz per second.
    pub rise: f64,
    /// How long the tone sounds, in s.
    pub seconds: u32,
}

struct Stream {
    file: Vec<u8>,
    sequence: u16,
    tick: u32,
}

impl Performance<'_> {
    /// Writes the capture.
    ///
    /// # Errors
    /// When the file cannot be written or a digit is none of 0–9, `*`, `#`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut stream = Stream::new();
        let silence = vec![0xff; SAMPLES_PER_PACKET as usize];
        for _ in 0..self.lead_ms / 20 {
            stream.audio(&silence);
        }
        for digit in self.digits.chars() {
            if self.tones {
                stream.sound(&tone::digit(digit, 100)?.samples);
            } else {
                let event = "0123456789*#"
                    .find(digit)
                    .with_context(|| format!("{digit} is no key"))?;
                stream.digit(u8::try_from(event)?);
            }
            for _ in 0..5 {
                stream.audio(&silence);
            }
        }
        let (frequency, level) = self.tone;
        let tone = glide(frequency, self.rise, level, f64::from(self.seconds), 8000);
        stream.sound(&tone.samples);
        std::fs::write(path, stream.file).with_context(|| format!("writing {}", path.display()))
    }
}

impl Stream {
    fn new() -> Self {
        let mut file = Vec::new();
        // Global header: magic, version 2.4, zone 0, accuracy 0, snap length, link type 1 (Ethernet).
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        Self {
            file,
            sequence: 1,
            tick: 0,
        }
    }

    fn audio(&mut self, payload: &[u8]) {
        self.packet(0, false, self.tick * SAMPLES_PER_PACKET, payload);
        self.tick += 1;
    }

    fn sound(&mut self, samples: &[i16]) {
        for frame in samples.chunks_exact(SAMPLES_PER_PACKET as usize) {
            let payload: Vec<u8> = frame.iter().map(|sample| to_mulaw(*sample)).collect();
            self.audio(&payload);
        }
    }

    /// Five packets in the course of the digit and the end three times (RFC 4733 §2.5.1.4).
    fn digit(&mut self, event: u8) {
        let start = self.tick * SAMPLES_PER_PACKET;
        for n in 0..5u16 {
            let duration = ((n + 1) * 160).to_be_bytes();
            let payload = [event, 10, duration[0], duration[1]];
            self.packet(TELEPHONE_EVENT, n == 0, start, &payload);
            self.tick += 1;
        }
        let duration = 800u16.to_be_bytes();
        for _ in 0..3 {
            let payload = [event, 0x80 | 10, duration[0], duration[1]];
            self.packet(TELEPHONE_EVENT, false, start, &payload);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "packets are short")]
    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let udp = 8 + 12 + payload.len() as u32;
        let ip = 20 + udp;
        let length = 14 + ip;
        let micros = self.tick * 20_000;
        for word in [micros / 1_000_000, micros % 1_000_000, length, length] {
            self.file.extend(word.to_le_bytes());
        }
        self.file.extend([0; 12]);
        self.file.extend([0x08, 0x00]);
        self.file.extend([0x45, 0]);
        self.file.extend((ip as u16).to_be_bytes());
        self.file.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        self.file.extend([127, 0, 0, 1, 127, 0, 0, 1]);
        // Ports and checksum are sipp's.
        self.file.extend([0x27, 0x10, 0x27, 0x10]);
        self.file.extend((udp as u16).to_be_bytes());
        self.file.extend([0, 0]);
        self.file
            .extend([0x80, payload_type | (u8::from(marker) << 7)]);
        self.file.extend(self.sequence.to_be_bytes());
        self.file.extend(timestamp.to_be_bytes());
        self.file.extend(SSRC.to_be_bytes());
        self.file.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
    }
}
