package lbsim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/eject"
	"github.com/caddy-portico/portico/lbpolicy/estimate"
	"github.com/caddy-portico/portico/lbpolicy/hashing"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// A Policy chooses backends, and may learn what became of its choices.
type Policy interface {
	// Pick returns a backend, or -1. rif says how many requests are in flight
	// on each; key is the client.
	Pick(now time.Duration, rif []int, key uint64) int
	// Begin notes that a request leaves for backend i.
	Begin(now time.Duration, i int)
	// End notes what became of it.
	End(now time.Duration, i int, o estimate.Outcome)
}

// A Contestant makes policies for pools of n backends.
type Contestant struct {
	Name string
	New  func(n int, rng *rand.Rand) Policy
}

// blind is a policy that learns nothing.
type blind func(now time.Duration, rif []int, key uint64) int

func (b blind) Pick(now time.Duration, rif []int, key uint64) int { return b(now, rif, key) }
func (blind) Begin(time.Duration, int)                            {}
func (blind) End(time.Duration, int, estimate.Outcome)            {}

// Portico's policies.
var (
	LeastTime = Contestant{"least_time", func(n int, rng *rand.Rand) Policy {
		p := &leastTime{rng: rng, pool: make([]pick.Candidate, n)}
		for range n {
			p.hosts = append(p.hosts, estimate.NewHost(estimate.Config{}))
		}
		return p
	}}
	LeastRequest = Contestant{"least_request", func(n int, rng *rand.Rand) Policy {
		pool := make([]pick.Candidate, n)
		return blind(func(_ time.Duration, rif []int, _ uint64) int {
			return pick.LeastRequest(candidates(pool, rif), 0, rng)
		})
	}}
	Ejecting = Contestant{"least_request+eject", func(n int, rng *rand.Rand) Policy {
		p := &ejecting{rng: rng, detector: eject.New(eject.Config{})}
		for range n {
			p.hosts = append(p.hosts, p.detector.Add())
		}
		return p
	}}
)

// Hash sends each client to its host.
var Hash = Contestant{"hash", func(n int, _ *rand.Rand) Policy {
	m := hashing.NewMaglev(hashNodes(n))
	return blind(func(_ time.Duration, _ []int, key uint64) int { return m.Pick(key, nil) })
}}

// BoundedHash does so until the host has 1.25 times its share of the requests.
var BoundedHash = Contestant{"hash, load_bound 1.25", func(n int, _ *rand.Rand) Policy {
	m := hashing.NewMaglev(hashNodes(n))
	return blind(func(_ time.Duration, rif []int, key uint64) int {
		total := 0
		for _, r := range rif {
			total += r
		}
		return m.Pick(key, func(i int) bool { return rif[i] < hashing.Capacity(1.25, total, 1, float64(n)) })
	})
}}

func hashNodes(n int) []hashing.Node {
	nodes := make([]hashing.Node, n)
	for i := range nodes {
		nodes[i] = hashing.Node{ID: hashing.Sum(fmt.Sprintf("10.0.0.%d:8080", i)), Weight: 1}
	}
	return nodes
}

func candidates(pool []pick.Candidate, rif []int) []pick.Candidate {
	for i := range pool {
		pool[i] = pick.Candidate{RIF: rif[i], Weight: 1}
	}
	return pool
}

type leastTime struct {
	rng   *rand.Rand
	hosts []*estimate.Host
	pool  []pick.Candidate
}

func (p *leastTime) Pick(now time.Duration, rif []int, _ uint64) int {
	return pick.LeastTime(now, p.hosts, candidates(p.pool, rif), p.rng)
}
func (p *leastTime) Begin(now time.Duration, i int)                   { p.hosts[i].Begin(now) }
func (p *leastTime) End(now time.Duration, i int, o estimate.Outcome) { p.hosts[i].End(now, o) }

// ejecting is least_request among the hosts that are not ejected.
type ejecting struct {
	rng      *rand.Rand
	detector *eject.Detector
	hosts    []*eject.Host
}

func (p *ejecting) Pick(now time.Duration, rif []int, _ uint64) int {
	var in []int
	var pool []pick.Candidate
	for i, h := range p.hosts {
		if h.Available(now) {
			in, pool = append(in, i), append(pool, pick.Candidate{RIF: rif[i], Weight: 1})
		}
	}
	i := in[pick.LeastRequest(pool, 0, p.rng)]
	p.hosts[i].Claim(now)
	return i
}
func (p *ejecting) Begin(time.Duration, int) {}
func (p *ejecting) End(now time.Duration, i int, o estimate.Outcome) {
	p.hosts[i].Report(now, o.Kind == estimate.Failure, o.Latency)
}
