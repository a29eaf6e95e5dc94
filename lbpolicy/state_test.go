package lbpolicy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func TestSessionTable(t *testing.T) {
	table := newSessionTable(3, time.Minute)
	for i := range 5 {
		table.set(uint64(i), fmt.Sprint("u", i), time.Duration(i)*time.Second)
	}
	if n := table.len(); n != 3 {
		t.Fatalf("%d sessions, want the 3 latest", n)
	}
	want := func(hash uint64, now time.Duration, address string) {
		t.Helper()
		if got := table.find(hash, now); got != address {
			t.Errorf("session %d is at %q, want %q", hash, got, address)
		}
	}
	want(0, 5*time.Second, "")
	want(2, 6*time.Second, "u2") // and is the latest again
	table.set(9, "u9", 7*time.Second)
	want(2, 8*time.Second, "u2")
	want(3, 8*time.Second, "")
	table.forget(9)
	want(9, 8*time.Second, "")
	want(2, 69*time.Second, "") // idle for more than a minute
	table.set(10, "u10", 10*time.Minute)
	if n := table.len(); n != 1 {
		t.Errorf("%d sessions, want 1: the others were idle", n)
	}
}

// When Caddy starts nothing is held back; what comes later or comes back is.
func TestWarmth(t *testing.T) {
	var w warmth
	if got := w.age(time.Hour, true); got != math.MaxInt64 {
		t.Errorf("age from the start = %v", got)
	}
	w.age(2*time.Hour, false)
	if got := w.age(3*time.Hour, true); got != 0 {
		t.Errorf("age of one that comes back = %v, want 0", got)
	}
	if got := w.age(3*time.Hour+time.Second, true); got != time.Second {
		t.Errorf("a second later the age = %v", got)
	}
	w.appear(5 * time.Hour)
	if got := w.age(5*time.Hour+time.Minute, true); got != time.Minute {
		t.Errorf("age of a new one after a minute = %v", got)
	}
}

// An upstream of a dynamic source is remembered for a while after it was seen,
// and forgotten then.
func TestDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &discovery{known: make(map[string]*sighting)}
		a := d.find("dynamic-a:80", clock())
		d.find("dynamic-b:80", clock())
		for range 5 {
			time.Sleep(forgetAfter / 2) // of the bubble's clock
			if d.find("dynamic-a:80", clock()) != a {
				t.Fatal("one that is seen again and again was forgotten")
			}
		}
		synctest.Wait()
		if lookUp("dynamic-b:80") != nil {
			t.Error("one that was not seen for long is still there")
		}
		time.Sleep(2 * forgetAfter)
		synctest.Wait()
		if lookUp("dynamic-a:80") != nil || d.sweeping {
			t.Error("something is left of one that is gone")
		}
	})
}

