use std::collections::HashMap;

use super::filter::read;
use super::transactions::Aborted;
use crate::log::{LogError, PartitionLog};
use crate::model::{Offset, ProducerId};
use crate::protocol::batch::ControlType;

/// The transactions of a stretch of a log.
#[derive(Clone, Default, Debug)]
pub(super) struct Survey {
    pub aborted: Vec<Aborted>,
    /// First offset of the oldest transaction without a marker, if there is one: nothing from there on is
    /// cleaned.
    pub undecided_from: Option<Offset>,
}

impl PartitionLog {
    /// Walks by headers from `from` to the written end. Only of logs in which a transaction was met: where
    /// there are none, it costs nothing.
    ///
    /// It begins early enough at the first dirty offset: what is not decided is never cleaned, so every
    /// transaction with a batch below has its marker there, or its batches were sifted already.
    pub(super) fn survey(&self, from: Offset) -> Result<Survey, LogError> {
        let published = self.published();
        let mut open: HashMap<ProducerId, Offset> = HashMap::new();
        let mut survey = Survey::default();
        for at in published.position_of(from)..published.segments.len() {
            let view = published.view(at);
            let mut scanner = view.segment.scan(&self.directory, 0, view.bytes)?;
            while let Some(found) = scanner.next()? {
                let header = &found.header;
                if header.attributes.is_control() {
                    let bytes = scanner.read_verified(&found)?;
                    let control = first_key(&bytes).and_then(|key| ControlType::parse(&key));
                    if let Some(ControlType::Abort | ControlType::Commit) = control
                        && let Some(first_offset) = open.remove(&header.producer_id)
                        && control == Some(ControlType::Abort)
                    {
                        survey.aborted.push(Aborted { producer_id: header.producer_id, first_offset });
                    }
                } else if header.attributes.is_transactional() && header.has_producer_id() {
                    open.entry(header.producer_id).or_insert(header.base_offset);
                }
            }
        }
        survey.undecided_from = open.into_values().min();
        Ok(survey)
    }
}

fn first_key(batch: &[u8]) -> Option<Vec<u8>> {
    let set = read(batch).ok()?;
    let first = set.iter().next()?.ok()?;
    first.key.map(<[u8]>::to_vec)
}
