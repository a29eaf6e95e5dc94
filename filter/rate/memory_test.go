//go:build !race

package rate

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// A million keys that all used up 10/1m are held, in the memory allowed.
func TestMillionKeys(t *testing.T) {
	const keys = 1_000_000
	before := heap()
	l := newLimiter(t, Config{Policy: Policy{Limit: 10, Window: time.Minute}})
	var key []byte
	for i := range keys {
		key = fmt.Appendf(key[:0], "192.0.2.1/%d", i)
		for range 10 {
			l.TakeBytes(key, epoch)
		}
	}
	after := heap()
	s := l.Stats()
	t.Logf("%+v, %.1f bytes a key by the heap, %.1f accounted", s, float64(after-before)/keys, float64(s.Bytes)/keys)
	if s.Keys != keys || s.Evicted != 0 {
		t.Errorf("%+v, want all %d keys", s, keys)
	}
	if s.Bytes > DefaultMaxBytes {
		t.Errorf("%d bytes are accounted, more than %d", s.Bytes, DefaultMaxBytes)
	}
	// A slice header and the allocator's size classes come on top of what is accounted.
	if got := after - before; got > s.Bytes*21/20 {
		t.Errorf("%d bytes on the heap, %d accounted", got, s.Bytes)
	}
	runtime.KeepAlive(l)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
