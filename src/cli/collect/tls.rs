//! The connection to a PostgreSQL server: over TLS to another machine, unless the URL says otherwise.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to reach the server.
#[derive(Clone)]
pub struct Way {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// Whether all hosts are this machine: a socket, or an address that leads nowhere else.
fn is_here(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
    };
    let hosts = config.get_hosts();
    let addresses = config.get_hostaddrs();
    if addresses.is_empty() { hosts.iter().all(local) } else { addresses.iter().all(IpAddr::is_loopback) }
}

impl Way {
    /// Reads a URL, `postgres://…`, or the words of libpq. `sslmode=require`, and any other machine without
    /// `sslmode=disable`, means TLS with a certificate that leads to `roots`, else to a root of the system.
    ///
    /// # Errors
    /// A sentence without the URL, which may hold a password.
    pub fn read(url: &str, roots: Option<&PathBuf>) -> Result<Self, String> {
        let mut config: Config = url.parse().map_err(|error| format!("--postgres: {error}"))?;
        if config.get_application_name().is_none() {
            config.application_name("dex collect");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(std::time::Duration::from_secs(10));
        }
        let encrypted = match config.get_ssl_mode() {
            SslMode::Require => true,
            SslMode::Disable => false,
            _ => !is_here(&config),
        };
        if !encrypted {
            if roots.is_some() {
                return Err("--postgres-ca is of no use: the connection is not encrypted (sslmode=require)".into());
            }
            config.ssl_mode(SslMode::Disable);
            return Ok(Way { config, tls: None });
        }
        config.ssl_mode(SslMode::Require);
        Ok(Way { config, tls: Some(connector(roots.map(PathBuf::as_path))?) })
    }

    /// Connects; the connection is driven by a task of its own, and ends with the client.
    ///
    /// # Errors
    /// As the library tells.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
        }
    }
}

fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    // Fails when a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let Some(path) = roots else {
        let (connector, unread) = MakeRustlsConnect::with_native_certs()
            .map_err(|_| "the system has no root certificates: name a file by --postgres-ca".to_owned())?;
        if !unread.is_empty() {
            tracing::debug!(count = unread.len(), "root certificates of the system that cannot be read");
        }
        return Ok(connector);
    };
    let wrong = |error: &dyn std::fmt::Display| format!("--postgres-ca {}: {error}", path.display());
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        store.add(certificate).map_err(|error| wrong(&error))?;
    }
    if store.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_spoken_to_in_the_clear_only_when_asked_for() {
        let tls = |url: &str| Way::read(url, None).expect("a way").tls.is_some();
        assert!(!tls("postgres://me@localhost/db"));
        assert!(!tls("postgres://me@127.0.0.1/db"));
        assert!(!tls("host=/run/postgresql user=me"));
        assert!(tls("postgres://me@localhost/db?sslmode=require"));
        assert!(tls("postgres://me@db.example/db"));
        assert!(tls("postgres://me@db.example/db?sslmode=prefer"));
        assert!(tls("postgres://me@localhost,db.example/db"));
        assert!(!tls("postgres://me@db.example/db?sslmode=disable"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        let error = Way::read("postgres://me:secret@localhost/db?sslmode=perhaps", None).err().expect("refused");
        assert!(!error.contains("secret"), "{error}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Way::read("postgres://me@db/db", Some(&file.path().to_owned())).err().expect("refused");
        assert!(error.contains("no certificate"), "{error}");
    }
}
