package filter

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/ban"
)

// BanOptions say when a client is banned, and for how long. A client is an IPv4
// address or the /64 of an IPv6 address.
type BanOptions struct {
	// How many blocked requests lead to a ban. Those that only exceed a limit, and
	// those of clients who are denied or banned anyway, do not count.
	After int `json:"after,omitempty"`

	// Within which time.
	Within caddy.Duration `json:"within,omitempty"`

	// How long the first ban lasts.
	For caddy.Duration `json:"for,omitempty"`

	// The longest ban: each repeat lasts twice as long as the one before, up to
	// this. Default: `for`, no longer than the first.
	UpTo caddy.Duration `json:"up_to,omitempty"`
}

func (o *BanOptions) policy() ban.Policy {
	return ban.Policy{After: o.After, Within: time.Duration(o.Within), For: time.Duration(o.For), UpTo: time.Duration(o.UpTo)}
}

func (o *BanOptions) validate() error {
	if o == nil {
		return nil
	}
	return o.policy().Validate()
}

// trapBan is how long a trap bans where `ban` does not say.
var trapBan = ban.Policy{After: 1, Within: time.Minute, For: time.Hour, UpTo: 24 * time.Hour}

func (h *Handler) provisionBans() (err error) {
	trap := trapBan
	if h.Ban != nil {
		policy := h.Ban.policy()
		if h.strikes, err = h.app.strikes(policy); err != nil {
			return fmt.Errorf("ban: %w", err)
		}
		trap.For, trap.UpTo = policy.For, policy.UpTo
	}
	if len(h.Honeypot) == 0 {
		return nil
	}
	if h.traps, err = h.app.strikes(trap); err != nil {
		return fmt.Errorf("honeypot: %w", err)
	}
	return nil
}

// bans keeps out clients that are banned, by this site, by another one or by
// hand. Who is allowed is not among them.
func (x *inspection) bans() verdict {
	b, banned := x.h.ledger.Lookup(x.client, x.now)
	if !banned || x.allowed() {
		return verdict{}
	}
	return verdict{reason: reasonBanned, mode: x.h.modeOf(""), rule: b.Reason}
}

// strike counts a blocked request against its client.
func (x *inspection) strike(v verdict) {
	h := x.h
	strikes := h.strikes
	if v.reason == reasonHoneypot {
		strikes = h.traps
	} else if !v.strike() {
		return
	}
	if strikes == nil || !x.client.IsValid() || x.allowed() {
		return
	}
	b, banned := strikes.Strike(x.client, v.reason.String(), x.now)
	if !banned {
		return
	}
	h.log.Info("client banned", zap.Stringer("client", b.Prefix), zap.String("reason", b.Reason),
		zap.Time("until", b.Until), zap.Int("level", b.Level))
}
