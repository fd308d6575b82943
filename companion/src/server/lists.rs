//! Distribution lists: groups of people that the house keeps, found by name and expanded by whoever writes to them.
//!
//! Administrators keep them by REST; `people` finds them, `list` tells who is in one. A list is no member of anything: whoever writes
//! to it writes to the people of that moment.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::AnyPool;
use utoipa::{OpenApi, ToSchema};

use super::Companion;
use super::messages::require_users;
use super::presence::people_of;
use super::problem::Problem;
use super::protocol::{Answer, Refusal};
use super::rest::Admin;
use super::socket::Client;
use super::store::{StoreError, Tx};
use crate::contacts::fold;
use crate::text;

/// Lists that there may be.
const LISTS: i64 = 1_000;
/// People of one.
const PEOPLE: usize = 1_000;
/// Longest name, bytes.
const NAME: usize = 200;
/// Lists that a search tells.
const HITS: usize = 10;

/// The routes' description.
#[derive(OpenApi)]
#[openapi(paths(all, add, set, remove))]
pub(super) struct ListsDoc;

pub(super) fn routes() -> Router<Companion> {
    Router::new()
        .route("/lists", get(all).post(add))
        .route("/lists/{id}", axum::routing::put(set).delete(remove))
}

/// A distribution list to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewList {
    name: String,
    /// Ids of users, 1,000 at most.
    people: Vec<String>,
}

/// A distribution list.
#[derive(Serialize, ToSchema)]
struct ListBody {
    id: String,
    name: String,
    people: Vec<String>,
}

/// All lists, by name.
#[derive(Serialize, ToSchema)]
struct ListsBody {
    lists: Vec<ListBody>,
}

/// Lists distribution lists.
#[utoipa::path(get, path = "/api/v1/companion/lists", security(("key" = [])), responses(
    (status = 200, body = ListsBody), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn all(State(companion): State<Companion>, _: Admin) -> Result<Json<ListsBody>, Problem> {
    let reader = companion.store.reader();
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, name FROM lists ORDER BY name, id")
            .fetch_all(reader)
            .await?;
    let mut lists = Vec::with_capacity(rows.len());
    for (id, name) in rows {
        let people = members(reader, &id).await?;
        lists.push(ListBody { id, name, people });
    }
    Ok(Json(ListsBody { lists }))
}

/// Makes a distribution list.
#[utoipa::path(post, path = "/api/v1/companion/lists", request_body = NewList, security(("key" = [])), responses(
    (status = 201, body = ListBody), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn add(
    State(companion): State<Companion>,
    _: Admin,
    body: Result<Json<NewList>, JsonRejection>,
) -> Result<Response, Problem> {
    let list = check(&companion, ulid::Ulid::new().to_string(), body?.0).await?;
    let made = keep(&companion, list, true).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Gives a distribution list another name and other people.
#[utoipa::path(put, path = "/api/v1/companion/lists/{id}", request_body = NewList, security(("key" = [])), responses(
    (status = 200, body = ListBody), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn set(
    State(companion): State<Companion>,
    _: Admin,
    Path(id): Path<String>,
    body: Result<Json<NewList>, JsonRejection>,
) -> Result<Json<ListBody>, Problem> {
    name_of(companion.store.reader(), &id).await?;
    let list = check(&companion, id, body?.0).await?;
    Ok(Json(keep(&companion, list, false).await?))
}

/// Removes a distribution list; conversations begun with it stay.
#[utoipa::path(delete, path = "/api/v1/companion/lists/{id}", security(("key" = [])), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn remove(
    State(companion): State<Companion>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    name_of(companion.store.reader(), &id).await?;
    let gone = companion.store.write(move |tx| {
        async move {
            empty(tx, &id).await?;
            sqlx::query("DELETE FROM lists WHERE id = $1")
                .bind(id)
                .execute(tx.connection())
                .await?;
            Ok::<_, StoreError>(())
        }
        .boxed()
    });
    gone.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(companion: &Companion, id: String, new: NewList) -> Result<ListBody, Refusal> {
    let name = text::line(&new.name, NAME)?;
    let mut people = new.people;
    people.sort_unstable();
    people.dedup();
    if people.len() > PEOPLE {
        return Err(Refusal::bad("A list has at most 1,000 people."));
    }
    require_users(companion, &people).await?;
    Ok(ListBody { id, name, people })
}

async fn keep(companion: &Companion, list: ListBody, fresh: bool) -> Result<ListBody, Refusal> {
    let kept = companion.store.write(move |tx| {
        async move {
            if fresh {
                let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM lists")
                    .fetch_one(tx.connection())
                    .await?;
                if count >= LISTS {
                    return Err(StoreError::Refused("There are 1,000 lists already."));
                }
            }
            empty(tx, &list.id).await?;
            sqlx::query(
                "INSERT INTO lists (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            )
            .bind(list.id.clone())
            .bind(list.name.clone())
            .execute(tx.connection())
            .await?;
            for user in &list.people {
                sqlx::query("INSERT INTO list_people (list, user_id) VALUES ($1, $2)")
                    .bind(list.id.clone())
                    .bind(user.clone())
                    .execute(tx.connection())
                    .await?;
            }
            Ok(list)
        }
        .boxed()
    });
    Ok(kept.await?)
}

async fn empty(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM list_people WHERE list = $1")
        .bind(id.to_owned())
        .execute(tx.connection())
        .await?;
    Ok(())
}

async fn name_of(reader: &AnyPool, id: &str) -> Result<String, Refusal> {
    let found: Option<(String,)> = sqlx::query_as("SELECT name FROM lists WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(reader)
        .await?;
    let (name,) = found.ok_or_else(|| Refusal::not_found("There is no such list."))?;
    Ok(name)
}

/// Those of a list who may still sign in.
async fn members(reader: &AnyPool, id: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT u.id FROM list_people l JOIN users u ON u.id = l.user_id WHERE l.list = $1 AND u.disabled = 0 ORDER BY u.name, u.id",
    )
    .bind(id.to_owned())
    .fetch_all(reader)
    .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Lists by the beginnings of words of their names, for `people`.
///
/// # Errors
/// When the database fails.
pub(super) async fn search(client: &Client, query: &str) -> Result<Vec<Value>, Refusal> {
    let wanted = fold(query);
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let reader = client.companion.store.reader();
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, name FROM lists ORDER BY name, id")
            .fetch_all(reader)
            .await?;
    let meant = |name: &str| {
        let name = fold(name);
        let begins = |word: &&str| name.split_whitespace().any(|one| one.starts_with(*word));
        wanted.iter().all(begins)
    };
    let mut hits = Vec::new();
    for (id, name) in rows.into_iter().filter(|(_, name)| meant(name)).take(HITS) {
        let (count,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM list_people p JOIN users u ON u.id = p.user_id WHERE p.list = $1 AND u.disabled = 0",
        )
        .bind(id.clone())
        .fetch_one(reader)
        .await?;
        hits.push(json!({"id": id, "name": name, "count": count}));
    }
    Ok(hits)
}

/// `list`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expand {
    list: String,
}

/// Who is in a list, as the client sees them.
pub(super) async fn expand(client: &Client, request: Expand) -> Answer {
    if !super::presence::is_colleague(&client.user) {
        return Err(Refusal::not_found("There is no such list."));
    }
    let reader = client.companion.store.reader();
    let name = name_of(reader, &request.list).await?;
    let people = members(reader, &request.list).await?;
    let mut answer = people_of(client, &people).await?;
    answer["name"] = name.into();
    Ok(answer)
}
