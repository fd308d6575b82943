//! `files` over HTTP: begin, append, resume, get.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use utoipa::{OpenApi, ToSchema};

use super::{FileRow, find, may_read};
use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::problem::Problem;
use crate::server::rest::Signed;
use crate::server::store::StoreError;
use crate::text;

/// Bytes of one piece.
const PIECE: usize = 1024 * 1024;
/// What is read at once for who gets a file, bytes.
const CHUNK: usize = 64 * 1024;
/// Unfinished files of one user.
const OPEN: i64 = 20;
/// How far a file has come.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

pub(crate) fn routes() -> Router<Companion> {
    Router::new()
        .route("/files", post(begin))
        .route("/files/{id}", get(fetch).patch(append).head(offset))
        .route("/files/{id}/image", get(image))
        .layer(DefaultBodyLimit::max(PIECE))
}

/// What a file is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFile {
    /// Without folders.
    name: String,
    /// What its sender says that it is.
    #[serde(default)]
    r#type: String,
    /// Bytes.
    size: u64,
}

/// A file that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct FileBody {
    id: String,
    /// Bytes that are there.
    offset: u64,
}

/// The routes' description.
#[derive(OpenApi)]
#[openapi(paths(begin, append, offset, fetch, image))]
pub(crate) struct FilesDoc;

fn disk(error: std::io::Error) -> Problem {
    tracing::error!(%error, "a file could not be kept or read");
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "The disk failed.")
}

/// Begins a file; its bytes come with PATCH.
#[utoipa::path(post, path = "/api/v1/companion/files", request_body = NewFile, responses(
    (status = 201, body = FileBody), (status = 401, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn begin(
    State(companion): State<Companion>,
    Signed(found): Signed,
    body: Result<Json<NewFile>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = body?;
    let limits = &companion.config.files;
    let invalid = |why: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let name = text::line(&new.name, text::NAME)
        .map_err(|error| invalid(&format!("Refused: {error}.")))?;
    if name.contains(['/', '\\']) || new.r#type.len() > text::NAME {
        return Err(invalid("A file's name has no folders."));
    }
    let lower = name.to_lowercase();
    let is_forbidden = |end: &String| lower.ends_with(&format!(".{}", end.to_lowercase()));
    if limits.forbidden.iter().any(is_forbidden) {
        return Err(invalid("Files of this type are not taken."));
    }
    let large = |why: String| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why);
    if new.size == 0 || new.size > limits.file {
        return Err(large(format!("A file has 1 to {} bytes.", limits.file)));
    }
    let size = i64::try_from(new.size).unwrap_or(i64::MAX);
    let quota = i64::try_from(limits.quota).unwrap_or(i64::MAX);
    let id = ulid::Ulid::new().to_string();
    let (file, owner) = (id.clone(), found.user.id);
    let kept = companion.store.write(move |tx| {
        async move {
            let (used, open): (i64, i64) = sqlx::query_as(
                "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT), COUNT(CASE WHEN state = 'open' THEN 1 END) FROM files \
                 WHERE owner = $1",
            )
            .bind(owner.clone())
            .fetch_one(tx.connection())
            .await?;
            if used.saturating_add(size) > quota {
                return Err(StoreError::Refused("Your files would take more than your quota."));
            }
            if open >= OPEN {
                return Err(StoreError::Refused("Too many of your files are unfinished."));
            }
            sqlx::query(
                "INSERT INTO files (id, owner, name, type, size, state, created_ms) VALUES ($1, $2, $3, $4, $5, 'open', $6)",
            )
            .bind(file)
            .bind(owner)
            .bind(name)
            .bind(new.r#type)
            .bind(size)
            .bind(now_ms())
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    match kept.await {
        Err(StoreError::Refused(why)) => Err(large(why.to_owned())),
        Err(error) => Err(error.into()),
        Ok(()) => Ok((StatusCode::CREATED, Json(FileBody { id, offset: 0 })).into_response()),
    }
}

/// The user's own file.
async fn own(companion: &Companion, id: &str, user: &str) -> Result<FileRow, Problem> {
    let found = find(companion, id).await?;
    found
        .filter(|file| file.owner == user)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "There is no such file."))
}

fn with_offset(status: StatusCode, offset: u64) -> Response {
    (status, [(OFFSET, HeaderValue::from(offset))]).into_response()
}

/// How far a file of mine has come: `Upload-Offset`.
#[utoipa::path(head, path = "/api/v1/companion/files/{id}", responses((status = 200), (status = 404)))]
pub(crate) async fn offset(
    State(companion): State<Companion>,
    Signed(found): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let file = own(&companion, &id, &found.user.id).await?;
    let there = companion.shelf.length(&file.id).await.map_err(disk)?;
    Ok(with_offset(StatusCode::OK, there))
}

/// Appends a piece of at most 1 MiB at `Upload-Offset`, which must be where the file ends.
#[utoipa::path(patch, path = "/api/v1/companion/files/{id}", request_body = Vec<u8>, responses(
    (status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn append(
    State(companion): State<Companion>,
    Signed(found): Signed,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let bytes = bytes?;
    let at = headers
        .get(OFFSET)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let file = own(&companion, &id, &found.user.id).await?;
    let conflict = |why: &str| Problem::new(StatusCode::CONFLICT, why);
    let Some(pen) = companion.shelf.pen(&file.id) else {
        return Err(conflict("Another request is appending."));
    };
    let there = companion.shelf.length(&file.id).await.map_err(disk)?;
    if file.state != "open" || at != Some(there) {
        let mut refusal = conflict("The file does not end at this Upload-Offset.").into_response();
        refusal.headers_mut().insert(OFFSET, there.into());
        return Ok(refusal);
    }
    let size = u64::try_from(file.size).unwrap_or(0);
    let after = there + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if after > size {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The file was announced smaller.",
        ));
    }
    companion.shelf.append(&pen, &bytes).await.map_err(disk)?;
    if after == size {
        finish(&companion, &file).await?;
    }
    Ok(with_offset(StatusCode::NO_CONTENT, after))
}

