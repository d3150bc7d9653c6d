// What every client program does; compat/src/scenario/clients/mod.rs tells the contract.
//
// A client has four functions: produce(topic, codec, idempotent, records), which throws Refused with the client's own
// name for a refusal; consume(topic, count), giving { records, ends }; time(topic, partition, timestamp), giving an
// offset; partitions(topic), giving a count.

const { createInterface } = require('node:readline')
const { crc32 } = require('node:zlib')

const FIELD_BYTES_MAX = 64

class Refused extends Error {}

function parseField(word) {
  if (word === 'null') return null
  const [digits, count] = word.slice(1).split('*')
  return Buffer.from(digits.repeat(Number(count ?? 1)), 'hex')
}

function parseRecord([partition, timestamp, key, value, ...words]) {
  const headers = []
  for (let at = 0; at < words.length; at += 2) {
    headers.push([parseField(words[at]).toString(), parseField(words[at + 1])])
  }
  return { partition: Number(partition), timestamp, key: parseField(key), value: parseField(value), headers }
}

function showField(field) {
  if (field === null) return 'null'
  if (field.length <= FIELD_BYTES_MAX) return `=${field.toString('hex')}`
  return `=${field.length}#${crc32(field).toString(16).padStart(8, '0')}`
}

function showRecord({ partition, offset, timestamp, key, value, headers }) {
  const shown = headers.flatMap(([name, value]) => [showField(Buffer.from(name)), showField(value)])
  return [partition, offset, timestamp, showField(key), showField(value), ...shown].join(' ')
}

async function answer(client, records, [command, topic, ...words]) {
  if (command === 'produce') {
    const [codec, safety] = words
    try {
      await client.produce(topic, codec, safety === 'idempotent', records)
      return [`acked ${records.length}`]
    } catch (error) {
      if (error instanceof Refused) return [`error ${error.message}`]
      throw error
    }
  }
  if (command === 'consume') {
    const { records, ends } = await client.consume(topic, Number(words[0]))
    records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    return [...records.map(showRecord), `ends ${ends.join(' ')}`]
  }
  if (command === 'times') {
    const [partition, ...times] = words.map(Number)
    const offsets = []
    for (const time of times) offsets.push(await client.time(topic, partition, time))
    return [`offsets ${offsets.join(' ')}`]
  }
  if (command === 'partitions') return [`partitions ${await client.partitions(topic)}`]
  throw new Error(`unknown command ${command}`)
}

async function run(client) {
  let records = []
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(' ')
    if (command === 'record') {
      records.push(parseRecord(words))
    } else if (command === 'forget') {
      records = []
    } else {
      console.log(`> ${line}`)
      for (const said of await answer(client, records, [command, ...words])) console.log(said)
    }
  }
}

module.exports = { Refused, run }
