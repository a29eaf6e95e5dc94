package lbpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/hashing"
)

func init() {
	caddy.RegisterModule(new(Hash))
}

// Hash sends requests with the same key to the same upstream, on every Caddy
// and after every restart. When an upstream goes, its keys go to the others and hardly
// any other key moves.
type Hash struct {
	Options

	// What the key is, with placeholders: `{http.request.uri.path}`,
	// `{http.request.header.X-Tenant}`, `{http.vars.client_ip}`. Required.
	Key string `json:"key"`

	// How the upstream of a key is found: `maglev` looks it up in a table, in the
	// same time however many upstreams there are; `rendezvous` compares all
	// upstreams, and moves the fewest keys possible. Default: `maglev`.
	Table string `json:"table,omitempty"`

	// Bounds how much popular keys can load their upstream: it gets at most this
	// many times its share of the requests in flight; what is above goes to the key's
	// next upstream. More than 1; `1.25` spreads popular keys widely, `2` keeps
	// more at home. Default: `0`, no bound.
	LoadBound float64 `json:"load_bound,omitempty"`

	// The policy for requests whose key is empty. Default: `least_time`.
	FallbackRaw json.RawMessage `json:"fallback,omitempty" caddy:"namespace=http.reverse_proxy.selection_policies inline_key=policy"`

	balancer balancer
	fallback guest
	tables   hashTables
}

const (
	tableMaglev     = "maglev"
	tableRendezvous = "rendezvous"
)

// CaddyModule returns the Caddy module information.
func (*Hash) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.hash",
		New: func() caddy.Module { return new(Hash) },
	}
}

// Provision sets up the policy.
func (p *Hash) Provision(ctx caddy.Context) (err error) {
	switch {
	case p.Key == "":
		return errors.New("key is required")
	case p.LoadBound != 0 && (p.LoadBound <= 1 || p.LoadBound > 100):
		return fmt.Errorf("load_bound: %v is not a number above 1, up to 100", p.LoadBound)
	}
	if p.Table == "" {
		p.Table = tableMaglev
	}
	if p.Table != tableMaglev && p.Table != tableRendezvous {
		return fmt.Errorf("table: '%s' is none of %s, %s", p.Table, tableMaglev, tableRendezvous)
	}
	p.tables.maglev = p.Table == tableMaglev
	if err = p.balancer.provision(ctx, "hash", &p.Options); err != nil {
		return err
	}
	p.fallback, err = p.balancer.loadGuest(ctx, p, "FallbackRaw", &p.FallbackRaw)
	return err
}

// Cleanup implements caddy.CleanerUpper.
func (p *Hash) Cleanup() error { return p.balancer.cleanup() }

// Select implements reverseproxy.Selector.
func (p *Hash) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *Hash) choose(c *choice, r *http.Request, w http.ResponseWriter) int {
	key := p.keyOf(r)
	if key == "" {
		return p.fallback.choose(c, r, w)
	}
	return p.tables.of(c).pick(hashing.Sum(key), c, p.LoadBound)
}

func (p *Hash) keyOf(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	return repl.ReplaceAll(p.Key, "")
}

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy hash <placeholder> {
//		table maglev|rendezvous
//		load_bound <factor>
//		fallback <policy>
//		<common options>
//	}
func (p *Hash) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	options := vocabulary{
		"table": {parse: func(d *caddyfile.Dispenser) error {
			return parseArg(d, &p.Table, oneOf(tableMaglev, tableRendezvous))
		}},
		"load_bound": {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.LoadBound, times(100)) }},
		"fallback":   parseFallback(&p.FallbackRaw),
	}
	return parsePolicy(d, options.with(p.subdirectives()), func(args []string) error {
		if len(args) != 1 || args[0] == "" {
			return errors.New("expected what to hash, such as {client_ip}")
		}
		p.Key = args[0]
		return nil
	})
}

// Interface guards
var (
	_ reverseproxy.Selector = (*Hash)(nil)
	_ caddy.Provisioner     = (*Hash)(nil)
	_ caddy.CleanerUpper    = (*Hash)(nil)
	_ caddyfile.Unmarshaler = (*Hash)(nil)
)
