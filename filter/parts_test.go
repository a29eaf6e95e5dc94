package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/geo"
)

// atlas is a database of places.
type atlas map[string]geo.Place

func (a atlas) Lookup(ip netip.Addr) geo.Place { return a[ip.String()] }

// The particular decides before the general: an address, a country or network,
// everybody. Where two of a kind disagree, allow decides.
func TestAddresses(t *testing.T) {
	places := atlas{
		"192.0.2.1": {Country: geo.Country{'D', 'E'}, ASN: 64496},
		"192.0.2.2": {Country: geo.Country{'D', 'E'}, ASN: 64500},
		"192.0.2.3": {Country: geo.Country{'F', 'R'}, ASN: 64496},
	}
	tests := []struct {
		name        string
		allow, deny AddressOptions
		client      string
		want        address.Decision
		by          string
	}{
		{"no rule", AddressOptions{}, AddressOptions{}, "192.0.2.1", address.Unlisted, ""},
		{"a country", AddressOptions{}, AddressOptions{Countries: []string{"de"}}, "192.0.2.1", address.Denied, "country DE"},
		{"another", AddressOptions{}, AddressOptions{Countries: []string{"DE"}}, "192.0.2.3", address.Unlisted, ""},
		{"no country", AddressOptions{}, AddressOptions{Countries: []string{"DE"}}, "192.0.2.9", address.Unlisted, ""},
		{"a network", AddressOptions{}, AddressOptions{ASNs: []string{"AS64496"}}, "192.0.2.3", address.Denied, "asn 64496"},
		{"a network of a country", AddressOptions{Countries: []string{"DE"}}, AddressOptions{ASNs: []string{"64496"}}, "192.0.2.1", address.Allowed, "country DE"},
		{"an address in a country", AddressOptions{Ranges: []string{"192.0.2.1"}}, AddressOptions{Countries: []string{"DE"}}, "192.0.2.1", address.Allowed, "range"},
		{"an address denied in a country", AddressOptions{Countries: []string{"DE"}}, AddressOptions{Ranges: []string{"192.0.2.0/24"}}, "192.0.2.1", address.Denied, "range"},
		{"only a country", AddressOptions{Countries: []string{"DE"}}, AddressOptions{All: true}, "192.0.2.1", address.Allowed, "country DE"},
		{"only another", AddressOptions{Countries: []string{"DE"}}, AddressOptions{All: true}, "192.0.2.3", address.Denied, "all"},
		{"private ranges", AddressOptions{Ranges: []string{"private_ranges"}}, AddressOptions{All: true}, "10.1.2.3", address.Allowed, "range"},
		{"IPv4 in IPv6", AddressOptions{}, AddressOptions{Ranges: []string{"192.0.2.0/24"}}, "::ffff:192.0.2.1", address.Denied, "range"},
		{"no address", AddressOptions{}, AddressOptions{All: true}, "", address.Denied, "all"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandler(t, "")
			h.Allow, h.Deny = &tt.allow, &tt.deny
			for _, o := range []*AddressOptions{h.Allow, h.Deny} {
				if _, err := o.provisionPlaces(); err != nil {
					t.Fatal(err)
				}
			}
			var err, err2 error
			h.rules.Allow, err = h.Allow.matchers(h.app)
			h.rules.Deny, err2 = h.Deny.matchers(h.app)
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			h.places = places
			client, _ := netip.ParseAddr(tt.client)
			x := &inspection{h: h, client: client.Unmap()}
			if got, by := x.decide(); got != tt.want || by != tt.by {
				t.Errorf("%v by %q, want %v by %q", got, by, tt.want, tt.by)
			}
		})
	}
}

