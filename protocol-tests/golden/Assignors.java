// Writes assignors.jsonl: what Kafka 4.3's own assignors make of random groups that grow, shrink and change their
// minds.
//
//   java -cp '<Kafka 4.3.1>/*' Assignors.java FOLDER             (make oracle ARGS=golden)
//
// Members come in ascending order, and topic ids are such that a hash set has them in ascending order too, so that
// Kafka's choice does not depend on its hash maps.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

public class Assignors {
    static final StringBuilder LINES = new StringBuilder();

    static class Member {
        String instance;
        TreeSet<Integer> topics = new TreeSet<>();
        TreeMap<Uuid, Set<Integer>> assigned = new TreeMap<>();
    }

    static Uuid topic(int index) {
        return new Uuid(0L, index + 1);
    }

    public static void main(String[] args) throws Exception {
        Random random = new Random(848);
        for (int group = 0; group < 12; group++) {
            for (String assignor : List.of("range", "uniform")) {
                evolve(random, assignor, group % 2 == 0);
            }
        }
        Files.writeString(Path.of(args[0]).resolve("assignors.jsonl"), LINES);
    }

    static void evolve(Random random, String name, boolean homogeneous) {
        int[] partitions = new int[1 + random.nextInt(5)];
        Arrays.setAll(partitions, i -> 1 + random.nextInt(9));
        TreeMap<String, Member> members = new TreeMap<>();
        for (int step = 0; step < 5; step++) {
            int joining = step == 0 ? 1 + random.nextInt(5) : random.nextInt(3);
            for (int i = 0; i < joining; i++) {
                Member member = new Member();
                member.instance = random.nextInt(4) == 0 ? "i" + random.nextInt(1000) : null;
                members.put("m" + random.nextInt(10000), member);
            }
            if (step > 0 && members.size() > 1 && random.nextBoolean()) {
                List<String> ids = new ArrayList<>(members.keySet());
                members.remove(ids.get(random.nextInt(ids.size())));
            }
            if (step > 0 && random.nextInt(3) == 0) {
                partitions[random.nextInt(partitions.length)] += 1 + random.nextInt(4);
            }
            TreeSet<Integer> common = subscription(random, partitions.length);
            boolean change = step > 0 && random.nextInt(3) == 0;
            for (Member member : members.values()) {
                if (homogeneous && (step == 0 || change)) {
                    member.topics = common;
                } else if (homogeneous) {
                    member.topics = members.values().stream().map(m -> m.topics).filter(t -> !t.isEmpty())
                        .findFirst().orElse(common);
                } else if (member.topics.isEmpty() || random.nextInt(4) == 0) {
                    member.topics = subscription(random, partitions.length);
                }
            }
            assign(name, homogeneous, partitions, members);
        }
    }

    static TreeSet<Integer> subscription(Random random, int topics) {
        TreeSet<Integer> chosen = new TreeSet<>();
        for (int topic = 0; topic < topics; topic++) {
            if (random.nextInt(3) > 0) chosen.add(topic);
        }
        if (chosen.isEmpty()) chosen.add(random.nextInt(topics));
        return chosen;
    }

    static void assign(String name, boolean homogeneous, int[] partitions, TreeMap<String, Member> members) {
        TreeMap<String, MemberSubscriptionAndAssignmentImpl> specs = new TreeMap<>();
        Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
        StringJoiner described = new StringJoiner(",");
        members.forEach((id, member) -> {
            TreeSet<Uuid> topics = new TreeSet<>();
            member.topics.forEach(index -> topics.add(topic(index)));
            specs.put(id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(),
                Optional.ofNullable(member.instance), topics, new Assignment(member.assigned)));
            member.assigned.forEach((topicId, set) -> set.forEach(partition ->
                inverted.computeIfAbsent(topicId, __ -> new HashMap<>()).put(partition, id)));
            described.add("{\"id\":\"" + id + "\",\"instance\":"
                + (member.instance == null ? "null" : "\"" + member.instance + "\"")
                + ",\"topics\":" + member.topics + ",\"assigned\":" + describe(member.assigned) + "}");
        });
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            public int numPartitions(Uuid id) {
                return partitions[(int) id.getLeastSignificantBits() - 1];
            }
            public Set<String> racksForPartition(Uuid id, int partition) {
                return Set.of();
            }
        };
        PartitionAssignor assignor = name.equals("range") ? new RangeAssignor() : new UniformAssignor();
        GroupSpec spec = new GroupSpecImpl(specs,
            homogeneous ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS, inverted);
        Map<String, MemberAssignment> result = assignor.assign(spec, describer).members();
        StringJoiner expected = new StringJoiner(",");
        members.forEach((id, member) -> {
            member.assigned = new TreeMap<>();
            result.get(id).partitions().forEach((topicId, set) -> {
                if (!set.isEmpty()) member.assigned.put(topicId, new TreeSet<>(set));
            });
            expected.add(describe(member.assigned));
        });
        LINES.append(("{\"assignor\":\"" + name + "\",\"homogeneous\":" + homogeneous + ",\"partitions\":"
            + Arrays.toString(partitions) + ",\"members\":[" + described + "],\"expected\":[" + expected + "]}")
            .replace(" ", "") + "\n");
    }

    static String describe(Map<Uuid, Set<Integer>> assigned) {
        StringJoiner topics = new StringJoiner(",");
        assigned.forEach((topicId, set) -> topics.add("\"" + (topicId.getLeastSignificantBits() - 1) + "\":" + set));
        return "{" + topics + "}";
    }
}
