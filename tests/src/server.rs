//! The release binary under test, with ports and a data folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::metrics::Scrape;
use crate::process::{Guarded, eventually};
use crate::{ports, workspace};

/// Ports reserved for one server: HTTP, SIP, 8 media workers, SIP over TLS, a spare one, then RTP.
const BLOCK: u16 = 12;
const TLS: u16 = 10;

/// A running `plenum serve`.
#[derive(Debug)]
pub struct Server {
    process: Guarded,
    api_key: String,
    /// HTTP address.
    pub http: SocketAddr,
    /// SIP address, UDP and TCP.
    pub sip: SocketAddr,
    /// SIP address for TLS, if that is configured.
    pub sips: SocketAddr,
    /// The media workers' first UDP address.
    pub media: SocketAddr,
    /// First and last RTP port.
    pub rtp: (u16, u16),
}

/// A conference made for a test.
#[derive(Debug, Clone)]
pub struct Conference {
    /// Its number.
    pub id: String,
    /// The PIN of guests.
    pub guest_pin: String,
    /// The PIN of hosts.
    pub host_pin: String,
}

impl Server {
    /// Starts the server with its config, data and log in `folder` and waits until it is ready.
    ///
    /// # Errors
    /// When the binary is missing, or `/readyz` does not answer 200 within 15 s.
    pub fn start(folder: &Path, rtp_ports: u16) -> Result<Self> {
        Self::launch(folder, rtp_ports, "", &[])
    }

    /// The same, with more sections of configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(folder: &Path, rtp_ports: u16, more: &str) -> Result<Self> {
        Self::launch(folder, rtp_ports, more, &[])
    }

    /// The same, with environment variables that override its configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_overridden(
        folder: &Path,
        rtp_ports: u16,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        Self::launch(folder, rtp_ports, "", environment)
    }

    /// Starts the server with both.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn launch(
        folder: &Path,
        rtp_ports: u16,
        more: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let binary = workspace::plenum()?;
        let first = ports::block(BLOCK + rtp_ports)?;
        let local = |offset| SocketAddr::from((Ipv4Addr::LOCALHOST, first + offset));
        let (http, sip, media) = (local(0), local(1), local(2));
        let rtp = (first + BLOCK, first + BLOCK + rtp_ports - 1);
        let config = folder.join("plenum.toml");
        fs::write(&config, config_text(folder, first, rtp) + more)
            .with_context(|| format!("writing {}", config.display()))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--config"])
            .arg(&config)
            .current_dir(folder)
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        let mut process = Guarded::start("plenum", command, &folder.join("plenum.log"))?;
        eventually("the server's readiness", Duration::from_secs(15), || {
            process.check_alive()?;
            ureq::get(format!("http://{http}/readyz"))
                .call()
                .context("GET /readyz")
        })?;
        let key = folder.join("data/admin.key");
        let api_key = fs::read_to_string(&key)
            .with_context(|| format!("reading {}", key.display()))?
            .trim()
            .to_owned();
        Ok(Self {
            process,
            api_key,
            http,
            sip,
            sips: local(TLS),
            media,
            rtp,
        })
    }

    /// Makes a conference through the API.
    ///
    /// # Errors
    /// When the API refuses or answers something else than documented.
    pub fn conference(&self, name: &str) -> Result<Conference> {
        let answer: Value = ureq::post(format!("http://{}/api/v1/conferences", self.http))
            .header("authorization", format!("Bearer {}", self.api_key))
            .send_json(json!({ "name": name }))
            .context("POST /api/v1/conferences")?
            .body_mut()
            .read_json()
            .context("the made conference")?;
        let text = |key: &str| {
            answer[key]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {key} in the answer"))
        };
        Ok(Conference {
            id: text("id")?,
            guest_pin: text("guest_pin")?,
            host_pin: text("host_pin")?,
        })
    }

    /// One request to the REST API below `/api/v1`: the status and the JSON of the answer, null when it has none.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn rest(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let (status, bytes) = self.fetch(method, path, &[], body)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// As [`Server::rest`], with more headers and any body.
    ///
    /// # Errors
    /// Likewise.
    pub fn fetch(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<(u16, Vec<u8>)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}/api/v1{path}", self.http))
            .header("authorization", format!("Bearer {}", self.api_key))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut response = agent
            .run(request.body(body)?)
            .with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let bytes = response
            .body_mut()
            .with_config()
            .limit(100_000_000)
            .read_to_vec()?;
        Ok((status, bytes))
    }

    /// Has a WAV played to everybody in a conference.
    ///
    /// # Errors
    /// When the API refuses.
    pub fn announce(&self, conference: &Conference, wav: &[u8]) -> Result<()> {
        let url = format!(
            "http://{}/api/v1/conferences/{}/announcements",
            self.http, conference.id
        );
        ureq::post(url)
            .header("authorization", format!("Bearer {}", self.api_key))
            .header("content-type", "audio/wav")
            .send(wav)
            .context("POST announcements")?;
        Ok(())
    }

    /// The page of a conference.
    #[must_use]
    pub fn page(&self, conference: &Conference) -> String {
        format!("http://{}/join/{}", self.http, conference.id)
    }

    /// The server's metrics now.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<Scrape> {
        Scrape::of(&self.http.to_string())
    }

    /// File descriptors that the server holds.
    ///
    /// # Errors
    /// When it has ended.
    pub fn open_files(&self) -> Result<usize> {
        self.process.open_files()
    }

    /// CPU time that the server has used.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }

    /// Memory that the server has resident, bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<u64> {
        self.process.resident()
    }

    /// Fails with the log's end when the server has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check_alive(&mut self) -> Result<()> {
        self.process.check_alive()
    }

    /// The end of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// Kills the server as a crash does (SIGKILL).
    pub fn kill(self) {
        // A guarded process is killed when it is dropped.
        drop(self.process);
    }

    /// Stops the server as an operator does (SIGTERM).
    ///
    /// # Errors
    /// When it takes longer than 15 s or ends with a failure.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(Duration::from_secs(15))?;
        anyhow::ensure!(
            status.success(),
            "the server ended with {status}:\n{}",
            self.process.log_tail()
        );
        Ok(())
    }
}

fn config_text(folder: &Path, first: u16, rtp: (u16, u16)) -> String {
    format!(
        "[server]\nbind = \"127.0.0.1\"\ndata_dir = \"{}\"\n\n\
         [http]\nport = {first}\n\n\
         [sip]\nport = {}\ntls_port = {}\nrtp_port_first = {}\nrtp_port_last = {}\n\n\
         [media]\nudp_port = {}\n\n\
         [demo]\nenabled = false\n\n[log]\nlevel = \"{}\"\n",
        folder.join("data").display(),
        first + 1,
        first + TLS,
        rtp.0,
        rtp.1,
        first + 2,
        std::env::var("PLENUM_TEST_LOG").unwrap_or_else(|_| "info".to_owned()),
    )
}
