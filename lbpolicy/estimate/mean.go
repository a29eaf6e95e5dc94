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
	return m.weight * float32(math.Exp(-float64(now-m.last)/float64(decay)))
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
