//! Join tokens: HS256 with a key that the server keeps in its data folder.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::Role;
use crate::secret::{self, SecretError};
use crate::store::now_ms;

const ISSUER: &str = "plenum";
/// Longest life of a token.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Forged, expired or of another conference.
    #[error("the token is not valid here or has expired")]
    Invalid,
    /// It could not be signed.
    #[error("the token could not be signed")]
    Unsigned,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always `plenum`.
    iss: String,
    /// ULID of the conference: a number may be given anew, a ULID never.
    pub conference: String,
    /// Role in it.
    pub role: Role,
    /// Name shown, if the issuer fixes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// User for presence, if the issuer knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// End, seconds since 1970.
    pub exp: u64,
}

/// Signs and checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// The key in `path`, which is made when it isn't there.
    ///
    /// # Errors
    /// When the file can neither be read nor made.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let key = secret::load_or_create(path)?;
        Ok(Self {
            sign: EncodingKey::from_secret(key.as_bytes()),
            check: DecodingKey::from_secret(key.as_bytes()),
        })
    }

    /// A token for the conference with ULID `conference`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(
        &self,
        conference: &str,
        role: Role,
        name: Option<String>,
        user: Option<String>,
        life: Duration,
    ) -> Result<(String, Claims), TokenError> {
        let now = u64::try_from(now_ms() / 1000).unwrap_or(0);
        let exp = now + life.min(LONGEST).as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            conference: conference.into(),
            role,
            name,
            sub: user,
            exp,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign);
        token
            .map(|token| (token, claims))
            .map_err(|_| TokenError::Unsigned)
    }

    /// What `token` says, if it is ours, alive and for the conference with ULID `conference`.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, token: &str, conference: &str) -> Result<Claims, TokenError> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.leeway = 0;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.check, &rules)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.conference == conference {
            Ok(claims)
        } else {
            Err(TokenError::Invalid)
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_conference_its_server_and_its_time() {
        let folder = crate::scratch::Folder::new();
        let ours = Tokens::load(&folder.path().join("a.key")).unwrap();
        let theirs = Tokens::load(&folder.path().join("b.key")).unwrap();
        let hour = Duration::from_secs(3600);
        let (token, claims) = ours
            .issue("A", Role::Host, Some("Ann".into()), None, hour)
            .unwrap();
        assert_eq!(ours.check(&token, "A").unwrap(), claims);
        assert!(ours.check(&token, "B").is_err());
        assert!(theirs.check(&token, "A").is_err());
        let (expired, _) = ours
            .issue("A", Role::Host, None, None, Duration::ZERO)
            .unwrap();
        std::thread::sleep(Duration::from_millis(1100));
        assert!(ours.check(&expired, "A").is_err());
    }
}
