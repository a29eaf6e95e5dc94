package pick

import "math/rand/v2"

// LeastRequest chooses the candidate with the fewest requests in flight for its
// weight, of all (choices 0) or of that many drawn by chance. It returns an index
// into c, or -1 if c is empty.
func LeastRequest(c []Candidate, choices int, rng rand.Source) int {
	best := newLightest(c, rng)
	if choices <= 0 || choices >= len(c) {
		for i := range c {
			best.consider(i)
		}
		return best.index
	}
	var buf [mostChoices]int
	of, ordered := drawByWeight(buf[:min(choices, mostChoices)], c, rng)
	best.ordered = ordered
	for _, i := range of {
		best.consider(i)
	}
	return best.index
}

// Random chooses by chance, in proportion to the weights. It returns an index
// into c, or -1 if c is empty.
func Random(c []Candidate, rng rand.Source) int {
	var sum float64
	for i := range c {
		sum += c[i].Weight
	}
	at := unit(rng) * sum
	for i := range c {
		if at -= c[i].Weight; at < 0 {
			return i
		}
	}
	return len(c) - 1
}

// lightest keeps the candidate of the lowest load for its weight; among equals
// each has a chance in proportion to its weight, or the first one is kept.
type lightest struct {
	c     []Candidate
	rng   rand.Source
	index int
	load  float64
	tied  float64 // the weights of those equal to the best

	ordered bool // the first of equals is kept
}

func newLightest(c []Candidate, rng rand.Source) lightest {
	return lightest{c: c, rng: rng, index: -1}
}

func (l *lightest) consider(i int) {
	load := float64(l.c[i].RIF) / l.c[i].Weight
	switch {
	case l.index < 0 || load < l.load:
		l.index, l.load, l.tied = i, load, l.c[i].Weight
	case load == l.load && !l.ordered:
		l.tied += l.c[i].Weight
		if unit(l.rng)*l.tied < l.c[i].Weight {
			l.index = i
		}
	}
}
