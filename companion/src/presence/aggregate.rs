//! The aggregation itself: a pure function of a [`Presentity`]'s sources and the time.
//!
//! Rules by number as in `docs/companion.md`.

use std::time::Duration;

use super::{
    Activity, Busy, BusyKind, Choice, Device, DeviceKind, Engaged, Engagement, LEASE,
    LOST_LEASE_GRACE, Manual, Moment, Observed, Presentity, State,
};

impl<D: Ord, E: Ord> Presentity<D, E> {
    /// Signs a device in or keeps it signed in. `active` when somebody touched it.
    pub fn renew(&mut self, now: Moment, device: D, kind: DeviceKind, active: bool) {
        let lease_until = now.plus(LEASE);
        let entry = self.devices.entry(device).or_insert(Device {
            kind,
            lease_until,
            last_active: Some(now),
            media: false,
            full_screen: None,
        });
        entry.lease_until = lease_until;
        if active {
            entry.last_active = Some(now);
        }
    }

    /// Forgets what has lapsed: devices, engagements, the wish; `true` when nothing is left to know.
    pub fn expire(&mut self, now: Moment) -> bool {
        self.devices.retain(|_, device| is_signed_in(device, now));
        self.engaged.retain(|_, engaged| runs(engaged, now));
        self.manual = self.manual.take().filter(|manual| holds(manual, now));
        self.out_of_office = self
            .out_of_office
            .take()
            .filter(|oof| oof.until.is_none_or(|until| now < until));
        self.devices.is_empty()
            && self.engaged.is_empty()
            && self.manual.is_none()
            && self.out_of_office.is_none()
            && self.calendar.is_empty()
    }

    /// What others see at `now`.
    #[must_use]
    pub fn state(&self, now: Moment) -> State {
        self.observe(now).state
    }

    /// The whole truth at `now`.
    #[must_use]
    pub fn observe(&self, now: Moment) -> Observed {
        let wish = self.manual.as_ref().filter(|manual| holds(manual, now));
        let Some(idle) = self.idle(now) else {
            return Observed {
                out_of_office: self.is_out_of_office(now),
                ..Observed::default()
            };
        };
        let activity = self.strongest(now, wish);
        let state = self.aggregate(now, wish, activity.as_ref(), idle);
        let custom = wish
            .filter(|wish| shows_wish(wish.choice, state))
            .and_then(|wish| wish.custom.clone());
        Observed {
            state,
            custom,
            activity: activity.filter(|_| state != State::Offline),
            out_of_office: self.is_out_of_office(now),
            devices: if state == State::Offline {
                Vec::new()
            } else {
                self.marks(now)
            },
        }
    }

    /// Rules 4 to 11, strongest first.
    fn aggregate(
        &self,
        now: Moment,
        wish: Option<&Manual>,
        activity: Option<&Activity>,
        idle: Duration,
    ) -> State {
        let idle_long = idle >= self.limits.away;
        match (
            wish.map(|wish| wish.choice),
            activity.map(|activity| activity.engagement),
        ) {
            (Some(Choice::AppearOffline), _) => State::Offline,
            (Some(Choice::DoNotDisturb), _) => State::DoNotDisturb,
            _ if self.shows_screen(now, wish) => State::DoNotDisturb,
            (_, Some(Engagement::Conference)) => State::InConference,
            (_, Some(Engagement::Call)) => State::InCall,
            (Some(Choice::BeRightBack), _) => State::BeRightBack,
            (Some(Choice::Away), _) => State::Away,
            _ if self.is_away_by_office(now, wish) => State::Away,
            (_, Some(Engagement::Meeting)) | (Some(Choice::Busy), _) if idle_long => {
                State::BusyInactive
            }
            (_, Some(Engagement::Meeting)) => State::InMeeting,
            (Some(Choice::Busy), _) => State::Busy,
            _ if idle_long => State::Away,
            _ if idle >= self.limits.inactive => State::Inactive,
            _ => State::Available,
        }
    }

    /// When the state may next change without anything new coming in.
    #[must_use]
    pub fn next_change(&self, now: Moment) -> Option<Moment> {
        let devices = self.devices.values().flat_map(|device| {
            let touched = device.last_active;
            [
                Some(device.lease_until.plus(LOST_LEASE_GRACE)),
                touched.map(|last| last.plus(self.limits.inactive)),
                touched.map(|last| last.plus(self.limits.away)),
            ]
        });
        let engaged = self.engaged.values().map(|engaged| engaged.until);
        let calendar = self
            .calendar
            .iter()
            .flat_map(|busy| [Some(busy.from), Some(busy.until)]);
        let own = [
            self.manual.as_ref().and_then(|manual| manual.until),
            self.out_of_office.as_ref().and_then(|oof| oof.until),
        ];
        devices
            .chain(engaged)
            .chain(calendar)
            .chain(own)
            .flatten()
            .filter(|moment| *moment > now)
            .min()
    }

    /// When somebody last touched any device of the person; `now` while media runs.
    #[must_use]
    pub fn last_active(&self, now: Moment) -> Option<Moment> {
        let media = self.engaged.values().any(|engaged| is_media(engaged, now));
        let touched = self.devices.values().map(|device| {
            if device.media {
                Some(now)
            } else {
                device.last_active
            }
        });
        touched.chain([media.then_some(now)]).flatten().max()
    }

    /// The first moment from `now` on at which the calendar is free; `None` when it is free now.
    #[must_use]
    pub fn next_free(&self, now: Moment) -> Option<Moment> {
        let end = self
            .calendar
            .iter()
            .fold(now, |end, busy| match busy.from <= end {
                true => end.max(busy.until),
                false => end,
            });
        (end > now).then_some(end)
    }

