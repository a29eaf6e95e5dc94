package lbsim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// Policies of other proxies, after their sources.
var (
	// HAProxy's leastconn keeps servers in a tree ordered by their connections;
	// one that was just used goes behind its equals, so equals take turns.
	HAProxyLeastConn = Contestant{"haproxy leastconn", func(n int, _ *rand.Rand) Policy {
		used, clock := make([]int, n), 0
		return blind(func(_ time.Duration, rif []int, _ uint64) int {
			best := 0
			for i := range rif {
				if rif[i] < rif[best] || rif[i] == rif[best] && used[i] < used[best] {
					best = i
				}
			}
			clock++
			used[best] = clock
			return best
		})
	}}
	// nginx's least_conn lets equals take turns by smooth weighted round robin.
	NginxLeastConn = Contestant{"nginx least_conn", func(n int, _ *rand.Rand) Policy {
		turns, places := new(pick.Turns), make([]pick.Turn, n)
		return blind(func(_ time.Duration, rif []int, _ uint64) int {
			least := math.MaxInt
			for _, r := range rif {
				least = min(least, r)
			}
			var tied []int
			var entries []pick.Entry
			for i, r := range rif {
				if r == least {
					tied, entries = append(tied, i), append(entries, pick.Entry{Turn: &places[i], Weight: 1})
				}
			}
			return tied[turns.Next(entries)]
		})
	}}
	// PeakEWMA is Finagle's, looking at all hosts: τ = 10 s, the cost is the
	// latency times the requests in flight plus one, failures count as answers.
	PeakEWMA = Contestant{"finagle peak EWMA", func(n int, rng *rand.Rand) Policy {
		return &peakEWMA{rng: rng, hosts: make([]ewma, n)}
	}}
)

type ewma struct {
	cost  float64 // seconds
	stamp time.Duration
}

func (e *ewma) observe(now time.Duration, rtt float64) {
	w := math.Exp(-float64(now-e.stamp) / float64(10*time.Second))
	e.stamp = now
	if rtt > e.cost {
		e.cost = rtt
	} else {
		e.cost = e.cost*w + rtt*(1-w)
	}
}

type peakEWMA struct {
	rng   *rand.Rand
	hosts []ewma
}

func (p *peakEWMA) Pick(now time.Duration, rif []int, _ uint64) int {
	best, lowest, ties := 0, math.Inf(1), 0
	for i := range p.hosts {
		h := &p.hosts[i]
		h.observe(now, 0)
		cost := h.cost * float64(rif[i]+1)
		if h.cost == 0 && rif[i] > 0 {
			cost = math.MaxInt64>>16 + float64(rif[i])
		}
		if cost < lowest {
			best, lowest, ties = i, cost, 1
		} else if cost == lowest {
			if ties++; p.rng.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}
func (p *peakEWMA) Begin(time.Duration, int) {}
func (p *peakEWMA) End(now time.Duration, i int, o estimate.Outcome) {
	p.hosts[i].observe(now, o.Latency.Seconds())
}
