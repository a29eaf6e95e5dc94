package estimate

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// buckets is how many classes of load are told apart: 1, 2–3, 4–7, … and
	// 2048 and more requests in flight.
	buckets = 12
	// remembered is the weight that a bucket must still have to count. What a host
	// under load showed when it was idle, long ago and by few answers, must not
	// make it look as if it queued now: it would be kept from the load that could
	// show the contrary.
	remembered = 0.3
	// forgotten is the weight below which there is nothing left.
	forgotten = remembered / 64
)

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

func (c *curve) forget(weight float32) {
	for b := range c {
		c[b].forget(weight)
	}
}

// observe takes in a sample in one bucket. What the others remember fades, so that
// a host that is believed to be slow under load gets another chance to show.
func (c *curve) observe(now, decay time.Duration, b int, seconds, weight float32) {
	for o := range c {
		if c[o].weight == 0 || o == b {
			continue
		}
		if c[o].weight *= 1 - weight/mostLatencies; c[o].weight < forgotten {
			c[o] = mean{}
		}
	}
	c[b].observe(now, decay, mostLatencies, seconds, weight)
}

// scale multiplies the values of the busier buckets.
func (c *curve) scale(factor float32, above int) {
	for b := above + 1; b < buckets; b++ {
		c[b].value *= factor
	}
}

// A level is a run of buckets that are given the same value.
type level struct {
	value, weight float32
	first, last   int
}

// fit fills values with the curve that is nearest to the observations among those
// that never fall as the load grows (isotonic regression by pooling adjacent
// violators: Ayer et al., Annals of Mathematical Statistics 26, 1955). So what a
// bucket remembers from long ago gives way to what its neighbours know now. A
// bucket is also drawn to the line through those below, with the weight of one
// sample: otherwise one slow answer to a busy host would keep it from ever being
// as busy again. It returns the weight of all that counted.
func (c *curve) fit(now, decay time.Duration, values *[buckets]float32) (samples float32) {
	var levels [buckets]level
	n := 0
	weights := c.weights(now, decay)
	for b, w := range weights {
		if w == 0 {
			continue
		}
		samples += w
		l := level{c[b].value, w, b, b}
		if n > 0 {
			drawn := min(1, levels[n-1].weight)
			l.value = (l.value*w + guess(levels[:n], b)*drawn) / (w + drawn)
			l.weight += drawn
		}
		levels[n] = l
		for n++; n > 1 && levels[n-2].value > levels[n-1].value; n-- {
			levels[n-2] = levels[n-2].pool(levels[n-1])
		}
	}
	fill(values, levels[:n])
	return samples
}

// weights are those of the buckets at now, 0 for those that do not count. The
// weightiest always does.
func (c *curve) weights(now, decay time.Duration) (w [buckets]float32) {
	top := 0
	for b := range c {
		if c[b].weight > c[top].weight {
			top = b
		}
	}
	for b := range c {
		if c[b].weight < remembered && b != top {
			continue
		}
		if faded := c[b].faded(now, decay); faded >= remembered || b == top {
			w[b] = faded
		}
	}
	return w
}

// guess goes on along the last line.
func guess(levels []level, b int) float32 {
	last := levels[len(levels)-1]
	if len(levels) == 1 {
		return last.value
	}
	return last.value + slope(levels[len(levels)-2], last)*(centre(b)-centre(last.last))
}

// slope is that of the line from one level to the next.
func slope(l, next level) float32 {
	return (next.value - l.value) / (centre(next.first) - centre(l.last))
}

func (l level) pool(next level) level {
	w := l.weight + next.weight
	return level{l.value + (next.value-l.value)*next.weight/w, w, l.first, next.last}
}

// fill guesses what was not observed. Below the lowest observation it is as much
// as there; between two, it lies on the line between them; beyond the highest,
// the last line goes on, and from the second bucket on it is at least in proportion to
// the load, as if the host were full.
func fill(values *[buckets]float32, levels []level) {
	if len(levels) == 0 {
		*values = [buckets]float32{}
		return
	}
	for b := range levels[0].first {
		values[b] = levels[0].value
	}
	for k, l := range levels {
		if k > 0 {
			below := levels[k-1]
			for b := below.last + 1; b < l.first; b++ {
				values[b] = below.value + slope(below, l)*(centre(b)-centre(below.last))
			}
		}
		for b := l.first; b <= l.last; b++ {
			values[b] = l.value
		}
	}
	beyond := levels[len(levels)-1].last + 1
	for b := beyond; b < buckets; b++ {
		values[b] = guess(levels, b)
		if b > beyond {
			values[b] = max(values[b], values[beyond]*centre(b)/centre(beyond))
		}
	}
}

// A publishedCurve is a fitted curve that can be read without a lock.
type publishedCurve struct {
	values  [buckets]atomic.Uint32 // float32
	samples atomic.Uint32          // float32: how many answers it rests on
}

func (p *publishedCurve) store(c *curve, now, decay time.Duration) {
	var values [buckets]float32
	samples := c.fit(now, decay, &values)
	for b, v := range values {
		publishFloat(&p.values[b], v)
	}
	publishFloat(&p.samples, samples)
}

// publishFloat stores a value that changed: what did not is left in the caches of
// other CPUs.
func publishFloat(to *atomic.Uint32, v float32) {
	if bits := math.Float32bits(v); to.Load() != bits {
		to.Store(bits)
	}
}

// weight is how many answers the curve rests on.
func (p *publishedCurve) weight() float32 { return math.Float32frombits(p.samples.Load()) }

// idle is at(1).
func (p *publishedCurve) idle() float32 { return math.Float32frombits(p.values[0].Load()) }

// at is the latency in seconds with rif ≥ 1 requests in flight, between the
// centres of the buckets on either side; 0 if nothing is known.
func (p *publishedCurve) at(rif int) float32 {
	b, x := bucket(rif), float32(rif)
	if x < centre(b) {
		b--
	}
	b = min(b, buckets-2)
	low, high := math.Float32frombits(p.values[b].Load()), math.Float32frombits(p.values[b+1].Load())
	return low + (high-low)*(x-centre(b))/(centre(b+1)-centre(b))
}
