//! The room's surface: legs come and go, inputs are taken to their owners, outputs queue up to be polled.

mod faces;
mod render;
mod tap;
mod tick;

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::{MediaPacket, MediaTime};

use crate::bus::Buses;
use crate::capture::Capture;
use crate::floor::Floor;
use crate::lag::Lag;
use crate::legs::Legs;
use crate::mix::{Hearing, Mixes};
use crate::player::Players;
use crate::rendition::Renditions;
use crate::talkers::{Candidate, Talkers};
use crate::video::Switchboard;
use crate::{
    Audience, Channels, Command, Event, Feedback, Input, Leg, LegConfig, LegId, LegStats, Output,
    RoomConfig, RoomStats, Tap, Track,
};

/// One mix.
const TICK: Duration = Duration::from_millis(20);
/// When the caller is later than this, ticks are left out instead of made up for: 100 ms.
const MAX_BACKLOG: Duration = Duration::from_millis(100);
/// Bounds of [`Command::Gain`] in dB.
const GAIN_DB: std::ops::RangeInclusive<f32> = -40.0..=20.0;

/// A sans-IO conference room: mixes audio every 20 ms and forwards video at once.
///
/// After every call that takes the time, poll the outputs until there are none; they are bounded by what one call can cause
/// (one packet for each leg and slot), not by a limit of their own.
#[derive(Debug)]
pub struct Room {
    legs: Legs,
    outputs: VecDeque<Output>,
    levelling: bool,
    next_tick: MediaTime,
    buses: Buses,
    talkers: Talkers,
    /// Of this tick; kept for its memory.
    candidates: Vec<Candidate>,
    floor: Floor,
    faces: faces::Faces,
    players: Players,
    mixes: Mixes,
    renditions: Renditions,
    /// Legs that need more than a payload of a shared encoder, in this tick or the next.
    special: Vec<LegId>,
    video: Switchboard,
    lag: Lag,
    tap: Tap,
    stats: RoomStats,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub fn new(config: RoomConfig, now: MediaTime) -> Self {
        Self {
            legs: Legs::default(),
            outputs: VecDeque::new(),
            levelling: config.levelling,
            next_tick: now + TICK,
            buses: Buses::default(),
            talkers: Talkers::new(config.max_talkers),
            candidates: Vec::new(),
            floor: Floor::default(),
            faces: faces::Faces::default(),
            players: Players::default(),
            mixes: Mixes::new(),
            renditions: Renditions::default(),
            special: Vec::new(),
            video: Switchboard::new(
                config.video_slots,
                config.keyframe_interval,
                config.camera_silence,
            ),
            lag: Lag::default(),
            tap: Tap::Off,
            stats: RoomStats::default(),
        }
    }

    /// Puts a leg in. A leg of the same id that is in the room already is given back.
    pub fn insert(&mut self, now: MediaTime, mut leg: Leg) -> Option<Leg> {
        let id = leg.id();
        let former = self.take(now, id);
        if self.legs.is_empty() {
            self.next_tick = now + TICK;
        }
        leg.levelled = self.levelling;
        leg.outlet.mix = self.mixes.subscribe(&leg.hearing());
        self.legs.insert(leg);
        self.mark_special(id);
        self.video
            .viewer_changed(now, id, &mut self.legs, &mut self.outputs);
        former
    }

    /// Takes a leg out, to be dropped or put into another room. What plays for it alone ends without an event, and it speaks into
    /// and hears [`Channel::MAIN`](crate::Channel::MAIN) again.
    pub fn take(&mut self, now: MediaTime, leg: LegId) -> Option<Leg> {
        let mut taken = self.legs.remove(leg)?;
        self.special.retain(|special| *special != leg);
        self.mixes.unsubscribe(taken.outlet.mix);
        self.renditions.detach(&self.mixes, &mut taken.outlet);
        taken.voice.cut();
        taken.gates.speaks = Channels::MAIN;
        taken.gates.hears = Hearing::main();
        taken.gates.screen = false;
        taken.viewer.leave();
        if self.talkers.remove(leg) {
            self.event(Event::Talking { leg, on: false });
        }
        if self.floor.remove(leg) {
            self.event(Event::Floor { holder: None });
        }
        self.faces.forget(leg);
        self.players.remove_leg(leg);
        self.video.forget_speaker(leg);
        self.video.drop_routes(leg);
        for source in [leg, leg.screen()] {
            self.video
                .unpublish(now, source, &mut self.legs, &mut self.outputs);
        }
        Some(taken)
    }

