//! Saying something: `send`.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::require_member;
use crate::server::protocol::{Answer, Code, Kind, Refusal};
use crate::server::socket::Client;
use crate::server::store::{Draft, Receipt};
use crate::text;

/// `send`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    conversation: String,
    client_id: String,
    kind: Kind,
    body: Map<String, Value>,
}

/// The body of a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

pub(super) async fn send(client: &mut Client, request: Send) -> Answer {
    require_member(client, &request.conversation)?;
    require_id(&request.client_id)?;
    client.rate.take()?;
    let limit = client.companion.config.limits.message;
    let mentions = match request.kind {
        Kind::Text => {
            let Text { text } = crate::server::protocol::parse(request.body.clone())?;
            text::body(&text, limit)?;
            text::mentions(&text)
        }
        _ => return Err(Refusal::bad("Only text and ink are sent.")),
    };
    let draft = Draft {
        mentions: mentioned(client, &request.conversation, mentions).await?,
        conversation: request.conversation,
        kind: request.kind,
        sender: client.user.id.clone(),
        client_id: request.client_id,
        target: None,
        body: Value::Object(request.body).to_string(),
    };
    Ok(receipt(client.companion.store.append(draft).await?))
}

/// The members of `conversation` among `logins`.
async fn mentioned(
    client: &Client,
    conversation: &str,
    logins: impl IntoIterator<Item = String>,
) -> Result<Vec<String>, Refusal> {
    let logins: Vec<String> = logins.into_iter().collect();
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (2..logins.len() + 2).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT u.id FROM users u JOIN members m ON m.user_id = u.id WHERE m.conversation = $1 AND u.login IN ({})",
        places.join(", ")
    );
    let mut query =
        sqlx::query_as::<_, (String,)>(AssertSqlSafe(sql)).bind(conversation.to_owned());
    for login in logins {
        query = query.bind(login);
    }
    let rows = query.fetch_all(client.companion.store.reader()).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

fn require_id(id: &str) -> Result<(), Refusal> {
    if text::is_id(id) {
        Ok(())
    } else {
        Err(Refusal::new(
            Code::BadRequest,
            "A client_id has 1 to 64 printable ASCII characters.",
        ))
    }
}

fn receipt(receipt: Receipt) -> Value {
    json!({"seq": receipt.seq, "ts": receipt.ts})
}
