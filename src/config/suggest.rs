//! "Did you mean": the nearest known key.

/// Longest key compared; a longer one is a mistake of another sort.
const KEY_BYTES_MAX: usize = 128;

/// The known name nearest to `unknown`, if it is near enough to be a slip of the pen: at most a third of its
/// characters differ.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if unknown.len() > KEY_BYTES_MAX {
        return None;
    }
    let near_enough = unknown.len() / 3;
    known
        .map(|name| (edit_distance(unknown.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= near_enough)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein: insertions, removals and replacements that turn one into the other.
fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