    /// Whether the person is out of office, by own word or by the calendar.
    #[must_use]
    pub fn is_out_of_office(&self, now: Moment) -> bool {
        self.out_since(now).is_some()
    }

    fn out_since(&self, now: Moment) -> Option<Moment> {
        let own = self
            .out_of_office
            .as_ref()
            .filter(|oof| oof.since <= now && oof.until.is_none_or(|until| now < until))
            .map(|oof| oof.since);
        let calendar = self
            .current(now)
            .filter(|busy| busy.kind == BusyKind::OutOfOffice)
            .map(|busy| busy.from);
        calendar.chain(own).max()
    }

    /// Rule 9, and 5: a wish for Available or Busy that came later hides it.
    fn is_away_by_office(&self, now: Moment, wish: Option<&Manual>) -> bool {
        let hidden = wish
            .filter(|wish| matches!(wish.choice, Choice::Available | Choice::Busy))
            .map(|wish| wish.since);
        self.out_since(now)
            .is_some_and(|since| hidden.is_none_or(|hidden| since >= hidden))
    }

    fn current(&self, now: Moment) -> impl Iterator<Item = &Busy> {
        self.calendar
            .iter()
            .take_while(move |busy| busy.from <= now)
            .filter(move |busy| now < busy.until)
    }

    /// Rule 8, and 5.
    fn shows_screen(&self, now: Moment, wish: Option<&Manual>) -> bool {
        if !self.limits.presenting_is_dnd {
            return false;
        }
        let presenting = self
            .engaged
            .values()
            .filter(|engaged| runs(engaged, now))
            .filter_map(|engaged| engaged.presenting);
        let full = self
            .devices
            .values()
            .filter(|device| is_signed_in(device, now))
            .filter_map(|device| device.full_screen);
        presenting
            .chain(full)
            .any(|since| !is_hidden(wish, since, true))
    }

    /// The strongest engagement that the own wish does not hide (rules 5 to 7).
    fn strongest(&self, now: Moment, wish: Option<&Manual>) -> Option<Activity> {
        let told = self
            .engaged
            .values()
            .filter(|engaged| runs(engaged, now))
            .filter(|engaged| !is_hidden(wish, engaged.since, true))
            .map(|engaged| (engaged.engagement, engaged.since, &engaged.subject));
        let meetings = self
            .current(now)
            .filter(|busy| busy.kind == BusyKind::Busy)
            .filter(|busy| !is_hidden(wish, busy.from, false))
            .map(|busy| (Engagement::Meeting, busy.from, &busy.subject));
        told.chain(meetings)
            .max_by_key(|(engagement, since, _)| (*engagement, *since))
            .map(|(engagement, _, subject)| Activity {
                engagement,
                subject: subject.clone(),
            })
    }

    /// How long the most active device has been idle; `None` when there is none (rules 1, 2 and 11). A device that
    /// cannot tell is less active than an idle one, more than an away one. An engagement of the engine's is a device in use.
    fn idle(&self, now: Moment) -> Option<Duration> {
        let idle = |device: &Device| match device.last_active {
            _ if device.media => Duration::ZERO,
            Some(last) => now.since(last),
            None => self.limits.away.saturating_sub(Duration::from_nanos(1)),
        };
        let media = self.engaged.values().any(|engaged| is_media(engaged, now));
        self.devices
            .values()
            .filter(|device| is_signed_in(device, now))
            .map(idle)
            .chain(media.then_some(Duration::ZERO))
            .min()
    }

    /// Kinds of the signed-in devices, none when there is a browser among them.
    fn marks(&self, now: Moment) -> Vec<DeviceKind> {
        let mut kinds: Vec<_> = self
            .devices
            .values()
            .filter(|device| is_signed_in(device, now))
            .map(|device| device.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        match kinds.first() {
            Some(DeviceKind::Browser) => Vec::new(),
            _ => kinds,
        }
    }
}

/// Whether a wish hides something automatic that began at `since`. Away and Be right back give way to later calls and
/// conferences (`engine`), never to meetings.
fn is_hidden(wish: Option<&Manual>, since: Moment, engine: bool) -> bool {
    wish.is_some_and(|wish| match wish.choice {
        Choice::Available => since < wish.since,
        Choice::Away | Choice::BeRightBack => !engine || since < wish.since,
        Choice::Busy | Choice::DoNotDisturb | Choice::AppearOffline => false,
    })
}

/// Whether what is shown is what was wished, so that a state of the administrator's is shown by its own text.
fn shows_wish(choice: Choice, state: State) -> bool {
    matches!(
        (choice, state),
        (Choice::Available, State::Available)
            | (Choice::Busy, State::Busy)
            | (Choice::DoNotDisturb, State::DoNotDisturb)
            | (Choice::Away, State::Away)
            | (Choice::BeRightBack, State::BeRightBack)
    )
}

fn is_signed_in(device: &Device, now: Moment) -> bool {
    now < device.lease_until.plus(LOST_LEASE_GRACE)
}

fn runs(engaged: &Engaged, now: Moment) -> bool {
    engaged.since <= now && engaged.until.is_none_or(|until| now < until)
}

/// Audio, video or sharing, which is somebody at a device.
fn is_media(engaged: &Engaged, now: Moment) -> bool {
    engaged.engagement != Engagement::Meeting && runs(engaged, now)
}

fn holds(manual: &Manual, now: Moment) -> bool {
    manual.until.is_none_or(|until| now < until)
}
