//! Requests that the SIP endpoint refuses: faulty, untrusted, too many.

use plenum_codecs::MediaTime;
use plenum_dialin::{EndpointConfig, Limits};

use super::phone::{Line, OFFER, Request, TRUSTED, config, header, statuses, tag_of};

use super::dialogs::within;

#[test]
fn untrusted_sources_get_403_at_a_bounded_rate_and_no_call() {
    let mut line = Line::new();
    let sent = line.ask_from("203.0.113.5:5060", &Request::default().text());
    assert_eq!(statuses(&sent), [403]);
    let mut answers = 0;
    for _ in 0..1_000 {
        answers += line
            .ask_from("203.0.113.5:5060", &Request::default().text())
            .len();
    }
    assert_eq!(answers, 199, "200 a second");
    assert!(line.events.is_empty());
    assert_eq!(line.endpoint.counters().untrusted, 1_001);
    assert_eq!(line.endpoint.counters().transactions, 0);
}

/// Requests with one fault each, and the status that it deserves.
fn faulty() -> Vec<(u16, Request<'static>)> {
    let base = Request::default();
    vec![
        (
            505,
            Request {
                version: "SIP/3.0",
                ..base.clone()
            },
        ),
        (
            400,
            Request {
                cseq_method: Some("BYE"),
                ..base.clone()
            },
        ),
        (
            400,
            Request {
                cseq: u32::MAX,
                ..base.clone()
            },
        ),
        (
            400,
            Request {
                extra: "To: <sip:second@127.0.0.1>\r\n",
                ..base.clone()
            },
        ),
        (
            405,
            Request {
                method: "REGISTER",
                ..base.clone()
            },
        ),
        (
            501,
            Request {
                method: "DANCE",
                ..base.clone()
            },
        ),
        (
            416,
            Request {
                uri: "tel:+49301234",
                ..base.clone()
            },
        ),
        (
            420,
            Request {
                extra: "Require: gruu, 100rel, timer\r\n",
                ..base.clone()
            },
        ),
        (
            415,
            Request {
                body: Some(("text/plain", "hello")),
                ..base.clone()
            },
        ),
        (
            415,
            Request {
                extra: "Content-Encoding: gzip\r\n",
                ..base.clone()
            },
        ),
        (
            481,
            Request {
                to_tag: "unknown",
                ..base.clone()
            },
        ),
        (
            422,
            Request {
                extra: "Supported: timer\r\nSession-Expires: 30\r\n",
                ..base.clone()
            },
        ),
        (
            200,
            Request {
                method: "OPTIONS",
                body: None,
                ..base.clone()
            },
        ),
    ]
}

#[test]
fn faults_get_the_answers_of_rfc_3261() {
    for (expected, request) in faulty() {
        let mut line = Line::new();
        let sent = line.ask(&request);
        assert_eq!(statuses(&sent), [expected], "{}", request.text());
        assert!(line.events.is_empty());
        assert!(!tag_of(&sent[0]).is_empty(), "{expected} has a tag in To");
        match expected {
            405 | 501 => assert!(header(&sent[0], "Allow").contains("INVITE")),
            415 => assert_eq!(header(&sent[0], "Accept"), "application/sdp"),
            420 => assert_eq!(header(&sent[0], "Unsupported"), "gruu"),
            422 => assert_eq!(header(&sent[0], "Min-SE"), "90"),
            _ => {}
        }
    }
}

#[test]
fn a_body_shorter_than_said_is_400_and_one_too_large_is_513() {
    let mut line = Line::new();
    let mut text = Request::default().text();
    text.truncate(text.len() - 10);
    assert_eq!(statuses(&line.ask_from(TRUSTED, &text)), [400]);
    let mut small = config();
    small.limits.message = 200;
    let mut line = Line::with(small);
    let long = format!("{OFFER}{}", "a=x\r\n".repeat(60));
    assert_eq!(
        statuses(&line.ask(&Request {
            body: Some(("application/sdp", &long)),
            ..Request::default()
        })),
        [513]
    );
}

#[test]
fn too_many_calls_and_transactions_are_refused() {
    let limits = Limits {
        calls: 2,
        transactions: 4,
        ..Limits::default()
    };
    let mut line = Line::with(EndpointConfig { limits, ..config() });
    let mut seen = Vec::new();
    for n in 0..6 {
        let (branch, call_id) = (format!("z9hG4bK-{n}"), format!("call-{n}"));
        let sent = line.ask(&Request {
            branch: &branch,
            call_id: &call_id,
            ..Request::default()
        });
        seen.extend(statuses(&sent));
    }
    assert_eq!(seen, [100, 100, 503, 503, 503, 503]);
    assert_eq!(line.endpoint.counters().calls, 2);
    assert_eq!(line.endpoint.counters().transactions, 4);
}

#[test]
fn debug_output_shows_no_number_name_or_body() {
    let mut line = Line::new();
    let (_, tag) = line.established(&Request::default());
    line.ask(&Request {
        branch: "z9hG4bK-9",
        call_id: "call-9",
        ..Request::default()
    });
    line.ask(&Request {
        body: Some(("application/dtmf", "7")),
        ..within("INFO", 2, &tag, "z9hG4bK-i")
    });
    let shown = format!("{:?}", line.events);
    assert!(shown.contains("Incoming") && shown.contains("Info"));
    for secret in ["1001", "Ann", "4930", "RTP/AVP", "[55]", "\"7\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn time_zero_and_time_backwards_do_no_harm() {
    let mut line = Line::new();
    let (_, tag) = line.established(&Request::default());
    line.now = MediaTime::ZERO;
    assert_eq!(
        statuses(&line.ask(&within("BYE", 2, &tag, "z9hG4bK-z"))),
        [200]
    );
}
