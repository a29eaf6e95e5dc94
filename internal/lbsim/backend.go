package lbsim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Mode is how a backend treats requests.
type Mode uint8

const (
	// Serving answers after the service time.
	Serving Mode = iota
	// FastFailing answers 503 after a millisecond.
	FastFailing
	// Refusing refuses the connection.
	Refusing
	// BlackHole lets the connection time out: Caddy's dial_timeout, 3 s.
	BlackHole
	// Hanging accepts the request and never answers.
	Hanging
)

const (
	failTime    = time.Millisecond
	refuseTime  = 500 * time.Microsecond
	dialTimeout = 3 * time.Second
)

// A Phase is what a backend is like from some time on.
type Phase struct {
	From time.Duration
	Mode Mode
	Slow float64 // multiplies the service time; 0 means 1
}

// A Backend answers requests.
type Backend struct {
	// Service draws the time that a request takes once it is served.
	Service Service
	// Servers is how many requests are served at once; the others queue, first
	// come first served. 0 means any number: the time does not depend on the load.
	Servers int
	// Failing is the part of the requests that are answered 500 after the
	// service time.
	Failing float64
	// RetryAfter comes with the answers of FastFailing.
	RetryAfter time.Duration
	// Knee and Strain make a backend slower the more requests are served at once:
	// each above Knee adds Strain to what the time is multiplied by. A Strain of 0 is none.
	Knee   int
	Strain float64
	// Shed is how many requests are served at once before others are answered 503. 0: never.
	Shed int
	// Phases are in order of time. Before the first, the backend is well.
	Phases []Phase
}

func (b *Backend) at(now time.Duration) Phase {
	p := Phase{Slow: 1}
	for _, next := range b.Phases {
		if next.From <= now {
			p = next
		}
	}
	if p.Slow == 0 {
		p.Slow = 1
	}
	return p
}

// Service draws service times.
type Service func(*rand.Rand) time.Duration

// Lognormal has a mean, and σ says how widely it scatters.
func Lognormal(mean time.Duration, sigma float64) Service {
	mu := math.Log(float64(mean)) - sigma*sigma/2
	return func(r *rand.Rand) time.Duration { return time.Duration(math.Exp(mu + sigma*r.NormFloat64())) }
}

// Exponential is what memoryless servers take.
func Exponential(mean time.Duration) Service {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// Bimodal takes slow for a part of the requests, and fast for the others, each
// scattered a little.
func Bimodal(fast, slow time.Duration, part float64) Service {
	quick, lazy := Lognormal(fast, 0.3), Lognormal(slow, 0.3)
	return func(r *rand.Rand) time.Duration {
		if r.Float64() < part {
			return lazy(r)
		}
		return quick(r)
	}
}
