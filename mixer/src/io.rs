//! What goes into a room and what comes out: the vocabulary of the seam, without behaviour.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::Frame;
use plenum_codecs::telephone_event::{Digit, DigitSource};
use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};

use crate::{Channel, Channels, Ladder, Rendition, Renditions, Sound, Viewing};

/// One participant's media; unique in the process, kept over moves between rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

impl LegId {
    /// The room's composite picture: no participant's, but a source of video like a participant's camera.
    pub const COMPOSITE: Self = Self(u64::MAX);

    /// Set in the id of a screen; ids of legs are counted up from 1 and never come so far.
    const SCREEN: u64 = 1 << 63;

    /// The screen that this leg shares: a source of video beside its camera, never a leg itself.
    #[must_use]
    pub const fn screen(self) -> Self {
        Self(self.0 | Self::SCREEN)
    }

    /// Whether it is a shared screen and no leg.
    #[must_use]
    pub const fn is_screen(self) -> bool {
        self.0 != Self::COMPOSITE.0 && self.0 & Self::SCREEN != 0
    }

    /// Who shares it, if it is a screen; else the leg itself.
    #[must_use]
    pub const fn owner(self) -> Self {
        if self.is_screen() {
            Self(self.0 & !Self::SCREEN)
        } else {
            self
        }
    }
}

/// One playing of a prompt or tone; chosen by the caller, unique within a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// Which of a leg's incoming streams a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// Speech, telephone events and comfort noise.
    Audio,
    /// The camera: forwarded to the viewers' slots.
    Camera,
    /// One of the camera's sizes, when it comes in several (simulcast, RFC 8853); 0 is the smallest.
    Layer(u8),
    /// A shared screen: forwarded like a camera, before all cameras, once [`Command::Screen`] lets it.
    Screen,
}

/// Everything a room can be told.
#[derive(Debug, Clone)]
pub enum Input {
    /// The time of [`crate::Room::deadline`] has come.
    Timeout,
    /// A media packet came from a leg.
    Packet {
        /// Who sent it; packets of legs that are not in the room are dropped.
        leg: LegId,
        /// The packet, decrypted and parsed.
        packet: MediaPacket,
        /// Which stream of the leg.
        track: Track,
    },
    /// A leg's RTCP feedback.
    Feedback {
        /// Who sent it.
        leg: LegId,
        /// What it said.
        feedback: Feedback,
    },
    /// A packet of the composite picture, for whoever sees this rendition. Numbers and timestamps run on; its payload type
    /// does not matter.
    Composed {
        /// Of which.
        rendition: Rendition,
        /// The packet.
        packet: MediaPacket,
    },
    /// The same of the small rendition: H.264, within what was asked for by [`Compose::Small`].
    ComposedSmall {
        /// The packet.
        packet: MediaPacket,
    },
    /// The composer cannot show a camera before its next keyframe.
    ComposerNeedsKeyframe {
        /// Whose camera.
        leg: LegId,
    },
    /// An order of the focus.
    Command(Command),
}

/// RTCP feedback of a leg on what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1) for one of the viewer's slots.
    KeyframeRequest {
        /// The viewer's slot.
        slot: u8,
    },
    /// What the line to the leg carries, as far as is known.
    Estimate {
        /// Video of all its slots together.
        bits_per_second: u64,
    },
    /// A receiver report (RFC 3550 §6.4.1) on the leg's audio.
    Loss {
        /// Share of its packets that were lost since the report before, in 1/256.
        fraction: u8,
    },
}

/// Who hears a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every leg that is not deafened or held, whatever channels it hears.
    Everyone,
    /// Whoever hears the channel, as loud as it hears it.
    Channel(Channel),
    /// One leg alone, even when it is deafened or held.
    Leg(LegId),
}

