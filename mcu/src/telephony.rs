//! Phones: the SIP endpoint's events become calls, each with a task of its own; see [`call`].
//!
//! Owns the directory of calls and nothing of any one call.

mod answer;
mod call;
mod invitation;
mod leaving;
mod masking;
mod numbers;
mod outcall;
mod talk;
mod transfer;
mod video;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plenum_dialin::endpoint::{EndpointCounters, TrunkCounters};
use plenum_dialin::shell::{SipConfig, SipError, SipShell, TlsSettings};
use plenum_dialin::trunk::Login;
use plenum_dialin::{CallCommand, CallEvent, CallId, Credentials, HangupReason, Outbound, Trunk};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::conference::{Conferences, Outcall};
use crate::config::{Config, SipSection, TrunkConfig, TrunkPassword};
use crate::metrics::SipMetrics;
use crate::secret::{self, SecretError};

pub(crate) use masking::shown;
pub(crate) use numbers::Numbers;

/// Commands and events that may wait between the endpoint and the calls.
const QUEUE: usize = 4096;
/// Events that may wait for one call; more mean a fault of the peer, and the call ends.
const CALL_QUEUE: usize = 32;
/// SIP status of a server that has no room for a call.
const SERVICE_UNAVAILABLE: u16 = 503;

/// Why phones cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TelephonyError {
    /// The sockets cannot be bound.
    #[error(transparent)]
    Sip(#[from] SipError),
    /// A trunk's password cannot be read.
    #[error("password of trunk {trunk}: {source}")]
    Password {
        /// Which.
        trunk: String,
        /// Why.
        source: SecretError,
    },
}

/// The endpoint's trunks, with the passwords out of their files.
pub(crate) fn trunks(
    configured: &[TrunkConfig],
    realm: &str,
) -> Result<Vec<Trunk>, TelephonyError> {
    let trunk = |trunk: &TrunkConfig| {
        let credentials = match &trunk.digest {
            None => None,
            Some(digest) => Some(Credentials {
                realm: realm.to_owned(),
                username: digest.user.clone(),
                password: password(trunk, digest)?,
            }),
        };
        Ok(Trunk {
            direct: trunk.direct,
            credentials,
            identity: trunk.identity.clone(),
            max_calls: trunk.max_calls,
            calls_per_second: trunk.calls_per_second,
            outbound: outbound(trunk)?,
            ..Trunk::new(trunk.name.clone(), trunk.addresses.clone())
        })
    };
    configured.iter().map(trunk).collect()
}

fn password(trunk: &TrunkConfig, of: &TrunkPassword) -> Result<String, TelephonyError> {
    secret::read(&of.password_file).map_err(|source| TelephonyError::Password {
        trunk: trunk.name.clone(),
        source,
    })
}

fn outbound(trunk: &TrunkConfig) -> Result<Option<Outbound>, TelephonyError> {
    let Some(outbound) = &trunk.outbound else {
        return Ok(None);
    };
    let login = match &outbound.login {
        None => None,
        Some(login) => Some(Login {
            user: login.user.clone(),
            password: password(trunk, login)?,
        }),
    };
    Ok(Some(Outbound {
        proxy: outbound.proxy.clone(),
        domain: outbound.domain.clone(),
        caller_id: outbound.caller_id.clone(),
        rules: outbound.rules.clone(),
        login,
        register: outbound.register,
        probe: outbound.probe,
    }))
}

/// Binds the sockets; nothing is served yet.
pub(crate) async fn bind(
    config: &Config,
    tls: Option<TlsSettings>,
) -> Result<SipShell, TelephonyError> {
    let section = &config.sip;
    let announced = SocketAddr::new(config.server.reachable(), section.port);
    let trunks = trunks(&section.trunks, "plenum")?;
    let mut config = SipConfig::new(config.sip_address(), trunks);
    config.announced = Some(announced);
    config.tls = tls;
    config.nameservers = section.nameservers.clone();
    // The dispatcher refuses those above the configured number; the endpoint keeps a reserve for calls that are ending.
    config.limits.calls = section.max_calls.saturating_add(section.max_calls / 4 + 16);
    Ok(SipShell::bind(config).await?)
}

/// Trunks are known by their figures before anybody can ask for those.
pub(crate) fn expect_trunks(section: &SipSection, conferences: &Conferences) {
    for trunk in &section.trunks {
        let outbound = trunk.outbound.as_ref();
        let registers = outbound.is_some_and(|outbound| outbound.register.is_some());
        let figures = &conferences.around().metrics.sip;
        figures.expect_trunk(&trunk.name, registers);
    }
}

