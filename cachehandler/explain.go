package cachehandler

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

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

	// What of the key only the real request has.
	Unsure []string `json:"unsure,omitempty"`

	Result string  `json:"result"` // as {http.response_cache.status}, or "error"
	Then   string  `json:"then"`   // in words
	Steps  []stage `json:"steps"`
	Key    string  `json:"key,omitempty"`

	Variants []variant `json:"variants"`
	Refusals []refusal `json:"refusals"` // what the pass memory knows of the key
	Fetches  int       `json:"fetches"`  // of the key, on their way
	Waiting  int       `json:"waiting"`  // requests for one
	Drops    drops     `json:"drops"`
}

// stage is one decision.
type stage struct {
	Step    string `json:"step"`
	Reason  string `json:"reason,omitempty"`
	Text    string `json:"text,omitempty"`
	Section string `json:"section,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// refusal is an answer that was not storable.
type refusal struct {
	With    []string `json:"with"` // what the request had that may have been the cause
	Reason  string   `json:"reason"`
	Text    string   `json:"text"`
	Section string   `json:"section,omitempty"`
	Ago     int64    `json:"ago"`    // seconds
	Passes  bool     `json:"passes"` // requests of this kind go straight to the origin
}

// drops is how many objects would go.
type drops struct {
	URL         int       `json:"url"` // purge of the URL, or a successful unsafe request
	Tags        []tagDrop `json:"tags"`
	TagsOmitted int       `json:"tags_omitted,omitempty"`
}

type tagDrop struct {
	Tag     string `json:"tag"`
	Origin  string `json:"origin,omitempty"` // of a cache group: only what is of this origin
	Objects int    `json:"objects"`
}

// explain is what h would do with r, which has come as far as h.
func (h *Handler) explain(r *http.Request) *verdict {
	v := &verdict{
		Name: h.Name, Store: h.Store, Tier: h.cache.kind,
		Variants: []variant{}, Refusals: []refusal{}, Drops: drops{Tags: []tagDrop{}},
	}
	x := &exchange{h: h, w: make(route.Nowhere), r: r, now: time.Now(), dry: true}
	v.Unsure = unsure(h.Key.Placeholder, r)
	next := x.receive()
	v.Key = string(x.key)
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

// unsure are the placeholders of a key that are empty, as those are that a
// handler sets which is not called here.
func unsure(placeholders []string, r *http.Request) (empty []string) {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for _, p := range placeholders {
		if repl != nil && repl.ReplaceAll(p, "") == "" {
			empty = append(empty, "The placeholder "+p+" of the key is empty here. A handler before this one may set it for a real request.")
		}
	}
	return empty
}

// unasked is a request that is not looked up.
func (v *verdict) unasked(x *exchange, next step) {
	v.say("receive", x.outcome.reason, "")
	switch {
	case next == stepDone:
		v.Result, v.Then = "error", "The request is answered with an error: "+x.err.Error()+"."
	case x.outcome.reason == httpcache.Bypassed:
		v.Result, v.Then = resultBypass.String(), "The origin is asked, and its answer is not stored."
	default:
		v.Result, v.Then = resultPass.String(), "The origin is asked, and its answer is not stored."
	}
	if _, ok := httpcache.Invalidates(x.r.Method, x.target(), http.StatusOK, nil); ok && next == stepPass {
		v.Then += " If that succeeds, what is stored under the key is dropped, with what the answer names in Location, Content-Location and Cache-Group-Invalidation (RFC 9111 §4.4, RFC 9875 §3)."
	}
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
	default:
		v.missed(x)
	}
}

func (x *exchange) selects(o *store.Object) bool { return x.h.policy.Selects(o.Head, x.r.Header) }

// missed is a request that nothing stored answers as it is.
func (v *verdict) missed(x *exchange) {
	switch why := x.unfetched(); why {
	case httpcache.None:
	case httpcache.OnlyIfCached:
		v.say("miss", why, "")
		v.Result, v.Then = "error", "It is answered with 504."
		return
	default:
		v.say("miss", why, "")
		v.Result, v.Then = resultPass.String(), "The origin is asked, and its answer is not stored."
		if x.r.Method == http.MethodHead {
			v.Then = "The origin is asked, and an answer to HEAD is not stored; it may freshen what is (RFC 9111 §4.3.5)."
		}
		return
	}
	v.Result, v.Then = resultMiss.String(), "The origin is asked, and its answer is stored if it may be."
	if fetches, _ := x.h.cache.flights.pending(string(x.key)); fetches > 0 && !x.h.Collapse.Off {
		v.Then += " It may wait for a fetch that is on its way."
	}
	if x.object == nil {
		return
	}
	asked := make(http.Header)
	if x.object.Head.Validate(asked) {
		v.Result = resultRevalidated.String()
		v.say("validate", httpcache.None, "The origin is asked with "+fieldLines(asked)+" (RFC 9111 §4.3.1).")
		v.Then = "The origin is asked whether the stored response is still valid. If it says 304, that is the answer: " + x.answer() + ". Otherwise its new answer is."
	}
	ok, why := x.h.policy.ReuseOnError(x.object.Head, x.r.Header, 0, x.now)
	if ok {
		v.say("if the origin fails", why, "Then the stored response is the answer.")
	} else {
		v.say("if the origin fails", why, "Then the failure is the answer.")
	}
}

// answer is what of the object the client would get.
func (x *exchange) answer() string {
	head := x.object.Head
	switch {
	case httpcache.Precondition(head, x.r.Header) == http.StatusNotModified:
		return "304, by the request's own condition (RFC 9110 §13.2.2)"
	case x.r.Method == http.MethodHead:
		return "the head of the response (RFC 9110 §9.3.2)"
	case head.Status == http.StatusOK && x.r.Header["Range"] != nil:
		return "the part it asks for, if there is one (RFC 9110 §14.2)"
	}
	return "the whole response"
}

func (v *verdict) say(step string, why httpcache.Reason, detail string) {
	s := stage{Step: step, Detail: detail}
	if why != httpcache.None {
		s.Reason, s.Text, s.Section = why.String(), why.Text(), why.Section()
	}
	v.Steps = append(v.Steps, s)
}

// describe adds what is known of the key, whatever becomes of the request.
func (v *verdict) describe(x *exchange, objects []*store.Object) {
	for _, o := range objects {
		v.Variants = append(v.Variants, x.variant(o))
	}
	for c := range unfillable << 1 {
		if why, age, ok := x.h.cache.passes.recall(x.key, c, x.now); ok {
			v.Refusals = append(v.Refusals, refusal{
				With: c.names(), Reason: why.String(), Text: why.Text(), Section: why.Section(),
				Ago: int64(age / time.Second), Passes: age < passFor,
			})
		}
	}
	v.Fetches, v.Waiting = x.h.cache.flights.pending(string(x.key))
	v.Drops.URL = len(objects)
	v.countTags(x, objects)
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

// maxCounted bounds the tags whose objects are counted.
const maxCounted = 100

func (v *verdict) countTags(x *exchange, objects []*store.Object) {
	var tags []string
	for _, o := range objects {
		tags = append(tags, o.Tags...)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	v.Drops.TagsOmitted = max(0, len(tags)-maxCounted)
	for _, tag := range tags[:min(len(tags), maxCounted)] {
		tagged, err := x.h.cache.tier.Tagged(x.r.Context(), tag)
		if err != nil {
			continue
		}
		name, origin := httpcache.PlainTag(tag)
		v.Drops.Tags = append(v.Drops.Tags, tagDrop{Tag: name, Origin: origin, Objects: len(tagged)})
	}
}

func fieldLines(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, " and ")
}
