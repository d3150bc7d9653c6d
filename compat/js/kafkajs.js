// usage: kafkajs.js BOOTSTRAP < COMMANDS: kafkajs.
//
// It has no consumer without a group: it reads as the only member of one, a new one each time.

const { CompressionCodecs, CompressionTypes, Kafka, KafkaJSProtocolError, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')
const { Refused, run } = require('./contract')

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}
const FETCH_BYTES_MAX = 1 << 20

// What the client's documents tell to plug in for the codecs that it does not bring.
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: ({ buffer }) => lz4.compressFrame(buffer),
  decompress: buffer => lz4.decompressFrame(buffer),
})
const zstd = new Promise(resolve => ZstdCodec.run(library => resolve(new library.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async ({ buffer }) => Buffer.from((await zstd).compress(buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})

class Client {
  constructor(bootstrap) {
    this.kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    this.groups = 0
  }

  async produce(topic, codec, idempotent, records) {
    const producer = this.kafka.producer({ idempotent, createPartitioner: () => ({ message }) => message.partition })
    await producer.connect()
    try {
      const messages = records.map(record => ({ ...record, headers: grouped(record.headers) }))
      await producer.send({ topic, compression: CODECS[codec], messages })
    } catch (error) {
      const refusal = error.cause ?? error
      throw refusal instanceof KafkaJSProtocolError ? new Refused(refusal.type) : error
    } finally {
      await producer.disconnect()
    }
  }

  async admin(work) {
    const admin = this.kafka.admin()
    await admin.connect()
    try {
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async consume(topic, count) {
    const offsets = await this.admin(admin => admin.fetchTopicOffsets(topic))
    const ends = Array.from({ length: count }, (_, at) => Number(offsets.find(({ partition }) => partition === at).high))
    return { records: await this.readTo(ends, topic), ends }
  }

  async readTo(ends, topic) {
    const records = []
    const next = ends.map(() => 0)
    if (next.every((offset, partition) => offset >= ends[partition])) return records
    const consumer = this.kafka.consumer({
      groupId: `of-${process.pid}-${(this.groups += 1)}`,
      maxBytesPerPartition: FETCH_BYTES_MAX,
      maxWaitTimeInMs: 100,
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const eachMessage = done => async ({ partition, message }) => {
      records.push({ ...message, partition, headers: spread(message.headers) })
      next[partition] = Number(message.offset) + 1
      if (next.every((offset, partition) => offset >= ends[partition])) done()
    }
    await new Promise((done, failed) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error))
      consumer.run({ eachMessage: eachMessage(done) }).catch(failed)
    })
    await consumer.disconnect()
    return records
  }

  async time(topic, wanted, timestamp) {
    const offsets = await this.admin(admin => admin.fetchTopicOffsetsByTimestamp(topic, timestamp))
    return offsets.find(({ partition }) => partition === wanted).offset
  }

  async partitions(topic) {
    const { topics } = await this.admin(admin => admin.fetchTopicMetadata({ topics: [topic] }))
    return topics[0].partitions.length
  }
}

// Headers are an object to the client: of one name with several values it makes an array, in the place of the first.
function grouped(headers) {
  const names = [...new Set(headers.map(([name]) => name))]
  return Object.fromEntries(names.map(name => [name, headers.filter(header => header[0] === name).map(header => header[1])]))
}

function spread(headers) {
  return Object.entries(headers).flatMap(([name, values]) => [values].flat().map(value => [name, value]))
}

run(new Client(process.argv[2]))
