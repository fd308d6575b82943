//! Headless Chromium and Firefox pages, driven by `interop/browsers.mjs` over lines of JSON.

mod measures;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::Guarded;
use crate::tone::Recording;
use crate::workspace;

/// The node process that owns all browsers of a test.
#[derive(Debug)]
pub struct Browsers {
    process: Guarded,
    /// `None` once no more is asked.
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    executable: PathBuf,
    next: u64,
}

/// A remote picture as a page shows it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its size in pixels.
    pub size: (u64, u64),
    /// Mean red, green, blue of top left, top right, bottom left, bottom right.
    pub quadrants: [[u8; 3]; 4],
    /// Frames decoded within one second.
    pub frames: u64,
}

/// A shared slide as a page shows it.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The size of its picture in pixels; 0 when there is none of a screen's size.
    pub size: (u64, u64),
    /// Of its cells of two pixels, how many are black or white as they were drawn.
    pub right: f64,
}

/// The audio as a page's statistics have it.
#[derive(Debug, Clone, Copy)]
pub struct Hearing {
    /// Packets of its own that it sent.
    pub said: u64,
    /// Packets that came.
    pub received: u64,
    /// Packets that did not.
    pub lost: i64,
    /// Sender reports that came.
    pub reports: u64,
    /// Packets sent until the last of them, as it says.
    pub sent: u64,
}

/// How a voice and its picture stand to each other, in ms, smallest first.
#[derive(Debug, Clone, Default)]
pub struct Lips {
    /// How much later than each flash its beep was heard.
    pub late: Vec<f64>,
    /// How much later than the picture the voice is played as the browser reckons by the sender reports, four times a second.
    pub reckoned: Vec<f64>,
}

/// Four flat colours, a camera picture that survives every codec: red, green, blue of the quadrants.
pub type Colours = [[u8; 3]; 4];

impl Picture {
    /// Whether every quadrant is within 40 of its colour in every component: far closer than the colours lie to each other.
    #[must_use]
    pub fn shows(&self, colours: &Colours) -> bool {
        self.quadrants
            .iter()
            .zip(colours)
            .all(|(seen, wanted)| seen.iter().zip(wanted).all(|(s, w)| s.abs_diff(*w) <= 40))
    }
}

impl Browsers {
    /// Starts node; pages come with [`Browsers::open`].
    ///
    /// # Errors
    /// When node, Chromium or the client's npm packages are missing.
    pub fn start(folder: &Path) -> Result<Self> {
        let node = workspace::program("node", "nodejs")?;
        let executable = workspace::program("chromium", "chromium")?;
        let package = workspace::root().join("web/node_modules/playwright-core");
        if !package.is_dir() {
            bail!("{} is missing: run `make deps`", package.display());
        }
        let log = folder.join("browsers.log");
        let errors = fs::File::create(&log).context("creating the browsers' log")?;
        let mut command = Command::new(node);
        command
            .arg(workspace::root().join("tests/interop/browsers.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut process = Guarded::start_with_own_output("browsers", command, &log)?;
        let requests = Some(process.child().stdin.take().context("node's stdin")?);
        let output = process.child().stdout.take().context("node's stdout")?;
        let (sender, answers) = sync_channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            process,
            requests,
            answers,
            executable,
            next: 0,
        })
    }

    /// Opens a browser of that name with its own microphone (WAV) and camera (Y4M).
    ///
    /// # Errors
    /// When Chromium does not start.
    pub fn open(&mut self, name: &str, microphone: &Path, camera: &Path) -> Result<()> {
        self.launch(name, microphone, camera, &json!({}))
    }

    /// The same, of a browser that has one video codec only, such as `video/H264`.
    ///
    /// # Errors
    /// When Chromium does not start.
    pub fn open_with_codec(
        &mut self,
        name: &str,
        microphone: &Path,
        camera: &Path,
        codec: &str,
    ) -> Result<()> {
        self.launch(name, microphone, camera, &json!({ "codec": codec }))
    }

    /// The same, with a real tab to share instead of a made-up screen, and its sound: see [`Browsers::slide`].
    ///
    /// # Errors
    /// When Chromium does not start.
    pub fn open_to_share(&mut self, name: &str, microphone: &Path, camera: &Path) -> Result<()> {
        self.launch(name, microphone, camera, &json!({ "shares": true }))
    }

    /// Opens Firefox, whose microphone is a tone of that frequency in Hz at -20 dBFS, and its camera those colours. It reaches
    /// no server that announces a loopback address.
    ///
    /// # Errors
    /// When Firefox is missing or does not start.
    pub fn open_firefox(&mut self, name: &str, tone: f64, camera: &Colours) -> Result<()> {
        let executable = workspace::program("firefox-esr", "firefox-esr")?;
        self.ask(json!({
            "action": "open_firefox", "name": name, "executable": executable, "tone": tone, "colours": camera,
        }))?;
        Ok(())
    }

