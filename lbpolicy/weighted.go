package lbpolicy

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/pick"
)

func init() {
	caddy.RegisterModule(new(Weighted))
}

// Weighted sends requests to the upstreams in turn, each as often as its weight
// says, evenly spread: with weights 5, 1 and 1 in the order a a b a c a a. When an
// upstream is down, the others' shares stay as their weights say.
type Weighted struct {
	Options

	balancer balancer
	turns    pick.Turns
}

// CaddyModule returns the Caddy module information.
func (*Weighted) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.weighted",
		New: func() caddy.Module { return new(Weighted) },
	}
}

// Provision sets up the policy.
func (p *Weighted) Provision(ctx caddy.Context) error {
	return p.balancer.provision(ctx, "weighted", &p.Options)
}

// Cleanup implements caddy.CleanerUpper.
func (p *Weighted) Cleanup() error { return p.balancer.cleanup() }

// Select implements reverseproxy.Selector.
func (p *Weighted) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *Weighted) choose(c *choice, _ *http.Request, _ http.ResponseWriter) int {
	c.entries = c.entries[:0]
	for k, i := range c.index {
		m := c.members[i]
		c.entries = append(c.entries, pick.Entry{
			Turn: &m.turn, Weight: c.candidates[k].Weight, Full: float64(m.weightOr(m.weight)),
		})
	}
	return c.at(p.turns.Next(c.entries))
}

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy weighted {
//		<common options>
//	}
func (p *Weighted) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parsePolicy(d, p.subdirectives(), nil)
}

// Interface guards
var (
	_ reverseproxy.Selector = (*Weighted)(nil)
	_ caddy.Provisioner     = (*Weighted)(nil)
	_ caddy.CleanerUpper    = (*Weighted)(nil)
	_ caddyfile.Unmarshaler = (*Weighted)(nil)
)