/// Has the whole file scanned and looked at.
async fn finish(companion: &Companion, file: &FileRow) -> Result<(), Problem> {
    let shelf = &companion.shelf;
    let passed = shelf
        .scan(&companion.config.files.scan, &file.id)
        .await
        .map_err(|error| {
            tracing::error!(%error, "the scan of a file failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The file could not be scanned.",
            )
        });
    let (state, image) = match &passed {
        Ok(true) => ("whole", shelf.image(&file.id).await.map_err(disk)?),
        Ok(false) | Err(_) => ("refused", None),
    };
    let id = file.id.clone();
    let kept = companion.store.write(move |tx| {
        async move {
            sqlx::query("UPDATE files SET state = $2, image = $3 WHERE id = $1")
                .bind(id)
                .bind(state)
                .bind(image.map(str::to_owned))
                .execute(tx.connection())
                .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await?;
    if passed? {
        return Ok(());
    }
    shelf.remove(&file.id).await.map_err(disk)?;
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The scan refused this file.",
    ))
}

/// A whole file that the user may have.
async fn readable(companion: &Companion, id: &str, user: &str) -> Result<FileRow, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "There is no such file.");
    let file = find(companion, id)
        .await?
        .filter(FileRow::is_whole)
        .ok_or_else(none)?;
    if may_read(companion, &file, user).await? {
        Ok(file)
    } else {
        Err(none())
    }
}

/// A file that a conversation of mine got: always an attachment.
#[utoipa::path(get, path = "/api/v1/companion/files/{id}", responses((status = 200), (status = 404, body = Problem)))]
pub(crate) async fn fetch(
    State(companion): State<Companion>,
    Signed(found): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let file = readable(&companion, &id, &found.user.id).await?;
    let disposition = format!("attachment; filename*=UTF-8''{}", percent(&file.name));
    send(&companion, &file, "application/octet-stream", &disposition).await
}

/// An image of at most 4 MiB, with the type that its bytes tell.
#[utoipa::path(get, path = "/api/v1/companion/files/{id}/image", responses((status = 200), (status = 404, body = Problem)))]
pub(crate) async fn image(
    State(companion): State<Companion>,
    Signed(found): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let file = readable(&companion, &id, &found.user.id).await?;
    let kind = file
        .image
        .clone()
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "It is no image that is shown."))?;
    send(&companion, &file, &kind, "inline").await
}

async fn send(
    companion: &Companion,
    file: &FileRow,
    kind: &str,
    disposition: &str,
) -> Result<Response, Problem> {
    let opened = companion.shelf.open(&file.id).await.map_err(disk)?;
    let chunks = futures_util::stream::try_unfold(opened, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let mut response = Body::from_stream(chunks).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, &file.size.to_string()),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// RFC 8187's form of a name.
fn percent(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}