// Who claims a name that can be verified, and is somebody else, is kept out only
// where that is asked for.
func TestUnverified(t *testing.T) {
	ranges, err := address.Of("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	v := bots.NewVerifier(bots.Options{Ranges: func(string) *address.Set { return ranges }})
	defer func() { _ = v.Destruct() }()
	h := newHandler(t, "bots deny unverified")
	h.verifier = v
	for client, want := range map[string]int{"192.0.2.200": 200, "198.51.100.200": 403} {
		r := from(client, "GET /", "User-Agent: GPTBot/1.2")
		if status, _ := ask(h, r); status != want {
			t.Errorf("GPTBot from %s: %d %q, want %d", client, status, replaced(r, allPlaceholders), want)
		}
	}
	if status, _ := ask(newHandler(t, ""), from("198.51.100.200", "GET /", "User-Agent: GPTBot/1.2")); status != 200 {
		t.Errorf("without `bots deny unverified`: %d", status)
	}
}

// What a rate counts by.
func TestRateKeys(t *testing.T) {
	h := newHandler(t, "")
	key := func(r *http.Request, parts ...string) string {
		x := &inspection{h: h, r: r, client: clientOf(r)}
		return (&RateOptions{Key: parts}).key(x)
	}
	const host, header = "{http.request.remote.host}", "{http.request.header.X-Key}"
	same := []struct {
		name string
		a, b string
	}{
		{"IPv6 of one /64", key(from("2001:db8::1", "GET /")), key(from("2001:db8::2", "GET /"))},
		{"the same by a placeholder", key(from("2001:db8::1", "GET /"), host), key(from("2001:db8::2", "GET /"), host)},
		{"nothing to count by", key(from("192.0.2.1", "GET /"), header), key(from("192.0.2.1", "GET /"))},
	}
	for _, tt := range same {
		if tt.a != tt.b {
			t.Errorf("%s: %q and %q", tt.name, tt.a, tt.b)
		}
	}
	other := []struct {
		name string
		a, b string
	}{
		{"IPv6 of two /64", key(from("2001:db8::1", "GET /")), key(from("2001:db8:0:1::1", "GET /"))},
		{"IPv4", key(from("192.0.2.1", "GET /")), key(from("192.0.2.2", "GET /"))},
		{"nothing to count by, two clients", key(from("192.0.2.1", "GET /"), header), key(from("192.0.2.2", "GET /"), header)},
		{
			"values that are one when joined",
			key(from("192.0.2.1", "GET /?a=x&b=yz"), "{http.request.uri.query.a}", "{http.request.uri.query.b}"),
			key(from("192.0.2.1", "GET /?a=xy&b=z"), "{http.request.uri.query.a}", "{http.request.uri.query.b}"),
		},
	}
	for _, tt := range other {
		if tt.a == tt.b {
			t.Errorf("%s: both %q", tt.name, tt.a)
		}
	}
}

// Several rates are members of one field; one that only detects is not told.
func TestRates(t *testing.T) {
	h := newHandler(t, "rate parts_a {\nlimit 5/1m\n}\nrate parts_b {\nlimit 1/10s\n}\nrate parts_c {\nlimit 1/1m\nmode detect\n}")
	_, header := ask(h, from("192.0.2.1", "GET /"))
	if got, want := header.Get("Ratelimit-Policy"), `"parts_a";q=5;w=60, "parts_b";q=1;w=10`; got != want {
		t.Errorf("RateLimit-Policy = %q, want %q", got, want)
	}
	r := from("192.0.2.1", "GET /")
	status, header := ask(h, r)
	if retry := header.Get("Retry-After"); status != 429 || retry != "10" {
		t.Errorf("%d, Retry-After %q, want 429 and 10", status, retry)
	}
	if got, want := replaced(r, allPlaceholders), "block rate parts_b 0 "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A body that exceeds a limit is the client's fault, whatever the next handler
// makes of the error.
func TestBodyExcess(t *testing.T) {
	deep := strings.Repeat("[", 65)
	reading := func(answer func(http.ResponseWriter, error) error) caddyhttp.Handler {
		return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(io.Discard, r.Body)
			return answer(w, err)
		})
	}
	tests := []struct {
		name, block string
		next        caddyhttp.Handler
		status      int
		says        string
	}{
		{
			"an error goes up", "", reading(func(_ http.ResponseWriter, err error) error { return caddyhttp.Error(502, err) }),
			400, "block limit json_depth 0 ",
		},
		{
			"taken for a client that left", "", reading(func(w http.ResponseWriter, err error) error {
				if err != nil {
					w.WriteHeader(499)
				}
				return nil
			}),
			400, "block limit json_depth 0 ",
		},
		{
			"answered all the same", "", reading(func(w http.ResponseWriter, _ error) error { w.WriteHeader(201); return nil }),
			201, "block limit json_depth 0 ",
		},
		{
			"not read", "", caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(201); return nil }),
			201, "pass   0 ",
		},
		{
			"detected", "limits {\nmode detect\n}", reading(func(w http.ResponseWriter, err error) error {
				if err != nil {
					return err
				}
				w.WriteHeader(201)
				return nil
			}),
			201, "detect limit json_depth 0 ",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, logs := watched(t, tt.block)
			r := from("192.0.2.1", "POST /")
			r.Header.Set("Content-Type", "application/json")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(deep)), int64(len(deep))
			w := httptest.NewRecorder()
			err := h.ServeHTTP(w, r, tt.next)
			status := w.Code
			var up caddyhttp.HandlerError
			if errors.As(err, &up) {
				status = up.StatusCode
			}
			if got := replaced(r, allPlaceholders); status != tt.status || got != tt.says {
				t.Errorf("%d %q, want %d %q", status, got, tt.status, tt.says)
			}
			if want := min(1, len(strings.TrimPrefix(tt.says, "pass   0 "))); logs.Len() != want {
				t.Errorf("%d events in the log, want %d", logs.Len(), want)
			}
		})
	}
}

