package lbpolicy

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// mayTry reports whether the budget has room for the attempt. The first one of
// a request always may be made and adds to the budget.
func (b *balancer) mayTry(tr *trip) bool {
	switch {
	case tr == nil:
		return true
	case tr.attempts == 0:
		if !tr.counted {
			tr.counted = true
			b.retries.Request(clock())
		}
		return true
	}
	return b.retries.Allow(clock())
}

// exhausted ends the request. A policy can only answer with an upstream or
// with none, and without one reverse_proxy would go on trying until
// lb_try_duration is over; an address that cannot be dialed ends the loop at
// once, with a 502 and the address in the log.
func exhausted(tr *trip) *reverseproxy.Upstream {
	last := "no error"
	if tr.last != nil {
		last = tr.last.Error()
	}
	return &reverseproxy.Upstream{
		Host: new(reverseproxy.Host),
		Dial: "retry budget exhausted (the last attempt " + plain(last) + "):0-1", // no single port
	}
}

// plain leaves out of a text what could be taken for a placeholder or a part of
// an address.
func plain(text string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(":/[]{}|%\\", c) {
			return ' '
		}
		return c
	}, text)
}
