package estimate

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// buckets is how many classes of load are told apart: 1, 2–3, 4–7, … and
// 2048 and more requests in flight.
const buckets = 12

func bucket(rif int) int { return min(bits.Len(uint(rif))-1, buckets-1) }

// centre is the load a bucket stands for.
func centre(b int) float32 {
	if b == 0 {
		return 1
	}
	return 1.5 * float32(int(1)<<b)
}

// A curve is the mean latency in seconds over the requests in flight.
type curve [buckets]mean

func (c *curve) observe(now, decay time.Duration, rif int, seconds float32) {
	c[bucket(rif)].observe(now, decay, seconds)
}

func (c *curve) forget(weight float32) {
	for b := range c {
		c[b].forget(weight)
	}
}

// fit fills values with a curve that never falls as the load grows, and says
// which buckets were observed at all.
func (c *curve) fit(now, decay time.Duration, values *[buckets]float32) (first, last int) {
	first, last = -1, -1
	var below float32
	for b := range c {
		if c[b].weight == 0 {
			values[b] = below
			continue
		}
		if first < 0 {
			first, below = b, c[b].value
		}
		last = b
		below = max(below, c[b].shrunk(now, decay, below))
		values[b] = below
	}
	for b := range first {
		values[b] = values[first]
	}
	for b := last + 2; last >= 0 && b < buckets; b++ {
		values[b] = values[last] * centre(b) / centre(last+1)
	}
	return first, last
}

// A publishedCurve is a fitted curve that can be read without a lock.
type publishedCurve [buckets]atomic.Uint32

func (p *publishedCurve) store(c *curve, now, decay time.Duration) {
	var values [buckets]float32
	c.fit(now, decay, &values)
	for b, v := range values {
		if bits := math.Float32bits(v); p[b].Load() != bits {
			p[b].Store(bits)
		}
	}
}

// at is the latency in seconds with rif ≥ 1 requests in flight, between the
// centres of the buckets on either side; 0 if nothing is known.
func (p *publishedCurve) at(rif int) float32 {
	b, x := bucket(rif), float32(rif)
	here := math.Float32frombits(p[b].Load())
	other := b + 1
	if x < centre(b) {
		other = b - 1
	}
	if other < 0 || other >= buckets {
		return here
	}
	there := math.Float32frombits(p[other].Load())
	return here + (there-here)*(x-centre(b))/(centre(other)-centre(b))
}
