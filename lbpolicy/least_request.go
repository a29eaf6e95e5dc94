package lbpolicy

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/pick"
)

func init() {
	caddy.RegisterModule(new(LeastRequest))
}

// maxChoices is the most upstreams that least_request may be told to draw.
const maxChoices = 16

// LeastRequest sends each request to the upstream with the fewest requests in
// flight for its weight. Ties are broken by chance.
type LeastRequest struct {
	Options

	// How many upstreams are drawn by chance to take the best of; from 2 to 16.
	// With several Caddys in front of the same upstreams, 2 keeps them from all
	// choosing the same one. Default: `0`, all are looked at.
	Choices int `json:"choices,omitempty"`

	balancer balancer
}

// CaddyModule returns the Caddy module information.
func (*LeastRequest) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.least_request",
		New: func() caddy.Module { return new(LeastRequest) },
	}
}

// Provision sets up the policy.
func (p *LeastRequest) Provision(ctx caddy.Context) error {
	if p.Choices != 0 && (p.Choices < 2 || p.Choices > maxChoices) {
		return fmt.Errorf("choices: %d is not a whole number from 2 to %d", p.Choices, maxChoices)
	}
	return p.balancer.provision(ctx, "least_request", &p.Options)
}

// Cleanup implements caddy.CleanerUpper.
func (p *LeastRequest) Cleanup() error { return p.balancer.cleanup() }

// Select implements reverseproxy.Selector.
func (p *LeastRequest) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *LeastRequest) choose(c *choice, _ *http.Request, _ http.ResponseWriter) int {
	return c.at(pick.LeastRequest(c.candidates, p.Choices, chance{}))
}

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy least_request [<choices>] {
//		<common options>
//	}
func (p *LeastRequest) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parsePolicy(d, p.subdirectives(), func(args []string) (err error) {
		switch len(args) {
		case 0:
		case 1:
			p.Choices, err = integer(2, maxChoices)(args[0])
		default:
			err = errArguments
		}
		return err
	})
}

// Interface guards
var (
	_ reverseproxy.Selector = (*LeastRequest)(nil)
	_ caddy.Provisioner     = (*LeastRequest)(nil)
	_ caddy.CleanerUpper    = (*LeastRequest)(nil)
	_ caddyfile.Unmarshaler = (*LeastRequest)(nil)
)
