//! `[conference]`: limits and manners of each conference.

use std::time::Duration;

use plenum_dialin::commands::{CommandTable, Profile};

use super::reader::Reader;
use super::video::{VideoConfig, VideoPolicy, layout};
use crate::conference::LobbyPolicy;

/// `[conference]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceConfig {
    /// People in one conference; more are told it is full.
    pub max_participants: usize,
    /// Voices mixed at once.
    pub max_talkers: usize,
    /// Whether voices are brought to one loudness.
    pub levelling: bool,
    /// Whose voices are freed from noise.
    pub noise_suppression: NoiseSuppression,
    /// What viewers get, unless the API or a host says otherwise.
    pub video: VideoPolicy,
    /// Kilobits per second of video that each viewer is sent at most, unless a conference has a rule of its own; 0: as much as its line carries.
    pub max_video_kbps: u32,
    /// How composite pictures are laid out at first.
    pub layout: String,
    /// Videos shown to each browser at once.
    pub video_slots: u8,
    /// How long after its last sign of life a client's place is kept.
    pub resume_grace: Duration,
    /// How joining and leaving are heard.
    pub announce: Announce,
    /// Who hears music while nobody else is there.
    pub music_when_alone: LonelyMusic,
    /// Minutes after which a conference ends, unless it was made with a limit of its own; 0 is never.
    pub max_minutes: u32,
    /// Who waits in the lobby, unless a conference has a rule of its own.
    pub lobby: LobbyPolicy,
    /// Whether guests wait until a leader is in, likewise.
    pub wait_for_leader: bool,
    /// Seconds that a conference goes on after its last leader has gone, likewise; 0 is for ever.
    pub end_with_leader_seconds: u32,
    /// What phones' keys do.
    pub keys: CommandTable,
    /// Whether everybody may talk aside and whisper, not hosts only.
    pub side_conversations: bool,
}

/// How joining and leaving are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// Not at all.
    Off,
    /// By a tone.
    Tones,
    /// By the names that phone callers say at the attendant, else by a tone.
    Names,
}

/// Who hears music while nobody else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LonelyMusic {
    /// Nobody.
    Off,
    /// Phones.
    Phones,
    /// Phones and browsers.
    All,
}

/// Whose voices are freed from noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseSuppression {
    /// Nobody's.
    Off,
    /// Those of phones; browsers suppress noise themselves.
    Phones,
    /// Everybody's.
    All,
}

pub(super) fn read(reader: &mut Reader, video: &VideoConfig) -> ConferenceConfig {
    ConferenceConfig {
        max_participants: reader
            .integer(
                "conference.max_participants",
                1000_u32,
                2..=100_000,
                "people in one conference",
            )
            .try_into()
            .unwrap_or(usize::MAX),
        max_talkers: reader
            .integer(
                "conference.max_talkers",
                8_u16,
                1..=32,
                "voices mixed at once",
            )
            .into(),
        levelling: reader.boolean("conference.levelling", true),
        noise_suppression: reader.parsed(
            "conference.noise_suppression",
            NoiseSuppression::Off,
            noise_suppression,
            "use \"off\", \"phones\" or \"all\"",
        ),
        video: reader.parsed(
            "conference.video",
            VideoPolicy::Switched,
            VideoPolicy::from_name,
            "use \"off\", \"switched\" or \"composite\"",
        ),
        max_video_kbps: reader.integer(
            "conference.max_video_kbps",
            0_u32,
            0..=crate::conference::MOST_VIDEO_KBPS,
            "kilobits per second, or 0 for as much as lines carry",
        ),
        layout: layout(reader, &video.layouts),
        video_slots: reader.integer(
            "conference.video_slots",
            4_u8,
            1..=16,
            "videos shown to each browser",
        ),
        resume_grace: reader.seconds("conference.resume_grace_seconds", 18, 1..=20),
        announce: reader.parsed(
            "conference.announce",
            Announce::Tones,
            announce,
            "use \"off\", \"tones\" or \"names\"",
        ),
        music_when_alone: reader.parsed(
            "conference.music_when_alone",
            LonelyMusic::Phones,
            lonely_music,
            "use \"phones\", \"all\" or \"off\"",
        ),
        max_minutes: reader.integer(
            "conference.max_minutes",
            0_u32,
            0..=crate::conference::MOST_MINUTES,
            "minutes, a week at most, or 0 for no limit",
        ),
        lobby: reader.parsed(
            "conference.lobby",
            LobbyPolicy::Off,
            |name| LobbyPolicy::from_name(name).ok_or_else(|| "names nobody".to_owned()),
            "use \"off\" or \"guests\"",
        ),
        wait_for_leader: reader.boolean("conference.wait_for_leader", false),
        end_with_leader_seconds: reader.integer(
            "conference.end_with_leader_seconds",
            0_u32,
            0..=crate::conference::LONGEST_GRACE,
            "seconds, an hour at most, or 0 for never",
        ),
        keys: keys(reader),
        side_conversations: reader.boolean("conference.side_conversations", true),
    }
}

/// The profile, and the rows laid over it.
fn keys(reader: &mut Reader) -> CommandTable {
    let profile = reader.parsed(
        "conference.key_profile",
        Profile::Lync,
        |name| Profile::from_name(name).ok_or_else(|| "is no such profile".to_owned()),
        "use \"lync\", \"teams\", \"pexip\" or \"freeswitch\"",
    );
    let mut table = CommandTable::new(profile);
    for row in reader.list("conference.keys") {
        if let Err(error) = table.lay(&row) {
            let remedy =
                "write for instance \"*4 roll-call\"; config.example.toml lists the commands";
            reader.fault("conference.keys", &row, error.as_str(), remedy);
        }
    }
    table
}

fn announce(text: &str) -> Result<Announce, String> {
    match text {
        "off" => Ok(Announce::Off),
        "tones" => Ok(Announce::Tones),
        "names" => Ok(Announce::Names),
        _ => Err("is no way to announce".to_owned()),
    }
}

fn lonely_music(text: &str) -> Result<LonelyMusic, String> {
    match text {
        "off" => Ok(LonelyMusic::Off),
        "phones" => Ok(LonelyMusic::Phones),
        "all" => Ok(LonelyMusic::All),
        _ => Err("names nobody".to_owned()),
    }
}

fn noise_suppression(text: &str) -> Result<NoiseSuppression, String> {
    match text {
        "off" => Ok(NoiseSuppression::Off),
        "phones" => Ok(NoiseSuppression::Phones),
        "all" => Ok(NoiseSuppression::All),
        _ => Err("is none of them".to_owned()),
    }
}
