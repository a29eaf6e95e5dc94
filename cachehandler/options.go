package cachehandler

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// Lifetime is how long responses of some statuses are fresh.
type Lifetime struct {
	// The statuses it is for; a single digit stands for the class, such as 4
	// for 4xx, but for 400, 401 and 403, which have to be named. Default: those
	// that HTTP calls cacheable by default (RFC 9110 §15.1) and those the origin
	// gave a lifetime.
	Status []int `json:"status,omitempty"`

	// The lifetime. Default: 0, which is stale at once.
	For caddy.Duration `json:"for,omitempty"`
}

// Heuristic is the lifetime of responses that only say when they were last
// modified.
type Heuristic struct {
	// Turns it off: such responses have no lifetime unless `ttl` says so, and
	// are validated before each use.
	Off bool `json:"off,omitempty"`

	// Percent of the time since the last modification. Default: 10.
	Percent int `json:"percent,omitempty"`

	// The longest heuristic lifetime. Default: `24h`.
	Max caddy.Duration `json:"max,omitempty"`
}

// VaryOptions is how Vary is read.
type VaryOptions struct {
	// Request fields compared by meaning, not by spelling: order, case and
	// spacing of their lists make no difference. Default: `Accept-Encoding` and
	// `Accept-Language`.
	Normalise []string `json:"normalise,omitempty"`

	// Request fields to take out of Vary: responses are shared between clients
	// that differ in them. Only for origins that name fields they do not use.
	Ignore []string `json:"ignore,omitempty"`

	// The most variants to keep of one key. Default: 32.
	Max int `json:"max,omitempty"`
}

// CollapseOptions is how concurrent requests for the same thing are treated.
type CollapseOptions struct {
	// Turns collapsing off: every miss goes to the origin.
	Off bool `json:"off,omitempty"`

	// How long a request waits for the heads of others' responses, all in all,
	// before it goes to the origin itself. Default: `10s`.
	Wait caddy.Duration `json:"wait,omitempty"`
}

// newPolicy is what the options say to the HTTP semantics.
func (h *Handler) newPolicy() httpcache.Policy {
	p := httpcache.DefaultPolicy()
	p.TTL, p.TTLOverride = lifetimes(h.TTL), lifetimes(h.TTLOverride)
	p.MaxTTL = time.Duration(h.MaxTTL)
	p.StaleWhileRevalidate = time.Duration(h.StaleWhileRevalidate)
	if h.StaleIfError != nil {
		p.StaleIfError = time.Duration(*h.StaleIfError)
	}
	if h.Targeted != nil {
		p.Targeted = canonical(h.Targeted)
	}
	if h.Vary.Normalise != nil {
		p.VaryNormalise = canonical(h.Vary.Normalise)
	}
	p.SurrogateID = h.Name
	p.VaryIgnore = canonical(h.Vary.Ignore)
	p.HostIgnored = h.Key.noHost
	p.IgnoreRequestDirectives = h.RequestDirectives == "ignore"
	switch h.SetCookie {
	case "strip":
		p.SetCookie = httpcache.SetCookieStrip
	case "refuse":
		p.SetCookie = httpcache.SetCookieRefuse
	case "store":
		p.SetCookie = httpcache.SetCookieStore
	}
	h.Heuristic.apply(&p)
	return p
}

func (o *Heuristic) apply(p *httpcache.Policy) {
	switch {
	case o == nil:
		return
	case o.Off:
		p.HeuristicPercent = 0
		return
	}
	if o.Percent > 0 {
		p.HeuristicPercent = o.Percent
	}
	if o.Max > 0 {
		p.HeuristicMax = time.Duration(o.Max)
	}
}

func (o *Heuristic) validate() error {
	switch {
	case o == nil:
		return nil
	case o.Percent < 0 || o.Percent > 100 || o.Max < 0:
		return errors.New("percent must be 0 to 100 and max not negative")
	case o.Off && (o.Percent > 0 || o.Max > 0):
		return errors.New("off stands alone")
	}
	return nil
}

func (o *CollapseOptions) validate() error {
	switch {
	case o.Wait < 0:
		return errors.New("wait must not be negative")
	case o.Off && o.Wait > 0:
		return errors.New("off stands alone")
	}
	return nil
}

func (o *VaryOptions) validate() error {
	if o.Max < 0 {
		return errors.New("max must not be negative")
	}
	return validateNames(slices.Concat(o.Normalise, o.Ignore))
}

// validateNames checks names of fields, or of cookies: they have the same
// syntax (RFC 6265 §4.1.1).
func validateNames(names []string) error {
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("'%s' is not a name", name)
		}
	}
	return nil
}

func validateTags(names []string) error {
	if len(names) > maxTagFields {
		return fmt.Errorf("more than %d fields", maxTagFields)
	}
	return validateNames(names)
}

// validateSizes: what is fetched because of a part is to be stored.
func (h *Handler) validateSizes() error {
	limit := h.MaxObjectSize
	if limit == 0 {
		limit = defaultMaxObjectSize
	}
	if h.FillRangeUpTo > limit {
		return errors.New("fill_range_up_to: larger than max_object_size")
	}
	return nil
}

func lifetimes(ls []Lifetime) []httpcache.Lifetime {
	var out []httpcache.Lifetime
	for _, l := range ls {
		out = append(out, httpcache.Lifetime{Statuses: l.Status, For: time.Duration(l.For)})
	}
	return out
}

func validateLifetimes(option string, ls []Lifetime) error {
	for _, l := range ls {
		if l.For < 0 {
			return fmt.Errorf("%s: must not be negative", option)
		}
		for _, s := range l.Status {
			if !isStatus(s) {
				return fmt.Errorf("%s: %d is not a status", option, s)
			}
		}
	}
	return nil
}

// isStatus accepts a final status or, as a single digit, a class of them.
func isStatus(s int) bool {
	return s >= 2 && s <= 5 || s >= 200 && s <= 599
}

func canonical(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, http.CanonicalHeaderKey(n))
	}
	return out
}