// The answers that replace denials.
func TestAnswers(t *testing.T) {
	denied := func(h *Handler, method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, from("192.0.2.1", method+" /"), origin); err != nil {
			t.Errorf("the error %v goes up", err)
		}
		return w
	}
	h := newHandler(t, "deny all\nrespond 200 \"nothing here\"")
	w := denied(h, "GET")
	if got := fmt.Sprint(w.Code, w.Body, w.Header()); got != "200 nothing here map[Cache-Control:[no-store] Content-Length:[12] Content-Type:[text/plain; charset=utf-8]]" {
		t.Error(got)
	}
	if _, header := ask(newHandler(t, ""), from("192.0.2.1", "GET /.env")); header.Get("Cache-Control") != "no-store" {
		t.Errorf("a probe is answered with %v, which may be stored", header)
	}
	if w := denied(h, "HEAD"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("drop: %v, want http.ErrAbortHandler", got)
		}
	}()
	_, _ = ask(newHandler(t, "deny all\ndrop"), from("192.0.2.1", "GET /"))
}

// A client is held as long as configured, until it leaves, or until the server is
// about to.
func TestTarpit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, _ := newState()
		h := &Handler{app: &App{state: shared.(*state)}, Tarpit: caddy.Duration(time.Minute)}
		stop := make(chan struct{})
		h.stopping = stop
		hold := func(r *http.Request) time.Duration {
			begun := time.Now()
			(&inspection{h: h, r: r}).hold(time.Minute)
			return time.Since(begun)
		}
		r := httptest.NewRequest("GET", "/", nil)
		if got := hold(r); got != time.Minute {
			t.Errorf("held %v, want a minute", got)
		}
		go func() { time.Sleep(time.Second); close(stop) }()
		if got := hold(r); got != time.Second {
			t.Errorf("held %v, want until the server stops", got)
		}
		if n := h.app.slots().Used(); n != 0 {
			t.Errorf("%d places are not given back", n)
		}
		taken := 0
		for h.stopping = nil; h.app.slots().Take(); taken++ {
		}
		if got := hold(r); taken == 0 || got != 0 {
			t.Errorf("held %v with %d places taken, want to be answered at once", got, taken)
		}
	})
}

// Bans: what counts, who does not, and for how long.
func TestStrikes(t *testing.T) {
	h, logs := watched(t, "ban {\nafter 2 in 1m\nfor 1h\n}\nlimits {\nargs 1\n}\nallow 203.0.113.9\nrate strikes {\nlimit 1/1h\nmatch path /rated\n}")
	tests := []struct {
		name   string
		asks   []string
		banned bool
	}{
		{"probes", []string{"GET /.env", "GET /.git/HEAD"}, true},
		{"targets", []string{"GET /a/../b", "GET /%2e%2e/"}, true},
		{"rates", []string{"GET /rated", "GET /rated", "GET /rated"}, true},
		{"one is not enough", []string{"GET /.env"}, false},
		{"limits do not count", []string{"GET /?a&b", "GET /?a&b", "GET /?a&b"}, false},
	}
	for i, tt := range tests {
		client := fmt.Sprint("203.0.113.", 100+i)
		for _, line := range tt.asks {
			ask(h, from(client, line))
		}
		if status, _ := ask(h, from(client, "GET /")); (status == 403) != tt.banned {
			t.Errorf("%s: then %d, banned should be %t", tt.name, status, tt.banned)
		}
	}
	ask(h, from("203.0.113.9", "GET /.env"))
	ask(h, from("203.0.113.9", "GET /.env"))
	if status, _ := ask(h, from("203.0.113.9", "GET /")); status != 200 {
		t.Errorf("who is allowed: %d", status)
	}
	if _, err := h.ledger.Add(netip.MustParsePrefix("203.0.113.8/31"), time.Hour, "by hand", time.Now()); err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]int{"203.0.113.8": 403, "203.0.113.9": 200} {
		if status, _ := ask(h, from(client, "GET /")); status != want {
			t.Errorf("in a range that is banned by hand, %s: %d, want %d", client, status, want)
		}
	}
	if n := logs.FilterMessage("client banned").Len(); n != 3 {
		t.Errorf("%d bans in the log, want 3", n)
	}
	detecting := newHandler(t, "mode detect\nban {\nafter 1 in 1m\nfor 1h\n}\nhoneypot /trap")
	ask(detecting, from("203.0.113.200", "GET /trap"))
	ask(detecting, from("203.0.113.200", "GET /.env"))
	if status, _ := ask(h, from("203.0.113.200", "GET /")); status != 200 {
		t.Errorf("what is only detected bans: %d", status)
	}
}

