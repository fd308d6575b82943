//! The composer as its thread uses it.

use super::*;

const COLOURS: [u8; 4] = [60, 110, 160, 210];

fn person(leg: u64, name: &str) -> Person {
    Person {
        leg: LegId(leg),
        name: name.to_owned(),
        phone: false,
        muted: false,
        camera: true,
    }
}

fn composer(layout: &str) -> Composer {
    let layouts = Layouts::built_in();
    Composer::new(
        640,
        360,
        layouts.get(layout).unwrap().clone(),
        Fonts::none(),
    )
    .unwrap()
}

fn flat(luma: u8) -> I420Picture {
    let mut picture = I420Picture::black(320, 180).unwrap();
    picture.planes_mut()[0].fill(luma);
    picture
}

/// Luma in the middle of a tile.
fn seen(composer: &Composer, rect: Rect) -> u8 {
    let canvas = composer.canvas();
    let (x, y) = (rect.x + rect.width / 2, rect.y + rect.height / 2);
    canvas.planes()[0][usize::from(y) * canvas.stride(0) + usize::from(x)]
}

/// Everybody's picture is in their tile.
fn everybody_is_in_their_tile(composer: &Composer) {
    for (place, seat) in composer.seats() {
        if let Some(LegId(leg)) = seat {
            let wanted = COLOURS[usize::try_from(leg).unwrap() - 1];
            assert!(
                seen(composer, place.rect).abs_diff(wanted) <= 1,
                "{leg} is not in {place:?}"
            );
        }
    }
}

fn four(layout: &str) -> Composer {
    let mut composer = composer(layout);
    composer.set_people((1..=4).map(|leg| person(leg, "")).collect());
    for (leg, luma) in (1..).zip(COLOURS) {
        composer.set_picture(LegId(leg), flat(luma).view());
    }
    composer.compose();
    composer
}

#[test]
fn each_picture_is_in_the_tile_of_its_sender_in_every_layout() {
    for layout in Layouts::built_in().names() {
        let mut composer = four(layout);
        if layout != "picture-in-picture" {
            everybody_is_in_their_tile(&composer);
        }
        let seats: Vec<_> = composer.seats().filter_map(|(_, seat)| seat).collect();
        assert_eq!(seats.len(), 4, "{layout}");
        composer.set_floor(LegId(3));
        assert!(composer.compose() > 0 || layout == "grid");
        let first = composer.seats().next().unwrap().1;
        assert_eq!(
            first,
            Some(LegId(if layout == "grid" { 1 } else { 3 })),
            "{layout}"
        );
    }
}

#[test]
fn only_what_changed_is_drawn() {
    let mut composer = four("grid");
    assert_eq!(composer.compose(), 0);
    composer.set_picture(LegId(2), flat(90).view());
    assert_eq!(composer.compose(), 1);
    composer.set_talking(LegId(2), true);
    composer.set_talking(LegId(2), true);
    assert_eq!(composer.compose(), 1);
    composer.set_floor(LegId(2));
    assert_eq!(composer.compose(), 0, "in a grid nobody moves");
    composer.set_people((1..=4).map(|leg| person(leg, "")).collect());
    assert_eq!(composer.compose(), 0, "nobody is different");
    composer.set_picture(LegId(77), flat(90).view());
    assert_eq!(composer.compose(), 0, "a stranger");
}

#[test]
fn an_inset_stays_on_top() {
    let mut composer = four("picture-in-picture");
    let inset = composer.seats().nth(1).unwrap();
    let owner = inset.1.unwrap();
    let before = seen(&composer, inset.0.rect);
    let stage = composer.seats().next().unwrap().1.unwrap();
    composer.set_picture(stage, flat(33).view());
    assert_eq!(composer.compose(), 4, "the stage, and all on top of it");
    assert_eq!(seen(&composer, inset.0.rect), before, "{owner:?}");
}

#[test]
fn who_is_muted_or_renamed_keeps_their_tile() {
    let mut composer = four("grid");
    let seats: Vec<_> = composer.seats().collect();
    let mut people: Vec<_> = (1..=4).map(|leg| person(leg, "")).collect();
    people[0].muted = true;
    people[2].name = "Cleo".to_owned();
    composer.set_people(people);
    assert_eq!(composer.seats().collect::<Vec<_>>(), seats);
    assert_eq!(composer.compose(), 2);
    everybody_is_in_their_tile(&composer);
}

