package rate

import (
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

func TestParseLimit(t *testing.T) {
	tests := []struct {
		text   string
		limit  int
		window time.Duration
		err    string // part of it
	}{
		{"10/1m", 10, time.Minute, ""},
		{"1/1ms", 1, time.Millisecond, ""},
		{"5/s", 5, time.Second, ""},
		{"5/m", 5, time.Minute, ""},
		{"1000/24h", 1000, 24 * time.Hour, ""},
		{"7/7d", 7, 7 * 24 * time.Hour, ""},
		{"7/d", 7, 24 * time.Hour, ""},
		{"1/1h30m", 1, 90 * time.Minute, ""},
		{"10", 0, 0, "not <n>/<duration>"},
		{"", 0, 0, "not <n>/<duration>"},
		{"/1m", 0, 0, "not a whole number"},
		{"1.5/1m", 0, 0, "not a whole number"},
		{"10/", 0, 0, "not a duration"},
		{"10/1", 0, 0, "not a duration"},
		{"10/-1m", 0, 0, "not a duration"},
		{"10/+m", 0, 0, "not a duration"},
		{"10/minute", 0, 0, "not a duration"},
		{"0/1m", 0, 0, "limit must be"},
		{"-1/1m", 0, 0, "limit must be"},
		{"10/0s", 0, 0, "between"},
		{"10/1us", 0, 0, "between"},
		{"10/367d", 0, 0, "between"},
		{"2000000000/1m", 0, 0, "at most"},
	}
	for _, tt := range tests {
		limit, window, err := ParseLimit(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want one with %q", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil || limit != tt.limit || window != tt.window {
			t.Errorf("%q: %d, %v, %v, want %d, %v", tt.text, limit, window, err, tt.limit, tt.window)
		}
	}
}

// draft-ietf-httpapi-ratelimit-headers-11 §3 and §4, RFC 9110 §10.2.3.
func TestFields(t *testing.T) {
	minute := Policy{Limit: 10, Window: time.Minute, Burst: 5}
	tests := []struct {
		row, got, want string
	}{
		{"§3 policy", string(AppendPolicyField(nil, "login", minute)), `"login";q=15;w=60`},
		{"§3.1.3 no fractions", string(AppendPolicyField(nil, "x", Policy{Limit: 1, Window: 1500 * time.Millisecond})), `"x";q=1`},
		{"§4 remaining", string(Result{Remaining: 9, Reset: 12 * time.Second}.AppendField(nil, "login")), `"login";r=9;t=12`},
		{"§4.1.2 rounded up", string(Result{Reset: 12*time.Second + time.Millisecond}.AppendField(nil, "login")), `"login";r=0;t=13`},
		{"§4 nothing used", string(Result{Remaining: 9}.AppendField(nil, "login")), `"login";r=9`},
		{"RFC 9651 §4.1.6", string(Result{}.AppendField(nil, `a"b\cé`)), `"a\"b\\c??";r=0`},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.row, tt.got, tt.want)
		}
		if _, err := httpsfv.UnmarshalList([]string{tt.got}); err != nil {
			t.Errorf("%s: %s is no structured field: %v", tt.row, tt.got, err)
		}
	}
}

// RFC 9110 §10.2.3: whole seconds, never too few but for what an answer takes.
func TestRetryAfter(t *testing.T) {
	for reset, want := range map[time.Duration]int{
		0:                                 0,
		time.Nanosecond:                   1,
		time.Second:                       1,
		time.Second + time.Millisecond:    2,
		time.Minute:                       60,
		time.Minute + 100*time.Nanosecond: 60, // a tick of a window of a minute
		time.Minute + time.Microsecond:    61,
		time.Hour + 10*time.Microsecond:   3600,
	} {
		if got := (Result{Reset: reset}).RetryAfter(); got != want {
			t.Errorf("%v: %d seconds, want %d", reset, got, want)
		}
	}
	l := newLimiter(t, Config{Policy: Policy{Limit: 5, Window: time.Minute}})
	if got := string(l.Take("k", epoch.Add(12345)).AppendField(nil, "all")); got != `"all";r=4;t=60` {
		t.Errorf("the first answer says %s", got)
	}
}
