//! Recording as the focus orders it: what the room taps, who is whose track, and what everybody is told.
//!
//! Owns the one recording a conference may have; its files are [`crate::recording`]'s.

use std::sync::Arc;
use std::time::Duration;

use plenum_dialin::attendant::PromptKey;
use plenum_mixer::LegId;
use tokio::sync::oneshot;

use super::focus::Focus;
use super::order::Denied;
use crate::media::MediaError;
use crate::recording::{End, Recording, Spec, StartError};
use crate::signal::protocol::{RecordingFault, RecordingState, ServerMessage};

/// How long somebody waits for the files to be whole.
const PATIENCE: Duration = Duration::from_secs(3);

/// The recording that runs.
#[derive(Debug)]
pub(super) struct OnAir {
    recording: Recording,
    paused: bool,
}

impl OnAir {
    pub(super) fn since_ms(&self) -> i64 {
        self.recording.started_ms
    }
}

/// What REST asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RecordOrder {
    Start(Spec),
    Pause(bool),
    /// Answered once the files are whole.
    Stop,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordRefusal {
    #[error("Nobody is in the conference.")]
    Empty,
    #[error("The conference is being recorded already.")]
    Running,
    #[error("The conference is not being recorded.")]
    NotRunning,
    #[error("Recording is switched off on this server.")]
    Off,
    #[error("The disk is full.")]
    DiskFull,
    #[error("The recording cannot be started now.")]
    Unavailable,
}

impl From<RecordRefusal> for Denied {
    fn from(refusal: RecordRefusal) -> Self {
        match refusal {
            RecordRefusal::Off => Self::Forbidden("Recording is switched off on this server."),
            RecordRefusal::NotRunning => Self::Invalid("The conference is not being recorded."),
            RecordRefusal::DiskFull => {
                Self::Unavailable("The conference cannot be recorded: the disk is full.")
            }
            RecordRefusal::Empty | RecordRefusal::Running | RecordRefusal::Unavailable => {
                Self::Unavailable("The recording cannot be started now.")
            }
        }
    }
}

impl From<StartError> for RecordRefusal {
    fn from(error: StartError) -> Self {
        tracing::warn!(%error, "recording did not begin");
        match error {
            StartError::Off => Self::Off,
            StartError::DiskFull => Self::DiskFull,
            StartError::TooMany | StartError::Disk(_) => Self::Unavailable,
        }
    }
}

/// How a recording ended by itself; waits for ever without one.
pub(super) async fn ended(on_air: &mut Option<OnAir>) -> End {
    match on_air {
        None => std::future::pending().await,
        Some(on_air) => on_air.recording.ended().await,
    }
}

impl Focus {
    pub(super) fn recording_state(&self) -> RecordingState {
        match &self.on_air {
            None => RecordingState::Off,
            Some(on_air) if on_air.paused => RecordingState::Paused,
            Some(_) => RecordingState::On,
        }
    }

    /// Carries out what REST asks for.
    pub(super) async fn record(
        &mut self,
        order: RecordOrder,
        reply: oneshot::Sender<Result<String, RecordRefusal>>,
    ) {
        let outcome = match order {
            RecordOrder::Start(spec) => self.start_recording(spec).await,
            RecordOrder::Pause(on) => self.pause_recording(on),
            RecordOrder::Stop => match self.take_off_air(PromptKey::RecordingStopped) {
                None => Err(RecordRefusal::NotRunning),
                Some(recording) => {
                    // The disk may take its time; the conference goes on meanwhile.
                    tokio::spawn(async move {
                        let id = recording.id.clone();
                        recording.stop(PATIENCE).await;
                        // Whoever asked may have hung up.
                        let _ = reply.send(Ok(id));
                    });
                    return;
                }
            },
        };
        let _ = reply.send(outcome);
    }

    /// A host's wish. It is no error when it is so already.
    pub(super) async fn record_on(&mut self, on: bool) -> Result<(), RecordRefusal> {
        if on && self.on_air.is_none() {
            let usual = self.around.recorder.usual();
            self.start_recording(usual).await?;
        }
        if !on {
            // Dropping it stops it.
            self.take_off_air(PromptKey::RecordingStopped);
        }
        Ok(())
    }

