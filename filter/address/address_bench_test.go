package address_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"github.com/caddy-portico/portico/filter/address"
)

var sizes = []int{200_000, 1_000_000}

func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		set, questions := big(n), questions()
		b.Run(fmt.Sprintf("Contains/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Contains(questions[i%len(questions)])
			}
		})
		b.Run(fmt.Sprintf("Match/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Match(questions[i%len(questions)])
			}
		})
	}
}

func questions() []netip.Addr {
	r := rand.New(rand.NewPCG(5, 6))
	var all []netip.Addr
	for i, p := range prefixes(2048) {
		if i%2 == 0 {
			v := r.Uint32()
			all = append(all, netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
			continue
		}
		all = append(all, p.Addr())
	}
	return all
}

// BenchmarkParse builds sets from text and reports the memory they keep.
func BenchmarkParse(b *testing.B) {
	for _, n := range sizes {
		var text bytes.Buffer
		for _, p := range prefixes(n) {
			fmt.Fprintln(&text, p.Masked())
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var set *address.Set
			var kept uint64
			for b.Loop() {
				set = nil
				before := heap()
				var err error
				if set, _, err = address.Parse(bytes.NewReader(text.Bytes()), address.Limits{}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				kept = heap() - before
				b.StartTimer()
			}
			b.ReportMetric(float64(kept)/(1<<20), "MiB-kept")
			b.ReportMetric(float64(kept)/float64(set.Len()), "B/range")
			runtime.KeepAlive(set)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
