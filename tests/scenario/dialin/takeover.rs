//! Somebody takes the place of a call that stands (Replaces, RFC 3891): one call for its owner, two dialogs on the wire.

use std::time::Duration;

use plenum_dialin::{CallCommand, CallEvent, CallId, EndReason, SipInput, Wire};

use super::outgoing::{FAR, leading, outward, placed, taken};
use super::phone::{
    ANSWER, Line, OFFER, Request, TRUSTED, ack, config, header, status, statuses, tag_of,
};

/// Where the newcomer is.
const OTHER: &str = "127.0.0.9:5080";

fn newcomer<'a>(replaces: &'a str) -> Request<'a> {
    Request {
        branch: "z9hG4bK-new",
        via: "SIP/2.0/UDP 127.0.0.9:5080",
        from_tag: "newcomer",
        call_id: "call-2",
        extra: replaces,
        ..Request::default()
    }
}

fn replaces(tag: &str) -> String {
    format!("Require: replaces\r\nReplaces: call-1;to-tag={tag};from-tag=caller\r\n")
}

/// The call that stands, our tag in it, and the line.
fn standing() -> (Line, CallId, String) {
    let mut line = Line::new();
    let (call, tag) = line.established(&Request::default());
    (line, call, tag)
}

fn accept(line: &mut Line, call: CallId) -> Vec<(Wire, String)> {
    line.sent.clear();
    line.input(SipInput::Command(CallCommand::AcceptOffer {
        call,
        sdp: ANSWER.into(),
    }));
    std::mem::take(&mut line.sent)
}

/// The caller hangs up, and nothing is left.
fn ends(line: &mut Line, call: CallId, of: &Request<'_>, from: &str, tag: &str) {
    let bye = Request {
        method: "BYE",
        cseq: 20,
        branch: "z9hG4bK-bye",
        ..ack(of, tag)
    };
    assert_eq!(statuses(&line.ask_from(from, &bye.text())), [200]);
    let reason = EndReason::CallerHungUp;
    assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
    line.events.clear();
    line.pass(Duration::from_secs(2_000));
    let counters = line.endpoint.counters();
    assert_eq!((counters.calls, counters.transactions), (0, 0));
    assert_eq!(line.endpoint.unfinished(), 0);
    assert_eq!(line.endpoint.trunk_counters()[0].calls, 0);
    assert_eq!(line.endpoint.deadline(), None);
}

/// Nothing has changed for the call.
fn stands(mut line: Line, call: CallId, tag: &str) {
    assert!(line.events.is_empty(), "{:?}", line.events);
    ends(&mut line, call, &Request::default(), TRUSTED, tag);
}

#[test]
fn a_newcomer_takes_the_place_and_who_was_there_is_hung_up_on() {
    let (mut line, call, tag) = standing();
    let replaces = replaces(&tag);
    let invite = newcomer(&replaces);
    assert_eq!(statuses(&line.ask_from(OTHER, &invite.text())), [100]);
    let asked = CallEvent::Succeeded {
        call,
        offer: Some(OFFER.to_owned()),
        over_tls: false,
    };
    assert_eq!(line.events, [asked]);
    line.events.clear();
    let sent = accept(&mut line, call);
    let [(to_old, bye), (to_new, answer)] = &sent[..] else {
        panic!("expected a BYE and an answer, got {sent:?}");
    };
    assert_eq!(*to_old, Wire::Udp(TRUSTED.parse().unwrap()));
    assert!(bye.starts_with("BYE "), "{bye}");
    assert_eq!(header(bye, "Call-ID"), "call-1");
    assert_eq!(*to_new, Wire::Udp(OTHER.parse().unwrap()));
    assert_eq!((status(answer), header(answer, "Call-ID")), (200, "call-2"));
    assert!(header(answer, "Supported").contains("replaces"));
    let new_tag = tag_of(answer);
    assert_ne!(new_tag, tag);
    line.ask_from(OTHER, &ack(&invite, &new_tag).text());
    assert_eq!(line.events, [CallEvent::Confirmed { call }]);
    line.events.clear();
    assert_eq!(line.endpoint.counters().calls, 1, "one call all the time");
    // The old dialog is gone, whatever its end still says.
    let late = Request {
        method: "BYE",
        cseq: 2,
        branch: "z9hG4bK-late",
        ..ack(&Request::default(), &tag)
    };
    assert_eq!(statuses(&line.ask(&late)), [481]);
    ends(&mut line, call, &invite, OTHER, &new_tag);
}

