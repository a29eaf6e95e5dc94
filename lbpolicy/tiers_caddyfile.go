package lbpolicy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy tiers {
//		tier {
//			<address...> [<policy>]
//			zone <name>
//		}
//		zone <name>
//		overflow <percent>
//		panic <percent>|off
//		<common options>
//	}
//
// The addresses and the policy of a tier may stand on one line or on several.
func (p *Tiers) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	options := vocabulary{
		"tier":     {parse: p.parseTier, repeat: true, block: true},
		"zone":     {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.Zone, nonempty) }},
		"overflow": {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.Overflow, percent(1, 100)) }},
		"panic":    {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.Panic, offOr(percent(1, 100), 0)) }},
	}
	if err := parsePolicy(d, options.with(p.subdirectives()), nil); err != nil {
		return err
	}
	if len(p.Tiers) == 0 {
		return d.Errf("lb_policy tiers: there are no tiers")
	}
	return nil
}

func (p *Tiers) parseTier(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", d.Val())
	}
	if len(p.Tiers) == maxTiers {
		return fmt.Errorf("more than %d", maxTiers)
	}
	t := new(Tier)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := p.parseTierLine(d, t); err != nil {
			return err
		}
	}
	if len(t.Upstreams) == 0 {
		if d.Val() == "}" {
			d.Prev() // to the line where the empty block begins
		}
		return errors.New("has no upstreams")
	}
	p.Tiers = append(p.Tiers, t)
	return nil
}

// parseTierLine reads `zone <name>`, or addresses and a policy. What follows the
// name of a policy is that policy's.
func (p *Tiers) parseTierLine(d *caddyfile.Dispenser, t *Tier) (err error) {
	if d.Val() == "zone" {
		if t.Zone != "" {
			return errors.New("zone: given more than once")
		}
		if err := parseArg(d, &t.Zone, nonempty); err != nil {
			return fmt.Errorf("zone: %w", err)
		}
		return nil
	}
	for {
		word := d.Val()
		switch {
		case !isPolicy(word):
			if err := p.addUpstream(t, word); err != nil {
				return err
			}
		case t.PolicyRaw != nil:
			return fmt.Errorf("%s: there is a policy already", word)
		default:
			t.PolicyRaw, err = parseGuest(d)
			return err
		}
		if !d.NextArg() {
			return nil
		}
	}
}

func (p *Tiers) addUpstream(t *Tier, address string) error {
	if !strings.ContainsAny(address, ".:/{") && address != "localhost" {
		return fmt.Errorf("'%s' is neither an address nor a policy", address)
	}
	for _, other := range append(p.Tiers, t) {
		for _, a := range other.Upstreams {
			if a == address {
				return fmt.Errorf("'%s' is in a tier already", address)
			}
		}
	}
	t.Upstreams = append(t.Upstreams, address)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Tiers)(nil)
