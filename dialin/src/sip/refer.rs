//! What messages say of transfers: Refer-To and its news (RFC 3515), Referred-By (RFC 3892), Replaces (RFC 3891).

use sipx_sip::HeaderName;
use sipx_sip::headers::Address;

use super::{Replaces, Request, who};

/// Longest address that is passed on, bytes.
const MAX_ADDRESS: usize = 256;

impl Request {
    /// Which dialog it is to replace; `Err` when that cannot be read or is said twice.
    pub(crate) fn replaces(&self) -> Result<Option<Replaces>, ()> {
        Replaces::only(self.values(&HeaderName::Replaces))
    }

    /// Whom a REFER wants called: the user part of its only Refer-To, and the Replaces that the call is to carry. `Err` is the status to refuse with.
    pub(crate) fn referred(&self) -> Result<(String, Option<String>), u16> {
        let mut rows = self.values(&HeaderName::ReferTo);
        let (Some(row), None) = (rows.next(), rows.next()) else {
            return Err(400);
        };
        let found = Address::parse_list(&row, "Refer-To").map_err(|_| 400_u16)?;
        let [address] = &found[..] else {
            return Err(400);
        };
        let text = String::from_utf8_lossy(&address.uri.to_bytes()).into_owned();
        let (place, headers) = text.split_once('?').unwrap_or((&text, ""));
        let place = place.to_ascii_lowercase();
        let scheme = ["sip:", "sips:", "tel:"]
            .iter()
            .any(|it| place.starts_with(it));
        let user = who(address).user;
        // Another method asks for more than a call.
        if place.contains(";method=") || !scheme || user.is_empty() {
            return Err(603);
        }
        let replaces = (!headers.is_empty()).then(|| asked(headers).ok_or(603_u16));
        Ok((user, replaces.transpose()?))
    }

    /// Who says that they have sent for the call; `None` when nobody does, or it cannot be passed on.
    pub(crate) fn referred_by(&self) -> Option<String> {
        let mut rows = self.values(&HeaderName::ReferredBy);
        let (Some(row), None) = (rows.next(), rows.next()) else {
            return None;
        };
        address_of(std::str::from_utf8(&row).ok()?)
    }

    /// Which REFER of ours a NOTIFY is about, by its CSeq, if it says so. `Err` is the status to refuse with when it is about none.
    pub(crate) fn refer_event(&self) -> Result<Option<u32>, u16> {
        let event = self.value(&HeaderName::Event).unwrap_or_default();
        let mut parts = event.split(';').map(str::trim);
        let package = parts.next().unwrap_or_default();
        if !package.eq_ignore_ascii_case("refer") {
            return Err(489);
        }
        let id = parts.find_map(|part| part.strip_prefix("id="));
        id.map(|id| id.trim().parse().map_err(|_| 481)).transpose()
    }

    /// Whether this NOTIFY is the last one.
    pub(crate) fn ends_subscription(&self) -> bool {
        let state = self.value(&HeaderName::SubscriptionState);
        let state = state.unwrap_or_default().to_ascii_lowercase();
        state.split(';').next().map(str::trim) == Some("terminated")
    }

    /// The status of another call, as a NOTIFY's body tells it (RFC 3420); 100 without a body. `Err` is the status to refuse with.
    pub(crate) fn fragment(&self) -> Result<u16, u16> {
        if self.body().is_empty() {
            return Ok(100);
        }
        if self.content_type().as_deref() != Some("message/sipfrag") || self.is_encoded() {
            return Err(415);
        }
        let status = self.body().strip_prefix(b"SIP/2.0 ").unwrap_or_default();
        let (digits, rest) = status.split_at(status.len().min(3));
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        let ends = rest.first().is_none_or(|next| b" \r\n".contains(next));
        let status = digits.parse().ok().filter(|_| ends);
        status
            .filter(|status| (100..700).contains(status))
            .ok_or(400)
    }
}

/// The only Replaces of a URI's headers, written anew; beside it nothing but the wish that it be understood.
fn asked(headers: &str) -> Option<String> {
    let mut found = None;
    for header in headers.split('&') {
        let (name, value) = header.split_once('=')?;
        let value = unescaped(value)?;
        match name.to_ascii_lowercase().as_str() {
            "replaces" if found.is_none() => found = Some(Replaces::read(&value)?.written()?),
            "require" if value.eq_ignore_ascii_case(b"replaces") => {}
            _ => return None,
        }
    }
    found
}

/// Percent-encoding undone (RFC 3986 section 2.1).
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        plain.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(plain)
}

/// The URI of a row with an address, in `<>` and with nothing beside it; `None` when that cannot be written.
pub(crate) fn address_of(row: &str) -> Option<String> {
    let found = Address::parse_list(row.as_bytes(), "address").ok()?;
    let [address] = &found[..] else {
        return None;
    };
    let uri = address.uri.to_bytes();
    let uri = std::str::from_utf8(&uri).ok()?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
    (uri.len() <= MAX_ADDRESS && uri.bytes().all(plain)).then(|| format!("<{uri}>"))
}
