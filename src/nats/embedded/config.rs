//! The configuration file of the embedded server, and the files it writes beside it.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{EmbeddedError, EmbeddedOptions};

/// Where a server listens: asked for (0: any free port), or as it says once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// For clients.
    pub client: u16,
    /// For clients over WebSocket, where there is a listener for them.
    pub websocket: Option<u16>,
}

/// Log files are turned over at this size; three old ones are kept.
const LOG_LIMIT: u64 = 16 << 20;

pub(super) fn config_file(folder: &Path) -> PathBuf {
    folder.join("nats.conf")
}

pub(super) fn log_file(folder: &Path) -> PathBuf {
    folder.join("nats.log")
}

pub(super) fn pid_file(folder: &Path) -> PathBuf {
    folder.join("nats.pid")
}

fn ports_folder(folder: &Path) -> PathBuf {
    folder.join("ports")
}

/// Refuses what cannot be written into a configuration or would not work.
pub(super) fn check(options: &EmbeddedOptions) -> Result<(), EmbeddedError> {
    let option = |field, reason: String| Err(EmbeddedError::Option { field, reason });
    if options.host.is_empty() || !options.host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b)) {
        return option("host", format!("`{}` is no host name or address", options.host));
    }
    let store = options.store_dir.to_string_lossy();
    if store.is_empty() || store.contains(['"', '\\', '\n', '\r']) {
        return option("store_dir", format!("`{store}` must be a path without quotes, backslashes and line ends"));
    }
    if !((1 << 20)..=(64 << 20)).contains(&options.max_payload) {
        return option("max_payload", format!("{} is not within 1 MiB to 64 MiB", options.max_payload));
    }
    let quoted = |origin: &String| origin.contains(['"', '\\', '\n', '\r']);
    if options.websocket.as_ref().is_some_and(|websocket| websocket.origins.iter().any(quoted)) {
        return option("websocket.origins", "must be without quotes, backslashes and line ends".to_string());
    }
    if options.sync_interval.is_some_and(|interval| interval < Duration::from_millis(1)) {
        return option("sync_interval", "must be 1 ms or more; none means after every write".to_string());
    }
    Ok(())
}

/// Makes the state folder, for us alone.
pub(super) fn prepare_folder(folder: &Path) -> Result<(), EmbeddedError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| EmbeddedError::Io {
        what: "make",
        path: folder.to_path_buf(),
        source,
    })
}

/// Writes the configuration (mode 0600: `extra` may hold secrets) and clears old ports files; returns its path.
pub(super) fn write(options: &EmbeddedOptions, ports: Ports) -> Result<PathBuf, EmbeddedError> {
    let folder = &options.store_dir;
    let path = config_file(folder);
    let files = ports_folder(folder);
    let io = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| EmbeddedError::Io { what, path, source }
    };
    if files.exists() {
        fs::remove_dir_all(&files).map_err(io("clear", &files))?;
    }
    fs::create_dir_all(&files).map_err(io("make", &files))?;
    // Written beside and renamed: the mode is right from the first byte on, whatever was there before.
    let fresh = folder.join("nats.conf.new");
    let _ = fs::remove_file(&fresh);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io("write", &fresh))?;
    file.write_all(text(options, ports).as_bytes()).map_err(io("write", &fresh))?;
    fs::rename(&fresh, &path).map_err(io("write", &path))?;
    Ok(path)
}

