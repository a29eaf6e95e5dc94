package pick

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

// shared is the runtime's own source of chance, as the modules use it.
type shared struct{}

func (shared) Uint64() uint64 { return rand.Uint64() }

func warmPool(n int) ([]*estimate.Host, []Candidate) {
	hosts, c := make([]*estimate.Host, n), pool(make([]int, n)...)
	for i := range hosts {
		hosts[i] = host(20*time.Millisecond, estimate.Success, 100)
		c[i].RIF = i % 5
	}
	return hosts, c
}

func BenchmarkLeastTime(b *testing.B) {
	for _, n := range []int{3, 16, 100} {
		hosts, c := warmPool(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LeastTime(time.Second, hosts, c, shared{})
			}
		})
	}
}

// A whole request on each of several processors: choose, begin, end.
func BenchmarkRequestParallel(b *testing.B) {
	hosts, c := warmPool(3)
	start := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			now := time.Since(start)
			h := hosts[LeastTime(now, hosts, c, shared{})]
			h.Begin(now)
			h.End(now, estimate.Outcome{Latency: 20 * time.Millisecond, RIF: 3})
		}
	})
}

func BenchmarkLeastTimeParallel(b *testing.B) {
	hosts, c := warmPool(3)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			LeastTime(time.Second, hosts, c, shared{})
		}
	})
}

func BenchmarkBeginEnd(b *testing.B) {
	hosts, _ := warmPool(1)
	now := time.Second
	b.ReportAllocs()
	for b.Loop() {
		now += time.Millisecond
		hosts[0].Begin(now)
		hosts[0].End(now, estimate.Outcome{Latency: 20 * time.Millisecond, RIF: int(now>>20) % 10})
	}
}

func BenchmarkLeastRequest(b *testing.B) {
	for _, n := range []int{3, 16, 100} {
		_, c := warmPool(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				LeastRequest(c, 0, shared{})
			}
		})
	}
}

func BenchmarkTurns(b *testing.B) {
	e, turns := entries(5, 1, 1), new(Turns)
	b.ReportAllocs()
	for b.Loop() {
		turns.Next(e)
	}
}
