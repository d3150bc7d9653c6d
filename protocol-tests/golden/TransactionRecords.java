// Writes transaction_records.txt: what Apache Kafka's own classes write to __transaction_state.
//
//   java -cp '<Kafka 4.3.1>/*' TransactionRecords.java FOLDER          (make oracle ARGS=golden)
//
// A line `name key value` for each record, in hexadecimal; `-` for no value. `written` in a name: as Kafka's
// coordinator writes it (TransactionLog) where transaction.version is 2; others are versions of the value by hand.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.coordinator.transaction.TransactionLog;
import org.apache.kafka.coordinator.transaction.TransactionState;
import org.apache.kafka.coordinator.transaction.TxnTransitMetadata;
import org.apache.kafka.coordinator.transaction.generated.TransactionLogValue;
import org.apache.kafka.server.common.TransactionVersion;

public class TransactionRecords {
    static final StringBuilder LINES = new StringBuilder();
    static final Set<TopicPartition> ONE = Set.of(new TopicPartition("debits", 3));
    static final long TIME = 1_700_000_000_000L;

    public static void main(String[] args) throws Exception {
        print("empty-written", value(7, 7, -1, 0, TransactionState.EMPTY, Set.of(), -1, TransactionVersion.TV_0));
        print("ongoing-written", value(7, 7, -1, 0, TransactionState.ONGOING, ONE, TIME, TransactionVersion.TV_2));
        print("ongoing-0-written", value(7, 7, -1, 0, TransactionState.ONGOING, ONE, TIME, TransactionVersion.TV_0));
        print("prepare-commit-written",
            value(7, 7, -1, 1, TransactionState.PREPARE_COMMIT, ONE, TIME, TransactionVersion.TV_2));
        print("prepare-abort-last-written",
            value(7, 7, 9, 32767, TransactionState.PREPARE_ABORT, ONE, TIME, TransactionVersion.TV_2));
        print("complete-commit-written",
            value(7, 7, -1, 1, TransactionState.COMPLETE_COMMIT, Set.of(), TIME, TransactionVersion.TV_2));
        print("complete-abort-rotated-written",
            value(9, 7, -1, 0, TransactionState.COMPLETE_ABORT, Set.of(), TIME, TransactionVersion.TV_2));
        LINES.append("tombstone-written ").append(key()).append(" -\n");
        for (short version = 0; version <= 1; version++) {
            TransactionLogValue value = new TransactionLogValue().setProducerId(7).setProducerEpoch((short) 2)
                .setTransactionTimeoutMs(60_000).setTransactionStatus((byte) 1)
                .setTransactionLastUpdateTimestampMs(TIME + 1).setTransactionStartTimestampMs(TIME)
                .setTransactionPartitions(List.of(
                    new TransactionLogValue.PartitionsSchema().setTopic("credits").setPartitionIds(List.of(0, 5)),
                    new TransactionLogValue.PartitionsSchema().setTopic("debits").setPartitionIds(List.of(3))));
            if (version == 1) {
                value.setPreviousProducerId(6).setNextProducerId(8).setNextProducerEpoch((short) 4)
                    .setClientTransactionVersion((short) 2);
                value.unknownTaggedFields().add(new RawTaggedField(100, new byte[] {1, 2, 3}));
            }
            print("value-" + version, MessageUtil.toVersionPrefixedBytes(version, value));
            print("value-empty-" + version, MessageUtil.toVersionPrefixedBytes(version,
                new TransactionLogValue().setProducerId(7).setProducerEpoch((short) 2).setTransactionTimeoutMs(60_000)
                    .setTransactionStatus((byte) 0).setTransactionPartitions(null)
                    .setTransactionLastUpdateTimestampMs(TIME + 1).setTransactionStartTimestampMs(-1)));
        }
        Files.writeString(Path.of(args[0]).resolve("transaction_records.txt"), LINES);
    }

    static byte[] value(long id, long previous, long next, int epoch, TransactionState state,
                        Set<TopicPartition> partitions, long start, TransactionVersion version) {
        return TransactionLog.valueToBytes(new TxnTransitMetadata(id, previous, next, (short) epoch, (short) -1, 60_000,
            state, new HashSet<>(partitions), start, TIME + 1, version), TransactionVersion.TV_2);
    }

    static String key() {
        return HexFormat.of().formatHex(TransactionLog.keyToBytes("transfers"));
    }

    static void print(String name, byte[] value) {
        LINES.append(name).append(' ').append(key()).append(' ').append(HexFormat.of().formatHex(value)).append('\n');
    }
}
