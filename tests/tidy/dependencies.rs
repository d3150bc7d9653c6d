//! Every direct dependency stands in `docs/dependencies.md` with its reason.

/// Dependencies of a manifest that the document does not list.
pub fn check(manifest: &str, document: &str) -> Vec<String> {
    let mut in_dependencies = false;
    let mut findings = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = matches!(line, "[dependencies]" | "[dev-dependencies]");
        } else if in_dependencies && let Some(end) = line.find([' ', '.', '=']) {
            let name = &line[..end];
            if !document.lines().any(|row| row.starts_with('|') && row.contains(&format!("`{name}`"))) {
                findings.push(format!("docs/dependencies.md: {name} has no row"));
            }
        }
    }
    findings
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let manifest =
        "[package]\nname = \"x\"\n\n[dependencies]\nbytes.workspace = true\nsnap = \"1\"\n\n[lints]\na = 1\n";
    assert_eq!(check(manifest, "| `bytes` | slices |\n| `snap` | reads |").len(), 0);
    assert_eq!(check(manifest, "| `bytes` | slices |\n`snap`").len(), 1);
}
