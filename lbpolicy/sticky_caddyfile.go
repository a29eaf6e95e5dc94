package lbpolicy

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile sets up the policy from tokens:
//
//	lb_policy sticky [<cookie>] {
//		name <cookie>
//		secret <secret>
//		max_age <duration>
//		same_site strict|lax|none
//		secure on|off|auto
//		http_only on|off
//		learn {
//			max <sessions>
//			idle <duration>
//		}
//		header <name>
//		drain <address...>
//		fallback <policy>
//		<common options>
//	}
func (p *Sticky) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	word := func(to *string, convert func(string) (string, error), excludes ...string) subdirective {
		return subdirective{excludes: excludes, parse: func(d *caddyfile.Dispenser) error { return parseArg(d, to, convert) }}
	}
	maxAge := func(d *caddyfile.Dispenser) error { return parseArg(d, &p.MaxAge, duration) }
	options := vocabulary{
		"name":      {parse: p.parseName, excludes: []string{"header"}},
		"secret":    word(&p.Secret, nonempty, "learn", "header"),
		"max_age":   {parse: maxAge, excludes: []string{"learn", "header"}},
		"same_site": word(&p.SameSite, oneOf(sameSiteStrict, sameSiteLax, sameSiteNone), "learn", "header"),
		"secure":    word(&p.Secure, oneOf(on, off, auto), "learn", "header"),
		"http_only": word(&p.HTTPOnly, oneOf(on, off), "learn", "header"),
		"learn":     {parse: p.parseLearn, block: true},
		"header":    {parse: p.parseHeader},
		"drain":     {parse: p.parseDrain},
		"fallback":  parseFallback(&p.FallbackRaw),
	}
	err := parsePolicy(d, options.with(p.subdirectives()), func(args []string) (err error) {
		if len(args) > 1 {
			return errArguments
		}
		if len(args) == 1 {
			p.Name, err = tokenArg(args[0])
		}
		return err
	})
	if err == nil && p.Learn != nil && p.Name == "" && p.Header == "" {
		err = d.Errf("lb_policy sticky: learn: needs the name of the application's cookie, as in 'sticky PHPSESSID'")
	}
	if err == nil && p.SameSite == sameSiteNone && p.Secure == off {
		err = d.Errf("lb_policy sticky: same_site: browsers refuse none without secure")
	}
	return err
}

func tokenArg(s string) (string, error) {
	if !isToken(s) {
		return "", fmt.Errorf("'%s' cannot name a cookie or a header", s)
	}
	return s, nil
}

func (p *Sticky) parseName(d *caddyfile.Dispenser) error {
	if p.Name != "" {
		return errors.New("given twice: it also stands after sticky")
	}
	return parseArg(d, &p.Name, tokenArg)
}

func (p *Sticky) parseHeader(d *caddyfile.Dispenser) error {
	if p.Name != "" {
		return errors.New("does not go together with a cookie's name")
	}
	return parseArg(d, &p.Header, tokenArg)
}

func (p *Sticky) parseDrain(d *caddyfile.Dispenser) error {
	p.Drain = d.RemainingArgs()
	if len(p.Drain) == 0 {
		return errors.New("expected addresses of upstreams")
	}
	return nil
}

func (p *Sticky) parseLearn(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", d.Val())
	}
	p.Learn = new(Learn)
	return parseBlock(d, "lb_policy: learn", vocabulary{
		"max":  {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.Learn.Max, integer(1, maxSessions)) }},
		"idle": {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &p.Learn.Idle, duration) }},
	})
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Sticky)(nil)
