//! A far end wants somebody else called in its place (REFER, RFC 3515), and is told how far that is.

use std::time::Duration;

use plenum_dialin::{CallCommand, CallEvent, CallId, ReferId};

use super::outgoing::{FAR, RING, leading, reply, route};
use super::phone::{Line, Request, TRUSTED, config, header, statuses};

fn line() -> Line {
    let mut settings = config();
    let mut way_out = leading("out", FAR);
    way_out.sources.clear();
    settings.trunks.push(way_out);
    Line::with(settings)
}

fn refer<'a>(cseq: u32, tag: &'a str, branch: &'a str, extra: &'a str) -> Request<'a> {
    Request {
        method: "REFER",
        cseq,
        to_tag: tag,
        branch,
        extra,
        body: None,
        ..Request::default()
    }
}

const TO: &str = "Refer-To: \"Zoe\" <sip:3015550123@127.0.0.1;user=phone>\r\n";

/// The wish that was told last, which is forgotten.
fn wish(line: &mut Line) -> ReferId {
    let Some(CallEvent::Referred { refer, .. }) = line.events.pop() else {
        unreachable!("{:?}", line.events);
    };
    line.events.clear();
    refer
}

fn progress(line: &mut Line, (call, refer): (CallId, ReferId), status: u16) -> Vec<String> {
    let sent = line.command(CallCommand::Referral {
        call,
        refer,
        status,
    });
    for notify in &sent {
        line.ask_from(TRUSTED, &reply(notify, 200, "", "", ""));
    }
    sent
}

#[test]
fn who_is_wanted_is_told_and_how_far_it_is_goes_back_until_the_last_word() {
    let mut line = line();
    let (call, tag) = line.established(&Request::default());
    let sent = line.ask(&refer(2, &tag, "z9hG4bK-refer", TO));
    assert!(sent[0].starts_with("SIP/2.0 202 "), "{sent:?}");
    let notify = &sent[1];
    assert!(
        notify.starts_with("NOTIFY sip:ann@127.0.0.1:5062 "),
        "{notify}"
    );
    assert_eq!(header(notify, "Event"), "refer;id=2");
    assert!(header(notify, "Subscription-State").starts_with("active;expires="));
    assert_eq!(
        header(notify, "Content-Type"),
        "message/sipfrag;version=2.0"
    );
    assert!(
        notify.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"),
        "{notify}"
    );
    line.ask_from(TRUSTED, &reply(notify, 200, "", "", ""));
    let [CallEvent::Referred { call: of, to, .. }] = &line.events[..] else {
        unreachable!("{:?}", line.events);
    };
    assert_eq!((*of, to.as_str()), (call, "3015550123"));
    assert!(!format!("{:?}", line.events).contains("3015550123"));
    let wish = (call, wish(&mut line));
    let sent = progress(&mut line, wish, 180);
    assert!(sent[0].ends_with("\r\n\r\nSIP/2.0 180 Ringing\r\n"));
    let sent = progress(&mut line, wish, 200);
    assert!(sent[0].ends_with("\r\n\r\nSIP/2.0 200 OK\r\n"));
    assert_eq!(
        header(&sent[0], "Subscription-State"),
        "terminated;reason=noresource"
    );
    assert!(
        progress(&mut line, wish, 486).is_empty(),
        "that was the last word"
    );
    line.pass(Duration::from_secs(33));
    assert_eq!(line.endpoint.counters().calls, 1, "the call itself goes on");
    assert!(line.events.is_empty());
}

#[test]
fn what_is_no_plain_call_is_refused_and_the_call_goes_on() {
    let mut line = line();
    let (_, tag) = line.established(&Request::default());
    for (number, (row, expected)) in [
        ("", 400),
        ("Refer-To: <sip:1@a>\r\nRefer-To: <sip:2@a>\r\n", 400),
        ("Refer-To: <sip:1@a>, <sip:2@a>\r\n", 400),
        ("Refer-To: <sip:\r\n", 400),
        ("Refer-To: <sip:1@a?Replaces=x%3Bto-tag%3D1>\r\n", 603),
        (
            "Refer-To: <sip:1@a?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2%0D%0AX%3A>\r\n",
            603,
        ),
        (
            "Refer-To: <sip:1@a?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=y>\r\n",
            603,
        ),
        ("Refer-To: <sip:1@a?Subject=x>\r\n", 603),
        ("Refer-To: <sip:1@a;method=BYE>\r\n", 603),
        ("Refer-To: <sip:127.0.0.1>\r\n", 603),
        ("Refer-To: <http://example.com/>\r\n", 603),
    ]
    .into_iter()
    .enumerate()
    {
        let branch = format!("z9hG4bK-refer-{number}");
        let cseq = 2 + u32::try_from(number).unwrap();
        let sent = line.ask(&refer(cseq, &tag, &branch, row));
        assert_eq!(statuses(&sent), [expected], "{row}");
    }
    assert!(line.events.is_empty(), "{:?}", line.events);
}

