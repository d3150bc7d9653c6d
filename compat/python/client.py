"""usage: client.py BOOTSTRAP [settle]

confluent-kafka against a broker: says what it sees, the same in every run. Apache Kafka may answer a creation before
its broker knows the topic: `settle` waits for that; without it a created topic must be there at once.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

TIMEOUT_S = 30
START_MS = 1_700_000_000_000


def say(*words):
    print(*words, flush=True)


def administer(admin):
    say("## topics")
    created = admin.create_topics(
        [
            NewTopic("python", num_partitions=3, config={"retention.ms": "-1"}),
            NewTopic("other", num_partitions=1),
        ]
    )
    for topic in ("python", "other"):
        say("created", topic, created[topic].result(timeout=TIMEOUT_S))
    try:
        admin.create_topics([NewTopic("other", num_partitions=1)])["other"].result(timeout=TIMEOUT_S)
    except KafkaException as error:
        say("again:", error.args[0].name())
    listed = admin.list_topics(timeout=TIMEOUT_S).topics
    deadline = time.monotonic() + TIMEOUT_S
    while "settle" in sys.argv and len(listed) < 2 and time.monotonic() < deadline:
        listed = admin.list_topics(timeout=TIMEOUT_S).topics
    say("listed", {name: len(topic.partitions) for name, topic in sorted(listed.items())})
    resource = ConfigResource(ResourceType.TOPIC, "python")
    configs = admin.describe_configs([resource])[resource].result(timeout=TIMEOUT_S)
    for name in ("cleanup.policy", "max.message.bytes", "message.timestamp.type", "retention.ms"):
        say("config", name, configs[name].value, "default" if configs[name].is_default else "set")
    described = admin.describe_cluster().result(timeout=TIMEOUT_S)
    say("cluster of", len(described.nodes), "controller", described.controller.id)


def produce(bootstrap):
    say("## produce")
    reports = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for number in range(30):
        producer.produce(
            "python",
            key=f"key {number % 7}",
            value=f"value {number}",
            partition=number % 3,
            headers=[("number", str(number)), ("number", "again")],
            timestamp=START_MS + number * 1000,
            on_delivery=lambda error, message: reports.append((error, message.partition(), message.offset())),
        )
    say("left after flush", producer.flush(TIMEOUT_S))
    say("errors", sum(1 for error, _, _ in reports if error is not None))
    say("offsets", sorted((partition, offset) for _, partition, offset in reports))


def consume(bootstrap):
    say("## consume")
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False, "check.crcs": True}
    )
    for partition in range(3):
        say("watermarks", partition, consumer.get_watermark_offsets(TopicPartition("python", partition), TIMEOUT_S))
    times = [TopicPartition("python", 0, START_MS + 9_500), TopicPartition("python", 1, START_MS + 100_000)]
    found = consumer.offsets_for_times(times, timeout=TIMEOUT_S)
    say("by time", [(part.partition, part.offset) for part in found])
    consumer.assign([TopicPartition("python", 0, 0), TopicPartition("python", 1, 4), TopicPartition("python", 2, 9)])
    seen = []
    while len(seen) < 10 + 6 + 1:
        message = consumer.poll(TIMEOUT_S)
        assert message is not None and message.error() is None, message and message.error()
        seen.append(message)
    for message in sorted(seen, key=lambda message: (message.partition(), message.offset())):
        place = (message.partition(), message.offset())
        say(place, message.key(), message.value(), message.headers(), message.timestamp()[1] - START_MS)
    consumer.close()


def offsets_and_deletion(admin):
    say("## offsets through the admin client")
    partition = TopicPartition("python", 0)
    for name, spec in (
        ("earliest", OffsetSpec.earliest()),
        ("latest", OffsetSpec.latest()),
        ("max timestamp", OffsetSpec.max_timestamp()),
        ("by time", OffsetSpec.for_timestamp(START_MS + 1)),
    ):
        result = admin.list_offsets({partition: spec})[partition].result(timeout=TIMEOUT_S)
        say(name, result.offset, result.timestamp - START_MS if result.timestamp > 0 else result.timestamp)
    say("## delete")
    say("deleted", admin.delete_topics(["other"])["other"].result(timeout=TIMEOUT_S))
    try:
        admin.delete_topics(["other"])["other"].result(timeout=TIMEOUT_S)
    except KafkaException as error:
        say("again:", error.args[0].name())


def main():
    bootstrap = sys.argv[1]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    administer(admin)
    produce(bootstrap)
    consume(bootstrap)
    offsets_and_deletion(admin)


main()