    /// A host's `*2`.
    pub(super) async fn toggle_recording(&mut self, leg: LegId) {
        if self.record_on(self.on_air.is_none()).await.is_err() {
            self.say(leg, PromptKey::RecordingFailed);
        }
    }

    async fn start_recording(&mut self, spec: Spec) -> Result<String, RecordRefusal> {
        if self.on_air.is_some() {
            return Err(RecordRefusal::Running);
        }
        if self.room.is_none() {
            return Err(RecordRefusal::Empty);
        }
        let around = Arc::clone(&self.around);
        let recording = around
            .recorder
            .start(&self.record.number, &self.record.name, spec)
            .await?;
        let id = recording.id.clone();
        self.on_air = Some(OnAir {
            recording,
            paused: false,
        });
        let everybody: Vec<_> = self.roster.iter().map(|person| person.id.clone()).collect();
        for participant in everybody {
            self.tell_recorder(&participant);
        }
        if let Err(error) = self.tap() {
            tracing::warn!(%error, "room could not be tapped");
            self.on_air = None;
            return Err(RecordRefusal::Unavailable);
        }
        tracing::info!("recording began");
        self.announce_recording(PromptKey::RecordingStarted);
        Ok(id)
    }

    pub(super) fn pause_recording(&mut self, on: bool) -> Result<String, RecordRefusal> {
        let on_air = self.on_air.as_mut().ok_or(RecordRefusal::NotRunning)?;
        let id = on_air.recording.id.clone();
        if on_air.paused == on {
            return Ok(id);
        }
        if !on_air.recording.pause(on) {
            return Err(RecordRefusal::Unavailable);
        }
        on_air.paused = on;
        let tapped = if on { self.untap() } else { self.tap() };
        if let Err(error) = tapped {
            // The recorder itself leaves out what comes during a pause; what does not come afterwards is silence.
            tracing::warn!(%error, "tap of a room is not as it should be");
        }
        self.announce_recording(if on {
            PromptKey::RecordingPaused
        } else {
            PromptKey::RecordingResumed
        });
        Ok(id)
    }

    fn tap(&self) -> Result<(), MediaError> {
        let (Some(room), Some(on_air)) = (self.room, &self.on_air) else {
            return Ok(());
        };
        let recording = &on_air.recording;
        self.around
            .media
            .tap(room, recording.tap(), recording.sink())
    }

    fn untap(&self) -> Result<(), MediaError> {
        self.room
            .map_or(Ok(()), |room| self.around.media.untap(room))
    }

    /// Tells the recorder whose the leg of `participant` is.
    pub(super) fn tell_recorder(&self, participant: &str) {
        let Some(on_air) = &self.on_air else { return };
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        for leg in person.legs() {
            if !on_air.recording.knows(leg, &person.id, &person.name) {
                tracing::warn!("recorder does not keep up; a track has no name");
            }
        }
    }

    /// The recording ended by itself.
    pub(super) fn recording_ended(&mut self, end: End) {
        let reason = match end {
            End::DiskFull => Some(RecordingFault::DiskFull),
            End::WriteFailed => Some(RecordingFault::WriteFailed),
            End::Stopped | End::TooLong => None,
        };
        self.take_off_air(match reason {
            Some(_) => PromptKey::RecordingFailed,
            None => PromptKey::RecordingStopped,
        });
        if let Some(reason) = reason {
            self.tell_all(&ServerMessage::RecordingFailed { reason });
        }
    }

    fn take_off_air(&mut self, words: PromptKey) -> Option<Recording> {
        let on_air = self.on_air.take()?;
        if let Err(error) = self.untap() {
            // Its frames go nowhere.
            tracing::warn!(%error, "room could not be untapped");
        }
        tracing::info!("recording ended");
        self.announce_recording(words);
        Some(on_air.recording)
    }

    /// Everybody sees and hears it.
    fn announce_recording(&mut self, words: PromptKey) {
        self.show_conference();
        self.announce(words);
    }

    /// With the conference's end, when nobody is there to be told.
    pub(super) async fn finish_recording(&mut self) {
        if let Some(on_air) = self.on_air.take()
            && on_air.recording.stop(PATIENCE).await.is_none()
        {
            tracing::warn!("a recording takes long to end");
        }
    }
}
