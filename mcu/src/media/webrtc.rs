//! WebRTC.
pub(super) struct Identity {}
impl Identity {
    pub(super) fn generate() -> Result<Self, std::io::Error> {
        Ok(Self {})
    }
}
