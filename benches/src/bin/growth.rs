//! What a join leaves behind: the server's resident memory over thousands of joins and leaves, in bytes per join.
//!
//! The media plane runs in a process of its own (this program again, told by `--serve`), so that what the clients
//! keep does not count. In each round a third of the browsers only offers, the others connect and are heard of;
//! as many phones call. `growth <joins>` takes another number than 2,000.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use plenum_benches::Figure;
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::Direction;
use plenum_mcu::media::{Media, MediaConfig, PhoneMedia};
use plenum_mixer::{LegId, RoomConfig};
use plenum_tests::bot::Bot;
use prometheus::Registry;
use tokio::sync::mpsc;

const JOINS: usize = 2_000;
/// Joins of one round: browsers that connect, browsers that do not, phones.
const ROUND: (usize, usize, usize) = (10, 5, 15);
/// Rounds before the first sample: allocators and tables find their size.
const WARMING: usize = 15;
/// Bytes per join that the issue allows.
const AIM: f64 = 100.0;
/// Stands for the end of a line of SDP on a line of the pipe.
const END: char = '\u{1}';

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--serve") {
        return serve().await;
    }
    let joins = argument.map_or(Ok(JOINS), |a| a.parse())?;
    let mut server = Server::start()?;
    let round = ROUND.0 + ROUND.1 + ROUND.2;
    let mut samples = Vec::new();
    for done in 0..WARMING + joins.div_ceil(round) {
        come_and_go(&mut server).await?;
        if done >= WARMING {
            let joined = (done - WARMING) * round;
            samples.push((joined as f64, server.resident()?));
        }
    }
    let value = slope(&samples).max(0.0);
    let figure = Figure {
        name: &format!("growth_rss_over_{joins}_joins"),
        value,
        unit: "bytes_per_join",
        floor: AIM,
    };
    println!("{figure}");
    server.stop()
}

/// Everybody of a round joins, is there for a moment, and leaves.
async fn come_and_go(server: &mut Server) -> Result<()> {
    let mut legs = Vec::new();
    let mut bots = Vec::new();
    for n in 0..ROUND.0 + ROUND.1 {
        let bot = Bot::new().await?;
        let offer = bot.offer().await?.replace('\n', &END.to_string());
        let reply = server.ask(&format!("peer {offer}"))?;
        let (leg, answer) = reply.split_once(' ').context("no answer")?;
        legs.push(leg.to_owned());
        if n < ROUND.0 {
            bot.accept(&answer.replace(END, "\n")).await?;
        }
        bots.push(bot);
    }
    let mut phones = Vec::new();
    for _ in 0..ROUND.2 {
        let phone = UdpSocket::bind("127.0.0.1:0")?;
        let reply = server.ask(&format!("phone {}", phone.local_addr()?))?;
        let (leg, address) = reply.split_once(' ').context("no answer")?;
        legs.push(leg.to_owned());
        phones.push((phone, address.parse::<SocketAddr>()?));
    }
    for bot in bots.iter().take(ROUND.0) {
        bot.connected(Duration::from_secs(20)).await?;
    }
    for tick in 0..10_u16 {
        for bot in bots.iter().take(ROUND.0) {
            let silence = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
            bot.send_audio(u32::from(tick) * 960, silence).await?;
        }
        for (phone, address) in &phones {
            phone.send_to(&g711(tick), *address)?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for leg in legs {
        server.ask(&format!("leave {leg}"))?;
    }
    for bot in bots {
        bot.close().await?;
    }
    Ok(())
}

fn g711(tick: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(tick.to_be_bytes());
    packet.extend((u32::from(tick) * 160).to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    packet.extend((0..160_u8).map(|n| n.wrapping_mul(37)));
    packet
}

/// Least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|s| s.0), mean(|s| s.1));
    let both: f64 = samples.iter().map(|s| (s.0 - x) * (s.1 - y)).sum();
    let square: f64 = samples.iter().map(|s| (s.0 - x).powi(2)).sum();
    both / square.max(1.0)
}

/// The media plane in its own process, at the other end of two pipes.
struct Server {
    process: Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().context("no pipe")?;
        let replies = BufReader::new(process.stdout.take().context("no pipe")?);
        Ok(Self {
            process,
            orders,
            replies,
        })
    }

    fn ask(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply)?;
        let reply = reply.trim_end_matches('\n').to_owned();
        anyhow::ensure!(!reply.is_empty(), "the server has gone");
        Ok(reply)
    }

    /// Bytes.
    fn resident(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path)?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kilobytes = line.split_whitespace().next().context("no figure")?;
        Ok(kilobytes.parse::<f64>()? * 1_024.0)
    }

    fn stop(self) -> Result<()> {
        let Self {
            mut process,
            orders,
            ..
        } = self;
        drop(orders);
        anyhow::ensure!(process.wait()?.success(), "the server failed");
        Ok(())
    }
}

/// The server's side: an order per line, an answer per line, until the pipe closes.
async fn serve() -> Result<()> {
    let config = MediaConfig {
        workers: 2,
        together: 5,
        udp_port: 0,
        ..MediaConfig::default()
    };
    let media = Media::start(config, &Registry::new())?;
    let (events, mut heard) = mpsc::channel(1_024);
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    let room = media.open_room(RoomConfig::default(), events).await?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let (order, what) = line.split_once(' ').context("no order")?;
        match order {
            "peer" => {
                let leg = media.next_leg();
                let answer = media.add_peer(room, leg, what.replace(END, "\n")).await?;
                let sdp = answer.sdp.replace('\n', &END.to_string());
                println!("{} {sdp}", leg.0);
            }
            "phone" => {
                let (leg, sockets) = (media.next_leg(), media.bind_rtp()?);
                let local = sockets.local;
                let session = session(what.parse()?);
                media.add_phone(room, leg, sockets, session).await?;
                println!("{} {local}", leg.0);
            }
            _ => {
                media.remove_leg(LegId(what.parse()?)).await?;
                println!("left");
            }
        }
    }
    let running = media.stop(Duration::from_secs(2)).await;
    anyhow::ensure!(running == 0, "media workers did not stop");
    Ok(())
}

fn session(remote: SocketAddr) -> PhoneMedia {
    PhoneMedia {
        remote_rtp: remote,
        remote_rtcp: remote,
        codec: AudioCodec::Pcmu,
        payload_type: 0,
        receive_payload_type: 0,
        telephone_event: Some((101, 8_000)),
        comfort_noise: None,
        direction: Direction::SendReceive,
        ptime: 20,
        srtp: None,
    }
}
