package cachehandler

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is what an explanation says about a request that nothing stored answers, and
// about the one that the origin would get for it.

// missed is a request that nothing stored answers as it is.
func (v *verdict) missed(x *exchange) {
	switch why := x.unfetched(); why {
	case httpcache.None:
	case httpcache.OnlyIfCached:
		v.say("miss", why, "")
		v.Result, v.Then = "error", "It is answered with 504: nothing usable is stored."
		return
	default:
		v.passed(x, why)
		return
	}
	v.Result, v.Then = resultMiss.String(), "The origin is asked, and its answer is stored if it may be."
	v.Origin = x.wouldAsk()
	v.collapsed(x)
	if x.portion != nil {
		v.say("part", httpcache.None, x.wanted())
	} else if x.object == nil && x.r.Header["Range"] != nil {
		v.Steps = append(v.Steps, stage{Step: "part", Option: "fill_range_up_to", Detail: "The whole is asked for, and stored if it is no larger than that; if it is larger, the range is asked for by itself."})
	}
	if x.object == nil {
		return
	}
	if v.Origin.validates() {
		v.Result = resultRevalidated.String()
		v.say("validate", httpcache.None, "The origin is asked with "+fieldLines(v.Origin.Fields)+" (RFC 9111 §4.3.1).")
		v.Then = "The origin is asked whether the stored response is still valid. If it says 304, that is the answer: " + x.answer() + ". Otherwise its new answer is."
	}
	v.onFailure(x)
}

// passed is a request that goes to the origin without the cache asking anything
// itself.
func (v *verdict) passed(x *exchange, why httpcache.Reason) {
	v.say("miss", why, x.lastRefusal(why))
	v.Result, v.Then = resultPass.String(), "The origin is asked, and its answer is not stored."
	switch {
	case x.r.Method == http.MethodHead:
		v.Then = "The origin is asked, and an answer to HEAD is not stored; it may freshen what is (RFC 9111 §4.3.5)."
		if x.object != nil {
			v.onFailure(x)
		}
	case why == httpcache.PassMemory:
		v.Then += " If it turns out to be one that may be, the next one is."
	}
}

// lastRefusal is what the pass memory has against a request that passes by it.
func (x *exchange) lastRefusal(why httpcache.Reason) string {
	if why != httpcache.PassMemory {
		return ""
	}
	c := classOf(x.r.Header)
	last, age, ok := x.h.cache.passes.recall(x.key, c, x.now)
	if !ok || age >= passFor {
		last, age, _ = x.h.cache.passes.recall(x.key, c|outgrown, x.now)
	}
	return fmt.Sprintf("The last one, %v ago: %v: %s%s", age, last, last.Text(), inBrackets(last.Section()))
}

// collapsed says how the request would share a fetch.
func (v *verdict) collapsed(x *exchange) {
	fetches, _, _ := x.h.cache.flights.pending(x.flightKey())
	switch {
	case fetches == 0:
	case x.h.Collapse.Off:
		v.Steps = append(v.Steps, stage{Step: "collapse", Option: "collapse", Detail: "It does not wait for a fetch that is on its way."})
	case x.validatedEachTime():
		v.say("collapse", httpcache.None, "What is stored is validated before each use, by every request for itself.")
	case x.h.policy.WantsNewer(x.r.Header):
		v.say("collapse", httpcache.RequestNoCache, "It shares only a fetch that begins after it came.")
	default:
		const may = "It may wait for a fetch that is on its way."
		v.say("collapse", httpcache.Collapsed, may)
		v.Then += " " + may
	}
}

// onFailure says what becomes of the request if the origin fails.
func (v *verdict) onFailure(x *exchange) {
	ok, why := x.h.policy.ReuseOnError(x.object.Head, x.r.Header, 0, x.now)
	if ok {
		v.say("if the origin fails", why, "Then the stored response is the answer.")
	} else {
		v.say("if the origin fails", why, "Then the failure is the answer.")
	}
}

// originFetch is a request that the cache makes of the client's.
type originFetch struct {
	Method string `json:"method"`
	// Fields that it sets: validators of what is stored, and the range it asks for.
	Fields http.Header `json:"fields"`
	// The names of fields of the client's request that it does not have.
	Without []string `json:"without"`

	request *http.Request
}

// wouldAsk is the request that a fetch for x would send.
func (x *exchange) wouldAsk() *originFetch {
	f := &fetch{h: x.h, req: x.r.Clone(x.r.Context()), query: x.query, base: x.base(), portion: x.portion}
	f.toOrigin()
	asked := &originFetch{Method: f.req.Method, Fields: make(http.Header), Without: []string{}, request: f.req}
	for name, values := range f.req.Header {
		if !slices.Equal(values, x.r.Header[name]) || slices.Contains(conditional[:], name) {
			asked.Fields[name] = values
		}
	}
	for name := range x.r.Header {
		if f.req.Header[name] == nil {
			asked.Without = append(asked.Without, name)
		}
	}
	slices.Sort(asked.Without)
	return asked
}

// validates reports that it asks whether what is stored is still valid.
func (o *originFetch) validates() bool {
	return o.Fields["If-None-Match"] != nil || o.Fields["If-Modified-Since"] != nil
}

// wanted is what a fetch for less than the whole asks for.
func (x *exchange) wanted() string {
	switch base := x.portion.base; {
	case base != nil && base.Head.StrongValidator() == "":
		return "The rest of the stored part " + partText(base.Head) + " is asked for, " + x.portion.field + ". Without a validator only an answer with the whole is of use (RFC 9111 §3.4); otherwise that is asked for then."
	case base != nil:
		return "The rest of the stored part " + partText(base.Head) + " is asked for, " + x.portion.field + ", and put together with it (RFC 9111 §3.4)."
	}
	return "Only the range is asked for, " + x.portion.field + ", and stored as a part (RFC 9111 §3.3)."
}

// optionFor is the option of the directive that decides a reason, or that can
// change it; "" for none.
func optionFor(why httpcache.Reason) string { return reasonOptions[why] }

var reasonOptions = map[httpcache.Reason]string{
	httpcache.Bypassed:        "bypass",
	httpcache.SkipStore:       "skip_store",
	httpcache.HasSetCookie:    "set_cookie",
	httpcache.TooLarge:        "max_object_size",
	httpcache.ContentTooLarge: "query_method",
	httpcache.RangeRequest:    "fill_range_up_to",
	httpcache.WaitTimeout:     "collapse",
	httpcache.TooManyTags:     "tags",
	httpcache.NoLifetime:      "ttl",
	httpcache.CookieRequest:   "ttl_override",
	httpcache.VaryAny:         "vary",
	httpcache.RequestNoStore:  "request_directives",
	httpcache.RequestNoCache:  "request_directives",
	httpcache.RequestMaxAge:   "request_directives",
	httpcache.RequestMinFresh: "request_directives",
	httpcache.RequestMaxStale: "request_directives",
	httpcache.OnlyIfCached:    "request_directives",
	httpcache.WhileRevalidate: "stale_while_revalidate",
	httpcache.OnError:         "stale_if_error",
	httpcache.NoCache:         "ttl_override",
}

func fieldLines(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, " and ")
}
