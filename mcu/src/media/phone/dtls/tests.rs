//! Handshakes of both ends in virtual time: over lines that lose, with strangers, with forgers, and with what is no handshake at all.

use std::collections::BTreeMap;

use plenum_dialin::sdp::Protection;

use super::super::shield::Shield;
use super::*;

const OURS: &str = "192.0.2.1:20000";
const PHONE: &str = "192.0.2.7:4000";
const NAT: &str = "203.0.113.5:31000";
const THIEF: &str = "198.51.100.9:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What both ends say of each other's certificate: the process has one, so that of both ends is the same.
fn session(role: DtlsRole) -> DtlsSession {
    DtlsSession {
        peer: Identity::get().unwrap().fingerprint().clone(),
        role,
    }
}

fn wrong(role: DtlsRole) -> DtlsSession {
    DtlsSession {
        peer: Fingerprint::sha256([7; 32]),
        role,
    }
}

/// Two ends and a line of 30 ms between them, which loses `loss` of 100 datagrams.
struct Scene {
    now: Instant,
    random: fastrand::Rng,
    loss: u8,
    server: Handshake,
    phone: Handshake,
    /// Where the phone's datagrams come from.
    from: SocketAddr,
    /// By when they arrive, and their number: to whom.
    line: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    sent: u64,
    agreed: [Option<Agreed>; 2],
}

impl Scene {
    fn new(server: DtlsSession, phone: DtlsSession, from: &str, (loss, seed): (u8, u64)) -> Self {
        let now = Instant::now();
        Self {
            now,
            random: fastrand::Rng::with_seed(seed),
            loss,
            server: Handshake::new(server, address(PHONE), now),
            phone: Handshake::new(phone, address(OURS), now),
            from: address(from),
            line: BTreeMap::new(),
            sent: 0,
            agreed: [None, None],
        }
    }

    /// Puts on the line what both have to say.
    fn collect(&mut self) {
        let server = self.server.take_outgoing();
        // What goes elsewhere than the phone is, is lost.
        let server = server
            .into_iter()
            .filter(|(to, _)| *to == self.from)
            .map(|(_, bytes)| (false, bytes));
        let phone = self.phone.take_outgoing().into_iter();
        let both: Vec<_> = server
            .chain(phone.map(|(_, bytes)| (true, bytes)))
            .collect();
        for (to_server, bytes) in both {
            if self.random.u8(..100) >= self.loss {
                let at = self.now + Duration::from_millis(30 + self.random.u64(..10));
                self.line
                    .insert((at, self.sent), (to_server, bytes.to_vec()));
                self.sent += 1;
            }
        }
    }

    /// Until nothing happens any more, or for `limit`.
    fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        loop {
            self.collect();
            let arrives = self.line.keys().next().map(|(at, _)| *at);
            let due = [self.server.due(), self.phone.due()];
            let Some(next) = due.into_iter().flatten().chain(arrives).min() else {
                return;
            };
            if next > end || self.server.fault().is_some() {
                return;
            }
            self.now = self.now.max(next);
            if arrives == Some(next) {
                let (_, (to_server, bytes)) = self.line.pop_first().unwrap();
                let agreed = if to_server {
                    self.server.on_datagram(self.now, self.from, &bytes)
                } else {
                    self.phone.on_datagram(self.now, address(OURS), &bytes)
                };
                if let Some(agreed) = agreed {
                    self.agreed[usize::from(!to_server)] = Some(agreed);
                }
            } else {
                self.server.advance(self.now);
                self.phone.advance(self.now);
            }
        }
    }

    /// Both have keys, and each understands the other.
    fn understand_each_other(&self) -> bool {
        let [Some(server), Some(phone)] = &self.agreed else {
            return false;
        };
        let shield = |agreed: &Agreed| {
            let mut shield = Shield::new(Some(&Protection::Dtls(session(DtlsRole::Passive))), 9);
            shield.agree(&agreed.keys, 9);
            shield.agree_reports(&agreed.keys, 9);
            shield
        };
        let hears = |from: &mut Shield, to: &mut Shield| {
            let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], b"hello"].concat();
            let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
            let secret = from.protect_report(&report).unwrap().into_owned();
            assert!(from.protect(1, &mut packet) && !packet.ends_with(b"hello"));
            to.open(&mut packet)
                .is_some_and(|plain| plain.ends_with(b"hello"))
                && to.open_report(&secret).as_deref() == Some(&report[..])
        };
        let (mut server, mut phone) = (shield(server), shield(phone));
        hears(&mut server, &mut phone) && hears(&mut phone, &mut server)
    }
}

const LONG: Duration = Duration::from_secs(19);

