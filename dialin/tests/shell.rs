//! The shell with real sockets on the loopback: a call over UDP, one over TCP, and a graceful stop.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use plenum_dialin::shell::{SipConfig, SipError, SipShell};
use plenum_dialin::{CallCommand, CallEvent, EndReason, Trunk};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

fn invite(transport: &str, local: std::net::SocketAddr) -> String {
    format!(
        "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bK{}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:1001@127.0.0.1>\r\nCall-ID: {transport}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
         Contact: <sip:a@{local}>\r\nContent-Length: 0\r\n\r\n",
        local.port()
    )
}

fn ack(invite: &str, answer: &str) -> String {
    let tag = answer.lines().find(|line| line.starts_with("To:")).unwrap();
    invite
        .replace("INVITE", "ACK")
        .replace("z9hG4bK", "z9hG4bKack")
        .replace("To: <sip:1001@127.0.0.1>", tag)
}

async fn read(stream: &mut TcpStream, until: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !text.contains(until) {
        let length = timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(length > 0, "closed before {until}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

async fn receive(socket: &UdpSocket, until: &str) -> String {
    let mut buffer = [0; 4_096];
    loop {
        let length = timeout(PATIENCE, socket.recv(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        if text.starts_with(until) {
            return text.to_owned();
        }
    }
}

#[tokio::test]
async fn calls_over_udp_and_tcp_stand_until_the_server_stops() {
    let trunk = Trunk::new("local", vec!["127.0.0.1".parse().unwrap()]);
    let shell = SipShell::bind(SipConfig::new("127.0.0.1:0".parse().unwrap(), vec![trunk]))
        .await
        .unwrap();
    let server = shell.local();
    assert_eq!(shell.announced(), server);
    let counters = shell.counters();
    let (commands, command_queue) = mpsc::channel(8);
    // One event at a time: the shell keeps the others and goes on taking commands.
    let (event_queue, mut events) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(shell.serve(command_queue, event_queue, stopped));

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    udp.connect(server).await.unwrap();
    let udp_invite = invite("UDP", udp.local_addr().unwrap());
    udp.send(udp_invite.as_bytes()).await.unwrap();
    receive(&udp, "SIP/2.0 100").await;
    let mut tcp = TcpStream::connect(server).await.unwrap();
    let tcp_invite = invite("TCP", tcp.local_addr().unwrap());
    tcp.write_all(tcp_invite.as_bytes()).await.unwrap();
    read(&mut tcp, "SIP/2.0 100").await;

    for _ in 0..2 {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        assert!(matches!(event, CallEvent::Incoming { offer: None, .. }));
        commands
            .send(CallCommand::Answer {
                call: event.call(),
                sdp: "v=0\r\n".into(),
            })
            .await
            .unwrap();
    }
    let answer = receive(&udp, "SIP/2.0 200").await;
    let sdp = "v=0\r\n";
    let with_sdp = |ack: String| {
        ack.replace(
            "Content-Length: 0\r\n\r\n",
            &format!("Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\n{sdp}"),
        )
    };
    udp.send(with_sdp(ack(&udp_invite, &answer)).as_bytes())
        .await
        .unwrap();
    let answer = read(&mut tcp, "v=0\r\n").await;
    tcp.write_all(with_sdp(ack(&tcp_invite, &answer)).as_bytes())
        .await
        .unwrap();
    let mut confirmed = 0;
    while confirmed < 2 {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        confirmed += usize::from(matches!(event, CallEvent::Confirmed { .. }));
    }

    stop.send(true).unwrap();
    let bye = receive(&udp, "BYE ").await;
    assert!(bye.contains("Reason: SIP;cause=503"));
    read(&mut tcp, "BYE ").await;
    let mut ended = 0;
    while let Ok(Some(event)) = timeout(PATIENCE, events.recv()).await {
        ended += usize::from(matches!(
            event,
            CallEvent::Ended {
                reason: EndReason::HungUp,
                ..
            }
        ));
    }
    assert_eq!(
        ended, 2,
        "no event is lost, however small the owner's queue"
    );
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert_eq!(counters.borrow().0.calls, 0);
}

#[tokio::test]
async fn an_address_in_use_is_named_in_the_error() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = SipShell::bind(SipConfig::new(address, Vec::new()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SipError::Bind { transport: "UDP", address: named, .. } if *named == address)
    );
    let everywhere = SipConfig::new("0.0.0.0:0".parse().unwrap(), Vec::new());
    assert!(matches!(
        SipShell::bind(everywhere).await,
        Err(SipError::Unannounced(_))
    ));
}
