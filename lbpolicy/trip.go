package lbpolicy

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A trip is the way of one request through its attempts. It is kept only where
// something needs it: with retries (so that none goes to an upstream that has
// just failed) and with a queue (whose slot it holds).
type trip struct {
	tap      *tap
	req      *http.Request // as Select is given it, the same at every attempt
	attempts int           // that reached an upstream
	tried    []*upstream   // those that failed
	last     error         // of the last attempt
	counted  bool          // by the budget of retries
	held     atomic.Pointer[upstream]
}

// tripKey is where a trip is among the variables of the request, which other
// handlers of the request share.
const tripKey = "portico.lb_trip"

// tripOf returns the request's trip through the tap's handler, or nil.
func (t *tap) tripOf(ctx context.Context) *trip {
	if !t.trips {
		return nil
	}
	if tr, ok := caddyhttp.GetVar(ctx, tripKey).(*trip); ok && tr.tap == t {
		return tr
	}
	return nil
}

// trip returns that of the request given to Select, begun if there was none.
// Without retries and queue it is nil.
func (t *tap) trip(req *http.Request) *trip {
	if !t.trips {
		return nil
	}
	tr := t.tripOf(req.Context())
	if tr == nil || tr.req != req {
		tr = &trip{tap: t, req: req}
		caddyhttp.SetVar(req.Context(), tripKey, tr)
		if t.slots {
			// Caddy may give an attempt up before there is a round trip.
			context.AfterFunc(req.Context(), tr.releaseSlot)
		}
	}
	return tr
}

// ended notes what an attempt came to.
func (tr *trip) ended(u *upstream, o *outcome, err error) {
	if tr == nil {
		return
	}
	tr.attempts++
	if o.failed() {
		tr.tried = append(tr.tried, u)
		tr.last = err
	}
}

// avoids reports that the request has been to u and failed.
func (tr *trip) avoids(u *upstream) bool {
	return tr != nil && slices.Contains(tr.tried, u)
}

// takeSlot reserves one of limit places at the upstream, until the response has
// ended or the request is over.
func (tr *trip) takeSlot(u *upstream, limit int) bool {
	tr.releaseSlot()
	if !u.slots.take(limit) {
		return false
	}
	tr.held.Store(u)
	if tr.req.Context().Err() != nil {
		tr.releaseSlot() // its end may have been before there was anything to give back
	}
	return true
}

func (tr *trip) releaseSlot() {
	if tr == nil {
		return
	}
	if u := tr.held.Swap(nil); u != nil {
		u.slots.free()
		wakeQueues()
	}
}
