//! Distinct mixes: what is heard, channel by channel, is the key; all legs that hear the same share one.

use std::collections::VecDeque;

use plenum_codecs::audio::{FRAME, Frame, level_dbov};
use smallvec::SmallVec;

use crate::bus::{Buses, Mix};
use crate::limiter::Limiter;
use crate::{Channel, Channels};

/// Frames of the past that are kept to warm a new encoder with: 60 ms.
const HISTORY: usize = 3;
/// A mix that nobody hears goes after 1 s, in ticks.
const HOLD: u32 = 50;
/// Bounds of a gain in dB.
const GAIN_DB: std::ops::RangeInclusive<f32> = -40.0..=20.0;

/// A linear gain in 1/4096, so that sums of products are exact and equal gains are equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gain(i32);

impl Gain {
    const SHIFT: u32 = 12;
    const UNITY: Self = Self(1 << Self::SHIFT);

    #[expect(clippy::cast_possible_truncation, reason = "at most 40960 at +20 dB")]
    fn from_db(db: f32) -> Self {
        let linear = 10.0_f32.powf(db.clamp(*GAIN_DB.start(), *GAIN_DB.end()) / 20.0);
        Self((linear * 4_096.0).round() as i32)
    }

    fn of(self, sample: i32) -> i64 {
        i64::from(self.0) * i64::from(sample)
    }
}

/// What a leg hears of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hearing {
    /// Announcements to everyone.
    announcements: bool,
    /// In order of the channels.
    channels: SmallVec<[(Channel, Gain); 2]>,
}

impl Hearing {
    /// The main channel as it is, and announcements.
    pub(crate) fn main() -> Self {
        Self {
            announcements: true,
            channels: SmallVec::from_slice(&[(Channel::MAIN, Gain::UNITY)]),
        }
    }

    /// Nothing at all (deafened, held).
    pub(crate) fn nothing() -> Self {
        Self {
            announcements: false,
            channels: SmallVec::new(),
        }
    }

    /// Channels at so many dB, and announcements. Of a channel that comes twice the last counts; what is not a number is left out.
    pub(crate) fn of(hears: &[(Channel, f32)]) -> Self {
        let mut channels: SmallVec<[(Channel, Gain); 2]> = SmallVec::new();
        for &(channel, db) in hears.iter().filter(|(_, db)| !db.is_nan()) {
            channels.retain(|(other, _)| *other != channel);
            channels.push((channel, Gain::from_db(db)));
        }
        channels.sort_by_key(|(channel, _)| *channel);
        Self {
            announcements: true,
            channels,
        }
    }

    pub(crate) fn hears(&self, channel: Channel) -> bool {
        self.gain(channel).is_some()
    }

    fn gain(&self, channel: Channel) -> Option<Gain> {
        self.channels
            .iter()
            .find(|(other, _)| *other == channel)
            .map(|(_, gain)| *gain)
    }
}

/// Which mix of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MixId(usize);

impl MixId {
    /// [`Hearing::main`], which is always made.
    pub(crate) const MAIN: Self = Self(0);
}

/// One mix of this tick.
#[derive(Debug)]
pub(crate) struct HeardMix {
    pub(crate) hearing: Hearing,
    listeners: usize,
    /// Ticks without listeners.
    idle: u32,
    /// In 1/4096 of a sample, nothing rounded yet.
    exact: Box<[i64; FRAME]>,
    pub(crate) limiter: Limiter,
    /// Limited: what a leg hears that adds nothing to it.
    pub(crate) frame: Box<Frame>,
    /// −dBov of `frame`.
    pub(crate) level: u8,
    /// Somebody speaks in a channel of it.
    pub(crate) voice: bool,
    /// The last frames before this tick's, oldest first.
    pub(crate) history: VecDeque<Box<Frame>>,
}

impl HeardMix {
    fn new(hearing: Hearing) -> Self {
        Self {
            hearing,
            listeners: 0,
            idle: 0,
            exact: Box::new([0; FRAME]),
            limiter: Limiter::default(),
            frame: Box::new([0; FRAME]),
            level: 127,
            voice: false,
            history: VecDeque::new(),
        }
    }

    fn make(&mut self, buses: &Buses, talking: Channels, scratch: &mut Mix) {
        let mut channels = self.hearing.channels.iter();
        self.voice = channels.any(|(channel, _)| talking.contains(*channel));
        remember(&mut self.history, &mut self.frame);
        self.exact.fill(0);
        let announced = buses
            .announcements()
            .filter(|_| self.hearing.announcements)
            .map(|sum| (sum, Gain::UNITY));
        let heard = self.hearing.channels.iter();
        let heard = heard.filter_map(|&(channel, gain)| Some((buses.sum(channel)?, gain)));
        for (sum, gain) in announced.into_iter().chain(heard) {
            accumulate(&mut self.exact, sum, gain);
        }
        round(&self.exact, scratch);
        self.limiter.process(scratch, &mut self.frame);
        self.level = level_dbov(self.frame.as_slice());
    }

