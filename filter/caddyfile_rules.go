package filter

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/rate"
)

func (h *Handler) parseRule(l optionLine) error {
	o := new(RuleOptions)
	if !l.Args(&o.Name) {
		return errArgumentCount
	}
	if l.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", l.Val())
	}
	h.Rules = append(h.Rules, o)
	err := l.block(map[string]func(optionLine) error{
		"match": func(l optionLine) error {
			o.match = caddyhttp.MatcherSets{} // there will be some
			return h.keepMatch("rule "+o.Name, l, &o.MatchRaw)
		},
		"action": o.parseAction,
		"mode":   func(l optionLine) error { return l.word(&o.Mode, wordBlock, wordDetect) },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	return validateRules(h.Rules)
}

// parseAction parses block [<status>], tag or score <n>.
func (o *RuleOptions) parseAction(l optionLine) error {
	if err := l.word(&o.Action, wordBlock, wordTag, wordScore); err != nil {
		return err
	}
	switch {
	case o.Action == wordScore:
		return l.count(&o.Score)
	case o.Action == wordBlock && l.NextArg():
		status, err := strconv.Atoi(l.Val())
		if err != nil || status < 400 || status > 599 {
			return fmt.Errorf("bad status '%s': expected 400 to 599", l.Val())
		}
		o.Status = status
	}
	return nil
}

func (h *Handler) parseRate(l optionLine) error {
	o := new(RateOptions)
	if !l.Args(&o.Name) {
		return errArgumentCount
	}
	if l.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", l.Val())
	}
	h.Rates = append(h.Rates, o)
	err := l.block(map[string]func(optionLine) error{
		"key":   func(l optionLine) error { return l.words(&o.Key) },
		"limit": o.parseLimit,
		"burst": func(l optionLine) error { return l.count(&o.Burst) },
		"match": func(l optionLine) error { return h.keepMatch("rate "+o.Name, l, &o.MatchRaw) },
		"mode":  func(l optionLine) error { return l.word(&o.Mode, wordBlock, wordDetect) },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	return validateRates(h.Rates)
}

func (o *RateOptions) parseLimit(l optionLine) error {
	if !l.Args(&o.Limit) {
		return errArgumentCount
	}
	_, _, err := rate.ParseLimit(o.Limit)
	return err
}

// keepMatch keeps the line for when the matchers of the site are known.
func (h *Handler) keepMatch(option string, l optionLine, to *caddyhttp.RawMatcherSets) error {
	h.caddyfile.matches = append(h.caddyfile.matches, pendingMatch{option, l.NewFromNextSegment(), to})
	return nil
}
