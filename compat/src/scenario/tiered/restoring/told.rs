//! What `highwater restore` says of partitions.

use anyhow::{Context as _, Result};

/// Of one partition with records.
#[derive(PartialEq, Eq, Debug)]
pub struct Told {
    /// The last offset that was restored.
    pub newest: i64,
    /// Where the next record will lie.
    pub goes_on: i64,
}

/// Of all partitions, in the order of the topics here: that of `topics_here`.
pub fn told(said: &str) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    for (topic, partitions) in super::topics_here() {
        for partition in 0..partitions {
            let name = format!("{topic}-{partition}: ");
            // A bar of progress may have stood in the same line.
            let line = said.split(['\r', '\n']).find_map(|line| Some(line.split_once(&name)?.1));
            told.extend(line.map(of_line).transpose().with_context(|| said.to_owned())?);
        }
    }
    Ok(told)
}

/// `offsets 5 to 19 restored; goes on at 1048600`.
fn of_line(line: &str) -> Result<Told> {
    let after = |words: &str| -> Result<i64> {
        let rest = line.split_once(words).with_context(|| format!("no {words:?}: {line}"))?.1;
        let number = rest.split(|next: char| !next.is_ascii_digit()).next().unwrap_or_default();
        Ok(number.parse()?)
    };
    // Nothing is in the tier yet.
    let newest = if line.starts_with("no record") { -1 } else { after(" to ")? };
    Ok(Told { newest, goes_on: after("goes on at ")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_found_in_its_lines() {
        let said = "\r[##] 1 of 2 \r\x1b[Kstream-0: offsets 5 to 19 restored; goes on at 1048600\r\n\
             stream-1: no record restored; goes on at 1048576\n";
        let expected = [Told { newest: 19, goes_on: 1_048_600 }, Told { newest: -1, goes_on: 1_048_576 }];
        assert_eq!(told(said).unwrap(), expected);
        assert!(told("stream-0: something else").is_err());
    }
}
