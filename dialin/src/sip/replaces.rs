//! The Replaces header (RFC 3891 section 6.1): bytes in, the named dialog out.

use std::borrow::Cow;

/// Which dialog an INVITE is to replace (RFC 3891), tags as its receiver sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaces {
    pub(crate) call_id: Vec<u8>,
    /// Our tag.
    pub(crate) to_tag: Vec<u8>,
    pub(crate) from_tag: Vec<u8>,
    /// Only if nobody has answered it yet.
    pub(crate) early_only: bool,
}

impl Replaces {
    /// As a header of ours says it: nothing but what was read. `None` when that cannot be.
    pub(super) fn written(&self) -> Option<String> {
        let word = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok()?;
            let plain = |byte: u8| byte.is_ascii_graphic() && !b";,".contains(&byte);
            text.bytes().all(plain).then(|| text.to_owned())
        };
        let early = if self.early_only { ";early-only" } else { "" };
        Some(format!(
            "{};to-tag={};from-tag={}{early}",
            word(&self.call_id)?,
            word(&self.to_tag)?,
            word(&self.from_tag)?
        ))
    }

    /// The only row, if there is one; `Err` when there are more, or it cannot be read.
    pub(super) fn only<'a>(
        mut rows: impl Iterator<Item = Cow<'a, [u8]>>,
    ) -> Result<Option<Self>, ()> {
        match (rows.next(), rows.next()) {
            (None, _) => Ok(None),
            (Some(row), None) => Self::read(&row).map(Some).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        }
    }

    pub(super) fn read(row: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(row).ok()?;
        let mut parts = text.split(';').map(str::trim);
        let mut read = Self {
            call_id: parts.next()?.as_bytes().to_vec(),
            to_tag: Vec::new(),
            from_tag: Vec::new(),
            early_only: false,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().as_bytes().to_vec();
            match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" if read.to_tag.is_empty() => read.to_tag = value,
                "from-tag" if read.from_tag.is_empty() => read.from_tag = value,
                "to-tag" | "from-tag" => return None,
                "early-only" => read.early_only = true,
                _ => {}
            }
        }
        let whole = [&read.call_id, &read.to_tag, &read.from_tag];
        (whole.iter().all(|part| !part.is_empty()) && !text.contains(',')).then_some(read)
    }
}
