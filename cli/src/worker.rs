//! `matins worker`: the arguments of a worker.

use std::path::PathBuf;

use clap::Args;
use matins::config::NatsUrl;
use matins::nats::NatsServer;
use matins_daemon::{Failure, work};

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The NATS server: `nats://HOST`, `tls://HOST:PORT`, or several of one cluster, separated by commas
    #[arg(long, value_name = "URL", env = "MATINS_NATS", hide_env_values = true)]
    nats: NatsUrl,
    /// The namespace within the server, as the daemon's configuration has it [default: matins]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The pool of workers within the namespace, as the daemon's configuration has it [default: default]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// How many commands it runs at once [default: one for each processor]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    at_once: Option<u16>,
    /// The file with the worker's credentials, as `nsc` writes it.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The file with the certificates that the server's own is checked against [default: those of this machine]
    #[arg(long, value_name = "FILE")]
    certificates: Option<PathBuf>,
    /// The worker's certificate, and its key: two files
    #[arg(long, value_names = ["CERTIFICATE", "KEY"], num_args = 2)]
    identity: Option<Vec<PathBuf>>,
    /// The beginning of the subjects on which the worker hears answers [default: _INBOX]
    #[arg(long, value_name = "PREFIX")]
    inbox: Option<String>,
}

pub(crate) fn worker(arguments: WorkerArguments) -> Result<(), Failure> {
    work(arguments.server(), arguments.at_once.map(usize::from))
}

impl WorkerArguments {
    fn server(&self) -> NatsServer {
        let mut server = NatsServer::new(self.nats.with_password());
        if let Some(namespace) = &self.namespace {
            server = server.namespace(namespace);
        }
        if let Some(pool) = &self.pool {
            server = server.pool(pool);
        }
        if let Some(file) = &self.credentials {
            server = server.credentials(file);
        }
        if let Some(file) = &self.certificates {
            server = server.certificates(file);
        }
        if let Some([certificate, key]) = self.identity.as_deref() {
            server = server.identity(certificate, key);
        }
        if let Some(prefix) = &self.inbox {
            server = server.inbox(prefix);
        }
        server
    }
}
