//! Who we are to S3, in each way that clouds have for that, over https: session tokens, profiles, web
//! identity, the agents beside containers, the metadata of instances. And a bucket in the host's name.
//!
//! moto's server stands for S3 and STS, and asks for signatures and tokens. Another one has the metadata of
//! instances, and a store that takes what these give (and anything else). The agent beside containers is
//! ours, and what stands before STS (`python/identity.py`). Names and addresses are AWS's own, so it runs in
//! a network and with an `/etc/hosts` of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::super::Context;
use super::{READY_DEADLINE, conforms, listening, refused};
use crate::broker::tied_to_this_process;
use crate::bucket::BUCKET;
use crate::namespace;
use crate::process::{Process, run as run_program};
use crate::tools::Tools;
use crate::wait::eventually;

const COMMAND_DEADLINE: Duration = Duration::from_secs(30);
/// Where instances ask who they are, and containers.
const METADATA: &str = "169.254.169.254";
const AGENT: &str = "169.254.170.2";
const HOSTS: &str = "127.0.0.1 localhost highwater.localhost\n127.0.0.2 sts.us-east-1.amazonaws.com\n";
/// Of its own issuer: who trusts it is told so. No authority, which could not be a server's.
const CERTIFICATE: &str = "
[req]
distinguished_name = name
x509_extensions = server
prompt = no
[name]
CN = a store
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, DNS:highwater.localhost, DNS:sts.us-east-1.amazonaws.com
";

/// In namespaces of its own.
pub fn run(context: &mut Context) -> Result<()> {
    // There is nothing to install from in there.
    context.tools.moto()?;
    let seen = namespace::run_inside(context, "-nm", "object-store-identity")?;
    context.transcript.add(&seen);
    Ok(())
}

/// The scenario proper.
pub fn inside(context: &mut Context) -> Result<()> {
    addresses_and_names(context)?;
    let certificate = certificate(context)?;
    let key = context.folder.join("key.pem").display().to_string();
    let tls = ["-c", &certificate, "-k", &key];
    // moto lets whoever comes do what it wants until identity.py is through.
    let _store = moto(context, "127.0.0.1:443", &tls, &[("INITIAL_NO_AUTH_ACTION_COUNT", "1000")])?;
    let _metadata = moto(context, "169.254.169.254:80", &[], &[])?;
    let (identity, _agent) = assumed(context, &certificate, &key)?;
    let word = |name: &str| identity[name].as_str().unwrap_or_default();
    let keys = [
        ("AWS_ACCESS_KEY_ID", word("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", word("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", word("Token")),
    ];
    let store = format!("s3://{BUCKET}/some/prefix");
    let there = [("store", store.as_str()), ("endpoint", "https://localhost")];
    let trusted = ("SSL_CERT_FILE", certificate.as_str());

    conforms(context, "a session token", &there, &[keys[0], keys[1], keys[2], trusted])?;
    let stale = ("AWS_SESSION_TOKEN", "stale");
    refused(context, "a stale one", &there, &[keys[0], keys[1], stale, trusted], 78, "InvalidToken")?;
    let in_the_name = [there[0], there[1], ("path.style", "false")];
    conforms(context, "a bucket in the host's name", &in_the_name, &[keys[0], keys[1], keys[2], trusted])?;
    let words = "invalid peer certificate: UnknownIssuer";
    refused(context, "a certificate that is not trusted", &there, &keys, 78, words)?;

    profiles(context, &there, &keys, trusted)?;

    let task = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task");
    conforms(context, "a container's task", &there, &[task, trusted])?;
    let pod = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*format!("http://{AGENT}/pod"));
    let token_file = context.folder.join("pod-token").display().to_string();
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file.as_str());
    conforms(context, "a pod", &there, &[pod, token, trusted])?;
    let other = context.folder.join("other-word");
    fs::write(&other, "another-word")?;
    let other = other.display().to_string();
    let wrong = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", other.as_str());
    refused(context, "a pod with another word", &there, &[pod, wrong, trusted], 78, "403")?;

    // STS's request is not signed, of which moto knows nothing: it lets one through.
    let_through(&certificate, 1)?;
    let web = ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.as_str());
    let role = ("AWS_ROLE_ARN", word("role"));
    conforms(context, "web identity", &there, &[web, role, trusted])?;

    let endpoint = format!("http://{METADATA}");
    curl(&["-X", "PUT", &format!("{endpoint}/{BUCKET}")])?;
    let plain = [("store", store.as_str()), ("endpoint", &endpoint), ("allow.http", "true")];
    conforms(context, "an instance", &plain, &[])
}

