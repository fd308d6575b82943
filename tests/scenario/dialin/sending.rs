//! REFER of ours (RFC 3515): a far end is sent to somebody else and tells how far that is. Whatever it says, or does not, the call stands.

use std::time::Duration;

use plenum_dialin::{CallCommand, CallEvent, CallId, EndReason, HangupReason};

use super::outgoing::{FAR, outward, reply};
use super::phone::{Line, Request, TRUSTED, header, statuses};

/// A call that stands, our tag in it, and the line.
fn standing() -> (Line, CallId, String) {
    let mut line = Line::with(outward());
    let (call, tag) = line.established(&Request::default());
    (line, call, tag)
}

fn send(line: &mut Line, call: CallId, at: Option<&str>) -> Vec<String> {
    line.command(CallCommand::Refer {
        call,
        number: "+4930555".into(),
        at: at.map(|at| at.parse().unwrap()),
    })
}

/// The same, accepted.
fn sent() -> (Line, CallId, String, String) {
    let (mut line, call, tag) = standing();
    let refer = send(&mut line, call, None).remove(0);
    line.ask_from(TRUSTED, &reply(&refer, 202, "", "", ""));
    assert!(line.events.is_empty(), "{:?}", line.events);
    (line, call, tag, refer)
}

/// What the far end tells; gives our answer to it.
fn notify(line: &mut Line, tag: &str, cseq: u32, rows: &str, body: &str) -> u16 {
    let branch = format!("z9hG4bK-notify-{cseq}");
    let answers = line.ask(&Request {
        method: "NOTIFY",
        cseq,
        to_tag: tag,
        branch: &branch,
        extra: rows,
        body: Some(("message/sipfrag;version=2.0", body)),
        ..Request::default()
    });
    *statuses(&answers).last().unwrap()
}

const ACTIVE: &str = "Event: refer\r\nSubscription-State: active;expires=60\r\n";
const OVER: &str = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n";

fn told(line: &mut Line) -> Vec<u16> {
    let events = std::mem::take(&mut line.events).into_iter();
    events
        .map(|event| match event {
            CallEvent::Sent { status, .. } => status,
            other => panic!("expected news of a transfer, got {other:?}"),
        })
        .collect()
}

/// The call is there as ever, and ends when we hang up, leaving nothing.
fn stands(mut line: Line, call: CallId) {
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(line.endpoint.counters().calls, 1);
    let bye = line.command(CallCommand::Hangup {
        call,
        reason: HangupReason::Normal,
    });
    assert!(bye[0].starts_with("BYE "), "{bye:?}");
    let reason = EndReason::HungUp;
    assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
    line.ask_from(TRUSTED, &reply(&bye[0], 200, "", "", ""));
    line.pass(Duration::from_secs(400));
    let counters = line.endpoint.counters();
    assert_eq!((counters.calls, counters.transactions), (0, 0));
    assert_eq!(line.endpoint.unfinished(), 0);
    assert_eq!(line.endpoint.deadline(), None);
}

#[test]
fn the_phone_is_told_whom_to_call_and_its_news_are_told_until_the_last() {
    let (mut line, call, tag, refer) = sent();
    assert!(refer.starts_with("REFER sip:ann@127.0.0.1:5062 "));
    assert_eq!(header(&refer, "Refer-To"), "<sip:+4930555@127.0.0.1>");
    assert_eq!(header(&refer, "Referred-By"), "<sip:1001@127.0.0.1>");
    assert!(!header(&refer, "Contact").is_empty());
    let own = header(&refer, "CSeq").split(' ').next().unwrap();
    let event = format!("Event: refer;id={own}\r\nSubscription-State: active\r\n");
    assert_eq!(
        notify(&mut line, &tag, 2, ACTIVE, "SIP/2.0 100 Trying"),
        200
    );
    assert_eq!(told(&mut line), [0; 0]);
    for cseq in 3..20 {
        let body = format!("SIP/2.0 {} Ringing\r\n", 177 + cseq);
        assert_eq!(notify(&mut line, &tag, cseq, &event, &body), 200);
    }
    assert_eq!(told(&mut line), [180], "however often it rings");
    assert_eq!(notify(&mut line, &tag, 20, OVER, "SIP/2.0 200 OK\r\n"), 200);
    assert_eq!(told(&mut line), [200]);
    assert_eq!(
        notify(&mut line, &tag, 21, OVER, "SIP/2.0 486 Busy\r\n"),
        481,
        "that was the last word"
    );
    line.pass(Duration::from_secs(200));
    stands(line, call);
}

