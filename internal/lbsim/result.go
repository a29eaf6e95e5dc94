package lbsim

import (
	"slices"
	"time"
)

// A Result is what clients and backends saw.
type Result struct {
	Scenario *Scenario
	requests []outcome
	attempts []attempt
}

type outcome struct {
	arrived, took time.Duration
	ok            bool
}

type attempt struct {
	at      time.Duration
	backend int
}

func (r *Result) sent(now time.Duration, i int) { r.attempts = append(r.attempts, attempt{now, i}) }

func (r *Result) ended(arrived, took time.Duration, ok bool) {
	r.requests = append(r.requests, outcome{arrived, took, ok})
}

// Latency is a quantile of what successful requests took that arrived in [from, to).
func (r *Result) Latency(quantile float64, from, to time.Duration) time.Duration {
	var took []time.Duration
	for _, o := range r.requests {
		if o.ok && from <= o.arrived && o.arrived < to {
			took = append(took, o.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[int(quantile*float64(len(took)-1))]
}

// Errors is the part of the requests that arrived in [from, to) and failed.
func (r *Result) Errors(from, to time.Duration) float64 {
	all, bad := 0, 0
	for _, o := range r.requests {
		if from <= o.arrived && o.arrived < to {
			all++
			if !o.ok {
				bad++
			}
		}
	}
	return float64(bad) / float64(max(all, 1))
}

// Share is the part of the attempts in [from, to) that went to some backends.
func (r *Result) Share(from, to time.Duration, backends ...int) float64 {
	all, some := 0, 0
	for _, a := range r.attempts {
		if from <= a.at && a.at < to {
			all++
			if slices.Contains(backends, a.backend) {
				some++
			}
		}
	}
	return float64(some) / float64(max(all, 1))
}

// P is a latency quantile of what is counted.
func (r *Result) P(quantile float64) time.Duration {
	return r.Latency(quantile, r.Scenario.Warm, r.Scenario.Duration)
}
