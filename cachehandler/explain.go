package cachehandler

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
	"github.com/caddy-portico/portico/internal/route"
)

// This file explains what a handler would do with a request, by asking the
// functions that decide it: an exchange that nobody made goes through the steps
// as far as they only decide. Nothing is changed, counted or fetched.
//
// What it shows is what the admin API may show. Of cookies and credentials in
// what is stored it says that they are there, and no more.

// verdict is what one handler would do.
type verdict struct {
	Place  string   `json:"place"` // in the configuration, below /config
	Server string   `json:"server"`
	Hosts  []string `json:"hosts,omitempty"` // of the route it stands in
	Name   string   `json:"name"`
	Store  string   `json:"store"`
	Tier   string   `json:"tier"`

	// Handlers that the request meets before this one, and that are taken to
	// let it through unchanged.
	Before []string `json:"before,omitempty"`
	// The handler around this one that uses the same store, and whose fetches
	// this one lets through.
	Inside string `json:"inside,omitempty"`
	// The handler around this one that answers, so that the request does not come
	// here unless that asks the origin.
	Behind string `json:"behind,omitempty"`

	// What of the key only the real request has.
	Unsure []string `json:"unsure,omitempty"`

	Result string       `json:"result"` // as {http.response_cache.status}; "error", or "none" for one that lets the request through
	Then   string       `json:"then"`   // in words
	Steps  []stage      `json:"steps"`
	Key    string       `json:"key,omitempty"`
	Origin *originFetch `json:"origin,omitempty"` // the request it would send

	Variants []variant `json:"variants"`
	Refusals []refusal `json:"refusals"` // what the pass memory knows of the key
	Fetches  int       `json:"fetches"`  // of the key, on their way
	Oldest   int64     `json:"oldest"`   // of these, in seconds
	Waiting  int       `json:"waiting"`  // requests for one
	Drops    drops     `json:"drops"`
}

// stage is one decision.
type stage struct {
	Step    string `json:"step"`
	Reason  string `json:"reason,omitempty"`
	Text    string `json:"text,omitempty"`
	Section string `json:"section,omitempty"`
	Option  string `json:"option,omitempty"` // that decides it, or can change it
	Detail  string `json:"detail,omitempty"`
}

// refusal is an answer that was not storable.
type refusal struct {
	With      []string `json:"with"` // what the request had that may have been the cause
	Reason    string   `json:"reason"`
	Text      string   `json:"text"`
	Section   string   `json:"section,omitempty"`
	Option    string   `json:"option,omitempty"` // that decides it, or can change it
	Ago       int64    `json:"ago"`              // seconds
	Passes    bool     `json:"passes"`           // requests of this kind go straight to the origin
	PassesFor int64    `json:"passes_for"`       // seconds more
}

// explain is what h would do with r, which has come as far as h.
func (h *Handler) explain(r *http.Request) *verdict {
	v := h.newVerdict()
	x := &exchange{h: h, w: make(route.Nowhere), r: r, now: time.Now(), dry: true}
	v.Unsure = unsure(h.Key.Placeholder, r)
	next := x.receive()
	if x.query != nil {
		v.Unsure = append(v.Unsure, "The key of a QUERY has a digest of its content; this is that of one without.")
	}
	v.Key = x.shown(string(x.key))
	objects, selected, err := x.find()
	if next != stepLookup {
		v.unasked(x, next)
	} else {
		v.say("receive", httpcache.None, "The request is for the cache.")
		v.lookedUp(x, objects, selected, err)
	}
	v.describe(x, objects)
	return v
}

// newVerdict has lists that are empty, for JSON has null for what is none.
func (h *Handler) newVerdict() *verdict {
	return &verdict{
		Name: h.Name, Store: h.Store, Tier: h.cache.kind,
		Steps: []stage{}, Variants: []variant{}, Refusals: []refusal{},
		Drops: drops{Prefixes: []prefixDrop{}, Tags: []tagDrop{}},
	}
}

