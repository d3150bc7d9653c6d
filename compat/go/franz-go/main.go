// Command franz-go is the client of that name under the contract.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"compat/contract"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

type client struct{ bootstrap string }

func main() {
	contract.Run(func(bootstrap string) contract.Client { return client{bootstrap} })
}

func (c client) connect(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(c.bootstrap))...)
}

func (c client) Produce(
	ctx context.Context, topic, codec string, idempotent bool, records []contract.Record,
) error {
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerBatchMaxBytes(contract.RequestBytesMax),
	}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	connected, err := c.connect(options...)
	if err != nil {
		return err
	}
	defer connected.Close()
	var out []*kgo.Record
	for _, record := range records {
		converted := &kgo.Record{
			Topic: topic, Partition: int32(record.Partition), Timestamp: record.Time, Key: record.Key, Value: record.Value,
		}
		for _, header := range record.Headers {
			converted.Headers = append(converted.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		out = append(out, converted)
	}
	err = connected.ProduceSync(ctx, out...).FirstErr()
	var refusal *kerr.Error
	if errors.As(err, &refusal) {
		return contract.Refused(refusal.Message)
	}
	return err
}

func (c client) Consume(ctx context.Context, topic string, count int) ([]contract.Record, []int64, error) {
	starts := map[int32]kgo.Offset{}
	for partition := range count {
		starts[int32(partition)] = kgo.NewOffset().AtStart()
	}
	connected, err := c.connect(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))
	if err != nil {
		return nil, nil, err
	}
	defer connected.Close()
	listed, err := kadm.NewClient(connected).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	var ends []int64
	var left int64
	for partition := range count {
		ends = append(ends, listed[topic][int32(partition)].Offset)
		left += ends[partition]
	}
	var seen []contract.Record
	for int64(len(seen)) < left {
		fetches := connected.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) { seen = append(seen, convert(record)) })
	}
	return seen, ends, nil
}

func convert(record *kgo.Record) contract.Record {
	converted := contract.Record{
		Partition: int(record.Partition), Offset: record.Offset, Time: record.Timestamp, Key: record.Key, Value: record.Value,
	}
	for _, header := range record.Headers {
		converted.Headers = append(converted.Headers, contract.Header{Name: header.Key, Value: header.Value})
	}
	return converted
}

func (c client) Time(ctx context.Context, topic string, partition int, at time.Time) (int64, error) {
	connected, err := c.connect()
	if err != nil {
		return 0, err
	}
	defer connected.Close()
	listed, err := kadm.NewClient(connected).ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err != nil {
		return 0, err
	}
	return listed[topic][int32(partition)].Offset, nil
}

func (c client) Partitions(ctx context.Context, topic string) (int, error) {
	connected, err := c.connect()
	if err != nil {
		return 0, err
	}
	defer connected.Close()
	listed, err := kadm.NewClient(connected).ListTopics(ctx, topic)
	return len(listed[topic].Partitions), err
}
