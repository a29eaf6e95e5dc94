package lbpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/pick"
	"github.com/caddy-portico/portico/lbpolicy/tier"
)

func init() {
	caddy.RegisterModule(new(Tiers))
}

// Tiers divides the upstreams into tiers, the first being preferred: the others
// get what it cannot take. A tier takes all requests as long as enough of it is
// healthy; below that, a part of them overflows to the next.
type Tiers struct {
	Options

	// The tiers, the preferred one first.
	Tiers []*Tier `json:"tiers"`

	// The zone this Caddy is in: tiers of that zone come before all others. May
	// contain global placeholders such as `{env.ZONE}`. Default: none.
	Zone string `json:"zone,omitempty"`

	// The percentage of a tier that must be healthy for it to take all requests.
	// With less, a part of them overflows. Default: about `71` (Envoy's factor of 1.4).
	Overflow float64 `json:"overflow,omitempty"`

	// The percentage of a tier below which its health is ignored, should all tiers
	// together be too weak for the requests: they are spread over all of its
	// upstreams instead of crushing the few that are left. Default: `0`, never.
	Panic float64 `json:"panic,omitempty"`

	balancer balancer
	overpro  float64
}

// Tier is one of the tiers.
type Tier struct {
	// The addresses of its upstreams, as they are in the list of upstreams. One
	// from a dynamic source that no tier lists belongs to the last tier.
	Upstreams []string `json:"upstreams,omitempty"`

	// The zone the tier is in. Default: none.
	Zone string `json:"zone,omitempty"`

	// The policy among the tier's upstreams. Default: `least_time`.
	PolicyRaw json.RawMessage `json:"selection_policy,omitempty" caddy:"namespace=http.reverse_proxy.selection_policies inline_key=policy"`

	policy guest
}

// maxTiers bounds what a choice has to look at.
const maxTiers = 16

// CaddyModule returns the Caddy module information.
func (*Tiers) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.tiers",
		New: func() caddy.Module { return new(Tiers) },
	}
}

// Provision sets up the policy.
func (p *Tiers) Provision(ctx caddy.Context) (err error) {
	if err = p.validate(); err != nil {
		return err
	}
	p.overpro = tier.Overprovision
	if p.Overflow > 0 {
		p.overpro = 100 / p.Overflow
	}
	p.preferZone(caddy.NewReplacer().ReplaceKnown(p.Zone, ""))
	p.balancer.members.tierOf = p.tierOf
	if err = p.balancer.provision(ctx, "tiers", &p.Options); err != nil {
		return err
	}
	if err = p.checkUpstreams(); err != nil {
		return err
	}
	for i, t := range p.Tiers {
		p.balancer.loading = i
		if t.policy, err = p.balancer.loadGuest(ctx, t, "PolicyRaw", &t.PolicyRaw); err != nil {
			return fmt.Errorf("tier %d: %w", i+1, err)
		}
	}
	return nil
}

func (p *Tiers) validate() error {
	switch {
	case len(p.Tiers) == 0:
		return errors.New("there are no tiers")
	case len(p.Tiers) > maxTiers:
		return fmt.Errorf("there are %d tiers, more than %d", len(p.Tiers), maxTiers)
	case p.Overflow < 0 || p.Overflow > 100:
		return fmt.Errorf("overflow: %v is not a percentage", p.Overflow)
	case p.Panic < 0 || p.Panic > 100:
		return fmt.Errorf("panic: %v is not a percentage", p.Panic)
	case slices.Contains(p.Tiers, nil):
		return errors.New("a tier is null")
	}
	return nil
}

