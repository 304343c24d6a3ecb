//! A real PostgreSQL, Debian's, to judge by and to measure against.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A database server of its own, in a folder of its own, that answers on a socket there.
pub struct Postgres {
    /// Where its data and its socket are.
    pub folder: tempfile::TempDir,
    /// Where its programs are.
    pub programs: PathBuf,
    server: std::process::Child,
    port: u16,
}

impl Postgres {
    /// Starts one, empty.
    pub fn start() -> Self {
        Self::with(5432, |_| Vec::new())
    }

    /// Starts one that listens on a port of 127.0.0.1 too, there over TLS alone: with the port, and the certificate of who
    /// signed its own.
    pub fn encrypted() -> (Self, u16, PathBuf) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("free").port();
        let postgres = Self::with(port, |data| {
            let file = |name: &str| data.join(name).to_str().expect("a plain path").to_owned();
            let openssl = |arguments: &[&str]| {
                let made = Command::new("openssl").args(arguments).output().expect("openssl runs");
                assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
            };
            let (ca, ca_key, key, asked) = (file("ca.crt"), file("ca.key"), file("server.key"), file("server.csr"));
            let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
            let root = ["req", "-x509", "-days", "2", "-subj", "/CN=test root", "-keyout", &ca_key, "-out", &ca];
            openssl(&[&root[..], &curve].concat());
            openssl(&[&["req", "-subj", "/CN=127.0.0.1", "-keyout", &key, "-out", &asked][..], &curve].concat());
            std::fs::write(file("names"), "subjectAltName=IP:127.0.0.1").expect("written");
            let signed =
                ["x509", "-req", "-days", "2", "-in", &asked, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
            openssl(&[&signed[..], &["-extfile", &file("names"), "-out", &file("server.crt")]].concat());
            let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
            std::fs::write(file("pg_hba.conf"), rules).expect("written");
            for name in ["server.key", "server.crt"] {
                own(&data.join(name));
            }
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(file("server.key"), mode).expect("as it must be");
            vec![
                "-c".into(),
                "ssl=on".into(),
                "-c".into(),
                "listen_addresses=127.0.0.1".into(),
                format!("--port={port}"),
            ]
        });
        let root = postgres.folder.path().join("data/ca.crt");
        (postgres, port, root)
    }

    /// Starts one; `prepare` changes its data folder and gives further arguments.
    fn with(port: u16, prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("dex-pg").tempdir_in("/tmp").expect("as it must be");
        let path = folder.path();
        own(path);
        let data = path.join("data");
        let mut init = as_user(&programs.join("initdb"));
        init.args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=judge", "--no-sync", "-D"]).arg(&data);
        let made = init.output().expect("as it must be");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_user(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=UTC"]);
        server.args(["-c", "max_parallel_workers_per_gather=0"]).args(prepare(&data)).arg("-k");
        let server = server.arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("as it must be");
        let postgres = Postgres { folder, programs, server, port };
        let ready = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            postgres.psql("select 1", &mut Vec::new())
        });
        assert!(ready, "the database does not answer within 10 s");
        postgres
    }

    /// Runs statements; what they answer, or what is wrong with them, is put into `out`.
    pub fn psql(&self, sql: &str, out: &mut Vec<u8>) -> bool {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "judge", "-d", "postgres", "-h"]);
        psql.arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = psql.spawn().expect("as it must be");
        let mut input = child.stdin.take().expect("as it must be");
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || input.write_all(sql.as_bytes()));
        let done = child.wait_with_output().expect("as it must be");
        // A database that is not ready reads nothing.
        let _ = writer.join().expect("as it must be");
        if !done.status.success() {
            out.extend(done.stderr);
            return false;
        }
        out.extend(done.stdout);
        true
    }

    /// The answer to each statement, a line each.
    pub fn ask(&self, statements: &[String]) -> Vec<String> {
        let mut out = Vec::new();
        assert!(self.psql(&statements.join(";\n"), &mut out), "{}", String::from_utf8_lossy(&out));
        let lines: Vec<String> = String::from_utf8(out).expect("as it must be").lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), statements.len());
        lines
    }
}

/// A text as a literal of SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own fast shutdown, so that it ends its children; by the pid that it was started with.
        let pid = self.server.id().to_string();
        let told = Command::new("kill").args(["-INT", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// Debian keeps the server's programs out of PATH.
pub fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("postgres").exists());
    folders.sort();
    folders.pop()
}

fn programs() -> PathBuf {
    find().expect("no PostgreSQL under /usr/lib/postgresql: `make debian` installs Debian's")
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Who owns what this process makes.
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|made| made.uid() == 0)
}

/// PostgreSQL refuses to run as root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir("/tmp");
    command
}

fn own(folder: &Path) {
    if is_root() {
        let done = Command::new("chown").arg("postgres:postgres").arg(folder).status().expect("as it must be");
        assert!(done.success());
    }
}
