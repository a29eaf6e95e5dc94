package filter

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/geo"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler keeps harmful requests from the handlers after it. It needs no option:
// by itself it refuses requests that are too large, that an origin may take for
// another request, whose path may be read in two ways, or that only scanners
// send.
//
// Placeholders, set for every request that comes through:
//
// Placeholder | Description
// ------------|-------------
// `{http.request_filter.action}` | `pass`, `detect` or `block`
// `{http.request_filter.reason}` | Why, as one word such as `probe`; empty for pass
// `{http.request_filter.rule}` | Which rule, rate, limit, defect, category or group it was
// `{http.request_filter.score}` | The sum of the scores of rules that matched
// `{http.request_filter.tags}` | The names of rules with the action `tag` that matched, separated by commas
// `{http.request_filter.country}` | The client's country by ISO 3166-1, where the app has a database; empty if it is not known. Rules and rates know it too
// `{http.request_filter.asn}` | The number of the client's network, likewise
type Handler struct {
	// What is done with requests that are found harmful: `block`, or `detect`,
	// which logs and counts them and lets them through. Default: `block`.
	Mode string `json:"mode,omitempty"`

	// Clients that `deny` and bans do not keep out, and that are never banned.
	// All other steps are for them too.
	Allow *AddressOptions `json:"allow,omitempty"`

	// Clients that are kept out. Of ranges in `allow` and `deny` the longest
	// prefix decides, of equal ones `allow`; ranges decide before countries and
	// networks.
	Deny *AddressOptions `json:"deny,omitempty"`

	// What a request may cost.
	Limits *LimitOptions `json:"limits,omitempty"`

	// Requests that an origin may take for another request, or answer on a
	// connection that is HTTP no longer: `strict` refuses them, `detect` or `off`.
	// Default: `strict`.
	Framing string `json:"framing,omitempty"`

	// Paths that may be read in two ways (double encoding, traversal,
	// backslashes, bytes that are no UTF-8): `strict` refuses them, `detect` or
	// `off`. Default: `strict`.
	Path string `json:"path,omitempty"`

	// Paths that only scanners ask for (/.env, /.git/, dumps): `on` answers 404,
	// `detect` or `off`. Default: `on`.
	Probes string `json:"probes,omitempty"`

	// Paths that nobody is told of but who reads robots.txt or the source of a
	// page to find some: 404, and the client is banned at once. One that ends in
	// `*` is a prefix. Default: none.
	Honeypot []string `json:"honeypot,omitempty"`

	// Crawlers that say who they are. Default: `scanners` are denied.
	Bots *BotOptions `json:"bots,omitempty"`

	// The administrator's own rules, in order.
	Rules []*RuleOptions `json:"rule,omitempty"`

	// The score from which on a request is blocked. Default: 5.
	Threshold *int `json:"threshold,omitempty"`

	// How often a client may ask, in order.
	Rates []*RateOptions `json:"rate,omitempty"`

	// When clients whose requests are blocked are banned. Default: never.
	Ban *BanOptions `json:"ban,omitempty"`

	// What denials are answered with. Default: 403, through `handle_errors`.
	Respond *RespondOptions `json:"respond,omitempty"`

	// Whether denials are not answered at all: the connection is closed, in
	// HTTP/2 and HTTP/3 the stream reset. Default: false.
	Drop bool `json:"drop,omitempty"`

	// How long clients wait for a denial, as far as places last. Default: not at all.
	Tarpit caddy.Duration `json:"tarpit,omitempty"`

	app      *App
	ledger   *ban.Ledger
	strikes  *ban.Strikes // nil: no ban
	traps    *ban.Strikes // of the honeypot
	verifier *bots.Verifier
	places   geo.Locator   // nil: no country or network is asked for
	located  geo.Databases // of the placeholders: all that there are
	rules    address.Rules
	honeypot paths
	steps    []step
	stopping <-chan struct{}
	log      *zap.Logger

	caddyfile handlerCaddyfile
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.request_filter",
		New: func() caddy.Module { return new(Handler) },
	}
}

const (
	defaultThreshold = 5

	wordBlock  = "block"
	wordDetect = "detect"
	wordStrict = "strict"
	wordOn     = "on"
	wordOff    = "off"
)

// Provision sets the defaults and takes from the app what outlives it.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Logger()
	h.setDefaults()
	module, err := ctx.App("request_filter")
	if err != nil {
		return fmt.Errorf("loading the request_filter app: %w", err)
	}
	h.app = module.(*App)
	h.ledger = h.app.ledger()
	h.located = h.app.places()
	if err := h.check(); err != nil { // before anything is made of it
		return err
	}
	if h.Tarpit > 0 {
		h.provisionStopping(ctx)
	}
	return errors.Join(
		h.provisionAddresses(),
		h.provisionBots(),
		h.provisionRules(ctx),
		h.provisionRates(ctx),
		h.provisionBans(),
		h.provisionSteps(),
		registerRequests(ctx),
	)
}

func (h *Handler) provisionSteps() error {
	h.honeypot = newPaths(h.Honeypot)
	h.steps = h.usedSteps()
	return nil
}

func (h *Handler) setDefaults() {
	h.Mode = orDefault(h.Mode, wordBlock)
	h.Framing = orDefault(h.Framing, wordStrict)
	h.Path = orDefault(h.Path, wordStrict)
	h.Probes = orDefault(h.Probes, wordOn)
	if h.Limits == nil {
		h.Limits = new(LimitOptions)
	}
	h.Limits.provision()
	if h.Bots == nil {
		h.Bots = new(BotOptions)
	}
	if h.Threshold == nil {
		threshold := defaultThreshold
		h.Threshold = &threshold
	}
}

func orDefault(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// Validate refuses what makes no sense. Provision has asked already: it would
// stumble over the same.
func (h *Handler) Validate() error { return h.check() }

func (h *Handler) check() error {
	if *h.Threshold < 1 {
		return fmt.Errorf("threshold: must be 1 or more, not %d", *h.Threshold)
	}
	return errors.Join(
		named("mode", expectWord(h.Mode, wordBlock, wordDetect)),
		named("allow", h.Allow.validate(true)),
		named("deny", h.Deny.validate(false)),
		named("limits", h.Limits.validate()),
		named("framing", expectWord(h.Framing, wordStrict, wordDetect, wordOff)),
		named("path", expectWord(h.Path, wordStrict, wordDetect, wordOff)),
		named("probes", expectWord(h.Probes, wordOn, wordDetect, wordOff)),
		named("honeypot", validatePaths(h.Honeypot)),
		named("bots", h.Bots.validate()),
		named("rule", validateRules(h.Rules)),
		named("rate", validateRates(h.Rates)),
		named("ban", h.Ban.validate()),
		h.validateAnswer(),
	)
}

// ServeHTTP judges one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := h.inspect(w, r)
	v, blocked := x.walk()
	if !blocked {
		return x.pass(next)
	}
	x.blocked(v)
	x.publish()
	x.strike(v)
	x.report()
	return x.answer(v)
}

// inspect begins the way of a request through the steps.
func (h *Handler) inspect(w http.ResponseWriter, r *http.Request) *inspection {
	x := &inspection{h: h, w: w, r: r, now: time.Now(), client: clientOf(r)}
	if len(h.located) > 0 {
		x.mapPlace()
	}
	return x
}

// modeOf is the mode of a part: its own, or else the handler's.
func (h *Handler) modeOf(own string) mode {
	if own == wordDetect || own != wordBlock && h.Mode == wordDetect {
		return detect
	}
	return block
}

// named says which option an error is about.
func named(option string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", option, err)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
