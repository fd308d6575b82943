//! Who is in a conference and how each is shown and told. Owned by one focus; knows no policy.

mod pair;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use plenum_companion::presence::State;
use plenum_dialin::attendant::Language;
use plenum_dialin::commands::CommandKeys;
use plenum_dialin::keying::Keying;
use plenum_mixer::{LegId, PlayId};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};

pub(super) use pair::Handset;

use super::seat::{Link, MediaHold, Newcomer, Notice, Outgoing};
use crate::auth::Role;
use crate::media::RoomId;
use crate::signal::protocol::{EndReason, Kind, ParticipantView, ServerMessage, SlotView};
use crate::signal::view::View;

/// Why somebody cannot be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mute {
    Off,
    BySelf,
    ByHost,
}

/// So long after the host's mute a phone's `*6` means the same as the host: the keys were on their way before the
/// caller could hear that it is muted (network, key presses, the prompt's first words).
const CROSSED: Duration = Duration::from_millis(2_500);

impl Mute {
    /// What `*6` makes of it; `since` is how long ago the host muted the phone.
    pub(super) fn toggled(self, since: Option<Duration>) -> Self {
        match self {
            Self::Off => Self::BySelf,
            Self::ByHost if since.is_some_and(|since| since < CROSSED) => Self::ByHost,
            Self::BySelf | Self::ByHost => Self::Off,
        }
    }
}

/// One person in the conference.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// Key of presence.
    pub(super) user: String,
    pub(super) presence: State,
    pub(super) mute: Mute,
    /// When the host muted it last.
    pub(super) host_muted: Option<Instant>,
    /// A host lets it speak while the audience is muted.
    pub(super) may_speak: bool,
    pub(super) deafened: bool,
    pub(super) held: bool,
    /// A host lets it show no video.
    pub(super) video_muted: bool,
    /// Of video, in bit/s, that they are sent at most.
    pub(super) max_video: Option<u64>,
    /// How high its pictures are at most, in pixels, where they come in several sizes.
    pub(super) max_video_height: Option<u16>,
    /// What it sees, unless that is the conference's affair.
    pub(super) view: Option<View>,
    /// How loud the others hear it.
    pub(super) gain_db: i8,
    /// The channel it talks aside in, and the language it listens to.
    pub(super) side: Option<u8>,
    pub(super) listening: Option<u8>,
    /// Its name in its own voice.
    pub(super) spoken: Option<Arc<[i16]>>,
    /// What is spoken to them alone.
    pub(super) language: Language,
    /// The music that plays for it alone.
    pub(super) music: Option<PlayId>,
    /// It sends video, whether that may be shown or not.
    pub(super) films: bool,
    /// Changed by [`Roster::set_camera`].
    pub(super) camera: bool,
    pub(super) talking: bool,
    /// As [`super::podium::Podium`] has it.
    pub(super) presenting: bool,
    /// The sound of what it presents is part of its microphone's track.
    pub(super) shares_sound: bool,
    pub(super) hand: bool,
    /// Changed by [`Roster::set_leg`].
    pub(super) leg: Option<LegId>,
    /// The media room in which the leg is or is about to be.
    pub(super) room: Option<RoomId>,
    /// The phone by which they speak and hear, beside a browser. Changed by [`Roster::pair`] and [`Roster::unpair`].
    pub(super) handset: Option<Handset>,
    /// When they last asked for a PIN of their own, or took it back.
    pub(super) pin_asked: Option<Instant>,
    /// What a returning browser's next offer is compared with.
    pub(super) hold: Option<MediaHold>,
    /// `mid` of each video slot, and whose video is in it.
    pub(super) slot_mids: Vec<String>,
    pub(super) slots: Vec<Option<LegId>>,
    /// Slots last asked for.
    pub(super) slots_told: usize,
    /// Changed by [`Roster::connect`] and [`Roster::disconnect`].
    pub(super) link: Link,
    /// Counts connections: what an older one still says is ignored.
    pub(super) generation: u64,
    /// When a participant without a connection was last heard of.
    pub(super) lost: Option<Instant>,
    /// SHA-256 of the secret that gives the place back.
    pub(super) resume: [u8; 32],
    pub(super) keys: CommandKeys,
    pub(super) keying: Keying,
}