/// Orders of the focus to a room. Orders about legs that are not in the room are ignored.
#[derive(Debug, Clone)]
pub enum Command {
    /// The leg's audio stays out of the bus.
    Mute {
        /// Whom.
        leg: LegId,
        /// Muted or not.
        on: bool,
    },
    /// The leg hears nothing of the room (players for it alone are still heard).
    Deafen {
        /// Whom.
        leg: LegId,
        /// Deafened or not.
        on: bool,
    },
    /// The leg neither is heard nor hears the room; players for it alone, such as music, are still heard.
    Hold {
        /// Whom.
        leg: LegId,
        /// Held or not.
        on: bool,
    },
    /// Changes how loud the leg is in the mix.
    Gain {
        /// Whom.
        leg: LegId,
        /// In dB, clamped to −40 … +20.
        db: f32,
    },
    /// Chooses the channels into which the leg's voice goes; [`Channel::MAIN`] at first.
    Speak {
        /// Whom.
        leg: LegId,
        /// Every one of them; none: nobody hears it.
        channels: Channels,
    },
    /// Chooses what the leg hears of the room; [`Channel::MAIN`] at 0 dB at first. Legs of equal lists share a mix; each list that differs
    /// costs one more, and an encode per codec, so whoever gives these orders bounds how many there are.
    Hear {
        /// Whom.
        leg: LegId,
        /// Channels and how loud they are, in dB, clamped to −40 … +20. A channel that is not here is not heard; of one that
        /// is here twice the last counts.
        hears: Vec<(Channel, f32)>,
    },
    /// Noise is taken out of the leg's voice, or no more. Costs only while the leg is in the mix, and then 10 ms of delay.
    Denoise {
        /// Whose.
        leg: LegId,
        /// Taken out or not.
        on: bool,
    },
    /// The camera was switched on or off by its owner. Off takes it out of all slots at once.
    Camera {
        /// Whose.
        leg: LegId,
        /// Packets of the camera are forwarded or dropped.
        on: bool,
    },
    /// The leg has the floor whoever speaks, until it leaves or another has it; `None`, or a leg that is not here: whoever speaks has it.
    Spotlight {
        /// Who is shown.
        leg: Option<LegId>,
    },
    /// When `voice`, a phone, has the floor, the camera of `face` is shown: both are one person's. `None`: nobody's but its own. Forgotten when either
    /// leaves the room; `face` need not be in it yet.
    Face {
        /// Who is heard.
        voice: LegId,
        /// Who is seen.
        face: Option<LegId>,
    },
    /// The leg presents its screen, or no more; off at first, and again in another room. Off takes it out of all slots at once.
    Screen {
        /// Whose.
        leg: LegId,
        /// Packets of the screen are forwarded or dropped.
        on: bool,
    },
    /// Starts a player. The same id again replaces the earlier one.
    Play {
        /// Its name in [`Event::PlayFinished`] and [`Command::StopPlay`].
        play: PlayId,
        /// Who hears it.
        to: Audience,
        /// What.
        sound: Sound,
        /// From the beginning again at its end, until stopped.
        repeat: bool,
    },
    /// Stops a player without [`Event::PlayFinished`].
    StopPlay {
        /// Which.
        play: PlayId,
    },
    /// Records what the leg says, for its name to be spoken; it ends by itself after `longest`, 10 s at most. An earlier capture of
    /// the leg that is not over yet is dropped.
    Capture {
        /// Whom.
        leg: LegId,
        /// The most that is recorded.
        longest: Duration,
    },
    /// Ends a capture before its time.
    EndCapture {
        /// Whose.
        leg: LegId,
    },
    /// Begins, changes or ends what is tapped for a recording.
    Tap(Tap),
    /// There is a composer, whose renditions have these rates: who is to see the composite picture does. Or there is none any more, and
    /// they see cameras.
    Composite(Option<Ladder>),
    /// The composite's renditions have these rates now, if there is one.
    CompositeRates(Ladder),
    /// Chooses what a viewer sees; forgotten when the leg leaves the room.
    View {
        /// Who.
        leg: LegId,
        /// What; `None`: as [`Command::DefaultView`] says.
        view: Option<Viewing>,
    },
    /// What is sent to a viewer of video in all its slots at most, in bit/s; `None`: as much as its line carries. Of `leg`, forgotten when it
    /// leaves the room, or without one of everybody; the lesser counts.
    VideoLimit {
        /// Whom.
        leg: Option<LegId>,
        /// Bit/s.
        bits_per_second: Option<u64>,
    },
    /// How high pictures may be that are sent to a viewer, in pixels, of those sizes that a camera or the composite comes in; the smallest
    /// comes in any case. Forgotten when the leg leaves the room.
    VideoHeight {
        /// Whom.
        leg: LegId,
        /// Pixels; `None`: as its line carries.
        most: Option<u16>,
    },
    /// What viewers see who have made no choice of their own; [`Viewing::Composite`] at first. Where that is [`Viewing::Cameras`],
    /// those who cannot decode every camera and screen see the composite all the same.
    DefaultView(Viewing),
}

