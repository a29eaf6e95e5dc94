package filter

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/rate"
	"github.com/caddy-portico/portico/internal/route"
)

// This file explains what a handler would do with a request, by asking the steps
// that decide it. Nothing is counted, banned or logged. All steps are asked, also
// behind the one that blocks: who mends a configuration wants to see all that is
// in the way.

// explained is what one handler would do.
type explained struct {
	Place  string   `json:"place"` // in the configuration, below /config
	Server string   `json:"server"`
	Hosts  []string `json:"hosts,omitempty"`
	Before []string `json:"before,omitempty"` // handlers taken to let the request through

	Mode    string `json:"mode"`
	Client  string `json:"client"`
	Address string `json:"address"` // allowed, denied or unlisted
	Action  string `json:"action"`  // pass, detect or block
	Status  int    `json:"status,omitempty"`
	Answer  string `json:"answer,omitempty"` // drop or tarpit, if that is the answer

	// What the steps say, in their order. The first that blocks is what the client
	// is told.
	Findings []finding `json:"findings"`

	Score     int      `json:"score"`
	Threshold int      `json:"threshold"`
	Tags      []string `json:"tags,omitempty"`
}

// A finding is what a step says.
type finding struct {
	Step   string `json:"step"`
	Action string `json:"action"` // block, detect, or count of a rate that has room
	Reason string `json:"reason"`
	Rule   string `json:"rule,omitempty"`
	Text   string `json:"text"`
	Status int    `json:"status,omitempty"`
	Strike bool   `json:"strike,omitempty"` // it counts towards a ban

	denial bool // respond, drop and tarpit replace the answer
}

// explain asks the steps.
func (h *Handler) explain(r *http.Request) *explained {
	x := h.inspect(make(route.Nowhere), r)
	e := &explained{
		Mode: h.Mode, Client: x.client.String(), Address: addressOf(x), Action: actionPass.String(),
		Findings: []finding{}, Threshold: *h.Threshold,
	}
	for _, s := range h.steps {
		score := x.score
		e.add(x.asked(s)...)
		if e.Action != actionBlock.String() {
			e.conclude(h)
			e.Score = x.score
		}
		if e.Action == actionBlock.String() {
			x.score = score // what a step that blocks adds is not added up with others
		}
	}
	e.Tags = x.tags
	return e
}

func (e *explained) add(findings ...finding) { e.Findings = append(e.Findings, findings...) }

// asked is what a step says.
func (x *inspection) asked(s step) (all []finding) {
	if s.name == stepRates {
		return x.foresee()
	}
	x.outcome = outcome{}
	v := s.judge(x)
	if x.outcome.action == actionDetect {
		for _, other := range append([]verdict{x.outcome.verdict}, x.outcome.also...) {
			all = append(all, findingOf(s.name, other))
		}
	}
	if v.reason != reasonNone {
		all = append(all, findingOf(s.name, v))
	}
	return all
}

// stepRates is the step that counts: asking it would change what it says.
const stepRates = "rates"

// conclude makes the first finding that blocks the outcome, or else that something
// was detected.
func (e *explained) conclude(h *Handler) {
	for _, f := range e.Findings {
		switch {
		case f.Action == block.String():
			e.Action, e.Status = actionBlock.String(), f.Status
			if f.denial {
				e.Answer = h.answerOf()
			}
			return
		case f.Action == detect.String():
			e.Action = actionDetect.String()
		}
	}
}

// answerOf is how a denial is answered, if not with a status.
func (h *Handler) answerOf() string {
	switch {
	case h.Drop:
		return "drop"
	case h.Tarpit > 0:
		return "tarpit"
	}
	return ""
}

func addressOf(x *inspection) string {
	decision, by := x.decide()
	if decision == address.Unlisted {
		return decision.String()
	}
	return decision.String() + " by " + by
}

func findingOf(step string, v verdict) finding {
	f := finding{
		Step: step, Action: v.mode.String(), Reason: v.reason.String(), Rule: v.rule, Status: v.code(),
		Text: v.text, Strike: v.strike() && v.mode == block, denial: v.denial(),
	}
	if f.Text == "" {
		f.Text = v.reason.text()
	}
	return f
}

// foresee says what the rates would make of the request, without counting it.
// What other machines have counted is not asked for.
func (x *inspection) foresee() (all []finding) {
	for _, o := range x.h.Rates {
		v := verdict{reason: reasonRate, mode: x.h.modeOf(o.Mode), rule: o.Name}
		matched, err := o.match.AnyMatchWithError(x.r)
		if err != nil {
			v.text, v.status, v.free = "the rate failed: "+err.Error(), http.StatusInternalServerError, true
			all = append(all, findingOf(stepRates, v))
			continue
		}
		local, ok := o.limiter.(interface {
			Peek(key string, now time.Time) rate.Result
		})
		if !matched || !ok {
			continue
		}
		result := local.Peek(o.key(x), x.now)
		f := findingOf(stepRates, v)
		f.Text = fmt.Sprintf("%d of %d are left on this machine", result.Remaining, result.Quota)
		if result.Allowed {
			f.Action, f.Status, f.Strike = "count", 0, false
		}
		all = append(all, f)
	}
	return all
}

// explanation is the answer of GET /request_filter/test.
type explanation struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Client string `json:"client"`

	// The filters that the request comes to, in this order. What comes behind one
	// that blocks is not looked at.
	Handlers []*explained `json:"handlers"`
	// What answers the request, by server.
	Answers []string `json:"answers"`
	// What this explanation takes for granted.
	Notes []string `json:"notes"`
}

// follow sends the request through the servers that would get it.
func (e *explanation) follow(app *caddyhttp.App, asked *http.Request) {
	servers, listening := route.ServersFor(app, route.URL(asked))
	if !listening {
		e.Notes = append(e.Notes, "No server listens on the port of the URL; the routes of all servers are looked at.")
	}
	for _, server := range servers {
		way := route.Follow(server, asked, e.visit)
		e.Answers = append(e.Answers, way.Ended)
	}
	if len(e.Handlers) == 0 {
		e.Notes = append(e.Notes, "The request comes to no request_filter.")
	}
	e.Notes = append(e.Notes,
		"Handlers under `before` are taken to let the request through as it is.",
		"The body, and what shows only on the connection, are not looked at.")
}

// visit explains a filter.
func (e *explanation) visit(w *route.Way, handler caddyhttp.MiddlewareHandler, place string) (own, goesOn bool) {
	h, own := handler.(*Handler)
	if !own {
		return false, true
	}
	said := h.explain(w.Request)
	said.Place, said.Server, said.Hosts, said.Before = place, w.Server.Name(), w.Hosts, w.Before
	e.Handlers = append(e.Handlers, said)
	return true, said.Action != actionBlock.String()
}

// clientName writes the address of a request without its port.
func clientName(r *http.Request) string {
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return addr.Addr().String()
	}
	return strings.TrimSpace(r.RemoteAddr)
}
