"""usage: member_aiokafka.py BOOTSTRAP GROUP TOPIC, until its input ends: aiokafka."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from member import POLL_S, SETTINGS, closing, say, topic


class Listener(ConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        say("assigned", *(part.partition for part in assigned))

    async def on_partitions_revoked(self, revoked):
        say("revoked", *(part.partition for part in revoked))


async def consume(consumer):
    batches = await consumer.getmany(timeout_ms=int(POLL_S * 1000))
    following = {}
    for part, records in batches.items():
        for record in records:
            say("record", record.partition, record.offset)
            following[part] = record.offset + 1
    if following:
        await consumer.commit(following)
        for part, offset in following.items():
            say("committed", part.partition, offset)


async def run():
    consumer = AIOKafkaConsumer(**SETTINGS)
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    while not closing.is_set():
        try:
            await consume(consumer)
        except KafkaError as error:
            # Another generation, or a broker that is away: the client goes on by itself.
            print(error, file=sys.stderr)
    await consumer.stop()
    say("left")


asyncio.run(run())
