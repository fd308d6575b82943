//! Attended transfer by linphonec, in both directions: whom it has another call with comes into the room in its place.
//!
//! baresip 1.0 knows no Replaces: asked to call with one in the address, it sends the address as it is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_tests::linphone::{Keys, Linphone};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::{Conference, Server};
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;
use serde_json::Value;

const ANN: f64 = 523.0;
const BEN: f64 = 1_171.0;
const CAT: f64 = 1_447.0;
const NUMBER: &str = "3015550123";

fn voice(folder: &Path, name: &str, tone: f64) -> PathBuf {
    let microphone = folder.join(format!("{name}.wav"));
    sine(tone, -20.0, 180.0, 16_000).write(&microphone).unwrap();
    microphone
}

fn phone(folder: &Path, name: &str, tone: f64) -> Linphone {
    let microphone = voice(folder, name, tone);
    Linphone::start(&folder.join(name), &microphone, Keys::Events).unwrap()
}

/// Cat's phone, which is called.
fn called(folder: &Path, proxy: Option<SocketAddr>) -> Linphone {
    let microphone = voice(folder, "cat", CAT);
    Linphone::start_as(&folder.join("cat"), &microphone, NUMBER, proxy).unwrap()
}

/// Ids and names of who is in.
fn people(server: &Server, conference: &Conference) -> Result<Vec<(String, String)>> {
    let path = format!("/conferences/{}/participants", conference.id);
    let (_, body) = server.rest("GET", &path, &Value::Null)?;
    let list = body["participants"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let person = |it: &Value| (text(&it["id"]), text(&it["name"]));
    Ok(list.iter().map(person).collect())
}

fn calls(server: &Server, expected: f64) -> Result<()> {
    let calls = server.metrics()?.sum("plenum_calls", &[])?;
    ensure!((calls - expected).abs() < 0.5, "{calls} calls");
    Ok(())
}

/// Dials, keys ID and PIN, and is inside as the `nth`.
fn enter(phone: &mut Linphone, server: &Server, conference: &Conference, pin: &str, nth: usize) {
    phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
    sleep(Duration::from_secs(3));
    phone.key(&format!("{}#{pin}#", conference.id)).unwrap();
    eventually("the caller inside", Duration::from_secs(40), || {
        let people = people(server, conference)?;
        ensure!(people.len() == nth, "{people:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn whom_a_phone_has_on_another_line_takes_its_seat() {
    in_real_time(|| {
        let folder = scratch("attended").unwrap();
        let server = Server::start(&folder, 20).unwrap();
        let conference = server.conference("Attended").unwrap();
        let guest = &conference.guest_pin;
        let mut ann = phone(&folder, "ann", ANN);
        enter(&mut ann, &server, &conference, guest, 1);
        // Ben's phone names the conference as it has called it, but without the port: as with any account, a proxy knows the way.
        let cat = called(&folder, Some(server.sip));
        let mut ben = phone(&folder, "ben", BEN);
        enter(&mut ben, &server, &conference, guest, 2);
        let before = people(&server, &conference).unwrap();
        ben.pause().unwrap();
        sleep(Duration::from_secs(2));
        ben.dial(&format!("sip:{NUMBER}@{}", cat.sip)).unwrap();
        sleep(Duration::from_secs(4));
        // Cat's phone is told to call the conference, in place of Ben's call with it.
        ben.transfer(2, 1).unwrap();
        // That Cat is in is heard; Ben's call is over by then, and its seat hers.
        sleep(Duration::from_secs(14));
        let now = people(&server, &conference).unwrap();
        assert_eq!(now, before, "{}\n{}", ben.log(), cat.log());
        calls(&server, 2.0).unwrap();
        let heard = ann.hang_up().unwrap();
        judge("Ann", &heard.last(3.0).unwrap(), ANN, &[CAT]).unwrap();
        drop((ben, cat));
        server.stop().unwrap();
    });
}

#[test]
fn a_hosts_phone_has_the_conference_take_its_place_with_somebody() {
    in_real_time(|| {
        let folder = scratch("attended-out").unwrap();
        let cat = called(&folder, None);
        let more = format!(
            "\n[dial_out]\nallow = [\"3\"]\n[[sip.trunks]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\noutbound = true\nproxy = \"{}\"\n",
            cat.sip
        );
        let server = Server::start_with(&folder, 20, &more).unwrap();
        let conference = server.conference("Attended").unwrap();
        let mut ann = phone(&folder, "ann", ANN);
        enter(&mut ann, &server, &conference, &conference.guest_pin, 1);
        let mut ben = phone(&folder, "ben", BEN);
        enter(&mut ben, &server, &conference, &conference.host_pin, 2);
        ben.pause().unwrap();
        sleep(Duration::from_secs(2));
        ben.dial(&format!("sip:{NUMBER}@{}", cat.sip)).unwrap();
        sleep(Duration::from_secs(4));
        // The conference is told to call Cat, in place of Ben's call with her.
        ben.transfer(1, 2).unwrap();
        let path = format!("/conferences/{}/calls", conference.id);
        eventually("Cat inside", Duration::from_secs(20), || {
            let (_, body) = server.rest("GET", &path, &Value::Null)?;
            ensure!(body["calls"][0]["state"] == "joined", "{body}");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ben.log(), cat.log()));
        eventually("Ben gone", Duration::from_secs(20), || {
            let people = people(&server, &conference)?;
            ensure!(people.len() == 2, "{people:?}");
            Ok(())
        })
        .unwrap();
        sleep(Duration::from_secs(6));
        let heard = ann.hang_up().unwrap();
        judge("Ann", &heard.last(3.0).unwrap(), ANN, &[CAT]).unwrap();
        drop((ben, cat));
        server.stop().unwrap();
    });
}