/// What a room has for its composer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compose {
    /// A packet of a camera, in the order of coming. None come while nobody sees the composite.
    Camera {
        /// Whose; a shared screen is a source of its own, [`LegId::screen`] of its owner.
        leg: LegId,
        /// What the payload is.
        codec: VideoCodec,
        /// The packet.
        packet: MediaPacket,
    },
    /// A camera is off or gone.
    CameraOff {
        /// Whose.
        leg: LegId,
    },
    /// These renditions are seen by somebody now, and no others.
    Wanted(Renditions),
    /// The next picture of this rendition must be a keyframe (already throttled).
    Keyframe(Rendition),
    /// Somebody sees the picture who takes H.264 within these bounds only; `None`: nobody any more.
    Small(Option<Limit>),
    /// The next picture of the small rendition must be a keyframe (already throttled).
    KeyframeSmall,
}

/// What of a room is tapped, every tick; see [`Output::Tap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tap {
    /// Nothing; costs nothing.
    #[default]
    Off,
    /// The mix.
    Mix,
    /// The mix, and what each leg adds to it.
    MixAndLegs,
}

/// What was tapped in one tick: 20 ms at 48 kHz mono.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapFrame {
    /// The tick. Consecutive ticks are 20 ms apart; ticks that were left out, or had nobody in the room, are missing.
    pub at: MediaTime,
    /// What whoever hears the room and says nothing hears, after the limiter and before any encoder.
    pub mix: Box<Frame>,
    /// What each leg added to the mix, its gain applied; legs that added nothing are absent. Empty unless asked for.
    pub legs: Vec<(LegId, Box<Frame>)>,
}

/// Everything a room wants done. Poll after every [`crate::Room::handle`] until there is none.
#[derive(Debug, Clone)]
pub enum Output {
    /// An audio packet for a leg.
    Audio {
        /// To whom.
        leg: LegId,
        /// The packet.
        packet: OutPacket,
    },
    /// A video packet for one slot of a viewer.
    Video {
        /// To whom.
        leg: LegId,
        /// Which of its outgoing video streams.
        slot: u8,
        /// The packet.
        packet: OutPacket,
    },
    /// Ask a publisher for a keyframe (already throttled).
    KeyframeRequest {
        /// The publisher.
        leg: LegId,
        /// Which of its tracks.
        track: Track,
        /// The payload type of the wanted encoding (one camera may come in two codecs).
        payload_type: u8,
    },
    /// Something the focus wants to know.
    Event(Event),
    /// A capture is over.
    Captured {
        /// Whose.
        leg: LegId,
        /// What was said, silence cut off at both ends, at the loudness of speech, 48 kHz mono; empty when nothing was.
        pcm: Arc<[i16]>,
    },
    /// One tick of a tapped room.
    Tap(TapFrame),
    /// Something for the composer.
    Compose(Compose),
}

/// A packet to be sent; the transport adds SSRC and encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutPacket {
    /// As the leg negotiated it.
    pub payload_type: u8,
    /// Audio: first packet after a gap. Video: last packet of a frame.
    pub marker: bool,
    /// Continuous per leg (audio) or per slot (video), over renditions, rooms and sources; the low 16 bits go on the wire.
    pub sequence: u64,
    /// In the clock of the payload type, continuous likewise.
    pub timestamp: u32,
    /// Shared by all legs of a rendition.
    pub payload: Bytes,
    /// Level of the mix (RFC 6464), when the leg negotiated the extension.
    pub audio_level: Option<AudioLevel>,
    /// The tick of the mix, or when the video packet came in.
    pub captured: MediaTime,
}

/// Something that happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key press, exactly once.
    Digit {
        /// Who keyed.
        leg: LegId,
        /// What; its `Debug` is redacted.
        digit: Digit,
        /// How it came.
        source: DigitSource,
    },
    /// A leg began or ceased to be heard in the mix.
    Talking {
        /// Who.
        leg: LegId,
        /// Began or ceased.
        on: bool,
    },
    /// The active speaker changed.
    Floor {
        /// `None` when the last holder has left.
        holder: Option<LegId>,
    },
    /// Another source (or none) is on the air in a viewer's slot.
    Slot {
        /// The viewer.
        leg: LegId,
        /// Its slot.
        slot: u8,
        /// Whose camera; [`LegId::screen`] of its owner for a screen, [`LegId::COMPOSITE`] for the composite.
        source: Option<LegId>,
    },
    /// Somebody shall see the composite from now on, or nobody any more: whether a composer is worth its while.
    CompositeWanted {
        /// Somebody or nobody.
        on: bool,
    },
    /// So many of the sizes in which a camera comes are used by anybody, the smallest first; [`u8::MAX`]: all, as before anything was said.
    CameraSizes {
        /// Whose camera.
        leg: LegId,
        /// At least 1.
        count: u8,
    },
    /// A player came to its end.
    PlayFinished {
        /// Which.
        play: PlayId,
    },
}