// unsure are the placeholders of a key that are empty, as those are that a
// handler sets which is not called here.
func unsure(placeholders []string, r *http.Request) (empty []string) {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for _, p := range placeholders {
		if repl != nil && repl.ReplaceAll(p, "") == "" && !ofRequest(p) {
			empty = append(empty, "The placeholder "+p+" of the key is empty here. A handler before this one may set it for a real request.")
		}
	}
	return empty
}

// ofRequest reports a placeholder that is empty because the request has no such thing.
func ofRequest(placeholder string) bool {
	return strings.HasPrefix(placeholder, "{http.request.") && !strings.HasPrefix(placeholder, "{http.request.tls.")
}

// unasked is a request that is not looked up.
func (v *verdict) unasked(x *exchange, next step) {
	v.say("receive", x.outcome.reason, x.bypassedBy())
	switch {
	case next == stepDone:
		v.Result, v.Then = "error", "It is answered with "+errorText(x.err)+"."
	case x.outcome.reason == httpcache.Bypassed:
		v.Result, v.Then = resultBypass.String(), "The origin is asked, and its answer is not stored."
	case x.mayKeepPost():
		v.Result, v.Then = resultPass.String(), "The origin is asked. Its answer is stored, for later GETs, only if it says with Content-Location that it is what they would get, and gives a lifetime (RFC 9110 §9.3.3)."
	default:
		v.Result, v.Then = resultPass.String(), "The origin is asked, and its answer is not stored."
	}
	if _, ok := httpcache.Invalidates(x.r.Method, x.target(), nil, http.StatusOK, nil); ok && next == stepPass && x.key != nil {
		v.Then += " If that succeeds, what is stored under the key is dropped, with what the answer names in Location, Content-Location and Cache-Group-Invalidation, or a COPY or MOVE as Destination (RFC 9111 §4.4, RFC 9875 §3)."
	}
}

// bypassedBy says which matcher of bypass it is that matches.
func (x *exchange) bypassedBy() string {
	if x.outcome.reason != httpcache.Bypassed {
		return ""
	}
	for i, matchers := range x.h.bypass {
		if matched, err := matchers.MatchWithError(x.r); matched && err == nil {
			return fmt.Sprintf("It is matcher %d of %d that matches.", i+1, len(x.h.bypass))
		}
	}
	return ""
}

// errorText is an error as its client sees it, and why it is one.
func errorText(err error) string {
	var he caddyhttp.HandlerError
	if errors.As(err, &he) && he.Err != nil {
		return fmt.Sprintf("%d: %v", he.StatusCode, he.Err)
	}
	return fmt.Sprintf("%d: %v", http.StatusInternalServerError, err)
}

// lookedUp goes on with what is stored.
func (v *verdict) lookedUp(x *exchange, objects []*store.Object, selected *store.Object, err error) {
	if err != nil {
		v.say("look up", httpcache.StoreFailed, err.Error())
		v.Result, v.Then = resultPass.String(), "The origin is asked, and its answer is not stored."
		return
	}
	next := x.choose(objects, selected)
	if next == stepPart {
		next = x.part()
	}
	why := x.outcome.reason
	if x.object == nil && !slices.ContainsFunc(objects, func(o *store.Object) bool { return x.selects(o) }) {
		v.say("look up", why, "")
	} else {
		v.say("reuse", why, "")
	}
	switch next {
	case stepHit:
		v.Result = resultHit.String()
		if x.object.Head.TTL(x.now) < 0 {
			v.Result = resultStale.String()
		}
		v.Then = "It is answered from the store: " + x.answer() + "."
	case stepStale:
		v.Result = resultStale.String()
		v.Then = "It is answered from the store, and one request fetches it anew in the background: " + x.answer() + "."
		v.Origin = x.wouldAsk()
	default:
		v.missed(x)
	}
}

