//! Calls faster than people make them: sipp's signalling at 200 a second, and over a line that loses a tenth of it.

use std::time::Duration;

use plenum_tests::process::eventually;
use plenum_tests::relay::Relay;
use plenum_tests::rush::Rush;
use plenum_tests::server::Server;
use plenum_tests::workspace::scratch;

use super::{Held, held};

/// So many calls may stand at once, at two RTP ports each.
const AT_ONCE: u16 = 900;
const SEED: u64 = 11;

fn until_gone(server: &Server, before: &Held) {
    eventually("everything given back", Duration::from_secs(20), || {
        let after = held(server)?;
        anyhow::ensure!(
            after.open_files <= before.open_files + 2
                && Held {
                    open_files: before.open_files,
                    ..after
                } == *before,
            "before {before:?}, after {:?}",
            held(server)?
        );
        Ok(())
    })
    .unwrap();
}

/// The figures of a quiet machine are those of `make bench`; here they are bounds that a busy one keeps, too.
#[test]
fn two_hundred_calls_a_second_are_answered_and_leave_nothing_behind() {
    let folder = scratch("rush").unwrap();
    let mut server = Server::start(&folder, 2 * AT_ONCE).unwrap();
    let before = held(&server).unwrap();
    let rush = Rush {
        server: server.sip,
        number: "plenum",
        calls: 1_000,
        per_second: 200,
        stay_ms: 500,
    };
    // What the first calls make grow is not of every call.
    rush.run(&folder.join("first")).unwrap();
    until_gone(&server, &before);
    let (memory, cpu) = (server.resident().unwrap(), server.cpu().unwrap());
    let rush = Rush {
        calls: 2_000,
        ..rush
    };
    let figures = rush.run(&folder.join("second")).unwrap();
    let cpu = server.cpu().unwrap() - cpu;
    until_gone(&server, &before);
    server.check_alive().unwrap();
    let grown = server.resident().unwrap().saturating_sub(memory) / u64::from(rush.calls);
    let p95 = figures.quantile(0.95);
    eprintln!(
        "{} calls in {:.1} s: answered after {:.1} ms (median), {p95:.1} ms (p95), {:.1} ms (last); \
         {:.2} ms CPU per call of half a second; {grown} bytes per call still held",
        rush.calls,
        figures.took.as_secs_f64(),
        figures.quantile(0.5),
        figures.quantile(1.0),
        cpu.as_secs_f64() * 1_000.0 / f64::from(rush.calls),
    );
    assert!(p95 < 2_000.0, "p95 of the answer: {p95:.0} ms");
    // Transactions are kept for 32 s (RFC 3261), so that this says nothing yet: that nothing stays is for `make bench-calls` to show.
    server.stop().unwrap();
}

#[test]
fn a_line_that_loses_a_tenth_of_all_signalling_loses_no_call() {
    let folder = scratch("rush-lossy").unwrap();
    let announced = Relay::ADDRESS.to_string();
    let environment = [("PLENUM_SERVER__ANNOUNCED", announced.as_str())];
    let mut server = Server::start_overridden(&folder, 2 * AT_ONCE, &environment).unwrap();
    let before = held(&server).unwrap();
    let port = server.sip.port();
    let relay = Relay::start([port], [], SEED).unwrap();
    relay.impair(100, 0);
    let rush = Rush {
        server: (Relay::ADDRESS, port).into(),
        number: "plenum",
        calls: 500,
        per_second: 100,
        stay_ms: 4_000,
    };
    let figures = rush.run(&folder.join("sipp")).unwrap();
    let (passed, lost) = relay.counts();
    eprintln!(
        "{} calls, {lost} of {} messages lost: answered after {:.0} ms (median), {:.0} ms (last)",
        rush.calls,
        passed + lost,
        figures.quantile(0.5),
        figures.quantile(1.0),
    );
    assert!(lost * 12 > passed + lost, "{lost} of {}", passed + lost);
    until_gone(&server, &before);
    server.check_alive().unwrap();
    server.stop().unwrap();
}
