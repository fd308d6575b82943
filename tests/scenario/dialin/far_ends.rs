//! What goes on with a trunk while nobody calls: registration, and questions whether it is there.

use std::time::Duration;

use plenum_dialin::endpoint::{FarEndState, Registered};
use plenum_dialin::trunk::{Login, Outbound};
use plenum_dialin::{CallEvent, EndpointConfig, SipInput};

use super::outgoing::{FAR, leading, outward, placed, reply, taken};
use super::phone::{Line, config, header};

const SECOND: Duration = Duration::from_secs(1);

fn with(change: impl FnOnce(&mut Outbound)) -> EndpointConfig {
    let mut settings = outward();
    let outbound = settings.trunks[0].outbound.as_mut().unwrap();
    outbound.login = Some(Login {
        user: "4930".into(),
        password: "zebra".into(),
    });
    change(outbound);
    settings
}

fn registering() -> EndpointConfig {
    with(|outbound| outbound.register = Some(SECOND * 600))
}

fn probing() -> EndpointConfig {
    with(|outbound| outbound.probe = Some(SECOND * 60))
}

fn state(line: &Line) -> FarEndState {
    line.endpoint.trunk_counters()[0].far_end
}

/// What is sent at the start.
fn started(settings: EndpointConfig) -> (Line, String) {
    let mut line = Line::with(settings);
    line.input(SipInput::Tick);
    let mut sent = line.take_sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    (line, sent.remove(0))
}

/// The registrar keeps us for so many seconds.
fn kept(request: &str, seconds: u32) -> String {
    let contact = header(request, "Contact");
    let others = "Contact: <sip:4930@192.0.2.9:5099>;expires=7\r\n";
    reply(
        request,
        200,
        "reg",
        &format!("{others}Contact: {contact};expires={seconds}\r\n"),
        "",
    )
}

#[test]
fn a_registration_is_challenged_kept_refreshed_in_time_and_taken_back() {
    let (mut line, request) = started(registering());
    assert!(
        request.starts_with("REGISTER sip:127.0.0.1 SIP/2.0\r\n"),
        "{request}"
    );
    assert_eq!(header(&request, "To"), "<sip:4930@127.0.0.1>");
    assert_eq!(header(&request, "Contact"), "<sip:4930@127.0.0.1:5060>");
    assert_eq!(header(&request, "Expires"), "600");
    assert_eq!(state(&line).registered, Registered::No);
    let challenge =
        "WWW-Authenticate: Digest realm=\"reg\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
    let sent = line.ask_from(FAR, &reply(&request, 401, "reg", challenge, ""));
    assert!(header(&sent[0], "Authorization").contains("username=\"4930\""));
    assert_eq!(header(&sent[0], "CSeq"), "2 REGISTER");
    line.ask_from(FAR, &kept(&sent[0], 300));
    assert_eq!(state(&line).registered, Registered::Yes);
    let sent = line.pass(SECOND * 230);
    assert_eq!(sent[0].0, 225_000, "at three quarters of what was given");
    let again = sent[0].1.clone();
    assert_eq!(header(&again, "CSeq"), "3 REGISTER");
    assert_eq!(header(&again, "Call-ID"), header(&request, "Call-ID"));
    line.ask_from(FAR, &kept(&again, 300));
    line.input(SipInput::Leaving);
    let sent = line.take_sent();
    assert_eq!(header(sent.last().unwrap(), "Expires"), "0", "{sent:?}");
    assert_eq!(line.endpoint.unfinished(), 1);
    line.ask_from(FAR, &reply(sent.last().unwrap(), 200, "reg", "", ""));
    assert_eq!(line.endpoint.unfinished(), 0);
    assert!(line.pass(SECOND * 3_600).is_empty(), "and not made again");
}

