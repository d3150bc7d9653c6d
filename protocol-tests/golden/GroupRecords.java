// Writes group_records.txt: what Apache Kafka's own classes write to __consumer_offsets.
//
//   java -cp '<Kafka 4.3.1>/*' GroupRecords.java FOLDER          (make oracle ARGS=golden)
//
// A line `name key value` for each record, in hexadecimal; `-` for no value. `written` in a name: in the version that
// Kafka's coordinator writes (GroupCoordinatorRecordHelpers); others are older or newer versions of the value.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.OffsetAndMetadata;
import org.apache.kafka.coordinator.group.generated.GroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.GroupMetadataValue;
import org.apache.kafka.coordinator.group.generated.LegacyOffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.LegacyOffsetCommitValue;
import org.apache.kafka.coordinator.group.generated.OffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.OffsetCommitValue;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class GroupRecords {
    static final GroupCoordinatorRecordSerde SERDE = new GroupCoordinatorRecordSerde();
    static final StringBuilder LINES = new StringBuilder();
    static final Uuid TOPIC_ID = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);

    public static void main(String[] args) throws Exception {
        print("offset-written", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("group", "topic", 3,
            new OffsetAndMetadata(100, OptionalInt.of(7), "note", 1_700_000_000_000L, OptionalLong.empty(), TOPIC_ID)));
        print("offset-no-id-written", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("group", "topic", 3,
            new OffsetAndMetadata(100, OptionalInt.empty(), "", 1_700_000_000_000L, OptionalLong.empty(), Uuid.ZERO_UUID)));
        print("offset-expires-written", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("group", "topic", 3,
            new OffsetAndMetadata(100, OptionalInt.of(7), "note", 1_700_000_000_000L,
                OptionalLong.of(1_700_000_060_000L), TOPIC_ID)));
        print("offset-tombstone-written",
            GroupCoordinatorRecordHelpers.newOffsetCommitTombstoneRecord("group", "topic", 3));
        print("group-tombstone-written", GroupCoordinatorRecordHelpers.newGroupMetadataTombstoneRecord("group"));
        for (short version = 0; version <= 4; version++) {
            print("offset-" + version, new OffsetCommitKey().setGroup("group").setTopic("topic").setPartition(3),
                offset(version), version);
            print("group-" + version, new GroupMetadataKey().setGroup("group"), group(version), version);
        }
        print("offset-legacy", new LegacyOffsetCommitKey().setGroup("group").setTopic("topic").setPartition(3),
            new LegacyOffsetCommitValue().setOffset(100).setMetadata("note").setCommitTimestamp(1_700_000_000_000L),
            (short) 0);
        print("group-empty-3", new GroupMetadataKey().setGroup("group"), new GroupMetadataValue()
            .setProtocolType("").setProtocol(null).setLeader(null).setCurrentStateTimestamp(5), (short) 3);
        Files.writeString(Path.of(args[0]).resolve("group_records.txt"), LINES);
    }

    static OffsetCommitValue offset(short version) {
        OffsetCommitValue value = new OffsetCommitValue().setOffset(100).setMetadata("note")
            .setCommitTimestamp(1_700_000_000_000L);
        if (version >= 3) value.setLeaderEpoch(7);
        if (version == 1) value.setExpireTimestamp(1_700_000_060_000L);
        if (version >= 4) {
            value.setTopicId(TOPIC_ID);
            value.unknownTaggedFields().add(new RawTaggedField(100, new byte[] {1, 2, 3}));
        }
        return value;
    }

    static GroupMetadataValue group(short version) {
        List<GroupMetadataValue.MemberMetadata> members = new ArrayList<>();
        for (String id : List.of("a", "b")) {
            GroupMetadataValue.MemberMetadata member = new GroupMetadataValue.MemberMetadata()
                .setMemberId("member-" + id).setClientId("client-" + id).setClientHost("/127.0.0.1")
                .setSessionTimeout(45_000)
                .setSubscription(new byte[] {1, 2}).setAssignment(new byte[] {3, 4, 5});
            if (version >= 1) member.setRebalanceTimeout(300_000);
            if (version >= 3 && id.equals("b")) member.setGroupInstanceId("instance-b");
            if (version >= 4) member.unknownTaggedFields().add(new RawTaggedField(100, new byte[] {1, 2, 3}));
            members.add(member);
        }
        GroupMetadataValue value = new GroupMetadataValue().setProtocolType("consumer").setGeneration(9)
            .setProtocol("range").setLeader("member-a").setMembers(members);
        if (version >= 2) value.setCurrentStateTimestamp(1_700_000_000_000L);
        if (version >= 4) value.unknownTaggedFields().add(new RawTaggedField(100, new byte[] {1, 2, 3}));
        return value;
    }

    static void print(String name, ApiMessage key, ApiMessage value, short version) {
        print(name, CoordinatorRecord.record(key,
            new ApiMessageAndVersion(value, version)));
    }

    static void print(String name, CoordinatorRecord record) {
        byte[] value = SERDE.serializeValue(record);
        HexFormat hex = HexFormat.of();
        LINES.append(name).append(' ').append(hex.formatHex(SERDE.serializeKey(record))).append(' ')
            .append(value == null ? "-" : hex.formatHex(value)).append('\n');
    }
}
