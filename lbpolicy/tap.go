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
	retries   bool // the handler tries again
	trips     bool // requests are followed from attempt to attempt
	slots     bool // requests hold slots at upstreams with a limit
	users     int
}

// An observer is told of each attempt by its request.
type observer interface {
	// observe is called when the head of a response is there, or will not be, and
	// when a response breaks off; in these cases res is nil.
	observe(u *upstream, req *http.Request, res *http.Response, o *outcome)
}

func newTap(h *reverseproxy.Handler) *tap {
	t := &tap{handler: h, static: make(map[string]*upstream)}
	if h == nil {
		return t
	}
	for _, up := range h.Upstreams {
		if t.static[up.Dial] == nil {
			t.static[up.Dial] = acquire(up.Dial)
		}
	}
	t.retries = h.LoadBalancing != nil && (h.LoadBalancing.Retries > 0 || h.LoadBalancing.TryDuration > 0)
	t.trips = t.retries
	return t
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
	// An active health check comes through the same transport, without what a
	// request brings.
	if di.Upstream == nil || di.Upstream.Host == nil || ctx.Value(caddyhttp.VarsCtxKey) == nil {
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
	for _, ob := range t.observers {
		ob.observe(u, req, res, &o)
	}
	tr := t.tripOf(ctx)
	tr.ended(u, &o, err)
	t.followBody(req, u, tr, res)
	return res, err
}

// followBody sees the end of the response, or gives its slot back at once if
// none is to come. The connection of a 101 must stay what it is; its slot is
// held until the request is over.
func (t *tap) followBody(req *http.Request, u *upstream, tr *trip, res *http.Response) {
	switch {
	case res == nil || res.Body == nil || res.Body == http.NoBody:
		tr.releaseSlot()
	case res.StatusCode != http.StatusSwitchingProtocols:
		res.Body = &body{ReadCloser: res.Body, tap: t, req: req, upstream: u, trip: tr}
	}
}

// body is that of a response. One that breaks off is the upstream's failure,
// although its head looked well.
type body struct {
	io.ReadCloser
	tap      *tap
	req      *http.Request
	upstream *upstream
	trip     *trip
	ended    bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !b.ended {
		b.ended = true
		if !errors.Is(err, io.EOF) && b.req.Context().Err() == nil {
			b.broke()
		}
	}
	return n, err
}

func (b *body) broke() {
	b.upstream.broke(clock())
	for _, ob := range b.tap.observers {
		ob.observe(b.upstream, b.req, nil, &outcome{class: classError})
	}
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.ended = true
	err := b.ReadCloser.Close()
	b.trip.releaseSlot()
	return err
}
