//! The thread of one composite, and how it is reached: a bounded queue of camera packets and orders.
//!
//! Who feeds it never waits. Packets that do not fit are dropped and counted, their camera asks for a keyframe; orders have places
//! of their own in the queue. A picture is made when something has changed, [`Cadence`] says when; one whose time has passed is left out, never
//! made up for.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::encoder::VideoSetting;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::{MediaPacket, MediaTime};
use plenum_mixer::compose::{Composer, Layout, Person};
use plenum_mixer::{Compose, Input, LegId, Rendition, Renditions};
use prometheus::IntCounter;

use super::cadence::Cadence;
use super::camera::Camera;
use super::outputs::Outputs;
use super::overlay::Overlays;
use super::{Shared, StartError};
use crate::media::{Media, RoomId, clock};

/// Packets that wait: half a second of 25 cameras at 1.5 Mbit/s.
const PACKETS: usize = 2_048;
/// Orders that wait, beside the packets.
const ORDERS: usize = 512;
/// Of 0, as everybody else, to 19: about a fifth of what a media worker gets when both want all of a core.
const NICE: i32 = 7;
/// A packet that has waited so long is late: its camera is not decoded before its next keyframe, which catches up.
const LATE: Duration = Duration::from_millis(400);
/// Without anything to compose the thread looks so often whether it is still wanted.
const IDLE: Duration = Duration::from_millis(500);

/// What waits for the thread.
enum Item {
    Camera(LegId, VideoCodec, MediaPacket, MediaTime),
    CameraOff(LegId),
    Wanted(Renditions),
    /// Of a rendition, or of that of phones.
    Keyframe(Option<Rendition>),
    Small(Option<Limit>),
    People(Vec<Person>),
    Talking(LegId, bool),
    Floor(LegId),
    Layout(Layout),
    /// Of the whole picture, in bit/s.
    Bitrate(u32),
    /// `None`: the operator's.
    Banner(Option<String>),
    Stop,
}

/// The way into the queue.
#[derive(Debug, Clone)]
struct Inlet {
    queue: SyncSender<Item>,
    waiting: Arc<AtomicUsize>,
    dropped: IntCounter,
}

impl Inlet {
    fn take(&self, work: Compose) {
        let item = match work {
            Compose::Camera { leg, codec, packet } => {
                if self.waiting.load(Ordering::Relaxed) >= PACKETS {
                    return self.dropped.inc();
                }
                self.waiting.fetch_add(1, Ordering::Relaxed);
                if !self.order(Item::Camera(leg, codec, packet, clock::now())) {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                return;
            }
            Compose::CameraOff { leg } => Item::CameraOff(leg),
            Compose::Wanted(renditions) => Item::Wanted(renditions),
            Compose::Keyframe(rendition) => Item::Keyframe(Some(rendition)),
            Compose::Small(limit) => Item::Small(limit),
            Compose::KeyframeSmall => Item::Keyframe(None),
        };
        self.order(item);
    }

    /// False when the thread does not get it.
    fn order(&self, item: Item) -> bool {
        // A thread that is gone has nothing more to compose; one so far behind that its places for orders are full has said
        // so by the packets that it dropped.
        let sent = self.queue.try_send(item).is_ok();
        if !sent {
            self.dropped.inc();
        }
        sent
    }
}

/// A composite that runs. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Composite {
    inlet: Inlet,
    media: Media,
    room: RoomId,
    thread: JoinHandle<()>,
}

impl Composite {
    /// A fault has ended it; its room shows cameras.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Everybody in the room, in the order of joining.
    pub(crate) fn people(&self, people: Vec<Person>) {
        self.inlet.order(Item::People(people));
    }

    /// Somebody begins or ceases to talk.
    pub(crate) fn talking(&self, leg: LegId, on: bool) {
        self.inlet.order(Item::Talking(leg, on));
    }

    /// Somebody has the floor.
    pub(crate) fn floor(&self, leg: LegId) {
        self.inlet.order(Item::Floor(leg));
    }

    /// Another layout.
    pub(crate) fn layout(&self, layout: Layout) {
        self.inlet.order(Item::Layout(layout));
    }

    /// The whole picture takes so many bit/s from now on, the smaller ones their part of it.
    pub(crate) fn bitrate(&self, bitrate: u32) {
        self.inlet.order(Item::Bitrate(bitrate));
    }

    /// What the banner says; `None`: what the operator's does.
    pub(crate) fn banner(&self, text: Option<String>) {
        self.inlet.order(Item::Banner(text));
    }
}