fn text(options: &EmbeddedOptions, ports: Ports) -> String {
    let folder = &options.store_dir;
    let listen = |port: u16| if port == 0 { "-1".to_string() } else { port.to_string() };
    let sync = options
        .sync_interval
        .map_or_else(|| "always".to_string(), |interval| format!("\"{}ms\"", interval.as_millis()));
    let mut text = String::from("# Written by dex at every start; changes are lost.\n");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name}: {value}");
    };
    let quoted = |path: PathBuf| format!("\"{}\"", path.display());
    line("host", format!("\"{}\"", options.host));
    line("port", listen(ports.client));
    line("server_name", "\"dex-embedded\"".into());
    line("max_payload", options.max_payload.to_string());
    line("pid_file", quoted(pid_file(folder)));
    line("ports_file_dir", quoted(ports_folder(folder)));
    line("log_file", quoted(log_file(folder)));
    line("logfile_size_limit", LOG_LIMIT.to_string());
    line("logfile_max_num", "4".into());
    text.push_str("jetstream {\n");
    let _ = writeln!(text, "  store_dir: {}", quoted(folder.clone()));
    if let Some(bytes) = options.max_file_store {
        let _ = writeln!(text, "  max_file_store: {bytes}");
    }
    let _ = writeln!(text, "  sync_interval: {sync}\n}}");
    if let (Some(websocket), Some(port)) = (&options.websocket, ports.websocket) {
        // Without a list a server takes pages of every origin, unless it is told to take those of its own only.
        let origins = match &websocket.origins[..] {
            [] => "same_origin: true".to_string(),
            listed => format!(
                "allowed_origins: [{}]",
                listed.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
            ),
        };
        let (ip, port) = (websocket.listen.ip(), listen(port));
        let _ = writeln!(text, "websocket {{\n  host: \"{ip}\"\n  port: {port}\n  no_tls: true\n  {origins}\n}}");
    }
    text.push_str(&options.extra);
    text.push('\n');
    text
}

/// The ports out of the ports file of process `pid`, once the server has written it.
pub(super) fn read_ports(folder: &Path, pid: u32) -> Option<Ports> {
    let wanted = format!("_{pid}.ports");
    let file = fs::read_dir(ports_folder(folder))
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().ends_with(&wanted))?;
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
    let port = |name: &str| json.get(name)?.get(0)?.as_str()?.rsplit(':').next()?.parse().ok();
    Some(Ports { client: port("nats")?, websocket: port("websocket") })
}

/// The last lines of a log, for an error.
pub(super) fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(2000)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::WebSocketOptions;
    use super::*;

    #[test]
    fn options_that_would_break_the_file_are_refused() {
        let good = EmbeddedOptions::new("/var/lib/dex/nats");
        assert!(check(&good).is_ok());
        let bad = [
            EmbeddedOptions { host: "x\" evil".into(), ..good.clone() },
            EmbeddedOptions { store_dir: "/a\"b".into(), ..good.clone() },
            EmbeddedOptions { max_payload: 1000, ..good.clone() },
            EmbeddedOptions { sync_interval: Some(Duration::ZERO), ..good.clone() },
        ];
        for options in bad {
            assert!(matches!(check(&options), Err(EmbeddedError::Option { .. })), "{options:?}");
        }
    }

    #[test]
    fn the_file_says_what_was_asked() {
        let options = EmbeddedOptions {
            sync_interval: None,
            max_file_store: Some(5),
            extra: "debug: true".into(),
            ..EmbeddedOptions::new("/s")
        };
        let text = text(&options, Ports { client: 0, websocket: None });
        assert!(!text.contains("websocket"), "{text}");
        for line in ["port: -1", "sync_interval: always", "max_file_store: 5", "debug: true", "store_dir: \"/s\""] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn without_a_list_of_origins_only_the_listeners_own_pages_may_connect() {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let written = |origins: Vec<String>| {
            let websocket = Some(WebSocketOptions { listen, origins });
            text(&EmbeddedOptions { websocket, ..EmbeddedOptions::new("/s") }, Ports { client: 0, websocket: Some(0) })
        };
        let own = written(vec![]);
        assert!(
            own.contains("websocket {\n  host: \"127.0.0.1\"\n  port: -1\n  no_tls: true\n  same_origin: true\n}"),
            "{own}"
        );
        let listed = written(vec!["https://a.example".into(), "http://b.example:81".into()]);
        assert!(listed.contains("  allowed_origins: [\"https://a.example\", \"http://b.example:81\"]\n"), "{listed}");
        assert!(!listed.contains("same_origin"), "{listed}");
    }
}
