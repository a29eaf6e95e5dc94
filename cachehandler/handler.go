package cachehandler

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler stores the responses of the handlers after it and answers later
// requests with them, as HTTP caching (RFC 9111) allows. It needs no option:
// what the origin does not declare storable is not stored, and nothing personal
// is shared.
//
// Placeholders, set for every request that comes through:
//
// Placeholder | Description
// ------------|-------------
// `{http.response_cache.status}` | `hit`, `stale`, `revalidated`, `miss`, `collapsed`, `pass` or `bypass`
// `{http.response_cache.reason}` | Why, as one word such as `no-store`
// `{http.response_cache.age}` | Age of the stored response in seconds; empty for none
// `{http.response_cache.ttl}` | Seconds it stays fresh, negative when stale; empty for none
// `{http.response_cache.tier}` | The tier that answered, such as `memory`; empty for none
type Handler struct {
	// The name of the store to keep responses in, as configured in the
	// `response_cache` app. Default: `default`, which always exists.
	Store string `json:"store,omitempty"`

	// The name of this cache in the Cache-Status field and in metrics; a
	// token (letters, digits and `-._`). Default: `Portico`.
	Name string `json:"name,omitempty"`

	// What makes two requests ask for the same thing, beside the path and the
	// query. Default: scheme, host, path and the whole query.
	Key *KeyOptions `json:"key,omitempty"`

	// Lifetimes for responses whose origin gives none. Without one, such a
	// response gets one by `heuristic`, or is validated before each use, or is not
	// stored. The first entry that names the status wins.
	TTL []Lifetime `json:"ttl,omitempty"`

	// Lifetimes whatever the origin says. They never make a response storable
	// that is private, no-store or carries Set-Cookie. The first entry that names
	// the status wins.
	TTLOverride []Lifetime `json:"ttl_override,omitempty"`

	// The longest lifetime of any response. Default: no cap.
	MaxTTL caddy.Duration `json:"max_ttl,omitempty"`

	// The lifetime of responses that say when they were last modified but not
	// how long they are fresh (RFC 9111 §4.2.2). Default: 10 percent of the
	// time since then, at most `24h`.
	Heuristic *Heuristic `json:"heuristic,omitempty"`

	// For how long after its lifetime a response is still served while it is
	// fetched anew in the background, where the origin does not say (RFC 5861).
	// Default: not at all.
	StaleWhileRevalidate caddy.Duration `json:"stale_while_revalidate,omitempty"`

	// For how long after its lifetime a response is still served when the
	// origin cannot be reached or answers 500, 502, 503 or 504, where the origin
	// does not say (RFC 5861). `0` turns it off. Default: `1h`.
	StaleIfError *caddy.Duration `json:"stale_if_error,omitempty"`

	// The largest body to store, in bytes. Larger ones stream through
	// unstored. Default: 67108864 (64 MiB).
	MaxObjectSize int64 `json:"max_object_size,omitempty"`

	// What to do with responses that set a cookie: `refuse` to store them,
	// `strip` the cookie from the stored copy, or `store` it and give it to
	// everyone. Default: refuse, unless the response is explicitly public; then
	// strip.
	SetCookie string `json:"set_cookie,omitempty"`

	// Whether Cache-Control and Pragma of requests are obeyed: `honour` or
	// `ignore`. Default: `honour`.
	RequestDirectives string `json:"request_directives,omitempty"`

	// The targeted fields (RFC 9213) that override Cache-Control for this cache,
	// most specific first. `Surrogate-Control` and `X-Accel-Expires` are read by
	// their own syntax and not passed on to clients. Default: `Portico-Cache-Control`, `CDN-Cache-Control`.
	Targeted []string `json:"targeted,omitempty"`

	// The response fields that name a response's purge tags, separated by spaces
	// or commas, or as RFC 9875 says in Cache-Groups. But for the latter they are
	// not passed on to clients, only to caches in front of this one (which say so
	// with CDN-Loop or Surrogate-Capability). Default: `Cache-Groups`,
	// `Surrogate-Key`, `Cache-Tag`, `xkey`.
	Tags []string `json:"tags,omitempty"`

	// How the Vary field of responses is read.
	Vary *VaryOptions `json:"vary,omitempty"`

	// Whether concurrent requests for the same thing wait for one fetch.
	// Default: they do, for at most `10s`.
	Collapse *CollapseOptions `json:"collapse,omitempty"`

	// What becomes of requests with the method QUERY (RFC 10008). Default: they
	// are answered from the store like GET, by what their content asks for, if that
	// is at most 64 KiB.
	QueryMethod *QueryMethodOptions `json:"query_method,omitempty"`

	// The largest body, in bytes, that is fetched and stored whole because a
	// part of it was asked for. Default: 0, which fetches and stores only the part.
	FillRangeUpTo int64 `json:"fill_range_up_to,omitempty"`

	// Requests that are neither answered from the store nor stored.
	BypassRaw caddyhttp.RawMatcherSets `json:"bypass,omitempty" caddy:"namespace=http.matchers"`

	// Responses that are served but not stored.
	SkipStore *caddyhttp.ResponseMatcher `json:"skip_store,omitempty"`

	// What clients see in the Cache-Status field (RFC 9211): `brief`, `full` (the
	// key, too) or `off`. Default: `brief`.
	StatusHeader string `json:"status_header,omitempty"`

	bypass  caddyhttp.MatcherSets
	policy  httpcache.Policy
	cache   *cache
	metrics handlerMetrics

	tagFields  []string // canonical
	inner      []string // fields that are for caches and not for clients, canonical
	capability string   // what this cache tells origins that it is; "" for nothing

	hitMembers *bySecond // Cache-Status of hits, by ttl

	log *zap.Logger

	caddyfile caddyfileState
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.response_cache",
		New: func() caddy.Module { return new(Handler) },
	}
}