#[test]
fn whoever_names_no_call_or_the_wrong_tags_gets_481_and_whoever_says_it_badly_400() {
    let (mut line, call, tag) = standing();
    for (number, (row, expected)) in [
        ("call-1;to-tag=wrong;from-tag=caller".to_owned(), 481),
        (format!("call-1;to-tag={tag};from-tag=other"), 481),
        (format!("call-1;to-tag=caller;from-tag={tag}"), 481),
        (format!("call-9;to-tag={tag};from-tag=caller"), 481),
        (
            format!("call-1;to-tag={tag};from-tag=caller;early-only"),
            486,
        ),
        (format!("call-1;to-tag={tag}"), 400),
        (
            format!("call-1;to-tag={tag};to-tag={tag};from-tag=caller"),
            400,
        ),
        (
            format!(
                "call-1;to-tag={tag};from-tag=caller\r\nReplaces: call-1;to-tag={tag};from-tag=caller"
            ),
            400,
        ),
        (";;;".to_owned(), 400),
    ]
    .into_iter()
    .enumerate()
    {
        let (extra, branch) = (
            format!("Replaces: {row}\r\n"),
            format!("z9hG4bK-new-{number}"),
        );
        let id = format!("call-x{number}");
        let invite = Request {
            branch: &branch,
            call_id: &id,
            ..newcomer(&extra)
        };
        let answers = line.ask_from(OTHER, &invite.text());
        assert_eq!(statuses(&answers), [expected], "{row}");
    }
    stands(line, call, &tag);
}

#[test]
fn a_call_that_nobody_has_answered_cannot_be_taken() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let ringing = line.command(CallCommand::Ring { call });
    let extra = replaces(&tag_of(&ringing[0]));
    assert_eq!(
        statuses(&line.ask_from(OTHER, &newcomer(&extra).text())),
        [481]
    );
    assert!(line.events.is_empty());
}

#[test]
fn a_place_that_its_owner_does_not_give_stays_who_it_is() {
    let (mut line, call, tag) = standing();
    let extra = replaces(&tag);
    line.ask_from(OTHER, &newcomer(&extra).text());
    line.events.clear();
    let status = 488;
    let sent = line.command(CallCommand::RefuseOffer { call, status });
    assert_eq!(statuses(&sent), [488]);
    assert_ne!(tag_of(&sent[0]), tag);
    stands(line, call, &tag);
}

#[test]
fn a_newcomer_that_thinks_better_of_it_changes_nothing() {
    let (mut line, call, tag) = standing();
    let extra = replaces(&tag);
    let invite = newcomer(&extra);
    line.ask_from(OTHER, &invite.text());
    line.events.clear();
    let cancel = Request {
        method: "CANCEL",
        body: None,
        extra: "",
        ..invite.clone()
    };
    assert_eq!(statuses(&line.ask_from(OTHER, &cancel.text())), [200, 487]);
    stands(line, call, &tag);
}

#[test]
fn calls_of_another_trunk_are_not_there() {
    let mut settings = config();
    let mut other = leading("other", FAR);
    other.sources = vec!["192.0.2.0/24".parse().unwrap()];
    settings.trunks.push(other);
    let mut line = Line::with(settings);
    let (call, tag) = line.established(&Request::default());
    let extra = replaces(&tag);
    let sent = line.ask_from("192.0.2.7:5060", &newcomer(&extra).text());
    assert_eq!(statuses(&sent), [481]);
    stands(line, call, &tag);
}

#[test]
fn answers_to_the_old_far_end_do_not_end_the_new_ones_call() {
    let (mut line, call, tag) = standing();
    let question = line.pass(Duration::from_secs(301));
    let (_, question) = question.first().expect("a question whether it is there");
    assert!(question.starts_with("OPTIONS "));
    let extra = replaces(&tag);
    let invite = newcomer(&extra);
    line.ask_from(OTHER, &invite.text());
    line.events.clear();
    let sent = accept(&mut line, call);
    let new_tag = tag_of(&sent[1].1);
    line.ask_from(OTHER, &ack(&invite, &new_tag).text());
    line.events.clear();
    line.ask_from(
        TRUSTED,
        &super::outgoing::reply(question, 481, "caller", "", ""),
    );
    line.pass(Duration::from_secs(40));
    assert!(line.events.is_empty(), "{:?}", line.events);
}

#[test]
fn a_call_that_we_placed_can_be_taken_too() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &taken(&invite, "far"));
    line.events.clear();
    let own = header(&invite, "From").split(";tag=").nth(1).unwrap();
    let extra = format!(
        "Replaces: {};from-tag=far;to-tag={own}\r\n",
        header(&invite, "Call-ID")
    );
    let newcomer = newcomer(&extra);
    assert_eq!(statuses(&line.ask_from(OTHER, &newcomer.text())), [100]);
    let sent = accept(&mut line, call);
    assert!(sent[0].1.starts_with("BYE "), "{sent:?}");
    let tag = tag_of(&sent[1].1);
    line.ask_from(OTHER, &ack(&newcomer, &tag).text());
    line.events.clear();
    ends(&mut line, call, &newcomer, OTHER, &tag);
}
