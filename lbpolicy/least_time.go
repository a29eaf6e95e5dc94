package lbpolicy

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/pick"
)

func init() {
	caddy.RegisterModule(new(LeastTime))
}

// LeastTime sends each request to the upstream that is expected to answer it
// first. It learns from the requests themselves how long each upstream takes
// to send a response's head, with how many others in flight, and how often it
// fails; failing fast does not make an upstream attractive. Among upstreams that are
// about equally fast, the one with the fewest requests for its weight is chosen.
type LeastTime struct {
	Options

	balancer balancer
}

// CaddyModule returns the Caddy module information.
func (*LeastTime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.least_time",
		New: func() caddy.Module { return new(LeastTime) },
	}
}

// Provision sets up the policy.
func (p *LeastTime) Provision(ctx caddy.Context) error {
	return p.balancer.provision(ctx, "least_time", &p.Options)
}

// Cleanup implements caddy.CleanerUpper.
func (p *LeastTime) Cleanup() error { return p.balancer.cleanup() }

// Select implements reverseproxy.Selector.
func (p *LeastTime) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *LeastTime) choose(c *choice, _ *http.Request, _ http.ResponseWriter) int {
	return c.at(pick.LeastTime(c.now, c.hosts, c.candidates, chance{}))
}

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy least_time {
//		<common options>
//	}
func (p *LeastTime) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parsePolicy(d, p.subdirectives(), nil)
}

// Interface guards
var (
	_ reverseproxy.Selector = (*LeastTime)(nil)
	_ caddy.Provisioner     = (*LeastTime)(nil)
	_ caddy.CleanerUpper    = (*LeastTime)(nil)
	_ caddyfile.Unmarshaler = (*LeastTime)(nil)
)
