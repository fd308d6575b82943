//! linphonec as a caller: dials, keys digits by RFC 4733 or SIP INFO, plays a WAV and records what it hears.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::Guarded;
use crate::tone::Recording;
use crate::{ports, workspace};

/// Bytes of a WAV before its samples.
const HEADER: usize = 44;

/// How it sends its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// As telephone-events (RFC 4733).
    Events,
    /// By SIP INFO.
    Info,
}

/// A running linphonec with no account.
#[derive(Debug)]
pub struct Linphone {
    process: Guarded,
    heard: PathBuf,
    /// Its SIP address.
    pub sip: SocketAddr,
}

impl Linphone {
    /// Starts linphonec with `microphone` (a WAV of 16 kHz mono) and all that it keeps in `folder`.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn start(folder: &Path, microphone: &Path, keys: Keys) -> Result<Self> {
        Self::launch(folder, microphone, (keys, "linphone"), "")
    }

    /// The same as a phone of number `user` that picks up by itself; all its own calls go to `proxy`, wherever their address leads.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(
        folder: &Path,
        microphone: &Path,
        user: &str,
        proxy: Option<SocketAddr>,
    ) -> Result<Self> {
        let more = proxy.map_or_else(String::new, |proxy| {
            format!(
                "[proxy_0]\nreg_proxy=<sip:{proxy}>\nreg_route=<sip:{proxy};lr>\nreg_identity=sip:{user}@127.0.0.1\nreg_sendregister=0\n"
            )
        });
        let mut phone = Self::launch(folder, microphone, (Keys::Events, user), &more)?;
        phone.command("autoanswer enable")?;
        Ok(phone)
    }

    /// The same with media encrypted by SRTP, its keys in SDP, in this suite alone, such as `AES_256_CM_HMAC_SHA1_80`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_encrypted(folder: &Path, microphone: &Path, suite: &str) -> Result<Self> {
        let more = format!("[sip]\nmedia_encryption=srtp\nsrtp_crypto_suites={suite}\n");
        Self::launch(folder, microphone, (Keys::Events, "linphone"), &more)
    }

    fn launch(
        folder: &Path,
        microphone: &Path,
        (keys, user): (Keys, &str),
        more: &str,
    ) -> Result<Self> {
        let program = workspace::program("linphonec", "linphone-cli")?;
        // Without its folder for data its core does not start, and says nothing of it.
        fs::create_dir_all(folder.join(".local/share/linphone"))
            .with_context(|| format!("creating {}", folder.display()))?;
        let rc = folder.join("linphonerc");
        let port = ports::block(4)?;
        fs::write(&rc, config(port, keys, user) + more)?;
        let mut command = Command::new(program);
        command
            .env("HOME", folder)
            .arg("-c")
            .arg(&rc)
            .stdin(Stdio::piped());
        let process = Guarded::start("linphonec", command, &folder.join("linphonec.log"))?;
        let heard = folder.join("heard.wav");
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut phone = Self {
            process,
            heard,
            sip,
        };
        phone.command("soundcard use files")?;
        phone.command(&format!("play {}", microphone.display()))?;
        phone.command(&format!("record {}", phone.heard.display()))?;
        Ok(phone)
    }

    /// Dials `uri`; whether it is answered shows at the server.
    ///
    /// # Errors
    /// When linphonec is gone.
    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.command(&format!("call {uri}"))
    }

    /// Puts the call on hold, for another one.
    ///
    /// # Errors
    /// When linphonec is gone.
    pub fn pause(&mut self) -> Result<()> {
        self.command("pause")
    }

    /// Has whom it has its call `moved` with take its own place in `to` (attended transfer). Calls count from 1.
    ///
    /// # Errors
    /// When linphonec is gone.
    pub fn transfer(&mut self, moved: u8, to: u8) -> Result<()> {
        self.command(&format!("transfer {moved} --to-call {to}"))
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log_tail()
    }

    /// Keys `digits`. It is busy with each for a second, and sends the next one by SIP INFO only if it was idle before that.
    ///
    /// # Errors
    /// When linphonec is gone.
    pub fn key(&mut self, digits: &str) -> Result<()> {
        for digit in digits.chars() {
            self.command(&digit.to_string())?;
            sleep(Duration::from_millis(1_300));
        }
        Ok(())
    }

    /// Hangs up, ends linphonec and hands out what it has heard during the call.
    ///
    /// # Errors
    /// When it does not end, or has left no recording.
    pub fn hang_up(mut self) -> Result<Recording> {
        self.command("terminate")?;
        sleep(Duration::from_millis(500));
        self.command("quit")?;
        self.process.wait(Duration::from_secs(10))?;
        // Its WAVs say 44 bytes too many: it counts the header.
        let mut wav = fs::read(&self.heard).with_context(|| self.process.log_tail())?;
        let data = u32::try_from(wav.len().saturating_sub(HEADER))?;
        if let Some(field) = wav.get_mut(HEADER - 4..HEADER) {
            field.copy_from_slice(&data.to_le_bytes());
        }
        fs::write(&self.heard, wav)?;
        Recording::read(&self.heard)
    }

    fn command(&mut self, line: &str) -> Result<()> {
        self.process.check_alive()?;
        let input = self.process.child().stdin.as_mut();
        writeln!(input.context("no standard input")?, "{line}").context("telling linphonec")
    }
}

fn config(port: u16, keys: Keys, user: &str) -> String {
    let info = u8::from(keys == Keys::Info);
    let events = 1 - info;
    let rtp = port + 2;
    format!(
        "[sip]\n\
         sip_port={port}\n\
         sip_tcp_port=0\n\
         sip_tls_port=0\n\
         use_ipv6=0\n\
         guess_hostname=0\n\
         contact=sip:{user}@127.0.0.1\n\
         use_info={info}\n\
         use_rfc2833={events}\n\
         [net]\n\
         auto_net_state_mon=0\n\
         [rtp]\n\
         audio_rtp_port={rtp}\n"
    )
}