    /// The same as [`Browsers::open`], of a page that notes when it first reads a slide: see [`Browsers::sharp`].
    ///
    /// # Errors
    /// When Chromium does not start.
    pub fn open_to_read(&mut self, name: &str, microphone: &Path, camera: &Path) -> Result<()> {
        self.launch(name, microphone, camera, &json!({ "reads": true }))
    }

    /// The same as [`Browsers::open`], whose camera flashes and whose microphone beeps at once, each second: see [`Browsers::lips`].
    ///
    /// # Errors
    /// When Chromium does not start.
    pub fn open_to_flash(&mut self, name: &str, microphone: &Path, camera: &Path) -> Result<()> {
        self.launch(name, microphone, camera, &json!({ "flashes": true }))
    }

    fn launch(&mut self, name: &str, microphone: &Path, camera: &Path, kind: &Value) -> Result<()> {
        let executable = self.executable.clone();
        self.ask(json!({
            "action": "open", "name": name, "executable": executable,
            "microphone": microphone, "camera": camera,
            "shares": kind["shares"], "codec": kind["codec"], "reads": kind["reads"],
            "flashes": kind["flashes"],
        }))?;
        Ok(())
    }

    /// Opens `url`, fills in the join form and presses Join; then waits for a connected `RTCPeerConnection`.
    ///
    /// # Errors
    /// When the form lacks a field, or there is no connection within 15 s: with the page's text and console.
    pub fn join(&mut self, name: &str, url: &str, person: &str, pin: &str) -> Result<()> {
        let joined = self
            .ask(
                json!({ "action": "join", "name": name, "url": url, "person": person, "pin": pin }),
            )
            .and_then(|_| self.ask(json!({ "action": "connected", "name": name, "seconds": 15 })));
        if let Err(error) = joined {
            let text = self.text(name).unwrap_or_default();
            let log = self
                .ask(json!({ "action": "log", "name": name }))
                .unwrap_or_default();
            return Err(error.context(format!(
                "{person} could not join; page: {text:?}; log: {log}"
            )));
        }
        Ok(())
    }

    /// Makes the page call itself, without any server.
    ///
    /// # Errors
    /// When the fake devices or the connection fail.
    pub fn loopback(&mut self, name: &str) -> Result<()> {
        self.ask(json!({ "action": "loopback", "name": name }))?;
        Ok(())
    }

    /// What the page hears during the next `seconds`.
    ///
    /// # Errors
    /// When it has no connection or no remote audio.
    pub fn record(&mut self, name: &str, seconds: u32) -> Result<Recording> {
        let answer = self.ask(json!({ "action": "record", "name": name, "seconds": seconds }))?;
        let text = answer.as_str().context("the recording is no text")?;
        let bytes = STANDARD
            .decode(text)
            .context("the recording is no base64")?;
        let samples = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        Ok(Recording {
            samples,
            rate: 48_000,
        })
    }

    /// The remote pictures that the page decodes.
    ///
    /// # Errors
    /// When it has no connection.
    pub fn look(&mut self, name: &str) -> Result<Vec<Picture>> {
        let answer = self.ask(json!({ "action": "look", "name": name }))?;
        let pictures = answer.as_array().context("pictures are no array")?;
        pictures.iter().map(picture).collect()
    }

    /// Opens a tab with a slide, which is what the browser shares when the page asks for a screen.
    ///
    /// # Errors
    /// When the tab cannot be opened.
    pub fn slide(&mut self, name: &str) -> Result<()> {
        self.ask(json!({ "action": "slide", "name": name }))?;
        Ok(())
    }

    /// Closes that tab: its sharing ends as by the browser's own button.
    ///
    /// # Errors
    /// When there is none.
    pub fn unslide(&mut self, name: &str) -> Result<()> {
        self.ask(json!({ "action": "unslide", "name": name }))?;
        Ok(())
    }

    /// All visible text of the page.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn text(&mut self, name: &str) -> Result<String> {
        let answer = self.ask(json!({ "action": "text", "name": name }))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// Presses the button whose name matches the pattern.
    ///
    /// # Errors
    /// When there is no such button.
    pub fn click(&mut self, name: &str, button: &str) -> Result<()> {
        self.ask(json!({ "action": "click", "name": name, "button": button }))?;
        Ok(())
    }

    /// Presses a button that opens a menu, and chooses an item of it by its whole name.
    ///
    /// # Errors
    /// When there is none.
    pub fn pick(&mut self, name: &str, button: &str, item: &str) -> Result<()> {
        self.ask(json!({ "action": "pick", "name": name, "button": button, "item": item }))?;
        Ok(())
    }

