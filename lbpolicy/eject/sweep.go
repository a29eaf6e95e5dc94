package eject

import (
	"cmp"
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
	host     *Host
	requests float64
	failures float64 // the failed part
	latency  float64 // mean of the successes, in seconds
}

// sweep compares the hosts and begins a new interval. d.mu is held.
func (d *Detector) sweep(now time.Duration) {
	var samples []sample
	for _, h := range d.hosts {
		if s := h.take(); !h.out() && s.requests >= float64(d.cfg.MinRequests) {
			samples = append(samples, s)
		}
	}
	// The worst first: not all may be allowed to go.
	slices.SortStableFunc(samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(b.failures, a.failures), cmp.Compare(b.latency, a.latency))
	})
	for i, s := range samples {
		if why := d.judge(s, slices.Concat(samples[:i], samples[i+1:])); why != None {
			d.eject(s.host, now, why)
		} else if s.host.times > 0 {
			s.host.times--
		}
	}
}

// take ends the host's interval.
func (h *Host) take() sample {
	requests, failed, latency := h.total.Swap(0), h.failed.Swap(0), h.latency.Swap(0)
	return sample{
		host:     h,
		requests: float64(requests),
		failures: float64(failed) / float64(max(requests, 1)),
		latency:  time.Duration(latency).Seconds() / float64(max(requests-failed, 1)),
	}
}

// judge compares a host with the others.
func (d *Detector) judge(s sample, others []sample) Reason {
	if len(others) == 0 {
		return None
	}
	var failures, latencies []float64
	requests := 0.0
	for _, o := range others {
		failures, latencies = append(failures, o.failures), append(latencies, o.latency)
		requests += o.requests
	}
	usual := median(failures)
	if beyondChance(s, usual, requests) {
		switch excess := s.failures - usual; {
		case d.cfg.FailurePercent > 0 && 100*s.failures >= d.cfg.FailurePercent:
			return FailurePercentage
		case d.cfg.Margin > 0 && 100*excess >= d.cfg.Margin && beyondSpread(s.failures, failures):
			return SuccessRate
		}
	}
	if d.cfg.Slower > 0 && s.latency > d.cfg.Slower*median(latencies) && beyondSpread(s.latency, latencies) {
		return Latency
	}
	return None
}

// beyondChance is the two-proportion z-test of a host against the rest.
func beyondChance(s sample, rest, requests float64) bool {
	pooled := (s.failures*s.requests + rest*requests) / (s.requests + requests)
	deviation := math.Sqrt(pooled * (1 - pooled) * (1/s.requests + 1/requests))
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