func (x *exchange) selects(o *store.Object) bool { return x.h.policy.Selects(o.Head, x.r.Header) }

// answer is what of the object the client would get.
func (x *exchange) answer() string {
	head := x.object.Head
	switch {
	case httpcache.Precondition(head, x.r.Header) == http.StatusNotModified:
		return "304, by the request's own condition (RFC 9110 §13.2.2)"
	case x.r.Method == http.MethodHead:
		return "the head of the response (RFC 9110 §9.3.2)"
	case head.Part != nil:
		return "the part it asks for (RFC 9110 §14.2)"
	case head.Status == http.StatusOK && x.r.Header["Range"] != nil:
		return x.answerToRange()
	}
	return "the whole response"
}

// answerToRange is answer for a request for a part of something whole.
func (x *exchange) answerToRange() string {
	length, known := x.completeLength()
	if !known {
		length = math.MaxInt64 // as deliverOpenRange has it
	}
	switch _, status := httpcache.Ranges(x.object.Head, x.r.Header, length); {
	case status == http.StatusOK:
		return "the whole response, as its Range does not apply (RFC 9110 §13.1.5, §14.2)"
	case !known:
		return "the part it asks for, if that has arrived (RFC 9110 §14.2)"
	case status == http.StatusRequestedRangeNotSatisfiable:
		return "416, as there is no such part (RFC 9110 §15.5.17)"
	}
	return "the part it asks for (RFC 9110 §14.2)"
}

func (v *verdict) say(step string, why httpcache.Reason, detail string) {
	s := stage{Step: step, Detail: detail}
	if why != httpcache.None {
		s.Reason, s.Text, s.Section, s.Option = why.String(), why.Text(), why.Section(), optionFor(why)
	}
	v.Steps = append(v.Steps, s)
}

// describe adds what is known of the key, whatever becomes of the request.
func (v *verdict) describe(x *exchange, objects []*store.Object) {
	objects = x.withEquivalents(objects)
	for _, o := range objects {
		v.Variants = append(v.Variants, x.variant(o))
	}
	for c := range unfillable << 1 {
		v.refused(x, x.key, c)
	}
	if x.portion != nil {
		v.refused(x, rangeKey(x.key, x.portion.field), classOf(x.r.Header))
	}
	var oldest time.Time
	v.Fetches, v.Waiting, oldest = x.h.cache.flights.pending(string(x.key))
	if v.Fetches > 0 {
		v.Oldest = seconds(x.now.Sub(oldest))
	}
	v.countDrops(x, objects)
}

// withEquivalents adds what is stored for URIs that are equivalent.
func (x *exchange) withEquivalents(objects []*store.Object) []*store.Object {
	all := slices.Clone(objects)
	for _, e := range x.equivalents() {
		others, err := x.get(e.key, e.ends)
		if err == nil && len(others) > 0 && !slices.Contains(all, others[0]) {
			all = append(all, others...)
		}
	}
	return all
}

// refused adds what is remembered of a class of requests.
func (v *verdict) refused(x *exchange, key []byte, c class) {
	why, age, ok := x.h.cache.passes.recall(key, c, x.now)
	with := c.names()
	if !ok || slices.ContainsFunc(v.Refusals, func(r refusal) bool { return slices.Equal(r.With, with) && r.Reason == why.String() }) {
		return // one that is too large to be filled from a part is remembered under two classes
	}
	v.Refusals = append(v.Refusals, refusal{
		With: with, Reason: why.String(), Text: why.Text(), Section: why.Section(), Option: optionFor(why),
		Ago: seconds(age), Passes: age < passFor, PassesFor: seconds(max(0, passFor-age)),
	})
}

// names are the request fields a class stands for.
func (c class) names() []string {
	names := []string{}
	for bit, name := range map[class]string{authorized: "Authorization", withCookie: "Cookie", forPart: "Range"} {
		if c&bit != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
