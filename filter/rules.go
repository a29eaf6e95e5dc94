package filter

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// RuleOptions are a rule of the administrator's.
type RuleOptions struct {
	// The name of the rule, in logs, placeholders and as its tag.
	Name string `json:"name,omitempty"`

	// Which requests are meant: those that any of the matcher sets matches.
	// Matchers see the path as Caddy does: decoded once, and `path` without regard
	// to case. With `path strict` it is what the origin sees, too.
	MatchRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// What a match does: `block` ends the request, `score` adds to its score,
	// `tag` adds the name of the rule to `{http.request_filter.tags}`.
	// Default: `block`.
	Action string `json:"action,omitempty"`

	// What `block` answers, 400 to 599; `respond`, `drop` and `tarpit` then do not
	// replace it. Default: 403.
	Status int `json:"status,omitempty"`

	// What `score` adds, 1 or more.
	Score int `json:"score,omitempty"`

	// `block` or `detect`. Default: the `mode` of the handler.
	Mode string `json:"mode,omitempty"`

	match caddyhttp.MatcherSets
}

const (
	wordTag   = "tag"
	wordScore = "score"
)

func validateRules(rules []*RuleOptions) error {
	seen := make(map[string]bool)
	for _, o := range rules {
		if o == nil || o.Name == "" {
			return errors.New("needs a name")
		}
		if seen[o.Name] {
			return fmt.Errorf("%s: is defined more than once", o.Name)
		}
		seen[o.Name] = true
		if err := o.validate(); err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
	}
	return nil
}

func (o *RuleOptions) validate() error {
	switch {
	case strings.ContainsAny(o.Name, ", \t"):
		return errors.New("a name has no spaces and commas")
	case len(o.MatchRaw) == 0 && o.match == nil:
		return errors.New("match: is missing")
	case o.Status != 0 && (o.action() != wordBlock || o.Status < 400 || o.Status > 599):
		return errors.New("status: 400 to 599, of the action block")
	case o.action() == wordScore && o.Score < 1:
		return errors.New("score: must be 1 or more")
	case o.action() != wordScore && o.Score != 0:
		return errors.New("score: only of the action score")
	}
	return errors.Join(
		named("action", expectWord(o.action(), wordBlock, wordTag, wordScore)),
		named("mode", expectWord(o.Mode, "", wordBlock, wordDetect)),
	)
}

func (o *RuleOptions) action() string { return orDefault(o.Action, wordBlock) }

func (h *Handler) provisionRules(ctx caddy.Context) error {
	for _, o := range h.Rules {
		if err := loadMatchers(ctx, o, o.MatchRaw, &o.match); err != nil {
			return fmt.Errorf("rule %s: match: %w", o.Name, err)
		}
	}
	return nil
}

// loadMatchers loads the field MatchRaw of a part of the configuration.
func loadMatchers(ctx caddy.Context, of any, raw caddyhttp.RawMatcherSets, to *caddyhttp.MatcherSets) error {
	if len(raw) == 0 {
		return nil
	}
	sets, err := ctx.LoadModule(of, "MatchRaw")
	if err != nil {
		return err
	}
	return to.FromInterface(sets)
}

// rules asks the rules in their order, until one blocks.
func (x *inspection) rules() verdict {
	for _, o := range x.h.Rules {
		matched, err := x.matches(o.match)
		if err != nil {
			if v := x.failed(o, err); v.mode == block {
				return v
			}
			continue
		}
		if !matched {
			continue
		}
		if v := x.matched(o); v.reason != reasonNone {
			if v.mode == block {
				return v
			}
			x.detect(v)
		}
	}
	return verdict{}
}

// matches asks matchers, which see the path as Caddy does; of one with
// parameters as it is without them, too (canonical.Target.Bare), since Java's
// servers route on that.
func (x *inspection) matches(sets caddyhttp.MatcherSets) (bool, error) {
	matched, err := sets.AnyMatchWithError(x.r)
	if matched || err != nil {
		return matched, err
	}
	t := x.read()
	if t.Bare == t.Path {
		return false, nil
	}
	r, u := *x.r, *x.r.URL
	u.Path, u.RawPath = t.Bare, ""
	r.URL = &u
	return sets.AnyMatchWithError(&r)
}

// matched does what a rule says. A score counts unless the rule itself only
// detects: in a handler that only detects it shows what the threshold would do.
func (x *inspection) matched(o *RuleOptions) verdict {
	v := verdict{reason: reasonRule, mode: x.h.modeOf(o.Mode), rule: o.Name, status: o.Status, own: o.Status != 0}
	switch {
	case o.action() == wordBlock || o.Mode == wordDetect:
		return v
	case o.action() == wordTag:
		x.tags = append(x.tags, o.Name)
	default:
		x.score += o.Score
		x.names = append(x.names, o.Name)
	}
	return verdict{}
}

// failed is of a rule that could not be asked, such as an expression that
// takes a word for a number. Not knowing, it must not let the request through:
// who can cause the error could otherwise switch off the rule.
func (x *inspection) failed(o *RuleOptions, err error) verdict {
	return verdict{
		reason: reasonRule,
		mode:   x.h.modeOf(o.Mode),
		rule:   o.Name,
		text:   "the rule failed: " + err.Error(),
		status: http.StatusInternalServerError,
		own:    true,
		free:   true,
	}
}

// overall blocks a request whose scores together reach the threshold.
func (x *inspection) overall() verdict {
	if x.score < *x.h.Threshold {
		return verdict{}
	}
	return verdict{reason: reasonScore, mode: x.h.modeOf(""), rule: strings.Join(x.names, ",")}
}