impl Drop for Composite {
    fn drop(&mut self) {
        if let Err(error) = self.media.uncompose(self.room) {
            tracing::debug!(%error, "a room keeps its composite");
        }
        self.inlet.order(Item::Stop);
    }
}

/// Starts the thread and has the room feed it.
pub(super) fn start(
    shared: Arc<Shared>,
    media: Media,
    room: RoomId,
    layout: Layout,
    bitrate: u32,
) -> Result<Composite, StartError> {
    let place = Place::take(&shared)?;
    let (width, height) = shared.config.size;
    let mut composer = Composer::new(width, height, layout.clone(), shared.fonts.clone())?;
    let setting = VideoSetting {
        width,
        height,
        bitrate,
        frame_rate: shared.config.frame_rate,
    };
    let ladder = shared.ladder(bitrate);
    let (queue, inbox) = sync_channel(PACKETS + ORDERS);
    let inlet = Inlet {
        queue,
        waiting: Arc::default(),
        dropped: shared.figures.dropped.clone(),
    };
    let work = Work {
        overlays: Overlays::new(&shared.config, &mut composer),
        composer,
        layout,
        people: Vec::new(),
        cameras: HashMap::new(),
        outputs: Outputs::new(setting, ladder, shared.figures.clone()),
        cadence: Cadence::new(
            Instant::now(),
            Duration::from_secs(1) / u32::from(shared.config.frame_rate),
        ),
        waiting: Arc::clone(&inlet.waiting),
        outbox: Vec::new(),
        media: media.clone(),
        room,
        shared,
    };
    let thread = std::thread::Builder::new()
        .name("composer".to_owned())
        .spawn(move || {
            let (media, faults) = (work.media.clone(), work.shared.figures.faults.clone());
            let _place = place;
            // Unwind-safe by rule: after a panic nobody sees the thread's state again.
            if catch_unwind(AssertUnwindSafe(|| work.run(&inbox))).is_err() {
                faults.inc();
                tracing::error!("a composite ended by a fault; its viewers see cameras");
                if let Err(error) = media.uncompose(room) {
                    tracing::error!(%error, "a room keeps a composite that has ended");
                }
            }
        })?;
    let feeder = inlet.clone();
    media.compose(room, ladder, Box::new(move |work| feeder.take(work)))?;
    Ok(Composite {
        inlet,
        media,
        room,
        thread,
    })
}

/// One of the composites that may run at once; given back when the thread ends, however it does.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, StartError> {
        let most = i64::from(shared.config.max_composites);
        let running = &shared.figures.running;
        running.inc();
        let place = Self(Arc::clone(shared));
        if running.get() > most {
            return Err(StartError::TooMany(shared.config.max_composites));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.figures.running.dec();
    }
}

/// Whoever mixes sound goes first: when there is too little CPU, pictures become fewer and nobody sounds worse.
fn yield_to_audio() {
    // Of the calling thread alone, as Linux has it.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a composer runs at the usual priority");
    }
}

