//! Trunks as the server keeps them: registered with a registrar that asks for a password, asked whether they are there, and passed over.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::json;

use crate::stage::{SOON, Stage};

/// A registrar that takes no calls: asks REGISTER for digest, answers OPTIONS, refuses INVITE with 503. It lives until nobody listens.
pub(crate) fn registrar() -> (SocketAddr, Receiver<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let (heard, requests) = channel();
    std::thread::spawn(move || serve(&socket, &heard));
    (local, requests)
}

pub(crate) fn serve(socket: &UdpSocket, heard: &Sender<String>) {
    let mut buffer = [0; 4_000];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if let Some(answer) = answer(&request) {
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
        if heard.send(request).is_err() {
            return;
        }
    }
}

fn answer(request: &str) -> Option<String> {
    let method = request.split(' ').next()?;
    let shown = request.contains("\r\nAuthorization: ");
    let (status, more) = match method {
        "REGISTER" if !shown => (
            "401 Unauthorized",
            "WWW-Authenticate: Digest realm=\"reg\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n".to_owned(),
        ),
        "REGISTER" => ("200 OK", "Expires: 60\r\n".to_owned()),
        "OPTIONS" => ("200 OK", String::new()),
        "INVITE" => ("503 Service Unavailable", String::new()),
        _ => return None,
    };
    let echoed = request.split("\r\n").filter(|row| {
        ["Via: ", "From: ", "Call-ID: ", "CSeq: "]
            .iter()
            .any(|name| row.starts_with(name))
    });
    let to = request.split("\r\n").find(|row| row.starts_with("To: "))?;
    let echoed: String = echoed.map(|row| format!("{row}\r\n")).collect();
    Some(format!(
        "SIP/2.0 {status}\r\n{echoed}{to};tag=far\r\n{more}Content-Length: 0\r\n\r\n"
    ))
}

/// What the registrar has heard.
pub(crate) struct Heard {
    requests: Receiver<String>,
    kept: Vec<String>,
}

impl Heard {
    pub(crate) const fn new(requests: Receiver<String>) -> Self {
        Self {
            requests,
            kept: Vec::new(),
        }
    }

    /// A request of this method with this in it, which came or comes.
    pub(crate) fn find(&mut self, method: &str, part: &str) -> String {
        let is = |request: &String| request.starts_with(method) && request.contains(part);
        loop {
            if let Some(request) = self.kept.iter().find(|request| is(request)) {
                return request.clone();
            }
            self.kept.push(self.requests.recv_timeout(SOON).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_is_registered_asked_and_passed_over_when_it_fails() {
    let (far, requests) = registrar();
    let mut heard = Heard::new(requests);
    let folder = scratch("far-trunks-phone").unwrap();
    let microphone = folder.join("voice.wav");
    sine(1_447.0, -20.0, 60.0, 48_000)
        .write(&microphone)
        .unwrap();
    let phone = Baresip::start_as(&folder, &microphone, "3015550123", true).unwrap();
    let password = folder.join("password");
    std::fs::write(&password, "zebra\n").unwrap();
    let config = format!(
        "\n[dial_out]\nallow = [\"3\"]\nconfirm = false\n\n[[sip.trunks]]\nname = \"first\"\naddresses = [\"127.0.0.1\"]\noutbound = true\n\
         proxy = \"{far}\"\nregister = true\noutbound_user = \"4930\"\noutbound_password_file = \"{}\"\n\n[[sip.trunks]]\n\
         name = \"second\"\naddresses = [\"127.0.0.2\", \"127.0.0.1\"]\noutbound = true\nproxy = \"{}\"\nprobe_seconds = 0\n",
        password.display(),
        phone.sip,
    );
    let stage = Stage::open_with("far-trunks", &config).unwrap();
    let request = heard.find("REGISTER", "Authorization: Digest");
    assert!(request.contains("algorithm=SHA-256"), "{request}");
    assert!(!request.contains("zebra"));
    heard.find("OPTIONS", "");
    until("the registration", SOON, || {
        for metric in ["plenum_trunk_registered", "plenum_trunk_up"] {
            let is = stage.server.metrics()?.sum(metric, &["first"])?;
            ensure!(is > 0.5, "{metric} {is}");
        }
        Ok(())
    })
    .await
    .unwrap();
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let call = json!({"type": "call_phone", "number": "3015550123", "name": "Zoe"});
    host.bot.say(call).await.unwrap();
    until(
        "the phone, by the second trunk",
        Duration::from_secs(15),
        || {
            let view = host.bot.view();
            ensure!(view.roster.len() == 2, "{:?}", view.calls);
            Ok(())
        },
    )
    .await
    .unwrap();
    heard.find("INVITE", "");
    let log = stage.server.log_tail();
    assert!(!log.contains("zebra"), "{log}");
    stage.server.stop().unwrap();
    heard.find("REGISTER", "Expires: 0");
}
