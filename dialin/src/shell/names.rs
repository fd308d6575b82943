//! Looks names up for the endpoint: SRV records, then addresses (RFC 3263 section 4.2). Each look-up is a task of its own; the endpoint has one for
//! each call that is being placed and each errand at most. Answers are kept as long as their records say.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::net::lookup_host;
use tokio::task::JoinSet;

use crate::endpoint::{MAX_ADDRESSES, MAX_RECORDS, Record};
use crate::trunk::{Proxy, Transport};

/// A question waits so long for its answer, and is asked twice, for SRV and for addresses: a call gives its look-ups ten seconds.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Names that are kept.
const CACHE: u64 = 256;
/// How long what the system says holds, which tells no time.
const SYSTEM_TTL: Duration = Duration::from_secs(60);
/// What holds for ever in a table of hosts holds an hour here.
const LONGEST: Duration = Duration::from_secs(3_600);
/// In the order of our preference; the first that has records is it.
const SERVICES: [(&str, Transport); 3] = [
    ("_sip._udp", Transport::Udp),
    ("_sip._tcp", Transport::Tcp),
    ("_sips._tcp", Transport::Tls),
];

/// What came of a look-up: its number, servers, and how long they hold.
pub(super) type Found = (u64, Vec<Record>, Duration);

/// Look-ups under way.
pub(super) struct Names {
    running: JoinSet<Found>,
    resolver: Resolver,
}

impl Names {
    /// Asks these name servers, or those of the system when there are none; addresses of IPv6 only if they can be sent to.
    pub(super) fn new(servers: &[SocketAddr], has_ipv6: bool) -> Self {
        let dns = resolver(servers, has_ipv6);
        if let Err(error) = &dns {
            tracing::warn!(%error, "no name servers are known: names are looked up without SRV records");
        }
        let resolver = Resolver {
            dns: dns.ok(),
            asks_system: servers.is_empty(),
            has_ipv6,
        };
        Self {
            running: JoinSet::new(),
            resolver,
        }
    }

    pub(super) fn ask(&mut self, query: u64, proxy: Proxy) {
        let resolver = self.resolver.clone();
        self.running.spawn(async move {
            let (records, ttl) = resolver.find(&proxy).await;
            if records.is_empty() {
                tracing::warn!("a trunk's name stands for no address");
            }
            (query, records, ttl)
        });
    }

    /// Whether some look-up has not ended.
    pub(super) fn are_asked(&self) -> bool {
        !self.running.is_empty()
    }

    /// The next that is found; never, while there is none.
    pub(super) async fn next(&mut self) -> Found {
        loop {
            match self.running.join_next().await {
                Some(Ok(found)) => return found,
                Some(Err(error)) => tracing::error!(%error, "look-up died"),
                None => std::future::pending().await,
            }
        }
    }
}

fn resolver(
    servers: &[SocketAddr],
    has_ipv6: bool,
) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|server| {
            let mut ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for way in &mut ways {
                way.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, ways.to_vec())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = TIMEOUT;
    // Beside the first.
    options.attempts = 1;
    options.cache_size = CACHE;
    options.ip_strategy = if has_ipv6 {
        LookupIpStrategy::Ipv4AndIpv6
    } else {
        LookupIpStrategy::Ipv4Only
    };
    builder.build()
}

/// Asks DNS, and the system for what DNS does not know.
#[derive(Clone)]
struct Resolver {
    dns: Option<TokioResolver>,
    asks_system: bool,
    has_ipv6: bool,
}

/// What SRV records say of one transport.
enum Servers {
    /// There are none.
    Unknown,
    /// Priority, weight, port and host of each, and how long they hold; none: the service is decidedly not there.
    Known(Vec<(u16, u16, u16, Name)>, Duration),
}

impl Resolver {
    async fn find(&self, proxy: &Proxy) -> (Vec<Record>, Duration) {
        if proxy.port.is_none()
            && let Some(found) = self.by_service(proxy).await
        {
            return found;
        }
        let transport = proxy.transport.unwrap_or_default();
        let port = proxy.port.unwrap_or(transport.default_port());
        let (addresses, ttl) = self.addresses(&proxy.host, port).await;
        if addresses.is_empty() {
            return (Vec::new(), ttl);
        }
        (vec![Record::new(addresses, transport)], ttl)
    }

