package lbpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// namespace is that of all selection policies, Caddy's and ours: each of them
// can be the guest of another.
const namespace = "http.reverse_proxy.selection_policies."

// A guest is a policy inside another, which chooses from what that leaves it.
type guest struct{ reverseproxy.Selector }

func (g guest) choose(c *choice, r *http.Request, w http.ResponseWriter) int {
	return g.chooseFrom(c.eligible(), c, r, w)
}

// chooseFrom lets the guest choose from a part of c.pool.
func (g guest) chooseFrom(part reverseproxy.UpstreamPool, c *choice, r *http.Request, w http.ResponseWriter) int {
	if len(part) == 0 {
		return -1
	}
	up := g.Select(part, r, w)
	if up == nil {
		return -1
	}
	return slices.Index(c.pool, up)
}

// loadGuest loads the policy in the named field of module, which is b's policy or a
// part of it; without one it is least_time.
func (b *balancer) loadGuest(ctx caddy.Context, module any, field string, raw *json.RawMessage) (guest, error) {
	if *raw == nil {
		*raw = json.RawMessage(`{"policy":"least_time"}`)
	}
	defer func(host *balancer) { b.tap.host = host }(b.tap.host)
	b.tap.host = b
	loaded, err := ctx.LoadModule(module, field)
	if err != nil {
		return guest{}, fmt.Errorf("loading the policy: %w", err)
	}
	selector, ok := loaded.(reverseproxy.Selector)
	if !ok {
		return guest{}, fmt.Errorf("%T is not a selection policy", loaded)
	}
	return guest{selector}, nil
}

// parseGuest reads a policy whose name is the current token: its arguments and
// its block.
func parseGuest(d *caddyfile.Dispenser) (json.RawMessage, error) {
	name := d.Val()
	if !isPolicy(name) {
		return nil, fmt.Errorf("'%s' is no selection policy", name)
	}
	module, err := caddyfile.UnmarshalModule(d, namespace+name)
	if err != nil {
		return nil, err
	}
	if _, ok := module.(reverseproxy.Selector); !ok {
		return nil, fmt.Errorf("'%s' is no selection policy", name)
	}
	return caddyconfig.JSONModuleObject(module, "policy", name, nil), nil
}

func isPolicy(name string) bool {
	_, err := caddy.GetModule(namespace + name)
	return err == nil
}

// parseFallback reads `fallback <policy>`.
func parseFallback(raw *json.RawMessage) subdirective {
	return subdirective{block: true, parse: func(d *caddyfile.Dispenser) (err error) {
		if !d.NextArg() {
			return errors.New("expected a policy")
		}
		*raw, err = parseGuest(d)
		return err
	}}
}
