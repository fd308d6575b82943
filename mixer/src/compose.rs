//! Composes the pictures of a room into one: who sits where, scaled pictures, names and signs. Sans IO and without a clock.
//!
//! ```text
//!  people, talkers, floor ─► seating ─► tiles of the layout
//!  decoded pictures ─► scaled into their tile ─► label, frame ─► canvas ◄─ clock, mark
//! ```
//!
//! A tile is drawn anew only when something in it has changed. Codecs are the caller's, see the composer thread of `mcu`.

mod blend;
mod canvas;
mod layout;
mod overlay;
mod scale;
mod seating;
mod sketch;
mod text;
mod tile;

use plenum_codecs::CodecError;
use plenum_codecs::video::{I420Picture, I420View};

use crate::LegId;
use tile::Due;

pub use layout::{
    Arrangement, DEFAULT_LAYOUT, Layout, LayoutError, LayoutFaults, Layouts, Place, Rect, Role,
};
pub use overlay::Mark;
pub use scale::Scaler;
pub use text::Fonts;

/// Talkers whose order is remembered; beyond that no layout would show it.
const REMEMBERED: usize = 64;

/// Somebody who has a tile, with or without a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Whose pictures and voice; [`LegId::screen`] of its owner for a shared screen, which comes before everybody else, is shown whole
    /// and has no label.
    pub leg: LegId,
    /// As written on the tile.
    pub name: String,
    /// Takes part by phone.
    pub phone: bool,
    /// Is not heard.
    pub muted: bool,
    /// Has a camera that is on: is seen before those without when not all are.
    pub camera: bool,
}

#[derive(Debug)]
struct Member {
    person: Person,
    talking: bool,
    /// As it fills their tile. The picture itself is not kept: scaled while it is in the processor's cache, and small afterwards.
    picture: Option<I420Picture>,
}

#[derive(Debug)]
struct Tile {
    place: Place,
    seat: Option<LegId>,
    /// Made when it is drawn.
    dress: Option<tile::Dress>,
    due: Due,
}

impl Tile {
    fn is_stale(&self) -> bool {
        self.due != Due::Nothing
    }
}

/// The canvas of a room and everybody on it.
#[derive(Debug)]
pub struct Composer {
    canvas: I420Picture,
    layout: Layout,
    text: text::Text,
    scaler: Scaler,
    /// In the order of joining.
    members: Vec<Member>,
    /// Who had the floor, most recent first.
    speakers: Vec<LegId>,
    tiles: Vec<Tile>,
    overlays: overlay::Overlays,
    /// Everything is to be drawn anew, the ground between the tiles too.
    anew: bool,
}

impl Composer {
    /// An empty canvas.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when a side is odd, 0 or more than 4096.
    pub fn new(width: u16, height: u16, layout: Layout, fonts: Fonts) -> Result<Self, CodecError> {
        for (what, side) in [("canvas width", width), ("canvas height", height)] {
            if side % 2 == 1 {
                return Err(CodecError::Setting {
                    what,
                    value: side.into(),
                    allowed: "an even number",
                });
            }
        }
        let mut this = Self {
            canvas: I420Picture::black(width, height)?,
            layout,
            text: text::Text::new(fonts),
            scaler: Scaler::default(),
            members: Vec::new(),
            speakers: Vec::new(),
            tiles: Vec::new(),
            overlays: overlay::Overlays::default(),
            anew: true,
        };
        this.arrange();
        Ok(this)
    }

    /// Changes the layout.
    pub fn set_layout(&mut self, layout: Layout) {
        if self.layout != layout {
            self.layout = layout;
            self.tiles.clear();
            self.arrange();
        }
    }

    /// Everybody in the room, in the order of joining. Pictures of those who stay are kept.
    pub fn set_people(&mut self, people: Vec<Person>) {
        let mut before = std::mem::take(&mut self.members);
        for person in people {
            let known = before
                .iter()
                .position(|member| member.person.leg == person.leg);
            let mut member = match known {
                Some(at) => before.swap_remove(at),
                None => Member {
                    person: person.clone(),
                    talking: false,
                    picture: None,
                },
            };
            if member.person != person {
                self.undress(person.leg);
                if !person.camera {
                    member.picture = None;
                }
                member.person = person;
            }
            self.members.push(member);
        }
        let members = &self.members;
        self.speakers
            .retain(|leg| members.iter().any(|member| member.person.leg == *leg));
        self.arrange();
    }

