// Command sarama is the client of that name under the contract.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"compat/contract"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

type client struct{ bootstrap string }

func main() {
	contract.Run(func(bootstrap string) contract.Client { return client{bootstrap} })
}

func (c client) connect(change func(*sarama.Config)) (sarama.Client, error) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	change(config)
	return sarama.NewClient([]string{c.bootstrap}, config)
}

// waitMax is how long a fetch waits at the end of a partition, and so a consumer when it is closed.
const waitMax = 50 * time.Millisecond

func reading(config *sarama.Config) { config.Consumer.MaxWaitTime = waitMax }

func (c client) Produce(_ context.Context, topic, codec string, idempotent bool, records []contract.Record) error {
	connected, err := c.connect(func(config *sarama.Config) {
		config.Producer.Compression = codecs[codec]
		config.Producer.Idempotent = idempotent
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Partitioner = sarama.NewManualPartitioner
		config.Producer.MaxMessageBytes = contract.RequestBytesMax
		config.Producer.Return.Successes = true
		if idempotent {
			config.Net.MaxOpenRequests = 1
		}
	})
	if err != nil {
		return err
	}
	defer connected.Close()
	producer, err := sarama.NewSyncProducerFromClient(connected)
	if err != nil {
		return err
	}
	defer producer.Close()
	var out []*sarama.ProducerMessage
	for _, record := range records {
		out = append(out, message(topic, record))
	}
	var failures sarama.ProducerErrors
	var refusal sarama.KError
	err = producer.SendMessages(out)
	if errors.As(err, &failures) && errors.As(failures[0], &refusal) {
		return contract.Refused(refusal.Error())
	}
	return err
}

func message(topic string, record contract.Record) *sarama.ProducerMessage {
	out := &sarama.ProducerMessage{Topic: topic, Partition: int32(record.Partition), Timestamp: record.Time}
	// No encoder at all is how null is told.
	if record.Key != nil {
		out.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		out.Value = sarama.ByteEncoder(record.Value)
	}
	for _, header := range record.Headers {
		out.Headers = append(out.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
	}
	return out
}

func (c client) Consume(ctx context.Context, topic string, count int) ([]contract.Record, []int64, error) {
	connected, err := c.connect(reading)
	if err != nil {
		return nil, nil, err
	}
	defer connected.Close()
	consumer, err := sarama.NewConsumerFromClient(connected)
	if err != nil {
		return nil, nil, err
	}
	defer consumer.Close()
	// All partitions first, so that they are fetched together.
	var started []sarama.PartitionConsumer
	var ends []int64
	for partition := range count {
		end, err := connected.GetOffset(topic, int32(partition), sarama.OffsetNewest)
		if err != nil {
			return nil, nil, err
		}
		ends = append(ends, end)
		consuming, err := consumer.ConsumePartition(topic, int32(partition), sarama.OffsetOldest)
		if err != nil {
			return nil, nil, err
		}
		defer consuming.Close()
		started = append(started, consuming)
	}
	var seen []contract.Record
	for partition, consuming := range started {
		for range ends[partition] {
			select {
			case message := <-consuming.Messages():
				seen = append(seen, convert(message))
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		}
	}
	return seen, ends, nil
}

func convert(message *sarama.ConsumerMessage) contract.Record {
	converted := contract.Record{
		Partition: int(message.Partition), Offset: message.Offset, Time: message.Timestamp,
		Key: message.Key, Value: message.Value,
	}
	for _, header := range message.Headers {
		converted.Headers = append(converted.Headers, contract.Header{Name: string(header.Key), Value: header.Value})
	}
	return converted
}

func (c client) Time(_ context.Context, topic string, partition int, at time.Time) (int64, error) {
	connected, err := c.connect(reading)
	if err != nil {
		return 0, err
	}
	defer connected.Close()
	return connected.GetOffset(topic, int32(partition), at.UnixMilli())
}

func (c client) Partitions(_ context.Context, topic string) (int, error) {
	connected, err := c.connect(reading)
	if err != nil {
		return 0, err
	}
	defer connected.Close()
	partitions, err := connected.Partitions(topic)
	return len(partitions), err
}
