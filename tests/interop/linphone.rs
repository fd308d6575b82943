//! linphonec, whose keys come by SIP INFO or as telephone-events, and whose media comes from elsewhere than its SDP says.

use std::path::Path;
use std::time::Duration;

use plenum_tests::linphone::{Keys, Linphone};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::{Conference, Server};
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;

const ANN: f64 = 523.0;
const BEN: f64 = 1171.0;

fn callers(server: &Server) -> f64 {
    server
        .metrics()
        .and_then(|metrics| metrics.sum("plenum_participants", &["phone"]))
        .unwrap()
}

/// Dials, keys ID and PIN, and is inside.
fn join(
    folder: &Path,
    server: &Server,
    conference: &Conference,
    (name, tone, keys): (&str, f64, Keys),
) -> Linphone {
    let microphone = folder.join(format!("{name}.wav"));
    sine(tone, -20.0, 120.0, 16_000).write(&microphone).unwrap();
    let phone = Linphone::start(&folder.join(name), &microphone, keys).unwrap();
    enter(phone, server, conference)
}

fn enter(mut phone: Linphone, server: &Server, conference: &Conference) -> Linphone {
    let before = callers(server);
    phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
    eventually("the call", Duration::from_secs(20), || {
        let calls = server.metrics()?.sum("plenum_calls", &[])?;
        anyhow::ensure!(calls > before, "{calls} calls");
        Ok(())
    })
    .unwrap();
    // The ACK and the first packets.
    std::thread::sleep(Duration::from_secs(1));
    phone
        .key(&format!("{}#{}#", conference.id, conference.guest_pin))
        .unwrap();
    eventually("the caller inside", Duration::from_secs(40), || {
        anyhow::ensure!(callers(server) > before, "keys were not heard");
        Ok(())
    })
    .unwrap();
    phone
}

#[test]
fn linphones_with_info_and_with_events_key_themselves_in_and_hear_each_other() {
    in_real_time(|| {
        let folder = scratch("linphone").unwrap();
        let server = Server::start(&folder, 20).unwrap();
        let conference = server.conference("Linphones").unwrap();
        let ann = join(&folder, &server, &conference, ("ann", ANN, Keys::Info));
        let ben = join(&folder, &server, &conference, ("ben", BEN, Keys::Events));
        std::thread::sleep(Duration::from_secs(10));
        let heard = [ann.hang_up().unwrap(), ben.hang_up().unwrap()];
        let verdicts = [
            judge("Ann", &heard[0].last(4.0).unwrap(), ANN, &[BEN]),
            judge(
                "Ben",
                &heard[1].last(5.0).unwrap().between(0.0, 3.0).unwrap(),
                BEN,
                &[ANN],
            ),
        ];
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
        server.stop().unwrap();
    });
}

#[test]
fn linphones_that_encrypt_with_256_bits_alone_hear_each_other_where_srtp_is_required() {
    in_real_time(|| {
        let folder = scratch("linphone-256").unwrap();
        let trunk =
            "\n[[sip.trunks]]\nname = \"here\"\naddresses = [\"127.0.0.1\"]\nsrtp = \"required\"\n";
        let server = Server::start_with(&folder, 20, trunk).unwrap();
        let conference = server.conference("Secrets").unwrap();
        let [ann, ben] = [("ann", ANN), ("ben", BEN)].map(|(name, tone)| {
            let microphone = folder.join(format!("{name}.wav"));
            sine(tone, -20.0, 120.0, 16_000).write(&microphone).unwrap();
            let suite = "AES_256_CM_HMAC_SHA1_80";
            let phone = Linphone::start_encrypted(&folder.join(name), &microphone, suite).unwrap();
            enter(phone, &server, &conference)
        });
        std::thread::sleep(Duration::from_secs(8));
        let heard = [ann.hang_up().unwrap(), ben.hang_up().unwrap()];
        let verdicts = [
            judge("Ann", &heard[0].last(4.0).unwrap(), ANN, &[BEN]),
            judge(
                "Ben",
                &heard[1].last(5.0).unwrap().between(0.0, 3.0).unwrap(),
                BEN,
                &[ANN],
            ),
        ];
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
        assert!(!server.log_tail().contains("inline"), "keys are in the log");
        server.stop().unwrap();
    });
}