// Of two filters in a row the one that has something to say is heard.
func TestTwoFilters(t *testing.T) {
	first, second := newHandler(t, ""), newHandler(t, "deny all")
	r := from("192.0.2.1", "GET /")
	err := first.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return second.ServeHTTP(w, r, origin)
	}))
	if got, want := replaced(r, allPlaceholders), "block address all 0 "; err == nil || got != want {
		t.Errorf("%v, %q, want an error and %q", err, got, want)
	}
}

// JSON is refused as the Caddyfile is, and the option named.
func TestValidate(t *testing.T) {
	tests := []struct{ config, want string }{
		{`{"mode":"loud"}`, "mode: unknown value 'loud': expected block, detect"},
		{`{"threshold":0}`, "threshold: must be 1 or more, not 0"},
		{`{"allow":{}}`, "allow: names nobody"},
		{`{"allow":{"all":true}}`, "allow: all can only be denied"},
		{`{"deny":{"ranges":["x"]}}`, `deny: "x" is not an address, a CIDR range or a range a-b`},
		{`{"limits":{"uri":-1}}`, "limits: uri: must not be negative"},
		{`{"limits":{"mode":"on"}}`, "limits: mode: unknown value 'on': expected block, detect, off"},
		{`{"honeypot":["x"]}`, `honeypot: "x" is no path: it begins with a slash`},
		{`{"rule":[{}]}`, "rule: needs a name"},
		{`{"rule":[null]}`, "rule: needs a name"},
		{`{"rule":[{"name":"r"}]}`, "rule: r: match: is missing"},
		{`{"rule":[{"name":"r","match":[{}],"action":"score"}]}`, "rule: r: score: must be 1 or more"},
		{`{"rule":[{"name":"r","match":[{}],"score":1}]}`, "rule: r: score: only of the action score"},
		{`{"rule":[{"name":"r","match":[{}],"status":200}]}`, "rule: r: status: 400 to 599, of the action block"},
		{`{"rule":[{"name":"r","match":[{}]},{"name":"r","match":[{}]}]}`, "rule: r: is defined more than once"},
		{`{"rate":[{"name":"r"}]}`, "rate: r: limit: is missing"},
		{`{"rate":[{"limit":"1/s"}]}`, "rate: needs a name"},
		{`{"rate":[{"name":"r","limit":"1/s"},{"name":"r","limit":"1/s"}]}`, "rate: r: is defined more than once"},
		{`{"rate":[{"name":"r","limit":"1/s","burst":-1}]}`, "rate: r: burst must be 0 or more, not -1"},
		{`{"ban":{"within":"1m","for":"1h"}}`, "ban: after must be 1 or more, not 0"},
		{`{"respond":{}}`, "respond: status must be 200 to 299 or 400 to 599, not 0"},
		{`{"respond":{"status":403},"drop":true}`, "respond, drop and tarpit: at most one of them"},
		{`{"tarpit":-1}`, "tarpit: must not be negative"},
	}
	for _, tt := range tests {
		h := new(Handler)
		if err := json.Unmarshal([]byte(tt.config), h); err != nil {
			t.Fatalf("%s: %v", tt.config, err)
		}
		h.setDefaults()
		if diff := cmp.Diff(tt.want, fmt.Sprint(h.Validate())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.config, diff)
		}
	}
}

func BenchmarkPass(b *testing.B) {
	h := newHandler(b, "")
	r := from("192.0.2.7", "GET /page?a=1&b=2", "Accept-Encoding: gzip, br", "Cookie: a=b", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept: */*")
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	pristine := *repl
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		*repl = pristine
		_ = h.ServeHTTP(w, r, origin)
	}
}