#[test]
fn a_camera_that_goes_off_leaves_an_avatar() {
    let mut composer = four("grid");
    let rect = composer.seats().next().unwrap().0.rect;
    composer.drop_picture(LegId(1));
    assert_eq!(composer.compose(), 1);
    assert!(seen(&composer, rect).abs_diff(COLOURS[0]) > 5);
    composer.drop_picture(LegId(1));
    assert_eq!(composer.compose(), 0);
}

#[test]
fn an_empty_room_is_an_empty_canvas() {
    let mut composer = composer("speaker");
    assert!(composer.compose() > 0);
    assert_eq!(composer.compose(), 0);
    composer.set_people(vec![person(1, "Ann")]);
    composer.set_people(Vec::new());
    assert!(composer.compose() > 0);
    assert!(!composer.shows(LegId(1)));
}

#[test]
fn a_screen_takes_the_stage_whoever_speaks_and_is_shown_whole() {
    for layout in ["presentation", "speaker"] {
        let mut composer = four(layout);
        let screen = LegId(2).screen();
        let mut people: Vec<Person> = (1..=4).map(|leg| person(leg, "")).collect();
        people.push(Person {
            leg: screen,
            ..person(2, "Ben")
        });
        composer.set_people(people);
        composer.set_floor(LegId(3));
        let stage = |composer: &Composer| composer.seats().next().unwrap();
        assert_eq!(stage(&composer).1, Some(screen), "{layout}");
        assert_eq!(
            composer.seats().filter(|(_, seat)| seat.is_some()).count(),
            5
        );
        // Wider than any tile: nothing of it is cropped, so the ground is seen above and below.
        let mut wide = I420Picture::black(400, 100).unwrap();
        wide.planes_mut()[0].fill(230);
        composer.set_picture(screen, wide.view());
        composer.compose();
        let rect = stage(&composer).0.rect;
        let top = Rect { height: 20, ..rect };
        assert!(
            seen(&composer, rect) > 220 && seen(&composer, top) < 60,
            "{layout}"
        );
        composer.set_people((1..=4).map(|leg| person(leg, "")).collect());
        assert_eq!(
            stage(&composer).1,
            Some(LegId(3)),
            "back afterwards: {layout}"
        );
    }
}

#[test]
fn an_overlay_stands_above_pictures_and_is_never_laid_on_itself() {
    let mut composer = four("grid");
    let mark = Mark::new(3, vec![[255, 255, 255, 128]; 3 * 5]).unwrap();
    composer.set_mark(&mark);
    assert_eq!(composer.compose(), 4, "everything is drawn once");
    assert_eq!(composer.compose(), 0);
    // 4 x 6 pixels, 6 pixels from the lower right corner.
    let corner = Rect {
        x: 640 - 6 - 4,
        y: 360 - 6 - 6,
        width: 2,
        height: 2,
    };
    let first = seen(&composer, corner);
    assert!(first > COLOURS[3], "{first} is a mark above {}", COLOURS[3]);
    for _ in 0..3 {
        composer.set_picture(LegId(4), flat(COLOURS[3]).view());
        assert_eq!(composer.compose(), 1);
        assert_eq!(seen(&composer, corner), first);
    }
    composer.set_picture(LegId(1), flat(COLOURS[0]).view());
    assert_eq!(composer.compose(), 1, "the mark is elsewhere");
}

#[test]
fn an_overlay_across_tiles_has_them_all_drawn() {
    let mut composer = four("grid");
    composer.set_mark(&Mark::new(400, vec![[0, 0, 0, 100]; 400 * 20]).unwrap());
    composer.compose();
    let before = composer.canvas().planes().map(<[u8]>::to_vec);
    composer.set_picture(LegId(4), flat(COLOURS[3]).view());
    assert_eq!(composer.compose(), 2, "both of the lower row");
    assert_eq!(composer.canvas().planes().map(<[u8]>::to_vec), before);
}