#[test]
fn a_registrar_that_is_away_is_asked_ever_less_often_and_the_binding_ends_with_its_time() {
    let (mut line, request) = started(registering());
    line.ask_from(FAR, &kept(&request, 300));
    // Silence from now on: 32 s each, then 10, 20, 40 s.
    let mut at = Vec::new();
    let mut last = String::new();
    for (time, text) in line.pass(SECOND * 600) {
        if header(&text, "CSeq") != last {
            header(&text, "CSeq").clone_into(&mut last);
            at.push(time / 1_000);
        }
    }
    assert_eq!(at, [225, 267, 319, 391, 503]);
    assert_eq!(state(&line).registered, Registered::No, "it has run out");
    let sent = line.pass(SECOND * 96);
    line.ask_from(FAR, &kept(&sent.last().unwrap().1, 300));
    assert_eq!(state(&line).registered, Registered::Yes);
}

#[test]
fn a_registrar_that_wants_longer_registrations_gets_them_and_one_that_refuses_is_told_in_the_state()
{
    let (mut line, request) = started(registering());
    let sent = line.ask_from(
        FAR,
        &reply(&request, 423, "reg", "Min-Expires: 1800\r\n", ""),
    );
    assert!(sent.is_empty());
    let sent = line.pass(SECOND);
    let longer = &sent[0].1;
    assert_eq!(header(longer, "Expires"), "1800");
    line.ask_from(FAR, &kept(longer, 1_800));
    assert_eq!(state(&line).registered, Registered::Yes);
    let again = line.pass(SECOND * 1_700).remove(0).1;
    line.ask_from(FAR, &reply(&again, 403, "reg", "", ""));
    assert_eq!(state(&line).registered, Registered::No);
    assert!(!line.pass(SECOND * 11).is_empty(), "and tried again");
}

#[test]
fn a_trunk_is_down_after_three_misses_and_up_after_two_answers() {
    let (mut line, request) = started(probing());
    assert!(
        request.starts_with("OPTIONS sip:127.0.0.1 SIP/2.0\r\n"),
        "{request}"
    );
    // Any answer will do, even a refusal.
    line.ask_from(FAR, &reply(&request, 404, "far", "", ""));
    let sent = line.pass(SECOND * 60);
    assert_eq!(sent[0].0, 60_000);
    // A miss takes 32 s, and the next question comes 5 s after it.
    for (wait, up) in [(32, true), (37, true), (37, false)] {
        line.pass(SECOND * wait);
        assert_eq!(state(&line).up, up);
    }
    let sent = line.pass(SECOND * 60);
    line.ask_from(FAR, &reply(&sent.last().unwrap().1, 200, "far", "", ""));
    assert!(!state(&line).up, "one answer is chance");
    let sent = line.pass(SECOND * 5);
    line.ask_from(FAR, &reply(&sent[0].1, 200, "far", "", ""));
    assert!(state(&line).up);
}

#[test]
fn calls_take_a_trunk_that_is_down_only_when_there_is_no_other() {
    let mut settings = probing();
    settings.trunks.push(leading("second", "127.0.0.1:5080"));
    let (mut line, _) = started(settings);
    line.pass(SECOND * 150);
    assert!(!state(&line).up);
    let (_, invite) = placed(&mut line, &["pbx", "second"]);
    assert!(invite.contains("a=by:second"), "{invite}");
    line.ask_from("127.0.0.1:5080", &reply(&invite, 503, "far", "", ""));
    let invite = line.take_sent();
    assert!(invite.is_empty());
    let sent = line.pass(SECOND);
    let last = sent
        .iter()
        .map(|(_, text)| text)
        .rfind(|text| text.starts_with("INVITE"));
    let last = last.expect("the first trunk is tried all the same");
    assert!(last.contains("a=by:pbx"));
    line.ask_from(FAR, &taken(last, "far"));
    assert!(matches!(
        line.events.last(),
        Some(CallEvent::Answered { route: 0, .. })
    ));
}

#[test]
fn a_trunk_that_is_neither_asked_nor_registered_sends_nothing_and_counts_as_up() {
    let mut line = Line::with(outward());
    assert!(line.pass(SECOND * 86_400).is_empty());
    assert_eq!(state(&line), FarEndState::default());
    assert_eq!(Line::with(config()).endpoint.deadline(), None);
}
