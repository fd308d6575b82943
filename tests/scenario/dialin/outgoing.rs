//! Calls that we place: whatever the far end says or does not say, each ends once and leaves nothing behind.

use std::fmt::Write as _;
use std::time::Duration;

use plenum_dialin::trunk::{Login, Outbound};
use plenum_dialin::{
    CallCommand, CallEvent, CallId, EndReason, EndpointConfig, HangupReason, Route, Trunk,
};

use super::phone::{ANSWER, Line, config, header, status, trunk};

pub(crate) const FAR: &str = "127.0.0.1:5070";
pub(crate) const RING: Duration = Duration::from_secs(45);
/// 64·T1.
const B: Duration = Duration::from_secs(32);

/// A trunk that leads to `proxy`.
pub(crate) fn leading(name: &str, proxy: &str) -> Trunk {
    Trunk {
        name: name.to_owned(),
        outbound: Some(Outbound {
            caller_id: "+49301000".into(),
            ..Outbound::new(proxy.parse().unwrap())
        }),
        ..trunk()
    }
}

pub(crate) fn outward() -> EndpointConfig {
    EndpointConfig {
        trunks: vec![leading("pbx", FAR)],
        ..config()
    }
}

pub(crate) fn route(trunk: &str) -> Route {
    Route {
        trunk: trunk.into(),
        number: "+4930123".into(),
        sdp: format!("{ANSWER}a=by:{trunk}\r\n"),
    }
}

/// A call just placed by these trunks, and its INVITE.
pub(crate) fn placed(line: &mut Line, trunks: &[&str]) -> (CallId, String) {
    let call = CallId::placed(7);
    let sent = line.command(CallCommand::Dial {
        call,
        routes: trunks.iter().map(|trunk| route(trunk)).collect(),
        ring: RING,
        replaces: None,
    });
    (call, sent.first().cloned().unwrap_or_default())
}

/// An answer to a request of ours.
pub(crate) fn reply(request: &str, status: u16, tag: &str, extra: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Whatever\r\n");
    for row in request.lines().skip(1).take_while(|row| !row.is_empty()) {
        let name = row.split(':').next().unwrap();
        match name {
            "Via" | "From" | "Call-ID" | "CSeq" => write!(text, "{row}\r\n").unwrap(),
            "To" if tag.is_empty() || row.contains(";tag=") => write!(text, "{row}\r\n").unwrap(),
            "To" => write!(text, "{row};tag={tag}\r\n").unwrap(),
            _ => {}
        }
    }
    text.push_str(extra);
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    text
}

pub(crate) const CONTACT: &str = "Contact: <sip:bob@127.0.0.1:5071>\r\n";

pub(crate) fn taken(request: &str, tag: &str) -> String {
    reply(request, 200, tag, CONTACT, ANSWER)
}

/// A request of the far end within the call.
fn within(invite: &str, method: &str, tag: &str) -> String {
    format!(
        "{method} sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bK-far-{method}\r\nFrom: {};tag={tag}\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\nContact: <sip:bob@127.0.0.1:5071>\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        header(invite, "To"),
        header(invite, "From"),
        header(invite, "Call-ID"),
    )
}

fn first_words(sent: &[String]) -> Vec<&str> {
    let words = sent.iter().map(|text| text.split(' ').next().unwrap());
    words.collect()
}

fn ended(line: &mut Line) -> Vec<EndReason> {
    let events = line.events.drain(..);
    let ends = events.filter_map(|event| match event {
        CallEvent::Ended { reason, .. } => Some(reason),
        _ => None,
    });
    ends.collect()
}

/// Nothing is left of any call once all timers have run out.
pub(crate) fn clean(line: &mut Line) {
    line.pass(Duration::from_secs(4_000));
    let counters = line.endpoint.counters();
    assert_eq!((counters.calls, counters.transactions), (0, 0));
    assert_eq!(line.endpoint.unfinished(), 0);
    let trunks = line.endpoint.trunk_counters();
    assert!(trunks.iter().all(|trunk| trunk.calls == 0), "{trunks:?}");
    assert_eq!(line.endpoint.deadline(), None);
}

