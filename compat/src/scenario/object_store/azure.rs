//! The same on Azurite, which speaks Azure's protocol.

use std::net::SocketAddr;

use anyhow::Result;

use super::super::{CLIENT_DEADLINE, Context};
use super::{conforms, listening, refused};
use crate::broker::free_port;
use crate::bucket::BUCKET;
use crate::process::run as run_program;

/// What Azurite knows from the start, as its documentation says.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const WRONG_KEY: &str = "bm90IHRoZSBrZXk=";

/// Runs it.
pub fn run(context: &mut Context) -> Result<()> {
    let port = free_port()?;
    let command = context.tools.azurite(&context.folder.join("azurite"), port)?;
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let _server = listening(&command, &context.folder.join("azurite.log"), at)?;
    let endpoint = format!("http://{at}/{ACCOUNT}");
    let mut make = context.tools.python("azure_container.py");
    make.args([&endpoint, ACCOUNT, KEY, BUCKET]);
    run_program(make, b"", CLIENT_DEADLINE)?.success()?;

    let store = format!("az://{BUCKET}/some/prefix");
    let there = [("store", store.as_str()), ("endpoint", &endpoint), ("allow.http", "true")];
    let with_key = |key| [("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT), ("AZURE_STORAGE_ACCOUNT_KEY", key)];
    conforms(context, "Azurite", &there, &with_key(KEY))?;
    refused(context, "a wrong key", &there, &with_key(WRONG_KEY), 78, "AuthorizationFailure")?;
    let absent = [("store", "az://nowhere"), there[1], there[2]];
    refused(context, "a container that is not there", &absent, &with_key(KEY), 78, "no such bucket")
}
