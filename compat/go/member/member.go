// Package member is what every member of a group says, whatever its client; compat/src/scenario/group_members.rs
// tells the contract.
package member

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	SessionTimeout    = 6 * time.Second
	HeartbeatInterval = 500 * time.Millisecond
)

var speaking sync.Mutex

// Say prints one line with the time in front.
func Say(word string, rest ...any) {
	speaking.Lock()
	defer speaking.Unlock()
	words := append([]any{time.Now().UnixMilli(), word}, rest...)
	fmt.Println(words...)
}

// Partitions makes what Say takes.
func Partitions(partitions []int32) []any {
	words := make([]any, 0, len(partitions))
	for _, partition := range partitions {
		words = append(words, partition)
	}
	return words
}

// UntilEndOfInput is done when the standard input has ended.
func UntilEndOfInput() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}
