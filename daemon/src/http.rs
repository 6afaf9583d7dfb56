//! `matins run --http`: the HTTP API, the page, and what is counted.

use std::path::PathBuf;
use std::sync::Arc;

use matins::control::Operator;
use matins_terminal::notice;
use matins_web::{Address, Server, Site, Token};
use serde_json::json;

use crate::metrics;

/// Who may be served, and where.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Where; without one, nothing is served.
    pub address: Option<Address>,
    /// The file with the token that every client has to show.
    pub token_file: Option<PathBuf>,
    /// Names by which clients may call the server, beside localhost and IP addresses.
    pub hosts: Vec<String>,
    /// Shows, and changes nothing.
    pub is_read_only: bool,
}

/// The variable with the token.
const TOKEN: &str = "MATINS_HTTP_TOKEN";

/// What is served where, checked.
pub(crate) struct Http {
    address: Address,
    token: Option<Token>,
    hosts: Vec<String>,
    is_read_only: bool,
}

impl HttpSettings {
    /// Checks them before anything is begun; `None` if nothing is served.
    pub(crate) fn check(self) -> Result<Option<Http>, String> {
        let Some(address) = self.address else { return Ok(None) };
        let token = match (self.token_file, std::env::var(TOKEN)) {
            (Some(file), _) => Some(Token::from_file(file)),
            (None, Ok(token)) => Some(Token::new(token)),
            (None, Err(_)) => None,
        };
        let token = token.transpose().map_err(|error| matins::error_chain(&error))?;
        if token.is_none() && !is_ours_alone(&address) {
            return Err(format!(
                "{address} can be reached by others: give a token that they must show, with --http-token-file FILE or in \
                 {TOKEN}, or listen at 127.0.0.1 or unix:PATH"
            ));
        }
        Ok(Some(Http { address, token, hosts: self.hosts, is_read_only: self.is_read_only }))
    }
}

/// Whether the system says which user connects there.
fn is_ours_alone(address: &Address) -> bool {
    matches!(address, Address::Unix(_)) || (address.is_local() && cfg!(target_os = "linux"))
}

impl Http {
    /// Serves from now on, to at most `connections` clients at once.
    pub(crate) fn serve(
        &self,
        operator: Arc<Operator>,
        recorder: metrics_exporter_prometheus::PrometheusHandle,
        connections: usize,
    ) -> Result<Server, String> {
        let mut site =
            Site::new(operator).with_connections(connections).with_metrics(move || recorder.render());
        if let Some(token) = &self.token {
            site = site.with_token(token.clone());
        }
        if self.is_read_only {
            site = site.read_only();
        }
        let site = self.hosts.iter().fold(site, Site::with_host);
        site.serve(self.address.clone()).map_err(|error| matins::error_chain(&error))
    }

    /// Collects what is counted from now on.
    pub(crate) fn collect() -> Result<metrics_exporter_prometheus::PrometheusHandle, String> {
        metrics::collect()
    }
}

/// Says where the page is.
pub(crate) fn tell(address: &Address, is_json: bool) {
    if is_json {
        notice::log_json(json!({"event": "serving_http", "address": address.to_string()}));
    } else {
        match address {
            Address::Ip(ip) => notice::log(format_args!("the page is at http://{ip}")),
            Address::Unix(_) => notice::log(format_args!("the page is at {address}")),
        }
    }
}
