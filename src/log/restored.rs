//! A log whose older part is elsewhere, and of which nothing else is left: made anew from there on.

use std::sync::Arc;

use crate::env::OpenMode;
use crate::log::{
    CarriedState, LogConfig, LogDirectory, LogError, PartitionLog, RecoveryPoint, metadata_file, names,
};
use crate::model::{Offset, TopicPartition};

impl PartitionLog {
    /// Makes a partition's directory, which there is none of, with the state as of `state.offset`, and opens
    /// it there: what is appended goes on from that offset. `log_start_offset` is not above it.
    ///
    /// Durable with the first `sync` and a sync of the data directory.
    pub fn restore(
        directory: &Arc<LogDirectory>,
        topic: &str,
        partition: TopicPartition,
        config: LogConfig,
        (log_start_offset, state): (Offset, &CarriedState),
    ) -> Result<PartitionLog, LogError> {
        if state.offset == Offset(0) {
            return PartitionLog::create(directory, topic, partition, config);
        }
        let path = directory.partition_path(topic, partition);
        let files = &*directory.env.files;
        files.create_dir_all(&path).map_err(LogError::changing("create", &path))?;
        let metadata = metadata_file::encode(partition.topic_id);
        let state_path = names::file(&path, state.offset, names::STATE);
        let state_bytes = state.encode(partition);
        for (path, bytes) in [(path.join(names::METADATA), metadata.as_bytes()), (state_path, &state_bytes)] {
            let write = || {
                let file = files.open(&path, OpenMode::Create)?;
                file.write_all_at(bytes, 0)?;
                file.sync_data()
            };
            write().map_err(LogError::changing("write", &path))?;
        }
        let point =
            RecoveryPoint { offset: state.offset, log_start_offset, local_log_start_offset: state.offset };
        PartitionLog::open(directory, topic, partition, config, point).map(|(log, _)| log)
    }

    /// Offsets below `end` may be missing, as if a cleaning had taken them: nobody who looks for damage takes
    /// that for some. Durable with the state that the next sync writes.
    pub fn allow_gaps(&self, end: Offset) {
        let cleaned = &mut self.writer.lock().cleaned;
        cleaned.end_offset = cleaned.end_offset.max(end);
    }
}
