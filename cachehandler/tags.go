package cachehandler

import (
	"net/http"
	"slices"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is about the fields of a response that are for caches: those that
// name its tags, and those that are addressed to surrogates.
//
// They stay with what is stored, since a 304 may replace one (RFC 9111 §4.3.4),
// but do not go on to clients: they are of no use there, and tell how a site is
// made. A cache in front of this one needs them as much as this one did, so
// whoever says that it is one gets them.

// maxTagFields bounds the fields that name tags: together with those of
// targeted that are for surrogates, of which there are two, they are a fieldSet.
const maxTagFields = 32

// provisionTags makes the lists of fields out of the options.
func (h *Handler) provisionTags() {
	h.tagFields = httpcache.DefaultTags()
	if h.Tags != nil {
		h.tagFields = canonical(h.Tags)
	}
	for _, name := range slices.Concat(h.tagFields, h.policy.Targeted) {
		inner := httpcache.ForSurrogates(name) || slices.Contains(h.tagFields, name) && httpcache.ForPurging(name)
		if inner && !slices.Contains(h.inner, name) {
			h.inner = append(h.inner, name)
		}
	}
	for _, name := range h.policy.Targeted {
		if name == "Surrogate-Control" {
			h.capability = h.Name + `="Surrogate/1.0"`
		}
	}
}

// label gives an object what its fields say to caches: its tags, and which
// fields say it. It reports false if there are more tags than are kept.
func (h *Handler) label(o *store.Object, secure bool, host string) bool {
	origin := ""
	if o.Head.Fields.Get("Cache-Groups") != "" {
		origin = httpcache.Origin(secure, host)
	}
	tags, ok := o.Head.Tags(origin, h.tagFields)
	o.Tags, o.Layers.Inner = tags, nil
	for _, name := range h.inner {
		if o.Head.Fields.Get(name) != "" {
			o.Layers.Inner = append(o.Layers.Inner, name)
		}
	}
	return ok
}

// strip takes from an answer that is not stored what a stored one does not
// give to clients either. What handlers before the cache have set stays.
func (h *Handler) strip(response http.Header, before fieldSet, request http.Header) {
	for i, name := range h.inner {
		if !before.has(i) && response[name] != nil && !fromSurrogate(request) {
			delete(response, name)
		}
	}
}

// fieldSet is some of a handler's inner fields.
type fieldSet uint64

func (s fieldSet) has(i int) bool { return s>>i&1 == 1 }

// innerFields are those of the handler's that are in a header.
func (h *Handler) innerFields(header http.Header) (s fieldSet) {
	for i, name := range h.inner {
		if header[name] != nil {
			s |= 1 << i
		}
	}
	return s
}

// fromSurrogate reports a request that another cache of the same site
// forwarded (Edge Architecture Specification §2.1), or a content delivery
// network (RFC 8586). Anybody may say so: what they get for it is no secret.
func fromSurrogate(request http.Header) bool {
	return request["Surrogate-Capability"] != nil || request["Cdn-Loop"] != nil
}

// inner are the fields of the object that are not for this client.
func (x *exchange) inner() []string {
	names := x.object.Layers.Inner
	if len(names) == 0 {
		return nil
	}
	request := x.r.Header
	if x.led != nil {
		request = x.led.client // the fetch has changed x.r's
	}
	if fromSurrogate(request) {
		return nil
	}
	return names
}

// announce tells the origin that a surrogate asks, and by which name
// Surrogate-Control may address it (Edge Architecture Specification §2.1, §2.3).
func (h *Handler) announce(request http.Header) {
	if h.capability != "" {
		request["Surrogate-Capability"] = append(slices.Clone(request["Surrogate-Capability"]), h.capability)
	}
}
