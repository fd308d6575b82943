//! `plenum load` against a real server: everybody gets in, what is reported is true, and what is wrong is said.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

use plenum_tests::server::{Conference, Server};
use plenum_tests::workspace::{plenum, scratch};
use serde_json::Value;

const SECONDS: u32 = 5;
const BROWSERS: [&str; 2] = ["--browsers", "3"];

fn load(server: &Server, conference: &Conference, pin: &str, options: &[&str]) -> Output {
    Command::new(plenum().unwrap())
        .args(["load", "--url", &format!("http://{}", server.http)])
        .args(["--sip", &server.sip.to_string()])
        .args(["--conference", &conference.id, "--pin", pin])
        .args(["--phones", "3", "--json", "--solo", "0"])
        .args(["--seconds", &SECONDS.to_string()])
        .args(options)
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(report: &Value, path: &str) -> f64 {
    let value = report.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no number at {path} in {report:#}"))
}

#[test]
fn three_browsers_and_three_phones_get_in_and_the_report_is_true() {
    let server = Server::start(&scratch("load").unwrap(), 20).unwrap();
    let conference = server.conference("Load").unwrap();

    let clean = report(&load(
        &server,
        &conference,
        &conference.guest_pin,
        &BROWSERS,
    ));
    assert_eq!(number(&clean, "/joined"), 6.0, "{clean:#}");
    assert_eq!(number(&clean, "/server_browsers"), 3.0, "{clean:#}");
    assert_eq!(number(&clean, "/server_phones"), 3.0, "{clean:#}");
    assert_eq!(clean["not_joined"], Value::Array(Vec::new()));
    assert_eq!(clean["lost_legs"], Value::Array(Vec::new()));
    // 50 packets a second on each of six legs, none of them lost on a loopback.
    let expected = 300.0 * f64::from(SECONDS);
    let received = number(&clean, "/received");
    assert!(
        (expected * 0.97..expected * 1.03).contains(&received),
        "{clean:#}"
    );
    assert!(number(&clean, "/lost_percent") < 0.1, "{clean:#}");
    assert!(number(&clean, "/delay_ms/count") >= 3.0, "{clean:#}");
    let delay = number(&clean, "/delay_ms/p50");
    assert!((25.0..200.0).contains(&delay), "{clean:#}");
    assert!(number(&clean, "/join_browsers_ms/p95") < 3_000.0);
    assert!(number(&clean, "/server/cpu_percent") > 0.0, "{clean:#}");

    // What is thrown away before it is counted must show as lost.
    let options = [&BROWSERS[..], &["--check-loss", "8"]].concat();
    let deaf = report(&load(&server, &conference, &conference.guest_pin, &options));
    let lost = number(&deaf, "/lost_percent");
    assert!((5.0..11.0).contains(&lost), "{deaf:#}");

    // What is lost on the way to the server must show in the server's own count.
    let metric = "plenum_media_packets_lost_total";
    let before = server.metrics().unwrap().sum(metric, &[]).unwrap();
    let options = [&BROWSERS[..], &["--loss", "10", "--talkers", "6"]].concat();
    let lossy = report(&load(&server, &conference, &conference.guest_pin, &options));
    assert!(number(&lossy, "/lost_percent") < 0.1, "{lossy:#}");
    let missed = server.metrics().unwrap().sum(metric, &[]).unwrap() - before;
    assert!(missed > expected * 0.03, "{missed} of {expected}");
    server.stop().unwrap();
}

#[test]
fn what_is_wrong_for_all_is_said_at_once() {
    let server = Server::start(&scratch("load-refused").unwrap(), 20).unwrap();
    let conference = server.conference("Load").unwrap();
    let refused = load(&server, &conference, "00000000", &BROWSERS);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(complaint.contains("wrong_pin"), "{complaint}");

    let nobody = Command::new(plenum().unwrap())
        .args(["load", "--url", "http://127.0.0.1:1", "--conference", "1"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&nobody.stderr);
    assert!(!nobody.status.success());
    assert!(
        complaint.contains("nothing answers at 127.0.0.1:1"),
        "{complaint}"
    );

    let silent = Command::new(plenum().unwrap())
        .args(["load", "--url", &format!("http://{}", server.http)])
        .args(["--conference", &conference.id, "--sip", "127.0.0.1:9"])
        .args(["--browsers", "0", "--phones", "1"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&silent.stderr);
    assert!(!silent.status.success());
    assert!(complaint.contains("INVITE is not answered"), "{complaint}");
}