    /// Somebody begins or ceases to talk: their tile gets a frame.
    pub fn set_talking(&mut self, leg: LegId, on: bool) {
        if let Some(member) = self.member_mut(leg)
            && std::mem::replace(&mut member.talking, on) != on
        {
            self.spoil(leg);
        }
    }

    /// Somebody has the floor: they take the stage, where the layout has one, and are seen when not all are.
    pub fn set_floor(&mut self, leg: LegId) {
        self.speakers.retain(|speaker| *speaker != leg);
        self.speakers.insert(0, leg);
        self.speakers.truncate(REMEMBERED);
        self.arrange();
    }

    /// A new picture of somebody's camera, of any size. Who has no tile is ignored.
    ///
    /// One that fills its tile is drawn at once, while it is in the processor's cache; what stands over it is not.
    pub fn set_picture(&mut self, leg: LegId, picture: I420View<'_>) {
        let tile = self.tiles.iter_mut().find(|tile| tile.seat == Some(leg));
        let member = self
            .members
            .iter_mut()
            .find(|member| member.person.leg == leg);
        if let (Some(tile), Some(member)) = (tile, member) {
            let whole = tile::is_whole(tile.place, leg);
            let targets = (&mut member.picture, &mut self.canvas);
            let drawn = tile::fill(targets, picture, (tile.place, whole), &mut self.scaler);
            tile.due = if drawn { Due::Signs } else { Due::Everything };
        }
    }

    /// Somebody's camera is off: their tile shows an avatar.
    pub fn drop_picture(&mut self, leg: LegId) {
        if let Some(member) = self.member_mut(leg)
            && member.picture.take().is_some()
        {
            self.spoil(leg);
        }
    }

    /// What the clock in the upper right corner says; there is none while that is empty.
    pub fn set_time(&mut self, time: &str) {
        let (canvas, text) = (&self.canvas, &mut self.text);
        self.anew |= self.overlays.set_time(time, canvas, text);
    }

    /// What the banner in the upper left corner says, one line; there is none while that is empty.
    pub fn set_banner(&mut self, words: &str) {
        let (canvas, text) = (&self.canvas, &mut self.text);
        self.anew |= self.overlays.set_banner(words, canvas, text);
    }

    /// The operator's mark in the lower right corner, from now on.
    pub fn set_mark(&mut self, mark: &Mark) {
        self.overlays.set_mark(mark, &self.canvas);
        self.anew = true;
    }

    /// Whether somebody has a tile now; pictures of others need not be decoded.
    #[must_use]
    pub fn shows(&self, leg: LegId) -> bool {
        self.tiles.iter().any(|tile| tile.seat == Some(leg))
    }

    /// Who sits where, in the order of the layout's tiles.
    pub fn seats(&self) -> impl Iterator<Item = (Place, Option<LegId>)> {
        self.tiles.iter().map(|tile| (tile.place, tile.seat))
    }

    /// Draws what has changed since the last call; gives the number of tiles that had to be drawn, 0 when the canvas is as it was.
    pub fn compose(&mut self) -> usize {
        let mut drawn = 0;
        if std::mem::take(&mut self.anew) {
            let whole = Rect {
                x: 0,
                y: 0,
                width: self.canvas.width(),
                height: self.canvas.height(),
            };
            canvas::fill(&mut self.canvas, whole, tile::GROUND);
            for tile in &mut self.tiles {
                tile.due = Due::Everything;
            }
            self.overlays.spoil(|_| true);
            drawn += usize::from(self.tiles.is_empty());
        }
        self.spoil_insets();
        self.spoil_overlays();
        for tile in self.tiles.iter_mut().filter(|tile| tile.is_stale()) {
            let due = std::mem::replace(&mut tile.due, Due::Nothing);
            drawn += 1;
            let member = tile
                .seat
                .and_then(|leg| self.members.iter().find(|member| member.person.leg == leg));
            let Some(member) = member else {
                tile::clear(&mut self.canvas, tile.place);
                continue;
            };
            let text = &mut self.text;
            let dress = tile
                .dress
                .get_or_insert_with(|| tile::Dress::new(&member.person, tile.place, text));
            let speaking = member.talking && !member.person.muted;
            let whole = tile::is_whole(tile.place, member.person.leg);
            tile::draw(
                &mut self.canvas,
                (tile.place, whole, due),
                (member.picture.as_ref(), dress, speaking),
                &mut self.scaler,
            );
        }
        self.overlays.draw(&mut self.canvas);
        drawn
    }

