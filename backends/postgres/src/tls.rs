//! Connecting, encrypted where the options say so.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use tokio_postgres::{Client, Config, NoTls};

use crate::PostgresOptions;
use crate::connection::{Notified, drive};

type Failure = Box<dyn Error + Send + Sync>;
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Connects. Returns what sends statements, and the work of the connection.
pub(crate) async fn connect(
    options: &PostgresOptions,
    config: &Config,
    notified: Option<Notified>,
) -> Result<(Client, Driver), Failure> {
    if options.encrypts() {
        return encrypted(options, config, notified).await;
    }
    let (client, connection) = config.connect(NoTls).await?;
    Ok((client, Box::pin(drive(connection, notified))))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "as the one that connects")]
async fn encrypted(
    _options: &PostgresOptions,
    _config: &Config,
    _notified: Option<Notified>,
) -> Result<(Client, Driver), Failure> {
    Err("this program was built without the feature `tls`; build it with that, or add sslmode=disable".into())
}

#[cfg(feature = "tls")]
async fn encrypted(
    options: &PostgresOptions,
    config: &Config,
    notified: Option<Notified>,
) -> Result<(Client, Driver), Failure> {
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(client_config(options)?);
    let (client, connection) = config.connect(tls).await?;
    Ok((client, Box::pin(drive(connection, notified))))
}

/// The server's certificate is verified, its name included.
#[cfg(feature = "tls")]
fn client_config(options: &PostgresOptions) -> Result<rustls::ClientConfig, Failure> {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, Failure> {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        read.map_err(|error| format!("cannot read the certificates in {}: {error}", path.display()).into())
    };
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &options.ssl_root_cert {
        for certificate in certificates(path)? {
            roots.add(certificate)?;
        }
    } else {
        // Those that cannot be read are left out: a server whose certificate needs them is refused.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match (&options.ssl_cert, &options.ssl_key) {
        (Some(certificate), Some(key)) => {
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("cannot read the key in {}: {error}", key.display()))?;
            Ok(config.with_client_auth_cert(certificates(certificate)?, secret)?)
        }
        (None, None) => Ok(config.with_no_client_auth()),
        _ => Err("sslcert and sslkey belong together; give both, or none".into()),
    }
}