    /// Takes on newly negotiated media of a leg; `false` when it is not in the room.
    pub fn reconfigure(&mut self, now: MediaTime, config: LegConfig) -> bool {
        let id = config.id;
        let Some(leg) = self.legs.get_mut(id) else {
            return false;
        };
        leg.reconfigure(config);
        self.mark_special(id);
        self.video
            .viewer_changed(now, id, &mut self.legs, &mut self.outputs);
        true
    }

    /// Takes in a packet, feedback, a command or the passing of time. Then poll the outputs.
    pub fn handle(&mut self, now: MediaTime, input: Input) {
        match input {
            Input::Timeout => self.catch_up(now),
            Input::Packet { leg, packet, track } => self.packet(now, leg, packet, track),
            Input::Feedback { leg, feedback } => self.feedback(now, leg, feedback),
            Input::Composed { rendition, packet } => {
                self.video
                    .composed(now, rendition, &packet, &mut self.legs, &mut self.outputs);
            }
            Input::ComposedSmall { packet } => {
                self.video
                    .composed_small(now, &packet, &mut self.legs, &mut self.outputs);
            }
            Input::ComposerNeedsKeyframe { leg } => {
                self.video
                    .composer_wants_keyframe(now, leg, &mut self.outputs);
            }
            Input::Command(command) => self.command(now, command),
        }
    }

    /// The next thing to do, `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due; for an empty room the end of time.
    #[must_use]
    pub fn deadline(&self) -> MediaTime {
        if self.legs.is_empty() {
            MediaTime::MAX
        } else {
            self.next_tick
        }
    }

    /// Counters of a leg; `None` when it is not in the room.
    #[must_use]
    pub fn leg_stats(&self, leg: LegId) -> Option<LegStats> {
        self.legs.get(leg).map(Leg::stats)
    }

