//! Answers every call on 127.0.0.1 and does nothing with its media: for trying real SIP clients against the endpoint.
//!
//! ```sh
//! cargo run --release -p plenum-dialin --example answer -- 127.0.0.1:5070
//! sipp -sn uac -m 100 -r 50 127.0.0.1:5070
//! ```

use std::net::SocketAddr;

use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::{self, SessionPolicy};
use plenum_dialin::shell::{SipConfig, SipShell};
use plenum_dialin::{CallCommand, CallEvent, CallId, Trunk};
use tokio::sync::{mpsc, watch};

fn policy(call: CallId) -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: true,
        local_rtp: SocketAddr::from(([127, 0, 0, 1], 20_000)),
        local_rtcp_port: None,
        local_video: None,
        session_id: call.0 + 1,
        srtp: plenum_dialin::sdp::SrtpPolicy::Off,
    }
}

fn answer(call: CallId, offer: Option<&str>) -> CallCommand {
    let Some(offer) = offer else {
        return CallCommand::Answer {
            call,
            sdp: sdp::offer(&policy(call), None).0,
        };
    };
    match sdp::answer(offer, &policy(call), None) {
        Ok(negotiated) => CallCommand::Answer {
            call,
            sdp: negotiated.answer,
        },
        Err(error) => CallCommand::Refuse {
            call,
            status: error.status(),
        },
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bind = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5070".to_owned())
        .parse()?;
    let trunk = Trunk::new("local", vec!["127.0.0.0/8".parse()?, "::1".parse()?]);
    let shell = SipShell::bind(SipConfig::new(bind, vec![trunk])).await?;
    println!("serving on {}", shell.local());
    let counters = shell.counters();
    let (commands, command_queue) = mpsc::channel(64);
    let (event_queue, mut events) = mpsc::channel(64);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(shell.serve(command_queue, event_queue, stopped));
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                println!("{event:?}");
                match event {
                    CallEvent::Incoming { call, offer, .. } => commands.send(answer(call, offer.as_deref())).await?,
                    CallEvent::Offered { call, offer } => {
                        let command = match sdp::answer(&offer, &policy(call), None) {
                            Ok(negotiated) => CallCommand::AcceptOffer { call, sdp: negotiated.answer },
                            Err(error) => CallCommand::RefuseOffer { call, status: error.status() },
                        };
                        commands.send(command).await?;
                    }
                    _ => {}
                }
            }
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                stop.send(true)?;
                break;
            }
        }
    }
    serving.await??;
    println!("{:?}", *counters.borrow());
    Ok(())
}
