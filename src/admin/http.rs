//! The routes and their listener.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::bounded::{BoundedListener, CONNECTION_LIFE_MAX, CONNECTIONS_MAX};
use super::health::{Health, Phase};
use crate::broker::{Broker, TierLookError};
use crate::config::{AdminListener, Host};
use crate::model::Offset;
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
    broker: LateBroker,
}

/// A broker that is not open yet when the listener is.
#[derive(Clone, Default)]
pub struct LateBroker(Arc<OnceLock<Weak<Broker>>>);

impl LateBroker {
    /// It is open. The first one set stays.
    pub fn set(&self, broker: &Arc<Broker>) {
        let _ = self.0.set(Arc::downgrade(broker));
    }

    fn get(&self) -> Option<Arc<Broker>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    broker: LateBroker,
}

impl AdminServer {
    /// Takes the port.
    pub async fn bind(admin: &AdminListener) -> Result<AdminServer, AdminError> {
        let bound = async {
            let listener = listen(&admin.host, admin.port).await?;
            let address = listener.local_addr()?;
            Ok(AdminServer { listener, address, broker: LateBroker::default() })
        };
        bound.await.map_err(|source| AdminError { address: shown(admin), source })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the broker is put once it is open; until then nothing is told of it.
    pub fn broker(&self) -> LateBroker {
        self.broker.clone()
    }

    /// Answers until `stop` is ready; requests that are being answered then are finished.
    pub async fn serve(
        self,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let listener = BoundedListener::new(self.listener, CONNECTIONS_MAX, CONNECTION_LIFE_MAX);
        let shared = Shared { health, metrics, broker: self.broker };
        let served = axum::serve(listener, routes(shared)).with_graceful_shutdown(stop);
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
        .route("/tier", get(tier))
        .route("/tier/after/{topic}/{partition}", get(tier_after))
        .route("/tier/partition/{topic}/{partition}", get(tier_partition))
        .route("/tier/segments/{topic}/{partition}/{from}", get(tier_segments))
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

async fn tier(State(shared): State<Shared>) -> Response {
    tier_from(&shared, None)
}

async fn tier_after(State(shared): State<Shared>, Path((topic, partition)): Path<(String, i32)>) -> Response {
    tier_from(&shared, Some((topic.as_str(), partition)))
}

fn tier_from(shared: &Shared, after: Option<(&str, i32)>) -> Response {
    let Some(broker) = shared.broker.get() else { return not_open() };
    match broker.tier_status(after) {
        Some(status) => json(&status),
        None => said(StatusCode::NOT_FOUND, "nothing is tiered: no highwater.tier.store is configured"),
    }
}

async fn tier_partition(
    State(shared): State<Shared>,
    Path((topic, partition)): Path<(String, i32)>,
) -> Response {
    let Some(broker) = shared.broker.get() else { return not_open() };
    match broker.tier_partition_status(&topic, partition) {
        Some(told) => json(&told),
        None => said(StatusCode::NOT_FOUND, "there is no such partition, or nothing of it is tiered"),
    }
}

async fn tier_segments(
    State(shared): State<Shared>,
    Path((topic, partition, from)): Path<(String, i32, i64)>,
) -> Response {
    let Some(broker) = shared.broker.get() else { return not_open() };
    match broker.tier_segments(&topic, partition, Offset(from)).await {
        Ok(page) => json(&page),
        Err(error @ TierLookError::Unknown(_)) => said(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error @ TierLookError::Tier(_)) => said(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

fn not_open() -> Response {
    said(StatusCode::SERVICE_UNAVAILABLE, "the broker is not open yet")
}

fn said(status: StatusCode, what: &str) -> Response {
    (status, format!("{what}\n")).into_response()
}

fn json(told: &impl Serialize) -> Response {
    match serde_json::to_vec(told) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => said(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

#[cfg(test)]
mod tests;
