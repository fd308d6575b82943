//! The command line: `serve`, `check`, `room`, `user`, `companion`, `prompts`, `load`.

mod people;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::auth::PinVerifier;
use crate::conference::{self, NewConference};
use crate::config::{Config, LogFormat, TlsConfig};
use crate::server::{DATABASE, Server};
use crate::store::{ConferenceRecord, Store};
use crate::{demo, load, prompts, secret};

/// Plenum, a conferencing server for browsers and phones.
#[derive(Parser)]
#[command(name = "plenum", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl+C
    Serve(ConfigFile),
    /// Report every fault of the configuration
    Check(ConfigFile),
    /// Make and list conferences, whether the server runs or not
    Room {
        #[command(subcommand)]
        command: Room,
    },
    /// People of the companion, whether the server runs or not
    User {
        #[command(subcommand)]
        command: people::Users,
    },
    /// The companion's database: copy it, look for damage
    Companion {
        #[command(subcommand)]
        command: people::Database,
    },
    /// The voices of the languages: make them, list them, measure them
    Prompts {
        #[command(subcommand)]
        command: Prompts,
    },
    /// Put a running server under load and report what its callers hear
    Load(Box<load::Plan>),
}

#[derive(Args)]
struct ConfigFile {
    /// TOML file; without it the defaults hold. PLENUM_SECTION__KEY overrides a key
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Prompts {
    /// Make the voices of the languages in use, in the data folder, from Debian's recordings and synthesisers; what is there
    /// already stays
    Build {
        #[command(flatten)]
        file: ConfigFile,
        /// This language instead, such as es; may be repeated
        #[arg(long)]
        language: Vec<String>,
        /// All languages that there are
        #[arg(long, conflicts_with = "language")]
        all: bool,
    },
    /// Tell which prompt is recorded, synthesised, replaced or missing
    List(ConfigFile),
    /// Measure loudness, clipping, silence and length against the words
    Check(ConfigFile),
}

#[derive(Subcommand)]
enum Room {
    /// Make a conference and show its PINs this once
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// Name on the page
        #[arg(long, default_value = "Conference")]
        name: String,
        /// Number to dial and type, 1 to 16 digits; six random ones if absent
        #[arg(long)]
        id: Option<String>,
        /// PIN of hosts, 4 to 16 digits; random if absent
        #[arg(long)]
        host_pin: Option<String>,
        /// PIN of guests, 4 to 16 digits; random if absent, "" for none
        #[arg(long)]
        guest_pin: Option<String>,
        /// Minutes from the first participant to the end; 0 for none, as configured if absent
        #[arg(long)]
        max_minutes: Option<u32>,
    },
    /// List conferences
    List(ConfigFile),
}

/// Runs what the command line asks for; faults go to standard error.
#[must_use]
pub fn run() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "plenum: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(file) => serve(&file),
        Command::Check(file) => check(&file),
        Command::Room { command } => room(command),
        Command::User { command } => people::users(command),
        Command::Companion { command } => people::database(command),
        Command::Prompts { command } => speak(&command),
        Command::Load(plan) => put_under_load(&plan),
    }
}

fn read(file: &ConfigFile) -> anyhow::Result<Config> {
    let config = Config::load(file.config.as_deref(), std::env::vars());
    config.with_context(|| {
        file.config
            .as_ref()
            .map_or_else(String::new, |path| path.display().to_string())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime does not start")
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("standard output")
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    // That library warns of whatever strangers' bytes hold.
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.level)
        .context("log.level")?
        .add_directive("rtc_dtls=error".parse()?);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the log does not start: {error}"))
}

fn serve(file: &ConfigFile) -> anyhow::Result<()> {
    let config = read(file)?;
    start_log(&config)?;
    raise_descriptors();
    for warning in config.warnings() {
        tracing::warn!(warning, "configuration");
    }
    runtime()?.block_on(async {
        let interrupt = signals()?;
        let server = Server::start(&config)
            .await
            .context("the server does not start")?;
        say(&banner(&config, &server))?;
        interrupt.await;
        server.stop().await;
        Ok(())
    })
}

/// A phone takes two descriptors and a browser one: the usual soft limit of 1,024 would end at 500 callers.
fn raise_descriptors() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => tracing::debug!(limit, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors stays as it is"),
    }
}