    /// Mix-minus: all but one's own shares, each as loud as one would hear it; exact, because nothing was rounded or limited yet.
    pub(crate) fn minus<'a>(&self, own: impl Iterator<Item = (Channel, &'a Frame)>, out: &mut Mix) {
        let mut exact = *self.exact;
        for (channel, frame) in own {
            let Some(gain) = self.hearing.gain(channel) else {
                continue;
            };
            for (exact, &sample) in exact.iter_mut().zip(frame) {
                *exact -= gain.of(i32::from(sample));
            }
        }
        round(&exact, out);
    }
}

fn accumulate(exact: &mut [i64; FRAME], sum: &Mix, gain: Gain) {
    if gain == Gain::UNITY {
        // A shift where SSE2 has no signed multiplication.
        for (exact, &sample) in exact.iter_mut().zip(sum) {
            *exact += i64::from(sample) << Gain::SHIFT;
        }
    } else {
        for (exact, &sample) in exact.iter_mut().zip(sum) {
            *exact += gain.of(sample);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sum at ten times its loudness fits 32 bits up to 6,553 voices at full scale"
)]
fn round(exact: &[i64; FRAME], out: &mut Mix) {
    for (out, &exact) in out.iter_mut().zip(exact) {
        *out = ((exact + (1 << (Gain::SHIFT - 1))) >> Gain::SHIFT) as i32;
    }
}

/// Moves the frame of the last tick into the past; what is left in its place is to be overwritten.
pub(crate) fn remember(history: &mut VecDeque<Box<Frame>>, frame: &mut Box<Frame>) {
    let oldest = if history.len() < HISTORY {
        None
    } else {
        history.pop_front()
    };
    let free = oldest.unwrap_or_else(|| Box::new([0; FRAME]));
    history.push_back(std::mem::replace(frame, free));
}

/// From one mix to another within a frame, so that a change of what is heard makes no step.
pub(crate) fn cross_fade(from: &Mix, to: &mut Mix) {
    const LENGTH: i64 = 960;
    for (i, (to, &from)) in (0i64..).zip(to.iter_mut().zip(from)) {
        let faded = i64::from(from) * (LENGTH - i) + i64::from(*to) * i;
        *to = i32::try_from(faded / LENGTH).unwrap_or(*to);
    }
}

/// All mixes of a room.
#[derive(Debug)]
pub(crate) struct Mixes {
    /// By [`MixId`]; free places are taken again.
    mixes: Vec<Option<HeardMix>>,
    scratch: Box<Mix>,
}

impl Mixes {
    pub(crate) fn new() -> Self {
        Self {
            mixes: vec![Some(HeardMix::new(Hearing::main()))],
            scratch: Box::new([0; FRAME]),
        }
    }

    /// One more leg hears this.
    pub(crate) fn subscribe(&mut self, hearing: &Hearing) -> MixId {
        let same = |mix: &Option<HeardMix>| mix.as_ref().is_some_and(|mix| mix.hearing == *hearing);
        let known = self.mixes.iter().position(same);
        let index = known.unwrap_or_else(|| {
            let free = self.mixes.iter().position(Option::is_none);
            let index = free.unwrap_or(self.mixes.len());
            if free.is_none() {
                self.mixes.push(None);
            }
            self.mixes[index] = Some(HeardMix::new(hearing.clone()));
            index
        });
        if let Some(mix) = self.mixes.get_mut(index).and_then(Option::as_mut) {
            mix.listeners += 1;
            mix.idle = 0;
        }
        MixId(index)
    }

    /// One leg less hears this.
    pub(crate) fn unsubscribe(&mut self, id: MixId) {
        if let Some(mix) = self.mixes.get_mut(id.0).and_then(Option::as_mut) {
            mix.listeners = mix.listeners.saturating_sub(1);
        }
    }

    /// Makes the mixes of this tick, in which somebody talks in some channels; those that nobody has heard for a while go.
    pub(crate) fn make(&mut self, buses: &Buses, talking: Channels) {
        for (index, place) in self.mixes.iter_mut().enumerate() {
            let Some(mix) = place else { continue };
            mix.idle = if mix.listeners > 0 { 0 } else { mix.idle + 1 };
            if mix.idle > HOLD && index != MixId::MAIN.0 {
                *place = None;
            } else {
                mix.make(buses, talking, &mut self.scratch);
            }
        }
    }

    /// `None` when it has gone.
    pub(crate) fn get(&self, id: MixId) -> Option<&HeardMix> {
        self.mixes.get(id.0)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn voice(seed: u64, peak: i16) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        std::array::from_fn(|_| random.i16(-peak..=peak))
    }

    fn channel(number: u8) -> Channel {
        Channel::new(number).unwrap_or(Channel::MAIN)
    }

    /// Into which channels somebody speaks, with what voice, and what they hear.
    type Speaker = (Vec<bool>, u64, i16, Vec<Option<i8>>);

    fn speaker() -> impl Strategy<Value = Speaker> {
        (
            proptest::collection::vec(any::<bool>(), 4),
            any::<u64>(),
            0..=i16::MAX,
            proptest::collection::vec(proptest::option::of(-45i8..=25), 4),
        )
    }

    proptest! {
        #[test]
        fn mix_minus_is_the_sum_of_what_is_heard_of_the_others(
            speakers in proptest::collection::vec(speaker(), 1..12)
        ) {
            let frames: Vec<Frame> =
                speakers.iter().map(|(_, seed, peak, _)| voice(*seed, *peak)).collect();
            let speaks = |who: usize, number: u8| speakers[who].0[usize::from(number)];
            let mut buses = Buses::default();
            for (who, frame) in frames.iter().enumerate() {
                for number in (0..4).filter(|number| speaks(who, *number)) {
                    buses.add(channel(number), frame);
                }
            }
            let mut mixes = Mixes::new();
            let hearings: Vec<Hearing> = speakers
                .iter()
                .map(|(_, _, _, hears)| {
                    let hears = (0u8..).zip(hears);
                    let hears: Vec<_> = hears
                        .filter_map(|(number, db)| Some((channel(number), f32::from((*db)?))))
                        .collect();
                    Hearing::of(&hears)
                })
                .collect();
            let ids: Vec<MixId> = hearings.iter().map(|hearing| mixes.subscribe(hearing)).collect();
            mixes.make(&buses, Channels::NONE);
            let mut heard = [0; FRAME];
            for (listener, hearing) in hearings.iter().enumerate() {
                let own = (0u8..4)
                    .filter(|number| speaks(listener, *number))
                    .map(|number| (channel(number), &frames[listener]));
                mixes.get(ids[listener]).expect("somebody hears it").minus(own, &mut heard);
                for (i, &sample) in heard.iter().enumerate().step_by(7) {
                    let mut wanted = 0i64;
                    for (who, frame) in frames.iter().enumerate().filter(|(who, _)| *who != listener) {
                        for number in (0..4).filter(|number| speaks(who, *number)) {
                            let gain = hearing.gain(channel(number)).unwrap_or(Gain(0));
                            wanted += i64::from(gain.0) * i64::from(frame[i]);
                        }
                    }
                    prop_assert_eq!(i64::from(sample), (wanted + 2_048) >> 12);
                }
            }
        }
    }

    #[test]
    fn equal_hearings_are_one_mix_whatever_their_order() {
        let mut mixes = Mixes::new();
        let one = Hearing::of(&[(channel(3), -15.0), (Channel::MAIN, 0.0)]);
        let other = Hearing::of(&[
            (Channel::MAIN, 5.0),
            (Channel::MAIN, 0.0),
            (channel(3), -15.0),
        ]);
        assert_eq!(mixes.subscribe(&one), mixes.subscribe(&other));
        assert_eq!(
            mixes.subscribe(&Hearing::of(&[
                (Channel::MAIN, 0.0),
                (channel(5), f32::NAN)
            ])),
            MixId::MAIN
        );
        assert_ne!(mixes.subscribe(&Hearing::nothing()), MixId::MAIN);
    }

    #[test]
    fn a_mix_that_nobody_hears_goes_and_the_main_one_stays() {
        let mut mixes = Mixes::new();
        let id = mixes.subscribe(&Hearing::of(&[(channel(1), 0.0)]));
        mixes.unsubscribe(id);
        for _ in 0..=HOLD {
            mixes.make(&Buses::default(), Channels::NONE);
        }
        assert!(mixes.get(id).is_none() && mixes.get(MixId::MAIN).is_some());
    }

    #[test]
    fn a_cross_fade_has_no_step() {
        let mut faded = [0; FRAME];
        cross_fade(&[9_600; FRAME], &mut faded);
        assert_eq!(faded[0], 9_600);
        assert!(
            faded
                .windows(2)
                .all(|pair| (0..=10).contains(&(pair[0] - pair[1])))
        );
        assert!(faded[FRAME - 1] <= 10);
    }
}
