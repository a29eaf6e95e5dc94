package lbsim

import (
	"math/rand/v2"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
	"github.com/caddy-portico/portico/lbpolicy/hashing"
)

// Caddy's own policies, after modules/caddyhttp/reverseproxy/selectionpolicies.go
// of v2.11.9, with every upstream available: health checks are off by default.
var (
	Random = Contestant{"caddy random", func(n int, rng *rand.Rand) Policy {
		return blind(func(time.Duration, []int, uint64) int { return rng.IntN(n) })
	}}
	RoundRobin = Contestant{"caddy round_robin", func(n int, _ *rand.Rand) Policy {
		robin := 0
		return blind(func(time.Duration, []int, uint64) int { robin++; return robin % n })
	}}
	LeastConn = Contestant{"caddy least_conn", func(_ int, rng *rand.Rand) Policy {
		return blind(func(_ time.Duration, rif []int, _ uint64) int { return fewest(rif, rng) })
	}}
	RandomChoose = Contestant{"caddy random_choose 2", func(n int, rng *rand.Rand) Policy {
		return blind(func(_ time.Duration, rif []int, _ uint64) int { return randomChoose(min(2, n), rif, rng) })
	}}
	First = Contestant{"caddy first", func(int, *rand.Rand) Policy {
		return blind(func(time.Duration, []int, uint64) int { return 0 })
	}}
	// IPHash has another hash than Caddy, which makes no difference here.
	IPHash = Contestant{"caddy ip_hash", func(n int, _ *rand.Rand) Policy {
		nodes := hashing.Rendezvous(hashNodes(n))
		return blind(func(_ time.Duration, _ []int, key uint64) int { return nodes.Pick(key, nil) })
	}}
)

// PassiveLeastConn is least_conn with Caddy's passive health checks: a backend
// that failed in the last ten seconds (fail_duration 10s, max_fails 1,
// unhealthy_status 5xx) is not available.
var PassiveLeastConn = Contestant{"caddy least_conn, fail_duration 10s", func(n int, rng *rand.Rand) Policy {
	return &passive{rng: rng, failed: make([]time.Duration, n)}
}}

type passive struct {
	rng    *rand.Rand
	failed []time.Duration // until when the last failure is remembered
}

func (p *passive) Pick(now time.Duration, rif []int, _ uint64) int {
	var up, load []int
	for i := range rif {
		if p.failed[i] <= now {
			up, load = append(up, i), append(load, rif[i])
		}
	}
	if len(up) == 0 {
		return -1
	}
	return up[fewest(load, p.rng)]
}
func (p *passive) Begin(time.Duration, int) {}
func (p *passive) End(now time.Duration, i int, o estimate.Outcome) {
	if o.Kind == estimate.Failure {
		p.failed[i] = now + 10*time.Second
	}
}

// fewest is least_conn: the fewest requests, one of the equals by chance.
func fewest(rif []int, rng *rand.Rand) int {
	best, count := -1, 0
	for i, r := range rif {
		if best < 0 || r < rif[best] {
			best, count = i, 1
		} else if r == rif[best] {
			if count++; rng.IntN(count) == 0 {
				best = i
			}
		}
	}
	return best
}

// randomChoose is random_choose with its bias: the first of the chosen that
// is idle wins, and what was drawn first stands first.
func randomChoose(k int, rif []int, rng *rand.Rand) int {
	choices := make([]int, 0, k)
	for i := range rif {
		if len(choices) < k {
			choices = append(choices, i)
		} else if j := rng.IntN(i + 1); j < k {
			choices[j] = i
		}
	}
	var best []int
	for _, i := range choices {
		switch {
		case rif[i] == 0:
			return i
		case best == nil || rif[i] < rif[best[0]]:
			best = append(best[:0], i)
		case rif[i] == rif[best[0]]:
			best = append(best, i)
		}
	}
	return best[rng.IntN(len(best))]
}
