//! Who waits before a conference and when it ends without its leader: as kept for one, and as configured for all. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{ConferenceConfig, VideoPolicy};

/// The longest grace after the last leader has gone: an hour.
pub(crate) const LONGEST_GRACE: u32 = 3_600;
/// The most that a rule on video may allow a viewer, in kbit/s.
pub(crate) const MOST_VIDEO_KBPS: u32 = 20_000;

/// A rate in bit/s; 0 is none.
pub(super) fn bits(kilobits: u32) -> Option<u64> {
    (kilobits > 0).then(|| u64::from(kilobits) * 1_000)
}

/// Who waits in the lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LobbyPolicy {
    /// Nobody.
    Off,
    /// Guests, until a host admits them.
    Guests,
}

impl LobbyPolicy {
    /// As stored and configured.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Guests => "guests",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Guests]
            .into_iter()
            .find(|policy| policy.as_str() == name)
    }
}

/// What is kept for one conference; what is `None` is as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    /// Who waits in the lobby.
    pub lobby: Option<LobbyPolicy>,
    /// Guests wait until a leader, who has come with the host's PIN, is in.
    pub wait_for_leader: Option<bool>,
    /// It ends so long after the last leader has gone: 0, never.
    pub end_with_leader_seconds: Option<u32>,
    /// What viewers get.
    pub video: Option<VideoPolicy>,
    /// Kilobits per second of video that each viewer is sent at most: 0, as much as its line carries.
    pub max_video_kbps: Option<u32>,
}

impl Manners {
    /// These, and what they do not say as `former` has it.
    pub(crate) fn over(self, former: Self) -> Self {
        Self {
            lobby: self.lobby.or(former.lobby),
            wait_for_leader: self.wait_for_leader.or(former.wait_for_leader),
            end_with_leader_seconds: self
                .end_with_leader_seconds
                .or(former.end_with_leader_seconds),
            video: self.video.or(former.video),
            max_video_kbps: self.max_video_kbps.or(former.max_video_kbps),
        }
    }

    /// Whether they change nothing.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// What holds.
    pub(super) fn rules(self, config: &ConferenceConfig) -> Rules {
        let grace = self
            .end_with_leader_seconds
            .unwrap_or(config.end_with_leader_seconds);
        Rules {
            lobby: self.lobby.unwrap_or(config.lobby),
            wait_for_leader: self.wait_for_leader.unwrap_or(config.wait_for_leader),
            end_with_leader: (grace > 0).then(|| Duration::from_secs(u64::from(grace))),
            video: self.video.unwrap_or(config.video),
            max_video: bits(self.max_video_kbps.unwrap_or(config.max_video_kbps)),
        }
    }
}

/// What holds in a running conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) lobby: LobbyPolicy,
    pub(super) wait_for_leader: bool,
    pub(super) end_with_leader: Option<Duration>,
    pub(super) video: VideoPolicy,
    /// In bit/s.
    pub(super) max_video: Option<u64>,
}

/// What somebody in the lobby waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// A host admits them.
    Host,
    /// A leader comes.
    Leader,
}

impl Rules {
    /// What a guest waits for when `leaders` are in; `sent_back`: a host has sent it to the lobby.
    pub(super) fn guest_waits_for(self, leaders: usize, sent_back: bool) -> Option<WaitsFor> {
        if self.wait_for_leader && leaders == 0 {
            Some(WaitsFor::Leader)
        } else if sent_back || self.lobby == LobbyPolicy::Guests {
            Some(WaitsFor::Host)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_wait_for_what_the_rules_say() {
        use LobbyPolicy::{Guests, Off};
        for (lobby, wait_for_leader, leaders, sent_back, waits) in [
            (Off, false, 0, false, None),
            (Off, false, 0, true, Some(WaitsFor::Host)),
            (Off, true, 0, false, Some(WaitsFor::Leader)),
            (Off, true, 1, false, None),
            (Guests, false, 0, false, Some(WaitsFor::Host)),
            (Guests, true, 0, false, Some(WaitsFor::Leader)),
            (Guests, true, 2, false, Some(WaitsFor::Host)),
        ] {
            let rules = Rules {
                lobby,
                wait_for_leader,
                end_with_leader: None,
                video: VideoPolicy::Switched,
                max_video: None,
            };
            assert_eq!(
                rules.guest_waits_for(leaders, sent_back),
                waits,
                "{rules:?}, {leaders}"
            );
        }
    }

    #[test]
    fn what_a_conference_does_not_say_is_as_configured() {
        let config = crate::config::Config::default().conference;
        let rules = Manners::default().rules(&config);
        assert_eq!(
            (rules.lobby, rules.end_with_leader),
            (LobbyPolicy::Off, None)
        );
        let own = Manners {
            lobby: Some(LobbyPolicy::Guests),
            end_with_leader_seconds: Some(30),
            video: Some(VideoPolicy::Off),
            max_video_kbps: Some(700),
            ..Manners::default()
        };
        let rules = own.rules(&config);
        assert_eq!(rules.lobby, LobbyPolicy::Guests);
        assert_eq!(rules.end_with_leader, Some(Duration::from_secs(30)));
        assert_eq!(
            (rules.video, rules.max_video),
            (VideoPolicy::Off, Some(700_000))
        );
        let later = Manners {
            lobby: Some(LobbyPolicy::Off),
            ..Manners::default()
        };
        let both = later.over(own);
        assert_eq!(both.lobby, Some(LobbyPolicy::Off));
        assert_eq!(both.end_with_leader_seconds, Some(30));
        let unlimited = Manners {
            max_video_kbps: Some(0),
            ..Manners::default()
        };
        let rules = unlimited.over(both).rules(&config);
        assert_eq!((rules.video, rules.max_video), (VideoPolicy::Off, None));
    }
}