#[test]
fn whose_place_the_call_shall_take_is_said_in_our_invite_and_nothing_else_of_the_address() {
    let mut line = line();
    let (_, tag) = line.established(&Request::default());
    let dialog = "a%40b%3Bfrom-tag%3Dfar%3Bx%3Dy%3Bto-tag%3Dnear";
    for (number, (by, expected)) in [
        (
            "Referred-By: \"Host\" <sip:host@127.0.0.1>;cid=1\r\n",
            "<sip:host@127.0.0.1>",
        ),
        ("", "<sip:49301234@127.0.0.1>"),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!(
            "Refer-To: <sip:3015550123@127.0.0.1?Replaces={dialog}&Require=replaces>\r\n{by}"
        );
        let cseq = 2 + u32::try_from(number).unwrap();
        let sent = line.ask(&refer(cseq, &tag, &format!("z9hG4bK-refer-{number}"), &to));
        assert!(sent[0].starts_with("SIP/2.0 202 "), "{sent:?}");
        line.ask_from(TRUSTED, &reply(&sent[1], 200, "", "", ""));
        let Some(CallEvent::Referred {
            call: of,
            refer,
            to,
            replaces,
        }) = line.events.pop()
        else {
            unreachable!("{:?}", line.events);
        };
        assert_eq!(to, "3015550123");
        let shown = format!("{replaces:?}");
        assert!(
            !shown.contains("near") && !shown.contains("host"),
            "{shown}"
        );
        let invite = line.command(CallCommand::Dial {
            call: CallId::placed(u64::from(cseq)),
            routes: vec![route("out")],
            ring: RING,
            replaces,
        });
        assert_eq!(
            header(&invite[0], "Replaces"),
            "a@b;to-tag=near;from-tag=far"
        );
        assert_eq!(header(&invite[0], "Require"), "replaces");
        assert_eq!(header(&invite[0], "Referred-By"), expected);
        progress(&mut line, (of, refer), 200);
    }
}

#[test]
fn one_at_a_time_and_not_without_end() {
    let mut line = line();
    let (call, tag) = line.established(&Request::default());
    for count in 0..6 {
        let branches = [0, 1].map(|kind| format!("z9hG4bK-refer-{count}-{kind}"));
        let cseq = 2 + 2 * count;
        let sent = line.ask(&refer(cseq, &tag, &branches[0], TO));
        if count == 5 {
            assert_eq!(statuses(&sent), [603], "the sixth is one too many");
            break;
        }
        assert!(sent[0].starts_with("SIP/2.0 202 "));
        line.ask_from(TRUSTED, &reply(&sent[1], 200, "", "", ""));
        let sent = line.ask(&refer(cseq + 1, &tag, &branches[1], TO));
        assert_eq!(statuses(&sent), [491]);
        let refer = wish(&mut line);
        progress(&mut line, (call, refer), 486);
    }
}

#[test]
fn news_of_a_wish_that_is_over_are_not_told_of_the_next() {
    let mut line = line();
    let (call, tag) = line.established(&Request::default());
    let ask = |line: &mut Line, cseq, branch| {
        let sent = line.ask(&refer(cseq, &tag, branch, TO));
        line.ask_from(TRUSTED, &reply(&sent[1], 200, "", "", ""));
        (call, wish(line))
    };
    let first = ask(&mut line, 2, "z9hG4bK-refer-1");
    progress(&mut line, first, 486);
    let second = ask(&mut line, 3, "z9hG4bK-refer-2");
    assert_ne!(first, second);
    assert!(progress(&mut line, first, 200).is_empty(), "nobody is in");
    let sent = progress(&mut line, second, 180);
    assert_eq!(header(&sent[0], "Event"), "refer;id=3");
}

#[test]
fn a_server_that_calls_nobody_declines_and_a_phone_that_wants_no_news_is_still_there() {
    let mut line = Line::new();
    let (_, tag) = line.established(&Request::default());
    let sent = line.ask(&refer(2, &tag, "z9hG4bK-refer", TO));
    assert_eq!(statuses(&sent), [603]);

    let mut line = self::line();
    let (_, tag) = line.established(&Request::default());
    let sent = line.ask(&refer(2, &tag, "z9hG4bK-refer", TO));
    line.events.clear();
    line.ask_from(TRUSTED, &reply(&sent[1], 481, "", "", ""));
    line.pass(Duration::from_secs(40));
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(line.endpoint.counters().calls, 1);
}

#[test]
fn outside_of_a_call_there_is_nothing_to_transfer() {
    let mut line = line();
    let sent = line.ask(&refer(1, "", "z9hG4bK-refer", TO));
    assert_eq!(statuses(&sent), [481]);
}
