package cachehandler

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is what an explanation says about the request to the origin.

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
		return "The rest of a stored part is asked for, " + x.portion.field + ". Without a validator only an answer with the whole is of use (RFC 9111 §3.4); otherwise that is asked for then."
	case base != nil:
		return "The rest of a stored part is asked for, " + x.portion.field + ", and put together with it (RFC 9111 §3.4)."
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
