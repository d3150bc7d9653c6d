//! ApiVersions, and DescribeCluster.

use anyhow::Result;
use kafka_protocol::messages::{ApiVersionsRequest, DescribeClusterRequest};

use super::{Case, Talk};
use crate::client::text;

pub(super) const CASES: &[Case] = &[
    Case { name: "api-versions", versions: 0..=4, run: api_versions },
    Case { name: "api-versions-unknown", versions: 5..=6, run: unknown },
    Case { name: "describe-cluster", versions: 0..=2, run: describe_cluster },
];

fn api_versions(talk: &mut Talk) -> Result<()> {
    for (label, name, version) in [
        ("all", "a.b-c", "1.0-x"),
        ("no software", "", ""),
        ("an odd name", "a client", "1.0"),
        ("an odd version", "a", "1/0"),
        ("a dot last", "a.", "1.0"),
    ] {
        let request = ApiVersionsRequest::default();
        if talk.version < 3 {
            return talk.ask(label, &request);
        }
        let request =
            request.with_client_software_name(text(name)).with_client_software_version(text(version));
        talk.ask(label, &request)?;
    }
    Ok(())
}

fn unknown(talk: &mut Talk) -> Result<()> {
    let mut frame = vec![0, 18];
    frame.extend(talk.version.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0xff, 0xff, 0, 1, 2, 3]);
    talk.frame("an unknown version", 18, &frame)
}

fn describe_cluster(talk: &mut Talk) -> Result<()> {
    let request = DescribeClusterRequest::default();
    talk.ask("plain", &request)?;
    talk.ask("with operations", &request.clone().with_include_cluster_authorized_operations(true))?;
    if talk.version >= 1 {
        for endpoint_type in [0, 2, 3] {
            let label = format!("endpoint type {endpoint_type}");
            talk.ask(&label, &request.clone().with_endpoint_type(endpoint_type))?;
        }
    }
    if talk.version >= 2 {
        talk.ask("fenced ones too", &request.with_include_fenced_brokers(true))?;
    }
    Ok(())
}
