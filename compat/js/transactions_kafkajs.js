// usage: transactions_kafkajs.js BOOTSTRAP < COMMANDS: kafkajs.
//
// compat/src/scenario/transactions.rs tells the contract. The client asks for a new epoch at each begin, not at init.

const readline = require('readline')
const { Kafka, logLevel } = require('kafkajs')

const PARTITIONS = [0, 1, 2]

class Client {
  constructor(bootstrap) {
    this.kafka = new Kafka({
      brokers: [bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 40 },
    })
    this.producers = {}
    this.transactions = {}
    this.reads = 0
  }

  async init(name, transactionalId, timeoutMs) {
    const settings = { transactionalId, transactionTimeout: Number(timeoutMs), idempotent: true, maxInFlightRequests: 1 }
    await this.producers[name]?.disconnect()
    this.producers[name] = this.kafka.producer(settings)
    await this.producers[name].connect()
  }

  async begin(name) {
    this.transactions[name] = await this.producers[name].transaction()
  }

  async send(name, topic, partition, value) {
    await this.transactions[name].send({ topic, messages: [{ partition: Number(partition), value }] })
  }

  async offsets(name, consumerGroupId, topic, offset) {
    const partitions = PARTITIONS.map(partition => ({ partition, offset }))
    await this.transactions[name].sendOffsets({ consumerGroupId, topics: [{ topic, partitions }] })
  }

  async commit(name) {
    await this.transactions[name].commit()
  }

  async abort(name) {
    await this.transactions[name].abort()
  }

  async read(topic, isolation, last) {
    this.reads += 1
    const groupId = `kafkajs-reads-${topic}-${this.reads}`
    const consumer = this.kafka.consumer({ groupId, readUncommitted: isolation === 'uncommitted', maxWaitTimeInMs: 100 })
    const seen = PARTITIONS.map(() => [])
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise(resolve => {
      consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          seen[partition].push(message.value.toString())
          if (seen.every(values => values.includes(last))) resolve()
        },
      })
    })
    await consumer.disconnect()
    for (const partition of PARTITIONS) console.log(partition, ...seen[partition])
  }
}

async function main() {
  const client = new Client(process.argv[2])
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, ...rest] = line.split(' ')
    try {
      await client[word](...rest)
      console.log('ok')
    } catch (error) {
      const first = error.cause ?? error
      console.log('error', first.type ?? first.name)
    }
  }
  process.exit(0)
}

main()