#[test]
fn a_call_rings_is_taken_and_ends_by_the_far_end() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    assert!(invite.starts_with("INVITE sip:+4930123@127.0.0.1 SIP/2.0\r\n"));
    assert!(header(&invite, "From").starts_with("<sip:+49301000@127.0.0.1>;tag="));
    assert_eq!(header(&invite, "To"), "<sip:+4930123@127.0.0.1>");
    assert_eq!(line.endpoint.trunk_counters()[0].calls, 1);
    assert!(
        line.ask_from(FAR, &reply(&invite, 100, "", "", ""))
            .is_empty()
    );
    assert!(line.events.is_empty(), "100 is no ringing");
    for _ in 0..2 {
        line.ask_from(FAR, &reply(&invite, 180, "far", "", ""));
    }
    assert_eq!(line.events, [CallEvent::Ringing { call }], "told once");
    line.events.clear();
    let sent = line.ask_from(FAR, &taken(&invite, "far"));
    assert!(sent[0].starts_with("ACK sip:bob@127.0.0.1:5071 SIP/2.0\r\n"));
    assert_eq!(header(&sent[0], "CSeq"), "1 ACK");
    assert_eq!(header(&sent[0], "To"), "<sip:+4930123@127.0.0.1>;tag=far");
    let answer = ANSWER.to_owned();
    let route = 0;
    let expected = CallEvent::Answered {
        call,
        route,
        answer,
    };
    assert_eq!(line.events, [expected]);
    line.events.clear();
    let again = line.ask_from(FAR, &taken(&invite, "far"));
    assert_eq!(again, sent, "a lost ACK is sent again, the same");
    assert!(line.events.is_empty());
    let sent = line.ask_from(FAR, &within(&invite, "BYE", "far"));
    assert_eq!(status(&sent[0]), 200);
    assert_eq!(ended(&mut line), [EndReason::CallerHungUp]);
    clean(&mut line);
}

#[test]
fn what_is_refused_is_acknowledged_each_time_and_ends_once() {
    for code in [300, 302, 403, 404, 480, 484, 486, 487, 488, 600, 603, 606] {
        let mut line = Line::with(outward());
        let (_, invite) = placed(&mut line, &["pbx"]);
        let refusal = reply(&invite, code, "far", "", "");
        for _ in 0..2 {
            let sent = line.ask_from(FAR, &refusal);
            assert_eq!(first_words(&sent), ["ACK"], "{code}");
            assert_eq!(header(&sent[0], "Via"), header(&invite, "Via"));
            assert_eq!(header(&sent[0], "To"), header(&refusal, "To"));
        }
        assert_eq!(ended(&mut line), [EndReason::Rejected(code)]);
        clean(&mut line);
    }
}

#[test]
fn silence_is_asked_again_ever_more_slowly_and_given_up_after_timer_b() {
    let mut line = Line::with(outward());
    placed(&mut line, &["pbx"]);
    let sent = line.pass(B + Duration::from_secs(1));
    let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(ended(&mut line), [EndReason::Rejected(408)]);
    clean(&mut line);
}

#[test]
fn who_does_not_pick_up_is_cancelled_when_it_has_rung_long_enough() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &reply(&invite, 180, "far", "", ""));
    let sent = line.pass(RING - Duration::from_millis(1));
    assert!(sent.is_empty(), "{sent:?}");
    line.events.clear();
    let sent = line.pass(Duration::from_millis(1));
    let cancel = &sent[0].1;
    assert!(cancel.starts_with("CANCEL sip:+4930123@127.0.0.1 SIP/2.0\r\n"));
    assert_eq!(header(cancel, "Via"), header(&invite, "Via"));
    assert_eq!(header(cancel, "CSeq"), "1 CANCEL");
    assert_eq!(ended(&mut line), [EndReason::RangOut]);
    line.ask_from(FAR, &reply(cancel, 200, "far", "", ""));
    let sent = line.ask_from(FAR, &reply(&invite, 487, "far", "", ""));
    assert_eq!(first_words(&sent), ["ACK"]);
    assert!(ended(&mut line).is_empty());
    clean(&mut line);
}

