package filter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-portico/portico/filter/bots"
)

// BotOptions say which crawlers are denied, among those that say who they are.
type BotOptions struct {
	// What is done with crawlers that are denied: `block`, `detect` or `off`.
	// Default: the `mode` of the handler.
	Mode string `json:"mode,omitempty"`

	// Groups of crawlers to deny, beside `scanners`, and `unverified` for those
	// that claim the name of a crawler they are not.
	Deny []string `json:"deny,omitempty"`

	// Groups of crawlers that are not denied though `deny` names another group
	// of theirs, or because they are `scanners`.
	Allow []string `json:"allow,omitempty"`

	deny, allow bots.Groups
	unverified  bool
}

func (o *BotOptions) validate() error {
	for _, word := range o.Deny {
		if slices.Contains(o.Allow, word) {
			return fmt.Errorf("%s: is both denied and allowed", word)
		}
	}
	_, _, badDeny := parseGroups(o.Deny)
	_, _, badAllow := parseGroups(o.Allow)
	return errors.Join(named("mode", expectWord(o.Mode, "", wordBlock, wordDetect, wordOff)), named("deny", badDeny), named("allow", badAllow))
}

func parseGroups(words []string) (groups bots.Groups, unverified bool, err error) {
	for _, word := range words {
		if word == bots.Unverified {
			unverified = true
			continue
		}
		g, err := bots.ParseGroup(word)
		if err != nil {
			return 0, false, fmt.Errorf("%w, %s", err, bots.Unverified)
		}
		groups |= g
	}
	return groups, unverified, nil
}

// any reports whether a crawler is denied.
func (o *BotOptions) any() bool {
	return o.Mode != wordOff && (o.unverified || o.deny&^o.allow != 0)
}

func (h *Handler) provisionBots() (err error) {
	o := h.Bots
	if o.deny, o.unverified, err = parseGroups(o.Deny); err != nil {
		return fmt.Errorf("bots: %w", err)
	}
	if o.allow, _, err = parseGroups(o.Allow); err != nil {
		return fmt.Errorf("bots: %w", err)
	}
	o.deny |= bots.Scanners
	if o.unverified && o.Mode != wordOff {
		h.verifier = h.app.verifier()
	}
	return nil
}

// bots refuses crawlers by the name they give, and those that give a false one.
func (x *inspection) bots() verdict {
	for _, userAgent := range x.r.Header["User-Agent"] {
		m := bots.Default().Match(userAgent)
		if m.Groups() == 0 {
			continue
		}
		if group, name := x.h.Bots.denied(m); group != "" {
			return x.denied(group, name)
		}
		if x.h.verifier != nil && x.h.verifier.Verdict(m, x.client) == bots.Impostor {
			return x.denied(bots.Unverified, m.Name())
		}
	}
	return verdict{}
}

func (x *inspection) denied(group, name string) verdict {
	return verdict{reason: reasonBot, mode: x.h.modeOf(x.h.Bots.Mode), rule: group, text: "the crawler " + name + " is denied"}
}

// denied returns the first group that is denied of a crawler that no group of
// its own allows.
func (o *BotOptions) denied(m bots.Match) (group, name string) {
	if !m.Groups().Has(o.deny) {
		return "", ""
	}
	for c := range m.Each {
		if c.Groups.Has(o.deny) && !c.Groups.Has(o.allow) {
			return (c.Groups & o.deny).Names()[0], c.Name
		}
	}
	return "", ""
}