#[test]
fn either_end_may_begin_and_both_understand_each_other() {
    for (ours, theirs) in [
        (DtlsRole::Passive, DtlsRole::Active),
        (DtlsRole::Active, DtlsRole::Passive),
    ] {
        let mut scene = Scene::new(session(ours), session(theirs), PHONE, (0, 1));
        let began = scene.now;
        scene.run(Duration::from_secs(1));
        assert!(scene.understand_each_other(), "{ours:?}");
        assert!(scene.now <= began + Duration::from_secs(1));
    }
}

#[test]
fn a_handshake_outlives_a_line_that_loses_a_fifth() {
    let mut whole = 0;
    for seed in 0..40 {
        let ours = [DtlsRole::Passive, DtlsRole::Active][usize::from(seed % 2 == 1)];
        let theirs = [DtlsRole::Active, DtlsRole::Passive][usize::from(seed % 2 == 1)];
        let mut scene = Scene::new(session(ours), session(theirs), PHONE, (20, seed));
        scene.run(LONG);
        whole += u32::from(scene.understand_each_other());
    }
    assert_eq!(whole, 40);
}

#[test]
fn a_first_hello_is_answered_as_often_as_it_is_said() {
    let mut scene = Scene::new(
        session(DtlsRole::Passive),
        session(DtlsRole::Active),
        PHONE,
        (0, 1),
    );
    let mut hello = scene.phone.take_outgoing().remove(0).1;
    for second in 0..3 {
        // The same message in another record.
        hello[10] = u8::try_from(second).unwrap();
        let now = scene.now + Duration::from_secs(second);
        let agreed = scene.server.on_datagram(now, address(PHONE), &hello);
        assert!(agreed.is_none());
        let said = scene.server.take_outgoing().len();
        assert_eq!(said, 1, "the answer to hello {second} was lost");
    }
}

#[test]
fn who_has_failed_says_no_more() {
    let now = Instant::now();
    let mut silent = Handshake::new(session(DtlsRole::Active), address(PHONE), now);
    let mut at = now;
    while let Some(due) = silent.due() {
        assert!(due <= now + LIMIT + LIFE, "it never ends");
        at = at.max(due);
        silent.advance(at);
    }
    assert_eq!(silent.fault(), Some(Fault::TimedOut));
}

#[test]
fn a_call_on_hold_from_its_beginning_waits_for_an_address() {
    let now = Instant::now();
    let session = session(DtlsRole::Active);
    let mut held = Handshake::new(session.clone(), address("0.0.0.0:4000"), now);
    assert_eq!(held.due(), None);
    let later = now + 3 * LIMIT;
    held.advance(later);
    assert_eq!(held.fault(), None);
    assert!(!held.signal(&session, address(PHONE), later));
    assert_eq!(held.take_outgoing().len(), 1, "a hello");
    held.advance(later + LIMIT / 2);
    assert_eq!(held.fault(), None);
}

#[test]
fn a_phone_behind_a_nat_is_known_by_its_certificate() {
    let (ours, theirs) = (session(DtlsRole::Passive), session(DtlsRole::Active));
    let mut scene = Scene::new(ours, theirs, NAT, (0, 1));
    scene.run(Duration::from_secs(1));
    assert!(scene.understand_each_other());
    let [Some(server), _] = &scene.agreed else {
        unreachable!();
    };
    assert_eq!(server.source, address(NAT));
}

#[test]
fn another_certificate_ends_the_leg_at_once_where_signalling_named_the_address() {
    for (ours, theirs) in [
        (DtlsRole::Passive, DtlsRole::Active),
        (DtlsRole::Active, DtlsRole::Passive),
    ] {
        let mut scene = Scene::new(wrong(ours), session(theirs), PHONE, (0, 1));
        let began = scene.now;
        scene.run(LONG);
        assert_eq!(scene.server.fault(), Some(Fault::Fingerprint), "{ours:?}");
        assert!(scene.now < began + Duration::from_secs(1));
        assert!(scene.agreed[0].is_none());
    }
}

#[test]
fn elsewhere_it_may_be_a_strangers_and_the_leg_ends_when_nobody_else_has_come() {
    let (ours, theirs) = (wrong(DtlsRole::Passive), session(DtlsRole::Active));
    let mut scene = Scene::new(ours, theirs, THIEF, (0, 1));
    let began = scene.now;
    scene.run(Duration::from_secs(60));
    assert_eq!(scene.server.fault(), Some(Fault::Fingerprint));
    assert!(scene.now >= began + LIMIT);
    assert!(scene.agreed[0].is_none());
}