/// Resolves at SIGTERM or SIGINT; from now on neither ends the process by itself.
fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What a newcomer needs to begin.
fn banner(config: &Config, server: &Server) -> String {
    let scheme = if config.http.tls == TlsConfig::Off {
        "http"
    } else {
        "https"
    };
    let mut http = server.http;
    http.set_ip(config.server.reachable());
    let mut text = format!(
        "Plenum {}\n  Page     {scheme}://{http}/\n",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(mut sip) = server.sip {
        sip.set_ip(config.server.reachable());
        text += &format!("  Phones   sip:{sip} (UDP and TCP)\n");
    }
    if let Some(sip) = server.sip_tls {
        text += &format!("           sip:{sip};transport=tls\n");
    }
    if config.demo.enabled {
        let (number, guest, host) = (demo::NUMBER, demo::GUEST_PIN, demo::HOST_PIN);
        text += &format!("  Demo     conference {number}, guest PIN {guest}, host PIN {host}\n");
        text += &format!("           {scheme}://{http}/join/{number}\n");
    }
    text += &people::welcome(
        config,
        &format!("{scheme}://{http}/"),
        server.first_password.as_deref(),
    );
    text += &format!(
        "  API key  {}\n",
        config.server.data_dir.join("admin.key").display()
    );
    text
}

fn check(file: &ConfigFile) -> anyhow::Result<()> {
    let config = read(file)?;
    let voices = config.voices_dir();
    let sources = prompts::PromptSources {
        dir: config.prompts.dir.as_deref(),
        voices: &voices,
    };
    let library = prompts::PromptLibrary::open(&sources, &config.languages()).context("prompts")?;
    let mut text = String::from("The configuration is good.\n");
    for warning in config.warnings() {
        text += &format!("Note: {warning}.\n");
    }
    text += &format!(
        "Prompts that a WAV in prompts.dir replaces: {}.\n",
        library.keys().join(", ")
    );
    say(&text)
}

fn room(command: Room) -> anyhow::Result<()> {
    let (Room::Create { file, .. } | Room::List(file)) = &command;
    let config = read(file)?;
    secret::create_folder(&config.server.data_dir).context("data folder")?;
    runtime()?.block_on(async {
        let store = Store::open(&config.server.data_dir.join(DATABASE)).await?;
        let text = match command {
            Room::Create {
                name,
                id,
                host_pin,
                guest_pin,
                max_minutes,
                ..
            } => {
                let wanted = NewConference {
                    name,
                    number: id,
                    host_pin,
                    guest_pin,
                    max_minutes,
                    ..NewConference::default()
                };
                let created = conference::create(&store, &PinVerifier::new()?, wanted).await?;
                let guest = created.guest_pin.as_deref().unwrap_or("none");
                let number = created.record.number;
                format!(
                    "conference {number}\nguest PIN  {guest}\nhost PIN   {}\n",
                    created.host_pin
                )
            }
            Room::List(_) => list(&store).await?,
        };
        store.close().await;
        say(&text)
    })
}

/// Tells of each when it is made: one takes a quarter of a minute.
fn make_voices(sources: &prompts::PromptSources<'_>, languages: &[String]) -> anyhow::Result<()> {
    let mut faults = 0;
    for code in languages {
        let made = prompts::report::build(sources, code);
        faults += usize::from(made.is_err());
        let (Ok(told) | Err(told)) = made;
        say(&format!("{code}: {told}\n"))?;
    }
    anyhow::ensure!(faults == 0, "faults: {faults}");
    Ok(())
}

fn speak(command: &Prompts) -> anyhow::Result<()> {
    let (Prompts::Build { file, .. } | Prompts::List(file) | Prompts::Check(file)) = command;
    let config = read(file)?;
    let voices = config.voices_dir();
    let sources = prompts::PromptSources {
        dir: config.prompts.dir.as_deref(),
        voices: &voices,
    };
    let report = match command {
        Prompts::Build { language, all, .. } => {
            secret::create_folder(&config.server.data_dir).context("data folder")?;
            let wanted: Vec<String> = if *all {
                prompts::known_languages().map(str::to_owned).collect()
            } else if language.is_empty() {
                let used = config.languages();
                used.iter().map(|code| code.as_str().to_owned()).collect()
            } else {
                language.clone()
            };
            return make_voices(&sources, &wanted);
        }
        Prompts::List(_) => prompts::report::list(&sources),
        Prompts::Check(_) => prompts::report::check(&sources),
    };
    say(&report.text)?;
    anyhow::ensure!(report.faults == 0, "faults: {}", report.faults);
    Ok(())
}

fn put_under_load(plan: &load::Plan) -> anyhow::Result<()> {
    let report = runtime()?.block_on(load::run(plan))?;
    if plan.json {
        say(&format!("{}\n", serde_json::to_string_pretty(&report)?))
    } else {
        say(&report.to_string())
    }
}

async fn list(store: &Store) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut after = String::new();
    loop {
        let page = store.list(&after, 100).await?;
        let Some(last) = page.last() else {
            return Ok(text);
        };
        after.clone_from(&last.id);
        for record in &page {
            text += &format!("{}\t{}{}\n", record.number, record.name, notes(record));
        }
    }
}

/// What is not as usual about a conference, each after a tab.
fn notes(record: &ConferenceRecord) -> String {
    let of = |whose: &str, expires: Option<i64>| match expires {
        None => String::new(),
        Some(moment) => {
            let moment = jiff::Timestamp::from_millisecond(moment).unwrap_or(jiff::Timestamp::MAX);
            format!("\t{whose} PIN until {moment:.0}")
        }
    };
    let locked = if record.locked { "\tlocked" } else { "" };
    let host = of("host", record.pins.host_expires_ms);
    let guest = of("guest", record.pins.guest_expires_ms);
    format!("{locked}{host}{guest}")
}
