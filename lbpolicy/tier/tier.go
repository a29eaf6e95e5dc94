// Package tier divides traffic among tiers of hosts, the first being preferred.
//
// The arithmetic is Envoy's priority levels (envoyproxy.io, "Priority levels" and
// "Panic threshold"): a tier takes all traffic as long as its healthy part times
// an overprovisioning factor is at least one, so with 1.4 until more than 28 % of
// it is gone. What it cannot take overflows to the next. When all tiers together
// cannot take all traffic, each takes its part of what there is. A tier with
// less than a threshold of healthy hosts is in panic: a few hosts would be
// crushed by the traffic of all, so that health is ignored there.
package tier

import "slices"

// Overprovision and Panic are the usual settings.
const (
	Overprovision = 1.4
	Panic         = 0.5
)

// Health is the state of one tier.
type Health struct {
	// Healthy and Total count hosts or their weights.
	Healthy, Total float64
}

// Spread says which part of the traffic each tier takes: dst, which has the
// length of tiers, sums up to 1. If no tier has a healthy host, all goes to the
// first that has hosts; if none has any, dst is all 0.
func Spread(dst []float64, tiers []Health, overprovision float64) {
	var sum float64
	last := -1 // the last tier that takes anything; it takes what rounding leaves
	for i, t := range tiers {
		dst[i] = 0
		if t.Healthy > 0 {
			dst[i], last = min(1, overprovision*t.Healthy/t.Total), i
		}
		sum += dst[i]
	}
	if last < 0 {
		if i := slices.IndexFunc(tiers, func(t Health) bool { return t.Total > 0 }); i >= 0 {
			dst[i] = 1
		}
		return
	}
	left := 1.0
	for i := range dst[:last] {
		dst[i] = min(left, dst[i]/min(1, sum))
		left -= dst[i]
	}
	dst[last] = left
}

// Choose returns the tier for u in [0, 1), or -1 if no tier takes traffic.
func Choose(spread []float64, u float64) int {
	last := -1
	for i, part := range spread {
		if part <= 0 {
			continue
		}
		if u -= part; u < 0 {
			return i
		}
		last = i
	}
	return last
}

// InPanic reports whether so few hosts of a tier are healthy that their health
// should be ignored. threshold is a part in [0, 1]; 0 turns panic off.
func (h Health) InPanic(threshold float64) bool {
	return h.Total > 0 && h.Healthy < threshold*h.Total
}
