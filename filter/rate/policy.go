package rate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Policy says how many requests a key may make.
//
// Limit requests per Window is what a key may do for ever. Burst adds to what it
// may do at once, and so to what it may do in any one window; it comes back at
// the pace of the limit, as far as the key stays below it. Without a burst the
// policy is: no more than Limit in any window, wherever the window begins.
type Policy struct {
	Limit  int           // at least 1
	Window time.Duration // 1ms to 366 days
	Burst  int           // 0 or more; Limit+Burst at most MaxQuota
}

// MaxQuota is the largest sum of limit and burst.
const MaxQuota = 1 << 30

const (
	minWindow = time.Millisecond
	maxWindow = 366 * 24 * time.Hour
)

// Quota is the number of requests that a key may make at once, and the most that
// it may make in any window: limit and burst.
func (p Policy) Quota() int { return p.Limit + p.Burst }

// Exact reports whether a Limiter keeps the time of every request of the policy:
// with a quota of 64 or less.
func (p Policy) Exact() bool { return p.Quota() <= exactQuota }

// Validate returns an error that names the first value out of its range.
func (p Policy) Validate() error {
	switch {
	case p.Limit < 1:
		return fmt.Errorf("limit must be 1 or more, not %d", p.Limit)
	case p.Window < minWindow || p.Window > maxWindow:
		return fmt.Errorf("the limit's duration must be between %v and 366 days, not %v", minWindow, p.Window)
	case p.Burst < 0:
		return fmt.Errorf("burst must be 0 or more, not %d", p.Burst)
	case p.Limit > MaxQuota || p.Burst > MaxQuota-p.Limit:
		return fmt.Errorf("limit and burst together must be at most %d", MaxQuota)
	}
	return nil
}

// ParseLimit reads "<n>/<duration>", as in "10/1m" or "1000/24h". A unit without
// a number is one of it: "10/s", "10/m", "10/h" and "10/d". Days ("7d") are 24
// hours.
func ParseLimit(text string) (limit int, window time.Duration, err error) {
	count, per, ok := strings.Cut(text, "/")
	if !ok {
		return 0, 0, fmt.Errorf("limit %q is not <n>/<duration>, as in 10/1m", text)
	}
	if limit, err = strconv.Atoi(count); err != nil {
		return 0, 0, fmt.Errorf("limit %q: %q is not a whole number", text, count)
	}
	if window, err = parseWindow(per); err != nil {
		return 0, 0, fmt.Errorf("limit %q: %q is not a duration, as in 1s, 1m or 24h", text, per)
	}
	if err = (Policy{Limit: limit, Window: window}).Validate(); err != nil {
		return 0, 0, fmt.Errorf("limit %q: %w", text, err)
	}
	return limit, window, nil
}

func parseWindow(per string) (time.Duration, error) {
	if per != "" && (per[0] < '0' || per[0] > '9') && per[0] != '.' {
		if strings.ContainsAny(per[:1], "+-") {
			return 0, errors.New("a sign")
		}
		per = "1" + per
	}
	if days, ok := strings.CutSuffix(per, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(per)
}