impl Participant {
    /// Somebody who has just come. `user` is the key of presence, and the state it gives; `secret` gives the place back.
    pub(super) fn new(
        id: String,
        newcomer: Newcomer,
        (user, presence): (String, State),
        generation: u64,
        secret: &str,
    ) -> Self {
        Self {
            id,
            name: newcomer.name,
            kind: newcomer.kind,
            role: newcomer.role,
            user,
            presence,
            mute: Mute::Off,
            host_muted: None,
            may_speak: false,
            deafened: false,
            held: false,
            video_muted: false,
            max_video: None,
            max_video_height: None,
            view: None,
            gain_db: 0,
            side: None,
            listening: None,
            spoken: newcomer.spoken,
            language: newcomer.language,
            music: None,
            films: false,
            camera: false,
            talking: false,
            presenting: false,
            shares_sound: false,
            hand: false,
            leg: newcomer.leg,
            room: None,
            handset: None,
            pin_asked: None,
            hold: None,
            slot_mids: Vec::new(),
            slots: Vec::new(),
            slots_told: 0,
            link: newcomer.link,
            generation,
            lost: None,
            resume: Sha256::digest(secret.as_bytes()).into(),
            keys: CommandKeys::new(),
            keying: Keying::default(),
        }
    }

    /// Nothing of it is heard. Who has muted themselves mutes the microphone alone: their page does, and what a tab of theirs plays goes on,
    /// unless it is a phone that is heard of them.
    pub(super) fn is_silent(&self) -> bool {
        let plays = self.presenting && self.shares_sound && self.handset.is_none();
        match self.mute {
            Mute::Off => false,
            Mute::BySelf => !plays,
            Mute::ByHost => true,
        }
    }

    /// Came with the host's PIN; the demo's host leads nobody.
    pub(super) fn leads(&self) -> bool {
        self.role == Role::Host && self.kind != Kind::Host
    }

    pub(super) fn view(&self) -> ParticipantView {
        ParticipantView {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: self.kind,
            role: self.role,
            muted: self.mute != Mute::Off,
            deafened: self.deafened,
            held: self.held,
            video_muted: self.video_muted,
            view: self.view,
            gain_db: self.gain_db,
            side: self.side,
            listening: self.listening,
            camera: self.camera,
            talking: self.talking,
            presenting: self.presenting,
            hand: self.hand,
            by_phone: self.handset.is_some(),
            presence: self.presence,
        }
    }
}

/// A participant, and how it is shown as JSON, made when it is first needed.
#[derive(Debug)]
struct Place {
    person: Participant,
    shown: Option<Box<RawValue>>,
}

