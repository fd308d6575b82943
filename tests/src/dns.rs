//! A name server of a test's own: SRV and A records out of a table, over UDP on the loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context as _, Result};

const A: u16 = 1;
const SRV: u16 = 33;
const NAME_ERROR: u8 = 3;

/// What one name stands for.
#[derive(Debug, Clone)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// A server: priority, weight, port, host.
    Srv(u16, u16, u16, &'static str),
}

/// A running name server; it lives as long as the process.
#[derive(Debug)]
pub struct NameServer {
    /// Where it is asked.
    pub address: SocketAddr,
    /// The names that were asked for, in order.
    pub asked: Receiver<String>,
}

impl NameServer {
    /// Serves these records, each for so many seconds. Other names do not exist.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn start(records: Vec<(&'static str, Record)>, ttl: u32) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a name server's socket")?;
        let address = socket.local_addr()?;
        let (heard, asked) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                let Some((name, kind, end)) = question(query) else {
                    continue;
                };
                let answer = answer(query, (&name, kind, end), &records, ttl);
                if socket.send_to(&answer, from).is_err() || heard.send(name).is_err() {
                    return;
                }
            }
        });
        Ok(Self { address, asked })
    }
}

/// Name, type and end of the first question (RFC 1035 section 4.1.2).
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn answer(
    query: &[u8],
    (name, kind, end): (&str, u16, usize),
    records: &[(&str, Record)],
    ttl: u32,
) -> Vec<u8> {
    let of_name = || records.iter().filter(|(of, _)| *of == name);
    let rows: Vec<(u16, Vec<u8>)> = of_name()
        .filter_map(|(_, record)| match record {
            Record::A(address) if kind == A => Some((A, address.octets().to_vec())),
            Record::Srv(priority, weight, port, host) if kind == SRV => {
                let numbers = [*priority, *weight, *port].map(u16::to_be_bytes).concat();
                Some((SRV, [numbers, encoded(host)].concat()))
            }
            _ => None,
        })
        .collect();
    let code = if of_name().next().is_some() {
        0
    } else {
        NAME_ERROR
    };
    let count = u8::try_from(rows.len()).unwrap_or(u8::MAX);
    let mut text = query[..2].to_vec();
    // An authoritative answer to a question that wanted recursion; one question, so many answers.
    text.extend([0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    text.extend(&query[12..end]);
    for (kind, data) in rows {
        // The name is that of the question.
        text.extend([0xc0, 12]);
        text.extend(kind.to_be_bytes());
        text.extend([0, 1]);
        text.extend(ttl.to_be_bytes());
        text.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        text.extend(data);
    }
    text
}

fn encoded(host: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for label in host.split('.') {
        text.push(u8::try_from(label.len()).unwrap_or(63));
        text.extend(label.as_bytes());
    }
    text.push(0);
    text
}