#[test]
fn a_call_whose_phone_says_nothing_ends_in_time() {
    for role in [DtlsRole::Passive, DtlsRole::Active] {
        let mut scene = Scene::new(session(role), session(DtlsRole::Passive), PHONE, (100, 1));
        let began = scene.now;
        scene.run(Duration::from_secs(60));
        assert_eq!(scene.server.fault(), Some(Fault::TimedOut));
        assert!(scene.now < began + LIMIT + Duration::from_millis(100));
    }
}

/// Datagrams that a client which begins at `OURS` says, without an answer.
fn hellos(count: usize) -> Vec<Vec<u8>> {
    let one = || {
        let session = session(DtlsRole::Active);
        let mut client = Handshake::new(session, address(OURS), Instant::now());
        client.take_outgoing().pop().unwrap().1.to_vec()
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn strangers_who_say_hello_take_few_places_and_never_that_of_the_phone() {
    let (ours, theirs) = (session(DtlsRole::Passive), session(DtlsRole::Active));
    let mut scene = Scene::new(ours, theirs, PHONE, (0, 1));
    for (at, hello) in (0_u16..200).zip(hellos(200)) {
        let host = format!("198.51.100.{}:{}", at / 10 + 1, 5_000 + at);
        let agreed = scene.server.on_datagram(scene.now, address(&host), &hello);
        assert!(agreed.is_none());
    }
    assert_eq!(scene.server.attempts.len(), STRANGERS);
    scene.run(Duration::from_secs(1));
    assert!(scene.understand_each_other());
    assert!(scene.server.attempts.is_empty(), "they have no place after");
    // One of them who goes on finds nobody.
    for hello in hellos(3) {
        assert!(
            scene
                .server
                .on_datagram(scene.now, address(THIEF), &hello)
                .is_none()
        );
    }
    assert!(scene.server.fault().is_none());
}

#[test]
fn the_same_again_changes_nothing_and_another_certificate_begins_anew() {
    let (ours, theirs) = (session(DtlsRole::Passive), session(DtlsRole::Active));
    let mut scene = Scene::new(ours.clone(), theirs.clone(), PHONE, (0, 1));
    scene.run(Duration::from_secs(1));
    assert!(scene.understand_each_other());
    assert!(!scene.server.signal(&ours, address(PHONE), scene.now));
    assert!(scene.server.done.is_some());
    // The phone was started again behind the same signalling, and shakes hands anew.
    scene.agreed = [None, None];
    scene.now += Duration::from_secs(5);
    scene.phone = Handshake::new(theirs, address(OURS), scene.now);
    scene.run(Duration::from_secs(1));
    assert!(scene.understand_each_other());

    let other = wrong(DtlsRole::Passive);
    assert!(scene.server.signal(&other, address(PHONE), scene.now));
    assert!(scene.server.done.is_none(), "keys of before are nobody's");
}

#[test]
fn hostile_bytes_neither_stop_us_nor_stay() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let role = [DtlsRole::Passive, DtlsRole::Active][round % 2];
        let other = [DtlsRole::Active, DtlsRole::Passive][round % 2];
        // What both say to each other in good faith, to be spoilt.
        let mut honest = Vec::new();
        let mut scene = Scene::new(session(role), session(other), PHONE, (0, 1));
        scene.collect();
        let now = scene.now;
        for _ in 0..12 {
            let line: Vec<_> = std::mem::take(&mut scene.line).into_values().collect();
            for (to_server, bytes) in line {
                for _ in 0..20 {
                    let mut spoilt = bytes.clone();
                    for _ in 0..random.usize(1..4) {
                        let at = random.usize(..spoilt.len());
                        spoilt[at] = random.u8(..);
                    }
                    spoilt.truncate(random.usize(1..=spoilt.len()));
                    scene.server.on_datagram(now, address(PHONE), &spoilt);
                    scene.server.on_datagram(now, address(THIEF), &spoilt);
                }
                if to_server {
                    scene.server.on_datagram(now, scene.from, &bytes);
                } else {
                    scene.phone.on_datagram(now, address(OURS), &bytes);
                }
                honest.push(bytes);
            }
            scene.collect();
        }
        for _ in 0..500 {
            let noise: Vec<u8> = (0..random.usize(1..100)).map(|_| random.u8(..)).collect();
            let head = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
            let [.., high, low] = noise.len().to_be_bytes();
            let framed = [&head[..], &[high, low], &noise].concat();
            scene.server.on_datagram(now, address(PHONE), &noise);
            scene.server.on_datagram(now, address(PHONE), &framed);
        }
        assert!(scene.server.attempts.len() <= STRANGERS + 1);
        let later = now + LIFE;
        scene.server.advance(later);
        assert!(scene.server.attempts.len() <= 1, "one of ours at most");
    }
}
