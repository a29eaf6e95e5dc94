package pick

import (
	"math/rand/v2"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

const (
	// drawn is how many of a large pool are looked at.
	drawn = 5
	// alike is how much more than the best a host may be expected to take and
	// still count as equally good: estimates are noisy, and among hosts that
	// cannot be told apart the one with the fewest requests is best.
	alike = 0.4
)

// LeastTime chooses the candidate that is expected to answer first: hosts[i]
// tells of c[i]. Among those that are about equally fast, it takes the one with
// the fewest requests in flight for its weight. Once in a while it sends a single
// request to a host that looks bad, to see whether it still is. It returns an
// index into c, or -1 if c is empty.
func LeastTime(now time.Duration, hosts []*estimate.Host, c []Candidate, rng rand.Source) int {
	var buf [FullScan]int
	of := buf[:min(len(c), FullScan)]
	if len(c) > FullScan {
		of = draw(buf[:drawn], len(c), rng)
	} else {
		for i := range of {
			of[i] = i
		}
	}
	return leastTime(now, hosts, c, of, rng)
}

func leastTime(now time.Duration, hosts []*estimate.Host, c []Candidate, of []int, rng rand.Source) int {
	var (
		cost    [FullScan]float64
		unknown [FullScan]bool
		fastest float64
	)
	for k, i := range of {
		p := hosts[i].Predict(now, c[i].RIF+1)
		cost[k], unknown[k] = p.Cost*p.Factor, p.Latency == 0
		if unknown[k] {
			cost[k] = p.Factor
		} else if fastest == 0 || p.Latency < fastest {
			fastest = p.Latency
		}
	}
	bound := boundOf(cost[:len(of)], unknown[:len(of)], fastest)
	best := newLightest(c, rng)
	for k, i := range of {
		switch {
		case unknown[k] && fastest > 0 && hosts[i].Waiting() > 0:
		case cost[k] <= bound:
			best.consider(i)
		case hosts[i].Trial(now):
			return i
		}
	}
	if best.index < 0 {
		return of[0]
	}
	return best.index
}

// boundOf gives the unknown the benefit of the doubt, and says up to which cost
// a host counts as good as the best.
func boundOf(cost []float64, unknown []bool, fastest float64) float64 {
	best := -1.0
	for k := range cost {
		if unknown[k] && fastest > 0 {
			cost[k] *= fastest
		}
		if best < 0 || cost[k] < best {
			best = cost[k]
		}
	}
	return best * (1 + alike)
}
