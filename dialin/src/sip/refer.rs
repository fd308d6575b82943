//! What a request says of transfers: Refer-To (RFC 3515), Replaces (RFC 3891).

use sipx_sip::HeaderName;
use sipx_sip::headers::Address;

use super::{Replaces, Request, who};

impl Request {
    /// Which dialog it is to replace; `Err` when that cannot be read or is said twice.
    pub(crate) fn replaces(&self) -> Result<Option<Replaces>, ()> {
        Replaces::only(self.values(&HeaderName::Replaces))
    }

    /// Whom a REFER wants called: the user part of its only Refer-To. `Err` is the status to refuse with.
    pub(crate) fn referred(&self) -> Result<String, u16> {
        let mut rows = self.values(&HeaderName::ReferTo);
        let (Some(row), None) = (rows.next(), rows.next()) else {
            return Err(400);
        };
        let found = Address::parse_list(&row, "Refer-To").map_err(|_| 400_u16)?;
        let [address] = &found[..] else {
            return Err(400);
        };
        // Headers (a Replaces of somebody's call) or another method ask for more than a call.
        let text = String::from_utf8_lossy(&address.uri.to_bytes()).to_ascii_lowercase();
        let plain = !text.contains('?') && !text.contains(";method=");
        let scheme = ["sip:", "sips:", "tel:"]
            .iter()
            .any(|it| text.starts_with(it));
        let user = who(address).user;
        (plain && scheme && !user.is_empty())
            .then_some(user)
            .ok_or(603)
    }
}
