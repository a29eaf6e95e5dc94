package cachehandler

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// caddyfileState is what only the parser needs.
type caddyfileState struct {
	seen     map[string]bool
	matchers map[string]caddyhttp.ResponseMatcher // defined in the block
	skip     *caddyfile.Dispenser                 // the line that names one of them
	bypass   []*caddyfile.Dispenser               // lines that name request matchers
	store    *caddyfile.Dispenser                 // the line that names a store
}

// subdirectives of response_cache. Each parses the arguments (and block) of
// one; what it returns is reported with file, line and name.
var subdirectives = map[string]func(*Handler, *caddyfile.Dispenser) error{
	"store":                  (*Handler).parseStore,
	"name":                   (*Handler).parseName,
	"key":                    (*Handler).parseKey,
	"ttl":                    func(h *Handler, d *caddyfile.Dispenser) error { return parseLifetime(d, &h.TTL) },
	"ttl_override":           func(h *Handler, d *caddyfile.Dispenser) error { return parseLifetime(d, &h.TTLOverride) },
	"max_ttl":                (*Handler).parseMaxTTL,
	"heuristic":              (*Handler).parseHeuristic,
	"stale_while_revalidate": func(h *Handler, d *caddyfile.Dispenser) error { return parseDuration(d, &h.StaleWhileRevalidate) },
	"stale_if_error":         (*Handler).parseStaleIfError,
	"max_object_size":        func(h *Handler, d *caddyfile.Dispenser) error { return parseSize(d, &h.MaxObjectSize) },
	"set_cookie": func(h *Handler, d *caddyfile.Dispenser) error {
		return parseChoice(d, &h.SetCookie, "strip", "refuse", "store")
	},
	"request_directives": func(h *Handler, d *caddyfile.Dispenser) error {
		return parseChoice(d, &h.RequestDirectives, "honour", "ignore")
	},
	"targeted":         func(h *Handler, d *caddyfile.Dispenser) error { return parseFields(d, &h.Targeted) },
	"tags":             (*Handler).parseTags,
	"vary":             (*Handler).parseVary,
	"collapse":         (*Handler).parseCollapse,
	"query_method":     (*Handler).parseQueryMethod,
	"fill_range_up_to": func(h *Handler, d *caddyfile.Dispenser) error { return parseSize(d, &h.FillRangeUpTo) },
	"bypass":           (*Handler).parseBypass,
	"skip_store":       (*Handler).parseSkipStore,
	"status_header": func(h *Handler, d *caddyfile.Dispenser) error {
		return parseChoice(d, &h.StatusHeader, statusFull, statusBrief, statusOff)
	},
}

// repeatable may stand more than once in a block; each adds to the others.
var repeatable = map[string]bool{"ttl": true, "ttl_override": true, "vary": true, "bypass": true}

// ParseCaddyfile sets up the handler of a response_cache directive.
func ParseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	if err := h.finalizeCaddyfile(helper); err != nil {
		return nil, err
	}
	return h, nil
}

// UnmarshalCaddyfile sets up the handler from tokens:
//
//	response_cache [<matcher>] {
//		store <name>
//		name <token>
//		key {
//			scheme off
//			host off
//			query keep <pattern...> | drop <pattern...> | sort | ignore
//			header <name...>
//			cookie <name...>
//			placeholder <{...}...>
//			no_vary_search off
//		}
//		ttl [<status...>] <duration>
//		ttl_override [<status...>] <duration>
//		max_ttl <duration>
//		heuristic <percent> [<max>] | off
//		stale_while_revalidate <duration>
//		stale_if_error <duration> | off
//		max_object_size <size>
//		set_cookie strip|refuse|store
//		request_directives honour|ignore
//		targeted <field...>
//		tags <field...>
//		vary normalise <field...> | ignore <field...> | max <n>
//		collapse off | wait <duration>
//		query_method off | max_content <size>
//		fill_range_up_to <size>
//		bypass <matcher>
//		@<name> [status <code...>] [header <field> [<value>]]
//		skip_store @<name>
//		status_header full|brief|off
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	h.caddyfile = caddyfileState{seen: make(map[string]bool), matchers: make(map[string]caddyhttp.ResponseMatcher)}
	d.Next() // response_cache
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if strings.HasPrefix(d.Val(), "@") {
			if err := caddyhttp.ParseNamedResponseMatcher(d.NewFromNextSegment(), h.caddyfile.matchers); err != nil {
				return err
			}
			continue
		}
		if err := h.parseSubdirective(d); err != nil {
			return err
		}
	}
	if err := h.validateSizes(); err != nil {
		return d.WrapErr(fmt.Errorf("response_cache: %w", err))
	}
	return nil
}

