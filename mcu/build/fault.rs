//! What a build step says when it fails.

/// Why a part could not be built, with what to do about it.
pub(crate) struct Fault {
    what: String,
    remedy: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Tells cargo's user.
    pub(crate) fn report(&self) {
        for line in self
            .what
            .lines()
            .chain(std::iter::once(self.remedy.as_str()))
        {
            println!("cargo::error={line}");
        }
    }
}