// preferZone puts the tiers of Caddy's own zone first, and leaves the order as
// it is otherwise.
func (p *Tiers) preferZone(own string) {
	if own == "" {
		return
	}
	slices.SortStableFunc(p.Tiers, func(a, b *Tier) int {
		return boolToInt(b.Zone == own) - boolToInt(a.Zone == own)
	})
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tierOf is the tier of an address: the last one, if none lists it.
func (p *Tiers) tierOf(address string) int {
	for i, t := range p.Tiers {
		if t.lists(address) {
			return i
		}
	}
	return len(p.Tiers) - 1
}

func (t *Tier) lists(address string) bool {
	return slices.ContainsFunc(t.Upstreams, func(a string) bool { return sameAddress(a, address) })
}

// checkUpstreams finds addresses that are no upstreams, and upstreams that are in no tier
// or in two.
func (p *Tiers) checkUpstreams() error {
	for i, t := range p.Tiers {
		if err := p.balancer.checkAddresses(fmt.Sprintf("tier %d", i+1), t.Upstreams); err != nil {
			return err
		}
	}
	for address := range p.balancer.tap.static {
		var in []string
		for i, t := range p.Tiers {
			if t.lists(address) {
				in = append(in, fmt.Sprint(i+1))
			}
		}
		switch {
		case len(in) > 1:
			return fmt.Errorf("tier: '%s' is in tiers %s", address, strings.Join(in, " and "))
		case len(in) == 0:
			return fmt.Errorf("tier: '%s' is in no tier", address)
		}
	}
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (p *Tiers) Cleanup() error { return p.balancer.cleanup() }

// Select implements reverseproxy.Selector.
func (p *Tiers) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *Tiers) choose(c *choice, r *http.Request, w http.ResponseWriter) int {
	var healths [maxTiers]tier.Health
	var spread [maxTiers]float64
	n := len(p.Tiers)
	strength := p.health(c, healths[:n])
	tier.Spread(spread[:n], healths[:n], p.overpro)
	first := max(0, tier.Choose(spread[:n], rand.Float64())) //nolint:gosec // nothing secret
	if strength < 1 && healths[first].InPanic(p.Panic/100) {
		return c.anyOfTier(first)
	}
	// A guest may decline; then another tier may not.
	for k := range n {
		t := (first + k) % n
		part := c.part(func(m *member) bool { return m.tier == t })
		if i := p.Tiers[t].policy.chooseFrom(part, c, r, w); i >= 0 {
			return i
		}
	}
	return -1
}

// health counts the weights of the tiers, and returns how many times all of them
// together could take the requests.
func (p *Tiers) health(c *choice, healths []tier.Health) (strength float64) {
	for _, m := range c.members {
		if !m.draining && !m.drained.Load() {
			healths[m.tier].Total += float64(m.weightOr(m.weight))
		}
	}
	for k, i := range c.index {
		healths[c.members[i].tier].Healthy += c.candidates[k].Weight
	}
	for _, h := range healths {
		if h.Total > 0 {
			strength += min(1, p.overpro*h.Healthy/h.Total)
		}
	}
	return strength
}

// anyOfTier chooses among all upstreams of a tier, in whatever state they are.
func (c *choice) anyOfTier(t int) int {
	c.index, c.candidates, c.hosts = c.index[:0], c.candidates[:0], c.hosts[:0]
	c.lenient = true
	for i, m := range c.members {
		weight := m.weightOr(m.weight)
		if m.tier != t || weight == 0 || m.draining || m.drained.Load() ||
			slices.Contains(c.refused, i) || c.balancer.tap.full(c.pool[i], m.upstream) {
			continue
		}
		c.index = append(c.index, i)
		c.candidates = append(c.candidates, pick.Candidate{RIF: c.pool[i].NumRequests(), Weight: float64(weight)})
		c.hosts = append(c.hosts, m.host)
	}
	return c.at(pick.LeastRequest(c.candidates, 0, chance{}))
}

// Interface guards
var (
	_ reverseproxy.Selector = (*Tiers)(nil)
	_ caddy.Provisioner     = (*Tiers)(nil)
	_ caddy.CleanerUpper    = (*Tiers)(nil)
)
