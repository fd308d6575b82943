//! baresip as a caller: dials, keys digits, plays a WAV and records what it hears.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::process::{Guarded, eventually};
use crate::tone::Recording;
use crate::{ports, workspace};

/// Where Debian's baresip-core keeps its modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// The control port's distance from the SIP port; baresip itself listens for TLS on the one after SIP's.
const CONTROL: u16 = 3;

/// A running baresip with one account and no registration.
#[derive(Debug)]
pub struct Baresip {
    process: Guarded,
    control: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    folder: PathBuf,
    /// Its SIP address; it answers calls to the user `caller` by itself.
    pub sip: SocketAddr,
}

impl Baresip {
    /// Starts baresip with `microphone` (a WAV of 48 kHz mono, whose end would end the call) and its config in `folder`.
    /// `codec` is baresip's name, `opus/48000/1` or `pcmu/8000/1`.
    ///
    /// # Errors
    /// When it is not installed or does not open its control port within 10 s.
    pub fn start(folder: &Path, microphone: &Path, codec: &str) -> Result<Self> {
        Self::launch(folder, microphone, codec, "", "")
    }

    /// The same as a phone of number `user` that is called; it picks up by itself, or rings (`picks_up` false) until it is told.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(folder: &Path, microphone: &Path, user: &str, picks_up: bool) -> Result<Self> {
        let mode = if picks_up { "auto" } else { "manual" };
        let account = format!(
            "<sip:{user}@127.0.0.1>;regint=0;answermode={mode};audio_codecs=pcmu/8000/1;dtmfmode=rtpevent\n"
        );
        Self::launch_account(folder, microphone, "", &account)
    }

    /// A phone of number `user` that picks up by itself and takes media with keys of a handshake alone (DTLS-SRTP).
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as_secret(folder: &Path, microphone: &Path, user: &str) -> Result<Self> {
        let account = format!(
            "<sip:{user}@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu/8000/1;dtmfmode=rtpevent;mediaenc=dtls_srtp\n"
        );
        let more = "module srtp.so\nmodule dtls_srtp.so\n";
        Self::launch_account(folder, microphone, more, &account)
    }

    /// Waits until it rings.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait_ringing(&mut self, limit: Duration) -> Result<()> {
        self.wait_for("CALL_INCOMING", limit)
    }

    /// Waits until the call that came in stands.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait_established(&mut self, limit: Duration) -> Result<()> {
        self.wait_for("CALL_ESTABLISHED", limit)
    }

    /// Refuses the call that rings, or hangs up; baresip lives on for the next.
    ///
    /// # Errors
    /// When the control connection fails.
    pub fn decline(&mut self) -> Result<()> {
        self.command("hangup", "")?;
        self.wait_closed(Duration::from_secs(5))?;
        self.events.clear();
        Ok(())
    }

    /// Forgets what it has told of calls so far.
    pub fn forget(&mut self) {
        self.events.clear();
    }

    /// The same, calling over TLS and trusting `authority` (PEM) alone; `media` is how it encrypts media, such as `srtp-mand`,
    /// empty when it does not.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_over_tls(
        folder: &Path,
        microphone: &Path,
        codec: &str,
        authority: &Path,
        media: &str,
    ) -> Result<Self> {
        let more = format!(
            "sip_cafile {}\nmodule srtp.so\nmodule dtls_srtp.so\n",
            authority.display()
        );
        let account = if media.is_empty() {
            String::new()
        } else {
            format!(";mediaenc={media}")
        };
        Self::launch(folder, microphone, codec, &more, &account)
    }

    /// The same with a camera, a Y4M whose end would end its picture, in H.264.
    ///
    /// # Errors
    /// As [`Self::start`], and when its module for H.264 is not installed.
    pub fn start_with_camera(
        folder: &Path,
        microphone: &Path,
        codec: &str,
        camera: &Path,
    ) -> Result<Self> {
        let module = Path::new(MODULES).join("avcodec.so");
        ensure!(
            module.exists(),
            "no {}; install baresip-ffmpeg",
            module.display()
        );
        Self::launch(folder, microphone, codec, &video(camera), "")
    }

    fn launch(
        folder: &Path,
        microphone: &Path,
        codec: &str,
        more: &str,
        account: &str,
    ) -> Result<Self> {
        let account = format!(
            "<sip:caller@127.0.0.1>;regint=0;answermode=auto;audio_codecs={codec};dtmfmode=rtpevent{account}\n"
        );
        Self::launch_account(folder, microphone, more, &account)
    }

    fn launch_account(folder: &Path, microphone: &Path, more: &str, account: &str) -> Result<Self> {
        let program = workspace::program("baresip", "baresip-core")?;
        let port = ports::block(CONTROL + 1)?;
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port + CONTROL));
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        fs::write(
            folder.join("config"),
            config(folder, microphone, port) + more,
        )?;
        fs::write(folder.join("accounts"), account)?;
        fs::write(folder.join("contacts"), "")?;
        let mut command = Command::new(program);
        command
            .args(["-n", "127.0.0.1", "-f"])
            .arg(folder)
            .stdin(Stdio::null());
        let process = Guarded::start("baresip", command, &folder.join("baresip.log"))?;
        let control = eventually("baresip's control port", Duration::from_secs(10), || {
            TcpStream::connect(control).context("connecting")
        })?;
        control.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self {
            process,
            control,
            unread: Vec::new(),
            events: Vec::new(),
            folder: folder.to_path_buf(),
            sip: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        })
    }

    /// Dials `uri` and waits until the call is established.
    ///
    /// # Errors
    /// When the call is refused or not answered within 10 s.
    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.command("dial", uri)?;
        self.wait_for("CALL_ESTABLISHED", Duration::from_secs(10))
    }

    /// Keys `digits` as RFC 4733 events, as fast as baresip lets them end.
    ///
    /// # Errors
    /// When the control connection fails.
    pub fn key(&mut self, digits: &str) -> Result<()> {
        for digit in digits.chars() {
            self.command("sndcode", &digit.to_string())?;
            // baresip ends a digit 250 ms or so after it began, and drops one keyed in between.
            sleep(Duration::from_millis(400));
        }
        Ok(())
    }

    /// Puts the call on hold (a re-INVITE), or takes it up again.
    ///
    /// # Errors
    /// When the control connection fails.
    pub fn hold(&mut self, on: bool) -> Result<()> {
        self.command(if on { "hold" } else { "resume" }, "")
    }

    /// Hands the call over to somebody else (REFER).
    ///
    /// # Errors
    /// When the control connection fails.
    pub fn transfer(&mut self, to: &str) -> Result<()> {
        self.command("transfer", to)
    }

    /// Has the last picture that it decoded written to a PNG, 0.5 s later at the latest.
    ///
    /// # Errors
    /// When the control connection fails, or nothing was decoded.
    pub fn snapshot(&mut self, path: &Path) -> Result<()> {
        self.command("snapshot_recv", &path.display().to_string())?;
        eventually("a snapshot of baresip's", Duration::from_secs(5), || {
            ensure!(path.exists(), "nothing decoded");
            Ok(())
        })
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("baresip.log")).unwrap_or_default()
    }

    /// Fails when the call or baresip has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check_in_call(&mut self) -> Result<()> {
        self.process.check_alive()?;
        self.read_events()?;
        if let Some(closed) = self.events.iter().find(|e| e["type"] == "CALL_CLOSED") {
            bail!("baresip's call ended: {closed}");
        }
        Ok(())
    }

    /// Waits until the far end has ended the call.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait_closed(&mut self, limit: Duration) -> Result<()> {
        self.wait_for("CALL_CLOSED", limit)
    }

    /// Hangs up, ends baresip and hands out what it has heard during the call.
    ///
    /// # Errors
    /// When it does not end, or has left no recording.
    pub fn hang_up(mut self) -> Result<Recording> {
        self.command("hangup", "")?;
        sleep(Duration::from_millis(300));
        self.command("quit", "")?;
        self.process.wait(Duration::from_secs(10))?;
        let recording = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .find(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .with_context(|| format!("baresip recorded nothing:\n{}", self.process.log_tail()))?;
        Recording::read(&recording)
    }

    fn command(&mut self, command: &str, params: &str) -> Result<()> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        let framed = format!("{}:{text},", text.len());
        self.control
            .write_all(framed.as_bytes())
            .with_context(|| format!("baresip command {command}"))
    }

    fn wait_for(&mut self, kind: &str, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            self.read_events()?;
            if self.events.iter().any(|event| event["type"] == kind) {
                return Ok(());
            }
            let closed = self.events.iter().any(|e| e["type"] == "CALL_CLOSED");
            if closed || Instant::now() >= until {
                bail!(
                    "baresip: no {kind} within {limit:?}; events {:?}\n{}",
                    self.events,
                    self.process.log_tail()
                );
            }
        }
    }

    /// Reads what has come over the control connection: netstrings of JSON.
    fn read_events(&mut self) -> Result<()> {
        let mut chunk = [0; 4096];
        match self.control.read(&mut chunk) {
            Ok(count) => self.unread.extend(chunk.iter().take(count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("reading from baresip"),
        }
        while let Some(colon) = self.unread.iter().position(|byte| *byte == b':') {
            let length: usize = std::str::from_utf8(&self.unread[..colon])?
                .parse()
                .context("a netstring's length")?;
            let end = colon + 1 + length;
            if self.unread.len() <= end {
                break;
            }
            let value: Value = serde_json::from_slice(&self.unread[colon + 1..end])?;
            self.unread.drain(..=end);
            if value["event"] == true {
                self.events.push(value);
            }
        }
        Ok(())
    }
}

/// The source of pictures, their encoder, and a display that shows nothing.
fn video(camera: &Path) -> String {
    let camera = camera.display();
    format!(
        "module avcodec.so\n\
         module avformat.so\n\
         module fakevideo.so\n\
         module snapshot.so\n\
         avcodec_h264enc libx264\n\
         video_source avformat,{camera}\n\
         video_display fakevideo,nil\n\
         video_size 320x180\n\
         video_bitrate 500000\n\
         video_fps 10\n"
    )
}

fn config(folder: &Path, microphone: &Path, port: u16) -> String {
    let folder = folder.display();
    let microphone = microphone.display();
    let control = port + CONTROL;
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:{port}\n\
         call_max_calls 1\n\
         audio_player aubridge,sink\n\
         audio_alert aubridge,alert\n\
         audio_source aufile,{microphone}\n\
         ausrc_srate 48000\n\
         auplay_srate 48000\n\
         ausrc_channels 1\n\
         auplay_channels 1\n\
         rtp_timeout 0\n\
         snd_path {folder}\n\
         module_path {MODULES}\n\
         module opus.so\n\
         module g711.so\n\
         module aubridge.so\n\
         module aufile.so\n\
         module sndfile.so\n\
         module_tmp uuid.so\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n\
         opus_bitrate 32000\n\
         opus_stereo no\n\
         opus_sprop_stereo no\n"
    )
}
