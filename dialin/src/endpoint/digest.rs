//! Answers to challenges of the far end (RFC 3261 section 22): a request that was refused with 401 or 407 goes out once more.

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::SipEndpoint;
use super::uac::{Client, Purpose};
use crate::sip::Response;

/// Challenges answered for one request: by a proxy and by whom it leads to, each once again when its nonce was old.
pub(super) const TRIES: u8 = 4;

impl SipEndpoint {
    /// The header that answers a challenge to the request `bytes`; `None` when it is none, or not to be answered.
    pub(super) fn credentials_for(
        &mut self,
        trunk: usize,
        bytes: &[u8],
        tries: u8,
        response: &Response,
    ) -> Option<(&'static str, String)> {
        if !matches!(response.status, 401 | 407) || tries >= TRIES {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let name = if response.status == 401 {
            "\r\nAuthorization: "
        } else {
            "\r\nProxy-Authorization: "
        };
        if text.contains(name) && !response.is_stale() {
            return None; // it was answered, and that was not right
        }
        let uri = text.split(' ').nth(1)?;
        let cnonce = self.tags.fresh();
        let outbound = self.config.trunks.get(trunk)?.outbound.as_ref()?;
        let login = outbound.login.as_ref()?;
        response.authorization(login, response.method, uri, &cnonce)
    }

    /// Sends a challenged request again; gives back one that is done with.
    pub(super) fn challenged(
        &mut self,
        now: MediaTime,
        client: Client,
        response: &Response,
    ) -> Option<Client> {
        let Some(header) =
            self.credentials_for(client.trunk, &client.bytes, client.tries, response)
        else {
            return Some(client);
        };
        let branch = self.tags.branch();
        let mut cseq = cseq_of(&client.bytes).saturating_add(1);
        if let Purpose::Dialog(id) = client.purpose
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.local_cseq = call.local_cseq.saturating_add(1);
            cseq = call.local_cseq;
        }
        let Some(bytes) = reissued(&client.bytes, &branch, cseq, Some(&header)) else {
            return Some(client);
        };
        let client = Client {
            bytes,
            tries: client.tries + 1,
            ..client
        };
        self.transact(now, client, branch);
        None
    }
}

/// The number in the CSeq of a request of ours.
pub(super) fn cseq_of(bytes: &[u8]) -> u32 {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let row = text
        .split("\r\n")
        .find_map(|row| row.strip_prefix("CSeq: "));
    row.and_then(|row| row.split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// A request of ours as another transaction: with this branch and CSeq, and one more header, which takes the place of one of its name.
pub(super) fn reissued(
    bytes: &[u8],
    branch: &str,
    cseq: u32,
    header: Option<&(&str, String)>,
) -> Option<Bytes> {
    let (head, body) = std::str::from_utf8(bytes).ok()?.split_once("\r\n\r\n")?;
    let mut text = String::with_capacity(bytes.len() + 512);
    let mut via = true;
    for row in head.split("\r\n") {
        match row.split_once(": ") {
            Some((name, _)) if header.is_some_and(|(own, _)| *own == name) => continue,
            Some(("Via", value)) if std::mem::take(&mut via) => {
                let start = value.split(";branch=").next()?;
                text.push_str(&format!("Via: {start};branch={branch};rport"));
            }
            Some(("CSeq", value)) => {
                let method = value.split(' ').nth(1)?;
                text.push_str(&format!("CSeq: {cseq} {method}"));
                if let Some((name, value)) = header {
                    text.push_str(&format!("\r\n{name}: {value}"));
                }
            }
            _ => text.push_str(row),
        }
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    Some(Bytes::from(text))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_reissued_request_differs_in_branch_cseq_and_credentials_alone() {
        let first =
            b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h:1;branch=z9hG4bK1;rport\r\nCSeq: 7 BYE\r\n\
                      Authorization: old\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(cseq_of(first), 7);
        let header = ("Authorization", "new".to_owned());
        let again = reissued(first, "z9hG4bK2", 8, Some(&header)).unwrap();
        assert_eq!(
            std::str::from_utf8(&again).unwrap(),
            "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h:1;branch=z9hG4bK2;rport\r\nCSeq: 8 BYE\r\nAuthorization: new\r\n\
             Content-Length: 2\r\n\r\nhi"
        );
    }
}
