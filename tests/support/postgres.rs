//! A PostgreSQL server of the tests' own, in a temporary folder, on a Unix socket. It ends with the process of the tests,
//! however that ends: the shell that runs it holds the reading end of a pipe.

use super::namespace;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The password of the server's user. No output of Doorstep may ever hold it.
pub const PASSWORD: &str = "correct-horse-battery";

/// The server refuses to run as root, so it runs as this user there.
const USER: &str = "nobody";

/// Runs the server; when nobody holds its standard input any more, it ends it and takes the folder away.
const SCRIPT: &str = r#"
    "$1/postgres" -D "$2/data" -k "$2" >>"$2/log" 2>&1 &
    pid=$!
    read -r word
    kill -INT "$pid"
    wait "$pid"
    [ "$word" = keep ] || rm -rf "$2"
"#;

/// What the server goes by, where nothing else is said: it has no port.
const SETTINGS: &str = "listen_addresses = ''\nmax_connections = 60\nfsync = off\n";

/// A running server.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    shell: Option<Child>,
}

impl Postgres {
    /// The one that all tests of a process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of its own, for a test that ends it.
    pub fn start() -> Self {
        let mut server = Self::made();
        server.run();
        server
    }

    /// One that listens on `localhost` as well, and there by TLS alone, with this certificate and key as PEM.
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let mut server = Self::made();
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        server.port = free.local_addr().expect("an address").port();
        server.write("server.pem", certificate);
        server.write("server.key", key);
        let (data, port, at) = (server.folder.join("data"), server.port, server.folder.display().to_string());
        let settings = format!(
            "{SETTINGS}listen_addresses = 'localhost'\nport = {port}\nssl = on\nssl_cert_file = '{at}/server.pem'\n\
             ssl_key_file = '{at}/server.key'\n"
        );
        std::fs::write(data.join("postgresql.conf"), settings).expect("the settings");
        let rules = "local all all scram-sha-256\nhostssl all all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("the rules");
        drop(free);
        server.run();
        server
    }

    /// One that does not run yet.
    fn made() -> Self {
        let owned = tempfile::Builder::new().prefix("doorstep-postgres-").tempdir().expect("a temporary folder");
        let folder = owned.keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let server = Self { folder, port: 5432, shell: None };
        let word = server.write("password", PASSWORD);
        server.give(&server.folder);
        let mut initdb = as_user(&programs().join("initdb"));
        initdb.args(["-U", "doorstep", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync", "--pwfile"]);
        let data = server.folder.join("data");
        let made = initdb.arg(&word).arg("-D").arg(&data).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(data.join("postgresql.conf"), SETTINGS).expect("the settings");
        server
    }

    /// A file that only the server may read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        // What is root's in a namespace is the server's already.
        if let Some(user) = unprivileged().filter(|_| !namespace::is_inside()) {
            std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
        }
    }

    /// Starts it again after [`Self::stop`].
    pub fn run(&mut self) {
        let mut shell = as_user(Path::new("sh"));
        shell.args(["-c", SCRIPT, "sh"]).arg(programs()).arg(&self.folder).stdin(Stdio::piped());
        self.shell = Some(shell.spawn().expect("sh runs"));
        super::wait_for("PostgreSQL", || {
            let mut ready = Command::new(programs().join("pg_isready"));
            let ready = ready.arg("-q").arg("-h").arg(&self.folder);
            let ready = ready.arg("-p").arg(self.port.to_string()).status();
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if ready.expect("pg_isready runs").success() { Ok(()) } else { Err(log()) }
        });
    }

    /// Ends it, and keeps what it holds.
    pub fn stop(&mut self) {
        let Some(mut shell) = self.shell.take() else { return };
        if let Some(mut input) = shell.stdin.take() {
            input.write_all(b"keep\n").expect("the shell reads");
        }
        shell.wait().expect("the shell ends");
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let options = PgConnectOptions::from_str(&self.url("postgres")).expect("a URL").disable_statement_logging();
        let mut connection = options.connect().await.expect("the server answers");
        let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("a new database");
        connection.close().await.expect("it closes");
        self.url(&name)
    }

    /// The URL of a new, empty database that keeps everything in `folder`, be that small.
    pub async fn database_in(&self, folder: &Path) -> String {
        let options = PgConnectOptions::from_str(&self.url("postgres")).expect("a URL").disable_statement_logging();
        let mut connection = options.connect().await.expect("the server answers");
        for sql in [
            format!("CREATE TABLESPACE small LOCATION '{}'", folder.display()),
            "CREATE DATABASE small TABLESPACE small".to_owned(),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a new database");
        }
        connection.close().await.expect("it closes");
        self.url("small")
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://doorstep:{PASSWORD}@localhost:{}/{database}?host={}", self.port, self.folder.display())
    }

    /// The URL of a database by TCP at `host`, with these options behind it.
    pub fn remote_url(&self, host: &str, database: &str, options: &str) -> String {
        format!("postgres://doorstep:{PASSWORD}@{host}:{}/{database}?{options}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            let _ended = shell.wait();
        } else {
            let _gone = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn unprivileged() -> Option<nix::unistd::User> {
    let root = nix::unistd::getuid().is_root();
    root.then(|| nix::unistd::User::from_name(USER).ok().flatten().expect("there is a user named nobody"))
}

/// A command as the user that the server runs as.
fn as_user(program: &Path) -> Command {
    let Some(user) = unprivileged() else { return Command::new(program) };
    if namespace::is_inside() {
        // There is nobody there but root, who is another one in a namespace of its own.
        let mut command = Command::new("unshare");
        command.args(["--user".to_owned(), format!("--map-user={}", user.uid), format!("--map-group={}", user.gid)]);
        command.arg(program).current_dir("/");
        return command;
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid), "--clear-groups".to_owned()]);
    command.arg(program).current_dir("/");
    command
}

/// The folder of the server's programs, which Debian keeps out of the path.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    let all = found.into_iter().rev().chain(std::env::split_paths(&path));
    let has = |folder: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).exists());
    all.into_iter().find(has).unwrap_or_else(|| {
        panic!("PostgreSQL was not found: these tests need its programs initdb, postgres and pg_isready (Debian package postgresql)")
    })
}
