package lbpolicy

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

// An upstream is what is known of one upstream address. All policies that send
// requests there share it, over reloads: what it is learnt by one counts for
// all. It is safe for concurrent use.
type upstream struct {
	// What every choice reads, next to each other.
	host     *estimate.Host                    // latency and success
	caddy    atomic.Pointer[reverseproxy.Host] // Caddy's own counters
	override atomic.Int64                      // weight set through the admin API, plus 1; 0: as configured
	drained  atomic.Bool                       // set through the admin API: no new sessions
	slots    slots
	warm     warmth

	address string
	// As the last policy that was provisioned has it.
	configured      atomic.Int64
	drainedByConfig atomic.Bool

	counts  [classes]atomic.Uint64
	latency histogram
}

func newUpstream(address string) *upstream {
	return &upstream{address: address, host: estimate.NewHost(estimate.Config{})}
}

// Destruct implements caddy.Destructor.
func (*upstream) Destruct() error { return nil }

// began is where the clock of the estimates starts.
var began = time.Now()

// clock is a reading of the monotonic clock.
func clock() time.Duration { return time.Since(began) }

// chance is the source of random numbers: the runtime's, which no lock guards.
type chance struct{}

// Uint64 implements rand.Source.
func (chance) Uint64() uint64 { return rand.Uint64() } //nolint:gosec // nothing secret

// learn notes what became of an attempt that host.Begin announced.
func (u *upstream) learn(o *outcome, now time.Duration) {
	u.counts[o.class].Add(1)
	if o.status != 0 {
		u.latency.observe(o.took)
	}
	u.host.End(now, estimate.Outcome{
		Kind: o.kind(), Latency: o.took, RIF: o.inFlight, RetryAfter: o.retryAfter,
	})
}

// broke notes that a response ended before its end.
func (u *upstream) broke(now time.Duration) {
	u.counts[classError].Add(1)
	u.host.Begin(now)
	u.host.End(now, estimate.Outcome{Kind: estimate.Failure})
}

// requests is how many requests the upstream has, of all handlers.
func (u *upstream) requests() int {
	if h := u.caddy.Load(); h != nil {
		return h.NumRequests()
	}
	return u.host.Waiting()
}

// busy reports requests on their way.
func (u *upstream) busy() bool { return u.requests() > 0 || u.host.Waiting() > 0 }

// weightOr is the weight set through the admin API, or else the configured one.
func (u *upstream) weightOr(configured int) int {
	if w := u.override.Load(); w > 0 {
		return int(w - 1)
	}
	return configured
}
