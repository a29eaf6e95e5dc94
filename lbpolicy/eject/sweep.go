package eject

import (
	"math"
	"slices"
	"time"
)

const (
	// significance is how many standard errors two failure rates must be apart.
	significance = 3
	// largePool is the least number of hosts whose spread says something.
	largePool = 6
	// spread is how many scaled median absolute deviations an outlier is away.
	spread = 3
	// scaleMAD makes a median absolute deviation a standard deviation, if
	// values are normally distributed.
	scaleMAD = 1.4826
)

// A sample is what one host did in an interval.
type sample struct {
	host            *Host
	total           float64
	failures, delay float64 // failed part; mean latency of the successes, in seconds
}

// sweep compares the hosts and begins a new interval. d.mu is held.
func (d *Detector) sweep(now time.Duration) {
	var samples []sample
	for _, h := range d.hosts {
		if s, ok := h.take(d.cfg.MinRequests); ok {
			samples = append(samples, s)
		}
	}
	bad := make([]Reason, len(samples))
	for i := range samples {
		bad[i] = d.judge(samples, i)
	}
	// The worst first: not all may be allowed to go.
	order := make([]int, len(samples))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(math.Copysign(1, samples[b].failures-samples[a].failures))
	})
	for _, i := range order {
		h := samples[i].host
		if bad[i] != None && !h.out() {
			d.eject(h, now, bad[i])
		} else if bad[i] == None && h.times > 0 && !h.out() {
			h.times--
		}
	}
}

// take ends the host's interval.
func (h *Host) take(least int) (sample, bool) {
	total, failed, latency := h.total.Swap(0), h.failed.Swap(0), h.latency.Swap(0)
	if total < int64(least) || h.out() {
		return sample{}, false
	}
	s := sample{host: h, total: float64(total), failures: float64(failed) / float64(total)}
	if total > failed {
		s.delay = time.Duration(latency).Seconds() / float64(total-failed)
	}
	return s, true
}

// judge compares one host with the others.
func (d *Detector) judge(all []sample, i int) Reason {
	if len(all) < 2 {
		return None
	}
	s := all[i]
	failures, delays := make([]float64, 0, len(all)), make([]float64, 0, len(all))
	requests := 0.0
	for k, o := range all {
		if k != i {
			failures, delays = append(failures, o.failures), append(delays, o.delay)
			requests += o.total
		}
	}
	rest := median(failures)
	excess := s.failures - rest
	switch c := d.cfg; {
	case !beyondChance(s, rest, requests) && !beyondSpread(s.delay, delays):
		return None
	case c.FailurePercent > 0 && 100*s.failures >= c.FailurePercent && excess > 0 && beyondChance(s, rest, requests):
		return FailurePercentage
	case c.Margin > 0 && 100*excess >= c.Margin && beyondChance(s, rest, requests) && beyondSpread(s.failures, failures):
		return SuccessRate
	case c.Slower > 0 && s.delay > c.Slower*median(delays) && median(delays) > 0 && beyondSpread(s.delay, delays):
		return Latency
	}
	return None
}

// beyondChance is the two-proportion z-test of a host against the rest.
func beyondChance(s sample, rest, requests float64) bool {
	pooled := (s.failures*s.total + rest*requests) / (s.total + requests)
	deviation := math.Sqrt(pooled * (1 - pooled) * (1/s.total + 1/requests))
	return s.failures-rest > significance*deviation
}

// beyondSpread reports whether a value is above the others by more than they differ among
// themselves. Few others say nothing of that.
func beyondSpread(value float64, others []float64) bool {
	if len(others)+1 < largePool {
		return true
	}
	middle := median(others)
	away := make([]float64, len(others))
	for i, o := range others {
		away[i] = math.Abs(o - middle)
	}
	return value-middle > spread*scaleMAD*median(away)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}
