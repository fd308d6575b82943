//! `/api/v1/conferences/{id}/…` of a conference with somebody in it: who is there, and what a host may order.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use plenum_codecs::wav;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::problem::Problem;
use crate::conference::{Gate, LobbyPolicy, MOST_MINUTES, Manners, Order, PinChange};
use crate::config::VideoPolicy;
use crate::signal::protocol::{ParticipantView, WaitingView};
use crate::signal::view::View;

/// Everybody in a conference.
#[derive(Serialize, ToSchema)]
pub(super) struct ParticipantsBody {
    participants: Vec<ParticipantView>,
}

/// How a running conference shall be; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConferencePatch {
    /// Guests stay out until it is unlocked or ends; kept, whether somebody is in the conference or not.
    locked: Option<bool>,
    /// No guest unmutes, unless a host lets it.
    audience_muted: Option<bool>,
    /// So much longer than its time limit says.
    extend_minutes: Option<u32>,
    /// It ends so many seconds from now.
    time_left_seconds: Option<u32>,
    /// One picture of all, composed by the server, or cameras as they come, for who has not chosen.
    composite: Option<bool>,
    /// How that picture is laid out: grid, speaker, presentation, side-by-side, picture-in-picture, or one of the configuration.
    layout: Option<String>,
    /// What stands at the top of that picture, one line of 120 signs at most; `""`: what the configuration has there.
    banner: Option<String>,
    /// Id of the participant who is shown large whoever speaks; `""`: whoever speaks.
    spotlight: Option<String>,
    /// Other PIN for hosts, 4 to 16 digits; kept, whether somebody is in the conference or not. With it, or with another one for guests, whoever was
    /// shut out for wrong PINs may try again.
    host_pin: Option<String>,
    /// Other PIN for guests, 4 to 16 digits, or empty: they need none; kept likewise.
    guest_pin: Option<String>,
    /// When the hosts' PIN becomes wrong, milliseconds since 1970; 0: never. Another PIN holds for ever unless this is said, too.
    host_pin_expires_ms: Option<i64>,
    /// When the guests' PIN becomes wrong, milliseconds since 1970; 0: never; likewise.
    guest_pin_expires_ms: Option<i64>,
    /// Whether guests wait in the lobby until a host admits them; kept, whether somebody is in the conference or not.
    lobby: Option<LobbyPolicy>,
    /// Whether guests wait until a host is in; kept likewise.
    wait_for_leader: Option<bool>,
    /// It ends so many seconds after its last host has gone, 3600 at most; 0: never; kept likewise.
    end_with_leader_seconds: Option<u32>,
    /// What viewers get who have not chosen; `off`: no video at all. Kept, whether somebody is in the conference or not.
    video: Option<VideoPolicy>,
    /// Kilobits per second of video that each viewer is sent at most, 20000 at most; 0: as much as lines carry. Kept, whether somebody is in the conference or not.
    max_video_kbps: Option<u32>,
}

/// How a participant shall be treated; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ParticipantPatch {
    /// Nobody hears them. Nobody can unmute those who muted themselves.
    muted: Option<bool>,
    /// They hear nothing of the conference.
    deafened: Option<bool>,
    /// They hear music, and nobody hears them.
    held: Option<bool>,
    /// They can show no video.
    video_muted: Option<bool>,
    /// What they see; they may choose otherwise themselves.
    view: Option<ViewBody>,
    /// How loud the others hear them: -20 to 12.
    gain_db: Option<i8>,
    /// Kilobits per second of video that they are sent at most, 20000 at most; 0: as everybody.
    max_video_kbps: Option<u32>,
    /// How high their pictures are at most, in pixels, 4320 at most, where they come in several sizes; 0: as everybody's.
    max_video_height: Option<u32>,
}

/// Everybody in the lobby.
#[derive(Serialize, ToSchema)]
pub(super) struct LobbyBody {
    waiting: Vec<WaitingView>,
}

/// What a participant sees.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ViewBody {
    /// What the conference gives.
    Default,
    /// Cameras as they come.
    Cameras,
    /// One picture of all.
    Composite,
    /// No video.
    Nothing,
}

impl From<ViewBody> for Option<View> {
    fn from(body: ViewBody) -> Self {
        match body {
            ViewBody::Default => None,
            ViewBody::Cameras => Some(View::Cameras),
            ViewBody::Composite => Some(View::Composite),
            ViewBody::Nothing => Some(View::Nothing),
        }
    }
}