    /// Counters of the room.
    #[must_use]
    pub fn stats(&self) -> RoomStats {
        RoomStats {
            encodes: self.renditions.stats.encodes,
            codec_failures: self.renditions.stats.failures,
            talkers: self.talkers.len(),
            legs: self.legs.len(),
            video_forwarded: self.video.forwarded,
            keyframe_requests: self.video.keyframe_requests,
            ..self.stats
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn catch_up(&mut self, now: MediaTime) {
        if self.legs.is_empty() {
            return;
        }
        let behind = now.since(self.next_tick);
        if behind > MAX_BACKLOG {
            let skipped = u64::try_from(behind.as_nanos() / TICK.as_nanos()).unwrap_or(0);
            self.stats.skipped_ticks += skipped;
            self.next_tick += Duration::from_nanos(skipped.saturating_mul(20_000_000));
        }
        while self.next_tick <= now {
            let at = self.next_tick;
            self.next_tick += TICK;
            self.tick(at);
        }
    }

    fn packet(&mut self, now: MediaTime, id: LegId, packet: MediaPacket, track: Track) {
        let Some(leg) = self.legs.wake(id) else {
            self.stats.ignored += 1;
            return;
        };
        match track {
            Track::Audio => {
                if let Some((digit, source)) = leg.receiver.push(now, packet, &leg.config.audio) {
                    self.event(Event::Digit {
                        leg: id,
                        digit,
                        source,
                    });
                }
            }
            Track::Camera | Track::Layer(_) | Track::Screen => {
                leg.receiver.note_video(now);
                let (open, source) = match track {
                    Track::Screen => (leg.gates.screen, id.screen()),
                    _ => (leg.gates.camera, id),
                };
                let wanted = open && !leg.config.listen_only;
                if !wanted
                    || !self.video.forward(
                        now,
                        source,
                        track,
                        &packet,
                        &mut self.legs,
                        &mut self.outputs,
                    )
                {
                    self.stats.ignored += 1;
                }
            }
        }
    }

    fn feedback(&mut self, now: MediaTime, leg: LegId, feedback: Feedback) {
        let Some(leg) = self.legs.get_mut(leg) else {
            return;
        };
        match feedback {
            Feedback::KeyframeRequest { slot } => {
                self.video
                    .viewer_wants_keyframe(now, leg, slot, &mut self.outputs);
            }
            Feedback::Estimate { bits_per_second } => leg.viewer.line.tell(now, bits_per_second),
            Feedback::Loss { fraction } => {
                let id = leg.id();
                if leg.outlet.loss.report(now, fraction) {
                    self.mark_special(id);
                }
            }
        }
    }

    fn command(&mut self, now: MediaTime, command: Command) {
        match command {
            Command::Mute { leg, on } => self.with_leg(leg, |leg| leg.gates.muted = on),
            Command::Deafen { leg, on } => self.rehear(leg, |leg| leg.gates.deaf = on),
            Command::Hold { leg, on } => self.rehear(leg, |leg| leg.gates.held = on),
            Command::Gain { leg, db } => self.with_leg(leg, |leg| {
                if !db.is_nan() {
                    leg.gates.gain =
                        10.0_f32.powf(db.clamp(*GAIN_DB.start(), *GAIN_DB.end()) / 20.0);
                }
            }),
            Command::Denoise { leg, on } => self.with_leg(leg, |leg| leg.gates.denoised = on),
            Command::Speak { leg, channels } => {
                self.with_leg(leg, |leg| leg.gates.speaks = channels);
            }
            Command::Hear { leg, hears } => {
                self.rehear(leg, |leg| leg.gates.hears = Hearing::of(&hears));
            }
            Command::Camera { leg, on } => {
                self.with_leg(leg, |leg| leg.gates.camera = on);
                if !on {
                    self.video
                        .unpublish(now, leg, &mut self.legs, &mut self.outputs);
                }
            }
            Command::Spotlight { leg } => {
                let leg = leg.filter(|leg| self.legs.get(*leg).is_some());
                if self.floor.spotlight(leg) {
                    self.show_floor(now);
                }
            }
            Command::Face { voice, face } => self.set_face(now, voice, face),
            Command::Screen { leg, on } => {
                self.with_leg(leg, |leg| leg.gates.screen = on);
                if !on {
                    self.video
                        .unpublish(now, leg.screen(), &mut self.legs, &mut self.outputs);
                }
            }
            Command::Play {
                play,
                to,
                sound,
                repeat,
            } => self.play(play, to, sound, repeat),
            Command::StopPlay { play } => self.players.stop(play),
            Command::Capture { leg, longest } => {
                if let Some(leg) = self.legs.wake(leg) {
                    leg.capture = Some(Capture::new(longest));
                }
            }
            Command::EndCapture { leg } => self.end_capture(leg),
            Command::Tap(tap) => self.tap = tap,
            Command::CompositeRates(ladder) => self.video.set_rates(ladder),
            Command::Composite(ladder) => {
                self.video
                    .set_composite(now, ladder, &mut self.legs, &mut self.outputs);
            }
            Command::View { leg, view } => {
                self.video
                    .set_view(now, leg, view, &mut self.legs, &mut self.outputs);
            }
            Command::VideoLimit {
                leg,
                bits_per_second,
            } => self
                .video
                .limit(now, leg, bits_per_second, &mut self.legs, &mut self.outputs),
            Command::VideoHeight { leg, most } => {
                self.video
                    .limit_height(now, leg, most, &mut self.legs, &mut self.outputs);
            }
            Command::DefaultView(view) => {
                self.video
                    .set_default_view(now, view, &mut self.legs, &mut self.outputs);
            }
        }
    }

    fn play(&mut self, play: crate::PlayId, to: Audience, sound: crate::Sound, repeat: bool) {
        if let Audience::Leg(leg) = to
            && !self.legs.contains(leg)
        {
            return;
        }
        if let Some(displaced) = self.players.start(play, to, sound, repeat) {
            self.event(Event::PlayFinished { play: displaced });
        }
    }

    /// Hands over what was captured of the leg, if anything was to be.
    fn end_capture(&mut self, leg: LegId) {
        let capture = self.legs.get_mut(leg).and_then(|leg| leg.capture.take());
        if let Some(capture) = capture {
            let pcm = capture.finish();
            self.outputs.push_back(Output::Captured { leg, pcm });
        }
    }

    fn with_leg(&mut self, leg: LegId, change: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.get_mut(leg) {
            change(leg);
        }
    }

    /// Changes what a leg hears; the next tick fades over.
    fn rehear(&mut self, id: LegId, change: impl FnOnce(&mut Leg)) {
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        change(leg);
        let mix = self.mixes.subscribe(&leg.hearing());
        self.mixes.unsubscribe(leg.outlet.mix);
        let before = std::mem::replace(&mut leg.outlet.mix, mix);
        if before != mix {
            leg.outlet.before.get_or_insert(before);
            self.mark_special(id);
        }
    }
}
