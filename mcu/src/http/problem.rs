//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::conference::{ConferenceError, Denied};
use crate::store::StoreError;

/// What went wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    pub(crate) fn no_conference() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no conference of this id.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Nobody => Self::new(StatusCode::NOT_FOUND, "There is no such participant."),
            Denied::Invalid(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, why),
            Denied::Forbidden(why) => Self::new(StatusCode::CONFLICT, why),
            Denied::Unavailable(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NumberTaken => Self::new(StatusCode::CONFLICT, error.to_string()),
            StoreError::Database(_) | StoreError::Migration(_) => {
                tracing::error!(%error, "store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The database failed.")
            }
        }
    }
}

impl From<ConferenceError> for Problem {
    fn from(error: ConferenceError) -> Self {
        match error {
            ConferenceError::Invalid(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, why),
            ConferenceError::Store(error) => error.into(),
            ConferenceError::Pin(error) => {
                tracing::error!(%error, "pin could not be hashed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The PIN could not be hashed.",
                )
            }
        }
    }
}
