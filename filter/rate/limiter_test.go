package rate

import (
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newLimiter(t testing.TB, c Config) *Limiter {
	t.Helper()
	l, err := New(c, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What design.md promises of `limit 10/1m`: exactly ten at once, and no more than
// ten in any minute.
func TestTenInAnyMinute(t *testing.T) {
	l := newLimiter(t, Config{Policy: Policy{Limit: 10, Window: time.Minute}})
	passed := 0
	for range 30 {
		if l.Take("client", epoch).Allowed {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d passed at once, want 10", passed)
	}
	if r := l.Take("client", epoch.Add(time.Minute-time.Nanosecond)); r.Allowed {
		t.Errorf("the eleventh passed within the minute: %+v", r)
	}
	if r := l.Take("client", epoch.Add(time.Minute)); !r.Allowed || r.Remaining != 9 {
		t.Errorf("a minute later: %+v, want to pass with 9 left", r)
	}
}
