package lbpolicy

import (
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// A choice is one request's: the pool, and who of it may be chosen. Its slices
// are used again for other requests.
type choice struct {
	balancer *balancer
	trip     *trip
	now      time.Duration
	pool     reverseproxy.UpstreamPool
	members  []*member // parallel to pool

	// Those that may be chosen, all parallel: indexes into pool, load and weight,
	// estimates.
	index      []int
	candidates []pick.Candidate
	hosts      []*estimate.Host

	lenient bool // ejections and earlier failures are ignored
	spared  bool // some are left out only because of these
	full    bool // some are left out only because they have no place

	refused []int                     // indexes of those that were chosen in vain
	own     []*member                 // holds members of a pool that is not the configured one
	entries []pick.Entry              // for weighted
	sub     reverseproxy.UpstreamPool // for guests
}

var choices = sync.Pool{New: func() any { return new(choice) }}

func newChoice(b *balancer, pool reverseproxy.UpstreamPool, tr *trip) *choice {
	c := choices.Get().(*choice)
	c.balancer, c.trip, c.now, c.pool = b, tr, clock(), pool
	c.members = b.members.of(pool, c)
	c.full, c.refused = false, c.refused[:0]
	return c
}

// recycle gives the slices back, with nothing in them that could keep an upstream alive.
func (c *choice) recycle() {
	c.balancer, c.trip, c.pool, c.members = nil, nil, nil, nil
	clear(c.own[:cap(c.own)])
	clear(c.hosts[:cap(c.hosts)])
	clear(c.entries[:cap(c.entries)])
	clear(c.sub[:cap(c.sub)])
	choices.Put(c)
}

// consider finds the candidates. The lenient one is for when there were none:
// rather an upstream that fails than none at all.
func (c *choice) consider(lenient bool) {
	c.index, c.candidates, c.hosts = c.index[:0], c.candidates[:0], c.hosts[:0]
	c.lenient, c.spared = lenient, false
	for i, up := range c.pool {
		m := c.members[i]
		weight := c.weigh(i)
		switch {
		case weight <= 0:
		case c.balancer.tap.full(up, m.upstream):
			c.full = true
		case !lenient && (c.trip.avoids(m.upstream) || m.ejected != nil && !m.ejected.Available(c.now)):
			c.spared = true
		default:
			c.index = append(c.index, i)
			c.candidates = append(c.candidates, pick.Candidate{RIF: up.NumRequests(), Weight: weight})
			c.hosts = append(c.hosts, m.host)
		}
	}
}

// weigh returns the weight of the pool's i-th upstream for new requests: 0 if
// it is not to get any.
func (c *choice) weigh(i int) float64 {
	up, m := c.pool[i], c.members[i]
	if m.caddy.Load() != up.Host {
		m.caddy.Store(up.Host)
	}
	healthy := up.Healthy()
	weight := float64(m.weightOr(m.weight))
	if window := c.balancer.ramp.Window; window > 0 {
		in := healthy && (m.ejected == nil || m.ejected.Available(c.now))
		weight *= c.balancer.ramp.Factor(m.warm.age(c.now, in))
	}
	if !healthy || m.drained.Load() || m.draining {
		return 0
	}
	return weight
}

// state says whether the pool's i-th upstream may get a request of a session that is
// already there, whatever its weight.
func (c *choice) state(i int) homeState {
	up, m := c.pool[i], c.members[i]
	switch {
	case !up.Healthy(), c.trip.avoids(m.upstream), slices.Contains(c.refused, i):
		return homeGone
	case m.ejected != nil && !m.ejected.Available(c.now):
		return homeGone
	case c.balancer.tap.full(up, m.upstream):
		c.full = true
		return homeFull
	}
	return homeOpen
}

// A homeState is the state of the upstream that a session belongs to.
type homeState uint8

const (
	homeGone homeState = iota // or there is none: the session goes to another for good
	homeFull                  // this request has to go elsewhere, the session stays
	homeOpen
)

// load is the requests in flight at the candidates, and their weights together.
func (c *choice) load() (total int, sum float64) {
	for i := range c.candidates {
		total += c.candidates[i].RIF
		sum += c.candidates[i].Weight
	}
	return total, sum
}

// at is the index in the pool of the k-th candidate; k may be -1.
func (c *choice) at(k int) int {
	if k < 0 {
		return -1
	}
	return c.index[k]
}

// refuse takes the pool's i-th upstream out of what may be chosen.
func (c *choice) refuse(i int) {
	c.refused = append(c.refused, i)
	k := slices.Index(c.index, i)
	if k < 0 {
		return
	}
	c.index = slices.Delete(c.index, k, k+1)
	c.candidates = slices.Delete(c.candidates, k, k+1)
	c.hosts = slices.Delete(c.hosts, k, k+1)
}

// eligible is the candidates as a pool for another policy: the whole one if all
// of it is.
func (c *choice) eligible() reverseproxy.UpstreamPool {
	if len(c.index) == len(c.pool) {
		return c.pool
	}
	return c.part(func(*member) bool { return true })
}

// part is those of the candidates that belong to it.
func (c *choice) part(belongs func(*member) bool) reverseproxy.UpstreamPool {
	c.sub = c.sub[:0]
	for _, i := range c.index {
		if belongs(c.members[i]) {
			c.sub = append(c.sub, c.pool[i])
		}
	}
	return c.sub
}
