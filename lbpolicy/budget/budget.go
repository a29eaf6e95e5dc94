// Package budget bounds retries to a part of the requests, so that retries
// cannot multiply the load on hosts that fail because they are overloaded.
//
// It is the retry budget of Finagle (twitter/finagle, RetryBudget): each request
// deposits a fraction of a token, each retry takes one, a minimum per second is always
// there, and what is not used is lost after a while. Deposits fade with a time
// constant here instead of expiring at once: the same bound, without a queue.
package budget

import (
	"math"
	"sync"
	"time"
)

// Config says how many retries there may be.
type Config struct {
	// Percent is how many retries there may be for a hundred requests.
	Percent float64
	// MinPerSecond is how many retries a second there may be however few
	// requests there are.
	MinPerSecond float64
	// Window is for how long a request counts. 0 means 10 s.
	Window time.Duration
}

// Retry is a budget of retries. It is safe for concurrent use.
type Retry struct {
	cfg    Config
	mu     sync.Mutex
	tokens float64
	last   time.Duration
}

// New returns a budget that holds what its minimum gives in a window.
func New(cfg Config, now time.Duration) *Retry {
	if cfg.Window <= 0 {
		cfg.Window = 10 * time.Second
	}
	return &Retry{cfg: cfg, tokens: cfg.MinPerSecond * cfg.Window.Seconds(), last: now}
}

// Request notes a request that is not a retry.
func (r *Retry) Request(now time.Duration) {
	r.mu.Lock()
	r.settle(now)
	r.tokens += r.cfg.Percent / 100
	r.mu.Unlock()
}

// Allow reports whether there may be a retry now, and takes it from the budget.
func (r *Retry) Allow(now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(now)
	if r.tokens < 1-1e-9 {
		return false
	}
	r.tokens = max(0, r.tokens-1)
	return true
}

// Balance is how many retries there may be now.
func (r *Retry) Balance(now time.Duration) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(now)
	return r.tokens
}

// settle lets tokens fade toward what the minimum alone gives in a window:
// dx/dt = min - x/window.
func (r *Retry) settle(now time.Duration) {
	dt := now - r.last
	if dt <= 0 {
		return
	}
	r.last = now
	rest := r.cfg.MinPerSecond * r.cfg.Window.Seconds()
	r.tokens = rest + (r.tokens-rest)*math.Exp(-dt.Seconds()/r.cfg.Window.Seconds())
}