/// The thread's state.
struct Work {
    composer: Composer,
    overlays: Overlays,
    layout: Layout,
    /// As told last, for a composer that has to be made anew.
    people: Vec<Person>,
    cameras: HashMap<LegId, Camera>,
    outputs: Outputs,
    cadence: Cadence,
    waiting: Arc<AtomicUsize>,
    /// For the room.
    outbox: Vec<Input>,
    media: Media,
    room: RoomId,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self, inbox: &Receiver<Item>) {
        yield_to_audio();
        loop {
            let wait = if self.is_seen() {
                self.cadence.due().saturating_duration_since(Instant::now())
            } else {
                IDLE
            };
            let first = match inbox.recv_timeout(wait) {
                Ok(item) => Some(item),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // All that has come by now: a picture that takes longer than an interval would else be made of each camera's in turn, and the
            // queue would never be empty again.
            for item in first.into_iter().chain(inbox.try_iter().take(PACKETS)) {
                if matches!(item, Item::Stop) {
                    return;
                }
                self.item(item);
            }
            let now = Instant::now();
            if !self.is_seen() {
                self.cadence.rest();
            } else if now >= self.cadence.due() {
                self.picture(now);
                let left_out = self.cadence.made(now, Instant::now());
                self.shared.figures.late.inc_by(left_out.into());
            }
            self.post();
        }
    }

    /// Somebody views the picture, or nothing need be done.
    fn is_seen(&self) -> bool {
        !self.outputs.is_empty()
    }

    fn item(&mut self, item: Item) {
        if let Item::Camera(leg, codec, packet, came) = item {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return self.camera(leg, codec, packet, came);
        }
        self.cadence.changed(Instant::now());
        match item {
            Item::CameraOff(leg) => {
                self.cameras.remove(&leg);
                self.composer.drop_picture(leg);
            }
            Item::Wanted(renditions) => self.outputs.want(renditions),
            Item::Keyframe(rendition) => self.outputs.keyframe(rendition),
            Item::Small(limit) => self.outputs.want_small(limit),
            Item::People(people) => {
                self.cameras
                    .retain(|leg, _| people.iter().any(|person| person.leg == *leg));
                self.people.clone_from(&people);
                self.composer.set_people(people);
            }
            Item::Talking(leg, on) => self.composer.set_talking(leg, on),
            Item::Floor(leg) => self.composer.set_floor(leg),
            Item::Layout(layout) => {
                self.layout = layout.clone();
                self.composer.set_layout(layout);
            }
            Item::Bitrate(bitrate) => self.outputs.set_bitrate(bitrate),
            Item::Banner(text) => self.overlays.set_banner(text),
            Item::Camera(..) | Item::Stop => {}
        }
    }

    /// What nobody sees is not decoded; its decoder waits for a keyframe when it is seen again.
    fn camera(&mut self, leg: LegId, codec: VideoCodec, packet: MediaPacket, came: MediaTime) {
        if !self.is_seen() || !self.composer.shows(leg) {
            if self.cameras.remove(&leg).is_some() {
                self.composer.drop_picture(leg);
            }
            return;
        }
        let now = clock::now();
        let waited = now.since(came);
        self.shared.figures.queue.observe(waited.as_secs_f64());
        if waited > LATE {
            self.shared.figures.dropped.inc();
            self.cameras.insert(leg, Camera::new());
            return;
        }
        let camera = self.cameras.entry(leg).or_insert_with(Camera::new);
        camera.push(now, codec, packet);
        while let Some(picture) = camera.picture(now, &self.shared.figures) {
            self.composer.set_picture(leg, picture);
            self.cadence.changed(Instant::now());
        }
        if camera.asks(now) {
            self.shared.figures.keyframe_requests.inc();
            self.outbox.push(Input::ComposerNeedsKeyframe { leg });
        }
    }

    /// Composes what has changed, and encodes it for whoever wants it.
    fn picture(&mut self, begun: Instant) {
        let figures = &self.shared.figures;
        if let Some(since) = self.cadence.since() {
            let waited = begun.saturating_duration_since(since);
            figures.wait.observe(waited.as_secs_f64());
        }
        let at = clock::now();
        for (leg, camera) in &mut self.cameras {
            // What was waited for in vain is given up by now.
            while let Some(picture) = camera.picture(at, figures) {
                self.composer.set_picture(*leg, picture);
            }
        }
        let (overlays, composer) = (&mut self.overlays, &mut self.composer);
        // Names and banners are strangers' text in fonts of any origin. Unwind-safe by rule: after a panic nobody sees the composer again.
        let draws = AssertUnwindSafe(|| {
            overlays.advance(begun, composer);
            composer.compose()
        });
        let Ok(drawn) = catch_unwind(draws) else {
            figures.faults.inc();
            return self.begin_anew();
        };
        let still = drawn == 0;
        if !still {
            figures.pictures.inc();
            figures
                .tiles
                .inc_by(u64::try_from(drawn).unwrap_or_default());
        }
        let canvas = self.composer.canvas();
        self.outputs
            .encode(canvas, still, (begun, at), &mut self.outbox);
        figures.picture_time.observe(begun.elapsed().as_secs_f64());
    }

    /// The composer panicked: another one, which shows no names, as they are what can do that.
    fn begin_anew(&mut self) {
        tracing::error!("a composer panicked and was begun anew without names");
        let (width, height) = self.shared.config.size;
        let fonts = plenum_mixer::compose::Fonts::none();
        match Composer::new(width, height, self.layout.clone(), fonts) {
            Ok(mut composer) => {
                composer.set_people(self.people.clone());
                let banner = self.overlays.banner();
                self.overlays = Overlays::new(&self.shared.config, &mut composer);
                self.overlays.set_banner(banner);
                self.composer = composer;
                self.cameras.clear();
            }
            Err(error) => tracing::error!(%error, "no composer"),
        }
    }

    /// Hands the room what has gathered.
    fn post(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let inputs = std::mem::take(&mut self.outbox);
        if let Err(error) = self.media.composed(self.room, inputs) {
            // Viewers notice the gap and ask for a keyframe.
            tracing::debug!(%error, "a composite picture was dropped");
            self.shared.figures.dropped.inc();
        }
    }
}
