//! Keys against the vectors of RFC 3711, and what must never happen twice. That others can read it is shown with
//! real peers.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "a sequence number is its index cut off"
)]

use super::*;

const PROFILES: [Profile; 5] = [
    Profile::Aes128CmSha1,
    Profile::Aes128CmSha1Short,
    Profile::Aes256CmSha1,
    Profile::Aes128Gcm,
    Profile::Aes256Gcm,
];
const SSRC: u32 = 0xdead_beef;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Both ends of an association.
fn ends(profile: Profile) -> (Keys, Keys) {
    let (key, salt) = profile.lengths();
    let exported: Vec<u8> = (0..=255).take(2 * (key + salt)).collect();
    (
        Keys::new(profile, &exported, true).unwrap(),
        Keys::new(profile, &exported, false).unwrap(),
    )
}

/// An empty receiver report of ours.
fn report() -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &SSRC.to_be_bytes()].concat()
}

#[test]
fn session_keys_are_those_of_the_standard() {
    // RFC 3711 appendix B.3.
    let master = Master {
        key: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        salt: hex("0EC675AD498AFEEBB6960B3AABE6"),
    };
    let derived = |label, length| {
        let mut out = vec![1; length];
        master.derive(label, &mut out).unwrap();
        out
    };
    assert_eq!(derived(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derived(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        derived(1, 20),
        hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
    );
}

#[test]
fn session_keys_of_256_bits_are_those_of_the_standard() {
    // RFC 6188 section 7.4.
    let master = Master {
        key: hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"),
        salt: hex("3b04803de51ee7c96423ab5b78d2"),
    };
    let derived = |label, length| {
        let mut out = vec![1; length];
        master.derive(label, &mut out).unwrap();
        out
    };
    assert_eq!(
        derived(0, 32),
        hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
    );
    assert_eq!(derived(2, 14), hex("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(
        derived(1, 20),
        hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")
    );
}

/// The key of RFC 3711 appendix B.3, both ways.
fn known(profile: Profile) -> Keys {
    let master = || Master {
        key: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        salt: hex("0EC675AD498AFEEBB6960B3AABE6"),
    };
    Keys {
        profile,
        ours: master(),
        theirs: master(),
    }
}

#[test]
fn a_packet_looks_as_that_of_others_does() {
    // The packet by which libsrtp checks itself.
    let plain = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let secret =
        hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    for (profile, tag) in [(Profile::Aes128CmSha1, 10), (Profile::Aes128CmSha1Short, 4)] {
        let keys = known(profile);
        let mut packet = plain.clone();
        let mut outbound = Outbound::new(&keys, 0xcafe_babe).unwrap();
        assert!(outbound.protect(&mut packet, 12, 0x1234));
        assert_eq!(packet, secret[..28 + tag]);
        let mut reader = PacketReader::new(&keys).unwrap();
        let opened = reader.open_any(0xcafe_babe, 0x1234, 12, &mut packet);
        assert_eq!(opened, Some(&plain[12..]));
    }
}

#[test]
fn a_phones_streams_begin_with_their_first_packet_and_are_not_endless() {
    let (client, server) = ends(Profile::Aes128CmSha1);
    let mut reader = PacketReader::new(&server).unwrap();
    let mut streams = 0;
    for ssrc in 0..40 {
        let mut forged = vec![0x80; 40];
        assert_eq!(reader.open_any(1_000 + ssrc, 7, 12, &mut forged), None);
        let mut packet = vec![0x80; 40];
        let mut outbound = Outbound::new(&client, ssrc).unwrap();
        assert!(outbound.protect(&mut packet, 12, 65_535));
        let mut copy = packet.clone();
        streams += usize::from(reader.open_any(ssrc, 65_535, 12, &mut packet).is_some());
        assert_eq!(
            reader.open_any(ssrc, 65_535, 12, &mut copy),
            None,
            "a replay"
        );
    }
    assert_eq!(streams, 16);
}

#[test]
fn an_index_is_never_used_again() {
    for profile in PROFILES {
        let mut outbound = Outbound::new(&ends(profile).0, SSRC).unwrap();
        let mut protect = |index| outbound.protect(&mut vec![0x80; 40], 12, index);
        assert!(protect(7) && protect(70_000));
        assert!(!protect(70_000) && !protect(8) && !protect(69_999));
        assert!(protect(70_001));
    }
}

#[test]
fn the_same_packet_never_looks_the_same() {
    for profile in PROFILES {
        let (client, server) = ends(profile);
        let mut streams = [
            Outbound::new(&client, SSRC).unwrap(),
            Outbound::new(&client, SSRC + 1).unwrap(),
            Outbound::new(&server, SSRC).unwrap(),
        ];
        let mut seen = Vec::new();
        for stream in &mut streams {
            for index in [1, 2, 1 + (1 << 16)] {
                let mut packet = vec![0; 40];
                assert!(stream.protect(&mut packet, 12, index));
                seen.push(packet[12..28].to_vec());
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all, "{profile:?}");
    }
}

#[test]
fn a_report_is_read_once_by_the_other_end_alone() {
    for profile in PROFILES {
        let (client, server) = ends(profile);
        let mut outbound = Outbound::new(&client, SSRC).unwrap();
        let mut reader = ReportReader::new(&server).unwrap();
        let plain = [report(), report()].concat();
        let mut first = plain.clone();
        assert!(outbound.protect_report(&mut first));
        let mut second = plain.clone();
        assert!(outbound.protect_report(&mut second));
        for at in 0..first.len() {
            let mut forged = first.clone();
            forged[at] ^= 1;
            assert_eq!(reader.open(&forged), None, "{profile:?}, byte {at}");
            assert_eq!(reader.open(&first[..at]), None, "{profile:?}, cut at {at}");
        }
        assert_eq!(ReportReader::new(&client).unwrap().open(&first), None);
        assert_eq!(reader.open(&first), Some(plain.clone()));
        assert_eq!(reader.open(&first), None, "{profile:?}: a replay");
        assert_eq!(reader.open(&second), Some(plain));
    }
}

/// A packet as the client sends it.
fn packet(outbound: &mut Outbound, index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&(index as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 3, 192]);
    packet.extend_from_slice(&SSRC.to_be_bytes());
    packet.extend_from_slice(&index.to_be_bytes());
    assert!(outbound.protect(&mut packet, 12, index));
    packet
}

/// The index that the reader finds in a packet.
fn read(reader: &mut PacketReader, mut packet: Vec<u8>) -> Option<u64> {
    let sequence = u16::from_be_bytes([packet[2], packet[3]]);
    let payload = reader.open(SSRC, sequence, 12, &mut packet)?;
    Some(u64::from_be_bytes(payload.try_into().unwrap()))
}

#[test]
fn packets_are_read_once_in_any_order_and_over_rollovers() {
    for profile in PROFILES {
        let (client, server) = ends(profile);
        let mut outbound = Outbound::new(&client, SSRC).unwrap();
        let mut reader = PacketReader::new(&server).unwrap();
        let packets: Vec<Vec<u8>> = (0..150_000).map(|n| packet(&mut outbound, n)).collect();
        assert_eq!(read(&mut reader, packets[1].clone()), None, "not begun");
        reader.begin(SSRC, 0);
        assert_eq!(
            read(&mut reader, packets[0].clone()),
            None,
            "read elsewhere"
        );
        for (pair, n) in packets[1..].chunks_exact(2).zip((1..).step_by(2)) {
            assert_eq!(read(&mut reader, pair[1].clone()), Some(n + 1));
            assert_eq!(read(&mut reader, pair[0].clone()), Some(n));
            assert_eq!(read(&mut reader, pair[0].clone()), None, "a replay of {n}");
        }
        let late = packets[150_000 - 40].clone();
        assert_eq!(read(&mut reader, late), None);
        reader.begin(SSRC, 0);
        assert_eq!(read(&mut reader, packets[149_000].clone()), None, "too old");
    }
}

#[test]
fn a_packet_that_was_touched_or_comes_from_elsewhere_changes_nothing() {
    for profile in PROFILES {
        let (client, server) = ends(profile);
        let mut outbound = Outbound::new(&client, SSRC).unwrap();
        let first = packet(&mut outbound, 70_000);
        let mut reader = PacketReader::new(&server).unwrap();
        reader.begin(SSRC, 69_999);
        for at in 0..first.len() {
            let mut forged = first.clone();
            forged[at] ^= 1;
            assert_eq!(read(&mut reader, forged), None, "{profile:?}, byte {at}");
            let mut cut = first[..at].to_vec();
            let opened = reader.open(SSRC, 4_464, 12, &mut cut).map(<[u8]>::to_vec);
            assert_eq!(opened, None, "{profile:?}, cut at {at}");
        }
        let own = Outbound::new(&server, SSRC).map(|mut outbound| packet(&mut outbound, 70_000));
        assert_eq!(read(&mut reader, own.unwrap()), None, "our own, sent back");
        assert_eq!(read(&mut reader, first), Some(70_000));
    }
}

#[test]
fn a_packet_of_before_the_first_rollover_is_none() {
    let (client, server) = ends(Profile::Aes128Gcm);
    let mut outbound = Outbound::new(&client, SSRC).unwrap();
    let mut reader = PacketReader::new(&server).unwrap();
    reader.begin(SSRC, 5);
    assert_eq!(read(&mut reader, packet(&mut outbound, 65_000)), None);
    assert_eq!(read(&mut reader, packet(&mut outbound, 65_536 + 4)), None);
    let mut outbound = Outbound::new(&client, SSRC).unwrap();
    assert_eq!(read(&mut reader, packet(&mut outbound, 6)), Some(6));
}

#[test]
fn a_report_of_another_stream_is_not_protected() {
    let mut outbound = Outbound::new(&ends(Profile::Aes128Gcm).0, SSRC + 1).unwrap();
    assert!(!outbound.protect_report(&mut report()));
    assert!(!outbound.protect_report(&mut vec![0x80, 201]));
}

#[test]
fn keys_of_a_wrong_length_are_none() {
    for profile in PROFILES {
        assert!(Keys::new(profile, &[0; 55], true).is_none());
        assert!(!format!("{:?}", ends(profile).0).contains('['));
    }
}
