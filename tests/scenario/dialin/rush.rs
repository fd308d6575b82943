//! So many calls that whatever one of them left behind would show.

use std::time::Duration;

use plenum_dialin::{CallEvent, EndReason};

use super::phone::{Line, Request, ack};

#[test]
fn forty_thousand_calls_leave_nothing_behind() {
    let mut line = Line::new();
    let mut most = 0;
    for number in 0..40_000 {
        let names = [0, 1, 2].map(|kind| format!("z9hG4bK-{kind}-{number}"));
        let id = format!("call-{number}");
        let invite = Request {
            branch: &names[0],
            call_id: &id,
            ..Request::default()
        };
        let (call, tag) = line.established(&invite);
        let bye = Request {
            method: "BYE",
            cseq: 2,
            branch: &names[1],
            ..ack(&invite, &tag)
        };
        line.ask(&bye);
        let reason = EndReason::CallerHungUp;
        assert_eq!(line.events.pop(), Some(CallEvent::Ended { call, reason }));
        most = most.max(line.endpoint.counters().transactions);
        // 200 a second.
        line.pass(Duration::from_millis(5));
    }
    // INVITE and BYE of 32 s (timers J and L).
    assert!((12_000..13_000).contains(&most), "{most} transactions");
    line.pass(Duration::from_secs(33));
    let counters = line.endpoint.counters();
    assert_eq!((counters.calls, counters.transactions), (0, 0));
    assert_eq!(line.endpoint.unfinished(), 0);
    assert_eq!(counters.overload, 0);
    // What stands on the heap of timers is void, and goes with its time.
    line.pass(Duration::from_secs(2_000));
    assert_eq!(line.endpoint.deadline(), None);
}
