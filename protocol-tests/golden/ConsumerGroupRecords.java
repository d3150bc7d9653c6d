// Writes consumer_group_records.txt: what Apache Kafka's own classes write of consumer groups (KIP-848).
//
//   java -cp '<Kafka 4.3.1>/*' ConsumerGroupRecords.java FOLDER  (make oracle ARGS=golden)
//
// A line `name key value` for each record, in hexadecimal; `-` for no value. A line `hash number` for each metadata
// hash.

import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataImage;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.Utils;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupCurrentMemberAssignmentKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupCurrentMemberAssignmentValue;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataValue;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupPartitionMetadataKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupPartitionMetadataValue;
import org.apache.kafka.coordinator.group.modern.MemberState;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember;
import org.apache.kafka.coordinator.group.modern.consumer.ResolvedRegularExpression;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class ConsumerGroupRecords {
    static final GroupCoordinatorRecordSerde SERDE = new GroupCoordinatorRecordSerde();
    static final StringBuilder LINES = new StringBuilder();
    static final Uuid TOPIC_ID = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);

    public static void main(String[] args) throws Exception {
        print("epoch", GroupCoordinatorRecordHelpers.newConsumerGroupEpochRecord("group", 5, 0x0102030405060708L));
        print("epoch-no-hash", GroupCoordinatorRecordHelpers.newConsumerGroupEpochRecord("group", 5, 0));
        print("epoch-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupEpochTombstoneRecord("group"));
        print("partition-metadata-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupSubscriptionMetadataTombstoneRecord("group"));
        print("partition-metadata", CoordinatorRecord.record(
            new ConsumerGroupPartitionMetadataKey().setGroupId("group"), new ApiMessageAndVersion(
                new ConsumerGroupPartitionMetadataValue().setTopics(List.of(
                    new ConsumerGroupPartitionMetadataValue.TopicMetadata().setTopicId(TOPIC_ID).setTopicName("topic")
                        .setNumPartitions(3))), (short) 0)));
        members();
        assignments();
        print("regex", GroupCoordinatorRecordHelpers.newConsumerGroupRegularExpressionRecord("group", "t.*",
            new ResolvedRegularExpression(Set.of("topic", "table"), 12, 1_700_000_000_000L)));
        print("regex-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupRegularExpressionTombstone("group", "t.*"));
        hashes();
        Files.writeString(Path.of(args[0]).resolve("consumer_group_records.txt"), LINES);
    }

    static void members() {
        ConsumerGroupMember.Builder builder = new ConsumerGroupMember.Builder("member").setClientId("client")
            .setClientHost("/127.0.0.1").setRebalanceTimeoutMs(300_000).setSubscribedTopicNames(List.of("b", "a"));
        print("member", GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionRecord("group", builder.build()));
        builder.setInstanceId("instance").setRackId("rack").setServerAssignorName("range")
            .setSubscribedTopicRegex("t.*").setClassicMemberMetadata(
                new ConsumerGroupMemberMetadataValue.ClassicMemberMetadata().setSessionTimeoutMs(45_000)
                    .setSupportedProtocols(List.of(new ConsumerGroupMemberMetadataValue.ClassicProtocol()
                        .setName("range").setMetadata(new byte[] {1, 2, 3}))));
        print("member-classic",
            GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionRecord("group", builder.build()));
        print("member-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionTombstoneRecord("group", "member"));
    }

    static void assignments() {
        print("target-epoch",
            GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataRecord("group", 5, 1_700_000_000_000L));
        print("target-epoch-no-time",
            GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataRecord("group", 5, 0));
        print("target-epoch-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataTombstoneRecord("group"));
        print("target", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentRecord("group", "member",
            Map.of(TOPIC_ID, new TreeSet<>(Set.of(0, 1, 7)))));
        print("target-empty",
            GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentRecord("group", "member", Map.of()));
        print("target-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentTombstoneRecord("group", "member"));
        print("current", GroupCoordinatorRecordHelpers.newConsumerGroupCurrentAssignmentRecord("group",
            new ConsumerGroupMember.Builder("member").setMemberEpoch(5).setPreviousMemberEpoch(4)
                .setState(MemberState.UNREVOKED_PARTITIONS)
                .setAssignedPartitions(Map.of(TOPIC_ID, new TreeMap<>(Map.of(0, 3, 1, 5))))
                .setPartitionsPendingRevocation(Map.of(TOPIC_ID, new TreeMap<>(Map.of(2, 4)))).build()));
        print("current-tombstone",
            GroupCoordinatorRecordHelpers.newConsumerGroupCurrentAssignmentTombstoneRecord("group", "member"));
        // As versions before 4.3 wrote it: no epoch for each partition.
        print("current-old", CoordinatorRecord.record(
            new ConsumerGroupCurrentMemberAssignmentKey().setGroupId("group").setMemberId("member"),
            new ApiMessageAndVersion(new ConsumerGroupCurrentMemberAssignmentValue().setMemberEpoch(5)
                .setPreviousMemberEpoch(4).setState((byte) 0).setAssignedPartitions(List.of(
                    new ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions().setTopicId(TOPIC_ID)
                        .setPartitions(List.of(0, 1)))), (short) 0)));
    }

    static void hashes() {
        long plain = Utils.computeTopicHash("topic", image("topic", 3, List.of()));
        long racks = Utils.computeTopicHash("orders.eu_1-x", image("orders.eu_1-x", 70, List.of("rack-a")));
        hash("plain", plain);
        hash("racks", racks);
        hash("group", Utils.computeGroupHash(Map.of("topic", plain, "orders.eu_1-x", racks)));
        hash("group-of-one", Utils.computeGroupHash(Map.of("topic", plain)));
    }

    static CoordinatorMetadataImage image(String name, int partitions, List<String> racks) {
        Object topic = proxy(CoordinatorMetadataImage.TopicMetadata.class, Map.of("name", name, "id", TOPIC_ID,
            "partitionCount", partitions, "partitionRacks", racks));
        return (CoordinatorMetadataImage) proxy(CoordinatorMetadataImage.class,
            Map.of("topicMetadata", Optional.of(topic)));
    }

    static Object proxy(Class<?> type, Map<String, Object> answers) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
            Object answer = answers.get(method.getName());
            return answer instanceof List<?> list ? new ArrayList<>(list) : answer;
        });
    }

    static void hash(String name, long hash) {
        LINES.append("hash-").append(name).append(' ').append(hash).append('\n');
    }

    static void print(String name, CoordinatorRecord record) {
        byte[] value = SERDE.serializeValue(record);
        HexFormat hex = HexFormat.of();
        LINES.append(name).append(' ').append(hex.formatHex(SERDE.serializeKey(record))).append(' ')
            .append(value == null ? "-" : hex.formatHex(value)).append('\n');
    }
}
