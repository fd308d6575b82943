//! Who calls and who is called, as headers beside From and the Request-URI say.

use bytes::Bytes;
use sipx_sip::HeaderName;
use sipx_sip::headers::{Address, To};

use super::{MAX_ROUTES, Request, Who, who};

impl Request {
    /// The first of P-Asserted-Identity (RFC 3325 section 9.1).
    pub(crate) fn asserted(&self) -> Option<Who> {
        self.addresses(&HeaderName::PAssertedIdentity)
            .into_iter()
            .next()
    }

    /// The user part of To; `None` when it has none.
    pub(crate) fn called_by_to(&self) -> Option<String> {
        let to = self.inner.headers.typed::<To>()?.ok()?;
        Some(who(&to).user).filter(|user| !user.is_empty())
    }

    /// Who passed the call on, the last of them first (RFC 5806).
    pub(crate) fn diversions(&self) -> Vec<Who> {
        self.addresses(&HeaderName::Other(Bytes::from_static(b"Diversion")))
    }

    fn addresses(&self, name: &HeaderName) -> Vec<Who> {
        let rows = self.values(name).take(MAX_ROUTES);
        rows.filter_map(|row| Address::parse_list(&row, "identity").ok())
            .flatten()
            .take(MAX_ROUTES)
            .map(|address| who(&address))
            .collect()
    }

    /// Whether the caller's identity is to be kept from others (RFC 3323 section 4.2, RFC 3325 section 9.3).
    pub(crate) fn wants_privacy(&self) -> bool {
        self.values(&HeaderName::Privacy).any(|row| {
            let row = String::from_utf8_lossy(&row).into_owned();
            row.split([';', ',']).any(|value| {
                ["id", "user", "header"]
                    .iter()
                    .any(|known| value.trim().eq_ignore_ascii_case(known))
            })
        })
    }
}