    /// What lies on top of a tile that is drawn has to be drawn again, too.
    fn spoil_insets(&mut self) {
        for above in 1..self.tiles.len() {
            let (below, rest) = self.tiles.split_at_mut(above);
            if let Some(inset) = rest
                .first_mut()
                .filter(|tile| tile.place.role == Role::Inset)
            {
                let rect = inset.place.rect;
                if below
                    .iter()
                    .any(|tile| tile.is_stale() && tile.place.rect.overlaps(&rect))
                {
                    inset.due = Due::Everything;
                }
            }
        }
    }

    /// The same for overlays, below which the ground and all tiles are drawn.
    fn spoil_overlays(&mut self) {
        loop {
            let tiles = &self.tiles;
            let drawn = |rect: Rect| {
                let mut stale = tiles.iter().filter(|tile| tile.is_stale());
                stale.any(|tile| tile.place.rect.overlaps(&rect))
            };
            let spoiled = self.overlays.spoil(drawn);
            if spoiled.is_empty() {
                return;
            }
            for rect in spoiled {
                canvas::fill(&mut self.canvas, rect, tile::GROUND);
                let below = self
                    .tiles
                    .iter_mut()
                    .filter(|tile| tile.place.rect.overlaps(&rect));
                below.for_each(|tile| tile.due = Due::Everything);
            }
            self.spoil_insets();
        }
    }

    /// The picture as [`Composer::compose`] left it; after [`Composer::set_picture`] it lacks what stands over tiles.
    #[must_use]
    pub fn canvas(&self) -> &I420Picture {
        &self.canvas
    }

    fn member_mut(&mut self, leg: LegId) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.person.leg == leg)
    }

    fn spoil(&mut self, leg: LegId) {
        for tile in self.tiles.iter_mut().filter(|tile| tile.seat == Some(leg)) {
            tile.due = Due::Everything;
        }
    }

    /// The label of somebody's tile is no longer true.
    fn undress(&mut self, leg: LegId) {
        for tile in self.tiles.iter_mut().filter(|tile| tile.seat == Some(leg)) {
            tile.dress = None;
            tile.due = Due::Everything;
        }
    }

    /// Most important first: a screen, who spoke last, then cameras, then the order of joining.
    fn ranked(&self) -> Vec<LegId> {
        let rank = |member: &Member| {
            let spoke = self
                .speakers
                .iter()
                .position(|speaker| *speaker == member.person.leg)
                .unwrap_or(usize::MAX);
            (!member.person.leg.is_screen(), spoke, !member.person.camera)
        };
        let mut order: Vec<&Member> = self.members.iter().collect();
        order.sort_by_key(|member| rank(member));
        order.into_iter().map(|member| member.person.leg).collect()
    }

    /// Gives everybody their tile.
    fn arrange(&mut self) {
        let Some(arrangement) = self.layout.arrangement(self.members.len()) else {
            return;
        };
        let (width, height) = (self.canvas.width(), self.canvas.height());
        // 4 pixels at 720p; the half of it is even.
        let gap = ((height / 180) & !3).max(4);
        let places = arrangement.places(width, height, gap);
        let before: Vec<Option<LegId>> = self.tiles.iter().map(|tile| tile.seat).collect();
        let stage = places
            .iter()
            .position(|place| matches!(place.role, Role::Stage | Role::Presentation));
        let ranked = self.ranked();
        let seats = seating::seat(&before, places.len(), stage, &ranked);
        let same = self
            .tiles
            .iter()
            .map(|tile| tile.place)
            .eq(places.iter().copied());
        if !same {
            self.anew = true;
            self.tiles = places
                .into_iter()
                .map(|place| Tile {
                    place,
                    seat: None,
                    dress: None,
                    due: Due::Everything,
                })
                .collect();
        }
        for (tile, seat) in self.tiles.iter_mut().zip(seats) {
            if tile.seat == seat && same {
                continue;
            }
            tile.seat = seat;
            tile.due = Due::Everything;
            tile.dress = None;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