#[test]
fn news_may_come_before_the_answer_to_the_refer() {
    let (mut line, call, tag) = standing();
    let refer = send(&mut line, call, None).remove(0);
    assert_eq!(notify(&mut line, &tag, 2, OVER, "SIP/2.0 486 Busy"), 200);
    assert_eq!(told(&mut line), [486]);
    // The next one is under way when the answer to the first comes, late and a refusal.
    let next = send(&mut line, call, None);
    assert_eq!(next.len(), 1, "{next:?}");
    line.ask_from(TRUSTED, &reply(&refer, 500, "", "", ""));
    assert_eq!(told(&mut line), [0; 0]);
    let own = header(&refer, "CSeq").split(' ').next().unwrap();
    let old = format!("Event: refer;id={own}\r\nSubscription-State: terminated\r\n");
    let status = notify(&mut line, &tag, 3, &old, "SIP/2.0 200 OK");
    assert_eq!(status, 481, "what is said of the first is not the second's");
    line.ask_from(TRUSTED, &reply(&next[0], 603, "", "", ""));
    assert_eq!(told(&mut line), [603]);
    stands(line, call);
}

#[test]
fn a_phone_that_refuses_or_knows_no_refer_stays() {
    for status in [301, 400, 403, 405, 408, 420, 481, 486, 501, 503, 603] {
        let (mut line, call, _) = standing();
        let refer = send(&mut line, call, None).remove(0);
        line.ask_from(TRUSTED, &reply(&refer, status, "", "", ""));
        assert_eq!(told(&mut line), [status]);
        stands(line, call);
    }
}

#[test]
fn a_phone_that_says_nothing_stays() {
    let (mut line, call, tag) = standing();
    send(&mut line, call, None);
    line.pass(Duration::from_secs(31));
    assert!(line.events.is_empty(), "{:?}", line.events);
    line.pass(Duration::from_secs(2));
    assert_eq!(told(&mut line), [408], "nobody answers the refer");
    assert_eq!(
        notify(&mut line, &tag, 2, ACTIVE, "SIP/2.0 180 Ringing"),
        200
    );
    assert_eq!(
        notify(&mut line, &tag, 3, OVER, "SIP/2.0 486 Busy Here"),
        200
    );
    assert!(line.events.is_empty(), "{:?}", line.events);
    stands(line, call);

    let (mut line, call, tag, _) = sent();
    assert_eq!(
        notify(&mut line, &tag, 2, ACTIVE, "SIP/2.0 180 Ringing"),
        200
    );
    assert_eq!(told(&mut line), [180]);
    line.pass(Duration::from_secs(178));
    assert!(line.events.is_empty(), "{:?}", line.events);
    line.pass(Duration::from_secs(3));
    assert_eq!(told(&mut line), [408], "its last word was lost");
    stands(line, call);
}

#[test]
fn who_gets_there_late_is_heard_once() {
    let (mut line, call, tag, _) = sent();
    line.pass(Duration::from_secs(181));
    assert_eq!(told(&mut line), [408]);
    assert_eq!(notify(&mut line, &tag, 2, OVER, "SIP/2.0 200 OK"), 200);
    assert_eq!(told(&mut line), [200]);
    assert_eq!(notify(&mut line, &tag, 3, OVER, "SIP/2.0 200 OK"), 481);
    stands(line, call);

    // One that was sent again is heard of the later order alone.
    let (mut line, call, tag, _) = sent();
    line.pass(Duration::from_secs(181));
    assert_eq!(told(&mut line), [408]);
    let refer = send(&mut line, call, None).remove(0);
    line.ask_from(TRUSTED, &reply(&refer, 603, "", "", ""));
    assert_eq!(told(&mut line), [603]);
    assert_eq!(notify(&mut line, &tag, 2, OVER, "SIP/2.0 200 OK"), 481);
    stands(line, call);
}

#[test]
fn a_refer_whose_answer_is_lost_was_taken_if_there_is_news_of_it() {
    let (mut line, call, tag) = standing();
    send(&mut line, call, None);
    assert_eq!(
        notify(&mut line, &tag, 2, ACTIVE, "SIP/2.0 100 Trying"),
        200
    );
    line.pass(Duration::from_secs(60));
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(notify(&mut line, &tag, 3, OVER, "SIP/2.0 200 OK"), 200);
    assert_eq!(told(&mut line), [200]);
    stands(line, call);
}

#[test]
fn a_subscription_that_ends_without_a_last_word_tells_nothing_good() {
    for body in ["SIP/2.0 100 Trying", "SIP/2.0 183 Progress", ""] {
        let (mut line, call, tag, _) = sent();
        assert_eq!(notify(&mut line, &tag, 2, OVER, body), 200);
        assert_eq!(told(&mut line), [408], "{body}");
        stands(line, call);
    }
}