#[test]
fn a_clock_or_a_banner_that_is_gone_leaves_nothing_behind() {
    let fonts = Fonts::none().found_in(std::path::Path::new("/usr/share/fonts"));
    assert!(fonts.count() > 0, "fonts are among what tests need");
    let layouts = Layouts::built_in();
    let grid = layouts.get("grid").unwrap().clone();
    let mut composer = Composer::new(640, 360, grid, fonts).unwrap();
    composer.set_people(vec![person(1, "")]);
    composer.set_picture(LegId(1), flat(COLOURS[0]).view());
    composer.compose();
    let before = composer.canvas().planes().map(<[u8]>::to_vec);
    composer.set_time("12:30");
    assert_eq!(composer.compose(), 1);
    assert_ne!(composer.canvas().planes().map(<[u8]>::to_vec), before);
    composer.set_time("12:30");
    assert_eq!(composer.compose(), 0, "nothing has changed");
    composer.set_time("");
    assert_eq!(composer.compose(), 1);
    assert_eq!(composer.canvas().planes().map(<[u8]>::to_vec), before);
    composer.set_banner("Back at half past two");
    composer.set_time("14:00");
    assert_eq!(composer.compose(), 1);
    let corner = Rect {
        x: 6,
        y: 6,
        width: 40,
        height: 20,
    };
    let (lit, plain) = (seen(&composer, corner), COLOURS[0]);
    assert!(lit.abs_diff(plain) > 10, "a banner in the corner: {lit}");
    composer.set_banner("");
    composer.set_time("");
    assert_eq!(composer.compose(), 1);
    assert_eq!(composer.canvas().planes().map(<[u8]>::to_vec), before);
}

#[test]
fn a_mark_has_whole_rows_and_sensible_sides() {
    for (width, pixels) in [(0, 4), (3, 4), (4, 0), (1_025, 1_025), (1, 1_025)] {
        assert!(Mark::new(width, vec![[0; 4]; pixels]).is_none(), "{width}");
    }
}

/// Noise, so that each pixel of it has its place.
fn noise(width: u16, height: u16, random: &mut fastrand::Rng) -> I420Picture {
    let mut picture = I420Picture::black(width, height).unwrap();
    for plane in picture.planes_mut() {
        random.fill(plane);
    }
    picture
}

#[test]
fn whatever_happens_the_canvas_is_as_if_drawn_anew() {
    let layouts = Layouts::built_in();
    let names: Vec<&str> = layouts.names().collect();
    let mut random = fastrand::Rng::with_seed(156);
    let mut composer = composer("picture-in-picture");
    composer.set_mark(&Mark::new(61, vec![[200, 10, 90, 120]; 61 * 40]).unwrap());
    let mut people = Vec::new();
    for round in 0..1_500 {
        let mut leg = LegId(random.u64(1..=6));
        if random.u8(..8) == 0 {
            leg = leg.screen();
        }
        match random.u8(..20) {
            0 => {
                let known = people.iter().position(|person: &Person| person.leg == leg);
                match known {
                    Some(at) => drop(people.remove(at)),
                    None => people.push(Person {
                        leg,
                        ..person(0, "")
                    }),
                }
                composer.set_people(people.clone());
            }
            1 => {
                for person in people.iter_mut().filter(|person| person.leg == leg) {
                    person.muted = !person.muted;
                    person.camera = random.u8(..3) > 0;
                }
                composer.set_people(people.clone());
            }
            2 => composer.set_talking(leg, random.bool()),
            3 => composer.set_floor(leg),
            4 => {
                let name = names[random.usize(..names.len())];
                composer.set_layout(layouts.get(name).unwrap().clone());
            }
            5 => composer.drop_picture(leg),
            _ => {
                let sizes = [
                    (320, 180),
                    (640, 360),
                    (90, 160),
                    (33, 17),
                    (2, 1),
                    (638, 358),
                ];
                let (width, height) = sizes[random.usize(..sizes.len())];
                composer.set_picture(leg, noise(width, height, &mut random).view());
            }
        }
        if random.bool() {
            composer.compose();
            let canvas = composer.canvas().clone();
            composer.anew = true;
            composer.compose();
            assert!(canvas == *composer.canvas(), "in round {round}");
        }
    }
}