#[test]
fn nothing_is_cancelled_before_the_far_end_has_spoken() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    let reason = HangupReason::Normal;
    let sent = line.command(CallCommand::Hangup { call, reason });
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(ended(&mut line), [EndReason::HungUp]);
    let sent = line.ask_from(FAR, &reply(&invite, 183, "far", "", ANSWER));
    assert_eq!(first_words(&sent), ["CANCEL"]);
    line.ask_from(FAR, &reply(&invite, 487, "far", "", ""));
    assert!(line.events.is_empty(), "{:?}", line.events);
    clean(&mut line);
}

#[test]
fn who_picks_up_while_the_cancel_is_on_its_way_is_told_goodbye() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &reply(&invite, 180, "far", "", ""));
    let reason = HangupReason::Normal;
    let sent = line.command(CallCommand::Hangup { call, reason });
    assert_eq!(first_words(&sent), ["CANCEL"]);
    let sent = line.ask_from(FAR, &taken(&invite, "far"));
    assert_eq!(first_words(&sent), ["ACK", "BYE"]);
    line.ask_from(FAR, &reply(&sent[1], 200, "far", "", ""));
    assert_eq!(ended(&mut line), [EndReason::HungUp]);
    clean(&mut line);
}

#[test]
fn a_cancelled_call_that_nobody_answers_any_more_is_forgotten() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &reply(&invite, 180, "far", "", ""));
    let reason = HangupReason::Normal;
    line.command(CallCommand::Hangup { call, reason });
    assert_eq!(ended(&mut line), [EndReason::HungUp]);
    clean(&mut line);
    assert!(ended(&mut line).is_empty());
}

#[test]
fn of_several_who_pick_up_the_first_stays_and_the_others_are_told_goodbye() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &taken(&invite, "first"));
    line.events.clear();
    for tag in ["second", "third"] {
        let sent = line.ask_from(FAR, &taken(&invite, tag));
        assert_eq!(first_words(&sent), ["ACK", "BYE"]);
        for text in &sent {
            assert!(header(text, "To").ends_with(tag), "{text}");
        }
        line.ask_from(FAR, &reply(&sent[1], 200, tag, "", ""));
        let again = line.ask_from(FAR, &taken(&invite, tag));
        assert_eq!(again, sent[..1], "its ACK alone is repeated");
    }
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(line.endpoint.trunk_counters()[0].calls, 1);
    line.ask_from(FAR, &within(&invite, "BYE", "first"));
    clean(&mut line);
}

#[test]
fn an_answer_without_sdp_is_that_of_the_early_media_or_the_end() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &reply(&invite, 183, "far", CONTACT, ANSWER));
    line.events.clear();
    line.ask_from(FAR, &reply(&invite, 200, "far", CONTACT, ""));
    assert!(matches!(&line.events[..], [CallEvent::Answered { answer, .. }] if answer == ANSWER));
    line.ask_from(FAR, &within(&invite, "BYE", "far"));
    clean(&mut line);

    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &reply(&invite, 183, "other", CONTACT, ANSWER));
    let sent = line.ask_from(FAR, &reply(&invite, 200, "far", CONTACT, ""));
    assert_eq!(first_words(&sent), ["ACK", "BYE"]);
    assert_eq!(ended(&mut line), [EndReason::PeerFault]);
    clean(&mut line);
}

#[test]
fn a_2xx_without_a_contact_ends_the_call_and_nothing_else() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    let sent = line.ask_from(FAR, &reply(&invite, 200, "far", "", ANSWER));
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(ended(&mut line), [EndReason::PeerFault]);
    clean(&mut line);
}

#[test]
fn a_proxy_on_the_way_stays_on_it() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    let routes = "Record-Route: <sip:127.0.0.2;lr>\r\nRecord-Route: <sip:127.0.0.3;lr>\r\n";
    let extra = format!("{routes}{CONTACT}");
    let sent = line.ask_from(FAR, &reply(&invite, 200, "far", &extra, ANSWER));
    let routes: Vec<&str> = sent[0]
        .lines()
        .filter_map(|row| row.strip_prefix("Route: "))
        .collect();
    assert_eq!(routes, ["<sip:127.0.0.3;lr>", "<sip:127.0.0.2;lr>"]);
    let reason = HangupReason::Normal;
    let sent = line.command(CallCommand::Hangup { call, reason });
    assert_eq!(first_words(&sent), ["BYE"]);
    assert_eq!(header(&sent[0], "CSeq"), "2 BYE");
    line.ask_from(FAR, &reply(&sent[0], 200, "far", "", ""));
    clean(&mut line);
}