#[test]
fn hostile_news_are_refused_and_change_nothing() {
    let (mut line, call, tag, _) = sent();
    let long = "SIP/2.0 200 OK".to_owned() + &" ".repeat(5_000);
    for (cseq, (rows, body, expected)) in (2..).zip([
        ("", "SIP/2.0 200 OK", 489),
        ("Event: presence\r\n", "SIP/2.0 200 OK", 489),
        ("Event: refer;id=0\r\n", "SIP/2.0 200 OK", 481),
        ("Event: refer;id=x\r\n", "SIP/2.0 200 OK", 481),
        ("Event: refer;id=99999999999999\r\n", "SIP/2.0 200 OK", 481),
        (ACTIVE, "SIP/2.0 200OK", 400),
        (ACTIVE, "SIP/2.0 99 No", 400),
        (ACTIVE, "SIP/2.0 700 No", 400),
        (ACTIVE, "SIP/2.0", 400),
        (ACTIVE, "INVITE sip:a SIP/2.0", 400),
        (ACTIVE, "\u{fffd}\u{fffd}", 400),
        (ACTIVE, &long, 413),
    ]) {
        assert_eq!(
            notify(&mut line, &tag, cseq, rows, body),
            expected,
            "{rows}{body:.20}"
        );
    }
    let other = line.ask(&Request {
        method: "NOTIFY",
        cseq: 30,
        to_tag: &tag,
        branch: "z9hG4bK-other",
        extra: ACTIVE,
        body: Some(("text/plain", "SIP/2.0 200 OK")),
        ..Request::default()
    });
    assert_eq!(statuses(&other), [415]);
    let stranger = Request {
        method: "NOTIFY",
        to_tag: "none",
        branch: "z9hG4bK-stranger",
        extra: OVER,
        body: Some(("message/sipfrag", "SIP/2.0 200 OK")),
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&stranger)), [481]);
    let outside = Request {
        to_tag: "",
        branch: "z9hG4bK-outside",
        call_id: "call-9",
        ..stranger
    };
    assert_eq!(statuses(&line.ask(&outside)), [481]);
    assert_eq!(told(&mut line), [0; 0]);
    stands(line, call);
}

#[test]
fn it_hangs_up_while_it_is_sent_away() {
    let (mut line, call, tag) = standing();
    let refer = send(&mut line, call, None).remove(0);
    let bye = Request {
        method: "BYE",
        cseq: 2,
        to_tag: &tag,
        branch: "z9hG4bK-bye",
        body: None,
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&bye)), [200]);
    let reason = EndReason::CallerHungUp;
    assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
    line.events.clear();
    line.ask_from(TRUSTED, &reply(&refer, 481, "", "", ""));
    let late = notify(&mut line, &tag, 3, OVER, "SIP/2.0 200 OK");
    assert_eq!(late, 481);
    line.pass(Duration::from_secs(400));
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(line.endpoint.unfinished(), 0);
    assert_eq!(line.endpoint.deadline(), None);
}

#[test]
fn we_hang_up_while_it_is_sent_away() {
    let (line, call, _, _) = sent();
    stands(line, call);
}

#[test]
fn nobody_is_sent_where_its_trunk_does_not_lead_and_one_at_a_time() {
    let (mut line, call, _) = standing();
    for at in [
        "elsewhere.example",
        "127.0.0.1:5099",
        "127.0.0.1;transport=tcp",
    ] {
        assert!(send(&mut line, call, Some(at)).is_empty());
        assert_eq!(told(&mut line), [603], "{at}");
    }
    let refer = send(&mut line, call, Some(FAR));
    assert_eq!(
        header(&refer[0], "Refer-To"),
        format!("<sip:+4930555@{FAR}>")
    );
    assert!(send(&mut line, call, None).is_empty());
    assert_eq!(told(&mut line), [491]);
    line.ask_from(TRUSTED, &reply(&refer[0], 603, "", "", ""));
    assert_eq!(told(&mut line), [603]);
    stands(line, call);

    let mut line = Line::new();
    let (call, _) = line.established(&Request::default());
    assert!(send(&mut line, call, None).is_empty());
    assert_eq!(
        told(&mut line),
        [603],
        "a trunk that takes no calls of ours"
    );
    stands(line, call);
}

#[test]
fn another_far_end_in_its_place_has_not_been_sent_away() {
    let (mut line, call, tag, _) = sent();
    let replaces = format!("Replaces: call-1;to-tag={tag};from-tag=caller\r\n");
    line.ask(&Request {
        branch: "z9hG4bK-new",
        from_tag: "newcomer",
        call_id: "call-2",
        extra: &replaces,
        ..Request::default()
    });
    line.events.clear();
    line.command(CallCommand::AcceptOffer {
        call,
        sdp: super::phone::ANSWER.into(),
    });
    assert_eq!(told(&mut line), [487]);
    assert_eq!(notify(&mut line, &tag, 2, OVER, "SIP/2.0 200 OK"), 481);
}
