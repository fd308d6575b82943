//! A PostgreSQL of the tests' own, in a temporary folder, on a unix socket; it ends with the process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where Debian keeps versions.
const HOME: &str = "/usr/lib/postgresql";

struct Server {
    folder: PathBuf,
    bin: PathBuf,
    /// Its standard input is held: when that closes, it ends.
    _guard: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();
/// PostgreSQL copies its template for one at a time.
static TURN: Mutex<()> = Mutex::new(());
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn bin() -> PathBuf {
    let versions = std::fs::read_dir(HOME)
        .unwrap_or_else(|error| panic!("PostgreSQL is needed: scripts/deps.sh test ({error})"));
    let newest = versions
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists());
    newest.max().expect("no initdb: scripts/deps.sh test")
}

/// `command` as somebody whom PostgreSQL accepts: it refuses root.
fn unprivileged(program: &Path) -> Command {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

fn postgres_user() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("no user postgres");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

fn start() -> Server {
    let bin = bin();
    let folder = std::env::temp_dir().join(format!("plenum-pg-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    if std::fs::metadata(&folder).unwrap().uid() == 0 {
        let (user, group) = postgres_user();
        chown(&folder, Some(user), Some(group)).unwrap();
    }
    let data = folder.join("data");
    let made = unprivileged(&bin.join("initdb"))
        .args([
            "--no-sync",
            "--auth=trust",
            "--username=plenum",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-D",
        ])
        .arg(&data)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    // The shell lives until its input closes, which it does when this process ends, however it ends.
    let script = r#"trap '' INT TERM
"$@" >"$FOLDER/log" 2>&1 & server=$!
until "$READY" -q -h "$FOLDER"; do kill -0 $server || exit 1; sleep 0.05; done
echo ready
cat >/dev/null
kill -INT $server; wait $server
rm -rf "$FOLDER""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args([
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
        ]);
    }
    let mut guard = command
        .arg(bin.join("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&folder)
        .args(["-h", "", "-F", "-c", "max_connections=300"])
        .env("FOLDER", &folder)
        .env("READY", bin.join("pg_isready"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = guard.stdout.as_mut().unwrap();
    BufReader::new(stdout.by_ref())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(
        line,
        "ready\n",
        "PostgreSQL does not start: {}",
        std::fs::read_to_string(folder.join("log")).unwrap_or_default()
    );
    Server {
        folder,
        bin,
        _guard: guard,
    }
}

/// The address of a new, empty database.
pub(crate) fn database() -> String {
    let server = SERVER.get_or_init(start);
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let made = Command::new(server.bin.join("createdb"))
        .args(["-U", "plenum", "-h"])
        .arg(&server.folder)
        .arg(&name)
        .output()
        .unwrap();
    drop(turn);
    assert!(made.status.success(), "{made:?}");
    let host = server.folder.to_string_lossy().replace('/', "%2F");
    format!("postgres://plenum@{host}/{name}")
}

/// Restores a dump of `pg_dump` into an empty database, as docs/companion.md says.
pub(crate) fn restore(dump: &Path, into: &str) {
    let server = SERVER.get_or_init(start);
    let restored = Command::new(server.bin.join("pg_restore"))
        .args(["--exit-on-error", "--no-owner", "--dbname", into])
        .arg(dump)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
}