/// See the module. Everything but what is said to all takes the same time however many there are.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// By number, in the order of joining.
    places: BTreeMap<u64, Place>,
    numbers: HashMap<String, u64>,
    by_leg: HashMap<LegId, u64>,
    /// Without a connection, whoever was heard of longest ago first.
    lost: BTreeSet<(Instant, u64)>,
    next: u64,
    /// The demo's.
    hosts: usize,
    leaders: usize,
    cameras: usize,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// People other than the demo's host.
    pub(super) fn guests(&self) -> usize {
        self.places.len() - self.hosts
    }

    /// Who came with the host's PIN.
    pub(super) fn leaders(&self) -> usize {
        self.leaders
    }

    /// How many send video.
    pub(super) fn cameras(&self) -> usize {
        self.cameras
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.places.values().map(|place| &place.person)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Participant> {
        let place = self.places.get(self.numbers.get(id)?)?;
        Some(&place.person)
    }

    /// To change it. Its camera, connection and leg have their own functions.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Participant> {
        let place = self.places.get_mut(self.numbers.get(id)?)?;
        place.shown = None;
        Some(&mut place.person)
    }

    pub(super) fn insert(&mut self, person: Participant) {
        let number = self.next;
        self.next += 1;
        for leg in person.legs() {
            self.by_leg.insert(leg, number);
        }
        self.hosts += usize::from(person.kind == Kind::Host);
        self.leaders += usize::from(person.leads());
        self.cameras += usize::from(person.camera);
        self.numbers.insert(person.id.clone(), number);
        let shown = None;
        self.places.insert(number, Place { person, shown });
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Participant> {
        let number = self.numbers.remove(id)?;
        let person = self.places.remove(&number)?.person;
        for leg in person.legs() {
            self.by_leg.remove(&leg);
        }
        if let Some(heard) = person.lost {
            self.lost.remove(&(heard, number));
        }
        self.hosts -= usize::from(person.kind == Kind::Host);
        self.leaders -= usize::from(person.leads());
        self.cameras -= usize::from(person.camera);
        Some(person)
    }

    /// Gives `id` another leg; the one before is returned.
    pub(super) fn set_leg(&mut self, id: &str, leg: Option<LegId>) -> Option<LegId> {
        let number = *self.numbers.get(id)?;
        let person = &mut self.places.get_mut(&number)?.person;
        let before = std::mem::replace(&mut person.leg, leg).filter(|before| Some(*before) != leg);
        if let Some(before) = before {
            self.by_leg.remove(&before);
        }
        if let Some(leg) = leg {
            self.by_leg.insert(leg, number);
        }
        before
    }

    /// Notes whether `id` sends video; `true` when that is different.
    pub(super) fn set_camera(&mut self, id: &str, on: bool) -> bool {
        let Some(person) = self.get_mut(id) else {
            return false;
        };
        let was_on = std::mem::replace(&mut person.camera, on);
        self.cameras = self.cameras + usize::from(on) - usize::from(was_on);
        was_on != on
    }

    /// Gives `id` a connection.
    pub(super) fn connect(&mut self, id: &str, link: Link) {
        self.set_link(id, link, None);
    }

    /// `id` has no connection any more, and was last heard of at `heard`.
    pub(super) fn disconnect(&mut self, id: &str, heard: Instant) {
        self.set_link(id, Link::None, Some(heard));
    }

    fn set_link(&mut self, id: &str, link: Link, lost: Option<Instant>) {
        let Some(number) = self.numbers.get(id).copied() else {
            return;
        };
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        place.person.link = link;
        if let Some(before) = std::mem::replace(&mut place.person.lost, lost) {
            self.lost.remove(&(before, number));
        }
        if let Some(heard) = lost {
            self.lost.insert((heard, number));
        }
    }

    /// Whose connection is gone and who was heard of longest ago, and when that was.
    pub(super) fn longest_lost(&self) -> Option<(Instant, &str)> {
        let (heard, number) = self.lost.first()?;
        Some((*heard, self.places.get(number)?.person.id.as_str()))
    }

    /// Whose leg or screen that is.
    pub(super) fn owner(&self, leg: LegId) -> Option<&str> {
        let place = self.places.get(self.by_leg.get(&leg.owner())?)?;
        Some(&place.person.id)
    }

    /// Everybody as shown.
    pub(super) fn views(&self) -> Vec<ParticipantView> {
        self.iter().map(Participant::view).collect()
    }

    /// Makes the JSON of everybody that is not there yet.
    pub(super) fn render_all(&mut self) {
        self.places.values_mut().for_each(Place::render);
    }

    /// The same of some; who is not here any more is passed over.
    pub(super) fn render<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        for id in ids {
            if let Some(place) = self
                .numbers
                .get(id)
                .and_then(|number| self.places.get_mut(number))
            {
                place.render();
            }
        }
    }

    /// The JSON of everybody but `id`, once rendered.
    pub(super) fn all_shown_but(&self, id: &str) -> impl Iterator<Item = &RawValue> {
        let others = self
            .places
            .values()
            .filter(move |place| place.person.id != id);
        others.filter_map(|place| place.shown.as_deref())
    }

    /// The JSON of one, once rendered.
    pub(super) fn shown(&self, id: &str) -> Option<&RawValue> {
        self.places.get(self.numbers.get(id)?)?.shown.as_deref()
    }

    /// What `participant` sees, once its slots are negotiated.
    pub(super) fn video(&self, participant: &Participant) -> Option<ServerMessage> {
        if participant.slot_mids.is_empty() {
            return None;
        }
        let shown = |slot: usize| participant.slots.get(slot).copied().flatten();
        let slots = participant
            .slot_mids
            .iter()
            .enumerate()
            .map(|(slot, mid)| SlotView {
                composite: shown(slot) == Some(LegId::COMPOSITE),
                screen: shown(slot).is_some_and(LegId::is_screen),
                mid: mid.clone(),
                participant: shown(slot)
                    .and_then(|leg| self.owner(leg))
                    .map(str::to_owned),
            });
        Some(ServerMessage::Video {
            slots: slots.collect(),
        })
    }
}

