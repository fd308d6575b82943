//! Offers and answers within a call: hold, UPDATE, late offers, and their order.

use std::time::Duration;

use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::{self, Direction, SessionPolicy};
use plenum_dialin::{CallCommand, CallEvent, EndReason};

use super::phone::{ANSWER, Line, OFFER, Request, ack, header, statuses, tag_of};

const SECOND: Duration = Duration::from_secs(1);

use super::dialogs::within;

#[test]
fn an_old_cseq_is_500_and_a_reinvite_meets_pending_ones() {
    let mut line = Line::new();
    let (_, tag) = line.established(&Request {
        cseq: 10,
        ..Request::default()
    });
    assert_eq!(
        statuses(&line.ask(&within("OPTIONS", 9, &tag, "z9hG4bK-old"))),
        [500]
    );
    assert_eq!(
        statuses(&line.ask(&within("OPTIONS", 11, &tag, "z9hG4bK-new"))),
        [200]
    );
    let reinvite = Request {
        cseq: 12,
        to_tag: &tag,
        branch: "z9hG4bK-re",
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&reinvite)), [100]);
    let call = line.events.pop().unwrap().call();
    // A second one before the first has its answer: RFC 3261 section 14.2.
    let second = Request {
        cseq: 13,
        branch: "z9hG4bK-re2",
        ..reinvite.clone()
    };
    let sent = line.ask(&second);
    assert_eq!(statuses(&sent), [500]);
    assert!(!header(&sent[0], "Retry-After").is_empty());
    // One before the ACK of the first.
    line.command(CallCommand::AcceptOffer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(
        statuses(&line.ask(&Request {
            cseq: 14,
            branch: "z9hG4bK-re3",
            ..reinvite.clone()
        })),
        [491]
    );
    line.ask(&ack(&reinvite, &tag));
    assert_eq!(
        statuses(&line.ask(&Request {
            cseq: 15,
            branch: "z9hG4bK-re4",
            ..reinvite
        })),
        [100]
    );
}

#[test]
fn a_reinvite_puts_the_call_on_hold_and_takes_it_back() {
    let policy = SessionPolicy {
        codecs: vec![AudioCodec::Opus, AudioCodec::Pcmu],
        telephone_event: true,
        local_rtp: "127.0.0.1:20000".parse().unwrap(),
        local_rtcp_port: None,
        local_video: None,
        session_id: 4,
        srtp: plenum_dialin::sdp::SrtpPolicy::Off,
    };
    let mut line = Line::new();
    let first = sdp::answer(OFFER, &policy, None).unwrap();
    let (call, tag) = line.established(&Request::default());
    let mut session = first.session;
    let mut versions = vec![origin_version(&first.answer)];
    for (cseq, attribute, expected) in [
        (2, "sendonly", Direction::ReceiveOnly),
        (3, "inactive", Direction::Inactive),
        (4, "sendrecv", Direction::SendReceive),
    ] {
        let offer = OFFER.replace("sendrecv", attribute);
        let branch = format!("z9hG4bK-hold{cseq}");
        let reinvite = Request {
            cseq,
            to_tag: &tag,
            branch: &branch,
            body: Some(("application/sdp", &offer)),
            ..Request::default()
        };
        assert_eq!(statuses(&line.ask(&reinvite)), [100]);
        let Some(CallEvent::Offered { offer, .. }) = line.events.pop() else {
            panic!("no offer")
        };
        let answered = sdp::answer(&offer, &policy, Some(&session)).unwrap();
        assert_eq!(answered.audio.direction, expected);
        versions.push(origin_version(&answered.answer));
        let sent = line.command(CallCommand::AcceptOffer {
            call,
            sdp: answered.answer.clone(),
        });
        assert_eq!(statuses(&sent), [200]);
        assert!(sent[0].ends_with(&answered.answer));
        line.ask(&ack(&reinvite, &tag));
        session = answered.session;
    }
    assert_eq!(versions, [1, 2, 3, 4]);
    assert!(
        line.events.is_empty(),
        "the ACK of a re-INVITE confirms nothing new"
    );
    assert!(
        line.pass(10 * SECOND).is_empty(),
        "nothing is left to repeat"
    );
}

fn origin_version(sdp: &str) -> u64 {
    sdp.lines()
        .nth(1)
        .unwrap()
        .split(' ')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn an_update_is_offered_to_the_owner_and_refused_without_harm() {
    let mut line = Line::new();
    let (call, tag) = line.established(&Request::default());
    let update = Request {
        method: "UPDATE",
        cseq: 2,
        to_tag: &tag,
        branch: "z9hG4bK-u",
        ..Request::default()
    };
    assert!(line.ask(&update).is_empty(), "an UPDATE has no 100");
    assert_eq!(
        line.events.pop(),
        Some(CallEvent::Offered {
            call,
            offer: OFFER.into()
        })
    );
    assert_eq!(
        statuses(&line.command(CallCommand::RefuseOffer { call, status: 488 })),
        [488]
    );
    assert_eq!(
        statuses(&line.ask(&within("BYE", 3, &tag, "z9hG4bK-x"))),
        [200]
    );
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut line = Line::new();
    let invite = Request {
        body: None,
        ..Request::default()
    };
    line.ask(&invite);
    let Some(CallEvent::Incoming {
        call, offer: None, ..
    }) = line.events.pop()
    else {
        panic!("no call")
    };
    let sent = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    let tag = tag_of(&sent[0]);
    line.ask(&Request {
        body: Some(("application/sdp", OFFER)),
        ..ack(&invite, &tag)
    });
    assert_eq!(
        line.events,
        [
            CallEvent::AnswerIn {
                call,
                answer: OFFER.into()
            },
            CallEvent::Confirmed { call }
        ]
    );
    // Without an answer the call cannot be: BYE.
    let mut line = Line::new();
    line.ask(&invite);
    let call = line.events.pop().unwrap().call();
    let sent = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    let sent = line.ask(&ack(&invite, &tag_of(&sent[0])));
    assert!(sent[0].starts_with("BYE "));
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::PeerFault
        }]
    );
}
