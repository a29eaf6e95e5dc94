package rate

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// However many ask at once, exactly the quota passes, for each key.
func TestExactAtOnce(t *testing.T) {
	for _, p := range []Policy{
		{Limit: 10, Window: time.Minute},
		{Limit: 10, Window: time.Minute, Burst: 5},
		{Limit: 1000, Window: time.Minute},
	} {
		l := newLimiter(t, Config{Policy: p})
		const keys = 8
		var passed [keys]atomic.Int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				for i := range (p.Quota()/16 + 1) * keys {
					key := i % keys
					if l.Take(fmt.Sprint("key ", key), epoch.Add(time.Duration(i)*time.Microsecond)).Allowed {
						passed[key].Add(1)
					}
				}
			})
		}
		all.Wait()
		for key := range passed {
			if n := passed[key].Load(); n != int64(p.Quota()) {
				t.Errorf("%+v: %d passed of key %d, want %d", p, n, key, p.Quota())
			}
		}
	}
}

// A flood of keys neither takes more memory than allowed nor has used-up counters
// forgotten: it evicts its own.
func TestFloodOfKeys(t *testing.T) {
	for _, p := range []Policy{
		{Limit: 10, Window: time.Minute},
		{Limit: 10, Window: time.Minute, Burst: 5},
		{Limit: 100, Window: time.Minute},
	} {
		l := newLimiter(t, Config{Policy: p, MaxBytes: 1 << 20})
		victims := l.MaxKeys() / 10
		for i := range victims {
			for range p.Quota() {
				l.Take(fmt.Sprint("victim ", i), epoch)
			}
		}
		for i := range 10 * l.MaxKeys() {
			l.Take(fmt.Sprint("flood ", i), epoch.Add(time.Millisecond))
		}
		forgotten := 0
		for i := range victims {
			if l.Peek(fmt.Sprint("victim ", i), epoch.Add(time.Second)).Allowed {
				forgotten++
			}
		}
		s := l.Stats()
		t.Logf("%+v: %d of %d forgotten, %+v of %d keys", p, forgotten, victims, s, l.MaxKeys())
		if s.Bytes > 1<<20 || s.Keys > l.MaxKeys() {
			t.Errorf("%+v: %+v, more than allowed", p, s)
		}
		if forgotten > 0 {
			t.Errorf("%+v: the counters of %d of %d keys are forgotten", p, forgotten, victims)
		}
	}
}

// Keys whose window has passed go first, and none that counts with them. That is
// promised of a shard: were there two, the seed of the hash might fill one of them
// with keys that count.
func TestIdleKeysGoFirst(t *testing.T) {
	l := newLimiter(t, Config{Policy: Policy{Limit: 60, Window: time.Minute}, MaxBytes: 64 << 10})
	if len(l.shards) != 1 {
		t.Fatalf("%d shards, want 1", len(l.shards))
	}
	half := l.MaxKeys() / 2
	for i := range half {
		l.Take(fmt.Sprint("old ", i), epoch)
	}
	later := epoch.Add(time.Minute)
	for i := range half {
		l.Take(fmt.Sprint("new ", i), later)
	}
	for i := range half / 2 {
		l.Take(fmt.Sprint("newest ", i), later)
	}
	if s := l.Stats(); s.Evicted != 0 {
		t.Errorf("%d keys were forgotten that still counted", s.Evicted)
	}
	for i := range half {
		if r := l.Peek(fmt.Sprint("new ", i), later); r.Remaining != 59 {
			t.Fatalf("key %d was forgotten: %+v", i, r)
		}
	}
}

func TestForget(t *testing.T) {
	l := newLimiter(t, Config{Policy: Policy{Limit: 1, Window: time.Minute}})
	keys := 1000
	for i := range keys {
		l.Take(fmt.Sprint(i), epoch)
	}
	for i := 0; i < keys; i += 2 {
		l.Forget(fmt.Sprint(i))
	}
	l.Forget("never seen")
	for i := range keys {
		if got, want := l.Peek(fmt.Sprint(i), epoch).Allowed, i%2 == 0; got != want {
			t.Errorf("key %d: allowed = %t, want %t", i, got, want)
		}
	}
	if s := l.Stats(); s.Keys != keys/2 {
		t.Errorf("%d keys, want %d", s.Keys, keys/2)
	}
}

// Readings that go back, as those of two goroutines may, open no window.
func TestClockGoesBack(t *testing.T) {
	l := newLimiter(t, Config{Policy: Policy{Limit: 2, Window: time.Minute}})
	passed := 0
	for i := range 100 {
		at := epoch.Add(30*time.Second - time.Duration(i)*time.Second)
		if l.Take("key", at).Allowed {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("%d passed, want 2", passed)
	}
}

func TestAllocations(t *testing.T) {
	l := newLimiter(t, Config{Policy: Policy{Limit: 10, Window: time.Minute, Burst: 3}})
	key := []byte("key")
	l.Take("key", epoch)
	if n := testing.AllocsPerRun(1000, func() {
		l.Take("key", epoch)
		l.TakeBytes(key, epoch)
		l.Peek("key", epoch)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkTake(b *testing.B) {
	for _, keys := range []uint64{1, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			l := newLimiter(b, Config{Policy: Policy{Limit: 10, Window: time.Minute}})
			var key [16]byte
			for i := range keys {
				binary.LittleEndian.PutUint64(key[:], i)
				l.TakeBytes(key[:], epoch)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var seed atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				i, key := seed.Add(1)*7919, [16]byte{}
				for pb.Next() {
					i += 7919
					binary.LittleEndian.PutUint64(key[:], i%keys)
					l.TakeBytes(key[:], epoch.Add(time.Duration(i)))
				}
			})
		})
	}
}