const (
	defaultStore         = "default"
	defaultName          = "Portico"
	defaultMaxObjectSize = 64 << 20
	defaultMaxVariants   = 32
	defaultWait          = 10 * time.Second

	statusFull  = "full"
	statusBrief = "brief"
	statusOff   = "off"
)

// Provision sets the defaults and finds the store.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Logger()
	h.setDefaults()
	h.policy = h.newPolicy()
	h.provisionTags()
	if !h.Key.noHost && !h.Key.noScheme {
		h.Key.listener = &listener{ctx: ctx}
	}
	if len(h.BypassRaw) > 0 {
		sets, err := ctx.LoadModule(h, "BypassRaw")
		if err != nil {
			return fmt.Errorf("loading bypass matchers: %w", err)
		}
		if err := h.bypass.FromInterface(sets); err != nil {
			return fmt.Errorf("bypass matchers: %w", err)
		}
	}
	app, err := ctx.App("response_cache")
	if err != nil {
		return fmt.Errorf("loading the response_cache app: %w", err)
	}
	if h.cache, err = app.(*App).cache(h.Store); err != nil {
		return err
	}
	return h.provisionMetrics(ctx)
}

func (h *Handler) setDefaults() {
	if h.Store == "" {
		h.Store = defaultStore
	}
	if h.Name == "" {
		h.Name = defaultName
	}
	if h.Key == nil {
		h.Key = new(KeyOptions)
	}
	h.Key.provision()
	if h.MaxObjectSize == 0 {
		h.MaxObjectSize = defaultMaxObjectSize
	}
	if h.StatusHeader == "" {
		h.StatusHeader = statusBrief
	}
	if h.Vary == nil {
		h.Vary = new(VaryOptions)
	}
	if h.Vary.Max == 0 {
		h.Vary.Max = defaultMaxVariants
	}
	if h.Collapse == nil {
		h.Collapse = new(CollapseOptions)
	}
	if h.Collapse.Wait == 0 && !h.Collapse.Off {
		h.Collapse.Wait = caddy.Duration(defaultWait)
	}
	if h.QueryMethod == nil {
		h.QueryMethod = new(QueryMethodOptions)
	}
	if h.QueryMethod.MaxContent == 0 && !h.QueryMethod.Off {
		h.QueryMethod.MaxContent = defaultMaxContent
	}
	h.hitMembers = new(bySecond)
}

// Validate refuses what Provision cannot make sense of.
func (h *Handler) Validate() error {
	if !isToken(h.Name) {
		return fmt.Errorf("name: %q is not a token", h.Name)
	}
	if err := oneOf("status_header", h.StatusHeader, statusFull, statusBrief, statusOff); err != nil {
		return err
	}
	if err := oneOf("set_cookie", h.SetCookie, "", "strip", "refuse", "store"); err != nil {
		return err
	}
	if err := oneOf("request_directives", h.RequestDirectives, "", "honour", "ignore"); err != nil {
		return err
	}
	if h.StaleIfError != nil && *h.StaleIfError < 0 {
		return errors.New("stale_if_error: must not be negative")
	}
	if m := h.SkipStore; m != nil && len(m.StatusCode)+len(m.Headers) == 0 {
		return errors.New("skip_store: matches everything")
	}
	return errors.Join(
		notNegative("max_ttl", int64(h.MaxTTL)),
		notNegative("stale_while_revalidate", int64(h.StaleWhileRevalidate)),
		notNegative("max_object_size", h.MaxObjectSize),
		notNegative("fill_range_up_to", h.FillRangeUpTo),
		h.validateSizes(),
		wrap("targeted", validateNames(h.Targeted)),
		wrap("tags", validateTags(h.Tags)),
		wrap("vary", h.Vary.validate()),
		wrap("collapse", h.Collapse.validate()),
		wrap("query_method", h.QueryMethod.validate()),
		wrap("key", h.Key.validate()),
		wrap("heuristic", h.Heuristic.validate()),
		validateLifetimes("ttl", h.TTL),
		validateLifetimes("ttl_override", h.TTLOverride),
	)
}

// ServeHTTP walks the steps with one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.fetching(r) {
		return next.ServeHTTP(w, r)
	}
	x := &exchange{h: h, w: w, r: r, next: next, now: time.Now()}
	return x.walk()
}

// isToken follows RFC 9651 §3.3.4 for the characters a member of
// Cache-Status may begin with and contain, less the odd ones.
func isToken(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-._", c)) {
			return false
		}
	}
	return s != ""
}

func wrap(option string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", option, err)
}

func oneOf(option, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: unknown value %q", option, value)
}

func notNegative(option string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%s: must not be negative", option)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