/// Who hears an announcement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AnnouncementQuery {
    /// A participant's id; all, if absent.
    to: Option<String>,
}

/// A built-in prompt to be played.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnnouncementBody {
    /// Its key, as `plenum check` lists them.
    prompt: String,
}

/// Who shall talk aside.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SideBody {
    /// Their ids.
    participants: Vec<String>,
    /// They hear the conference quietly behind.
    #[serde(default)]
    hear_room: bool,
}

/// A language.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelBody {
    /// What it is called.
    name: String,
    /// Who interprets into it.
    interpreter: Option<String>,
}

/// Shows who is in a conference, in the order of joining.
#[utoipa::path(get, path = "/api/v1/conferences/{id}/participants", security(("key" = [])), responses(
    (status = 200, body = ParticipantsBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn participants(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<ParticipantsBody>, Problem> {
    let key = key(&api, &id).await?;
    let participants = api.conferences.participants(&key).await;
    Ok(Json(ParticipantsBody {
        participants: participants.unwrap_or_default(),
    }))
}

/// Locks a running conference, changes when it ends, or what its viewers see.
#[utoipa::path(patch, path = "/api/v1/conferences/{id}", request_body = ConferencePatch, security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn change(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<ConferencePatch>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(ConferencePatch {
        locked,
        audience_muted,
        extend_minutes,
        time_left_seconds,
        composite,
        layout,
        banner,
        spotlight,
        host_pin,
        guest_pin,
        host_pin_expires_ms,
        guest_pin_expires_ms,
        lobby,
        wait_for_leader,
        end_with_leader_seconds,
        video,
        max_video_kbps,
    }) = body?;
    let seconds = |minutes: u32| u64::from(minutes) * 60;
    if extend_minutes.is_some_and(|minutes| minutes > MOST_MINUTES)
        || time_left_seconds.is_some_and(|left| u64::from(left) > seconds(MOST_MINUTES))
    {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "A conference may last a week more at most.",
        ));
    }
    let manners = Manners {
        lobby,
        wait_for_leader,
        end_with_leader_seconds,
        video,
        max_video_kbps,
    };
    let pins = PinChange {
        host_pin,
        guest_pin,
        host_expires_ms: host_pin_expires_ms,
        guest_expires_ms: guest_pin_expires_ms,
    };
    if !manners.is_empty() || !pins.is_empty() || locked.is_some() {
        let record = api.conferences.around().store.find(&id).await?;
        let record = record.ok_or_else(Problem::no_conference)?;
        if !manners.is_empty() {
            api.conferences.set_manners(&record, manners).await?;
        }
        if !pins.is_empty() {
            api.conferences.set_pins(&record, pins).await?;
        }
        if let Some(on) = locked {
            api.conferences.lock(&record, on).await?;
        }
    }
    let extend = extend_minutes.map(|minutes| Order::Extend(Duration::from_secs(seconds(minutes))));
    let end = time_left_seconds.map(|left| Order::EndIn(Duration::from_secs(u64::from(left))));
    let orders = [
        audience_muted.map(Order::MuteAudience),
        extend,
        end,
        layout.map(Order::Layout),
        banner.map(|text| Order::Banner((!text.is_empty()).then_some(text))),
        composite.map(Order::Composite),
        spotlight.map(|who| Order::Spotlight((!who.is_empty()).then_some(who))),
    ];
    carry_out(&api, &id, orders.into_iter().flatten()).await
}

/// Mutes, deafens, holds a participant, turns its video off, says what it sees or makes it louder.
#[utoipa::path(patch, path = "/api/v1/conferences/{id}/participants/{participant}", request_body = ParticipantPatch,
    security(("key" = [])), responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn treat(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
    body: Result<Json<ParticipantPatch>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(ParticipantPatch {
        muted,
        deafened,
        held,
        video_muted,
        view,
        gain_db,
        max_video_kbps,
        max_video_height,
    }) = body?;
    let who = || participant.clone();
    let orders = [
        muted.map(|on| Order::Mute(who(), on)),
        deafened.map(|on| Order::Deafen(who(), on)),
        held.map(|on| Order::Hold(who(), on)),
        video_muted.map(|on| Order::MuteVideo(who(), on)),
        view.map(|view| Order::View(who(), view.into())),
        gain_db.map(|db| Order::Gain(who(), db)),
        max_video_kbps.map(|most| Order::LimitVideo(who(), most)),
        max_video_height.map(|most| Order::LimitHeight(who(), most)),
    ];
    carry_out(&api, &id, orders.into_iter().flatten()).await
}

