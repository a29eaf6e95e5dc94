package filter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/rate"
)

// RateOptions say how often something may be asked for.
type RateOptions struct {
	// The name of the rate, in logs and in the RateLimit fields. Rates of one name
	// and limit on several sites count together.
	Name string `json:"name,omitempty"`

	// What is counted by: placeholders. Clients that have none of them (a header
	// field that is not sent) are counted by their address. Default: the client,
	// which is an IPv4 address or the /64 of an IPv6 address.
	Key []string `json:"key,omitempty"`

	// How many requests in which time, such as `10/1m`: ten at once, and no more
	// than ten in any minute.
	Limit string `json:"limit,omitempty"`

	// How many more may come at once. Default: 0.
	Burst int `json:"burst,omitempty"`

	// Which requests are counted: those that any of the matcher sets matches.
	// Default: all.
	MatchRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// `block` or `detect`. Default: the `mode` of the handler.
	Mode string `json:"mode,omitempty"`

	match   caddyhttp.MatcherSets
	limiter limiter
	policy  string // its member of RateLimit-Policy
}

func validateRates(rates []*RateOptions) error {
	seen := make(map[string]bool)
	for _, o := range rates {
		if o == nil || o.Name == "" {
			return errors.New("needs a name")
		}
		if seen[o.Name] {
			return fmt.Errorf("%s: is defined more than once", o.Name)
		}
		seen[o.Name] = true
		_, bad := o.parsed()
		if err := errors.Join(bad, named("mode", expectWord(o.Mode, "", wordBlock, wordDetect))); err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
	}
	return nil
}

func (o *RateOptions) parsed() (rate.Policy, error) {
	if o.Limit == "" {
		return rate.Policy{}, errors.New("limit: is missing")
	}
	limit, window, err := rate.ParseLimit(o.Limit)
	if err != nil {
		return rate.Policy{}, err
	}
	p := rate.Policy{Limit: limit, Window: window, Burst: o.Burst}
	return p, p.Validate()
}

func (h *Handler) provisionRates(ctx caddy.Context) error {
	for _, o := range h.Rates {
		policy, err := o.parsed()
		if err != nil {
			return fmt.Errorf("rate %s: %w", o.Name, err)
		}
		if o.limiter, err = h.app.limiter(o.Name, policy); err != nil {
			return fmt.Errorf("rate %s: %w", o.Name, err)
		}
		if err := loadMatchers(ctx, o, o.MatchRaw, &o.match); err != nil {
			return fmt.Errorf("rate %s: match: %w", o.Name, err)
		}
		o.policy = string(rate.AppendPolicyField(nil, o.Name, policy))
	}
	return nil
}

// rates counts the request, and refuses it if there were too many. What is left
// is told with every answer (draft-ietf-httpapi-ratelimit-headers).
func (x *inspection) rates() verdict {
	for _, o := range x.h.Rates {
		v := verdict{reason: reasonRate, mode: x.h.modeOf(o.Mode), rule: o.Name}
		matched, err := x.matches(o.match)
		if err != nil {
			v.text, v.status, v.free = "the rate failed: "+err.Error(), http.StatusInternalServerError, true
			if v.mode == block {
				return v
			}
			continue
		}
		if !matched {
			continue
		}
		result := o.limiter.Take(x.r.Context(), o.key(x), x.now)
		if v.mode == block {
			o.tell(x.w.Header(), result)
		}
		switch {
		case result.Allowed:
		case v.mode == block:
			return v
		default:
			x.detect(v)
		}
	}
	return verdict{}
}

// tell adds a rate to the fields of the answer; of several each is a member.
func (o *RateOptions) tell(h http.Header, result rate.Result) {
	appendMember(h, "Ratelimit-Policy", o.policy)
	appendMember(h, "Ratelimit", string(result.AppendField(nil, o.Name)))
	if !result.Allowed {
		h.Set("Retry-After", strconv.Itoa(result.RetryAfter()))
	}
}

func appendMember(h http.Header, field, member string) {
	if before := h[field]; len(before) == 1 {
		member = before[0] + ", " + member
	}
	h[field] = []string{member}
}

// key is what the request is counted by. The values have their lengths before
// them: no two lists of values are the same key.
func (o *RateOptions) key(x *inspection) string {
	repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if len(o.Key) == 0 || !ok {
		return x.byClient()
	}
	var key strings.Builder
	some := false
	for _, part := range o.Key {
		value := oneClient(part, repl.ReplaceAll(part, ""))
		some = some || value != ""
		key.WriteString(strconv.Itoa(len(value)))
		key.WriteByte(':')
		key.WriteString(value)
	}
	if !some {
		return x.byClient()
	}
	return key.String()
}

func (x *inspection) byClient() string { return address.Client(x.client).String() }

// oneClient is the client that an address stands for, where a placeholder gives
// that of the client: of IPv6 the /64, of which each customer has all addresses.
func oneClient(placeholder, value string) string {
	switch placeholder {
	case "{http.request.remote.host}", "{http.vars.client_ip}", "{http.request.client_ip}":
		if addr, err := netip.ParseAddr(value); err == nil {
			return address.Client(addr.Unmap().WithZone("")).String()
		}
	}
	return value
}

// limiter is a counter of the app: of this machine, or shared with others.
type limiter interface {
	Take(ctx context.Context, key string, now time.Time) rate.Result
	Policy() rate.Policy
}
