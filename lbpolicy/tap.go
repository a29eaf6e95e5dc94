package lbpolicy

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// A tap sees every attempt of one reverse_proxy: which upstream, how long until
// its head, how it ended. The policies of that handler share it. A policy
// outside of a reverse_proxy has one that sees nothing.
type tap struct {
	// Fixed once the handler is provisioned.
	handler   *reverseproxy.Handler
	static    map[string]*upstream        // the configured upstreams
	owned     *reverseproxy.HTTPTransport // the default transport, if the tap made it
	observers []observer
	judges    []*balancer // with eject
	retries   bool        // the handler tries again
	trips     bool        // requests are followed from attempt to attempt
	slots     bool        // requests hold slots at upstreams with a limit
	users     int
	host      *balancer // whose guests are being loaded
}

// An observer sees the heads of responses, before anybody else does.
type observer interface {
	observe(u *upstream, res *http.Response)
}

func newTap(h *reverseproxy.Handler) *tap {
	t := &tap{handler: h, static: make(map[string]*upstream)}
	if h == nil {
		return t
	}
	t.acquire()
	t.retries = h.LoadBalancing != nil && (h.LoadBalancing.Retries > 0 || h.LoadBalancing.TryDuration > 0)
	t.trips = t.retries
	return t
}

// acquire takes the configured upstreams. One that comes to others which are
// known already starts slowly, where a policy wants that.
func (t *tap) acquire() {
	var fresh []*upstream
	for _, up := range t.handler.Upstreams {
		if t.static[up.Dial] != nil {
			continue
		}
		u, known := acquire(up.Dial)
		t.static[up.Dial] = u
		if !known {
			fresh = append(fresh, u)
		}
	}
	if len(fresh) == len(t.static) {
		return
	}
	for _, u := range fresh {
		u.warm.appear(clock())
	}
}

// detach ends the use by one policy; the last one ends the tap.
func (t *tap) detach() error {
	if t.users--; t.users != 0 {
		return nil
	}
	for address := range t.static { // which stays: requests may still be on their way
		release(address)
	}
	if t.owned != nil {
		return t.owned.Cleanup()
	}
	return nil
}

// find returns what is known of an upstream of the handler.
func (t *tap) find(address string, now time.Duration) *upstream {
	if u := t.static[address]; u != nil {
		return u
	}
	return discovered.find(address, now)
}

// limited reports that upstreams of the handler have, or may have, a limit of requests.
func (t *tap) limited() bool {
	h := t.handler
	if h == nil || h.DynamicUpstreamsRaw != nil {
		return true
	}
	if h.HealthChecks != nil && h.HealthChecks.Passive != nil && h.HealthChecks.Passive.UnhealthyRequestCount > 0 {
		return true
	}
	return slices.ContainsFunc(h.Upstreams, func(up *reverseproxy.Upstream) bool { return up.MaxRequests > 0 })
}

// full reports an upstream that has as many requests as it may.
func (t *tap) full(up *reverseproxy.Upstream, u *upstream) bool {
	if t.slots {
		return u.slots.full(up.MaxRequests)
	}
	return up.Full()
}

// roundTrip carries out an attempt and learns from it.
func (t *tap) roundTrip(rt http.RoundTripper, req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	di, _ := reverseproxy.GetDialInfo(ctx)
	if di.Upstream == nil || di.Upstream.Host == nil || isHealthCheck(req) {
		return rt.RoundTrip(req)
	}
	began := clock()
	u := t.find(di.Upstream.Dial, began)
	o := outcome{inFlight: max(1, di.Upstream.NumRequests())}
	u.host.Begin(began)
	res, err := rt.RoundTrip(req)
	now := clock()
	o.took, o.class = now-began, classify(ctx, res, err)
	if err == nil {
		o.status, o.retryAfter = res.StatusCode, retryAfter(res)
	}
	u.learn(&o, now)
	if err == nil {
		for _, ob := range t.observers {
			ob.observe(u, res)
		}
	}
	tr := t.tripOf(ctx)
	tr.ended(u, &o, err)
	if !t.followBody(req, u, tr, res, &o) {
		tr.releaseSlot()
		t.judge(u, &o)
	}
	return res, err
}

// isHealthCheck reports an active health check, which comes through the same
// transport without what a request brings. A request has the address of its client;
// only if that is empty, as it may be at a Unix socket, the context is searched.
func isHealthCheck(req *http.Request) bool {
	return req.RemoteAddr == "" && req.Context().Value(caddyhttp.VarsCtxKey) == nil
}

// judge reports the whole of an attempt to those that may eject the upstream.
func (t *tap) judge(u *upstream, o *outcome) {
	for _, b := range t.judges {
		b.judge(u, o)
	}
}

// followBody sees to the end of a response, if there is one to come. The
// connection of a 101 must stay what it is; its slot is held until the request
// is over.
func (t *tap) followBody(req *http.Request, u *upstream, tr *trip, res *http.Response, o *outcome) bool {
	if res == nil || res.Body == nil || res.Body == http.NoBody {
		return false
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		t.judge(u, o)
		return true
	}
	b := &body{ReadCloser: res.Body, req: req, upstream: u}
	if tr != nil || len(t.judges) > 0 {
		b.ending = &ending{tap: t, trip: tr, outcome: *o}
	}
	res.Body = b
	return true
}

// body is that of a response. One that breaks off is the upstream's failure,
// although its head looked well.
type body struct {
	io.ReadCloser
	req      *http.Request
	upstream *upstream
	ending   *ending // nil: nobody waits for it
	ended    bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(!errors.Is(err, io.EOF) && b.req.Context().Err() == nil)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if b.ending != nil {
		b.ending.trip.releaseSlot()
	}
	b.end(false)
	return err
}

// end notes the end of the body, once.
func (b *body) end(broken bool) {
	if b.ended {
		return
	}
	b.ended = true
	if broken {
		b.upstream.broke(clock())
	}
	if b.ending != nil {
		b.ending.note(b.upstream, broken)
	}
}

// ending is what waits for the end of a body.
type ending struct {
	tap     *tap
	trip    *trip
	outcome outcome
}

func (e *ending) note(u *upstream, broken bool) {
	if broken {
		e.outcome.class = classError
	}
	e.tap.judge(u, &e.outcome)
}
