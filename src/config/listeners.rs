//! `listeners`, `advertised.listeners` and `highwater.admin.listener`.

use std::fmt;

/// The protocols a listener's name can stand for. Only the first can be opened so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL in the clear.
    SaslPlaintext,
    /// SASL inside TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// By Kafka's name, in any case.
    pub fn by_name(name: &str) -> Option<SecurityProtocol> {
        match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Some(SecurityProtocol::Plaintext),
            "SSL" => Some(SecurityProtocol::Ssl),
            "SASL_PLAINTEXT" => Some(SecurityProtocol::SaslPlaintext),
            "SASL_SSL" => Some(SecurityProtocol::SaslSsl),
            _ => None,
        }
    }
}

/// A host as configured: none of them is looked up here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// Every address, of IPv4 and IPv6.
    All,
    /// Every IPv4 address.
    AllIpv4,
    /// A name or an address, without brackets.
    Named(String),
}

impl Host {
    pub(super) fn parse(text: &str) -> Host {
        match text {
            "" | "::" => Host::All,
            "0.0.0.0" => Host::AllIpv4,
            name => Host::Named(name.to_owned()),
        }
    }
}

/// What clients of a listener are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdvertisedListener {
    /// The host; `None` is the address by which the client came.
    pub host: Option<String>,
    /// The port; `None` is the one that was bound.
    pub port: Option<u16>,
}

/// A listener that is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// What is spoken there.
    pub protocol: SecurityProtocol,
    /// Where it listens.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// What its clients are told.
    pub advertised: AdvertisedListener,
}

/// The settings that together say which listeners there are.
pub(super) struct ListenerSettings {
    pub listeners: Vec<String>,
    pub advertised: Vec<String>,
    pub protocol_map: String,
    pub controller_names: Vec<String>,
}

/// Which key is wrong, and why.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct WrongListener {
    pub key: &'static str,
    pub reason: String,
}

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOL_MAP: &str = "listener.security.protocol.map";

fn wrong<T>(key: &'static str, reason: String) -> Result<T, WrongListener> {
    Err(WrongListener { key, reason })
}