#[test]
fn the_far_end_holds_like_any_caller() {
    let mut line = Line::with(outward());
    let (call, invite) = placed(&mut line, &["pbx"]);
    line.ask_from(FAR, &taken(&invite, "far"));
    line.events.clear();
    let hold = within(&invite, "INVITE", "far").replace(
        "Content-Length: 0\r\n\r\n",
        &format!(
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        ),
    );
    line.ask_from(FAR, &hold);
    assert!(
        matches!(&line.events[..], [CallEvent::Offered { .. }]),
        "{:?}",
        line.events
    );
    let sdp = ANSWER.to_owned();
    let sent = line.command(CallCommand::AcceptOffer { call, sdp });
    assert_eq!(status(&sent[0]), 200);
    line.ask_from(FAR, &within(&invite, "ACK", "far"));
    line.ask_from(
        FAR,
        &within(&invite, "BYE", "far").replace("CSeq: 1", "CSeq: 2"),
    );
    clean(&mut line);
}

#[test]
fn a_session_that_the_far_end_does_not_refresh_ends() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    let extra = format!("Session-Expires: 1800;refresher=uas\r\n{CONTACT}");
    line.ask_from(FAR, &reply(&invite, 200, "far", &extra, ANSWER));
    line.pass(Duration::from_secs(1_800));
    assert_eq!(ended(&mut line), [EndReason::SessionExpired]);
    clean(&mut line);
}

#[test]
fn a_session_that_is_ours_to_refresh_is_refreshed() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    let extra = format!("Session-Expires: 1800;refresher=uac\r\nAllow: UPDATE\r\n{CONTACT}");
    line.ask_from(FAR, &reply(&invite, 200, "far", &extra, ANSWER));
    let sent = line.pass(Duration::from_secs(900));
    assert!(sent[0].1.starts_with("UPDATE "), "{sent:?}");
}

#[test]
fn a_session_that_is_too_short_for_the_far_end_is_offered_longer() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    assert_eq!(header(&invite, "Session-Expires"), "1800;refresher=uas");
    let sent = line.ask_from(FAR, &reply(&invite, 422, "far", "Min-SE: 3600\r\n", ""));
    assert_eq!(first_words(&sent), ["ACK", "INVITE"]);
    assert_eq!(header(&sent[1], "Session-Expires"), "3600;refresher=uas");
    assert_eq!(header(&sent[1], "CSeq"), "2 INVITE");
    line.ask_from(FAR, &taken(&sent[1], "far"));
    line.ask_from(FAR, &within(&invite, "BYE", "far"));
    clean(&mut line);
}

#[test]
fn challenges_are_answered_by_the_strongest_way_and_wrong_passwords_once() {
    let mut settings = outward();
    settings.trunks[0].outbound.as_mut().unwrap().login = Some(Login {
        user: "plenum".into(),
        password: "zebra".into(),
    });
    assert!(!format!("{settings:?}").contains("zebra"));
    for (code, name, answer) in [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ] {
        let mut line = Line::with(settings.clone());
        let (_, invite) = placed(&mut line, &["pbx"]);
        let challenge = format!(
            "{name}: Digest realm=\"far\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n\
             {name}: Digest realm=\"far\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth\"\r\n"
        );
        let sent = line.ask_from(FAR, &reply(&invite, code, "far", &challenge, ""));
        assert_eq!(first_words(&sent), ["ACK", "INVITE"]);
        let shown = header(&sent[1], answer);
        assert!(
            shown.contains("algorithm=SHA-256") && shown.contains("nonce=\"n2\""),
            "{shown}"
        );
        assert!(shown.contains("uri=\"sip:+4930123@127.0.0.1\""), "{shown}");
        assert_eq!(header(&sent[1], "CSeq"), "2 INVITE");
        assert_eq!(header(&sent[1], "Call-ID"), header(&invite, "Call-ID"));
        assert_ne!(header(&sent[1], "Via"), header(&invite, "Via"));
        let again = sent[1].clone();
        let sent = line.ask_from(FAR, &reply(&again, code, "far", &challenge, ""));
        assert_eq!(
            first_words(&sent),
            ["ACK"],
            "not right, and not tried again"
        );
        assert_eq!(ended(&mut line), [EndReason::Rejected(code)]);
        clean(&mut line);

        let mut line = Line::with(settings.clone());
        let (call, invite) = placed(&mut line, &["pbx"]);
        let sent = line.ask_from(FAR, &reply(&invite, code, "far", &challenge, ""));
        let sent = line.ask_from(FAR, &taken(&sent[1], "far"));
        assert!(
            !header(&sent[0], answer).is_empty(),
            "the ACK shows it, too"
        );
        let reason = HangupReason::Normal;
        let sent = line.command(CallCommand::Hangup { call, reason });
        let sent = line.ask_from(FAR, &reply(&sent[0], code, "far", &challenge, ""));
        assert_eq!(first_words(&sent), ["BYE"], "a BYE may be challenged, too");
        assert!(!header(&sent[0], answer).is_empty());
        line.ask_from(FAR, &reply(&sent[0], 200, "far", "", ""));
        clean(&mut line);
    }
}

