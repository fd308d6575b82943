//! Trunks by name, with a name server of the test's own: SRV records say where calls, registrations and questions go, and whose calls are taken.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::dns::{NameServer, Record};
use plenum_tests::rush::Rush;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::json;

use crate::far_trunks::{Heard, registrar, serve};
use crate::stage::{SOON, Stage};

const NUMBER: &str = "3015550123";
/// A registrar that takes its time.
const SLOW: Duration = Duration::from_secs(3);
const LOCAL: Record = Record::A(Ipv4Addr::LOCALHOST);

fn ready(server: &Server) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("http://{}/readyz", server.http);
    let mut answer = agent.get(url).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

/// The carrier's three servers by the ports that they have, the first to be tried first, and answers that hold for 300 s.
fn carrier(first: u16, second: u16, third: u16) -> NameServer {
    let service = |priority, port, host| {
        (
            "_sip._udp.carrier.test",
            Record::Srv(priority, 10, port, host),
        )
    };
    NameServer::start(
        vec![
            service(30, third, "c.carrier.test"),
            service(20, second, "b.carrier.test"),
            service(10, first, "a.carrier.test"),
            // An address that nobody can send to: there is no way.
            (
                "a.carrier.test",
                Record::A(Ipv4Addr::new(255, 255, 255, 255)),
            ),
            ("b.carrier.test", LOCAL),
            ("c.carrier.test", LOCAL),
        ],
        300,
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn srv_records_lead_past_a_server_that_fails_and_its_calls_are_taken() {
    let folder = scratch("named-trunks-phone").unwrap();
    let microphone = folder.join("voice.wav");
    sine(1_447.0, -20.0, 60.0, 48_000)
        .write(&microphone)
        .unwrap();
    let phone = Baresip::start_as(&folder, &microphone, NUMBER, true).unwrap();
    // Nobody listens at the first server, the second takes no calls, the third is the phone.
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (second, requests) = registrar();
    let mut heard = Heard::new(requests);
    let names = carrier(nobody.port(), second.port(), phone.sip.port());
    let password = folder.join("password");
    std::fs::write(&password, "zebra\n").unwrap();
    let login = format!(
        "register = true\noutbound_user = \"4930\"\noutbound_password_file = \"{}\"\n",
        password.display()
    );
    let more = format!(
        "\n[dial_out]\nallow = [\"3\"]\nconfirm = false\n\n[[sip.trunks]]\nname = \"carrier\"\noutbound = true\n\
         proxy = \"carrier.test\"\n{login}\n[[sip.trunks]]\nname = \"gone\"\noutbound = true\nproxy = \"gone.test\"\n{login}"
    );
    let nameserver = names.address.to_string();
    let environment = [("PLENUM_SIP__NAMESERVERS", nameserver.as_str())];
    let server =
        Server::launch(&scratch("named-trunks").unwrap(), 20, &more, &environment).unwrap();
    let conference = server.conference("named-trunks").unwrap();
    let stage = Stage { server, conference };
    heard.find("REGISTER", "Authorization: Digest");
    heard.find("OPTIONS", "");
    until("the registration", SOON, || {
        let is = stage
            .server
            .metrics()?
            .sum("plenum_trunk_registered", &["carrier"])?;
        ensure!(is > 0.5);
        Ok(())
    })
    .await
    .unwrap();
    let asked: Vec<String> = names.asked.try_iter().collect();
    for name in ["_sip._udp.carrier.test", "c.carrier.test", "gone.test"] {
        assert!(asked.iter().any(|it| it == name), "{name}: {asked:?}");
    }
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    host.bot
        .say(json!({"type": "call_phone", "number": NUMBER, "name": "Zoe"}))
        .await
        .unwrap();
    until("the phone, at the third server", SOON, || {
        let view = host.bot.view();
        ensure!(view.roster.len() == 2, "{:?}", view.calls);
        Ok(())
    })
    .await
    .unwrap();
    heard.find("INVITE", "");

    // This machine is no trunk's by configuration: a caller is taken for where the name leads.
    let caller = Rush {
        server: stage.server.sip,
        number: "plenum",
        calls: 1,
        per_second: 1,
        stay_ms: 500,
    };
    caller.run(&folder.join("caller")).unwrap();

    let again: Vec<String> = names.asked.try_iter().collect();
    let of_carrier = again
        .iter()
        .filter(|name| *name == "_sip._udp.carrier.test");
    assert_eq!(of_carrier.count(), 0, "answers hold for 300 s: {again:?}");
    until("what /readyz says", Duration::from_secs(20), || {
        let (status, text) = ready(&stage.server);
        ensure!(status == 200, "{status} {text}");
        ensure!(
            text == "ready\ndegraded: trunk gone is down\ndegraded: trunk gone is not registered\n",
            "{text}"
        );
        Ok(())
    })
    .await
    .unwrap();
    stage.server.stop().unwrap();
}

#[test]
fn a_server_that_needs_its_trunks_is_ready_when_it_has_them() {
    let folder = scratch("needed-trunks").unwrap();
    let password = folder.join("password");
    std::fs::write(&password, "zebra\n").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let far = socket.local_addr().unwrap();
    let more = format!(
        "\n[dial_out]\nallow = [\"3\"]\n\n[[sip.trunks]]\nname = \"slow\"\naddresses = [\"127.0.0.1\"]\noutbound = true\n\
         proxy = \"{far}\"\nregister = true\noutbound_user = \"4930\"\noutbound_password_file = \"{}\"\n",
        password.display()
    );
    let (heard, _requests) = channel();
    let began = Instant::now();
    std::thread::spawn(move || {
        sleep(SLOW);
        serve(&socket, &heard);
    });
    let environment = [("PLENUM_SIP__READY_NEEDS_TRUNKS", "true")];
    let server = Server::launch(&folder, 4, &more, &environment).unwrap();
    assert!(began.elapsed() >= SLOW, "ready without its trunk");
    assert_eq!(ready(&server), (200, "ready\n".to_owned()));
    server.stop().unwrap();
}