/// Serves until `stop`; returns when every call has cleaned up after itself.
pub(crate) async fn serve(
    shell: SipShell,
    conferences: Conferences,
    section: SipSection,
    numbers: Numbers,
    outcalls: Option<mpsc::Receiver<Outcall>>,
    stop: watch::Receiver<bool>,
) {
    let (commands, command_inbox) = mpsc::channel(QUEUE);
    let (event_outbox, events) = mpsc::channel(QUEUE);
    let counters = shell.counters();
    let metrics = conferences.around().metrics.sip.clone();
    let names = section.trunks.iter().map(|trunk| trunk.name.clone());
    let figures = tokio::spawn(count(counters, metrics, names.collect()));
    let endpoint = tokio::spawn(shell.serve(command_inbox, event_outbox, stop.clone()));
    let mut dispatcher = Dispatcher {
        conferences,
        numbers,
        max_calls: section.max_calls,
        trunks: section.trunks.into_iter().map(Arc::new).collect(),
        placed: 0,
        commands,
        stop,
        calls: HashMap::new(),
        tasks: JoinSet::new(),
    };
    dispatcher.run(events, outcalls).await;
    match tokio::time::timeout(Duration::from_secs(5), endpoint).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "sip endpoint failed"),
        Ok(Err(error)) => tracing::error!(%error, "sip endpoint died"),
        Err(_) => tracing::warn!("sip endpoint did not stop in time"),
    }
    figures.abort();
}

/// Carries the endpoint's own counters into the metrics.
async fn count(
    mut counters: watch::Receiver<(EndpointCounters, Vec<TrunkCounters>)>,
    metrics: SipMetrics,
    trunks: Vec<String>,
) {
    let mut before = EndpointCounters::default();
    let mut trunks_before = vec![TrunkCounters::default(); trunks.len()];
    loop {
        let (now, trunks_now) = counters.borrow_and_update().clone();
        for ((trunk, now), before) in trunks.iter().zip(&trunks_now).zip(&mut trunks_before) {
            metrics.count_trunk(trunk, *now, *before);
            *before = *now;
        }
        let rise = |taken: &str, now: u64, before: u64| {
            metrics
                .requests
                .with_label_values(&[taken])
                .inc_by(now.saturating_sub(before));
        };
        rise("received", now.requests, before.requests);
        rise("malformed", now.malformed, before.malformed);
        rise("untrusted", now.untrusted, before.untrusted);
        rise(
            "retransmission",
            now.retransmissions,
            before.retransmissions,
        );
        rise("overload", now.overload, before.overload);
        rise(
            "unauthenticated",
            now.unauthenticated,
            before.unauthenticated,
        );
        rise("missing_ack", now.missing_acks, before.missing_acks);
        rise(
            "session_expired",
            now.sessions_expired,
            before.sessions_expired,
        );
        metrics
            .transactions
            .set(i64::try_from(now.transactions).unwrap_or(i64::MAX));
        metrics
            .streams
            .set(i64::try_from(now.streams).unwrap_or(i64::MAX));
        before = now;
        if counters.changed().await.is_err() {
            return;
        }
    }
}

/// Which call is whose.
struct Dispatcher {
    conferences: Conferences,
    numbers: Numbers,
    max_calls: usize,
    /// In the order of the configuration.
    trunks: Vec<Arc<TrunkConfig>>,
    /// Calls of ours so far.
    placed: u64,
    commands: mpsc::Sender<CallCommand>,
    stop: watch::Receiver<bool>,
    calls: HashMap<CallId, mpsc::Sender<CallEvent>>,
    tasks: JoinSet<CallId>,
}

