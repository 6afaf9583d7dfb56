//! The arguments of `matins run --http`.

use std::path::PathBuf;

use clap::Args;
use matins_daemon::HttpSettings;
use matins_web::Address;

/// Who may be served, and where.
#[derive(Debug, Args)]
pub(crate) struct HttpArguments {
    /// Serves a page for operating the scheduler, an HTTP API at /api/v1, and what is counted at /metrics for Prometheus:
    /// 127.0.0.1:8080, or unix:PATH. Only this user and root may use it; an address that others can reach needs a token
    #[arg(long, value_name = "ADDRESS")]
    http: Option<Address>,
    /// The token that every client has to show, in a file; or in the variable `MATINS_HTTP_TOKEN`
    #[arg(long, value_name = "FILE", requires = "http")]
    http_token_file: Option<PathBuf>,
    /// A name by which clients may call the server, beside localhost and IP addresses; may be given again
    #[arg(long, value_name = "NAME", requires = "http")]
    http_host: Vec<String>,
    /// Shows, and changes nothing
    #[arg(long, requires = "http")]
    http_read_only: bool,
}

impl HttpArguments {
    pub(crate) fn settings(self) -> HttpSettings {
        HttpSettings {
            address: self.http,
            token_file: self.http_token_file,
            hosts: self.http_host,
            is_read_only: self.http_read_only,
        }
    }
}
