//! What forwarding a camera's packet to one more viewer costs its worker, all in, and that nothing is decoded for it.
//!
//! A noisy camera whose packets are nearly all full is shown to a crowd ([`plenum_benches::crowd`]) in a process of its own. The
//! worker thread's CPU time with the camera on and off gives the cost, so that what viewers hear falls out. The floor, sealing as
//! much and the kernel's send, is measured in the same run. The viewers send no feedback and take no transport-wide numbers, as padding
//! would be taken for pictures; what reading feedback costs is not in it.

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_benches::crowd::{self, Crowd};
use plenum_benches::floor::floor;
use plenum_benches::print;
use plenum_benches::server::Server;
use plenum_mcu::media::Clip;
use plenum_mixer::Command;

const VIEWERS: usize = 100;
const TIME: Duration = Duration::from_secs(10);
/// Payload of a forwarded packet, at most.
const BYTES: usize = 1_180;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(crowd::ROLE) {
        return crowd::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(floor(BYTES, true, VIEWERS)?))
}

async fn measure(floor: f64) -> Result<()> {
    let clip = Clip::build(&[0; 48_000], |_, picture| {
        picture.y.iter_mut().for_each(|y| *y = fastrand::u8(..));
    })?;
    let server = Server::start(1, clip).await?;
    let media = &server.media;
    let mut crowd = Crowd::start()?;
    for _ in 0..VIEWERS {
        let leg = media.next_leg();
        let answer = media
            .add_peer(server.room, leg, crowd.offer_video()?)
            .await?;
        crowd.accept(&answer.sdp)?;
    }
    let seen = crowd.heard()?;
    let on = server.measure("webrtc", TIME).await?;
    let seen = crowd.heard()? - seen;
    media.command(
        server.room,
        Command::Camera {
            leg: server.player,
            on: false,
        },
    )?;
    let off = server.measure("webrtc", TIME).await?;
    let forwarded = on - off;
    let size = forwarded.bytes_out / forwarded.out;
    ensure!(
        forwarded.out > 20_000.0 && seen > 20_000,
        "{} forwarded, {seen} seen",
        forwarded.out
    );
    ensure!(size > 1_000.0, "packets of {size} bytes");
    print("forward_packet", forwarded.cpu / forwarded.out, "us", floor);
    print("forward_packet_size", size, "bytes", 1_200.0);
    server.stop().await
}
