//! What presence shows of those who are in: a conference that was made to call somebody is a call while no more than two are in it.

use std::sync::Arc;

use plenum_companion::presence::Engagement;

use super::focus::Focus;
use super::roster::Participant;

impl Focus {
    /// What presence shows of those in here when `people` are.
    pub(super) fn engagement(&self, people: usize) -> Engagement {
        if self.is_talk && people <= 2 {
            Engagement::Call
        } else {
            Engagement::Conference
        }
    }

    /// Somebody has come or gone: what is a call to those who stay may have become a conference, or the other way.
    pub(super) fn regauge(&self) {
        if self.is_talk {
            self.renew_presence();
        }
    }

    pub(super) fn renew_presence(&self) {
        for person in self.roster.iter().filter(|person| person.lost.is_none()) {
            self.engage(person);
        }
    }

    /// Tells presence that `person` is in here, and whether it shows its screen.
    pub(super) fn engage(&self, person: &Participant) {
        // Whom nobody knows has no wish that presenting be Do not disturb.
        let presents = person.presenting && person.user != person.id;
        let newcomer = self.roster.get(&person.id).is_none();
        let people = self.roster.len() + usize::from(newcomer);
        self.around.presence.engaged(
            &person.user,
            &person.id,
            self.engagement(people),
            presents,
            Some(&self.record.name),
        );
    }

    /// `user` shows another presence; an error: some changes were missed.
    pub(super) fn presence_changed(
        &mut self,
        user: Result<Arc<str>, tokio::sync::broadcast::error::RecvError>,
    ) {
        let concerned = |person: &Participant| match &user {
            Ok(user) => *person.user == **user,
            // Missed some: look at everybody.
            Err(_) => true,
        };
        let changed: Vec<_> = self
            .roster
            .iter()
            .filter(|person| concerned(person))
            .map(|person| (person.id.clone(), self.around.presence.state(&person.user)))
            .collect();
        for (participant, state) in changed {
            if self
                .roster
                .get_mut(&participant)
                .is_some_and(|person| std::mem::replace(&mut person.presence, state) != state)
            {
                self.show(&participant);
            }
        }
    }
}
