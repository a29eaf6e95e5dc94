package pick

import (
	"math"
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
	// overhead is what any request takes anyway, in seconds: nobody notices that
	// one host takes 0.1 ms and another 0.3 ms.
	overhead = 0.001
	// doubt draws what is known of a host toward the fastest one, with the weight
	// of so many answers. Whoever was slow once or twice is not avoided for that
	// unless it was very slow: it would have to wait for its trials to get a chance
	// to show the contrary.
	doubt = 8
)

// LeastTime chooses the candidate that is expected to answer first: hosts[i]
// tells of c[i]. Among those that are about equally fast, it takes the one with
// the fewest requests in flight for its weight. Once in a while it sends a single
// request to a host that looks bad, to see whether it still is. It returns an
// index into c, or -1 if c is empty.
func LeastTime(now time.Duration, hosts []*estimate.Host, c []Candidate, rng rand.Source) int {
	switch {
	case len(c) == 0:
		return -1
	case len(c) <= FullScan:
		return leastTime(now, hosts, c, everyone[:len(c)], false, rng)
	}
	var buf [drawn]int
	of, ordered := drawByWeight(buf[:], c, rng)
	return leastTime(now, hosts, c, of, ordered, rng)
}

// everyone is the indexes of a pool that is all looked at.
var everyone = func() (all [FullScan]int) {
	for i := range all {
		all[i] = i
	}
	return all
}()

func leastTime(now time.Duration, hosts []*estimate.Host, c []Candidate, of []int, ordered bool, rng rand.Source) int {
	var buf [FullScan]outlook
	view := buf[:len(of)]
	known := lookAt(now, hosts, c, of, view)
	least := 0
	for k := range view {
		if view[k].cost < view[least].cost {
			least = k
		}
	}
	bound := view[least].cost * (1 + alike)
	best := newLightest(c, rng)
	best.ordered = ordered
	for k, i := range of {
		switch {
		case view[k].samples == 0 && known && hosts[i].Waiting() > 0: // one at a time
		case view[k].cost <= bound:
			best.consider(i)
		case hosts[i].Trial(now, view[least].strained, float64(len(of))/float64(len(c))):
			return i
		}
	}
	if best.index < 0 {
		return of[least]
	}
	return best.index
}

// An outlook is what a request may expect of a host.
type outlook struct {
	cost     float32
	factor   float32
	samples  float32 // 0: nothing is known of its latency
	strained bool    // requests wait there
}

// lookAt fills view, and says whether the latency of any host is known. A host of
// which little is known has the benefit of the doubt: it is nearly as fast as the
// fastest, and one of which nothing is known is as fast.
func lookAt(now time.Duration, hosts []*estimate.Host, c []Candidate, of []int, view []outlook) (known bool) {
	fastest := float32(math.Inf(1))
	for k, i := range of {
		p := hosts[i].Predict(now, c[i].RIF+1)
		view[k] = outlook{float32(p.Cost + overhead), float32(p.Factor), float32(p.Samples), p.Strained()}
		if p.Samples > 0 {
			fastest, known = min(fastest, view[k].cost), true
		}
	}
	if !known {
		fastest = overhead
	}
	for k := range view {
		v := &view[k]
		v.cost = v.factor * (v.cost*v.samples + fastest*doubt) / (v.samples + doubt)
	}
	return known
}
