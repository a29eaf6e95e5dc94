package lbpolicy

import (
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the latency histogram, in seconds: from what a
// local socket takes to what a timeout does.
var bounds = [...]float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
}

// histogram counts latencies. It is read by the collector of the metrics.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i, s := 0, d.Seconds()
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// read returns the cumulative counts as Prometheus wants them.
func (h *histogram) read() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < len(bounds) {
			buckets[bounds[i]] = count
		}
	}
	return count, time.Duration(h.nanos.Load()).Seconds(), buckets
}
