package lbpolicy

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/lbpolicy/budget"
	"github.com/caddy-portico/portico/lbpolicy/ramp"
)

// A balancer is what all policies have in common: it knows the upstreams,
// leaves out those that may not be chosen, and asks the policy's chooser for
// one of the rest.
type balancer struct {
	policy    string
	options   *Options
	tap       *tap
	outermost bool      // not the guest of another policy
	host      *balancer // of the policy that this one is the guest of, or nil
	tier      int       // of the host's tiers, the one that this policy is of
	loading   int       // the tier whose policy is being loaded
	log       *zap.Logger

	members  members
	detector *detector // nil: nothing is ejected
	queue    *queue    // nil: no waiting
	retries  *budget.Retry
	ramp     ramp.SlowStart
}

// A chooser is a policy's own part.
type chooser interface {
	// choose returns the index of one of the candidates in c.pool, or -1.
	choose(c *choice, r *http.Request, w http.ResponseWriter) int
}

// provision sets the balancer up for a policy with options. It must come before
// the policy's guests are loaded: the outermost policy of a handler is the
// first that attaches.
func (b *balancer) provision(ctx caddy.Context, policy string, options *Options) error {
	b.policy, b.options, b.log = policy, options, ctx.Logger()
	if err := options.validate(); err != nil {
		return err
	}
	t, err := attach(ctx)
	if err != nil {
		return err
	}
	b.tap, b.outermost, b.host = t, t.users == 1, t.host
	if t.handler == nil {
		b.log.Warn("not inside a reverse_proxy: choosing without latencies and failures")
	}
	if b.host != nil {
		b.tier = b.host.loading
	}
	if err := b.provisionOptions(ctx); err != nil {
		return err
	}
	b.members.provision(b)
	return provisionMetrics(ctx)
}

func (b *balancer) provisionOptions(ctx caddy.Context) error {
	o := b.options
	if err := b.checkAddresses("weight", slices.Sorted(maps.Keys(o.Weight))); err != nil {
		return err
	}
	b.ramp = ramp.SlowStart{Window: b.slowStart()}
	if o.Eject != nil {
		b.detector = acquireDetector(b)
		b.tap.judges = append(b.tap.judges, b)
	}
	if o.RetryBudget > 0 {
		if !b.outermost {
			return errors.New("retry_budget: belongs to the outermost policy")
		}
		if b.tap.handler != nil && !b.tap.retries {
			return errors.New("retry_budget: there are no retries without lb_retries or lb_try_duration")
		}
		b.retries = budget.New(budget.Config{Percent: o.RetryBudget, MinPerSecond: minRetries}, clock())
	}
	if o.Queue != nil {
		return b.provisionQueue()
	}
	return nil
}

// serves reports whether an upstream may be offered to the policy: to that of a tier,
// only those of the tier are.
func (b *balancer) serves(address string) bool {
	for ; b.host != nil; b = b.host {
		if tierOf := b.host.members.tierOf; tierOf != nil && tierOf(address) != b.tier {
			return false
		}
	}
	return true
}

// weightOf is the weight that is configured for an address. What a policy does not
// say itself it takes over from the one it is the guest of: to the administrator the
// two are one policy.
func (b *balancer) weightOf(address string) int {
	for ; b != nil; b = b.host {
		for written, w := range b.options.Weight {
			if sameAddress(written, address) {
				return w
			}
		}
	}
	return 1
}

// slowStart is the policy's own, or else that of the one it is the guest of.
func (b *balancer) slowStart() time.Duration {
	for ; b != nil; b = b.host {
		if b.options.SlowStart > 0 {
			return time.Duration(b.options.SlowStart)
		}
	}
	return 0
}

// minRetries is how many retries a second there may be however few requests
// there are: otherwise a site with a request now and then would have none.
const minRetries = 10

func (b *balancer) provisionQueue() error {
	if !b.outermost {
		return errors.New("queue: belongs to the outermost policy")
	}
	if !b.tap.limited() {
		return errors.New("queue: no upstream has a limit to wait for: set unhealthy_request_count (JSON: max_requests)")
	}
	b.queue = newQueue(b.tap, b.options.Queue.Max, time.Duration(b.options.Queue.Timeout))
	b.tap.trips, b.tap.slots = true, true
	return nil
}

// checkAddresses refuses what is no upstream of the handler. Those of a dynamic
// source are not known before they come.
func (b *balancer) checkAddresses(option string, addresses []string) error {
	h := b.tap.handler
	if h == nil || h.DynamicUpstreamsRaw != nil {
		return nil
	}
	for _, a := range addresses {
		if _, ok := b.tap.resolve(a); !ok {
			return fmt.Errorf("%s: '%s' is no upstream of this reverse_proxy", option, a)
		}
	}
	return nil
}

// cleanup lets go of what the policies share. It may come after a provision
// that failed at any point, and while requests are still on their way: what
// they use stays in place.
func (b *balancer) cleanup() error {
	if b.detector != nil {
		releaseDetector(b.detector)
	}
	if b.tap == nil {
		return nil
	}
	return b.tap.detach()
}

// pick chooses an upstream for a request, and waits for one if it may.
func (b *balancer) pick(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter, ch chooser) *reverseproxy.Upstream {
	tr := b.tap.trip(r)
	if b.retries != nil && !b.mayTry(tr) {
		return exhausted(tr)
	}
	if b.queue != nil {
		return b.queue.pass(r.Context(), pool, func() (*reverseproxy.Upstream, bool) {
			return b.try(pool, tr, r, w, ch)
		})
	}
	up, _ := b.try(pool, tr, r, w, ch)
	return up
}

// try chooses an upstream. Without one it says whether that is only because
// some are full.
func (b *balancer) try(pool reverseproxy.UpstreamPool, tr *trip, r *http.Request, w http.ResponseWriter, ch chooser) (up *reverseproxy.Upstream, full bool) {
	c := newChoice(b, pool, tr)
	defer c.recycle()
	c.consider(false)
	if len(c.candidates) == 0 && c.spared && (b.queue == nil || !c.full) { // else one that is well has a place soon
		c.consider(true)
	}
	for range len(pool) + 1 { // each turn but the last refuses one
		i := ch.choose(c, r, w)
		if i < 0 {
			break
		}
		if b.claim(c, i) {
			return pool[i], false
		}
		c.refuse(i)
	}
	return nil, c.full
}

// judge reports an attempt to the detector.
func (b *balancer) judge(u *upstream, o *outcome) {
	if o.class == classCanceled {
		return
	}
	now := clock()
	if m := b.members.find(u.address, now); m.ejected != nil {
		m.ejected.Report(now, o.failed(), o.took)
	}
}

// claim takes the chosen upstream for the request, if nobody else was faster.
func (b *balancer) claim(c *choice, i int) bool {
	m := c.members[i]
	if m.ejected != nil && !c.lenient && !m.ejected.Claim(c.now) {
		return false
	}
	if b.queue != nil && !c.trip.takeSlot(m.upstream, c.pool[i].MaxRequests) {
		c.full = true
		return false
	}
	return true
}
