//! Names and music: what a caller hears who is alone, and when another comes.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::pcap::Performance;
use plenum_tests::process::eventually;
use plenum_tests::server::Server;
use plenum_tests::sipp::Calls;
use plenum_tests::workspace::scratch;

/// What the second caller says for a name, and for nothing else.
const NAME: f64 = 1_171.0;

fn inside(server: &Server, people: f64) {
    eventually("a caller inside", Duration::from_secs(30), || {
        let inside = server
            .metrics()?
            .sum("plenum_participants", &["kind=\"phone\""])?;
        ensure!((inside - people).abs() < 0.5, "{inside} are inside");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_is_alone_hears_music_until_the_next_comes_whose_name_is_heard() {
    let folder = scratch("names").unwrap();
    let names = ("PLENUM_CONFERENCE__ANNOUNCE", "names");
    // The second caller is silent from its name on.
    let patience = ("PLENUM_SIP__RTP_SILENCE_SECONDS", "60");
    let mut server = Server::start_overridden(&folder, 20, &[names, patience]).unwrap();
    let conference = server.conference("Names").unwrap();
    let digits = format!("{}#{}#", conference.id, conference.guest_pin);
    let call = |name: &str, tone, seconds, stay_seconds| {
        Calls {
            server: server.sip,
            number: "plenum",
            count: 1,
            per_second: 1,
            stay_seconds,
            performance: Performance {
                lead_ms: 1000,
                digits: &digits,
                tones: false,
                tone: (tone, -20.0),
                rise: 0.0,
                seconds,
            },
        }
        .start(&folder.join(name))
        .unwrap()
    };
    let first = call("first", 787.0, 64, 68);
    inside(&server, 1.0);
    // At the attendant the second caller is for long enough that the first one hears the words for it and then music. Its tone
    // is over when the name is recorded: in the conference it is silent.
    let second = call("second", NAME, 8, 42);
    inside(&server, 2.0);
    let mut ears = first.finish(Duration::from_secs(120)).unwrap();
    let heard = ears.remove(0).finish().unwrap();
    second.finish(Duration::from_secs(60)).unwrap();

    let seconds = heard.samples.len() as f64 / 8_000.0;
    let starts = (0..).map(|half| f64::from(half) / 2.0);
    let mut named: Vec<f64> = starts
        .take_while(|from| from + 1.0 < seconds)
        .filter(|from| {
            let level = heard.between(*from, 1.0).unwrap().level(NAME).unwrap();
            level > -35.0
        })
        .collect();
    // Once more when it leaves, which is not waited for.
    let first = named.first().copied().unwrap_or_default();
    named.retain(|from| *from < first + 5.0);
    assert!(
        (1..=7).contains(&named.len()),
        "the name is heard at {named:?} s of {seconds:.1} s"
    );
    let music = heard.between(first - 3.5, 2.5).unwrap().loudness();
    assert!((-45.0..-25.0).contains(&music), "music at {music:.1} dB");
    let last = named[named.len() - 1];
    let after = heard.between(last + 3.5, 2.0).unwrap().loudness();
    assert!(after < -55.0, "{after:.1} dB after the name");
    server.check_alive().unwrap();
    server.stop().unwrap();
}
