//! Soft-phones over TLS, with and without SRTP and DTLS-SRTP: they hear each other, and nothing that ends a certificate ends a call.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use plenum_tests::baresip::Baresip;
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::{Conference, Server};
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;

const ANN: f64 = 523.0;
const BEN: f64 = 1171.0;
const LEVEL: f64 = -20.0;

/// Starts a baresip that trusts the server's own certificate, and joins.
fn join(
    folder: &Path,
    server: &Server,
    conference: &Conference,
    (name, tone, codec, media): (&str, f64, &str, &str),
) -> Baresip {
    let microphone = folder.join(format!("{name}.wav"));
    sine(tone, LEVEL, 120.0, 48_000).write(&microphone).unwrap();
    let authority = folder.join("data/self-signed.pem");
    let home = folder.join(name);
    let mut phone = Baresip::start_over_tls(&home, &microphone, codec, &authority, media).unwrap();
    phone
        .dial(&format!("sip:plenum@{};transport=tls", server.sips))
        .unwrap();
    phone
        .key(&format!("{}#{}#", conference.id, conference.guest_pin))
        .unwrap();
    phone
}

/// Writes another certificate where the server keeps its own.
fn renew_certificate(folder: &Path) {
    let data = folder.join("data");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=plenum",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-keyout", "self-signed.key", "-out", "self-signed.pem"])
        .current_dir(data)
        .output()
        .expect("openssl is needed; install openssl");
    assert!(made.status.success(), "{made:?}");
}

/// As many callers as are to be are in the conference.
fn wait_for_callers(server: &Server, callers: f64) {
    eventually("the callers", Duration::from_secs(20), || {
        let phones = server.metrics()?.sum("plenum_participants", &["phone"])?;
        anyhow::ensure!((phones - callers).abs() < 0.5, "{phones} callers");
        Ok(())
    })
    .unwrap();
}

#[test]
fn phones_over_tls_hear_each_other_and_outlive_a_new_certificate() {
    in_real_time(|| {
        let folder = scratch("sip-tls").unwrap();
        let server =
            Server::start_overridden(&folder, 20, &[("PLENUM_SIP__TLS", "self-signed")]).unwrap();
        let conference = server.conference("Secure").unwrap();
        let mut ann = join(
            &folder,
            &server,
            &conference,
            ("ann", ANN, "pcmu/8000/1", ""),
        );
        let ben = join(
            &folder,
            &server,
            &conference,
            ("ben", BEN, "opus/48000/1", ""),
        );
        wait_for_callers(&server, 2.0);
        let mut stranger = TcpStream::connect(server.sips).unwrap();
        stranger
            .set_read_timeout(Some(Duration::from_secs(8)))
            .unwrap();
        renew_certificate(&folder);
        let read = stranger.read(&mut [0]);
        assert!(
            matches!(read, Ok(0)),
            "who shows no handshake is cut off: {read:?}"
        );
        eventually("the new certificate", Duration::from_secs(10), || {
            anyhow::ensure!(server.log_tail().contains("certificate renewed"));
            Ok(())
        })
        .unwrap();
        let carl = join(
            &folder,
            &server,
            &conference,
            ("carl", 787.0, "pcma/8000/1", ""),
        );
        wait_for_callers(&server, 3.0);
        carl.hang_up().unwrap();
        wait_for_callers(&server, 2.0);
        std::thread::sleep(Duration::from_secs(5));
        ann.check_in_call().unwrap();
        let heard = [ann.hang_up().unwrap(), ben.hang_up().unwrap()];
        let verdicts = [
            judge("Ann", &heard[0].last(4.0).unwrap(), ANN, &[BEN]),
            judge("Ben", &heard[1].last(4.0).unwrap(), BEN, &[ANN]),
        ];
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
        server.stop().unwrap();
    });
}

#[test]
fn an_encrypted_phone_and_a_plain_one_hear_each_other_and_hold_changes_no_key() {
    in_real_time(|| {
        // baresip counts its reports anew after each re-INVITE, so that one or two look like copies.
        encrypted_and_plain("sip-srtp", "srtp-mand", "SRTP is Enabled", 3.5);
    });
}

#[test]
fn a_phone_whose_keys_come_of_a_handshake_is_heard_and_hears() {
    in_real_time(|| {
        encrypted_and_plain(
            "sip-dtls",
            "dtls_srtp",
            "DTLS-SRTP complete (audio/RTP)",
            3.5,
        );
    });
}

/// One phone encrypts in this way of baresip's, whose log then says `sign`, the other does not; `unauthentic` packets may be dropped.
fn encrypted_and_plain(name: &str, media: &str, sign: &str, unauthentic: f64) {
    let folder = scratch(name).unwrap();
    let server =
        Server::start_overridden(&folder, 20, &[("PLENUM_SIP__TLS", "self-signed")]).unwrap();
    let conference = server.conference("Secret").unwrap();
    let mut ann = join(
        &folder,
        &server,
        &conference,
        ("ann", ANN, "pcmu/8000/1", media),
    );
    let microphone = folder.join("ben.wav");
    sine(BEN, LEVEL, 120.0, 48_000).write(&microphone).unwrap();
    let mut ben = Baresip::start(&folder.join("ben"), &microphone, "opus/48000/1").unwrap();
    let over_tcp = format!("sip:plenum@{};transport=tcp", server.sip);
    ben.dial(&over_tcp).unwrap();
    ben.key(&format!("{}#{}#", conference.id, conference.guest_pin))
        .unwrap();
    wait_for_callers(&server, 2.0);
    // What baresip records ends with the hold.
    std::thread::sleep(Duration::from_secs(6));
    ann.hold(true).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    ann.hold(false).unwrap();
    // RTCP, which is protected as well, goes out every five seconds.
    std::thread::sleep(Duration::from_secs(7));
    ann.check_in_call().unwrap();
    let encrypted = std::fs::read_to_string(folder.join("ann/baresip.log")).unwrap();
    assert!(encrypted.contains(sign), "{encrypted}");
    for complaint in ["authentication failed", "failed to decrypt", "unprotect"] {
        assert!(!encrypted.contains(complaint), "{encrypted}");
    }
    let dropped = server
        .metrics()
        .unwrap()
        .sum("plenum_media_dropped_total", &["unauthentic"])
        .unwrap();
    assert!(
        dropped < unauthentic,
        "{dropped} packets were not what they should be"
    );
    let log = server.log_tail();
    let heard = [ann.hang_up().unwrap(), ben.hang_up().unwrap()];
    let verdicts = [
        judge("Ann", &heard[0].last(4.0).unwrap(), ANN, &[BEN]),
        judge("Ben", &heard[1].last(4.0).unwrap(), BEN, &[ANN]),
    ];
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
    assert!(!log.contains("inline"), "keys are in the log");
    server.stop().unwrap();
}