#[test]
fn the_answer_to_md5_is_that_of_the_standard() {
    let mut settings = outward();
    settings.trunks[0].outbound.as_mut().unwrap().login = Some(Login {
        user: "bob".into(),
        password: "zanzibar".into(),
    });
    let mut line = Line::with(settings);
    let (_, invite) = placed(&mut line, &["pbx"]);
    // Without qop, as RFC 2069: what a hash of the three parts gives, computed beside by `md5sum`.
    let challenge = "WWW-Authenticate: Digest realm=\"biloxi.com\", nonce=\"dcd98b\"\r\n";
    let sent = line.ask_from(FAR, &reply(&invite, 401, "far", challenge, ""));
    let shown = header(&sent[1], "Authorization");
    assert!(
        shown.contains("response=\"b0538f0d0b5131db0720d7b1e7d9923a\""),
        "{shown}"
    );
}

#[test]
fn reliable_ringing_is_acknowledged_once_and_in_order() {
    let mut line = Line::with(outward());
    let (_, invite) = placed(&mut line, &["pbx"]);
    assert!(header(&invite, "Supported").contains("100rel"));
    let early = |number: u32, sdp: &str| {
        let extra = format!("Require: 100rel\r\nRSeq: {number}\r\n{CONTACT}");
        reply(&invite, 183, "far", &extra, sdp)
    };
    let sent = line.ask_from(FAR, &early(9, ANSWER));
    assert_eq!(first_words(&sent), ["PRACK"]);
    assert!(sent[0].starts_with("PRACK sip:bob@127.0.0.1:5071 SIP/2.0\r\n"));
    assert_eq!(header(&sent[0], "RAck"), "9 1 INVITE");
    assert_eq!(header(&sent[0], "CSeq"), "2 PRACK");
    assert!(header(&sent[0], "To").ends_with(";tag=far"));
    assert!(line.ask_from(FAR, &early(9, ANSWER)).is_empty(), "a copy");
    assert!(
        line.ask_from(FAR, &early(11, "")).is_empty(),
        "one is missing"
    );
    line.ask_from(FAR, &reply(&sent[0], 200, "far", "", ""));
    let sent = line.ask_from(FAR, &early(10, ""));
    assert_eq!(header(&sent[0], "RAck"), "10 1 INVITE");
    assert_eq!(header(&sent[0], "CSeq"), "3 PRACK");
    line.ask_from(FAR, &reply(&sent[0], 200, "far", "", ""));
    line.events.clear();
    let sent = line.ask_from(FAR, &reply(&invite, 200, "far", CONTACT, ""));
    assert_eq!(header(&sent[0], "CSeq"), "1 ACK");
    let Some(CallEvent::Answered { call, .. }) = line.events.pop() else {
        panic!("no answer");
    };
    let reason = HangupReason::Normal;
    let sent = line.command(CallCommand::Hangup { call, reason });
    assert_eq!(header(&sent[0], "CSeq"), "4 BYE");
    line.ask_from(FAR, &reply(&sent[0], 200, "far", "", ""));
    clean(&mut line);
}
