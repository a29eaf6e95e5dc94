package main

import (
	"math"
	"slices"
	"time"
)

// quantile sorts the times in place and returns the q-quantile in seconds by
// the nearest-rank method; NaN without times.
func quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return math.NaN()
	}
	slices.Sort(times)
	rank := int(math.Ceil(q*float64(len(times)))) - 1
	return times[max(rank, 0)].Seconds()
}

// median of the values that were taken; NaN if none was.
func median(values []float64) float64 {
	values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// ratios divides a by b, round by round, so that what disturbed one round
// disturbs both sides of its ratio.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

// differences subtracts b from a, round by round.
func differences(a, b []float64) []float64 {
	d := make([]float64, min(len(a), len(b)))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}
