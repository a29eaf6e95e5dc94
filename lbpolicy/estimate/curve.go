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

// fit fills values with a curve that never falls as the load grows. What was
// not observed is guessed: below the lowest observation as much as there, beyond
// another the line through the two before it goes on, and from the second bucket
// beyond the highest at least in proportion to the load, as if the host were full.
func (c *curve) fit(now, decay time.Duration, values *[buckets]float32) {
	first, last := -1, -1
	for b := range c {
		if first < 0 && c[b].weight == 0 {
			continue
		}
		if first < 0 {
			first, last = b, b
			values[b] = c[b].value
			continue
		}
		guess := values[b-1]
		if b-2 >= first {
			slope := (values[b-1] - values[b-2]) / (centre(b-1) - centre(b-2))
			guess += slope * (centre(b) - centre(b-1))
		}
		if c[b].weight > 0 {
			last = b
			guess = c[b].shrunk(now, decay, guess)
		} else if b > last+1 {
			guess = max(guess, values[last+1]*centre(b)/centre(last+1))
		}
		values[b] = max(values[b-1], guess)
	}
	for b := range max(first, 0) {
		values[b] = values[first]
	}
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
	if x < centre(b) {
		b--
	}
	b = min(b, buckets-2)
	low, high := math.Float32frombits(p[b].Load()), math.Float32frombits(p[b+1].Load())
	return low + (high-low)*(x-centre(b))/(centre(b+1)-centre(b))
}
