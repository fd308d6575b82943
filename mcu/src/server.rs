//! The whole server: started from a configuration, stopped with a deadline.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use plenum_companion::server::{Companion, PeopleError, Presence};
use prometheus::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::auth::{ApiKeyError, ApiKeys, Guard, Lockout, PinError, PinVerifier, Tokens};
use crate::companion::{self, Engine};
use crate::composite::Composites;
use crate::conference::{ConferenceError, Conferences, Dialler, Surroundings, Tones};
use crate::config::Config;
use crate::http::{self, Api, PublicInfo};
use crate::media::{Clip, Media, MediaConfig, MediaError};
use crate::metrics::ControlMetrics;
use crate::prompts::{PromptError, PromptLibrary, PromptSources};
use crate::recording::Recorder;
use crate::secret::{self, SecretError};
use crate::signal::Signalling;
use crate::stop;
use crate::store::{Store, StoreError};
use crate::telephony::{self, Numbers, TelephonyError};
use crate::tls::{self, TlsError};
use crate::{demo, store};

/// Name of the database in the data folder.
pub(crate) const DATABASE: &str = "plenum.db";
/// File of the first administrator's password in the data folder.
const FIRST_PASSWORD: &str = "companion-admin.password";
/// Folder of recordings in the data folder, unless the configuration names another.
const RECORDINGS: &str = "recordings";
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What each part gets to stop even when the deadline is over.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// A TLS or first request that is not whole within this is cut off.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("data folder {0}")]
    Folder(#[from] SecretError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// API keys.
    #[error(transparent)]
    Keys(#[from] ApiKeyError),
    /// PINs.
    #[error(transparent)]
    Pins(#[from] PinError),
    /// Prompts.
    #[error(transparent)]
    Prompts(#[from] PromptError),
    /// Media workers.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// SIP.
    #[error(transparent)]
    Telephony(#[from] TelephonyError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics of one name twice; a programming error.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The companion.
    #[error("companion: {0}")]
    Companion(#[from] PeopleError),
    /// The demo conference.
    #[error("demo conference: {0}")]
    Demo(#[from] ConferenceError),
    /// HTTP's port.
    #[error("cannot listen for HTTP on {address}: {source}")]
    Http {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where SIP listens, if it does.
    pub sip: Option<SocketAddr>,
    /// Where SIP listens for TLS, if it does.
    pub sip_tls: Option<SocketAddr>,
    /// Password of the administrator `admin` that this start has made.
    pub first_password: Option<String>,
    companion: Option<Companion>,
    stop: watch::Sender<bool>,
    conferences: Conferences,
    web: Serving,
    phones: Option<JoinHandle<()>>,
    deadline: Duration,
}

impl Server {
    /// Starts everything `config` asks for; it serves when this returns.
    ///
    /// # Errors
    /// When something needed cannot be had.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let data = &config.server.data_dir;
        secret::create_folder(data)?;
        let (stop, stopped) = watch::channel(false);
        let registry = Registry::new();
        let metrics = ControlMetrics::register(&registry)?;
        let prompts = Arc::new(open_prompts(config)?);
        let numbers = Numbers::load(&config.sip)?;
        let tokens = Tokens::load(&data.join("token.key"))?;
        let keys = ApiKeys::load(&data.join("admin.key"), &config.http.api_key_files)?;
        let pins = PinVerifier::new()?;
        let store = Store::open(&data.join(DATABASE)).await?;
        settle_demo(config, &store, &pins).await?;
        // Nobody has a place yet who could be known by it.
        store.forget_passing(None).await?;
        let lockout = Lockout::load(store.clone(), store::now_ms()).await?;
        // Everything that can be wrong with ports is tried before media starts its threads.
        let (tls, web_renewal) = tls::web(&config.http.tls, &config.server)?.unzip();
        let listener = listen(config.http_address())?;
        let (shell, sip_renewal) = if config.sip.enabled {
            let (tls, renewal) = tls::sip(&config.sip.tls, &config.server)?.unzip();
            (Some(telephony::bind(config, tls).await?), renewal)
        } else {
            (None, None)
        };
        let renewals: Vec<_> = web_renewal.into_iter().chain(sip_renewal).collect();
        tokio::spawn(tls::keep_fresh(renewals, stopped.clone()));
        let recorder = open_recorder(config, &registry, stopped.clone()).await?;
        let media = Media::start(media_config(config), &registry)?;
        let clip = config
            .demo
            .enabled
            .then(|| (demo::NUMBER.to_owned(), make_clip(&prompts)));
        let (dialler, outcalls) = shell
            .as_ref()
            .and_then(|_| Dialler::new(&config.dial_out, &config.sip.trunks))
            .unzip();
        let announced = shell.as_ref().map(|shell| shell.announced().to_string());
        let presence = Presence::new(config.companion.states.clone());
        presence.start();
        let conferences = Conferences::new(Surroundings {
            store,
            media,
            pins,
            guard: Guard::load(&data.join("guard.key"))?,
            lockout,
            tokens,
            prompts,
            tones: Tones::new(),
            presence,
            recorder,
            composites: Composites::new(config.video.clone(), &registry)?,
            metrics,
            config: config.conference.clone(),
            sip: announced,
            dialler,
            demo: clip,
        });
        let sip = shell.as_ref().map(telephony::local);
        let sip_tls = shell.as_ref().and_then(telephony::local_tls);
        let phones = shell.map(|shell| {
            telephony::expect_trunks(&config.sip, &conferences);
            tokio::spawn(telephony::serve(
                shell,
                conferences.clone(),
                config.sip.clone(),
                numbers,
                outcalls,
                stopped.clone(),
            ))
        });
        let keys = Arc::new(keys);
        let (companion, first_password) = open_companion(config, &conferences, &keys, &registry)
            .await?
            .unzip();
        let api = Api {
            companion: companion.clone(),
            needs_trunks: config.sip.ready_needs_trunks,
            signalling: Signalling::new(conferences.clone(), stopped),
            keys,
            registry,
            public: Arc::new(PublicInfo::new(config, &conferences)),
            conferences: conferences.clone(),
        };
        let web = serve(listener, config.http_address(), tls, api)?;
        Ok(Self {
            http: web.local,
            sip,
            sip_tls,
            first_password: first_password.flatten(),
            companion,
            stop,
            conferences,
            web,
            phones,
            deadline: config.server.stop_deadline,
        })
    }

    /// Says goodbye to everybody and stops, within the configured deadline.
    pub async fn stop(self) {
        let until = Instant::now() + self.deadline;
        let left = || until.saturating_duration_since(Instant::now());
        tracing::info!("stopping");
        // Sessions and calls that are in a conference hear it from their focus, the others from this.
        self.conferences.stop(left() / 2).await;
        self.stop.send_replace(true);
        if let Some(companion) = &self.companion {
            companion.close();
        }
        end_calls(self.phones, left() / 2).await;
        self.web.stop(left().max(LAST_MOMENT)).await;
        stop_media(&self.conferences, left().max(LAST_MOMENT)).await;
        self.conferences.around().store.close().await;
        tracing::info!("stopped");
    }
}

async fn end_calls(phones: Option<JoinHandle<()>>, within: Duration) {
    if let Some(phones) = phones
        && tokio::time::timeout(within, phones).await.is_err()
    {
        tracing::warn!("calls did not end in time");
    }
}

async fn stop_media(conferences: &Conferences, within: Duration) {
    let running = conferences.around().media.stop(within).await;
    if running > 0 {
        tracing::warn!(running, "media workers did not stop in time");
    }
}

/// HTTP as it runs.
#[derive(Debug)]
struct Serving {
    local: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// No new connections; those that are open get a moment.
    async fn stop(self, within: Duration) {
        self.handle
            .graceful_shutdown(Some(within.min(Duration::from_secs(2))));
        if tokio::time::timeout(within, self.task).await.is_err() {
            tracing::warn!("requests did not end in time");
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Http { address, source })
}

fn serve(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    api: Api,
) -> Result<Serving, StartError> {
    let fault = |source| StartError::Http { address, source };
    let local = listener.local_addr().map_err(fault)?;
    let handle = Handle::new();
    let service = http::router(api).into_make_service_with_connect_info::<SocketAddr>();
    let task = match tls {
        Some(tls) => {
            let server = axum_server::from_tcp_rustls(listener, tls).map_err(fault)?;
            tokio::spawn(
                server
                    .first_request_timeout(FIRST_REQUEST)
                    .handle(handle.clone())
                    .serve(service),
            )
        }
        None => {
            let server = axum_server::from_tcp(listener).map_err(fault)?;
            tokio::spawn(
                server
                    .first_request_timeout(FIRST_REQUEST)
                    .handle(handle.clone())
                    .serve(service),
            )
        }
    };
    Ok(Serving {
        local,
        handle,
        task,
    })
}

/// The companion, if there is to be one; and the password of an administrator whom it had to make.
async fn open_companion(
    config: &Config,
    conferences: &Conferences,
    keys: &Arc<ApiKeys>,
    registry: &Registry,
) -> Result<Option<(Companion, Option<String>)>, StartError> {
    if !config.companion.enabled {
        return Ok(None);
    }
    let presence = conferences.around().presence.clone();
    let engine = Arc::new(Engine {
        conferences: conferences.clone(),
        keys: Arc::clone(keys),
    });
    let companion =
        Companion::open(companion::settings(config, presence), engine, registry).await?;
    let first = companion.people().make_first_admin().await?;
    companion.people().settle_demo(config.demo.enabled).await?;
    if let Some(password) = &first {
        let path = config.server.data_dir.join(FIRST_PASSWORD);
        secret::write_private(&path, format!("{password}\n").as_bytes())?;
    }
    Ok(Some((companion, first)))
}

/// Mends what a crash left of recordings; throws away what is too old, now and daily.
async fn open_recorder(
    config: &Config,
    registry: &Registry,
    mut stop: watch::Receiver<bool>,
) -> Result<Recorder, StartError> {
    let folder = config
        .recording
        .dir
        .clone()
        .unwrap_or_else(|| config.server.data_dir.join(RECORDINGS));
    let recorder = Recorder::new(config.recording.clone(), folder, registry)?;
    // A disk that cannot be read is no reason to serve no calls.
    match recorder.shelf(Recorder::recover).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "recordings that were interrupted have been mended"),
        Err(error) => tracing::error!(%error, "recordings cannot be looked through"),
    }
    let keeper = recorder.clone();
    tokio::spawn(async move {
        let mut daily = tokio::time::interval(A_DAY);
        loop {
            tokio::select! {
                _ = daily.tick() => match keeper.shelf(Recorder::expire).await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "old recordings deleted"),
                    Err(error) => tracing::error!(%error, "old recordings cannot be deleted"),
                },
                () = stop::requested(&mut stop) => return,
            }
        }
    });
    Ok(recorder)
}

fn media_config(config: &Config) -> MediaConfig {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    MediaConfig {
        workers: config.media.workers.unwrap_or(cores),
        bind: config.server.bind,
        announced: config.server.announced,
        udp_port: config.media.udp_port,
        rtp_ports: config.sip.rtp_ports.clone(),
        rtp_silence: config.sip.rtp_silence,
        ice_timeout: config.media.ice_timeout,
        ..MediaConfig::default()
    }
}

/// Makes the demo conference, or forgets the one that an earlier start made: its PINs are published.
async fn settle_demo(config: &Config, store: &Store, pins: &PinVerifier) -> Result<(), StartError> {
    let present = store.find(demo::NUMBER).await?;
    let is_ours = present
        .as_ref()
        .is_some_and(|record| record.id == demo::RECORD_ID);
    if !config.demo.enabled && is_ours {
        store.delete(demo::NUMBER).await?;
    }
    if config.demo.enabled && present.is_none() {
        let hashed = store::Pins {
            host: Some(pins.hash(demo::HOST_PIN.to_owned()).await?),
            guest: Some(pins.hash(demo::GUEST_PIN.to_owned()).await?),
            ..store::Pins::default()
        };
        let record = store::ConferenceRecord {
            id: demo::RECORD_ID.to_owned(),
            number: demo::NUMBER.to_owned(),
            name: demo::NAME.to_owned(),
            pins: hashed,
            max_minutes: None,
            manners: crate::conference::Manners::default(),
            locked: false,
            is_call: false,
            created_ms: store::now_ms(),
        };
        store.create(&record).await?;
    }
    if config.demo.enabled && present.is_some() && !is_ours {
        tracing::warn!("a conference of the demo's number exists; its own PINs hold");
    }
    Ok(())
}

/// The prompts of all languages in use; says which of them English stands in for.
fn open_prompts(config: &Config) -> Result<PromptLibrary, PromptError> {
    let voices = config.voices_dir();
    let sources = PromptSources {
        dir: config.prompts.dir.as_deref(),
        voices: &voices,
    };
    let languages = config.languages();
    for language in PromptLibrary::lacks(&sources, &languages) {
        tracing::warn!(
            %language,
            "no voices of a language: built-in English is spoken; make them with `plenum prompts build`"
        );
    }
    PromptLibrary::open(&sources, &languages)
}

/// Encodes the demo host's clip beside everything else; it takes a few seconds.
fn make_clip(prompts: &Arc<PromptLibrary>) -> watch::Receiver<Option<Clip>> {
    let (ready, receiver) = watch::channel(None);
    let speech = prompts.demo_host();
    tokio::task::spawn_blocking(move || match demo::clip(&speech) {
        Ok(clip) => {
            ready.send_replace(Some(clip));
            // Kept open: a conference that starts later finds it here.
        }
        Err(error) => tracing::error!(%error, "demo host's clip could not be made"),
    });
    receiver
}
