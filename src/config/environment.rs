//! Environment variables to keys, as the apache/kafka image maps them.

/// Variables that begin with `KAFKA_` and configure a start script or the JVM instead.
/// Source: the apache/kafka image's list, and what Kubernetes adds for a service named `kafka`.
const EXCLUDED: &[&str] =
    &["VERSION", "OPTS", "HOME", "DEBUG", "PORT", "CLUSTER_ID", "KRAFT_CLUSTER_ID", "USER"];
const EXCLUDED_PREFIXES: &[&str] =
    &["HEAP_", "LOG4J_", "JMX_", "JVM_", "GC_", "TOOLS_LOG4J_", "SERVICE_", "PORT_", "MOUNTED_"];

/// Variables that begin with `HIGHWATER_` and are not settings: the log level, and what tests of this
/// repository use.
const EXCLUDED_OWN: &[&str] = &["LOG", "WRITE_REFERENCE"];

/// The key that a variable sets, or `None` when it is none of ours.
///
/// `KAFKA_X_Y` is `x.y`, `__` is `_`, `___` is `-`; `KAFKA_CFG_X_Y` (the bitnami image) is the same;
/// `HIGHWATER_X_Y` is `highwater.x.y`; `CLUSTER_ID` (which the apache/kafka image asks for) is the cluster's
/// id.
pub fn key_of(variable: &str) -> Option<String> {
    if matches!(variable, "CLUSTER_ID" | "KAFKA_CLUSTER_ID" | "KAFKA_KRAFT_CLUSTER_ID") {
        return Some("highwater.cluster.id".to_owned());
    }
    if let Some(rest) = variable.strip_prefix("HIGHWATER_") {
        let taken = !rest.is_empty() && !EXCLUDED_OWN.contains(&rest);
        return taken.then(|| format!("highwater.{}", dotted(rest)));
    }
    let rest = variable.strip_prefix("KAFKA_")?;
    let rest = rest.strip_prefix("CFG_").unwrap_or(rest);
    let excluded =
        EXCLUDED.contains(&rest) || EXCLUDED_PREFIXES.iter().any(|prefix| rest.starts_with(prefix));
    (!rest.is_empty() && !excluded).then(|| dotted(rest))
}

/// `X_Y` as `x.y`: one underscore is a dot, two are an underscore, three are a dash.
fn dotted(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut underscores = 0;
    for character in name.chars().chain([' ']) {
        if character == '_' {
            underscores += 1;
            continue;
        }
        while underscores > 0 {
            let taken = underscores.min(3);
            key.push([".", "_", "-"][taken - 1].chars().next().expect("none is empty"));
            underscores -= taken;
        }
        key.push(character.to_ascii_lowercase());
    }
    key.pop();
    key
}

#[cfg(test)]
mod tests;
