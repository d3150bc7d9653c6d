"""usage: stock_aiokafka.py BOOTSTRAP < COMMANDS: aiokafka."""

import asyncio
import sys
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

import contract
from contract import TIMEOUT_S, Record, Refused


@asynccontextmanager
async def started(client):
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def produce(self, topic, codec, idempotent, records):
        asyncio.run(self.produce_all(topic, codec, idempotent, records))

    async def produce_all(self, topic, codec, idempotent, records):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=5,
            # The broker's limit is what is looked at, not the client's.
            max_request_size=8 << 20,
        )
        async with started(producer):
            sent = [
                await producer.send(
                    topic,
                    partition=record.partition,
                    timestamp_ms=record.timestamp,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                )
                for record in records
            ]
            try:
                await asyncio.wait_for(asyncio.gather(*sent), TIMEOUT_S)
            except KafkaError as error:
                raise Refused(type(error).__name__) from error

    def consumer(self):
        return started(AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False))

    def consume(self, topic, partitions):
        return asyncio.run(self.consume_all(topic, partitions))

    async def consume_all(self, topic, partitions):
        parts = [TopicPartition(topic, partition) for partition in range(partitions)]
        async with self.consumer() as consumer:
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            seen = []
            while len(seen) < sum(ends.values()):
                message = await asyncio.wait_for(consumer.getone(), TIMEOUT_S)
                place = message.partition, message.timestamp, message.key, message.value, message.headers
                seen.append(Record(*place, message.offset))
            return seen, [ends[part] for part in parts]

    def times(self, topic, partition, timestamps):
        return asyncio.run(self.all_times(TopicPartition(topic, partition), timestamps))

    async def all_times(self, part, timestamps):
        async with self.consumer() as consumer:
            found = [(await consumer.offsets_for_times({part: timestamp}))[part] for timestamp in timestamps]
            return [-1 if place is None else place.offset for place in found]

    def partitions(self, topic):
        return asyncio.run(self.count_partitions(topic))

    async def count_partitions(self, topic):
        async with self.consumer() as consumer:
            # Only what somebody asked for is in the client's metadata.
            await consumer._client.add_topic(topic)
            return len(consumer.partitions_for_topic(topic))


contract.run(Client(sys.argv[1]))
