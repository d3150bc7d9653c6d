//! The routes and their listener.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::bounded::{BoundedListener, CONNECTION_LIFE_MAX, CONNECTIONS_MAX};
use super::health::{Health, Phase};
use crate::config::{AdminListener, Host};
use crate::telemetry::{self, Metrics};

/// Why the admin port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for health and metrics: {source}; choose another address with \
     highwater.admin.listener=http://host:port, port 0 for any free one, or nothing after = to do without"
)]
pub struct AdminError {
    address: String,
    source: io::Error,
}

/// The admin port, bound and not yet served.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl AdminServer {
    /// Takes the port.
    pub async fn bind(admin: &AdminListener) -> Result<AdminServer, AdminError> {
        let bound = async {
            let listener = listen(&admin.host, admin.port).await?;
            let address = listener.local_addr()?;
            Ok(AdminServer { listener, address })
        };
        bound.await.map_err(|source| AdminError { address: shown(admin), source })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready; requests that are being answered then are finished.
    pub async fn serve(
        self,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let listener = BoundedListener::new(self.listener, CONNECTIONS_MAX, CONNECTION_LIFE_MAX);
        let served = axum::serve(listener, routes(Shared { health, metrics })).with_graceful_shutdown(stop);
        served.await.expect("axum::serve returns no error: it is documented so");
    }
}

async fn listen(host: &Host, port: u16) -> io::Result<TcpListener> {
    let everywhere = (IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let everywhere_ipv4 = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    match host {
        Host::Named(name) => TcpListener::bind((name.as_str(), port)).await,
        Host::AllIpv4 => TcpListener::bind(everywhere_ipv4).await,
        Host::All => match TcpListener::bind(everywhere).await {
            // A machine without IPv6; on others this one socket serves both.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(everywhere_ipv4).await
            }
            bound => bound,
        },
    }
}

fn shown(admin: &AdminListener) -> String {
    match &admin.host {
        Host::All | Host::AllIpv4 => format!("port {}", admin.port),
        Host::Named(name) => format!("{name}:{}", admin.port),
    }
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

fn word(phase: Phase, good: bool) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", phase.word())).into_response()
}

async fn healthz(State(shared): State<Shared>) -> Response {
    let phase = shared.health.phase();
    word(phase, phase.is_alive())
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let phase = shared.health.phase();
    word(phase, phase == Phase::Ready)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    ([(CONTENT_TYPE, telemetry::CONTENT_TYPE)], shared.metrics.render()).into_response()
}

#[cfg(test)]
mod tests;
