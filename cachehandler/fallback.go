package cachehandler

import (
	"maps"
	"net/http"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is HEAD while the origin fails. A HEAD is passed where no fresh
// response is stored, but a stale one that would answer a GET then answers it as
// well (RFC 5861 §4, RFC 9111 §4.2.4): what watches a site often asks with HEAD.
//
// Whether the origin fails shows with its status, so until then nothing is
// published of the request.

// mayFallBack reports a request with which x.object may be used if the origin fails.
func (x *exchange) mayFallBack() bool {
	if x.r.Method != http.MethodHead || x.object == nil {
		return false
	}
	ok, _ := x.h.policy.ReuseOnError(x.object.Head, x.r.Header, 0, x.now)
	return ok
}

// passOrFallBack passes such a request, and answers it if the origin does not.
func (x *exchange) passOrFallBack() step {
	w := &x.direct
	w.before = maps.Clone(x.w.Header())
	if x.mayFreshen() {
		w.outer = w.before
	}
	x.err = x.next.ServeHTTP(w, x.r)
	switch {
	case w.fellBack:
	case w.wroteHead:
		return stepDone
	case x.err == nil || errorStatus(x.err) != 0:
		x.publish()
		return stepDone
	}
	x.err = nil
	setHeader(x.w.Header(), w.before)
	x.now = time.Now()
	x.fetched(resultStale, httpcache.OnError, landing{status: x.outcome.fwdStatus})
	return stepDeliver
}

// failsOver reports a final status in whose place x.object is used.
func (x *exchange) failsOver(status int) bool {
	if x.direct.before == nil || status < http.StatusInternalServerError {
		return false
	}
	ok, _ := x.h.policy.ReuseOnError(x.object.Head, x.r.Header, status, time.Now())
	return ok
}
