//! Calls per second through SIP endpoint, offer/answer and attendant, on one core, in virtual time: INVITE, answer,
//! ACK, welcome, conference, PIN, join, BYE. Prints `name value unit floor ratio`; there is no floor to compare with.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use plenum_codecs::MediaTime;
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::telephone_event::Digit;
use plenum_dialin::attendant::{
    Attendant, AttendantConfig, AttendantInput, AttendantOutput, CheckResult,
};
use plenum_dialin::sdp::{self, SessionPolicy};
use plenum_dialin::{
    CallCommand, CallEvent, CallId, EndpointConfig, SipEndpoint, SipInput, SipOutput, Trunk,
};

/// Calls in one run.
const CALLS: u64 = 20_000;

/// Virtual time between calls: 250 calls a second, so that 8,000 and more transactions linger as in earnest.
const APART: Duration = Duration::from_millis(4);

const PHONE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5_062);

const OFFER: &str = "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

struct Bench {
    endpoint: SipEndpoint,
    now: MediaTime,
    events: Vec<CallEvent>,
    last: String,
}

impl Bench {
    fn input(&mut self, input: SipInput) {
        self.endpoint.handle(self.now, input);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                SipOutput::Event(event) => self.events.push(event),
                SipOutput::Send { bytes, .. } => {
                    self.last = String::from_utf8_lossy(&bytes).into_owned()
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, number: u64, method: &str, cseq: u32, to_tag: &str, body: &str) {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = format!(
            "{method} sip:conference@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK{number}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:4930@127.0.0.1>;tag=f{number}\r\nTo: <sip:conference@127.0.0.1>{to_tag}\r\n\
             Call-ID: bench-{number}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:4930@127.0.0.1:5062>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.input(SipInput::Datagram {
            from: PHONE,
            bytes: text.into(),
        });
    }

    /// One whole call; says whether it joined.
    fn call(&mut self, number: u64) -> Result<bool, Box<dyn Error>> {
        self.request(number, "INVITE", 1, "", OFFER);
        let Some(CallEvent::Incoming {
            call,
            offer: Some(offer),
            ..
        }) = self.events.pop()
        else {
            return Err("no call".into());
        };
        let negotiated = sdp::answer(&offer, &policy(call), None)?;
        self.input(SipInput::Command(CallCommand::Answer {
            call,
            sdp: negotiated.answer,
        }));
        let to = self
            .last
            .lines()
            .find_map(|line| line.strip_prefix("To: "))
            .ok_or("no To")?;
        let tag = to
            .split_once(";tag=")
            .map(|(_, tag)| format!(";tag={tag}"))
            .ok_or("no tag")?;
        self.request(number, "ACK", 1, &tag, "");
        if self.events.pop() != Some(CallEvent::Confirmed { call }) {
            return Err("not confirmed".into());
        }
        let joined = self.attend();
        self.request(number, "BYE", 2, &tag, "");
        if !matches!(self.events.pop(), Some(CallEvent::Ended { .. })) {
            return Err("not ended".into());
        }
        self.now += APART;
        Ok(joined)
    }

    /// The caller keys ID and PIN.
    fn attend(&self) -> bool {
        let mut attendant = Attendant::new(AttendantConfig::default());
        let keys = "1001#2001#"
            .chars()
            .filter_map(Digit::from_char)
            .map(AttendantInput::Digit);
        for input in [AttendantInput::Started]
            .into_iter()
            .chain(keys)
            .chain([AttendantInput::PromptFinished])
        {
            attendant.handle(self.now, input);
            while let Some(output) = attendant.poll_output() {
                match output {
                    AttendantOutput::Check { pin: None, .. } => {
                        attendant.handle(self.now, AttendantInput::Checked(CheckResult::NeedPin));
                    }
                    AttendantOutput::Check { .. } => {
                        attendant.handle(self.now, AttendantInput::Checked(CheckResult::Ok));
                    }
                    AttendantOutput::Join { .. } => return true,
                    _ => {}
                }
            }
        }
        false
    }
}

fn policy(call: CallId) -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: true,
        local_rtp: SocketAddr::from(([127, 0, 0, 1], 20_000)),
        local_rtcp_port: None,
        local_video: None,
        session_id: call.0,
        srtp: plenum_dialin::sdp::SrtpPolicy::Off,
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn main() -> Result<(), Box<dyn Error>> {
    let trunk = Trunk::new("bench", vec!["127.0.0.0/8".parse()?]);
    let mut bench = Bench {
        endpoint: SipEndpoint::new(EndpointConfig::new(
            SocketAddr::from(([127, 0, 0, 1], 5_060)),
            vec![trunk],
        )),
        now: MediaTime::from_millis(1),
        events: Vec::new(),
        last: String::new(),
    };
    let start = Instant::now();
    for number in 0..CALLS {
        if !bench.call(number)? {
            return Err("a caller did not join".into());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let calls = u32::try_from(CALLS)?;
    println!(
        "attendant_calls {:.0} calls/s - -",
        f64::from(calls) / seconds
    );
    println!(
        "attendant_call_cost {:.1} µs - -",
        seconds * 1e6 / f64::from(calls)
    );
    println!(
        "attendant_transactions_held {} transactions - -",
        bench.endpoint.counters().transactions
    );
    Ok(())
}
