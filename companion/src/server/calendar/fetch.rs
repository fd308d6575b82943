//! Getting a calendar: bounded in bytes and time, and from nowhere inside unless the configuration says so.
//!
//! The address that is connected to is the one that was looked at: names are resolved by [`Guard`], for each redirection anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::calendar::{CalendarError, MAX_BYTES, Window, read};
use crate::presence::{Busy, Moment};
use crate::server::clock;

/// The whole of getting one.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The whole of reading one.
const READING: Duration = Duration::from_secs(2);
const REDIRECTS: u32 = 3;
/// What is kept of a calendar: from a day ago, for what began then,
const BEFORE: Duration = Duration::from_secs(24 * 3600);
/// to this far ahead.
const AHEAD: Duration = Duration::from_secs(15 * 24 * 3600);

/// How calendars are got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarConfig {
    /// Also from loopback and private addresses.
    pub private: bool,
    /// Time zone of times without one, such as `Europe/Berlin`.
    pub zone: String,
}

impl Default for CalendarConfig {
    fn default() -> Self {
        Self {
            private: false,
            zone: "UTC".to_owned(),
        }
    }
}

/// Why there is no calendar. No address in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The other end, or the way there.
    #[error("it could not be got: {0}")]
    Transport(&'static str),
    /// An answer that is none.
    #[error("the answer was {0}")]
    Status(u16),
    /// What came is no calendar.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The reader failed on it.
    #[error("it could not be read")]
    Reader,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fetcher {
    agent: ureq::Agent,
    zone: Arc<str>,
}

impl Fetcher {
    pub(super) fn new(config: CalendarConfig) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(REDIRECTS)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .user_agent("Plenum")
            .tls_config(tls)
            .build();
        let guard = Guard {
            private: config.private,
            resolver: DefaultResolver::default(),
        };
        Self {
            agent: ureq::Agent::with_parts(agent, DefaultConnector::default(), guard),
            zone: config.zone.into(),
        }
    }

    /// Busy times of the calendar at `url`, around `now`.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn busy(&self, url: &str, now: Moment) -> Result<Vec<Busy>, FetchError> {
        let (agent, url, zone) = (self.agent.clone(), url.to_owned(), Arc::clone(&self.zone));
        let window = Window {
            from: Moment(now.0.saturating_sub(BEFORE)),
            until: now.plus(AHEAD),
        };
        let work = move || {
            let text = get(&agent, &url)?;
            let end = clock::instant() + READING;
            let mut alive = || clock::instant() < end;
            // Bytes of anybody's in a library of others: what fails there fails here alone.
            std::panic::catch_unwind(AssertUnwindSafe(|| read(&text, window, &zone, &mut alive)))
                .map_err(|_| FetchError::Reader)?
                .map_err(FetchError::from)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(_) => Err(FetchError::Reader),
        }
    }
}

fn get(agent: &ureq::Agent, url: &str) -> Result<String, FetchError> {
    let mut response = agent.get(url).call().map_err(|error| why(&error))?;
    if response.status() != 200 {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let bytes = response.body_mut().with_config().limit(limit).read_to_vec();
    let bytes = bytes.map_err(|error| why(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// In words without the address, which an error may hold.
fn why(error: &ureq::Error) -> FetchError {
    FetchError::Transport(match error {
        ureq::Error::HostNotFound => "no address that may be used",
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::BodyExceedsLimit(_) => "too large",
        ureq::Error::TooManyRedirects => "too many redirections",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => "tls",
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "connection",
        _ => "protocol",
    })
}

/// Whether `url` is one that is got: http or https with a host and without a password.
pub(super) fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let scheme = uri.scheme_str();
    let plain = uri
        .authority()
        .is_some_and(|host| !host.as_str().contains('@'));
    matches!(scheme, Some("http" | "https")) && plain
}

/// Resolves names to addresses that may be connected to.
#[derive(Debug)]
struct Guard {
    private: bool,
    resolver: DefaultResolver,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in found
            .iter()
            .filter(|address| self.private || is_public(address.ip()))
        {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(allowed)
    }
}

/// Whether an address is somewhere on the Internet, rather than here, in this network or in none (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Mapped, compatible, loopback and none.
        (0, 0) => (c, d, e) == (0, 0, 0) && f == 0xffff && v4(g, h),
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && v4(g, h),
        (0x2002, _) => v4(b, c),
        // Teredo, documentation, benchmarks and the like.
        (0x2001, 0..=0x1ff | 0xdb8) => false,
        // What is given out for the Internet is 2000::/3.
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_is_an_address_of_the_internet() {
        let outside = [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "::ffff:8.8.8.8",
        ];
        for address in outside {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
        let inside = [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ];
        for address in inside {
            assert!(
                !is_public(address.parse().expect("an address")),
                "{address}"
            );
        }
    }

    #[test]
    fn addresses_are_of_the_web_and_hold_no_password() {
        assert!(is_address("https://example.org/a.ics?key=x"));
        for bad in [
            "ftp://example.org/",
            "file:///etc/passwd",
            "example.org",
            "https://a:b@example.org/",
            "https://",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
