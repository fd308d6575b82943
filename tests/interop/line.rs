//! A conference of a few browsers, the last of which is behind a line that can be made narrow.

use std::path::PathBuf;

use plenum_tests::browser::{Browsers, Colours, write_busy_camera, write_camera_of};
use plenum_tests::relay::Relay;
use plenum_tests::server::{Conference, Server};
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

/// What a camera shows.
pub(crate) enum Camera<'a> {
    /// So much that its rate is what the encoder may spend.
    Busy((usize, usize), &'a Colours),
    /// Next to nothing, 320x180.
    Plain(&'a Colours),
}

/// See the module.
pub(crate) struct Line {
    pub(crate) folder: PathBuf,
    pub(crate) server: Server,
    pub(crate) relay: Relay,
    pub(crate) browsers: Browsers,
    conference: Conference,
    page: String,
}

impl Line {
    /// A server whose media goes through the relay, with no browser yet.
    pub(crate) fn start(name: &str, config: &str) -> Self {
        let folder = scratch(name).unwrap();
        let announced = Relay::ADDRESS.to_string();
        let environment = [
            ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
            ("PLENUM_MEDIA__WORKERS", "1"),
        ];
        let server = Server::launch(&folder, 4, config, &environment).unwrap();
        let conference = server.conference(name).unwrap();
        Self {
            relay: Relay::start([server.media.port()], [], 7).unwrap(),
            page: server.page(&conference),
            browsers: Browsers::start(&folder).unwrap(),
            conference,
            server,
            folder,
        }
    }

    /// `name` joins, hums and films.
    pub(crate) fn enter(&mut self, name: &str, hertz: f64, camera: &Camera<'_>) {
        self.open(name, hertz, camera);
        self.join(name);
    }

    /// The browser of `name`, who is not in yet.
    pub(crate) fn open(&mut self, name: &str, hertz: f64, camera: &Camera<'_>) {
        let microphone = self.folder.join(format!("{name}.wav"));
        let film = self.folder.join(format!("{name}.y4m"));
        sine(hertz, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        match camera {
            Camera::Busy(size, colours) => write_busy_camera(*size, &film, colours).unwrap(),
            Camera::Plain(colours) => write_camera_of((320, 180), &film, colours).unwrap(),
        }
        self.browsers.open(name, &microphone, &film).unwrap();
    }

    /// The same of somebody whose camera flashes while the microphone beeps.
    pub(crate) fn open_flashing(&mut self, name: &str) {
        let nothing = self.folder.join("nothing");
        self.browsers
            .open_to_flash(name, &nothing, &nothing)
            .unwrap();
    }

    pub(crate) fn join(&mut self, name: &str) {
        self.browsers
            .join(name, &self.page, name, &self.conference.guest_pin)
            .unwrap();
    }
}
