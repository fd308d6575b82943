//! A server with one conference, bots in it, and what they must hear and see.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use plenum_tests::attendee::{Attendee, Ticket, Voice, until};
use plenum_tests::server::{Conference, Server};
use plenum_tests::{tone, workspace};
use tokio::time::{sleep, timeout};

/// Time for things that take one round trip and a few packets.
pub(crate) const SOON: Duration = Duration::from_secs(8);

/// A count once it has stood still: what was under way has come.
pub(crate) async fn at_rest<T: PartialEq>(count: impl Fn() -> T) -> T {
    let mut before = count();
    let rest = async {
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = count();
            if now == before {
                return now;
            }
            before = now;
        }
    };
    timeout(SOON, rest).await.expect("it never rests")
}

/// Their names, tones in Hz and pictures; at least 100 Hz apart, none a multiple of another.
const CAST: [(&str, u32, u8); 4] = [
    ("Ann", 523, 0x11),
    ("Bob", 787, 0x22),
    ("Cleo", 1_171, 0x43),
    ("Dan", 1_447, 0x84),
];

/// See the module.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) conference: Conference,
}

/// A bot and what is known of it.
pub(crate) struct Actor {
    pub(crate) bot: Attendee,
    pub(crate) name: &'static str,
    pub(crate) tone: f64,
    pub(crate) person: u8,
}

impl Stage {
    pub(crate) fn open(name: &str) -> Result<Self> {
        Self::open_with(name, "")
    }

    /// With more sections of configuration.
    pub(crate) fn open_with(name: &str, more: &str) -> Result<Self> {
        let server = Server::start_with(&workspace::scratch(name)?, 10, more)?;
        let conference = server.conference(name)?;
        Ok(Self { server, conference })
    }

    pub(crate) fn ticket(&self, pin: &str) -> Ticket {
        Ticket {
            http: self.server.http,
            conference: self.conference.id.clone(),
            pin: Some(pin.to_owned()),
        }
    }

    pub(crate) fn guest(&self) -> Ticket {
        self.ticket(&self.conference.guest_pin)
    }

    pub(crate) fn host(&self) -> Ticket {
        self.ticket(&self.conference.host_pin)
    }

    /// Lets the first `count` of the cast in as guests, one after the other.
    pub(crate) async fn cast(&self, count: usize) -> Result<Vec<Actor>> {
        let mut actors = Vec::new();
        for place in 0..count {
            actors.push(self.enter(&self.guest(), place, true).await?);
        }
        Ok(actors)
    }

    /// Lets one of the cast in.
    pub(crate) async fn enter(&self, ticket: &Ticket, place: usize, camera: bool) -> Result<Actor> {
        let (name, tone, person) = *CAST.get(place).context("a small cast")?;
        let voice = Voice {
            tone: Some(tone),
            person: Some(person),
            camera,
            patient: false,
        };
        let bot = Attendee::join(ticket, name, voice)
            .await
            .with_context(|| format!("{name} joins\n{}", self.server.log_tail()))?;
        Ok(Actor {
            bot,
            name,
            tone: f64::from(tone),
            person,
        })
    }

    /// The sum of a metric that stands for something alive.
    pub(crate) fn alive(&self, metric: &str) -> Result<f64> {
        self.server.metrics()?.sum(metric, &[])
    }
}

/// Everybody records for three seconds and must have heard exactly the others.
pub(crate) async fn hear_each_other(actors: &[&Actor]) -> Result<()> {
    sleep(Duration::from_millis(1_500)).await;
    for actor in actors {
        actor.bot.peer.senses.forget_sound();
    }
    sleep(Duration::from_secs(3)).await;
    for actor in actors {
        let others: Vec<f64> = actors
            .iter()
            .filter(|other| other.name != actor.name)
            .map(|other| other.tone)
            .collect();
        let heard = actor.bot.peer.senses.heard();
        let report = tone::judge(actor.name, &heard, actor.tone, &others)
            .with_context(|| format!("{:?}", actor.bot.peer.senses.sound()))?;
        eprintln!("{report}");
    }
    Ok(())
}

/// Waits until every slot of `viewer` shows whom the server says it shows, and they are exactly `others`.
pub(crate) async fn sees(viewer: &Actor, others: &[&Actor]) -> Result<()> {
    until(&format!("what {} sees", viewer.name), SOON, || {
        let view = viewer.bot.view();
        let mut wanted: Vec<String> = others.iter().map(|other| other.bot.id()).collect();
        wanted.sort_unstable();
        ensure!(view.shown() == wanted, "{:?} of {wanted:?}", view.video);
        for (mid, participant) in &view.video {
            let Some(participant) = participant else {
                continue;
            };
            let other = others.iter().find(|other| other.bot.id() == *participant);
            let other = other.context("a stranger")?;
            let sight = viewer.bot.peer.senses.sight(mid);
            let shows = sight.last.is_some_and(|(mark, at)| {
                mark.person == other.person && at.elapsed() < Duration::from_millis(500)
            });
            let requests = other
                .bot
                .peer
                .feed
                .keyframe_requests
                .load(Ordering::Relaxed);
            ensure!(
                shows,
                "{mid} should show {}, who was asked for {requests} keyframes: {sight:?}",
                other.name,
            );
        }
        Ok(())
    })
    .await
}
