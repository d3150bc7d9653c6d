//! `docker-compose.yml`: what it says fits together, and a container that is started as it says keeps new
//! topics in its bucket.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_yaml_ng::Value;

use super::{Image, kcat, stop};
use crate::bucket::{BUCKET, Kind, SECRET_KEY, Server};
use crate::scenario::Context;
use crate::scenario::tiered::local_segments;
use crate::tools::repository;
use crate::wait::eventually;

/// MinIO as its service is called there: here it is on a port of its own, with another secret.
const ENDPOINT: &str = "http://minio:9000";
const LOCAL_RETENTION: &str = "KAFKA_LOG_LOCAL_RETENTION_MS";
const COPY_DEADLINE: Duration = Duration::from_secs(60);
const TOPIC: &str = "kept";
/// The folder that is its volume.
const DATA: &str = "composed";
/// Two segments of the smallest size and more.
const VALUES: usize = 300;
const VALUE_BYTES: usize = 10_000;
/// So that closed segments are copied, and leave the disk, within a second.
const HASTE: [(&str, &str); 5] = [
    ("KAFKA_LOG_SEGMENT_BYTES", "1048576"),
    ("KAFKA_REMOTE_LOG_MANAGER_TASK_INTERVAL_MS", "300"),
    ("HIGHWATER_CHECKPOINT_INTERVAL_MS", "300"),
    ("KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS", "300"),
    (LOCAL_RETENTION, "300"),
];

/// The services by their names.
fn services() -> Result<Value> {
    let text = fs::read_to_string(repository()?.join("docker-compose.yml"))?;
    let mut compose: Value = serde_yaml_ng::from_str(&text)?;
    compose.apply_merge()?;
    Ok(compose["services"].clone())
}

fn environment(service: &Value) -> Result<BTreeMap<String, String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(anyhow::anyhow!("an engine takes no {other:?}")),
    };
    let variables = service["environment"].as_mapping().context("an environment")?;
    variables.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
}

/// What an engine would not say before somebody waits for it.
fn fits_together(services: &Value) -> Result<()> {
    let [broker, alone, minio, bucket] =
        ["broker", "broker-alone", "minio", "bucket"].map(|name| &services[name]);
    for (name, service) in [("broker", broker), ("broker-alone", alone)] {
        ensure!(service["build"] == ".", "{name} is built from {:?}", service["build"]);
        let ports = service["ports"].as_sequence().context("ports")?;
        ensure!(ports.iter().any(|port| port == "9092:9092"), "{name}: {ports:?}");
        let volumes = service["volumes"].as_sequence().context("volumes")?;
        let is_data =
            |volume: &Value| volume.as_str().is_some_and(|text| text.ends_with(":/var/lib/highwater"));
        ensure!(volumes.iter().any(is_data), "{name} keeps nothing: {volumes:?}");
    }
    ensure!(alone["profiles"][0] == "broker" && broker["profiles"].is_null(), "profiles");
    ensure!(broker["depends_on"]["bucket"]["condition"] == "service_completed_successfully", "depends_on");
    let (of_broker, of_minio, of_bucket) = (environment(broker)?, environment(minio)?, environment(bucket)?);
    ensure!(of_minio == of_bucket, "{of_minio:?} and {of_bucket:?}");
    for (ours, theirs) in
        [("AWS_ACCESS_KEY_ID", "MINIO_ROOT_USER"), ("AWS_SECRET_ACCESS_KEY", "MINIO_ROOT_PASSWORD")]
    {
        ensure!(of_broker[ours] == of_minio[theirs], "{ours} is not {theirs}");
    }
    ensure!(of_broker["HIGHWATER_TIER_STORE"] == format!("s3://{BUCKET}/tier"), "{of_broker:?}");
    ensure!(of_broker["HIGHWATER_TIER_ENDPOINT"] == ENDPOINT, "{of_broker:?}");
    let makes = bucket["command"][0].as_str().context("a command")?;
    ensure!(makes.contains(&format!("mc mb --ignore-existing tier/{BUCKET};")), "{makes}");
    ensure!(of_broker[LOCAL_RETENTION] == "3600000", "README says an hour: {of_broker:?}");
    ensure!(environment(alone)?.keys().all(|name| !name.contains("TIER")), "broker-alone has a tier");
    Ok(())
}

/// Inside of the network namespace.
pub(super) fn inside(context: &Context, image: &Image) -> Result<()> {
    let services = services()?;
    fits_together(&services)?;
    let server = Server::start(Kind::Minio, context.tools, &context.folder, "compose", &[])?;
    let mut variables = environment(&services["broker"])?;
    variables.insert("HIGHWATER_TIER_ENDPOINT".to_owned(), format!("http://{}", server.address()));
    variables.insert("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET_KEY.to_owned());
    variables.extend(HASTE.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut broker = image.start(context, DATA, &variables)?;
    let lines = format!("{}\n", "v".repeat(VALUE_BYTES)).repeat(VALUES);
    kcat(&format!("-P -t {TOPIC} -p 0"), &lines)?;
    let data = context.folder.join(DATA);
    eventually(COPY_DEADLINE, "a segment in the bucket, and no longer on the disk", || {
        let first = local_segments(&data, TOPIC, 0)?.first().map(|(base, _)| *base);
        Ok(first.filter(|first| *first > 0).map(|_| ()))
    })?;
    ensure!(server.keys("tier/")?.iter().any(|key| key.ends_with(".segment")), "it is not in the bucket");
    let read = kcat(&format!(r"-C -t {TOPIC} -p 0 -o beginning -e -q -f %S\n"), "")?;
    ensure!(read == format!("{VALUE_BYTES}\n").repeat(VALUES), "what was produced");
    stop(&mut broker)
}