/// Keys of a profile, which is the default one or is named.
fn profiles(
    context: &mut Context,
    there: &[(&str, &str)],
    keys: &[(&str, &str)],
    trusted: (&str, &str),
) -> Result<()> {
    let folder = context.folder.join(".aws");
    fs::create_dir(&folder)?;
    let [id, secret, token] = [keys[0].1, keys[1].1, keys[2].1];
    let section = |name: &str, secret: &str| {
        format!("[{name}]\naws_access_key_id={id}\naws_secret_access_key={secret}\n")
    };
    let token = format!("aws_session_token={token}\n");
    let text = [section("default", secret), token.clone(), section("other", "wrong"), token].concat();
    fs::write(folder.join("credentials"), text)?;
    conforms(context, "the default profile", there, &[trusted])?;
    let other = [there[0], there[1], ("profile", "other")];
    refused(context, "another profile, with a wrong key", &other, &[trusted], 78, "SignatureDoesNotMatch")?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn addresses_and_names(context: &Context) -> Result<()> {
    namespace::loopback_up()?;
    let hosts = context.folder.join("hosts");
    fs::write(&hosts, HOSTS)?;
    let hosts = hosts.display().to_string();
    for words in [
        &["ip", "addr", "add", METADATA, "dev", "lo"][..],
        &["ip", "addr", "add", AGENT, "dev", "lo"],
        &["mount", "--bind", &hosts, "/etc/hosts"],
    ] {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        run_program(command, b"", COMMAND_DEADLINE)?.success()?;
    }
    Ok(())
}

/// Where it lies; its key lies beside, in `key.pem`.
fn certificate(context: &Context) -> Result<String> {
    let file = |name: &str| -> PathBuf { context.folder.join(name) };
    fs::write(file("certificate.cnf"), CERTIFICATE)?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.arg("-config").arg(file("certificate.cnf"));
    openssl.arg("-keyout").arg(file("key.pem")).arg("-out").arg(file("certificate.pem"));
    run_program(openssl, b"", COMMAND_DEADLINE)?.success()?;
    Ok(file("certificate.pem").display().to_string())
}

/// A server of moto, once it listens.
fn moto(context: &Context, at: &str, words: &[&str], variables: &[(&str, &str)]) -> Result<Process> {
    let at: SocketAddr = at.parse()?;
    let mut command = context.tools.moto()?;
    command.args(["-H", &at.ip().to_string(), "-p", &at.port().to_string()]).args(words);
    command.envs(variables.iter().copied());
    listening(&command, &context.folder.join(format!("moto-{}.log", at.ip())), at)
}

/// Who we are, and the agent that tells it to containers.
fn assumed(context: &Context, certificate: &str, key: &str) -> Result<(Value, Process)> {
    let tools: &Tools = context.tools;
    let mut command = tools.python_with("moto", "identity.py")?;
    command.args([certificate, key, BUCKET]).arg(&context.folder);
    let log = context.folder.join("identity.log");
    let mut agent = Process::spawn_logged(tied_to_this_process(&command), &log)?;
    let file = context.folder.join("identity.json");
    let identity = eventually(READY_DEADLINE, "an identity", || {
        ensure!(agent.exited()?.is_none(), "it ended: {}", fs::read_to_string(&log)?);
        Ok(fs::read(&file).ok())
    })?;
    Ok((serde_json::from_slice(&identity)?, agent))
}

/// moto asks nobody who he is for so many requests.
fn let_through(certificate: &str, requests: usize) -> Result<()> {
    let requests = requests.to_string();
    // What calls itself a form is not read.
    let words = ["--data-binary", &requests, "-H", "Content-Type: text/plain", "--cacert", certificate];
    curl(&[&words[..], &["https://localhost/moto-api/reset-auth"]].concat())
}

fn curl(words: &[&str]) -> Result<()> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail"]).args(words);
    run_program(command, b"", COMMAND_DEADLINE)?.success()?;
    Ok(())
}