/// `name://host:port`, checked but for what other entries say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// Parses one entry; the reason says what was expected.
pub(super) fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    let expected = || format!("{text:?} is not of the form name://host:port");
    let (name, address) = text.trim().split_once("://").ok_or_else(expected)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(expected)?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(expected)?,
        None if host.contains(':') => {
            return Err(format!("the IPv6 address in {text:?} must stand in brackets, as in [::1]"));
        }
        None => host,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte);
    if name.is_empty() || !host.bytes().all(allowed) {
        return Err(expected());
    }
    let port = port.parse().map_err(|_| format!("the port in {text:?} must be a number from 0 to 65535"))?;
    Ok(Endpoint { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

fn parse_all(key: &'static str, entries: &[String]) -> Result<Vec<Endpoint>, WrongListener> {
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(entries.len());
    for entry in entries {
        let endpoint = parse_endpoint(entry).map_err(|reason| WrongListener { key, reason })?;
        if endpoints.iter().any(|other| other.name == endpoint.name) {
            return wrong(key, format!("listener {} is given twice; each needs its own name", endpoint.name));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

impl ListenerSettings {
    /// The listeners to open: all but those of the controller.
    pub(super) fn resolve(&self) -> Result<Vec<Listener>, WrongListener> {
        let controller =
            |name: &str| self.controller_names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let mut endpoints = parse_all(LISTENERS, &self.listeners)?;
        endpoints.retain(|endpoint| !controller(&endpoint.name));
        if endpoints.is_empty() {
            return wrong(LISTENERS, "only controller listeners are named; clients need one too".to_owned());
        }
        check_ports(&endpoints)?;
        let mut advertised = parse_all(ADVERTISED, &self.advertised)?;
        advertised.retain(|endpoint| !controller(&endpoint.name));
        check_advertised(&advertised, &endpoints)?;
        let protocols = parse_protocol_map(&self.protocol_map)?;
        endpoints.into_iter().map(|endpoint| open(endpoint, &advertised, &protocols)).collect()
    }
}

/// Two listeners may share a port only if one is IPv4 and the other IPv6 (KIP-797).
fn check_ports(endpoints: &[Endpoint]) -> Result<(), WrongListener> {
    for (index, endpoint) in endpoints.iter().enumerate() {
        for other in &endpoints[..index] {
            let families_differ = endpoint.host.contains(':') != other.host.contains(':');
            let explicit = !endpoint.host.is_empty() && !other.host.is_empty();
            let apart = families_differ && explicit;
            if endpoint.port != 0 && endpoint.port == other.port && !apart {
                let reason = format!("listeners {} and {} have the same port", other.name, endpoint.name);
                return wrong(LISTENERS, reason);
            }
        }
    }
    Ok(())
}

fn check_advertised(advertised: &[Endpoint], endpoints: &[Endpoint]) -> Result<(), WrongListener> {
    for endpoint in advertised {
        if matches!(endpoint.host.as_str(), "0.0.0.0" | "::") {
            let reason = format!(
                "{endpoint} is no address that a client can connect to; name the host, \
                 or leave the entry out to tell each client the address by which it came"
            );
            return wrong(ADVERTISED, reason);
        }
        if !endpoints.iter().any(|listener| listener.name == endpoint.name) {
            let known: Vec<&str> = endpoints.iter().map(|listener| listener.name.as_str()).collect();
            let reason = format!("{} is not in listeners, which has {}", endpoint.name, known.join(", "));
            return wrong(ADVERTISED, reason);
        }
    }
    Ok(())
}

fn parse_protocol_map(text: &str) -> Result<Vec<(String, SecurityProtocol)>, WrongListener> {
    let mut protocols = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let pair = entry.rsplit_once(':');
        match pair.and_then(|(name, protocol)| Some((name, SecurityProtocol::by_name(protocol.trim())?))) {
            Some((name, protocol)) => protocols.push((name.trim().to_ascii_uppercase(), protocol)),
            None => {
                let reason = format!(
                    "{entry:?} is not of the form name:protocol \
                     with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
                );
                return wrong(PROTOCOL_MAP, reason);
            }
        }
    }
    Ok(protocols)
}

fn open(
    endpoint: Endpoint,
    advertised: &[Endpoint],
    protocols: &[(String, SecurityProtocol)],
) -> Result<Listener, WrongListener> {
    let protocol = match protocols.iter().find(|(name, _)| *name == endpoint.name) {
        Some((_, protocol)) => *protocol,
        None => return wrong(PROTOCOL_MAP, format!("no protocol is given for listener {}", endpoint.name)),
    };
    if protocol != SecurityProtocol::Plaintext {
        let reason = format!("listener {} needs TLS or SASL, which are not served yet", endpoint.name);
        return wrong(LISTENERS, reason);
    }
    let told = advertised.iter().find(|other| other.name == endpoint.name);
    let advertised = AdvertisedListener {
        host: match told {
            Some(told) if !told.host.is_empty() => Some(told.host.clone()),
            Some(_) => None,
            None => named(&endpoint.host),
        },
        port: told.map(|told| told.port).filter(|port| *port != 0),
    };
    let host = Host::parse(&endpoint.host);
    Ok(Listener { name: endpoint.name, protocol, host, port: endpoint.port, advertised })
}

/// A listener on one host tells its clients that host, as Kafka does; one on all addresses has none to tell.
fn named(host: &str) -> Option<String> {
    match Host::parse(host) {
        Host::Named(name) => Some(name),
        Host::All | Host::AllIpv4 => None,
    }
}

/// The `listeners` that the apache/kafka image makes of `advertised.listeners` when only those are given: the
/// same names and ports on every address.
pub(super) fn derived_from_advertised(advertised: &[String]) -> Option<Vec<String>> {
    let on_all = |entry: &String| {
        let endpoint = parse_endpoint(entry).ok()?;
        Some(format!("{}://:{}", endpoint.name, endpoint.port))
    };
    let derived: Option<Vec<String>> = advertised.iter().map(on_all).collect();
    derived.filter(|derived| !derived.is_empty())
}

#[cfg(test)]
mod tests;