/// Removes a participant.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/participants/{participant}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::Remove(participant)]).await
}

/// Shows who waits in the lobby, whoever has waited longest first.
#[utoipa::path(get, path = "/api/v1/conferences/{id}/lobby", security(("key" = [])), responses(
    (status = 200, body = LobbyBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lobby(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<LobbyBody>, Problem> {
    let key = key(&api, &id).await?;
    let waiting = api.conferences.waiting(&key).await.unwrap_or_default();
    Ok(Json(LobbyBody { waiting }))
}

/// Lets in all who wait in the lobby.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/lobby", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn admit_all(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::Gate(Gate::AdmitAll)]).await
}

/// Lets one in who waits in the lobby.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/lobby/{participant}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn admit(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::Gate(Gate::Admit(participant))]).await
}

/// Turns one away who waits in the lobby.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/lobby/{participant}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn deny(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::Gate(Gate::Deny(participant))]).await
}

/// Sends somebody from the conference to the lobby.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/participants/{participant}/lobby", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn send_to_lobby(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::Gate(Gate::SendBack(participant))]).await
}

/// Plays a built-in prompt, or an uploaded WAV (16-bit PCM of 8, 16 or 48 kHz, 1 MiB at most), to all or to one.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/announcements", params(AnnouncementQuery),
    request_body(content((AnnouncementBody = "application/json"), (Vec<u8> = "audio/wav"))), security(("key" = [])),
    responses((status = 202, description = "It begins to play."), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn announce(
    State(api): State<Api>,
    Path(id): Path<String>,
    query: Result<Query<AnnouncementQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (Query(AnnouncementQuery { to }), body) = (query?, body?);
    let unreadable = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let is_audio = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"audio/"));
    let pcm = if is_audio {
        // A minute of speech takes a while to be brought to 48 kHz: not on a thread that serves others.
        let read = tokio::task::spawn_blocking(move || wav::read(&body)).await;
        let samples = read
            .map_err(|_| unreadable("The WAV cannot be read.".to_owned()))?
            .map_err(|error| unreadable(error.to_string()))?;
        samples.into()
    } else {
        let AnnouncementBody { prompt } = serde_json::from_slice(&body)
            .map_err(|error| unreadable(format!("Neither a WAV nor a prompt: {error}")))?;
        let prompts = &api.conferences.around().prompts;
        prompts
            .find(&prompt)
            .ok_or_else(|| unreadable("There is no such prompt.".to_owned()))?
    };
    carry_out(&api, &id, [Order::Announce(to, pcm)]).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Lets participants talk aside; who of them does already is joined by the others.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/sides", request_body = SideBody, security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn open_side(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<SideBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(SideBody {
        participants,
        hear_room,
    }) = body?;
    carry_out(&api, &id, [Order::Aside(participants, hear_room)]).await
}

/// Brings all of a side conversation back.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/sides/{side}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn close_side(
    State(api): State<Api>,
    Path((id, side)): Path<(String, u8)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::CloseAside(side)]).await
}

/// Opens a language, or names its interpreter.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/channels", request_body = ChannelBody, security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn open_channel(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<ChannelBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(ChannelBody { name, interpreter }) = body?;
    carry_out(&api, &id, [Order::Language(name, interpreter)]).await
}

/// Closes a language.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/channels/{channel}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn close_channel(
    State(api): State<Api>,
    Path((id, channel)): Path<(String, u8)>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::CloseLanguage(channel)]).await
}

/// Stops whoever presents; who waits longest has the turn.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/presentation", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn stop_presenting(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    carry_out(&api, &id, [Order::StopPresenting]).await
}

/// The ULID of the conference of number `id`.
pub(super) async fn key(api: &Api, id: &str) -> Result<String, Problem> {
    let record = api.conferences.around().store.find(id).await?;
    Ok(record.ok_or_else(Problem::no_conference)?.id)
}

/// Up to the first that is not to be done.
async fn carry_out(
    api: &Api,
    id: &str,
    orders: impl IntoIterator<Item = Order>,
) -> Result<StatusCode, Problem> {
    let key = key(api, id).await?;
    for order in orders {
        let Some(outcome) = api.conferences.order(&key, order).await else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "Nobody is in this conference now.",
            ));
        };
        outcome?;
    }
    Ok(StatusCode::NO_CONTENT)
}
