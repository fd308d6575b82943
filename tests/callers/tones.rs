//! A gateway that knows no telephone-events: its callers' keys are tones in the sound.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::pcap::Performance;
use plenum_tests::process::eventually;
use plenum_tests::server::Server;
use plenum_tests::sipp::Calls;
use plenum_tests::workspace::scratch;
use serde_json::Value;

#[test]
fn who_has_tones_only_keys_its_way_in_past_the_prompts() {
    let folder = scratch("tones").unwrap();
    let mut server = Server::start(&folder, 20).unwrap();
    let conference = server.conference("Tones").unwrap();
    let path = format!("/conferences/{}/participants", conference.id);
    let digits = format!("{}#{}#", conference.id, conference.guest_pin);
    let sipp = Calls {
        server: server.sip,
        number: "plenum",
        count: 1,
        per_second: 1,
        stay_seconds: 20,
        performance: Performance {
            lead_ms: 1000,
            digits: &digits,
            tones: true,
            tone: (787.0, -20.0),
            rise: 0.0,
            seconds: 20,
        },
    }
    .start(&folder.join("sipp"))
    .unwrap();
    eventually("the caller inside", Duration::from_secs(15), || {
        let (_, shown) = server.rest("GET", &path, &Value::Null)?;
        ensure!(shown["participants"][0]["kind"] == "phone", "{shown}");
        Ok(())
    })
    .unwrap();
    sipp.finish(Duration::from_secs(60)).unwrap();
    server.check_alive().unwrap();
}
