//! `plenum user …` and `plenum companion …`: the companion's people and database, whether the server runs or not.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use plenum_companion::server::{DEMO_USERS, NewUser, People, Role, Upkeep, User};

use super::{ConfigFile, read, runtime, say};
use crate::config::Config;
use crate::{companion, secret};

/// Longest password that is read from standard input, bytes.
const LONGEST: u64 = 4096;

#[derive(Subcommand)]
pub(super) enum Users {
    /// Add a user and show the password this once, unless it comes by standard input
    Add(Box<Add>),
    /// List users
    List(ConfigFile),
    /// Give a user another password and end all their sessions
    Password {
        #[command(flatten)]
        file: ConfigFile,
        /// Login
        login: String,
        /// Read it from standard input; else a random one is shown this once
        #[arg(long)]
        stdin: bool,
    },
    /// Keep a user from signing in; `--undo` lets them in again
    Disable {
        #[command(flatten)]
        file: ConfigFile,
        /// Login
        login: String,
        /// Let them in again
        #[arg(long)]
        undo: bool,
    },
    /// Add all users of a CSV file, or none if a line is wrong
    Import {
        #[command(flatten)]
        file: ConfigFile,
        /// Columns login, name and any of password, title, company, email, work_phone, mobile, home_phone, role
        csv: PathBuf,
    },
    /// Make a token for a service user and show it this once
    Token {
        #[command(flatten)]
        file: ConfigFile,
        /// Login
        login: String,
    },
}

#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    file: ConfigFile,
    /// Letters, digits, '.', '-', '_' and '@'
    login: String,
    /// Shown
    #[arg(long)]
    name: String,
    /// What they do
    #[arg(long)]
    title: Option<String>,
    /// Whom they do it for
    #[arg(long)]
    company: Option<String>,
    /// Mail
    #[arg(long)]
    email: Option<String>,
    /// Number at work
    #[arg(long)]
    work_phone: Option<String>,
    /// user, admin or service
    #[arg(long, default_value = "user")]
    role: String,
    /// Read the password from standard input; else a random one is shown this once
    #[arg(long)]
    stdin: bool,
}

#[derive(Subcommand)]
pub(super) enum Database {
    /// Copy the database to a file while it is in use
    Backup {
        #[command(flatten)]
        file: ConfigFile,
        /// A file that is not there
        to: PathBuf,
    },
    /// Look for damage: the database's own check, logs with gaps, what points nowhere
    Check(ConfigFile),
}

/// A password by standard input, or a random one; and whether it is to be shown.
fn password(stdin: bool) -> anyhow::Result<(String, bool)> {
    if !stdin {
        return Ok((secret::token()?, true));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST)
        .read_to_string(&mut text)
        .context("standard input")?;
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), false))
}

fn shown(user: &User, password: &str, shown: bool) -> String {
    if shown {
        format!("user     {}\npassword {password}\n", user.login)
    } else {
        format!("user     {}\n", user.login)
    }
}

async fn found(people: &People, login: &str) -> anyhow::Result<User> {
    people
        .find_login(login)
        .await?
        .with_context(|| format!("there is no user {login}"))
}

/// `plenum user …`
pub(super) fn users(command: Users) -> anyhow::Result<()> {
    let file = match &command {
        Users::Add(add) => &add.file,
        Users::List(file)
        | Users::Password { file, .. }
        | Users::Disable { file, .. }
        | Users::Import { file, .. }
        | Users::Token { file, .. } => file,
    };
    let config = read(file)?;
    secret::create_folder(&config.server.data_dir).context("data folder")?;
    runtime()?.block_on(async {
        let people = People::open(&companion::database(&config)).await?;
        let text = carry_out(&people, command).await?;
        say(&text)
    })
}

async fn carry_out(people: &People, command: Users) -> anyhow::Result<String> {
    Ok(match command {
        Users::Add(add) => {
            let role = Role::from_name(&add.role).filter(|role| *role != Role::Guest);
            let role = role.context("the role must be user, admin or service")?;
            let (password, show) = password(add.stdin)?;
            let new = NewUser {
                login: add.login,
                name: add.name,
                password: (role != Role::Service).then(|| password.clone()),
                title: add.title,
                company: add.company,
                email: add.email,
                work_phone: add.work_phone,
                role: Some(role),
                ..NewUser::default()
            };
            let user = people.add(new).await?;
            shown(&user, &password, show && role != Role::Service)
        }
        Users::List(_) => people
            .list()
            .await?
            .iter()
            .map(|user| {
                let disabled = if user.disabled { "\tdisabled" } else { "" };
                format!(
                    "{}\t{}\t{}{disabled}\n",
                    user.login,
                    user.role.as_str(),
                    user.name
                )
            })
            .collect(),
        Users::Password { login, stdin, .. } => {
            let user = found(people, &login).await?;
            let (password, show) = password(stdin)?;
            people.reset_password(&user.id, password.clone()).await?;
            shown(&user, &password, show)
        }
        Users::Disable { login, undo, .. } => {
            let user = found(people, &login).await?;
            people.disable(&user.id, !undo).await?;
            format!("{login} {}\n", if undo { "enabled" } else { "disabled" })
        }
        Users::Import { csv, .. } => {
            let bytes = std::fs::read(&csv).with_context(|| csv.display().to_string())?;
            let added = people.import(&bytes).await?;
            format!("{added} users added\n")
        }
        Users::Token { login, .. } => {
            let user = found(people, &login).await?;
            anyhow::ensure!(user.role == Role::Service, "{login} is no service user");
            format!("{}\n", people.make_token(&user.id).await?)
        }
    })
}

/// What the banner says of people: where they sign in below `page`, the first administrator's password, this once, and the demo's.
pub(super) fn welcome(config: &Config, page: &str, first: Option<&str>) -> String {
    let mut text = String::new();
    if config.companion.enabled {
        text += &format!("  Sign in  {page}app\n");
    }
    if let Some(password) = first {
        text += &format!("  Admin    user admin, password {password} (shown this once)\n");
    }
    if config.demo.enabled && config.companion.enabled {
        for demo in &DEMO_USERS {
            text += &format!(
                "  People   user {}, password {}\n",
                demo.login, demo.password
            );
        }
    }
    text
}

/// `plenum companion …`
pub(super) fn database(command: Database) -> anyhow::Result<()> {
    let (Database::Backup { file, .. } | Database::Check(file)) = &command;
    let config = read(file)?;
    runtime()?.block_on(async {
        let upkeep = Upkeep::open(&companion::database(&config)).await?;
        match command {
            Database::Backup { to, .. } => {
                upkeep.backup(&to).await?;
                say(&format!("{}\n", to.display()))
            }
            Database::Check(_) => {
                let faults = upkeep.check().await?;
                say(&faults
                    .iter()
                    .map(|fault| format!("{fault}\n"))
                    .collect::<String>())?;
                anyhow::ensure!(faults.is_empty(), "faults: {}", faults.len());
                say("The database is whole.\n")
            }
        }
    })
}
