//! The first start: somebody must be able to sign in. And the people of the demo, whose passwords are published.

use super::sessions::secret;
use super::{NewUser, People, PeopleError, Role, User, check};

/// Somebody of the demo.
#[derive(Debug, Clone, Copy)]
pub struct DemoUser {
    /// Of the user, by which a later start without the demo knows it.
    id: &'static str,
    /// To sign in with.
    pub login: &'static str,
    /// Published.
    pub password: &'static str,
    name: &'static str,
}

/// People of the demo; without it they cannot sign in.
pub const DEMO_USERS: [DemoUser; 2] = [
    DemoUser {
        id: "00000000000000000P1ENVANNA",
        login: "anna",
        password: "anna-2001",
        name: "Anna Demo",
    },
    DemoUser {
        id: "000000000000000000P1ENVBEN",
        login: "ben",
        password: "ben-2001",
        name: "Ben Demo",
    },
];

impl People {
    /// Makes the administrator `admin` when there is no user but the demo's, and gives the password.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn make_first_admin(&self) -> Result<Option<String>, PeopleError> {
        let users = self.list().await?;
        let of_demo = |user: &User| DEMO_USERS.iter().any(|demo| demo.id == user.id);
        if users.iter().any(|user| !of_demo(user)) {
            return Ok(None);
        }
        let password = secret()?.chars().take(22).collect::<String>();
        let admin = NewUser {
            login: "admin".to_owned(),
            name: "Administrator".to_owned(),
            password: Some(password.clone()),
            role: Some(Role::Admin),
            ..NewUser::default()
        };
        self.add(admin).await?;
        Ok(Some(password))
    }

    /// Makes the demo's people and lets them in, or keeps those of an earlier start out.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub async fn settle_demo(&self, enabled: bool) -> Result<(), PeopleError> {
        for demo in &DEMO_USERS {
            match self.find(demo.id).await? {
                Some(user) if user.disabled == enabled => self.disable(demo.id, !enabled).await?,
                None if enabled => self.add_demo(demo).await?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    async fn add_demo(&self, demo: &DemoUser) -> Result<(), PeopleError> {
        let new = NewUser {
            login: demo.login.to_owned(),
            name: demo.name.to_owned(),
            title: Some("Demonstrator".to_owned()),
            company: Some("Plenum".to_owned()),
            password: Some(demo.password.to_owned()),
            ..NewUser::default()
        };
        let (user, password) = check(new).map_err(PeopleError::Invalid)?;
        let user = User {
            id: demo.id.to_owned(),
            ..user
        };
        let password = self.hash(password.unwrap_or_default()).await?;
        match self.insert(user, Some(password)).await {
            // Somebody real has that login.
            Err(PeopleError::Taken) => {
                tracing::warn!(login = demo.login, "a user of the demo's login exists");
                Ok(())
            }
            other => other,
        }
    }
}