func (h *Handler) parseSubdirective(d *caddyfile.Dispenser) error {
	name := d.Val()
	parse, ok := subdirectives[name]
	if !ok {
		return d.Errf("response_cache: unrecognized subdirective '%s'", name)
	}
	if h.caddyfile.seen[name] && !repeatable[name] {
		return d.Errf("response_cache: %s: given more than once", name)
	}
	h.caddyfile.seen[name] = true
	if err := parse(h, d); err != nil {
		return d.WrapErr(fmt.Errorf("response_cache: %s: %w", name, err))
	}
	if d.NextArg() {
		return d.Errf("response_cache: %s: unexpected argument '%s'", name, d.Val())
	}
	return noBlock(d, name)
}

func noBlock(d *caddyfile.Dispenser, option string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("response_cache: %s: takes no block", option)
	}
	return nil
}

// finalizeCaddyfile resolves the names that lines of the block use, and whose
// definitions may stand elsewhere.
func (h *Handler) finalizeCaddyfile(helper httpcaddyfile.Helper) error {
	for _, d := range h.caddyfile.bypass {
		if err := h.resolveBypass(helper.WithDispenser(d)); err != nil {
			return err
		}
	}
	if h.caddyfile.skip != nil {
		if err := h.resolveSkipStore(h.caddyfile.skip); err != nil {
			return err
		}
	}
	if h.caddyfile.store != nil {
		if err := h.resolveStore(helper); err != nil {
			return err
		}
	}
	h.caddyfile = caddyfileState{}
	return nil
}

// resolveBypass finds a matcher of the site.
func (h *Handler) resolveBypass(helper httpcaddyfile.Helper) error {
	d := helper.Dispenser
	d.Next() // bypass
	set, ok, err := helper.MatcherToken()
	if err != nil {
		return d.WrapErr(fmt.Errorf("response_cache: bypass: %w", err))
	}
	if !ok || set == nil {
		return d.Errf("response_cache: bypass: expected a matcher: a path or @name")
	}
	if d.NextArg() {
		return d.Errf("response_cache: bypass: unexpected argument '%s'", d.Val())
	}
	h.BypassRaw = append(h.BypassRaw, set)
	return noBlock(d, "bypass")
}

// resolveSkipStore finds a response matcher of the block.
func (h *Handler) resolveSkipStore(d *caddyfile.Dispenser) error {
	d.Next() // skip_store
	var name string
	if !d.AllArgs(&name) {
		return d.Errf("response_cache: skip_store: %v", errArguments)
	}
	m, ok := h.caddyfile.matchers[name]
	if !ok {
		return d.Errf("response_cache: skip_store: no response matcher '%s' is defined in the block", name)
	}
	h.SkipStore = &m
	return noBlock(d, "skip_store")
}

// resolveStore finds a store of the global option.
func (h *Handler) resolveStore(helper httpcaddyfile.Helper) error {
	d := h.caddyfile.store
	d.Next() // store
	if !d.AllArgs(&h.Store) {
		return d.Errf("response_cache: store: %v", errArguments)
	}
	var app App
	if option, ok := helper.Option("response_cache").(httpcaddyfile.App); ok {
		if err := json.Unmarshal(option.Value, &app); err != nil {
			return d.WrapErr(err)
		}
	}
	if app.Stores[h.Store] == nil && h.Store != defaultStore {
		return d.Errf("response_cache: store: no store is named '%s'", h.Store)
	}
	return noBlock(d, "store")
}

// UnmarshalCaddyfile sets up the stores from the global option:
//
//	response_cache {
//		store [<name>] {
//			memory [<size>]
//		}
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // response_cache
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if d.Val() != "store" {
			return d.Errf("response_cache: unrecognized option '%s'", d.Val())
		}
		if err := a.parseStore(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) parseStore(d *caddyfile.Dispenser) error {
	name := defaultStore
	if d.NextArg() {
		name = d.Val()
	}
	if name == "" || d.NextArg() {
		return d.ArgErr()
	}
	if a.Stores[name] != nil {
		return d.Errf("response_cache: store '%s' is defined more than once", name)
	}
	config := new(StoreConfig)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		tier := d.Val()
		if len(config.TiersRaw) > 0 {
			return d.Errf("response_cache: store '%s': a store has one tier in this version", name)
		}
		module, err := caddyfile.UnmarshalModule(d, "response_cache.tiers."+tier)
		if err != nil {
			return err
		}
		config.TiersRaw = append(config.TiersRaw, caddyconfig.JSONModuleObject(module, "tier", tier, nil))
	}
	if a.Stores == nil {
		a.Stores = make(map[string]*StoreConfig)
	}
	a.Stores[name] = config
	return nil
}

// ParseGlobalOption sets up the app of the response_cache global option.
func ParseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("response_cache: the global option is given more than once")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "response_cache", Value: caddyconfig.JSON(app, nil)}, nil
}

var (
	errArguments = errors.New("wrong number of arguments")
	errRepeated  = errors.New("given more than once")
)

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
	_ caddyfile.Unmarshaler = (*App)(nil)
)
