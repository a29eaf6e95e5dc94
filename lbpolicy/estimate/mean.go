package estimate

import (
	"math"
	"time"
)

// A mean is an exponentially weighted moving average whose past fades with the
// number of samples as well as with time. The zero value knows nothing.
type mean struct {
	value, weight float32
	last          time.Duration
}

// faded is the weight the past still has at now.
func (m *mean) faded(now, decay time.Duration) float32 {
	if m.weight == 0 || now <= m.last {
		return m.weight
	}
	return m.weight * fading(now-m.last, decay)
}

// fading is e^(-d/decay). What is short against decay, as the time between two
// answers mostly is, needs no exponential function: the series is as exact there.
func fading(d, decay time.Duration) float32 {
	x := float32(d) / float32(decay)
	if 0 <= x && x < 0.02 {
		return 1 - x*(1-x/2*(1-x/3))
	}
	return float32(math.Exp(-float64(d) / float64(decay)))
}

// observe takes in a sample of a weight in (0, 1]. The weight of all is at most most.
func (m *mean) observe(now, decay time.Duration, most, x, weight float32) {
	m.weight = min(m.faded(now, decay), most-weight) + weight
	m.value += (x - m.value) * weight / m.weight
	m.last = max(m.last, now)
}

// forget leaves the past at most a weight.
func (m *mean) forget(weight float32) { m.weight = min(m.weight, weight) }

// shrunk is the value, drawn toward a prior that has the weight of one sample.
func (m *mean) shrunk(now, decay time.Duration, prior float32) float32 {
	w := m.faded(now, decay)
	return (m.value*w + prior) / (w + 1)
}