    /// The states of all connections that the page has made, in their order.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn states(&mut self, name: &str) -> Result<Vec<String>> {
        let answer = self.ask(json!({ "action": "states", "name": name }))?;
        Ok(answer
            .as_array()
            .context("states are no array")?
            .iter()
            .filter_map(|state| state.as_str().map(str::to_owned))
            .collect())
    }

    /// Writes a PNG of the page.
    ///
    /// # Errors
    /// When the page is gone or the file cannot be written.
    pub fn screenshot(&mut self, name: &str, path: &Path) -> Result<()> {
        self.ask(json!({ "action": "screenshot", "name": name, "path": path }))?;
        Ok(())
    }

    /// Makes the whole browser die at once: no page says goodbye.
    ///
    /// # Errors
    /// When it was not open.
    pub fn crash(&mut self, name: &str) -> Result<()> {
        self.ask(json!({ "action": "crash", "name": name }))?;
        Ok(())
    }

    /// Closes the browser, as a person does.
    ///
    /// # Errors
    /// When it was not open.
    pub fn close(&mut self, name: &str) -> Result<()> {
        self.ask(json!({ "action": "close", "name": name }))?;
        Ok(())
    }

    fn ask(&mut self, mut request: Value) -> Result<Value> {
        self.next += 1;
        request["id"] = self.next.into();
        let action = request["action"].to_string();
        let requests = self.requests.as_mut().context("no more is asked")?;
        writeln!(requests, "{request}").with_context(|| format!("asking for {action}"))?;
        loop {
            let line = match self.answers.recv_timeout(Duration::from_mins(1)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("no answer to {action} within 60 s"),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the browsers' driver ended:\n{}", self.process.log_tail())
                }
            };
            let answer: Value =
                serde_json::from_str(&line).with_context(|| format!("the driver said {line:?}"))?;
            if answer["id"] != self.next {
                continue;
            }
            if let Some(error) = answer["error"].as_str() {
                bail!("{action}: {error}");
            }
            return Ok(answer["value"].clone());
        }
    }
}

impl Drop for Browsers {
    fn drop(&mut self) {
        // With no more to be asked node closes all browsers and ends. Killed, it would leave Firefox behind.
        self.requests = None;
        let _status = self.process.wait(Duration::from_secs(5));
    }
}

fn picture(value: &Value) -> Result<Picture> {
    let mut quadrants = [[0; 3]; 4];
    for (q, quadrant) in quadrants.iter_mut().enumerate() {
        for (c, component) in quadrant.iter_mut().enumerate() {
            let number = value["quadrants"][q][c].as_u64().context("a colour")?;
            *component = u8::try_from(number)?;
        }
    }
    Ok(Picture {
        size: (
            value["width"].as_u64().context("the width")?,
            value["height"].as_u64().context("the height")?,
        ),
        quadrants,
        frames: value["frames"].as_u64().context("the frames")?,
    })
}

/// Writes a camera file of 320×180 at 15 fps, two seconds long: four flat quadrants, and a small white bar that moves along the middle so
/// that no frame is like the one before.
///
/// # Errors
/// When it cannot be written.
pub fn write_camera(path: &Path, colours: &Colours) -> Result<()> {
    write_camera_of((320, 180), path, colours)
}

/// The same in another size, width and height.
///
/// # Errors
/// When it cannot be written.
pub fn write_camera_of(size: (usize, usize), path: &Path, colours: &Colours) -> Result<()> {
    film(size, path, colours, 0)
}

/// The same with a grain that is another in each frame, so that it takes all the bits that a sender may spend.
///
/// # Errors
/// When it cannot be written.
pub fn write_busy_camera(size: (usize, usize), path: &Path, colours: &Colours) -> Result<()> {
    film(size, path, colours, 24)
}

/// `grain`: how far the luma of small squares is from their colour at most.
fn film(size: (usize, usize), path: &Path, colours: &Colours, grain: u8) -> Result<()> {
    const FRAMES: usize = 30;
    const SQUARE: usize = 8;
    let mut random = fastrand::Rng::with_seed(1);
    let header = format!("YUV4MPEG2 W{} H{} F15:1 Ip A1:1 C420jpeg\n", size.0, size.1);
    let mut file = header.into_bytes();
    for frame in 0..FRAMES {
        file.extend(b"FRAME\n");
        for plane in 0..3 {
            let (width, height) = if plane == 0 {
                size
            } else {
                (size.0 / 2, size.1 / 2)
            };
            let mut grains = vec![0; width.div_ceil(SQUARE)];
            for y in 0..height {
                if plane == 0 && y % SQUARE == 0 {
                    grains.fill_with(|| random.u8(0..=2 * grain));
                }
                for x in 0..width {
                    let quadrant = usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2);
                    let bar = plane == 0 && y.abs_diff(height / 2) < 4 && x * 32 / width == frame;
                    let value = yuv(colours[quadrant])[plane];
                    let value = match plane {
                        0 => (value + grains[x / SQUARE]).saturating_sub(grain),
                        _ => value,
                    };
                    file.push(if bar { 255 } else { value });
                }
            }
        }
    }
    fs::write(path, file).with_context(|| format!("writing {}", path.display()))
}

/// BT.601, limited range, as Chromium reads a Y4M.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the matrix stays within 16..=240"
)]
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f64::from(r), f64::from(g), f64::from(b));
    let y = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
    let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
    let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
    [y.round() as u8, u.round() as u8, v.round() as u8]
}