    /// By SRV records; `None`: there are none.
    async fn by_service(&self, proxy: &Proxy) -> Option<(Vec<Record>, Duration)> {
        let [udp, tcp, tls] = SERVICES.map(|(service, transport)| {
            let wanted = proxy.transport.is_none_or(|only| only == transport);
            self.servers(wanted, format!("{service}.{}.", proxy.host))
        });
        let answers: [Servers; 3] = tokio::join!(udp, tcp, tls).into();
        let mut is_absent = None;
        for (answer, (_, transport)) in answers.into_iter().zip(SERVICES) {
            match answer {
                Servers::Known(servers, ttl) if !servers.is_empty() => {
                    return Some(self.records(servers, transport, ttl).await);
                }
                Servers::Known(_, ttl) => is_absent = Some((Vec::new(), ttl)),
                Servers::Unknown => {}
            }
        }
        is_absent
    }

    fn servers(&self, wanted: bool, name: String) -> impl Future<Output = Servers> {
        let dns = self.dns.clone().filter(|_| wanted);
        async move {
            let Some(dns) = dns else {
                return Servers::Unknown;
            };
            // No answer in time says as little as no record: addresses are asked for next.
            let Ok(answer) = dns.srv_lookup(name).await else {
                return Servers::Unknown;
            };
            let ttl = left(answer.valid_until());
            let mut servers = Vec::new();
            for record in answer.answers() {
                if let RData::SRV(srv) = &record.data {
                    servers.push((srv.priority, srv.weight, srv.port, srv.target.clone()));
                }
            }
            if servers.is_empty() {
                return Servers::Unknown;
            }
            // The root as target: there is no such service (RFC 2782).
            servers.retain(|(_, _, port, host)| *port > 0 && !host.is_root());
            servers.sort_by_key(|(priority, ..)| *priority);
            servers.truncate(MAX_RECORDS);
            Servers::Known(servers, ttl)
        }
    }

    async fn records(
        &self,
        servers: Vec<(u16, u16, u16, Name)>,
        transport: Transport,
        mut ttl: Duration,
    ) -> (Vec<Record>, Duration) {
        let mut asked = JoinSet::new();
        for (priority, weight, port, host) in servers {
            let resolver = self.clone();
            asked.spawn(async move {
                let (addresses, ttl) = resolver.addresses(&host.to_ascii(), port).await;
                let record = Record {
                    priority,
                    weight,
                    ..Record::new(addresses, transport)
                };
                (record, ttl)
            });
        }
        let mut records = Vec::new();
        while let Some(found) = asked.join_next().await {
            let Ok((record, holds)) = found else {
                continue;
            };
            // One that was not found is asked for again soon: its calls are nobody's until then.
            ttl = ttl.min(holds);
            if !record.addresses.is_empty() {
                records.push(record);
            }
        }
        (records, ttl)
    }

    async fn addresses(&self, host: &str, port: u16) -> (Vec<SocketAddr>, Duration) {
        if let Some(dns) = &self.dns
            && let Ok(found) = dns.lookup_ip(host).await
        {
            let ttl = left(found.valid_until());
            return (self.usable(found.iter(), port), ttl);
        }
        if !self.asks_system {
            return (Vec::new(), Duration::ZERO);
        }
        match lookup_host((host.trim_end_matches('.'), port)).await {
            Ok(found) => (self.usable(found.map(|it| it.ip()), port), SYSTEM_TTL),
            Err(_) => (Vec::new(), Duration::ZERO),
        }
    }

    fn usable(&self, found: impl Iterator<Item = IpAddr>, port: u16) -> Vec<SocketAddr> {
        found
            .filter(|ip| ip.is_ipv4() || self.has_ipv6)
            .take(MAX_ADDRESSES)
            .map(|ip| SocketAddr::new(ip, port))
            .collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where the clock is, and the resolver counts in the system's"
)]
fn left(until: std::time::Instant) -> Duration {
    until
        .saturating_duration_since(std::time::Instant::now())
        .min(LONGEST)
}
