// Package ramp gives a host that has just come, or come back, a growing part of
// its weight, so that cold caches, pools and compilers can warm up.
//
// The curve is Envoy's slow start (envoyproxy.io, "Slow start mode"):
//
//	weight · max(least, (age/window)^(1/aggression))
//
// Whoever uses it should let hosts ramp only where others are warm: when the
// proxy itself starts, all hosts are new.
package ramp

import (
	"math"
	"time"
)

// SlowStart is a ramp. The zero value gives the whole weight at once.
type SlowStart struct {
	// Window is how long the ramp takes.
	Window time.Duration
	// Aggression above 1 gives more weight early; 1 is a straight line. 0 means 1.
	Aggression float64
	// Least is the part of the weight at the start. 0 means 0.1.
	Least float64
}

// Factor is the part of its weight, in (0, 1], that a host of that age gets.
func (s SlowStart) Factor(age time.Duration) float64 {
	if s.Window <= 0 || age >= s.Window {
		return 1
	}
	least := s.Least
	if least <= 0 {
		least = 0.1
	}
	part := float64(max(age, 0)) / float64(s.Window)
	if s.Aggression > 0 && s.Aggression != 1 {
		part = math.Pow(part, 1/s.Aggression)
	}
	return min(1, max(least, part))
}