impl Place {
    fn render(&mut self) {
        if self.shown.is_none() {
            // Strings, numbers and enums only: this cannot fail.
            self.shown = to_raw_value(&self.person.view()).ok();
        }
    }
}

impl Participant {
    /// Queues `text`; `false` when the session does not read: it is to be cut off.
    pub(super) fn send(&self, text: &Utf8Bytes) -> bool {
        match &self.link {
            Link::Session(session) => session.try_send(Outgoing::Text(text.clone())).is_ok(),
            Link::Call(_) | Link::None => true,
        }
    }

    /// Last word to whoever is behind this participant.
    pub(super) fn end(&mut self, reason: EndReason) {
        self.link.end(reason);
        if let Some(handset) = &mut self.handset {
            handset.link.end(reason);
        }
    }
}

impl Link {
    /// Last word to whoever is behind it.
    pub(super) fn end(&mut self, reason: EndReason) {
        match std::mem::replace(self, Self::None) {
            Self::Session(session) => {
                // A full queue: dropping the sender ends the session just as well.
                let _ = session.try_send(Outgoing::Ended(reason));
            }
            Self::Call(call) => {
                let _ = call.try_send(Notice::Ended(reason));
            }
            Self::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn who_mutes_themselves_is_heard_with_the_tab_that_they_share_and_whom_a_host_mutes_is_not() {
        let mut ann = person("ann", Link::None, None);
        for (mute, presenting, sound, silent) in [
            (Mute::Off, false, false, false),
            (Mute::BySelf, false, true, true),
            (Mute::BySelf, true, false, true),
            (Mute::BySelf, true, true, false),
            (Mute::ByHost, true, true, true),
        ] {
            (ann.mute, ann.presenting, ann.shares_sound) = (mute, presenting, sound);
            assert_eq!(ann.is_silent(), silent, "{mute:?} {presenting} {sound}");
            assert_eq!(ann.view().muted, mute != Mute::Off);
        }
        (ann.mute, ann.presenting, ann.shares_sound) = (Mute::BySelf, true, true);
        ann.handset = Some(Handset {
            leg: LegId(9),
            room: None,
            link: Link::None,
            generation: 1,
            role: Role::Guest,
            page_role: Role::Guest,
        });
        assert!(ann.is_silent(), "the phone plays no tab");
    }

    fn person(id: &str, link: Link, leg: Option<LegId>) -> Participant {
        let newcomer = Newcomer {
            name: id.to_owned(),
            kind: Kind::Browser,
            role: Role::Guest,
            user: None,
            link,
            leg,
            spoken: None,
            language: Language::default(),
            invited: false,
        };
        Participant::new(
            id.to_owned(),
            newcomer,
            (id.to_owned(), State::Available),
            1,
            "",
        )
    }

    #[test]
    fn people_stay_in_the_order_of_joining_and_are_counted() {
        let mut roster = Roster::default();
        for (number, id) in ["cat", "ann", "bob"].into_iter().enumerate() {
            let leg = u64::try_from(number).ok().map(LegId);
            roster.insert(person(id, Link::None, leg));
        }
        assert!(roster.set_camera("ann", true) && !roster.set_camera("ann", true));
        assert!(roster.set_camera("bob", true) && !roster.set_camera("eve", true));
        assert_eq!((roster.cameras(), roster.guests()), (2, 3));
        assert_eq!(roster.set_leg("bob", Some(LegId(9))), Some(LegId(2)));
        assert_eq!(
            (roster.owner(LegId(2)), roster.owner(LegId(9))),
            (None, Some("bob"))
        );
        assert!(roster.remove("ann").is_some() && roster.remove("ann").is_none());
        assert_eq!((roster.cameras(), roster.owner(LegId(1))), (1, None));
        let order: Vec<_> = roster.iter().map(|person| person.id.as_str()).collect();
        assert_eq!(order, ["cat", "bob"]);
    }

    #[test]
    fn whoever_was_lost_first_is_known_until_it_is_back_or_gone() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut roster = Roster::default();
        for id in ["ann", "bob", "cat"] {
            roster.insert(person(id, Link::None, None));
        }
        assert_eq!(roster.longest_lost(), None);
        roster.disconnect("ann", at(3));
        roster.disconnect("bob", at(1));
        roster.disconnect("bob", at(2));
        roster.disconnect("cat", at(4));
        assert_eq!(roster.longest_lost(), Some((at(2), "bob")));
        roster.connect("bob", Link::None);
        assert_eq!(roster.longest_lost(), Some((at(3), "ann")));
        roster.remove("ann");
        assert_eq!(roster.longest_lost(), Some((at(4), "cat")));
    }

    #[test]
    fn how_somebody_is_shown_is_made_once_and_again_after_a_change() {
        let mut roster = Roster::default();
        for id in ["ann", "bob"] {
            roster.insert(person(id, Link::None, None));
        }
        let json = |roster: &Roster, id: &str| roster.shown(id).map(|shown| shown.get().as_ptr());
        roster.render_all();
        let (ann, bob) = (json(&roster, "ann"), json(&roster, "bob"));
        if let Some(ann) = roster.get_mut("ann") {
            ann.hand = true;
        }
        roster.disconnect("bob", Instant::now());
        assert_eq!((json(&roster, "ann"), json(&roster, "bob")), (None, bob));
        roster.render_all();
        assert!(ann.is_some() && json(&roster, "bob") == bob);
        let shown = roster.shown("ann").map(RawValue::get);
        assert!(shown.is_some_and(|shown| shown.contains(r#""hand":true"#)));
    }

    #[test]
    fn a_session_that_does_not_read_is_found_out_when_its_queue_is_full() {
        let (link, queue) = mpsc::channel(2);
        let slow = person("slow", Link::Session(link), None);
        let text = Utf8Bytes::from_static("{}");
        assert!(slow.send(&text) && slow.send(&text) && !slow.send(&text));
        assert_eq!(queue.len(), 2);
        assert!(person("phone", Link::None, None).send(&text));
    }

    #[test]
    fn a_star_six_that_crosses_the_hosts_mute_does_not_open_the_microphone() {
        let after = |millis| Some(Duration::from_millis(millis));
        assert_eq!(Mute::Off.toggled(None), Mute::BySelf);
        assert_eq!(Mute::Off.toggled(after(10)), Mute::BySelf);
        assert_eq!(Mute::BySelf.toggled(after(10)), Mute::Off);
        assert_eq!(Mute::ByHost.toggled(after(300)), Mute::ByHost);
        assert_eq!(Mute::ByHost.toggled(after(3_000)), Mute::Off);
    }
}
