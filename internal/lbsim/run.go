package lbsim

import (
	"math/rand/v2"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

// A Scenario is a pool and what happens to it.
type Scenario struct {
	Name     string
	Backends []Backend
	// Rate is how many requests arrive per second, at random (Poisson).
	Rate float64
	// Bursts multiply the rate for a while.
	Bursts []Burst
	// Duration is for how long requests arrive; those before Warm are not counted.
	Duration, Warm time.Duration
	// Retry is lb_try_duration: how long a request is tried again after a failed
	// connection, every 250 ms. 0 is Caddy's default: never.
	Retry time.Duration
	// Proxies is how many proxies share the load, each knowing its own requests
	// only. 0 means one.
	Proxies int
	// Patience is after how long clients give up. 0: never.
	Patience time.Duration
	// Hot is the part of the requests that come from one client. The others are
	// all from different ones.
	Hot float64
	// Sick names the backends whose share is of interest.
	Sick []int
}

// A Burst multiplies the rate.
type Burst struct {
	From, To time.Duration
	Factor   float64
}

const tryInterval = 250 * time.Millisecond

func (s *Scenario) rate(now time.Duration) float64 {
	rate := s.Rate
	for _, b := range s.Bursts {
		if b.From <= now && now < b.To {
			rate *= b.Factor
		}
	}
	return rate
}

// Run plays a scenario.
func Run(s *Scenario, c Contestant, seed uint64) *Result {
	n := len(s.Backends)
	r := &run{
		Scenario: s,
		arrivals: rand.New(rand.NewPCG(seed, 1)),
		service:  rand.New(rand.NewPCG(seed, 2)),
		busy:     make([]int, n),
		queues:   make([][]*request, n),
		result:   &Result{Scenario: s},
	}
	for k := range max(s.Proxies, 1) {
		r.proxies = append(r.proxies, proxy{c.New(n, rand.New(rand.NewPCG(seed, 3+uint64(k)))), make([]int, n)})
	}
	r.arrive(0)
	for e, ok := r.events.next(); ok; e, ok = r.events.next() {
		r.now = e.at
		r.handle(e)
	}
	return r.result
}

// A run is a scenario being played.
type run struct {
	*Scenario
	now               time.Duration
	events            queue
	arrivals, service *rand.Rand
	proxies           []proxy
	busy              []int // of the backend's servers
	queues            [][]*request
	result            *Result
}

// A proxy counts its own requests in flight.
type proxy struct {
	policy Policy
	rif    []int
}

// A request may take several attempts.
type request struct {
	arrived, sent time.Duration
	key           uint64
	backend, rif  int
	attempt       int // counts, so that events of earlier ones are told apart
}

func (r *run) handle(e event) {
	switch e.kind {
	case arrival:
		r.dispatch(e.req)
		r.arrive(r.now)
	case retry:
		r.dispatch(e.req)
	case served:
		r.free(e.backend)
		if e.req.attempt == e.attempt {
			kind := estimate.Success
			if f := r.Backends[e.backend].Failing; f > 0 && r.service.Float64() < f {
				kind = estimate.Failure
			}
			r.outcome(e.req, kind, false)
		}
	case failed, refused, gaveUp:
		if e.req.attempt == e.attempt {
			kind := estimate.Failure
			if e.kind == gaveUp {
				kind = estimate.Canceled
			}
			r.outcome(e.req, kind, e.kind == refused)
		}
	}
}

// arrive schedules the request after the one at now.
func (r *run) arrive(now time.Duration) {
	next := now + time.Duration(r.arrivals.ExpFloat64()/r.rate(now)*float64(time.Second))
	if next < r.Duration {
		key := r.arrivals.Uint64()
		if r.Hot > 0 && r.arrivals.Float64() < r.Hot {
			key = 0
		}
		r.events.add(event{at: next, kind: arrival, req: &request{arrived: next, key: key}})
	}
}

func (r *run) proxy(q *request) *proxy { return &r.proxies[q.key%uint64(len(r.proxies))] }

func (r *run) dispatch(q *request) {
	p := r.proxy(q)
	i := p.policy.Pick(r.now, p.rif, q.key)
	if i < 0 { // Caddy answers 503, or tries again
		r.conclude(q, false, true)
		return
	}
	p.rif[i]++
	q.backend, q.sent, q.rif = i, r.now, p.rif[i]
	p.policy.Begin(r.now, i)
	r.result.sent(r.now, i)
	end := func(kind kind, after time.Duration) {
		r.events.add(event{at: r.now + after, kind: kind, req: q, attempt: q.attempt, backend: i})
	}
	if r.Patience > 0 {
		end(gaveUp, q.arrived+r.Patience-r.now)
	}
	switch b := &r.Backends[i]; b.at(r.now).Mode {
	case FastFailing:
		end(failed, failTime)
	case Refusing:
		end(refused, refuseTime)
	case BlackHole:
		end(refused, dialTimeout)
	case Serving:
		if b.Shed > 0 && r.busy[i] >= b.Shed {
			end(failed, failTime)
			return
		}
		if b.Servers > 0 && r.busy[i] >= b.Servers {
			r.queues[i] = append(r.queues[i], q)
			return
		}
		r.serve(q, i)
	case Hanging:
	}
}

func (r *run) serve(q *request, i int) {
	r.busy[i]++
	b := &r.Backends[i]
	strained := 1 + b.Strain*float64(max(0, r.busy[i]-b.Knee))
	takes := time.Duration(float64(b.Service(r.service)) * b.at(r.now).Slow * strained)
	r.events.add(event{at: r.now + takes, kind: served, req: q, attempt: q.attempt, backend: i})
}

// free lets the next in the queue be served.
func (r *run) free(i int) {
	r.busy[i]--
	if q := r.queues[i]; len(q) > 0 {
		r.queues[i] = q[1:]
		r.serve(q[0], i)
	}
}

// outcome ends an attempt, and the request unless it is tried again.
func (r *run) outcome(q *request, kind estimate.Kind, dial bool) {
	i, p := q.backend, r.proxy(q)
	p.rif[i]--
	q.attempt++
	o := estimate.Outcome{Kind: kind, Latency: r.now - q.sent, RIF: q.rif}
	if kind == estimate.Failure {
		o.RetryAfter = r.Backends[i].RetryAfter
	}
	p.policy.End(r.now, i, o)
	r.conclude(q, kind == estimate.Success, kind == estimate.Failure && dial)
}

// conclude ends a request, or lets it be tried again.
func (r *run) conclude(q *request, ok, again bool) {
	if again && r.now-q.arrived < r.Retry {
		r.events.add(event{at: r.now + tryInterval, kind: retry, req: q})
		return
	}
	r.result.ended(q.arrived, r.now-q.arrived, ok)
}
