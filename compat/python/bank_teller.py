"""usage: bank_teller.py BOOTSTRAP NUMBER LIFE classic|consumer COMMANDS_MAX ABORTED_ONE_IN, until its standard input ends:
librdkafka, through confluent-kafka.

The contract of compat/src/scenario/bank.rs.
"""

import os
import random
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from bank_ledger import POLL_S, SETTINGS, Ledger, end_of_input

TELLERS = 8
LEDGER_PARTITIONS = 4
OPENING_BALANCE = 1_000
TIMEOUT_S = 60
TRIES_MAX = 5
# The newer protocol leaves these to the broker.
TIMES = {"session.timeout.ms": 3_000, "heartbeat.interval.ms": 300}


class Teller:
    def __init__(self, bootstrap, number, life, protocol, commands_max, aborted_one_in):
        self.life = f"{number}.{life}"
        self.random = random.Random(self.life)
        self.commands_max = int(commands_max)
        self.aborted_one_in = int(aborted_one_in)
        self.transactions = 0
        self.balances = {}
        # Partitions of which no other teller can have moved money since the ledger was read.
        self.current = set()
        self.batch = []
        self.ledger = Ledger(bootstrap, "read_committed")
        common = SETTINGS | {"bootstrap.servers": bootstrap}
        self.commands = Consumer(
            common
            | (TIMES if protocol == "classic" else {})
            | {"group.id": "tellers", "group.protocol": protocol, "isolation.level": "read_committed"}
        )
        producing = {"transactional.id": f"teller-{number}", "transaction.timeout.ms": 3_000, "linger.ms": 2}
        backoffs = {key: value for key, value in common.items() if key.startswith(("bootstrap", "metadata", "reconnect"))}
        self.producer = Producer(backoffs | producing)

    def run(self, closing):
        until_done(self.producer.init_transactions)
        self.commands.subscribe(["commands"], on_assign=self.given, on_revoke=self.taken, on_lost=self.taken)
        while not closing.is_set():
            self.gather()
            if self.batch:
                self.work(self.batch)

    def given(self, _consumer, places):
        self.current.difference_update(place.partition for place in places)

    def taken(self, _consumer, places):
        gone = {place.partition for place in places}
        self.current -= gone
        self.batch = [message for message in self.batch if message.partition() not in gone]

    def gather(self):
        self.batch = []
        message = self.commands.poll(POLL_S)
        while message is not None:
            if message.error() is None:
                self.batch.append(message)
            if len(self.batch) == self.commands_max:
                break
            message = self.commands.poll(0)

    def work(self, batch):
        partitions = {message.partition() for message in batch}
        if not partitions <= self.current:
            self.read_ledger()
            self.current |= partitions
        membership = self.commands.consumer_group_metadata()
        transaction = f"{self.life}.{self.transactions}"
        self.transactions += 1
        moved = {}
        try:
            self.producer.begin_transaction()
            for message in batch:
                self.move(f"{transaction} {2 * len(batch)}", message.value().decode().split(), moved)
            following = {message.partition(): message.offset() + 1 for message in batch}
            places = [TopicPartition("commands", partition, offset) for partition, offset in following.items()]
            until_done(self.producer.send_offsets_to_transaction, places, membership)
            if self.random.randrange(self.aborted_one_in) == 0:
                self.abort(transaction, batch)
                return
            until_done(self.producer.commit_transaction)
        except KafkaException as error:
            # Of an abort, as of everything else, the next life makes the best. This one must not write any more:
            # librdkafka 2.16 gives the next records the sequence numbers of those that it gave up. Apache Kafka takes
            # what of these is in the log for the next records' first copy, which are then lost; Highwater refuses the
            # records (ADR 36).
            give_up(f"{transaction}: {error}")
        self.balances |= moved
        print("committed", transaction, flush=True)

    def abort(self, transaction, batch):
        # Nothing is given up: see above.
        if self.producer.flush(TIMEOUT_S) > 0:
            give_up(f"{transaction}: not acknowledged")
        until_done(self.producer.abort_transaction)
        first = {message.partition(): message.offset() for message in reversed(batch)}
        held = {place.partition for place in self.commands.assignment()}
        for partition in first.keys() & held:
            self.commands.seek(TopicPartition("commands", partition, first[partition]))
        print("aborted", transaction, flush=True)

    def move(self, head, words, moved):
        """Debit and credit, of nothing if the account holds too little."""
        command, source, target, asked = map(int, words)
        amount = asked if self.balance(source, moved) >= asked else 0
        self.write(f"{head} {command}", source, -amount, moved)
        self.write(f"{head} {command}", target, amount, moved)

    def balance(self, account, moved):
        return moved.get(account, self.balances.get(account, OPENING_BALANCE))

    def write(self, head, account, change, moved):
        moved[account] = self.balance(account, moved) + change
        entry = f"{head} {account} {change} {moved[account]}"
        self.producer.produce("ledger", entry, partition=account // TELLERS % LEDGER_PARTITIONS)

    def read_ledger(self):
        """Up to where it ends now, beyond every transaction that is open now."""
        ends = self.ledger.ends()
        self.ledger.open()
        self.ledger.read_to(ends, self.learn)
        self.ledger.close()

    def learn(self, message):
        words = message.value().split()
        self.balances[int(words[3])] = int(words[5])


def until_done(call, *words):
    """These calls may be made again when they say so."""
    for _ in range(TRIES_MAX - 1):
        try:
            return call(*words, TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
    return call(*words, TIMEOUT_S)


def give_up(why):
    print(why, file=sys.stderr, flush=True)
    # Without closing anything: now and then librdkafka 2.16 never comes to an end with a consumer of the newer protocol.
    os._exit(1)


closing = end_of_input()
try:
    Teller(*sys.argv[1:]).run(closing)
except KafkaException as error:
    give_up(error)
os._exit(0)
