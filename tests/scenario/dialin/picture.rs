//! Wishes for keyframes by SIP INFO (RFC 5168), both ways.

use std::time::Duration;

use plenum_dialin::{CallCommand, CallEvent, EndReason, info};

use super::dialogs::within;
use super::phone::{Line, Request, header, statuses};

fn answer(info: &str, status: &str) -> String {
    let [via, from, to, call_id, cseq] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| header(info, name));
    format!(
        "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_phone_is_asked_for_a_picture_once_at_a_time_and_need_not_answer() {
    let mut line = Line::new();
    let (call, _) = line.established(&Request::default());
    let ask = CallCommand::AskPicture { call };
    let sent = line.command(ask.clone());
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("INFO sip:ann@127.0.0.1:5062 SIP/2.0\r\n"));
    assert_eq!(header(&sent[0], "Content-Type"), info::MEDIA_CONTROL);
    let body = sent[0].split("\r\n\r\n").nth(1).unwrap();
    assert!(info::wants_picture(info::MEDIA_CONTROL, body.as_bytes()));
    assert!(line.command(ask.clone()).is_empty(), "one waits");
    line.ask_from(super::phone::TRUSTED, &answer(&sent[0], "200 OK"));
    let again = line.command(ask.clone());
    assert_eq!(again.len(), 1);
    // A phone that knows no INFO, or never answers it, keeps its call.
    line.ask_from(
        super::phone::TRUSTED,
        &answer(&again[0], "501 Not Implemented"),
    );
    assert_eq!(line.command(ask.clone()).len(), 1);
    line.pass(Duration::from_secs(40));
    assert_eq!(line.events, []);
    let last = line.command(ask);
    line.ask_from(
        super::phone::TRUSTED,
        &answer(&last[0], "481 Call/Transaction Does Not Exist"),
    );
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::DialogGone
        }]
    );
}

#[test]
fn a_phones_wish_reaches_the_owner_of_the_call() {
    let mut line = Line::new();
    let (call, tag) = line.established(&Request::default());
    let wish = Request {
        body: Some((info::MEDIA_CONTROL, info::PICTURE_FAST_UPDATE)),
        ..within("INFO", 2, &tag, "z9hG4bK-info")
    };
    assert_eq!(statuses(&line.ask(&wish)), [200]);
    let Some(CallEvent::Info {
        call: of,
        content_type,
        body,
    }) = line.events.pop()
    else {
        panic!("no INFO");
    };
    assert!(of == call && info::wants_picture(&content_type, &body));
}