func TestOutcome(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithTimeout(t.Context(), -1)
	defer stop()
	dial := reverseproxy.DialError{}
	tests := []struct {
		name   string
		ctx    context.Context
		status int
		err    error
		class  class
		failed bool
	}{
		{"101", t.Context(), 101, nil, class1xx, false},
		{"200", t.Context(), 200, nil, class2xx, false},
		{"304", t.Context(), 304, nil, class3xx, false},
		{"404 is an answer", t.Context(), 404, nil, class4xx, false},
		{"429 is overload", t.Context(), 429, nil, class4xx, true},
		{"500", t.Context(), 500, nil, class5xx, true},
		{"501 is an answer", t.Context(), 501, nil, class5xx, false},
		{"505 is an answer", t.Context(), 505, nil, class5xx, false},
		{"503", t.Context(), 503, nil, class5xx, true},
		{"dial error", t.Context(), 0, fmt.Errorf("proxy: %w", dial), classConnectError, true},
		{"other error", t.Context(), 0, errors.New("EOF"), classError, true},
		{"the client left", gone, 0, fmt.Errorf("x: %w", context.Canceled), classCanceled, false},
		{"a handler ended it", t.Context(), 0, fmt.Errorf("x: %w", context.Canceled), classCanceled, false},
		{"the client left while dialing", gone, 0, dial, classCanceled, false},
		{"a timeout of the proxy's", late, 0, context.DeadlineExceeded, classError, true},
		{"a timeout of the transport's", t.Context(), 0, &net.OpError{Err: context.DeadlineExceeded}, classError, true},
	}
	for _, tt := range tests {
		var res *http.Response
		if tt.err == nil {
			res = &http.Response{StatusCode: tt.status}
		}
		o := outcome{class: classify(tt.ctx, res, tt.err), status: tt.status}
		if o.class != tt.class || o.failed() != tt.failed {
			t.Errorf("%s: class %s, failed %t, want %s, %t", tt.name, o.class, o.failed(), tt.class, tt.failed)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		status      int
		value       string
		least, most time.Duration
	}{
		{503, "120", 2 * time.Minute, 2 * time.Minute},
		{429, "0", 0, 0},
		{503, date(time.Hour), time.Hour - 10*time.Second, time.Hour},
		{503, date(-time.Hour), 0, 0},
		{503, "soon", 0, 0},
		{503, "-5", 0, 0},
		{503, "99999999999999999999", 0, 0},
		{503, "", 0, 0},
		{200, "120", 0, 0},
	}
	for _, tt := range tests {
		res := &http.Response{StatusCode: tt.status, Header: http.Header{"Retry-After": {tt.value}}}
		if got := retryAfter(res); got < tt.least || got > tt.most {
			t.Errorf("retryAfter(%d, %q) = %v, want %v to %v", tt.status, tt.value, got, tt.least, tt.most)
		}
	}
}

// fullTransport can all that reverse_proxy may ask of a transport.
type fullTransport struct{ instant }

func (fullTransport) RequestHeaderOps() *headers.HeaderOps           { return new(headers.HeaderOps) }
func (fullTransport) ProxyProtocolEnabled() bool                     { return true }
func (fullTransport) RequiresContentLength() bool                    { return true }
func (fullTransport) OverrideHealthCheckScheme(u *url.URL, _ string) { u.Scheme = "x" }

// A transport of somebody else's keeps what it can do, behind the tap.
func TestAnyTransport(t *testing.T) {
	for _, inner := range []http.RoundTripper{fullTransport{}, instant{}} {
		_, full := inner.(fullTransport)
		wrapped := newTap(nil).wrap(inner).(*anyTransport)
		u := new(url.URL)
		wrapped.OverrideHealthCheckScheme(u, "80")
		if wrapped.ProxyProtocolEnabled() != full || wrapped.RequiresContentLength() != full ||
			(wrapped.RequestHeaderOps() != nil) != full || (u.Scheme == "x") != full {
			t.Errorf("%T behind the tap is not what it was", inner)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a", nil)
		if res, err := wrapped.RoundTrip(r); err != nil || res.StatusCode != 200 {
			t.Errorf("%T: %v", inner, err)
		}
	}
}

// An address may be written in every way that reverse_proxy takes it in.
func TestSameAddress(t *testing.T) {
	for written, dial := range map[string]string{
		"app:80": "app:80", "app": "app:80", "http://app": "app:80", "https://app": "app:443", "h2c://app:8080": "app:8080",
		"::1": "[::1]:80", "[::1]": "[::1]:80", "https://[::1]": "[::1]:443", ":8080": ":8080", "{env.APP}:80": "{env.APP}:80",
		"unix//run/app.sock": "unix//run/app.sock", "unix+h2c//run/app.sock": "unix//run/app.sock",
	} {
		if !sameAddress(written, dial) {
			t.Errorf("%s is not %s", written, dial)
		}
		if sameAddress(written, "x"+dial) || sameAddress(written, dial+"0") {
			t.Errorf("%s is another one than %s", written, dial)
		}
	}
}

// What JSON can say and the Caddyfile cannot is refused as well.
func TestJSONMistakes(t *testing.T) {
	for policy, want := range map[string]string{
		`{"policy":"least_time","weight":{"a:80":-1}}`:                                          "weight: a:80",
		`{"policy":"least_time","weight":{"z:80":1}}`:                                           "weight: 'z:80' is no upstream",
		`{"policy":"least_time","slow_start":-1}`:                                               "slow_start",
		`{"policy":"least_time","retry_budget":101}`:                                            "retry_budget",
		`{"policy":"least_time","queue":{"max":0,"timeout":"1s"}}`:                              "queue: max",
		`{"policy":"least_time","queue":{"max":1}}`:                                             "queue: timeout",
		`{"policy":"least_time","eject":{"for":"10s","up_to":"5s"}}`:                            "eject: for",
		`{"policy":"least_time","eject":{"slower":0.5}}`:                                        "eject: slower",
		`{"policy":"least_time","eject":{"max_ejected":-1}}`:                                    "eject: max_ejected",
		`{"policy":"least_request","choices":1}`:                                                "choices",
		`{"policy":"hash"}`:                                                                     "key",
		`{"policy":"hash","key":"x","table":"ring"}`:                                            "table",
		`{"policy":"hash","key":"x","load_bound":1}`:                                            "load_bound",
		`{"policy":"sticky","name":"a b"}`:                                                      "name",
		`{"policy":"sticky","learn":{}}`:                                                        "learn",
		`{"policy":"sticky","name":"s","learn":{"max":-1}}`:                                     "learn: max",
		`{"policy":"sticky","name":"s","learn":{},"secret":"x"}`:                                "secret",
		`{"policy":"sticky","header":"x","name":"s"}`:                                           "header",
		`{"policy":"sticky","same_site":"none","secure":"off"}`:                                 "same_site",
		`{"policy":"sticky","same_site":"some"}`:                                                "same_site",
		`{"policy":"sticky","fallback":{"policy":"none"}}`:                                      "none",
		`{"policy":"tiers"}`:                                                                    "no tiers",
		`{"policy":"tiers","tiers":[null]}`:                                                     "null",
		`{"policy":"tiers","tiers":[{"upstreams":["a:80"]}]}`:                                   "'b:80' is in no tier",
		`{"policy":"tiers","tiers":[{"upstreams":["a:80","b:80"]},{"upstreams":["http://a"]}]}`: "'a:80' is in tiers 1 and 2",
		`{"policy":"tiers","tiers":[{"upstreams":["a:80","b:80"]}],"panic":101}`:                "panic",
	} {
		ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := caddy.NewContext(ctx)
		config := `{"upstreams":[{"dial":"a:80"},{"dial":"b:80"}],"load_balancing":{"selection_policy":` + policy + `}}`
		_, err = ctx.LoadModuleByID("http.handlers.reverse_proxy", json.RawMessage(config))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %q", policy, err, want)
		}
		cancel()
	}
	eachUpstream(func(u *upstream) {
		if u.address == "a:80" || u.address == "b:80" {
			t.Errorf("%s is still held by a configuration that was refused", u.address)
		}
	})
}

// An upstream that joins gets a part of its weight at first, by every policy.
func TestSlowStart(t *testing.T) {
	for _, policy := range []string{
		`{"policy":"weighted","slow_start":"10s"}`,
		`{"policy":"hash","key":"{http.request.uri.path}","slow_start":"10s"}`,
		`{"policy":"hash","key":"{http.request.uri.path}","table":"rendezvous","load_bound":10,"slow_start":"10s"}`,
		`{"policy":"sticky","slow_start":"10s","fallback":{"policy":"weighted"}}`,
		`{"policy":"hash","key":"{http.request.header.none}","slow_start":"10s","fallback":{"policy":"weighted"}}`,
		`{"policy":"tiers","slow_start":"10s","tiers":[{"upstreams":["slow-a:80","slow-b:80","slow-c:80"],"selection_policy":{"policy":"weighted"}}]}`,
	} {
		synctest.Test(t, func(t *testing.T) { testSlowStart(t, policy) })
	}
}

func testSlowStart(t *testing.T, policy string) {
	without := func(gone string) string { return strings.ReplaceAll(policy, `,"`+gone+`"`, "") }
	h := provisioned(t, without("slow-c:80"), "slow-a:80", "slow-b:80")
	server := new(caddyhttp.Server)
	share := func() (b int) {
		for i := range 1000 {
			r := requestFor(server)
			r.URL.Path = fmt.Sprint("/", i)
			if h.LoadBalancing.SelectionPolicy.Select(h.Upstreams, r, nil) == h.Upstreams[1] {
				b++
			}
		}
		return b
	}
	if got := share(); got < 450 || got > 550 {
		t.Errorf("%s: at the start the second gets %d of 1000, want 500", policy, got)
	}
	h = provisioned(t, without("slow-b:80"), "slow-a:80", "slow-c:80") // as a reload does
	for _, tt := range []struct {
		wait        time.Duration
		least, most int
	}{
		{0, 30, 110},                // a tenth of the weight: 1/11, or a tenth of its keys
		{5 * time.Second, 220, 350}, // half: 1/3, or half of its keys
		{5 * time.Second, 450, 550}, // all
		{time.Minute, 450, 550},
	} {
		time.Sleep(tt.wait)
		if got := share(); got < tt.least || got > tt.most {
			t.Errorf("%s: after %v the new one gets %d of 1000, want %d to %d", policy, tt.wait, got, tt.least, tt.most)
		}
	}
}

// What ends the retries can never be dialed, whatever the last error says.
func TestExhaustedCannotBeDialed(t *testing.T) {
	for _, last := range []error{
		nil,
		errors.New("dial tcp 127.0.0.1:80: connect: connection refused"),
		errors.New("dial tcp [::1]:80: {env.HOME} unix//run/x.sock|0200 100%"),
		errors.New(`lookup a\b: no such host`),
	} {
		up := exhausted(&trip{last: last})
		dial := caddy.NewReplacer().ReplaceAll(up.Dial, "")
		if addr, err := caddy.ParseNetworkAddress(dial); err == nil && addr.PortRangeSize() == 1 {
			t.Errorf("after %v: %q is an address", last, dial)
		}
	}
}

// A request may be over while it still looks for an upstream: the slot it then
// gets is given back at once, since nothing comes that would.
func TestSlotAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{}), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := (&tap{trips: true, slots: true}).trip(r)
	u := new(upstream)
	if !tr.takeSlot(u, 1) || tr.takeSlot(new(upstream), 1) && u.slots.full(1) {
		t.Fatal("a slot is held that was changed for another")
	}
	cancel()
	tr.takeSlot(u, 1)
	if u.slots.full(1) {
		t.Error("the slot is lost")
	}
}
