use super::*;

const NOW: MediaTime = MediaTime::from_millis(50_000);

fn credentials(password: &str) -> Credentials {
    Credentials {
        realm: "plenum".into(),
        username: "pbx".into(),
        password: password.into(),
    }
}

fn invite(authorization: &str) -> Box<Request> {
    let text = format!(
        "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:1001@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{authorization}\r\n"
    );
    match parse_datagram(text.into(), 65_535) {
        Ok(Parsed::Request(request)) => request,
        _ => panic!("the test's own message cannot be read"),
    }
}

fn answered(guard: &mut Guard, at: MediaTime, challenge: &str, password: &str) -> Authentication {
    let value = authorize(
        challenge,
        &credentials(password),
        "INVITE",
        "sip:1001@127.0.0.1",
    )
    .unwrap();
    guard.check(at, &invite(&format!("Authorization: {value}\r\n")))
}

#[test]
fn digest_passes_with_both_algorithms_and_the_right_password_only() {
    let mut guard = Guard::new(credentials("secret"), [3; 32]);
    let refused = Authentication::Challenge { stale: false };
    assert_eq!(guard.check(NOW, &invite("")), refused);
    let challenges = guard.challenges(NOW, false);
    assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"));
    for challenge in &challenges {
        assert_eq!(answered(&mut guard, NOW, challenge, "guess"), refused);
        assert_eq!(
            answered(&mut guard, NOW, challenge, "secret"),
            Authentication::Passed
        );
    }
}

#[test]
fn an_old_nonce_is_stale_and_a_foreign_one_is_refused() {
    let mut guard = Guard::new(credentials("secret"), [3; 32]);
    let [challenge, _] = guard.challenges(NOW, false);
    let later = NOW + Duration::from_secs(301);
    assert_eq!(
        answered(&mut guard, later, &challenge, "secret"),
        Authentication::Challenge { stale: true }
    );
    let [foreign, _] = Guard::new(credentials("secret"), [4; 32]).challenges(NOW, false);
    assert_eq!(
        answered(&mut guard, NOW, &foreign, "secret"),
        Authentication::Challenge { stale: false }
    );
}

#[test]
fn a_caller_is_read_from_sip_and_tel_addresses_without_control_characters() {
    let text = "INVITE sip:%31001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                From: \"A\tB\" <tel:+4930123;phone-context=x>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    let Ok(Parsed::Request(request)) = parse_datagram(text.into(), 65_535) else {
        panic!("unreadable")
    };
    let caller = request.caller();
    assert_eq!(
        (caller.display.as_str(), caller.user.as_str()),
        ("AB", "+4930123")
    );
    assert_eq!(request.called(), "1001");
    assert_eq!(request.fault(), None, "Max-Forwards may be missing");
}
