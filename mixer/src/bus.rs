//! The sums of a tick, one per channel. 32 bits hold 65,536 voices at full scale, so nothing clips here.

use plenum_codecs::audio::{FRAME, Frame};

use crate::{Channel, Channels};

/// One frame of a mix before it is limited.
pub(crate) type Mix = [i32; FRAME];

/// The sums of one tick.
#[derive(Debug, Default)]
pub(crate) struct Buses {
    /// By number of channel.
    channels: Vec<Mix>,
    /// Channels into which anything went.
    used: Channels,
    /// What is heard whatever channels one hears.
    everyone: Option<Box<Mix>>,
    announced: bool,
}

impl Buses {
    pub(crate) fn clear(&mut self) {
        self.used = Channels::NONE;
        self.announced = false;
    }

    pub(crate) fn add(&mut self, channel: Channel, frame: &Frame) {
        let index = usize::from(channel.number());
        if self.channels.len() <= index {
            self.channels.resize(index + 1, [0; FRAME]);
        }
        let Some(sum) = self.channels.get_mut(index) else {
            return;
        };
        put(sum, frame, self.used.contains(channel));
        self.used = self.used.with(channel);
    }

    /// Adds what everybody hears.
    pub(crate) fn announce(&mut self, frame: &Frame) {
        let sum = self.everyone.get_or_insert_with(|| Box::new([0; FRAME]));
        put(sum, frame, self.announced);
        self.announced = true;
    }

    /// The sum of a channel; `None` when nothing went into it.
    pub(crate) fn sum(&self, channel: Channel) -> Option<&Mix> {
        let sum = self.channels.get(usize::from(channel.number()))?;
        self.used.contains(channel).then_some(sum)
    }

    /// The sum of what everybody hears; `None` when there is none.
    pub(crate) fn announcements(&self) -> Option<&Mix> {
        self.everyone.as_deref().filter(|_| self.announced)
    }
}

/// Adds a frame to a sum, or begins it.
fn put(sum: &mut Mix, frame: &Frame, begun: bool) {
    if begun {
        add(sum, frame);
    } else {
        for (sum, &sample) in sum.iter_mut().zip(frame) {
            *sum = i32::from(sample);
        }
    }
}

/// Adds a frame to a mix.
pub(crate) fn add(mix: &mut Mix, frame: &Frame) {
    for (mix, &sample) in mix.iter_mut().zip(frame) {
        *mix += i32::from(sample);
    }
}
