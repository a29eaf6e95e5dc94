package filter

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/canonical"
)

// A step judges a request. What it leaves undecided is the next one's.
type step struct {
	name  string
	judge func(*inspection) verdict
	used  func(*Handler) bool // whether it has anything to do in a configuration
}

// steps is the filter, the cheapest first: what a look-up of the address
// settles is settled before the head is read, that before the target is
// decoded, and that before rules and counters.
//
// The place for a rule set that reads bodies is between rates and score.
var steps = [...]step{
	{"bans", (*inspection).bans, func(h *Handler) bool { return h.ledger != nil }},
	{"addresses", (*inspection).addresses, func(h *Handler) bool { return h.Allow != nil || h.Deny != nil }},
	{"limits", (*inspection).limits, func(h *Handler) bool { return h.Limits.any() }},
	{"framing", (*inspection).framing, func(h *Handler) bool { return h.Framing != wordOff }},
	{"path", (*inspection).path, func(h *Handler) bool { return h.Path != wordOff }},
	{"honeypot", (*inspection).honeypot, func(h *Handler) bool { return len(h.Honeypot) > 0 }},
	{"probes", (*inspection).probes, func(h *Handler) bool { return h.Probes != wordOff }},
	{"bots", (*inspection).bots, func(h *Handler) bool { return h.Bots.any() }},
	{"rules", (*inspection).rules, func(h *Handler) bool { return len(h.Rules) > 0 }},
	{stepRates, (*inspection).rates, func(h *Handler) bool { return len(h.Rates) > 0 }},
	{"score", (*inspection).overall, func(h *Handler) bool { return len(h.Rules) > 0 }},
}

// usedSteps are the steps that a configuration needs, in their order.
func (h *Handler) usedSteps() (used []step) {
	for _, s := range steps {
		if s.used(h) {
			used = append(used, s)
		}
	}
	return used
}

// inspection is one request on its way through the steps, and what was found
// out so far.
type inspection struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	client netip.Addr // as Caddy determines it; invalid: none, as of a Unix socket

	standing struct { // of the client, by allow and deny
		known    bool
		decision address.Decision
		by       string
	}
	target struct { // of the request, read once
		known bool
		canonical.Target
		defect canonical.Defect
	}
	score int
	tags  []string
	names []string // of the rules that scored

	outcome outcome
}

// walk takes the request through the steps until one blocks it.
func (x *inspection) walk() (verdict, bool) {
	for _, s := range x.h.steps {
		v := s.judge(x)
		if v.reason == reasonNone {
			continue
		}
		if v.mode == block {
			return v, true
		}
		x.detect(v)
	}
	return verdict{}, false
}

// detect notes a verdict that does not end the walk. The first one is what the
// request is counted by.
func (x *inspection) detect(v verdict) {
	if x.outcome.action == actionPass {
		x.outcome.action, x.outcome.verdict = actionDetect, v
		return
	}
	x.outcome.also = append(x.outcome.also, v)
}

// clientOf is the address Caddy has determined: that of the connection, or what
// a trusted proxy says.
func clientOf(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// read returns the target in its canonical form. Of one that has none (which
// passes if path is off, or only detects), it is as Caddy reads it.
func (x *inspection) read() canonical.Target {
	t := &x.target
	if t.known {
		return t.Target
	}
	t.known = true
	uri := x.r.RequestURI
	if uri == "" { // a request that no client has sent
		uri = x.r.URL.RequestURI()
	}
	t.Target, t.defect = canonical.Judge(x.r.Method, uri)
	if t.defect != canonical.None {
		path := "/" + strings.TrimLeft(x.r.URL.Path, "/")
		t.Target = canonical.Target{Path: path, Bare: path, Query: x.r.URL.RawQuery}
	}
	return t.Target
}