impl Dispatcher {
    /// Until the endpoint is gone and the last call has cleaned up.
    async fn run(
        &mut self,
        mut events: mpsc::Receiver<CallEvent>,
        mut outcalls: Option<mpsc::Receiver<Outcall>>,
    ) {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => break,
                },
                outcall = wanted(&mut outcalls) => self.place(outcall),
                Some(ended) = self.tasks.join_next() => self.ended(ended),
            }
        }
        // Their inboxes close with this: calls that still run end.
        self.calls.clear();
        while self.tasks.join_next().await.is_some() {}
        self.conferences.around().metrics.calls.set(0);
    }

    fn ended(&mut self, ended: Result<CallId, tokio::task::JoinError>) {
        match ended {
            Ok(call) => {
                self.calls.remove(&call);
            }
            Err(error) => {
                tracing::error!(%error, "call task died");
                self.calls.retain(|_, inbox| !inbox.is_closed());
            }
        }
        self.show();
    }

    fn show(&self) {
        let calls = i64::try_from(self.calls.len()).unwrap_or(i64::MAX);
        self.conferences.around().metrics.calls.set(calls);
    }

    async fn event(&mut self, event: CallEvent) {
        let call = event.call();
        match event {
            CallEvent::Incoming { .. }
                if *self.stop.borrow() || self.calls.len() >= self.max_calls =>
            {
                self.conferences
                    .around()
                    .metrics
                    .calls_total
                    .with_label_values(&["overload"])
                    .inc();
                self.command(CallCommand::Refuse {
                    call,
                    status: SERVICE_UNAVAILABLE,
                })
                .await;
            }
            CallEvent::Incoming {
                trunk,
                caller,
                called,
                offer,
                direct,
                over_tls,
                ..
            } => {
                let terms = self.trunks.iter().find(|terms| terms.name == trunk);
                let Some(terms) = terms.cloned() else {
                    tracing::error!(trunk, "a call of no trunk");
                    return;
                };
                let (outbox, inbox) = mpsc::channel(CALL_QUEUE);
                self.calls.insert(call, outbox);
                self.show();
                let invitation = call::Invitation {
                    trunk,
                    caller,
                    called,
                    offer,
                    direct,
                    over_tls,
                };
                let number = self.numbers.of(&invitation.called);
                let line = call::Line {
                    trunk: terms,
                    language: number.language(),
                    number,
                    call,
                    conferences: self.conferences.clone(),
                    commands: self.commands.clone(),
                    events: inbox,
                    stop: self.stop.clone(),
                    place: None,
                    sendoff: None,
                };
                self.tasks.spawn(async move {
                    call::run(line, invitation).await;
                    call
                });
            }
            other => {
                let Some(outbox) = self.calls.get(&call) else {
                    return;
                };
                if outbox.try_send(other).is_err()
                    && self
                        .calls
                        .remove(&call)
                        .is_some_and(|outbox| !outbox.is_closed())
                {
                    // It floods us: its task sees its inbox closed and ends.
                    tracing::warn!(%call, "call sends faster than it is served");
                    self.command(CallCommand::Hangup {
                        call,
                        reason: HangupReason::InternalError,
                    })
                    .await;
                }
            }
        }
    }

    /// Begins a call out of a conference.
    fn place(&mut self, outcall: Outcall) {
        if *self.stop.borrow() || self.calls.len() >= self.max_calls {
            return outcall::refuse(&self.conferences, outcall);
        }
        let takes = |trunk: &&Arc<TrunkConfig>| {
            let outbound = trunk.outbound.as_ref();
            // Elsewhere nobody knows whose place it is to take.
            let known = outcall.replacing.as_ref();
            outbound.is_some_and(|outbound| outbound.takes(&outcall.number))
                && known.is_none_or(|known| known.trunk == trunk.name)
        };
        let trunks: Vec<_> = self.trunks.iter().filter(takes).cloned().collect();
        let Some(first) = trunks.first().cloned() else {
            return outcall::refuse(&self.conferences, outcall);
        };
        let call = CallId::placed(self.placed);
        self.placed += 1;
        let (outbox, inbox) = mpsc::channel(CALL_QUEUE);
        self.calls.insert(call, outbox);
        self.show();
        let line = call::Line {
            trunk: first,
            language: outcall.language,
            number: self.numbers.of(""),
            call,
            conferences: self.conferences.clone(),
            commands: self.commands.clone(),
            events: inbox,
            stop: self.stop.clone(),
            place: None,
            sendoff: None,
        };
        self.tasks.spawn(async move {
            outcall::run(line, outcall, trunks).await;
            call
        });
    }

    async fn command(&self, command: CallCommand) {
        // An endpoint that is gone has no calls.
        let _ = self.commands.send(command).await;
    }
}

/// The next call that a conference wants placed; never, where there are none.
async fn wanted(outcalls: &mut Option<mpsc::Receiver<Outcall>>) -> Outcall {
    if let Some(queue) = outcalls
        && let Some(outcall) = queue.recv().await
    {
        return outcall;
    }
    *outcalls = None;
    std::future::pending().await
}

/// Where SIP listens.
pub(crate) fn local(shell: &SipShell) -> SocketAddr {
    shell.local()
}

/// Where SIP listens for TLS.
pub(crate) fn local_tls(shell: &SipShell) -> Option<SocketAddr> {
    shell.announced_tls()
}
