#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::server::protocol::Kind;
use crate::server::store::{Database, Draft, StoreError};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("plenum-search-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

async fn open(database: &Database) -> Store {
    let (store, mut published) = Store::open(database).await.unwrap();
    tokio::spawn(async move { while published.recv().await.is_some() {} });
    store
}

async fn sqlite(name: &str) -> (Store, Folder) {
    let folder = Folder::new(name);
    let store = open(&Database::Sqlite(folder.0.join("companion.db"))).await;
    (store, folder)
}

/// `user` is in each of `rooms`.
async fn enter(store: &Store, user: &'static str, rooms: Vec<String>) {
    let written = store.write(move |tx| {
        async move {
            for room in rooms {
                sqlx::query(
                    "INSERT INTO members (conversation, user_id, joined_ms) VALUES ($1, $2, 0)",
                )
                .bind(room)
                .bind(user)
                .execute(tx.connection())
                .await?;
            }
            Ok::<_, StoreError>(())
        }
        .boxed()
    });
    written.await.unwrap();
}

fn draft(conversation: &str, id: &str, kind: Kind, target: Option<i64>, text: &str) -> Draft {
    Draft {
        conversation: conversation.into(),
        kind,
        sender: "me".into(),
        client_id: id.into(),
        target,
        body: json!({"text": text, "files": [{"name": "Übersicht.pdf"}]}).to_string(),
        mentions: Vec::new(),
    }
}

async fn found(store: &Store, query: &str) -> Vec<(i64, String)> {
    let ask = Ask {
        query: query.into(),
        conversation: None,
        before: None,
        limit: None,
    };
    let hits = search(store, "me", ask).await.unwrap().hits;
    hits.into_iter().map(|hit| (hit.seq, hit.snippet)).collect()
}

#[tokio::test]
async fn edits_and_deletions_follow_in_the_same_commit() {
    let (store, _folder) = sqlite("edits").await;
    enter(&store, "me", vec!["r".into()]).await;
    let seq = store
        .append(draft("r", "1", Kind::Text, None, "before"))
        .await
        .unwrap()
        .seq;
    store
        .append(draft("r", "2", Kind::Text, None, "other"))
        .await
        .unwrap();
    assert_eq!(found(&store, "before").await, [(seq, "before".into())]);
    store
        .append(draft("r", "3", Kind::Edit, Some(seq), "afterwards"))
        .await
        .unwrap();
    assert!(found(&store, "before").await.is_empty());
    let hits = found(&store, "afterwards").await;
    assert_eq!(hits.first().map(|(at, _)| *at), Some(seq));
    assert_eq!(
        found(&store, "ubersicht").await.len(),
        2,
        "names of files are words, too"
    );
    store
        .append(draft("r", "4", Kind::Delete, Some(seq), ""))
        .await
        .unwrap();
    assert!(found(&store, "afterwards").await.is_empty());
    assert_eq!(found(&store, "ubersicht").await.len(), 1);
}

#[tokio::test]
async fn a_time_is_found_by_halving() {
    let (store, _folder) = sqlite("halving").await;
    assert_eq!(position(store.reader(), 1).await.unwrap(), 0);
    for n in 0..9 {
        store
            .append(draft("r", &n.to_string(), Kind::Text, None, "x"))
            .await
            .unwrap();
    }
    let written = store.write(|tx| {
        async move {
            sqlx::query("DELETE FROM events WHERE pos = 4")
                .execute(tx.connection())
                .await?;
            sqlx::query("UPDATE events SET ts = pos * 10")
                .execute(tx.connection())
                .await?;
            Ok::<_, StoreError>(())
        }
        .boxed()
    });
    written.await.unwrap();
    for (ts, pos) in [(0, 0), (10, 1), (11, 2), (50, 5), (90, 9), (91, 10)] {
        let found = position(store.reader(), ts).await.unwrap();
        let first: Option<(i64,)> = sqlx::query_as("SELECT MIN(pos) FROM events WHERE pos >= $1")
            .bind(found)
            .fetch_optional(store.reader())
            .await
            .unwrap_or_default();
        assert!(
            found <= pos && first.is_none_or(|(first,)| first >= pos),
            "{ts}: {found} {first:?}"
        );
    }
}

/// Words by a law like that of languages: few are frequent, most are rare.
fn words(state: &mut u64, count: usize) -> String {
    let mut next = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    };
    let mut text = Vec::new();
    for _ in 0..count {
        let size = 1_u64 << (next() % 15 + 1);
        text.push(format!("w{}", next() % size));
    }
    text.join(" ")
}

