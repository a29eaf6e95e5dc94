//go:build !race

package lbpolicy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// The race detector allocates, and has a sync.Pool forget at random.

// A choice costs no allocation, but for the key of hash.
func TestSelectAllocations(t *testing.T) {
	r := requestFor(new(caddyhttp.Server))
	for _, policy := range policies {
		h := provisioned(t, policy, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
		s := h.LoadBalancing.SelectionPolicy
		got := testing.AllocsPerRun(1000, func() { s.Select(h.Upstreams, r, nil) })
		most := 0.0
		if strings.Contains(policy, "hash") {
			most = 2
		}
		if got > most {
			t.Errorf("%s: %v allocations for a choice, want at most %v", policy, got, most)
		}
	}
}

// Learning costs a proxied request at most two allocations: it has one, for the
// end of the body.
func TestTapAllocations(t *testing.T) {
	h := provisioned(t, policies[0], "127.0.0.1:1", "127.0.0.1:2")
	r := requestFor(new(caddyhttp.Server))
	di := reverseproxy.DialInfo{Upstream: h.Upstreams[0], Address: "127.0.0.1:1"}
	r = r.WithContext(context.WithValue(r.Context(), caddy.CtxKey("reverse_proxy.dial_info"), di))
	rt := instant{"hello"}
	through := func(f func() (*http.Response, error)) float64 {
		return testing.AllocsPerRun(1000, func() {
			res, err := f()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
	}
	bare := through(func() (*http.Response, error) { return rt.RoundTrip(r) })
	tap := h.Transport.(observed).outcomes()
	tapped := through(func() (*http.Response, error) { return tap.roundTrip(rt, r) })
	if n := tap.static["127.0.0.1:1"].counts[class2xx].Load(); n < 1000 {
		t.Fatalf("the tap has seen %d requests", n)
	}
	if tapped-bare > 2 {
		t.Errorf("the tap costs %v allocations, want at most 2", tapped-bare)
	}
}
