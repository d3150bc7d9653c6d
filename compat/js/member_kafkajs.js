// usage: member_kafkajs.js BOOTSTRAP GROUP TOPIC, until its input ends: kafkajs.
//
// compat/src/scenario/group_members.rs tells the contract.

const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, groupId, topic] = process.argv.slice(2)
const SESSION_TIMEOUT_MS = 6000
const HEARTBEAT_INTERVAL_MS = 500

const say = (...words) => console.log(Date.now(), ...words)

async function main() {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 100, retries: 20 } })
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    maxWaitTimeInMs: 100,
  })
  let owned = []
  const giveUp = () => {
    say('revoked', ...owned)
    owned = []
  }
  consumer.on(consumer.events.REBALANCING, giveUp)
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // After a lost connection it joins again without a word.
    if (owned.length > 0) giveUp()
    owned = payload.memberAssignment[topic] ?? []
    say('assigned', ...owned)
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { partition, messages }, resolveOffset, isRunning, isStale, heartbeat }) => {
      if (!isRunning() || isStale()) return
      for (const { offset } of messages) {
        say('record', partition, offset)
        resolveOffset(offset)
      }
      const offset = String(Number(messages.at(-1).offset) + 1)
      await consumer.commitOffsets([{ topic, partition, offset }])
      say('committed', partition, offset)
      await heartbeat()
    },
  })
  await new Promise(resolve => process.stdin.on('end', resolve).resume())
  await consumer.disconnect()
  say('left')
  process.exit(0)
}

main()