/// Posts that are searched, a thousand at least; `PLENUM_SEARCH_POSTS` says another number.
const POSTS: usize = 5_000;
const ROOMS: usize = 1000;

/// Writes `posts` and gives the text of each with its room's number.
async fn fill(store: &Store, posts: usize) -> Vec<(usize, String)> {
    let rooms: Vec<String> = (0..ROOMS).map(|n| format!("r{n}")).collect();
    enter(store, "me", rooms.clone()).await;
    enter(store, "few", rooms.iter().take(3).cloned().collect()).await;
    enter(store, "some", rooms.iter().take(400).cloned().collect()).await;
    let mut state = 11;
    let begun = Instant::now();
    let mut written = Vec::new();
    for batch in 0..posts / 1000 {
        let posts = (0..1000).map(|n| {
            let text = format!("{} 東京都の会議 {n}", words(&mut state, 20));
            written.push((n, text.clone()));
            store.append(draft(
                &rooms[n],
                &batch.to_string(),
                Kind::Text,
                None,
                &text,
            ))
        });
        for receipt in futures_util::future::join_all(posts).await {
            receipt.unwrap();
        }
    }
    eprintln!(
        "{posts} posts in {ROOMS} rooms written in {:?}",
        begun.elapsed()
    );
    written
}

/// What all threads of this process have computed, ns (Linux): how long a search takes on a machine that does nothing else.
fn computed() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: PathBuf| {
        let line = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        line.split(' ')
            .next()
            .and_then(|ns| ns.parse::<u64>().ok())
            .unwrap_or_default()
    };
    tasks.map(|task| of(task.unwrap().path())).sum()
}

/// How often each question is asked.
const TIMES: u32 = 40;

/// Asks again and again, prints what that took, gives how many hits there were.
async fn measure(store: &Store, user: &str, query: &str) -> usize {
    let mut took: Vec<Duration> = Vec::new();
    let mut hits = 0;
    let before = computed();
    for _ in 0..TIMES {
        let ask = Ask {
            query: query.into(),
            conversation: None,
            before: None,
            limit: None,
        };
        let begun = Instant::now();
        hits = search(store, user, ask).await.unwrap().hits.len();
        took.push(begun.elapsed());
    }
    let cpu = Duration::from_nanos((computed() - before) / u64::from(TIMES));
    took.sort_unstable();
    let (p50, p95) = (took[20], took[38]);
    eprintln!(
        "{user:>5} {query:<24} {hits:>3} hits, p50 {p50:>9.2?}, p95 {p95:>9.2?}, computing {cpu:>9.2?}"
    );
    hits
}

/// Whether a text has what a query of bare words asks for, looked at word by word.
fn has(text: &str, query: &str) -> bool {
    query.split(' ').all(|term| {
        let (wanted, term) = match term.strip_prefix('-') {
            Some(term) => (false, term),
            None => (true, term),
        };
        let is_found = |word: &str| match term {
            _ if !term.is_ascii() => word.contains(term),
            _ if term.len() >= 3 => word.starts_with(term),
            _ => word == term,
        };
        text.split(' ').any(is_found) == wanted
    })
}

/// Prints what each question took: `PLENUM_SEARCH_POSTS=200000 cargo test --release -p plenum-companion --lib search_among -- --nocapture`, on
/// PostgreSQL with `PLENUM_BENCH_POSTGRES=postgres://…`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_among_many_posts_finds_what_a_look_at_each_finds() {
    let folder = Folder::new("many");
    let database = match std::env::var("PLENUM_BENCH_POSTGRES") {
        Ok(url) => Database::Postgres(url),
        Err(_) => Database::Sqlite(folder.0.join("companion.db")),
    };
    let posts = std::env::var("PLENUM_SEARCH_POSTS").map_or(POSTS, |text| text.parse().unwrap());
    let store = open(&database).await;
    let written = fill(&store, posts).await;
    for (user, rooms) in [("me", ROOMS), ("some", 400), ("few", 3)] {
        for query in [
            "w1",
            "w1 w0",
            "w12345",
            "w777 w12",
            "w1 -w0",
            "w2",
            "京都",
            "会議 w9999",
            "w12",
            "nothing",
        ] {
            let found = measure(&store, user, query).await;
            let there = written
                .iter()
                .filter(|(room, text)| *room < rooms && has(text, query));
            let most = usize::try_from(LIMIT).unwrap();
            assert_eq!(found, there.count().min(most), "{user}: {query}");
        }
        for query in [
            "\"w1 w0 w3\"",
            "-w1",
            "from:me w1",
            "w1 after:2020-01-01",
            "w1 before:2021-01-01",
        ] {
            measure(&store, user, query).await;
        }
    }
}
