package top

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)

func client(n uint32) netip.Prefix {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], n)
	return netip.PrefixFrom(netip.AddrFrom4(a), 32)
}

// Against a map that holds everything: no count is too small, none is too large by
// more than it says, and who is frequent is there.
func TestAgainstTwin(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 1))
		top, twin := New(), map[netip.Prefix]uint64{}
		total := 0
		for range 50_000 {
			c := client(uint32(10_000 + dice.IntN(100_000))) // many that come once
			if dice.IntN(3) == 0 {
				c = client(uint32(dice.ExpFloat64() * 5)) // few that come often
			}
			top.Add(c, dice.IntN(3), epoch)
			twin[c]++
			total++
		}
		there := map[netip.Prefix]bool{}
		list := top.List(1<<20, epoch)
		for i, c := range list {
			there[c.Client] = true
			if c.Count < twin[c.Client] || c.Count-c.Error > twin[c.Client] {
				t.Fatalf("seed %d: %v counted %d ± %d, is %d", seed, c.Client, c.Count, c.Error, twin[c.Client])
			}
			if i > 0 && c.Count > list[i-1].Count {
				t.Fatalf("seed %d: not in order at %d", seed, i)
			}
			sum := uint64(0)
			for _, n := range c.By {
				sum += n
			}
			if sum != c.Count-c.Error {
				t.Fatalf("seed %d: reasons of %v sum to %d, want %d", seed, c.Client, sum, c.Count-c.Error)
			}
		}
		if len(list) > shards*slots {
			t.Fatalf("%d clients are held", len(list))
		}
		for c, n := range twin {
			// A shard has twice its share at most, but for bad luck beyond any test.
			if n > uint64(2*total/shards/slots) && !there[c] {
				t.Errorf("seed %d: %v with %d of %d is missing", seed, c, n, total)
			}
		}
	}
}

func TestGenerations(t *testing.T) {
	top := New()
	tests := []struct {
		after time.Duration // the epoch, half past midnight
		want  uint64
	}{
		{0, 1},
		{29 * time.Minute, 2},
		{31 * time.Minute, 3}, // the next hour
		{60 * time.Minute, 4},
		{30 * time.Minute, 5},  // a clock that was read a little earlier
		{91 * time.Minute, 4},  // the hour after: the first is forgotten
		{600 * time.Minute, 1}, // long after: all are
	}
	for _, tt := range tests {
		now := epoch.Add(tt.after)
		top.Add(client(1), 0, now)
		if got := top.List(1, now)[0].Count; got != tt.want {
			t.Errorf("after %v: %d, want %d", tt.after, got, tt.want)
		}
	}
	if got := top.List(10, epoch.Add(1000*time.Minute)); len(got) != 0 {
		t.Errorf("all are forgotten in time: %v", got)
	}
	if since := Since(epoch); !since.Equal(epoch.Add(-90 * time.Minute)) {
		t.Errorf("since %v", since)
	}
}

func TestConcurrent(t *testing.T) {
	top := New()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 1000 {
				top.Add(client(uint32(i%10)), g, epoch)
				if i%100 == 0 {
					top.List(5, epoch)
				}
			}
		})
	}
	all.Wait()
	for _, c := range top.List(10, epoch) {
		if c.Count != 800 {
			t.Errorf("%v: %d, want 800", c.Client, c.Count)
		}
	}
}

func BenchmarkAddNew(b *testing.B) {
	top := New()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		top.Add(client(uint32(i)), 1, epoch)
	}
}
